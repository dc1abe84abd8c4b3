//! What a request replaces of a style's colours.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use swath_raster::{ClassColor, ColorMap, Painting, ValueRange};

use super::{MapFailure, StyleChoice};

/// Most ranges that are kept.
const RANGES_MAX: usize = 4_096;

/// Returns the painting of a style with range, colour map and gamma of the request; `None` where the
/// range of one value is still open.
///
/// # Errors
/// Where a text is none of these.
pub(super) fn settle(
    own: Option<Painting>,
    choice: &StyleChoice,
    expressions: usize,
    gamma: Option<f64>,
) -> Result<Option<Painting>, MapFailure> {
    let ranges = choice.rescale.as_deref().map(parse_ranges).transpose()?;
    if let Some(ranges) = &ranges
        && ranges.len() != 1
        && ranges.len() != expressions
    {
        return Err(MapFailure::parameter(
            "rescale",
            format!("{} ranges for {expressions} values", ranges.len()),
        ));
    }
    if let Some(text) = &choice.colormap {
        return with_map(own, text, expressions, ranges, gamma);
    }
    Ok(match (own, ranges) {
        (Some(Painting::Classes(classes)), _) => Some(Painting::Classes(classes)),
        (Some(Painting::Rgb { ranges, gamma: own }), None) => Some(Painting::Rgb {
            ranges,
            gamma: gamma.unwrap_or(own),
        }),
        (
            Some(Painting::Ramp {
                range,
                gamma: own,
                map,
            }),
            ranges,
        ) => Some(Painting::Ramp {
            range: ranges.map_or(range, |ranges| ranges[0]),
            gamma: gamma.unwrap_or(own),
            map,
        }),
        (_, Some(ranges)) if expressions == 3 => Some(Painting::Rgb {
            ranges: match ranges.as_slice() {
                [one, two, three] => [*one, *two, *three],
                _ => [ranges[0]; 3],
            },
            gamma: gamma.unwrap_or(1.0),
        }),
        (None, Some(ranges)) => Some(Painting::Ramp {
            range: ranges[0],
            gamma: gamma.unwrap_or(1.0),
            map: ColorMap::named("greys").expect("a map of the list"),
        }),
        (own, _) => own,
    })
}

/// Returns the painting with a colour map by name, colours along values, or those of classes.
fn with_map(
    own: Option<Painting>,
    text: &str,
    expressions: usize,
    ranges: Option<Vec<ValueRange>>,
    gamma: Option<f64>,
) -> Result<Option<Painting>, MapFailure> {
    if expressions != 1 {
        let reason = "a colour map is for one value, not for three";
        return Err(MapFailure::parameter("colormap", reason));
    }
    let gamma = gamma.unwrap_or(1.0);
    let asked = ranges.map(|ranges| ranges[0]);
    let wrong =
        |error: swath_raster::ColorMapError| MapFailure::parameter("colormap", error.to_string());
    if !text.contains(':') {
        let Some(map) = ColorMap::named(text) else {
            let known: Vec<&str> = ColorMap::names().collect();
            let reason = format!("expected VALUE:#rrggbb,… or one of {}", known.join(", "));
            return Err(MapFailure::parameter("colormap", reason));
        };
        let range = match own {
            Some(Painting::Ramp { range, .. }) => Some(asked.unwrap_or(range)),
            _ => asked,
        };
        return match range {
            Some(range) => Ok(Some(Painting::Ramp { range, gamma, map })),
            None => Err(MapFailure::parameter(
                "rescale",
                "a colour map for these values needs LOW,HIGH",
            )),
        };
    }
    if matches!(own, Some(Painting::Classes(_))) {
        let pairs = ColorMap::parse_pairs(text).map_err(wrong)?;
        let class = |(value, color)| ClassColor {
            value,
            name: String::new(),
            color: Some(color),
        };
        return Ok(Some(Painting::Classes(
            pairs.into_iter().map(class).collect(),
        )));
    }
    let (low, high, map) = ColorMap::parse_stops(text).map_err(wrong)?;
    let range = asked.unwrap_or(ValueRange { low, high });
    Ok(Some(Painting::Ramp { range, gamma, map }))
}

/// Reads `LOW,HIGH`, or several with `;` between them.
fn parse_ranges(text: &str) -> Result<Vec<ValueRange>, MapFailure> {
    let wrong = || {
        MapFailure::parameter(
            "rescale",
            "expected LOW,HIGH, or three pairs with \";\" between them; the ends differ",
        )
    };
    let mut ranges = Vec::new();
    for pair in text.split(';').take(4) {
        let (low, high) = pair.split_once(',').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        ranges.push(ValueRange::new(number(low)?, number(high)?).ok_or_else(wrong)?);
    }
    Ok(ranges)
}

/// Ranges of greys that were found in values: tiles beside each other must look alike.
#[derive(Debug, Default)]
pub(crate) struct KnownRanges {
    held: Mutex<HashMap<String, ValueRange>>,
}

impl KnownRanges {
    pub(super) fn get(&self, key: &str) -> Option<ValueRange> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(key).copied()
    }

    pub(super) fn keep(&self, key: String, range: ValueRange) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= RANGES_MAX {
            held.clear();
        }
        held.insert(key, range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(rescale: &str, colormap: &str) -> StyleChoice {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        StyleChoice {
            rescale: some(rescale),
            colormap: some(colormap),
            ..StyleChoice::default()
        }
    }

    #[test]
    fn ranges_are_for_all_or_for_each() {
        let three = settle(None, &choice("0,1;0,2;0,3", ""), 3, None).expect("a painting");
        let Some(Painting::Rgb { ranges, .. }) = three else {
            panic!("three values");
        };
        assert_eq!(ranges.map(|range| range.high), [1.0, 2.0, 3.0]);
        assert!(matches!(
            settle(None, &choice("0,1", ""), 1, Some(2.0)),
            Ok(Some(Painting::Ramp { gamma: 2.0, .. }))
        ));
        assert_eq!(settle(None, &choice("", ""), 1, None), Ok(None));
        for bad in ["1", "1,1", "a,b", "0,1;0,2", "0,inf"] {
            assert!(settle(None, &choice(bad, ""), 1, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn maps_have_names_or_colours() {
        assert!(settle(None, &choice("0,1", "magma"), 1, None).is_ok());
        assert!(settle(None, &choice("", "magma"), 1, None).is_err());
        assert!(settle(None, &choice("0,1", "jet"), 1, None).is_err());
        assert!(settle(None, &choice("0,1", "magma"), 3, None).is_err());
        let stops = settle(None, &choice("", "0:#000000,5:#ffffff"), 1, None);
        let Ok(Some(Painting::Ramp { range, .. })) = stops else {
            panic!("a ramp");
        };
        assert_eq!((range.low, range.high), (0.0, 5.0));
    }

    #[test]
    fn classes_get_other_colours() {
        let own = Some(Painting::Classes(Vec::new()));
        let settled = settle(own, &choice("", "4:#00ff00"), 1, None);
        let Ok(Some(Painting::Classes(classes))) = settled else {
            panic!("classes");
        };
        assert_eq!(classes[0].color, Some([0, 255, 0]));
    }
}
