//! Where target pixels lie on the source grid, exactly or within a bound.
//!
//! The target is halved into cells until bilinear interpolation between a cell's corners meets the
//! exact positions at the middle of each side and at the centre with half of the bound. There the
//! error of a smooth map is largest: it is quadratic, with nothing at the corners. The other half of the bound
//! is for what is not quadratic. A cell where a check fails to project, or where positions jump (antimeridian,
//! outline of the projection), is halved down to pixels with positions of their own.

use swath_grid::{Crs, GeoBox, GridError, Point, Projector, ShiftOptions, Transform, Window};

/// Most columns and rows of a cell: the distance over which the map is taken to be smooth.
const CELL_PX_MAX: u32 = 128;
/// Cells of at most this many columns and rows are computed pixel by pixel once interpolation failed.
const EXACT_PX: u32 = 4;
/// A cell of at most this many columns and rows with no position at the checks has none at all.
const EMPTY_PX: u32 = 16;
/// Length of a turn around the Earth in EPSG:3857.
pub(super) const MERCATOR_TURN_M: f64 = 40_075_016.685_578_49;

/// The map from pixels of a target grid to positions on a source grid.
#[derive(Debug, Clone)]
pub struct Positions {
    projector: Projector,
    target: Transform,
    source: Transform,
    turn: Option<Turn>,
    error_px: f64,
}

/// Source coordinates that repeat around the Earth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) length: f64,
    /// x of the middle of the source: positions come within half a turn of it.
    pub(super) center_x: f64,
}

impl Turn {
    pub(super) fn of(crs: &Crs, center_x: f64) -> Option<Self> {
        let length = if crs.is_geographic() {
            360.0
        } else if crs.epsg() == Some(3857) {
            MERCATOR_TURN_M
        } else {
            return None;
        };
        Some(Self { length, center_x })
    }

    /// Returns the same place within half a turn of the centre; half a turn itself stays on its side.
    pub(super) fn near(&self, x: f64) -> f64 {
        let turns = (x - self.center_x) / self.length;
        if turns.abs() <= 0.5 + 1e-9 {
            return x;
        }
        x - self.length * turns.round()
    }
}

/// A rectangle of target pixels and where they lie on the source grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The target pixels.
    pub window: Window,
    /// Their positions.
    pub places: Places,
    /// Source columns and source rows that a target pixel covers, at the centre of the cell.
    pub scale: Point,
}

/// Positions of the pixel centres of a [`Cell`] on the source grid.
#[derive(Debug, Clone, PartialEq)]
pub enum Places {
    /// Column i, row j of the cell lies at `origin + i * col + j * row + i * j * both`.
    Bilinear {
        /// Position of the upper-left pixel of the cell.
        origin: Point,
        /// Step along a row.
        col: Point,
        /// Step along a column.
        row: Point,
        /// Step along the diagonal beyond `col` and `row`.
        both: Point,
    },
    /// One position per pixel, row by row; NaN where there is none.
    Exact(Vec<Point>),
}

/// Differences of positions for half a pixel to either side.
struct Steps {
    col: Point,
    row: Point,
}

impl Positions {
    /// Prepares the map for a bound of `error_px` source pixels, in each direction; 0 or less
    /// computes every pixel exactly.
    ///
    /// # Errors
    /// [`GridError`] where the two CRS have no known connection. A coarse datum shift is accepted.
    pub fn new(target: &GeoBox, source: &GeoBox, error_px: f64) -> Result<Self, GridError> {
        let options = ShiftOptions {
            accuracy_max_m: f64::INFINITY,
        };
        let projector = Projector::new(target.crs(), source.crs(), &options)?;
        let bounds = source.bounds();
        let center_x = (bounds.min_x + bounds.max_x) / 2.0;
        Ok(Self {
            projector,
            target: *target.transform(),
            source: *source.transform(),
            turn: Turn::of(source.crs(), center_x),
            error_px,
        })
    }

    /// Returns the same map onto another grid over the same source, such as an overview.
    pub fn with_source(&self, source: &Transform) -> Self {
        Self {
            source: *source,
            ..self.clone()
        }
    }

