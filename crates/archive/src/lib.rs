//! Products into the archive: SAFE, BEAM-DIMAP and GeoTIFF become COGs with STAC items.
//!
//! 1. [`find_sources`] tells products by their content, [`open_source`] lists their files
//!    (folder or zip archive, names that climb refused);
//! 2. [`read_products`] reads the metadata: identity, time, outline, grids, bands, manifest;
//! 3. [`Ingest`] stores files and COGs and registers items, one product after the other;
//! 4. [`item`] turns a product and the places of its files into a STAC 1.1 item.
//!
//! [`read_answer`] and [`read_feed`] make items of what other platforms say of their products.
//! Parcels become versions of a set: [`ParcelImport`], [`open_set`].
//! What is held is kept by [`Backup`] and [`Restore`], and looked after by [`Scrub`].

mod answers;
mod backup;
mod digest;
mod error;
mod footprint;
mod ingest;
mod item;
mod package;
mod parcels;
mod product;
mod scrub;
mod source;
mod xml;

pub use answers::{Answer, Refusal, read_answer, read_feed};
pub use backup::{
    ArchivePart, Backup, BackupFile, BackupOptions, BackupReport, FileRole, HomeFile, Manifest,
    Restore, RestoreOptions, RestoreReport, RestoreTarget,
};
pub use error::ArchiveError;
pub use footprint::Footprint;
pub use ingest::{
    Ingest, IngestOptions, IngestReport, Originals, Outcome, ProductReport, RasterTime,
};
pub use item::{PlacedAsset, PlacedOriginal, item};
pub use package::Package;
pub use parcels::{
    CropCounts, DuplicateIds, HcatMapping, ImportOptions, ImportReport, OpenedSet,
    PERSONAL_COLUMNS, ParcelImport, Refused, UnmappedCrop, open_set, timezone_of,
};
pub use product::{
    Algorithm, BandField, Grid, ManifestEntry, Product, ProductAsset, ProductVersion, RasterSpec,
    read as read_products,
};
pub use scrub::{Defect, DefectKind, Orphan, Scrub, ScrubOptions, ScrubReport, Unfinished};
pub use source::{Source, SourceKind, find_sources, open_source};
