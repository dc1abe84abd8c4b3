//! Integration tests of extraction: bytes read, stores that fail, and the same bits whatever the
//! threads, blocks and memory.

// A test may panic: its message is the report.
#![allow(clippy::unwrap_used)]

mod bytes;
mod faults;
mod reference;
mod same;
mod scene;
mod table_faults;
mod table_life;
mod table_place;
mod table_series;
mod table_size;
mod units_indexes;
mod units_masks;
mod units_memory;
mod units_owners;
mod units_scene;
mod units_strips;
