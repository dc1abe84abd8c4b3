//! What an ingest did, for people and programs.

use serde::Serialize;

use crate::product::Product;

/// What became of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its files are stored and its item is registered.
    Ingested,
    /// It was held already.
    Unchanged,
    /// A newer version is held: nothing was done.
    Superseded,
    /// Would be ingested (dry run).
    Planned,
    /// Could not be ingested.
    #[default]
    Failed,
}

/// What became of one product.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProductReport {
    /// Folder or file.
    pub source: String,
    /// Id of the item, empty where the metadata could not be read.
    pub id: String,
    /// Collection.
    pub collection: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Where the item was written.
    pub href: Option<String>,
    /// Number of assets.
    pub assets: usize,
    /// Rasters converted to COG.
    pub converted: usize,
    /// Files that the manifest lists and that are not there.
    pub missing_files: Vec<String>,
    /// Assets that the metadata name and whose files are not there.
    pub missing_assets: Vec<String>,
    /// Files whose size or digest is not that of the manifest.
    pub damaged_files: Vec<String>,
    /// Files whose digest is that of the manifest.
    pub verified_files: usize,
    /// What is odd but no hindrance.
    pub notes: Vec<String>,
    /// Items that it replaced in the catalogue.
    pub supersedes: Vec<String>,
    /// Bytes read, in a dry run to be read.
    pub bytes_read: u64,
    /// Bytes written, in a dry run estimated.
    pub bytes_written: u64,
    /// Estimated time in seconds (dry run).
    pub seconds_estimated: Option<f64>,
    /// Why it could not be ingested.
    pub error: Option<String>,
}

/// What an ingest did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IngestReport {
    /// One entry per product, in the order of the sources.
    pub products: Vec<ProductReport>,
    /// Time it took.
    pub seconds: f64,
}

impl ProductReport {
    pub(super) fn new(source: &str, product: &Product, collection: &str) -> Self {
        Self {
            source: source.to_owned(),
            id: product.id.clone(),
            collection: collection.to_owned(),
            notes: product.notes.clone(),
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

impl IngestReport {
    /// Returns how many products came to an outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        let products = self.products.iter();
        products
            .filter(|product| product.outcome == outcome)
            .count()
    }
}
