//! The writer: tables, rows, index, in one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Sqlite};
use swath_grid::{Bounds, Crs};

use super::super::error::VectorError;
use super::blob::{BlobWriter, LayerGeometry};
use super::column::{Value, type_name, value};
use super::tables::{
    ADD_CONTENTS, ADD_EXTENSION, ADD_GEOMETRY_COLUMN, ADD_SRS, APPLICATION_ID, LayerNames,
    RESERVED, SET_BOUNDS, TABLES, USER_VERSION, WGS84_WKT1,
};

/// Most columns that SQLite gives a table.
const COLUMNS_MAX: usize = 2_000;
/// Rows whose envelopes go into the index at once.
const INDEX_ROWS: usize = 1_000;
/// Memory that SQLite keeps pages in, in KiB; negative as its pragma wants it.
const CACHE_KIB: &str = "-16384";
/// Number in the file of a CRS that EPSG does not have.
const OWN_SRS_ID: i32 = 100_000;
/// Numbers of the file for CRS that are not known.
const UNDEFINED_SRS: [(&str, i32); 2] = [
    ("Undefined Cartesian SRS", -1),
    ("Undefined geographic SRS", 0),
];

/// A layer that is to be written.
#[derive(Debug, Clone)]
pub struct GeoPackageLayer {
    /// Name of its table.
    pub name: String,
    /// A sentence for people.
    pub description: String,
    /// Column of the geometries: well-known binary (ISO, two-dimensional), x before y.
    pub geometry: String,
    /// Types of the geometries, in the words of GeoParquet; where polygons and multi-polygons occur,
    /// all become multi-polygons.
    pub geometry_types: Vec<String>,
    /// CRS of the geometries; `None` where it is unknown.
    pub crs: Option<Crs>,
}

/// A GeoPackage under way. It holds a few pages and a thousand envelopes, however many rows there are.
///
/// The file is complete after [`finish`](Self::finish) alone: write to a temporary name.
#[derive(Debug)]
pub struct GeoPackageWriter {
    connection: SqliteConnection,
    path: PathBuf,
    layer: GeoPackageLayer,
    key: String,
    schema: SchemaRef,
    /// Place of the geometry among the columns of the batches.
    geometry_place: usize,
    insert: Arc<str>,
    blobs: BlobWriter,
    rows: i64,
    bounds: Option<Bounds>,
    /// Keys and envelopes that are not in the index yet.
    envelopes: Vec<(i64, Bounds)>,
}

impl GeoPackageWriter {
    /// Begins a GeoPackage in an empty file; batches will have `schema`. Columns whose names differ in
    /// case alone get a number behind them, as SQLite cannot tell them apart.
    ///
    /// # Errors
    /// Where the schema has no such geometry, more columns than [`SQLite`] takes or one of a type that a
    /// GeoPackage has not; where the name belongs to the standard; where the file cannot be written.
    ///
    /// [`SQLite`]: https://www.sqlite.org/limits.html
    pub async fn create(
        path: &Path,
        layer: GeoPackageLayer,
        schema: &SchemaRef,
    ) -> Result<Self, VectorError> {
        let geometry_place = geometry_place(path, &layer, schema)?;
        let columns = columns(path, schema, geometry_place)?;
        let key = free_name("fid", schema.fields().iter().map(|field| field.name()));
        let names = LayerNames {
            table: &layer.name,
            key: &key,
            geometry: &layer.geometry,
        };
        let kind = LayerGeometry::of(&layer.geometry_types);
        let srs_id = srs_id(layer.crs.as_ref());
        let insert = names.insert(&columns);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("application_id", APPLICATION_ID)
            .pragma("user_version", USER_VERSION)
            .pragma("cache_size", CACHE_KIB)
            .disable_statement_logging();
        let connection = options.connect().await.map_err(|e| failed(path, &e))?;
        let table = names.create_table(kind.name(), &columns);
        let mut writer = Self {
            connection,
            path: path.to_owned(),
            key,
            schema: schema.clone(),
            geometry_place,
            insert: insert.into(),
            blobs: BlobWriter::new(kind, srs_id),
            rows: 0,
            bounds: None,
            envelopes: Vec::new(),
            layer,
        };
        writer.begin(table, kind, srs_id).await?;
        Ok(writer)
    }

