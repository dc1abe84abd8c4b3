//! Tile matrix sets (OGC 17-083r4, Two Dimensional Tile Matrix Set and Tile Set Metadata, version 2).
//!
//! Positions are x, y as everywhere; [`AxisOrder`] says how the CRS of a set writes them, for faces
//! that must write corners in that order.

use crate::{AxisOrder, Bounds, Crs, GeoBox, Point, Size, Transform};

/// Side of a pixel by which scales are named, in metres (OGC 17-083r4, 6.1.1).
const RENDERED_PIXEL_M: f64 = 0.000_28;
/// Pixels of a side of a tile in every set that is built in.
const TILE_SIDE_PX: u32 = 256;
/// Half the equator of WGS 84 as Web Mercator has it, in metres.
const HALF_EQUATOR_M: f64 = 20_037_508.342_789_244;
/// Largest factor between a tile as drawn and as the set has it.
const TILE_SCALE_MAX: u32 = 4;
/// A position this near to the edge of a tile, in tiles, lies on the edge.
const EDGE_TILES: f64 = 1e-9;

/// One grid of tiles of a set: all of one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct TileMatrix {
    /// Its name in the set: the zoom as text.
    pub id: String,
    /// Scale 1 : n where a pixel is 0.28 mm wide.
    pub scale_denominator: f64,
    /// Side of a pixel in units of the CRS.
    pub cell_size: f64,
    /// Outer corner of the upper-left tile, as x, y.
    pub origin: Point,
    /// Pixels of a tile.
    pub tile_size: Size,
    /// Tiles side by side.
    pub matrix_width: u32,
    /// Tiles one below the other.
    pub matrix_height: u32,
}

/// A tile of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileIndex {
    /// Position of the matrix in the set, from 0.
    pub matrix: usize,
    /// From the top, from 0.
    pub row: u32,
    /// From the left, from 0.
    pub col: u32,
}

/// The tiles of a matrix that share a point with an area; all ends are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileLimits {
    /// Position of the matrix in the set, from 0.
    pub matrix: usize,
    /// First row.
    pub row_min: u32,
    /// Last row.
    pub row_max: u32,
    /// First column.
    pub col_min: u32,
    /// Last column.
    pub col_max: u32,
}

/// A pyramid of grids of tiles in one CRS.
#[derive(Debug, Clone, PartialEq)]
pub struct TileMatrixSet {
    /// Name in URLs and capabilities.
    pub id: String,
    /// For people.
    pub title: String,
    /// Its name in the registry of OGC; `None`: our own set.
    pub uri: Option<String>,
    /// CRS of all its matrices.
    pub crs: Crs,
    /// The CRS as OGC's URI, such as `http://www.opengis.net/def/crs/EPSG/0/3857`.
    pub crs_uri: String,
    /// How the CRS writes its axes.
    pub axis_order: AxisOrder,
    /// Names of the axes in the order of the CRS.
    pub axes: [&'static str; 2],
    /// URI of the set of scales that it follows.
    pub well_known_scale_set: Option<&'static str>,
    /// From the smallest scale to the largest.
    pub matrices: Vec<TileMatrix>,
}

/// The levels of a set, each of half the cells of the one before.
struct Levels {
    first_id: u32,
    count: u32,
    first_cell_size: f64,
    origin: Point,
    first_width: u32,
    first_height: u32,
}

impl TileMatrixSet {
    /// Web Mercator as all web maps have it (`EPSG:3857`, zoom 0 to 24).
    pub fn web_mercator_quad() -> Self {
        let levels = Levels {
            first_id: 0,
            count: 25,
            first_cell_size: 2.0 * HALF_EQUATOR_M / f64::from(TILE_SIDE_PX),
            origin: Point {
                x: -HALF_EQUATOR_M,
                y: HALF_EQUATOR_M,
            },
            first_width: 1,
            first_height: 1,
        };
        Self::registered(
            "WebMercatorQuad",
            "Google Maps Compatible for the World",
            (
                "EPSG:3857",
                "http://www.opengis.net/def/crs/EPSG/0/3857".to_owned(),
            ),
            (AxisOrder::EastNorth, ["X", "Y"]),
            Some("http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible"),
            &levels,
        )
    }

