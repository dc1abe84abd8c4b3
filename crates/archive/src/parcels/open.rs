//! Finding a parcel set by name and opening the file of a version.

use swath_access::Viewer;
use swath_catalog::{Catalog, ParcelSet, ParcelSetName, ParcelSetVersion};
use swath_io::Stores;
use swath_io::vector::ParcelSource;
use swath_io::vector::set::ParcelSetFile;

use crate::ArchiveError;

/// A version of a parcel set, ready to be read.
#[derive(Debug, Clone)]
pub struct OpenedSet {
    /// The set.
    pub set: ParcelSet,
    /// The version.
    pub version: ParcelSetVersion,
    /// Its file.
    pub file: ParcelSetFile,
}

/// Opens `NAME`, the newest version, or `NAME@VERSION`, on behalf of `viewer`.
///
/// # Errors
/// Where the set or the version is not there or not for this viewer; where its file cannot be read.
pub async fn open_set(
    stores: &Stores,
    catalog: &Catalog,
    viewer: &Viewer,
    name: &str,
) -> Result<OpenedSet, ArchiveError> {
    let name = ParcelSetName::parse(name).map_err(ArchiveError::catalog)?;
    let set = catalog.parcel_set(viewer, &name.name).await;
    let set = set.map_err(ArchiveError::catalog)?;
    let version = set.version(name.version).map_err(ArchiveError::catalog)?;
    let version = version.clone();
    let asset = stores
        .resolve(viewer, &set.resource(), &version.href)
        .map_err(ArchiveError::store)?;
    let file = ParcelSetFile::open(&asset).await;
    Ok(OpenedSet {
        file: file.map_err(ArchiveError::parcels)?,
        version,
        set,
    })
}

impl OpenedSet {
    /// Returns `NAME@VERSION`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.set.name, self.version.number)
    }

    /// Reads the parcels for measuring: their number in the source is `parcel` in the tables.
    ///
    /// # Errors
    /// Where the file cannot be read, or has not the rows that the catalogue says.
    pub async fn source(&self) -> Result<ParcelSource, ArchiveError> {
        let source = self.file.source().await.map_err(ArchiveError::parcels)?;
        match source.parcels.len() as u64 == self.version.features {
            true => Ok(source),
            false => Err(ArchiveError::Invalid {
                reason: format!(
                    "{}: the file of {} has {} parcels, the catalogue says {}; restore it from a backup",
                    self.version.href,
                    self.name(),
                    source.parcels.len(),
                    self.version.features
                ),
            }),
        }
    }
}
