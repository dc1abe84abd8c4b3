//! A catalogue filled from copies of rows, in one transaction: all of it or nothing.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_db::{Database, Dialect, SqlValue, Statement, Transaction};

use crate::collections::{BUILT_IN, Freshness, Held, USER, lock_live, visibility_name, write_live};
use crate::declared::check_collection;
use crate::filter::invalid;
use crate::item_rows::{Write, write_rows};
use crate::items::{ROWS_PER_STATEMENT, known_by_id, new_numbers, note_fields};
use crate::live::Share;
use crate::record::Record;
use crate::snapshot::check_operator;
use crate::{Catalog, CatalogError, CollectionCopy, ItemCopy, ParcelSetCopy, parcel_sets};

/// What becomes of what the catalogue holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    /// It must hold nothing but collections that came with the program.
    Empty,
    /// It stays as it is; what is missing is added.
    Merge,
    /// It is removed.
    Replace,
}

/// What a restoration did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreCounts {
    /// Collections written.
    pub collections: u64,
    /// Items written.
    pub items: u64,
    /// Collections that were there and stayed.
    pub collections_kept: u64,
    /// Items that were there and stayed.
    pub items_kept: u64,
    /// Parcel sets written.
    pub parcel_sets: u64,
    /// Parcel sets that were there and stayed.
    pub parcel_sets_kept: u64,
}

/// A restoration under way; dropped before [`Restoration::finish`], it changed nothing.
#[derive(Debug)]
pub struct Restoration {
    database: Database,
    transaction: Transaction,
    mode: RestoreMode,
    targets: HashMap<String, Target>,
    counts: RestoreCounts,
}

/// A collection whose items are being written.
struct Target {
    held: Held,
    /// What its items say together in the backup; `None` where it held items of its own.
    seal: Option<Seal>,
    /// Items written.
    added: u64,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Target({})", self.held.registered.id)
    }
}

/// What the items of a collection said together when it was copied.
struct Seal {
    items: u64,
    reach_us: i64,
    is_stale: bool,
    live: Box<RawValue>,
}

impl Catalog {
    /// Begins to fill the catalogue from copies; until it ends nobody else changes it.
    ///
    /// # Errors
    /// [`CatalogError::NotEmpty`] in [`RestoreMode::Empty`] where something is registered; denied
    /// for anybody but the operator; what the database says.
    pub async fn restore(
        &self,
        viewer: &Viewer,
        mode: RestoreMode,
    ) -> Result<Restoration, CatalogError> {
        check_operator(viewer)?;
        let mut transaction = self.database.begin().await?;
        if self.database.dialect() == Dialect::Postgres {
            // Removing a million items takes longer than any query of a search may.
            for sql in [
                "SET LOCAL statement_timeout = 0",
                "LOCK TABLE collections, items, parcel_sets, parcel_set_versions IN SHARE ROW EXCLUSIVE MODE",
            ] {
                let mut statement = self.database.statement();
                statement.push(sql);
                transaction.execute(&statement).await?;
            }
        }
        let mut restoration = Restoration {
            database: self.database.clone(),
            transaction,
            mode,
            targets: HashMap::new(),
            counts: RestoreCounts::default(),
        };
        match mode {
            RestoreMode::Empty => restoration.check_empty().await?,
            RestoreMode::Replace => restoration.clear().await?,
            RestoreMode::Merge => {}
        }
        Ok(restoration)
    }
}

