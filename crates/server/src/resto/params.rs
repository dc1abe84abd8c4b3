//! The query of a URL, as typed, and what it means.
//!
//! Unknown parameters are ignored, values that make no sense are refused with the name of the
//! parameter. Empty values count as absent, as scripts send them.

use chrono::{DateTime, Utc};
use geo_types::Geometry;
use swath_grid::Bbox;
use swath_stac::parse_datetime;
use thiserror::Error;
use uuid::Uuid;

use super::interval::{self, Bound, Range, shown};
use crate::products::footprint;

/// Records of one page where nothing is said.
pub(crate) const RECORDS_DEFAULT: u32 = 20;
/// Most records of one page.
pub(crate) const RECORDS_MAX: u32 = 2_000;
/// Most records before a page.
pub(crate) const OFFSET_MAX: u64 = 200_000;
/// Most parameters of one query.
const PARAMETERS_MAX: usize = 200;
/// Longest value of a text parameter, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Most values of one parameter that lists alternatives.
const CHOICES_MAX: usize = 50;

/// A parameter that makes no sense.
#[derive(Debug, Error, PartialEq)]
#[error("invalid value for parameter {name}: {reason}")]
pub(crate) struct ParamError {
    name: String,
    reason: String,
}

fn wrong(name: &str, reason: impl Into<String>) -> ParamError {
    ParamError {
        name: name.to_owned(),
        reason: reason.into(),
    }
}

/// A query, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RestoQuery {
    /// Records of one page, 0 = none but their number.
    pub(crate) max_records: u32,
    /// Records before the page.
    pub(crate) offset: u64,
    /// What the results are ordered by.
    pub(crate) sort: Sort,
    /// True where the number of all results is asked for.
    pub(crate) is_count_exact: bool,
    /// False where only products are asked for that we would have to fetch first: there are none.
    pub(crate) wants_online: bool,
    /// Where.
    pub(crate) place: Option<Place>,
    /// When the acquisition began.
    pub(crate) start: Vec<TimeBound>,
    /// When the acquisition ended.
    pub(crate) completion: Vec<TimeBound>,
    /// When the product was published.
    pub(crate) published: Vec<TimeBound>,
    /// When the record was changed.
    pub(crate) updated: Vec<TimeBound>,
    /// Numbers by attribute.
    pub(crate) numbers: Vec<(&'static str, Vec<Range<f64>>)>,
    /// Alternative texts by attribute.
    pub(crate) texts: Vec<(&'static str, Vec<String>)>,
    /// Pattern of the product's name or path, `%` for any text.
    pub(crate) name_pattern: Option<String>,
    /// One product.
    pub(crate) uuid: Option<Uuid>,
}

/// Where products lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// Shares a point with the rectangle; west may lie east of east.
    Box(Bbox),
    /// Shares a point with the geometry.
    Geometry(Geometry),
}

/// On which side of an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TimeBound {
    /// Not before it, or after it.
    From(Bound<DateTime<Utc>>),
    /// Not after it, or before it.
    To(Bound<DateTime<Utc>>),
}

/// Order of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sort {
    /// STAC name of the key.
    pub(crate) field: &'static str,
    /// True: largest first.
    pub(crate) is_descending: bool,
}

/// Names of other dialects (OGC 13-026 and its CEOS profile) for the same parameters.
const SYNONYMS: &[(&str, &str)] = &[
    ("count", "maxRecords"),
    ("startIndex", "index"),
    ("startPage", "page"),
    ("bbox", "box"),
    ("uid", "identifier"),
    ("polarizationChannels", "polarisation"),
    ("polarisationChannels", "polarisation"),
    ("productId", "productIdentifier"),
    ("title", "productIdentifier"),
    ("name", "productIdentifier"),
    ("tile", "tileId"),
];

const NUMBERS: &[&str] = &[
    "cloudCover",
    "snowCover",
    "orbitNumber",
    "relativeOrbitNumber",
    "resolution",
];

