//! Items: registration, retrieval, removal.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};
use swath_access::{Action, Viewer, may};
use swath_db::{Database, Dialect, Row, Transaction};
use uuid::Uuid;

use crate::collections::{Freshness, Held, check_writable, lock_live, write_live};
use crate::field::{Kind, PropertyName};
use crate::item_rows::{Write, write_rows};
use crate::live::Share;
use crate::record::{Record, check_links, uuid_of};
use crate::{Catalog, CatalogError, PutMode, StoredItem, instant};

/// Items written with one statement.
pub(crate) const ROWS_PER_STATEMENT: usize = 100;
/// Most items of one call.
const ITEMS_PER_CALL_MAX: usize = 100_000;
/// Most properties by name that a collection is known to have.
const FIELDS_MAX: usize = 2_000;

/// The columns that [`stored_item`] reads.
pub(crate) const STORED_COLUMNS: &str =
    "items.json, items.collection, items.id, items.etag, items.created, items.updated";
/// How many they are.
pub(crate) const STORED_COLUMNS_COUNT: usize = 6;

/// Reads an item from [`STORED_COLUMNS`].
///
/// # Errors
/// Where the row holds something else.
pub(crate) fn stored_item(row: &Row) -> Result<StoredItem, CatalogError> {
    let (collection, id) = (row.some_text(1)?, row.some_text(2)?);
    let mut json: Map<String, Value> =
        serde_json::from_str(row.some_str(0)?).map_err(|error| CatalogError::Database {
            place: "the answer".into(),
            reason: format!("item {id} is not JSON: {error}"),
        })?;
    let (created, updated) = (row.some_integer(4)?, row.some_integer(5)?);
    if let Some(properties) = json.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("created".into(), instant::to_text(created).into());
        properties.insert("updated".into(), instant::to_text(updated).into());
    }
    Ok(StoredItem {
        json,
        uuid: uuid_of(&collection, &id),
        collection,
        etag: row.some_text(3)?,
        created: instant::from_us(created),
        updated: instant::from_us(updated),
    })
}

fn item_not_found(collection: &str, id: &str) -> CatalogError {
    let shown =
        |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(100).collect() };
    CatalogError::NotFound {
        what: format!(
            "item \"{}\" of collection \"{}\"",
            shown(id),
            shown(collection)
        ),
    }
}

/// What is known of an item that is there already.
pub(crate) struct Known {
    seq: i64,
    etag: String,
    created: i64,
    record: Record,
}

impl Catalog {
    /// Returns one item.
    ///
    /// # Errors
    /// Where it is not there, or not for this viewer; what the database says.
    pub async fn item(
        &self,
        viewer: &Viewer,
        collection: &str,
        id: &str,
    ) -> Result<StoredItem, CatalogError> {
        self.visible(viewer, collection).await?;
        let mut statement = self.database.statement();
        statement
            .push("SELECT ")
            .push(STORED_COLUMNS)
            .push(" FROM items WHERE id = ")
            .bind(id);
        statement.push(" AND collection = ").bind(collection);
        let rows = self.database.fetch(&statement).await?;
        rows.first()
            .map(stored_item)
            .unwrap_or_else(|| Err(item_not_found(collection, id)))
    }

