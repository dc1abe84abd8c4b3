//! Many images over all parcels, to one flat file.
//!
//! 1. Items are opened as far as their date asks for it, and put in the order of datetime and id.
//! 2. Those that the journal of an earlier, stopped run holds are passed over.
//! 3. The others are measured, several at once, and journaled in order.
//! 4. The journal becomes the output, which gets its name when it is complete.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use swath_io::{AssetRef, ErrorKind, GeoTiff};
use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;
use crate::bands::{BandChoice, open_bands};
use crate::extractor::{Extractor, UsedShift};
use crate::items::{ItemList, ItemSource, Skipped, raster_datetime};
use crate::journal::{ItemHead, ItemRows, Journal};
use crate::measure::{BandRef, OffGrid};
use crate::output::{Columns, RowItem, RowNames, RowWriter, remove_leftovers};
use crate::stages::{Stage, StageTimes};
use crate::zonal::class_path;

/// Rasters whose headers are read at once.
const OPEN_AT_ONCE: usize = 16;
/// Pixels up to which an image is small: several are measured at once.
const SMALL_PIXELS: u64 = 4 << 20;

/// What to do with the items.
#[derive(Debug, Clone, Default)]
pub struct ExtractOptions {
    /// Bands by name; empty = all.
    pub bands: Vec<String>,
    /// Bands of classes, counted one by one in a second file.
    pub classes: Vec<String>,
    /// Classes that the item's own scene classification drops; `None`: no mask.
    pub mask_scl: Option<Vec<f64>>,
    /// True: stored values, scale and offset are left out.
    pub is_unscaled: bool,
    /// Form of the date in names of rasters that have no tag for it (strftime).
    pub date_pattern: Option<String>,
    /// Only items from this time on, in microseconds since 1970.
    pub datetime_from_us: Option<i64>,
    /// Only items before this time.
    pub datetime_to_us: Option<i64>,
}

/// What was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExtractReport {
    /// Items found.
    pub items: usize,
    /// Items with rows.
    pub measured: usize,
    /// Items that an earlier run had done.
    pub resumed: usize,
    /// Items outside of the time asked for.
    pub outside_datetime: usize,
    /// Rows written.
    pub rows: u64,
    /// Rows of class counts.
    pub class_rows: u64,
    /// Parcels in the file.
    pub parcels: usize,
    /// Parcel and item pairs without rows, since the parcel lies off the item's rasters.
    pub off_raster: u64,
    /// Stored bytes of the blocks read.
    pub bytes: u64,
    /// Where the time of this run went.
    pub stages: StageTimes,
    /// What was not measured and why.
    pub skipped: Vec<Skipped>,
    /// File of class counts.
    pub classes: Option<PathBuf>,
    /// Shifts between datums that were used: from, to, method, accuracy in metres.
    pub shifts: Vec<(String, String, String, f64)>,
}

impl ExtractReport {
    /// Returns how many images could not be measured for their own data.
    pub fn failures(&self) -> usize {
        self.skipped
            .iter()
            .filter(|skipped| skipped.is_failure)
            .count()
    }
}

/// Hears of each item that is done: items so far, of how many, rows so far.
pub type Progress<'a> = dyn Fn(usize, usize, u64) + Sync + 'a;

/// An item with its date known and what was opened for it.
struct DatedItem {
    source: ItemSource,
    datetime_us: i64,
    opened: Option<Arc<GeoTiff>>,
}

