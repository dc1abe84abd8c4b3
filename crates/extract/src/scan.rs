//! One pass over the blocks of rasters that share a grid: every parcel, every band.
//!
//! 1. [`Units`] plans rectangles of blocks and the parcels in them, top to bottom.
//! 2. Units are fetched in batches, some ahead (async), decoded and gathered on compute threads.
//! 3. A parcel inside one unit is finished there; the parts of the others are put together in the
//!    order of units, whatever thread made them, so that results have the same bits for any number
//!    of threads.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use swath_grid::GeoBox;
use swath_io::{DecodeScratch, DecodedBlock, FetchedBlock, GeoTiff, IoError, compute};
use swath_raster::{CoverageRule, DataType, Mask, Pixels, Statistics, for_pixels};

use crate::ExtractError;
use crate::class_mask::{ClassMask, FetchedMask};
use crate::coverage_table::CoverageTable;
use crate::units::{Unit, Units};
use crate::values::{ListScratch, Scratch, ValueList, ValueStore, gather};

/// Stored bytes that one batch of units fetches, about.
const BATCH_BYTES: u64 = 2 << 20;
/// Most units in one batch.
const BATCH_UNITS: usize = 64;
/// Batches fetched ahead from a remote store, whose answers take time.
const BATCHES_AHEAD_REMOTE: usize = 8;
/// Batches fetched ahead from this machine.
const BATCHES_AHEAD_LOCAL: usize = 2;
/// Blocks that one compute thread decodes together: their streams are decompressed side by side.
const BLOCKS_TOGETHER: usize = 4;
/// Decoded bytes that it holds for them, about.
const BYTES_TOGETHER: u64 = 16 << 20;
/// Part of the memory that waiting values may take before they go to scratch space.
const WAITING_SHARE: usize = 2;

/// Part of that below which spilling is not worth a run.
const SPILL_SHARE: usize = 8;

/// Bands of one raster that a scan reads.
#[derive(Debug, Clone)]
pub(crate) struct ScanSource {
    pub(crate) raster: Arc<GeoTiff>,
    pub(crate) bands: Arc<[usize]>,
}

/// What a scan reads; all sources have the same size and blocks.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) sources: Arc<[ScanSource]>,
    pub(crate) geobox: GeoBox,
    pub(crate) masks: Arc<[ClassMask]>,
    pub(crate) rule: CoverageRule,
    /// Per band, in the order of sources and their bands: true for classes, which are counted one by one.
    pub(crate) is_class: Arc<[bool]>,
    pub(crate) threads: usize,
    pub(crate) memory_bytes_max: usize,
}

/// Statistics of one band over one parcel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandResult {
    /// In stored units.
    pub(crate) statistics: Statistics,
    /// Share of the parcel that was valid and unmasked.
    pub(crate) clear: f64,
}

/// How much of a parcel one class covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassCount {
    /// Stored value of the class.
    pub(crate) class: f64,
    /// Sum of shares, or number of pixels.
    pub(crate) count: f64,
}

/// Result of one band with its class counts, where it is a band of classes.
#[derive(Debug)]
struct BandOutcome {
    result: BandResult,
    classes: Vec<ClassCount>,
}

/// A parcel with the outcome of each band.
type FinishedParcel = (u32, Vec<BandOutcome>);

/// Results of all parcels: `None` for a parcel off the grid.
#[derive(Debug)]
pub(crate) struct ScanResult {
    bands: usize,
    results: Vec<Option<BandResult>>,
    classes: HashMap<(u32, usize), Vec<ClassCount>>,
    /// Stored bytes read.
    pub(crate) bytes: u64,
}

impl ScanResult {
    /// Returns the results of `parcel`, one per band; all of them `None` where it is off the grid.
    pub(crate) fn of(&self, parcel: usize) -> &[Option<BandResult>] {
        &self.results[parcel * self.bands..(parcel + 1) * self.bands]
    }

    /// Returns the class counts of `parcel` in a band of classes, by rising class.
    pub(crate) fn classes(&self, parcel: usize, band: usize) -> &[ClassCount] {
        self.classes
            .get(&(parcel as u32, band))
            .map_or(&[], Vec::as_slice)
    }
}

/// What a compute thread made of one parcel in one unit.
enum Outcome {
    Finished {
        parcel: u32,
        bands: Vec<BandOutcome>,
    },
    Part {
        parcel: u32,
        units: u32,
        area: Area,
        bands: Vec<ValueList>,
    },
}

/// Sums of shares: the denominator of `clear`.
#[derive(Debug, Clone, Copy)]
struct Area {
    inside: f64,
    outside: f64,
}

struct FetchedUnit {
    unit: Unit,
    sources: Vec<Vec<FetchedBlock>>,
    masks: Vec<FetchedMask>,
}

struct Pending {
    received: u32,
    area: Area,
    bands: Vec<ValueStore>,
}

