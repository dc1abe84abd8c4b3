//! From a path to the one layer file to read: plain files, folders and zip archives.
//!
//! Members of an archive are told by their content. What is read is unpacked to a temporary
//! folder, never beside the archive, under names of our own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zip::ZipArchive;

use super::error::VectorError;
use super::format::{Format, HEAD_BYTES};
use super::source::{ParcelGeometry, member_name};

/// Most members of an archive, or files of a folder, that are looked at.
const MEMBERS_MAX: usize = 10_000;
/// Deepest folder that is looked into.
const FOLDER_DEPTH_MAX: usize = 8;
/// Most bytes one member may unpack to.
const UNPACKED_BYTES_MAX: u64 = 8 << 30;
/// Most bytes a packed byte may unpack to, above [`UNPACKED_BYTES_FREE`].
const UNPACKED_RATIO_MAX: u64 = 200;
/// Bytes that may be unpacked whatever the ratio.
const UNPACKED_BYTES_FREE: u64 = 256 << 20;

/// Extensions of the files that make up a shapefile.
const SHAPEFILE_PARTS: [&str; 5] = ["shp", "dbf", "prj", "cpg", "shx"];

/// A layer file that a reader can open.
#[derive(Debug)]
pub(super) struct Input {
    /// Name for messages: the path as given, with the member of the archive.
    pub name: PathBuf,
    /// Where the content lies.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Files of a shapefile by extension, in lower case.
    pub parts: BTreeMap<String, PathBuf>,
    /// Layer asked for inside the file.
    pub layer: Option<String>,
    /// What is taken for parcels.
    pub geometry: ParcelGeometry,
    /// Files whose content makes the digest.
    pub digested: Vec<PathBuf>,
    /// Holds what was unpacked until the input is dropped.
    _unpacked: Option<TempDir>,
}

/// A file in a folder or an archive.
#[derive(Debug, Clone)]
struct Member {
    /// Path inside, with `/`.
    name: String,
    /// Place in the zip archive, or in the list of the folder.
    index: usize,
    format: Format,
}

/// Opens a path and picks the layer file.
pub(super) fn open(path: &Path, layer: Option<&str>) -> Result<Input, VectorError> {
    let storage = |error| VectorError::storage(path, error);
    let metadata = std::fs::metadata(path).map_err(storage)?;
    if metadata.is_dir() {
        return open_folder(path, layer);
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let format = Format::detect(&head_of(path).map_err(storage)?, &name);
    match format {
        Format::Zip => open_zip(path, layer),
        _ => {
            refuse_unread(path, format)?;
            let parts = match format {
                Format::Shapefile => parts_beside(path).map_err(storage)?,
                _ => BTreeMap::new(),
            };
            let mut input = plain(path.to_path_buf(), path.to_path_buf(), format, parts);
            input.layer = layer.map(str::to_string);
            Ok(input)
        }
    }
}

fn plain(name: PathBuf, path: PathBuf, format: Format, parts: BTreeMap<String, PathBuf>) -> Input {
    let digested = match parts.is_empty() {
        true => vec![path.clone()],
        false => parts.values().cloned().collect(),
    };
    Input {
        name,
        path,
        format,
        parts,
        layer: None,
        geometry: ParcelGeometry::Polygons,
        digested,
        _unpacked: None,
    }
}

fn head_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(path)?
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// Refuses by name what no reader takes.
fn refuse_unread(name: &Path, format: Format) -> Result<(), VectorError> {
    let (found, remedy) = match format {
        Format::GeoPackage
        | Format::Parquet
        | Format::Shapefile
        | Format::Json
        | Format::FlatGeobuf => return Ok(()),
        Format::Zip => ("a zip archive inside an archive", "unpack the outer one"),
        Format::Empty => ("an empty file", "fetch or export it again"),
        Format::Other(other) => (other.name, other.remedy),
        Format::Unknown => (
            "of an unknown format",
            "give a GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON file",
        ),
    };
    Err(VectorError::Unsupported {
        file: name.to_path_buf(),
        found: found.to_string(),
        remedy: remedy.to_string(),
    })
}

/// Finds the other files of a shapefile by its name, whatever the case of the extension.
fn parts_beside(shp: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut parts = BTreeMap::from([("shp".to_string(), shp.to_path_buf())]);
    let folder = shp
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        let is_part = SHAPEFILE_PARTS.contains(&extension.as_str()) && extension != "shp";
        if is_part && path.file_stem() == shp.file_stem() {
            parts.insert(extension, path);
        }
    }
    Ok(parts)
}

