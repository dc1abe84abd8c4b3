//! A chart to marks on a page: where everything stands, for [`svg`](super::svg) and
//! [`png`](super::png) alike.

use chrono::DateTime;

use super::axis::{Scale, TimeAxis, ValueAxis, time_axis, value_axis};
use super::events::{Place, place};
use super::{Chart, Color, Dot, Panel, Series};

/// A chart laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Of the whole picture.
    pub height_px: f64,
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// In the order in which they are drawn.
    pub marks: Vec<Mark>,
}

/// Something to draw. x grows to the right, y downwards.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line of text.
    Text {
        /// How it looks.
        ink: Ink,
        /// Which end stands at `x`.
        anchor: Anchor,
        /// Of the anchor.
        x: f64,
        /// Of the baseline.
        y: f64,
        /// What it says.
        words: String,
    },
    /// A straight line.
    Rule {
        /// How it looks.
        ink: Ink,
        /// Both ends.
        from: (f64, f64),
        /// The other end.
        to: (f64, f64),
    },
    /// The line of a series.
    Line {
        /// Colour.
        color: Color,
        /// True for dashes.
        is_dashed: bool,
        /// Two or more.
        points: Vec<(f64, f64)>,
    },
    /// The mark of a value.
    Point {
        /// Colour.
        color: Color,
        /// False for a hollow mark.
        is_clear: bool,
        /// True for a square, false for a circle.
        is_square: bool,
        /// Centre.
        at: (f64, f64),
        /// Date and value; empty in the legend.
        tip: String,
    },
}

/// How texts and rules look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Plain,
    /// Name of a panel.
    Name,
    /// Text that stands back.
    Soft,
    /// Text over lines.
    Halo,
    /// Line of the grid.
    Grid,
    /// Line of an axis.
    Frame,
    /// Line of an event.
    Event,
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// Width of every picture.
pub const WIDTH_PX: f64 = 960.0;
/// Left end of the plots and titles.
pub const LEFT_PX: f64 = 56.0;
const RIGHT_PX: f64 = 936.0;
/// From the top to the header of the first panel.
const TITLES_PX: f64 = 66.0;
/// Header of a panel: title and legend.
const HEADER_PX: f64 = 24.0;
/// From a panel to the header of the next.
const GAP_PX: f64 = 16.0;
/// One row of event labels.
const EVENT_ROW_PX: f64 = 16.0;
/// Month labels and the footer.
const BOTTOM_PX: f64 = 62.0;
/// Height of the line of a date without a value.
const BLANK_PX: f64 = 9.0;
/// Mean width of a character of the small text, on the wide side of system fonts.
const CHARACTER_PX: f64 = 6.6;

/// Returns where everything of a chart stands.
pub fn lay_out(chart: &Chart) -> Page {
    let time = time_axis(chart, RIGHT_PX - LEFT_PX);
    let across = Scale {
        from: time.from_us as f64,
        to: time.to_us as f64,
        from_px: LEFT_PX,
        to_px: RIGHT_PX,
    };
    let shown = chart
        .events
        .iter()
        .filter(|event| (time.from_us..time.to_us).contains(&event.datetime_us));
    let mut events: Vec<(f64, String)> = shown
        .map(|event| (across.px(event.datetime_us as f64), event.label.clone()))
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines: Vec<f64> = events.iter().map(|(line_px, _)| *line_px).collect();
    let widths: Vec<f64> = events
        .iter()
        .map(|(_, label)| text_px(label) + 10.0)
        .collect();
    let places = place(&lines, &widths, RIGHT_PX);
    let event_rows = places.iter().map(|place| place.row + 1).max().unwrap_or(0);

    let mut body = Vec::new();
    let mut top = TITLES_PX;
    for (index, panel) in chart.panels.iter().enumerate() {
        header(&mut body, panel, top);
        top += HEADER_PX;
        if index == 0 {
            top += event_rows as f64 * EVENT_ROW_PX;
            event_labels(&mut body, &events, &places, top);
        }
        draw_panel(&mut body, panel, &time, &across, &lines, top);
        top += panel.height_px + GAP_PX;
    }
    let bottom = top - GAP_PX;
    months(&mut body, &time, &across, bottom);
    text(
        &mut body,
        Ink::Soft,
        Anchor::Start,
        LEFT_PX,
        bottom + 46.0,
        &chart.footer,
    );

    Page {
        height_px: bottom + BOTTOM_PX,
        title: chart.title.clone(),
        subtitle: chart.subtitle.clone(),
        marks: body,
    }
}

/// Title of a panel on the left, its legend on the right.
fn header(out: &mut Vec<Mark>, panel: &Panel, top: f64) {
    let baseline = top + 14.0;
    text(
        out,
        Ink::Name,
        Anchor::Start,
        LEFT_PX,
        baseline,
        &panel.title,
    );
    let mut right = RIGHT_PX;
    for series in panel
        .series
        .iter()
        .rev()
        .filter(|series| !series.label.is_empty())
    {
        let from = right - text_px(&series.label);
        text(
            out,
            Ink::Plain,
            Anchor::Start,
            from,
            baseline,
            &series.label,
        );
        let (line_from, line_to) = (from - 30.0, from - 6.0);
        let middle = baseline - 4.0;
        line(out, series, vec![(line_from, middle), (line_to, middle)]);
        let centre = ((line_from + line_to) / 2.0, middle);
        marker(out, series, centre, true, String::new());
        right = line_from - 16.0;
    }
}

