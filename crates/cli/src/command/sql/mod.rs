//! `swath sql`: questions in SQL over the extract tables and the parcel sets of the data home.
//!
//! DataFusion answers them, and it is as much to compile as the rest of the program: it comes with the
//! feature `sql` only (`docs/adr/0019-sql.md`). Without it the command says how to get it.
//!
//! 1. [`names`] lists what can be asked, under the names that queries use.
//! 2. [`schemas`] opens a table when a query names it: one moment of it, for the whole query.
//! 3. [`file_table`] chooses the files of that moment that can hold rows; [`asset_reader`] reads them
//!    through the stores.
//! 4. [`session`] plans within limits and refuses what would change something; [`query`] runs it on
//!    threads of its own; [`answer`] writes the rows as they come.
//! 5. [`refusal`] says what is wrong with a query, and where.

#[cfg(not(feature = "sql"))]
mod absent;
#[cfg(feature = "sql")]
mod answer;
#[cfg(feature = "sql")]
mod asset_reader;
#[cfg(feature = "sql")]
mod file_table;
#[cfg(feature = "sql")]
mod listing;
#[cfg(feature = "sql")]
mod names;
#[cfg(feature = "sql")]
mod query;
#[cfg(feature = "sql")]
mod refusal;
#[cfg(feature = "sql")]
mod schemas;
#[cfg(feature = "sql")]
mod session;

use std::path::PathBuf;

use clap::ValueEnum;

#[cfg(not(feature = "sql"))]
pub use absent::run;
#[cfg(feature = "sql")]
pub use query::run;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// Columns side by side, for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// A list of objects
    Json,
    /// Arrow IPC stream
    Arrow,
    /// Parquet, compressed with zstd
    Parquet,
}

/// Arguments of `swath sql`.
#[derive(Debug, clap::Args)]
pub struct SqlArgs {
    /// The query; "-" reads it from the standard input
    #[arg(value_name = "SQL", required_unless_present_any = ["file", "tables"])]
    statement: Option<String>,
    /// Read the query from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "statement")]
    file: Option<PathBuf>,
    /// List the tables that can be asked, with their columns
    #[arg(long, conflicts_with_all = ["statement", "file"])]
    tables: bool,
    /// How to write the answer [default: by the end of --output, else table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<AnswerFormat>,
    /// Write to a file, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Most rows of the answer [default: 1000 for table and json, else all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit_rows: Option<u64>,
    /// Memory for sorts, groups and joins, in MB; beyond, they go to temporary files
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    memory: u64,
    /// Personal columns of parcel sets that the query may see
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    personal: Vec<String>,
}
