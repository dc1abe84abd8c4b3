//! Tilesets of a collection: in which tile matrix sets its map is offered.

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use serde_json::{Value, json};
use swath_grid::TileMatrixSet;

use super::matrix_sets::{path_of, uri_of};
use super::negotiation::want_json;
use super::{CRS84, JSON, REL, collection_path, document, link, map_path};
use crate::asker::Asker;
use crate::error::Problem;
use crate::map::{ImageFormat, Layer, Limits, MapFailure, layer, sets_of};
use crate::query::pairs;

/// Forms of tiles that are linked.
const LINKED: [ImageFormat; 4] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::Webp,
    ImageFormat::GeoTiff,
];

/// Answers `GET /ogc/collections/{id}/map/tiles`.
pub(super) async fn list(
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let map = StyledLayer::find(&asker, query.as_deref(), &id, None).await?;
    Ok(document(&map.tilesets(&asker)))
}

/// Answers `GET /ogc/collections/{id}/styles/{style}/map/tiles`.
pub(super) async fn styled_list(
    asker: Asker,
    Path((id, style)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let map = StyledLayer::find(&asker, query.as_deref(), &id, Some(style)).await?;
    Ok(document(&map.tilesets(&asker)))
}

/// Answers `GET /ogc/collections/{id}/map/tiles/{tms}`.
pub(super) async fn show(
    asker: Asker,
    Path((id, tms)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let map = StyledLayer::find(&asker, query.as_deref(), &id, None).await?;
    Ok(document(&map.tileset(&asker, &tms)?))
}

/// Answers `GET /ogc/collections/{id}/styles/{style}/map/tiles/{tms}`.
pub(super) async fn styled_show(
    asker: Asker,
    Path((id, style, tms)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let map = StyledLayer::find(&asker, query.as_deref(), &id, Some(style)).await?;
    Ok(document(&map.tileset(&asker, &tms)?))
}

/// A layer in a style.
struct StyledLayer {
    layer: Layer,
    /// `None`: the first.
    style: Option<String>,
}

impl StyledLayer {
    /// Finds it where a document is wanted in a form that there is.
    async fn find(
        asker: &Asker,
        query: Option<&str>,
        id: &str,
        style: Option<String>,
    ) -> Result<Self, Problem> {
        let pairs = pairs(query, &["f"])?;
        want_json(pairs.get("f").map(String::as_str), &asker.headers)?;
        let layer = layer(&asker.state, &asker.viewer, id).await?;
        let names: Vec<&str> = layer
            .styles
            .iter()
            .map(|style| style.name.as_str())
            .collect();
        if let Some(style) = &style
            && style != "default"
            && !names.contains(&style.as_str())
        {
            let failure = MapFailure::StyleUnknown {
                layer: layer.name.clone(),
                style: style.chars().filter(|c| !c.is_control()).take(80).collect(),
                known: names.join(", "),
            };
            // Here a style is a part of the path.
            return Err(Problem::not_found(failure.to_string()));
        }
        Ok(Self { layer, style })
    }

    fn tiles_path(&self) -> String {
        format!(
            "{}/tiles",
            map_path(&self.layer.name, self.style.as_deref())
        )
    }

    /// Returns the list of tilesets.
    fn tilesets(&self, asker: &Asker) -> Value {
        let tilesets = sets_of(&self.layer);
        let tilesets = tilesets.iter().map(|set| self.head(asker, set));
        let here = asker.base.href(&self.tiles_path());
        json!({
            "tilesets": tilesets.collect::<Vec<_>>(),
            "links": [link("self", JSON, &self.layer.title, here)],
        })
    }

    /// Returns what a list says of a tileset.
    fn head(&self, asker: &Asker, set: &TileMatrixSet) -> Value {
        let here = format!("{}/{}", self.tiles_path(), set.id);
        let scheme = asker.base.href(&path_of(set));
        json!({
            "title": format!("{}: {}", self.layer.title, set.title),
            "dataType": "map",
            "crs": set.crs_uri,
            "tileMatrixSetURI": uri_of(&asker.base, set),
            "links": [
                link("self", JSON, &set.title, asker.base.href(&here)),
                link(&format!("{REL}/tiling-scheme"), JSON, &set.title, scheme),
            ],
        })
    }

    /// Returns all that is said of a tileset.
    ///
    /// # Errors
    /// Where the layer is not offered in a set of this name.
    fn tileset(&self, asker: &Asker, tms: &str) -> Result<Value, Problem> {
        let sets = sets_of(&self.layer);
        let Some(set) = sets.iter().find(|set| set.id == tms) else {
            let names: Vec<&str> = sets.iter().map(|set| set.id.as_str()).collect();
            let shown: String = tms.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(Problem::not_found(format!(
                "the collection has no tileset \"{shown}\", but {}",
                names.join(", ")
            )));
        };
        let limits = Limits::of(&self.layer, set);
        let limits: Vec<Value> = (0..set.matrices.len())
            .filter_map(|matrix| {
                let found = limits.of_matrix(set, matrix)?;
                Some(json!({
                    "tileMatrix": set.matrices[matrix].id,
                    "minTileRow": found.row_min,
                    "maxTileRow": found.row_max,
                    "minTileCol": found.col_min,
                    "maxTileCol": found.col_max,
                }))
            })
            .collect();
        let mut document = self.head(asker, set);
        let here = asker
            .base
            .href(&format!("{}/{}", self.tiles_path(), set.id));
        let links = document["links"].as_array_mut().expect("written above");
        let collection = asker.base.href(&collection_path(&self.layer.name));
        let geodata = format!("{REL}/geodata");
        links.push(link(&geodata, JSON, &self.layer.title, collection));
        for format in LINKED {
            let href = format!(
                "{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f={}",
                format.extension()
            );
            let mut item = link("item", format.media_type(), "Tile", href);
            item["templated"] = json!(true);
            links.push(item);
        }
        let bbox = &self.layer.bbox;
        document["boundingBox"] = json!({
            "lowerLeft": [bbox.west, bbox.south],
            "upperRight": [bbox.east, bbox.north],
            "crs": CRS84,
        });
        document["tileMatrixSetLimits"] = json!(limits);
        document["mediaTypes"] = json!(LINKED.map(ImageFormat::media_type));
        if let Some(attribution) = &self.layer.attribution {
            document["attribution"] = json!(attribution);
        }
        let named = |name: &String| self.layer.styles.iter().find(|style| style.name == *name);
        let style = self.style.as_ref().and_then(named);
        if let Some(style) = style.or_else(|| self.layer.styles.first()) {
            document["style"] = json!({"id": style.name, "title": style.title});
        }
        Ok(document)
    }
}
