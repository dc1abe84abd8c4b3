//! Bands of any rasters over all parcels: grouped by grid, scanned, put in order.

use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_io::GeoTiff;
use swath_raster::{CoverageRule, DataType, ValueStatistics};

use crate::ExtractError;
use crate::class_mask::ClassMask;
use crate::conversion::Conversion;
use crate::extractor::Extractor;
use crate::scan::{BandPlan, BandResult, ClassCount, Scan, ScanResult, scan};
use crate::selection::Selection;
use crate::slices::{ScanSlice, ScanSource};
use crate::units::BlockLayout;

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
    /// What of it is averaged.
    pub conversion: Conversion,
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

/// Which parcels and pixels a scan takes.
#[derive(Debug, Clone)]
pub(crate) struct ScanScope {
    /// Those whose coverage is kept for the grid; `None`: all.
    pub(crate) near: Option<Arc<Selection>>,
    /// The parcels; `None`: all of those.
    pub(crate) selection: Option<Arc<Selection>>,
    /// What masks.
    pub(crate) masks: Arc<[ClassMask]>,
    /// True where masks hold for bands of classes too.
    pub(crate) masks_classes: bool,
}

/// Bands that one scan reads, with their places in the order asked for.
struct Group {
    places: Vec<usize>,
    sources: Vec<(Arc<GeoTiff>, Vec<usize>)>,
}

/// Results of bands, one scan or several.
#[derive(Debug)]
pub(crate) struct BandResults {
    by_band: Vec<Option<(Arc<ScanResult>, usize)>>,
    /// Stored bytes of the blocks that were read.
    pub(crate) bytes: u64,
}

impl BandResults {
    /// Returns the results of no band yet.
    pub(crate) fn new(bands: usize) -> Self {
        Self {
            by_band: vec![None; bands],
            bytes: 0,
        }
    }

    /// Adds a scan whose results are those of `places`, in order.
    pub(crate) fn put(&mut self, result: ScanResult, places: &[usize]) {
        self.bytes += result.bytes;
        let result = Arc::new(result);
        for (index, place) in places.iter().enumerate() {
            self.by_band[*place] = Some((result.clone(), index));
        }
    }

    /// Returns the result of a parcel in a band; `None` where it is off its grid.
    pub(crate) fn of(&self, parcel: usize, band: usize) -> Option<BandResult> {
        let (result, index) = self.by_band[band].as_ref()?;
        result.of(parcel).get(*index).copied()
    }

    /// True of a parcel that is known to lie on the grid of a band.
    pub(crate) fn is_on_grid(&self, parcel: usize) -> bool {
        let mut scans = self.by_band.iter().flatten();
        scans.any(|(result, _)| !result.of(parcel).is_empty() && !result.is_vanished(parcel))
    }

    /// Returns the class counts of a parcel in a band of classes, by rising class.
    pub(crate) fn classes(&self, parcel: usize, band: usize) -> &[ClassCount] {
        match &self.by_band[band] {
            Some((result, index)) => result.classes(parcel, *index),
            None => &[],
        }
    }
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
        let scope = ScanScope {
            near: None,
            selection: None,
            masks,
            masks_classes: true,
        };
        let results = self.scan_bands(bands, &scope).await?;
        let mut measured = Measured {
            bytes: results.bytes,
            ..Measured::default()
        };
        for parcel in 0..self.parcels.parcels.len() {
            if (0..bands.len()).all(|band| results.of(parcel, band).is_none()) {
                measured.off_grid += 1;
                if off_grid == OffGrid::LeaveOut {
                    continue;
                }
            }
            for (index, band) in bands.iter().enumerate() {
                let place = RowPlace {
                    parcel: parcel as u32,
                    band: index as u32,
                };
                let result = results.of(parcel, index);
                measured
                    .rows
                    .push(row(place, band, result, self.options.rule));
                if band.is_class {
                    let classes = results.classes(parcel, index).iter();
                    measured
                        .classes
                        .extend(classes.map(|found| class_row(place, found)));
                }
            }
        }
        Ok(measured)
    }

    /// Scans the bands of one image over the parcels of a scope.
    ///
    /// # Errors
    /// As [`Extractor::measure`].
    pub(crate) async fn scan_bands(
        &self,
        bands: &[BandRef],
        scope: &ScanScope,
    ) -> Result<BandResults, ExtractError> {
        let mut results = BandResults::new(bands.len());
        for group in self.groups(bands) {
            let result = self.scan_group(bands, &group, scope).await?;
            results.put(result, &group.places);
        }
        Ok(results)
    }

    /// Groups bands that one pass can read: same grid, same blocks, and results that fit the memory.
    fn groups(&self, bands: &[BandRef]) -> Vec<Group> {
        let bands_max = self.bands_max();
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

    /// Returns how many bands' results fit the memory.
    pub(crate) fn bands_max(&self) -> usize {
        let result_bytes = self.parcels.parcels.len().max(1) * size_of::<BandResult>();
        (self.options.memory_bytes_max / 2 / result_bytes).max(1)
    }

    async fn scan_group(
        &self,
        bands: &[BandRef],
        group: &Group,
        scope: &ScanScope,
    ) -> Result<ScanResult, ExtractError> {
        let raster = &group.sources[0].0;
        let geobox = Self::geobox(raster)?;
        check_masks(&scope.masks, raster, &geobox)?;
        let table = self
            .table_on(geobox.clone(), raster.href(), scope.near.clone())
            .await?;
        let mut sources = Vec::with_capacity(group.sources.len());
        let mut first = 0;
        for (raster, own) in &group.sources {
            let places: Vec<usize> = (first..first + own.len()).collect();
            first += own.len();
            let conversions = places
                .iter()
                .map(|place| bands[group.places[*place]].converted());
            sources.push(ScanSource {
                raster: raster.clone(),
                bands: Arc::from(&own[..]),
                conversions: conversions.collect(),
                places: places.into(),
            });
        }
        let slice = ScanSlice {
            window: Window::full(geobox.size()),
            geobox: geobox.clone(),
            sources: sources.into(),
            masks: scope.masks.clone(),
        };
        let places = group.places.iter();
        let plan = Scan {
            slices: Arc::from([slice]),
            geobox,
            layout: BlockLayout::of(raster),
            bands: places
                .map(|place| bands[*place].plan(scope.masks_classes))
                .collect(),
            parcels: self.parcels.parcels.len(),
            selection: scope.selection.clone(),
            rule: self.options.rule,
            threads: self.options.threads,
            memory_bytes_max: self.options.memory_bytes_max,
        };
        scan(&plan, &table).await
    }
}

