//! The dates of a season side by side, as a picture.

use swath_grid::Point;
use swath_raster::{Canvas, Letters, Rgb};

use super::calendar::{Calendar, SeasonChip};
use super::style::Stretch;

/// Pixels of the picture per unit of the page.
const SCALE: f64 = 2.0;
/// Side that chips are enlarged to, at least half of it, in units of the page.
const CHIP_PX: f64 = 150.0;
/// Space around chips.
const GAP_PX: f64 = 14.0;
/// Height of the words below a chip.
const LABEL_PX: f64 = 34.0;
/// Height of the words above all.
const HEAD_PX: f64 = 66.0;
/// Widest row of chips.
const ROW_PX: f64 = 1_300.0;
/// Share of the parcel that is hidden from which a date is marked.
const CLOUDY: f64 = 0.5;
/// Share below which it shows the ground.
const CLEAR: f64 = 0.1;

const STRONG: Rgb = [0x0f, 0x17, 0x2a];
const SOFT: Rgb = [0x64, 0x74, 0x8b];
const FRAME: Rgb = [0x94, 0xa3, 0xb8];
const WARNING: Rgb = [0xc2, 0x41, 0x0c];
const OUTLINE: Rgb = [0xfa, 0xcc, 0x15];
const HALO: Rgb = [0x11, 0x18, 0x27];

/// Words above the chips.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SheetLabels {
    /// First line.
    pub title: String,
    /// Second line, smaller.
    pub subtitle: String,
}

/// Draws the season as a PNG file: each date enlarged by a whole number of pixels, with the outline of
/// the parcel; dates on which half of the parcel or more is hidden are framed and named.
pub fn draw_sheet(calendar: &Calendar, labels: &SheetLabels) -> Vec<u8> {
    let size = calendar.geobox.size();
    let side = f64::from(size.width.max(size.height));
    let factor = (CHIP_PX * SCALE / side).floor().max(1.0);
    let (width_px, height_px) = (
        f64::from(size.width) * factor / SCALE,
        f64::from(size.height) * factor / SCALE,
    );
    // A narrow chip still has room for its date.
    let cell_px = width_px.max(96.0) + GAP_PX;
    let count = calendar.chips.len().max(1);
    let columns = ((ROW_PX / cell_px) as usize).clamp(1, count.max(4));
    let rows = count.div_ceil(columns);
    let row_px = height_px + LABEL_PX + GAP_PX;
    let page_px = (columns as f64 * cell_px + GAP_PX).max(480.0);
    let mut canvas = Canvas::new(page_px, HEAD_PX + rows as f64 * row_px + GAP_PX, SCALE);
    let words = |px: f64, weight_px: f64, color: Rgb| Letters {
        px,
        weight_px,
        color,
    };
    canvas.text(words(18.0, 1.9, STRONG), GAP_PX, 30.0, &labels.title);
    canvas.text(words(12.0, 1.05, SOFT), GAP_PX, 50.0, &labels.subtitle);
    let stretch = stretch(calendar);
    for (index, chip) in calendar.chips.iter().enumerate() {
        // On whole pixels of the picture, so that pixels of the image have straight edges.
        let whole = |px: f64| (px * SCALE).round() / SCALE;
        let at = (
            whole(GAP_PX + (index % columns) as f64 * cell_px),
            whole(HEAD_PX + (index / columns) as f64 * row_px),
        );
        let colors = stretch.colors(calendar.style, &chip.layers);
        canvas.image(at, &colors, size.width as usize, factor as usize);
        outline(&mut canvas, calendar, at, factor / SCALE);
        let is_cloudy = chip.hidden.is_some_and(|hidden| hidden >= CLOUDY);
        frame(&mut canvas, at, (width_px, height_px), is_cloudy);
        let below = at.1 + height_px;
        let date = chip.datetime.format("%Y-%m-%d").to_string();
        canvas.text(words(12.0, 1.3, STRONG), at.0, below + 15.0, &date);
        let color = if is_cloudy { WARNING } else { SOFT };
        canvas.text(words(10.5, 1.0, color), at.0, below + 29.0, &remark(chip));
    }
    canvas.png()
}

/// Brightness is settled by the dates that show the ground, by all where there is none.
fn stretch(calendar: &Calendar) -> Stretch {
    let is_clear = |chip: &SeasonChip| chip.hidden.is_none_or(|hidden| hidden < CLEAR);
    let has_clear = calendar.chips.iter().any(is_clear);
    let shown = calendar
        .chips
        .iter()
        .filter(|chip| !has_clear || is_clear(chip));
    Stretch::of(calendar.style, shown.map(|chip| chip.layers.as_slice()))
}

fn remark(chip: &SeasonChip) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    match chip.hidden {
        Some(hidden) if hidden >= CLOUDY => format!("cloudy, {} hidden", percent(hidden)),
        Some(hidden) if hidden > 0.0 => format!("{} hidden", percent(hidden)),
        Some(_) => "clear".to_owned(),
        None if chip.valid < 1.0 => format!("{} valid", percent(chip.valid)),
        None => chip.datetime.format("%H:%M UTC").to_string(),
    }
}

fn frame(
    canvas: &mut Canvas,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
    is_cloudy: bool,
) {
    let (right, bottom) = (left + width, top + height);
    let corners = [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    match is_cloudy {
        true => canvas.line(&corners, 3.0, WARNING),
        false => canvas.line(&corners, 1.0, FRAME),
    }
}

fn outline(canvas: &mut Canvas, calendar: &Calendar, at: (f64, f64), pixel_px: f64) {
    let transform = calendar.geobox.transform();
    for polygon in &calendar.outline {
        for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
            let place = |coord: &geo_types::Coord<f64>| {
                let pixel = transform.to_grid(Point {
                    x: coord.x,
                    y: coord.y,
                });
                (at.0 + pixel.x * pixel_px, at.1 + pixel.y * pixel_px)
            };
            let points: Vec<(f64, f64)> = ring.coords().map(place).collect();
            canvas.line(&points, 2.6, HALO);
            canvas.line(&points, 1.3, OUTLINE);
        }
    }
}
