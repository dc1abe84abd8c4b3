//! Buffers around and into parcels.

use geo::algorithm::buffer::{Buffer, BufferStyle, LineJoin};
use geo_types::{Coord, MultiPolygon};

/// Segments in a quarter of a circle where a corner is rounded.
const QUARTER_SEGMENTS: f64 = 16.0;

/// Returns the parcel grown by `distance` units of its CRS, or shrunk where it is negative.
///
/// Corners that point away from the side of the buffer stay sharp, the others are rounded with pieces of
/// about a 16th of the quarter circle. (GEOS leaves out shallow corners up to a hundredth of
/// the distance before it begins; this does not.) A parcel that vanishes gives an
/// empty multipolygon; a distance of 0 or one that is not finite gives the parcel as it is.
pub fn inner_buffer(parcel: &MultiPolygon<f64>, distance: f64) -> MultiPolygon<f64> {
    if distance == 0.0 || !distance.is_finite() {
        return parcel.clone();
    }
    let Some(origin) = parcel
        .0
        .first()
        .and_then(|p| p.exterior().0.first().copied())
    else {
        return MultiPolygon(Vec::new());
    };
    // Near the origin the numbers have digits to spare for the integer grid of the algorithm.
    let near = moved(
        parcel,
        Coord {
            x: -origin.x,
            y: -origin.y,
        },
    );
    let angle = std::f64::consts::FRAC_PI_2 / QUARTER_SEGMENTS;
    let style = BufferStyle::new(distance).line_join(LineJoin::Round(angle));
    moved(&near.buffer_with_style(style), origin)
}

fn moved(parcel: &MultiPolygon<f64>, by: Coord<f64>) -> MultiPolygon<f64> {
    use geo::MapCoords;
    parcel.map_coords(|coord| Coord {
        x: coord.x + by.x,
        y: coord.y + by.y,
    })
}
