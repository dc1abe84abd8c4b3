//! Geometries as GeoPackage stores them: a header with the envelope, then well-known binary (clause 2.1.3).

use swath_grid::Bounds;

use super::super::shape::Shape;
use super::super::wkb::decode_wkb;

const MAGIC: &[u8; 2] = b"GP";
const VERSION: u8 = 0;
const LITTLE_ENDIAN: u8 = 1;
/// An envelope of `min_x`, `max_x`, `min_y`, `max_y` stands in the header.
const ENVELOPE_XY: u8 = 1 << 1;
const EMPTY: u8 = 1 << 4;
const WKB_POLYGON: [u8; 5] = [1, 3, 0, 0, 0];
const WKB_MULTI_POLYGON: [u8; 5] = [1, 6, 0, 0, 0];

/// What the geometries of a layer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerGeometry {
    Point,
    Polygon,
    /// Single polygons are stored as one of many, so that all rows are of one type.
    MultiPolygon,
    /// Others, and mixtures that have no name of their own.
    Any,
}

impl LayerGeometry {
    /// Returns the type that holds all of those that GeoParquet names.
    pub fn of(types: &[String]) -> Self {
        let is = |name: &str| types.iter().all(|found| found == name);
        match types {
            [] => Self::Any,
            _ if is("Point") => Self::Point,
            _ if is("Polygon") => Self::Polygon,
            _ if types.iter().all(|t| t == "Polygon" || t == "MultiPolygon") => Self::MultiPolygon,
            _ => Self::Any,
        }
    }

    /// Returns its name in `gpkg_geometry_columns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "POINT",
            Self::Polygon => "POLYGON",
            Self::MultiPolygon => "MULTIPOLYGON",
            Self::Any => "GEOMETRY",
        }
    }
}

/// Turns well-known binary into blobs; keeps its buffers from one geometry to the next.
#[derive(Debug)]
pub(super) struct BlobWriter {
    kind: LayerGeometry,
    srs_id: i32,
    shape: Shape,
}

impl BlobWriter {
    pub fn new(kind: LayerGeometry, srs_id: i32) -> Self {
        Self {
            kind,
            srs_id,
            shape: Shape::default(),
        }
    }

    /// Returns the blob of a geometry (ISO, two-dimensional) and its bounds, `None` where it is empty.
    ///
    /// # Errors
    /// What is wrong with the geometry, and at which byte.
    pub fn blob(&mut self, wkb: &[u8]) -> Result<(Vec<u8>, Option<Bounds>), String> {
        self.shape.clear();
        decode_wkb(wkb, &mut self.shape)
            .map_err(|error| format!("geometry, byte {}: {}", error.offset, error.what))?;
        let bounds = self.bounds();
        let flags = LITTLE_ENDIAN | if bounds.is_some() { ENVELOPE_XY } else { EMPTY };
        let mut blob = Vec::with_capacity(wkb.len() + 50);
        blob.extend(MAGIC);
        blob.extend([VERSION, flags]);
        blob.extend(self.srs_id.to_le_bytes());
        if let Some(bounds) = bounds {
            let envelope = [bounds.min_x, bounds.max_x, bounds.min_y, bounds.max_y];
            envelope
                .iter()
                .for_each(|side| blob.extend(side.to_le_bytes()));
        }
        if self.kind == LayerGeometry::MultiPolygon && wkb.starts_with(&WKB_POLYGON) {
            blob.extend(WKB_MULTI_POLYGON);
            blob.extend(1_u32.to_le_bytes());
        }
        blob.extend(wkb);
        Ok((blob, bounds))
    }

    fn bounds(&self) -> Option<Bounds> {
        let vertices = self.shape.coords.iter().chain(&self.shape.point);
        vertices.fold(None, |bounds, &[x, y]| {
            Some(match bounds {
                None => Bounds {
                    min_x: x,
                    min_y: y,
                    max_x: x,
                    max_y: y,
                },
                Some(Bounds {
                    min_x,
                    min_y,
                    max_x,
                    max_y,
                }) => Bounds {
                    min_x: min_x.min(x),
                    min_y: min_y.min(y),
                    max_x: max_x.max(x),
                    max_y: max_y.max(y),
                },
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangle() -> Vec<u8> {
        let mut wkb = WKB_POLYGON.to_vec();
        wkb.extend(1_u32.to_le_bytes());
        wkb.extend(4_u32.to_le_bytes());
        for value in [0.0_f64, 1.0, 4.0, -1.0, 2.0, 3.0, 0.0, 1.0] {
            wkb.extend(value.to_le_bytes());
        }
        wkb
    }

    #[test]
    fn the_header_tells_the_envelope_and_the_crs() {
        let mut writer = BlobWriter::new(LayerGeometry::Polygon, 25832);
        let (blob, bounds) = writer.blob(&triangle()).expect("a polygon");
        assert_eq!(blob[..4], [b'G', b'P', 0, 3]);
        assert_eq!(blob[4..8], 25832_i32.to_le_bytes());
        let side = |at: usize| f64::from_le_bytes(blob[at..at + 8].try_into().expect("8 bytes"));
        assert_eq!([8, 16, 24, 32].map(side), [0.0, 4.0, -1.0, 3.0]);
        assert_eq!(blob[40..], triangle());
        let bounds = bounds.expect("not empty");
        assert_eq!((bounds.min_x, bounds.max_y), (0.0, 3.0));
    }

    #[test]
    fn one_polygon_among_many_parts_becomes_one_of_many() {
        let mut writer = BlobWriter::new(LayerGeometry::MultiPolygon, 1);
        let (blob, _) = writer.blob(&triangle()).expect("a polygon");
        assert_eq!(blob[40..45], WKB_MULTI_POLYGON);
        assert_eq!(blob[49..], triangle());
        // What has many parts stays as it is.
        let many = blob[40..].to_vec();
        let (again, _) = writer.blob(&many).expect("polygons");
        assert_eq!(again, blob);
    }

    #[test]
    fn an_empty_geometry_is_marked_and_a_broken_one_refused() {
        let mut writer = BlobWriter::new(LayerGeometry::Polygon, 1);
        let mut empty = WKB_POLYGON.to_vec();
        empty.extend(0_u32.to_le_bytes());
        let (blob, bounds) = writer.blob(&empty).expect("empty");
        assert_eq!((blob[3], bounds), (LITTLE_ENDIAN | EMPTY, None));
        let broken = writer.blob(&triangle()[..30]).expect_err("cut");
        assert!(broken.contains("byte"), "{broken}");
    }

    #[test]
    fn the_type_of_the_layer_holds_all_geometries() {
        let of = |types: &[&str]| {
            let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
            LayerGeometry::of(&types)
        };
        assert_eq!(of(&["Point"]), LayerGeometry::Point);
        assert_eq!(of(&["Polygon"]), LayerGeometry::Polygon);
        assert_eq!(
            of(&["Polygon", "MultiPolygon"]),
            LayerGeometry::MultiPolygon
        );
        assert_eq!(of(&["MultiPolygon"]), LayerGeometry::MultiPolygon);
        assert_eq!(of(&["Point", "Polygon"]), LayerGeometry::Any);
        assert_eq!(of(&[]), LayerGeometry::Any);
    }
}
