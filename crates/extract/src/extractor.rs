//! Parcels ready to be measured: brought to a grid once, kept for every raster of that grid.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use geo_types::MultiPolygon;
use swath_grid::{Crs, GeoBox, Projector, ShiftOptions};
use swath_io::GeoTiff;
use swath_io::vector::{ParcelSource, inner_buffer, project_parcel};
use swath_raster::CoverageRule;
use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;
use crate::coverage_table::{CoverageInput, CoverageTable};

/// Part of a pixel by which a projected edge may miss the true curve.
const EDGE_TOLERANCE_PX: f64 = 1e-3;
/// Widest transverse Mercator zone half, in degrees, that a buffer of mixed places is computed in.
const UTM_ZONE_DEGREES: f64 = 6.0;

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
    pub(crate) parcels: Arc<ParcelSource>,
    pub(crate) options: MeasureOptions,
    tables: tokio::sync::Mutex<HashMap<u64, Arc<CoverageTable>>>,
    shifts: std::sync::Mutex<Vec<UsedShift>>,
}

impl Extractor {
    /// Returns an extractor of `parcels`.
    ///
    /// # Errors
    /// Where the options make no sense.
    pub fn new(parcels: Arc<ParcelSource>, options: MeasureOptions) -> Result<Self, ExtractError> {
        if !options.buffer_m.is_finite() {
            return Err(ExtractError::Options {
                reason: "the buffer is not a number of metres".to_owned(),
            });
        }
        Ok(Self {
            parcels,
            options,
            tables: Default::default(),
            shifts: Default::default(),
        })
    }

    /// Returns the parcels.
    pub fn parcels(&self) -> &ParcelSource {
        &self.parcels
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
        let geobox = Self::geobox(raster)?;
        let placement = Placement::new(&self.parcels.crs, &geobox, &self.options, raster.href())?;
        let key = self.key(&geobox, &placement);
        // The lock is held while a table is computed: two items of one grid must not both do it.
        let mut tables = self.tables.lock().await;
        if let Some(table) = tables.get(&key) {
            return Ok(table.clone());
        }
        self.note_shift(&placement, &geobox);
        let parcels = self.parcels.clone();
        let rule = self.options.rule;
        let path = self
            .options
            .cache_dir
            .as_ref()
            .map(|folder| folder.join(format!("{key:016x}.coverage")));
        let table = tokio::task::spawn_blocking(move || {
            let count = parcels.parcels.len();
            if let Some(kept) = path
                .as_deref()
                .and_then(|path| CoverageTable::open(path, count))
            {
                return Ok(kept);
            }
            let polygon = |parcel: usize| placement.place(&parcels, parcel);
            let input = CoverageInput {
                geobox: &geobox,
                rule,
                parcels: count,
                polygon: &polygon,
            };
            CoverageTable::compute(&input, path.as_deref())
        });
        let table = table.await.map_err(|error| ExtractError::Cache {
            reason: error.to_string(),
        })??;
        let table = Arc::new(table);
        tables.insert(key, table.clone());
        Ok(table)
    }

    /// Frees the geometry once the parcels are on the grid of `raster`, the only one to come.
    ///
    /// # Errors
    /// As [`Extractor::table`].
    pub(crate) async fn settle_on(&mut self, raster: &GeoTiff) -> Result<(), ExtractError> {
        self.table(raster).await?;
        if let Some(source) = Arc::get_mut(&mut self.parcels) {
            source.parcels.drop_geometry();
        }
        Ok(())
    }

    fn key(&self, geobox: &GeoBox, placement: &Placement) -> u64 {
        let text = format!(
            "{:016x} {} {} {:?} {} {:?} {:?} {} {}",
            self.parcels.digest,
            self.parcels.id_field,
            self.parcels.parcels.len(),
            self.options.rule,
            self.options.buffer_m,
            geobox.transform().to_gdal().map(f64::to_bits),
            geobox.size(),
            geobox.crs().to_wkt(),
            placement.describe(&self.parcels.crs),
        );
        xxh3_64(text.as_bytes())
    }

