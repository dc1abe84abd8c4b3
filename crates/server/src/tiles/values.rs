//! The values of a layer at one place: what a click asks for.

use axum::Json;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions, Size, Transform};
use swath_raster::Resampling;

use crate::error::Problem;
use crate::map::{
    CompositeChoice, Layer, MapFailure, ReadRequest, TimeChoice, ValueKind, layer, read_map,
};
use crate::state::Bounded;
use crate::viewer::Caller;

/// Side of the pixel where a layer does not say its grid, in degrees.
const PIXEL_DEGREES: f64 = 1e-5;
/// Most bands that are named.
const BANDS_MAX: usize = 100;

/// Answers `GET /tiles/{layer}/values?lon=…&lat=…`: the pixel of the newest item that lies there, in its
/// own grid; `null` where a band has no value.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut time = TimeChoice::Newest;
    let (mut longitude, mut latitude) = (None, None);
    let (mut bands, mut values) = (Vec::new(), ValueKind::Physical);
    let (mut composite, mut mask) = (None, None);
    for (key, value) in &query {
        match key.as_str() {
            "time" | "datetime" => time = TimeChoice::parse(value)?,
            "lon" => longitude = Some(degrees("lon", value, 180.0)?),
            "lat" => latitude = Some(degrees("lat", value, 90.0)?),
            "composite" => composite = Some(value.as_str()),
            "mask_scl" => mask = Some(value.as_str()),
            "bands" => bands = value.split(',').map(str::to_owned).collect(),
            "values" if value == "stored" => values = ValueKind::Stored,
            "values" if value == "physical" => values = ValueKind::Physical,
            "values" => return Err(Problem::invalid("values: expected stored or physical")),
            _ => {}
        }
    }
    if bands.len() > BANDS_MAX {
        return Err(Problem::invalid(format!("bands: more than {BANDS_MAX}")));
    }
    let (Some(x), Some(y)) = (longitude, latitude) else {
        return Err(Problem::invalid("lon and lat are missing"));
    };
    let layer = layer(&state, &caller.viewer, &name).await?;
    let request = ReadRequest {
        geobox: pixel_at(&layer, Point { x, y })?,
        layer: name,
        time,
        bands,
        resampling: Resampling::Nearest,
        values,
        composite: CompositeChoice::parse(composite, mask)?,
    };
    let data = read_map(&state, &caller.viewer, &request).await?;
    let value = |band: &swath_raster::RasterBand| {
        let value = band.mask.is_valid(0).then(|| band.pixels.get_f64(0));
        value
            .filter(|value| value.is_finite())
            .map_or(Value::Null, Value::from)
    };
    let found = data.names.iter().zip(&data.raster.bands);
    let found: Map<String, Value> = found
        .map(|(name, band)| (name.clone(), value(band)))
        .collect();
    Ok(
        Json(json!({"lon": x, "lat": y, "item": data.items.first(), "values": found}))
            .into_response(),
    )
}

fn degrees(name: &str, text: &str, end: f64) -> Result<f64, Problem> {
    let number = text.parse::<f64>().ok();
    let number = number.filter(|number| (-end..=end).contains(number));
    number.ok_or_else(|| Problem::invalid(format!("{name}: expected degrees, -{end} to {end}")))
}

/// Returns the pixel of the layer's own grid that holds a place.
fn pixel_at(layer: &Layer, place: Point) -> Result<GeoBox, MapFailure> {
    let degrees = Crs::parse("OGC:CRS84")?;
    let one = Size {
        width: 1,
        height: 1,
    };
    let (crs, transform) = match &layer.grid {
        Some(grid) => {
            let projector = Projector::new(&degrees, grid.crs(), &ShiftOptions::default())?;
            let mut points = [place];
            projector.project(&mut points)?;
            let at = grid.transform().to_grid(points[0]);
            let corner = Point {
                x: at.x.floor(),
                y: at.y.floor(),
            };
            (grid.crs().clone(), Some(grid.transform().shifted(corner)))
        }
        None => {
            let corner = Point {
                x: place.x - PIXEL_DEGREES / 2.0,
                y: place.y + PIXEL_DEGREES / 2.0,
            };
            (degrees, Transform::north_up(corner, PIXEL_DEGREES))
        }
    };
    let geobox = transform.and_then(|transform| GeoBox::new(crs, transform, one));
    geobox.ok_or_else(|| MapFailure::internal(&"a pixel has a size"))
}
