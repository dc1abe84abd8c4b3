//! STAC item files of a folder as the catalogue takes them: with hrefs that mean the same from anywhere.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::config::Context;
use crate::error::PartialDataError;

/// Deepest folder that is walked into.
const DEPTH_MAX: usize = 32;
/// Most files of one folder and those below it.
const FILES_MAX: usize = 1_000_000;
/// Largest item file, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The items of a folder and of those below it.
#[derive(Debug)]
pub struct ItemFolder {
    /// In the order of their files' paths.
    pub items: Vec<Map<String, Value>>,
    /// How the hrefs of files in the folder begin.
    pub prefix: String,
}

impl ItemFolder {
    /// Reads the item files (`.json`, `.geojson`) of a folder; other JSON is passed over.
    ///
    /// Relative hrefs of assets start at their item's file, as in STAC, and become `STORE:key` where a
    /// store of the configuration holds the file, else its path.
    ///
    /// # Errors
    /// Where something cannot be read, or no item is there.
    pub fn read(context: &Context, folder: &Path) -> Result<Self> {
        let cannot = || format!("{} cannot be read", folder.display());
        let prefix = context.href_of(folder).with_context(cannot)?;
        let mut files = Vec::new();
        find_files(folder, 0, &mut files)?;
        let mut items = Vec::new();
        for file in &files {
            if let Some(mut item) = read_item(file)? {
                place_assets(context, file, &mut item);
                items.push(item);
            }
        }
        match items.is_empty() {
            true => Err(PartialDataError(format!(
                "{}: no STAC item is in there",
                folder.display()
            ))
            .into()),
            false => Ok(Self { items, prefix }),
        }
    }
}

/// Lists the JSON files of a folder by name, then those of the folders below it; none that is hidden.
fn find_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = || format!("{} cannot be read", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let is_json = |path: &&PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|own| {
            own.eq_ignore_ascii_case("json") || own.eq_ignore_ascii_case("geojson")
        })
    };
    files.extend(paths.iter().filter(is_json).cloned());
    let folders: Vec<&PathBuf> = paths.iter().filter(|path| path.is_dir()).collect();
    let is_too_much = files.len() > FILES_MAX || (depth >= DEPTH_MAX && !folders.is_empty());
    if is_too_much {
        return Err(PartialDataError(format!(
            "{}: more than {FILES_MAX} files, or folders deeper than {DEPTH_MAX}",
            folder.display()
        ))
        .into());
    }
    folders
        .into_iter()
        .try_for_each(|folder| find_files(folder, depth + 1, files))
}

/// Returns the item in a file, `None` where it holds other JSON.
fn read_item(file: &Path) -> Result<Option<Map<String, Value>>> {
    let cannot = || format!("{} cannot be read", file.display());
    if std::fs::metadata(file).with_context(cannot)?.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    let text = std::fs::read(file).with_context(cannot)?;
    let json: Value = serde_json::from_slice(&text)
        .map_err(|error| PartialDataError(format!("{}: {error}", file.display())))?;
    let is_item = json["type"] == "Feature" && json.get("assets").is_some();
    Ok(match json {
        Value::Object(item) if is_item => Some(item),
        _ => None,
    })
}

fn place_assets(context: &Context, file: &Path, item: &mut Map<String, Value>) {
    let assets = item.get_mut("assets").and_then(Value::as_object_mut);
    for asset in assets.into_iter().flat_map(Map::values_mut) {
        let alternates = asset.get_mut("alternate").and_then(Value::as_object_mut);
        for alternate in alternates.into_iter().flat_map(Map::values_mut) {
            place(context, file, alternate);
        }
        place(context, file, asset);
    }
}

/// Makes the `href` of an asset one that does not depend on where the item's file lies.
fn place(context: &Context, file: &Path, asset: &mut Value) {
    let Some(Value::String(href)) = asset.get_mut("href") else {
        return;
    };
    if href.contains("://") || context.names_store(href) {
        return;
    }
    let target = file.parent().unwrap_or(Path::new(".")).join(href.as_str());
    // A file that is not there is named when it is read.
    let absolute = || std::path::absolute(&target).unwrap_or(target.clone());
    let placed = context.href_of(&target);
    *href = placed.unwrap_or_else(|_| absolute().to_string_lossy().into_owned());
}
