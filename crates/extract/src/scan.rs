//! One pass over the blocks of rasters that share a grid: every parcel, every band.
//!
//! 1. [`Units`] plans rectangles of blocks and the parcels in them, top to bottom.
//! 2. Units are fetched in batches, some ahead (async), decoded and gathered on compute threads.
//! 3. A parcel inside one unit is finished there; the parts of the others are put together in the
//!    order of units, whatever thread made them, so that results have the same bits for any number
//!    of threads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use swath_grid::GeoBox;
use swath_io::{DecodeScratch, FetchedBlock, IoError, ThreadWatch, compute};
use swath_raster::{CoverageRule, DataType, Mask, Pixels, Statistics, for_pixels};

use crate::ExtractError;
use crate::coverage_table::CoverageTable;
use crate::large_work::LargeWork;
use crate::pixel_index::{ScanIndex, measured};
use crate::scan_result::{BandOutcome, BandResult, HandOver, ScanResult};
use crate::selection::Selection;
use crate::slices::{FetchedUnit, PlannedUnit, ScanSlice, fetch, groups, unit_bands};
use crate::stages::{Stage, StageMeter};
use crate::units::{BlockLayout, Unit, Units};
use crate::values::{ListScratch, Scratch, ValueList, ValueStore, gather};

/// Stored bytes that one batch of units fetches, about.
const BATCH_BYTES: u64 = 2 << 20;
/// Most units in one batch.
const BATCH_UNITS: usize = 64;
/// Batches fetched ahead from a remote store, whose answers take time.
const BATCHES_AHEAD_REMOTE: usize = 8;
/// Batches fetched ahead from this machine.
const BATCHES_AHEAD_LOCAL: usize = 2;
/// Part of the memory that waiting values may take before they go to scratch space.
const WAITING_SHARE: usize = 2;

/// Part of the memory that results may take before they are handed over; 2 MiB of the default.
const RESULTS_SHARE: usize = 256;
/// Part of that below which spilling is not worth a run.
const SPILL_SHARE: usize = 8;

/// One band that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BandPlan {
    /// Type of what is averaged.
    pub(crate) data_type: DataType,
    /// True for classes, which are counted one by one.
    pub(crate) is_class: bool,
    /// True where the masks of the slices hold for it.
    pub(crate) is_masked: bool,
    /// False of a band that is read for indexes only.
    pub(crate) is_measured: bool,
}

/// What a scan reads.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// One image, or slices of one lattice: of pixels in one place the first valid one counts.
    pub(crate) slices: Arc<[ScanSlice]>,
    /// The grid of all slices.
    pub(crate) geobox: GeoBox,
    /// Rectangles in which that grid is worked on: the blocks of the image, if it is one.
    pub(crate) layout: BlockLayout,
    pub(crate) bands: Arc<[BandPlan]>,
    /// Measured after the bands.
    pub(crate) indexes: Arc<[ScanIndex]>,
    /// Parcels in the file.
    pub(crate) parcels: usize,
    /// Those to measure; `None`: all.
    pub(crate) selection: Option<Arc<Selection>>,
    pub(crate) rule: CoverageRule,
    pub(crate) threads: usize,
    pub(crate) memory_bytes_max: usize,
    /// Sums what each stage takes.
    pub(crate) meter: Arc<StageMeter>,
    /// Lets scans take turns whose coverage is too large for memory.
    pub(crate) large_work: Arc<LargeWork>,
}

impl Scan {
    /// Returns the type of each result, and whether it is a band of classes.
    fn results(&self) -> impl Iterator<Item = (DataType, bool)> {
        let bands = self.bands.iter().filter(|band| band.is_measured);
        let bands = bands.map(|band| (band.data_type, band.is_class));
        bands.chain(self.indexes.iter().map(|_| (DataType::F32, false)))
    }
}

/// A parcel with the outcome of each band.
type FinishedParcel = (u32, Vec<BandOutcome>);