    /// Writes the tables and what they say of the layer.
    async fn begin(
        &mut self,
        table: String,
        kind: LayerGeometry,
        srs_id: i32,
    ) -> Result<(), VectorError> {
        self.run(sqlx::query("BEGIN")).await?;
        for sql in TABLES {
            self.run(sqlx::query(sql)).await?;
        }
        self.add_reference_systems(srs_id).await?;
        self.run(sqlx::query(AssertSqlSafe(table))).await?;
        let layer = self.layer.clone();
        let contents = sqlx::query(ADD_CONTENTS)
            .bind(layer.name.clone())
            .bind(layer.name.clone())
            .bind(layer.description)
            .bind(srs_id);
        self.run(contents).await?;
        let column = sqlx::query(ADD_GEOMETRY_COLUMN)
            .bind(layer.name.clone())
            .bind(layer.geometry.clone())
            .bind(kind.name())
            .bind(srs_id);
        self.run(column).await?;
        self.add_extension(
            ("gpkg_spatial_ref_sys", "definition_12_063"),
            "gpkg_crs_wkt",
            "http://www.geopackage.org/spec130/#extension_crs_wkt",
            "read-write",
        )
        .await?;
        self.add_extension(
            (&layer.name, &layer.geometry),
            "gpkg_rtree_index",
            "http://www.geopackage.org/spec130/#extension_rtree",
            "write-only",
        )
        .await?;
        let index = self.names().create_index();
        self.run(sqlx::query(AssertSqlSafe(index))).await
    }

    async fn add_reference_systems(&mut self, srs_id: i32) -> Result<(), VectorError> {
        const UNDEFINED: &str = "undefined";
        for (name, id) in UNDEFINED_SRS {
            self.add_srs(name, ("NONE", id), UNDEFINED, UNDEFINED)
                .await?;
        }
        let wgs84 = Crs::from_epsg(4326).map_err(|error| VectorError::Internal {
            file: self.path.clone(),
            what: error.to_string(),
        })?;
        self.add_srs("WGS 84", ("EPSG", 4326), WGS84_WKT1, &wgs84.to_wkt())
            .await?;
        let is_there = srs_id == 4326 || UNDEFINED_SRS.iter().any(|(_, id)| *id == srs_id);
        match self.layer.crs.clone() {
            Some(crs) if !is_there => {
                let organization = match srs_id {
                    OWN_SRS_ID => "NONE",
                    _ => "EPSG",
                };
                // WKT 1 has no words for every CRS; the extension's column has WKT 2.
                let (name, wkt) = (crs.name().to_owned(), crs.to_wkt());
                self.add_srs(&name, (organization, srs_id), UNDEFINED, &wkt)
                    .await
            }
            _ => Ok(()),
        }
    }

    async fn add_srs(
        &mut self,
        name: &str,
        (organization, code): (&'static str, i32),
        wkt1: &str,
        wkt2: &str,
    ) -> Result<(), VectorError> {
        let query = sqlx::query(ADD_SRS)
            .bind(name.to_owned())
            .bind(code)
            .bind(organization)
            .bind(code)
            .bind(wkt1.to_owned())
            .bind(wkt2.to_owned());
        self.run(query).await
    }

    async fn add_extension(
        &mut self,
        (table, column): (&str, &str),
        name: &'static str,
        definition: &'static str,
        scope: &'static str,
    ) -> Result<(), VectorError> {
        let query = sqlx::query(ADD_EXTENSION)
            .bind(table.to_owned())
            .bind(column.to_owned())
            .bind(name)
            .bind(definition)
            .bind(scope);
        self.run(query).await
    }

    /// Appends the rows of a batch; their keys go on from 1.
    ///
    /// # Errors
    /// Where the batch has another schema or a broken geometry; where the file cannot be written.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), VectorError> {
        let geometries = batch.column(self.geometry_place).as_binary_opt::<i32>();
        let (true, Some(geometries)) = (batch.schema() == self.schema, geometries) else {
            return Err(VectorError::Internal {
                file: self.path.clone(),
                what: "a batch has other columns than the layer".to_owned(),
            });
        };
        for row in 0..batch.num_rows() {
            self.rows += 1;
            let blob = match geometries.is_null(row) {
                true => Value::Null,
                false => Value::Blob(self.blob(geometries.value(row))?),
            };
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&self.insert))).bind(self.rows);
            query = bind(query, blob);
            for (place, column) in batch.columns().iter().enumerate() {
                if place != self.geometry_place {
                    query = bind(query, value(column.as_ref(), row));
                }
            }
            self.run(query).await?;
            if self.envelopes.len() >= INDEX_ROWS {
                self.fill_index().await?;
            }
        }
        Ok(())
    }

    /// Makes the blob of the geometry of the current row and notes its envelope.
    fn blob(&mut self, wkb: &[u8]) -> Result<Vec<u8>, VectorError> {
        let (blob, bounds) = self.blobs.blob(wkb).map_err(|what| {
            VectorError::broken(&self.path, format!("feature {}", self.rows), what)
        })?;
        if let Some(bounds) = bounds {
            self.envelopes.push((self.rows, bounds));
            self.bounds = Some(self.bounds.map_or(bounds, |whole| Bounds {
                min_x: whole.min_x.min(bounds.min_x),
                min_y: whole.min_y.min(bounds.min_y),
                max_x: whole.max_x.max(bounds.max_x),
                max_y: whole.max_y.max(bounds.max_y),
            }));
        }
        Ok(blob)
    }

    async fn fill_index(&mut self) -> Result<(), VectorError> {
        let row =
            |(key, b): &(i64, Bounds)| serde_json::json!([key, b.min_x, b.max_x, b.min_y, b.max_y]);
        let rows: serde_json::Value = self.envelopes.iter().map(row).collect();
        self.envelopes.clear();
        let sql = self.names().fill_index();
        self.run(sqlx::query(AssertSqlSafe(sql)).bind(rows.to_string()))
            .await
    }

    /// Completes the file and closes it; returns the number of rows.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub async fn finish(mut self) -> Result<u64, VectorError> {
        self.fill_index().await?;
        if let Some(bounds) = self.bounds {
            let query = sqlx::query(SET_BOUNDS)
                .bind(bounds.min_x)
                .bind(bounds.min_y)
                .bind(bounds.max_x)
                .bind(bounds.max_y)
                .bind(self.layer.name.clone());
            self.run(query).await?;
        }
        for trigger in self.names().triggers() {
            self.run(sqlx::query(AssertSqlSafe(trigger))).await?;
        }
        self.run(sqlx::query("COMMIT")).await?;
        let closed = self.connection.close().await;
        closed.map_err(|error| failed(&self.path, &error))?;
        Ok(self.rows.unsigned_abs())
    }

    fn names(&self) -> LayerNames<'_> {
        LayerNames {
            table: &self.layer.name,
            key: &self.key,
            geometry: &self.layer.geometry,
        }
    }

    async fn run(&mut self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<(), VectorError> {
        let done = query.execute(&mut self.connection).await;
        done.map(drop).map_err(|error| failed(&self.path, &error))
    }
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(number) => query.bind(number),
        Value::Real(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Blob(bytes) => query.bind(bytes),
    }
}