fn event_labels(out: &mut Vec<Mark>, events: &[(f64, String)], places: &[Place], top: f64) {
    for ((line_px, label), place) in events.iter().zip(places) {
        let from = top - (place.row + 1) as f64 * EVENT_ROW_PX;
        vertical(out, Ink::Event, *line_px, from + 2.0, top);
        let (anchor, x) = if place.is_left {
            (Anchor::End, line_px - 4.0)
        } else {
            (Anchor::Start, line_px + 4.0)
        };
        text(out, Ink::Halo, anchor, x, from + 12.0, label);
    }
}

fn draw_panel(
    out: &mut Vec<Mark>,
    panel: &Panel,
    time: &TimeAxis,
    across: &Scale,
    events: &[f64],
    top: f64,
) {
    let bottom = top + panel.height_px;
    let ValueAxis {
        range,
        ticks,
        decimals,
    } = value_axis(panel);
    let up = Scale {
        from: range.0,
        to: range.1,
        from_px: bottom,
        to_px: top,
    };
    for month in time.months.iter().skip(1) {
        vertical(out, Ink::Grid, across.px(month.from_us as f64), top, bottom);
    }
    for tick in ticks {
        let y = up.px(tick);
        horizontal(out, Ink::Grid, y);
        text(
            out,
            Ink::Soft,
            Anchor::End,
            LEFT_PX - 8.0,
            y + 4.0,
            &number(tick, decimals),
        );
    }
    horizontal(out, Ink::Frame, bottom);
    let shown = time.from_us..time.to_us;
    for datetime_us in panel.blanks.iter().filter(|at| shown.contains(at)) {
        vertical(
            out,
            Ink::Frame,
            across.px(*datetime_us as f64),
            bottom - BLANK_PX,
            bottom,
        );
    }
    for line_px in events {
        vertical(out, Ink::Event, *line_px, top, bottom);
    }
    for series in &panel.series {
        draw_series(out, series, across, &up, decimals.max(1) + 1);
    }
}

fn draw_series(out: &mut Vec<Mark>, series: &Series, across: &Scale, up: &Scale, decimals: usize) {
    let dots: Vec<(&Dot, f64, f64)> = series
        .points
        .iter()
        .filter(|dot| dot.value.is_finite())
        .map(|dot| (dot, across.px(dot.datetime_us as f64), up.px(dot.value)))
        .collect();
    let trusted = dots.iter().filter(|(dot, ..)| dot.is_clear);
    let path: Vec<(f64, f64)> = trusted.map(|(_, x, y)| (*x, *y)).collect();
    if !path.is_empty() {
        line(out, series, path);
    }
    // Hollow marks first: what can be trusted stays on top.
    let (clear, hollow): (Vec<_>, Vec<_>) = dots.into_iter().partition(|(dot, ..)| dot.is_clear);
    for (dot, x, y) in hollow.into_iter().chain(clear) {
        let date = DateTime::from_timestamp_micros(dot.datetime_us).unwrap_or_default();
        let tip = format!(
            "{}: {}",
            date.format("%Y-%m-%d"),
            number(dot.value, decimals)
        );
        marker(out, series, (x, y), dot.is_clear, tip);
    }
}

fn line(out: &mut Vec<Mark>, series: &Series, points: Vec<(f64, f64)>) {
    out.push(Mark::Line {
        color: series.color,
        is_dashed: series.is_second,
        points,
    });
}

fn marker(out: &mut Vec<Mark>, series: &Series, at: (f64, f64), is_clear: bool, tip: String) {
    out.push(Mark::Point {
        color: series.color,
        is_clear,
        is_square: series.is_second,
        at,
        tip,
    });
}

fn months(out: &mut Vec<Mark>, time: &TimeAxis, across: &Scale, bottom: f64) {
    let ends = time
        .months
        .iter()
        .skip(1)
        .map(|month| month.from_us)
        .chain([time.to_us]);
    for (month, end_us) in time.months.iter().zip(ends) {
        let from = across.px(month.from_us as f64);
        vertical(out, Ink::Frame, from, bottom, bottom + 5.0);
        let middle = (from + across.px(end_us as f64)) / 2.0;
        text(
            out,
            Ink::Plain,
            Anchor::Middle,
            middle,
            bottom + 18.0,
            &month.label,
        );
    }
    vertical(out, Ink::Frame, RIGHT_PX, bottom, bottom + 5.0);
}

fn vertical(out: &mut Vec<Mark>, ink: Ink, x: f64, from: f64, to: f64) {
    out.push(Mark::Rule {
        ink,
        from: (x, from),
        to: (x, to),
    });
}

fn horizontal(out: &mut Vec<Mark>, ink: Ink, y: f64) {
    out.push(Mark::Rule {
        ink,
        from: (LEFT_PX, y),
        to: (RIGHT_PX, y),
    });
}

fn text(out: &mut Vec<Mark>, ink: Ink, anchor: Anchor, x: f64, y: f64, words: &str) {
    if words.is_empty() {
        return;
    }
    out.push(Mark::Text {
        ink,
        anchor,
        x,
        y,
        words: words.to_owned(),
    });
}

/// Returns a number with a true minus sign.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.contains(|digit: char| ('1'..='9').contains(&digit)) => {
            format!("\u{2212}{digits}")
        }
        Some(digits) => digits.to_owned(),
        None => text,
    }
}

fn text_px(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER_PX
}
