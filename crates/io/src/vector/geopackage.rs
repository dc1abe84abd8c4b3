//! GeoPackage: layers of an SQLite file.
//!
//! 1. open read-only and immutable, with a budget for each statement (a hostile file can describe
//!    endless views);
//! 2. list the feature layers and choose one;
//! 3. read CRS, columns, then the rows in file order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, TypeInfo, ValueRef};
use swath_grid::Crs;

use super::archive::Input;
use super::assembly::Assembly;
use super::attributes::{IdColumn, Selection, number_text, select};
use super::error::VectorError;
use super::shape::{GeometryKind, Shape};
use super::source::{FieldInfo, Layer, ParcelOptions, choose_crs};
use super::wkb::decode_wkb;

/// Steps of the database engine between two rows, in units of [`PROGRESS_STEPS`].
const PROGRESS_MAX: u64 = 20_000;
/// Steps of the database engine between two looks at the budget.
const PROGRESS_STEPS: i32 = 10_000;
/// Most layers or columns that are listed.
const NAMES_MAX: usize = 10_000;
/// Codes of a GeoPackage in which the CRS is said to be undefined.
const SRS_UNDEFINED: [i64; 2] = [-1, 0];

/// Reads a GeoPackage.
pub(super) fn read(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    refuse_journal(input)?;
    // Called on a blocking thread: see `read_parcels`.
    tokio::runtime::Handle::current().block_on(async {
        let mut database = Database::open(input).await?;
        let result = read_layer(&mut database, input, options).await;
        // Nothing was written, so closing cannot lose anything.
        let _ = database.connection.close().await;
        result
    })
}

/// Refuses a file whose last changes still lie in a journal beside it: they would be missed.
fn refuse_journal(input: &Input) -> Result<(), VectorError> {
    for suffix in ["-wal", "-journal"] {
        let mut journal = input.path.clone().into_os_string();
        journal.push(suffix);
        let journal = PathBuf::from(journal);
        if std::fs::metadata(&journal).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(VectorError::Broken {
                file: input.name.clone(),
                place: format!("journal {}", journal.display()),
                what: "holds changes that are not in the file yet".to_string(),
                remedy: "close the program that has the file open, then read it again".to_string(),
            });
        }
    }
    Ok(())
}

struct Database {
    connection: SqliteConnection,
    name: PathBuf,
    /// Looks at the budget since the last row.
    progress: Arc<AtomicU64>,
}

impl Database {
    async fn open(input: &Input) -> Result<Self, VectorError> {
        let options = SqliteConnectOptions::new()
            .filename(&input.path)
            .read_only(true)
            .immutable(true)
            .create_if_missing(false)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .disable_statement_logging();
        let broken = |error: sqlx::Error| broken(&input.name, "database", error);
        let mut connection = options.connect().await.map_err(broken)?;
        let progress = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&progress);
        connection
            .lock_handle()
            .await
            .map_err(broken)?
            .set_progress_handler(PROGRESS_STEPS, move || {
                count.fetch_add(1, Ordering::Relaxed) < PROGRESS_MAX
            });
        Ok(Self {
            connection,
            name: input.name.clone(),
            progress,
        })
    }

    /// Runs a query with one text parameter and returns its rows.
    async fn rows(
        &mut self,
        place: &str,
        sql: &'static str,
        parameter: &str,
    ) -> Result<Vec<SqliteRow>, VectorError> {
        self.progress.store(0, Ordering::Relaxed);
        let mut stream = sqlx::query(sql).bind(parameter).fetch(&mut self.connection);
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            rows.push(row.map_err(|error| broken(&self.name, place, error))?);
            if rows.len() > NAMES_MAX {
                return Err(VectorError::Limit {
                    file: self.name.clone(),
                    what: format!("the number of rows of {place}"),
                    limit: format!("NAMES_MAX of {NAMES_MAX} rows"),
                });
            }
        }
        Ok(rows)
    }
}

fn broken(file: &Path, place: &str, error: sqlx::Error) -> VectorError {
    let what = match &error {
        sqlx::Error::Database(database) => database.message().to_string(),
        other => other.to_string(),
    };
    VectorError::broken(file, place, what)
}

/// A feature table.
struct Table {
    name: String,
    geometry_column: String,
    geometry_type: String,
    srs_id: i64,
}

