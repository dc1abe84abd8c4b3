//! Windows of rasters around a place, at the raster's own grid: as GeoTIFF, and as pictures.

use geo_types::Coord;
use swath_extract::chips::write_tiff;
use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions, Size, Window};
use swath_io::cog::{BandSpec, CogSpec, ColorInterpretation};
use swath_raster::{DataType, Pixels, PngSamples, encode_png};

use super::images::BandRaster;
use crate::error::Problem;
use crate::parcels::{WGS84, internal, of_extract, of_io};

/// Longest side of a window, in pixels.
const SIDE_MAX_PX: u32 = 2_048;

/// Writes pictures on a thread that may wait: the writer of GeoTIFFs has compute threads of its own,
/// and a compute thread that waits for them would take up other work of the same kind.
///
/// # Errors
/// As `work`.
pub(super) async fn on_own_thread(
    work: impl FnOnce() -> Result<Vec<u8>, Problem> + Send + 'static,
) -> Result<Vec<u8>, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| internal(&error))?
}

/// A window of one band.
#[derive(Debug, Clone)]
pub(super) struct Chip {
    chip: swath_extract::chips::Chip,
    spec: CogSpec,
}

/// Reads the square of `size_m` metres around a place; what lies beyond the raster is cut off.
/// `None` where the place lies outside.
///
/// # Errors
/// Where the raster has no place on Earth, the square has too many pixels, or it cannot be read.
pub(super) async fn cut(
    band: &BandRaster,
    place: Coord<f64>,
    size_m: f64,
) -> Result<Option<Chip>, Problem> {
    let spec = CogSpec::of_raster(&band.raster).map_err(|error| of_io(&error))?;
    let Some(window) = window_of(&spec.geobox, place, size_m)? else {
        return Ok(None);
    };
    let chip =
        swath_extract::chips::Chip::read(&band.raster, band.band, &spec.geobox, window).await;
    let chip = chip.map_err(|error| of_extract(&error))?;
    let info = &band.raster.bands()[band.band];
    let spec = CogSpec {
        geobox: chip.geobox.clone(),
        data_type: info.data_type,
        bands: spec.bands.into_iter().skip(band.band).take(1).collect(),
        nodata: info
            .nodata
            .as_deref()
            .and_then(|text| text.trim().parse().ok()),
        has_mask: false,
        ..spec
    };
    Ok(Some(Chip { chip, spec }))
}

/// Returns the pixels around a place that the grid has.
fn window_of(geobox: &GeoBox, place: Coord<f64>, size_m: f64) -> Result<Option<Window>, Problem> {
    let degrees = Crs::from_epsg(WGS84).map_err(|error| internal(&error))?;
    let projector = Projector::new(&degrees, geobox.crs(), &ShiftOptions::default());
    let projector = projector.map_err(|error| internal(&error))?;
    let mut points = [Point {
        x: place.x,
        y: place.y,
    }];
    if projector.project(&mut points).is_err() {
        return Ok(None);
    }
    let centre = geobox.transform().to_grid(points[0]);
    let metres = match geobox.crs().is_geographic() {
        // Of a degree along the equator: close enough for a picture.
        true => 111_320.0,
        false => geobox.crs().unit_to_metre(),
    };
    let resolution = geobox.transform().resolution();
    let half = |step: f64| (size_m / (step.abs() * metres) / 2.0).max(0.5);
    let (across, down) = (half(resolution.x), half(resolution.y));
    if across.max(down) * 2.0 > f64::from(SIDE_MAX_PX) {
        return Err(Problem::invalid(format!(
            "chipsize: more than {SIDE_MAX_PX} pixels; ask for a smaller one"
        )));
    }
    let size = geobox.size();
    let side = |centre: f64, half: f64, end: u32| -> (u32, u32) {
        let from = (centre - half).round().clamp(0.0, f64::from(end));
        let to = (centre + half).round().clamp(0.0, f64::from(end));
        (from as u32, (to - from) as u32)
    };
    let is_inside = (0.0..f64::from(size.width)).contains(&centre.x)
        && (0.0..f64::from(size.height)).contains(&centre.y);
    let (col, width) = side(centre.x, across, size.width);
    let (row, height) = side(centre.y, down, size.height);
    let window = Window {
        col,
        row,
        width,
        height,
    };
    Ok((is_inside && !window.is_empty()).then_some(window))
}

