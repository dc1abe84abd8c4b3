//! Small pictures that are made here: messages in place of maps, blank maps, legends.

use swath_grid::Size;
use swath_raster::{Image, glyphs};

/// Red, green, blue, opacity (not multiplied in).
pub(crate) type Rgba = [u8; 4];

/// Height of a capital letter in units of the glyphs.
const CAPITAL_UNITS: f64 = 7.0;
/// Distance between lines of text, as a share of the height of a capital.
const LINE_SHARE: f64 = 2.0;
/// Half the width of a stroke in pixels.
const STROKE_HALF_PX: f64 = 0.6;

/// A picture; rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    size: Size,
    pixels: Vec<u8>,
}

impl Picture {
    /// Returns a picture of one colour.
    pub(crate) fn filled(size: Size, color: Rgba) -> Self {
        let count = size.width as usize * size.height as usize;
        Self {
            size,
            pixels: color.repeat(count),
        }
    }

    /// Returns the picture as the encoders take it.
    pub(crate) fn into_image(self) -> Image {
        Image::Rgba {
            width: self.size.width,
            height: self.size.height,
            pixels: self.pixels,
        }
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Returns four bytes per pixel.
    #[cfg(test)]
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Lays pixels of four bytes over the picture, from its first pixel on.
    pub(crate) fn lay_over(&mut self, pixels: &[u8]) {
        for (below, above) in self.pixels.chunks_exact_mut(4).zip(pixels.chunks_exact(4)) {
            over(below, [above[0], above[1], above[2], above[3]], 1.0);
        }
    }

    /// Fills a rectangle as far as it lies within the picture.
    pub(crate) fn fill(&mut self, left: u32, top: u32, size: Size, color: Rgba) {
        let right = left.saturating_add(size.width).min(self.size.width);
        let bottom = top.saturating_add(size.height).min(self.size.height);
        for row in top..bottom {
            for col in left..right {
                self.blend(col, row, color, 1.0);
            }
        }
    }

    /// Writes one line of text; `x`, `y` are where its baseline begins, `capital_px` the height of a capital.
    pub(crate) fn text(&mut self, words: &str, x: f64, y: f64, capital_px: f64, color: Rgba) {
        let unit = capital_px / CAPITAL_UNITS;
        for stroke in glyphs::strokes(words) {
            for ends in stroke.windows(2) {
                let at = |(across, up): (f64, f64)| (x + across * unit, y - up * unit);
                self.line(at(ends[0]), at(ends[1]), color);
            }
        }
    }

    /// Writes text over the whole width, broken between words; what does not fit below is left out.
    pub(crate) fn message(&mut self, text: &str, capital_px: f64, color: Rgba) {
        let margin = capital_px;
        let width = f64::from(self.size.width) - 2.0 * margin;
        let mut y = margin + capital_px;
        for line in lines(text, width / (capital_px / CAPITAL_UNITS)) {
            if y > f64::from(self.size.height) {
                return;
            }
            self.text(&line, margin, y, capital_px, color);
            y += capital_px * LINE_SHARE;
        }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Rgba) {
        let reach = STROKE_HALF_PX + 1.0;
        let range = |a: f64, b: f64, end: u32| {
            let first = (a.min(b) - reach).floor().max(0.0) as u32;
            let last = ((a.max(b) + reach).ceil().max(0.0) as u32).min(end);
            first..last
        };
        for row in range(from.1, to.1, self.size.height) {
            for col in range(from.0, to.0, self.size.width) {
                let at = (f64::from(col) + 0.5, f64::from(row) + 0.5);
                let share = (STROKE_HALF_PX + 0.5 - distance(at, from, to)).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.blend(col, row, color, share);
                }
            }
        }
    }

    /// Lays a colour over a pixel (Porter-Duff *over*).
    fn blend(&mut self, col: u32, row: u32, color: Rgba, share: f64) {
        let at = (row as usize * self.size.width as usize + col as usize) * 4;
        let Some(pixel) = self.pixels.get_mut(at..at + 4) else {
            return;
        };
        over(pixel, color, share);
    }
}

/// Lays `color`, `share` of it, over a pixel of four bytes.
pub(crate) fn over(pixel: &mut [u8], color: Rgba, share: f64) {
    let above = f64::from(color[3]) / 255.0 * share;
    let below = f64::from(pixel[3]) / 255.0 * (1.0 - above);
    let opacity = above + below;
    if opacity <= 0.0 {
        return;
    }
    for (value, new) in pixel.iter_mut().zip(color).take(3) {
        let mixed = (f64::from(new) * above + f64::from(*value) * below) / opacity;
        // Between the two, so within a byte.
        *value = mixed.round() as u8;
    }
    pixel[3] = (opacity * 255.0).round() as u8;
}

/// Returns the distance of a point from the line between two.
fn distance(at: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let share = match length > 0.0 {
        true => (((at.0 - from.0) * dx + (at.1 - from.1) * dy) / length).clamp(0.0, 1.0),
        false => 0.0,
    };
    (at.0 - from.0 - share * dx).hypot(at.1 - from.1 - share * dy)
}

/// Breaks text between words so that lines are no wider than `width_units`, where words allow it.
fn lines(text: &str, width_units: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line} {word}");
            if glyphs::width(&longer) <= width_units {
                *line = longer;
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_leaves_ink_and_stays_inside() {
        let size = Size {
            width: 60,
            height: 40,
        };
        let mut picture = Picture::filled(size, [255, 255, 255, 255]);
        picture.message(
            "nothing there; a rather long explanation follows here",
            7.0,
            [0, 0, 0, 255],
        );
        let dark = picture
            .pixels()
            .chunks(4)
            .filter(|pixel| pixel[0] < 128)
            .count();
        assert!(dark > 50, "{dark}");
        assert_eq!(picture.pixels().len(), 60 * 40 * 4);
    }

    #[test]
    fn colours_are_laid_over_what_is_below() {
        let mut pixel = [0, 0, 0, 0];
        over(&mut pixel, [10, 20, 30, 128], 1.0);
        assert_eq!(pixel, [10, 20, 30, 128]);
        over(&mut pixel, [200, 100, 0, 255], 1.0);
        assert_eq!(pixel, [200, 100, 0, 255]);
        over(&mut pixel, [0, 0, 0, 255], 0.5);
        assert_eq!(pixel, [100, 50, 0, 255]);
    }

    #[test]
    fn words_are_kept_whole() {
        assert_eq!(lines("a b", 1_000.0), ["a b"]);
        assert_eq!(lines("aaaa bbbb", 1.0), ["aaaa", "bbbb"]);
    }
}
