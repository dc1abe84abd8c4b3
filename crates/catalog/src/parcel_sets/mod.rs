//! Parcel sets: who sees them, their time zone, and their versions, which never change.
//!
//! 1. [`Catalog::begin_parcel_set_version`](crate::Catalog::begin_parcel_set_version) makes the set where
//!    it is new and takes a number;
//! 2. the caller writes the file of that number;
//! 3. [`Catalog::put_parcel_set_version`](crate::Catalog::put_parcel_set_version) registers it. Until then
//!    nobody sees it.

mod copies;
mod registration;
mod set;

pub use copies::{ParcelSetCopy, ParcelSetVersionCopy};
pub(crate) use copies::{copies, write_copy};
pub use set::{
    NewParcelSetVersion, ParcelSet, ParcelSetContent, ParcelSetName, ParcelSetSettings,
    ParcelSetVersion,
};
