//! A table that is open: both of its logs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt};

use super::check::{CheckDepth, CheckReport, check_table};
use super::commit::{UnitFile, commit_units};
use super::compact::{CompactReport, compact_month};
use super::log::TableLog;
use super::vacuum::{VacuumMode, VacuumReport, vacuum_table};
use super::{DataFile, Snapshot, TableConfiguration, TableKind, TableStore, UnitResult};
use crate::ExtractError;

/// Data files that are looked for at once.
const LOOKED_AT_ONCE: usize = 16;
/// Most results of one commit.
const RESULTS_MAX: usize = 50_000;

/// What came of a commit of many results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// Units that this call made done, sorted.
    pub committed: Vec<String>,
    /// Units that were done already, at this revision or a later one, sorted.
    pub already: Vec<String>,
    /// Units whose data file is not there, or not the one that was written, sorted: they must be run
    /// again.
    pub lost: Vec<String>,
    /// Number of the last commit of the table of statistics that this call knows of.
    pub version: i64,
}

/// An extract table: statistics and classes of one collection, parcel set and profile.
///
/// Cloning is cheap; clones share what they know of the log.
#[derive(Debug, Clone)]
pub struct ExtractTable {
    store: TableStore,
    configuration: Arc<TableConfiguration>,
    extracts: TableLog,
    classes: TableLog,
}

impl ExtractTable {
    /// Opens the table; `None` where there is none.
    ///
    /// # Errors
    /// Where the store fails, or the log is damaged, of a newer protocol or of other columns.
    pub async fn open(store: TableStore) -> Result<Option<Self>, ExtractError> {
        let extracts = TableLog::new(&store, TableKind::Extracts)?;
        let Some(snapshot) = extracts.snapshot().await? else {
            return Ok(None);
        };
        let configuration = TableConfiguration::from_metadata(&snapshot.metadata.configuration);
        Ok(Some(Self {
            classes: TableLog::new(&store, TableKind::Classes)?,
            configuration: Arc::new(configuration),
            extracts,
            store,
        }))
    }

    /// Makes the table, or opens the one that is there.
    ///
    /// # Errors
    /// [`ExtractError::OtherTable`] where the one that is there was made with another configuration;
    /// else as [`ExtractTable::open`].
    pub async fn create(
        store: TableStore,
        configuration: &TableConfiguration,
    ) -> Result<Self, ExtractError> {
        configuration.precision()?;
        let table = match Self::open(store.clone()).await? {
            Some(table) => table,
            None => {
                let log = TableLog::new(&store, TableKind::Extracts)?;
                log.create(configuration).await?;
                let made = Self::open(store).await?;
                made.ok_or_else(|| log.damaged("it was made and is not there"))?
            }
        };
        match table.configuration.difference(configuration) {
            None => Ok(table),
            Some(reason) => Err(ExtractError::OtherTable {
                href: table.store.href(),
                reason,
            }),
        }
    }

    /// Returns what it was made with.
    pub fn configuration(&self) -> &TableConfiguration {
        &self.configuration
    }

    /// Returns its place.
    pub fn store(&self) -> &TableStore {
        &self.store
    }

    /// Returns the table of statistics as it is now: one request where nothing is new.
    ///
    /// # Errors
    /// As [`ExtractTable::open`].
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, ExtractError> {
        let snapshot = self.extracts.snapshot().await?;
        snapshot.ok_or_else(|| self.extracts.damaged("it is gone"))
    }

    /// Returns the table of classes as it is now; `None` where no unit had any.
    ///
    /// # Errors
    /// As [`ExtractTable::open`].
    pub async fn classes(&self) -> Result<Option<Arc<Snapshot>>, ExtractError> {
        self.classes.snapshot().await
    }

    /// Makes units done: their rows become part of the table, once, whoever else commits the same.
    ///
    /// A later revision takes the place of the rows of former ones, in the one commit. May be called
    /// again after any failure, and dropped at any time: a unit is done wholly or not at all. Memory:
    /// a few files that are merged; requests: one for each data file, and a few.
    ///
    /// # Errors
    /// [`ExtractError::Contended`] where others commit too often; where the store fails.
    pub async fn commit(&self, results: &[UnitResult]) -> Result<CommitReport, ExtractError> {
        if results.len() > RESULTS_MAX {
            return Err(ExtractError::Limit {
                reason: format!(
                    "{} results in one commit are more than {RESULTS_MAX}",
                    results.len()
                ),
            });
        }
        // Of several results of a unit the latest revision counts; the same revision is the same rows.
        let mut latest: BTreeMap<&str, &UnitResult> = BTreeMap::new();
        for result in results {
            self.check_result(result)?;
            let held = latest.entry(&result.unit).or_insert(result);
            if result.revision > held.revision {
                *held = result;
            }
        }
        let snapshot = self.snapshot().await?;
        let is_open = |result: &&UnitResult| {
            snapshot
                .revision(&result.unit)
                .is_none_or(|revision| revision < result.revision)
        };
        let open: Vec<&UnitResult> = latest.values().copied().filter(is_open).collect();
        let (open, lost) = self.with_files(open).await?;
        self.commit_classes(&open).await?;
        let files = open.iter().map(|result| UnitFile {
            result,
            data: result.extracts.as_ref(),
        });
        let files: Vec<UnitFile> = files.collect();
        let (committed, snapshot) = commit_units(&self.extracts, &self.store, &files).await?;
        let already = latest.keys().filter(|unit| {
            !committed.contains(**unit)
                && lost
                    .binary_search_by(|name| name.as_str().cmp(unit))
                    .is_err()
        });
        Ok(CommitReport {
            already: already.map(|unit| (*unit).to_owned()).collect(),
            committed: committed.into_iter().collect(),
            lost,
            version: snapshot.version(),
        })
    }