    /// Longitude and latitude in this order (`OGC:CRS84`, zoom 0 to 23).
    pub fn world_crs84_quad() -> Self {
        Self::registered(
            "WorldCRS84Quad",
            "CRS84 for the World",
            (
                "OGC:CRS84",
                "http://www.opengis.net/def/crs/OGC/1.3/CRS84".to_owned(),
            ),
            (AxisOrder::EastNorth, ["Lon", "Lat"]),
            Some("http://www.opengis.net/def/wkss/OGC/1.0/GoogleCRS84Quad"),
            &WORLD_LEVELS,
        )
    }

    /// The same tiles in a CRS that writes latitude first (`EPSG:4326`, zoom 0 to 23).
    pub fn wgs1984_quad() -> Self {
        let set = Self::registered(
            "WGS1984Quad",
            "EPSG:4326 for the World",
            (
                "EPSG:4326",
                "http://www.opengis.net/def/crs/EPSG/0/4326".to_owned(),
            ),
            (AxisOrder::NorthEast, ["Lat", "Lon"]),
            Some("http://www.opengis.net/def/wkss/OGC/1.0/GoogleCRS84Quad"),
            &WORLD_LEVELS,
        );
        Self {
            // The registry has one URI for both.
            uri: Some("http://www.opengis.net/def/tilematrixset/OGC/1.0/WorldCRS84Quad".to_owned()),
            ..set
        }
    }

    /// Europe in equal area (`EPSG:3035`, which writes northing first; zoom 0 to 15).
    pub fn european_etrs89_laea_quad() -> Self {
        let levels = Levels {
            first_id: 0,
            count: 16,
            first_cell_size: 17_578.125,
            origin: Point {
                x: 2_000_000.0,
                y: 5_500_000.0,
            },
            first_width: 1,
            first_height: 1,
        };
        Self::registered(
            "EuropeanETRS89_LAEAQuad",
            "Lambert Azimuthal Equal Area ETRS89 for Europe",
            (
                "EPSG:3035",
                "http://www.opengis.net/def/crs/EPSG/0/3035".to_owned(),
            ),
            (AxisOrder::NorthEast, ["Y", "X"]),
            None,
            &levels,
        )
    }

    /// UTM on WGS 84: `UTM31WGS84Quad` of the registry, with the same numbers in every other zone;
    /// south of the equator (`UTM31SWGS84Quad`) moved by the false northing. Zoom 1 to 24.
    ///
    /// `None` where `zone` is not within 1..=60.
    pub fn utm_quad(zone: u32, hemisphere: Hemisphere) -> Option<Self> {
        if !(1..=60).contains(&zone) {
            return None;
        }
        let (letter, code, false_northing_m) = match hemisphere {
            Hemisphere::North => ("", 32_600 + zone, 0.0),
            Hemisphere::South => ("S", 32_700 + zone, 10_000_000.0),
        };
        let levels = Levels {
            first_id: 1,
            count: 24,
            first_cell_size: 78_140.357_260_255_9,
            origin: Point {
                x: -9_501_965.729_312_76,
                y: 20_003_931.458_625_5 + false_northing_m,
            },
            first_width: 1,
            first_height: 2,
        };
        let mut set = Self::registered(
            &format!("UTM{zone:02}{letter}WGS84Quad"),
            &format!("Universal Transverse Mercator Zone {zone}{letter} WGS84 Quad"),
            (
                &format!("EPSG:{code}"),
                format!("http://www.opengis.net/def/crs/EPSG/0/{code}"),
            ),
            (AxisOrder::EastNorth, ["E", "N"]),
            None,
            &levels,
        );
        if zone != 31 || hemisphere == Hemisphere::South {
            set.uri = None;
        }
        Some(set)
    }