/// Refuses masks that are turned against the data.
///
/// # Errors
/// The first of them.
pub(crate) fn check_masks(
    masks: &[ClassMask],
    raster: &GeoTiff,
    geobox: &GeoBox,
) -> Result<(), ExtractError> {
    match masks.iter().find(|mask| !mask.fits(geobox)) {
        None => Ok(()),
        Some(mask) => {
            let reason = format!(
                "it is turned against {}: a mask must have the axes of the data",
                raster.href()
            );
            Err(ExtractError::Grid {
                href: mask.href().to_owned(),
                reason,
            })
        }
    }
}

impl BandRef {
    /// Returns what is averaged, with scale and offset.
    pub(crate) fn converted(&self) -> (Conversion, f64, f64) {
        (self.conversion, self.scale, self.offset)
    }

    /// Returns the plan of its results.
    pub(crate) fn plan(&self, masks_classes: bool) -> BandPlan {
        BandPlan {
            data_type: self.conversion.data_type(self.stored_type()),
            is_class: self.is_class,
            is_masked: masks_classes || !self.is_class,
        }
    }

    /// Returns the type of its samples.
    pub(crate) fn stored_type(&self) -> DataType {
        self.raster.bands()[self.band].data_type
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

/// True of rasters of one grid and one block layout.
pub(crate) fn is_same_layout(one: &GeoTiff, other: &GeoTiff) -> bool {
    one.size() == other.size()
        && one.block_size() == other.block_size()
        && one.transform() == other.transform()
        && one.crs() == other.crs()
}

/// Which row it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace {
    pub(crate) parcel: u32,
    pub(crate) band: u32,
}

/// Returns a row of statistics; count 0 where there is no result.
pub(crate) fn row(
    place: RowPlace,
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
        parcel: place.parcel,
        band: place.band,
        count: statistics.count,
        values: statistics.values.map(|values| physical(values, band, rule)),
        clear,
    }
}

/// Returns a row of class counts.
pub(crate) fn class_row(place: RowPlace, found: &ClassCount) -> ClassRow {
    ClassRow {
        parcel: place.parcel,
        band: place.band,
        class: found.class,
        count: found.count,
    }
}

/// Returns the values in physical units.
///
/// By share, quantiles of whole numbers that have no scale are whole numbers, cut towards zero, as
/// exactextract gives them: between two classes or counts there is no value.
fn physical(values: ValueStatistics, band: &BandRef, rule: CoverageRule) -> ValueStatistics {
    let is_whole = !band.stored_type().is_float();
    let is_unscaled = band.scale == 1.0 && band.offset == 0.0;
    let is_stored = band.conversion == Conversion::Stored;
    if rule == CoverageRule::Fraction && is_stored && is_whole && is_unscaled {
        return ValueStatistics {
            p25: cut(values.p25),
            p50: cut(values.p50),
            p75: cut(values.p75),
            ..values
        };
    }
    band.conversion.physical(values, band.scale, band.offset)
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
