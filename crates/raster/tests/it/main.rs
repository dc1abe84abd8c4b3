//! Integration tests of coverage: hard polygons on many grids.

// A test may panic: its message is the report.
#![allow(clippy::unwrap_used)]

mod coverage;
mod warp;