impl Chip {
    /// Returns the window as a GeoTIFF with the values as they are stored.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn tiff(&self) -> Result<Vec<u8>, Problem> {
        let written = write_tiff(&self.spec, std::slice::from_ref(&self.chip.pixels));
        written.map_err(|error| of_extract(&error))
    }
}

/// How values become brightness.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stretch {
    /// Between two percentiles of each band.
    Percentiles(f64, f64),
    /// Between two values of each band.
    Values([(f64, f64); 3]),
}

impl Stretch {
    /// Reads `LOW_HIGH` percentiles, or six values `LOW_HIGH_LOW_HIGH_LOW_HIGH`.
    ///
    /// # Errors
    /// Where it is neither.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let numbers: Option<Vec<f64>> = text.split('_').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([low, high]) if 0.0 <= *low && low < high && *high <= 100.0 => {
                Ok(Self::Percentiles(*low, *high))
            }
            Some([a, b, c, d, e, f]) if [a < b, c < d, e < f].iter().all(|is_up| *is_up) => {
                Ok(Self::Values([(*a, *b), (*c, *d), (*e, *f)]))
            }
            _ => Err(Problem::invalid(
                "lut: two percentiles such as 5_95, or six values, low and high of each band",
            )),
        }
    }

    fn range(&self, band: usize, values: &[Option<f64>]) -> (f64, f64) {
        match self {
            Self::Values(ranges) => ranges[band],
            Self::Percentiles(low, high) => {
                let mut known: Vec<f64> = values.iter().flatten().copied().collect();
                known.retain(|value| value.is_finite());
                if known.is_empty() {
                    return (0.0, 1.0);
                }
                known.sort_by(f64::total_cmp);
                let at = |share: f64| {
                    let place = share / 100.0 * (known.len() - 1) as f64;
                    known[place.round() as usize]
                };
                let (low, high) = (at(*low), at(*high));
                (low, if high > low { high } else { low + 1.0 })
            }
        }
    }
}

/// Three bands as red, green and blue on the grid of the first; black where one is absent.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    geobox: GeoBox,
    /// Red, green, blue of each pixel.
    pixels: Vec<u8>,
}

impl Picture {
    /// Returns the picture of three windows.
    pub(super) fn new(chips: &[Chip; 3], stretch: &Stretch) -> Self {
        let geobox = chips[0].chip.geobox.clone();
        let bands: Vec<Vec<Option<f64>>> = chips
            .iter()
            .map(|chip| chip.chip.values_on(&geobox))
            .collect();
        let ranges: Vec<(f64, f64)> = bands
            .iter()
            .enumerate()
            .map(|(index, values)| stretch.range(index, values))
            .collect();
        let count = bands[0].len();
        let mut pixels = Vec::with_capacity(count * 3);
        for index in 0..count {
            for (values, (low, high)) in bands.iter().zip(&ranges) {
                let value = values[index].unwrap_or(*low);
                let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
                pixels.push((share * 255.0).round() as u8);
            }
        }
        Self { geobox, pixels }
    }

    /// Returns the picture with another number of pixels, nearest.
    pub(super) fn resized(&self, width: u32, height: u32) -> Self {
        let own = self.geobox.size();
        let scale_x = f64::from(own.width) / f64::from(width);
        let scale_y = f64::from(own.height) / f64::from(height);
        let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
        for row in 0..height {
            for col in 0..width {
                let from_col = ((f64::from(col) + 0.5) * scale_x) as usize;
                let from_row = ((f64::from(row) + 0.5) * scale_y) as usize;
                let at = (from_row * own.width as usize + from_col) * 3;
                pixels.extend(&self.pixels[at..at + 3]);
            }
        }
        let transform = self.geobox.transform().scaled(scale_x, scale_y);
        let geobox = GeoBox::new(self.geobox.crs().clone(), transform, Size { width, height });
        Self {
            geobox: geobox.unwrap_or_else(|| self.geobox.clone()),
            pixels,
        }
    }

