//! Integration tests of the grid crate.

mod gie;
mod golden;
mod properties;
mod tile_matrix_sets;