    /// True where positions of the source are an affine function of those of the target, save for turns around
    /// the Earth.
    pub(super) fn is_affine(&self) -> bool {
        self.projector.is_identity()
    }

    /// Turns target grid positions into source grid positions in place; NaN where there is none.
    pub fn locate(&self, points: &mut [Point]) {
        for point in points.iter_mut() {
            *point = self.target.to_crs(*point);
        }
        self.projector.project_or_nan(points);
        for point in points.iter_mut() {
            if let Some(turn) = &self.turn {
                point.x = turn.near(point.x);
            }
            *point = self.source.to_grid(*point);
        }
    }

    /// Returns how many source columns and source rows a target pixel covers at `target`
    /// (a position on the target grid), `None` where it lies on no source position.
    pub fn scale_at(&self, target: Point) -> Option<Point> {
        let at = |dx: f64, dy: f64| Point {
            x: target.x + dx,
            y: target.y + dy,
        };
        let mut points = [
            at(0.0, 0.0),
            at(-0.5, 0.0),
            at(0.5, 0.0),
            at(0.0, -0.5),
            at(0.0, 0.5),
        ];
        self.locate(&mut points);
        let [center, left, right, above, below] = points;
        let steps = Steps {
            col: smaller_step(center, left, right)?,
            row: smaller_step(center, above, below)?,
        };
        Some(Point {
            x: steps.col.x.hypot(steps.row.x),
            y: steps.col.y.hypot(steps.row.y),
        })
    }

    /// Returns cells that hold each pixel of `window` once; pixels without a position may be left out.
    ///
    /// Cost: 14 exact positions per cell, about one cell per 128² pixels where the map is smooth.
    pub fn cells(&self, window: Window) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut open = vec![window];
        while let Some(window) = open.pop() {
            if window.is_empty() {
                continue;
            }
            if window.width > CELL_PX_MAX || window.height > CELL_PX_MAX {
                open.extend(halves(window));
                continue;
            }
            if self.error_px <= 0.0 || window.width.max(window.height) <= EXACT_PX {
                cells.extend(self.exact(window));
                continue;
            }
            match self.interpolated(window) {
                Interpolated::Within(places) => cells.push(self.cell(window, places)),
                Interpolated::Nowhere if window.width.max(window.height) <= EMPTY_PX => {}
                _ => open.extend(halves(window)),
            }
        }
        cells
    }

    fn cell(&self, window: Window, places: Places) -> Cell {
        let center = Point {
            x: f64::from(window.col) + f64::from(window.width) / 2.0,
            y: f64::from(window.row) + f64::from(window.height) / 2.0,
        };
        let scale = self
            .scale_at(center)
            .or_else(|| {
                let place = places.first_valid()?;
                self.scale_at(Point {
                    x: f64::from(window.col + place as u32 % window.width) + 0.5,
                    y: f64::from(window.row + place as u32 / window.width) + 0.5,
                })
            })
            .unwrap_or(Point { x: 1.0, y: 1.0 });
        Cell {
            window,
            places,
            scale,
        }
    }

    fn exact(&self, window: Window) -> Option<Cell> {
        let mut points = Vec::with_capacity(window.len() as usize);
        for row in window.row..window.row_end() {
            points.extend((window.col..window.col_end()).map(|col| center(col, row)));
        }
        self.locate(&mut points);
        let is_somewhere = points.iter().any(|point| point.x.is_finite());
        is_somewhere.then(|| self.cell(window, Places::Exact(points)))
    }

    fn interpolated(&self, window: Window) -> Interpolated {
        let (left, top) = (f64::from(window.col) + 0.5, f64::from(window.row) + 0.5);
        let (width, height) = (f64::from(window.width - 1), f64::from(window.height - 1));
        let mut points = [Point { x: 0.0, y: 0.0 }; 9];
        for (index, point) in points.iter_mut().enumerate() {
            *point = Point {
                x: left + width * (index % 3) as f64 / 2.0,
                y: top + height * (index / 3) as f64 / 2.0,
            };
        }
        self.locate(&mut points);
        let missing = points.iter().filter(|point| !point.x.is_finite()).count();
        if missing == points.len() {
            return Interpolated::Nowhere;
        }
        let bound = self.error_px / 2.0;
        let is_near = |index: usize, corners: &[usize]| {
            let share = 1.0 / corners.len() as f64;
            let x: f64 = corners.iter().map(|corner| points[*corner].x * share).sum();
            let y: f64 = corners.iter().map(|corner| points[*corner].y * share).sum();
            (points[index].x - x).abs() <= bound && (points[index].y - y).abs() <= bound
        };
        let is_within = missing == 0
            && is_near(1, &[0, 2])
            && is_near(3, &[0, 6])
            && is_near(5, &[2, 8])
            && is_near(7, &[6, 8])
            && is_near(4, &[0, 2, 6, 8]);
        if !is_within {
            return Interpolated::Beyond;
        }
        Interpolated::Within(Places::between(
            [points[0], points[2], points[6], points[8]],
            width,
            height,
        ))
    }
}

