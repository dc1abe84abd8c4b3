//! GetLegendGraphic: what the colours of a style mean, as a picture.

use swath_grid::Size;
use swath_raster::glyphs;

use crate::map::{Legend, StyleInfo};
use crate::ows::picture::{Picture, Rgba};

const CAPITAL_PX: f64 = 9.0;
/// Units of a capital, as the glyphs have it.
const CAPITAL_UNITS: f64 = 7.0;
const MARGIN_PX: u32 = 8;
const ROW_PX: u32 = 20;
const SWATCH: Size = Size {
    width: 24,
    height: 14,
};
const RAMP: Size = Size {
    width: 20,
    height: 160,
};
const WIDTH_MAX_PX: u32 = 1_024;
/// Most classes that are shown; the rest is said to be missing.
const CLASSES_MAX: usize = 200;
const TEXT: Rgba = [0x1e, 0x29, 0x3b, 255];
const WHITE: Rgba = [255, 255, 255, 255];

/// A line of text with a colour before it.
struct Entry {
    words: String,
    color: Option<[u8; 3]>,
}

/// Returns the size of a legend.
pub(crate) fn size(style: &StyleInfo) -> Size {
    let words = words(style);
    let widest = words
        .iter()
        .map(|words| text_px(words))
        .fold(text_px(&style.title), f64::max);
    let before = match &style.legend {
        Legend::Ramp { .. } => RAMP.width + MARGIN_PX,
        Legend::Classes(_) => SWATCH.width + MARGIN_PX,
        Legend::None => 0,
    };
    let height = match &style.legend {
        Legend::None => 0,
        Legend::Ramp { .. } => RAMP.height + MARGIN_PX,
        Legend::Classes(_) => u32::try_from(words.len()).unwrap_or(u32::MAX) * ROW_PX,
    };
    // At most a few hundred letters wide.
    let text = widest.ceil() as u32;
    Size {
        width: (2 * MARGIN_PX + before + text).min(WIDTH_MAX_PX),
        height: 2 * MARGIN_PX + ROW_PX + height,
    }
}

fn text_px(words: &str) -> f64 {
    glyphs::width(words) * CAPITAL_PX / CAPITAL_UNITS
}

/// Returns the lines below the title.
fn entries(style: &StyleInfo) -> Vec<Entry> {
    let plain = |words: String| Entry { words, color: None };
    match &style.legend {
        Legend::None => Vec::new(),
        Legend::Ramp {
            low, high, unit, ..
        } => {
            let unit = unit.as_deref().map(|unit| format!(" {unit}"));
            let unit = unit.unwrap_or_default();
            let middle = (low + high) / 2.0;
            [high, &middle, low]
                .map(|value| plain(format!("{}{unit}", rounded(*value))))
                .into()
        }
        Legend::Classes(classes) => {
            let mut entries: Vec<Entry> = classes
                .iter()
                .take(CLASSES_MAX)
                .map(|(name, color)| Entry {
                    words: name.clone(),
                    color: Some(*color),
                })
                .collect();
            if let Some(more) = classes
                .len()
                .checked_sub(CLASSES_MAX)
                .filter(|more| *more > 0)
            {
                entries.push(plain(format!("and {more} more")));
            }
            entries
        }
    }
}

fn words(style: &StyleInfo) -> Vec<String> {
    entries(style)
        .into_iter()
        .map(|entry| entry.words)
        .collect()
}

/// Returns a number with four digits that count.
fn rounded(value: f64) -> String {
    const DIGITS: f64 = 4.0;
    if value == 0.0 {
        return "0".to_owned();
    }
    let factor = 10_f64.powf(DIGITS - 1.0 - value.abs().log10().floor());
    format!("{}", (value * factor).round() / factor)
}

/// Draws a legend.
pub(crate) fn draw(style: &StyleInfo) -> Picture {
    let mut picture = Picture::filled(size(style), WHITE);
    let margin = f64::from(MARGIN_PX);
    let baseline = |row: u32| margin + CAPITAL_PX + f64::from(row);
    picture.text(&style.title, margin, baseline(0), CAPITAL_PX, TEXT);
    let top = MARGIN_PX + ROW_PX;
    match &style.legend {
        Legend::None => {}
        Legend::Ramp { colors, .. } => {
            ramp(&mut picture, colors, top);
            let x = f64::from(2 * MARGIN_PX + RAMP.width);
            let step = (f64::from(RAMP.height) - CAPITAL_PX) / 2.0;
            for (index, words) in words(style).iter().enumerate() {
                let y = f64::from(top) + CAPITAL_PX + step * index as f64;
                picture.text(words, x, y, CAPITAL_PX, TEXT);
            }
        }
        Legend::Classes(_) => {
            let x = f64::from(2 * MARGIN_PX + SWATCH.width);
            let mut row = ROW_PX;
            for entry in entries(style) {
                if let Some([red, green, blue]) = entry.color {
                    picture.fill(MARGIN_PX, MARGIN_PX + row, SWATCH, [red, green, blue, 255]);
                }
                picture.text(&entry.words, x, baseline(row) + 2.0, CAPITAL_PX, TEXT);
                row += ROW_PX;
            }
        }
    }
    picture
}

/// Draws colours from the last above to the first below.
fn ramp(picture: &mut Picture, colors: &[[u8; 3]], top: u32) {
    let Some(last) = colors.len().checked_sub(1) else {
        return;
    };
    for line in 0..RAMP.height {
        let share = 1.0 - f64::from(line) / f64::from(RAMP.height - 1);
        // Within 0..=last.
        let [red, green, blue] = colors[(share * last as f64).round() as usize];
        let row = Size {
            width: RAMP.width,
            height: 1,
        };
        picture.fill(MARGIN_PX, top + line, row, [red, green, blue, 255]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(legend: Legend) -> StyleInfo {
        StyleInfo {
            name: "ndvi".to_owned(),
            title: "Vegetation index".to_owned(),
            legend,
        }
    }

    #[test]
    fn legends_have_the_size_that_is_declared() {
        let classes = (0..300).map(|number| (format!("class {number}"), [1, 2, 3]));
        for legend in [
            Legend::None,
            Legend::Ramp {
                low: -0.2,
                high: 1.0,
                unit: Some("dB".to_owned()),
                colors: vec![[0, 0, 0], [255, 0, 0]],
            },
            Legend::Ramp {
                low: 0.0,
                high: 0.0,
                unit: None,
                colors: Vec::new(),
            },
            Legend::Classes(classes.collect()),
        ] {
            let style = style(legend);
            let picture = draw(&style);
            assert_eq!(picture.size(), size(&style));
            assert!(picture.pixels().iter().any(|byte| *byte < 100));
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(rounded(-0.200_000_000_1), "-0.2");
        assert_eq!(rounded(12_345.678), "12350");
        assert_eq!(rounded(0.0), "0");
    }
}
