//! A pgSTAC database, read as it stands.
//!
//! 1. All reading of a collection is one transaction that can only read, hence of one moment.
//! 2. Its base items come first: pgSTAC keeps items without what they share with one of them.
//! 3. Items are drawn from a cursor, a limited number at a time, and completed here.

use std::collections::HashMap;

use serde_json::{Map, Value};
use swath_db::{Database, DbError, Row, Transaction};

use super::super::unreadable;
use super::BaseItem;
use crate::CatalogError;

/// Items that are in memory at once.
const ITEMS_AT_ONCE: usize = 500;
/// The same, where it stands in SQL.
const NEXT_ITEMS: &str = "FETCH 500 FROM swath_items";
/// Most collections of a database, and most base items that one of them has had.
const ROWS_MAX: usize = 10_000;
/// Names the base item that an item was stored against (pgSTAC 0.10 and newer).
const BASE_TAG: &str = "pgstac:base_item";

/// A database of pgSTAC 0.5 or newer; nothing is ever written to it.
#[derive(Debug, Clone)]
pub struct PgstacDatabase {
    database: Database,
}

impl PgstacDatabase {
    /// Opens `postgres://…`.
    ///
    /// # Errors
    /// Where it cannot be reached, or holds no pgSTAC.
    pub async fn open(url: &str) -> Result<Self, CatalogError> {
        let database = Database::open_to_read(url).await?;
        if !has_table(&mut database.begin().await?, &database, "pgstac.items").await? {
            return Err(CatalogError::NotFound {
                what: format!(
                    "pgSTAC (the table pgstac.items) in the database {}",
                    database.place()
                ),
            });
        }
        Ok(Self { database })
    }

    /// Returns the database's name for messages, without credentials.
    pub fn place(&self) -> &str {
        self.database.place()
    }

    /// Returns the ids of its collections, in order.
    ///
    /// # Errors
    /// Where there are more than 10,000; what the database says.
    pub async fn collection_ids(&self) -> Result<Vec<String>, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT id FROM pgstac.collections ORDER BY id LIMIT ")
            .bind(limit());
        let rows = self.database.fetch(&statement).await?;
        check_count(rows.len(), "collections")?;
        let ids: Result<Vec<String>, DbError> = rows.iter().map(|row| row.some_text(0)).collect();
        Ok(ids?)
    }

    /// Returns a collection as it was loaded there.
    ///
    /// # Errors
    /// Where it is not there; what the database says.
    pub async fn collection(&self, id: &str) -> Result<Map<String, Value>, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT content::text FROM pgstac.collections WHERE id = ")
            .bind(id);
        let rows = self.database.fetch(&statement).await?;
        let row = rows.first().ok_or_else(|| self.not_found(id))?;
        object_of(row, 0, || format!("collection {id}"))
    }

    /// Begins to read the items of a collection, in no particular order.
    ///
    /// # Errors
    /// Where the collection is not there; what the database says.
    pub async fn items(&self, collection: &str) -> Result<PgstacItems, CatalogError> {
        let database = &self.database;
        let mut transaction = database.begin().await?;
        let bases = BaseItems::read(&mut transaction, database, collection).await?;
        let bases = bases.ok_or_else(|| self.not_found(collection))?;
        let mut cursor = database.statement();
        cursor
            .push(
                "DECLARE swath_items NO SCROLL CURSOR FOR SELECT id, ST_AsGeoJSON(geometry, 20), \
                 content::text FROM pgstac.items WHERE collection = ",
            )
            .bind(collection);
        transaction.execute(&cursor).await?;
        Ok(PgstacItems {
            transaction,
            database: database.clone(),
            bases,
            collection: collection.to_owned(),
        })
    }

    fn not_found(&self, collection: &str) -> CatalogError {
        CatalogError::NotFound {
            what: format!(
                "collection \"{collection}\" in the pgSTAC of {}",
                self.database.place()
            ),
        }
    }
}

/// Items of one collection on their way out of pgSTAC.
#[derive(Debug)]
pub struct PgstacItems {
    transaction: Transaction,
    database: Database,
    bases: BaseItems,
    collection: String,
}

impl PgstacItems {
    /// Returns the next items in full, at most 500; none after the last.
    ///
    /// # Errors
    /// Where one of them is no JSON; what the database says.
    pub async fn next(&mut self) -> Result<Vec<Map<String, Value>>, CatalogError> {
        let mut statement = self.database.statement();
        statement.push(NEXT_ITEMS);
        let rows = self.transaction.fetch(&statement).await?;
        let mut items = Vec::with_capacity(rows.len().min(ITEMS_AT_ONCE));
        for row in &rows {
            let id = row.some_text(0)?;
            let shown = || format!("item {id} of {}", self.collection);
            let content = object_of(row, 2, shown)?;
            let shape = row.text(1)?.map(|text| serde_json::from_str(&text));
            let shape: Option<Value> = shape
                .transpose()
                .map_err(|error| unreadable(format_args!("{}: geometry: {error}", shown())))?;
            let mut item = self.bases.complete(&id, content);
            item.insert("type".into(), "Feature".into());
            item.insert("id".into(), id.into());
            item.insert("collection".into(), self.collection.as_str().into());
            item.insert("geometry".into(), shape.unwrap_or_default());
            restore_datetime(&mut item);
            items.push(item);
        }
        Ok(items)
    }
}

