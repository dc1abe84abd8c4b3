//! The engine: products into the store, then into the catalogue.
//!
//! For each product:
//! 1. decide: is it held already, is a newer version held, which older ones does it replace (`standing`);
//! 2. originals: digests, compared with the manifest; kept, referred to or dropped (`originals`);
//! 3. rasters: converted to COGs, one after the other, each uploaded when it is complete (`convert`);
//! 4. the item: written beside its assets, then registered; then one looks again, and the older versions
//!    leave the catalogue.
//!
//! Every step may be repeated: what is there and complete is not written again. An item appears in
//! the catalogue only at the end, so a product that was cut off is not there, and the same command
//! completes it.

mod convert;
mod originals;
mod plan;
mod registry;
mod report;
mod standing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use swath_access::{Resource, Viewer};
use swath_catalog::Catalog;
use swath_io::{GeoTiff, IoError, StoreWriter, Stores};

pub use self::report::{IngestReport, Outcome, ProductReport};
pub use crate::product::RasterTime;

use self::standing::{Standing, Verdict};
use crate::ArchiveError;
use crate::item::{PlacedAsset, item};
use crate::package::Package;
use crate::product::{Product, RasterFacts, of_raster, read};
use crate::source::{Source, SourceKind, open_source};

/// Files of one product that are read and digested side by side.
const FILES_AT_ONCE: usize = 4;

/// What happens to the files as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Originals {
    /// Copied into the archive, beside the COGs.
    #[default]
    Keep,
    /// Left where they are; assets that are no COGs refer to them there.
    Reference,
    /// Not kept, but for metadata and what could not be converted.
    Drop,
}

/// Options of an ingest.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Collection to register in; `None` = the built-in one of each product.
    pub collection: Option<String>,
    /// What happens to the files as delivered. Default: kept.
    pub originals: Originals,
    /// True: rasters that are no COG become one; false: they are assets as delivered. Default: true.
    pub is_converting: bool,
    /// Folders that files are referred to in, as their hrefs begin: the collection names them among its
    /// prefixes, so that those who may see it may read there.
    pub references: Vec<String>,
    /// Looks and adds up, writes nothing.
    pub is_dry_run: bool,
    /// Ingests again what is held already.
    pub is_repeated: bool,
    /// Products under way at once, at least 1. Default: 2.
    pub products_at_once: usize,
    /// Threads that compress; 0 takes one per processor.
    pub threads: usize,
    /// Where COGs grow before they are moved or uploaded; as large as the largest raster.
    pub scratch: PathBuf,
    /// How rasters without date tags are dated.
    pub raster_time: RasterTime,
    /// Set to true from elsewhere to stop.
    pub cancel: Arc<AtomicBool>,
}

impl IngestOptions {
    /// Returns the defaults, with a folder for scratch files.
    pub fn new(scratch: PathBuf) -> Self {
        Self {
            collection: None,
            originals: Originals::default(),
            is_converting: true,
            references: Vec::new(),
            is_dry_run: false,
            is_repeated: false,
            products_at_once: 2,
            threads: 0,
            scratch,
            raster_time: RasterTime::default(),
            cancel: Arc::default(),
        }
    }
}

/// What an ingest works with.
#[derive(Debug)]
pub struct Ingest<'a> {
    /// Stores to read local sources from.
    pub stores: &'a Stores,
    /// Where objects go.
    pub archive: StoreWriter,
    /// Where items are registered; may be absent in a dry run.
    pub catalog: Option<Catalog>,
    /// How.
    pub options: IngestOptions,
}

/// A product with the files it came from.
struct Opened {
    source: String,
    package: Arc<Package>,
    product: Product,
    /// The raster itself, where the product is one.
    is_cog: bool,
}

