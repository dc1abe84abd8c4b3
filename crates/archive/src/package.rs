//! The files of a product, whether they lie in a folder or in a zip archive.
//!
//! Names are relative to the product, with `/`. Names that climb, links that leave the folder and
//! archives that unpack to absurd sizes are refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::ZipArchive;

use crate::ArchiveError;

/// Most files of one product; an old Sentinel-2 product of many tiles has about 3,000.
pub(crate) const MEMBERS_MAX: usize = 20_000;
/// Deepest folder that is looked into.
pub(crate) const FOLDER_DEPTH_MAX: usize = 16;
/// Most bytes one member may unpack to.
const UNPACKED_BYTES_MAX: u64 = 32 << 30;
/// Most bytes all members of an archive may unpack to.
const PACKAGE_BYTES_MAX: u64 = 64 << 30;
/// Most bytes a packed byte may unpack to, above [`UNPACKED_BYTES_FREE`].
const UNPACKED_RATIO_MAX: u64 = 200;
/// Bytes that may be unpacked whatever the ratio: constant images of 1 GiB exist.
const UNPACKED_BYTES_FREE: u64 = 256 << 20;
/// Most bytes of a file of metadata that is read into memory.
pub(crate) const METADATA_BYTES_MAX: u64 = 64 << 20;
/// Longest name of a member, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// The files of one product.
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    name: String,
    members: BTreeMap<String, Member>,
    archive: Option<Mutex<ZipArchive<BufReader<File>>>>,
    refused: Vec<String>,
}

#[derive(Debug, Clone)]
struct Member {
    size: u64,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Packed { index: usize, packed: u64 },
}

