//! The layers that there are.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::map::{Layer, LayerBand, Legend, StyleInfo, layers, tile_matrix_sets};
use crate::state::Bounded;
use crate::viewer::Caller;

/// Answers `GET /tiles`: the layers that the viewer may see.
pub(super) async fn list(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let layers = layers(&state, &caller.viewer).await?;
    let layers: Vec<Value> = layers.iter().map(|layer| document(&base, layer)).collect();
    let links = json!([{"rel": "self", "type": "application/json", "href": base.href("/tiles")}]);
    Ok(Json(json!({"layers": layers, "links": links})).into_response())
}

fn document(base: &BaseUrl, layer: &Layer) -> Value {
    let segment = path_segment(&layer.name);
    let instant = |time: Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.to_rfc3339());
    let sets = tile_matrix_sets(layer);
    let sets = sets.iter().map(|set| {
        let path = format!("/tiles/{segment}/{}/tilejson.json", set.id);
        json!({"id": set.id, "title": set.title, "crs": set.crs_uri, "tilejson": base.href(&path)})
    });
    json!({
        "name": layer.name,
        "title": layer.title,
        "description": layer.abstract_,
        "bbox": [layer.bbox.west, layer.bbox.south, layer.bbox.east, layer.bbox.north],
        "interval": [instant(layer.interval.start), instant(layer.interval.end)],
        "days": layer.days,
        "styles": layer.styles.iter().map(style).collect::<Vec<_>>(),
        "bands": layer.bands.iter().map(band).collect::<Vec<_>>(),
        "crs": layer.crs,
        "attribution": layer.attribution,
        "tile_matrix_sets": sets.collect::<Vec<_>>(),
    })
}

fn band(band: &LayerBand) -> Value {
    let resolution = band.grid.as_ref().map(|grid| grid.transform().resolution());
    json!({
        "name": band.name,
        "title": band.title,
        "data_type": band.data_type,
        "unit": band.unit,
        "nodata": band.nodata,
        "scale": band.scale,
        "offset": band.offset,
        "resolution": resolution.map(|resolution| [resolution.x, resolution.y]),
    })
}

fn style(style: &StyleInfo) -> Value {
    let hex = |color: &[u8; 3]| format!("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]);
    let legend = match &style.legend {
        Legend::None => Value::Null,
        Legend::Ramp {
            low,
            high,
            unit,
            colors,
        } => json!({"low": low, "high": high, "unit": unit,
            "colors": colors.iter().map(hex).collect::<Vec<_>>()}),
        Legend::Classes(classes) => {
            let classes = classes.iter();
            let classes = classes.map(|(name, color)| json!({"name": name, "color": hex(color)}));
            json!({"classes": classes.collect::<Vec<_>>()})
        }
    };
    json!({"name": style.name, "title": style.title, "legend": legend})
}
