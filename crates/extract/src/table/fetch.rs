//! Data files as local files, checked against their digest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use swath_io::{ErrorKind, StoreWriter};
use xxhash_rust::xxh3::Xxh3;

use super::data::digest_text;
use super::merge::{SortedFile, failed};
use super::snapshot::TableFile;
use crate::ExtractError;

/// Files that are fetched at once.
const FETCHED_AT_ONCE: usize = 4;
/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// What is wrong with a data file.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not there.
    Missing,
    /// It has other bytes than those that were committed.
    Changed { found: String },
}

/// Brings files to this machine, in their order; those of a folder stay where they are.
///
/// # Errors
/// Also where one is missing or has other bytes than those that were committed.
pub(super) async fn fetch_files(
    writer: &StoreWriter,
    files: &[Arc<TableFile>],
    scratch: &Path,
) -> Result<Vec<SortedFile>, ExtractError> {
    let fetches = files.iter().enumerate().map(|(index, file)| async move {
        let scratch = scratch.join(format!("fetched-{index}.parquet"));
        match fetch_file(writer, file, scratch).await? {
            Ok(path) => Ok(SortedFile {
                path,
                without_items: BTreeSet::new(),
            }),
            Err(fault) => Err(ExtractError::Table {
                href: writer.href(&file.path),
                reason: match fault {
                    Fault::Missing => "the data file is missing".to_owned(),
                    Fault::Changed { found } => format!(
                        "its bytes are not those that were committed (digest {found}, committed {})",
                        file.digest
                    ),
                },
            }),
        }
    });
    let fetches: Vec<_> = fetches.collect();
    futures::stream::iter(fetches)
        .buffered(FETCHED_AT_ONCE)
        .try_collect()
        .await
}

/// Brings a file to this machine: where it lies then, or what is wrong with it.
pub(super) async fn fetch_file(
    writer: &StoreWriter,
    file: &TableFile,
    scratch: PathBuf,
) -> Result<Result<PathBuf, Fault>, ExtractError> {
    let asset = writer.asset(&file.path)?;
    let path = match asset.local_path() {
        Some(path) => path.to_owned(),
        None => {
            let mut to = File::create(&scratch).map_err(|error| failed("scratch", &error))?;
            let mut parts = asset.parts();
            loop {
                let part = match parts.next().await {
                    Ok(Some(part)) => part,
                    Ok(None) => break,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        return Ok(Err(Fault::Missing));
                    }
                    Err(error) => return Err(error.into()),
                };
                let written =
                    tokio::task::spawn_blocking(move || to.write_all(&part).map(|()| to)).await;
                let written = written.map_err(|error| failed("scratch", &error))?;
                to = written.map_err(|error| failed("scratch", &error))?;
            }
            scratch
        }
    };
    let (size, digest) = (file.size_bytes, file.digest.clone());
    swath_io::compute::run(move |_| checked(path, size, &digest)).await
}

/// Compares a local file with what was committed.
fn checked(path: PathBuf, size: u64, digest: &str) -> Result<Result<PathBuf, Fault>, ExtractError> {
    let name = path.display().to_string();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Err(Fault::Missing));
        }
        Err(error) => return Err(failed(&name, &error)),
    };
    let mut found = Xxh3::new();
    let mut bytes = 0;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| failed(&name, &error))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        found.update(&buffer[..read]);
    }
    let found = digest_text(&found);
    // Files of other programs have no digest.
    Ok(
        match bytes == size && (digest.is_empty() || digest == found) {
            true => Ok(path),
            false => Err(Fault::Changed { found }),
        },
    )
}