const TEXTS: &[&str] = &[
    "productType",
    "processingLevel",
    "platform",
    "instrument",
    "sensorMode",
    "orbitDirection",
    "polarisation",
    "processingBaseline",
    "timeliness",
    "tileId",
    "swathIdentifier",
];

/// The parameters of a URL, by the names that resto gives them; the last of a name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the part of a URL behind `?`; `+` is a space.
    ///
    /// # Errors
    /// Where there are too many.
    pub(crate) fn read(query: &str) -> Result<Self, ParamError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (index, (name, value)) in url::form_urlencoded::parse(query.as_bytes()).enumerate() {
            if index == PARAMETERS_MAX {
                return Err(wrong(
                    "query",
                    format!("more than {PARAMETERS_MAX} parameters"),
                ));
            }
            let name = SYNONYMS
                .iter()
                .find(|(synonym, _)| *synonym == name)
                .map_or(name.as_ref(), |(_, known)| known);
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            found.retain(|(own, _)| own != name);
            found.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(found))
    }

    /// Returns the value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns all of them, in the order they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns them without one.
    pub(crate) fn without(&self, name: &str) -> Self {
        let left = self.0.iter().filter(|(own, _)| own != name);
        Self(left.cloned().collect())
    }

    /// Returns them as the query of a URL, with one of them replaced.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (own, own_value) in self.iter().filter(|(own, _)| *own != name) {
            query.append_pair(own, own_value);
        }
        query.append_pair(name, value);
        query.finish()
    }
}

impl RestoQuery {
    /// Understands the parameters of a search.
    ///
    /// # Errors
    /// At the first that makes no sense.
    pub(crate) fn understand(parameters: &Parameters) -> Result<Self, ParamError> {
        let max_records = max_records(parameters)?;
        let mut query = Self {
            max_records,
            offset: offset(parameters, max_records)?,
            sort: sort(parameters)?,
            is_count_exact: flag(parameters, "exactCount")?,
            wants_online: wants_online(parameters)?,
            place: place(parameters)?,
            start: Vec::new(),
            completion: Vec::new(),
            published: Vec::new(),
            updated: Vec::new(),
            numbers: Vec::new(),
            texts: Vec::new(),
            name_pattern: None,
            uuid: None,
        };
        query.start = times(parameters, "startDate", Side::From)?;
        query.completion = times(parameters, "completionDate", Side::To)?;
        query.published = times(parameters, "published", Side::From)?;
        query
            .published
            .extend(times(parameters, "publishedAfter", Side::From)?);
        query
            .published
            .extend(times(parameters, "publishedBefore", Side::To)?);
        query.updated = times(parameters, "updated", Side::From)?;
        query
            .updated
            .extend(times(parameters, "updatedAfter", Side::From)?);
        query
            .updated
            .extend(times(parameters, "updatedBefore", Side::To)?);
        for name in NUMBERS.iter().copied() {
            if let Some(text) = parameters.get(name) {
                query.numbers.push((name, numbers(name, text)?));
            }
        }
        for name in TEXTS.iter().copied() {
            if let Some(text) = parameters.get(name) {
                query.texts.push((name, choices(name, text)?));
            }
        }
        query.name_products(parameters)?;
        Ok(query)
    }

    fn name_products(&mut self, parameters: &Parameters) -> Result<(), ParamError> {
        for name in ["identifier", "productIdentifier"] {
            let Some(text) = parameters.get(name) else {
                continue;
            };
            check_length(name, text)?;
            match Uuid::try_parse(text) {
                Ok(uuid) => self.uuid = Some(uuid),
                Err(_) => self.name_pattern = Some(text.to_owned()),
            }
        }
        Ok(())
    }
}

fn check_length(name: &str, text: &str) -> Result<(), ParamError> {
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!("{} bytes, at most {TEXT_BYTES_MAX} are read", text.len());
        return Err(wrong(name, reason));
    }
    Ok(())
}

