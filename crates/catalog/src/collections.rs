//! Collections: who sees them, what their items say together.

use serde_json::{Map, Value};
use swath_access::{Action, Resource, Role, Viewer, Visibility, may};
use swath_db::{Row, Statement, Transaction};

use crate::collection_match::matches;
use crate::declared::{Declared, PREFIXES_MAX};
use crate::filter::invalid;
use crate::live::Live;
use crate::record::{check_links, etag_of};
use crate::{
    Catalog, CatalogError, CollectionSearch, PutMode, StoredCollection, geometry, instant,
};

/// Most collections of a catalogue.
const COLLECTIONS_MAX: i64 = 10_000;
/// Longest text of a search for collections, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;
/// `origin` of what comes with the program, and of what a user registered.
pub(crate) const BUILT_IN: &str = "built-in";
pub(crate) const USER: &str = "user";

/// What every search needs to know of a collection.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) resource: Resource,
    pub(crate) items: i64,
    /// Most microseconds between the datetime of an item and its start or end.
    pub(crate) reach: i64,
}

impl Registered {
    /// True where it exists for a viewer.
    pub(crate) fn is_visible(&self, viewer: &Viewer) -> bool {
        may(viewer, Action::Read, &self.resource)
    }

    fn read(row: &Row) -> Result<Self, CatalogError> {
        let id = row.some_text(0)?;
        let prefixes: Vec<String> = serde_json::from_str(&row.some_text(3)?).unwrap_or_default();
        let visibility = visibility_of(&row.some_text(2)?);
        Ok(Self {
            resource: Resource::new(id.as_str(), row.text(1)?, visibility, prefixes),
            items: row.some_integer(4)?,
            reach: row.some_integer(5)?,
            id,
        })
    }
}

const REGISTERED_COLUMNS: &str = "SELECT id, owner, visibility, prefixes, items, reach";

pub(crate) fn visibility_of(text: &str) -> Visibility {
    match text {
        "public" => Visibility::Public,
        _ => Visibility::Private,
    }
}

pub(crate) fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
    }
}

/// Returns the error for a collection that is not there.
pub(crate) fn not_found(id: &str) -> CatalogError {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(100).collect();
    CatalogError::NotFound {
        what: format!("collection \"{shown}\""),
    }
}

impl Catalog {
    /// Returns the collections that `viewer` may see, by id.
    ///
    /// # Errors
    /// Where the search makes no sense; what the database says.
    pub async fn collections(
        &self,
        viewer: &Viewer,
        search: &CollectionSearch,
    ) -> Result<Vec<StoredCollection>, CatalogError> {
        if search
            .text
            .as_ref()
            .is_some_and(|text| text.len() > TEXT_BYTES_MAX)
        {
            return Err(CatalogError::Limit {
                reason: format!("the text to search for has more than {TEXT_BYTES_MAX} bytes"),
            });
        }
        if let Some(bbox) = &search.bbox {
            geometry::check_bbox(bbox).map_err(invalid)?;
        }
        let mut statement = self.database.statement();
        statement
            .push(STORED_COLUMNS)
            .push(" FROM collections ORDER BY id LIMIT ");
        statement.bind(COLLECTIONS_MAX);
        let mut found = Vec::new();
        for row in self.database.fetch(&statement).await? {
            let stored = self.read_fresh(&row).await?;
            if may(viewer, Action::Read, &stored.resource) && matches(&stored.json, search) {
                found.push(stored);
            }
        }
        Ok(found)
    }

    /// Returns one collection.
    ///
    /// # Errors
    /// Where it is not there, or not for this viewer; what the database says.
    pub async fn collection(
        &self,
        viewer: &Viewer,
        id: &str,
    ) -> Result<StoredCollection, CatalogError> {
        let row = self.row(id).await?;
        shown_to(viewer, self.read_fresh(&row).await?)
    }