    /// Returns it as PNG.
    pub(super) fn png(&self) -> Vec<u8> {
        let size = self.geobox.size();
        encode_png(size.width, size.height, PngSamples::Rgb, &self.pixels)
    }

    /// Returns it as a GeoTIFF of three bytes a pixel.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn tiff(&self) -> Result<Vec<u8>, Problem> {
        let colors = [
            ColorInterpretation::Red,
            ColorInterpretation::Green,
            ColorInterpretation::Blue,
        ];
        let spec = CogSpec {
            geobox: self.geobox.clone(),
            data_type: DataType::U8,
            bands: colors
                .map(|color| BandSpec {
                    color,
                    ..BandSpec::default()
                })
                .to_vec(),
            nodata: None,
            has_mask: false,
            metadata: Vec::new(),
            color_map: None,
            area_or_point: swath_io::cog::AreaOrPoint::Area,
        };
        let band =
            |band: usize| Pixels::U8(self.pixels.iter().skip(band).step_by(3).copied().collect());
        let written = write_tiff(&spec, &[band(0), band(1), band(2)]);
        written.map_err(|error| of_extract(&error))
    }
}

#[cfg(test)]
mod tests {
    use swath_grid::Transform;

    use super::*;

    fn geobox() -> GeoBox {
        let origin = Point {
            x: 500_000.0,
            y: 5_610_000.0,
        };
        let transform = Transform::north_up(origin, 10.0).expect("a transform");
        let size = Size {
            width: 1_000,
            height: 1_000,
        };
        GeoBox::new(Crs::from_epsg(32631).expect("a CRS"), transform, size).expect("a grid")
    }

    fn place(x: f64, y: f64) -> Coord<f64> {
        let utm = Crs::from_epsg(32631).expect("a CRS");
        let degrees = Crs::from_epsg(WGS84).expect("a CRS");
        let projector = Projector::new(&utm, &degrees, &ShiftOptions::default()).expect("it can");
        let mut points = [Point { x, y }];
        projector.project(&mut points).expect("it can");
        Coord {
            x: points[0].x,
            y: points[0].y,
        }
    }

    #[test]
    fn windows_are_squares_around_the_place_within_the_grid() {
        let window = |x, y, size_m| window_of(&geobox(), place(x, y), size_m);
        let middle = window(505_000.0, 5_605_000.0, 1_280.0)
            .expect("a window")
            .expect("inside");
        assert_eq!(
            (middle.col, middle.row, middle.width, middle.height),
            (436, 436, 128, 128)
        );
        let corner = window(500_050.0, 5_609_950.0, 1_280.0)
            .expect("a window")
            .expect("inside");
        assert_eq!(
            (corner.col, corner.row, corner.width, corner.height),
            (0, 0, 69, 69)
        );
        assert_eq!(window(499_000.0, 5_605_000.0, 1_280.0), Ok(None));
        assert!(window(505_000.0, 5_605_000.0, 1e6).is_err());
    }

    #[test]
    fn stretches_are_percentiles_or_values() {
        assert_eq!(
            Stretch::parse("5_95").expect("two"),
            Stretch::Percentiles(5.0, 95.0)
        );
        assert!(matches!(
            Stretch::parse("0_3000_0_2000_0_1000"),
            Ok(Stretch::Values(_))
        ));
        for bad in ["", "95_5", "1_2_3", "a_b", "0_101", "3_2_1_2_1_2"] {
            assert!(Stretch::parse(bad).is_err(), "{bad}");
        }
        let values: Vec<Option<f64>> = (0..=100).map(|value| Some(f64::from(value))).collect();
        assert_eq!(
            Stretch::Percentiles(5.0, 95.0).range(0, &values),
            (5.0, 95.0)
        );
        assert_eq!(
            Stretch::Percentiles(5.0, 95.0).range(0, &[None]),
            (0.0, 1.0)
        );
    }
}