/// Runs the scan.
///
/// # Errors
/// The first block that cannot be fetched or decoded. Safe to drop at any time.
pub(crate) async fn scan(scan: &Scan, table: &CoverageTable) -> Result<ScanResult, ExtractError> {
    let data_types: Arc<[DataType]> = scan
        .sources
        .iter()
        .flat_map(|source| {
            source
                .bands
                .iter()
                .map(|band| source.raster.bands()[*band].data_type)
        })
        .collect();
    let bands = data_types.len();
    let units = Units::new(&scan.sources[0].raster, table)?;
    let vanished = units.vanished();
    let is_local = scan
        .sources
        .iter()
        .all(|source| source.raster.asset().local_path().is_some());
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
            .map(|batch| async { fetch(scan, batch?).await })
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
        is_class: scan.is_class.clone(),
        rule: scan.rule,
        pending: HashMap::new(),
        result: ScanResult {
            bands,
            results: vec![None; table.parcels() * bands],
            classes: HashMap::new(),
            bytes: 0,
        },
        waiting_bytes_max: scan.memory_bytes_max / WAITING_SHARE,
        scratch: None,
    };
    let mut finishing = futures::stream::FuturesUnordered::new();
    while let Some((outcomes, bytes)) = outcomes.try_next().await? {
        fold.result.bytes += bytes;
        let complete = fold.take(outcomes)?;
        if !complete.is_empty() {
            let data_types = data_types.clone();
            let is_class = fold.is_class.clone();
            finishing.push(compute::run(move |_| {
                finish(&data_types, &is_class, complete)
            }));
        }
        while finishing.len() > scan.threads {
            fold.store(finishing.next().await)?;
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
        fold.put_vanished(parcel);
    }
    Ok(fold.result)
}

/// Groups units so that their blocks travel together.
struct Batches {
    units: Units,
    scan: Scan,
}

