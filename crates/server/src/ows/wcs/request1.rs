//! GetCoverage of WCS 1.0.0 as typed, and the grid, bands and time that it means: pure.

use swath_grid::{Bounds, Size};

use super::coverage::Coverage;
use super::request::{Wanted, interpolation, is_geotiff, range_subset};
use super::subset::Scale;
use super::{documents1, target};
use crate::ows::axes::NamedCrs;
use crate::ows::failure::{Fault, OwsFailure};
use crate::ows::kvp::{Kvp, invalid, shown};
use crate::ows::times::{self, TimeValue};

/// Reads a request of WCS 1.0.0 for a coverage.
///
/// # Errors
/// With the fault that the standard has for it.
pub(crate) fn read1(kvp: &Kvp, coverage: &Coverage) -> Result<Wanted, OwsFailure> {
    let format = kvp.required("FORMAT")?;
    if !is_geotiff(format) {
        let text = format!(
            "\"{}\" is not offered, but {}",
            shown(format),
            documents1::FORMATS.join(", ")
        );
        return Err(OwsFailure::new(Fault::Format, text).at("FORMAT"));
    }
    let request = NamedCrs::always_xy(kvp.required("CRS")?)?;
    let response = match kvp.get("RESPONSE_CRS") {
        Some(name) => NamedCrs::always_xy(name).map_err(|failure| failure.at("RESPONSE_CRS"))?,
        None => request.clone(),
    };
    let time = match kvp.get("TIME") {
        Some(text) => times::read(text)?.pop().unwrap_or(TimeValue::Current),
        None if kvp.has("BBOX") => TimeValue::Current,
        None => return Err(kvp.required("BBOX").err().unwrap_or_else(no_box)),
    };
    let bounds = match kvp.has("BBOX") {
        true => request.bounds(corners(kvp)?)?,
        false => target::projected(
            &coverage.grid.bounds(),
            coverage.grid.crs(),
            &request.crs,
            Fault::Crs,
        )?,
    };
    let bounds = match request.crs == response.crs {
        true => bounds,
        false => target::projected(&bounds, &request.crs, &response.crs, Fault::Crs)?,
    };
    let geobox = target::filled(&response.crs, &bounds, size1(kvp, &bounds)?)?;
    Ok(Wanted {
        geobox,
        fields: bands(kvp, coverage)?,
        time,
        resampling: interpolation(kvp.get("INTERPOLATION"))?,
    })
}

fn no_box() -> OwsFailure {
    OwsFailure::new(Fault::MissingParameter, "BBOX or TIME is missing").at("BBOX")
}

/// Reads BBOX of four numbers, or six of which heights are ignored.
fn corners(kvp: &Kvp) -> Result<[f64; 4], OwsFailure> {
    if kvp.list("BBOX")?.len() == 6 {
        let [a, b, _, c, d, _] = kvp.numbers::<6>("BBOX")?;
        return Ok([a, b, c, d]);
    }
    kvp.numbers("BBOX")
}

/// Reads WIDTH and HEIGHT, or RESX and RESY.
fn size1(kvp: &Kvp, bounds: &Bounds) -> Result<Size, OwsFailure> {
    if kvp.has("WIDTH") || kvp.has("HEIGHT") {
        return Ok(Size {
            width: kvp.size("WIDTH", target::SIDE_PX_MAX)?,
            height: kvp.size("HEIGHT", target::SIDE_PX_MAX)?,
        });
    }
    let Some(across) = kvp.number("RESX")? else {
        let text = "WIDTH and HEIGHT, or RESX and RESY, are missing";
        return Err(OwsFailure::new(Fault::MissingParameter, text).at("WIDTH"));
    };
    let down = kvp.number("RESY")?.unwrap_or(across).abs();
    if across <= 0.0 || down <= 0.0 {
        return Err(invalid("RESX", "a resolution is positive"));
    }
    let pixels = Scale::Pixels {
        across: Some((bounds.max_x - bounds.min_x) / across),
        down: Some((bounds.max_y - bounds.min_y) / down),
    };
    let one = Size {
        width: 1,
        height: 1,
    };
    target::scaled(one, Some(pixels))
}

/// Reads BANDS (or BAND, which the description's axis is also called): numbers from 1, or names.
fn bands(kvp: &Kvp, coverage: &Coverage) -> Result<Vec<usize>, OwsFailure> {
    let text = kvp.get("BANDS").or_else(|| kvp.get("BAND"));
    let Some(text) = text else {
        return range_subset(None, coverage);
    };
    let count = coverage.fields.len();
    let by_number: Option<Vec<usize>> = text
        .split(',')
        .take(count + 1)
        .map(|part| {
            let number = part.trim().parse::<usize>().ok()?;
            (1..=count).contains(&number).then(|| number - 1)
        })
        .collect();
    match by_number {
        Some(fields) if fields.len() <= count => Ok(fields),
        _ => range_subset(Some(text), coverage),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::coverage;
    use super::*;

    #[test]
    fn the_old_version_says_its_grid_outright() {
        let read = |query: &str| read1(&Kvp::read(query).expect("a query"), &coverage());
        let start = "FORMAT=GeoTIFF&CRS=EPSG:32632&BBOX=500000,6199900,500100,6200000";
        for end in ["WIDTH=10&HEIGHT=10", "RESX=10&RESY=10"] {
            let wanted = read(&format!("{start}&{end}&BANDS=B03,B04")).expect("a part");
            assert_eq!(
                wanted.geobox.size(),
                Size {
                    width: 10,
                    height: 10
                }
            );
            assert_eq!(
                wanted.geobox.transform().origin(),
                coverage().grid.transform().origin()
            );
        }
        let wanted = read(&format!("{start}&WIDTH=10&HEIGHT=10&BANDS=3,1")).expect("a part");
        assert_eq!(wanted.fields, [2, 0]);
        for (query, fault) in [
            (start.to_owned(), Fault::MissingParameter),
            (format!("{start}&RESX=0"), Fault::InvalidParameter),
            (format!("{start}&RESX=1e-9"), Fault::TooLarge),
            (
                format!("{start}&WIDTH=99999&HEIGHT=1"),
                Fault::InvalidParameter,
            ),
            (
                "FORMAT=PNG&CRS=EPSG:32632&BBOX=0,0,1,1&WIDTH=1&HEIGHT=1".to_owned(),
                Fault::Format,
            ),
            (
                "FORMAT=GeoTIFF&CRS=EPSG:32632&WIDTH=1&HEIGHT=1".to_owned(),
                Fault::MissingParameter,
            ),
        ] {
            assert_eq!(
                read(&query).map_err(|failure| failure.fault).err(),
                Some(fault),
                "{query}"
            );
        }
    }
}
