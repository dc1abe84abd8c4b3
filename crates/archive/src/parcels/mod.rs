//! Parcel sets: files of parcels become versions of a set, which never change.
//!
//! [`ParcelImport`] works in this order:
//!
//! 1. read the file: format by content, invalid polygons repaired, every column kept (`io::vector`);
//! 2. settle what becomes of duplicate ids and of what has no area (`selection`);
//! 3. settle crops (`crops`, `hcat`), declared areas, and which columns are personal (`personal`);
//! 4. write the file of the version to the scratch folder; the same content gives the same bytes;
//! 5. compare its digest with the newest version: the same is no new version;
//! 6. take a number in the catalogue, store the file under it, register the version.
//!
//! Cut off anywhere, the set has the versions that it had. [`open_set`] finds them again.

mod country;
mod crops;
mod hcat;
mod import;
mod open;
mod personal;
mod selection;

pub use country::timezone_of;
pub use crops::{CropCounts, UnmappedCrop};
pub use hcat::HcatMapping;
pub use import::{ImportOptions, ImportReport, ParcelImport};
pub use open::{OpenedSet, open_set};
pub use personal::PERSONAL_COLUMNS;
pub use selection::{DuplicateIds, Refused};
