//! A table in PostgreSQL, under the names of JRC's CbM: `dias_catalogue`, `sigs`, `hists`.
//!
//! 1. One transaction, which a second copy waits for. What is there must be of the same table.
//! 2. Rows come in the order of parcels and go in with COPY. The first row of an observation finds or makes its
//!    row in `dias_catalogue` and removes what an earlier copy had of it.
//! 3. Observations that the table has no more are removed.
//!
//! So a copy may be repeated: it leaves what one copy of the table as it is now would. `pid` is the row in the
//! version of the parcel set; `parcels` names them.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type, TimestampMicrosecondType};
use chrono::DateTime;
use futures::TryStreamExt;
use serde::Serialize;
use swath_db::{CopyRows, Database, DbError, Migration, Row, Schema, SqlValue, Transaction};

use crate::ExtractError;
use crate::table::{ExtractTable, IndexCache, SeriesReader, SeriesRequest, Snapshot, TableKind};

/// What a copy keeps in a database.
const SCHEMA: Schema = Schema {
    component: "sigs",
    migrations: &[Migration {
        number: 1,
        name: "sigs",
        sqlite: "",
        postgres: include_str!("../migrations/0001_sigs.postgres.sql"),
    }],
    functions: &[],
};
/// Text of one COPY, in bytes.
const COPY_BYTES: usize = 8 << 20;
/// Bytes of indexes that the reader keeps.
const INDEX_BYTES: u64 = 64 << 20;
/// Most observations of a table.
const OBSERVATIONS_MAX: usize = 5_000_000;
/// Columns that are read of the table of statistics.
const COLUMNS: [&str; 14] = [
    "parcel",
    "parcel_id",
    "datetime",
    "collection",
    "item_id",
    "band",
    "pass",
    "count",
    "mean",
    "stdev",
    "min",
    "max",
    "p25",
    "p50",
];

/// What a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    /// Observations in `dias_catalogue`.
    pub observations: u64,
    /// Rows in `sigs`.
    pub rows: u64,
    /// Rows in `hists`.
    pub histograms: u64,
    /// Observations that an earlier copy had and the table has no more.
    pub removed: u64,
}

/// Copies a table as it is now to the database at `url` (`postgres://…`); its search path says to which schema.
///
/// `shown` hears how many rows have been copied so far.
///
/// # Errors
/// Where the database cannot be reached or holds a copy of another table; then nothing of it is changed.
pub async fn copy_to_postgres(
    table: &ExtractTable,
    url: &str,
    shown: &(dyn Fn(u64) + Sync),
) -> Result<CopyReport, ExtractError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(ExtractError::Options {
            reason: "a table is copied to postgres://USER@HOST:PORT/DATABASE".to_owned(),
        });
    }
    let href = table.store().href();
    let failed = |error: DbError| ExtractError::Ledger {
        href: href.clone(),
        reason: error.to_string(),
    };
    let database = Database::open(url, &SCHEMA).await.map_err(failed)?;
    let copied = async {
        let snapshot = table.snapshot().await?;
        let classes = table.classes().await?;
        let transaction = database.begin().await.map_err(failed)?;
        let mut copy = Copy {
            href: href.clone(),
            database: &database,
            transaction,
            known: BTreeMap::new(),
            ids: HashMap::new(),
            pids: HashSet::new(),
            report: CopyReport::default(),
        };
        copy.claim(table, snapshot.version()).await?;
        copy.statistics(table, &snapshot, shown).await?;
        if let Some(classes) = classes {
            copy.classes(table, &classes).await?;
        }
        copy.remove_gone().await?;
        let Copy {
            transaction,
            report,
            ..
        } = copy;
        transaction.commit().await.map_err(failed)?;
        Ok(report)
    };
    let copied = copied.await;
    database.close().await;
    copied
}

/// A copy under way.
struct Copy<'a> {
    href: String,
    database: &'a Database,
    transaction: Transaction,
    /// Observations that an earlier copy left, by reference.
    known: BTreeMap<String, i64>,
    /// Observations of this copy, by reference.
    ids: HashMap<String, i64>,
    /// Parcels whose names are there.
    pids: HashSet<i32>,
    report: CopyReport,
}

