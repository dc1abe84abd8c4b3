//! Parcels times images to statistics.
//!
//! 1. [`find_items`] lists the images; [`Extractor`] brings the parcels to their grids, once per grid.
//! 2. [`Extractor::measure`] plans units of blocks (pure), fetches them (`io::blocks`), and folds
//!    pixels into exact statistics (`raster`).
//! 3. [`extract`] does so for many images in the order of time, with a journal; [`zonal`] for one raster.
//!
//! Pixels are never kept beyond their unit: memory does not grow with image, season or country.

mod class_mask;
mod coverage_record;
mod coverage_table;
mod error;
mod extractor;
mod items;
mod journal;
mod measure;
mod output;
mod run;
mod scan;
mod units;
mod values;
mod zonal;

pub use class_mask::ClassMask;
pub use error::ExtractError;
pub use extractor::{Extractor, MeasureOptions, UsedShift};
pub use items::{ItemAsset, ItemList, ItemSource, Skipped, find_items, raster_datetime};
pub use measure::{BandRef, ClassRow, Measured, OffGrid, Row};
pub use output::{Columns, OutputFormat, RowItem, RowNames, RowWriter, STATISTICS};
pub use run::{ExtractOptions, ExtractReport, Progress, extract};
pub use zonal::{MaskRequest, ZonalOptions, ZonalReport, choose_bands, zonal};
