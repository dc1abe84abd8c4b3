//! Where a map lies and how many pixels it has (20-058, spatial subsetting, scaling, display
//! resolution, CRS): pure.

use std::collections::BTreeMap;

use swath_grid::{AxisOrder, Bbox, Bounds, GeoBox, Size, Transform, bounds_between, bounds_of};

use super::CRS84;
use crate::error::Problem;
use crate::ows::NamedCrs;

/// Parameters that say where and how large.
pub(super) const AREA_PARAMETERS: [&str; 12] = [
    "bbox",
    "bbox-crs",
    "center",
    "center-crs",
    "subset",
    "subset-crs",
    "crs",
    "width",
    "height",
    "scale-denominator",
    "mm-per-pixel",
    "datetime",
];
/// Longest side of a map where neither width nor height is asked for, in pixels.
const SIDE_DEFAULT_PX: u32 = 1_024;
/// Side of a pixel where none is said, in millimetres (OGC 17-083r4, 6.1.1).
const PIXEL_MM: f64 = 0.28;
/// Most axes of a subset.
const AXES_MAX: usize = 3;

/// What a layer brings where a request says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    /// Where it has pixels (WGS 84).
    pub(super) bbox: Bbox,
    /// 1 : n where its pixels are those of the map.
    pub(super) scale_denominator: Option<f64>,
}

/// Where a map lies.
#[derive(Debug, Clone)]
pub(super) struct Area {
    /// Its pixels.
    pub(super) geobox: GeoBox,
    /// URI of the CRS.
    pub(super) crs_uri: String,
    /// How the CRS writes its axes.
    pub(super) order: AxisOrder,
    /// The time of `datetime` or of a subset.
    pub(super) time: Option<String>,
}

impl Area {
    /// Reads the parameters of a map.
    ///
    /// # Errors
    /// 400 where one of them makes no sense, or two of them contradict each other.
    pub(super) fn read(
        pairs: &BTreeMap<String, String>,
        defaults: &Defaults,
    ) -> Result<Self, Problem> {
        let text = |name: &str| {
            let text = pairs.get(name).map(String::as_str);
            text.filter(|text| !text.is_empty())
        };
        let crs = named_crs("crs", text("crs").unwrap_or(CRS84))?;
        let subset = match text("subset") {
            Some(subset) => Subset::read(subset)?,
            None => Subset::default(),
        };
        let time = match (text("datetime"), subset.time) {
            (Some(_), Some(_)) => return Err(contradiction("datetime", "a subset of time")),
            (datetime, time) => datetime.map(str::to_owned).or(time),
        };
        let scale = Scale {
            denominator: positive("scale-denominator", text("scale-denominator"))?,
            pixel_mm: positive("mm-per-pixel", text("mm-per-pixel"))?.unwrap_or(PIXEL_MM),
        };
        let width = side("width", text("width"))?;
        let height = side("height", text("height"))?;
        let frame = match (text("center"), text("bbox"), subset.place) {
            (Some(_), Some(_), _) => return Err(contradiction("center", "bbox")),
            (Some(_), _, Some(_)) => return Err(contradiction("center", "a subset of space")),
            (_, Some(_), Some(_)) => return Err(contradiction("bbox", "a subset of space")),
            (Some(center), None, None) => {
                let own = named_crs("center-crs", text("center-crs").unwrap_or(CRS84))?;
                let size = Size {
                    width: width.or(height).unwrap_or(SIDE_DEFAULT_PX),
                    height: height.or(width).unwrap_or(SIDE_DEFAULT_PX),
                };
                let denominator = scale.denominator.or(defaults.scale_denominator);
                let denominator = denominator.ok_or_else(|| {
                    Problem::invalid("scale-denominator: a map around a center needs one here")
                })?;
                let center = center_in(center, &own, &crs)?;
                around(center, size, scale.units_per_pixel(denominator, &crs))
            }
            (None, Some(bbox), None) => {
                let own = named_crs("bbox-crs", text("bbox-crs").unwrap_or(CRS84))?;
                let bounds = corners(&own, &numbers("bbox", bbox)?)?;
                framed(in_crs(&bounds, &own, &crs)?, width, height, &scale, &crs)?
            }
            (None, None, Some(place)) => {
                let own = named_crs("subset-crs", text("subset-crs").unwrap_or(CRS84))?;
                let bounds = in_crs(&place, &own, &crs)?;
                framed(bounds, width, height, &scale, &crs)?
            }
            (None, None, None) => {
                let bounds = bounds_of(&defaults.bbox, &crs.crs);
                let bounds = bounds.map_err(|error| Problem::invalid(error.to_string()))?;
                let bounds = bounds.ok_or_else(|| nowhere("crs"))?;
                framed(bounds, width, height, &scale, &crs)?
            }
        };
        Ok(Self {
            geobox: frame.geobox(&crs)?,
            crs_uri: uri(&crs),
            order: crs.order,
            time,
        })
    }

