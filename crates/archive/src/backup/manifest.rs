//! What a backup holds: written last, so that a folder with one is a whole backup.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use swath_io::{HrefRoots, IoError, StoreWriter};

use crate::ArchiveError;
use crate::digest::sha256_of;

/// Name of the manifest in a backup.
pub(crate) const MANIFEST: &str = "swath-backup.json";
/// The layout that this program writes, and the newest one that it reads.
pub(crate) const FORMAT: u64 = 2;
/// Largest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u64,
    /// Name and version of the program that wrote it.
    pub program: String,
    /// The moment that the catalogue was copied at, RFC 3339 in UTC.
    pub moment: String,
    /// When the backup was complete, RFC 3339 in UTC.
    pub completed: String,
    /// Number of collections.
    pub collections: u64,
    /// Number of items.
    pub items: u64,
    /// Number of parcel sets.
    #[serde(default, skip_serializing_if = "is_none")]
    pub parcel_sets: u64,
    /// The archive that items refer to.
    pub archive: ArchivePart,
    /// Files of the backup but for objects, which `objects` lists.
    pub files: Vec<BackupFile>,
    /// SHA-256 of the manifest with an empty digest, in hexadecimal digits.
    pub digest: String,
}

/// The archive in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchivePart {
    /// How hrefs of its objects begin.
    pub roots: HrefRoots,
    /// True where its objects were copied.
    pub is_copied: bool,
    /// Number of objects copied.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a file of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// One collection per line.
    Collections,
    /// One item per line.
    Items,
    /// One object of the archive per line.
    Objects,
    /// One parcel set with its versions per line.
    ParcelSets,
    /// The file of a version of a parcel set, named by its digest.
    ParcelSetFile,
    /// The configuration.
    Configuration,
    /// The tokens of the server, as hashes.
    Tokens,
}

impl FileRole {
    /// Returns the name of such a file in the folder of a run; versions of parcel sets lie elsewhere.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Collections => "collections.ndjson",
            Self::Items => "items.ndjson",
            Self::Objects => "objects.ndjson",
            Self::ParcelSets => "parcel_sets.ndjson",
            Self::ParcelSetFile => "version.parquet",
            Self::Configuration => "swath.toml",
            Self::Tokens => "tokens.json",
        }
    }
}

/// True for a number that manifests of format 1 do not have.
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupFile {
    /// What it is.
    pub role: FileRole,
    /// Its key in the backup.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of a backup, `None` where there is none.
    ///
    /// # Errors
    /// Where it is damaged or was written by a newer program; where the store fails.
    pub(crate) async fn read(place: &StoreWriter) -> Result<Option<Self>, ArchiveError> {
        let href = place.href(MANIFEST);
        let asset = place.asset(MANIFEST).map_err(ArchiveError::store)?;
        let fetched = match asset.read(0..MANIFEST_BYTES_MAX, None).await {
            Ok(fetched) => fetched,
            Err(error) if error.kind() == swath_io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::store(error)),
        };
        if fetched.object_len > MANIFEST_BYTES_MAX {
            return Err(ArchiveError::Limit {
                place: href,
                what: "the manifest".to_owned(),
                limit: format!("{MANIFEST_BYTES_MAX} bytes"),
            });
        }
        Self::parse(&fetched.bytes, &href).map(Some)
    }

    fn parse(bytes: &[u8], href: &str) -> Result<Self, ArchiveError> {
        let damaged = |reason: String| ArchiveError::backup(href, reason);
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| damaged(format!("the manifest is damaged: {error}")))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format > FORMAT => {
                let program = value.get("program").and_then(Value::as_str);
                return Err(ArchiveError::Invalid {
                    reason: format!(
                        "{href}: it was written by a newer program ({}, format {format}; this \
                         program reads up to {FORMAT}); use that program",
                        program.unwrap_or("unknown")
                    ),
                });
            }
            Some(_) => {}
            None => return Err(damaged("this is not the manifest of a backup".to_owned())),
        }
        let manifest: Self = serde_json::from_value(value)
            .map_err(|error| damaged(format!("the manifest is damaged: {error}")))?;
        match manifest.own_digest() == manifest.digest {
            true => Ok(manifest),
            false => Err(damaged(
                "the manifest is damaged: its digest is not that of its content".to_owned(),
            )),
        }
    }

    /// Writes the manifest: from here on the backup is one.
    pub(crate) async fn write(&mut self, place: &StoreWriter) -> Result<(), IoError> {
        self.digest = self.own_digest();
        place.put(MANIFEST, self.bytes()).await
    }

    /// Returns the file of a role.
    pub(crate) fn file(&self, role: FileRole) -> Option<&BackupFile> {
        self.files.iter().find(|file| file.role == role)
    }

    fn own_digest(&self) -> String {
        let without = Self {
            digest: String::new(),
            ..self.clone()
        };
        sha256_of(&without.bytes())
    }

    fn bytes(&self) -> Bytes {
        let mut text = serde_json::to_vec_pretty(self).expect("a manifest can be written as JSON");
        text.push(b'\n');
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest {
            format: FORMAT,
            program: "swath 0.1.0".into(),
            moment: "2026-01-01T00:00:00Z".into(),
            completed: "2026-01-01T00:01:00Z".into(),
            collections: 11,
            items: 4,
            parcel_sets: 0,
            archive: ArchivePart {
                roots: serde_json::from_str("[\"archive:\"]").expect("roots"),
                is_copied: false,
                objects: 0,
                bytes: 0,
            },
            files: Vec::new(),
            digest: String::new(),
        };
        manifest.digest = manifest.own_digest();
        manifest
    }

    #[test]
    fn every_changed_value_is_noticed() {
        let text = String::from_utf8(manifest().bytes().to_vec()).expect("UTF-8");
        assert_eq!(
            Manifest::parse(text.as_bytes(), "m").expect("whole"),
            manifest()
        );
        for (from, to) in [
            ("\"items\": 4", "\"items\": 5"),
            ("00:01:00", "00:02:00"),
            ("archive:", "archivf:"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Manifest::parse(text.replace(from, to).as_bytes(), "m");
            let error = error.expect_err("damaged").to_string();
            assert!(error.contains("damaged"), "{error}");
        }
        assert!(Manifest::parse(&text.as_bytes()[..text.len() / 2], "m").is_err());
        assert!(Manifest::parse(b"{}", "m").is_err());
    }

    #[test]
    fn a_manifest_of_format_1_is_whole() {
        let mut old = manifest();
        old.format = 1;
        old.digest = old.own_digest();
        let text = old.bytes();
        assert!(!String::from_utf8_lossy(&text).contains("parcel_sets"));
        assert_eq!(Manifest::parse(&text, "m").expect("whole"), old);
    }

    #[test]
    fn a_newer_format_is_named() {
        let text = String::from_utf8(manifest().bytes().to_vec()).expect("UTF-8");
        let newer = text.replace("\"format\": 2", "\"format\": 7");
        let error = Manifest::parse(newer.as_bytes(), "m").expect_err("newer");
        assert!(error.to_string().contains("format 7"), "{error}");
    }
}
