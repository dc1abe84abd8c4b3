//! Extract tables of a set version: where they lie, who may read them, and the open ones.
//!
//! They lie at `<root>/<collection>/<set>@<version>/<profile>/`. Snapshots refresh by themselves;
//! data files never change, so that their footers and page indexes are kept by path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use swath_access::Viewer;
use swath_extract::table::{
    CommitNumbers, ExtractTable, IndexCache, SeriesReader, Snapshot, TableConfiguration, TableKind,
    TablePlace, TableStore, chosen_place, table_places,
};
use swath_io::StoreWriter;

use super::failure::{of_extract, of_io};
use crate::error::Problem;
use crate::state::AppState;

/// Most tables that are kept open.
const TABLES_MAX: usize = 256;
/// Bytes of footers and page indexes that are kept, of all tables together.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// The tables of a deployment.
#[derive(Debug)]
pub(crate) struct Tables {
    /// `None`: this deployment has none.
    root: Option<StoreWriter>,
    cache: Arc<IndexCache>,
    open: Mutex<HashMap<String, Arc<OpenTable>>>,
}

/// A table that is open.
#[derive(Debug)]
pub(crate) struct OpenTable {
    pub(crate) collection: String,
    pub(crate) profile: String,
    table: ExtractTable,
    extracts: SeriesReader,
    classes: SeriesReader,
}

/// Which tables of a set version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableChoice<'a> {
    /// Name of the set, which the viewer may see.
    pub(crate) set: &'a str,
    /// Its version.
    pub(crate) version: u32,
    /// A collection; `None`: all that have a table.
    pub(crate) collection: Option<&'a str>,
    /// A profile, or how it begins; `None`: the only one.
    pub(crate) profile: Option<&'a str>,
}

impl Tables {
    pub(crate) fn new(root: Option<StoreWriter>) -> Self {
        Self {
            root,
            cache: IndexCache::new(INDEX_BYTES_MAX),
            open: Mutex::default(),
        }
    }

    /// Returns the chosen tables whose collection `viewer` may see, by collection.
    ///
    /// # Errors
    /// Where the collection is not there for this viewer, there is no such table, or there are
    /// several profiles and none is chosen.
    pub(crate) async fn find(
        &self,
        state: &AppState,
        viewer: &Viewer,
        choice: &TableChoice<'_>,
    ) -> Result<Vec<Arc<OpenTable>>, Problem> {
        let Some(root) = &self.root else {
            return Err(Problem::not_found("this server has no extract tables"));
        };
        let collections = match choice.collection {
            Some(id) => vec![id.to_owned()],
            None => root.folders("").await.map_err(|error| of_io(&error))?,
        };
        let mut tables = Vec::new();
        for id in &collections {
            match state.catalog.collection(viewer, id).await {
                Ok(_) => {}
                // What is not said by name is passed over where the viewer may not see it.
                Err(error) if choice.collection.is_some() => return Err(error.into()),
                Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            }
            let places = table_places(root, id, choice.set, choice.version).await;
            let places = places.map_err(|error| of_extract(&error))?;
            let place = chosen_place(places, choice.profile);
            if let Some(place) = place.map_err(|error| of_extract(&error))? {
                tables.extend(self.opened(root, &place).await?);
            }
        }
        if tables.is_empty() {
            let what = match choice.collection {
                Some(id) => format!("collection \"{id}\""),
                None => "any collection that you may see".to_owned(),
            };
            return Err(Problem::not_found(format!(
                "no extract table of {what} for version {} of parcel set \"{}\"",
                choice.version, choice.set
            )));
        }
        Ok(tables)
    }

    /// Returns every table of a set version whose collection `viewer` may see, by collection and
    /// profile; none where there is none.
    ///
    /// # Errors
    /// Where the store or the catalogue does not answer.
    pub(crate) async fn all(
        &self,
        state: &AppState,
        viewer: &Viewer,
        set: &str,
        version: u32,
    ) -> Result<Vec<Arc<OpenTable>>, Problem> {
        let mut tables = Vec::new();
        let Some(root) = &self.root else {
            return Ok(tables);
        };
        let collections = root.folders("").await.map_err(|error| of_io(&error))?;
        for id in &collections {
            match state.catalog.collection(viewer, id).await {
                Ok(_) => {}
                Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            }
            let places = table_places(root, id, set, version).await;
            for place in places.map_err(|error| of_extract(&error))? {
                tables.extend(self.opened(root, &place).await?);
            }
        }
        Ok(tables)
    }

    /// Returns a table, opened or kept; `None` where the folder holds none yet.
    async fn opened(
        &self,
        root: &StoreWriter,
        place: &TablePlace,
    ) -> Result<Option<Arc<OpenTable>>, Problem> {
        let known = |open: &HashMap<String, Arc<OpenTable>>| open.get(&place.key).cloned();
        if let Some(table) = known(&self.open.lock().unwrap_or_else(|lock| lock.into_inner())) {
            return Ok(Some(table));
        }
        let writer = root.below(&place.key).map_err(|error| of_io(&error))?;
        // Reading never commits: who decides on numbers does not matter.
        let store = TableStore::new(writer.clone(), CommitNumbers::ConditionalPut);
        let table = ExtractTable::open(store).await;
        let Some(table) = table.map_err(|error| of_extract(&error))? else {
            return Ok(None);
        };
        // Whether there are classes is asked of the log, each time.
        let classes = writer.below("classes").map_err(|error| of_io(&error))?;
        let classes = SeriesReader::new(classes, TableKind::Classes, self.cache.clone());
        let extracts = SeriesReader::new(writer, TableKind::Extracts, self.cache.clone());
        let table = Arc::new(OpenTable {
            collection: place.collection.clone(),
            profile: place.profile.clone(),
            table,
            extracts,
            classes,
        });
        let mut open = self.open.lock().unwrap_or_else(|lock| lock.into_inner());
        if open.len() >= TABLES_MAX {
            open.clear();
        }
        open.insert(place.key.clone(), table.clone());
        Ok(Some(table))
    }
}

impl OpenTable {
    /// Returns the table as it is now, of statistics or of classes.
    ///
    /// # Errors
    /// Where the log cannot be read, or there are no classes.
    pub(crate) async fn now(
        &self,
        kind: TableKind,
    ) -> Result<(Arc<Snapshot>, SeriesReader), Problem> {
        let failed = |error| of_extract(&error);
        match kind {
            TableKind::Extracts => {
                let snapshot = self.table.snapshot().await.map_err(failed)?;
                Ok((snapshot, self.extracts.clone()))
            }
            TableKind::Classes => {
                let snapshot = self.table.classes().await.map_err(failed)?;
                let snapshot = snapshot.ok_or_else(|| {
                    Problem::not_found(format!(
                        "the table of collection \"{}\" has no class counts",
                        self.collection
                    ))
                })?;
                Ok((snapshot, self.classes.clone()))
            }
        }
    }

    /// Returns what the rows depend on.
    pub(crate) fn configuration(&self) -> &TableConfiguration {
        self.table.configuration()
    }
}