    async fn row(&self, id: &str) -> Result<Row, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push(STORED_COLUMNS)
            .push(" FROM collections WHERE id = ")
            .bind(id);
        let mut rows = self.database.fetch(&statement).await?;
        rows.pop().ok_or_else(|| not_found(id))
    }

    /// Returns one collection as it was declared, without what its items say: what a change of a part
    /// of it begins with.
    ///
    /// # Errors
    /// As [`Catalog::collection`].
    pub async fn declared_collection(
        &self,
        viewer: &Viewer,
        id: &str,
    ) -> Result<StoredCollection, CatalogError> {
        let row = self.row(id).await?;
        shown_to(viewer, self.read_declared(&row)?)
    }

    /// Registers a collection (STAC Collection JSON); `swath:visibility`, `swath:owner` and
    /// `swath:prefixes` say who sees what, and are not shown.
    ///
    /// Only the operator sets owner and prefixes. What is not said stays as it was; a new collection
    /// of the operator is public, one of a member is private and theirs.
    ///
    /// # Errors
    /// Where it is no collection, is there already, was changed meanwhile, or may not be changed.
    pub async fn put_collection(
        &self,
        viewer: &Viewer,
        collection: &Map<String, Value>,
        mode: PutMode,
    ) -> Result<String, CatalogError> {
        let declared = Declared::read(collection)?;
        check_links(collection)?;
        let what = format!("collection \"{}\"", declared.id);
        let mut transaction = self.database.begin().await?;
        let known = lock(&mut transaction, self.database.statement(), &declared.id).await?;
        if let Some((known, etag)) = &known {
            check_writable(viewer, known)?;
            match &mode {
                PutMode::Create => return Err(CatalogError::Conflict { what }),
                PutMode::Replace(Some(expected)) if expected != etag => {
                    return Err(CatalogError::Changed { what });
                }
                PutMode::Replace(_) | PutMode::Upsert => {}
            }
        } else if matches!(mode, PutMode::Replace(_)) {
            return Err(not_found(&declared.id));
        }
        let resource = known.as_ref().map(|(known, _)| &known.resource);
        let (declared, resource) = declared.settle(viewer, resource)?;
        let etag = etag_of(&declared.json);
        let write = write_collection(self.database.statement(), &declared, &resource, &etag, USER);
        transaction.execute(&write).await?;
        transaction.commit().await?;
        Ok(etag)
    }

    /// Adds a place to those that a collection's assets may lie under; nothing else of it changes, and
    /// two programs that add places at once both do.
    ///
    /// # Errors
    /// For anybody but the operator; where the collection is not there or has too many places.
    pub async fn add_prefix(
        &self,
        viewer: &Viewer,
        id: &str,
        prefix: &str,
    ) -> Result<(), CatalogError> {
        if viewer.role() != Role::Operator {
            return Err(CatalogError::Denied {
                what: format!("collection \"{id}\""),
            });
        }
        let mut transaction = self.database.begin().await?;
        let known = lock(&mut transaction, self.database.statement(), id).await?;
        let (known, _) = known.ok_or_else(|| not_found(id))?;
        let mut prefixes = known.resource.prefixes().to_vec();
        if prefixes.iter().any(|own| own == prefix) {
            return Ok(());
        }
        if prefixes.len() >= PREFIXES_MAX {
            return Err(CatalogError::Limit {
                reason: format!("collection {id} has {PREFIXES_MAX} places of assets already"),
            });
        }
        prefixes.push(prefix.to_owned());
        let text = serde_json::to_string(&prefixes).expect("texts can be written as JSON");
        let mut statement = self.database.statement();
        statement
            .push("UPDATE collections SET prefixes = ")
            .bind(text)
            .push(" WHERE id = ")
            .bind(id);
        transaction.execute(&statement).await?;
        Ok(transaction.commit().await?)
    }

    /// Removes a collection that holds no items; with `etag` only where it still is that version.
    ///
    /// # Errors
    /// Where it is not there, was changed meanwhile, holds items, comes with the program, or may not be
    /// changed.
    pub async fn delete_collection(
        &self,
        viewer: &Viewer,
        id: &str,
        etag: Option<&str>,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.database.begin().await?;
        let known = lock(&mut transaction, self.database.statement(), id).await?;
        let (known, known_etag) = known.ok_or_else(|| not_found(id))?;
        check_writable(viewer, &known)?;
        if etag.is_some_and(|etag| etag != known_etag) {
            return Err(CatalogError::Changed {
                what: format!("collection \"{id}\""),
            });
        }
        if known.items > 0 {
            return Err(CatalogError::NotEmpty {
                what: format!("collection \"{id}\""),
            });
        }
        if crate::builtin::ids().any(|built_in| built_in == id) {
            return Err(invalid(format!(
                "collection \"{id}\" comes with the program and stays; it can be made private"
            )));
        }
        let mut statement = self.database.statement();
        statement
            .push("DELETE FROM collections WHERE id = ")
            .bind(id);
        transaction.execute(&statement).await?;
        Ok(transaction.commit().await?)
    }

    /// Registers what comes with the program, or brings it up to date where nobody changed it.
    pub(crate) async fn put_built_in(&self) -> Result<(), CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push(REGISTERED_COLUMNS)
            .push(", etag, origin FROM collections");
        let mut known = std::collections::HashMap::new();
        for row in self.database.fetch(&statement).await? {
            let held = Registered::read(&row)?;
            known.insert(
                held.id,
                (held.resource, row.some_text(6)?, row.some_text(7)?),
            );
        }
        let mut writes = Vec::new();
        for collection in crate::builtin::collections() {
            let declared = Declared::read(&collection)?;
            let held = known.get(&declared.id);
            // Ingest adds places of assets to a collection that nobody changed: they stay.
            let resource = held.map(|(resource, ..)| resource);
            let (declared, resource) = declared.settle(&Viewer::operator(), resource)?;
            let etag = etag_of(&declared.json);
            let is_current =
                held.is_some_and(|(_, known, origin)| *known == etag || origin != BUILT_IN);
            if !is_current {
                let statement = self.database.statement();
                writes.push(write_collection(
                    statement, &declared, &resource, &etag, BUILT_IN,
                ));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.begin().await?;
        for write in &writes {
            transaction.execute(write).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Returns what searches need of all collections.
    pub(crate) async fn registered(&self) -> Result<Vec<Registered>, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push(REGISTERED_COLUMNS)
            .push(" FROM collections ORDER BY id LIMIT ");
        statement.bind(COLLECTIONS_MAX);
        let rows = self.database.fetch(&statement).await?;
        rows.iter().map(Registered::read).collect()
    }

    /// Returns one collection as searches need it, where `viewer` may see it.
    pub(crate) async fn visible(
        &self,
        viewer: &Viewer,
        id: &str,
    ) -> Result<Registered, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push(REGISTERED_COLUMNS)
            .push(" FROM collections WHERE id = ")
            .bind(id);
        let rows = self.database.fetch(&statement).await?;
        let found = rows.first().map(Registered::read).transpose()?;
        found
            .filter(|found| found.is_visible(viewer))
            .ok_or_else(|| not_found(id))
    }

    /// Reads a collection; its ranges are found anew where items at their ends went.
    async fn read_fresh(&self, row: &Row) -> Result<StoredCollection, CatalogError> {
        let mut stored = self.read_declared(row)?;
        let kept = live_of(row)?;
        let is_stale = row.some_integer(6)? != 0;
        let live = match is_stale {
            false => kept,
            true => match self.refresh(stored.resource.id()).await {
                Ok(live) => live,
                // Somebody writes for long, or nothing may be written: reading does not wait for that.
                Err(error @ (CatalogError::Unavailable { .. } | CatalogError::NotFound { .. })) => {
                    tracing::warn!(%error, collection = stored.resource.id(), "its extent may be too large");
                    kept
                }
                Err(error) => return Err(error),
            },
        };
        live.write(&mut stored.json);
        stored.items = u64::try_from(live.items).unwrap_or(0);
        Ok(stored)
    }

    fn read_declared(&self, row: &Row) -> Result<StoredCollection, CatalogError> {
        let id = row.some_text(0)?;
        let json = serde_json::from_str(&row.some_text(1)?);
        let json: Map<String, Value> = json.map_err(|error| CatalogError::Database {
            place: self.database.place().to_owned(),
            reason: format!("collection {id} is not JSON: {error}"),
        })?;
        let visibility = visibility_of(&row.some_text(4)?);
        let prefixes: Vec<String> = serde_json::from_str(&row.some_text(7)?).unwrap_or_default();
        Ok(StoredCollection {
            json,
            resource: Resource::new(id, row.text(3)?, visibility, prefixes),
            visibility,
            etag: row.some_text(2)?,
            items: u64::try_from(live_of(row)?.items).unwrap_or(0),
        })
    }

    async fn refresh(&self, id: &str) -> Result<Live, CatalogError> {
        let mut transaction = self.database.begin().await?;
        let mut live = lock_live(&mut transaction, self.database.statement(), id)
            .await?
            .live;
        let mut statement = self.database.statement();
        statement.push(
            "SELECT min(CASE WHEN west > east THEN -180.0 ELSE west END), min(south), \
             max(CASE WHEN west > east THEN 180.0 ELSE east END), max(north), \
             min(start_datetime), max(end_datetime), min(cloud_cover), max(cloud_cover) \
             FROM items WHERE collection = ",
        );
        statement.bind(id);
        let rows = transaction.fetch(&statement).await?;
        if let Some(row) = rows.first() {
            let real = |column| row.real(column);
            let bounds = match (real(0)?, real(1)?, real(2)?, real(3)?) {
                (Some(west), Some(south), Some(east), Some(north)) => {
                    Some([west, south, east, north])
                }
                _ => None,
            };
            let interval = row.integer(4)?.zip(row.integer(5)?).map(<[i64; 2]>::from);
            let cloud_cover = real(6)?.zip(real(7)?).map(<[f64; 2]>::from);
            live.set_ranges(bounds, interval, cloud_cover);
        }
        let write = write_live(self.database.statement(), id, &live, Freshness::Fresh, None);
        transaction.execute(&write).await?;
        transaction.commit().await?;
        Ok(live)
    }
}

