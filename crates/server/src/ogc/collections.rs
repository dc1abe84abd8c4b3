//! Collections and their styles: the layers that the viewer may see.

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::negotiation::want_json;
use super::{CRS84, JSON, REL, collection_path, document, link, map_path};
use crate::asker::Asker;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::map::{ImageFormat, Layer, layer, layers};
use crate::query::pairs;

/// Forms of maps that are linked.
const LINKED: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::GeoTiff];
/// Width of a pixel of a scale, in metres (OGC 17-083r4, 6.1.1).
pub(super) const RENDERED_PIXEL_M: f64 = 0.000_28;

/// Answers `GET /ogc/collections`.
pub(super) async fn list(asker: Asker, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    check(&asker, query.as_deref())?;
    let layers = layers(&asker.state, &asker.viewer).await?;
    let found: Vec<Value> = layers
        .iter()
        .map(|layer| collection(&asker.base, layer))
        .collect();
    let here = asker.base.href("/ogc/collections");
    Ok(document(&json!({
        "links": [link("self", JSON, "Collections", here)],
        "collections": found,
    })))
}

/// Answers `GET /ogc/collections/{id}`.
pub(super) async fn show(
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    check(&asker, query.as_deref())?;
    let layer = layer(&asker.state, &asker.viewer, &id).await?;
    Ok(document(&collection(&asker.base, &layer)))
}

/// Answers `GET /ogc/collections/{id}/styles`.
pub(super) async fn styles(
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    check(&asker, query.as_deref())?;
    let layer = layer(&asker.state, &asker.viewer, &id).await?;
    let base = &asker.base;
    let styles = layer.styles.iter().map(|style| {
        let path = map_path(&layer.name, Some(&style.name));
        json!({"id": style.name, "title": style.title, "links": map_links(base, &path)})
    });
    let here = base.href(&format!("{}/styles", collection_path(&layer.name)));
    Ok(document(&json!({
        "default": layer.styles.first().map(|style| style.name.as_str()),
        "styles": styles.collect::<Vec<_>>(),
        "links": [link("self", JSON, "Styles", here)],
    })))
}

fn check(asker: &Asker, query: Option<&str>) -> Result<(), Problem> {
    let pairs = pairs(query, &["f"])?;
    want_json(pairs.get("f").map(String::as_str), &asker.headers)
}

/// Returns the links to the map at a path, and to its tilesets.
fn map_links(base: &BaseUrl, path: &str) -> Vec<Value> {
    let rel = format!("{REL}/map");
    let mut links: Vec<Value> = LINKED
        .iter()
        .map(|format| {
            let href = base.href(&format!("{path}?f={}", format.extension()));
            link(&rel, format.media_type(), "Map", href)
        })
        .collect();
    let href = base.href(&format!("{path}/tiles"));
    links.push(link(
        &format!("{REL}/tilesets-map"),
        JSON,
        "Map tiles",
        href,
    ));
    links
}

/// Returns the document of a collection.
fn collection(base: &BaseUrl, layer: &Layer) -> Value {
    let path = collection_path(&layer.name);
    let mut links = vec![link("self", JSON, &layer.title, base.href(&path))];
    links.extend(map_links(base, &map_path(&layer.name, None)));
    let styles = base.href(&format!("{path}/styles"));
    links.push(link(&format!("{REL}/styles"), JSON, "Styles", styles));
    let instant = |time: Option<DateTime<Utc>>| {
        time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    };
    let bbox = &layer.bbox;
    let mut document = json!({
        "id": layer.name,
        "title": layer.title,
        "description": layer.abstract_,
        "attribution": layer.attribution,
        "dataType": "map",
        "extent": {
            "spatial": {"bbox": [[bbox.west, bbox.south, bbox.east, bbox.north]], "crs": CRS84},
            "temporal": {
                "interval": [[instant(layer.interval.start), instant(layer.interval.end)]],
                "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
            },
        },
        "crs": layer.crs.iter().map(|name| crs_uri(name)).collect::<Vec<_>>(),
        "storageCrs": CRS84,
        "links": links,
    });
    if let Some(scale) = finest_scale(layer) {
        document["minScaleDenominator"] = json!(scale);
        // The name that GDAL looks for.
        document["scaleDenominator"] = json!(scale);
    }
    document
}

/// Returns the scale 1 : n at which a pixel of the layer's grid is a pixel of a map.
pub(super) fn finest_scale(layer: &Layer) -> Option<f64> {
    let grid = layer.grid.as_ref()?;
    let side_m = grid.transform().resolution().x * grid.crs().unit_to_metre();
    Some(side_m / RENDERED_PIXEL_M)
}

/// Returns OGC's URI of a CRS by its code, `EPSG:n` or one with CRS84 in it.
pub(super) fn crs_uri(name: &str) -> String {
    match name.strip_prefix("EPSG:") {
        Some(code) => format!("http://www.opengis.net/def/crs/EPSG/0/{code}"),
        None => CRS84.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_uris() {
        assert_eq!(crs_uri("CRS:84"), CRS84);
        assert_eq!(
            crs_uri("EPSG:3035"),
            "http://www.opengis.net/def/crs/EPSG/0/3035"
        );
    }
}