    fn note_shift(&self, placement: &Placement, geobox: &GeoBox) {
        if placement.projector.is_identity() || placement.projector.accuracy_m() == 0.0 {
            return;
        }
        let used = UsedShift {
            from: self.parcels.crs.name().to_owned(),
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

/// How a parcel gets from its file to a grid.
#[derive(Debug, Clone)]
struct Placement {
    projector: Projector,
    edge_tolerance: f64,
    buffer_m: f64,
    /// Where the buffer is computed, if not in the CRS of the grid: there and on to the grid.
    detour: Option<(Projector, Projector)>,
}

impl Placement {
    fn new(
        parcels: &Crs,
        geobox: &GeoBox,
        options: &MeasureOptions,
        href: &str,
    ) -> Result<Self, ExtractError> {
        let shift = ShiftOptions {
            accuracy_max_m: options.shift_accuracy_max_m,
        };
        let between = |from: &Crs, to: &Crs| {
            Projector::new(from, to, &shift).map_err(|error| ExtractError::Grid {
                href: href.to_owned(),
                reason: error.to_string(),
            })
        };
        let projector = between(parcels, geobox.crs())?;
        let resolution = geobox.transform().resolution();
        let edge_tolerance = resolution.x.min(resolution.y) * EDGE_TOLERANCE_PX;
        let mut placement = Self {
            projector,
            edge_tolerance,
            buffer_m: options.buffer_m,
            detour: None,
        };
        if options.buffer_m != 0.0 && !measures_metres(geobox.crs()) {
            let middle = if measures_metres(parcels) {
                parcels.clone()
            } else {
                utm_of(geobox, href)?
            };
            placement.detour = Some((between(parcels, &middle)?, between(&middle, geobox.crs())?));
        }
        Ok(placement)
    }

    fn place(
        &self,
        source: &ParcelSource,
        parcel: usize,
    ) -> Result<MultiPolygon<f64>, ExtractError> {
        let failed = |error: swath_io::vector::VectorError| ExtractError::Parcel {
            parcel_id: source.parcels.id(parcel).to_owned(),
            reason: error.to_string(),
        };
        let polygon = source.parcels.polygon(parcel);
        let project = |polygon: MultiPolygon<f64>, projector: &Projector, tolerance: f64| {
            if projector.is_identity() {
                return Ok(polygon);
            }
            project_parcel(&polygon, projector, tolerance).map_err(failed)
        };
        if let Some((there, onward)) = &self.detour {
            // A millimetre on the way: the grid's own unit may be degrees.
            let polygon = project(polygon, there, 1e-3)?;
            return project(
                inner_buffer(&polygon, self.buffer_m),
                onward,
                self.edge_tolerance,
            );
        }
        let polygon = project(polygon, &self.projector, self.edge_tolerance)?;
        Ok(if self.buffer_m == 0.0 {
            polygon
        } else {
            inner_buffer(&polygon, self.buffer_m)
        })
    }

    fn describe(&self, parcels: &Crs) -> String {
        let detour = self.detour.is_some();
        format!(
            "{} {} {} {detour}",
            parcels.to_wkt(),
            self.projector.method(),
            self.projector.accuracy_m()
        )
    }
}

/// True for a projected CRS in metres whose metres are metres on the ground, near enough.
fn measures_metres(crs: &Crs) -> bool {
    let is_web_mercator = matches!(crs.epsg(), Some(3857 | 3785 | 900_913));
    !crs.is_geographic() && !is_web_mercator && (crs.unit_to_metre() - 1.0).abs() < 1e-9
}

/// Returns the UTM zone under the middle of a grid.
fn utm_of(geobox: &GeoBox, href: &str) -> Result<Crs, ExtractError> {
    let wrong = |reason: String| ExtractError::Grid {
        href: href.to_owned(),
        reason,
    };
    let bounds = geobox.bounds();
    let mut middle = [swath_grid::Point {
        x: (bounds.min_x + bounds.max_x) / 2.0,
        y: (bounds.min_y + bounds.max_y) / 2.0,
    }];
    let any = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let to_degrees = Crs::from_epsg(4326)
        .and_then(|wgs84| Projector::new(geobox.crs(), &wgs84, &any))
        .and_then(|projector| projector.project(&mut middle));
    to_degrees.map_err(|error| wrong(error.to_string()))?;
    let zone =
        (((middle[0].x + 180.0) / UTM_ZONE_DEGREES).floor() as i64).rem_euclid(60) as u32 + 1;
    let base = if middle[0].y < 0.0 { 32_700 } else { 32_600 };
    Crs::from_epsg(base + zone).map_err(|error| wrong(error.to_string()))
}