impl Ingest<'_> {
    /// Ingests the products of `sources`; `shown` is told how many of them are done, and the last.
    ///
    /// A product that cannot be ingested is in the report with its reason; the others go on.
    ///
    /// # Errors
    /// Where the store or the catalogue fails: then the rest would fail too.
    pub async fn run(
        &self,
        sources: &[Source],
        shown: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<IngestReport, ArchiveError> {
        let begun = std::time::Instant::now();
        let mut report = IngestReport::default();
        let at_once = self.options.products_at_once.max(1);
        let mut running = futures::stream::iter(sources)
            .map(|source| self.source(source))
            .buffered(at_once);
        let mut done = 0;
        while let Some(products) = running.next().await {
            done += 1;
            for product in products? {
                shown(done, sources.len(), &product.id);
                report.products.push(product);
            }
        }
        report.seconds = begun.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Ingests what one source holds.
    async fn source(&self, source: &Source) -> Result<Vec<ProductReport>, ArchiveError> {
        let place = source.path.display().to_string();
        let opened = match self.open(source).await {
            Ok(opened) => opened,
            Err(error) => return Ok(vec![failed(place, String::new(), error)?]),
        };
        let mut reports = Vec::new();
        for opened in opened {
            let id = opened.product.id.clone();
            let report = match self.product(opened).await {
                Ok(report) => report,
                Err(error) => failed(place.clone(), id, error)?,
            };
            reports.push(report);
        }
        Ok(reports)
    }

    async fn open(&self, source: &Source) -> Result<Vec<Opened>, ArchiveError> {
        let (owned, kind) = (source.clone(), source.kind);
        let (package, products) = blocking(move || {
            let package = open_source(&owned)?;
            let products = read(&package, kind)?;
            Ok((Arc::new(package), products))
        })
        .await?;
        let place = source.path.display().to_string();
        if kind == SourceKind::Raster {
            return Ok(vec![self.open_raster(place, package).await?]);
        }
        let opened = |product| Opened {
            source: place.clone(),
            package: package.clone(),
            product,
            is_cog: false,
        };
        Ok(products.into_iter().map(opened).collect())
    }

    async fn open_raster(
        &self,
        source: String,
        package: Arc<Package>,
    ) -> Result<Opened, ArchiveError> {
        let raster = self
            .open_local(&source)
            .await
            .map_err(ArchiveError::store)?;
        let facts = RasterFacts::of(&raster).ok_or_else(|| {
            ArchiveError::product(source.clone(), "it has no map grid: no CRS or no transform")
        })?;
        let member = package.member_names().pop().unwrap_or_default();
        let product = of_raster(&package, &member, &facts, &self.options.raster_time)?;
        Ok(Opened {
            source,
            package,
            product,
            is_cog: facts.is_cog,
        })
    }

    /// Opens a local raster: the one place where rasters of products are opened.
    async fn open_local(&self, path: &str) -> Result<Arc<GeoTiff>, IoError> {
        let asset = self
            .stores
            .resolve(&Viewer::operator(), &Resource::direct(), path)?;
        Ok(Arc::new(GeoTiff::open(asset).await?))
    }

    async fn product(&self, opened: Opened) -> Result<ProductReport, ArchiveError> {
        let collection = self.collection_of(&opened.product)?;
        let mut report = ProductReport::new(&opened.source, &opened.product, &collection);
        report.missing_files = originals::missing_files(&opened.package, &opened.product);
        report.missing_assets = opened.product.missing_assets(&opened.package);
        let standing = match &self.catalog {
            Some(catalog) => standing::find(catalog, &collection, &opened.product).await?,
            None => Standing::default(),
        };
        if let Some(newer) = &standing.newer {
            report.outcome = Outcome::Superseded;
            report.note(format!("the newer version {newer} is held"));
            return Ok(report);
        }
        let holds_more = standing
            .held_missing
            .is_some_and(|missing| missing <= report.missing_assets.len());
        if holds_more && !self.options.is_repeated {
            report.outcome = Outcome::Unchanged;
            if !self.options.is_dry_run {
                let replaced = standing.replaced();
                self.replace(&collection, replaced, &mut report).await?;
            }
            return Ok(report);
        }
        if self.options.is_dry_run {
            plan::estimate(&opened.package, &opened.product, &self.options, &mut report);
            return Ok(report);
        }
        self.ingest(&opened, &collection, &mut report).await?;
        self.settle(&collection, &opened.product, &standing, &mut report)
            .await?;
        Ok(report)
    }

    /// Looks again, now that the product is registered: other versions may have come meanwhile, from
    /// this run or another one.
    async fn settle(
        &self,
        collection: &str,
        product: &Product,
        before: &Standing,
        report: &mut ProductReport,
    ) -> Result<(), ArchiveError> {
        let Some(catalog) = &self.catalog else {
            return Ok(());
        };
        let now = standing::find(catalog, collection, product).await?;
        match before.settle(&product.id, now) {
            Verdict::Replaces(replaced) => self.replace(collection, replaced, report).await,
            Verdict::GivesWay(newer) => {
                registry::remove(catalog, collection, &product.id).await?;
                report.outcome = Outcome::Superseded;
                report.note(format!("the newer version {newer} came meanwhile"));
                Ok(())
            }
        }
    }

    /// Returns the collection of a product, as wished and checked.
    fn collection_of(&self, product: &Product) -> Result<String, ArchiveError> {
        match (&self.options.collection, product.collection) {
            (None, Some(own)) => Ok(own.to_owned()),
            (None, None) => Err(ArchiveError::Invalid {
                reason: format!(
                    "{} belongs to no built-in collection; give --collection",
                    product.id
                ),
            }),
            (Some(wish), own) => {
                let is_foreign = registry::BUILT_IN.contains(&wish.as_str())
                    && own.is_some_and(|own| own != wish);
                match (is_foreign, own) {
                    (true, Some(own)) => Err(ArchiveError::Invalid {
                        reason: format!("{} belongs to {own}, not to {wish}", product.id),
                    }),
                    _ => Ok(wish.clone()),
                }
            }
        }
    }

    /// Stores files and COGs of a product, then registers its item.
    async fn ingest(
        &self,
        opened: &Opened,
        collection: &str,
        report: &mut ProductReport,
    ) -> Result<(), ArchiveError> {
        let product = &opened.product;
        let folder = self.folder_key(collection, product);
        let swept = self.archive.sweep(&folder).await;
        swept.map_err(ArchiveError::store)?;
        let kept = self.keep_originals(opened, &folder, report).await?;
        let placed = self.place_assets(opened, &folder, &kept, report).await?;
        let mut item = item(product, collection, &placed);
        add_faults(&mut item, report);
        let document = standalone(&item, &self.archive.href(&folder));
        let bytes =
            serde_json::to_vec_pretty(&document).map_err(|error| ArchiveError::Invalid {
                reason: error.to_string(),
            })?;
        let key = format!("{folder}/{}.json", product.id);
        let written = self.archive.put(&key, bytes.into()).await;
        written.map_err(ArchiveError::store)?;
        if let Some(catalog) = &self.catalog {
            let mut roots = vec![self.archive.href(collection)];
            roots.extend(self.options.references.iter().cloned());
            registry::register(catalog, collection, &roots, item).await?;
        }
        report.assets = placed.len();
        report.href = Some(self.archive.href(&key));
        report.outcome = Outcome::Ingested;
        Ok(())
    }

    /// Takes the versions out of the catalogue that a product replaces; their files stay.
    async fn replace(
        &self,
        collection: &str,
        replaced: Vec<String>,
        report: &mut ProductReport,
    ) -> Result<(), ArchiveError> {
        let Some(catalog) = &self.catalog else {
            return Ok(());
        };
        for id in replaced {
            registry::remove(catalog, collection, &id).await?;
            report.supersedes.push(id);
        }
        Ok(())
    }

    /// Returns the folder of an item in the archive: `<collection>/<yyyy>/<mm>/<dd>/<id>`.
    fn folder_key(&self, collection: &str, product: &Product) -> String {
        let day = product.datetime.format("%Y/%m/%d");
        format!("{collection}/{day}/{}", product.id)
    }
}

/// Returns the report of a product that could not be ingested, or the error where others would fail too.
fn failed(source: String, id: String, error: ArchiveError) -> Result<ProductReport, ArchiveError> {
    if error.is_of_storage() || matches!(error, ArchiveError::Invalid { .. }) {
        return Err(error);
    }
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = inner.source();
    }
    Ok(ProductReport {
        source,
        id,
        outcome: Outcome::Failed,
        error: Some(reason),
        ..ProductReport::default()
    })
}