/// Measures all items over all parcels and writes one row per item, parcel and band.
///
/// Rows are ordered by datetime, item id, parcel in file order, band in file order. An item that
/// cannot be read for its own data is listed as skipped; a store that fails ends the run, and the
/// same command goes on where it ended.
///
/// # Errors
/// Failing stores, an output that cannot be written, options that fit no item.
pub async fn extract(
    extractor: &Extractor,
    list: ItemList,
    options: &ExtractOptions,
    output: &Path,
    progress: &Progress<'_>,
) -> Result<ExtractReport, ExtractError> {
    // Fails before the work where the name or folder of the output is no good.
    drop(RowWriter::create(output, Columns::all(true))?);
    let mut report = ExtractReport {
        items: list.items.len(),
        parcels: extractor.parcels.len(),
        skipped: list.skipped,
        ..ExtractReport::default()
    };
    let items = date_items(list.items, options, &mut report).await?;
    let plan = plan_digest(extractor, &items, options);
    let mut journal = Journal::open(&journal_path(output), plan)?;
    report.resumed = journal.items();
    remove_leftovers(output);
    let writer = RowWriter::create(output, Columns::all(true))?;
    let total = items.len();
    let mut rows = 0;
    progress(report.resumed, total, rows);
    {
        let at_once = items_at_once(extractor, &items);
        let todo = items.iter().skip(report.resumed);
        let mut measured = std::pin::pin!(
            futures::stream::iter(todo.map(|item| measure_item(extractor, item, options)))
                .buffered(at_once)
        );
        while let Some(item) = measured.try_next().await? {
            extractor
                .meter()
                .measure(Stage::Write, || journal.push(&item))?;
            rows += item.rows.len() as u64;
            progress(journal.items(), total, rows);
        }
    }
    extractor.meter().measure(Stage::Write, || {
        write_output(extractor, &journal, options, output, writer, &mut report)
    })?;
    report.stages = extractor.meter().take();
    journal.remove();
    let shift = |used: UsedShift| (used.from, used.to, used.method, used.accuracy_m);
    report.shifts = extractor.shifts().into_iter().map(shift).collect();
    Ok(report)
}

fn journal_path(output: &Path) -> PathBuf {
    let name = output
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    output.with_file_name(format!("{name}.partial"))
}

/// Finds the date of every item and orders them.
async fn date_items(
    sources: Vec<ItemSource>,
    options: &ExtractOptions,
    report: &mut ExtractReport,
) -> Result<Vec<DatedItem>, ExtractError> {
    let pattern = options.date_pattern.as_deref();
    let mut dated = futures::stream::iter(sources.into_iter().map(|source| async move {
        if let Some(datetime) = source.datetime {
            return Ok::<_, ExtractError>(Ok(DatedItem {
                datetime_us: datetime.timestamp_micros(),
                source,
                opened: None,
            }));
        }
        let Some(asset) = source.assets.first().filter(|asset| asset.key.is_empty()) else {
            return Ok(Err(Skipped {
                name: source.id,
                reason: "the item has neither datetime nor start_datetime".to_owned(),
                is_failure: true,
            }));
        };
        match open(&asset.asset).await? {
            Err(reason) => Ok(Err(Skipped {
                name: source.id,
                reason,
                is_failure: true,
            })),
            Ok(raster) => Ok(match raster_datetime(&raster, &source.id, pattern) {
                Err(reason) => Err(Skipped {
                    name: source.id,
                    reason,
                    is_failure: true,
                }),
                Ok(datetime) => Ok(DatedItem {
                    datetime_us: datetime.timestamp_micros(),
                    source,
                    opened: Some(Arc::new(raster)),
                }),
            }),
        }
    }))
    .buffered(OPEN_AT_ONCE);
    let mut items = Vec::new();
    while let Some(item) = dated.next().await {
        match item? {
            Ok(item) => {
                let is_early = options
                    .datetime_from_us
                    .is_some_and(|from| item.datetime_us < from);
                let is_late = options
                    .datetime_to_us
                    .is_some_and(|to| item.datetime_us >= to);
                if is_early || is_late {
                    report.outside_datetime += 1;
                } else {
                    items.push(item);
                }
            }
            Err(skipped) => report.skipped.push(skipped),
        }
    }
    items.sort_by(|a, b| (a.datetime_us, &a.source.id).cmp(&(b.datetime_us, &b.source.id)));
    Ok(items)
}