    /// Returns the item with a UUID.
    ///
    /// # Errors
    /// Where it is not there, or not for this viewer; what the database says.
    pub async fn item_by_uuid(
        &self,
        viewer: &Viewer,
        uuid: Uuid,
    ) -> Result<StoredItem, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT ")
            .push(STORED_COLUMNS)
            .push(" FROM items WHERE uuid = ");
        statement.bind(uuid.as_bytes().to_vec());
        let rows = self.database.fetch(&statement).await?;
        let missing = || CatalogError::NotFound {
            what: format!("item {uuid}"),
        };
        let item = rows
            .first()
            .map(stored_item)
            .unwrap_or_else(|| Err(missing()))?;
        match self.visible(viewer, &item.collection).await {
            Ok(_) => Ok(item),
            Err(CatalogError::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// Registers items, all or none; returns their etags in order.
    ///
    /// `created` and `updated` are set here. An item whose content is that of the one registered is
    /// left as it is. Of two items with one id the later counts, except with [`PutMode::Create`].
    ///
    /// # Errors
    /// Where one of them is no item, is there already, was changed meanwhile, or the viewer may not
    /// change the collection: then nothing was changed.
    pub async fn put_items(
        &self,
        viewer: &Viewer,
        collection: &str,
        items: &[Map<String, Value>],
        mode: PutMode,
    ) -> Result<Vec<String>, CatalogError> {
        if items.len() > ITEMS_PER_CALL_MAX {
            return Err(CatalogError::Limit {
                reason: format!("one call registers at most {ITEMS_PER_CALL_MAX} items"),
            });
        }
        let records: Result<Vec<_>, _> = items
            .iter()
            .map(|item| {
                let record = Record::read(collection, item)?;
                check_links(item)?;
                Ok::<_, CatalogError>(record)
            })
            .collect();
        let records = records?;
        let etags: Vec<String> = records.iter().map(|record| record.etag.clone()).collect();
        let records = last_of_each(records, &mode)?;
        let mut transaction = self.database.begin().await?;
        let held = lock_live(&mut transaction, self.database.statement(), collection).await?;
        check_writable(viewer, &held.registered)?;
        let known = known_items(&mut transaction, &self.database, collection, &records).await?;
        check_mode(&mode, &records, &known)?;
        let changed: Vec<Record> = records
            .into_iter()
            .filter(|record| {
                known
                    .get(&record.id)
                    .is_none_or(|known| known.etag != record.etag)
            })
            .collect();
        if changed.is_empty() {
            return Ok(etags);
        }
        self.write(&mut transaction, held, known, changed).await?;
        transaction.commit().await?;
        Ok(etags)
    }

    async fn write(
        &self,
        transaction: &mut Transaction,
        mut held: Held,
        known: HashMap<String, Known>,
        changed: Vec<Record>,
    ) -> Result<(), CatalogError> {
        let database = &self.database;
        let now = instant::to_us(chrono::Utc::now());
        let new = changed
            .iter()
            .filter(|record| !known.contains_key(&record.id))
            .count();
        let mut numbers = new_numbers(transaction, database, new).await?.into_iter();
        let mut writes = Vec::with_capacity(changed.len());
        let mut replaced = Vec::new();
        let mut reach = held.registered.reach;
        for record in changed {
            let (seq, created) = match known.get(&record.id) {
                Some(known) => {
                    held.is_stale |= held.live.remove(&Share::of(&known.record));
                    replaced.push(known.seq);
                    (known.seq, known.created)
                }
                None => (numbers.next().expect("one number for each new item"), now),
            };
            held.live.add(&Share::of(&record));
            reach = reach
                .max(record.datetime.saturating_sub(record.start_datetime))
                .max(record.end_datetime.saturating_sub(record.datetime));
            writes.push(Write {
                seq,
                created,
                updated: now,
                record,
            });
        }
        remove_rows(transaction, database, &replaced).await?;
        write_rows(transaction, database, &held.registered.id, &writes).await?;
        note_fields(transaction, database, &held.registered.id, &writes).await?;
        let freshness = if held.is_stale {
            Freshness::Stale
        } else {
            Freshness::Fresh
        };
        let id = &held.registered.id;
        let write = write_live(database.statement(), id, &held.live, freshness, Some(reach));
        transaction.execute(&write).await?;
        Ok(())
    }

    /// Removes an item from the catalogue, not its assets.
    ///
    /// # Errors
    /// Where it is not there, was changed meanwhile (`etag`), or may not be changed.
    pub async fn delete_item(
        &self,
        viewer: &Viewer,
        collection: &str,
        id: &str,
        etag: Option<&str>,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.database.begin().await?;
        let mut held = lock_live(&mut transaction, self.database.statement(), collection).await?;
        check_writable(viewer, &held.registered)?;
        let known = known_by_id(&mut transaction, &self.database, collection, &[id]).await?;
        let known = known
            .into_values()
            .next()
            .ok_or_else(|| item_not_found(collection, id))?;
        if etag.is_some_and(|etag| etag != known.etag) {
            return Err(CatalogError::Changed {
                what: format!("item \"{id}\""),
            });
        }
        held.is_stale |= held.live.remove(&Share::of(&known.record));
        remove_rows(&mut transaction, &self.database, &[known.seq]).await?;
        let freshness = if held.is_stale {
            Freshness::Stale
        } else {
            Freshness::Fresh
        };
        let statement = self.database.statement();
        let write = write_live(statement, collection, &held.live, freshness, None);
        transaction.execute(&write).await?;
        Ok(transaction.commit().await?)
    }

    /// Tells whether `viewer` may register items in a collection.
    ///
    /// # Errors
    /// Where the collection is not there for them; what the database says.
    pub async fn may_write(&self, viewer: &Viewer, collection: &str) -> Result<bool, CatalogError> {
        let registered = self.visible(viewer, collection).await?;
        Ok(may(viewer, Action::Write, &registered.resource))
    }
}

fn last_of_each(records: Vec<Record>, mode: &PutMode) -> Result<Vec<Record>, CatalogError> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut last: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        match places.get(&record.id) {
            Some(_) if *mode == PutMode::Create => {
                return Err(CatalogError::Conflict {
                    what: format!("item \"{}\"", record.id),
                });
            }
            Some(place) => last[*place] = record,
            None => {
                places.insert(record.id.clone(), last.len());
                last.push(record);
            }
        }
    }
    Ok(last)
}