impl Cell {
    /// Returns column and row of each pixel on the target grid, with its position on the source grid.
    pub fn pixels(&self) -> impl Iterator<Item = (u32, u32, Point)> {
        let Window { width, height, .. } = self.window;
        let all = (0..height).flat_map(move |row| (0..width).map(move |col| (col, row)));
        all.map(move |(col, row)| {
            let place = self.places.at(col, row, width);
            (self.window.col + col, self.window.row + row, place)
        })
    }
}

enum Interpolated {
    /// Interpolation keeps the bound.
    Within(Places),
    /// It does not.
    Beyond,
    /// No check has a position.
    Nowhere,
}

impl Places {
    /// Interpolates between the corners (upper left, upper right, lower left, lower right) of a
    /// cell of `width` and `height` steps.
    fn between(corners: [Point; 4], width: f64, height: f64) -> Self {
        let [a, b, c, d] = corners;
        // A cell of one column or row takes no step along it.
        let (width, height) = (width.max(1.0), height.max(1.0));
        let per = |difference: Point, steps: f64| Point {
            x: difference.x / steps,
            y: difference.y / steps,
        };
        let minus = |to: Point, from: Point| Point {
            x: to.x - from.x,
            y: to.y - from.y,
        };
        Self::Bilinear {
            origin: a,
            col: per(minus(b, a), width),
            row: per(minus(c, a), height),
            both: per(minus(minus(d, c), minus(b, a)), width * height),
        }
    }

    fn at(&self, col: u32, row: u32, width: u32) -> Point {
        match self {
            Self::Exact(points) => points[(row * width + col) as usize],
            Self::Bilinear {
                origin,
                col: across,
                row: down,
                both,
            } => {
                let (i, j) = (f64::from(col), f64::from(row));
                Point {
                    x: origin.x + i * across.x + j * down.x + i * j * both.x,
                    y: origin.y + i * across.y + j * down.y + i * j * both.y,
                }
            }
        }
    }

    fn first_valid(&self) -> Option<usize> {
        match self {
            Self::Bilinear { .. } => Some(0),
            Self::Exact(points) => points.iter().position(|point| point.x.is_finite()),
        }
    }
}

fn center(col: u32, row: u32) -> Point {
    Point {
        x: f64::from(col) + 0.5,
        y: f64::from(row) + 0.5,
    }
}

/// Returns the step for a whole pixel: of the two sides the one that has no jump, if any.
fn smaller_step(center: Point, before: Point, after: Point) -> Option<Point> {
    let twice = |from: Point, to: Point| Point {
        x: (to.x - from.x) * 2.0,
        y: (to.y - from.y) * 2.0,
    };
    let length = |step: &Point| step.x.hypot(step.y);
    let steps = [twice(before, center), twice(center, after)];
    let finite = steps.into_iter().filter(|step| length(step).is_finite());
    finite.min_by(|one, two| length(one).total_cmp(&length(two)))
}

/// Cuts a window in two along its longer side.
fn halves(window: Window) -> [Window; 2] {
    if window.width >= window.height {
        let width = window.width / 2;
        let left = Window { width, ..window };
        let right = Window {
            col: window.col + width,
            width: window.width - width,
            ..window
        };
        return [right, left];
    }
    let height = window.height / 2;
    let upper = Window { height, ..window };
    let lower = Window {
        row: window.row + height,
        height: window.height - height,
        ..window
    };
    [lower, upper]
}