impl Iterator for Batches {
    type Item = Result<Vec<Unit>, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.len() < BATCH_UNITS {
            match self.units.next() {
                Some(Ok(unit)) => {
                    let of = |source: &ScanSource| -> u64 {
                        unit.blocks
                            .iter()
                            .map(|number| source.raster.block_bytes(*number, &source.bands))
                            .sum()
                    };
                    bytes += self.scan.sources.iter().map(of).sum::<u64>();
                    batch.push(unit);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

async fn fetch(scan: &Scan, batch: Vec<Unit>) -> Result<Vec<FetchedUnit>, ExtractError> {
    let numbers: Vec<u32> = batch
        .iter()
        .flat_map(|unit| unit.blocks.iter().copied())
        .collect();
    let fetches = scan.sources.iter().map(|source| {
        source
            .raster
            .fetch_blocks(0, source.bands.clone(), &numbers)
    });
    let mut by_source: Vec<_> = futures::future::try_join_all(fetches)
        .await?
        .into_iter()
        .map(Vec::into_iter)
        .collect();
    let mut fetched = Vec::with_capacity(batch.len());
    for unit in batch {
        let sources = by_source
            .iter_mut()
            .map(|blocks| blocks.take(unit.blocks.len()).collect())
            .collect();
        let masks = scan
            .masks
            .iter()
            .map(|mask| mask.fetch(&scan.geobox, &unit.window));
        let masks = futures::future::try_join_all(masks).await?;
        fetched.push(FetchedUnit {
            unit,
            sources,
            masks,
        });
    }
    Ok(fetched)
}

/// Puts fetched units into groups that one compute thread works on.
fn groups(fetched: Vec<FetchedUnit>) -> Vec<Vec<FetchedUnit>> {
    let mut groups: Vec<Vec<FetchedUnit>> = Vec::new();
    let (mut blocks, mut bytes) = (0, 0);
    for unit in fetched {
        let own_blocks: usize = unit.sources.iter().map(Vec::len).sum();
        let own_bytes: u64 = unit
            .sources
            .iter()
            .flatten()
            .map(FetchedBlock::decoded_bytes)
            .sum();
        match groups.last_mut() {
            Some(group)
                if blocks + own_blocks <= BLOCKS_TOGETHER
                    && bytes + own_bytes <= BYTES_TOGETHER =>
            {
                group.push(unit);
                (blocks, bytes) = (blocks + own_blocks, bytes + own_bytes);
            }
            _ => {
                groups.push(vec![unit]);
                (blocks, bytes) = (own_blocks, own_bytes);
            }
        }
    }
    groups
}

/// Decodes units and gathers their parcels: the work of one compute thread.
fn process(
    scan: &Scan,
    data_types: &[DataType],
    units: Vec<FetchedUnit>,
    scratch: &mut DecodeScratch,
) -> Result<(Vec<Outcome>, u64), ExtractError> {
    let blocks: Vec<&FetchedBlock> = units
        .iter()
        .flat_map(|unit| unit.sources.iter().flatten())
        .collect();
    let bytes = blocks.iter().map(|block| block.stored_bytes()).sum();
    let mut decoded = FetchedBlock::decode_all(&blocks, scratch)?.into_iter();
    let mut outcomes = Vec::new();
    for FetchedUnit {
        unit,
        sources,
        masks,
    } in units
    {
        let mut classes = Mask::All;
        for (mask, parts) in scan.masks.iter().zip(masks) {
            classes = classes.and(&mask.decode(parts, &scan.geobox, &unit.window, scratch)?);
        }
        let mut bands = Vec::with_capacity(data_types.len());
        for blocks in &sources {
            let parts = decoded.by_ref().take(blocks.len()).collect();
            let block = DecodedBlock::assemble(unit.window, parts)?;
            let masks = block.masks.into_iter().map(|mask| mask.and(&classes));
            bands.extend(block.bands.into_iter().zip(masks));
        }
        gather_unit(scan, data_types, &unit, &bands, &mut outcomes);
        bands
            .into_iter()
            .for_each(|(pixels, _)| scratch.recycle(pixels));
    }
    Ok((outcomes, bytes))
}

/// Gathers the parcels of a unit out of its bands and finishes those that lie wholly in it.
fn gather_unit(
    scan: &Scan,
    data_types: &[DataType],
    unit: &Unit,
    bands: &[(Pixels, Mask)],
    outcomes: &mut Vec<Outcome>,
) {
    let mut lists: Vec<ValueList> = data_types
        .iter()
        .map(|kind| ValueList::new(*kind))
        .collect();
    let mut list_scratch = ListScratch::default();
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
        outcomes.push(if piece.units == 1 {
            let bands = lists.iter_mut().zip(data_types).zip(&*scan.is_class).map(
                |((list, kind), is_class)| {
                    let result =
                        band_result(list.statistics(*kind, scan.rule, &mut list_scratch), area);
                    BandOutcome {
                        result,
                        classes: if *is_class {
                            list.counts(*kind)
                        } else {
                            Vec::new()
                        },
                    }
                },
            );
            Outcome::Finished {
                parcel,
                bands: bands.collect(),
            }
        } else {
            Outcome::Part {
                parcel,
                units: piece.units,
                area,
                bands: lists.clone(),
            }
        });
    }
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
    /// Takes the outcomes of one unit; returns the parcels that are complete now.
    fn take(&mut self, outcomes: Vec<Outcome>) -> Result<Vec<(u32, Pending)>, ExtractError> {
        let mut complete = Vec::new();
        let mut has_parts = false;
        for outcome in outcomes {
            match outcome {
                Outcome::Finished { parcel, bands } => self.put(parcel, bands),
                Outcome::Part {
                    parcel,
                    units,
                    area,
                    bands,
                } => {
                    has_parts = true;
                    let (data_types, rule) = (&self.data_types, self.rule);
                    let pending = self.pending.entry(parcel).or_insert_with(|| Pending {
                        received: 0,
                        area,
                        bands: data_types
                            .iter()
                            .map(|kind| ValueStore::new(*kind, rule))
                            .collect(),
                    });
                    pending.received += 1;
                    for (store, list) in pending.bands.iter_mut().zip(bands) {
                        store.append(list);
                    }
                    if pending.received == units {
                        complete.extend(self.pending.remove_entry(&parcel));
                    }
                }
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
            self.put(parcel, bands);
        }
        Ok(())
    }

    /// Gives a parcel without area its place: it was measured, there was nothing.
    fn put_vanished(&mut self, parcel: u32) {
        let nothing = BandResult {
            statistics: Statistics {
                count: 0.0,
                values: None,
            },
            clear: 0.0,
        };
        let start = parcel as usize * self.result.bands;
        self.result.results[start..start + self.result.bands].fill(Some(nothing));
    }

    fn put(&mut self, parcel: u32, bands: Vec<BandOutcome>) {
        let start = parcel as usize * self.result.bands;
        for (index, band) in bands.into_iter().enumerate() {
            self.result.results[start + index] = Some(band.result);
            if !band.classes.is_empty() {
                self.result.classes.insert((parcel, index), band.classes);
            }
        }
    }
}

fn finish(
    data_types: &[DataType],
    is_class: &[bool],
    complete: Vec<(u32, Pending)>,
) -> Result<Vec<FinishedParcel>, ExtractError> {
    let mut scratch = ListScratch::default();
    debug_assert!(
        complete
            .iter()
            .all(|(_, pending)| pending.bands.len() == data_types.len())
    );
    complete
        .into_iter()
        .map(|(parcel, pending)| {
            let area = pending.area;
            let bands = pending
                .bands
                .into_iter()
                .zip(is_class)
                .map(|(store, is_class)| {
                    let (statistics, classes) = store.finish(*is_class, &mut scratch)?;
                    Ok(BandOutcome {
                        result: band_result(statistics, area),
                        classes,
                    })
                })
                .collect::<Result<Vec<_>, ExtractError>>()?;
            Ok((parcel, bands))
        })
        .collect()
}
