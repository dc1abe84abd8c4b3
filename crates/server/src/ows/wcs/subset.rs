//! SUBSET and the scaling parameters of WCS 2.0 as typed (09-147r3 §8, 12-039, 11-053r1): pure.
//!
//! `x(1,2)`, `Lat(50.1)`, `time("2018-05-06","2018-05-07")`, `x,EPSG:4326(3,4)`; `*` is an open end.

use super::super::failure::{Fault, OwsFailure};
use super::super::kvp::{number, shown};

/// Longest text of one subset, in bytes.
const TEXT_BYTES_MAX: usize = 400;

/// An axis of a coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Easting or longitude.
    X,
    /// Northing or latitude.
    Y,
    /// Instants.
    Time,
}

impl Axis {
    /// Returns the axis of a label: those of the documents, and what other servers call them.
    ///
    /// # Errors
    /// [`Fault::Axis`].
    pub(crate) fn of_label(label: &str) -> Result<Self, OwsFailure> {
        match label.trim().to_ascii_lowercase().as_str() {
            "x" | "e" | "easting" | "long" | "lon" | "longitude" | "i" => Ok(Self::X),
            "y" | "n" | "northing" | "lat" | "latitude" | "j" => Ok(Self::Y),
            "time" | "t" | "phenomenontime" | "ansi" | "date" => Ok(Self::Time),
            _ => {
                let text = format!(
                    "there is no axis \"{}\": the axes are those of axisLabels, and time",
                    shown(label)
                );
                Err(OwsFailure::new(Fault::Axis, text).at("subset"))
            }
        }
    }
}

/// A part of one axis: a trim, or a slice where both ends are one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subset {
    pub(crate) axis: Axis,
    /// CRS named within the subset, as older clients do it.
    pub(crate) crs: Option<String>,
    /// As typed, without quotes; `None` = open.
    pub(crate) low: Option<String>,
    /// Likewise.
    pub(crate) high: Option<String>,
}

/// The two ends of a numeric subset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Subset {
    /// Reads one value of SUBSET.
    ///
    /// # Errors
    /// [`Fault::Axis`] for an unknown axis, [`Fault::Subset`] for any other form.
    pub(crate) fn read(text: &str) -> Result<Self, OwsFailure> {
        let wrong = |reason: &str| {
            let text = format!("SUBSET \"{}\": {reason}", shown(text));
            OwsFailure::new(Fault::Subset, text).at("subset")
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong("too long"));
        }
        let expected = || wrong("expected such as x(500000,501000) or time(\"2018-05-06\")");
        let (head, rest) = text.split_once('(').ok_or_else(expected)?;
        let inner = rest.trim_end().strip_suffix(')').ok_or_else(expected)?;
        let (label, crs) = match head.split_once(',') {
            Some((label, crs)) => (label, Some(crs.trim().to_owned())),
            None => (head, None),
        };
        let ends: Vec<Option<String>> = inner.split(',').take(3).map(end).collect();
        let (low, high) = match &ends[..] {
            [Some(value)] if !value.is_empty() => (Some(value.clone()), Some(value.clone())),
            [low, high] => (low.clone(), high.clone()),
            _ => return Err(expected()),
        };
        if [&low, &high].into_iter().flatten().any(String::is_empty) {
            return Err(expected());
        }
        Ok(Self {
            axis: Axis::of_label(label)?,
            crs,
            low,
            high,
        })
    }

    /// Returns the ends as numbers; an open one is that of `whole`.
    ///
    /// # Errors
    /// [`Fault::Subset`] where they are none, or the low lies above the high.
    pub(crate) fn range(&self, whole: Range) -> Result<Range, OwsFailure> {
        let wrong = |text: String| OwsFailure::new(Fault::Subset, text).at("subset");
        let end = |text: &Option<String>, open: f64| match text {
            Some(text) => number(text)
                .ok_or_else(|| wrong(format!("SUBSET: \"{}\" is no number", shown(text)))),
            None => Ok(open),
        };
        let range = Range {
            low: end(&self.low, whole.low)?,
            high: end(&self.high, whole.high)?,
        };
        match range.low <= range.high {
            true => Ok(range),
            false => Err(wrong(format!(
                "SUBSET: {} lies above {}",
                range.low, range.high
            ))),
        }
    }
}

fn end(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = text.trim_matches(['"', '\'']).trim();
    (plain != "*").then(|| plain.to_owned())
}

