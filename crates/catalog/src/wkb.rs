//! Geometries as well-known binary (OGC 06-103r4 §8.2), two-dimensional, little-endian.

use geo_types::{
    Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon,
    Point, Polygon,
};

/// Deepest nesting of collections.
const DEPTH_MAX: usize = 16;

/// Returns the geometry as WKB.
pub(crate) fn encode(geometry: &Geometry<f64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    write(&mut bytes, geometry);
    bytes
}

/// Longitude and latitude on WGS 84, in the spatial reference systems of PostGIS.
pub(crate) const LON_LAT_SRID: u32 = 4326;
/// Bits of PostGIS's extended WKB: a reference system stands in it; positions have a height.
const EWKB_SRID: u32 = 0x2000_0000;
const EWKB_Z: u32 = 0x8000_0000;

/// Returns what [`encode`] made as PostGIS's extended WKB, with its reference system.
pub(crate) fn with_srid(wkb: &[u8], srid: u32) -> Vec<u8> {
    let (order, rest) = wkb.split_at(1);
    let (kind, rest) = rest.split_at(4);
    let kind = u32::from_le_bytes(kind.try_into().expect("four bytes")) | EWKB_SRID;
    [order, &kind.to_le_bytes(), &srid.to_le_bytes(), rest].concat()
}

/// Returns the line between two positions of three coordinates as PostGIS's extended WKB.
pub(crate) fn encode_diagonal(from: [f64; 3], to: [f64; 3]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(57);
    head(&mut bytes, 2 | EWKB_Z);
    count(&mut bytes, 2);
    for coordinate in from.into_iter().chain(to) {
        bytes.extend(coordinate.to_le_bytes());
    }
    bytes
}

fn head(bytes: &mut Vec<u8>, kind: u32) {
    bytes.push(1);
    bytes.extend(kind.to_le_bytes());
}

fn count(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a geometry has fewer than 2^32 parts");
    bytes.extend(length.to_le_bytes());
}

fn coord(bytes: &mut Vec<u8>, at: Coord<f64>) {
    bytes.extend(at.x.to_le_bytes());
    bytes.extend(at.y.to_le_bytes());
}

fn line(bytes: &mut Vec<u8>, line: &LineString<f64>) {
    count(bytes, line.0.len());
    line.0.iter().for_each(|at| coord(bytes, *at));
}

fn polygon(bytes: &mut Vec<u8>, polygon: &Polygon<f64>) {
    count(bytes, 1 + polygon.interiors().len());
    line(bytes, polygon.exterior());
    polygon
        .interiors()
        .iter()
        .for_each(|ring| line(bytes, ring));
}

fn write(bytes: &mut Vec<u8>, geometry: &Geometry<f64>) {
    match geometry {
        Geometry::Point(point) => {
            head(bytes, 1);
            coord(bytes, point.0);
        }
        Geometry::LineString(string) => {
            head(bytes, 2);
            line(bytes, string);
        }
        Geometry::Polygon(shape) => {
            head(bytes, 3);
            polygon(bytes, shape);
        }
        Geometry::MultiPoint(points) => {
            head(bytes, 4);
            count(bytes, points.0.len());
            points
                .0
                .iter()
                .for_each(|point| write(bytes, &(*point).into()));
        }
        Geometry::MultiLineString(lines) => {
            head(bytes, 5);
            count(bytes, lines.0.len());
            for string in &lines.0 {
                head(bytes, 2);
                line(bytes, string);
            }
        }
        Geometry::MultiPolygon(polygons) => {
            head(bytes, 6);
            count(bytes, polygons.0.len());
            for shape in &polygons.0 {
                head(bytes, 3);
                polygon(bytes, shape);
            }
        }
        Geometry::GeometryCollection(parts) => {
            head(bytes, 7);
            count(bytes, parts.0.len());
            parts.0.iter().for_each(|part| write(bytes, part));
        }
        Geometry::Line(segment) => {
            write(
                bytes,
                &LineString::new(vec![segment.start, segment.end]).into(),
            );
        }
        Geometry::Rect(rect) => write(bytes, &rect.to_polygon().into()),
        Geometry::Triangle(triangle) => write(bytes, &triangle.to_polygon().into()),
    }
}

/// Reads WKB, also big-endian, ISO and PostGIS's extension of it; elevations and measures are left
/// out. `None` where it is something else.
pub(crate) fn decode(bytes: &[u8]) -> Option<Geometry<f64>> {
    let mut reader = Reader {
        bytes,
        is_big_endian: false,
        extra_ordinates: 0,
    };
    let geometry = reader.geometry(DEPTH_MAX)?;
    reader.bytes.is_empty().then_some(geometry)
}

