//! Items as rows: one statement for some of them in SQLite, COPY in PostgreSQL, which spares the server
//! to parse and plan statements of thousands of values.

use serde_json::Value;
use swath_db::{CopyRows, Database, Dialect, SqlValue, Statement, Transaction};
use swath_grid::Bbox;

use crate::geometry::Rectangle;
use crate::items::ROWS_PER_STATEMENT;
use crate::record::Record;
use crate::{CatalogError, instant, wkb};

/// Bytes of rows that one COPY takes.
const COPY_BYTES: usize = 4 << 20;

/// The columns of an item, in the order of [`plain_values`], geometry, properties and JSON.
macro_rules! item_columns {
    () => {
        "(seq, collection, id, datetime, datetime_end, start_datetime, end_datetime, created, updated, \
         west, south, east, north, cloud_cover, relative_orbit, platform, constellation, orbit_state, \
         grid_code, product_type, processing_level, uuid, etag, geometry, properties, json)"
    };
}

/// One item to be written.
pub(crate) struct Write {
    pub(crate) seq: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) record: Record,
}

/// Writes items that are not there.
///
/// # Errors
/// What the database says.
pub(crate) async fn write_rows(
    transaction: &mut Transaction,
    database: &Database,
    collection: &str,
    writes: &[Write],
) -> Result<(), CatalogError> {
    if database.dialect() == Dialect::Postgres {
        return copy_rows(transaction, collection, writes).await;
    }
    for writes in writes.chunks(ROWS_PER_STATEMENT) {
        let items = insert_items(database.statement(), collection, writes);
        transaction.execute(&items).await?;
        if writes
            .iter()
            .any(|write| !write.record.rectangles.is_empty())
        {
            let boxes = insert_boxes(database.statement(), writes);
            transaction.execute(&boxes).await?;
        }
    }
    Ok(())
}

/// Returns the values of the columns before the geometry.
fn plain_values(collection: &str, write: &Write) -> Vec<SqlValue> {
    let record = &write.record;
    let mut values: Vec<SqlValue> = vec![
        write.seq.into(),
        collection.into(),
        record.id.as_str().into(),
        record.datetime.into(),
        record.datetime_end.into(),
        record.start_datetime.into(),
        record.end_datetime.into(),
        write.created.into(),
        write.updated.into(),
    ];
    let edges: [fn(&Bbox) -> f64; 4] = [
        |bbox| bbox.west,
        |bbox| bbox.south,
        |bbox| bbox.east,
        |bbox| bbox.north,
    ];
    values.extend(edges.map(|edge| SqlValue::Real(record.bbox.as_ref().map(edge))));
    let property = |name: &str| record.properties().get(name);
    let cloud_cover = property("eo:cloud_cover").and_then(Value::as_f64);
    values.push(SqlValue::Real(cloud_cover));
    let orbit = property("sat:relative_orbit").and_then(Value::as_i64);
    values.push(SqlValue::Integer(orbit));
    let texts = [
        "platform",
        "constellation",
        "sat:orbit_state",
        "grid:code",
        "product:type",
        "processing:level",
    ];
    values.extend(texts.map(|name| {
        let text = property(name).and_then(Value::as_str).map(str::to_owned);
        SqlValue::Text(text)
    }));
    values.push(record.uuid.as_bytes().to_vec().into());
    values.push(record.etag.as_str().into());
    values
}

fn properties_text(record: &Record) -> String {
    let properties = record.json.get("properties").map(Value::to_string);
    properties.unwrap_or_default()
}

async fn copy_rows(
    transaction: &mut Transaction,
    collection: &str,
    writes: &[Write],
) -> Result<(), CatalogError> {
    let (mut items, mut boxes) = (CopyRows::default(), CopyRows::default());
    for (index, write) in writes.iter().enumerate() {
        for value in plain_values(collection, write) {
            items.value(&value);
        }
        let record = &write.record;
        match &record.geometry {
            Some(bytes) => items.hex(&wkb::with_srid(bytes, wkb::LON_LAT_SRID)),
            None => items.value(&SqlValue::Bytes(None)),
        };
        items.text(&properties_text(record)).text(&record.text);
        items.end_row();
        for (part, rectangle) in (0_i64..).zip(&record.rectangles) {
            let first = instant::to_days(record.start_datetime);
            let last = instant::to_days(record.end_datetime);
            boxes.value(&(2 * write.seq + part).into());
            boxes.hex(&wkb::encode_diagonal(
                [rectangle.west, rectangle.south, first],
                [rectangle.east, rectangle.north, last],
            ));
            boxes.end_row();
        }
        if items.len() < COPY_BYTES && index + 1 < writes.len() {
            continue;
        }
        let copy = concat!("COPY items ", item_columns!(), " FROM STDIN");
        transaction.copy_in(copy, &items).await?;
        if !boxes.is_empty() {
            let copy = "COPY boxes (id, diagonal) FROM STDIN";
            transaction.copy_in(copy, &boxes).await?;
        }
        (items, boxes) = (CopyRows::default(), CopyRows::default());
    }
    Ok(())
}

fn insert_items(mut statement: Statement, collection: &str, writes: &[Write]) -> Statement {
    statement.push(concat!("INSERT INTO items ", item_columns!(), " VALUES "));
    for (index, write) in writes.iter().enumerate() {
        statement.push(if index > 0 { ", (" } else { "(" });
        for value in plain_values(collection, write) {
            statement.bind(value).push(", ");
        }
        let record = &write.record;
        statement
            .bind(SqlValue::Bytes(record.geometry.clone()))
            .push(", ")
            .bind(properties_text(record))
            .push(", ")
            .bind(record.text.as_str())
            .push(")");
    }
    statement
}

fn insert_boxes(mut statement: Statement, writes: &[Write]) -> Statement {
    statement.push("INSERT INTO boxes (id, west, east, south, north, start_day, end_day) VALUES ");
    let mut is_first = true;
    for write in writes {
        for (part, rectangle) in (0_i64..).zip(&write.record.rectangles) {
            statement.push(if is_first { "(" } else { ", (" });
            is_first = false;
            statement.bind(2 * write.seq + part);
            let Rectangle {
                west,
                south,
                east,
                north,
            } = *rectangle;
            let first = instant::to_days(write.record.start_datetime);
            let last = instant::to_days(write.record.end_datetime);
            for edge in [west, east, south, north, first, last] {
                statement.push(", ").bind(edge);
            }
            statement.push(")");
        }
    }
    statement
}
