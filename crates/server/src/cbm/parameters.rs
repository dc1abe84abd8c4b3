//! Queries as the scripts send them: `True` for true, what is not known is passed over.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use geo_types::{Coord, LineString, Polygon};
use url::form_urlencoded;

use crate::error::Problem;
use crate::state::AppState;

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 64 << 10;
/// Most parameters.
const PARAMETERS_MAX: usize = 40;
/// Most corners of a polygon.
const CORNERS_MAX: usize = 2_000;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(BTreeMap<String, String>);

impl FromRequestParts<AppState> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        Self::new(parts.uri.query().unwrap_or_default())
    }
}

impl Asked {
    fn new(query: &str) -> Result<Self, Problem> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Problem::invalid(format!(
                "the query has more than {QUERY_BYTES_MAX} bytes"
            )));
        }
        let pairs = form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX);
        // Of what is given twice the first counts, as with the framework of the pioneers.
        let mut asked = BTreeMap::new();
        for (name, value) in pairs {
            asked
                .entry(name.into_owned())
                .or_insert(value.trim().to_owned());
        }
        Ok(Self(asked))
    }

    /// Returns a text, `None` where it is absent, empty or `None`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty() && *text != "None")
    }

    /// Returns a text.
    ///
    /// # Errors
    /// Where it is absent.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.text(name)
            .ok_or_else(|| Problem::invalid(format!("{name}: needed here")))
    }

    /// Returns a finite number, `None` where it is absent.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number
            .map(Some)
            .ok_or_else(|| Problem::invalid(format!("{name}: not a number")))
    }

    /// Returns longitude and latitude.
    ///
    /// # Errors
    /// Where one is absent or beyond what there is.
    pub(super) fn place(&self) -> Result<Coord<f64>, Problem> {
        let needed = |name: &str, most: f64| {
            let number = self.number(name)?.filter(|number| number.abs() <= most);
            number.ok_or_else(|| {
                Problem::invalid(format!("{name}: degrees from -{most} to {most} are needed"))
            })
        };
        Ok(Coord {
            x: needed("lon", 180.0)?,
            y: needed("lat", 90.0)?,
        })
    }

    /// True for `True`, `true` and `1`; `default` where it is absent.
    pub(super) fn flag(&self, name: &str, default: Flag) -> bool {
        match self.text(name) {
            None => default == Flag::On,
            Some(text) => text.eq_ignore_ascii_case("true") || text == "1",
        }
    }
}

/// What a flag is where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    On,
    Off,
}

/// Reads corners, `x_y-x_y-…` in degrees; the last joins the first.
///
/// # Errors
/// Where it is no polygon. Numbers may be negative: a sign stands at the beginning or behind `-` or `_`.
pub(super) fn polygon(text: &str) -> Result<Polygon<f64>, Problem> {
    let wrong = || Problem::invalid("polygon: corners as x_y-x_y-x_y in degrees");
    let mut corners: Vec<Coord<f64>> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (x, after) = number(rest).ok_or_else(wrong)?;
        let (y, after) = number(after.strip_prefix('_').ok_or_else(wrong)?).ok_or_else(wrong)?;
        if x.abs() > 180.0 || y.abs() > 90.0 || corners.len() >= CORNERS_MAX {
            return Err(wrong());
        }
        corners.push(Coord { x, y });
        rest = match after.strip_prefix('-') {
            Some(next) if !next.is_empty() => next,
            None if after.is_empty() => "",
            _ => return Err(wrong()),
        };
    }
    match corners.len() >= 3 {
        true => Ok(Polygon::new(LineString::new(corners), Vec::new())),
        false => Err(wrong()),
    }
}

/// Takes a number from the beginning.
fn number(text: &str) -> Option<(f64, &str)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
    let len = text.len() - unsigned.len() + digits.unwrap_or(unsigned.len());
    Some((text[..len].parse().ok()?, &text[len..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_numbers_and_flags_are_read() {
        let asked = Asked::new(
            "aoi=dk&year=2020&lon=9.5&lat=-56&withGeometry=True&wgs84=False&ptype=None&pid=",
        )
        .expect("a query");
        assert_eq!(
            (asked.text("aoi"), asked.text("ptype"), asked.text("pid")),
            (Some("dk"), None, None)
        );
        assert_eq!(asked.place().expect("a place"), Coord { x: 9.5, y: -56.0 });
        assert!(asked.flag("withGeometry", Flag::Off) && !asked.flag("wgs84", Flag::On));
        assert!(asked.flag("only_ids", Flag::On));
        assert!(asked.needed("pid").is_err() && asked.number("aoi").is_err());
        for query in ["lon=200&lat=1", "lon=1", "lon=nan&lat=1", "lon=inf&lat=1"] {
            assert!(
                Asked::new(query).expect("a query").place().is_err(),
                "{query}"
            );
        }
    }

    #[test]
    fn corners_may_be_west_and_south() {
        let found = polygon("-4.5_50-3_-2.25-1_51").expect("a polygon");
        let corners = &found.exterior().0;
        assert_eq!(corners[0], Coord { x: -4.5, y: 50.0 });
        assert_eq!(corners[1], Coord { x: 3.0, y: -2.25 });
        assert_eq!(corners.len(), 4);
        let far = polygon("-4.5_50--3_49--1_51").expect("a polygon");
        assert_eq!(far.exterior().0[1].x, -3.0);
        for bad in [
            "",
            "1_2",
            "1_2-3_4",
            "1_2-3_4-",
            "1_2;3_4;5_6",
            "200_1-1_1-2_2",
            "a_b-c_d-e_f",
        ] {
            assert!(polygon(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-_0-9.a]{0,60}|\\PC{0,30}") {
            let _ = polygon(&text);
            let _ = Asked::new(&text);
        }
    }
}
