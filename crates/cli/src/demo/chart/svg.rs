//! A chart to SVG text.

use std::fmt::Write as _;

use chrono::DateTime;

use super::axis::{Scale, TimeAxis, ValueAxis, time_axis, value_axis};
use super::events::{Place, place};
use super::{Chart, Color, Dot, Panel, Series};

const WIDTH_PX: f64 = 960.0;
const LEFT_PX: f64 = 56.0;
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
/// Mean width of a character of the small text, on the wide side of system fonts.
const CHARACTER_PX: f64 = 6.6;

/// Colours: presentation by class, since not every viewer knows variables.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
font-size:12px;fill:#334155}
.bg{fill:#fff}.title{font-size:18px;font-weight:600;fill:#0f172a}.name{font-weight:600;fill:#0f172a}
.soft{fill:#64748b}.halo{stroke:#fff;stroke-width:3px;paint-order:stroke;stroke-linejoin:round}
.grid{stroke:#e2e8f0}.frame{stroke:#94a3b8}.event{stroke:#64748b;stroke-dasharray:2 3}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round}.dash{stroke-dasharray:5 3}
.l0{stroke:#15803d}.l1{stroke:#c2410c}.l2{stroke:#1d4ed8}.l3{stroke:#7e22ce}
.d0{fill:#15803d}.d1{fill:#c2410c}.d2{fill:#1d4ed8}.d3{fill:#7e22ce}
.h{fill:#fff;stroke-width:1.25;stroke-opacity:.75}
@media (prefers-color-scheme:dark){text{fill:#cbd5e1}.bg,.h{fill:#0f172a}.title,.name{fill:#f1f5f9}
.soft{fill:#94a3b8}.halo{stroke:#0f172a}.grid{stroke:#1e293b}.frame{stroke:#475569}.event{stroke:#94a3b8}
.l0{stroke:#4ade80}.l1{stroke:#fb923c}.l2{stroke:#60a5fa}.l3{stroke:#c084fc}
.d0{fill:#4ade80}.d1{fill:#fb923c}.d2{fill:#60a5fa}.d3{fill:#c084fc}}
";

/// Returns the picture as the text of an SVG file.
pub fn render(chart: &Chart) -> String {
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

    let mut body = String::new();
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
        "soft",
        "start",
        LEFT_PX,
        bottom + 46.0,
        &chart.footer,
    );

    let height = bottom + BOTTOM_PX;
    let (title, subtitle) = (escape(&chart.title), escape(&chart.subtitle));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH_PX} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{title}: {subtitle}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{WIDTH_PX}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"{LEFT_PX}\" y=\"30\">{title}</text>\n\
         <text class=\"soft\" x=\"{LEFT_PX}\" y=\"50\">{subtitle}</text>\n{body}</svg>\n"
    )
}

/// Title of a panel on the left, its legend on the right.
fn header(out: &mut String, panel: &Panel, top: f64) {
    let baseline = top + 14.0;
    text(out, "name", "start", LEFT_PX, baseline, &panel.title);
    let mut right = RIGHT_PX;
    for series in panel
        .series
        .iter()
        .rev()
        .filter(|series| !series.label.is_empty())
    {
        let from = right - text_px(&series.label);
        text(out, "", "start", from, baseline, &series.label);
        let (line_from, line_to) = (from - 30.0, from - 6.0);
        let middle = baseline - 4.0;
        let path = format!("M{line_from:.1} {middle:.1}H{line_to:.1}");
        line(out, series, &path);
        marker(out, series, (line_from + line_to) / 2.0, middle, true, "");
        right = line_from - 16.0;
    }
}

fn event_labels(out: &mut String, events: &[(f64, String)], places: &[Place], top: f64) {
    for ((line_px, label), place) in events.iter().zip(places) {
        let from = top - (place.row + 1) as f64 * EVENT_ROW_PX;
        vertical(out, "event", *line_px, from + 2.0, top);
        let (anchor, x) = if place.is_left {
            ("end", line_px - 4.0)
        } else {
            ("start", line_px + 4.0)
        };
        text(out, "halo", anchor, x, from + 12.0, label);
    }
}

fn draw_panel(
    out: &mut String,
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
        vertical(out, "grid", across.px(month.from_us as f64), top, bottom);
    }
    for tick in ticks {
        let y = up.px(tick);
        horizontal(out, "grid", y);
        text(
            out,
            "soft",
            "end",
            LEFT_PX - 8.0,
            y + 4.0,
            &number(tick, decimals),
        );
    }
    horizontal(out, "frame", bottom);
    for line_px in events {
        vertical(out, "event", *line_px, top, bottom);
    }
    for series in &panel.series {
        draw_series(out, series, across, &up, decimals.max(1) + 1);
    }
}

fn draw_series(out: &mut String, series: &Series, across: &Scale, up: &Scale, decimals: usize) {
    let dots: Vec<(&Dot, f64, f64)> = series
        .points
        .iter()
        .filter(|dot| dot.value.is_finite())
        .map(|dot| (dot, across.px(dot.datetime_us as f64), up.px(dot.value)))
        .collect();
    let mut path = String::new();
    for (_, x, y) in dots.iter().filter(|(dot, ..)| dot.is_clear) {
        let _ = write!(
            path,
            "{}{x:.1} {y:.1}",
            if path.is_empty() { 'M' } else { 'L' }
        );
    }
    if !path.is_empty() {
        line(out, series, &path);
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
        marker(out, series, x, y, dot.is_clear, &tip);
    }
}

fn line(out: &mut String, series: &Series, path: &str) {
    let dash = if series.is_second { " dash" } else { "" };
    let _ = writeln!(
        out,
        "<path class=\"line l{}{dash}\" d=\"{path}\"/>",
        color_index(series.color)
    );
}

fn marker(out: &mut String, series: &Series, x: f64, y: f64, is_clear: bool, tip: &str) {
    let color = color_index(series.color);
    let class = if is_clear {
        format!("d{color}")
    } else {
        format!("h l{color}")
    };
    let tip = if tip.is_empty() {
        String::new()
    } else {
        format!("<title>{tip}</title>")
    };
    let _ = match series.is_second {
        false => writeln!(
            out,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\">{tip}</circle>"
        ),
        true => {
            let (left, top) = (x - 2.5, y - 2.5);
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"5\" height=\"5\">{tip}</rect>"
            )
        }
    };
}

fn months(out: &mut String, time: &TimeAxis, across: &Scale, bottom: f64) {
    let ends = time
        .months
        .iter()
        .skip(1)
        .map(|month| month.from_us)
        .chain([time.to_us]);
    for (month, end_us) in time.months.iter().zip(ends) {
        let from = across.px(month.from_us as f64);
        vertical(out, "frame", from, bottom, bottom + 5.0);
        let middle = (from + across.px(end_us as f64)) / 2.0;
        text(out, "", "middle", middle, bottom + 18.0, &month.label);
    }
    vertical(out, "frame", RIGHT_PX, bottom, bottom + 5.0);
}

fn vertical(out: &mut String, class: &str, x: f64, from: f64, to: f64) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\"/>"
    );
}

fn horizontal(out: &mut String, class: &str, y: f64) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{LEFT_PX}\" x2=\"{RIGHT_PX}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
    );
}

fn text(out: &mut String, class: &str, anchor: &str, x: f64, y: f64, words: &str) {
    if words.is_empty() {
        return;
    }
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    let anchor = if anchor == "start" {
        String::new()
    } else {
        format!(" text-anchor=\"{anchor}\"")
    };
    let _ = writeln!(
        out,
        "<text{class}{anchor} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(words)
    );
}

fn color_index(color: Color) -> usize {
    match color {
        Color::Green => 0,
        Color::Orange => 1,
        Color::Blue => 2,
        Color::Purple => 3,
    }
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

/// Escapes what has a meaning in XML, and drops characters that XML forbids.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
