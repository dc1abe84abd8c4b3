//! `swath demo`.

use anyhow::Result;

use crate::config::Context;

/// Arguments of `swath demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs the command.
///
/// # Errors
/// None yet.
pub async fn run(_context: &Context, _args: DemoArgs) -> Result<()> {
    Ok(())
}