/// What a compute thread made of the parcels of some units.
#[derive(Default)]
struct Gathered {
    /// Parcels that lie in one unit, and the outcome of each band of each of them, in one list: a list for each parcel
    /// would be made by one thread and freed by another, hundreds of thousands of times.
    finished: Vec<u32>,
    outcomes: Vec<BandOutcome>,
    parts: Vec<Part>,
}

/// A parcel in one of several units.
struct Part {
    parcel: u32,
    units: u32,
    area: Area,
    bands: Vec<ValueList>,
}

thread_local! {
    /// Buffers of a compute thread.
    static LIST_SCRATCH: RefCell<ListScratch> = RefCell::default();
}

/// Sums of shares: the denominator of `clear`.
#[derive(Debug, Clone, Copy)]
struct Area {
    inside: f64,
    outside: f64,
}

struct Pending {
    received: u32,
    area: Area,
    bands: Vec<ValueStore>,
}

/// Runs the scan; what `hand_over` took on the way is not in the result.
///
/// # Errors
/// The first block that cannot be fetched or decoded. Safe to drop at any time.
pub(crate) async fn scan(
    scan: &Scan,
    table: &CoverageTable,
    mut hand_over: Option<HandOver<'_>>,
) -> Result<ScanResult, ExtractError> {
    let data_types: Arc<[DataType]> = scan.results().map(|(data_type, _)| data_type).collect();
    let is_class: Arc<[bool]> = scan.results().map(|(_, is_class)| is_class).collect();
    let bands = data_types.len();
    let _turn = match table.is_in_memory() {
        true => None,
        false => Some(scan.large_work.scan().await),
    };
    let units = Units::new(&scan.layout, table, scan.selection.clone())?;
    let vanished = units.vanished();
    let is_local = scan.slices.iter().all(ScanSlice::is_local);
    let batches_ahead = if is_local {
        BATCHES_AHEAD_LOCAL
    } else {
        BATCHES_AHEAD_REMOTE
    };
    let batches = Batches {
        units,
        scan: scan.clone(),
    };
    let mut outcomes = std::pin::pin!(
        futures::stream::iter(batches)
            .map(|batch| async {
                let fetching = fetch(&scan.slices, batch?);
                scan.meter.watch(Stage::Fetch, fetching).await
            })
            .buffered(batches_ahead)
            .map_ok(|fetched| futures::stream::iter(groups(fetched).into_iter().map(Ok)))
            .try_flatten()
            .map(|fetched: Result<Vec<FetchedUnit>, ExtractError>| {
                let (scan, data_types) = (scan.clone(), data_types.clone());
                async move {
                    let fetched = fetched?;
                    compute::run(move |scratch| process(&scan, &data_types, fetched, scratch)).await
                }
            })
            .buffered(scan.threads + 1)
    );
    let mut fold = Fold {
        data_types: data_types.clone(),
        is_class,
        rule: scan.rule,
        pending: HashMap::new(),
        result: ScanResult::new(bands, scan.parcels),
        waiting_bytes_max: scan.memory_bytes_max / WAITING_SHARE,
        scratch: None,
    };
    let mut finishing = futures::stream::FuturesUnordered::new();
    while let Some((gathered, bytes)) = outcomes.try_next().await? {
        fold.result.bytes += bytes;
        let complete = scan
            .meter
            .measure(Stage::Statistics, || fold.take(gathered))?;
        if !complete.is_empty() {
            let data_types = data_types.clone();
            let is_class = fold.is_class.clone();
            let meter = scan.meter.clone();
            finishing.push(compute::run(move |_| {
                let finished = || finish(&data_types, &is_class, complete);
                meter.measure(Stage::Statistics, finished)
            }));
        }
        while finishing.len() > scan.threads {
            fold.store(finishing.next().await)?;
        }
        if let Some(to) = &mut hand_over {
            let bytes_max = scan.memory_bytes_max / RESULTS_SHARE;
            fold.result.hand_over(to, bytes_max)?;
        }
    }
    while let Some(finished) = finishing.next().await {
        fold.store(Some(finished))?;
    }
    if !fold.pending.is_empty() {
        let reason = format!("{} parcels were not completed", fold.pending.len());
        return Err(IoError::Internal { reason }.into());
    }
    for parcel in vanished
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .drain(..)
    {
        fold.result.put_vanished(parcel);
    }
    Ok(fold.result)
}

