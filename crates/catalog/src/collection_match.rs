//! Which collections a search for collections means.

use serde_json::{Map, Value};
use swath_grid::Bbox;

use crate::{CollectionSearch, geometry};

/// Tells whether a collection is one that is searched for.
pub(crate) fn matches(json: &Map<String, Value>, search: &CollectionSearch) -> bool {
    let text_matches = search.text.as_ref().is_none_or(|text| {
        let field = |name: &str| json.get(name).map(Value::to_string).unwrap_or_default();
        let all = ["id", "title", "description", "keywords"]
            .map(field)
            .join(" ")
            .to_lowercase();
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        words
            .filter(|word| !word.is_empty())
            .all(|word| all.contains(&word.to_lowercase()))
    });
    let bbox_matches = search.bbox.as_ref().is_none_or(|bbox| {
        let asked = geometry::rectangles(bbox);
        let extent = bboxes(json);
        extent.iter().flat_map(geometry::rectangles).any(|own| {
            asked.iter().any(|asked| {
                own.west <= asked.east
                    && own.east >= asked.west
                    && own.south <= asked.north
                    && own.north >= asked.south
            })
        })
    });
    text_matches
        && bbox_matches
        && search
            .datetime
            .as_ref()
            .is_none_or(|asked| in_time(json, asked))
}

fn bboxes(json: &Map<String, Value>) -> Vec<Bbox> {
    let list = json
        .get("extent")
        .and_then(|extent| extent.pointer("/spatial/bbox"));
    let list = list.and_then(Value::as_array).cloned().unwrap_or_default();
    let read = |bbox: &Value| {
        let numbers: Option<Vec<f64>> = bbox.as_array()?.iter().map(Value::as_f64).collect();
        match numbers?.as_slice() {
            [west, south, east, north] | [west, south, _, east, north, _] => Some(Bbox {
                west: *west,
                south: *south,
                east: *east,
                north: *north,
            }),
            _ => None,
        }
    };
    list.iter().filter_map(read).collect()
}

fn in_time(json: &Map<String, Value>, asked: &swath_stac::Interval) -> bool {
    let list = json
        .get("extent")
        .and_then(|extent| extent.pointer("/temporal/interval"));
    let list = list.and_then(Value::as_array).cloned().unwrap_or_default();
    let end = |interval: &Value, index: usize| {
        let text = interval.get(index).and_then(Value::as_str)?;
        swath_stac::parse_datetime(text).ok()
    };
    list.iter().any(|interval| {
        let (first, last) = (end(interval, 0), end(interval, 1));
        asked
            .end
            .zip(first)
            .is_none_or(|(asked, first)| first <= asked)
            && asked
                .start
                .zip(last)
                .is_none_or(|(asked, last)| last >= asked)
    })
}
