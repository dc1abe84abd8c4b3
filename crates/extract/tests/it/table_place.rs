//! Where tests keep a table, and the rows that they put into it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sqlx::Connection;
use swath_access::Viewer;
use swath_db::Database;
use swath_extract::ExtractError;
use swath_extract::table::{
    COMMIT_LEDGER, CommitNumbers, DataFile, ExtractTable, Snapshot, TableConfiguration, TableKind,
    TableStore, UnitResult, classes_schema, extracts_schema, month_of, write_data_file,
};
use swath_io::{AwsEnvironment, StoreConfig, Stores};
use swath_testkit::FaultServer;
use swath_testkit::server::{ConditionalPut, Options};

/// Begin of the season, in microseconds since 1970: 2021-04-01.
const SEASON_US: i64 = 1_617_235_200_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Bands of every unit.
pub const BANDS: [&str; 2] = ["B04", "B08"];

/// The kinds of stores that every test runs on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlaceKind {
    Folder,
    S3,
    /// An S3 server without conditional writes; a SQLite file decides.
    Ledger,
    /// As [`PlaceKind::Ledger`]; a PostgreSQL server decides, where there is one, else a SQLite file.
    PostgresLedger,
}

pub const ALL: [PlaceKind; 3] = [PlaceKind::Folder, PlaceKind::S3, PlaceKind::Ledger];

/// Returns the URL of an empty schema in the PostgreSQL server that `SWATH_TEST_POSTGRES` names or the
/// script of the repository starts.
async fn postgres_schema() -> Option<String> {
    let server = match std::env::var("SWATH_TEST_POSTGRES") {
        Ok(url) => url,
        Err(_) => {
            let script = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../scripts/services/postgis.sh"
            );
            let output = std::process::Command::new("bash")
                .arg(script)
                .arg("up")
                .output()
                .ok()?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr);
                println!("skipped: PostgreSQL: {}", reason.trim());
                return None;
            }
            String::from_utf8(output.stdout).ok()?.trim().to_owned()
        }
    };
    let folder = tempfile::tempdir().expect("a name");
    let name = folder
        .path()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .to_lowercase();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut connection = sqlx::PgConnection::connect(&server)
        .await
        .expect("the server");
    let made = format!("CREATE SCHEMA {name}");
    let made = sqlx::query(sqlx::AssertSqlSafe(made))
        .execute(&mut connection)
        .await;
    made.expect("a schema");
    Some(format!("{server}&options[search_path]={name},public"))
}

/// A place for a table that goes away with the value.
pub struct Place {
    folder: PathBuf,
    /// Removes the folder at the end.
    holder: Option<tempfile::TempDir>,
    pub server: Option<FaultServer>,
    pub ledger: Option<Database>,
}

impl Place {
    pub async fn new(kind: PlaceKind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = Self::at(kind, folder.path().to_owned()).await;
        place.holder = Some(folder);
        place
    }

    /// Returns a place in a folder that stays.
    pub async fn at(kind: PlaceKind, folder: PathBuf) -> Self {
        let served = folder.join("served");
        std::fs::create_dir_all(&served).expect("a folder");
        let start = |conditional_put| {
            let options = Options {
                is_s3: true,
                conditional_put,
                ..Options::default()
            };
            FaultServer::start(&served, options).expect("a server")
        };
        let server = match kind {
            PlaceKind::Folder => None,
            PlaceKind::S3 => Some(start(ConditionalPut::Atomic)),
            PlaceKind::Ledger | PlaceKind::PostgresLedger => {
                Some(start(ConditionalPut::NotImplemented))
            }
        };
        let file = format!("sqlite:{}", folder.join("ledger.sqlite").display());
        let url = match kind {
            PlaceKind::Folder | PlaceKind::S3 => None,
            PlaceKind::Ledger => Some(file),
            PlaceKind::PostgresLedger => Some(postgres_schema().await.unwrap_or(file)),
        };
        let ledger = match url {
            Some(url) => Some(
                Database::open(&url, &COMMIT_LEDGER)
                    .await
                    .expect("a database"),
            ),
            None => None,
        };
        Self {
            folder,
            holder: None,
            server,
            ledger,
        }
    }

    /// Returns the folder that the table's objects lie in, whatever the store.
    pub fn root(&self) -> PathBuf {
        self.folder.join("served/table")
    }

    pub fn server(&self) -> &FaultServer {
        self.server.as_ref().expect("a place with a server")
    }

