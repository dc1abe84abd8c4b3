//! An irregular farmed landscape: adjacent parcels among villages, woods, lakes, roads and hedges.
//!
//! 1. Cells are made a little more numerous than the parcels asked for.
//! 2. The cells that lie deepest in a village, a wood or a lake are land cover; exactly as many
//!    stay as the parcels need.
//! 3. Some parcels step back from a road or a hedge, some have a pond, a few consist of two cells,
//!    a few are slivers cut off along an edge of a cell.

use anyhow::{Context, Result, ensure};
use swath_grid::{Bounds, Crs, GeoBox, Point, Size, Transform};

use super::cells::{Cell, Edge, divide, rounded};
use super::random::{Field, Random};
use super::rings::{
    Ring, RingPolygon, distance_to_ring, fill_centres, inset, middle, polygon_area, segments,
    signed_area,
};

/// What covers a piece of land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// A declared agricultural parcel.
    Parcel,
    /// Wood, broadleaved or coniferous.
    Wood,
    /// Houses and gardens.
    Village,
    /// Lake or pond.
    Water,
    /// Road or track between parcels.
    Road,
    /// Hedge or ditch between parcels.
    Hedge,
}

/// A piece of land with one cover.
#[derive(Debug, Clone)]
pub struct Patch {
    /// What covers it.
    pub cover: Cover,
    /// Polygons in metres of the UTM zone; empty for roads and hedges (what the others leave).
    pub polygons: Vec<RingPolygon>,
    /// Farm that works it; fields of one farm share habits.
    pub farm: usize,
}

impl Patch {
    /// Returns the area in square metres.
    pub fn area_m2(&self) -> f64 {
        self.polygons
            .iter()
            .map(|polygon| polygon_area(polygon))
            .sum()
    }
}

/// Parcels and land cover on a 10 m grid.
#[derive(Debug, Clone)]
pub struct Landscape {
    /// The 10 m grid, in the CRS of all positions (a UTM zone).
    pub geobox: GeoBox,
    /// The parcels first (in the order of their identifiers), then the other land.
    pub patches: Vec<Patch>,
    /// Number of parcels.
    pub parcel_count: usize,
    /// Full cells and the patch (road or hedge) that shows where their parcel steps back.
    margins: Vec<(Ring, u32)>,
}

/// UTM zone 32 north.
const EPSG: u32 = 32632;
/// Upper-left corner: on the 10, 20 and 60 m grids of Sentinel-2 tile 32UNF.
const ORIGIN: Point = Point {
    x: 529_980.0,
    y: 6_080_040.0,
};
/// Share of the land in parcels.
const PARCEL_SHARE: f64 = 0.74;

impl Landscape {
    /// Makes a landscape of `size_px` by `size_px` pixels of 10 m with exactly `parcel_count`
    /// parcels.
    ///
    /// # Errors
    /// Where the parcels would be smaller than about 0.3 ha on average.
    pub fn new(parcel_count: usize, size_px: u32, random: &Random) -> Result<Self> {
        let area_m2 = f64::from(size_px) * f64::from(size_px) * 100.0;
        ensure!(
            parcel_count as f64 * 3000.0 <= area_m2 * PARCEL_SHARE,
            "{parcel_count} parcels do not fit in {size_px} x {size_px} pixels of 10 m: \
             give a larger --size or fewer --parcels"
        );
        let transform = Transform::north_up(ORIGIN, 10.0).expect("10 m is positive");
        let size = Size {
            width: size_px,
            height: size_px,
        };
        let geobox = GeoBox::new(Crs::from_epsg(EPSG)?, transform, size)
            .with_context(|| format!("a landscape of {size_px} pixels is empty"))?;
        let bounds = geobox.bounds();
        let pair_count = parcel_count / 100;
        let sliver_count = parcel_count / 66;
        let needed = parcel_count + pair_count - sliver_count;
        let cells = enough_cells(&bounds, needed, random)?;

        let (farmed, other) = choose_farmed(cells, needed, &bounds, &random.stream(20));
        let mut builder = Builder::new(random.stream(30));
        builder.add_parcels(&farmed, sliver_count);
        builder.pair_parcels(pair_count, parcel_count);
        builder.add_cover(other);
        let landscape = builder.finish(geobox);
        ensure!(
            landscape.parcel_count == parcel_count,
            "made {} of {parcel_count} parcels: try another --seed",
            landscape.parcel_count
        );
        Ok(landscape)
    }

