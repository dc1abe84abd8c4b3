use super::axis::{time_axis, value_axis};
use super::events::place;
use super::*;

const DAY_US: DatetimeUs = 86_400_000_000;
/// 2021-03-01.
const MARCH_US: DatetimeUs = 18_687 * DAY_US;

fn dot(day: i64, value: f64, is_clear: bool) -> Dot {
    Dot {
        datetime_us: MARCH_US + day * DAY_US,
        value,
        is_clear,
    }
}

fn series(label: &str, points: &[Dot]) -> Series {
    Series {
        label: label.to_owned(),
        points: points.to_vec(),
        ..Series::default()
    }
}

fn panel(range: Option<(f64, f64)>, values: &[f64]) -> Panel {
    let points: Vec<Dot> = values
        .iter()
        .enumerate()
        .map(|(day, value)| dot(day as i64, *value, true))
        .collect();
    Panel {
        range,
        series: vec![series("", &points)],
        height_px: 100.0,
        ..Panel::default()
    }
}

fn tiny() -> Chart {
    let points = [dot(3, 0.25, true), dot(13, 0.5, false), dot(23, 0.75, true)];
    Chart {
        title: "Parcel <7> & \"co\"".to_owned(),
        subtitle: "maize\u{1}".to_owned(),
        footer: "footer".to_owned(),
        panels: vec![Panel {
            title: "NDVI".to_owned(),
            height_px: 100.0,
            range: Some((0.0, 1.0)),
            series: vec![series("a", &points)],
            blanks: Vec::new(),
        }],
        events: vec![Event {
            datetime_us: MARCH_US + 10 * DAY_US,
            label: "mowing 11 Mar".to_owned(),
        }],
    }
}

