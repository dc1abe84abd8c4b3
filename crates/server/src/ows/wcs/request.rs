//! GetCoverage of WCS 2.0.1 as typed, and the grid, bands and time that it means: pure.

use swath_grid::{Bounds, GeoBox};
use swath_raster::Resampling;

use super::coverage::Coverage;
use super::documents2::{self, field_name};
use super::subset::{Axis, Range, Scale, Subset, scales};
use super::target;
use crate::ows::axes::NamedCrs;
use crate::ows::failure::{Fault, OwsFailure};
use crate::ows::kvp::{Kvp, invalid, number, shown};
use crate::ows::times::{self, TimeValue};

/// Most subsets of one request.
const SUBSETS_MAX: usize = 10;

/// What is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) geobox: GeoBox,
    /// Positions in the coverage's fields.
    pub(crate) fields: Vec<usize>,
    pub(crate) time: TimeValue,
    pub(crate) resampling: Resampling,
}

/// Reads a request of WCS 2.0.1 for a coverage.
///
/// # Errors
/// With the fault that the standard has for it.
pub(crate) fn read2(kvp: &Kvp, coverage: &Coverage) -> Result<Wanted, OwsFailure> {
    if let Some(format) = kvp.get("FORMAT")
        && !is_geotiff(format)
    {
        let text = format!(
            "\"{}\" is not offered, but {}",
            shown(format),
            documents2::FORMAT
        );
        return Err(invalid("format", text));
    }
    if let Some(kind) = kvp.get("MEDIATYPE") {
        let text = format!(
            "\"{}\" is not offered: the coverage comes alone",
            shown(kind)
        );
        return Err(invalid("mediaType", text));
    }
    let subsets: Vec<Subset> = kvp
        .all("SUBSET")
        .take(SUBSETS_MAX)
        .map(Subset::read)
        .collect::<Result<_, _>>()?;
    let place = Place::of(kvp, coverage, &subsets)?;
    Ok(Wanted {
        geobox: place.geobox(coverage, scale(kvp)?)?,
        fields: range_subset(kvp.get("RANGESUBSET"), coverage)?,
        time: time_of(&subsets)?,
        resampling: interpolation(kvp.get("INTERPOLATION"))?,
    })
}

pub(super) fn is_geotiff(format: &str) -> bool {
    let plain = format.split(';').next().unwrap_or_default().trim();
    ["image/tiff", "image/geotiff", "geotiff", "gtiff", "tiff"]
        .iter()
        .any(|known| plain.eq_ignore_ascii_case(known))
}

/// The part of the plane that subsets leave.
struct Place {
    /// In the CRS of the subsets.
    bounds: Bounds,
    /// CRS of the subsets, `None` for the coverage's own.
    subsetting: Option<NamedCrs>,
    /// CRS of the result, `None` for the coverage's own.
    output: Option<NamedCrs>,
}

impl Place {
    fn of(kvp: &Kvp, coverage: &Coverage, subsets: &[Subset]) -> Result<Self, OwsFailure> {
        let within = subsets.iter().find_map(|subset| match subset.axis {
            Axis::Time => None,
            _ => subset.crs.as_deref(),
        });
        let other = |name: Option<&str>,
                     fault: Fault,
                     locator: &str|
         -> Result<Option<NamedCrs>, OwsFailure> {
            let Some(name) = name else { return Ok(None) };
            let named = NamedCrs::by_definition(name)
                .map_err(|failure| failure.with_fault(fault).at(locator))?;
            let is_own = named.crs.epsg() == Some(coverage.epsg);
            Ok((!is_own).then_some(named))
        };
        let subsetting = other(
            kvp.get("SUBSETTINGCRS").or(within),
            Fault::SubsettingCrs,
            "subsettingCrs",
        )?;
        let output = match kvp.get("OUTPUTCRS") {
            Some(name) => other(Some(name), Fault::OutputCrs, "outputCrs")?,
            // Without it the result has the CRS of the coverage (11-053r1 §9).
            None => None,
        };
        let own = coverage.grid.bounds();
        let whole = match &subsetting {
            Some(named) => {
                target::projected(&own, coverage.grid.crs(), &named.crs, Fault::SubsettingCrs)?
            }
            None => own,
        };
        let [mut x, mut y] = target::ranges(&whole);
        let mut seen = Vec::new();
        for subset in subsets {
            if seen.contains(&subset.axis) {
                let text = "an axis has more than one subset";
                return Err(OwsFailure::new(Fault::Axis, text).at("subset"));
            }
            seen.push(subset.axis);
            match subset.axis {
                Axis::X => x = subset.range(x)?,
                Axis::Y => y = subset.range(y)?,
                Axis::Time => {}
            }
        }
        Ok(Self {
            bounds: bounds_of(x, y),
            subsetting,
            output,
        })
    }

