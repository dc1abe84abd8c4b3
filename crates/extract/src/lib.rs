//! Parcels times images to statistics.
//!
//! 1. [`find_items`] lists the images; [`Extractor`] brings the parcels to their grids, once per grid.
//! 2. [`Extractor::measure`] plans units of blocks (pure), fetches them (`io::blocks`), and folds
//!    pixels into exact statistics (`raster`).
//! 3. [`extract`] does so for many images in the order of time, with a journal; [`zonal`] for one raster.
//!
//! 4. [`plan_units`] compares units of work with an extract table; [`UnitDesk`] measures one and writes its rows.
//! 5. [`chips`] show one parcel date by date.
//!
//! Pixels are never kept beyond their unit: memory does not grow with image, season or country.

mod bands;
pub mod chips;
mod class_mask;
mod conversion;
mod coverage_record;
mod coverage_table;
mod dilation;
mod error;
mod extractor;
mod item_slice;
mod items;
mod journal;
mod large_work;
mod measure;
mod output;
mod parcel_shapes;
pub mod pass;
mod pixel_index;
mod placement;
mod plan;
mod points;
mod run;
mod scan;
mod scan_result;
mod selection;
mod slices;
mod stages;
pub mod table;
mod table_copy;
mod task;
mod units;
mod values;
mod zonal;

pub use class_mask::ClassMask;
pub use conversion::Conversion;
pub use error::ExtractError;
pub use extractor::{Extractor, MeasureOptions, UsedShift};
pub use item_slice::{ItemSlice, SliceOptions, SliceValues, open_slice, slices_of};
pub use items::{ItemAsset, ItemList, ItemSource, Skipped, find_items, raster_datetime};
pub use measure::{BandRef, ClassRow, Measured, OffGrid, Row};
pub use output::{Columns, OutputFormat, RowItem, RowNames, RowWriter, STATISTICS};
pub use pixel_index::PixelIndex;
pub use plan::{
    ExtractPlan, PLAN_FORMAT, PlannedCollection, PlannedMeasure, PlannedParcelFile, PlannedParcels,
    PlannedUnit, UnitPlan, plan_units,
};
pub use run::{ExtractOptions, ExtractReport, Progress, extract};
pub use stages::{Stage, StageMeter, StageTime, StageTimes};
pub use table_copy::{CopyReport, copy_to_postgres};
pub use task::{UnitDesk, UnitOutcome, is_unit_fault};
pub use zonal::{MaskRequest, ZonalOptions, ZonalReport, choose_bands, zonal};
