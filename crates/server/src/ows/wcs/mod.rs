//! WCS 1.0.0 (OGC 03-065r6) and 2.0.1 (OGC 09-110r4 with range subsetting, scaling, CRS and
//! interpolation).
//!
//! 1. [`name`] and [`coverage`]: what a coverage is and is called.
//! 2. [`documents1`] and [`documents2`] describe it.
//! 3. [`request`] and [`request1`] with [`subset`] and [`target`]: which grid, bands and time are asked for.
//! 4. [`answer`](fn@answer) reads the values and [`geotiff`] writes them.

mod answer;
mod coverage;
mod documents1;
mod documents2;
mod geotiff;
mod name;
mod request;
mod request1;
mod subset;
mod target;

pub(super) use answer::answer;