    fn geobox(&self, coverage: &Coverage, scale: Option<Scale>) -> Result<GeoBox, OwsFailure> {
        let own_crs = coverage.grid.crs();
        let own_bounds = match &self.subsetting {
            Some(named) => target::projected(&self.bounds, &named.crs, own_crs, Fault::Subset)?,
            None => self.bounds,
        };
        let window = target::trim(&coverage.grid, &own_bounds)?;
        let Some(output) = &self.output else {
            let size = target::scaled(window.size(), scale)?;
            target::check(size)?;
            // Pixels that are kept go through unchanged, to the last bit of their corners.
            return match size == window.size() {
                true => Ok(window),
                false => target::filled(own_crs, &window.bounds(), size),
            };
        };
        let is_same = self
            .subsetting
            .as_ref()
            .is_some_and(|named| named.crs == output.crs);
        let bounds = match is_same && has_area(&self.bounds) {
            true => self.bounds,
            false => target::projected(&window.bounds(), own_crs, &output.crs, Fault::OutputCrs)?,
        };
        let size = target::scaled(target::equal_detail(&window, &bounds)?, scale)?;
        target::filled(&output.crs, &bounds, size)
    }
}

fn bounds_of(x: Range, y: Range) -> Bounds {
    Bounds {
        min_x: x.low,
        min_y: y.low,
        max_x: x.high,
        max_y: y.high,
    }
}

fn has_area(bounds: &Bounds) -> bool {
    bounds.min_x < bounds.max_x && bounds.min_y < bounds.max_y
}

/// Reads the one of SCALEFACTOR, SCALEAXES, SCALESIZE and SCALEEXTENT that is there.
fn scale(kvp: &Kvp) -> Result<Option<Scale>, OwsFailure> {
    const NAMES: [&str; 4] = ["SCALEFACTOR", "SCALEAXES", "SCALESIZE", "SCALEEXTENT"];
    let given: Vec<(&str, &str)> = NAMES
        .iter()
        .filter_map(|name| Some((*name, kvp.get(name)?)))
        .collect();
    match given[..] {
        [] => Ok(None),
        [("SCALEFACTOR", text)] => {
            let factor = number(text).filter(|factor| *factor > 0.0).ok_or_else(|| {
                let text = format!("SCALEFACTOR: \"{}\" is no positive number", shown(text));
                OwsFailure::new(Fault::Scale, text).at("scaleFactor")
            })?;
            Ok(Some(Scale::Factors {
                across: factor,
                down: factor,
            }))
        }
        [("SCALEAXES", text)] => {
            let [across, down] = scales("scaleAxes", text)?;
            Ok(Some(Scale::Factors {
                across: across.unwrap_or(1.0),
                down: down.unwrap_or(1.0),
            }))
        }
        [(name, text)] => {
            let [across, down] = scales(name, text)?;
            Ok(Some(Scale::Pixels { across, down }))
        }
        _ => {
            let text = format!("only one of {} can be given", NAMES.join(", "));
            Err(OwsFailure::new(Fault::InvalidParameter, text).at("scaleFactor"))
        }
    }
}

