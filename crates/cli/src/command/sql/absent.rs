//! What `swath sql` says in a program that was built without it.

use anyhow::Result;

use super::SqlArgs;
use crate::config::Context;
use crate::error::UsageError;

/// Says how to get the command, and what answers without it.
///
/// # Errors
/// Always: wrong usage.
pub async fn run(_context: &Context, _args: SqlArgs) -> Result<()> {
    let reason = "this program was built without sql: build it with `cargo build --profile sql -p \
                  swath-cli --features sql`, or ask DuckDB, which reads the same files: docs/sql.md";
    Err(UsageError(reason.to_owned()).into())
}
