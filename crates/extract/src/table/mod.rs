//! The extract table: rows of parcels, units of work and bands, in the layout of Delta Lake.
//!
//! Layout, columns and the rule of exactly once are in `docs/table.md`.
//!
//! 1. A committer opens the store ([`TableStore::probe`]) and makes the table ([`ExtractTable::create`]).
//! 2. Tasks, anywhere, with the store alone: [`write_data_file`] or [`DataFileBuilder`], then a
//!    [`UnitResult`]. Nothing of it is part of the table yet.
//! 3. The committer: [`ExtractTable::commit`] with the results of any number of units.
//! 4. Readers: [`ExtractTable::open`], [`ExtractTable::snapshot`], [`ExtractTable::classes`]; the bytes of a
//!    [`TableFile`] through [`TableStore::asset`]. [`Snapshot::revision`] and [`Snapshot::inputs`] say what
//!    is done.
//! 5. Care: [`ExtractTable::compact`], [`ExtractTable::vacuum`], [`ExtractTable::check`].

mod attempts;
mod check;
mod check_rows;
mod commit;
mod compact;
mod configuration;
mod data;
mod encoding;
mod extract_table;
mod fetch;
mod ledger;
mod log;
mod merge;
mod order;
mod places;
mod read;
mod schema;
mod snapshot;
mod stats;
mod store;
mod unit_result;
mod vacuum;

pub use check::{CheckDepth, CheckReport, Defect, DefectKind};
pub use compact::CompactReport;
pub use configuration::{PRECISION_OPTION, TableConfiguration};
pub use data::{DataFileBuilder, write_data_file};
pub use extract_table::{CommitReport, ExtractTable};
pub use ledger::COMMIT_LEDGER;
pub use places::{TablePlace, chosen_place, table_places};
pub use read::{
    AggregateRequest, Batches, ImageRequest, IndexCache, PARCELS_MAX, Parcels, SERIES_ROWS_MAX,
    SeriesReader, SeriesRequest, WindowOf, aggregate_schema,
};
pub use schema::{TableKind, classes_schema, extracts_schema, month_of};
pub use snapshot::{FileUnit, Snapshot, TableFile, Tombstone};
pub use stats::FileStats;
pub use store::{CommitNumbers, TableStore};
pub use unit_result::{DataFile, UnitResult};
pub use vacuum::{VacuumMode, VacuumReport};
