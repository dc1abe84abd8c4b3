//! The whole catalogue at one moment, row by row: what a backup keeps.
//!
//! Texts come as the database holds them, so that a catalogue made from them answers alike, byte
//! for byte.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use swath_access::{Role, Viewer, Visibility};
use swath_db::{Row, Statement, Transaction};

use crate::collections::{BUILT_IN, visibility_of};
use crate::record::etag_of_text;
use crate::{Catalog, CatalogError, CollectionSearch, ParcelSetCopy, parcel_sets};

/// Items read with one statement.
const PAGE_ITEMS: i64 = 100;
/// Collections read with one statement.
const PAGE_COLLECTIONS: i64 = 100;

/// A collection as the database holds it. Instants are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionCopy {
    /// Its id.
    pub id: String,
    /// Etag of what was declared.
    pub etag: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Where its assets may lie.
    pub prefixes: Vec<String>,
    /// True where it came with the program and nobody changed it.
    pub is_built_in: bool,
    /// First registered.
    pub created_us: i64,
    /// Last changed.
    pub updated_us: i64,
    /// How many items it holds.
    pub items: u64,
    /// Most microseconds between the datetime of an item and its start or end.
    pub reach_us: i64,
    /// True where the ranges of `live` are to be found anew.
    pub is_stale: bool,
    /// What its items say together.
    pub live: Box<RawValue>,
    /// STAC Collection as declared.
    pub collection: Box<RawValue>,
}

/// An item as the database holds it. Instants are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemCopy {
    /// Collection it belongs to.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// Etag of its content.
    pub etag: String,
    /// First registered.
    pub created_us: i64,
    /// Last changed.
    pub updated_us: i64,
    /// STAC Item without `created` and `updated`.
    pub item: Box<RawValue>,
}

impl ItemCopy {
    /// Puts other content in place of the item's, with the etag of that content.
    pub fn set_item(&mut self, item: &Map<String, Value>) {
        let text = serde_json::to_string(item).expect("JSON can be written");
        self.etag = etag_of_text(&text);
        self.item = RawValue::from_string(text).expect("what was written is JSON");
    }
}

/// A look at the catalogue that does not change while it is read; drop it soon, the database keeps
/// what it shows.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction,
    empty: Statement,
    place: String,
    moment: DateTime<Utc>,
    collections: u64,
    items: u64,
    last_collection: String,
    last_item: i64,
}

impl Catalog {
    /// Begins a look at everything, also what is private: for the operator.
    ///
    /// # Errors
    /// Denied for anybody else; what the database says.
    pub async fn snapshot(&self, viewer: &Viewer) -> Result<Snapshot, CatalogError> {
        check_operator(viewer)?;
        // Ranges that are to be found anew are found now: a copy shows what was shown here.
        self.collections(viewer, &CollectionSearch::default())
            .await?;
        let mut transaction = self.database.snapshot().await?;
        let mut statement = self.database.statement();
        statement.push("SELECT count(*), CAST(coalesce(sum(items), 0) AS BIGINT) FROM collections");
        let rows = transaction.fetch(&statement).await?;
        let moment = Utc::now();
        let count = |column| -> Result<u64, CatalogError> {
            let count = rows.first().map_or(Ok(0), |row| row.some_integer(column))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        Ok(Snapshot {
            collections: count(0)?,
            items: count(1)?,
            transaction,
            empty: self.database.statement(),
            place: self.place().to_owned(),
            moment,
            last_collection: String::new(),
            last_item: i64::MIN,
        })
    }
}

/// Lets only the operator pass.
///
/// # Errors
/// Denied for anybody else.
pub(crate) fn check_operator(viewer: &Viewer) -> Result<(), CatalogError> {
    match viewer.role() {
        Role::Operator => Ok(()),
        _ => Err(CatalogError::Denied {
            what: "the catalogue as a whole".into(),
        }),
    }
}

impl Snapshot {
    /// Returns the moment it shows, to the time of one query.
    pub fn moment(&self) -> DateTime<Utc> {
        self.moment
    }

    /// Returns how many collections there are.
    pub fn collections(&self) -> u64 {
        self.collections
    }

    /// Returns how many items there are.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Returns the parcel sets with all their versions, by name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn parcel_sets(&mut self) -> Result<Vec<ParcelSetCopy>, CatalogError> {
        parcel_sets::copies(&mut self.transaction, &self.empty, &self.place).await
    }

    /// Returns the next collections, by id; none after the last.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_collections(&mut self) -> Result<Vec<CollectionCopy>, CatalogError> {
        let mut statement = self.empty.clone();
        statement.push(
            "SELECT id, etag, owner, visibility, prefixes, origin, created, updated, items, reach, \
             is_stale, live, json FROM collections WHERE id > ",
        );
        statement.bind(self.last_collection.as_str());
        statement.push(" ORDER BY id LIMIT ").bind(PAGE_COLLECTIONS);
        let rows = self.transaction.fetch(&statement).await?;
        let found: Result<Vec<_>, _> = rows.iter().map(|row| self.collection(row)).collect();
        let found = found?;
        if let Some(last) = found.last() {
            self.last_collection.clone_from(&last.id);
        }
        Ok(found)
    }

    fn collection(&self, row: &Row) -> Result<CollectionCopy, CatalogError> {
        let id = row.some_text(0)?;
        let prefixes = row.some_text(4)?;
        Ok(CollectionCopy {
            etag: row.some_text(1)?,
            owner: row.text(2)?,
            visibility: visibility_of(&row.some_text(3)?),
            prefixes: serde_json::from_str(&prefixes).map_err(|error| self.damaged(&id, &error))?,
            is_built_in: row.some_text(5)? == BUILT_IN,
            created_us: row.some_integer(6)?,
            updated_us: row.some_integer(7)?,
            items: u64::try_from(row.some_integer(8)?).unwrap_or(0),
            reach_us: row.some_integer(9)?,
            is_stale: row.some_integer(10)? != 0,
            live: self.raw(&id, row.some_text(11)?)?,
            collection: self.raw(&id, row.some_text(12)?)?,
            id,
        })
    }

    /// Returns the next items, in the order in which they were registered; none after the last.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_items(&mut self) -> Result<Vec<ItemCopy>, CatalogError> {
        let mut statement = self.empty.clone();
        statement.push(
            "SELECT seq, collection, id, etag, created, updated, json FROM items WHERE seq > ",
        );
        statement.bind(self.last_item);
        statement.push(" ORDER BY seq LIMIT ").bind(PAGE_ITEMS);
        let rows = self.transaction.fetch(&statement).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = row.some_text(2)?;
            found.push(ItemCopy {
                collection: row.some_text(1)?,
                etag: row.some_text(3)?,
                created_us: row.some_integer(4)?,
                updated_us: row.some_integer(5)?,
                item: self.raw(&id, row.some_text(6)?)?,
                id,
            });
            self.last_item = row.some_integer(0)?;
        }
        Ok(found)
    }

    fn raw(&self, id: &str, text: String) -> Result<Box<RawValue>, CatalogError> {
        RawValue::from_string(text).map_err(|error| self.damaged(id, &error))
    }

    fn damaged(&self, id: &str, error: &serde_json::Error) -> CatalogError {
        CatalogError::Database {
            place: self.place.clone(),
            reason: format!("{id} is not JSON: {error}"),
        }
    }
}