/// Opens a raster; what is wrong with the raster itself comes back as a reason.
async fn open(asset: &AssetRef) -> Result<Result<GeoTiff, String>, ExtractError> {
    match GeoTiff::open(asset.clone()).await {
        Ok(raster) => Ok(Ok(raster)),
        Err(error) if is_own_fault(error.kind()) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// True where an item alone is at fault and the others can go on.
fn is_own_fault(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Data | ErrorKind::NotFound)
}

fn plan_digest(extractor: &Extractor, items: &[DatedItem], options: &ExtractOptions) -> u64 {
    let of_item = |item: &DatedItem| {
        let assets: Vec<&str> = item
            .source
            .assets
            .iter()
            .map(|asset| asset.asset.href())
            .collect();
        let etag = item
            .opened
            .as_ref()
            .and_then(|raster| raster.etag())
            .unwrap_or_default();
        format!("{} {} {assets:?} {etag}", item.source.id, item.datetime_us)
    };
    let measure = &extractor.options;
    let text = format!(
        "{:016x} {} {:?} {} {} {options:?} {:?}",
        extractor.parcels.source().digest,
        extractor.parcels.source().id_field,
        measure.rule,
        measure.buffer_m,
        measure.shift_accuracy_max_m,
        items.iter().map(of_item).collect::<Vec<_>>(),
    );
    xxh3_64(text.as_bytes())
}

/// Returns how many items to measure at once: one where an image keeps all threads busy by itself.
fn items_at_once(extractor: &Extractor, items: &[DatedItem]) -> usize {
    let is_small = |item: &DatedItem| {
        item.opened.as_ref().is_none_or(|raster| {
            u64::from(raster.size().width) * u64::from(raster.size().height) <= SMALL_PIXELS
        })
    };
    if items.iter().all(is_small) {
        extractor.options.threads + 1
    } else {
        2
    }
}

async fn measure_item(
    extractor: &Extractor,
    item: &DatedItem,
    options: &ExtractOptions,
) -> Result<ItemRows, ExtractError> {
    let head = ItemHead {
        id: item.source.id.clone(),
        datetime_us: item.datetime_us,
        ..ItemHead::default()
    };
    let skip = |reason: String| ItemRows {
        head: ItemHead {
            skipped: Some(reason),
            ..head.clone()
        },
        ..ItemRows::default()
    };
    match try_measure(extractor, item, options).await {
        Ok((bands, measured)) => Ok(ItemRows {
            head: ItemHead {
                bands: bands.into_iter().map(|band| band.name).collect(),
                off_grid: measured.off_grid,
                bytes: measured.bytes,
                ..head
            },
            rows: measured.rows,
            classes: measured.classes,
        }),
        Err(error @ ExtractError::Parcel { .. }) => Err(error),
        Err(error) if is_own_fault(error.kind()) => Ok(skip(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn try_measure(
    extractor: &Extractor,
    item: &DatedItem,
    options: &ExtractOptions,
) -> Result<(Vec<BandRef>, crate::Measured), ExtractError> {
    let choice = BandChoice {
        bands: options.bands.clone(),
        inputs: Vec::new(),
        classes: options.classes.clone(),
        mask_scl: options.mask_scl.clone(),
        mask_dilation_m: 0.0,
        is_unscaled: options.is_unscaled,
    };
    let source = &item.source;
    let opening = open_bands(&source.id, &source.assets, item.opened.as_ref(), &choice);
    let found = extractor.meter().watch(Stage::Fetch, opening).await?;
    let measured = extractor
        .measure(&found.bands, found.masks, OffGrid::LeaveOut)
        .await?;
    Ok((found.bands, measured))
}

/// Turns the journal into the output.
fn write_output(
    extractor: &Extractor,
    journal: &Journal,
    options: &ExtractOptions,
    output: &Path,
    mut writer: RowWriter,
    report: &mut ExtractReport,
) -> Result<(), ExtractError> {
    let class_path = (!options.classes.is_empty()).then(|| class_path(output));
    let mut class_writer = match &class_path {
        Some(path) => Some(RowWriter::create_classes(path, Columns::all(true))?),
        None => None,
    };
    let parcel_id = |parcel: u32| extractor.parcels.id(parcel as usize);
    let mut frames = journal.frames()?;
    for _ in 0..journal.items() {
        let item = frames.next_item()?;
        let row_item = RowItem {
            id: item.head.id.clone(),
            datetime_us: item.head.datetime_us,
        };
        let names = RowNames {
            item: Some(&row_item),
            bands: &item.head.bands,
            parcel_id: &parcel_id,
        };
        writer.push(&item.rows, &names)?;
        if let Some(classes) = &mut class_writer {
            classes.push_classes(&item.classes, &names)?;
        }
        report.bytes += item.head.bytes;
        report.off_raster += item.head.off_grid as u64;
        match item.head.as_skipped() {
            Some(skipped) => report.skipped.push(skipped),
            None => report.measured += 1,
        }
    }
    if let Some(classes) = class_writer {
        report.class_rows = classes.finish()?;
    }
    report.classes = class_path;
    report.rows = writer.finish()?;
    Ok(())
}
