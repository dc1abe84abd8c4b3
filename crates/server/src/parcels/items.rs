//! Parcels as GeoJSON features, page by page.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use swath_grid::Bbox;

use super::holding::{OpenSet, Parcel, WGS84};
use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::query::pairs;
use crate::state::Bounded;
use crate::viewer::Caller;

/// Parcels of a page where nothing is said.
const LIMIT_DEFAULT: usize = 100;
/// Most parcels of a page; a larger limit is lowered to it.
const LIMIT_MAX: usize = 10_000;
const GEOJSON: &str = "application/geo+json";

/// Answers `GET /parcels/{set}/items`.
pub(super) async fn list(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let pairs = pairs(uri.query(), &["bbox", "limit", "token", "ids"])?;
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let limit = number(&pairs, "limit")?
        .unwrap_or(LIMIT_DEFAULT)
        .clamp(1, LIMIT_MAX);
    let from = number(&pairs, "token")?.unwrap_or(0);
    let bbox = pairs.get("bbox").map(|text| bbox(text)).transpose()?;
    let mut rows = match pairs.get("ids") {
        Some(ids) => named(&set, ids, from, limit + 1)?,
        None => set.rows_in(bbox.as_ref(), u32::try_from(from).unwrap_or(u32::MAX))?,
    };
    // Of named parcels the token counts names, of all others it is the row.
    let next = (rows.len() > limit).then(|| match pairs.contains_key("ids") {
        true => from + limit,
        false => rows[limit] as usize,
    });
    rows.truncate(limit);
    let parcels = set.parcels(&rows).await?;
    let features: Vec<Value> = parcels.iter().map(|parcel| feature(&set, parcel)).collect();
    let path = format!("/parcels/{}/items", path_segment(&name));
    let mut links = vec![
        json!({"rel": "self", "type": GEOJSON, "href": base.href(&with(&path, &pairs, None))}),
    ];
    if let Some(next) = next {
        let href = base.href(&with(&path, &pairs, Some(next)));
        links.push(json!({"rel": "next", "type": GEOJSON, "href": href}));
    }
    let document = json!({
        "type": "FeatureCollection",
        "numberReturned": features.len(),
        "features": features,
        "links": links,
    });
    Ok(([(header::CONTENT_TYPE, GEOJSON)], document.to_string()).into_response())
}

/// Answers `GET /parcels/{set}/items/{parcel}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let row = set.row_or_problem(&id)?;
    let document = feature(&set, &set.parcel(row).await?);
    Ok(([(header::CONTENT_TYPE, GEOJSON)], document.to_string()).into_response())
}

/// Returns the rows of ids in the order named; one that is not there is an error.
fn named(set: &OpenSet, ids: &str, from: usize, rows_max: usize) -> Result<Vec<u32>, Problem> {
    let ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
    let rows: Result<Vec<u32>, Problem> = ids.map(|id| set.row_or_problem(id)).collect();
    Ok(rows?.into_iter().skip(from).take(rows_max).collect())
}

fn feature(set: &OpenSet, parcel: &Parcel) -> Value {
    let geometry = parcel.geometry.as_ref();
    let geometry = geometry.and_then(|geometry| set.moved(geometry, WGS84));
    let bbox = set.degrees(parcel.row);
    json!({
        "type": "Feature",
        "id": set.id(parcel.row),
        "geometry": geometry.map(|geometry| swath_catalog::geojson_of(&geometry)),
        "bbox": bbox.map(|bbox| [bbox.west, bbox.south, bbox.east, bbox.north]),
        "properties": parcel.attributes,
    })
}

fn number(pairs: &BTreeMap<String, String>, name: &str) -> Result<Option<usize>, Problem> {
    let parsed = pairs.get(name).map(|text| text.parse());
    parsed
        .transpose()
        .map_err(|_| Problem::invalid(format!("{name}: not a whole number")))
}

fn bbox(text: &str) -> Result<Bbox, Problem> {
    let wrong = || Problem::invalid("bbox: west,south,east,north in degrees");
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.map_err(|_| wrong())?[..] {
        [west, south, east, north]
            if [west, south, east, north]
                .iter()
                .all(|value| value.is_finite())
                && south <= north =>
        {
            Ok(Bbox {
                west,
                south,
                east,
                north,
            })
        }
        _ => Err(wrong()),
    }
}

/// Returns the path with its parameters, and another token.
fn with(path: &str, pairs: &BTreeMap<String, String>, token: Option<usize>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs
        .iter()
        .filter(|(name, _)| token.is_none() || *name != "token")
    {
        query.append_pair(name, value);
    }
    if let Some(token) = token {
        query.append_pair("token", &token.to_string());
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_have_four_numbers() {
        assert!(bbox("4, 50.5,5,51").is_ok());
        assert!(bbox("170,-10,-170,10").is_ok());
        for bad in ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,5,3,4", "nan,1,2,3"] {
            assert_eq!(bbox(bad).expect_err(bad).status, 400);
        }
    }

    #[test]
    fn the_next_page_has_the_same_question() {
        let pairs = BTreeMap::from([
            ("bbox".to_owned(), "1,2,3,4".to_owned()),
            ("token".to_owned(), "7".to_owned()),
        ]);
        assert_eq!(with("/p", &pairs, Some(9)), "/p?bbox=1%2C2%2C3%2C4&token=9");
        assert_eq!(with("/p", &BTreeMap::new(), None), "/p");
    }
}