    /// Commits the classes of units: before their statistics, which make them done.
    async fn commit_classes(&self, open: &[&UnitResult]) -> Result<(), ExtractError> {
        let snapshot = self.classes.snapshot().await?;
        let has_rows = |unit: &str| {
            let files = snapshot.iter().flat_map(|snapshot| snapshot.files());
            files
                .flat_map(|file| &file.units)
                .any(|held| held.unit == unit)
        };
        let is_known = |unit: &str| {
            snapshot
                .as_ref()
                .is_some_and(|snapshot| snapshot.revision(unit).is_some())
        };
        let files = open.iter().filter(|result| {
            // A unit that has no classes any more loses those of its former revision.
            result.classes.is_some() || (is_known(&result.unit) && has_rows(&result.unit))
        });
        let files = files.map(|result| UnitFile {
            result,
            data: result.classes.as_ref(),
        });
        let files: Vec<UnitFile> = files.collect();
        if files.is_empty() {
            return Ok(());
        }
        if snapshot.is_none() {
            self.classes.create(&self.configuration).await?;
        }
        commit_units(&self.classes, &self.store, &files).await?;
        Ok(())
    }

    /// Refuses results that are none.
    fn check_result(&self, result: &UnitResult) -> Result<(), ExtractError> {
        let wrong = |reason: &str| {
            Err(ExtractError::Table {
                href: self.store.href(),
                reason: format!("the result of unit \"{}\" {reason}", result.unit),
            })
        };
        if result.unit.is_empty() || result.unit.starts_with(super::snapshot::INPUTS_PREFIX) {
            return wrong("has a name that no unit has");
        }
        if result.revision < 1 {
            return wrong("has a revision below 1");
        }
        let is_month =
            chrono::NaiveDate::parse_from_str(&format!("{}-01", result.month), "%Y-%m-%d");
        if is_month.is_err() || result.month.len() != 7 {
            return wrong("has no month of the form YYYY-MM");
        }
        let files = [&result.extracts, &result.classes].into_iter().flatten();
        match files
            .into_iter()
            .any(|file| !file.path.starts_with("data/") || file.rows == 0)
        {
            true => wrong("names a file that is not below data/ or has no rows"),
            false => Ok(()),
        }
    }

    /// Parts results into those whose data files are there and the names of the others, sorted.
    async fn with_files<'a>(
        &self,
        results: Vec<&'a UnitResult>,
    ) -> Result<(Vec<&'a UnitResult>, Vec<String>), ExtractError> {
        let (extracts, classes) = (&self.extracts.writer, &self.classes.writer);
        let looks = results.into_iter().map(|result| async move {
            let files = [(extracts, &result.extracts), (classes, &result.classes)];
            for (writer, file) in files {
                let Some(DataFile {
                    path, size_bytes, ..
                }) = file
                else {
                    continue;
                };
                if writer.size(path).await? != Some(*size_bytes) {
                    return Ok::<_, ExtractError>((result, false));
                }
            }
            Ok((result, true))
        });
        let looks: Vec<_> = looks.collect();
        let looks = futures::stream::iter(looks).buffered(LOOKED_AT_ONCE);
        let found: Vec<(&UnitResult, bool)> = looks.try_collect().await?;
        let (there, lost): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, is_there)| *is_there);
        let lost = lost.into_iter().map(|(result, _)| result.unit.clone());
        Ok((
            there.into_iter().map(|(result, _)| result).collect(),
            lost.collect(),
        ))
    }

    /// Merges the files of a month (`YYYY-MM`), or month by month of all, in both tables. Readers see
    /// the same rows throughout. Memory: about 100 MB; scratch: twice the month where the store is
    /// remote.
    ///
    /// # Errors
    /// [`ExtractError::Contended`] where others commit too often; where a file is damaged or the store
    /// fails. The table holds the same rows then too.
    pub async fn compact(&self, month: Option<&str>) -> Result<CompactReport, ExtractError> {
        let mut report = CompactReport::default();
        for log in [&self.extracts, &self.classes] {
            let Some(snapshot) = log.snapshot().await? else {
                continue;
            };
            let months = match month {
                Some(month) => vec![month.to_owned()],
                None => snapshot.months(),
            };
            for month in months {
                compact_month(log, &self.store, &month, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// Removes objects below the table that no reader and no writer needs: those that nothing refers to
    /// and that are older than `older_than`, which must be longer than the longest job and at least
    /// 7 days; `now` is the time that ages are counted to.
    ///
    /// # Errors
    /// Where `older_than` is too short or too long, or the store fails.
    pub async fn vacuum(
        &self,
        older_than: Duration,
        now: SystemTime,
        mode: VacuumMode,
    ) -> Result<VacuumReport, ExtractError> {
        let logs = [&self.extracts, &self.classes];
        vacuum_table(&logs, older_than, now, mode).await
    }

    /// Looks for what should not be, in both tables; changes nothing.
    ///
    /// # Errors
    /// Where the store fails. What is wrong with the table is in the report.
    pub async fn check(&self, depth: CheckDepth) -> Result<CheckReport, ExtractError> {
        check_table(&self.extracts, &self.classes, &self.store, depth).await
    }
}
