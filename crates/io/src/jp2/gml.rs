//! The grid in the GML box of a JPEG 2000 file.
//!
//! Source: OGC 05-047 and 08-085 (GMLJP2), GML 3.1.1 clause 18 (rectified grids).

use roxmltree::{Document, Node};
use swath_grid::{Crs, Transform};

use super::Georeference;

/// Reads the first rectified grid of a GML document; `None` where it has none.
///
/// The origin is the centre of the first pixel. Where the axes of the CRS run north first, as the
/// EPSG registry has it for geographic CRSs, coordinates are swapped to x, y: a grid shows by its
/// offset vectors which order it was written in.
///
/// # Errors
/// A sentence where the text is no XML, or its grid makes no sense.
pub(super) fn read(text: &str) -> Result<Option<Georeference>, String> {
    let document =
        Document::parse(text).map_err(|error| format!("its GML box is not XML: {error}"))?;
    let named =
        |name: &'static str| move |node: &Node| node.is_element() && node.tag_name().name() == name;
    let Some(grid) = document.descendants().find(named("RectifiedGrid")) else {
        return Ok(None);
    };
    let position = grid
        .descendants()
        .find(|node| named("pos")(node) || named("coordinates")(node))
        .and_then(|node| numbers(node.text()?))
        .ok_or("the grid of its GML box has no origin")?;
    let vectors: Vec<[f64; 2]> = grid
        .descendants()
        .filter(named("offsetVector"))
        .filter_map(|node| numbers(node.text()?))
        .collect();
    let &[mut across, mut down] = vectors.as_slice() else {
        return Err(format!(
            "the grid of its GML box has {} offset vectors, not two",
            vectors.len()
        ));
    };
    let mut origin = position;
    let crs = crs_name(&grid, &document).map(crs).transpose()?.flatten();
    if is_north_first(across, down, crs.as_ref()) {
        for pair in [&mut origin, &mut across, &mut down] {
            pair.swap(0, 1);
        }
    }
    let corner = [0, 1].map(|axis| origin[axis] - (across[axis] + down[axis]) / 2.0);
    let coefficients = [corner[0], across[0], down[0], corner[1], across[1], down[1]];
    let transform =
        Transform::from_gdal(coefficients).ok_or("the grid of its GML box is not invertible")?;
    Ok(Some(Georeference {
        crs,
        transform: Some(transform),
        is_point: false,
        control_points: Vec::new(),
    }))
}

/// Returns two numbers, separated by spaces or a comma.
fn numbers(text: &str) -> Option<[f64; 2]> {
    let mut found = text
        .split([' ', '\t', '\n', '\r', ','])
        .filter(|part| !part.is_empty())
        .map(str::parse::<f64>);
    let pair = [found.next()?.ok()?, found.next()?.ok()?];
    pair.iter().all(|value| value.is_finite()).then_some(pair)
}

/// Returns the nearest `srsName`: on the grid and what is inside it, else anywhere.
fn crs_name<'a>(grid: &Node<'a, 'a>, document: &'a Document<'a>) -> Option<&'a str> {
    let name = |node: Node<'a, 'a>| node.attribute("srsName");
    grid.descendants()
        .find_map(name)
        .or_else(|| document.descendants().find_map(name))
}

/// Returns the CRS of a URN, URL or `EPSG:n`; a dictionary inside the file gives none.
fn crs(name: &str) -> Result<Option<Crs>, String> {
    if !name.to_ascii_uppercase().contains("EPSG") {
        return Ok(None);
    }
    let code = name
        .rsplit([':', '/', '#'])
        .next()
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("its GML box names a CRS \"{name}\" that is not understood"))?;
    Crs::from_epsg(code)
        .map(Some)
        .map_err(|error| format!("the CRS of its GML box cannot be read: {error}"))
}

/// True where the first coordinate is the northing.
fn is_north_first(across: [f64; 2], down: [f64; 2], crs: Option<&Crs>) -> bool {
    let turned = across[1].abs() + down[0].abs();
    let straight = across[0].abs() + down[1].abs();
    // A grid at 45 degrees does not show it; the registry has geographic CRSs north first.
    turned > straight || (turned == straight && crs.is_some_and(Crs::is_geographic))
}
