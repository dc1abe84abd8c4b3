//! The one integration binary of the crate.

mod engine;
mod leases;
mod records;
mod store;
mod tasks;