/// Reads RANGESUBSET: names with commas, `FIRST:LAST` for all between; absent = all.
pub(super) fn range_subset(
    text: Option<&str>,
    coverage: &Coverage,
) -> Result<Vec<usize>, OwsFailure> {
    let Some(text) = text else {
        return Ok((0..coverage.fields.len()).collect());
    };
    let position = |name: &str| {
        let name = name.trim();
        let found = coverage
            .fields
            .iter()
            .position(|field| field.name == name || field_name(&field.name) == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = coverage
                .fields
                .iter()
                .map(|field| field.name.as_str())
                .collect();
            let text = format!(
                "there is no field \"{}\", but {}",
                shown(name),
                names.join(", ")
            );
            OwsFailure::new(Fault::Field, text).at("rangeSubset")
        })
    };
    let mut fields = Vec::new();
    for part in text.split(',') {
        match part.split_once(':') {
            Some((first, last)) => {
                let (first, last) = (position(first)?, position(last)?);
                if first > last {
                    let text = "the first field of an interval comes after its last";
                    return Err(OwsFailure::new(Fault::Field, text).at("rangeSubset"));
                }
                fields.extend(first..=last);
            }
            None => fields.push(position(part)?),
        }
        if fields.len() > coverage.fields.len() {
            let text = "more fields than the coverage has";
            return Err(OwsFailure::new(Fault::Field, text).at("rangeSubset"));
        }
    }
    Ok(fields)
}

fn time_of(subsets: &[Subset]) -> Result<TimeValue, OwsFailure> {
    let Some(subset) = subsets.iter().find(|subset| subset.axis == Axis::Time) else {
        return Ok(TimeValue::Current);
    };
    let text = match (&subset.low, &subset.high) {
        (Some(low), Some(high)) if low == high => low.clone(),
        (low, high) => {
            let end =
                |text: &Option<String>, open: &str| text.as_deref().unwrap_or(open).to_owned();
            format!("{}/{}", end(low, "0001"), end(high, "9998"))
        }
    };
    let mut values =
        times::read(&text).map_err(|failure| failure.with_fault(Fault::Subset).at("subset"))?;
    Ok(values.pop().unwrap_or(TimeValue::Current))
}