async fn read_layer(
    database: &mut Database,
    input: &Input,
    options: &ParcelOptions,
) -> Result<Layer, VectorError> {
    let tables = feature_tables(database).await?;
    let table = choose(database, input, &tables)?;
    let crs = match options.crs {
        Some(_) => choose_crs(&input.name, options, || Err(String::new()))?,
        None => layer_crs(database, table).await?,
    };
    let (fields, primary_key) = columns(database, table).await?;
    let selection = select(&input.name, &fields, options, primary_key.as_deref())?;
    let mut assembly = Assembly::new(input, crs, fields.clone(), selection.clone());
    let sql = rows_sql(table, &fields, &selection, primary_key.as_deref());
    read_rows(database, input, table, sql, &selection, &mut assembly).await?;
    assembly.finish()
}

async fn feature_tables(database: &mut Database) -> Result<Vec<Table>, VectorError> {
    const HAS_CONTENTS: &str = "SELECT count(*) FROM sqlite_schema WHERE lower(name) = ?";
    const TABLES: &str = "SELECT c.table_name, g.column_name, g.geometry_type_name, g.srs_id \
        FROM gpkg_contents c JOIN gpkg_geometry_columns g \
        ON lower(c.table_name) = lower(g.table_name) \
        WHERE c.data_type = ? ORDER BY c.rowid";
    let found = database
        .rows("sqlite_schema", HAS_CONTENTS, "gpkg_contents")
        .await?;
    let count: i64 = found
        .first()
        .and_then(|row| row.try_get(0).ok())
        .unwrap_or(0);
    if count == 0 {
        return Err(VectorError::Unsupported {
            file: database.name.clone(),
            found: "an SQLite database without the tables of a GeoPackage".to_string(),
            remedy: "convert it first, for example: ogr2ogr -f GPKG parcels.gpkg FILE".to_string(),
        });
    }
    let rows = database.rows("gpkg_contents", TABLES, "features").await?;
    let name = database.name.clone();
    let cell = |row: &SqliteRow, index: usize| {
        row.try_get::<String, _>(index)
            .map_err(|error| broken(&name, "gpkg_contents", error))
    };
    rows.iter()
        .map(|row| {
            Ok(Table {
                name: cell(row, 0)?,
                geometry_column: cell(row, 1)?,
                geometry_type: cell(row, 2)?.to_ascii_uppercase(),
                srs_id: row
                    .try_get(3)
                    .map_err(|error| broken(&name, "gpkg_geometry_columns", error))?,
            })
        })
        .collect()
}

/// Picks the layer asked for, else the only one that can hold polygons.
fn choose<'a>(
    database: &Database,
    input: &Input,
    tables: &'a [Table],
) -> Result<&'a Table, VectorError> {
    let error = |what: String| VectorError::Layer {
        file: database.name.clone(),
        what,
        layers: tables
            .iter()
            .map(|table| format!("{} ({})", table.name, table.geometry_type))
            .collect(),
    };
    if let Some(layer) = &input.layer {
        let named = tables.iter().find(|table| &table.name == layer);
        return named.ok_or_else(|| error(format!("has no feature layer {layer:?}")));
    }
    let may_hold_polygons = |table: &&Table| {
        let other = [
            "POINT",
            "LINESTRING",
            "MULTIPOINT",
            "MULTILINESTRING",
            "MULTICURVE",
            "CURVE",
        ];
        !other.contains(&table.geometry_type.as_str())
    };
    let mut candidates = tables.iter().filter(may_hold_polygons);
    match (candidates.next(), candidates.next(), tables) {
        (Some(table), None, _) | (None, None, [table]) => Ok(table),
        (None, ..) => Err(error("has no layer of polygons".to_string())),
        (Some(_), Some(_), _) => Err(error(
            "has several layers; choose one with --layer".to_string(),
        )),
    }
}

