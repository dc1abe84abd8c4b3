//! A picture that is drawn on: strokes, letters and areas, smoothed at their edges.
//!
//! Places are in units of the page, from its upper left corner, y downwards; a unit is [`Canvas::scale`]
//! pixels.

use crate::glyphs;
use crate::png::{PngSamples, encode_png};

/// Height of capitals, as a share of the size of the text.
const CAPITAL: f64 = 0.72;
/// Units of a capital, as the glyphs have it.
const CAPITAL_UNITS: f64 = 7.0;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letters {
    /// Size of the text.
    pub px: f64,
    /// Width of its strokes.
    pub weight_px: f64,
    /// Its colour.
    pub color: Rgb,
}

impl Letters {
    /// Returns the width of a text.
    pub fn width_px(&self, words: &str) -> f64 {
        glyphs::width(words) * self.unit_px()
    }

    fn unit_px(&self) -> f64 {
        self.px * CAPITAL / CAPITAL_UNITS
    }
}

/// A rectangle of the page: left, top, right, bottom.
pub type Area = (f64, f64, f64, f64);

/// A white page that is drawn on.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    scale: f64,
    pixels: Vec<u8>,
}

impl Canvas {
    /// Returns a page with `scale` pixels per unit; it has a pixel at least.
    pub fn new(width_px: f64, height_px: f64, scale: f64) -> Self {
        let (width, height) = (
            ((width_px * scale) as usize).max(1),
            ((height_px * scale).ceil() as usize).max(1),
        );
        Self {
            width,
            height,
            scale,
            pixels: vec![255; width * height * 3],
        }
    }

    /// Returns the pixels of a unit.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Returns it as a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let (width, height) = (self.width as u32, self.height as u32);
        encode_png(width, height, PngSamples::Rgb, &self.pixels)
    }

    /// Draws an image of `width` pixels a row, each of them as a square of `factor` pixels of the
    /// picture, with its upper left corner at a place; what lies beyond the page is left out.
    pub fn image(&mut self, at: (f64, f64), image: &[Rgb], width: usize, factor: usize) {
        let (left, top) = ((at.0 * self.scale) as usize, (at.1 * self.scale) as usize);
        for (index, color) in image.iter().enumerate() {
            let (col, row) = (left + index % width * factor, top + index / width * factor);
            for y in row..(row + factor).min(self.height) {
                for x in col..(col + factor).min(self.width) {
                    let from = (y * self.width + x) * 3;
                    self.pixels[from..from + 3].copy_from_slice(color);
                }
            }
        }
    }

    /// Draws a text whose baseline begins at a place.
    pub fn text(&mut self, letters: Letters, x: f64, y: f64, words: &str) {
        let unit = letters.unit_px();
        for stroke in glyphs::strokes(words) {
            let placed: Vec<_> = stroke
                .iter()
                .map(|(across, up)| (x + across * unit, y - up * unit))
                .collect();
            self.line(&placed, letters.weight_px, letters.color);
        }
    }

    /// Draws a line through points, with round ends and corners.
    pub fn line(&mut self, points: &[(f64, f64)], weight_px: f64, color: Rgb) {
        let half = weight_px / 2.0;
        // One piece at a time would draw corners twice: pieces of a run are drawn together.
        for run in runs(points) {
            let none = (
                f64::INFINITY,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NEG_INFINITY,
            );
            let bounds = run.iter().fold(none, |ends, (x, y)| {
                (
                    ends.0.min(*x),
                    ends.1.min(*y),
                    ends.2.max(*x),
                    ends.3.max(*y),
                )
            });
            let grown = (
                bounds.0 - half - 1.0,
                bounds.1 - half - 1.0,
                bounds.2 + half + 1.0,
                bounds.3 + half + 1.0,
            );
            self.fill(grown, color, 1.0, |x, y| {
                let near = run
                    .windows(2)
                    .map(|ends| distance_to(ends[0], ends[1], (x, y)));
                near.fold(f64::INFINITY, f64::min) - half
            });
        }
    }

    /// Draws a line with gaps: so much of it, then so much left out.
    pub fn dashes(
        &mut self,
        points: &[(f64, f64)],
        (on, off): (f64, f64),
        weight_px: f64,
        color: Rgb,
    ) {
        let mut walked = 0.0;
        for ends in points.windows(2) {
            let ((x, y), (dx, dy)) = (ends[0], (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1));
            let len = (dx * dx + dy * dy).sqrt();
            if len == 0.0 {
                continue;
            }
            let at = |far: f64| (x + dx * far / len, y + dy * far / len);
            let mut from = -(walked % (on + off));
            while from < len {
                let (first, last) = (from.max(0.0), (from + on).min(len));
                if last > first {
                    self.line(&[at(first), at(last)], weight_px, color);
                }
                from += on + off;
            }
            walked += len;
        }
    }

    /// Paints where `distance` (in units of the page, negative inside) says, within an area.
    pub fn fill(
        &mut self,
        bounds: Area,
        color: Rgb,
        opacity: f64,
        distance: impl Fn(f64, f64) -> f64,
    ) {
        let scale = self.scale;
        let clip = |value: f64, end: usize| (value * scale).clamp(0.0, end as f64) as usize;
        let (left, right) = (clip(bounds.0, self.width), clip(bounds.2 + 1.0, self.width));
        let (top, bottom) = (
            clip(bounds.1, self.height),
            clip(bounds.3 + 1.0, self.height),
        );
        for row in top..bottom {
            for col in left..right {
                let (x, y) = ((col as f64 + 0.5) / scale, (row as f64 + 0.5) / scale);
                let share = (0.5 - distance(x, y) * scale).clamp(0.0, 1.0) * opacity;
                if share <= 0.0 {
                    continue;
                }
                let from = (row * self.width + col) * 3;
                for (sample, own) in self.pixels[from..from + 3].iter_mut().zip(color) {
                    let mixed = f64::from(*sample) * (1.0 - share) + f64::from(own) * share;
                    *sample = mixed.round() as u8;
                }
            }
        }
    }
}