fn whole_number(parameters: &Parameters, name: &str) -> Result<Option<u64>, ParamError> {
    let Some(text) = parameters.get(name) else {
        return Ok(None);
    };
    let parsed = text
        .parse()
        .map_err(|_| wrong(name, format!("\"{}\" is not a whole number", shown(text))))?;
    Ok(Some(parsed))
}

fn max_records(parameters: &Parameters) -> Result<u32, ParamError> {
    let asked = whole_number(parameters, "maxRecords")?.unwrap_or(u64::from(RECORDS_DEFAULT));
    u32::try_from(asked)
        .ok()
        .filter(|records| *records <= RECORDS_MAX)
        .ok_or_else(|| wrong("maxRecords", format!("at most {RECORDS_MAX}")))
}

fn offset(parameters: &Parameters, max_records: u32) -> Result<u64, ParamError> {
    let one_based = |name: &str| match whole_number(parameters, name)? {
        Some(0) => Err(wrong(name, "counts from 1")),
        found => Ok(found),
    };
    let (name, offset) = match (one_based("index")?, one_based("page")?) {
        (Some(index), _) => ("index", index - 1),
        (None, Some(page)) => ("page", (page - 1).saturating_mul(u64::from(max_records))),
        (None, None) => ("page", 0),
    };
    if offset > OFFSET_MAX {
        let reason =
            format!("begins after record {offset}, at most {OFFSET_MAX}; narrow the dates");
        return Err(wrong(name, reason));
    }
    Ok(offset)
}

fn sort(parameters: &Parameters) -> Result<Sort, ParamError> {
    let field = match parameters.get("sortParam").unwrap_or("startDate") {
        // The catalogue has an index by it, and it is the start of every acquisition.
        "startDate" => "datetime",
        "completionDate" => "end_datetime",
        "published" => "created",
        "updated" => "updated",
        "cloudCover" => "eo:cloud_cover",
        _ => {
            let reason = "one of startDate, completionDate, published, updated, cloudCover";
            return Err(wrong("sortParam", reason));
        }
    };
    let is_descending = match parameters.get("sortOrder").unwrap_or("descending") {
        "descending" | "desc" => true,
        "ascending" | "asc" => false,
        _ => return Err(wrong("sortOrder", "ascending or descending")),
    };
    Ok(Sort {
        field,
        is_descending,
    })
}

fn flag(parameters: &Parameters, name: &str) -> Result<bool, ParamError> {
    match parameters.get(name).unwrap_or("0") {
        "1" | "true" | "True" => Ok(true),
        "0" | "false" | "False" => Ok(false),
        _ => Err(wrong(name, "0 or 1")),
    }
}

/// `status`: 0, 34 and 37 are products at hand, 31 and 32 those to be ordered.
fn wants_online(parameters: &Parameters) -> Result<bool, ParamError> {
    let Some(text) = parameters.get("status") else {
        return Ok(true);
    };
    let mut is_online = false;
    for choice in choices("status", text)? {
        match choice.to_ascii_uppercase().as_str() {
            "ALL" | "ONLINE" | "0" | "34" | "37" => is_online = true,
            "OFFLINE" | "31" | "32" => {}
            _ => return Err(wrong("status", "all, ONLINE, OFFLINE, 0, 31, 32, 34 or 37")),
        }
    }
    Ok(is_online)
}