    /// Returns the corners of the map in the order of its CRS, lower corner first.
    pub(super) fn corners(&self) -> [f64; 4] {
        let bounds = self.geobox.bounds();
        let Bounds {
            min_x,
            min_y,
            max_x,
            max_y,
        } = bounds;
        match self.order {
            AxisOrder::EastNorth => [min_x, min_y, max_x, max_y],
            AxisOrder::NorthEast => [min_y, min_x, max_y, max_x],
        }
    }
}

fn contradiction(one: &str, other: &str) -> Problem {
    Problem::invalid(format!(
        "{one} and {other} say where the map lies: give one of them"
    ))
}

fn nowhere(parameter: &str) -> Problem {
    Problem::invalid(format!(
        "{parameter}: no position of the map can be computed in its CRS"
    ))
}

/// Reads the name of a CRS: a URI, a URN, a code, or one of these in brackets (a safe CURIE).
fn named_crs(parameter: &str, text: &str) -> Result<NamedCrs, Problem> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    NamedCrs::by_definition(bare.unwrap_or(text))
        .map_err(|failure| Problem::invalid(format!("{parameter}: {}", failure.text)))
}

fn uri(crs: &NamedCrs) -> String {
    match (crs.name.contains("CRS84"), crs.crs.epsg()) {
        (false, Some(code)) => super::collections::crs_uri(&format!("EPSG:{code}")),
        _ => CRS84.to_owned(),
    }
}

fn numbers(parameter: &str, text: &str) -> Result<Vec<f64>, Problem> {
    let parsed = text.split(',').take(7).map(|text| {
        let number = text.trim().parse::<f64>().ok();
        number.filter(|number| number.is_finite())
    });
    parsed.collect::<Option<Vec<f64>>>().ok_or_else(|| {
        Problem::invalid(format!(
            "{parameter}: expected numbers with commas between them"
        ))
    })
}

fn positive(parameter: &str, text: Option<&str>) -> Result<Option<f64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite() && *number > 0.0);
    let wrong = || Problem::invalid(format!("{parameter}: expected a number above 0"));
    number.ok_or_else(wrong).map(Some)
}

fn side(parameter: &str, text: Option<&str>) -> Result<Option<u32>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let number = text.parse::<u32>().ok().filter(|number| *number > 0);
    let wrong = || Problem::invalid(format!("{parameter}: expected a number of pixels, from 1"));
    number.ok_or_else(wrong).map(Some)
}

/// Returns the bounds of two corners as they were written; heights are passed over. West beyond east
/// goes across the antimeridian.
fn corners(crs: &NamedCrs, numbers: &[f64]) -> Result<Bounds, Problem> {
    let (lower, upper) = match numbers {
        [a, b, c, d] | [a, b, _, c, d, _] => ([*a, *b], [*c, *d]),
        _ => {
            return Err(Problem::invalid(
                "bbox: expected four numbers, or six with heights",
            ));
        }
    };
    let ([min_x, min_y], [max_x, max_y]) = match crs.order {
        AxisOrder::EastNorth => (lower, upper),
        AxisOrder::NorthEast => ([lower[1], lower[0]], [upper[1], upper[0]]),
    };
    let around = match crs.crs.is_geographic() && max_x < min_x {
        true => 360.0,
        false => 0.0,
    };
    checked(
        "bbox",
        Bounds {
            min_x,
            min_y,
            max_x: max_x + around,
            max_y,
        },
    )
}

