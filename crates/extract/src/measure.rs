//! Bands of any rasters over all parcels: grouped by grid, scanned, put in order.

use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_io::GeoTiff;
use swath_raster::{CoverageRule, DataType, ValueStatistics};

use crate::ExtractError;
use crate::class_mask::ClassMask;
use crate::conversion::Conversion;
use crate::coverage_table::CoverageTable;
use crate::extractor::Extractor;
use crate::pixel_index::IndexRef;
use crate::scan::{BandPlan, Scan, scan};
use crate::scan_result::{BandResult, ClassCount, HandOver, ScanResult, TakeResults};
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
    /// False of a band that is read for indexes only: it has no rows.
    pub is_measured: bool,
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

/// Bands that one scan reads, raster by raster, and the indexes over them.
struct Group {
    members: Vec<Member>,
    /// Positions of the indexes.
    indexes: Vec<usize>,
}

/// A band of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Its place in the order asked for.
    pub(crate) place: usize,
    /// False where the scan needs it for an index only.
    pub(crate) is_measured: bool,
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

    /// True of a parcel whose results in a band were handed over while its grid was scanned.
    pub(crate) fn is_handed_over(&self, parcel: usize, band: usize) -> bool {
        let scan = self.by_band[band].as_ref();
        scan.is_some_and(|(result, _)| result.is_handed_over(parcel))
    }

    /// True of a parcel that is known to lie on the grid of a band.
    pub(crate) fn is_on_grid(&self, parcel: usize) -> bool {
        let mut scans = self.by_band.iter().flatten();
        scans.any(|(result, _)| {
            let is_there = !result.of(parcel).is_empty() && !result.is_vanished(parcel);
            is_there || result.is_handed_over(parcel)
        })
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
        let results = self.scan_bands(bands, &[], &scope, None).await?;
        let mut measured = Measured {
            bytes: results.bytes,
            ..Measured::default()
        };
        for parcel in 0..self.parcels.len() {
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
                    .push(row(place, band.row_values(), result, self.options.rule));
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

    /// Scans the bands of one image over the parcels of a scope: results of bands, then of indexes, without
    /// what `taker` took on the way.
    ///
    /// # Errors
    /// As [`Extractor::measure`]; an index over bands of several grids.
    pub(crate) async fn scan_bands(
        &self,
        bands: &[BandRef],
        indexes: &[IndexRef],
        scope: &ScanScope,
        mut taker: Option<&mut dyn TakeResults>,
    ) -> Result<BandResults, ExtractError> {
        let mut results = BandResults::new(bands.len() + indexes.len());
        for group in self.groups(bands, indexes)? {
            let of_indexes = group.indexes.iter().map(|index| bands.len() + index);
            let places: Vec<usize> = measured_places(&group.members).chain(of_indexes).collect();
            let (plan, table) = self.plan_group(bands, indexes, &group, scope).await?;
            let hand_over = taker.as_mut().map(|taker| HandOver {
                places: &places,
                taker: &mut **taker,
            });
            results.put(scan(&plan, &table, hand_over).await?, &places);
        }
        Ok(results)
    }

    /// Groups bands that one pass can read: same grid, same blocks, and results that fit the memory.
    fn groups(&self, bands: &[BandRef], indexes: &[IndexRef]) -> Result<Vec<Group>, ExtractError> {
        let bands_max = self.bands_max();
        let mut groups: Vec<Group> = Vec::new();
        for (place, band) in bands.iter().enumerate() {
            let member = Member {
                place,
                is_measured: band.is_measured,
            };
            let fits = |group: &&mut Group| {
                let first = &bands[group.members[0].place];
                group.members.len() < bands_max && is_same_layout(&first.raster, &band.raster)
            };
            match groups.iter_mut().find(fits) {
                Some(group) => group.members.push(member),
                None => groups.push(Group {
                    members: vec![member],
                    indexes: Vec::new(),
                }),
            }
        }
        for (number, index) in indexes.iter().enumerate() {
            check_one_layout(index, bands)?;
            match groups
                .iter_mut()
                .find(|group| holds_all(&group.members, index))
            {
                Some(group) => group.indexes.push(number),
                None => groups.push(Group {
                    members: inputs_alone(index),
                    indexes: vec![number],
                }),
            }
        }
        groups.retain(|group| {
            !group.indexes.is_empty() || measured_places(&group.members).count() > 0
        });
        let mut rasters: Vec<&Arc<GeoTiff>> = Vec::new();
        for band in bands {
            if !rasters.iter().any(|own| Arc::ptr_eq(own, &band.raster)) {
                rasters.push(&band.raster);
            }
        }
        let raster_of = |member: &Member| {
            let raster = &bands[member.place].raster;
            rasters.iter().position(|own| Arc::ptr_eq(own, raster))
        };
        groups
            .iter_mut()
            .for_each(|group| group.members.sort_by_key(raster_of));
        Ok(groups)
    }

    /// Returns how many bands' results fit the memory.
    pub(crate) fn bands_max(&self) -> usize {
        let result_bytes = self.parcels.len().max(1) * size_of::<BandResult>();
        (self.options.memory_bytes_max / 2 / result_bytes).max(1)
    }

    async fn plan_group(
        &self,
        bands: &[BandRef],
        indexes: &[IndexRef],
        group: &Group,
        scope: &ScanScope,
    ) -> Result<(Scan, Arc<CoverageTable>), ExtractError> {
        let members: Vec<&BandRef> = group.members.iter().map(|own| &bands[own.place]).collect();
        let raster = &members[0].raster;
        let geobox = Self::geobox(raster)?;
        check_masks(&scope.masks, raster, &geobox)?;
        let table = self
            .table_on(geobox.clone(), raster.href(), scope.near.clone())
            .await?;
        let mut sources = Vec::new();
        let mut first = 0;
        for own in members.chunk_by(|one, other| Arc::ptr_eq(&one.raster, &other.raster)) {
            sources.push(ScanSource {
                raster: own[0].raster.clone(),
                bands: own.iter().map(|band| band.band).collect(),
                conversions: own.iter().map(|band| band.converted()).collect(),
                places: (first..first + own.len()).collect(),
            });
            first += own.len();
        }
        let slice = ScanSlice {
            window: Window::full(geobox.size()),
            geobox: geobox.clone(),
            sources: sources.into(),
            masks: scope.masks.clone(),
        };
        let plans = group.members.iter().zip(&members);
        let plans = plans.map(|(member, band)| BandPlan {
            is_measured: member.is_measured,
            ..band.plan(scope.masks_classes)
        });
        let own_indexes = group.indexes.iter().map(|index| {
            let index = &indexes[*index];
            index.over(|place| (position_of(&group.members, place), bands[place].converted()))
        });
        let plan = Scan {
            slices: Arc::from([slice]),
            geobox,
            layout: BlockLayout::of(raster),
            bands: plans.collect(),
            indexes: own_indexes.collect(),
            parcels: self.parcels.len(),
            selection: scope.selection.clone(),
            rule: self.options.rule,
            threads: self.options.threads,
            memory_bytes_max: self.options.memory_bytes_max,
            meter: self.meter().clone(),
            large_work: self.large_work().clone(),
        };
        Ok((plan, table))
    }
}

/// Returns the places of the members that have results of their own.
pub(crate) fn measured_places(members: &[Member]) -> impl Iterator<Item = usize> {
    let own = members.iter().filter(|member| member.is_measured);
    own.map(|member| member.place)
}

/// Returns where a band stands among members that hold it.
pub(crate) fn position_of(members: &[Member], place: usize) -> usize {
    let own = members.iter().position(|member| member.place == place);
    own.expect("an index goes to a group that holds its bands")
}

/// True where all bands of an index are among the members.
pub(crate) fn holds_all(members: &[Member], index: &IndexRef) -> bool {
    let holds = |place: &usize| members.iter().any(|member| member.place == *place);
    index.inputs.iter().all(holds)
}

/// Returns members for a scan that measures nothing but an index.
pub(crate) fn inputs_alone(index: &IndexRef) -> Vec<Member> {
    let alone = |place: &usize| Member {
        place: *place,
        is_measured: false,
    };
    index.inputs.iter().map(alone).collect()
}

/// Refuses an index whose bands do not lie on one grid in the same blocks.
///
/// # Errors
/// Names two bands that differ.
pub(crate) fn check_one_layout(index: &IndexRef, bands: &[BandRef]) -> Result<(), ExtractError> {
    let first = &bands[index.inputs[0]];
    let other = index.inputs.iter().map(|input| &bands[*input]);
    let mut other = other.filter(|band| !is_same_layout(&first.raster, &band.raster));
    match other.next() {
        None => Ok(()),
        Some(other) => Err(ExtractError::Items {
            href: other.raster.href().to_owned(),
            reason: format!(
                "index {}: bands {} and {} have other pixels or blocks, so that it cannot be computed per \
                 pixel: take bands of one grid, or the index of the means (swath series --index)",
                index.name, first.name, other.name
            ),
        }),
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
            is_measured: self.is_measured,
        }
    }

    /// Returns what the values of its rows are.
    pub(crate) fn row_values(&self) -> RowValues {
        RowValues {
            is_whole: !self.stored_type().is_float(),
            conversion: self.conversion,
            scale: self.scale,
            offset: self.offset,
        }
    }

    /// Returns the type of its samples.
    pub(crate) fn stored_type(&self) -> DataType {
        self.raster.bands()[self.band].data_type
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

/// What statistics of a scan are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowValues {
    /// True of samples that are whole numbers.
    is_whole: bool,
    conversion: Conversion,
    scale: f64,
    offset: f64,
}

impl RowValues {
    /// Numbers that were computed: they are what they are.
    pub(crate) const COMPUTED: Self = Self {
        is_whole: false,
        conversion: Conversion::Stored,
        scale: 1.0,
        offset: 0.0,
    };
}

/// Returns a row of statistics; count 0 where there is no result.
pub(crate) fn row(
    place: RowPlace,
    of: RowValues,
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
        values: statistics.values.map(|values| physical(values, of, rule)),
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
fn physical(values: ValueStatistics, of: RowValues, rule: CoverageRule) -> ValueStatistics {
    let is_unscaled = of.scale == 1.0 && of.offset == 0.0;
    let is_stored = of.conversion == Conversion::Stored;
    if rule == CoverageRule::Fraction && is_stored && of.is_whole && is_unscaled {
        return ValueStatistics {
            p25: cut(values.p25),
            p50: cut(values.p50),
            p75: cut(values.p75),
            ..values
        };
    }
    of.conversion.physical(values, of.scale, of.offset)
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