struct Reader<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
    /// How many numbers stand behind x and y in every position.
    extra_ordinates: usize,
}

/// Flags of PostGIS in the type: has z, has m, has an SRID.
const EXTENDED_Z: u32 = 0x8000_0000;
const EXTENDED_M: u32 = 0x4000_0000;
const EXTENDED_SRID: u32 = 0x2000_0000;

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take()?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn float(&mut self) -> Option<f64> {
        let bytes = self.take()?;
        Some(if self.is_big_endian {
            f64::from_be_bytes(bytes)
        } else {
            f64::from_le_bytes(bytes)
        })
    }

    fn coord(&mut self) -> Option<Coord<f64>> {
        let (x, y) = (self.float()?, self.float()?);
        for _ in 0..self.extra_ordinates {
            self.float()?;
        }
        Some(Coord { x, y })
    }

    /// Reads a counted list; every element takes at least `bytes_each`, so that a false count
    /// reserves nothing.
    fn list<T>(
        &mut self,
        bytes_each: usize,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = usize::try_from(self.number()?).ok()?;
        if length.checked_mul(bytes_each)? > self.bytes.len() {
            return None;
        }
        (0..length).map(|_| read(self)).collect()
    }

    fn line(&mut self) -> Option<LineString<f64>> {
        self.list(16, Self::coord).map(LineString::new)
    }

    fn polygon(&mut self) -> Option<Polygon<f64>> {
        let mut rings = self.list(4, Self::line)?.into_iter();
        let exterior = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
        Some(Polygon::new(exterior, rings.collect()))
    }

    /// Reads byte order and type; returns the type of the plain standard.
    fn kind(&mut self) -> Option<u32> {
        self.is_big_endian = match self.take::<1>()? {
            [0] => true,
            [1] => false,
            _ => return None,
        };
        let kind = self.number()?;
        if kind & EXTENDED_SRID != 0 {
            self.number()?;
        }
        let flags = usize::from(kind & EXTENDED_Z != 0) + usize::from(kind & EXTENDED_M != 0);
        let kind = kind & !(EXTENDED_Z | EXTENDED_M | EXTENDED_SRID);
        // ISO: 1000 more with z, 2000 more with m, 3000 more with both.
        self.extra_ordinates = match kind / 1000 {
            0 => flags,
            1 | 2 => 1,
            3 => 2,
            _ => return None,
        };
        Some(kind % 1000)
    }

    fn expect(&mut self, kind: u32) -> Option<()> {
        (self.kind()? == kind).then_some(())
    }

    fn geometry(&mut self, depth: usize) -> Option<Geometry<f64>> {
        let depth = depth.checked_sub(1)?;
        Some(match self.kind()? {
            1 => Point::from(self.coord()?).into(),
            2 => self.line()?.into(),
            3 => self.polygon()?.into(),
            4 => MultiPoint::new(self.list(21, |reader| {
                reader.expect(1)?;
                reader.coord().map(Point::from)
            })?)
            .into(),
            5 => MultiLineString::new(self.list(9, |reader| {
                reader.expect(2)?;
                reader.line()
            })?)
            .into(),
            6 => MultiPolygon::new(self.list(9, |reader| {
                reader.expect(3)?;
                reader.polygon()
            })?)
            .into(),
            7 => Geometry::GeometryCollection(GeometryCollection::from(
                self.list(9, |reader| reader.geometry(depth))?,
            )),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn geometries_come_back_as_they_were() {
        for value in [
            json!({"type": "Point", "coordinates": [1.5, 2.0]}),
            json!({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]], [[1, 1], [2, 1], [2, 2], [1, 1]]]}),
            json!({"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}),
            json!({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]]}),
            json!({"type": "MultiPolygon", "coordinates": [[[[0, 0], [4, 0], [4, 4], [0, 0]]]]}),
            json!({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]}),
        ] {
            let geometry = crate::geometry::from_geojson(&value).expect("valid");
            assert_eq!(decode(&encode(&geometry)), Some(geometry));
        }
    }

    #[test]
    fn other_byte_order_and_elevations_are_read() {
        let mut big = vec![0];
        big.extend(1001_u32.to_be_bytes());
        for ordinate in [1.0_f64, 2.0, 3.0] {
            big.extend(ordinate.to_be_bytes());
        }
        assert_eq!(decode(&big), Some(Point::new(1.0, 2.0).into()));
        let mut extended = vec![1];
        extended.extend((1 | EXTENDED_SRID | EXTENDED_Z).to_le_bytes());
        extended.extend(4326_u32.to_le_bytes());
        for ordinate in [1.0_f64, 2.0, 3.0] {
            extended.extend(ordinate.to_le_bytes());
        }
        assert_eq!(decode(&extended), Some(Point::new(1.0, 2.0).into()));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
