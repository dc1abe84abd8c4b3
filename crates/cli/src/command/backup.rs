//! `swath backup`: the catalogue, the home's own files and the archive, to another place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use swath_access::Viewer;
use swath_archive::{Backup, BackupOptions, BackupReport, FileRole, HomeFile};
use swath_io::{IoError, StoreWriter};

use crate::config::Context;
use crate::progress::Stages;

/// Arguments of `swath backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// Where the backup goes: a folder, s3://bucket/prefix or STORE:prefix
    #[arg(value_name = "DST")]
    target: String,
    /// Copy the objects of the archive too; those that the backup has are not copied again
    #[arg(long)]
    assets: bool,
    /// The archive: a folder, s3://bucket/prefix or STORE:prefix [default: the store "archive", else
    /// HOME/archive]
    #[arg(long, value_name = "URL")]
    archive: Option<String>,
    /// Leave the tokens of the server out
    #[arg(long)]
    no_tokens: bool,
    /// Leave the configuration out; it may hold the password of the database
    #[arg(long)]
    no_config: bool,
    /// Objects copied at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no catalogue, the target cannot be one, or a store or the catalogue fails.
pub async fn run(context: &Context, args: BackupArgs) -> Result<()> {
    let target = context.stores.writer(&Viewer::operator(), &args.target)?;
    let archive = context.archive_writer(args.archive.as_deref())?;
    let catalog = context.existing_catalog().await?;
    let mut files = Vec::new();
    let config = context.config_path.clone().filter(|_| !args.no_config);
    let tokens = Some(context.tokens_path()).filter(|_| !args.no_tokens);
    for (role, path) in [
        (FileRole::Configuration, config),
        (FileRole::Tokens, tokens),
    ] {
        files.extend(
            path.map(|path| home_file(role, path))
                .transpose()?
                .flatten(),
        );
    }
    let backup = Backup {
        stores: &context.stores,
        catalog: &catalog,
        archive,
        target,
        options: BackupOptions {
            has_assets: args.assets,
            files,
            objects_at_once: usize::from(args.parallel),
            program: format!("swath {}", env!("CARGO_PKG_VERSION")),
        },
    };
    backup.check_target()?;
    make_private(&backup.target)?;
    let stages = Stages::new();
    let report = backup
        .run(&|what, done, total| stages.set(what, done, total))
        .await?;
    drop(stages);
    catalog.close().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report, &args.target);
    }
    Ok(())
}

/// Makes a folder that is not there, for its owner alone: a backup holds what the home holds.
fn make_private(target: &StoreWriter) -> Result<()> {
    let Some(folder) = target.folder().filter(|folder| !folder.exists()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
        .create(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))
}

/// Reads a file of the home, `None` where there is none.
fn home_file(role: FileRole, path: PathBuf) -> Result<Option<HomeFile>> {
    match read(&path)? {
        Some(bytes) => Ok(Some(HomeFile {
            role,
            bytes: bytes.into(),
        })),
        None => Ok(None),
    }
}

/// Reads a small file, `None` where there is none.
///
/// # Errors
/// Where it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, IoError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IoError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn print_report(report: &BackupReport, target: &str) {
    let manifest = &report.manifest;
    eprintln!(
        "{target}: {} collections and {} items as of {}, {} files",
        manifest.collections,
        manifest.items,
        manifest.moment,
        manifest.files.len()
    );
    if manifest.parcel_sets > 0 {
        eprintln!(
            "  {} parcel sets with the files of their versions",
            manifest.parcel_sets
        );
    }
    if manifest.archive.is_copied {
        eprintln!(
            "  {} objects, {:.1} MB, of which {} copied now, {:.1} MB",
            manifest.archive.objects,
            manifest.archive.bytes as f64 / 1e6,
            report.copied,
            report.copied_bytes as f64 / 1e6
        );
    } else {
        eprintln!("  the objects of the archive are not in it (--assets copies them too)");
    }
    eprintln!("  complete after {:.1} s", report.seconds);
}
