//! The stores: do they answer, can the archive be written, does it know conditional writes.

use std::path::Path;

use swath_access::Viewer;
use swath_io::{ConditionalPut, ErrorKind, IoError, StoreConfig, StoreKind};

use super::Check;
use crate::config::{ARCHIVE, Context, JOBS, PARCELS, TABLES};

/// Stores that commands write to, with what makes their folders.
const WRITTEN: [(&str, &str); 4] = [
    (ARCHIVE, "ingest"),
    (PARCELS, "parcels import"),
    (TABLES, "extract"),
    (JOBS, "extract"),
];

/// Makes the checks of all named stores, those that are written to among them.
pub(super) async fn checks(context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, config) in context.store_configs() {
        let check = format!("store {name}");
        let written = WRITTEN.iter().find(|(written, _)| written == name);
        if let Some((_, maker)) = written.filter(|_| is_not_made_yet(config)) {
            checks.push(Check::ok(
                check,
                format!(
                    "{} is not there yet; the first {maker} makes it",
                    config.prefix
                ),
            ));
            continue;
        }
        let probed = match known_kind(config) {
            true => context.stores.probe(name).await,
            false => Err(IoError::Href {
                href: config.prefix.clone(),
                reason: "this is neither a folder nor a known kind of URL".to_owned(),
            }),
        };
        match probed {
            Ok(()) => checks.push(Check::ok(check, format!("{} answers", config.prefix))),
            Err(error) => {
                checks.push(unreachable(check, name, config, &error));
                continue;
            }
        }
        if written.is_some() {
            checks.push(writing(context, name, config).await);
        }
    }
    checks
}

/// True for a store in a folder that is to be made in one that is there.
fn is_not_made_yet(config: &StoreConfig) -> bool {
    if config.kind() != StoreKind::Folder || !known_kind(config) {
        return false;
    }
    let prefix = config.prefix.as_str();
    !Path::new(prefix.strip_prefix("file://").unwrap_or(prefix)).exists()
}

/// What is no URL of a known kind is taken for a folder: a URL is none.
fn known_kind(config: &StoreConfig) -> bool {
    let is_url = config.prefix.contains("://") && !config.prefix.starts_with("file://");
    config.kind() != StoreKind::Folder || !is_url
}

fn unreachable(check: String, name: &str, config: &StoreConfig, error: &IoError) -> Check {
    let text = format!("{}: {error}", config.prefix);
    match error.kind() {
        // Reading objects may be allowed where listing them is not.
        ErrorKind::Denied if WRITTEN.iter().all(|(written, _)| *written != name) => Check::warning(
            check,
            text,
            "check the credentials in the environment; a bucket that may be read but not listed works \
             for reading",
        ),
        ErrorKind::Denied => Check::error(
            check,
            text,
            "check the credentials in the environment and the rights: list, read, write and delete",
        ),
        ErrorKind::NotFound => Check::error(
            check,
            text,
            "make the folder or bucket, mount its disk, or correct prefix in swath.toml",
        ),
        ErrorKind::Invalid => Check::error(
            check,
            text,
            "correct prefix in swath.toml: a folder, http(s)://, s3://, gs://, az:// or abfs://",
        ),
        _ => Check::error(
            check,
            text,
            "check prefix and endpoint in swath.toml, the network, and whether the service runs",
        ),
    }
}

/// Writes to a store, and compares what it makes of conditional writes with the configuration.
async fn writing(context: &Context, store: &str, config: &StoreConfig) -> Check {
    let name = format!("{store} writing");
    let root = format!("{store}:");
    let found = match context.stores.writer(&Viewer::operator(), &root) {
        Ok(writer) => writer.probe().await,
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            return Check::error(
                name,
                error.to_string(),
                "give this user the right to write there, or name another place in [stores.NAME]",
            );
        }
    };
    let is_expected = config.conditional_put.unwrap_or(true);
    let lacking = match found {
        ConditionalPut::Atomic => {
            return Check::ok(
                name,
                "can be written; of several writers of one name one wins",
            );
        }
        ConditionalPut::Racy(winners) => format!("of 8 writers at once {winners} won"),
        ConditionalPut::Ignored => "If-None-Match is ignored".to_owned(),
        ConditionalPut::Unsupported => "If-None-Match is refused".to_owned(),
    };
    let text = format!("can be written; no conditional writes: {lacking}");
    match is_expected {
        true => Check::warning(
            name,
            text,
            "say conditional_put = false in [stores.NAME], so that nothing relies on them",
        ),
        false => Check::ok(name, text),
    }
}
