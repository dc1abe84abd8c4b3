//! What stands in the footer of the file of a parcel set beside the columns.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use swath_grid::{Bounds, Crs};

use super::super::source::ParcelGeometry;
use super::{BBOX, GEOMETRY};

/// Key of [`SetMetadata`] in the footer.
pub(super) const KEY: &str = "swath:parcels";
/// The layout that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// What the program notes of a parcel set in its file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetMetadata {
    /// Version of the layout.
    pub format: u32,
    /// Whether the parcels are polygons or points.
    pub geometry: ParcelGeometry,
    /// Column of the source that the ids come from.
    pub id_field: String,
    /// Column of the source that the crop codes come from.
    pub crop_field: Option<String>,
    /// Column of the source that the declared areas come from.
    pub area_field: Option<String>,
    /// Country of the crop codes.
    pub country: Option<String>,
    /// Names of the columns that are handed out only where named.
    pub personal: Vec<String>,
    /// The CRS, where it cannot be said in PROJJSON.
    pub crs_wkt: Option<String>,
}

/// Returns the `geo` metadata of GeoParquet 1.1.
pub(super) fn geo_metadata(crs: &Crs, types: &[&str], bounds: Option<Bounds>) -> Value {
    let side = |name: &str| json!([BBOX, name]);
    let mut column = json!({
        "encoding": "WKB",
        "geometry_types": types,
        "crs": crs.to_projjson(),
        "covering": { "bbox": {
            "xmin": side("xmin"), "ymin": side("ymin"), "xmax": side("xmax"), "ymax": side("ymax"),
        } },
    });
    if let Some(bounds) = bounds {
        column["bbox"] = json!([bounds.min_x, bounds.min_y, bounds.max_x, bounds.max_y]);
    }
    json!({ "version": "1.1.0", "primary_column": GEOMETRY, "columns": { GEOMETRY: column } })
}