    /// Returns the store as a new process would open it.
    pub fn store(&self) -> TableStore {
        let mut environment = AwsEnvironment::default();
        let mut named = BTreeMap::new();
        let root = match &self.server {
            None => self.root().to_string_lossy().into_owned(),
            Some(server) => {
                let variables = [
                    ("X_ACCESS_KEY_ID", server.access_key()),
                    ("X_SECRET_ACCESS_KEY", server.secret_key()),
                ];
                let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
                environment.variables = variables.into();
                let config = StoreConfig {
                    prefix: format!("s3://{}/", server.bucket()),
                    endpoint: Some(server.endpoint()),
                    credentials: Some("x".into()),
                    timeout_s: Some(2),
                    ..StoreConfig::default()
                };
                named.insert("x".to_owned(), config);
                "x:table".to_owned()
            }
        };
        let stores = Stores::for_command_line(named, environment);
        let writer = stores.writer(&Viewer::operator(), &root).expect("a writer");
        let numbers = match &self.ledger {
            Some(ledger) => CommitNumbers::Ledger(ledger.clone()),
            None => CommitNumbers::ConditionalPut,
        };
        TableStore::new(writer, numbers)
    }

    /// Makes the table, or opens it, as a new process would.
    pub async fn table(&self) -> ExtractTable {
        let made = ExtractTable::create(self.store(), &configuration()).await;
        made.expect("a table")
    }

    /// Opens a table that cannot be opened.
    pub async fn table_error(&self) -> ExtractError {
        let opened = ExtractTable::open(self.store()).await;
        opened.expect_err("a damaged table")
    }
}

pub fn configuration() -> TableConfiguration {
    TableConfiguration {
        collection: "sentinel-2-l2a".into(),
        set: "fields".into(),
        version: "1".into(),
        options: BTreeMap::from([("buffer".into(), "-5".into())]),
    }
}

/// Returns a number that depends on its arguments only (SplitMix64).
pub fn mixed(seed: u64) -> u64 {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// One unit of a season: a day, and the parcels of a tile.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    pub day: i64,
    pub tile: i32,
    pub revision: i64,
    /// Parcels of the tile.
    pub parcels: i32,
}

impl Unit {
    pub fn of(day: i64, tile: i32) -> Self {
        Self {
            day,
            tile,
            revision: 1,
            parcels: 40,
        }
    }

    pub fn revised(self) -> Self {
        Self {
            revision: self.revision + 1,
            ..self
        }
    }

    pub fn key(self) -> String {
        format!("S2A GS{}/T{:02}", self.day, self.tile)
    }

    fn pass(self) -> String {
        format!("S2A GS{}", self.day)
    }

    fn item(self) -> String {
        format!("S2A_T{:02}_{:03}_r{}", self.tile, self.day, self.revision)
    }

    fn datetime_us(self) -> i64 {
        SEASON_US + self.day * DAY_US + 36_000_123_456 + i64::from(self.tile)
    }

    fn keys(self, rows_of_band: &[(i32, &str)]) -> Vec<ArrayRef> {
        let texts = |text: &dyn Fn(&(i32, &str)) -> String| -> ArrayRef {
            Arc::new(
                rows_of_band
                    .iter()
                    .map(|row| Some(text(row)))
                    .collect::<StringArray>(),
            )
        };
        let instants = vec![self.datetime_us(); rows_of_band.len()];
        vec![
            Arc::new(
                rows_of_band
                    .iter()
                    .map(|row| Some(row.0))
                    .collect::<Int32Array>(),
            ),
            texts(&|row| format!("{:08}", row.0 * 7)),
            Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC")),
            texts(&|_| "sentinel-2-l2a".to_owned()),
            texts(&|_| self.item()),
            texts(&|row| row.1.to_owned()),
        ]
    }

    /// Returns its rows of statistics, parcels from the last to the first: files are sorted, these are not.
    pub fn extracts(self) -> RecordBatch {
        let first = self.tile * self.parcels;
        let parcels = (first..first + self.parcels).rev();
        let rows: Vec<(i32, &str)> = parcels
            .flat_map(|parcel| BANDS.map(|band| (parcel, band)))
            .collect();
        let noise = |column: u64| -> ArrayRef {
            let values = rows.iter().enumerate().map(|(row, (parcel, _))| {
                let seed =
                    (row as u64) << 40 ^ (*parcel as u64) << 8 ^ column << 60 ^ self.day as u64;
                let share =
                    (mixed(seed ^ (self.revision as u64) << 32) >> 40) as f32 / (1 << 24) as f32;
                // A cloud: nothing was seen.
                (!mixed(seed).is_multiple_of(11)).then_some(share * 0.3 + 0.05)
            });
            Arc::new(values.collect::<Float32Array>())
        };
        let mut columns = self.keys(&rows);
        columns.push(Arc::new(
            rows.iter()
                .map(|_| Some(self.pass()))
                .collect::<StringArray>(),
        ));
        columns.push(Arc::new(Int16Array::from(vec![Some(37); rows.len()])));
        columns.push(Arc::new(StringArray::from(vec![None::<&str>; rows.len()])));
        let counts = rows.iter().map(|row| Some(row.0 as f32 * 1.37));
        columns.push(Arc::new(counts.collect::<Float32Array>()));
        columns.push(Arc::new(Float32Array::from(vec![1.0; rows.len()])));
        columns.extend((0..7).map(noise));
        RecordBatch::try_new(extracts_schema(), columns).expect("columns of the table")
    }

