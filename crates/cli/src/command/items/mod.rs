//! `swath items`: items of a collection, in and out.

mod files;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_catalog::exchange::{BaseItem, ItemTable, write_ndjson};
use swath_catalog::{Catalog, CatalogError, PutMode};
use swath_stac::{ItemSearch, PageStart};

use crate::command::collections::read_collection;
use crate::command::item_folder::ItemFolder;
use crate::command::pgstac;
use crate::command::search::table::print_items;
use crate::config::Context;
use crate::error::{PartialDataError, UsageError};

use files::Found;

/// Items registered in one transaction.
const BATCH_ITEMS: usize = 1_000;
/// Items read from the catalogue at once.
const PAGE_ITEMS: u32 = 1_000;
/// Items that are shown without `--limit`.
const SHOWN_ITEMS: u32 = 100;

/// Arguments of `swath items`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ItemsArgs {
    #[command(subcommand)]
    command: Option<ItemsCommand>,
    /// Collection whose items are listed, newest first
    #[arg(required = true)]
    collection: Option<String>,
    /// Most items to list
    #[arg(long, value_name = "N", default_value_t = SHOWN_ITEMS)]
    limit: u32,
    /// Print an ItemCollection
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum ItemsCommand {
    /// Register items from files and folders: STAC (NDJSON, JSON, stac-geoparquet, dumps of pgSTAC),
    /// answers of other catalogues (OData, resto, OpenSearch in JSON or Atom); or a pgSTAC database
    Import(ImportArgs),
    /// Write all items of a collection into a file (NDJSON, stac-geoparquet) or for pgSTAC
    Export(ExportArgs),
}

/// Arguments of `swath items import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Files, told by their content; folders of STAC item files beside their assets; or one pgSTAC
    /// database, postgres://USER@HOST:PORT/DATABASE
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Collection to register files in, whatever they say themselves; of a pgSTAC database, the
    /// collection to read [default there: all]
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// STAC Collection to register first; its item_assets complete items dumped by pgSTAC
    #[arg(long, value_name = "FILE")]
    collection_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// Collection; with --pgstac it may be repeated
    #[arg(long = "collection", value_name = "ID", required = true)]
    collections: Vec<String>,
    /// File to write: .ndjson or .parquet
    #[arg(short, long, value_name = "FILE", required_unless_present = "pgstac")]
    output: Option<PathBuf>,
    /// Write collections.ndjson and items.ndjson for `pypgstac load` into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pgstac: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where the catalogue cannot be opened, or a file is not what it should be.
pub async fn run(context: &Context, args: ItemsArgs) -> Result<()> {
    match args.command {
        Some(ItemsCommand::Import(args)) => import(context, args).await,
        Some(ItemsCommand::Export(args)) => match &args.pgstac {
            Some(folder) => pgstac::export(context, &args.collections, folder).await,
            None => export(context, &args).await,
        },
        None => {
            let collection = args.collection.unwrap_or_default();
            list(context, collection, args.limit, args.json).await
        }
    }
}

async fn list(context: &Context, collection: String, limit: u32, is_json: bool) -> Result<()> {
    let catalog = context.catalog().await?;
    let stored = catalog.collection(&Viewer::operator(), &collection).await?;
    let mut pages = Pages::new(&catalog, collection);
    let mut items = Vec::new();
    while let Some(page) = pages.next(limit.saturating_sub(items.len() as u32)).await? {
        items.extend(page);
    }
    print_items(&items, is_json)?;
    if (items.len() as u64) < stored.items {
        eprintln!("{} of {} items shown (--limit)", items.len(), stored.items);
    }
    Ok(())
}

/// Pages of a collection, newest first.
pub(super) struct Pages<'a> {
    catalog: &'a Catalog,
    search: ItemSearch,
    is_over: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn new(catalog: &'a Catalog, collection: String) -> Self {
        let search = ItemSearch {
            collections: vec![collection],
            ..ItemSearch::default()
        };
        Self {
            catalog,
            search,
            is_over: false,
        }
    }

    /// Returns the next page of at most `wanted` items, `None` after the last.
    pub(super) async fn next(
        &mut self,
        wanted: u32,
    ) -> Result<Option<Vec<Map<String, Value>>>, CatalogError> {
        if self.is_over || wanted == 0 {
            return Ok(None);
        }
        self.search.limit = Some(wanted.min(PAGE_ITEMS));
        let page = self
            .catalog
            .search(&Viewer::operator(), &self.search)
            .await?;
        match page.next {
            Some(token) => self.search.start = PageStart::Token(token),
            None => self.is_over = true,
        }
        Ok(Some(page.items.into_iter().map(|item| item.json).collect()))
    }
}

