//! Parcels ready to be measured: brought to a grid once, kept for every raster of that grid.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use swath_grid::{GeoBox, ShiftOptions};
use swath_io::GeoTiff;
use swath_io::vector::{ParcelGeometry, ParcelSource};
use swath_raster::CoverageRule;
use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;
use crate::coverage_table::{CoverageInput, CoverageTable};
use crate::large_work::LargeWork;
use crate::parcel_shapes::ParcelShapes;
use crate::pass::{UnitGround, UnitParcels};
use crate::placement::Placement;
use crate::selection::Selection;
use crate::stages::StageMeter;

/// Bytes of coverage tables that are kept in memory, beyond which all but the newest are let go.
const TABLES_BYTES_MAX: usize = 256 << 20;
/// Units whose parcels are kept, beyond which all are let go.
const UNITS_KEPT_MAX: usize = 64;

/// How parcels are measured.
#[derive(Debug, Clone)]
pub struct MeasureOptions {
    /// When a pixel belongs to a parcel. Default: by share.
    pub rule: CoverageRule,
    /// Metres by which parcels grow; negative = inwards. Default 0.
    pub buffer_m: f64,
    /// Coarsest accepted shift between datums, in metres. Default 5.
    pub shift_accuracy_max_m: f64,
    /// Compute threads. Default: all cores.
    pub threads: usize,
    /// Memory that values and results may take, in bytes. Default 512 MiB.
    pub memory_bytes_max: usize,
    /// Folder of the coverage cache; `None` keeps nothing.
    pub cache_dir: Option<PathBuf>,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            rule: CoverageRule::Fraction,
            buffer_m: 0.0,
            shift_accuracy_max_m: ShiftOptions::default().accuracy_max_m,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes_max: 512 << 20,
            cache_dir: None,
        }
    }
}

/// A shift between datums that was used.
#[derive(Debug, Clone, PartialEq)]
pub struct UsedShift {
    /// CRS of the parcels.
    pub from: String,
    /// CRS of the raster.
    pub to: String,
    /// Its method.
    pub method: String,
    /// Its accuracy in metres.
    pub accuracy_m: f64,
}

/// A set of parcels with its coverage on every grid met so far.
#[derive(Debug)]
pub struct Extractor {
    pub(crate) parcels: ParcelShapes,
    pub(crate) options: MeasureOptions,
    tables: tokio::sync::Mutex<HashMap<u64, Arc<CoverageTable>>>,
    shifts: std::sync::Mutex<Vec<UsedShift>>,
    units: tokio::sync::Mutex<HashMap<u64, Arc<UnitParcels>>>,
    meter: Arc<StageMeter>,
    large_work: Arc<LargeWork>,
}

impl Extractor {
    /// Returns an extractor of `parcels`.
    ///
    /// # Errors
    /// Where the options make no sense, or the shapes of many parcels find no room on disk.
    pub fn new(parcels: Arc<ParcelSource>, options: MeasureOptions) -> Result<Self, ExtractError> {
        if !options.buffer_m.is_finite() {
            return Err(ExtractError::Options {
                reason: "the buffer is not a number of metres".to_owned(),
            });
        }
        if options.buffer_m < 0.0 && parcels.geometry == ParcelGeometry::Points {
            return Err(ExtractError::Options {
                reason:
                    "points cannot shrink: give a buffer above 0, the radius in metres, or none"
                        .to_owned(),
            });
        }
        Ok(Self {
            parcels: ParcelShapes::new(parcels, options.memory_bytes_max)?,
            large_work: Arc::new(LargeWork::new(options.threads)),
            options,
            tables: Default::default(),
            shifts: Default::default(),
            units: Default::default(),
            meter: Default::default(),
        })
    }

    /// Returns the parcels; of many, the shapes are on disk and empty here.
    pub fn parcels(&self) -> &ParcelSource {
        self.parcels.source()
    }

    /// Returns what sums the time of each stage of whatever is measured.
    pub fn meter(&self) -> &Arc<StageMeter> {
        &self.meter
    }

    /// Returns what lets large work take turns.
    pub(crate) fn large_work(&self) -> &Arc<LargeWork> {
        &self.large_work
    }

