//! What of a target grid a small source can reach, so that the rest needs no positions.

use swath_grid::{Bounds, GeoBox, Point, Projector, ShiftOptions, Window};

use super::positions::Turn;

/// Steps along each side of the source at which it is projected.
const EDGE_STEPS: u32 = 32;
/// Part of the source's sides that is added around it: more than a side bends between two steps.
const MARGIN_SHARE: f64 = 0.06;
/// Pixels that are added on the target.
const MARGIN_PX: f64 = 4.0;
/// Part of the target above which a source is not small: looking closer saves nothing.
const SMALL_SHARE: f64 = 0.25;
/// Part of a turn around the Earth above which a source may go round it, or hold a pole.
const TURN_SHARE_MAX: f64 = 0.25;

/// Returns a window of `target` that holds every pixel whose position lies within `margin_px` pixels of
/// `source`: all of `target` unless the source takes a small part of it, `None` where it takes none.
///
/// The sides of the source are projected; what they enclose is what the source covers, but where a CRS goes
/// round the Earth, or has no position for a part of them: then all of `target` is returned.
///
/// Cost: 132 positions.
pub fn reach(source: &GeoBox, target: &GeoBox, margin_px: Point) -> Option<Window> {
    let whole = Window::full(target.size());
    let Some(around) = around(source, target, margin_px) else {
        return Some(whole);
    };
    let inverse = |x: f64, y: f64| target.transform().to_grid(Point { x, y });
    let mut on_grid = Bounds::empty();
    for x in [around.min_x, around.max_x] {
        for y in [around.min_y, around.max_y] {
            on_grid.extend(inverse(x, y));
        }
    }
    let clamped = |at: f64, end: u32| at.clamp(0.0, f64::from(end)) as u32;
    let (width, height) = (whole.width, whole.height);
    let col = clamped((on_grid.min_x - MARGIN_PX).floor(), width);
    let row = clamped((on_grid.min_y - MARGIN_PX).floor(), height);
    let window = Window {
        col,
        row,
        width: clamped((on_grid.max_x + MARGIN_PX).ceil(), width) - col,
        height: clamped((on_grid.max_y + MARGIN_PX).ceil(), height) - row,
    };
    if window.is_empty() {
        return None;
    }
    let is_small = window.len() as f64 <= SMALL_SHARE * whole.len() as f64;
    Some(if is_small { window } else { whole })
}

/// Returns bounds in the CRS of `target`; `None` where the sides do not tell them.
fn around(source: &GeoBox, target: &GeoBox, margin_px: Point) -> Option<Bounds> {
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let projector = Projector::new(source.crs(), target.crs(), &options).ok()?;
    let size = source.size();
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let (margin_x, margin_y) = (
        margin_px.x + MARGIN_SHARE * width,
        margin_px.y + MARGIN_SHARE * height,
    );
    let at = |x: f64, y: f64| {
        let on_source = Point {
            x: x * (width + 2.0 * margin_x) - margin_x,
            y: y * (height + 2.0 * margin_y) - margin_y,
        };
        source.transform().to_crs(on_source)
    };
    let mut points = Vec::with_capacity(4 * (EDGE_STEPS as usize + 1));
    for step in 0..=EDGE_STEPS {
        let share = f64::from(step) / f64::from(EDGE_STEPS);
        points.extend([
            at(share, 0.0),
            at(share, 1.0),
            at(0.0, share),
            at(1.0, share),
        ]);
    }
    projector.project_or_nan(&mut points);
    let mut bounds = Bounds::empty();
    for point in &points {
        if !(point.x.is_finite() && point.y.is_finite()) {
            return None;
        }
        bounds.extend(*point);
    }
    let own = target.bounds();
    let Some(turn) = Turn::of(target.crs(), 0.0) else {
        return Some(bounds);
    };
    // A target beyond one turn shows the same place again.
    let half = turn.length / 2.0 * (1.0 + 1e-9);
    let is_one_turn = own.min_x >= -half && own.max_x <= half;
    let is_narrow = bounds.max_x - bounds.min_x <= turn.length * TURN_SHARE_MAX;
    (is_one_turn && is_narrow && !goes_round(source)).then_some(bounds)
}