impl Restoration {
    async fn check_empty(&mut self) -> Result<(), CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT id FROM collections WHERE items > 0 OR origin <> ")
            .bind(BUILT_IN)
            .push(" ORDER BY id LIMIT 1");
        let mut found = self.transaction.fetch(&statement).await?;
        let mut kind = "collection";
        if found.is_empty() {
            let mut statement = self.database.statement();
            statement.push("SELECT name FROM parcel_sets ORDER BY name LIMIT 1");
            found = self.transaction.fetch(&statement).await?;
            kind = "parcel set";
        }
        match found.first() {
            None => Ok(()),
            Some(row) => Err(CatalogError::NotEmpty {
                what: format!(
                    "the catalogue {} ({kind} \"{}\")",
                    self.database.place(),
                    row.some_text(0)?
                ),
            }),
        }
    }

    async fn clear(&mut self) -> Result<(), CatalogError> {
        for sql in [
            "DELETE FROM boxes",
            "DELETE FROM items",
            "DELETE FROM fields",
            "DELETE FROM collections",
            "DELETE FROM parcel_set_versions",
            "DELETE FROM parcel_sets",
        ] {
            let mut statement = self.database.statement();
            statement.push(sql);
            self.transaction.execute(&statement).await?;
        }
        Ok(())
    }

    /// Writes a collection. One that is there stays in [`RestoreMode::Merge`], and gets the prefixes
    /// that the items to come need.
    ///
    /// # Errors
    /// Where the copy is no collection; where one that stays has another owner or visibility.
    pub async fn put_collection(&mut self, copy: CollectionCopy) -> Result<(), CatalogError> {
        let json = object_of(&copy.id, &copy.collection)?;
        check_collection(&json)?;
        if json.get("id").and_then(Value::as_str) != Some(copy.id.as_str()) {
            return Err(invalid(format!(
                "collection {}: its JSON has another id",
                copy.id
            )));
        }
        let stays = match self.mode {
            RestoreMode::Merge => self.own(&copy.id).await?,
            RestoreMode::Empty | RestoreMode::Replace => None,
        };
        let seal = match stays {
            Some(held) => {
                self.unite(&held, &copy).await?;
                self.counts.collections_kept += 1;
                None
            }
            None => {
                let insert = insert_collection(self.database.statement(), &copy);
                self.transaction.execute(&insert).await?;
                self.counts.collections += 1;
                Some(Seal {
                    items: copy.items,
                    reach_us: copy.reach_us,
                    is_stale: copy.is_stale,
                    live: copy.live,
                })
            }
        };
        let held = lock_live(&mut self.transaction, self.database.statement(), &copy.id).await?;
        let added = 0;
        self.targets.insert(copy.id, Target { held, seal, added });
        Ok(())
    }

    /// Returns a collection that somebody registered or that holds items.
    async fn own(&mut self, id: &str) -> Result<Option<Held>, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT 1 FROM collections WHERE (items > 0 OR origin <> ")
            .bind(BUILT_IN)
            .push(") AND id = ")
            .bind(id);
        if self.transaction.fetch(&statement).await?.is_empty() {
            return Ok(None);
        }
        let held = lock_live(&mut self.transaction, self.database.statement(), id).await?;
        Ok(Some(held))
    }

    /// Lets the items of the copy be read where the collection stays.
    async fn unite(&mut self, held: &Held, copy: &CollectionCopy) -> Result<(), CatalogError> {
        let resource = &held.registered.resource;
        let is_alike =
            resource.owner() == copy.owner.as_deref() && resource.visibility() == copy.visibility;
        if !is_alike {
            return Err(invalid(format!(
                "collection \"{}\" has another owner or visibility here than in the backup; make \
                 them agree first, so that nobody sees what was not meant for them",
                copy.id
            )));
        }
        let mut prefixes = resource.prefixes().to_vec();
        for prefix in &copy.prefixes {
            if !prefixes.contains(prefix) {
                prefixes.push(prefix.clone());
            }
        }
        if prefixes.len() == resource.prefixes().len() {
            return Ok(());
        }
        let text = serde_json::to_string(&prefixes).expect("texts can be written as JSON");
        let mut statement = self.database.statement();
        statement
            .push("UPDATE collections SET prefixes = ")
            .bind(text)
            .push(" WHERE id = ")
            .bind(copy.id.as_str());
        self.transaction.execute(&statement).await?;
        Ok(())
    }

    /// Writes items with the instants and etags of their copies; their collections were put before.
    ///
    /// # Errors
    /// Where one of them is no item or belongs to no collection of the backup.
    pub async fn put_items(&mut self, copies: &[ItemCopy]) -> Result<(), CatalogError> {
        let mut groups: BTreeMap<&str, Vec<&ItemCopy>> = BTreeMap::new();
        for copy in copies {
            groups.entry(&copy.collection).or_default().push(copy);
        }
        for (collection, copies) in groups {
            for copies in copies.chunks(ROWS_PER_STATEMENT) {
                self.put_rows(collection, copies).await?;
            }
        }
        Ok(())
    }

    async fn put_rows(
        &mut self,
        collection: &str,
        copies: &[&ItemCopy],
    ) -> Result<(), CatalogError> {
        let (transaction, database) = (&mut self.transaction, &self.database);
        let Some(target) = self.targets.get_mut(collection) else {
            return Err(invalid(format!(
                "items of \"{collection}\", which is not among the collections of the backup"
            )));
        };
        let mut copies = copies.to_vec();
        if self.mode == RestoreMode::Merge {
            let ids: Vec<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
            let known = known_by_id(transaction, database, collection, &ids).await?;
            copies.retain(|copy| !known.contains_key(&copy.id));
            self.counts.items_kept += known.len() as u64;
        }
        let numbers = new_numbers(transaction, database, copies.len()).await?;
        let mut writes = Vec::with_capacity(copies.len());
        let registered = &mut target.held.registered;
        for (copy, seq) in copies.into_iter().zip(numbers) {
            let record = record_of(copy)?;
            target.held.live.add(&Share::of(&record));
            registered.reach = registered
                .reach
                .max(record.datetime.saturating_sub(record.start_datetime))
                .max(record.end_datetime.saturating_sub(record.datetime));
            writes.push(Write {
                seq,
                created: copy.created_us,
                updated: copy.updated_us,
                record,
            });
        }
        if writes.is_empty() {
            return Ok(());
        }
        write_rows(transaction, database, collection, &writes).await?;
        note_fields(transaction, database, collection, &writes).await?;
        target.added += writes.len() as u64;
        self.counts.items += writes.len() as u64;
        Ok(())
    }

    /// Writes a parcel set with its versions. One that is there stays as it is: its versions are what
    /// rows of tables refer to.
    ///
    /// # Errors
    /// Where the copy is no set; what the database says.
    pub async fn put_parcel_set(&mut self, copy: &ParcelSetCopy) -> Result<(), CatalogError> {
        let empty = self.database.statement();
        let is_new = parcel_sets::write_copy(&mut self.transaction, &empty, copy).await?;
        match is_new {
            true => self.counts.parcel_sets += 1,
            false => self.counts.parcel_sets_kept += 1,
        }
        Ok(())
    }

    /// Writes what the items say together and makes all of it durable.
    ///
    /// # Errors
    /// What the database says; then nothing was changed.
    pub async fn finish(mut self) -> Result<RestoreCounts, CatalogError> {
        for (id, target) in &self.targets {
            if target.seal.is_none() && target.added == 0 {
                continue;
            }
            let live = &target.held.live;
            let statement = self.database.statement();
            let is_whole = |seal: &&Seal| i64::try_from(seal.items) == Ok(live.items);
            let write = match target.seal.as_ref().filter(is_whole) {
                Some(seal) => write_seal(statement, id, seal),
                None => {
                    let freshness = match target.held.is_stale {
                        true => Freshness::Stale,
                        false => Freshness::Fresh,
                    };
                    let reach = target.held.registered.reach;
                    write_live(statement, id, live, freshness, Some(reach))
                }
            };
            self.transaction.execute(&write).await?;
        }
        self.transaction.commit().await?;
        Ok(self.counts)
    }
}