    /// Returns its rows of classes.
    pub fn classes(self) -> RecordBatch {
        let first = self.tile * self.parcels;
        let rows: Vec<(i32, &str)> = (first..first + self.parcels)
            .map(|parcel| (parcel, "SCL"))
            .collect();
        let mut columns = self.keys(&rows);
        columns.push(Arc::new(
            rows.iter()
                .map(|row| Some(row.0 % 12))
                .collect::<Int32Array>(),
        ));
        columns.push(Arc::new(
            rows.iter()
                .map(|row| Some(row.0 as f32))
                .collect::<Float32Array>(),
        ));
        RecordBatch::try_new(classes_schema(), columns).expect("columns of the table")
    }

    /// Writes its files as a task does, under a name of `attempt`.
    pub async fn run(self, store: &TableStore, attempt: &str) -> Result<UnitResult, ExtractError> {
        let path = format!(
            "data/{}-{}/r{}-{attempt}.parquet",
            self.day, self.tile, self.revision
        );
        let configuration = configuration();
        let write = async |kind, batch| -> Result<Option<DataFile>, ExtractError> {
            write_data_file(store, kind, &path, vec![batch], &configuration).await
        };
        Ok(UnitResult {
            unit: self.key(),
            revision: self.revision,
            inputs: mixed(self.day as u64 ^ (self.revision as u64) << 32),
            month: month_of(self.datetime_us()),
            item_id: self.item(),
            items: vec![self.item()],
            extracts: write(TableKind::Extracts, self.extracts()).await?,
            classes: write(TableKind::Classes, self.classes()).await?,
            reason: None,
        })
    }
}

/// Returns the units of a season: every second day, two tiles.
pub fn season(days: i64) -> Vec<Unit> {
    let units = (0..days).flat_map(|day| [Unit::of(day * 2, 0), Unit::of(day * 2, 1)]);
    units.collect()
}

/// Reads all rows of a snapshot, in the order of parcel, band, datetime and item.
pub async fn rows_of(table: &ExtractTable, kind: TableKind, snapshot: &Snapshot) -> RecordBatch {
    let mut batches = Vec::new();
    for file in snapshot.files() {
        let asset = table.store().asset(kind, &file.path).expect("an asset");
        let read = asset
            .read(0..file.size_bytes, None)
            .await
            .expect("a data file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(read.bytes).expect("a Parquet file");
        for batch in reader.build().expect("a reader") {
            batches.push(batch.expect("rows"));
        }
    }
    let whole = concat_batches(&kind.schema(), &batches).expect("one schema");
    sorted(&whole)
}

/// Puts rows in the order of all key columns.
pub fn sorted(batch: &RecordBatch) -> RecordBatch {
    let names = ["parcel", "band", "datetime", "item_id", "class"];
    let columns = names.iter().filter_map(|name| batch.column_by_name(name));
    let columns: Vec<_> = columns
        .map(|column| arrow::compute::SortColumn {
            values: column.clone(),
            options: None,
        })
        .collect();
    let indices = arrow::compute::lexsort_to_indices(&columns, None).expect("sortable");
    arrow::compute::take_record_batch(batch, &indices).expect("rows")
}

/// Returns the rows that a table of these units must have.
pub fn expected(units: &[Unit], kind: TableKind) -> RecordBatch {
    let batches = units.iter().map(|unit| match kind {
        TableKind::Extracts => unit.extracts(),
        TableKind::Classes => unit.classes(),
    });
    let batches: Vec<RecordBatch> = batches.collect();
    sorted(&concat_batches(&kind.schema(), &batches).expect("one schema"))
}

/// Asserts that a table holds these units, each row once, bit for bit, and has no defect.
pub async fn assert_holds(table: &ExtractTable, units: &[Unit]) {
    let snapshot = table.snapshot().await.expect("a snapshot");
    for unit in units {
        assert_eq!(
            snapshot.revision(&unit.key()),
            Some(unit.revision),
            "{}",
            unit.key()
        );
    }
    let rows = rows_of(table, TableKind::Extracts, &snapshot).await;
    assert_eq!(rows, expected(units, TableKind::Extracts));
    assert_eq!(snapshot.rows(), rows.num_rows() as u64);
    let classes = table.classes().await.expect("a snapshot").expect("classes");
    let rows = rows_of(table, TableKind::Classes, &classes).await;
    assert_eq!(rows, expected(units, TableKind::Classes));
    let report = table
        .check(swath_extract::table::CheckDepth::Rows)
        .await
        .expect("a check");
    assert_eq!(report.defects, []);
}
