//! The catalogue: collections and items, registered and searched, over SQLite or PostgreSQL.
//!
//! Every question says who asks: a private collection does not exist for those who may not see it.

mod aggregate;
mod builtin;
mod calendar;
mod check;
mod collection_match;
mod collections;
mod declared;
mod error;
pub mod exchange;
mod field;
mod filter;
mod functions;
mod geometry;
mod instant;
mod item_rows;
mod items;
mod live;
mod parcel_sets;
mod queryables;
mod question;
mod record;
mod restoration;
mod schema;
mod search;
mod snapshot;
mod sort;
mod status;
mod wkb;

pub use calendar::{CalendarPart, DayItems, DayPosition};
pub use check::{CollectionCheck, Track};
pub use error::{CatalogError, ErrorKind};
pub use parcel_sets::{
    NewParcelSetVersion, ParcelSet, ParcelSetContent, ParcelSetCopy, ParcelSetName,
    ParcelSetSettings, ParcelSetVersion, ParcelSetVersionCopy,
};
pub use restoration::{Restoration, RestoreCounts, RestoreMode};
pub use snapshot::{CollectionCopy, ItemCopy, Snapshot};
pub use status::CatalogStatus;
pub use swath_db::ChangeMark;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use swath_access::{Resource, Visibility};
use swath_db::Database;

/// A catalogue; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Catalog {
    database: Database,
}

/// A collection as registered.
#[derive(Debug, Clone)]
pub struct StoredCollection {
    /// STAC Collection without links, with live extent and summaries.
    pub json: Map<String, Value>,
    /// Who owns it, who sees it, and where its assets lie.
    pub resource: Resource,
    /// Who sees it.
    pub visibility: Visibility,
    /// Changes with what was declared, not with its items; quoted, for `If-Match`.
    pub etag: String,
    /// How many items it holds.
    pub items: u64,
}

/// An item as registered.
#[derive(Debug, Clone)]
pub struct StoredItem {
    /// STAC Item with its own links only; `created` and `updated` are in its properties.
    pub json: Map<String, Value>,
    /// Collection it belongs to.
    pub collection: String,
    /// Stable UUID of (collection, id): version 5.
    pub uuid: uuid::Uuid,
    /// Changes with the content; quoted, for `If-Match`.
    pub etag: String,
    /// First registered.
    pub created: DateTime<Utc>,
    /// Last changed.
    pub updated: DateTime<Utc>,
}

/// One page of items.
#[derive(Debug, Clone, Default)]
pub struct ItemPage {
    /// In the order asked for.
    pub items: Vec<StoredItem>,
    /// Token of the next page, `None` after the last.
    pub next: Option<String>,
}

/// Which collections.
#[derive(Debug, Clone, Default)]
pub struct CollectionSearch {
    /// Words that title, description, keywords or id hold.
    pub text: Option<String>,
    /// Collections whose extent shares a point with it.
    pub bbox: Option<swath_grid::Bbox>,
    /// Collections whose extent shares an instant with it.
    pub datetime: Option<swath_stac::Interval>,
}

/// What to do where an item is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutMode {
    /// Fail with [`CatalogError`] of kind conflict.
    Create,
    /// Replace; with an etag only where it still is that version.
    Replace(Option<String>),
    /// Create or replace.
    Upsert,
}

/// One aggregation of STAC API aggregation: `total_count`, `datetime_min`, `collection_frequency`, …
#[derive(Debug, Clone)]
pub struct Aggregated {
    /// Its name.
    pub name: String,
    /// Its STAC JSON: `{name, data_type, value}` or `{name, data_type, buckets}`.
    pub json: Value,
}

/// Returns the geometry in well-known binary, as the files of parcel sets have it; `None` where it is none.
pub fn geometry_of_wkb(bytes: &[u8]) -> Option<geo_types::Geometry<f64>> {
    wkb::decode(bytes)
}

/// Returns a geometry as GeoJSON.
pub fn geojson_of(geometry: &geo_types::Geometry<f64>) -> Value {
    geometry::to_geojson(geometry)
}

impl Catalog {
    /// Opens `sqlite:PATH` or `postgres://…`, brings its schema up to date and adds the built-in
    /// collections.
    ///
    /// # Errors
    /// Where it cannot be reached, or was made by a newer program.
    pub async fn open(url: &str) -> Result<Self, CatalogError> {
        let database = Database::open(url, &schema::SCHEMA).await?;
        let catalog = Self { database };
        catalog.put_built_in().await?;
        Ok(catalog)
    }

    /// Returns the same catalogue with a budget: what is asked of it and of its clones takes at most
    /// `time_max` of the database's work together, and is refused with kind
    /// [`ErrorKind::Limit`] beyond. Changes are not counted.
    pub fn with_query_budget(&self, time_max: std::time::Duration) -> Self {
        Self {
            database: self.database.with_query_budget(time_max),
        }
    }

    /// Returns the database's name for messages, without credentials.
    pub fn place(&self) -> &str {
        self.database.place()
    }

    /// Returns a mark of the state of the catalogue: what was found after a mark was taken still holds
    /// as long as the mark is the same, whoever else writes. Cheap, and not charged to any budget.
    ///
    /// # Errors
    /// What the database says.
    pub async fn change_mark(&self) -> Result<ChangeMark, CatalogError> {
        Ok(self.database.change_mark().await?)
    }

    /// Closes all connections; what runs is finished first.
    pub async fn close(&self) {
        self.database.close().await;
    }
}
