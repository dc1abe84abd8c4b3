//! Objects as files of a folder: written beside and renamed, listed, swept.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::write::{LIST_DEPTH_MAX, ObjectInfo, UNFINISHED, check_listed};
use crate::IoError;

/// A writer writes to its file more often than that.
const SWEPT_AGE_MIN: Duration = Duration::from_secs(3_600);

/// Returns the error of a file.
pub(super) fn file_error(path: &Path, source: std::io::Error) -> IoError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(source.kind(), StorageFull | QuotaExceeded) {
        return IoError::Full {
            href: path.display().to_string(),
            reason: source.to_string(),
        };
    }
    IoError::File {
        path: path.to_owned(),
        source,
    }
}

/// Makes the folder that a file lies in.
pub(super) fn create_parent(path: &Path) -> Result<(), IoError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| file_error(folder, error)),
        None => Ok(()),
    }
}

/// Makes a new name last through a power cut, where the system can.
pub(super) fn sync_parent(path: &Path) -> Result<(), IoError> {
    let Some(folder) = path.parent().filter(|_| cfg!(unix)) else {
        return Ok(());
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| file_error(folder, error))
}

/// Returns the name of a file while it is being written: no other write has it.
pub(super) fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(
        ".{name}.{}.{count}{UNFINISHED}",
        std::process::id()
    ))
}

/// True for the name of a file that is, or was, being written.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

/// Writes beside, syncs, renames.
pub(super) fn write(path: &Path, source: &mut dyn Read) -> Result<(), IoError> {
    create_parent(path)?;
    let beside = beside(path);
    let written = (|| {
        let mut file = File::create(&beside)?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = source.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read])?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
        return Err(file_error(path, error));
    }
    sync_parent(path)
}

/// Returns the files at and below the folder `below` of `root`, sorted by key, but for those that are
/// being written; keys are relative to `root`.
///
/// # Errors
/// Where one of the folders cannot be read, or there are more than `objects_max`.
pub(super) fn list(
    root: &Path,
    below: &str,
    objects_max: usize,
) -> Result<Vec<ObjectInfo>, IoError> {
    let mut found = Vec::new();
    list_into(root, below, 0, objects_max, &mut found)?;
    found.sort_by(|one, two| one.key.cmp(&two.key));
    Ok(found)
}

fn list_into(
    root: &Path,
    below: &str,
    depth: usize,
    objects_max: usize,
    found: &mut Vec<ObjectInfo>,
) -> Result<(), IoError> {
    let folder = root.join(below);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error(&folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| file_error(&folder, error))?;
        // The metadata of the entry are those of a link itself.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Renamed or removed meanwhile: it is no object of this name any more.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(file_error(&entry.path(), error)),
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        if metadata.is_dir() && depth < LIST_DEPTH_MAX {
            list_into(root, &key, depth + 1, objects_max, found)?;
        } else if metadata.is_file() && !key.ends_with(UNFINISHED) {
            found.push(ObjectInfo {
                key,
                size: metadata.len(),
            });
            check_listed(found.len(), objects_max, &folder.to_string_lossy())?;
        }
    }
    Ok(())
}

/// Removes what an interrupted write left: files of that name that nobody has written to for
/// [`SWEPT_AGE_MIN`]. Younger ones may be those of another program that writes the same.
pub(super) fn sweep(folder: &Path, depth: usize) -> Result<(), IoError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.map_err(|error| file_error(folder, error))?;
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && depth < LIST_DEPTH_MAX {
            sweep(&path, depth + 1)?;
        } else if is_unfinished(&name) && is_left(&entry) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(file_error(&path, error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// True for a file that was not written to for long.
fn is_left(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= SWEPT_AGE_MIN))
}
