//! `swath table copy`: a table in PostgreSQL, under the names of JRC's CbM.

use anyhow::Result;
use swath_extract::copy_to_postgres;

use super::NamedTable;
use super::find::find_table;
use crate::config::Context;
use crate::progress::Progress;

/// Arguments of `swath table copy`.
#[derive(Debug, clap::Args)]
pub struct CopyArgs {
    #[command(flatten)]
    named: NamedTable,
    /// Where to: postgres://USER@HOST:PORT/DATABASE, with ?options[search_path]=NAME for a schema
    #[arg(long, value_name = "URL")]
    to: String,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A table that is not there, a database that cannot be reached or holds a copy of another table.
pub async fn run(context: &Context, args: CopyArgs) -> Result<()> {
    let table = find_table(context, &args.named.table).await?;
    let total = table.snapshot().await?.rows();
    let progress = Progress::new("rows");
    let shown = |rows: u64| progress.set(rows, total, "");
    let report = copy_to_postgres(&table, &args.to, &shown).await?;
    drop(progress);
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => eprintln!(
            "{} rows of {} observations copied, {} histograms; {} observations removed",
            report.rows, report.observations, report.histograms, report.removed
        ),
    }
    Ok(())
}
