//! Lattices: grids whose pixels fall on each other, whatever their extent.

use swath_grid::{GeoBox, Point, Size, Transform, Window};
use xxhash_rust::xxh3::xxh3_64;

/// Part of a pixel by which two lattices may be apart and still be one.
const PHASE_STEPS: f64 = 1_000.0;
/// Most columns and rows of slices put together.
const SIDE_MAX: f64 = 4_000_000.0;

/// Returns a name that all grids of one lattice share, and no other.
pub(super) fn lattice_name(grid: &GeoBox) -> String {
    let [_, dx, rx, _, ry, dy] = grid.transform().to_gdal();
    // Where the lattice has its corner in the pixel of the CRS's origin, in thousandths of a pixel.
    let origin = grid.transform().to_grid(Point { x: 0.0, y: 0.0 });
    let phase = |position: f64| (position * PHASE_STEPS).round().rem_euclid(PHASE_STEPS) as i64;
    let crs = match grid.crs().epsg() {
        Some(code) => code.to_string(),
        None => format!("{:08x}", xxh3_64(grid.crs().to_wkt().as_bytes()) as u32),
    };
    let text = format!(
        "{:?} {} {}",
        [dx, rx, ry, dy].map(|step| (step * 1e9).round() / 1e9),
        phase(origin.x),
        phase(origin.y)
    );
    format!("{crs}-{:08x}", xxh3_64(text.as_bytes()) as u32)
}

/// Grids of one lattice on the smallest grid that holds them all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Union {
    /// The grid of all.
    pub(crate) geobox: GeoBox,
    /// Where each of the grids lies in it.
    pub(crate) windows: Vec<Window>,
}

/// Returns the union of grids; `None` where they are not of one lattice, or lie absurdly far apart.
pub(crate) fn union<'a>(grids: impl Iterator<Item = &'a GeoBox> + Clone) -> Option<Union> {
    let first = grids.clone().next()?;
    let mut places = Vec::new();
    for grid in grids {
        places.push(offset(first, grid)?);
    }
    let col = places.iter().map(|place| place.0).min()?;
    let row = places.iter().map(|place| place.1).min()?;
    let end = |of: fn(&(i64, i64, Size)) -> i64| places.iter().map(of).max();
    let width = end(|place| place.0 + i64::from(place.2.width))? - col;
    let height = end(|place| place.1 + i64::from(place.2.height))? - row;
    if width as f64 > SIDE_MAX || height as f64 > SIDE_MAX {
        return None;
    }
    let transform = first.transform().shifted(Point {
        x: col as f64,
        y: row as f64,
    });
    let size = Size {
        width: width as u32,
        height: height as u32,
    };
    let windows = places.iter().map(|place| Window {
        col: (place.0 - col) as u32,
        row: (place.1 - row) as u32,
        width: place.2.width,
        height: place.2.height,
    });
    Some(Union {
        windows: windows.collect(),
        geobox: GeoBox::new(first.crs().clone(), transform, size)?,
    })
}

/// Returns the column and row of the corner of `other` on the lattice of `one`, and its size.
fn offset(one: &GeoBox, other: &GeoBox) -> Option<(i64, i64, Size)> {
    if one.crs() != other.crs() || !has_same_steps(one.transform(), other.transform()) {
        return None;
    }
    let at = one.transform().to_grid(other.transform().origin());
    let (col, row) = (at.x.round(), at.y.round());
    let is_whole =
        (at.x - col).abs() <= 1.0 / PHASE_STEPS && (at.y - row).abs() <= 1.0 / PHASE_STEPS;
    let is_near = col.abs() <= SIDE_MAX && row.abs() <= SIDE_MAX;
    (is_whole && is_near).then_some((col as i64, row as i64, other.size()))
}

fn has_same_steps(one: &Transform, other: &Transform) -> bool {
    let steps = |transform: &Transform| {
        let [_, dx, rx, _, ry, dy] = transform.to_gdal();
        [dx, rx, ry, dy]
    };
    let size = steps(one)
        .iter()
        .fold(0.0, |max: f64, step| max.max(step.abs()));
    let pairs = steps(one).into_iter().zip(steps(other));
    // Over the widest union the steps add up to less than a thousandth of a pixel.
    pairs
        .into_iter()
        .all(|(a, b)| (a - b).abs() <= size * 1e-10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use swath_grid::Crs;

    fn grid(x: f64, y: f64, resolution: f64) -> GeoBox {
        let transform = Transform::north_up(Point { x, y }, resolution).expect("positive");
        let size = Size {
            width: 40,
            height: 30,
        };
        GeoBox::new(Crs::from_epsg(32632).expect("known"), transform, size).expect("positive")
    }

    #[test]
    fn grids_of_one_lattice_have_one_name_and_a_union() {
        let (a, b) = (
            grid(500_000.0, 6_000_000.0, 10.0),
            grid(500_170.0, 5_999_800.0, 10.0),
        );
        assert_eq!(lattice_name(&a), lattice_name(&b));
        let union = union([&b, &a].into_iter()).expect("one lattice");
        assert_eq!(
            union.geobox.size(),
            Size {
                width: 57,
                height: 50
            }
        );
        assert_eq!(
            union.geobox.transform().origin(),
            Point {
                x: 500_000.0,
                y: 6_000_000.0
            }
        );
        assert_eq!((union.windows[0].col, union.windows[0].row), (17, 20));
        assert_eq!((union.windows[1].col, union.windows[1].row), (0, 0));
    }

    #[test]
    fn half_a_pixel_is_another_lattice() {
        let a = grid(500_000.0, 6_000_000.0, 10.0);
        for b in [
            grid(500_005.0, 6_000_000.0, 10.0),
            grid(500_000.0, 6_000_000.0, 20.0),
        ] {
            assert_ne!(lattice_name(&a), lattice_name(&b));
            assert_eq!(union([&a, &b].into_iter()), None);
        }
    }
}