fn open_folder(folder: &Path, layer: Option<&str>) -> Result<Input, VectorError> {
    let mut paths = Vec::new();
    list_files(folder, 0, &mut paths)?;
    paths.sort();
    let relative = |path: &Path| {
        path.strip_prefix(folder)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    };
    let mut members = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let head = head_of(path).map_err(|error| VectorError::storage(path, error))?;
        let name = relative(path);
        let format = Format::detect(&head, &name);
        if is_of_interest(&name, format, &head) {
            members.push(Member {
                name,
                index,
                format,
            });
        }
    }
    let (member, inner_layer) = choose(folder, &members, layer)?;
    let path = paths[member.index].clone();
    let parts = match member.format {
        Format::Shapefile => {
            parts_beside(&path).map_err(|error| VectorError::storage(&path, error))?
        }
        _ => BTreeMap::new(),
    };
    let mut input = plain(path.clone(), path, member.format, parts);
    input.layer = inner_layer;
    Ok(input)
}

fn list_files(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), VectorError> {
    let storage = |error| VectorError::storage(folder, error);
    for entry in std::fs::read_dir(folder).map_err(storage)? {
        let entry = entry.map_err(storage)?;
        let kind = entry.file_type().map_err(storage)?;
        if kind.is_dir() && depth < FOLDER_DEPTH_MAX {
            list_files(&entry.path(), depth + 1, paths)?;
        }
        if kind.is_file() {
            paths.push(entry.path());
        }
        if paths.len() > MEMBERS_MAX {
            return Err(too_many_members(folder));
        }
    }
    Ok(())
}

fn too_many_members(file: &Path) -> VectorError {
    VectorError::Limit {
        file: file.to_path_buf(),
        what: "the number of files inside".to_string(),
        limit: format!("MEMBERS_MAX of {MEMBERS_MAX} files"),
    }
}

/// False for what an archive holds beside its data.
fn is_of_interest(name: &str, format: Format, head: &[u8]) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_hidden = last.starts_with('.') || name.starts_with("__MACOSX/");
    let is_foreign_json = format == Format::Json && !looks_like_geojson(head);
    !is_hidden && !is_foreign_json
}

/// True where JSON text may be GeoJSON and not a file of metadata.
fn looks_like_geojson(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    ["\"FeatureCollection\"", "\"Feature\"", "\"coordinates\""]
        .iter()
        .any(|w| text.contains(w))
}

fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

fn is_read(format: Format) -> bool {
    matches!(
        format,
        Format::GeoPackage
            | Format::Parquet
            | Format::Shapefile
            | Format::Json
            | Format::FlatGeobuf
    )
}

/// Picks the member to read; returns it with the layer to look for inside.
fn choose<'a>(
    container: &Path,
    members: &'a [Member],
    layer: Option<&str>,
) -> Result<(&'a Member, Option<String>), VectorError> {
    let readable: Vec<&Member> = members
        .iter()
        .filter(|member| is_read(member.format))
        .collect();
    let layers = || {
        readable
            .iter()
            .map(|member| stem(&member.name).to_string())
            .collect()
    };
    match (readable.as_slice(), layer) {
        ([], _) => Err(nothing_to_read(container, members)),
        ([member], None) => Ok((member, None)),
        (_, None) => Err(VectorError::Layer {
            file: container.to_path_buf(),
            what: "holds several layers; choose one with --layer".to_string(),
            layers: layers(),
        }),
        (_, Some(layer)) => {
            let (outer, inner) = match layer.split_once('/') {
                Some((outer, inner)) => (outer, Some(inner.to_string())),
                None => (layer, None),
            };
            let named: Vec<&&Member> = readable
                .iter()
                .filter(|member| stem(&member.name) == outer)
                .collect();
            match (named.as_slice(), readable.as_slice()) {
                ([member], _) => Ok((member, inner)),
                ([], [member]) if member.format == Format::GeoPackage => {
                    Ok((member, Some(layer.to_string())))
                }
                _ => Err(VectorError::Layer {
                    file: container.to_path_buf(),
                    what: format!("has no single layer {layer:?}"),
                    layers: layers(),
                }),
            }
        }
    }
}

fn nothing_to_read(container: &Path, members: &[Member]) -> VectorError {
    let known = members.iter().find_map(|member| match member.format {
        Format::Other(other) => Some((member, other.name, other.remedy)),
        Format::Zip => Some((member, "a zip archive", "unpack the outer archive")),
        _ => None,
    });
    let is_geodatabase = members
        .iter()
        .any(|member| member.name.contains(".gdb/") || member.name == "gdb")
        || container
            .extension()
            .is_some_and(|extension| extension == "gdb");
    let (found, remedy) = match known {
        _ if is_geodatabase => (
            "an Esri file geodatabase".to_string(),
            "convert it first, for example: ogr2ogr -f GPKG parcels.gpkg FOLDER.gdb".to_string(),
        ),
        Some((member, name, remedy)) => (
            format!("a folder or archive whose {} is {name}", member.name),
            remedy.to_string(),
        ),
        None => {
            let names: Vec<&str> = members.iter().take(10).map(|m| m.name.as_str()).collect();
            let found = format!(
                "a folder or archive without parcels (it holds: {})",
                names.join(", ")
            );
            let remedy = "give a GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON file";
            (found, remedy.to_string())
        }
    };
    VectorError::Unsupported {
        file: container.to_path_buf(),
        found,
        remedy,
    }
}