/// Whether the longitudes of the source may be more than one turn, or begin anew within it.
fn goes_round(source: &GeoBox) -> bool {
    let bounds = source.bounds();
    Turn::of(source.crs(), 0.0).is_some_and(|turn| {
        bounds.max_x - bounds.min_x > turn.length * TURN_SHARE_MAX
            || bounds.min_x < -turn.length / 2.0
            || bounds.max_x > turn.length / 2.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Positions;
    use swath_grid::{Crs, Size, Transform};

    fn grid(crs: &str, x: f64, y: f64, resolution: f64, side: u32) -> GeoBox {
        let crs = Crs::parse(crs).expect("a CRS");
        let transform = Transform::north_up(Point { x, y }, resolution).expect("a transform");
        let size = Size {
            width: side,
            height: side,
        };
        GeoBox::new(crs, transform, size).expect("a grid")
    }

    /// Targets that show much more than the source.
    fn targets() -> Vec<GeoBox> {
        vec![
            grid(
                "EPSG:3857",
                -20_037_508.342789244,
                20_037_508.342789244,
                156_543.0,
                256,
            ),
            grid("OGC:CRS84", -180.0, 90.0, 1.0, 360),
            grid("OGC:CRS84", 0.0, 90.0, 1.0, 360),
            grid("EPSG:3035", 2_000_000.0, 5_500_000.0, 20_000.0, 250),
            grid("EPSG:3413", -6_000_000.0, 6_000_000.0, 48_000.0, 250),
            grid("EPSG:32601", -9_000_000.0, 20_000_000.0, 80_000.0, 250),
            grid("OGC:CRS84", 5.0, 58.0, 0.02, 300),
        ]
    }

    fn sources() -> Vec<GeoBox> {
        vec![
            grid("EPSG:32632", 500_000.0, 6_100_000.0, 10.0, 192),
            grid("EPSG:32632", 300_000.0, 6_100_000.0, 1_000.0, 400),
            grid("EPSG:32660", 700_000.0, 6_100_000.0, 1_000.0, 300),
            grid("EPSG:3413", -500_000.0, 500_000.0, 10_000.0, 100),
            grid("OGC:CRS84", -180.0, 90.0, 1.0, 360),
            grid("OGC:CRS84", 179.0, 10.0, 0.01, 200),
            grid("EPSG:3031", 1_000_000.0, 500_000.0, 10_000.0, 60),
        ]
    }

    #[test]
    fn no_pixel_outside_of_it_lies_on_the_source() {
        let margin = Point { x: 2.0, y: 2.0 };
        let mut small = 0;
        for target in targets() {
            for source in sources() {
                let window = reach(&source, &target, margin);
                let whole = Window::full(target.size());
                small += usize::from(window != Some(whole));
                let positions = Positions::new(&target, &source, 0.0).expect("connected");
                let size = source.size();
                for row in (0..whole.height).step_by(3) {
                    let centre = |col: u32| Point {
                        x: f64::from(col) + 0.5,
                        y: f64::from(row) + 0.5,
                    };
                    let mut points: Vec<Point> = (0..whole.width).map(centre).collect();
                    positions.locate(&mut points);
                    for (col, point) in points.iter().enumerate() {
                        let is_near = (-2.0..f64::from(size.width) + 2.0).contains(&point.x)
                            && (-2.0..f64::from(size.height) + 2.0).contains(&point.y);
                        let is_within = window.is_some_and(|window| {
                            (window.col..window.col_end()).contains(&(col as u32))
                                && (window.row..window.row_end()).contains(&row)
                        });
                        assert!(
                            is_within || !is_near,
                            "{} in {}: {col}, {row} at {point:?} beyond {window:?}",
                            source.crs().name(),
                            target.crs().name()
                        );
                    }
                }
            }
        }
        assert!(small > 20, "only {small} were found to be small");
    }

    #[test]
    fn a_source_that_fills_the_target_takes_all_of_it() {
        let source = grid("EPSG:32632", 500_000.0, 6_100_000.0, 10.0, 1_000);
        let target = grid("EPSG:3857", 1_002_000.0, 7_360_000.0, 10.0, 256);
        let none = Point { x: 0.0, y: 0.0 };
        assert_eq!(
            reach(&source, &target, none),
            Some(Window::full(target.size()))
        );
        let elsewhere = grid("EPSG:3857", 5_002_000.0, 7_360_000.0, 10.0, 256);
        assert_eq!(reach(&source, &elsewhere, none), None);
    }
}
