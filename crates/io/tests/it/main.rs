//! Integration tests of stores and rasters: exact values from every layout, few requests, errors
//! that name what failed.

// A test may panic: its message is the report.
#![allow(clippy::unwrap_used)]

mod clouds;
mod cog;
mod faults;
mod fixture;
mod hostile;
mod jp2;
mod layouts;
mod masks;
mod place;
mod requests;
mod shared;
mod shifted;
mod write;
