//! Well-known binary, in the ISO and the extended (PostGIS) form, to polygons.

use super::shape::{GeometryKind, Shape};

/// Deepest nesting of collections that is followed.
const DEPTH_MAX: usize = 8;

/// Where and why bytes are no well-known binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WkbError {
    /// Byte of the geometry, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

/// Decodes a geometry into an empty shape.
///
/// Lines and curves give only their [`GeometryKind`], points also their place, polygons their rings.
pub(super) fn decode_wkb(bytes: &[u8], shape: &mut Shape) -> Result<(), WkbError> {
    let mut reader = WkbReader {
        bytes,
        offset: 0,
        is_little: true,
    };
    let kind = reader.geometry(shape, 0)?;
    shape.kind = kind;
    Ok(())
}

struct WkbReader<'a> {
    bytes: &'a [u8],
    offset: usize,
    is_little: bool,
}

/// Type word of a geometry, taken apart.
struct Header {
    kind: GeometryKind,
    has_z: bool,
    has_m: bool,
}

impl Header {
    fn dimensions(&self) -> usize {
        2 + usize::from(self.has_z) + usize::from(self.has_m)
    }
}

impl WkbReader<'_> {
    fn geometry(&mut self, shape: &mut Shape, depth: usize) -> Result<GeometryKind, WkbError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("collections are nested deeper than {DEPTH_MAX}")));
        }
        let header = self.header()?;
        shape.has_z |= header.has_z;
        shape.has_m |= header.has_m;
        match header.kind {
            GeometryKind::Polygon => self.polygon(&header, shape)?,
            GeometryKind::MultiPolygon | GeometryKind::GeometryCollection => {
                let count = self.count(5)?;
                for _ in 0..count {
                    let part = self.geometry(shape, depth + 1)?;
                    let is_collection = header.kind == GeometryKind::GeometryCollection;
                    if part.is_unread() {
                        shape.clear_rings();
                        return Ok(part);
                    }
                    match part {
                        GeometryKind::Polygon => {}
                        GeometryKind::MultiPolygon | GeometryKind::GeometryCollection
                            if is_collection => {}
                        _ if is_collection => shape.has_other = true,
                        _ => {
                            let what = format!("a MultiPolygon holds a {}", part.name());
                            return Err(self.error(what));
                        }
                    }
                }
            }
            GeometryKind::Point => self.point(&header, shape)?,
            GeometryKind::LineString => {
                let count = self.count(header.dimensions() * 8)?;
                self.skip(count * header.dimensions() * 8)?;
            }
            GeometryKind::MultiPoint | GeometryKind::MultiLineString => {
                let count = self.count(5)?;
                for _ in 0..count {
                    self.geometry(shape, depth + 1)?;
                }
                shape.clear_rings();
                // Of several points none is the place.
                shape.point = shape.point.filter(|_| count == 1);
            }
            // Curves and surfaces of other kinds are named and not followed.
            _ => {}
        }
        Ok(header.kind)
    }

    fn header(&mut self) -> Result<Header, WkbError> {
        self.is_little = match self.take(1)? {
            [0] => false,
            [1] => true,
            [order, ..] => {
                let what = format!("byte order {order} is neither 0 nor 1");
                return Err(self.error(what));
            }
            [] => return Err(self.error("is empty".to_string())),
        };
        let word = self.u32()?;
        if word & 0x2000_0000 != 0 {
            self.skip(4)?; // the SRID of the extended form: the layer's CRS counts
        }
        let code = word & 0x0fff_ffff;
        let dimension = code / 1000;
        let kind = match code % 1000 {
            1 => GeometryKind::Point,
            2 => GeometryKind::LineString,
            3 => GeometryKind::Polygon,
            4 => GeometryKind::MultiPoint,
            5 => GeometryKind::MultiLineString,
            6 => GeometryKind::MultiPolygon,
            7 => GeometryKind::GeometryCollection,
            8 => GeometryKind::CircularString,
            9 => GeometryKind::CompoundCurve,
            10 => GeometryKind::CurvePolygon,
            11 => GeometryKind::MultiCurve,
            12 => GeometryKind::MultiSurface,
            13 => GeometryKind::Curve,
            14 => GeometryKind::Surface,
            15 => GeometryKind::PolyhedralSurface,
            16 => GeometryKind::Tin,
            17 => GeometryKind::Triangle,
            _ => return Err(self.error(format!("geometry type {word} is unknown"))),
        };
        if dimension > 3 {
            return Err(self.error(format!("geometry type {word} is unknown")));
        }
        Ok(Header {
            kind,
            has_z: word & 0x8000_0000 != 0 || dimension == 1 || dimension == 3,
            has_m: word & 0x4000_0000 != 0 || dimension == 2 || dimension == 3,
        })
    }

    fn point(&mut self, header: &Header, shape: &mut Shape) -> Result<(), WkbError> {
        let is_little = self.is_little;
        let bytes = self.take(header.dimensions() * 8)?;
        let (x, y) = (&bytes[..8], &bytes[8..16]);
        shape.set_point(match is_little {
            true => [f64_le(x), f64_le(y)],
            false => [f64_be(x), f64_be(y)],
        });
        Ok(())
    }

    fn polygon(&mut self, header: &Header, shape: &mut Shape) -> Result<(), WkbError> {
        let ring_count = self.count(4)?;
        let stride = header.dimensions() * 8;
        let first_ring = shape.rings.len();
        for _ in 0..ring_count {
            let point_count = self.count(stride)?;
            let is_little = self.is_little;
            let points = self.take(point_count * stride)?;
            shape.coords.reserve(point_count);
            match (is_little, stride) {
                (true, 16) => shape.coords.extend(points.chunks_exact(16).map(|point| {
                    let (x, y) = point.split_at(8);
                    [f64_le(x), f64_le(y)]
                })),
                (true, _) => shape.coords.extend(
                    points
                        .chunks_exact(stride)
                        .map(|p| [f64_le(&p[..8]), f64_le(&p[8..16])]),
                ),
                (false, _) => shape.coords.extend(
                    points
                        .chunks_exact(stride)
                        .map(|p| [f64_be(&p[..8]), f64_be(&p[8..16])]),
                ),
            }
            shape.end_ring(shape.rings.len() == first_ring);
        }
        Ok(())
    }

    /// Reads a count of parts that take at least `part_bytes` each, and checks that they fit.
    fn count(&mut self, part_bytes: usize) -> Result<usize, WkbError> {
        let count = self.u32()? as usize;
        let left = self.bytes.len() - self.offset;
        if count > left / part_bytes {
            let what = format!("{count} parts are announced but only {left} bytes are left");
            return Err(self.error(what));
        }
        Ok(count)
    }

    fn u32(&mut self) -> Result<u32, WkbError> {
        let is_little = self.is_little;
        let mut word = [0; 4];
        word.copy_from_slice(self.take(4)?);
        Ok(if is_little {
            u32::from_le_bytes(word)
        } else {
            u32::from_be_bytes(word)
        })
    }

    fn skip(&mut self, count: usize) -> Result<(), WkbError> {
        self.take(count).map(|_| ())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], WkbError> {
        let bytes = self.bytes;
        let taken = self
            .offset
            .checked_add(count)
            .and_then(|end| bytes.get(self.offset..end));
        match taken {
            Some(taken) => {
                self.offset += count;
                Ok(taken)
            }
            None => {
                let left = bytes.len() - self.offset;
                Err(self.error(format!("{count} bytes are needed but {left} are left")))
            }
        }
    }

    fn error(&self, what: String) -> WkbError {
        WkbError {
            offset: self.offset,
            what,
        }
    }
}