fn data_error(path: &Path, error: &CatalogError) -> PartialDataError {
    PartialDataError(format!("{}: {error}", path.display()))
}

async fn import(context: &Context, args: ImportArgs) -> Result<()> {
    if let Some(url) = args.files.iter().find_map(|file| database_url(file)) {
        if args.files.len() > 1 || args.collection_file.is_some() {
            let reason = "a pgSTAC database is imported alone, without files and --collection-file: \
                          it has its collections itself";
            return Err(UsageError(reason.into()).into());
        }
        return pgstac::import(context, url, args.collection).await;
    }
    let Imported {
        collection,
        counted,
        refused,
    } = import_files(context, &args).await?;
    counted.report(&collection);
    match refused {
        0 => Ok(()),
        refused => Err(PartialDataError(format!(
            "{refused} entries are no products and were left out; {} items were registered",
            counted.items
        ))
        .into()),
    }
}

fn database_url(file: &Path) -> Option<&str> {
    let text = file.to_str()?;
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    is_url.then_some(text)
}

/// What an import of files came to.
#[derive(Debug)]
pub struct Imported {
    collection: String,
    counted: Registered,
    /// Entries of answers that are no products.
    refused: usize,
}

/// Registers the items of files and folders.
///
/// # Errors
/// Where the catalogue cannot be opened, or a file is not what it should be.
pub async fn import_files(context: &Context, args: &ImportArgs) -> Result<Imported> {
    let Some(id) = &args.collection else {
        let reason = "--collection ID is missing: the collection that the items of files belong to";
        return Err(UsageError(reason.into()).into());
    };
    let catalog = context.catalog().await?;
    let operator = Viewer::operator();
    if let Some(file) = &args.collection_file {
        let mut collection = read_collection(file)?;
        collection.insert("id".into(), id.as_str().into());
        catalog
            .put_collection(&operator, &collection, PutMode::Upsert)
            .await?;
    }
    let stored = catalog.collection(&operator, id).await;
    let stored = stored.map_err(|error| match error {
        CatalogError::NotFound { .. } => anyhow::Error::from(error).context(
            "register the collection first: swath collections add FILE, or --collection-file FILE",
        ),
        other => other.into(),
    })?;
    let mut import = Import {
        catalog: &catalog,
        collection: id,
        base: BaseItem::of_collection(&stored.json),
        counted: Registered::begin(),
        refused: 0,
    };
    for path in &args.files {
        match path.is_dir() {
            true => import.folder(context, path).await?,
            false => import.file(path).await?,
        }
    }
    Ok(Imported {
        collection: id.clone(),
        counted: import.counted,
        refused: import.refused,
    })
}

/// An import that goes on from file to file.
struct Import<'a> {
    catalog: &'a Catalog,
    collection: &'a str,
    base: BaseItem,
    counted: Registered,
    refused: usize,
}

