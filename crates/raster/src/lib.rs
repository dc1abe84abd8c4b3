//! Pixels in memory: bands, masks, coverage shares and exact statistics. Pure: no files, no async.

mod coverage;
mod mask;
mod ordered;
mod pixels;
mod statistics;

pub use coverage::{CoverageMask, CoverageRule, CoverageRun, coverage};
pub use mask::Mask;
pub use ordered::{Ordered, SortKey, SortScratch, sort_values};
pub use pixels::{DataType, Pixels, Sample};
pub use statistics::{
    Distinct, SHARE_MIN, SortedPass, Statistics, StatisticsScratch, ValueStatistics, statistics_of_list,
    statistics_of_sorted, statistics_of_stream, statistics_of_weighted,
};
