//! The compact store of parcels.
//!
//! Coordinates lie in blocks of about a mebibyte instead of one growing vector, so that loading
//! never holds a second copy of them.

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use swath_grid::Bounds;

use super::shape::Shape;

/// Coordinates in one block; a larger parcel gets a block of its own.
const BLOCK_COORDS: usize = 65_536;

/// Parcels in file order: ids and polygons, two-dimensional.
///
/// Rings are stored as the file has them: closed, in the file's order and orientation. A valid
/// parcel keeps its coordinates bit for bit.
#[derive(Debug, Clone, Default)]
pub struct Parcels {
    ids: StringColumn,
    blocks: Vec<Vec<[f64; 2]>>,
    places: Vec<Place>,
    rings: Vec<RingEnd>,
}

/// Where the coordinates and rings of a parcel begin.
#[derive(Debug, Clone, Copy)]
struct Place {
    block: u32,
    coord: u32,
    ring: u32,
}

/// End of a ring relative to the first coordinate of its parcel; the top bit marks a shell.
#[derive(Debug, Clone, Copy)]
struct RingEnd(u32);

const SHELL_BIT: u32 = 1 << 31;

/// Most coordinates of one parcel that the store can hold.
pub(super) const PARCEL_COORDS_MAX: usize = 1 << 28;

/// One ring of a parcel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParcelRing<'a> {
    /// x and y of each vertex; the last is the first again.
    pub coords: &'a [[f64; 2]],
    /// True where the ring begins a polygon, false where it is a hole of the one before.
    pub is_shell: bool,
}

impl Parcels {
    /// Returns the number of parcels.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Frees the coordinates; ids and number stay, and every polygon is empty from now on.
    pub fn drop_geometry(&mut self) {
        self.blocks = Vec::new();
        self.rings = Vec::new();
        self.places = Vec::new();
    }

    /// True where there is no parcel.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the id of a parcel.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`len`](Self::len); so do the other accessors.
    pub fn id(&self, index: usize) -> &str {
        self.ids.get(index).unwrap_or_default()
    }

    /// Returns the rings of a parcel without a copy, each shell before its holes.
    pub fn rings(&self, index: usize) -> impl Iterator<Item = ParcelRing<'_>> {
        // There is none once shapes were dropped.
        let place = self.places.get(index).copied().unwrap_or(Place {
            block: 0,
            coord: 0,
            ring: 0,
        });
        let ring_end = self
            .places
            .get(index + 1)
            .map_or(self.rings.len(), |p| p.ring as usize);
        let coords = self
            .blocks
            .get(place.block as usize)
            .map_or(&[][..], |b| &b[place.coord as usize..]);
        let mut start = 0;
        self.rings[place.ring as usize..ring_end]
            .iter()
            .map(move |ring| {
                let end = (ring.0 & !SHELL_BIT) as usize;
                let ring = ParcelRing {
                    coords: &coords[start..end],
                    is_shell: ring.0 & SHELL_BIT != 0,
                };
                start = end;
                ring
            })
    }

    /// Returns a parcel as a multipolygon, empty where it has no area; a point is a ring of one
    /// vertex, see [`point`](Self::point).
    pub fn polygon(&self, index: usize) -> MultiPolygon<f64> {
        multi_polygon(self.rings(index))
    }

    /// Returns where a parcel of a set of points is, `None` where it has no place or is a polygon.
    pub fn point(&self, index: usize) -> Option<[f64; 2]> {
        point_of(self.rings(index))
    }

    /// Returns the bounds of a parcel in the CRS of the source, `None` where it is empty.
    pub fn bounds(&self, index: usize) -> Option<Bounds> {
        bounds_of(self.rings(index))
    }

    /// Returns the ids and polygons in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, MultiPolygon<f64>)> {
        (0..self.len()).map(|index| (self.id(index), self.polygon(index)))
    }

    /// Returns the bytes of memory the parcels take, about.
    pub fn memory_bytes(&self) -> usize {
        let coords: usize = self.blocks.iter().map(|block| block.capacity() * 16).sum();
        coords
            + self.places.capacity() * size_of::<Place>()
            + self.rings.capacity() * size_of::<RingEnd>()
            + self.ids.memory_bytes()
    }

    /// Adds a parcel at the end. The shape has at most [`PARCEL_COORDS_MAX`] coordinates.
    pub(super) fn push(&mut self, id: &str, shape: &Shape) {
        let count = shape.coords.len();
        let has_room = self
            .blocks
            .last()
            .is_some_and(|b| b.capacity() - b.len() >= count);
        if !has_room {
            if let Some(last) = self.blocks.last_mut() {
                last.shrink_to_fit();
            }
            self.blocks
                .push(Vec::with_capacity(count.max(BLOCK_COORDS)));
        }
        let block_index = self.blocks.len() - 1;
        let block = &mut self.blocks[block_index];
        self.places.push(Place {
            block: block_index as u32,
            coord: block.len() as u32,
            ring: self.rings.len() as u32,
        });
        block.extend_from_slice(&shape.coords);
        self.rings.extend(
            shape
                .rings
                .iter()
                .map(|ring| RingEnd(ring.end as u32 | if ring.is_shell { SHELL_BIT } else { 0 })),
        );
        self.ids.push(Some(id));
    }

    /// Gives back memory that was set aside for more parcels.
    pub(super) fn finish(&mut self) {
        if let Some(last) = self.blocks.last_mut() {
            last.shrink_to_fit();
        }
        self.places.shrink_to_fit();
        self.rings.shrink_to_fit();
        self.ids.shrink_to_fit();
    }
}

