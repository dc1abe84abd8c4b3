//! The data home as DataFusion's catalogue: a schema for each collection and one for the parcel sets.
//!
//! A table is opened when a query names it, once: everything that reads it in the query sees the same
//! moment.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::TableType;
use swath_extract::ExtractError;
use swath_extract::table::{CommitNumbers, ExtractTable, Snapshot, TableKind, TableStore};
use swath_io::StoreWriter;
use tokio::sync::OnceCell;

use super::file_table::FileTable;
use super::names::{KnownTable, KnownTables, ParcelsVersion, TableContent};

/// Both tables of a profile at one moment.
#[derive(Debug)]
struct Season {
    extracts: Arc<FileTable>,
    classes: Option<Arc<FileTable>>,
}

/// The tables of the data home, opened as they are named.
#[derive(Debug)]
pub struct HomeTables {
    /// What there is.
    pub known: KnownTables,
    seasons: Vec<OnceCell<Season>>,
    parcels: Vec<OnceCell<Arc<FileTable>>>,
}

impl HomeTables {
    /// Returns the tables, none of them open.
    pub fn new(known: KnownTables) -> Self {
        Self {
            seasons: known.roots.iter().map(|_| OnceCell::new()).collect(),
            parcels: known.tables.iter().map(|_| OnceCell::new()).collect(),
            known,
        }
    }

    /// Opens a table of the list; `None` where it is no more.
    ///
    /// # Errors
    /// Where the store fails, or the log or the file is damaged.
    pub async fn open(&self, index: usize) -> Result<Option<Arc<FileTable>>> {
        let table: &KnownTable = &self.known.tables[index];
        match &table.content {
            TableContent::Rows { root, kind } => {
                let writer = &self.known.roots[*root];
                let season = self.seasons[*root].get_or_try_init(|| open_season(writer));
                let season = season.await?;
                Ok(match kind {
                    TableKind::Extracts => Some(Arc::clone(&season.extracts)),
                    TableKind::Classes => season.classes.clone(),
                })
            }
            TableContent::Parcels(version) => {
                let file = self.parcels[index].get_or_try_init(|| open_parcels(table, version));
                Ok(Some(Arc::clone(file.await?)))
            }
        }
    }
}

/// Opens both tables of a profile. The classes of a unit are committed before its rows: read second, they
/// are there for every row of the first.
async fn open_season(root: &StoreWriter) -> Result<Season> {
    let outside = |error: ExtractError| DataFusionError::External(Box::new(error));
    // Nothing is committed here: who decides on numbers does not matter.
    let store = TableStore::new(root.clone(), CommitNumbers::ConditionalPut);
    let table = ExtractTable::open(store).await.map_err(outside)?;
    let Some(table) = table else {
        let reason = format!("the table {} is gone", root.href(""));
        return Err(DataFusionError::Execution(reason));
    };
    let snapshot = table.snapshot().await.map_err(outside)?;
    let classes = table.classes().await.map_err(outside)?;
    let of = |kind, snapshot: &Snapshot| {
        let opened = FileTable::of_snapshot(table.store(), kind, snapshot);
        opened.map(Arc::new)
    };
    let extracts = of(TableKind::Extracts, &snapshot).map_err(outside)?;
    let classes = classes.map(|classes| of(TableKind::Classes, &classes));
    Ok(Season {
        extracts,
        classes: classes.transpose().map_err(outside)?,
    })
}

async fn open_parcels(table: &KnownTable, version: &ParcelsVersion) -> Result<Arc<FileTable>> {
    let asset = version.asset.as_ref().map_err(|reason| {
        let name = table.names.first().map(ToString::to_string);
        let name = name.unwrap_or_default();
        DataFusionError::Execution(format!("the file of {name} cannot be read: {reason}"))
    })?;
    let opened = FileTable::of_parcels(asset, version).await;
    Ok(Arc::new(opened.map_err(|error| {
        DataFusionError::ParquetError(Box::new(error)).context(asset.href().to_owned())
    })?))
}

/// The data home.
#[derive(Debug)]
pub struct HomeCatalog(pub Arc<HomeTables>);

impl CatalogProvider for HomeCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.0.known.schemas().into_iter().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0.known.schemas().contains(name).then(|| {
            Arc::new(HomeSchema {
                tables: Arc::clone(&self.0),
                name: name.to_owned(),
            }) as Arc<dyn SchemaProvider>
        })
    }
}

/// A collection, or the parcel sets.
#[derive(Debug)]
struct HomeSchema {
    tables: Arc<HomeTables>,
    name: String,
}

#[async_trait]
impl SchemaProvider for HomeSchema {
    fn table_names(&self) -> Vec<String> {
        let names = self
            .tables
            .known
            .tables
            .iter()
            .flat_map(|table| &table.names);
        let own = names.filter(|name| name.schema == self.name);
        own.map(|name| name.table.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(index) = self.tables.known.find(&self.name, name) else {
            return Ok(None);
        };
        let opened = self.tables.open(index).await?;
        Ok(opened.map(|table| table as Arc<dyn TableProvider>))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.known.find(&self.name, name).is_some()
    }
}