#[test]
fn a_tiny_chart_looks_like_this() {
    let text = render(&tiny());
    let (_, body) = text.split_once("</style>\n").expect("a style");
    insta::assert_snapshot!(body, @r#"
    <rect class="bg" width="960" height="268"/>
    <text class="title" x="56" y="30">Parcel &lt;7&gt; &amp; &quot;co&quot;</text>
    <text class="soft" x="56" y="50">maize </text>
    <text class="name" x="56.0" y="80.0">NDVI</text>
    <text x="929.4" y="80.0">a</text>
    <path class="line l0" d="M899.4 76.0L923.4 76.0"/>
    <circle class="d0" cx="911.4" cy="76.0" r="2.8"></circle>
    <line class="event" x1="339.9" x2="339.9" y1="92.0" y2="106.0"/>
    <text class="halo" x="343.9" y="102.0">mowing 11 Mar</text>
    <line class="grid" x1="56.0" x2="936.0" y1="206.0" y2="206.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="210.0">0.0</text>
    <line class="grid" x1="56.0" x2="936.0" y1="186.0" y2="186.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="190.0">0.2</text>
    <line class="grid" x1="56.0" x2="936.0" y1="166.0" y2="166.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="170.0">0.4</text>
    <line class="grid" x1="56.0" x2="936.0" y1="146.0" y2="146.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="150.0">0.6</text>
    <line class="grid" x1="56.0" x2="936.0" y1="126.0" y2="126.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="130.0">0.8</text>
    <line class="grid" x1="56.0" x2="936.0" y1="106.0" y2="106.0"/>
    <text class="soft" text-anchor="end" x="48.0" y="110.0">1.0</text>
    <line class="frame" x1="56.0" x2="936.0" y1="206.0" y2="206.0"/>
    <line class="event" x1="339.9" x2="339.9" y1="106.0" y2="206.0"/>
    <path class="line l0" d="M141.2 181.0L708.9 131.0"/>
    <circle class="h l0" cx="425.0" cy="156.0" r="2.8"><title>2021-03-14: 0.50</title></circle>
    <circle class="d0" cx="141.2" cy="181.0" r="2.8"><title>2021-03-04: 0.25</title></circle>
    <circle class="d0" cx="708.9" cy="131.0" r="2.8"><title>2021-03-24: 0.75</title></circle>
    <line class="frame" x1="56.0" x2="56.0" y1="206.0" y2="211.0"/>
    <text text-anchor="middle" x="496.0" y="224.0">Mar 2021</text>
    <line class="frame" x1="936.0" x2="936.0" y1="206.0" y2="211.0"/>
    <text class="soft" x="56.0" y="252.0">footer</text>
    </svg>
    "#);
}

#[test]
fn text_is_escaped_and_nothing_comes_from_elsewhere() {
    let text = render(&tiny());
    assert!(text.contains("Parcel &lt;7&gt; &amp; &quot;co&quot;"));
    assert!(
        text.chars()
            .all(|character| character == '\n' || !character.is_control())
    );
    for foreign in [
        "<script",
        "@import",
        "url(",
        "xlink:",
        "<image",
        "@font-face",
    ] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    let addresses = text.matches("http").count();
    assert_eq!(addresses, 1, "the name space only");
}

#[test]
fn elements_are_closed() {
    let text = render(&tiny());
    for name in ["svg", "style", "title", "text", "circle"] {
        let opened =
            text.matches(&format!("<{name} ")).count() + text.matches(&format!("<{name}>")).count();
        let closed = text.matches(&format!("</{name}>")).count();
        assert_eq!(opened, closed, "{name}");
    }
}

#[test]
fn unclear_values_are_hollow_and_left_out_of_the_line() {
    let text = render(&tiny());
    // One in the legend, two clear values.
    assert_eq!(text.matches("<circle class=\"d0\"").count(), 3);
    assert_eq!(text.matches("<circle class=\"h l0\"").count(), 1);
    let line = text
        .lines()
        .filter(|line| line.starts_with("<path class=\"line l0\""))
        .nth(1);
    assert_eq!(line.map(|line| line.matches(['M', 'L']).count()), Some(2));
}

#[test]
fn events_beyond_the_season_are_not_drawn() {
    let mut chart = tiny();
    chart.events[0].datetime_us = MARCH_US - DAY_US;
    assert!(!render(&chart).contains("mowing"));
}

#[test]
fn a_chart_without_values_is_still_a_picture() {
    assert!(render(&Chart::default()).ends_with("</svg>\n"));
    let empty = Chart {
        panels: vec![panel(None, &[]), panel(None, &[f64::NAN])],
        ..Chart::default()
    };
    let text = render(&empty);
    assert!(!text.contains("NaN") && !text.contains("inf"));
}

#[test]
fn ticks_are_round_and_ends_of_the_panel_hold() {
    let index = value_axis(&panel(Some((0.0, 1.0)), &[0.2, 0.9]));
    assert_eq!(
        (index.range, index.decimals, index.ticks.len()),
        ((0.0, 1.0), 1, 6)
    );
    let below = value_axis(&panel(Some((0.0, 1.0)), &[-0.3, 0.9]));
    assert!(below.range.0 < -0.3 && below.range.1 == 1.0);
    let decibels = value_axis(&panel(None, &[-21.0, -8.5]));
    assert_eq!(decibels.ticks, [-20.0, -15.0, -10.0]);
    assert_eq!(decibels.decimals, 0);
    let small = value_axis(&panel(None, &[0.001, 0.002]));
    assert!(small.decimals >= 4 && small.ticks.len() >= 3);
}

#[test]
fn equal_values_have_a_range() {
    for value in [0.0, 7.0, -1e9] {
        let axis = value_axis(&panel(None, &[value, value]));
        assert!(
            axis.range.0 < value && value < axis.range.1,
            "{value}: {axis:?}"
        );
        assert!(axis.ticks.len() < 20, "{value}: {axis:?}");
    }
}

#[test]
fn months_are_whole_and_labels_keep_apart() {
    let span = |days: i64| Chart {
        panels: vec![Panel {
            series: vec![series("", &[dot(3, 0.0, true), dot(days, 0.0, true)])],
            ..Panel::default()
        }],
        ..Chart::default()
    };
    let season = time_axis(&span(240), 880.0);
    let labels: Vec<&str> = season
        .months
        .iter()
        .map(|month| month.label.as_str())
        .collect();
    assert_eq!(
        labels,
        ["Mar 2021", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]
    );
    assert_eq!(season.from_us, MARCH_US);
    let decades = time_axis(&span(365 * 30), 880.0);
    let labelled = decades
        .months
        .iter()
        .filter(|month| !month.label.is_empty())
        .count();
    assert!((2..=30).contains(&labelled), "{labelled}");
}

#[test]
fn labels_of_near_events_stand_above_each_other() {
    let places = place(
        &[100.0, 140.0, 150.0, 400.0],
        &[80.0, 80.0, 80.0, 80.0],
        900.0,
    );
    let rows: Vec<usize> = places.iter().map(|place| place.row).collect();
    assert_eq!(rows, [2, 1, 0, 0]);
    assert!(places.iter().all(|place| !place.is_left));
}

#[test]
fn labels_near_the_end_turn_left_and_go_above_what_they_touch() {
    let places = place(&[780.0, 880.0, 890.0], &[80.0, 80.0, 80.0], 900.0);
    let turned: Vec<(usize, bool)> = places
        .iter()
        .map(|place| (place.row, place.is_left))
        .collect();
    assert_eq!(turned, [(0, false), (1, true), (2, true)]);
}

#[test]
fn a_chart_becomes_pixels_of_twice_the_size() {
    let file = render_png(&tiny());
    assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
    let number =
        |from: usize| u32::from_be_bytes(file[from..from + 4].try_into().expect("4 bytes"));
    assert_eq!((number(16), number(20)), (1_920, 536));
    assert!(file.len() > 4_000, "letters and lines are drawn");
    assert!(render_png(&Chart::default()).len() < file.len());
}