impl Copy<'_> {
    fn failed(&self) -> impl Fn(DbError) -> ExtractError + use<> {
        let href = self.href.clone();
        move |error| ExtractError::Ledger {
            href: href.clone(),
            reason: error.to_string(),
        }
    }

    async fn execute(&mut self, statement: &swath_db::Statement) -> Result<u64, ExtractError> {
        let failed = self.failed();
        self.transaction.execute(statement).await.map_err(failed)
    }

    async fn fetch(&mut self, statement: &swath_db::Statement) -> Result<Vec<Row>, ExtractError> {
        let failed = self.failed();
        self.transaction.fetch(statement).await.map_err(failed)
    }

    /// Makes the database that of this table, or finds that it is.
    async fn claim(&mut self, table: &ExtractTable, version: i64) -> Result<(), ExtractError> {
        let configuration = table.configuration();
        let options = serde_json::to_string(&configuration.options).unwrap_or_default();
        let mut lock = self.database.statement();
        lock.push("LOCK TABLE swath_copy IN EXCLUSIVE MODE");
        self.execute(&lock).await?;
        let mut select = self.database.statement();
        select.push("SELECT collection, parcel_set, set_version, options FROM swath_copy");
        let asked = [
            &configuration.collection,
            &configuration.set,
            &configuration.version,
            &options,
        ];
        if let Some(row) = self.fetch(&select).await?.first() {
            for (column, asked) in asked.into_iter().enumerate() {
                let there = row.some_text(column).map_err(self.failed())?;
                if there != *asked {
                    return Err(ExtractError::Options {
                        reason: format!(
                            "the database holds a copy of another table (\"{there}\", not \"{asked}\"); name another schema: postgres://…?options[search_path]=NAME"
                        ),
                    });
                }
            }
        }
        let mut put = self.database.statement();
        put.push("INSERT INTO swath_copy (collection, parcel_set, set_version, options, table_version) VALUES ");
        put.bind_list::<SqlValue>([
            configuration.collection.as_str().into(),
            configuration.set.as_str().into(),
            configuration.version.as_str().into(),
            options.into(),
            version.into(),
        ]);
        put.push(" ON CONFLICT (only_row) DO UPDATE SET table_version = excluded.table_version");
        self.execute(&put).await?;
        let mut select = self.database.statement();
        select.push("SELECT reference, id::BIGINT FROM dias_catalogue");
        for row in self.fetch(&select).await? {
            let failed = self.failed();
            let reference = row.some_text(0).map_err(&failed)?;
            self.known
                .insert(reference, row.some_integer(1).map_err(&failed)?);
        }
        let mut select = self.database.statement();
        select.push("SELECT pid::BIGINT FROM parcels");
        for row in self.fetch(&select).await? {
            let pid = row.some_integer(0).map_err(self.failed())?;
            self.pids.insert(i32::try_from(pid).unwrap_or(i32::MAX));
        }
        Ok(())
    }

    async fn statistics(
        &mut self,
        table: &ExtractTable,
        snapshot: &Snapshot,
        shown: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExtractError> {
        let kind = TableKind::Extracts;
        let reader = SeriesReader::new(
            table.store().writer(kind)?,
            kind,
            IndexCache::new(INDEX_BYTES),
        );
        let columns = COLUMNS.iter().chain(["p75"].iter());
        let request = SeriesRequest {
            columns: columns.map(|name| (*name).to_owned()).collect(),
            ..SeriesRequest::default()
        };
        let mut batches = reader.rows(snapshot, &request);
        let (mut sigs, mut names) = (CopyRows::default(), CopyRows::default());
        while let Some(batch) = batches.try_next().await? {
            let found = Observed::of(&batch)?;
            for row in 0..batch.num_rows() {
                let id = self.observation(&found, row).await?;
                let pid = found.parcel.value(row);
                if self.pids.insert(pid) {
                    names
                        .value(&i64::from(pid).into())
                        .text(found.parcel_id.value(row));
                    names.end_row();
                }
                push_statistics(&mut sigs, &batch, (pid, id, found.band.value(row)), row);
                self.report.rows += 1;
            }
            if sigs.len() >= COPY_BYTES {
                self.copy_statistics(&mut sigs, &mut names).await?;
                shown(self.report.rows);
            }
        }
        self.copy_statistics(&mut sigs, &mut names).await?;
        shown(self.report.rows);
        Ok(())
    }

    async fn copy_statistics(
        &mut self,
        sigs: &mut CopyRows,
        names: &mut CopyRows,
    ) -> Result<(), ExtractError> {
        let failed = self.failed();
        if !names.is_empty() {
            let names = std::mem::take(names);
            let copy = "COPY parcels (pid, parcel_id) FROM STDIN";
            self.transaction
                .copy_in(copy, &names)
                .await
                .map_err(&failed)?;
        }
        if !sigs.is_empty() {
            let sigs = std::mem::take(sigs);
            let copy = "COPY sigs (pid, obsid, band, count, mean, std, min, max, p25, p50, p75) FROM STDIN";
            self.transaction
                .copy_in(copy, &sigs)
                .await
                .map_err(&failed)?;
        }
        Ok(())
    }

    /// Returns the id of the observation that a row belongs to; the first row of it makes it new.
    async fn observation(&mut self, found: &Observed<'_>, row: usize) -> Result<i64, ExtractError> {
        let reference = found.item_id.value(row);
        if let Some(id) = self.ids.get(reference) {
            return Ok(*id);
        }
        if self.ids.len() >= OBSERVATIONS_MAX {
            return Err(ExtractError::Limit {
                reason: format!("more than {OBSERVATIONS_MAX} observations in one copy"),
            });
        }
        let id = match self.known.get(reference) {
            Some(id) => {
                let id = *id;
                self.clear(id).await?;
                id
            }
            None => self.new_observation(found, row).await?,
        };
        self.ids.insert(reference.to_owned(), id);
        self.report.observations += 1;
        Ok(id)
    }

    async fn new_observation(
        &mut self,
        found: &Observed<'_>,
        row: usize,
    ) -> Result<i64, ExtractError> {
        let instant = DateTime::from_timestamp_micros(found.datetime.value(row));
        let instant = instant.unwrap_or_default().naive_utc();
        let text = |value: Option<&str>| SqlValue::Text(value.map(str::to_owned));
        let mut insert = self.database.statement();
        insert.push("INSERT INTO dias_catalogue (obstime, reference, sensor, card) VALUES (CAST(");
        insert
            .bind(instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
            .push(" AS TIMESTAMP), ")
            .bind(found.item_id.value(row))
            .push(", ")
            .bind(text(sensor_of(found.pass.value(row))))
            .push(", ")
            .bind(text(card_of(found.collection.value(row))))
            .push(") RETURNING id::BIGINT");
        let rows = self.fetch(&insert).await?;
        match rows.first() {
            Some(row) => row.some_integer(0).map_err(self.failed()),
            None => Err(ExtractError::Ledger {
                href: self.href.clone(),
                reason: "an observation was not written".to_owned(),
            }),
        }
    }

    /// Removes the rows of an observation.
    async fn clear(&mut self, id: i64) -> Result<(), ExtractError> {
        for delete in [
            "DELETE FROM sigs WHERE obsid = ",
            "DELETE FROM hists WHERE obsid = ",
        ] {
            let mut statement = self.database.statement();
            statement.push(delete).bind(id);
            self.execute(&statement).await?;
        }
        Ok(())
    }

    async fn classes(
        &mut self,
        table: &ExtractTable,
        snapshot: &Snapshot,
    ) -> Result<(), ExtractError> {
        let kind = TableKind::Classes;
        let reader = SeriesReader::new(
            table.store().writer(kind)?,
            kind,
            IndexCache::new(INDEX_BYTES),
        );
        let columns = ["parcel", "datetime", "item_id", "class", "count"];
        let request = SeriesRequest {
            columns: columns.map(str::to_owned).to_vec(),
            ..SeriesRequest::default()
        };
        let mut batches = reader.rows(snapshot, &request);
        // All classes of a parcel follow each other.
        let (mut pid, mut counts) = (i32::MIN, BTreeMap::new());
        let mut hists = CopyRows::default();
        while let Some(batch) = batches.try_next().await? {
            let parcel = column(&batch, "parcel")?.as_primitive::<Int32Type>();
            let item = column(&batch, "item_id")?.as_string::<i32>();
            let class = column(&batch, "class")?.as_primitive::<Int32Type>();
            let count = column(&batch, "count")?.as_primitive::<Float32Type>();
            for row in 0..batch.num_rows() {
                if parcel.value(row) != pid {
                    self.push_histograms(&mut hists, pid, &mut counts);
                    pid = parcel.value(row);
                }
                // A class count without statistics belongs to no observation.
                if let Some(id) = self.ids.get(item.value(row)) {
                    let classes: &mut BTreeMap<i32, f32> = counts.entry(*id).or_default();
                    *classes.entry(class.value(row)).or_default() += count.value(row);
                }
            }
            if hists.len() >= COPY_BYTES {
                self.copy_histograms(&mut hists).await?;
            }
        }
        self.push_histograms(&mut hists, pid, &mut counts);
        self.copy_histograms(&mut hists).await
    }

    fn push_histograms(
        &mut self,
        hists: &mut CopyRows,
        pid: i32,
        counts: &mut BTreeMap<i64, BTreeMap<i32, f32>>,
    ) {
        for (id, classes) in std::mem::take(counts) {
            let pairs: Vec<String> = classes
                .iter()
                .map(|(class, count)| format!("\"{class}\": {count}"))
                .collect();
            hists.value(&i64::from(pid).into()).value(&id.into());
            hists.text(&format!("{{{}}}", pairs.join(", ")));
            hists.end_row();
            self.report.histograms += 1;
        }
    }

    async fn copy_histograms(&mut self, hists: &mut CopyRows) -> Result<(), ExtractError> {
        if hists.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(hists);
        let failed = self.failed();
        let copy = "COPY hists (pid, obsid, hist) FROM STDIN";
        let copied = self.transaction.copy_in(copy, &rows).await;
        copied.map(|_| ()).map_err(failed)
    }

    /// Removes the observations that the table has no more.
    async fn remove_gone(&mut self) -> Result<(), ExtractError> {
        let gone: Vec<i64> = self
            .known
            .iter()
            .filter(|(reference, _)| !self.ids.contains_key(*reference))
            .map(|(_, id)| *id)
            .collect();
        for id in gone {
            self.clear(id).await?;
            let mut delete = self.database.statement();
            delete
                .push("DELETE FROM dias_catalogue WHERE id = ")
                .bind(id);
            self.execute(&delete).await?;
            self.report.removed += 1;
        }
        Ok(())
    }
}

/// Columns of a batch that say which observation a row belongs to.
struct Observed<'a> {
    parcel: &'a arrow::array::Int32Array,
    parcel_id: &'a arrow::array::StringArray,
    datetime: &'a arrow::array::TimestampMicrosecondArray,
    collection: &'a arrow::array::StringArray,
    item_id: &'a arrow::array::StringArray,
    band: &'a arrow::array::StringArray,
    pass: &'a arrow::array::StringArray,
}