fn checked(parameter: &str, bounds: Bounds) -> Result<Bounds, Problem> {
    match bounds.min_x < bounds.max_x && bounds.min_y < bounds.max_y {
        true => Ok(bounds),
        false => Err(Problem::invalid(format!(
            "{parameter}: the upper corner must lie above and right of the lower; coordinates are \
             written in the order of their CRS"
        ))),
    }
}

fn in_crs(bounds: &Bounds, from: &NamedCrs, to: &NamedCrs) -> Result<Bounds, Problem> {
    if from.crs == to.crs {
        return Ok(*bounds);
    }
    let moved = bounds_between(bounds, &from.crs, &to.crs);
    let moved = moved.map_err(|error| Problem::invalid(error.to_string()))?;
    let has_size = |bounds: &Bounds| bounds.min_x < bounds.max_x && bounds.min_y < bounds.max_y;
    moved.filter(has_size).ok_or_else(|| nowhere("crs"))
}

/// Returns the position of a centre in the CRS of the map, as x, y.
fn center_in(text: &str, own: &NamedCrs, crs: &NamedCrs) -> Result<[f64; 2], Problem> {
    let [first, second] = numbers("center", text)?[..] else {
        return Err(Problem::invalid("center: expected two numbers"));
    };
    let (x, y) = match own.order {
        AxisOrder::EastNorth => (first, second),
        AxisOrder::NorthEast => (second, first),
    };
    let point = Bounds {
        min_x: x,
        min_y: y,
        max_x: x,
        max_y: y,
    };
    let moved = bounds_between(&point, &own.crs, &crs.crs);
    let moved = moved.map_err(|error| Problem::invalid(error.to_string()))?;
    let moved = moved.ok_or_else(|| nowhere("center"))?;
    Ok([moved.min_x, moved.min_y])
}

/// How large pixels are.
struct Scale {
    denominator: Option<f64>,
    pixel_mm: f64,
}

impl Scale {
    fn units_per_pixel(&self, denominator: f64, crs: &NamedCrs) -> f64 {
        denominator * self.pixel_mm / 1_000.0 / crs.crs.unit_to_metre()
    }
}

/// Bounds with a number of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    bounds: Bounds,
    size: Size,
}

impl Frame {
    fn geobox(&self, crs: &NamedCrs) -> Result<GeoBox, Problem> {
        let Bounds {
            min_x,
            min_y,
            max_x,
            max_y,
        } = self.bounds;
        let across = (max_x - min_x) / f64::from(self.size.width);
        let down = (max_y - min_y) / f64::from(self.size.height);
        let transform = Transform::from_gdal([min_x, across, 0.0, max_y, 0.0, -down]);
        let geobox =
            transform.and_then(|transform| GeoBox::new(crs.crs.clone(), transform, self.size));
        geobox.ok_or_else(|| Problem::invalid("the pixels of the map have no size"))
    }
}

fn around([x, y]: [f64; 2], size: Size, units_per_pixel: f64) -> Frame {
    let half_width = units_per_pixel * f64::from(size.width) / 2.0;
    let half_height = units_per_pixel * f64::from(size.height) / 2.0;
    let bounds = Bounds {
        min_x: x - half_width,
        min_y: y - half_height,
        max_x: x + half_width,
        max_y: y + half_height,
    };
    Frame { bounds, size }
}

/// Returns the pixels of bounds: as asked for, by the scale, else with pixels as wide as high.
fn framed(
    bounds: Bounds,
    width: Option<u32>,
    height: Option<u32>,
    scale: &Scale,
    crs: &NamedCrs,
) -> Result<Frame, Problem> {
    let across = bounds.max_x - bounds.min_x;
    let down = bounds.max_y - bounds.min_y;
    let pixels = |number: f64| number.round().clamp(1.0, f64::from(u32::MAX)) as u32;
    let size = match (scale.denominator, width, height) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(Problem::invalid(
                "scale-denominator: with bounds, width and height it says the same twice; leave one out",
            ));
        }
        (Some(denominator), None, None) => {
            let unit = scale.units_per_pixel(denominator, crs);
            Size {
                width: pixels(across / unit),
                height: pixels(down / unit),
            }
        }
        (None, Some(width), Some(height)) => Size { width, height },
        (None, Some(width), None) => Size {
            width,
            height: pixels(f64::from(width) * down / across),
        },
        (None, None, Some(height)) => Size {
            width: pixels(f64::from(height) * across / down),
            height,
        },
        (None, None, None) => {
            let unit = across.max(down) / f64::from(SIDE_DEFAULT_PX);
            Size {
                width: pixels(across / unit),
                height: pixels(down / unit),
            }
        }
    };
    Ok(Frame { bounds, size })
}

