//! Slices of a scan: which blocks of which rasters make the pixels of a unit.
//!
//! One image is the only slice of its scan, and its blocks are those of the unit. Slices of one
//! lattice lie side by side on the grid of the scan; of pixels in one place the first valid one counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_io::{DecodeScratch, DecodedBlock, FetchedBlock, GeoTiff};
use swath_raster::{Mask, Pixels, Sample, for_pixels};

use crate::ExtractError;
use crate::class_mask::{ClassMask, FetchedMask};
use crate::conversion::Conversion;
use crate::scan::Scan;
use crate::units::Unit;

/// Blocks that one compute thread decodes together: their streams are decompressed side by side.
const BLOCKS_TOGETHER: usize = 4;
/// Decoded bytes that it holds for them, about.
const BYTES_TOGETHER: u64 = 16 << 20;

/// Bands of one raster that a scan reads.
#[derive(Debug, Clone)]
pub(crate) struct ScanSource {
    pub(crate) raster: Arc<GeoTiff>,
    pub(crate) bands: Arc<[usize]>,
    /// For each of them, what of the scan's results it is.
    pub(crate) places: Arc<[usize]>,
    /// For each of them, what is averaged, with scale and offset.
    pub(crate) conversions: Arc<[(Conversion, f64, f64)]>,
}

/// An image of a scan; all its sources have the same size and blocks.
#[derive(Debug, Clone)]
pub(crate) struct ScanSlice {
    pub(crate) geobox: GeoBox,
    /// Where it lies on the grid of the scan.
    pub(crate) window: Window,
    pub(crate) sources: Arc<[ScanSource]>,
    pub(crate) masks: Arc<[ClassMask]>,
}

impl ScanSlice {
    /// True where all its rasters are files of this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_local = |source: &ScanSource| source.raster.asset().local_path().is_some();
        self.sources.iter().all(is_local)
    }

    /// Moves a rectangle of the scan's grid to the slice's own.
    fn own(&self, place: &Window) -> Window {
        Window {
            col: place.col - self.window.col,
            row: place.row - self.window.row,
            ..*place
        }
    }
}

/// A unit with what it needs of each slice.
pub(crate) struct PlannedUnit {
    unit: Unit,
    parts: Vec<SlicePart>,
}

/// A rectangle of one slice.
struct SlicePart {
    slice: usize,
    /// On the grid of the scan.
    place: Window,
    blocks: Vec<u32>,
}

impl PlannedUnit {
    /// Finds the blocks of a unit; slices that none of its parcels touches have none.
    pub(crate) fn new(mut unit: Unit, slices: &[ScanSlice]) -> Self {
        if slices.len() == 1 {
            let part = SlicePart {
                slice: 0,
                place: unit.window,
                blocks: std::mem::take(&mut unit.blocks),
            };
            return Self {
                unit,
                parts: vec![part],
            };
        }
        let mut parts = Vec::new();
        for (index, slice) in slices.iter().enumerate() {
            let Some(place) = unit.window.intersection(&slice.window) else {
                continue;
            };
            let windows = unit.pieces.iter().map(|piece| piece.record().window());
            let touched = windows.filter_map(|window| window.intersection(&place));
            let raster = &slice.sources[0].raster;
            let blocks: BTreeSet<u32> = touched
                .flat_map(|window| raster.blocks_of(&slice.own(&window)))
                .collect();
            if !blocks.is_empty() {
                parts.push(SlicePart {
                    slice: index,
                    place,
                    blocks: blocks.into_iter().collect(),
                });
            }
        }
        Self { unit, parts }
    }

    /// Returns the stored bytes of its blocks.
    pub(crate) fn stored_bytes(&self, slices: &[ScanSlice]) -> u64 {
        let of_part = |part: &SlicePart| -> u64 {
            let of_source = |source: &ScanSource| -> u64 {
                let blocks = part.blocks.iter();
                blocks
                    .map(|number| source.raster.block_bytes(*number, &source.bands))
                    .sum()
            };
            slices[part.slice].sources.iter().map(of_source).sum()
        };
        self.parts.iter().map(of_part).sum()
    }
}

/// A unit with the bytes of its blocks.
pub(crate) struct FetchedUnit {
    unit: Unit,
    parts: Vec<FetchedPart>,
}

struct FetchedPart {
    slice: usize,
    place: Window,
    sources: Vec<Vec<FetchedBlock>>,
    masks: Vec<FetchedMask>,
}

impl FetchedUnit {
    /// Returns its blocks in the order in which [`unit_bands`] takes them decoded.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &FetchedBlock> {
        self.parts
            .iter()
            .flat_map(|part| part.sources.iter().flatten())
    }
}

/// Fetches the blocks of a batch: those of one raster together.
///
/// # Errors
/// The first block or mask that cannot be fetched.
pub(crate) async fn fetch(
    slices: &[ScanSlice],
    batch: Vec<PlannedUnit>,
) -> Result<Vec<FetchedUnit>, ExtractError> {
    let of_slice = |(index, slice)| fetch_slice(index, slice, &batch);
    let by_slice = futures::future::try_join_all(slices.iter().enumerate().map(of_slice)).await?;
    let mut by_slice: Vec<_> = by_slice.into_iter().map(Vec::into_iter).collect();
    let fetched = batch.into_iter().map(|planned| FetchedUnit {
        parts: planned
            .parts
            .iter()
            .filter_map(|part| by_slice[part.slice].next())
            .collect(),
        unit: planned.unit,
    });
    Ok(fetched.collect())
}

