//! The parcels that were named: a set of the catalogue, or a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use swath_access::Viewer;
use swath_archive::open_set;
use swath_catalog::Catalog;
use swath_extract::{PlannedParcelFile, PlannedParcels};
use swath_io::vector::ParcelSource;

use super::extract::desk::digest_text;
use super::measure_args::MeasureArgs;
use crate::config::Context;
use crate::error::UsageError;

/// Parcels with what names them for good.
#[derive(Debug)]
pub struct ChosenParcels {
    /// The parcels.
    pub source: ParcelSource,
    /// How a worker finds them.
    pub planned: PlannedParcels,
    /// Name of the set; for a file its stem.
    pub set: String,
    /// Version of the set; for a file `file-` and the digest of its content.
    pub version: String,
}

/// True for `NAME` or `NAME@VERSION`, where no file is called so.
pub fn names_set(text: &Path) -> bool {
    let name = text.to_string_lossy();
    !text.exists() && !name.contains(['/', '\\', '.'])
}

/// Reads the parcels that were named.
///
/// A file serves as a set of its own, whose version is the digest of its content: changed content is
/// another version, with a table of its own.
///
/// # Errors
/// Parcels that are not there or cannot be read; options that a set does not take.
pub async fn choose(
    context: &Context,
    catalog: &Catalog,
    args: &MeasureArgs,
) -> Result<ChosenParcels> {
    match names_set(&args.parcels) {
        true => choose_set(context, catalog, args).await,
        false => choose_file(args).await,
    }
}

async fn choose_set(
    context: &Context,
    catalog: &Catalog,
    args: &MeasureArgs,
) -> Result<ChosenParcels> {
    let name = args.parcels.to_string_lossy();
    if args.id.is_some() || args.layer.is_some() || args.parcels_crs.is_some() {
        return Err(UsageError(format!(
            "--id, --layer and --parcels-crs say how a file is read; \"{name}\" is a parcel set"
        ))
        .into());
    }
    let opened = open_set(&context.stores, catalog, &Viewer::operator(), &name).await;
    let opened = opened.with_context(|| {
        format!("--parcels {name}: no such file, hence taken for a parcel set of the catalogue")
    })?;
    let source = opened.source().await?;
    Ok(ChosenParcels {
        planned: PlannedParcels {
            href: opened.version.href.clone(),
            file: None,
            digest: digest_text(&source),
            count: source.parcels.len() as u64,
        },
        set: opened.set.name.clone(),
        version: opened.version.number.to_string(),
        source,
    })
}

async fn choose_file(args: &MeasureArgs) -> Result<ChosenParcels> {
    let source = args.read().await?;
    let path = std::path::absolute(&args.parcels)?;
    let digest = digest_text(&source);
    Ok(ChosenParcels {
        planned: PlannedParcels {
            href: path.to_string_lossy().into_owned(),
            file: Some(PlannedParcelFile {
                layer: args.layer.clone(),
                id: args.id.clone(),
                crs: args.parcels_crs.clone(),
            }),
            count: source.parcels.len() as u64,
            digest: digest.clone(),
        },
        set: set_name(&path),
        version: format!("file-{digest}"),
        source,
    })
}

/// Returns the stem of a file as a name of a set.
fn set_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .to_lowercase()
        .chars()
        .map(|letter| match letter.is_ascii_alphanumeric() {
            true => letter,
            false => '-',
        })
        .collect();
    match name.trim_matches('-') {
        "" => "parcels".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_sets_are_told_apart() {
        assert!(names_set(Path::new("flanders-2021")));
        assert!(names_set(Path::new("flanders@2")));
        for file in ["parcels.gpkg", "./fields", "a/b", "no-such.parquet"] {
            assert!(!names_set(Path::new(file)), "{file}");
        }
        assert_eq!(set_name(Path::new("/x/My Fields.v2.gpkg")), "my-fields-v2");
        assert_eq!(set_name(Path::new("/x/äö.gpkg")), "parcels");
    }
}
