//! A page to SVG text: the file stands alone, colours for light and dark surroundings.

use std::fmt::Write as _;

use super::layout::{Anchor, Ink, LEFT_PX, Mark, WIDTH_PX, lay_out};
use super::{Chart, Color};

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
    let page = lay_out(chart);
    let mut body = String::new();
    for mark in &page.marks {
        draw(&mut body, mark);
    }
    let height = page.height_px;
    let (title, subtitle) = (escape(&page.title), escape(&page.subtitle));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH_PX} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{title}: {subtitle}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{WIDTH_PX}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"{LEFT_PX}\" y=\"30\">{title}</text>\n\
         <text class=\"soft\" x=\"{LEFT_PX}\" y=\"50\">{subtitle}</text>\n{body}</svg>\n"
    )
}

fn draw(out: &mut String, mark: &Mark) {
    let _ = match mark {
        Mark::Text {
            ink,
            anchor,
            x,
            y,
            words,
        } => {
            let class = match ink {
                Ink::Plain => String::new(),
                ink => format!(" class=\"{}\"", class_of(*ink)),
            };
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let words = escape(words);
            writeln!(
                out,
                "<text{class}{anchor} x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>"
            )
        }
        Mark::Rule { ink, from, to } => writeln!(
            out,
            "<line class=\"{}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
            class_of(*ink),
            from.0,
            to.0,
            from.1,
            to.1
        ),
        Mark::Line {
            color,
            is_dashed,
            points,
        } => {
            let dash = if *is_dashed { " dash" } else { "" };
            let mut path = String::new();
            for (x, y) in points {
                let step = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{step}{x:.1} {y:.1}");
            }
            let color = color_index(*color);
            writeln!(out, "<path class=\"line l{color}{dash}\" d=\"{path}\"/>")
        }
        Mark::Point {
            color,
            is_clear,
            is_square,
            at,
            tip,
        } => {
            let color = color_index(*color);
            let class = match is_clear {
                true => format!("d{color}"),
                false => format!("h l{color}"),
            };
            let shape = shape(*is_square, *at, &class);
            let name = if *is_square { "rect" } else { "circle" };
            let tip = match tip.is_empty() {
                true => String::new(),
                false => format!("<title>{tip}</title>"),
            };
            writeln!(out, "<{name} {shape}>{tip}</{name}>")
        }
    };
}

/// Returns the attributes of the mark of a value.
fn shape(is_square: bool, (x, y): (f64, f64), class: &str) -> String {
    match is_square {
        false => format!("class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\""),
        true => {
            let (left, top) = (x - 2.5, y - 2.5);
            format!("class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"5\" height=\"5\"")
        }
    }
}

fn class_of(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "",
        Ink::Name => "name",
        Ink::Soft => "soft",
        Ink::Halo => "halo",
        Ink::Grid => "grid",
        Ink::Frame => "frame",
        Ink::Event => "event",
    }
}

fn color_index(color: Color) -> usize {
    match color {
        Color::Green => 0,
        Color::Orange => 1,
        Color::Blue => 2,
        Color::Purple => 3,
    }
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
