//! One geometry on its way from a file into the store.

/// A decoded geometry in flat buffers that are used again for the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// Vertices of all rings.
    pub coords: Vec<[f64; 2]>,
    /// Rings in order, each shell before its holes.
    pub rings: Vec<Ring>,
    /// Type of the geometry as the file has it.
    pub kind: GeometryKind,
    /// True where a third coordinate was dropped.
    pub has_z: bool,
    /// True where a measure was dropped.
    pub has_m: bool,
    /// Where the point is, if the geometry is one.
    pub point: Option<[f64; 2]>,
    /// True where points or lines stood beside polygons in a collection.
    pub has_other: bool,
}

/// End of a ring in the coordinates of its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    /// Index after the last coordinate.
    pub end: usize,
    /// True where the ring begins a polygon.
    pub is_shell: bool,
}

/// Types of geometries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GeometryKind {
    /// No geometry at all.
    #[default]
    Null,
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    GeometryCollection,
    CircularString,
    CompoundCurve,
    CurvePolygon,
    MultiCurve,
    MultiSurface,
    Curve,
    Surface,
    PolyhedralSurface,
    Tin,
    Triangle,
    MultiPatch,
}

impl GeometryKind {
    /// Returns the name as the standards write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Point => "Point",
            Self::LineString => "LineString",
            Self::Polygon => "Polygon",
            Self::MultiPoint => "MultiPoint",
            Self::MultiLineString => "MultiLineString",
            Self::MultiPolygon => "MultiPolygon",
            Self::GeometryCollection => "GeometryCollection",
            Self::CircularString => "CircularString",
            Self::CompoundCurve => "CompoundCurve",
            Self::CurvePolygon => "CurvePolygon",
            Self::MultiCurve => "MultiCurve",
            Self::MultiSurface => "MultiSurface",
            Self::Curve => "Curve",
            Self::Surface => "Surface",
            Self::PolyhedralSurface => "PolyhedralSurface",
            Self::Tin => "TIN",
            Self::Triangle => "Triangle",
            Self::MultiPatch => "MultiPatch",
        }
    }

    /// True for curves and surfaces, which are named and not read.
    pub fn is_unread(self) -> bool {
        !matches!(
            self,
            Self::Null
                | Self::Point
                | Self::LineString
                | Self::Polygon
                | Self::MultiPoint
                | Self::MultiLineString
                | Self::MultiPolygon
                | Self::GeometryCollection
        )
    }
}

impl Shape {
    /// Empties the shape and keeps its memory.
    pub fn clear(&mut self) {
        self.clear_rings();
        self.kind = GeometryKind::Null;
        self.has_z = false;
        self.has_m = false;
        self.has_other = false;
        self.point = None;
    }

    /// Notes where a point is; one of NaN is an empty point, as WKB writes it.
    pub fn set_point(&mut self, point: [f64; 2]) {
        self.point = Some(point).filter(|[x, y]| !(x.is_nan() && y.is_nan()));
    }

    /// True where the geometry can be a point of a set of points: one, or none at all.
    pub fn is_punctual(&self) -> bool {
        match self.kind {
            GeometryKind::Null | GeometryKind::Point => true,
            GeometryKind::MultiPoint => self.point.is_some(),
            _ => false,
        }
    }

    /// Makes the point the only ring, of one coordinate; without a point there is none.
    pub fn ring_of_point(&mut self) {
        self.clear_rings();
        if let Some(point) = self.point {
            self.coords.push(point);
            self.end_ring(true);
        }
    }

    /// True where the geometry can be a parcel: polygons, or no geometry at all.
    pub fn is_areal(&self) -> bool {
        match self.kind {
            GeometryKind::Null | GeometryKind::Polygon | GeometryKind::MultiPolygon => true,
            GeometryKind::GeometryCollection => !self.rings.is_empty() || !self.has_other,
            _ => false,
        }
    }

    /// Removes the rings only.
    pub fn clear_rings(&mut self) {
        self.coords.clear();
        self.rings.clear();
    }

    /// Ends the ring whose coordinates were pushed last; an empty one is left out.
    pub fn end_ring(&mut self, is_shell: bool) {
        let start = self.rings.last().map_or(0, |ring| ring.end);
        if self.coords.len() > start {
            self.rings.push(Ring {
                end: self.coords.len(),
                is_shell,
            });
        }
    }

    /// Returns the rings with their coordinates.
    pub fn iter_rings(&self) -> impl Iterator<Item = (&[[f64; 2]], bool)> {
        let mut start = 0;
        self.rings.iter().map(move |ring| {
            let coords = &self.coords[start..ring.end];
            start = ring.end;
            (coords, ring.is_shell)
        })
    }
}
