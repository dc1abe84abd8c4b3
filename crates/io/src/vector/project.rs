//! Parcels in another CRS.
//!
//! An edge that is straight in one CRS is a curve in another. [`project_parcel`] follows it with
//! as many points as the tolerance asks for. Each edge is computed from its smaller end, so that
//! neighbours that share an edge get the very same points.

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use swath_grid::{Point, Projector};

use super::error::VectorError;

/// Most halvings of one edge: at most 4,096 pieces.
const HALVINGS_MAX: u32 = 12;
/// Share of the tolerance below which one probe settles that an edge is straight: a probe off the
/// middle shows at least half of a bend to one side and of one to both sides.
const PROBE_SHARE: f64 = 0.25;
/// Most pieces of one edge in [`densify`].
const PIECES_MAX: usize = 1 << 16;
/// Width in degrees above which a parcel is taken to cross the antimeridian uncut.
const SPAN_MAX_DEGREES: f64 = 180.0;

/// Returns the parcel with points added so that no edge is longer than `segment_max`, in the units
/// of its CRS. The vertices stay as they are.
///
/// An edge gets at most 65,536 pieces; a `segment_max` that is not above 0 adds nothing.
pub fn densify(parcel: &MultiPolygon<f64>, segment_max: f64) -> MultiPolygon<f64> {
    let add_points = |start: Coord<f64>, end: Coord<f64>, ring: &mut Vec<Coord<f64>>| {
        let length = (end.x - start.x).hypot(end.y - start.y);
        let wanted = (length / segment_max).ceil();
        if segment_max > 0.0 && wanted > 1.0 {
            let pieces = wanted.min(PIECES_MAX as f64) as usize; // a small whole number
            ring.extend((1..pieces).map(|piece| {
                let share = piece as f64 / pieces as f64;
                between(start, end, share)
            }));
        }
        Ok::<(), std::convert::Infallible>(())
    };
    match map_rings(parcel, |ring| follow_edges(ring, |c| c, add_points)) {
        Ok(parcel) => parcel,
        Err(never) => match never {},
    }
}

/// Projects a parcel; its edges stay within `tolerance`, in units of the target CRS, of the true
/// curves.
///
/// Each vertex is projected by itself, and each edge gets points from its ends alone: what two
/// parcels share, they share bit for bit afterwards.
///
/// # Errors
///
/// [`VectorError::Projection`] where a vertex lies outside of the target projection, or where a
/// parcel in degrees is wider than 180 degrees: one that crosses the antimeridian must be cut
/// there, as RFC 7946 asks for.
pub fn project_parcel(
    parcel: &MultiPolygon<f64>,
    projector: &Projector,
    tolerance: f64,
) -> Result<MultiPolygon<f64>, VectorError> {
    if projector.is_identity() {
        return Ok(parcel.clone());
    }
    refuse_antimeridian(parcel)?;
    let edges = CurvedEdges {
        projector,
        tolerance,
    };
    map_rings(parcel, |ring| edges.project_ring(ring))
}

/// Refuses a polygon in degrees that is wider than half the globe.
///
/// Degrees are told by their size: no parcel in metres is this wide and this near to 0, 0.
fn refuse_antimeridian(parcel: &MultiPolygon<f64>) -> Result<(), VectorError> {
    for polygon in &parcel.0 {
        let coords = &polygon.exterior().0;
        if coords
            .iter()
            .any(|coord| coord.x.abs() > 360.0 || coord.y.abs() > 90.0)
        {
            continue;
        }
        let x = || coords.iter().map(|coord| coord.x);
        let min = x().fold(f64::INFINITY, f64::min);
        let max = x().fold(f64::NEG_INFINITY, f64::max);
        if max - min > SPAN_MAX_DEGREES {
            return Err(VectorError::Projection {
                what: format!(
                    "it runs from longitude {min} to {max}, more than {SPAN_MAX_DEGREES} degrees; \
                     cut it at the antimeridian"
                ),
            });
        }
    }
    Ok(())
}

struct CurvedEdges<'a> {
    projector: &'a Projector,
    tolerance: f64,
}