async fn layer_crs(database: &mut Database, table: &Table) -> Result<Crs, VectorError> {
    const SRS: &str = "SELECT organization, organization_coordsys_id, definition \
        FROM gpkg_spatial_ref_sys WHERE srs_id = CAST(? AS INTEGER)";
    let crs_error = |what: String| VectorError::Crs {
        file: database.name.clone(),
        what,
    };
    if SRS_UNDEFINED.contains(&table.srs_id) {
        return Err(crs_error(format!(
            "the CRS of layer {} is undefined",
            table.name
        )));
    }
    let rows = database
        .rows("gpkg_spatial_ref_sys", SRS, &table.srs_id.to_string())
        .await?;
    let crs_error = |what: String| VectorError::Crs {
        file: database.name.clone(),
        what,
    };
    let Some(row) = rows.first() else {
        return Err(crs_error(format!(
            "the CRS {} is not in the file",
            table.srs_id
        )));
    };
    let organization: String = row.try_get(0).unwrap_or_default();
    let code: i64 = row.try_get(1).unwrap_or_default();
    let definition: String = row.try_get(2).unwrap_or_default();
    if organization.eq_ignore_ascii_case("EPSG")
        && let Some(crs) = u32::try_from(code)
            .ok()
            .and_then(|code| Crs::from_epsg(code).ok())
    {
        return Ok(crs);
    }
    let definition = match definition.as_str() {
        "undefined" => second_definition(database, table).await?,
        _ => definition,
    };
    Crs::parse(&definition).map_err(|error| VectorError::Crs {
        file: database.name.clone(),
        what: format!("the CRS {organization}:{code} is not understood: {error}"),
    })
}

/// Returns the CRS in WKT 2, where the file has the extension `gpkg_crs_wkt`; else nothing.
async fn second_definition(database: &mut Database, table: &Table) -> Result<String, VectorError> {
    const HAS_COLUMN: &str =
        "SELECT name FROM pragma_table_info('gpkg_spatial_ref_sys') WHERE name = ?";
    const DEFINITION: &str =
        "SELECT definition_12_063 FROM gpkg_spatial_ref_sys WHERE srs_id = CAST(? AS INTEGER)";
    let columns = database
        .rows("gpkg_spatial_ref_sys", HAS_COLUMN, "definition_12_063")
        .await?;
    if columns.is_empty() {
        return Ok(String::new());
    }
    let srs_id = table.srs_id.to_string();
    let rows = database
        .rows("gpkg_spatial_ref_sys", DEFINITION, &srs_id)
        .await?;
    let definition = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(definition.unwrap_or_default())
}

/// Returns the columns beside the geometry, and the primary key where it is a whole number.
async fn columns(
    database: &mut Database,
    table: &Table,
) -> Result<(Vec<FieldInfo>, Option<String>), VectorError> {
    const COLUMNS: &str = "SELECT name, type, pk FROM pragma_table_info(?)";
    let rows = database
        .rows("the column list", COLUMNS, &table.name)
        .await?;
    let mut fields = Vec::new();
    let mut primary_key = None;
    let mut has_geometry = false;
    for row in &rows {
        let name: String = row
            .try_get(0)
            .map_err(|error| broken(&database.name, "the column list", error))?;
        let type_name: String = row.try_get(1).unwrap_or_default();
        if name.eq_ignore_ascii_case(&table.geometry_column) {
            has_geometry = true;
            continue;
        }
        let is_key = row.try_get::<i64, _>(2).unwrap_or(0) == 1;
        if is_key && type_name.to_ascii_uppercase().contains("INT") {
            primary_key = Some(name.clone());
        }
        fields.push(FieldInfo { name, type_name });
    }
    if !has_geometry {
        let what = format!(
            "has no column {:?}, which should hold geometry",
            table.geometry_column
        );
        return Err(VectorError::broken(
            &database.name,
            format!("layer {}", table.name),
            what,
        ));
    }
    Ok((fields, primary_key))
}

/// Quotes a name that the database itself gave.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn rows_sql(
    table: &Table,
    fields: &[FieldInfo],
    selection: &Selection,
    primary_key: Option<&str>,
) -> String {
    let mut columns = vec![quoted(&table.geometry_column)];
    if let IdColumn::Column(id) = selection.id {
        columns.push(quoted(&fields[id].name));
    }
    columns.extend(
        selection
            .kept
            .iter()
            .map(|&kept| quoted(&fields[kept].name)),
    );
    let order = primary_key
        .map(|key| format!(" ORDER BY {}", quoted(key)))
        .unwrap_or_default();
    format!(
        "SELECT {} FROM {}{order}",
        columns.join(", "),
        quoted(&table.name)
    )
}

