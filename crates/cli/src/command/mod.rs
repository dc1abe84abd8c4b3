//! One file per command.

pub mod backup;
pub mod chosen_parcels;
pub mod collections;
pub mod convert;
pub mod demo;
pub mod doctor;
pub mod extract;
pub mod info;
pub mod ingest;
pub mod item_folder;
pub mod items;
pub mod job;
pub mod measure_args;
pub mod parcels;
pub mod pgstac;
pub mod restore;
pub mod scrub;
pub mod search;
pub mod series;
pub mod serve;
pub mod simulate;
pub mod table;
pub mod task;
pub mod token;
pub mod zonal;