    /// Returns the set of this name: one of the four for the world and Europe, or a zone of UTM.
    pub fn find(id: &str) -> Option<Self> {
        match id {
            "WebMercatorQuad" => Some(Self::web_mercator_quad()),
            "WorldCRS84Quad" => Some(Self::world_crs84_quad()),
            "WGS1984Quad" => Some(Self::wgs1984_quad()),
            "EuropeanETRS89_LAEAQuad" => Some(Self::european_etrs89_laea_quad()),
            _ => {
                let zone = id.strip_prefix("UTM")?.strip_suffix("WGS84Quad")?;
                let (digits, hemisphere) = match zone.strip_suffix('S') {
                    Some(digits) => (digits, Hemisphere::South),
                    None => (zone, Hemisphere::North),
                };
                let is_number =
                    digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
                Self::utm_quad(digits.parse().ok().filter(|_| is_number)?, hemisphere)
            }
        }
    }

    /// Returns the sets that are not of one zone, in the order to show them.
    pub fn general() -> Vec<Self> {
        vec![
            Self::web_mercator_quad(),
            Self::world_crs84_quad(),
            Self::wgs1984_quad(),
            Self::european_etrs89_laea_quad(),
        ]
    }

    /// Returns the set of the zone of UTM on WGS 84 that `crs` is, `None` for any other CRS.
    pub fn of_utm(crs: &Crs) -> Option<Self> {
        match crs.epsg()? {
            code @ 32_601..=32_660 => Self::utm_quad(code - 32_600, Hemisphere::North),
            code @ 32_701..=32_760 => Self::utm_quad(code - 32_700, Hemisphere::South),
            _ => None,
        }
    }

