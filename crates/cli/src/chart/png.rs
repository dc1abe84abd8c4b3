//! A page to pixels.

use swath_raster::{Canvas, Letters, Rgb};

use super::layout::{Anchor, Ink, LEFT_PX, Mark, WIDTH_PX, lay_out};
use super::{Chart, Color};

/// Pixels of the picture per pixel of the page: sharp on dense screens and on paper.
const SCALE: f64 = 2.0;
/// Highest picture, in pixels of the page.
const HEIGHT_MAX_PX: f64 = 8_000.0;

const WHITE: Rgb = [255, 255, 255];
const TEXT: Rgb = [0x33, 0x41, 0x55];
const STRONG: Rgb = [0x0f, 0x17, 0x2a];
const SOFT: Rgb = [0x64, 0x74, 0x8b];
const GRID: Rgb = [0xe2, 0xe8, 0xf0];
const FRAME: Rgb = [0x94, 0xa3, 0xb8];

/// Returns the picture as a PNG file.
pub fn render_png(chart: &Chart) -> Vec<u8> {
    let page = lay_out(chart);
    let height_px = page.height_px.min(HEIGHT_MAX_PX);
    let mut canvas = Canvas::new(WIDTH_PX, height_px, SCALE);
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
    canvas.text(letters(Ink::Soft), LEFT_PX, 50.0, &page.subtitle);
    for mark in &page.marks {
        draw(&mut canvas, mark);
    }
    canvas.png()
}

fn rgb(color: Color) -> Rgb {
    match color {
        Color::Green => [0x15, 0x80, 0x3d],
        Color::Orange => [0xc2, 0x41, 0x0c],
        Color::Blue => [0x1d, 0x4e, 0xd8],
        Color::Purple => [0x7e, 0x22, 0xce],
    }
}

fn letters(ink: Ink) -> Letters {
    let (weight_px, color) = match ink {
        Ink::Name => (1.55, STRONG),
        Ink::Soft => (1.05, SOFT),
        _ => (1.1, TEXT),
    };
    Letters {
        px: 12.0,
        weight_px,
        color,
    }
}

fn draw(canvas: &mut Canvas, mark: &Mark) {
    match mark {
        Mark::Text {
            ink,
            anchor,
            x,
            y,
            words,
        } => {
            let letters = letters(*ink);
            let width_px = letters.width_px(words);
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
                canvas.text(halo, from, *y, words);
            }
            canvas.text(letters, from, *y, words);
        }
        Mark::Rule { ink, from, to } => {
            let line = [*from, *to];
            match ink {
                Ink::Grid => canvas.line(&line, 1.0, GRID),
                Ink::Event => canvas.dashes(&line, (2.0, 3.0), 1.0, SOFT),
                _ => canvas.line(&line, 1.0, FRAME),
            }
        }
        Mark::Line {
            color,
            is_dashed,
            points,
        } => match is_dashed {
            true => canvas.dashes(points, (5.0, 3.0), 1.75, rgb(*color)),
            false => canvas.line(points, 1.75, rgb(*color)),
        },
        Mark::Point {
            color,
            is_clear,
            is_square,
            at,
            ..
        } => {
            point(canvas, rgb(*color), *is_clear, *is_square, *at);
        }
    }
}

fn point(canvas: &mut Canvas, color: Rgb, is_clear: bool, is_square: bool, at: (f64, f64)) {
    let distance = move |x: f64, y: f64| -> f64 {
        let (dx, dy) = ((x - at.0).abs(), (y - at.1).abs());
        match is_square {
            true => dx.max(dy) - 2.5,
            false => (dx * dx + dy * dy).sqrt() - 2.8,
        }
    };
    let bounds = (at.0 - 5.0, at.1 - 5.0, at.0 + 5.0, at.1 + 5.0);
    if is_clear {
        canvas.fill(bounds, color, 1.0, distance);
    } else {
        canvas.fill(bounds, WHITE, 1.0, distance);
        canvas.fill(bounds, color, 0.75, move |x, y| distance(x, y).abs() - 0.65);
    }
}