    /// Returns the shifts between datums that were used so far.
    pub fn shifts(&self) -> Vec<UsedShift> {
        self.shifts
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Returns the grid of a raster.
    ///
    /// # Errors
    /// Where it has no CRS or no transform.
    pub(crate) fn geobox(raster: &GeoTiff) -> Result<GeoBox, ExtractError> {
        let wrong = |reason: &str| ExtractError::Grid {
            href: raster.href().to_owned(),
            reason: reason.to_owned(),
        };
        let crs = raster
            .crs()
            .ok_or_else(|| wrong("the raster names no coordinate reference system; write one into it (gdal_edit.py -a_srs EPSG:n)"))?;
        let transform = raster.transform().ok_or_else(|| {
            wrong("the raster has no transform from pixels to coordinates; warp it to a grid first")
        })?;
        GeoBox::new(crs.clone(), *transform, raster.size())
            .ok_or_else(|| wrong("the raster is empty"))
    }

    /// Returns the coverage of the parcels on the grid of `raster`: kept, read from the cache, or computed.
    ///
    /// # Errors
    /// Where a parcel cannot be brought to the grid.
    pub(crate) async fn table(&self, raster: &GeoTiff) -> Result<Arc<CoverageTable>, ExtractError> {
        self.table_on(Self::geobox(raster)?, raster.href(), None)
            .await
    }

    /// Returns the coverage of all parcels, or of some, on a grid; `href` names it in messages.
    ///
    /// # Errors
    /// As [`Extractor::table`].
    pub(crate) async fn table_on(
        &self,
        geobox: GeoBox,
        href: &str,
        only: Option<Arc<Selection>>,
    ) -> Result<Arc<CoverageTable>, ExtractError> {
        let placement = Placement::new(&self.parcels.source().crs, &geobox, &self.options, href)?;
        let key = self.key(&geobox, &placement, only.as_deref());
        // The lock is held while a table is computed: two items of one grid must not both do it.
        let mut tables = self.tables.lock().await;
        if let Some(table) = tables.get(&key) {
            return Ok(table.clone());
        }
        self.note_shift(&placement, &geobox);
        let parcels = self.parcels.clone();
        let rule = self.options.rule;
        let meter = self.meter.clone();
        let path = self
            .options
            .cache_dir
            .as_ref()
            .map(|folder| folder.join(format!("{key:016x}.coverage")));
        let table = tokio::task::spawn_blocking(move || {
            let all = parcels.len();
            let numbers: Vec<u32> = match &only {
                Some(only) => only.iter().collect(),
                None => (0..all as u32).collect(),
            };
            if let Some(kept) = path
                .as_deref()
                .and_then(|path| CoverageTable::open(path, numbers.len()))
            {
                return Ok(kept);
            }
            let polygon = |parcel: usize| placement.place(&parcels, parcel);
            let input = CoverageInput {
                geobox: &geobox,
                rule,
                parcels: &numbers,
                polygon: &polygon,
                meter: &meter,
            };
            CoverageTable::compute(&input, path.as_deref())
        });
        let table = table.await.map_err(|error| ExtractError::Cache {
            reason: error.to_string(),
        })??;
        let table = Arc::new(table);
        let kept_bytes: usize = tables.values().map(|table| table.memory_bytes()).sum();
        if kept_bytes > TABLES_BYTES_MAX {
            tables.clear();
        }
        tables.insert(key, table.clone());
        Ok(table)
    }

    /// Returns which parcels a unit owns, and in which of its slices they lie; kept from unit to unit.
    ///
    /// # Errors
    /// Where a parcel cannot be brought to the unit's grid.
    pub(crate) async fn unit_parcels(
        &self,
        ground: UnitGround,
    ) -> Result<Arc<UnitParcels>, ExtractError> {
        let key = ground.digest();
        // The lock is held meanwhile: two units of one ground must not both do it.
        let mut units = self.units.lock().await;
        if let Some(found) = units.get(&key) {
            return Ok(found.clone());
        }
        let (parcels, options) = (self.parcels.clone(), self.options.clone());
        let meter = self.meter.clone();
        let find = move || UnitParcels::find(parcels, &options, ground, &meter);
        let found = tokio::task::spawn_blocking(find);
        let found = found.await.map_err(|error| ExtractError::Cache {
            reason: error.to_string(),
        })??;
        let found = Arc::new(found);
        if units.len() >= UNITS_KEPT_MAX {
            units.clear();
        }
        units.insert(key, found.clone());
        Ok(found)
    }

    /// Frees the geometry once the parcels are on the grid of `raster`, the only one to come.
    ///
    /// # Errors
    /// As [`Extractor::table`].
    pub(crate) async fn settle_on(&mut self, raster: &GeoTiff) -> Result<(), ExtractError> {
        self.table(raster).await?;
        self.parcels.forget_shapes();
        Ok(())
    }

    fn key(&self, geobox: &GeoBox, placement: &Placement, only: Option<&Selection>) -> u64 {
        let source = self.parcels.source();
        let mut text = format!(
            "{:016x} {} {} {:?} {:?} {} {:?} {:?} {} {}",
            source.digest,
            source.id_field,
            source.parcels.len(),
            source.geometry,
            self.options.rule,
            self.options.buffer_m,
            geobox.transform().to_gdal().map(f64::to_bits),
            geobox.size(),
            geobox.crs().to_wkt(),
            placement.describe(&source.crs),
        );
        // Keys of whole sets stay what they were before parts were kept.
        if let Some(only) = only {
            text += &format!(" {:016x}", only.digest());
        }
        xxh3_64(text.as_bytes())
    }

    fn note_shift(&self, placement: &Placement, geobox: &GeoBox) {
        if placement.projector.is_identity() || placement.projector.accuracy_m() == 0.0 {
            return;
        }
        let used = UsedShift {
            from: self.parcels.source().crs.name().to_owned(),
            to: geobox.crs().name().to_owned(),
            method: placement.projector.method().to_owned(),
            accuracy_m: placement.projector.accuracy_m(),
        };
        let mut shifts = self
            .shifts
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if !shifts.contains(&used) {
            shifts.push(used);
        }
    }
}
