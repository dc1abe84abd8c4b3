//! The files as delivered: digests, the word of the manifest, copies in the archive.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::{FILES_AT_ONCE, Ingest, Opened, Originals, ProductReport, blocking};
use crate::ArchiveError;
use crate::item::PlacedOriginal;
use crate::package::Package;
use crate::product::{Digests, ManifestEntry, Product};

/// Files as delivered, by their names in the product.
pub(super) type Kept = BTreeMap<String, KeptFile>;

/// One file as delivered.
#[derive(Debug, Clone)]
pub(super) struct KeptFile {
    /// Where it can be referred to; `None` where it is not kept.
    pub place: Option<PlacedOriginal>,
    /// Multihash of its content.
    pub checksum: String,
    /// Bytes.
    pub size: u64,
}

/// Returns the files that the manifest lists and the package does not hold.
pub(super) fn missing_files(package: &Package, product: &Product) -> Vec<String> {
    let absent = product
        .manifest
        .iter()
        .filter(|entry| package.size(&entry.path).is_none());
    absent.map(|entry| entry.path.clone()).collect()
}

impl Ingest<'_> {
    /// Digests all files of a product, compares them with the manifest and keeps those to keep.
    pub(super) async fn keep_originals(
        &self,
        opened: &Opened,
        folder: &str,
        report: &mut ProductReport,
    ) -> Result<Kept, ArchiveError> {
        let entries: BTreeMap<&str, &ManifestEntry> = opened
            .product
            .manifest
            .iter()
            .map(|entry| (entry.path.as_str(), entry))
            .collect();
        if self.options.originals == Originals::Reference && opened.package.is_packed() {
            return Err(ArchiveError::Invalid {
                reason: format!(
                    "{}: files in a zip archive cannot be referred to; unpack it or keep the originals",
                    opened.source
                ),
            });
        }
        let work = opened.product.members.iter().map(|member| {
            let entry = entries.get(member.as_str()).copied();
            self.keep_original(opened, folder, member, entry)
        });
        let mut files = futures::stream::iter(work).buffered(FILES_AT_ONCE);
        let mut kept = Kept::new();
        while let Some((member, file, verdict, written)) = files.try_next().await? {
            report.bytes_read += file.size;
            report.bytes_written += written;
            match verdict {
                Verdict::Matches => report.verified_files += 1,
                Verdict::Differs(reason) => {
                    report.damaged_files.push(member.clone());
                    report.note(format!("{member}: {reason}"));
                }
                Verdict::Unknown => {}
            }
            kept.insert(member, file);
        }
        Ok(kept)
    }

    async fn keep_original(
        &self,
        opened: &Opened,
        folder: &str,
        member: &str,
        entry: Option<&ManifestEntry>,
    ) -> Result<(String, KeptFile, Verdict, u64), ArchiveError> {
        let (package, name) = (opened.package.clone(), member.to_owned());
        let wanted = entry.and_then(|entry| entry.checksum.as_ref());
        let wanted = wanted.map(|(algorithm, _)| *algorithm);
        let digests = blocking(move || {
            let mut digests = Digests::new(wanted);
            package.scan(&name, &mut |part| {
                digests.update(part);
                true
            })?;
            Ok(digests)
        })
        .await?;
        let verdict = verdict(&digests, entry);
        let media_type = media_type(&opened.product, member);
        let mut file = KeptFile {
            place: None,
            checksum: digests.multihash(),
            size: digests.size,
        };
        let (href, written) = match self.wish(opened, member) {
            Originals::Drop => return Ok((member.to_owned(), file, verdict, 0)),
            Originals::Reference => {
                let path = opened.package.local_path(member).map(PathBuf::from);
                let path = path.unwrap_or_default();
                let full = path.canonicalize().unwrap_or(path);
                (full.to_string_lossy().into_owned(), 0)
            }
            Originals::Keep => {
                let key = self.original_key(opened, folder, member);
                let written = self
                    .copy(&opened.package, member, &key, digests.size)
                    .await?;
                (self.archive.href(&key), written)
            }
        };
        file.place = Some(PlacedOriginal {
            href,
            media_type,
            size: Some(file.size),
            checksum: Some(file.checksum.clone()),
        });
        Ok((member.to_owned(), file, verdict, written))
    }

    /// Returns what happens to one file: metadata and previews are kept even where originals are
    /// dropped, and a raster that becomes the asset itself is not stored twice.
    fn wish(&self, opened: &Opened, member: &str) -> Originals {
        let asset = opened
            .product
            .assets
            .values()
            .find(|asset| asset.member == member);
        let is_small = asset.is_some_and(|asset| {
            asset.raster.is_none()
                || asset
                    .raster
                    .as_ref()
                    .is_some_and(|raster| !raster.is_convertible)
        });
        match self.options.originals {
            Originals::Drop if is_small => Originals::Keep,
            // A COG is its own asset; `place_assets` stores it.
            Originals::Keep if opened.is_cog => Originals::Drop,
            wish => wish,
        }
    }

    /// Returns the key of a file as delivered.
    fn original_key(&self, opened: &Opened, folder: &str, member: &str) -> String {
        format!("{folder}/{}/{member}", opened.product.folder)
    }

    /// Copies a file into the archive unless it is there; returns the bytes written.
    pub(super) async fn copy(
        &self,
        package: &Arc<Package>,
        member: &str,
        key: &str,
        size: u64,
    ) -> Result<u64, ArchiveError> {
        let found = self.archive.size(key).await.map_err(ArchiveError::store)?;
        if found == Some(size) && !self.options.is_repeated {
            return Ok(0);
        }
        let written = match package.local_path(member) {
            Some(path) => self.archive.put_file(key, path).await,
            None => {
                let unpacked = self.unpack(package, member).await?;
                self.archive.take_file(key, unpacked.path()).await
            }
        };
        written.map_err(ArchiveError::store)?;
        Ok(size)
    }

    /// Unpacks a file of a zip archive to the scratch folder; it is removed with the value.
    pub(super) async fn unpack(
        &self,
        package: &Arc<Package>,
        member: &str,
    ) -> Result<tempfile::NamedTempFile, ArchiveError> {
        let (package, member) = (package.clone(), member.to_owned());
        let scratch = self.options.scratch.clone();
        blocking(move || {
            use std::io::Write as _;
            let failed = |error| ArchiveError::file(&scratch, error);
            std::fs::create_dir_all(&scratch).map_err(failed)?;
            let extension = member
                .rsplit_once('.')
                .map_or("", |(_, extension)| extension);
            let mut file = tempfile::Builder::new()
                .prefix("unpacked-")
                .suffix(&format!(".{extension}"))
                .tempfile_in(&scratch)
                .map_err(failed)?;
            let mut outcome = Ok(());
            package.scan(&member, &mut |part| {
                outcome = file.write_all(part);
                outcome.is_ok()
            })?;
            outcome.map_err(failed)?;
            Ok(file)
        })
        .await
    }
}

/// What the manifest says of a file.
#[derive(Debug, PartialEq)]
enum Verdict {
    Matches,
    Differs(String),
    Unknown,
}

fn verdict(digests: &Digests, entry: Option<&ManifestEntry>) -> Verdict {
    let Some(entry) = entry else {
        return Verdict::Unknown;
    };
    if let Some(size) = entry.size.filter(|size| *size != digests.size) {
        return Verdict::Differs(format!(
            "it has {} bytes where the manifest says {size}",
            digests.size
        ));
    }
    match &entry.checksum {
        None => Verdict::Unknown,
        Some((algorithm, expected)) => match digests.of(*algorithm) {
            Some(found) if found == *expected => Verdict::Matches,
            Some(_) => Verdict::Differs("its digest is not that of the manifest".to_owned()),
            None => Verdict::Unknown,
        },
    }
}

fn media_type(product: &Product, member: &str) -> String {
    let asset = product.assets.values().find(|asset| asset.member == member);
    asset
        .map_or("application/octet-stream", |asset| asset.media_type)
        .to_owned()
}