impl<'a> Observed<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ExtractError> {
        let text = |name| Ok::<_, ExtractError>(column(batch, name)?.as_string::<i32>());
        Ok(Self {
            parcel: column(batch, "parcel")?.as_primitive::<Int32Type>(),
            parcel_id: text("parcel_id")?,
            datetime: column(batch, "datetime")?.as_primitive::<TimestampMicrosecondType>(),
            collection: text("collection")?,
            item_id: text("item_id")?,
            band: text("band")?,
            pass: text("pass")?,
        })
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ExtractError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ExtractError::Options {
            reason: format!("the table has no column \"{name}\""),
        })
}

fn push_statistics(
    rows: &mut CopyRows,
    batch: &RecordBatch,
    (pid, id, band): (i32, i64, &str),
    row: usize,
) {
    rows.value(&i64::from(pid).into())
        .value(&id.into())
        .text(band);
    for name in ["count", "mean", "stdev", "min", "max", "p25", "p50", "p75"] {
        let values = batch.column_by_name(name);
        let values = values.map(|values| values.as_primitive::<Float32Type>());
        let value = values.filter(|values| values.is_valid(row));
        let value = value.map(|values| shortest(values.value(row)));
        rows.value(&SqlValue::Real(value));
    }
    rows.end_row();
}

