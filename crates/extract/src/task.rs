//! One unit of a plan, measured and written as data files that are not yet part of the table.

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use swath_access::Viewer;
use swath_io::Stores;

use crate::ExtractError;
use crate::extractor::Extractor;
use crate::pass::{UnitRows, UnitSources, class_batch, measure_unit, unit_batch};
use crate::plan::{ExtractPlan, PlannedUnit};
use crate::stages::{Stage, StageTimes};
use crate::table::{DataFile, DataFileBuilder, TableKind, TableStore, UnitResult};

/// What came of a unit: what the committer needs, and what people want to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitOutcome {
    /// For [`crate::table::ExtractTable::commit`].
    pub result: UnitResult,
    /// Parcels with rows.
    pub parcels: u64,
    /// Rows of statistics.
    pub rows: u64,
    /// Rows of class counts.
    pub class_rows: u64,
    /// Stored bytes of the blocks that were read.
    pub bytes: u64,
    /// Where time went, since a unit was measured before in the same process.
    #[serde(default)]
    pub stages: StageTimes,
}

/// Where a unit is measured.
#[derive(Debug, Clone, Copy)]
pub struct UnitDesk<'a> {
    /// The parcels.
    pub extractor: &'a Extractor,
    /// The stores.
    pub stores: &'a Stores,
    /// The table; nothing but data files is written there.
    pub table: &'a TableStore,
    /// What the units have in common.
    pub plan: &'a ExtractPlan,
}

impl UnitDesk<'_> {
    /// Measures a unit and writes its rows to `data/<task>/<token>.parquet`.
    ///
    /// `task` names the work, `token` the attempt: no two attempts may have the same. Whoever is dropped
    /// or fails leaves at most a file that nothing refers to, which a vacuum removes.
    ///
    /// # Errors
    /// [`is_unit_fault`] tells what is wrong with this unit alone from what stops the others too.
    pub async fn measure(
        &self,
        planned: &PlannedUnit,
        task: &str,
        token: &str,
    ) -> Result<UnitOutcome, ExtractError> {
        let unit = &planned.unit;
        let resource = self.plan.collection.resource();
        let viewer = Viewer::operator();
        let sources = UnitSources {
            stores: self.stores,
            viewer: &viewer,
            resource: &resource,
        };
        let mut extracts = self.rows_of(TableKind::Extracts);
        let mut classes = self.rows_of(TableKind::Classes);
        let parcels = &self.extractor.parcels().parcels;
        let parcel_id = |parcel: u32| parcels.id(parcel as usize);
        let meter = self.extractor.meter();
        let mut take = |rows: UnitRows| {
            if !rows.classes.is_empty() {
                let batch = || class_batch(unit, &rows, &parcel_id);
                classes.push(meter.measure(Stage::Write, batch)?)?;
            }
            if !rows.rows.is_empty() {
                let batch = || unit_batch(unit, &rows, &parcel_id);
                extracts.push(meter.measure(Stage::Write, batch)?)?;
            }
            Ok(())
        };
        let options = &self.plan.options;
        let total = measure_unit(self.extractor, sources, unit, options, &mut take).await?;
        let (rows, class_rows) = (extracts.rows, classes.rows);
        let path = format!("data/{task}/{token}.parquet");
        let classes = classes.finish(&path).await?;
        let extracts = extracts.finish(&path).await?;
        Ok(UnitOutcome {
            parcels: total.parcels,
            rows,
            class_rows,
            bytes: total.bytes,
            stages: meter.take(),
            result: UnitResult {
                unit: unit.key.clone(),
                revision: planned.revision,
                inputs: unit.inputs,
                month: unit.month.clone(),
                item_id: unit.first().id.clone(),
                items: unit.item_ids(),
                reason: reason_of(rows + class_rows),
                extracts,
                classes,
            },
        })
    }

    fn rows_of(&self, kind: TableKind) -> UnitFile<'_> {
        UnitFile {
            desk: self,
            kind,
            builder: None,
            rows: 0,
        }
    }
}

/// The file of a unit in one of the tables: begun with its first rows.
struct UnitFile<'a> {
    desk: &'a UnitDesk<'a>,
    kind: TableKind,
    builder: Option<DataFileBuilder>,
    rows: u64,
}

impl UnitFile<'_> {
    fn push(&mut self, batch: RecordBatch) -> Result<(), ExtractError> {
        self.rows += batch.num_rows() as u64;
        let desk = self.desk;
        let mut builder = match self.builder.take() {
            Some(builder) => builder,
            None => {
                let configuration = desk.plan.configuration();
                let builder = DataFileBuilder::new(desk.table, self.kind, &configuration)?;
                let builder = builder.metered(desk.extractor.meter());
                builder.taking_turns(desk.extractor.large_work())
            }
        };
        builder.push(batch)?;
        self.builder = Some(builder);
        Ok(())
    }

    async fn finish(self, path: &str) -> Result<Option<DataFile>, ExtractError> {
        match self.builder {
            Some(builder) => builder.finish(path).await,
            None => Ok(None),
        }
    }
}

/// Returns why a unit has no rows.
fn reason_of(rows: u64) -> Option<String> {
    (rows == 0)
        .then(|| "no parcel lies on its images, or those that do belong to others".to_owned())
}

/// True where one unit alone is at fault and the others can be measured: its data are damaged, gone, or
/// changed while they were read.
pub fn is_unit_fault(error: &ExtractError) -> bool {
    let is_changed =
        matches!(error, ExtractError::Io(io) if matches!(**io, swath_io::IoError::Changed { .. }));
    is_changed || error.is_own_fault()
}
