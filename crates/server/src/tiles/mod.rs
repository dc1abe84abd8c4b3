//! XYZ tiles and TileJSON: the plainest face of the map function.
//!
//! `/tiles` lists layers, `/tiles/{layer}/{tms}/tilejson.json` describes one in one set of tiles,
//! `/tiles/{layer}/{tms}/{z}/{x}/{y}[@2x].{png,webp,jpg,tif,npy}` is a tile,
//! `/tiles/{layer}/values` says what the bands are at a place.

mod list;
mod tile;
mod tilejson;
mod values;

use axum::Router;
use axum::routing::get;

use crate::state::AppState;

pub(crate) use tile::find_set;

/// Returns the routes below `/tiles`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tiles", get(list::list))
        .route("/tiles/{layer}/values", get(values::show))
        .route("/tiles/{layer}/{tms}/tilejson.json", get(tilejson::show))
        .route("/tiles/{layer}/{tms}/{z}/{x}/{file}", get(tile::show))
}