fn open_zip(path: &Path, layer: Option<&str>) -> Result<Input, VectorError> {
    let broken = |error: &dyn std::fmt::Display| VectorError::broken(path, "zip directory", error);
    let file = File::open(path).map_err(|error| VectorError::storage(path, error))?;
    let mut archive = ZipArchive::new(std::io::BufReader::new(file)).map_err(|e| broken(&e))?;
    if archive.len() > MEMBERS_MAX {
        return Err(too_many_members(path));
    }
    let mut members = Vec::new();
    for index in 0..archive.len() {
        // Only the name is needed for folders, and encrypted members cannot be opened.
        let (name, is_file) = {
            let entry = archive.by_index_raw(index).map_err(|e| broken(&e))?;
            (entry.name().replace('\\', "/"), entry.is_file())
        };
        if !is_file {
            continue;
        }
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let entry = archive
            .by_index(index)
            .map_err(|error| VectorError::broken(path, &name, error))?;
        entry
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| VectorError::broken(path, &name, error))?;
        let format = Format::detect(&head, &name);
        if is_of_interest(&name, format, &head) {
            members.push(Member {
                name,
                index,
                format,
            });
        }
    }
    let (member, inner_layer) = choose(path, &members, layer)?;
    let mut input = unpack(path, &mut archive, &members, member)?;
    input.layer = inner_layer;
    input.digested = vec![path.to_path_buf()];
    Ok(input)
}

/// Unpacks a member, with its companions where it is a shapefile.
fn unpack(
    path: &Path,
    archive: &mut ZipArchive<std::io::BufReader<File>>,
    members: &[Member],
    member: &Member,
) -> Result<Input, VectorError> {
    let folder = tempfile::Builder::new()
        .prefix("swath-parcels-")
        .tempdir()
        .map_err(|error| VectorError::storage(&std::env::temp_dir(), error))?;
    let mut parts = BTreeMap::new();
    let target = folder.path().join("layer");
    if member.format == Format::Shapefile {
        let without_extension = |name: &str| {
            name.rsplit_once('.')
                .map_or(name.to_string(), |(start, _)| start.to_string())
        };
        let base = without_extension(&member.name);
        for part in members
            .iter()
            .filter(|part| without_extension(&part.name) == base)
        {
            let extension = part.name[base.len()..]
                .trim_start_matches('.')
                .to_ascii_lowercase();
            let extension = if part.index == member.index {
                "shp".to_string()
            } else {
                extension
            };
            if !SHAPEFILE_PARTS.contains(&extension.as_str()) {
                continue;
            }
            let target = target.with_extension(&extension);
            unpack_one(path, archive, part, &target)?;
            parts.insert(extension, target);
        }
    } else {
        unpack_one(path, archive, member, &target)?;
    }
    let source = parts.get("shp").cloned().unwrap_or(target);
    let mut input = plain(
        member_name(path, &member.name),
        source,
        member.format,
        parts,
    );
    input._unpacked = Some(folder);
    Ok(input)
}

fn unpack_one(
    path: &Path,
    archive: &mut ZipArchive<std::io::BufReader<File>>,
    member: &Member,
    target: &Path,
) -> Result<(), VectorError> {
    let name = member_name(path, &member.name);
    let broken = |error: &dyn std::fmt::Display| VectorError::broken(&name, "packed data", error);
    let mut entry = archive.by_index(member.index).map_err(|e| broken(&e))?;
    let packed_bytes = entry.compressed_size();
    let ratio_limit = packed_bytes
        .saturating_mul(UNPACKED_RATIO_MAX)
        .max(UNPACKED_BYTES_FREE);
    let limit_bytes = ratio_limit.min(UNPACKED_BYTES_MAX);
    let mut output = File::create(target).map_err(|error| VectorError::storage(target, error))?;
    let mut buffer = vec![0; 1 << 17];
    let mut written_bytes = 0u64;
    loop {
        let count = entry.read(&mut buffer).map_err(|e| broken(&e))?;
        if count == 0 {
            return Ok(());
        }
        written_bytes += count as u64;
        if written_bytes > limit_bytes {
            let limit = match limit_bytes == UNPACKED_BYTES_MAX {
                true => format!("UNPACKED_BYTES_MAX of {UNPACKED_BYTES_MAX} bytes"),
                false => {
                    format!("UNPACKED_RATIO_MAX of {UNPACKED_RATIO_MAX} bytes for each packed byte")
                }
            };
            let what = format!("the unpacked size of {packed_bytes} packed bytes");
            return Err(VectorError::Limit {
                file: name.clone(),
                what,
                limit,
            });
        }
        output
            .write_all(&buffer[..count])
            .map_err(|error| VectorError::storage(target, error))?;
    }
}