impl Package {
    /// Opens a folder, or a zip archive by its content.
    ///
    /// An archive whose members share one folder is that folder.
    ///
    /// # Errors
    /// Where it cannot be read, holds too much, or holds names that climb.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let metadata = std::fs::metadata(path).map_err(|error| ArchiveError::file(path, error))?;
        if metadata.is_dir() {
            Self::open_folder(path)
        } else {
            Self::open_zip(path)
        }
    }

    /// Returns single files as a package: a raster, or a `.dim` with its folder.
    ///
    /// # Errors
    /// Where one cannot be looked at.
    pub fn of_files(path: &Path, files: &[(String, PathBuf)]) -> Result<Self, ArchiveError> {
        let mut members = BTreeMap::new();
        for (name, file) in files {
            let size = std::fs::metadata(file).map_err(|error| ArchiveError::file(file, error))?;
            let member = Member {
                size: size.len(),
                place: Place::File(file.clone()),
            };
            members.insert(name.clone(), member);
        }
        Ok(Self {
            name: file_name(path),
            path: path.to_owned(),
            members,
            archive: None,
            refused: Vec::new(),
        })
    }

    fn open_folder(root: &Path) -> Result<Self, ArchiveError> {
        let full_root = root
            .canonicalize()
            .map_err(|error| ArchiveError::file(root, error))?;
        let mut package = Self {
            name: file_name(&full_root),
            path: root.to_owned(),
            members: BTreeMap::new(),
            archive: None,
            refused: Vec::new(),
        };
        package.add_folder(&full_root, &full_root, "", 0)?;
        Ok(package)
    }

    fn add_folder(
        &mut self,
        root: &Path,
        folder: &Path,
        prefix: &str,
        depth: usize,
    ) -> Result<(), ArchiveError> {
        let failed = |error| ArchiveError::file(folder, error);
        if depth > FOLDER_DEPTH_MAX {
            return Err(self.limit(
                prefix,
                "the depth of folders",
                "FOLDER_DEPTH_MAX",
                FOLDER_DEPTH_MAX as u64,
            ));
        }
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let is_link = entry.file_type().map_err(failed)?.is_symlink();
            if is_link {
                let target = path.canonicalize().ok();
                if !target.is_some_and(|target| target.starts_with(root)) {
                    self.refused.push(format!(
                        "{name} is a link that leaves the product or leads nowhere"
                    ));
                    continue;
                }
            }
            let metadata = std::fs::metadata(&path).map_err(failed)?;
            if metadata.is_dir() {
                // A link to a folder inside could make a circle.
                if !is_link {
                    self.add_folder(root, &path, &format!("{name}/"), depth + 1)?;
                }
                continue;
            }
            if !metadata.is_file() {
                // Reading a pipe or a device may never end.
                self.refused.push(format!("{name} is no regular file"));
                continue;
            }
            let member = Member {
                size: metadata.len(),
                place: Place::File(path),
            };
            self.members.insert(name, member);
            self.check_count()?;
        }
        Ok(())
    }

    fn open_zip(path: &Path) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(|error| ArchiveError::file(path, error))?;
        let place = path.display().to_string();
        let damaged = |error: &dyn std::fmt::Display| {
            ArchiveError::product(
                place.clone(),
                format!("the zip archive is damaged: {error}"),
            )
        };
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(&error))?;
        let mut package = Self {
            name: file_name(path),
            path: path.to_owned(),
            members: BTreeMap::new(),
            archive: None,
            refused: Vec::new(),
        };
        if archive.len() > MEMBERS_MAX {
            return Err(package.limit(
                "",
                "the number of files",
                "MEMBERS_MAX",
                MEMBERS_MAX as u64,
            ));
        }
        let mut total = 0u64;
        for index in 0..archive.len() {
            let entry = archive
                .by_index_raw(index)
                .map_err(|error| damaged(&error))?;
            if entry.is_dir() {
                continue;
            }
            let name = entry.name().to_owned();
            if !is_plain_name(&name) || entry.is_symlink() {
                let reason =
                    format!("the archive holds {name:?}, a name or link that leaves the archive");
                return Err(ArchiveError::product(place, reason));
            }
            total = total.saturating_add(entry.size());
            let member = Member {
                size: entry.size(),
                place: Place::Packed {
                    index,
                    packed: entry.compressed_size(),
                },
            };
            package.members.insert(name, member);
        }
        if total > PACKAGE_BYTES_MAX {
            return Err(package.limit(
                "",
                "the unpacked size",
                "PACKAGE_BYTES_MAX",
                PACKAGE_BYTES_MAX,
            ));
        }
        package.enter_only_folder();
        package.archive = Some(Mutex::new(archive));
        Ok(package)
    }

    /// Makes names relative to the one folder that all members of an archive lie in.
    fn enter_only_folder(&mut self) {
        let first = self.members.keys().next();
        let Some((folder, _)) = first.and_then(|name| name.split_once('/')) else {
            return;
        };
        let folder = format!("{folder}/");
        if !self.members.keys().all(|name| name.starts_with(&folder)) {
            return;
        }
        let members = std::mem::take(&mut self.members).into_iter();
        self.members = members
            .map(|(name, member)| (name[folder.len()..].to_owned(), member))
            .collect();
        self.name = folder.trim_end_matches('/').to_owned();
    }

    fn check_count(&self) -> Result<(), ArchiveError> {
        if self.members.len() > MEMBERS_MAX {
            return Err(self.limit("", "the number of files", "MEMBERS_MAX", MEMBERS_MAX as u64));
        }
        Ok(())
    }

    fn limit(&self, member: &str, what: &str, name: &str, value: u64) -> ArchiveError {
        ArchiveError::Limit {
            place: self.place(member),
            what: what.to_owned(),
            limit: format!("{name} of {value}"),
        }
    }

    /// Returns the folder or archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the product's folder, in an archive that of the one folder in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True for a zip archive.
    pub fn is_packed(&self) -> bool {
        self.archive.is_some()
    }

    /// Returns name and size in bytes of all files, by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, u64)> {
        self.members
            .iter()
            .map(|(name, member)| (name.as_str(), member.size))
    }

    /// Returns the names of all files.
    pub fn member_names(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// Returns what of a folder was left aside, and why.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Returns the size of a file in bytes, `None` where there is no such file.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.members.get(name).map(|member| member.size)
    }

    /// Returns the local path of a file that is not packed.
    pub fn local_path(&self, name: &str) -> Option<&Path> {
        match &self.members.get(name)?.place {
            Place::File(path) => Some(path),
            Place::Packed { .. } => None,
        }
    }

    /// Returns the name of a member for messages.
    pub fn place(&self, member: &str) -> String {
        match member {
            "" => self.path.display().to_string(),
            member => format!("{}: {member}", self.path.display()),
        }
    }

    /// Reads a file of metadata.
    ///
    /// # Errors
    /// Where it is absent, too large or damaged.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        self.read_head(name, METADATA_BYTES_MAX + 1)
            .and_then(|bytes| {
                if bytes.len() as u64 > METADATA_BYTES_MAX {
                    return Err(self.limit(
                        name,
                        "the size of a file of metadata",
                        "METADATA_BYTES_MAX",
                        METADATA_BYTES_MAX,
                    ));
                }
                Ok(bytes)
            })
    }

    /// Reads the first bytes of a file, fewer where it ends earlier.
    ///
    /// # Errors
    /// Where it is absent or damaged.
    pub fn read_head(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        self.scan(name, &mut |part| {
            let wanted = (bytes_max - bytes.len() as u64).min(part.len() as u64) as usize;
            bytes.extend_from_slice(&part[..wanted]);
            (bytes.len() as u64) < bytes_max
        })?;
        Ok(bytes)
    }

    /// Hands the content of a file to `take`, part by part, until it returns false.
    ///
    /// # Errors
    /// Where it is absent or damaged, or unpacks to more than the limits allow.
    pub fn scan(
        &self,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), ArchiveError> {
        let member = self
            .members
            .get(name)
            .ok_or_else(|| ArchiveError::product(self.place(name), "it is not in the product"))?;
        match &member.place {
            Place::File(path) => {
                let file = File::open(path).map_err(|error| ArchiveError::file(path, error))?;
                self.scan_reader(name, file, u64::MAX, take)
            }
            Place::Packed { index, packed } => {
                let ratio_limit = packed.saturating_mul(UNPACKED_RATIO_MAX);
                let bytes_max = ratio_limit.clamp(UNPACKED_BYTES_FREE, UNPACKED_BYTES_MAX);
                let archive = self.archive.as_ref().ok_or_else(|| {
                    ArchiveError::product(self.place(name), "it lies in no archive")
                })?;
                let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
                let entry = archive.by_index(*index).map_err(|error| {
                    ArchiveError::product(self.place(name), format!("cannot be unpacked: {error}"))
                })?;
                self.scan_reader(name, entry, bytes_max, take)
            }
        }
    }

    fn scan_reader(
        &self,
        name: &str,
        mut reader: impl Read,
        bytes_max: u64,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), ArchiveError> {
        let mut buffer = vec![0; 1 << 18];
        let mut total = 0u64;
        loop {
            let count = reader.read(&mut buffer).map_err(|error| {
                ArchiveError::product(self.place(name), format!("cannot be read: {error}"))
            })?;
            total += count as u64;
            if total > bytes_max {
                return Err(self.limit(
                    name,
                    "the unpacked size",
                    "UNPACKED_RATIO_MAX or UNPACKED_BYTES_MAX",
                    bytes_max,
                ));
            }
            if count == 0 || !take(&buffer[..count]) {
                return Ok(());
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_default()
}

/// True where a name stays below the folder it is joined to, on every system.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= NAME_BYTES_MAX
        && !name.contains(['\\', '\0', ':'])
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn zip_of(names: &[&str], content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.zip");
        let mut writer = zip::ZipWriter::new(File::create(&path).expect("a file"));
        for name in names {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("an entry");
            writer.write_all(content).expect("content");
        }
        writer.finish().expect("a zip");
        (folder, path)
    }

    #[test]
    fn a_zip_with_one_folder_is_that_folder() {
        let (_folder, path) = zip_of(&["A.SAFE/manifest.safe", "A.SAFE/x/y.xml"], b"hello");
        let package = Package::open(&path).expect("a package");
        assert_eq!(package.name(), "A.SAFE");
        assert_eq!(package.read("x/y.xml").expect("content"), b"hello");
        assert_eq!(package.read_head("x/y.xml", 2).expect("content"), b"he");
        assert!(package.read("absent").is_err());
    }

    #[test]
    fn names_that_climb_are_refused() {
        for name in [
            "../evil",
            "a/../../evil",
            "/etc/passwd",
            "a\\..\\evil",
            "C:evil",
        ] {
            let (_folder, path) = zip_of(&["ok", name], b"x");
            let error = Package::open(&path).expect_err(name);
            assert!(error.to_string().contains("leaves the archive"), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let zeros = vec![0; 300 << 20];
        let (_folder, path) = zip_of(&["bomb"], &zeros);
        let package = Package::open(&path).expect("a package");
        let error = package.scan("bomb", &mut |_| true).expect_err("a bomb");
        assert!(matches!(error, ArchiveError::Limit { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_leave_the_product_are_left_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("in"), "x").expect("a file");
        std::os::unix::fs::symlink("/etc/hosts", folder.path().join("out")).expect("a link");
        std::os::unix::fs::symlink("in", folder.path().join("alias")).expect("a link");
        let package = Package::open(folder.path()).expect("a package");
        let names: Vec<_> = package.members().map(|(name, _)| name).collect();
        assert_eq!(names, ["alias", "in"]);
        assert_eq!(package.refused().len(), 1);
    }
}