/// A size asked for, one side or both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Pixels become so many times as many, along each axis.
    Factors {
        /// Along x.
        across: f64,
        /// Along y.
        down: f64,
    },
    /// So many pixels; `None`: as many as the coverage has.
    Pixels {
        /// Along x.
        across: Option<f64>,
        /// Along y.
        down: Option<f64>,
    },
}

/// Reads a list such as `x(0.5),y(0.5)`, and of `x(0:99)` the number of values.
///
/// # Errors
/// [`Fault::Scale`] or [`Fault::Axis`].
pub(crate) fn scales(name: &str, text: &str) -> Result<[Option<f64>; 2], OwsFailure> {
    let wrong = || {
        let text = format!("{name} \"{}\": expected such as x(10),y(20)", shown(text));
        OwsFailure::new(Fault::Scale, text).at(name)
    };
    let mut found = [None, None];
    if text.len() > TEXT_BYTES_MAX {
        return Err(wrong());
    }
    for part in text.split("),") {
        let (label, value) = part
            .trim_end_matches(')')
            .split_once('(')
            .ok_or_else(wrong)?;
        let value = match value.split_once([':', ',']) {
            Some((low, high)) => {
                let ends = number(low).zip(number(high)).ok_or_else(wrong)?;
                ends.1 - ends.0 + 1.0
            }
            None => number(value).ok_or_else(wrong)?,
        };
        if value <= 0.0 {
            return Err(wrong());
        }
        match Axis::of_label(label)? {
            Axis::X => found[0] = Some(value),
            Axis::Y => found[1] = Some(value),
            Axis::Time => return Err(wrong()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trims_and_slices_are_read() {
        let trim = Subset::read("x(500000, 501000.5)").expect("a trim");
        let whole = Range {
            low: 0.0,
            high: 9e9,
        };
        assert_eq!(trim.axis, Axis::X);
        assert_eq!(
            trim.range(whole),
            Ok(Range {
                low: 500_000.0,
                high: 501_000.5
            })
        );
        let slice = Subset::read("Lat(50.5)").expect("a slice");
        assert_eq!(
            (slice.axis, slice.low.clone()),
            (Axis::Y, slice.high.clone())
        );
        let open = Subset::read("y(*,7)").expect("a trim");
        assert_eq!(
            open.range(whole),
            Ok(Range {
                low: 0.0,
                high: 7.0
            })
        );
        let time = Subset::read("time(\"2018-05-06T10:50:29Z\")").expect("a slice");
        assert_eq!(time.low.as_deref(), Some("2018-05-06T10:50:29Z"));
        let other =
            Subset::read("x,http://www.opengis.net/def/crs/EPSG/0/4326(3,4)").expect("a trim");
        assert_eq!(
            other.crs.as_deref(),
            Some("http://www.opengis.net/def/crs/EPSG/0/4326")
        );
    }

    #[test]
    fn other_texts_are_refused_by_kind() {
        for (text, fault) in [
            ("x", Fault::Subset),
            ("x(", Fault::Subset),
            ("x()", Fault::Subset),
            ("x(*)", Fault::Subset),
            ("x(1,2,3)", Fault::Subset),
            ("z(1,2)", Fault::Axis),
        ] {
            assert_eq!(
                Subset::read(text).map_err(|failure| failure.fault),
                Err(fault),
                "{text}"
            );
        }
        let whole = Range {
            low: 0.0,
            high: 1.0,
        };
        for text in ["x(a,b)", "x(2,1)", "x(nan,1)"] {
            let range = Subset::read(text).and_then(|subset| subset.range(whole));
            assert_eq!(
                range.map_err(|failure| failure.fault),
                Err(Fault::Subset),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_read_by_axis() {
        assert_eq!(
            scales("scaleSize", "x(10),y(20)"),
            Ok([Some(10.0), Some(20.0)])
        );
        assert_eq!(scales("scaleExtent", "Long(0:99)"), Ok([Some(100.0), None]));
        for text in ["", "x", "x(0)", "x(-1)", "time(3)", "x(b)"] {
            assert!(scales("scaleAxes", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "\\PC{0,40}", near in "[xyt,():0-9.*\" -]{0,30}") {
            for text in [text, near] {
                let whole = Range { low: 0.0, high: 1.0 };
                let _ = Subset::read(&text).and_then(|subset| subset.range(whole));
                let _ = scales("scaleSize", &text);
            }
        }
    }
}
