//! Tables by what people call them.

use std::collections::BTreeSet;

use anyhow::Result;
use swath_access::Viewer;
use swath_catalog::CatalogError;
use swath_extract::table::{CommitNumbers, ExtractTable, TableStore};

use crate::config::{Context, TABLES};
use crate::error::UsageError;

/// Folder of a table's log.
const LOG: &str = "/_delta_log/";
/// End of the roots of tables of classes, which belong to the table above.
const CLASSES: &str = "/classes";

/// Opens the table that was named: by its place, or by the begin of its place in the data home.
///
/// # Errors
/// Where there is none, or several begin so.
pub async fn find_table(context: &Context, named: &str) -> Result<ExtractTable> {
    if let Some(root) = existing_root(context, named).await? {
        let store = context.table_store(&root).await?;
        if let Some(table) = ExtractTable::open(store).await? {
            return Ok(table);
        }
    }
    let what = format!("table \"{named}\" (swath table list shows those of the data home)");
    Err(CatalogError::NotFound { what }.into())
}

async fn existing_root(context: &Context, named: &str) -> Result<Option<String>> {
    let named = named.trim_end_matches('/');
    let is_place = named.contains("://")
        || context.names_store(named)
        || std::path::Path::new(named).join("_delta_log").is_dir();
    if is_place {
        // Looked at before anything is written there: a place that is no table stays as it is.
        let writer = context.stores.writer(&Viewer::operator(), named)?;
        let store = TableStore::new(writer, CommitNumbers::ConditionalPut);
        let found = ExtractTable::open(store).await?;
        return Ok(found.map(|_| named.to_owned()));
    }
    let roots = table_roots(context, named).await?;
    match roots.as_slice() {
        [] => Ok(None),
        [root] => Ok(Some(root.clone())),
        several => Err(UsageError(format!(
            "{} tables begin with \"{named}\": {}",
            several.len(),
            several.join(", ")
        ))
        .into()),
    }
}

/// Returns the tables of the data home whose place begins with `begin`, as `tables:KEY`, sorted.
///
/// # Errors
/// A store that fails.
pub async fn table_roots(context: &Context, begin: &str) -> Result<Vec<String>> {
    let writer = context
        .stores
        .writer(&Viewer::operator(), &format!("{TABLES}:"))?;
    let mut roots = BTreeSet::new();
    for object in writer.list("").await? {
        let Some((root, _)) = object.key.split_once(LOG) else {
            continue;
        };
        if root.starts_with(begin) && !root.ends_with(CLASSES) {
            roots.insert(format!("{TABLES}:{root}"));
        }
    }
    Ok(roots.into_iter().collect())
}