impl CurvedEdges<'_> {
    fn project_ring(&self, ring: &[Coord<f64>]) -> Result<Vec<Coord<f64>>, VectorError> {
        let mut vertices: Vec<Point> = ring.iter().map(|c| Point { x: c.x, y: c.y }).collect();
        self.project(&mut vertices)?;
        let mut probes: Vec<Point> = ring.windows(2).map(probe).collect();
        self.project(&mut probes)?;
        let mut projected = Vec::with_capacity(ring.len());
        let mut added = Vec::new();
        for ((edge, ends), probe) in ring.windows(2).zip(vertices.windows(2)).zip(probes) {
            let (a, b) = (End::new(edge[0], ends[0]), End::new(edge[1], ends[1]));
            projected.push(a.target);
            // From the smaller end, whatever the direction of this ring.
            let is_forward = (a.source.x, a.source.y) <= (b.source.x, b.source.y);
            let (low, high) = if is_forward { (a, b) } else { (b, a) };
            if distance_to_chord(probe, low.target, high.target) <= PROBE_SHARE * self.tolerance {
                continue;
            }
            added.clear();
            self.bend(low, high, HALVINGS_MAX, &mut added)?;
            match is_forward {
                true => projected.extend(added.iter()),
                false => projected.extend(added.iter().rev()),
            }
        }
        if let Some(last) = vertices.last() {
            projected.push(Coord {
                x: last.x,
                y: last.y,
            });
        }
        Ok(projected)
    }

    /// Adds the points between two ends that keep the edge within the tolerance.
    fn bend(
        &self,
        low: End,
        high: End,
        halvings: u32,
        added: &mut Vec<Coord<f64>>,
    ) -> Result<(), VectorError> {
        let at = |share: f64| between(low.source, high.source, share);
        let sources = [at(0.5), at(0.25), at(0.75)];
        let mut targets = sources.map(|c| Point { x: c.x, y: c.y });
        self.project(&mut targets)?;
        // The quarters catch a curve that swings to both sides of its chord. At a chord's middle
        // the deviation of a smooth curve is greatest; half the tolerance leaves room between.
        let deviation = targets
            .iter()
            .map(|point| distance_to_chord(*point, low.target, high.target))
            .fold(0.0, f64::max);
        let is_straight = deviation <= 0.5 * self.tolerance;
        if is_straight || halvings == 0 {
            return Ok(());
        }
        let middle = End::new(sources[0], targets[0]);
        self.bend(low, middle, halvings - 1, added)?;
        added.push(middle.target);
        self.bend(middle, high, halvings - 1, added)
    }

    fn project(&self, points: &mut [Point]) -> Result<(), VectorError> {
        self.projector
            .project(points)
            .map_err(|error| VectorError::Projection {
                what: error.to_string(),
            })
    }
}

/// Returns a point of an edge, off its middle, at the same place for both directions.
fn probe(edge: &[Coord<f64>]) -> Point {
    const SHARE: f64 = 0.4;
    let is_forward = (edge[0].x, edge[0].y) <= (edge[1].x, edge[1].y);
    let (low, high) = if is_forward {
        (edge[0], edge[1])
    } else {
        (edge[1], edge[0])
    };
    let Coord { x, y } = between(low, high, SHARE);
    Point { x, y }
}

/// An end of an edge in both CRS.
#[derive(Debug, Clone, Copy)]
struct End {
    source: Coord<f64>,
    target: Coord<f64>,
}

impl End {
    fn new(source: Coord<f64>, target: Point) -> Self {
        Self {
            source,
            target: Coord {
                x: target.x,
                y: target.y,
            },
        }
    }
}

fn distance_to_chord(point: Point, start: Coord<f64>, end: Coord<f64>) -> f64 {
    let (dx, dy) = (end.x - start.x, end.y - start.y);
    let (px, py) = (point.x - start.x, point.y - start.y);
    let length = dx.hypot(dy);
    match length > 0.0 {
        true => (dx * py - dy * px).abs() / length,
        false => px.hypot(py),
    }
}

fn between(start: Coord<f64>, end: Coord<f64>, share: f64) -> Coord<f64> {
    Coord {
        x: start.x + share * (end.x - start.x),
        y: start.y + share * (end.y - start.y),
    }
}

/// Copies a ring and lets `add_points` put points between the ends of each edge, always from the
/// smaller end to the larger.
fn follow_edges<E>(
    ring: &[Coord<f64>],
    vertex: impl Fn(Coord<f64>) -> Coord<f64>,
    add_points: impl Fn(Coord<f64>, Coord<f64>, &mut Vec<Coord<f64>>) -> Result<(), E>,
) -> Result<Vec<Coord<f64>>, E> {
    let mut result = Vec::with_capacity(ring.len());
    for edge in ring.windows(2) {
        result.push(vertex(edge[0]));
        let first_added = result.len();
        let is_forward = (edge[0].x, edge[0].y) <= (edge[1].x, edge[1].y);
        match is_forward {
            true => add_points(edge[0], edge[1], &mut result)?,
            false => add_points(edge[1], edge[0], &mut result)?,
        }
        if !is_forward {
            result[first_added..].reverse();
        }
    }
    result.extend(ring.last().map(|&last| vertex(last)));
    Ok(result)
}

fn map_rings<E>(
    parcel: &MultiPolygon<f64>,
    map: impl Fn(&[Coord<f64>]) -> Result<Vec<Coord<f64>>, E>,
) -> Result<MultiPolygon<f64>, E> {
    let polygon = |polygon: &Polygon<f64>| {
        let shell = map(&polygon.exterior().0)?;
        let holes = polygon
            .interiors()
            .iter()
            .map(|hole| map(&hole.0).map(LineString));
        Ok(Polygon::new(
            LineString(shell),
            holes.collect::<Result<Vec<_>, E>>()?,
        ))
    };
    parcel
        .0
        .iter()
        .map(polygon)
        .collect::<Result<Vec<_>, E>>()
        .map(MultiPolygon)
}
