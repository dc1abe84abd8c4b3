//! Which target pixels lie on a source.

use swath_grid::{Point, Size, Window};

use super::positions::{Cell, Places, Positions};

/// Returns for each pixel of `window`, row by row, whether its centre lies on a source of `size` pixels, within
/// the bound of `positions`: no other pixel can have a value of it but by the reach of a kernel.
///
/// Cost: a few nanoseconds a pixel.
pub fn covered(positions: &Positions, size: Size, window: Window) -> Vec<bool> {
    let mut flags = vec![false; window.len() as usize];
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    for cell in positions.cells(window) {
        for row in 0..cell.window.height {
            let first = u64::from(cell.window.row + row - window.row) * u64::from(window.width)
                + u64::from(cell.window.col - window.col);
            let flags = &mut flags[first as usize..][..cell.window.width as usize];
            for (col, flag) in flags.iter_mut().enumerate() {
                let at = place(&cell, col, row as usize);
                // NaN fails the comparisons.
                *flag = (0.0..width).contains(&at.x) && (0.0..height).contains(&at.y);
            }
        }
    }
    flags
}

fn place(cell: &Cell, col: usize, row: usize) -> Point {
    match &cell.places {
        Places::Exact(points) => points[row * cell.window.width as usize + col],
        Places::Bilinear {
            origin,
            col: along,
            row: down,
            both,
        } => {
            let (i, j) = (col as f64, row as f64);
            Point {
                x: origin.x + i * along.x + j * down.x + i * j * both.x,
                y: origin.y + i * along.y + j * down.y + i * j * both.y,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use swath_grid::{Crs, GeoBox, Transform};

    use super::*;

    fn grid(epsg: u32, x: f64, y: f64, resolution: f64, side: u32) -> GeoBox {
        let crs = Crs::from_epsg(epsg).expect("known");
        let transform = Transform::north_up(Point { x, y }, resolution).expect("a transform");
        let size = Size {
            width: side,
            height: side,
        };
        GeoBox::new(crs, transform, size).expect("a grid")
    }

    #[test]
    fn pixels_whose_centres_lie_on_the_source_are_covered() {
        let source = grid(32_632, 500_000.0, 6_100_000.0, 10.0, 100);
        let target = grid(32_632, 499_990.0, 6_100_010.0, 20.0, 100);
        let positions = Positions::new(&target, &source, 0.125).expect("connected");
        let window = Window {
            col: 0,
            row: 0,
            width: 3,
            height: 2,
        };
        // The first centre lies at the corner of the source, on it.
        assert_eq!(covered(&positions, source.size(), window), [true; 6]);
        let end = Window {
            col: 48,
            row: 49,
            width: 4,
            height: 2,
        };
        let expected = [true, true, false, false, false, false, false, false];
        assert_eq!(covered(&positions, source.size(), end), expected);
    }

    #[test]
    fn what_is_covered_is_where_the_positions_say() {
        let source = grid(32_632, 500_000.0, 6_100_000.0, 10.0, 300);
        let target = grid(3857, 1_001_000.0, 7_371_500.0, 25.0, 400);
        let window = Window::full(target.size());
        let exact = Positions::new(&target, &source, 0.0).expect("connected");
        let near = Positions::new(&target, &source, 0.125).expect("connected");
        let (exact, near) = (
            covered(&exact, source.size(), window),
            covered(&near, source.size(), window),
        );
        let count = exact.iter().filter(|flag| **flag).count();
        assert!(count > 10_000 && count < exact.len(), "{count} pixels");
        let differing = exact.iter().zip(&near).filter(|(a, b)| a != b).count();
        assert!(differing < 40, "{differing} pixels differ");
    }
}