const STORED_COLUMNS: &str = "SELECT id, json, etag, owner, visibility, live, is_stale, prefixes";

/// Returns a collection where `viewer` may see it.
fn shown_to(viewer: &Viewer, stored: StoredCollection) -> Result<StoredCollection, CatalogError> {
    match may(viewer, Action::Read, &stored.resource) {
        true => Ok(stored),
        false => Err(not_found(stored.resource.id())),
    }
}

/// Returns what the items of a collection say together, out of a row of [`STORED_COLUMNS`].
fn live_of(row: &Row) -> Result<Live, CatalogError> {
    Ok(serde_json::from_str(&row.some_text(5)?).unwrap_or_default())
}

/// Finds a collection and, in PostgreSQL, keeps others from changing it meanwhile.
async fn lock(
    transaction: &mut Transaction,
    mut statement: Statement,
    id: &str,
) -> Result<Option<(Registered, String)>, CatalogError> {
    statement
        .push(REGISTERED_COLUMNS)
        .push(", etag FROM collections WHERE id = ")
        .bind(id);
    statement.push_for("", " FOR UPDATE");
    let rows = transaction.fetch(&statement).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some((Registered::read(row)?, row.some_text(6)?)))
}

/// A collection held for a change of its items.
pub(crate) struct Held {
    pub(crate) registered: Registered,
    pub(crate) live: Live,
    pub(crate) is_stale: bool,
}

