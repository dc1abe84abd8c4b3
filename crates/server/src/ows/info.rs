//! Information about one pixel: the values of all bands, as they are stored.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions, Size};

use crate::products::markup::Element;

/// The values of one layer at one position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PixelValues {
    pub(crate) layer: String,
    /// Name and value of each band; `None`: no measurement there.
    pub(crate) values: Vec<(String, Option<Number>)>,
}

/// A value as its type has it: integers stay whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Whole(i128),
    Float(f64),
}

impl std::fmt::Display for Number {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{value}"),
        }
    }
}

impl Number {
    fn to_json(self) -> Value {
        match self {
            Self::Whole(value) => match i64::try_from(value) {
                Ok(value) => json!(value),
                // Of 64-bit types only those without sign reach beyond.
                Err(_) => json!(u64::try_from(value).unwrap_or(u64::MAX)),
            },
            Self::Float(value) => json!(value),
        }
    }
}

/// Returns the grid of one pixel of a grid.
pub(crate) fn pixel_of(geobox: &GeoBox, col: u32, row: u32) -> Option<GeoBox> {
    let at = Point {
        x: f64::from(col),
        y: f64::from(row),
    };
    let one = Size {
        width: 1,
        height: 1,
    };
    GeoBox::new(geobox.crs().clone(), geobox.transform().shifted(at), one)
}

/// Returns longitude and latitude of the centre of a grid, `None` where it has none.
pub(crate) fn centre(geobox: &GeoBox) -> Option<Point> {
    let size = geobox.size();
    let middle = Point {
        x: f64::from(size.width) / 2.0,
        y: f64::from(size.height) / 2.0,
    };
    let mut point = [geobox.transform().to_crs(middle)];
    let degrees = Crs::from_epsg(4326).ok()?;
    let shift = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let projector = Projector::new(geobox.crs(), &degrees, &shift).ok()?;
    projector.project(&mut point).ok()?;
    Some(point[0])
}

/// Writes the values in one of the formats of information.
pub(crate) fn write(format: &'static str, at: Option<Point>, pixels: &[PixelValues]) -> Response {
    let body = match format {
        "text/html" => html(pixels),
        "application/json" | "application/geo+json" => geojson(at, pixels).to_string(),
        _ => plain(pixels),
    };
    let media_type = match format {
        "text/html" => "text/html; charset=utf-8",
        "application/json" | "application/geo+json" => format,
        _ => "text/plain; charset=utf-8",
    };
    let heads = [
        (header::CONTENT_TYPE, media_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (heads, body).into_response()
}

fn shown(value: Option<Number>) -> String {
    value.map_or_else(|| "no data".to_owned(), |value| value.to_string())
}

fn plain(pixels: &[PixelValues]) -> String {
    let mut text = String::new();
    for pixel in pixels {
        text.push_str(&pixel.layer);
        text.push('\n');
        for (name, value) in &pixel.values {
            text.push_str(&format!("  {name} = {}\n", shown(*value)));
        }
    }
    text
}

fn html(pixels: &[PixelValues]) -> String {
    let table = |pixel: &PixelValues| {
        let rows = pixel.values.iter().map(|(name, value)| {
            Element::new("tr")
                .child(Element::text("th", name.as_str()))
                .child(Element::text("td", shown(*value)))
        });
        Element::new("table")
            .child(Element::text("caption", pixel.layer.as_str()))
            .children(rows)
    };
    let head = Element::new("head")
        .child(Element::new("meta").with("charset", "utf-8"))
        .child(Element::text("title", "Values"));
    let page = Element::new("html")
        .with("lang", "en")
        .child(head)
        .child(Element::new("body").children(pixels.iter().map(table)));
    format!("<!DOCTYPE html>\n{}\n", page.fragment())
}

fn geojson(at: Option<Point>, pixels: &[PixelValues]) -> Value {
    let geometry = at.map_or(
        Value::Null,
        |at| json!({"type": "Point", "coordinates": [at.x, at.y]}),
    );
    let feature = |pixel: &PixelValues| {
        let properties: Map<String, Value> = pixel
            .values
            .iter()
            .map(|(name, value)| (name.clone(), value.map_or(Value::Null, Number::to_json)))
            .collect();
        json!({"type": "Feature", "id": pixel.layer, "geometry": geometry, "properties": properties})
    };
    let features: Vec<Value> = pixels.iter().map(feature).collect();
    json!({"type": "FeatureCollection", "features": features})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels() -> Vec<PixelValues> {
        vec![PixelValues {
            layer: "<script>alert(1)</script>".to_owned(),
            values: vec![
                ("B04".to_owned(), Some(Number::Whole(1_234))),
                ("NDVI".to_owned(), Some(Number::Float(0.5))),
                ("SCL".to_owned(), None),
            ],
        }]
    }

    #[test]
    fn values_stay_what_they_are() {
        assert!(plain(&pixels()).ends_with("  B04 = 1234\n  NDVI = 0.5\n  SCL = no data\n"));
        let json = geojson(Some(Point { x: 9.0, y: 55.0 }), &pixels());
        let properties = &json["features"][0]["properties"];
        assert_eq!(*properties, json!({"B04": 1234, "NDVI": 0.5, "SCL": null}));
        assert_eq!(
            json["features"][0]["geometry"]["coordinates"],
            json!([9.0, 55.0])
        );
    }

    #[test]
    fn pages_hold_no_markup_of_others() {
        let page = html(&pixels());
        assert!(
            !page.contains("<script>") && page.contains("&lt;script&gt;"),
            "{page}"
        );
    }
}
