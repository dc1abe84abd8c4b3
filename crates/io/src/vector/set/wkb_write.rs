//! Parcels to well-known binary (ISO, little-endian, two-dimensional).

use super::super::parcels::Parcels;

const POINT: u32 = 1;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

/// Kind of a geometry that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Point,
    Polygon,
    MultiPolygon,
}

/// Writes a parcel behind what `bytes` holds: its point, its polygon, or its polygons.
pub(super) fn write_wkb(parcels: &Parcels, index: usize, bytes: &mut Vec<u8>) -> Written {
    if let Some(point) = parcels.point(index) {
        head(POINT, bytes);
        vertex(point, bytes);
        return Written::Point;
    }
    // Number of rings of each polygon.
    let mut polygons: Vec<u32> = Vec::new();
    for ring in parcels.rings(index) {
        match (ring.is_shell, polygons.last_mut()) {
            (false, Some(count)) => *count += 1,
            _ => polygons.push(1),
        }
    }
    let mut rings = parcels.rings(index);
    let written = match polygons.len() {
        1 => Written::Polygon,
        _ => {
            head(MULTI_POLYGON, bytes);
            bytes.extend((polygons.len() as u32).to_le_bytes());
            Written::MultiPolygon
        }
    };
    for count in polygons {
        head(POLYGON, bytes);
        bytes.extend(count.to_le_bytes());
        for ring in rings.by_ref().take(count as usize) {
            // At most PARCEL_COORDS_MAX of 2^28.
            bytes.extend((ring.coords.len() as u32).to_le_bytes());
            ring.coords.iter().for_each(|coord| vertex(*coord, bytes));
        }
    }
    written
}

fn head(kind: u32, bytes: &mut Vec<u8>) {
    bytes.push(1);
    bytes.extend(kind.to_le_bytes());
}

fn vertex([x, y]: [f64; 2], bytes: &mut Vec<u8>) {
    bytes.extend(x.to_le_bytes());
    bytes.extend(y.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::super::shape::Shape;
    use super::super::super::wkb::decode_wkb;
    use super::*;

    fn shape(rings: &[(usize, bool)]) -> Shape {
        let mut shape = Shape::default();
        for (ring, &(count, is_shell)) in rings.iter().enumerate() {
            for vertex in 0..count {
                shape.coords.push([ring as f64, vertex as f64 + 0.1]);
            }
            shape.end_ring(is_shell);
        }
        shape
    }

    #[test]
    fn what_is_written_is_read_again() {
        let cases = [
            shape(&[(4, true)]),
            shape(&[(5, true), (4, false), (4, false)]),
            shape(&[(5, true), (4, false), (6, true), (4, true), (5, false)]),
        ];
        for case in cases {
            let mut parcels = Parcels::default();
            parcels.push("a", &case);
            let mut bytes = Vec::new();
            write_wkb(&parcels, 0, &mut bytes);
            let mut read = Shape::default();
            decode_wkb(&bytes, &mut read).expect("it was written so");
            assert_eq!((read.coords, read.rings), (case.coords, case.rings));
        }
    }

    #[test]
    fn a_point_is_a_point() {
        let mut parcels = Parcels::default();
        parcels.push("a", &shape(&[(1, true)]));
        let mut bytes = Vec::new();
        assert_eq!(write_wkb(&parcels, 0, &mut bytes), Written::Point);
        let mut read = Shape::default();
        decode_wkb(&bytes, &mut read).expect("it was written so");
        assert_eq!(read.point, Some([0.0, 0.1]));
    }
}