    fn registered(
        id: &str,
        title: &str,
        (crs, crs_uri): (&str, String),
        (axis_order, axes): (AxisOrder, [&'static str; 2]),
        well_known_scale_set: Option<&'static str>,
        levels: &Levels,
    ) -> Self {
        let crs = Crs::parse(crs).expect("the codes of this file are in the table");
        let metres_per_unit = crs.unit_to_metre();
        let matrices = (0..levels.count)
            .map(|level| {
                let cell_size = levels.first_cell_size / f64::from(1_u32 << level);
                TileMatrix {
                    id: (levels.first_id + level).to_string(),
                    scale_denominator: cell_size * metres_per_unit / RENDERED_PIXEL_M,
                    cell_size,
                    origin: levels.origin,
                    tile_size: Size {
                        width: TILE_SIDE_PX,
                        height: TILE_SIDE_PX,
                    },
                    matrix_width: levels.first_width << level,
                    matrix_height: levels.first_height << level,
                }
            })
            .collect();
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            uri: Some(format!(
                "http://www.opengis.net/def/tilematrixset/OGC/1.0/{id}"
            )),
            crs,
            crs_uri,
            axis_order,
            axes,
            well_known_scale_set,
            matrices,
        }
    }

    /// Returns the position of the matrix of this name. Names are text: `05` is not `5`.
    pub fn matrix(&self, id: &str) -> Option<usize> {
        self.matrices.iter().position(|matrix| matrix.id == id)
    }

    /// Returns the grid of a tile, `scale` times as many pixels a side as the set has; `None` where
    /// there is no such tile, or `scale` is not within 1..=4.
    pub fn geobox(&self, tile: TileIndex, scale: u32) -> Option<GeoBox> {
        let matrix = self.matrices.get(tile.matrix)?;
        let is_there = tile.col < matrix.matrix_width && tile.row < matrix.matrix_height;
        if !is_there || !(1..=TILE_SCALE_MAX).contains(&scale) {
            return None;
        }
        let first_col = f64::from(tile.col) * f64::from(matrix.tile_size.width);
        let first_row = f64::from(tile.row) * f64::from(matrix.tile_size.height);
        let origin = Point {
            x: matrix.origin.x + first_col * matrix.cell_size,
            y: matrix.origin.y - first_row * matrix.cell_size,
        };
        let transform = Transform::north_up(origin, matrix.cell_size / f64::from(scale))?;
        let size = Size {
            width: matrix.tile_size.width * scale,
            height: matrix.tile_size.height * scale,
        };
        GeoBox::new(self.crs.clone(), transform, size)
    }

    /// Returns the rectangle that the set covers.
    pub fn bounds(&self) -> Bounds {
        let first = &self.matrices[0];
        let side = |tiles: u32| f64::from(tiles) * f64::from(TILE_SIDE_PX) * first.cell_size;
        Bounds {
            min_x: first.origin.x,
            min_y: first.origin.y - side(first.matrix_height),
            max_x: first.origin.x + side(first.matrix_width),
            max_y: first.origin.y,
        }
    }

    /// Returns the tiles of matrix number `matrix` that share a point with `bounds` (in the CRS of the
    /// set); `None` where none does, or there is no such matrix. What only touches an edge is outside.
    pub fn limits(&self, matrix: usize, bounds: &Bounds) -> Option<TileLimits> {
        let grid = self.matrices.get(matrix)?;
        let side = f64::from(TILE_SIDE_PX) * grid.cell_size;
        let range = |from: f64, to: f64, count: u32| -> Option<(u32, u32)> {
            let first = (from + EDGE_TILES).floor().max(0.0);
            let last = ((to - EDGE_TILES).ceil() - 1.0).max(first);
            let end = f64::from(count);
            let is_inside = first < end && to > 0.0 && from <= to;
            is_inside.then(|| (first as u32, last.min(end - 1.0) as u32))
        };
        let (col_min, col_max) = range(
            (bounds.min_x - grid.origin.x) / side,
            (bounds.max_x - grid.origin.x) / side,
            grid.matrix_width,
        )?;
        let (row_min, row_max) = range(
            (grid.origin.y - bounds.max_y) / side,
            (grid.origin.y - bounds.min_y) / side,
            grid.matrix_height,
        )?;
        Some(TileLimits {
            matrix,
            row_min,
            row_max,
            col_min,
            col_max,
        })
    }

    /// Returns the position of the first matrix whose pixels are no larger than `resolution` (units
    /// of the CRS), the last where all are larger.
    pub fn matrix_for(&self, resolution: f64) -> usize {
        let fits = |matrix: &TileMatrix| matrix.cell_size <= resolution * (1.0 + 1e-9);
        let last = self.matrices.len() - 1;
        self.matrices.iter().position(fits).unwrap_or(last)
    }
}

/// Which half of the Earth a zone of UTM is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hemisphere {
    /// No false northing.
    North,
    /// False northing of 10,000 km.
    South,
}

const WORLD_LEVELS: Levels = Levels {
    first_id: 0,
    count: 24,
    first_cell_size: 0.703_125,
    origin: Point { x: -180.0, y: 90.0 },
    first_width: 2,
    first_height: 1,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<TileMatrixSet> {
        let mut sets = TileMatrixSet::general();
        sets.extend(TileMatrixSet::utm_quad(31, Hemisphere::North));
        sets.extend(TileMatrixSet::utm_quad(60, Hemisphere::South));
        sets
    }

    #[test]
    fn sets_are_found_by_name_and_nothing_else_is() {
        for set in sets() {
            assert_eq!(TileMatrixSet::find(&set.id), Some(set));
        }
        for bad in [
            "",
            "WebMercator",
            "UTM00WGS84Quad",
            "UTM61WGS84Quad",
            "UTM1WGS84Quad",
            "UTM+1WGS84Quad",
            "UTMWGS84Quad",
        ] {
            assert_eq!(TileMatrixSet::find(bad), None, "{bad}");
        }
        let zone = Crs::from_epsg(32_632).expect("a code");
        let set = TileMatrixSet::of_utm(&zone).expect("a zone");
        assert_eq!(set.id, "UTM32WGS84Quad");
        assert_eq!(
            TileMatrixSet::of_utm(&Crs::from_epsg(3857).expect("a code")),
            None
        );
    }

    #[test]
    fn four_tiles_fill_the_tile_above() {
        for set in sets() {
            for (row, col) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let tile = TileIndex {
                    matrix: 6,
                    row: 20 + row,
                    col: 18 + col,
                };
                let above = TileIndex {
                    matrix: 5,
                    row: 10,
                    col: 9,
                };
                let small = set.geobox(tile, 1).expect("a tile").bounds();
                let large = set.geobox(above, 1).expect("a tile").bounds();
                let side = (large.max_x - large.min_x) / 2.0;
                let left = large.min_x + f64::from(col) * side;
                let top = large.max_y - f64::from(row) * side;
                assert!((small.min_x - left).abs() < 1e-9 * side, "{}", set.id);
                assert!((small.max_y - top).abs() < 1e-9 * side, "{}", set.id);
            }
        }
    }