async fn read_rows(
    database: &mut Database,
    input: &Input,
    table: &Table,
    sql: String,
    selection: &Selection,
    assembly: &mut Assembly,
) -> Result<(), VectorError> {
    let file_bytes = std::fs::metadata(&input.path)
        .map_err(|error| VectorError::storage(&input.path, error))?
        .len();
    database.progress.store(0, Ordering::Relaxed);
    let has_id = selection.id != IdColumn::RowNumber;
    // Names come from the tables of the database and are quoted; values are never part of it.
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut database.connection);
    let mut shape = Shape::default();
    let mut read_bytes = 0;
    while let Some(row) = rows.next().await {
        database.progress.store(0, Ordering::Relaxed);
        let place = || format!("layer {}, feature {}", table.name, assembly.feature());
        let row = row.map_err(|error| broken(&database.name, &place(), error))?;
        let geometry = row
            .try_get_raw(0)
            .and_then(blob)
            .map_err(|error| broken(&database.name, &place(), error))?;
        // Pages of a broken file can point at each other: never more rows than the file can hold.
        read_bytes += geometry.len() as u64 + 2;
        if read_bytes > file_bytes.saturating_mul(2) {
            let what = "the rows are larger than the file";
            return Err(VectorError::broken(&database.name, place(), what));
        }
        decode_blob(geometry, &mut shape)
            .map_err(|what| VectorError::broken(&database.name, place(), what))?;
        let text = |index: usize| {
            row.try_get_raw(index)
                .and_then(text_of)
                .map_err(|error| broken(&database.name, &place(), error))
        };
        let id = if has_id { text(1)? } else { None };
        let first_kept = 1 + usize::from(has_id);
        let kept = (0..selection.kept.len())
            .map(|index| text(first_kept + index))
            .collect::<Result<Vec<Option<String>>, VectorError>>()?;
        let kept: Vec<Option<&str>> = kept.iter().map(Option::as_deref).collect();
        assembly.add(id.as_deref(), &kept, &mut shape)?;
    }
    Ok(())
}

fn blob(value: SqliteValueRef<'_>) -> Result<&[u8], sqlx::Error> {
    if value.is_null() {
        return Ok(&[]);
    }
    <&[u8] as sqlx::Decode<sqlx::Sqlite>>::decode(value).map_err(sqlx::Error::Decode)
}

/// Returns a value as text; SQLite types each value, not the column.
fn text_of(value: SqliteValueRef<'_>) -> Result<Option<String>, sqlx::Error> {
    if value.is_null() {
        return Ok(None);
    }
    let kind = value.type_info().name().to_string();
    let text = match kind.as_str() {
        "REAL" => {
            let number = <f64 as sqlx::Decode<sqlx::Sqlite>>::decode(value);
            return number.map(number_text).map_err(sqlx::Error::Decode);
        }
        "BLOB" => {
            return Err(sqlx::Error::Decode(
                "an id is a BLOB, not text or number".into(),
            ));
        }
        "INTEGER" | "BOOLEAN" => {
            <i64 as sqlx::Decode<sqlx::Sqlite>>::decode(value).map(|number| number.to_string())
        }
        _ => <String as sqlx::Decode<sqlx::Sqlite>>::decode(value),
    };
    text.map(Some).map_err(sqlx::Error::Decode)
}

/// Decodes the GeoPackage header and the well-known binary behind it.
fn decode_blob(blob: &[u8], shape: &mut Shape) -> Result<(), String> {
    const HEADER_BYTES: usize = 8;
    const ENVELOPE_DOUBLES: [usize; 5] = [0, 4, 6, 6, 8];
    const FLAG_EMPTY: u8 = 0x10;
    const FLAG_EXTENDED: u8 = 0x20;
    shape.clear();
    if blob.is_empty() {
        return Ok(());
    }
    if blob.len() < HEADER_BYTES || &blob[..2] != b"GP" {
        return Err("the geometry does not begin with the GeoPackage header".to_string());
    }
    let flags = blob[3];
    if flags & FLAG_EXTENDED != 0 {
        return Err("the geometry is of an extension (ExtendedGeoPackageBinary)".to_string());
    }
    let envelope = usize::from(flags >> 1 & 7);
    let Some(doubles) = ENVELOPE_DOUBLES.get(envelope) else {
        return Err(format!(
            "envelope code {envelope} of the geometry is unknown"
        ));
    };
    let start = HEADER_BYTES + 8 * doubles;
    let Some(wkb) = blob.get(start..) else {
        return Err("the geometry ends in its header".to_string());
    };
    if wkb.is_empty() && flags & FLAG_EMPTY != 0 {
        shape.kind = GeometryKind::Null;
        return Ok(());
    }
    decode_wkb(wkb, shape)
        .map_err(|error| format!("geometry, byte {}: {}", start + error.offset, error.what))
}