/// Points of a run: long lines in short runs, so that each covers a small part of the picture.
const RUN_POINTS: usize = 24;

fn runs(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    let starts = (0..points.len().saturating_sub(1)).step_by(RUN_POINTS);
    starts.map(|start| &points[start..(start + RUN_POINTS + 1).min(points.len())])
}

fn distance_to(from: (f64, f64), to: (f64, f64), at: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (px, py) = (at.0 - from.0, at.1 - from.1);
    let len_squared = dx * dx + dy * dy;
    let share = match len_squared > 0.0 {
        true => ((px * dx + py * dy) / len_squared).clamp(0.0, 1.0),
        false => 0.0,
    };
    let (ex, ey) = (px - share * dx, py - share * dy);
    (ex * ex + ey * ey).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_drawn_with_whole_pixels() {
        let mut canvas = Canvas::new(4.0, 3.0, 2.0);
        let image = [[1, 2, 3], [4, 5, 6]];
        canvas.image((1.0, 1.0), &image, 2, 3);
        let at = |col: usize, row: usize| &canvas.pixels[(row * 8 + col) * 3..][..3];
        assert_eq!(
            (at(2, 2), at(4, 4), at(5, 2)),
            (&[1, 2, 3][..], &[1, 2, 3][..], &[4, 5, 6][..])
        );
        assert_eq!((at(1, 1), at(7, 4)), (&[255; 3][..], &[4, 5, 6][..]));
        // What lies beyond the page is left out.
        canvas.image((3.0, 2.0), &image, 2, 9);
    }

    #[test]
    fn lines_and_texts_leave_ink() {
        let mut canvas = Canvas::new(60.0, 20.0, 2.0);
        let ink = |canvas: &Canvas| canvas.pixels.iter().filter(|sample| **sample < 128).count();
        canvas.line(&[(1.0, 10.0), (50.0, 10.0)], 2.0, [0; 3]);
        let line = ink(&canvas);
        // 98 x 4 pixels of three samples, and the ends.
        assert!((1_100..1_300).contains(&line), "{line}");
        let letters = Letters {
            px: 12.0,
            weight_px: 1.2,
            color: [0; 3],
        };
        assert!(letters.width_px("2021") > 10.0);
        canvas.text(letters, 1.0, 8.0, "2021");
        assert!(ink(&canvas) > line);
    }
}