/// Ranges along named axes: `Lat(50:51),Lon(4:5),time("2018-05-01":"2018-06-01")`.
#[derive(Debug, Default, PartialEq)]
struct Subset {
    /// Both axes of space.
    place: Option<Bounds>,
    /// As `datetime` would say it.
    time: Option<String>,
}

impl Subset {
    fn read(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::invalid(
                "subset: expected AXIS(LOW:HIGH) with commas between them, such as \
                 Lat(50:51),Lon(4:5),time(\"2018-05-01\":\"2018-06-01\")",
            )
        };
        let (mut x, mut y) = (None, None);
        let mut subset = Self::default();
        for part in text.split("),").take(AXES_MAX + 1) {
            let (axis, range) = part.split_once('(').ok_or_else(wrong)?;
            let range = range.strip_suffix(')').unwrap_or(range);
            match axis.trim().to_ascii_lowercase().as_str() {
                "time" => subset.time = Some(interval(range).ok_or_else(wrong)?),
                "lon" | "long" | "longitude" | "x" | "e" | "easting" if x.is_none() => {
                    x = Some(range_of(range).ok_or_else(wrong)?);
                }
                "lat" | "latitude" | "y" | "n" | "northing" if y.is_none() => {
                    y = Some(range_of(range).ok_or_else(wrong)?);
                }
                _ => {
                    let axis: String = axis.chars().filter(|c| !c.is_control()).take(40).collect();
                    return Err(Problem::invalid(format!(
                        "subset: \"{axis}\" is no axis here, or stands twice; there are Lat, Lon (E, N; X, \
                         Y) and time"
                    )));
                }
            }
        }
        subset.place = match (x, y) {
            (Some([min_x, max_x]), Some([min_y, max_y])) => Some(checked(
                "subset",
                Bounds {
                    min_x,
                    min_y,
                    max_x,
                    max_y,
                },
            )?),
            (None, None) => None,
            _ => return Err(Problem::invalid("subset: both axes of space are needed")),
        };
        Ok(subset)
    }
}

fn range_of(text: &str) -> Option<[f64; 2]> {
    let (low, high) = text.split_once(':')?;
    let number = |text: &str| {
        let number = text.trim().parse::<f64>().ok();
        number.filter(|number| number.is_finite())
    };
    Some([number(low)?, number(high)?])
}

