//! Runs the real program and looks at what it says.

mod backup;
mod catalog;
mod demo;
mod doctor;
mod errors;
mod extract;
mod help;
mod info;
mod ingest;
mod parcels;
mod program;
mod scrub;
mod sql;
mod table;
mod table_chaos;
mod table_copy;
mod table_full;
mod table_place;
