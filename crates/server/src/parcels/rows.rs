//! Rows of tables: read as they are, or computed parcel by parcel.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float32Type, Int32Type, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use swath_extract::table::{Parcels, SeriesReader, SeriesRequest, Snapshot, TableKind};
use swath_series::{Extract, SeasonQuestion, extracts_of, season, season_schema};

use super::failure::{of_extract, of_series};
use super::question::Question;
use super::tables::OpenTable;
use crate::error::Problem;

/// Parcels that are read at once where there are many.
const PARCELS_AT_ONCE: usize = 256;

/// A table at one moment.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) table: Arc<OpenTable>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) reader: SeriesReader,
}

impl Moment {
    /// Returns what the tables hold now.
    ///
    /// # Errors
    /// Where a log cannot be read.
    pub(super) async fn of(
        tables: Vec<Arc<OpenTable>>,
        kind: TableKind,
    ) -> Result<Vec<Self>, Problem> {
        let mut moments = Vec::with_capacity(tables.len());
        for table in tables {
            let (snapshot, reader) = match table.now(kind).await {
                // Tables without class counts have nothing to say to a question about all.
                Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => continue,
                other => other?,
            };
            moments.push(Self {
                table,
                snapshot,
                reader,
            });
        }
        match moments.is_empty() {
            true => Err(Problem::not_found("no table here has class counts")),
            false => Ok(moments),
        }
    }

    async fn read(&self, parcels: Vec<i32>, question: &Question) -> Result<RecordBatch, Problem> {
        // Filters and computations need columns that were perhaps not asked for.
        let needs_all = question.season.is_derived() || question.season.clear_min > 0.0;
        let request = SeriesRequest {
            parcels: Parcels::List(parcels),
            bands: question.bands.clone(),
            interval: question.interval.clone(),
            columns: match needs_all {
                true => Vec::new(),
                false => question.columns.clone(),
            },
        };
        let batch = self.reader.series(&self.snapshot, &request).await;
        batch.map_err(|error| of_extract(&error))
    }
}

/// Reads the rows of one parcel in a table of statistics, as another face needs them.
///
/// # Errors
/// Where the table cannot be read.
pub(crate) async fn series_of(
    table: &Arc<OpenTable>,
    kind: TableKind,
    request: SeriesRequest,
) -> Result<RecordBatch, Problem> {
    let (snapshot, reader) = table.now(kind).await?;
    let batch = reader.series(&snapshot, &request).await;
    batch.map_err(|error| of_extract(&error))
}

/// Returns the columns of the answer.
///
/// # Errors
/// A column that is not there.
pub(super) fn schema_of(question: &Question) -> Result<SchemaRef, Problem> {
    if question.season.is_derived() {
        return Ok(season_schema());
    }
    let schema = question.kind.schema();
    if question.columns.is_empty() {
        return Ok(schema);
    }
    let mut indexes = Vec::new();
    for name in &question.columns {
        let index = schema.index_of(name).map_err(|_| {
            let known: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            Problem::invalid(format!(
                "no column \"{name}\"; there are {}",
                known.join(", ")
            ))
        })?;
        indexes.push(index);
    }
    let projected = schema.project(&indexes);
    projected
        .map(Arc::new)
        .map_err(|error| Problem::invalid(error.to_string()))
}

/// Returns the answer for one parcel, a batch for each table.
///
/// # Errors
/// Where a table cannot be read.
pub(super) async fn of_parcel(
    moments: &[Moment],
    parcel: i32,
    question: &Question,
) -> Result<Vec<RecordBatch>, Problem> {
    let schema = schema_of(question)?;
    let mut batches = Vec::with_capacity(moments.len());
    for moment in moments {
        let batch = moment.read(vec![parcel], question).await?;
        batches.extend(answered(&batch, question, &schema)?);
    }
    Ok(batches)
}