    /// Returns the patch at the centre of each pixel of the 10 m grid (`factor` 1) or of the 20 m
    /// grid (`factor` 2), row by row from the north-west.
    pub fn labels(&self, factor: u32) -> Vec<u32> {
        let geobox = self.grid(factor);
        let width = geobox.size().width as usize;
        let mut labels = vec![u32::MAX; width * geobox.size().height as usize];
        let mut paint = |polygon: &[Ring], patch: u32| {
            fill_centres(polygon, &geobox, |row, first, end| {
                labels[row * width + first..row * width + end].fill(patch);
            });
        };
        for (ring, patch) in &self.margins {
            paint(std::slice::from_ref(ring), *patch);
        }
        for (index, patch) in self.patches.iter().enumerate() {
            for polygon in &patch.polygons {
                paint(polygon, index as u32);
            }
        }
        // A centre on the outermost right or bottom edge cannot occur: edges lie between centres.
        debug_assert!(!labels.contains(&u32::MAX));
        labels
    }

    /// Returns the grid with pixels `factor` times 10 m.
    pub fn grid(&self, factor: u32) -> GeoBox {
        let size = self.geobox.size();
        let transform = self
            .geobox
            .transform()
            .scaled(f64::from(factor), f64::from(factor));
        let size = Size {
            width: size.width / factor,
            height: size.height / factor,
        };
        GeoBox::new(self.geobox.crs().clone(), transform, size)
            .expect("the size is a multiple of two and positive")
    }

    /// Returns the identifier of a parcel: eight digits with leading zeros.
    pub fn parcel_id(&self, parcel: usize) -> String {
        format!("{:08}", 100_003 + 7 * parcel)
    }
}

/// Divides the bounds so that about 1.35 times as many cells result as are needed.
fn enough_cells(bounds: &Bounds, needed: usize, random: &Random) -> Result<Vec<Cell>> {
    let area_m2 = (bounds.max_x - bounds.min_x) * (bounds.max_y - bounds.min_y);
    let wanted = needed as f64 / PARCEL_SHARE;
    let mut mean_area_m2 = area_m2 / wanted;
    let mut fallback: Option<Vec<Cell>> = None;
    for attempt in 0..16 {
        let cells = divide(bounds, mean_area_m2, &random.stream(10 + attempt));
        let ratio = cells.len() as f64 / wanted;
        if (0.93..1.2).contains(&ratio) && cells.len() > needed {
            return Ok(cells);
        }
        let is_fewer = fallback
            .as_ref()
            .is_none_or(|best| cells.len() < best.len());
        if cells.len() >= needed && is_fewer {
            fallback = Some(cells);
        }
        mean_area_m2 *= (ratio + 1.0) / 2.0;
        mean_area_m2 *= if ratio < 1.0 { 0.99 } else { 1.0 };
    }
    // A handful of parcels: the number of cells jumps past the range.
    fallback.with_context(|| {
        format!("found no landscape for {needed} parcels: try another --seed or --size")
    })
}