/// Builds a multipolygon from rings in order.
pub(super) fn multi_polygon<'a>(rings: impl Iterator<Item = ParcelRing<'a>>) -> MultiPolygon<f64> {
    let mut polygons: Vec<Polygon<f64>> = Vec::new();
    let mut shell: Option<LineString<f64>> = None;
    let mut holes: Vec<LineString<f64>> = Vec::new();
    for ring in rings {
        let line = LineString(ring.coords.iter().map(|&[x, y]| Coord { x, y }).collect());
        if !ring.is_shell {
            holes.push(line);
            continue;
        }
        if let Some(shell) = shell.replace(line) {
            polygons.push(Polygon::new(shell, std::mem::take(&mut holes)));
        }
    }
    if let Some(shell) = shell {
        polygons.push(Polygon::new(shell, holes));
    }
    MultiPolygon(polygons)
}

/// Returns where the only vertex of the only ring is.
pub(super) fn point_of<'a>(mut rings: impl Iterator<Item = ParcelRing<'a>>) -> Option<[f64; 2]> {
    match (rings.next(), rings.next()) {
        (Some(ring), None) if ring.coords.len() == 1 => Some(ring.coords[0]),
        _ => None,
    }
}

/// Returns the bounds of the shells.
pub(super) fn bounds_of<'a>(rings: impl Iterator<Item = ParcelRing<'a>>) -> Option<Bounds> {
    let mut bounds: Option<Bounds> = None;
    for &[x, y] in rings
        .filter(|ring| ring.is_shell)
        .flat_map(|ring| ring.coords)
    {
        let all = bounds.get_or_insert(Bounds {
            min_x: x,
            min_y: y,
            max_x: x,
            max_y: y,
        });
        all.min_x = all.min_x.min(x);
        all.min_y = all.min_y.min(y);
        all.max_x = all.max_x.max(x);
        all.max_y = all.max_y.max(y);
    }
    bounds
}

/// Strings of a column, end to end in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringColumn {
    bytes: String,
    ends: Ends,
}

/// End of each value in bytes; the top bit marks an absent one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ends {
    /// As long as all values together have less than 2 GiB.
    Short(Vec<u32>),
    Long(Vec<u64>),
}

const NULL_BIT: u64 = 1 << 63;
const SHORT_NULL_BIT: u32 = 1 << 31;

impl Default for Ends {
    fn default() -> Self {
        Self::Short(Vec::new())
    }
}

impl Ends {
    fn len(&self) -> usize {
        match self {
            Self::Short(ends) => ends.len(),
            Self::Long(ends) => ends.len(),
        }
    }

    /// Returns the end of a value, and whether it is absent.
    fn get(&self, index: usize) -> (usize, bool) {
        match self {
            Self::Short(ends) => {
                let end = ends[index];
                ((end & !SHORT_NULL_BIT) as usize, end & SHORT_NULL_BIT != 0)
            }
            Self::Long(ends) => {
                let end = ends[index];
                ((end & !NULL_BIT) as usize, end & NULL_BIT != 0)
            }
        }
    }

    fn push(&mut self, end: usize, is_absent: bool) {
        if let Self::Short(ends) = self {
            if let Some(short) = u32::try_from(end)
                .ok()
                .filter(|end| end & SHORT_NULL_BIT == 0)
            {
                ends.push(short | if is_absent { SHORT_NULL_BIT } else { 0 });
                return;
            }
            let widened = (0..self.len()).map(|index| Self::long(self.get(index)));
            *self = Self::Long(widened.collect());
        }
        if let Self::Long(ends) = self {
            ends.push(Self::long((end, is_absent)));
        }
    }

    fn long((end, is_absent): (usize, bool)) -> u64 {
        end as u64 | if is_absent { NULL_BIT } else { 0 }
    }
}

impl StringColumn {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a value, `None` where it is absent.
    pub fn get(&self, index: usize) -> Option<&str> {
        let (end, is_absent) = self.ends.get(index);
        let start = match index {
            0 => 0,
            _ => self.ends.get(index - 1).0,
        };
        (!is_absent).then(|| &self.bytes[start..end])
    }

    /// Returns the values in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: Option<&str>) {
        self.bytes.push_str(value.unwrap_or_default());
        self.ends.push(self.bytes.len(), value.is_none());
    }

    fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
        match &mut self.ends {
            Ends::Short(ends) => ends.shrink_to_fit(),
            Ends::Long(ends) => ends.shrink_to_fit(),
        }
    }

    fn memory_bytes(&self) -> usize {
        let ends_bytes = match &self.ends {
            Ends::Short(ends) => ends.capacity() * size_of::<u32>(),
            Ends::Long(ends) => ends.capacity() * size_of::<u64>(),
        };
        self.bytes.capacity() + ends_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_beyond_two_gibibytes_are_kept_with_what_came_before() {
        let mut ends = Ends::default();
        let pushed = [
            (5, false),
            (5, true),
            ((1 << 31) - 1, false),
            (1 << 31, false),
            (1 << 31, true),
            (1 << 40, false),
        ];
        for (index, (end, is_absent)) in pushed.into_iter().enumerate() {
            ends.push(end, is_absent);
            assert_eq!(matches!(ends, Ends::Short(_)), index < 3);
        }
        assert!((0..ends.len()).map(|index| ends.get(index)).eq(pushed));
    }
}