fn f64_le(bytes: &[u8]) -> f64 {
    let mut value = [0; 8];
    value.copy_from_slice(bytes);
    f64::from_le_bytes(value)
}

fn f64_be(bytes: &[u8]) -> f64 {
    let mut value = [0; 8];
    value.copy_from_slice(bytes);
    f64::from_be_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn square(type_word: u32, extra: &[f64]) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(type_word.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        for [x, y] in [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]] {
            bytes.extend(point(&[x, y]));
            bytes.extend(point(extra));
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Shape, WkbError> {
        let mut shape = Shape::default();
        decode_wkb(bytes, &mut shape).map(|()| shape)
    }

    #[test]
    fn z_and_m_are_dropped_in_both_dialects() {
        for word in [3, 1003, 2003, 0x8000_0003, 0x4000_0003] {
            let extra = if word == 3 { &[][..] } else { &[7.5][..] };
            let shape = decode(&square(word, extra)).expect("a square");
            assert_eq!(shape.coords[2], [1.0, 1.0]);
            assert_eq!(
                shape.rings,
                [super::super::shape::Ring {
                    end: 5,
                    is_shell: true
                }]
            );
        }
        let shape = decode(&square(3003, &[1.0, 2.0])).expect("a square");
        assert!(shape.has_z && shape.has_m);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_memory_is_taken() {
        let mut bytes = square(3, &[]);
        bytes[5..9].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(
            decode(&bytes)
                .expect_err("too many rings")
                .what
                .contains("announced")
        );
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = square(3, &[]);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_curve_polygon_is_named() {
        let mut bytes = square(3, &[]);
        bytes[1] = 10;
        assert_eq!(
            decode(&bytes).expect("named").kind,
            GeometryKind::CurvePolygon
        );
    }
}
