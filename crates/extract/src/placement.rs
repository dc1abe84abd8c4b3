//! How a parcel gets from its file to a grid.

use geo_types::MultiPolygon;
use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions, Transform};
use swath_io::vector::{ParcelGeometry, VectorError, inner_buffer, project_parcel};

use crate::ExtractError;
use crate::extractor::MeasureOptions;
use crate::parcel_shapes::ParcelShapes;
use crate::points::{disc, pixel_of};

/// Part of a pixel by which a projected edge may miss the true curve.
const EDGE_TOLERANCE_PX: f64 = 1e-3;
/// Widest transverse Mercator zone half, in degrees, that a buffer of mixed places is computed in.
const UTM_ZONE_DEGREES: f64 = 6.0;

/// How a parcel gets from its file to a grid.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) projector: Projector,
    edge_tolerance: f64,
    buffer_m: f64,
    /// Of the grid.
    transform: Transform,
    /// Where the buffer is computed, if not in the CRS of the grid: there and on to the grid.
    detour: Option<(Projector, Projector)>,
}

impl Placement {
    /// Prepares the way to a grid; `href` names it in messages.
    ///
    /// # Errors
    /// Where there is no way, or none accurate enough.
    pub(crate) fn new(
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
            transform: *geobox.transform(),
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

    /// Returns a parcel, buffered, in the CRS of the grid; its edges follow the true curves.
    ///
    /// # Errors
    /// Where a vertex lies outside of the projection.
    pub(crate) fn place(
        &self,
        parcels: &ParcelShapes,
        parcel: usize,
    ) -> Result<MultiPolygon<f64>, ExtractError> {
        let failed = |error: VectorError| ExtractError::Parcel {
            parcel_id: parcels.id(parcel).to_owned(),
            reason: error.to_string(),
        };
        if parcels.source().geometry == ParcelGeometry::Points {
            let point = parcels.point(parcel)?;
            return self.place_point(point).map_err(failed);
        }
        let polygon = parcels.polygon(parcel)?;
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

    /// Returns the pixel under a point, or the disc around it; nothing where it has no place.
    fn place_point(&self, point: Option<[f64; 2]>) -> Result<MultiPolygon<f64>, VectorError> {
        let Some([x, y]) = point else {
            return Ok(MultiPolygon(Vec::new()));
        };
        let there = self
            .detour
            .as_ref()
            .map_or(&self.projector, |(there, _)| there);
        let mut place = [Point { x, y }];
        there
            .project(&mut place)
            .map_err(|error| VectorError::Projection {
                what: error.to_string(),
            })?;
        if self.buffer_m == 0.0 {
            return Ok(pixel_of(place[0], &self.transform));
        }
        let disc = disc(place[0], self.buffer_m);
        match &self.detour {
            Some((_, onward)) => project_parcel(&disc, onward, self.edge_tolerance),
            None => Ok(disc),
        }
    }

    /// Returns the same way without the buffer.
    pub(crate) fn without_buffer(&self) -> Self {
        Self {
            buffer_m: 0.0,
            detour: None,
            ..self.clone()
        }
    }

    /// Returns what tells this way from others.
    pub(crate) fn describe(&self, parcels: &Crs) -> String {
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
