//! A page to pixels: strokes, discs and boxes, smoothed at their edges.

use swath_raster::{PngSamples, encode_png};

use super::glyphs;
use super::layout::{Anchor, Ink, LEFT_PX, Mark, WIDTH_PX, lay_out};
use super::{Chart, Color};

/// Pixels of the picture per pixel of the page: sharp on dense screens and on paper.
const SCALE: f64 = 2.0;
/// Highest picture, in pixels of the page.
const HEIGHT_MAX_PX: f64 = 8_000.0;
/// Height of capitals, as a share of the size of the text.
const CAPITAL: f64 = 0.72;
/// Units of a capital, as the glyphs have it.
const CAPITAL_UNITS: f64 = 7.0;

const WHITE: Rgb = [255, 255, 255];
const TEXT: Rgb = [0x33, 0x41, 0x55];
const STRONG: Rgb = [0x0f, 0x17, 0x2a];
const SOFT: Rgb = [0x64, 0x74, 0x8b];
const GRID: Rgb = [0xe2, 0xe8, 0xf0];
const FRAME: Rgb = [0x94, 0xa3, 0xb8];

type Rgb = [u8; 3];

/// Returns the picture as a PNG file.
pub fn render_png(chart: &Chart) -> Vec<u8> {
    let page = lay_out(chart);
    let height_px = page.height_px.min(HEIGHT_MAX_PX);
    let mut canvas = Canvas::new(WIDTH_PX, height_px);
    canvas.text(
        Letters {
            px: 18.0,
            weight_px: 1.9,
            color: STRONG,
        },
        LEFT_PX,
        30.0,
        &page.title,
    );
    canvas.text(Letters::of(Ink::Soft), LEFT_PX, 50.0, &page.subtitle);
    for mark in &page.marks {
        canvas.mark(mark);
    }
    encode_png(
        canvas.width as u32,
        canvas.height as u32,
        PngSamples::Rgb,
        &canvas.pixels,
    )
}

fn rgb(color: Color) -> Rgb {
    match color {
        Color::Green => [0x15, 0x80, 0x3d],
        Color::Orange => [0xc2, 0x41, 0x0c],
        Color::Blue => [0x1d, 0x4e, 0xd8],
        Color::Purple => [0x7e, 0x22, 0xce],
    }
}

/// How letters look.
#[derive(Debug, Clone, Copy)]
struct Letters {
    px: f64,
    weight_px: f64,
    color: Rgb,
}

impl Letters {
    fn of(ink: Ink) -> Self {
        let (weight_px, color) = match ink {
            Ink::Name => (1.55, STRONG),
            Ink::Soft => (1.05, SOFT),
            _ => (1.1, TEXT),
        };
        Self {
            px: 12.0,
            weight_px,
            color,
        }
    }

    fn unit_px(&self) -> f64 {
        self.px * CAPITAL / CAPITAL_UNITS
    }
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width_px: f64, height_px: f64) -> Self {
        let (width, height) = (
            (width_px * SCALE) as usize,
            (height_px * SCALE).ceil() as usize,
        );
        Self {
            width,
            height,
            pixels: vec![255; width * height * 3],
        }
    }

    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Text {
                ink,
                anchor,
                x,
                y,
                words,
            } => {
                let letters = Letters::of(*ink);
                let width_px = glyphs::width(words) * letters.unit_px();
                let from = match anchor {
                    Anchor::Start => *x,
                    Anchor::Middle => x - width_px / 2.0,
                    Anchor::End => x - width_px,
                };
                if *ink == Ink::Halo {
                    let halo = Letters {
                        weight_px: letters.weight_px + 3.0,
                        color: WHITE,
                        ..letters
                    };
                    self.text(halo, from, *y, words);
                }
                self.text(letters, from, *y, words);
            }
            Mark::Rule { ink, from, to } => {
                let line = [*from, *to];
                match ink {
                    Ink::Grid => self.line(&line, 1.0, GRID),
                    Ink::Event => self.dashes(&line, (2.0, 3.0), 1.0, SOFT),
                    _ => self.line(&line, 1.0, FRAME),
                }
            }
            Mark::Line {
                color,
                is_dashed,
                points,
            } => match is_dashed {
                true => self.dashes(points, (5.0, 3.0), 1.75, rgb(*color)),
                false => self.line(points, 1.75, rgb(*color)),
            },
            Mark::Point {
                color,
                is_clear,
                is_square,
                at,
                ..
            } => {
                self.point(rgb(*color), *is_clear, *is_square, *at);
            }
        }
    }

    fn text(&mut self, letters: Letters, x: f64, y: f64, words: &str) {
        let unit = letters.unit_px();
        for stroke in glyphs::strokes(words) {
            let placed: Vec<_> = stroke
                .iter()
                .map(|(across, up)| (x + across * unit, y - up * unit))
                .collect();
            self.line(&placed, letters.weight_px, letters.color);
        }
    }

    fn point(&mut self, color: Rgb, is_clear: bool, is_square: bool, at: (f64, f64)) {
        let distance = move |x: f64, y: f64| -> f64 {
            let (dx, dy) = ((x - at.0).abs(), (y - at.1).abs());
            match is_square {
                true => dx.max(dy) - 2.5,
                false => (dx * dx + dy * dy).sqrt() - 2.8,
            }
        };
        let bounds = (at.0 - 5.0, at.1 - 5.0, at.0 + 5.0, at.1 + 5.0);
        if is_clear {
            self.fill(bounds, color, 1.0, distance);
        } else {
            self.fill(bounds, WHITE, 1.0, distance);
            self.fill(bounds, color, 0.75, move |x, y| distance(x, y).abs() - 0.65);
        }
    }

    /// A line through points, with round ends and corners.
    fn line(&mut self, points: &[(f64, f64)], weight_px: f64, color: Rgb) {
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

    fn dashes(&mut self, points: &[(f64, f64)], (on, off): (f64, f64), weight_px: f64, color: Rgb) {
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

    /// Paints where `distance` (in pixels of the page, negative inside) says.
    fn fill(
        &mut self,
        bounds: (f64, f64, f64, f64),
        color: Rgb,
        opacity: f64,
        distance: impl Fn(f64, f64) -> f64,
    ) {
        let clip = |value: f64, end: usize| (value * SCALE).clamp(0.0, end as f64) as usize;
        let (left, right) = (clip(bounds.0, self.width), clip(bounds.2 + 1.0, self.width));
        let (top, bottom) = (
            clip(bounds.1, self.height),
            clip(bounds.3 + 1.0, self.height),
        );
        for row in top..bottom {
            for col in left..right {
                let (x, y) = ((col as f64 + 0.5) / SCALE, (row as f64 + 0.5) / SCALE);
                let share = (0.5 - distance(x, y) * SCALE).clamp(0.0, 1.0) * opacity;
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
