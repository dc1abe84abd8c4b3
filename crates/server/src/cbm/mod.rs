//! The REST interface of the JRC's CbM system, so that its notebooks and its client `cbm` work here.
//!
//! Same paths, parameters and columns → lists; what was a table in a database is a parcel set, the
//! extract tables and the items of the catalogue. Who asks sees what the viewer of the token sees.
//!
//! 1. [`options`]: which set `aoi`, `year` and `ptype` mean, which collections are `s2`, `bs`, `c6`.
//! 2. [`parameters`] reads a query, [`columns`] writes columns → lists.
//! 3. [`parcels`] and [`season`] answer from sets and tables.
//! 4. [`sought`] says where chips are cut, [`images`] finds items, [`chip`] cuts windows out of them, [`files`] keeps what was cut until it
//!    is fetched, [`chips`] answers.

mod chip;
mod chips;
mod columns;
mod files;
mod images;
mod options;
mod parameters;
mod parcels;
mod season;
mod sought;

pub(crate) use files::ChipFiles;
pub use options::CbmOptions;

use axum::Router;
use axum::routing::{get, post};

use crate::state::AppState;

/// Returns the routes below `/query`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/query/info", get(parcels::info))
        .route("/query/parcelByLocation", get(parcels::by_location))
        .route("/query/parcelByID", get(parcels::by_id))
        .route("/query/parcelsByPolygon", get(parcels::by_polygon))
        .route("/query/parcelPeers", get(parcels::peers))
        .route("/query/parcelTimeSeries", get(season::time_series))
        .route("/query/weatherTimeSeries", get(season::weather))
        .route("/query/markers", get(season::markers))
        .route("/query/chipsByLocation", get(chips::page_of_chips))
        .route("/query/chipsByParcelID", get(chips::page_of_chips))
        .route("/query/rawChipByLocation", get(chips::raw_chip))
        .route("/query/rawChipByParcelID", get(chips::raw_chip))
        .route("/query/rawChipsBatch", post(chips::raw_batch))
        .route("/query/rawS1ChipsBatch", post(chips::raw_s1_batch))
        .route(
            "/query/backgroundByLocation",
            get(chips::background_picture),
        )
        .route(
            "/query/backgroundByParcelID",
            get(chips::background_picture),
        )
        .route("/query/files/{key}/{name}", get(files::show))
}
