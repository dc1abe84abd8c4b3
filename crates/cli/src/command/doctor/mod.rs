//! `swath doctor`: is the installation in order, and what to do where it is not.
//!
//! Every part of it makes a [`Check`]; none keeps the others from being made. Nothing is left behind.

mod catalog;
mod machine;
mod store;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::config::Context;
use crate::error::{UpstreamError, UsageError};

/// Arguments of `swath doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// In order.
    Ok,
    /// Works, with a limit to know of.
    Warning,
    /// Does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    /// Its name: `store archive`.
    check: String,
    status: Status,
    /// What was found.
    text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    status: Status,
    version: &'static str,
    checks: Vec<Check>,
}

impl Check {
    fn ok(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            status: Status::Ok,
            text: text.into(),
            remedy: None,
        }
    }

    fn warning(
        check: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(check, text)
        }
    }

    fn error(check: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Status::Error,
            remedy: Some(remedy.into()),
            ..Self::ok(check, text)
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Where a check found an error, after all were made.
pub async fn run(context: &Context, args: DoctorArgs) -> Result<()> {
    let configuration = match &context.config_path {
        Some(path) => format!("{} is valid", path.display()),
        None => "none: defaults hold".to_owned(),
    };
    let mut checks = vec![Check::ok("configuration", configuration)];
    checks.extend(machine::home(&context.home));
    checks.push(tokens(context));
    checks.extend(catalog::checks(context).await);
    checks.extend(store::checks(context).await);
    checks.extend(machine::limits());
    let errors = print(checks, &args)?;
    match errors {
        0 => Ok(()),
        1 => Err(UpstreamError("1 check found an error".to_owned()).into()),
        count => Err(UpstreamError(format!("{count} checks found errors")).into()),
    }
}

/// Says what is wrong with a configuration that cannot be read, beside what needs none.
///
/// # Errors
/// Always: that of the configuration.
pub fn refused(home: &Path, error: anyhow::Error, args: DoctorArgs) -> Result<()> {
    let remedy = "correct the line named, or take the file away; docs/stores.md lists all keys";
    let mut checks = vec![Check::error("configuration", format!("{error:#}"), remedy)];
    checks.extend(machine::home(home));
    checks.extend(machine::limits());
    print(checks, &args)?;
    Err(UsageError("the configuration cannot be read".to_owned()).into())
}

fn tokens(context: &Context) -> Check {
    match context.tokens().list() {
        Ok(tokens) if tokens.is_empty() => Check::ok(
            "tokens",
            "none: the server answers this machine only, and takes no changes",
        ),
        Ok(tokens) => {
            let now = chrono::Utc::now();
            let ended = tokens.iter().filter(|token| token.is_expired(now)).count();
            Check::ok(
                "tokens",
                format!("{}, of which {ended} expired", tokens.len()),
            )
        }
        Err(error) => Check::error(
            "tokens",
            error.to_string(),
            "put the file back from a backup (swath restore), or remove it and make new tokens",
        ),
    }
}

/// Prints the checks and returns how many found errors.
fn print(checks: Vec<Check>, args: &DoctorArgs) -> Result<usize> {
    let errors = checks
        .iter()
        .filter(|check| check.status == Status::Error)
        .count();
    if args.json {
        let report = Report {
            status: checks
                .iter()
                .map(|check| check.status)
                .max()
                .unwrap_or(Status::Ok),
            version: env!("CARGO_PKG_VERSION"),
            checks,
        };
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(errors);
    }
    let width = checks.iter().map(|check| check.check.chars().count()).max();
    let width = width.unwrap_or(0);
    for check in &checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Error => "ERROR",
        };
        println!("{status:<8}{:<width$}  {}", check.check, check.text);
        if let Some(remedy) = &check.remedy {
            println!("{:<8}{:<width$}  → {remedy}", "", "");
        }
    }
    Ok(errors)
}