/// Fetches what a batch needs of one slice: a part for each unit that needs any, in order.
async fn fetch_slice(
    index: usize,
    slice: &ScanSlice,
    batch: &[PlannedUnit],
) -> Result<Vec<FetchedPart>, ExtractError> {
    let parts: Vec<&SlicePart> = batch
        .iter()
        .flat_map(|planned| &planned.parts)
        .filter(|part| part.slice == index)
        .collect();
    let numbers: Vec<u32> = parts
        .iter()
        .flat_map(|part| part.blocks.iter().copied())
        .collect();
    let fetches = slice.sources.iter().map(|source| {
        source
            .raster
            .fetch_blocks(0, source.bands.clone(), &numbers)
    });
    let by_source = futures::future::try_join_all(fetches).await?;
    let mut by_source: Vec<_> = by_source.into_iter().map(Vec::into_iter).collect();
    let mut fetched = Vec::with_capacity(parts.len());
    for part in parts {
        let sources = by_source.iter_mut();
        let sources = sources.map(|blocks| blocks.take(part.blocks.len()).collect());
        let sources = sources.collect();
        let own = slice.own(&part.place);
        let masks = slice
            .masks
            .iter()
            .map(|mask| mask.fetch(&slice.geobox, &own));
        fetched.push(FetchedPart {
            slice: index,
            place: part.place,
            sources,
            masks: futures::future::try_join_all(masks).await?,
        });
    }
    Ok(fetched)
}

/// Puts fetched units into groups that one compute thread works on.
pub(crate) fn groups(fetched: Vec<FetchedUnit>) -> Vec<Vec<FetchedUnit>> {
    let mut groups: Vec<Vec<FetchedUnit>> = Vec::new();
    let (mut blocks, mut bytes) = (0, 0);
    for unit in fetched {
        let own_blocks = unit.blocks().count();
        let own_bytes: u64 = unit.blocks().map(FetchedBlock::decoded_bytes).sum();
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

/// One band over the window of a unit.
type BandPixels = (Pixels, Mask);

/// Returns the bands of a unit: decoded blocks put together, masked, converted, slices merged.
///
/// # Errors
/// Blocks of a mask that cannot be decoded.
pub(crate) fn unit_bands(
    scan: &Scan,
    fetched: FetchedUnit,
    decoded: &mut impl Iterator<Item = DecodedBlock>,
    scratch: &mut DecodeScratch,
) -> Result<(Unit, Vec<BandPixels>), ExtractError> {
    let FetchedUnit { unit, parts } = fetched;
    if let ([_], [_]) = (&*scan.slices, parts.as_slice()) {
        let mut bands = Vec::with_capacity(scan.bands.len());
        for part in parts {
            // The only slice has every band, in the order of the results.
            let own = part_bands(scan, part, decoded, scratch)?.into_iter();
            bands.extend(own.map(|(_, band)| band));
        }
        return Ok((unit, bands));
    }
    let len = unit.window.len() as usize;
    let zeros =
        |band: &crate::scan::BandPlan| (Pixels::zeros(band.data_type, len), vec![false; len]);
    let mut merged: Vec<(Pixels, Vec<bool>)> = scan.bands.iter().map(zeros).collect();
    for part in parts {
        let place = part.place;
        for (band, (pixels, mask)) in part_bands(scan, part, decoded, scratch)? {
            let (to, is_set) = &mut merged[band];
            for_pixels!(to, values => fill(values, is_set, &unit.window, &pixels, &mask, &place));
            scratch.recycle(pixels);
        }
    }
    let bands = merged.into_iter();
    let bands = bands.map(|(pixels, is_set)| (pixels, Mask::from_flags(is_set)));
    Ok((unit, bands.collect()))
}

/// Returns the bands of one slice over its part of a unit, each with its place in the results.
fn part_bands(
    scan: &Scan,
    part: FetchedPart,
    decoded: &mut impl Iterator<Item = DecodedBlock>,
    scratch: &mut DecodeScratch,
) -> Result<Vec<(usize, BandPixels)>, ExtractError> {
    let slice = &scan.slices[part.slice];
    let own = slice.own(&part.place);
    let mut classes = Mask::All;
    for (mask, fetched) in slice.masks.iter().zip(part.masks) {
        classes = classes.and(&mask.decode(fetched, &slice.geobox, &own, scratch)?);
    }
    let mut bands = Vec::new();
    for (source, blocks) in slice.sources.iter().zip(&part.sources) {
        let blocks = decoded.by_ref().take(blocks.len()).collect();
        let block = DecodedBlock::assemble(own, blocks)?;
        let pixels = block.bands.into_iter().zip(block.masks).enumerate();
        for (index, (pixels, mask)) in pixels {
            let place = source.places[index];
            let (conversion, scale, offset) = source.conversions[index];
            let mask = if scan.bands[place].is_masked {
                mask.and(&classes)
            } else {
                mask
            };
            bands.push((place, (conversion.apply(pixels, scale, offset), mask)));
        }
    }
    Ok(bands)
}

/// Puts the valid pixels of a slice where no slice before had any.
fn fill<T: Sample>(
    to: &mut [T],
    is_set: &mut [bool],
    window: &Window,
    from: &Pixels,
    mask: &Mask,
    place: &Window,
) {
    let Some(from) = T::slice(from) else { return };
    for row in 0..place.height as usize {
        let start = (row + (place.row - window.row) as usize) * window.width as usize;
        let start = start + (place.col - window.col) as usize;
        let width = place.width as usize;
        for col in 0..width {
            let at = row * width + col;
            if !is_set[start + col] && mask.is_valid(at) {
                to[start + col] = from[at];
                is_set[start + col] = true;
            }
        }
    }
}
