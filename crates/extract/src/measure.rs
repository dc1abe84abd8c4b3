//! Bands of any rasters over all parcels: grouped by grid, scanned, put in order.

use std::sync::Arc;

use swath_io::GeoTiff;
use swath_raster::{CoverageRule, ValueStatistics};

use crate::ExtractError;
use crate::class_mask::ClassMask;
use crate::extractor::Extractor;
use crate::scan::{BandResult, Scan, ScanResult, ScanSource, scan};

/// One band to measure.
#[derive(Debug, Clone)]
pub struct BandRef {
    /// Its raster.
    pub raster: Arc<GeoTiff>,
    /// Its position in the raster, from 0.
    pub band: usize,
    /// Its name in the rows.
    pub name: String,
    /// Factor from stored to physical values.
    pub scale: f64,
    /// Summand from stored to physical values.
    pub offset: f64,
    /// True for a band of classes, which are counted one by one.
    pub is_class: bool,
}

/// One row: a parcel and a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Position of the parcel in its file.
    pub parcel: u32,
    /// Position of the band among those measured.
    pub band: u32,
    /// Sum of shares of valid, unmasked pixels, or their number.
    pub count: f64,
    /// Physical values; `None` where `count` is 0.
    pub values: Option<ValueStatistics>,
    /// Share of the parcel that was valid and unmasked, 0..=1.
    pub clear: f64,
}

/// One class of one parcel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassRow {
    /// Position of the parcel in its file.
    pub parcel: u32,
    /// Position of the band among those measured.
    pub band: u32,
    /// Stored value of the class.
    pub class: f64,
    /// Sum of shares of its pixels, or their number.
    pub count: f64,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// By parcel in file order, then by band.
    pub rows: Vec<Row>,
    /// By parcel, band, then rising class.
    pub classes: Vec<ClassRow>,
    /// Parcels that lie on none of the grids.
    pub off_grid: usize,
    /// Stored bytes of the blocks that were read.
    pub bytes: u64,
}

/// Which parcels get rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffGrid {
    /// All: a parcel off the grid has count 0.
    Keep,
    /// Those on a grid.
    LeaveOut,
}

/// Bands that one scan reads, with their places in the order asked for.
struct Group {
    places: Vec<usize>,
    sources: Vec<(Arc<GeoTiff>, Vec<usize>)>,
}

impl Extractor {
    /// Measures `bands` over all parcels, unmasked by `masks`.
    ///
    /// # Errors
    /// Blocks that cannot be read; grids and CRSs that do not fit together.
    pub async fn measure(
        &self,
        bands: &[BandRef],
        masks: Arc<[ClassMask]>,
        off_grid: OffGrid,
    ) -> Result<Measured, ExtractError> {
        let mut results: Vec<Option<(Arc<ScanResult>, usize)>> = vec![None; bands.len()];
        let mut measured = Measured::default();
        for group in self.groups(bands) {
            let result = Arc::new(self.scan_group(bands, &group, masks.clone()).await?);
            measured.bytes += result.bytes;
            for (index, place) in group.places.iter().enumerate() {
                results[*place] = Some((result.clone(), index));
            }
        }
        for parcel in 0..self.parcels.parcels.len() {
            let of = |result: &Option<(Arc<ScanResult>, usize)>| {
                result
                    .as_ref()
                    .and_then(|(result, index)| result.of(parcel)[*index])
            };
            if results.iter().all(|result| of(result).is_none()) {
                measured.off_grid += 1;
                if off_grid == OffGrid::LeaveOut {
                    continue;
                }
            }
            for (index, (band, result)) in bands.iter().zip(&results).enumerate() {
                measured
                    .rows
                    .push(row(parcel, index, band, of(result), self.options.rule));
                if let Some((result, in_scan)) = result.as_ref().filter(|_| band.is_class) {
                    let classes = result.classes(parcel, *in_scan).iter();
                    measured.classes.extend(classes.map(|found| ClassRow {
                        parcel: parcel as u32,
                        band: index as u32,
                        class: found.class,
                        count: found.count,
                    }));
                }
            }
        }
        Ok(measured)
    }

