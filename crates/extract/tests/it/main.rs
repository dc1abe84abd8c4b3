//! Integration tests of extraction: bytes read, stores that fail, and the same bits whatever the
//! threads, blocks and memory.

// A test may panic: its message is the report.
#![allow(clippy::unwrap_used)]

mod bytes;
mod faults;
mod reference;
mod same;
mod scene;