/// Holds a collection whose items are about to change.
///
/// # Errors
/// Where it is not there; what the database says.
pub(crate) async fn lock_live(
    transaction: &mut Transaction,
    mut statement: Statement,
    id: &str,
) -> Result<Held, CatalogError> {
    statement
        .push(REGISTERED_COLUMNS)
        .push(", live, is_stale FROM collections WHERE id = ");
    statement.bind(id).push_for("", " FOR UPDATE");
    let rows = transaction.fetch(&statement).await?;
    let row = rows.first().ok_or_else(|| not_found(id))?;
    Ok(Held {
        registered: Registered::read(row)?,
        live: serde_json::from_str(&row.some_text(6)?).unwrap_or_default(),
        is_stale: row.some_integer(7)? != 0,
    })
}

/// Whether ranges hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    /// To be found anew when somebody asks.
    Stale,
}

/// Returns the statement that writes what the items of a collection say together.
pub(crate) fn write_live(
    mut statement: Statement,
    id: &str,
    live: &Live,
    freshness: Freshness,
    reach: Option<i64>,
) -> Statement {
    let text = serde_json::to_string(live).expect("sums can be written as JSON");
    statement.push("UPDATE collections SET live = ").bind(text);
    statement.push(", items = ").bind(live.items);
    statement
        .push(", is_stale = ")
        .bind(i64::from(freshness == Freshness::Stale));
    if let Some(reach) = reach {
        statement.push(", reach = ").bind(reach);
    }
    statement.push(" WHERE id = ").bind(id);
    statement
}

/// Checks that a viewer may change a collection; one they may not see is not there.
///
/// # Errors
/// Not found or denied.
pub(crate) fn check_writable(viewer: &Viewer, known: &Registered) -> Result<(), CatalogError> {
    match (
        known.is_visible(viewer),
        may(viewer, Action::Write, &known.resource),
    ) {
        (_, true) => Ok(()),
        (true, false) => Err(CatalogError::Denied {
            what: format!("collection \"{}\"", known.id),
        }),
        (false, false) => Err(not_found(&known.id)),
    }
}

fn write_collection(
    mut statement: Statement,
    declared: &Declared,
    resource: &Resource,
    etag: &str,
    origin: &'static str,
) -> Statement {
    let now = instant::to_us(chrono::Utc::now());
    let prefixes =
        serde_json::to_string(resource.prefixes()).expect("texts can be written as JSON");
    let json = Value::Object(declared.json.clone()).to_string();
    statement.push(
        "INSERT INTO collections (id, json, etag, owner, visibility, prefixes, origin, created, updated) VALUES (",
    );
    statement
        .bind(declared.id.as_str())
        .push(", ")
        .bind(json)
        .push(", ")
        .bind(etag)
        .push(", ");
    let owner = resource.owner().map(str::to_owned);
    statement.bind(swath_db::SqlValue::Text(owner)).push(", ");
    statement
        .bind(visibility_name(resource.visibility()))
        .push(", ")
        .bind(prefixes)
        .push(", ");
    statement
        .bind(origin)
        .push(", ")
        .bind(now)
        .push(", ")
        .bind(now);
    statement.push(
        ") ON CONFLICT (id) DO UPDATE SET json = excluded.json, etag = excluded.etag, \
         owner = excluded.owner, visibility = excluded.visibility, prefixes = excluded.prefixes, \
         origin = excluded.origin, updated = excluded.updated",
    );
    statement
}