impl Import<'_> {
    /// Registers what the item files of a folder hold; their assets may be read where they lie.
    async fn folder(&mut self, context: &Context, path: &Path) -> Result<()> {
        let folder = ItemFolder::read(context, path)?;
        self.catalog
            .add_prefix(&Viewer::operator(), self.collection, &folder.prefix)
            .await?;
        let mut items = folder.items.into_iter();
        loop {
            let batch: Result<Vec<_>, _> = items
                .by_ref()
                .take(BATCH_ITEMS)
                .map(|item| self.prepared(path, item))
                .collect();
            match batch? {
                batch if batch.is_empty() => return Ok(()),
                batch => self.register(path, &batch).await?,
            }
        }
    }

    /// Registers what a file holds, in batches; names what is refused.
    async fn file(&mut self, path: &Path) -> Result<()> {
        let mut found = files::open(path)?;
        loop {
            let mut batch = Vec::new();
            let mut is_over = true;
            for one in found.by_ref().take(BATCH_ITEMS) {
                is_over = false;
                match one.map_err(|error| data_error(path, &error))? {
                    Found::Item(item) => batch.push(self.prepared(path, item)?),
                    Found::Refused(refusal) => {
                        self.refused += 1;
                        eprintln!("{}: {}: {}", path.display(), refusal.name, refusal.reason);
                    }
                }
            }
            if is_over {
                return Ok(());
            }
            if !batch.is_empty() {
                self.register(path, &batch).await?;
            }
        }
    }

    fn prepared(
        &self,
        path: &Path,
        item: Map<String, Value>,
    ) -> Result<Map<String, Value>, PartialDataError> {
        let item = self.base.hydrate(item);
        let mut item = item.map_err(|error| data_error(path, &error))?;
        item.insert("collection".into(), self.collection.into());
        Ok(item)
    }

    async fn register(&mut self, path: &Path, batch: &[Map<String, Value>]) -> Result<()> {
        let put = self.counted.put(self.catalog, self.collection, batch).await;
        put.map_err(|error| match error {
            CatalogError::Invalid { .. } => data_error(path, &error).into(),
            other => other.into(),
        })
    }
}

/// How many items were registered in one collection, and since when.
#[derive(Debug)]
pub(super) struct Registered {
    items: usize,
    begun: std::time::Instant,
}

impl Registered {
    pub(super) fn begin() -> Self {
        Self {
            items: 0,
            begun: std::time::Instant::now(),
        }
    }

    /// Registers some items, or replaces them.
    pub(super) async fn put(
        &mut self,
        catalog: &Catalog,
        collection: &str,
        items: &[Map<String, Value>],
    ) -> Result<(), CatalogError> {
        let operator = Viewer::operator();
        let put = catalog.put_items(&operator, collection, items, PutMode::Upsert);
        self.items += put.await?.len();
        Ok(())
    }

    pub(super) fn report(&self, collection: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        eprintln!(
            "{} items registered in {collection} ({seconds:.1} s, {:.0} items/s)",
            self.items,
            self.items as f64 / seconds
        );
    }
}

async fn export(context: &Context, args: &ExportArgs) -> Result<()> {
    let ([collection], Some(output)) = (args.collections.as_slice(), &args.output) else {
        let reason = "one file holds the items of one --collection (with --pgstac DIR, of several)";
        return Err(UsageError(reason.into()).into());
    };
    let catalog = context.catalog().await?;
    catalog.collection(&Viewer::operator(), collection).await?;
    let folder = output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    let count = match output.extension().and_then(|extension| extension.to_str()) {
        Some("ndjson" | "jsonl") => export_lines(&catalog, collection, file.as_file()).await?,
        Some("parquet") => export_table(&catalog, collection, file.as_file()).await?,
        _ => {
            let shown = output.display();
            return Err(UsageError(format!(
                "{shown}: the name has to end in .ndjson or .parquet"
            ))
            .into());
        }
    };
    file.persist(output)
        .with_context(|| format!("{} cannot be written", output.display()))?;
    eprintln!(
        "{count} items of {collection} written to {}",
        output.display()
    );
    Ok(())
}

async fn export_lines(catalog: &Catalog, collection: &str, file: &File) -> Result<usize> {
    let mut writer = BufWriter::new(file);
    let mut pages = Pages::new(catalog, collection.to_owned());
    let mut count = 0;
    while let Some(page) = pages.next(u32::MAX).await? {
        for item in &page {
            write_ndjson(&mut writer, item)?;
        }
        count += page.len();
    }
    writer.flush()?;
    Ok(count)
}

async fn export_table(catalog: &Catalog, collection: &str, file: &File) -> Result<usize> {
    let mut table = ItemTable::new();
    let mut pages = Pages::new(catalog, collection.to_owned());
    while let Some(page) = pages.next(u32::MAX).await? {
        table.learn(&page)?;
    }
    let mut writer = table.write_to(BufWriter::new(file))?;
    let mut pages = Pages::new(catalog, collection.to_owned());
    let mut count = 0;
    while let Some(page) = pages.next(u32::MAX).await? {
        writer.write(&page)?;
        count += page.len();
    }
    writer.finish()?;
    Ok(count)
}
