//! Units of work: which items are measured as one image, and which parcels each of them owns.
//!
//! 1. [`pass_items`] reads registered items: pass, tile, grid, version.
//! 2. [`work_units`] (pure) groups them: one unit per pass and tile, or per pass and strip of slices.
//! 3. [`measure_unit`] measures a unit over the parcels that it owns by geometry alone; a parcel cut by
//!    two slices is measured over both.
//! 4. [`unit_batch`] and [`class_batch`] give the rows in the columns of the extract table.
//!
//! The rule, and why it is this one, is in `docs/adr/0011-pass-rule.md`.

mod batch;
mod collection;
mod ground;
mod item;
mod lattice;
mod measure;
mod names;
mod owner;
mod rows;
mod strip;
mod territory;
mod unit;

pub(crate) use ground::{UnitGround, UnitParcels};

pub use batch::{class_batch, unit_batch};
pub use collection::{Average, CollectionRules};
pub use item::{PassAsset, PassBand, PassItem, PassItems, PassRank, UnitSources, pass_items};
pub use measure::{UnitOptions, measure_unit};
pub use rows::{TakeRows, UnitRows, UnitTotal};
pub use unit::{Neighbour, WorkUnit, work_units};