/// Returns the answer for many parcels, table by table, in the order of parcels. A few hundred are
/// in memory at a time, whatever their number.
pub(super) fn of_many(
    moments: Vec<Moment>,
    parcels: Arc<Vec<Range<u32>>>,
    question: Arc<Question>,
    schema: SchemaRef,
) -> BoxStream<'static, Result<RecordBatch, Problem>> {
    let tables = futures::stream::iter(moments).flat_map(move |moment| {
        let (question, schema) = (question.clone(), schema.clone());
        let groups = groups(&parcels);
        futures::stream::iter(groups).then(move |parcels| {
            let (moment, question, schema) = (moment.clone(), question.clone(), schema.clone());
            async move {
                let batch = moment.read(parcels, &question).await?;
                let answered =
                    swath_io::compute::run(move |_| answered(&batch, &question, &schema)).await?;
                Ok::<_, Problem>(futures::stream::iter(answered.into_iter().map(Ok)))
            }
        })
    });
    tables.try_flatten().boxed()
}

/// Cuts rows of parcels into groups of a few hundred, lazily.
fn groups(parcels: &Arc<Vec<Range<u32>>>) -> impl Iterator<Item = Vec<i32>> + Send + use<> {
    let parcels = parcels.clone();
    let (mut range, mut at) = (0, parcels.first().map_or(0, |first| first.start));
    std::iter::from_fn(move || {
        let mut group = Vec::new();
        while group.len() < PARCELS_AT_ONCE {
            let Some(current) = parcels.get(range) else {
                break;
            };
            if at >= current.end {
                range += 1;
                at = parcels.get(range).map_or(0, |next| next.start);
                continue;
            }
            // A set has fewer than 2^31 rows.
            group.push(at as i32);
            at += 1;
        }
        (!group.is_empty()).then_some(group)
    })
}

/// Returns rows that were read as they are answered.
fn answered(
    batch: &RecordBatch,
    question: &Question,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, Problem> {
    if question.season.is_derived() {
        return computed(batch, &question.season);
    }
    if question.season.clear_min <= 0.0 {
        return Ok(vec![batch.clone()]);
    }
    let clear = batch
        .column_by_name("clear")
        .and_then(|column| column.as_primitive_opt::<Float32Type>());
    let keep: BooleanArray = clear
        .into_iter()
        .flat_map(|clear| clear.iter())
        .map(|clear| Some(clear.is_some_and(|clear| clear >= question.season.clear_min)))
        .collect();
    let mut kept =
        filter_record_batch(batch, &keep).map_err(|error| Problem::invalid(error.to_string()))?;
    if kept.schema() != *schema {
        let indexes: Result<Vec<usize>, _> = schema
            .fields()
            .iter()
            .map(|field| kept.schema().index_of(field.name()))
            .collect();
        let projected = indexes.and_then(|indexes| kept.project(&indexes));
        kept = projected.map_err(|error| Problem::invalid(error.to_string()))?;
    }
    Ok(vec![kept])
}

/// Computes parcel by parcel; rows of a parcel stand together.
fn computed(batch: &RecordBatch, question: &SeasonQuestion) -> Result<Vec<RecordBatch>, Problem> {
    let parcels = batch
        .column_by_name("parcel")
        .and_then(|column| column.as_primitive_opt::<Int32Type>());
    let mut batches = Vec::new();
    let Some(parcels) = parcels else {
        return Ok(batches);
    };
    let mut from = 0;
    while from < parcels.len() {
        let own = parcels.value(from);
        let rest = parcels.values()[from..].iter();
        let len = rest.take_while(|parcel| **parcel == own).count();
        let extracts: Vec<Extract> =
            extracts_of(&batch.slice(from, len)).map_err(|error| of_series(&error))?;
        let rows = season(question, &extracts).map_err(|error| of_series(&error))?;
        if rows.num_rows() > 0 {
            batches.push(rows);
        }
        from += len;
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parcels_are_read_some_at_a_time() {
        let parcels = Arc::new(vec![0..300, 500..501, 501..501, 900..902]);
        let groups: Vec<Vec<i32>> = groups(&parcels).collect();
        let lens: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(lens, [256, 47]);
        let all: Vec<i32> = groups.concat();
        assert_eq!(
            (all[299], all[300], all[301], all[302]),
            (299, 500, 900, 901)
        );
    }
}