fn failed(path: &Path, error: &sqlx::Error) -> VectorError {
    let what = match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    };
    VectorError::Write {
        file: path.to_owned(),
        what,
    }
}

/// Returns the number that a CRS has in the file.
fn srs_id(crs: Option<&Crs>) -> i32 {
    let [(_, undefined), _] = UNDEFINED_SRS;
    let code = |crs: &Crs| crs.epsg().and_then(|code| i32::try_from(code).ok());
    crs.map_or(undefined, |crs| code(crs).unwrap_or(OWN_SRS_ID))
}

fn geometry_place(
    path: &Path,
    layer: &GeoPackageLayer,
    schema: &SchemaRef,
) -> Result<usize, VectorError> {
    let refused = |what: String| VectorError::Write {
        file: path.to_owned(),
        what,
    };
    let name = layer.name.to_ascii_lowercase();
    if name.is_empty() || RESERVED.iter().any(|begin| name.starts_with(begin)) {
        let what = format!(
            "\"{}\" cannot be the name of a layer: names with gpkg_, rtree_ or sqlite_ belong to others",
            layer.name
        );
        return Err(refused(what));
    }
    if schema.fields().len() >= COLUMNS_MAX {
        return Err(VectorError::Limit {
            file: path.to_owned(),
            what: format!("a GeoPackage with {} columns", schema.fields().len()),
            limit: format!(
                "COLUMNS_MAX of {COLUMNS_MAX} columns with its key; GeoParquet has none"
            ),
        });
    }
    let place = schema.index_of(&layer.geometry).ok();
    let is_binary = |place: &usize| schema.field(*place).data_type() == &DataType::Binary;
    place
        .filter(is_binary)
        .ok_or_else(|| refused(format!("there is no geometry in \"{}\"", layer.geometry)))
}

/// Returns names and types of the columns beside the geometry.
fn columns(
    path: &Path,
    schema: &SchemaRef,
    geometry_place: usize,
) -> Result<Vec<(String, &'static str)>, VectorError> {
    let mut taken = vec![schema.field(geometry_place).name().clone()];
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        if place == geometry_place {
            continue;
        }
        let Some(type_name) = type_name(field.data_type()) else {
            return Err(VectorError::Write {
                file: path.to_owned(),
                what: format!(
                    "a GeoPackage has no type for {} of column \"{}\": write GeoParquet",
                    field.data_type(),
                    field.name()
                ),
            });
        };
        let name = free_name(field.name(), taken.iter());
        taken.push(name.clone());
        columns.push((name, type_name));
    }
    Ok(columns)
}

/// Returns the name, or the name with the first number that no other has; case does not count.
fn free_name<'a>(name: &str, taken: impl Iterator<Item = &'a String> + Clone) -> String {
    let is_free = |candidate: &String| {
        !taken
            .clone()
            .any(|other| other.eq_ignore_ascii_case(candidate))
    };
    let numbered = (2..).map(|number: u64| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    // There are more numbers than names.
    candidates.find(is_free).unwrap_or_else(|| name.to_owned())
}
