//! Chips: what images show of one parcel, date by date.
//!
//! 1. [`window`] cuts a rectangle out of one band of a raster, on the raster's own pixels.
//! 2. [`calendar`] reads a season: every image on one grid, that of the finest band of the first.
//! 3. [`style`] makes colours of values, [`sheet`] draws the dates side by side.

mod calendar;
mod sheet;
mod style;
mod window;

pub use calendar::{Calendar, CalendarOptions, IMAGES_MAX, PassedOver, SeasonChip, read_calendar};
pub use sheet::{SheetLabels, draw_sheet};
pub use style::ChipStyle;
pub use window::{Chip, write_tiff};

/// Classes of Sentinel-2's scene classification that hide the field: no data, defective, shadow of
/// clouds, clouds, cirrus, snow.
pub const HIDING_CLASSES: [i64; 7] = [0, 1, 3, 8, 9, 10, 11];
