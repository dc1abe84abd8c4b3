//! `swath items import postgres://…` and `swath items export --pgstac`: catalogues of pgSTAC.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use swath_access::Viewer;
use swath_catalog::exchange::{PgstacDatabase, check_pgstac_item, write_pgstac_line};
use swath_catalog::{Catalog, CatalogError, PutMode};
use tempfile::NamedTempFile;

use crate::command::items::{Pages, Registered};
use crate::config::Context;
use crate::error::PartialDataError;

/// Items that are named in the message where more cannot be written.
const NAMED_MAX: usize = 5;

/// Registers the items of one collection of a pgSTAC database, or of all.
///
/// A collection that is registered here already stays as it is; others are registered as they are
/// there.
///
/// # Errors
/// Where one of the two databases cannot be reached, or an item is none.
pub async fn import(context: &Context, url: &str, collection: Option<String>) -> Result<()> {
    let source = PgstacDatabase::open(url).await?;
    let ids = match collection {
        Some(id) => vec![id],
        None => source.collection_ids().await?,
    };
    let catalog = context.catalog().await?;
    for id in &ids {
        import_collection(&catalog, &source, id).await?;
    }
    if ids.is_empty() {
        eprintln!("the pgSTAC of {} has no collections", source.place());
    }
    Ok(())
}

async fn import_collection(catalog: &Catalog, source: &PgstacDatabase, id: &str) -> Result<()> {
    let operator = Viewer::operator();
    let declared = source.collection(id).await?;
    let put = catalog.put_collection(&operator, &declared, PutMode::Create);
    match put.await {
        Ok(_) => eprintln!("collection {id} registered"),
        Err(CatalogError::Conflict { .. }) => {
            eprintln!("collection {id} is registered already and stays as it is");
        }
        Err(error) => return Err(data_error(source, error)),
    }
    let mut counted = Registered::begin();
    let mut items = source.items(id).await?;
    loop {
        let batch = items
            .next()
            .await
            .map_err(|error| data_error(source, error))?;
        if batch.is_empty() {
            break;
        }
        let put = counted.put(catalog, id, &batch).await;
        put.map_err(|error| data_error(source, error))?;
    }
    counted.report(id);
    Ok(())
}

/// What pgSTAC holds and makes no sense is bad data, not wrong usage.
fn data_error(source: &PgstacDatabase, error: CatalogError) -> anyhow::Error {
    match error {
        CatalogError::Invalid { reason } => {
            PartialDataError(format!("the pgSTAC of {}: {reason}", source.place())).into()
        }
        other => other.into(),
    }
}

/// Writes collections and their items as `pypgstac load` takes them.
///
/// # Errors
/// Where a collection is not there, or the folder cannot be written to. Where pgSTAC cannot hold some
/// of the items: the others are written.
pub async fn export(context: &Context, collections: &[String], folder: &Path) -> Result<()> {
    let catalog = context.catalog().await?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut collection_lines = Lines::new(folder, "collections.ndjson")?;
    let mut item_lines = Lines::new(folder, "items.ndjson")?;
    let mut refused = Refused::default();
    for id in collections {
        let stored = catalog.collection(&Viewer::operator(), id).await?;
        collection_lines.write(&stored.json)?;
        let mut pages = Pages::new(&catalog, id.clone());
        while let Some(page) = pages.next(u32::MAX).await? {
            for item in &page {
                match check_pgstac_item(item) {
                    Ok(()) => item_lines.write(item)?,
                    Err(reason) => refused.add(item.get("id"), reason),
                }
            }
        }
    }
    let written = (collection_lines.finish()?, item_lines.finish()?);
    eprintln!(
        "{} collections and {} items written to {}; in a pgSTAC database they are registered with\n  \
         pypgstac load collections {}/collections.ndjson --method upsert\n  \
         pypgstac load items {}/items.ndjson --method upsert",
        written.0,
        written.1,
        folder.display(),
        folder.display(),
        folder.display()
    );
    refused.outcome()
}

/// A file of lines that gets its name when it is complete.
struct Lines {
    writer: BufWriter<NamedTempFile>,
    path: std::path::PathBuf,
    count: usize,
}

impl Lines {
    fn new(folder: &Path, name: &str) -> Result<Self> {
        let file = NamedTempFile::new_in(folder)
            .with_context(|| format!("{} cannot be written to", folder.display()))?;
        Ok(Self {
            writer: BufWriter::new(file),
            path: folder.join(name),
            count: 0,
        })
    }

    fn write(&mut self, object: &serde_json::Map<String, Value>) -> Result<()> {
        self.count += 1;
        write_pgstac_line(&mut self.writer, object)
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn finish(mut self) -> Result<usize> {
        let shown = || format!("{} cannot be written", self.path.display());
        self.writer.flush().with_context(shown)?;
        let file = self.writer.into_inner().map_err(|error| error.into_error());
        file.with_context(shown)?
            .persist(&self.path)
            .with_context(shown)?;
        Ok(self.count)
    }
}

/// Items that pgSTAC cannot hold.
#[derive(Default)]
struct Refused {
    count: usize,
    named: Vec<String>,
}

impl Refused {
    fn add(&mut self, id: Option<&Value>, reason: &str) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            let id = id.and_then(Value::as_str).unwrap_or_default();
            self.named.push(format!("{id}: {reason}"));
        }
    }

    fn outcome(self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let rest = match self.count - self.named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Err(PartialDataError(format!(
            "{} items are not written, since pgSTAC cannot hold them: {}{rest}",
            self.count,
            self.named.join("; ")
        ))
        .into())
    }
}