/// Returns `"A":"B"` or `"A"` as `A/B` or `A`; instants have colons of their own.
fn interval(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('"').collect();
    match parts[..] {
        ["", one, ""] => Some(one.to_owned()),
        ["", low, ":", high, ""] => Some(format!("{low}/{high}").replace('*', "..")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULTS: Defaults = Defaults {
        bbox: Bbox {
            west: 4.0,
            south: 50.0,
            east: 6.0,
            north: 51.0,
        },
        scale_denominator: Some(10.0 / 0.000_28),
    };

    fn read(query: &str) -> Result<Area, Problem> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Area::read(&pairs.collect(), &DEFAULTS)
    }

    fn size(query: &str) -> (u32, u32) {
        let size = read(query).unwrap_or_else(|problem| panic!("{query}: {problem:?}"));
        let size = size.geobox.size();
        (size.width, size.height)
    }

    #[test]
    fn without_words_the_map_is_the_layer() {
        let area = read("").expect("an area");
        assert_eq!(area.corners(), [4.0, 50.0, 6.0, 51.0]);
        assert_eq!(area.crs_uri, CRS84);
        assert_eq!(size(""), (1_024, 512));
        assert_eq!(size("width=100"), (100, 50));
        assert_eq!(size("height=100"), (200, 100));
        assert_eq!(size("width=10&height=20"), (10, 20));
        assert_eq!(size("scale-denominator=1000000&crs=[EPSG:3035]").0 / 100, 5);
        let coarse = size("scale-denominator=1000000&crs=[EPSG:3035]&mm-per-pixel=2.8");
        assert!((45..60).contains(&coarse.0), "{coarse:?}");
    }

    #[test]
    fn boxes_are_written_in_the_order_of_their_crs() {
        let plain = read("bbox=4,50,5,51").expect("an area");
        let swapped = "bbox=50,4,51,5&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326";
        let swapped = read(swapped).expect("an area");
        assert_eq!(plain.corners(), swapped.corners());
        let turned = read("bbox=4,50,5,51&crs=EPSG:4326").expect("an area");
        assert_eq!(turned.corners(), [50.0, 4.0, 51.0, 5.0]);
        assert_eq!(turned.crs_uri, "http://www.opengis.net/def/crs/EPSG/0/4326");
        let metres = "bbox=500000,6000000,510000,6020000&bbox-crs=[EPSG:32631]&crs=[EPSG:32631]";
        assert_eq!(
            read(metres).expect("an area").corners(),
            [500_000.0, 6_000_000.0, 510_000.0, 6_020_000.0]
        );
        let with_heights = read("bbox=4,50,0,5,51,100").expect("an area");
        assert_eq!(with_heights.corners(), plain.corners());
        let across = read("bbox=179,-10,-179,10").expect("an area");
        assert_eq!(across.corners(), [179.0, -10.0, 181.0, 10.0]);
    }

    #[test]
    fn subsets_are_boxes_by_name() {
        let area = read("subset=Lat(50:51),Lon(4:5),time(\"2018-05-01T10:00:00Z\":\"2018-06-01\")");
        let area = area.expect("an area");
        assert_eq!(area.corners(), [4.0, 50.0, 5.0, 51.0]);
        assert_eq!(
            area.time.as_deref(),
            Some("2018-05-01T10:00:00Z/2018-06-01")
        );
        let day = read("subset=time(\"2018-05-01\")").expect("an area");
        assert_eq!(day.time.as_deref(), Some("2018-05-01"));
        let metres =
            "subset=E(500000:510000),N(6000000:6010000)&subset-crs=EPSG:32631&crs=EPSG:32631";
        assert_eq!(size(metres), (1_024, 1_024));
    }

    #[test]
    fn centres_have_a_scale() {
        let area =
            read("center=500000,6000000&center-crs=EPSG:32631&crs=EPSG:32631&width=100&height=50");
        let corners = area.expect("an area").corners();
        let expected = [499_500.0, 5_999_750.0, 500_500.0, 6_000_250.0];
        for (found, expected) in corners.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{corners:?}");
        }
        let degrees = read("center=5,50.5&scale-denominator=100000").expect("an area");
        assert_eq!(degrees.geobox.size().width, 1_024);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "bbox=1,2,3",
            "bbox=5,50,4,x",
            "bbox=4,51,5,50",
            "bbox=4,50,5,51&bbox-crs=EPSG:1",
            "crs=http://example.org/crs",
            "width=0",
            "height=-1",
            "width=1.5",
            "scale-denominator=0",
            "scale-denominator=nan",
            "scale-denominator=1000&width=5",
            "center=5",
            "center=5,50&bbox=4,50,5,51",
            "subset=Lat(50:51)",
            "subset=Lat(50:51),Lat(50:51)",
            "subset=height(0:1)",
            "subset=Lat(50:51),Lon(4:5)&bbox=4,50,5,51",
            "subset=time(2018)",
            "subset=time(\"2018\")&datetime=2018",
            "mm-per-pixel=-1",
        ] {
            let problem = read(bad).expect_err(bad);
            assert_eq!(problem.status.as_u16(), 400, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "\\PC{0,40}", numbers in "[0-9e.,:()a-zA-Z\"-]{0,40}") {
            for name in AREA_PARAMETERS {
                for value in [&text, &numbers] {
                    let pairs = [(name.to_owned(), value.clone())];
                    let _ = Area::read(&pairs.into_iter().collect(), &DEFAULTS);
                }
            }
        }
    }
}