/// Returns the number whose shortest text is that of the 32-bit one, so that `0.1` stays `0.1`.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Returns `1A`, `2B`, … of a pass of a Sentinel satellite.
fn sensor_of(pass: &str) -> Option<&'static str> {
    const SENSORS: [(&str, &str); 8] = [
        ("sentinel-1a", "1A"),
        ("sentinel-1b", "1B"),
        ("sentinel-1c", "1C"),
        ("sentinel-1d", "1D"),
        ("sentinel-2a", "2A"),
        ("sentinel-2b", "2B"),
        ("sentinel-2c", "2C"),
        ("sentinel-2d", "2D"),
    ];
    let found = SENSORS.iter().find(|(name, _)| pass.starts_with(name));
    found.map(|(_, sensor)| *sensor)
}

/// Returns the two letters that CbM has for a collection: `s2`, `bs` (backscatter), `c6` (coherence).
fn card_of(collection: &str) -> Option<&'static str> {
    const CARDS: [(&str, &str); 3] = [("sentinel-2", "s2"), ("-bs", "bs"), ("-coh6", "c6")];
    let found = CARDS.iter().find(|(part, _)| collection.contains(part));
    found.map(|(_, card)| *card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cbm() {
        assert_eq!(sensor_of("sentinel-2a_20210601T103021"), Some("2A"));
        assert_eq!(sensor_of("landsat-8_1"), None);
        assert_eq!(card_of("s1-card-bs"), Some("bs"));
        assert_eq!(card_of("s1-card-coh6"), Some("c6"));
        assert_eq!(card_of("sentinel-2-l2a"), Some("s2"));
        assert_eq!(card_of("chirps"), None);
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(shortest(0.1), 0.1);
        assert!(shortest(f32::NAN).is_nan());
        assert_eq!(shortest(f32::MAX) as f32, f32::MAX);
    }
}