/// Says in the item what is missing or damaged.
fn add_faults(item: &mut Map<String, Value>, report: &ProductReport) {
    let Some(properties) = item.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    if !report.missing_files.is_empty() {
        properties.insert(
            "swath:missing_files".to_owned(),
            json!(report.missing_files),
        );
    }
    if !report.damaged_files.is_empty() {
        properties.insert(
            "swath:damaged_files".to_owned(),
            json!(report.damaged_files),
        );
    }
}

/// Returns the item as a file beside its assets: hrefs in its own folder become relative.
fn standalone(item: &Map<String, Value>, folder: &str) -> Value {
    let mut document = Value::Object(item.clone());
    let inside = format!("{folder}/");
    let shorten = |value: &mut Value| {
        let Some(rest) = value.as_str().and_then(|href| href.strip_prefix(&inside)) else {
            return;
        };
        *value = json!(format!("./{rest}"));
    };
    let assets = document.get_mut("assets").and_then(Value::as_object_mut);
    for asset in assets.into_iter().flat_map(Map::values_mut) {
        if let Some(href) = asset.get_mut("href") {
            shorten(href);
        }
        if let Some(href) = asset.pointer_mut("/alternate/original/href") {
            shorten(href);
        }
    }
    document
}

/// Runs work that waits for files on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ArchiveError::Invalid {
            reason: "the work was stopped".to_owned(),
        }),
    }
}

/// Places of assets by key.
type Placed = BTreeMap<String, PlacedAsset>;