/// Returns the resampling of an interpolation by its URI, or by its name in any version.
pub(super) fn interpolation(text: Option<&str>) -> Result<Resampling, OwsFailure> {
    let Some(text) = text else {
        return Ok(Resampling::Nearest);
    };
    let name = text
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match name.as_str() {
        "nearest" | "nearest-neighbor" | "nearest-neighbour" | "nearest neighbor" | "none" => {
            Ok(Resampling::Nearest)
        }
        "linear" | "bilinear" => Ok(Resampling::Bilinear),
        "cubic" | "bicubic" => Ok(Resampling::Cubic),
        "average" => Ok(Resampling::Average),
        _ => {
            let text = format!(
                "the interpolation \"{}\" is not offered, but nearest-neighbor, linear, cubic, average",
                shown(text)
            );
            Err(OwsFailure::new(Fault::Interpolation, text).at("interpolation"))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use swath_grid::{Bbox, Crs, Point, Size, Transform};

    use super::super::coverage::Field;
    use super::*;

    pub(crate) fn coverage() -> Coverage {
        let origin = Point {
            x: 500_000.0,
            y: 6_200_000.0,
        };
        let transform = Transform::north_up(origin, 10.0).expect("a resolution");
        let crs = Crs::from_epsg(32632).expect("a code");
        let size = Size {
            width: 300,
            height: 200,
        };
        let field = |name: &str| Field {
            name: name.to_owned(),
            description: String::new(),
            nodata: None,
            unit: None,
        };
        Coverage {
            id: "s2".to_owned(),
            layer: "s2".to_owned(),
            title: String::new(),
            summary: String::new(),
            bbox: Bbox {
                west: 9.0,
                south: 55.9,
                east: 9.05,
                north: 55.95,
            },
            grid: GeoBox::new(crs, transform, size).expect("a size"),
            epsg: 32632,
            fields: ["B02", "B03", "B04"].map(field).to_vec(),
            days: Vec::new(),
        }
    }

    fn read(query: &str) -> Result<Wanted, OwsFailure> {
        read2(&Kvp::read(query)?, &coverage())
    }

    #[test]
    fn without_subsets_the_grid_is_that_of_the_coverage() {
        let wanted = read("").expect("all");
        assert_eq!(wanted.geobox, coverage().grid);
        assert_eq!(wanted.fields, [0, 1, 2]);
        assert_eq!(
            (wanted.time, wanted.resampling),
            (TimeValue::Current, Resampling::Nearest)
        );
        let again = read("SCALESIZE=x(300),y(200)&OUTPUTCRS=EPSG:32632").expect("all");
        assert_eq!(again.geobox, coverage().grid);
    }

    #[test]
    fn subsets_scale_and_fields_go_together() {
        let wanted = read("SUBSET=x(500000,500100)&SUBSET=y(6199900,6200000)&SCALEFACTOR=0.5&RANGESUBSET=B03:B04&INTERPOLATION=http://www.opengis.net/def/interpolation/OGC/1/linear")
            .expect("a part");
        assert_eq!(
            wanted.geobox.size(),
            Size {
                width: 5,
                height: 5
            }
        );
        assert_eq!(
            wanted.geobox.transform().resolution(),
            Point { x: 20.0, y: 20.0 }
        );
        assert_eq!(
            (wanted.fields, wanted.resampling),
            (vec![1, 2], Resampling::Bilinear)
        );
        let slice = read("SUBSET=time(%222018-05-06%22)&SUBSET=x(500005)").expect("a column");
        assert_eq!(
            slice.geobox.size(),
            Size {
                width: 1,
                height: 200
            }
        );
        assert!(matches!(slice.time, TimeValue::Value(_)));
    }

    #[test]
    fn a_result_in_another_crs_fills_what_was_asked() {
        let wanted = read("SUBSET=Lat(55.93,55.94)&SUBSET=Long(9.01,9.02)&SUBSETTINGCRS=EPSG:4326&OUTPUTCRS=EPSG:4326&SCALESIZE=x(50),y(40)")
            .expect("a part");
        let bounds = wanted.geobox.bounds();
        assert!((bounds.min_x - 9.01).abs() < 1e-12 && (bounds.max_y - 55.94).abs() < 1e-12);
        assert_eq!(
            wanted.geobox.size(),
            Size {
                width: 50,
                height: 40
            }
        );
        let native = read("SUBSET=Lat(55.93,55.94)&SUBSET=Long(9.01,9.02)&SUBSETTINGCRS=EPSG:4326")
            .expect("a part");
        assert_eq!(native.geobox.crs().epsg(), Some(32632));
        assert_eq!(
            native.geobox.transform().resolution(),
            Point { x: 10.0, y: 10.0 }
        );
    }

    #[test]
    fn each_mistake_has_its_fault() {
        for (query, fault) in [
            ("FORMAT=image/jp2", Fault::InvalidParameter),
            ("MEDIATYPE=multipart/related", Fault::InvalidParameter),
            ("SUBSET=z(1,2)", Fault::Axis),
            ("SUBSET=x(1,2)", Fault::Subset),
            (
                "SUBSET=x(500000,500010)&SUBSET=x(500000,500010)",
                Fault::Axis,
            ),
            ("SUBSET=time(soon)", Fault::Subset),
            ("SUBSETTINGCRS=EPSG:1&SUBSET=x(1,2)", Fault::SubsettingCrs),
            ("OUTPUTCRS=EPSG:1", Fault::OutputCrs),
            ("SCALEFACTOR=0", Fault::Scale),
            ("SCALEFACTOR=1e9", Fault::TooLarge),
            ("SCALEFACTOR=2&SCALESIZE=x(1)", Fault::InvalidParameter),
            ("RANGESUBSET=B08", Fault::Field),
            ("RANGESUBSET=B04:B02", Fault::Field),
            ("INTERPOLATION=magic", Fault::Interpolation),
        ] {
            assert_eq!(
                read(query).map_err(|failure| failure.fault).err(),
                Some(fault),
                "{query}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result_within_the_limits(
            subset in "[xytLa,():0-9.*]{0,24}", scale in "[xy(),0-9.e]{0,16}", crs in "(EPSG:(4326|3857|3035|326[0-9]{2}))?",
        ) {
            let query = format!("SUBSET={subset}&SCALESIZE={scale}&OUTPUTCRS={crs}&CRS={crs}&BBOX={scale}&WIDTH=5&HEIGHT=6&FORMAT=image/tiff");
            let kvp = Kvp::read(&query).expect("a query");
            for wanted in [read2(&kvp, &coverage()), super::super::request1::read1(&kvp, &coverage())].into_iter().flatten() {
                let size = wanted.geobox.size();
                prop_assert!(u64::from(size.width) * u64::from(size.height) <= target::PIXELS_MAX);
            }
        }
    }
}