    #[test]
    fn tiles_beyond_the_matrix_are_none() {
        let set = TileMatrixSet::web_mercator_quad();
        let tile = |matrix, row, col| set.geobox(TileIndex { matrix, row, col }, 1);
        assert!(tile(0, 0, 0).is_some());
        assert!(tile(0, 0, 1).is_none() && tile(0, 1, 0).is_none());
        assert!(tile(24, (1 << 24) - 1, (1 << 24) - 1).is_some());
        assert!(tile(24, 1 << 24, 0).is_none() && tile(25, 0, 0).is_none());
        let none = set.geobox(
            TileIndex {
                matrix: 0,
                row: 0,
                col: 0,
            },
            9,
        );
        assert!(none.is_none());
        let fine = set.geobox(
            TileIndex {
                matrix: 0,
                row: 0,
                col: 0,
            },
            2,
        );
        assert_eq!(fine.expect("a tile").size().width, 512);
    }

    #[test]
    fn limits_hold_what_the_bounds_share() {
        let set = TileMatrixSet::wgs1984_quad();
        let bounds = |min_x, min_y, max_x, max_y| Bounds {
            min_x,
            min_y,
            max_x,
            max_y,
        };
        let whole = set
            .limits(1, &bounds(-180.0, -90.0, 180.0, 90.0))
            .expect("all");
        assert_eq!(
            (whole.col_min, whole.col_max, whole.row_min, whole.row_max),
            (0, 3, 0, 1)
        );
        // An edge that is shared belongs to one side only.
        let quarter = set
            .limits(1, &bounds(-90.0, 0.0, 0.0, 90.0))
            .expect("one tile");
        assert_eq!(
            (
                quarter.col_min,
                quarter.col_max,
                quarter.row_min,
                quarter.row_max
            ),
            (1, 1, 0, 0)
        );
        let point = set
            .limits(1, &bounds(10.0, 10.0, 10.0, 10.0))
            .expect("one tile");
        assert_eq!((point.col_min, point.col_max), (2, 2));
        assert_eq!(set.limits(1, &bounds(190.0, 0.0, 200.0, 10.0)), None);
        assert_eq!(set.limits(1, &bounds(-200.0, 0.0, -180.0, 10.0)), None);
        assert_eq!(set.limits(99, &bounds(0.0, 0.0, 1.0, 1.0)), None);
        assert_eq!(set.limits(3, &bounds(f64::NAN, 0.0, 1.0, 1.0)), None);
    }

    #[test]
    fn the_matrix_for_a_resolution_is_as_fine() {
        let set = TileMatrixSet::web_mercator_quad();
        assert_eq!(set.matrices[set.matrix_for(10.0)].id, "14");
        assert_eq!(set.matrix_for(1e9), 0);
        assert_eq!(set.matrix_for(1e-9), 24);
    }
}