/// Puts back what pgSTAC's own way of storing loses: a datetime that is null beside a range.
fn restore_datetime(item: &mut Map<String, Value>) {
    if let Some(properties) = item.get_mut("properties").and_then(Value::as_object_mut) {
        properties.entry("datetime").or_insert(Value::Null);
    }
}

/// The base items that the items of one collection were stored against.
#[derive(Debug)]
struct BaseItems {
    /// Of the collection as it is now.
    current: BaseItem,
    /// All that the collection has had since its first edit, by their ids; the oldest is what items
    /// without a tag were stored against. None before pgSTAC 0.10, and until the first edit.
    had: HashMap<i64, BaseItem>,
}

impl BaseItems {
    /// Returns `None` where the collection is not there.
    async fn read(
        transaction: &mut Transaction,
        database: &Database,
        collection: &str,
    ) -> Result<Option<Self>, CatalogError> {
        let shown = || format!("base item of {collection}");
        let mut statement = database.statement();
        statement
            .push("SELECT base_item::text FROM pgstac.collections WHERE id = ")
            .bind(collection);
        let rows = transaction.fetch(&statement).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let current = BaseItem::of_json(&object_of(row, 0, shown)?);
        let mut had = HashMap::new();
        if has_table(transaction, database, "pgstac.base_items").await? {
            let mut statement = database.statement();
            statement
                .push(
                    "SELECT id::bigint, base_item::text FROM pgstac.base_items WHERE collection = ",
                )
                .bind(collection);
            statement.push(" ORDER BY id LIMIT ").bind(limit());
            let rows = transaction.fetch(&statement).await?;
            check_count(rows.len(), "base items of a collection")?;
            for row in &rows {
                let base = BaseItem::of_json(&object_of(row, 1, shown)?);
                had.insert(row.some_integer(0)?, base);
            }
        }
        Ok(Some(Self { current, had }))
    }

    /// Returns an item with what it shares; as pgSTAC does, with the present base item where the one
    /// that it names is gone.
    fn complete(&self, id: &str, mut content: Map<String, Value>) -> Map<String, Value> {
        let tag = content.shift_remove(BASE_TAG);
        let base = match &tag {
            None => self
                .had
                .keys()
                .min()
                .and_then(|oldest| self.had.get(oldest)),
            Some(tag) => {
                let named = tag_number(tag).and_then(|number| self.had.get(&number));
                if named.is_none() {
                    tracing::warn!(
                        item = id,
                        %tag,
                        "its base item is gone: the present one of its collection is taken"
                    );
                }
                named
            }
        };
        base.unwrap_or(&self.current).complete(content)
    }
}

/// Reads a tag: a number, or a text with one.
fn tag_number(tag: &Value) -> Option<i64> {
    match tag {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

fn object_of(
    row: &Row,
    column: usize,
    shown: impl Fn() -> String,
) -> Result<Map<String, Value>, CatalogError> {
    let text = row.text(column)?.unwrap_or_else(|| "{}".to_owned());
    serde_json::from_str(&text)
        .map_err(|error| unreadable(format_args!("{} is no JSON object: {error}", shown())))
}

async fn has_table(
    transaction: &mut Transaction,
    database: &Database,
    name: &'static str,
) -> Result<bool, CatalogError> {
    let mut statement = database.statement();
    statement
        .push("SELECT CASE WHEN to_regclass(")
        .bind(name)
        .push("::text) IS NULL THEN 0::bigint ELSE 1::bigint END");
    let rows = transaction.fetch(&statement).await?;
    Ok(match rows.first() {
        Some(row) => row.integer(0)? == Some(1),
        None => false,
    })
}

/// One row more than may be, so that more are noticed.
fn limit() -> i64 {
    i64::try_from(ROWS_MAX + 1).expect("the limit is small")
}

fn check_count(rows: usize, what: &str) -> Result<(), CatalogError> {
    match rows > ROWS_MAX {
        true => Err(CatalogError::Limit {
            reason: format!("pgSTAC holds more than {ROWS_MAX} {what}"),
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn base(title: &str) -> BaseItem {
        BaseItem::of_json(&object(json!({"assets": {"red": {"title": title}}})))
    }

    fn bases() -> BaseItems {
        BaseItems {
            current: base("third"),
            had: HashMap::from([(4, base("first")), (9, base("second"))]),
        }
    }

    fn title(bases: &BaseItems, content: Value) -> Value {
        let item = bases.complete("a", object(content));
        assert!(!item.contains_key(BASE_TAG));
        item["assets"]["red"]["title"].clone()
    }

    #[test]
    fn items_are_completed_with_the_base_item_they_were_stored_against() {
        let mut bases = bases();
        assert_eq!(title(&bases, json!({})), "first");
        assert_eq!(title(&bases, json!({BASE_TAG: 9})), "second");
        assert_eq!(title(&bases, json!({BASE_TAG: " 4 "})), "first");
        assert_eq!(title(&bases, json!({BASE_TAG: 5})), "third");
        bases.had.clear();
        assert_eq!(title(&bases, json!({})), "third");
    }

    #[test]
    fn number_of_items_at_once_is_that_of_the_statement() {
        assert!(NEXT_ITEMS.contains(&format!(" {ITEMS_AT_ONCE} ")));
    }
}
