//! Cloud-optimised GeoTIFF: the writer, and the verdict on files of others.
//!
//! The writer works in one pass over the rows of a [`RowSource`]:
//! 1. take a strip of block rows, cut it into blocks, predict and compress them on all threads
//!    (`encode`, `predictor`);
//! 2. reduce the same strip into the overviews (`overview`), which fill strips of their own;
//! 3. append the compressed blocks of each level to a nameless scratch file (`spool`);
//! 4. when the last row is in, every size is known: write header and IFDs (`ifd`, `metadata`),
//!    then the levels from the smallest to the full resolution, sync, and rename.
//!
//! The layout is that of the [COG driver of GDAL](https://gdal.org/en/stable/drivers/raster/cog.html).
//! Parsing TIFF files and decoding blocks are not done here; [`RasterRows`] makes rows of an opened
//! raster.

mod encode;
mod from_raster;
mod grid_rows;
mod ifd;
mod metadata;
mod overview;
mod predictor;
mod spec;
mod spool;
mod strip;
mod verdict;
mod write;

pub use from_raster::RasterRows;
pub use grid_rows::GridRows;
pub(crate) use grid_rows::ReadWindow;
pub use spec::{
    AreaOrPoint, BandSpec, CogError, CogOptions, CogReport, CogSpec, ColorInterpretation,
    Compression, OverviewRule, RowSource, Rows,
};
pub use verdict::{CogVerdict, IfdSummary, verdict};
pub use write::write_cog;