fn place(parameters: &Parameters) -> Result<Option<Place>, ParamError> {
    if let Some(text) = parameters.get("geometry") {
        let geometry =
            footprint::parse_wkt(text).map_err(|error| wrong("geometry", error.to_string()))?;
        return Ok(Some(Place::Geometry(geometry)));
    }
    if let Some(text) = parameters.get("box") {
        return bbox(text).map(|bbox| Some(Place::Box(bbox)));
    }
    let [longitude, latitude, radius_m] =
        ["lon", "lat", "radius"].map(|name| match parameters.get(name) {
            Some(text) => number(text).map(Some).map_err(|reason| wrong(name, reason)),
            None => Ok(None),
        });
    match (longitude?, latitude?, radius_m?) {
        (None, None, None) => Ok(None),
        (Some(longitude), Some(latitude), radius_m) => {
            footprint::around(longitude, latitude, radius_m)
                .map(|geometry| Some(Place::Geometry(geometry)))
                .map_err(|error| wrong("lon, lat, radius", error.to_string()))
        }
        _ => Err(wrong("lon, lat, radius", "lon and lat belong together")),
    }
}

fn bbox(text: &str) -> Result<Bbox, ParamError> {
    let edges: Result<Vec<f64>, String> = text.split(',').take(5).map(number).collect();
    let edges = edges.map_err(|reason| wrong("box", reason))?;
    let [west, south, east, north] = edges[..] else {
        return Err(wrong("box", "west,south,east,north"));
    };
    let is_longitude = |edge: f64| (-180.0..=180.0).contains(&edge);
    let is_latitude = |edge: f64| (-90.0..=90.0).contains(&edge);
    if !(is_longitude(west) && is_longitude(east) && is_latitude(south) && is_latitude(north)) {
        return Err(wrong("box", "degrees within -180..180 and -90..90"));
    }
    if south > north {
        return Err(wrong("box", "the south lies north of the north"));
    }
    Ok(Bbox {
        west,
        south,
        east,
        north,
    })
}

fn number(text: &str) -> Result<f64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| format!("\"{}\" is not a number", shown(text)))
}

#[derive(Clone, Copy)]
enum Side {
    From,
    To,
}

fn times(
    parameters: &Parameters,
    name: &str,
    plain_means: Side,
) -> Result<Vec<TimeBound>, ParamError> {
    let Some(text) = parameters.get(name) else {
        return Ok(Vec::new());
    };
    let range = interval::parse(text, parse_time).map_err(|reason| wrong(name, reason))?;
    Ok(match range {
        Range::Plain(value) => {
            vec![match plain_means {
                Side::From => TimeBound::From(included(value)),
                Side::To => TimeBound::To(included(day_end(value, text))),
            }]
        }
        Range::Between(start, end) => {
            let start = start.map(TimeBound::From);
            start.into_iter().chain(end.map(TimeBound::To)).collect()
        }
    })
}

fn included(value: DateTime<Utc>) -> Bound<DateTime<Utc>> {
    Bound {
        value,
        is_included: true,
    }
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    // An unencoded `+` of a time zone arrives as a space.
    let text = text.trim().replace(' ', "+");
    parse_datetime(&text).map_err(|error| error.to_string())
}

/// Returns the end of the day where `text` is a date alone: "until May" without brackets takes all of it.
fn day_end(value: DateTime<Utc>, text: &str) -> DateTime<Utc> {
    let rest = chrono::TimeDelta::microseconds(86_400_000_000 - 1);
    match text.trim().len() {
        10 => value.checked_add_signed(rest).unwrap_or(value),
        _ => value,
    }
}

fn numbers(name: &str, text: &str) -> Result<Vec<Range<f64>>, ParamError> {
    choices(name, text)?
        .iter()
        .map(|choice| interval::parse(choice, number).map_err(|reason| wrong(name, reason)))
        .collect()
}