/// Groups units so that their blocks travel together.
struct Batches {
    units: Units,
    scan: Scan,
}

impl Iterator for Batches {
    type Item = Result<Vec<PlannedUnit>, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        let meter = self.scan.meter.clone();
        meter.measure(Stage::Statistics, || self.next_batch())
    }
}

impl Batches {
    fn next_batch(&mut self) -> Option<Result<Vec<PlannedUnit>, ExtractError>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.len() < BATCH_UNITS {
            match self.units.next() {
                Some(Ok(unit)) => {
                    let planned = PlannedUnit::new(unit, &self.scan.slices);
                    bytes += planned.stored_bytes(&self.scan.slices);
                    batch.push(planned);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

/// Decodes units and gathers their parcels: the work of one compute thread.
fn process(
    scan: &Scan,
    data_types: &[DataType],
    units: Vec<FetchedUnit>,
    scratch: &mut DecodeScratch,
) -> Result<(Gathered, u64), ExtractError> {
    let blocks: Vec<&FetchedBlock> = units.iter().flat_map(FetchedUnit::blocks).collect();
    let bytes = blocks.iter().map(|block| block.stored_bytes()).sum();
    let mut watch = ThreadWatch::start();
    scratch.take_reading();
    let mut decoded = FetchedBlock::decode_all(&blocks, scratch)?.into_iter();
    let mut gathered = Gathered::default();
    for fetched in units {
        let (unit, bands) = unit_bands(scan, fetched, &mut decoded, scratch)?;
        let bands = measured(scan, bands, unit.window.len() as usize, scratch);
        let (decoding, reading) = (watch.lap(), scratch.take_reading());
        scan.meter.add(Stage::Fetch, reading);
        scan.meter.add(Stage::Decode, decoding.without(reading));
        gather_unit(scan, data_types, &unit, &bands, &mut gathered);
        scan.meter.add(Stage::Statistics, watch.lap());
        bands
            .into_iter()
            .for_each(|(pixels, _)| scratch.recycle(pixels));
    }
    Ok((gathered, bytes))
}

/// Gathers the parcels of a unit out of its bands and finishes those that lie wholly in it.
fn gather_unit(
    scan: &Scan,
    data_types: &[DataType],
    unit: &Unit,
    bands: &[(Pixels, Mask)],
    gathered: &mut Gathered,
) {
    let mut lists: Vec<ValueList> = data_types
        .iter()
        .map(|kind| ValueList::new(*kind))
        .collect();
    let results: Vec<(DataType, bool)> = scan.results().collect();
    LIST_SCRATCH.with_borrow_mut(|list_scratch| {
        for piece in &unit.pieces {
            let record = piece.record();
            for ((pixels, mask), list) in bands.iter().zip(&mut lists) {
                list.clear();
                for_pixels!(pixels, values => gather(&record, &unit.window, values, mask, list));
            }
            let area = Area {
                inside: record.inside(),
                outside: record.outside(),
            };
            let parcel = record.parcel();
            if piece.units > 1 {
                gathered.parts.push(Part {
                    parcel,
                    units: piece.units,
                    area,
                    bands: lists.clone(),
                });
                continue;
            }
            gathered.finished.push(parcel);
            let outcomes = lists
                .iter_mut()
                .zip(&results)
                .map(|(list, (kind, is_class))| {
                    let statistics = list.statistics(*kind, scan.rule, list_scratch);
                    BandOutcome {
                        result: band_result(statistics, area),
                        classes: if *is_class {
                            list.counts(*kind)
                        } else {
                            Vec::new()
                        },
                    }
                });
            gathered.outcomes.extend(outcomes);
        }
    });
}

fn band_result(statistics: Statistics, area: Area) -> BandResult {
    let whole = area.inside + area.outside;
    let clear = if whole > 0.0 {
        statistics.count / whole
    } else {
        0.0
    };
    // Shares are summed in two orders: what differs in the last digits is wholly clear.
    let clear = if (clear - 1.0).abs() < 1e-12 {
        1.0
    } else {
        clear
    };
    BandResult { statistics, clear }
}

/// Puts together what compute threads made, in the order of units.
struct Fold {
    data_types: Arc<[DataType]>,
    is_class: Arc<[bool]>,
    rule: CoverageRule,
    pending: HashMap<u32, Pending>,
    result: ScanResult,
    waiting_bytes_max: usize,
    /// Made when first needed.
    scratch: Option<Arc<Scratch>>,
}

impl Fold {
    /// Takes what was made of some units; returns the parcels that are complete now.
    fn take(&mut self, gathered: Gathered) -> Result<Vec<(u32, Pending)>, ExtractError> {
        let bands = self.data_types.len();
        let mut outcomes = gathered.outcomes.into_iter();
        for parcel in gathered.finished {
            self.result.put(parcel, outcomes.by_ref().take(bands));
        }
        let mut complete = Vec::new();
        let has_parts = !gathered.parts.is_empty();
        for part in gathered.parts {
            let (data_types, rule) = (&self.data_types, self.rule);
            let pending = self.pending.entry(part.parcel).or_insert_with(|| Pending {
                received: 0,
                area: part.area,
                bands: data_types
                    .iter()
                    .map(|kind| ValueStore::new(*kind, rule))
                    .collect(),
            });
            pending.received += 1;
            for (store, list) in pending.bands.iter_mut().zip(part.bands) {
                store.append(list);
            }
            if pending.received == part.units {
                complete.extend(self.pending.remove_entry(&part.parcel));
            }
        }
        if has_parts {
            self.keep_within_memory()?;
        }
        Ok(complete)
    }

    fn keep_within_memory(&mut self) -> Result<(), ExtractError> {
        let sum = |bytes: fn(&ValueStore) -> usize| -> usize {
            self.pending
                .values()
                .flat_map(|pending| &pending.bands)
                .map(bytes)
                .sum()
        };
        // Tables stay: where they fill the memory, lists are still not spilled bit by bit.
        if sum(ValueStore::memory_bytes) <= self.waiting_bytes_max
            || sum(ValueStore::spillable_bytes) <= self.waiting_bytes_max / SPILL_SHARE
        {
            return Ok(());
        }
        let scratch = match &self.scratch {
            Some(scratch) => scratch.clone(),
            None => self.scratch.insert(Scratch::new()?).clone(),
        };
        for store in self
            .pending
            .values_mut()
            .flat_map(|pending| &mut pending.bands)
        {
            store.spill(&scratch)?;
        }
        Ok(())
    }

    fn store(
        &mut self,
        finished: Option<Result<Vec<FinishedParcel>, ExtractError>>,
    ) -> Result<(), ExtractError> {
        for (parcel, bands) in finished.transpose()?.unwrap_or_default() {
            self.result.put(parcel, bands);
        }
        Ok(())
    }
}

fn finish(
    data_types: &[DataType],
    is_class: &[bool],
    complete: Vec<(u32, Pending)>,
) -> Result<Vec<FinishedParcel>, ExtractError> {
    debug_assert!(
        complete
            .iter()
            .all(|(_, pending)| pending.bands.len() == data_types.len())
    );
    LIST_SCRATCH.with_borrow_mut(|scratch| {
        complete
            .into_iter()
            .map(|(parcel, pending)| {
                let area = pending.area;
                let bands = pending
                    .bands
                    .into_iter()
                    .zip(is_class)
                    .map(|(store, is_class)| {
                        let (statistics, classes) = store.finish(*is_class, scratch)?;
                        Ok(BandOutcome {
                            result: band_result(statistics, area),
                            classes,
                        })
                    })
                    .collect::<Result<Vec<_>, ExtractError>>()?;
                Ok((parcel, bands))
            })
            .collect()
    })
}
