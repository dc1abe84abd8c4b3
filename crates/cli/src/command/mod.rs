//! One file per command.

pub mod convert;
pub mod demo;
pub mod extract;
pub mod info;
pub mod measure_args;
pub mod parcels;
pub mod simulate;
pub mod zonal;