fn object_of(id: &str, raw: &RawValue) -> Result<Map<String, Value>, CatalogError> {
    serde_json::from_str(raw.get())
        .map_err(|error| invalid(format!("{id} is no JSON object: {error}")))
}

/// Returns the item of a copy with its text and etag as they were.
fn record_of(copy: &ItemCopy) -> Result<Record, CatalogError> {
    let json = object_of(&copy.id, &copy.item)?;
    let mut record = Record::read(&copy.collection, &json)?;
    if record.id != copy.id {
        return Err(invalid(format!(
            "item {}: its JSON has another id",
            copy.id
        )));
    }
    copy.item.get().clone_into(&mut record.text);
    record.etag.clone_from(&copy.etag);
    Ok(record)
}

/// Returns the statement that writes a collection as it was copied, without items.
fn insert_collection(mut statement: Statement, copy: &CollectionCopy) -> Statement {
    let prefixes = serde_json::to_string(&copy.prefixes).expect("texts can be written as JSON");
    let origin = if copy.is_built_in { BUILT_IN } else { USER };
    statement.push(
        "INSERT INTO collections (id, json, etag, owner, visibility, prefixes, origin, created, updated) VALUES ",
    );
    statement.bind_list([
        SqlValue::from(copy.id.as_str()),
        copy.collection.get().into(),
        copy.etag.as_str().into(),
        SqlValue::Text(copy.owner.clone()),
        visibility_name(copy.visibility).into(),
        prefixes.into(),
        origin.into(),
        copy.created_us.into(),
        copy.updated_us.into(),
    ]);
    statement.push(
        " ON CONFLICT (id) DO UPDATE SET json = excluded.json, etag = excluded.etag, \
         owner = excluded.owner, visibility = excluded.visibility, prefixes = excluded.prefixes, \
         origin = excluded.origin, created = excluded.created, updated = excluded.updated",
    );
    statement
}

/// Returns the statement that writes what the items said together when they were copied.
fn write_seal(mut statement: Statement, id: &str, seal: &Seal) -> Statement {
    statement
        .push("UPDATE collections SET live = ")
        .bind(seal.live.get());
    let items = i64::try_from(seal.items).unwrap_or(i64::MAX);
    statement.push(", items = ").bind(items);
    statement
        .push(", is_stale = ")
        .bind(i64::from(seal.is_stale));
    statement.push(", reach = ").bind(seal.reach_us);
    statement.push(" WHERE id = ").bind(id);
    statement
}