fn check_mode(
    mode: &PutMode,
    records: &[Record],
    known: &HashMap<String, Known>,
) -> Result<(), CatalogError> {
    for record in records {
        let what = || format!("item \"{}\"", record.id);
        match (mode, known.get(&record.id)) {
            (PutMode::Create, Some(_)) => return Err(CatalogError::Conflict { what: what() }),
            (PutMode::Replace(_), None) => return Err(CatalogError::NotFound { what: what() }),
            (PutMode::Replace(Some(etag)), Some(known)) if *etag != known.etag => {
                return Err(CatalogError::Changed { what: what() });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn known_items(
    transaction: &mut Transaction,
    database: &Database,
    collection: &str,
    records: &[Record],
) -> Result<HashMap<String, Known>, CatalogError> {
    let mut found = HashMap::new();
    for records in records.chunks(ROWS_PER_STATEMENT) {
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        found.extend(known_by_id(transaction, database, collection, &ids).await?);
    }
    Ok(found)
}

pub(crate) async fn known_by_id(
    transaction: &mut Transaction,
    database: &Database,
    collection: &str,
    ids: &[&str],
) -> Result<HashMap<String, Known>, CatalogError> {
    let mut statement = database.statement();
    statement.push("SELECT seq, etag, created, json FROM items WHERE collection = ");
    statement
        .bind(collection)
        .push(" AND id IN ")
        .bind_list(ids.iter().copied());
    let mut found = HashMap::new();
    for row in transaction.fetch(&statement).await? {
        let json: Map<String, Value> =
            serde_json::from_str(row.some_str(3)?).map_err(|error| CatalogError::Database {
                place: database.place().to_owned(),
                reason: format!("an item of {collection} is not JSON: {error}"),
            })?;
        let record = Record::read(collection, &json)?;
        let known = Known {
            seq: row.some_integer(0)?,
            etag: row.some_text(1)?,
            created: row.some_integer(2)?,
            record,
        };
        found.insert(known.record.id.clone(), known);
    }
    Ok(found)
}

/// Returns numbers that no item has had since the last one was removed.
pub(crate) async fn new_numbers(
    transaction: &mut Transaction,
    database: &Database,
    count: usize,
) -> Result<Vec<i64>, CatalogError> {
    let count = i64::try_from(count).expect("a call has fewer than 2^63 items");
    let mut statement = database.statement();
    match database.dialect() {
        // One writer at a time: the largest number is settled.
        Dialect::Sqlite => {
            statement.push("SELECT coalesce(max(seq), 0) FROM items");
            let rows = transaction.fetch(&statement).await?;
            let last = rows.first().map_or(Ok(0), |row| row.some_integer(0))?;
            Ok((last + 1..=last + count).collect())
        }
        Dialect::Postgres => {
            statement
                .push("SELECT nextval('items_seq') FROM generate_series(1, ")
                .bind(count);
            statement.push(")");
            let rows = transaction.fetch(&statement).await?;
            let numbers: Result<Vec<i64>, _> = rows.iter().map(|row| row.some_integer(0)).collect();
            Ok(numbers?)
        }
    }
}

async fn remove_rows(
    transaction: &mut Transaction,
    database: &Database,
    numbers: &[i64],
) -> Result<(), CatalogError> {
    for numbers in numbers.chunks(ROWS_PER_STATEMENT) {
        let mut boxes = database.statement();
        let ids = numbers.iter().flat_map(|seq| [2 * seq, 2 * seq + 1]);
        boxes.push("DELETE FROM boxes WHERE id IN ").bind_list(ids);
        transaction.execute(&boxes).await?;
        let mut items = database.statement();
        items
            .push("DELETE FROM items WHERE seq IN ")
            .bind_list(numbers.iter().copied());
        transaction.execute(&items).await?;
    }
    Ok(())
}

/// Remembers which properties items have, and of which type: for sorting and for queryables.
pub(crate) async fn note_fields(
    transaction: &mut Transaction,
    database: &Database,
    collection: &str,
    writes: &[Write],
) -> Result<(), CatalogError> {
    let mut seen = BTreeSet::new();
    for write in writes {
        for (name, value) in write.record.properties() {
            let kind = match value {
                Value::Number(_) => Kind::Number.name(),
                Value::String(_) => Kind::Text.name(),
                Value::Bool(_) => Kind::Boolean.name(),
                Value::Array(_) => "list",
                _ => continue,
            };
            seen.insert((name.as_str(), kind));
        }
    }
    let mut statement = database.statement();
    statement
        .push("SELECT name, kind FROM fields WHERE collection = ")
        .bind(collection);
    let mut count = 0;
    for row in transaction.fetch(&statement).await? {
        let (name, kind) = (row.some_text(0)?, row.some_text(1)?);
        seen.retain(|held| *held != (name.as_str(), kind.as_str()));
        count += 1;
    }
    let new: Vec<_> = seen
        .into_iter()
        .filter(|(name, _)| PropertyName::new(name).is_ok())
        .take(FIELDS_MAX.saturating_sub(count))
        .collect();
    for new in new.chunks(ROWS_PER_STATEMENT) {
        let mut statement = database.statement();
        statement.push("INSERT INTO fields (collection, name, kind) VALUES ");
        for (index, (name, kind)) in new.iter().enumerate() {
            if index > 0 {
                statement.push(", ");
            }
            statement.bind_list([collection, name, kind]);
        }
        transaction.execute(&statement).await?;
    }
    Ok(())
}
