//! What the user names: products told by their content, and folders of them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::package::{FOLDER_DEPTH_MAX, Package};
use crate::{ArchiveError, product};

/// Most products that one command finds.
const SOURCES_MAX: usize = 1_000_000;
/// Bytes of a file that tell what it is.
const HEAD_BYTES: u64 = 4_096;

/// Kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// SAFE of Sentinel-2, or the cloud-hosted layout of its tiles.
    Sentinel2,
    /// SAFE of Sentinel-1.
    Sentinel1,
    /// BEAM-DIMAP of SNAP.
    Dimap,
    /// GeoTIFF.
    Raster,
}

/// A product that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Folder or file.
    pub path: PathBuf,
    /// What it is.
    pub kind: SourceKind,
}

/// Finds the products at or below `paths`, sorted, each once. Files of no interest below a folder
/// are passed over; those that were named themselves are errors.
///
/// # Errors
/// Where a path is not there, is no product and holds none, or there are too many.
pub fn find_sources(paths: &[PathBuf]) -> Result<Vec<Source>, ArchiveError> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        find_below(path, 0, &mut found)?;
        if found.len() == before {
            let reason =
                "expected a SAFE folder or zip, a .dim file, a GeoTIFF, or a folder of them";
            return Err(ArchiveError::Unknown {
                place: path.display().to_string(),
                reason: reason.to_owned(),
            });
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn find_below(path: &Path, depth: usize, found: &mut Vec<Source>) -> Result<(), ArchiveError> {
    let failed = |error| ArchiveError::file(path, error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        if let Some(kind) = kind_of_file(path)? {
            add(path, kind, found)?;
        }
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        names.push(
            entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    if let Some(kind) = kind_of_folder(path, &names)? {
        return add(path, kind, found);
    }
    if depth >= FOLDER_DEPTH_MAX {
        return Ok(());
    }
    names.sort();
    for name in &names {
        // The rasters of a BEAM-DIMAP product belong to its .dim file.
        let is_data_of_dim = name
            .strip_suffix(".data")
            .is_some_and(|stem| names.contains(&format!("{stem}.dim")));
        let child = path.join(name);
        if !is_data_of_dim && !name.starts_with('.') && child.exists() {
            find_below(&child, depth + 1, found)?;
        }
    }
    Ok(())
}

fn add(path: &Path, kind: SourceKind, found: &mut Vec<Source>) -> Result<(), ArchiveError> {
    if found.len() >= SOURCES_MAX {
        return Err(ArchiveError::Limit {
            place: path.display().to_string(),
            what: "the number of products".to_owned(),
            limit: format!("SOURCES_MAX of {SOURCES_MAX}"),
        });
    }
    found.push(Source {
        path: path.to_owned(),
        kind,
    });
    Ok(())
}

/// Tells a product's folder by the files that lie directly in it.
fn kind_of_folder(path: &Path, names: &[String]) -> Result<Option<SourceKind>, ArchiveError> {
    let is_tile =
        |name: &String| product::is_sentinel2_tile(name) && head_has(&path.join(name), "_Tile_ID");
    if names.iter().any(|name| product::is_sentinel2_product(name)) || names.iter().any(is_tile) {
        return Ok(Some(SourceKind::Sentinel2));
    }
    if !names.iter().any(|name| name == "manifest.safe") {
        return Ok(None);
    }
    let manifest = path.join("manifest.safe");
    if head_has(&manifest, "sentinel-1") {
        return Ok(Some(SourceKind::Sentinel1));
    }
    match head_has(&manifest, "sentinel-2") {
        true => Ok(Some(SourceKind::Sentinel2)),
        false => Err(ArchiveError::Unknown {
            place: manifest.display().to_string(),
            reason: "its manifest is neither that of a Sentinel-1 nor of a Sentinel-2 product"
                .to_owned(),
        }),
    }
}

fn head(path: &Path) -> Result<Vec<u8>, ArchiveError> {
    let failed = |error| ArchiveError::file(path, error);
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(HEAD_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn head_has(path: &Path, text: &str) -> bool {
    head(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
}

fn kind_of_file(path: &Path) -> Result<Option<SourceKind>, ArchiveError> {
    let head = head(path)?;
    if head.starts_with(b"PK\x03\x04") {
        return kind_of_zip(path);
    }
    let is_tiff = [b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"]
        .iter()
        .any(|magic| head.starts_with(*magic));
    if is_tiff {
        return Ok(Some(SourceKind::Raster));
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text
        .contains("<Dimap_Document")
        .then_some(SourceKind::Dimap))
}

fn kind_of_zip(path: &Path) -> Result<Option<SourceKind>, ArchiveError> {
    let package = Package::open(path)?;
    let names: Vec<&str> = package.members().map(|(name, _)| name).collect();
    let is_sentinel2 =
        |name: &&str| product::is_sentinel2_product(name) || product::is_sentinel2_tile(name);
    if names.iter().any(is_sentinel2) {
        return Ok(Some(SourceKind::Sentinel2));
    }
    if names
        .iter()
        .any(|name| name.ends_with(".dim") && !name.contains('/'))
    {
        return Ok(Some(SourceKind::Dimap));
    }
    if package.size("manifest.safe").is_none() {
        return Ok(None);
    }
    let head = package.read_head("manifest.safe", HEAD_BYTES)?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.contains("sentinel-1").then_some(SourceKind::Sentinel1))
}

/// Opens the files of a source.
///
/// # Errors
/// Where they cannot be read, or are too many.
pub fn open_source(source: &Source) -> Result<Package, ArchiveError> {
    let path = &source.path;
    let is_single = path.is_file();
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    match source.kind {
        SourceKind::Raster => Package::of_files(path, &[(name, path.clone())]),
        SourceKind::Dimap if is_single && !is_zip(path)? => {
            let mut files = vec![(name.clone(), path.clone())];
            let folder_name = format!("{}.data", name.trim_end_matches(".dim"));
            let folder = path.with_file_name(&folder_name);
            if folder.is_dir() {
                let data = Package::open(&folder)?;
                for (member, _) in data.members() {
                    if let Some(file) = data.local_path(member) {
                        files.push((format!("{folder_name}/{member}"), file.to_owned()));
                    }
                }
            }
            Package::of_files(path, &files)
        }
        _ => Package::open(path),
    }
}

fn is_zip(path: &Path) -> Result<bool, ArchiveError> {
    Ok(head(path)?.starts_with(b"PK\x03\x04"))
}
