//! Pixels in memory: bands, masks, expressions over them, coverage shares and exact statistics; warp; drawing, PNG.
//! Pure: no files, no async.

mod canvas;
mod composite;
mod coverage;
mod deflate;
mod encode;
mod expression;
pub mod glyphs;
mod index;
mod mask;
mod ordered;
mod pixels;
mod png;
mod prefetch;
mod raster;
mod select;
mod slice_lanes;
mod statistics;
mod style;
mod warp;

pub use canvas::{Area, Canvas, Letters, Rgb};
pub use composite::{
    CompositeMethod, CompositeMethodError, CompositeRule, INFRARED_BANDS, RED_BANDS, SCL_DROPPED,
    composite,
};
pub use coverage::{CoverageMask, CoverageRule, CoverageRun, coverage};
pub use encode::{EncodeError, encode_npy};
pub use expression::{
    EXPRESSION_BANDS_MAX, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError,
};
pub use index::{INDICES, Index};
pub use mask::{Mask, can_hold};
pub use ordered::{Ordered, SortKey};
pub use pixels::{DataType, Pixels, Sample};
pub use png::{PngSamples, encode_png};
pub use prefetch::prefetch;
pub use raster::{Raster, RasterBand};
pub use statistics::{
    Distinct, SHARE_MIN, SortedPass, Statistics, StatisticsScratch, ValueStatistics, statistics_of,
    statistics_of_stream,
};
pub use style::{
    COLOR_MAP_STOPS_MAX, ClassColor, ColorMap, ColorMapError, Image, Painting, ValueRange, paint,
    parse_color,
};
pub use warp::{
    Cell, FootprintError, GridChoice, PixelShift, Places, Positions, Resampling, WarpSource,
    covered, default_grid, footprint, reach, source_window, warp,
};