/// Splits alternatives: `a|b`, and the set `{a,b}` of OGC 13-026.
fn choices(name: &str, text: &str) -> Result<Vec<String>, ParamError> {
    check_length(name, text)?;
    let set = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let parts: Vec<&str> = match set {
        Some(inner) => inner.split([',', '|']).collect(),
        None => text.split('|').collect(),
    };
    if parts.len() > CHOICES_MAX {
        return Err(wrong(name, format!("at most {CHOICES_MAX} values")));
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if parts.is_empty() {
        return Err(wrong(name, "no value"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn understand(query: &str) -> Result<RestoQuery, ParamError> {
        RestoQuery::understand(&Parameters::read(query)?)
    }

    #[test]
    fn the_query_of_the_cbm_scripts_is_understood() {
        let query = understand(
            "maxRecords=2000&startDate=2018-05-01T00:00:00Z&completionDate=2018-05-31T23:59:59Z\
             &processingLevel=LEVEL2A&sortParam=startDate&sortOrder=descending&status=all\
             &geometry=POLYGON((3.0+51.27,6.49+50.27,6+52,3.0+51.27))&dataset=ESA-DATASET",
        )
        .expect("understood");
        assert_eq!(query.max_records, 2000);
        assert_eq!(
            query.texts,
            [("processingLevel", vec!["LEVEL2A".to_owned()])]
        );
        assert!(matches!(
            query.place,
            Some(Place::Geometry(Geometry::Polygon(_)))
        ));
        assert!(matches!(query.start[..], [TimeBound::From(_)]));
        assert!(matches!(query.completion[..], [TimeBound::To(_)]));
        assert!(query.sort.is_descending && query.wants_online);
    }

    #[test]
    fn the_newer_dialect_is_understood() {
        let query = understand(
            "startDate=[2018-05-01,2018-05-02T12:00:00Z[&cloudCover=[0,10]&page=3&maxRecords=50\
             &published=2018-06-01]&productIdentifier=%25T31UFS%25&relativeOrbitNumber=8&box=170,-10,-170,10",
        )
        .expect("understood");
        assert_eq!(query.offset, 100);
        assert!(matches!(
            query.start[..],
            [
                TimeBound::From(Bound {
                    is_included: true,
                    ..
                }),
                TimeBound::To(Bound {
                    is_included: false,
                    ..
                })
            ]
        ));
        assert!(matches!(query.published[..], [TimeBound::To(_)]));
        assert_eq!(query.name_pattern.as_deref(), Some("%T31UFS%"));
        assert!(matches!(
            query.place,
            Some(Place::Box(Bbox {
                west: 170.0,
                east: -170.0,
                ..
            }))
        ));
        assert_eq!(query.numbers.len(), 2);
    }

    #[test]
    fn a_date_alone_ends_with_its_day() {
        let query = understand("completionDate=2018-05-02").expect("understood");
        let [TimeBound::To(end)] = query.completion[..] else {
            panic!("one end");
        };
        assert_eq!(end.value.to_rfc3339(), "2018-05-02T23:59:59.999999+00:00");
    }

    #[test]
    fn wrong_values_name_their_parameter() {
        for (query, name) in [
            ("maxRecords=2001", "maxRecords"),
            ("maxRecords=-1", "maxRecords"),
            ("page=0", "page"),
            ("index=999999", "index"),
            ("startDate=yesterday", "startDate"),
            ("cloudCover=low", "cloudCover"),
            ("geometry=CIRCLE(1)", "geometry"),
            ("box=1,2,3", "box"),
            ("box=1,2,3,400", "box"),
            ("lon=1", "lon, lat, radius"),
            ("lon=1&lat=2&radius=nan", "radius"),
            ("sortParam=size", "sortParam"),
            ("status=99", "status"),
            ("exactCount=yes", "exactCount"),
        ] {
            let error = understand(query).expect_err(query);
            assert_eq!(error.name, name, "{query}");
        }
        let _ = understand("unknown=%FF&also=").expect("unknown ones are ignored");
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result(query in ".{0,200}") {
            let _ = understand(&query);
        }

        #[test]
        fn any_value_ends_in_a_result(name in prop::sample::select(vec![
            "startDate", "completionDate", "cloudCover", "box", "geometry", "page", "index", "maxRecords", "lon",
            "lat", "radius", "productType", "status", "identifier", "updated",
        ]), value in ".{0,60}") {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, &value).append_pair("lat", "1").finish();
            let _ = understand(&query);
        }
    }
}