/// Splits the cells into those that become parcels and the others with their cover.
fn choose_farmed(
    cells: Vec<Cell>,
    needed: usize,
    bounds: &Bounds,
    random: &Random,
) -> (Vec<Cell>, Vec<(Cell, Cover)>) {
    let area_km2 = (bounds.max_x - bounds.min_x) * (bounds.max_y - bounds.min_y) / 1e6;
    let mut draw = random.stream(1);
    let mut places = |per_km2: f64, radius_m: (f64, f64)| -> Vec<(Point, f64)> {
        let count = libm::ceil(area_km2 * per_km2) as usize;
        let mut place = || {
            let x = draw.between(bounds.min_x, bounds.max_x);
            let y = draw.between(bounds.min_y, bounds.max_y);
            (Point { x, y }, draw.between(radius_m.0, radius_m.1))
        };
        (0..count).map(|_| place()).collect()
    };
    let villages = places(0.11, (200.0, 430.0));
    let lakes = places(0.025, (250.0, 500.0));
    let wood = Field::new(random.stream(2), 1900.0, 3);
    let inside = |point: Point, places: &[(Point, f64)]| {
        let share = |(centre, radius): &(Point, f64)| {
            let (dx, dy) = (point.x - centre.x, point.y - centre.y);
            2.5 * (1.0 - libm::sqrt(dx * dx + dy * dy) / radius)
        };
        places.iter().map(share).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut scored: Vec<(f64, Cover, Cell)> = Vec::with_capacity(cells.len());
    for cell in cells {
        let point = middle(&cell.ring);
        let (x, y) = (
            (point.x - bounds.min_x) as f32,
            (point.y - bounds.min_y) as f32,
        );
        let scores = [
            (f64::from(wood.at(x, y)) - 0.9, Cover::Wood),
            (inside(point, &villages), Cover::Village),
            (inside(point, &lakes), Cover::Water),
        ];
        let (score, cover) =
            scores.into_iter().fold(
                scores[0],
                |best, next| if next.0 > best.0 { next } else { best },
            );
        scored.push((score, cover, cell));
    }
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let other = scored.split_off(needed.min(scored.len()));
    let farmed = scored.into_iter().map(|(_, _, cell)| cell).collect();
    (
        farmed,
        other
            .into_iter()
            .map(|(_, cover, cell)| (cell, cover))
            .collect(),
    )
}

/// Collects patches.
struct Builder {
    random: Random,
    parcels: Vec<Patch>,
    /// Full cell of each parcel that steps back somewhere, and what lies between.
    margins: Vec<(Ring, Cover)>,
    cover: Vec<Patch>,
}

impl Builder {
    fn new(random: Random) -> Self {
        Self {
            random,
            parcels: Vec::new(),
            margins: Vec::new(),
            cover: Vec::new(),
        }
    }

    /// Adds a parcel per cell and cuts `sliver_count` slivers off.
    fn add_parcels(&mut self, cells: &[Cell], sliver_count: usize) {
        let mut slivers_left = sliver_count;
        let mut draw = self.random.stream(1);
        let mut order: Vec<usize> = (0..cells.len()).collect();
        draw.shuffle(&mut order);
        for index in order {
            let cell = &cells[index];
            let mut ring = self.stepped_back(cell);
            if slivers_left > 0
                && let Some((rest, sliver)) = cut_sliver(&ring, draw.between(3.0, 8.0))
            {
                self.parcels.push(field(vec![sliver], cell.farm));
                ring = rest;
                slivers_left -= 1;
            }
            let mut polygon = vec![ring];
            if signed_area(&polygon[0]) > 25_000.0
                && draw.chance(0.055)
                && let Some(pond) = pond(cell, &polygon[0], &mut draw)
            {
                self.cover.push(Patch {
                    cover: Cover::Water,
                    polygons: vec![vec![pond.clone()]],
                    farm: cell.farm,
                });
                polygon.push(pond.into_iter().rev().collect());
            }
            self.parcels.push(field(polygon, cell.farm));
        }
    }

    /// Returns the ring of a cell without the land that roads and hedges take.
    fn stepped_back(&mut self, cell: &Cell) -> Ring {
        let width = |edge: &Edge| match edge {
            Edge::Farm(pair) if self.random.stream(2).uniform_at(*pair) < 0.55 => 3.5,
            Edge::Field(number) if self.random.stream(3).uniform_at(*number) < 0.14 => 2.0,
            _ => 0.0,
        };
        let distances: Vec<f64> = cell.edges.iter().map(width).collect();
        if distances.iter().all(|distance| *distance == 0.0) {
            return cell.ring.clone();
        }
        let Some(ring) = inset(&cell.ring, &distances, 1500.0) else {
            return cell.ring.clone();
        };
        let has_road = distances.iter().any(|distance| *distance > 3.0);
        self.margins.push((
            cell.ring.clone(),
            if has_road { Cover::Road } else { Cover::Hedge },
        ));
        ring
    }

    /// Joins parcels that lie near each other into parcels of two parts, at most `pair_count`,
    /// until `parcel_count` parcels are left.
    fn pair_parcels(&mut self, pair_count: usize, parcel_count: usize) {
        let mut centres: Vec<Point> = self
            .parcels
            .iter()
            .map(|parcel| middle(&parcel.polygons[0][0]))
            .collect();
        let mut made = 0;
        let mut first = 0;
        while made < pair_count && self.parcels.len() > parcel_count && first < self.parcels.len() {
            // Of the same farm, but far enough to have other fields between.
            let is_sliver = self.parcels[first].area_m2() < 4000.0;
            let partner = (first + 1..self.parcels.len())
                .filter(|_| !is_sliver)
                .find(|&second| {
                    let (dx, dy) = (
                        centres[second].x - centres[first].x,
                        centres[second].y - centres[first].y,
                    );
                    let distance = libm::sqrt(dx * dx + dy * dy);
                    self.parcels[second].farm == self.parcels[first].farm
                        && self.parcels[second].area_m2() > 4000.0
                        && distance > 250.0
                });
            if let Some(second) = partner {
                let other = self.parcels.swap_remove(second);
                centres.swap_remove(second);
                self.parcels[first].polygons.extend(other.polygons);
                made += 1;
            }
            first += 1;
        }
    }

    fn add_cover(&mut self, cells: Vec<(Cell, Cover)>) {
        for (cell, cover) in cells {
            self.cover.push(Patch {
                cover,
                polygons: vec![vec![cell.ring]],
                farm: cell.farm,
            });
        }
    }

    fn finish(mut self, geobox: GeoBox) -> Landscape {
        // Register order has nothing to do with the place.
        self.random.stream(4).shuffle(&mut self.parcels);
        let parcel_count = self.parcels.len();
        let mut patches = self.parcels;
        let road = (patches.len()) as u32;
        let hedge = road + 1;
        patches.push(Patch {
            cover: Cover::Road,
            polygons: Vec::new(),
            farm: 0,
        });
        patches.push(Patch {
            cover: Cover::Hedge,
            polygons: Vec::new(),
            farm: 0,
        });
        patches.extend(self.cover);
        let margins = self.margins.into_iter();
        let margins = margins
            .map(|(ring, cover)| (ring, if cover == Cover::Road { road } else { hedge }))
            .collect();
        Landscape {
            geobox,
            patches,
            parcel_count,
            margins,
        }
    }
}

/// Returns a parcel of one polygon.
fn field(polygon: RingPolygon, farm: usize) -> Patch {
    Patch {
        cover: Cover::Parcel,
        polygons: vec![polygon],
        farm,
    }
}

/// Cuts a strip of `width_m` off along the longest side of a ring: what is left and the strip.
fn cut_sliver(ring: &Ring, width_m: f64) -> Option<(Ring, Ring)> {
    let length = |(start, end): (Point, Point)| {
        let (dx, dy) = (end.x - start.x, end.y - start.y);
        libm::sqrt(dx * dx + dy * dy)
    };
    let lengths: Vec<f64> = segments(ring).map(length).collect();
    let longest = (0..ring.len()).max_by(|&a, &b| lengths[a].total_cmp(&lengths[b]))?;
    if lengths[longest] < 60.0 {
        return None;
    }
    let mut distances = vec![0.0; ring.len()];
    distances[longest] = width_m;
    let rest = inset(ring, &distances, 5000.0)?;
    let after = (longest + 1) % ring.len();
    let sliver = vec![ring[longest], ring[after], rest[after], rest[longest]];
    let is_strip = signed_area(&sliver) > 150.0 && super::rings::is_simple(&sliver);
    // The strip and the rest must make the whole, else corners had no line to slide along.
    let whole = signed_area(ring);
    let is_split = (signed_area(&sliver) + signed_area(&rest) - whole).abs() < 1e-6;
    (is_strip && is_split).then_some((rest, sliver))
}

/// Returns an anticlockwise pond round the node of a cell, `None` where it would not fit.
fn pond(cell: &Cell, ring: &Ring, draw: &mut Random) -> Option<Ring> {
    let radius = libm::sqrt(signed_area(ring)) * draw.between(0.05, 0.11);
    if distance_to_ring(cell.node, ring) < 1.4 * radius + 6.0 {
        return None;
    }
    let corner = |index: u32| {
        let angle = std::f64::consts::TAU * f64::from(index) / 11.0;
        let length = radius * draw.between(0.75, 1.3);
        rounded(Point {
            x: cell.node.x + libm::cos(angle) * length,
            y: cell.node.y + libm::sin(angle) * length,
        })
    };
    Some((0..11).map(corner).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_parcels_is_exact_and_the_same_by_seed() {
        for (parcel_count, size_px) in [(1, 64), (5, 64), (40, 160), (300, 460), (1500, 1024)] {
            let landscape = Landscape::new(parcel_count, size_px, &Random::new(3)).expect("fits");
            let again = Landscape::new(parcel_count, size_px, &Random::new(3)).expect("fits");
            assert_eq!(landscape.parcel_count, parcel_count);
            assert_eq!(landscape.labels(1), again.labels(1));
            assert_eq!(landscape.patches[0].polygons, again.patches[0].polygons);
        }
        assert!(Landscape::new(100_000, 512, &Random::new(3)).is_err());
    }

    #[test]
    fn no_pixel_has_two_parcels() {
        let landscape = Landscape::new(600, 650, &Random::new(5)).expect("fits");
        let mut times = vec![0u8; 650 * 650];
        for patch in &landscape.patches {
            for polygon in &patch.polygons {
                fill_centres(polygon, &landscape.geobox, |row, first, end| {
                    times[row * 650 + first..row * 650 + end]
                        .iter_mut()
                        .for_each(|n| *n += 1);
                });
            }
        }
        assert!(times.iter().all(|&n| n <= 1));
        assert!(times.iter().filter(|&&n| n == 1).count() > 650 * 650 * 9 / 10);
    }

    #[test]
    fn pieces_and_gaps_make_up_the_whole() {
        let landscape = Landscape::new(600, 650, &Random::new(5)).expect("fits");
        let sum: f64 = landscape.patches.iter().map(Patch::area_m2).sum();
        let whole = 6500.0 * 6500.0;
        assert!(
            sum < whole * (1.0 + 1e-6) && sum > 0.93 * whole,
            "{}",
            sum / whole
        );
        let parcels = &landscape.patches[..600];
        assert!(parcels.iter().any(|patch| patch.polygons.len() == 2));
        assert!(parcels.iter().any(|patch| patch.polygons[0].len() == 2));
        assert!(parcels.iter().any(|patch| patch.area_m2() < 2500.0));
    }
}