    /// Groups bands that one pass can read: same grid, same blocks, and results that fit the memory.
    fn groups(&self, bands: &[BandRef]) -> Vec<Group> {
        let result_bytes = self.parcels.parcels.len().max(1) * size_of::<Option<BandResult>>();
        let bands_max = (self.options.memory_bytes_max / 2 / result_bytes).max(1);
        let mut groups: Vec<Group> = Vec::new();
        for (place, band) in bands.iter().enumerate() {
            let fits = |group: &&mut Group| {
                group.places.len() < bands_max && is_same_layout(&group.sources[0].0, &band.raster)
            };
            let group = match groups.iter_mut().find(fits) {
                Some(group) => group,
                None => {
                    groups.push(Group {
                        places: Vec::new(),
                        sources: vec![(band.raster.clone(), Vec::new())],
                    });
                    let last = groups.len() - 1;
                    &mut groups[last]
                }
            };
            group.places.push(place);
            match group
                .sources
                .iter_mut()
                .find(|(raster, _)| Arc::ptr_eq(raster, &band.raster))
            {
                Some((_, own)) => own.push(band.band),
                None => group.sources.push((band.raster.clone(), vec![band.band])),
            }
        }
        groups
            .iter_mut()
            .for_each(|group| group.order_places(bands));
        groups
    }

    async fn scan_group(
        &self,
        bands: &[BandRef],
        group: &Group,
        masks: Arc<[ClassMask]>,
    ) -> Result<ScanResult, ExtractError> {
        let raster = &group.sources[0].0;
        let geobox = Self::geobox(raster)?;
        if let Some(mask) = masks.iter().find(|mask| !mask.fits(&geobox)) {
            let reason = format!(
                "it is turned against {}: a mask must have the axes of the data",
                raster.href()
            );
            return Err(ExtractError::Grid {
                href: mask.href().to_owned(),
                reason,
            });
        }
        let table = self.table(raster).await?;
        let sources = group
            .sources
            .iter()
            .map(|(raster, own)| ScanSource {
                raster: raster.clone(),
                bands: Arc::from(&own[..]),
            })
            .collect();
        let plan = Scan {
            sources,
            geobox,
            masks,
            rule: self.options.rule,
            is_class: group
                .places
                .iter()
                .map(|place| bands[*place].is_class)
                .collect(),
            threads: self.options.threads,
            memory_bytes_max: self.options.memory_bytes_max,
        };
        scan(&plan, &table).await
    }
}

impl Group {
    /// Puts `places` in the order in which a scan yields its bands: by source, then by band.
    fn order_places(&mut self, bands: &[BandRef]) {
        let mut ordered = Vec::with_capacity(self.places.len());
        for (raster, own) in &self.sources {
            let of_raster = self
                .places
                .iter()
                .filter(|place| Arc::ptr_eq(&bands[**place].raster, raster));
            ordered.extend(of_raster.copied().take(own.len()));
        }
        self.places = ordered;
    }
}

fn is_same_layout(one: &GeoTiff, other: &GeoTiff) -> bool {
    one.size() == other.size()
        && one.block_size() == other.block_size()
        && one.transform() == other.transform()
        && one.crs() == other.crs()
}

fn row(
    parcel: usize,
    index: usize,
    band: &BandRef,
    result: Option<BandResult>,
    rule: CoverageRule,
) -> Row {
    let (statistics, clear) = match result {
        Some(result) => (result.statistics, result.clear),
        None => (
            swath_raster::Statistics {
                count: 0.0,
                values: None,
            },
            0.0,
        ),
    };
    Row {
        parcel: parcel as u32,
        band: index as u32,
        count: statistics.count,
        values: statistics.values.map(|values| physical(values, band, rule)),
        clear,
    }
}

/// Returns the values in physical units.
///
/// By share, quantiles of whole numbers that have no scale are whole numbers, cut towards zero, as
/// exactextract gives them: between two classes or counts there is no value.
fn physical(values: ValueStatistics, band: &BandRef, rule: CoverageRule) -> ValueStatistics {
    let is_whole = !band.raster.bands()[band.band].data_type.is_float();
    let is_unscaled = band.scale == 1.0 && band.offset == 0.0;
    if rule == CoverageRule::Fraction && is_whole && is_unscaled {
        return ValueStatistics {
            p25: cut(values.p25),
            p50: cut(values.p50),
            p75: cut(values.p75),
            ..values
        };
    }
    values.scaled(band.scale, band.offset)
}

/// Cuts the fraction off, but takes what rounding left beside a whole number for it.
fn cut(value: f64) -> f64 {
    let whole = value.round();
    if (value - whole).abs() <= 1e-9 * whole.abs().max(1.0) {
        whole
    } else {
        value.trunc()
    }
}
