//! The catalogue over both databases.

mod backend;
mod change_marks;
mod collections;
mod exchange;
mod faults;
mod filters;
mod hostile;
mod items;
mod oracle;
mod parcel_sets;
mod restoration;
mod sample;
mod search;
