//! Parcel sets and the series of their parcels.
//!
//! 1. [`holding`] opens versions of sets and keeps them: ids, rectangles, geometries, attributes.
//! 2. [`tables`] finds the extract tables of a set version that the viewer may read, and keeps them open.
//! 3. [`question`] reads what is asked of them, [`rows`] reads and computes, [`stream`] sends.
//! 4. [`pyramids`] prepares vector tiles, [`coloring`] values for them, [`tiles`] answers.
//! 5. [`chips`] shows the season of a parcel.
//! 6. [`sets`], [`items`], [`series`] and [`images`] answer.
//!
//! A table belongs to a set and a collection: who reads its rows must be allowed to see both.

mod chips;
mod coloring;
mod failure;
mod holding;
mod images;
mod items;
mod pyramids;
mod question;
mod rows;
mod series;
mod sets;
mod stream;
mod tables;
mod tiles;

pub use chips::{CHIP_MARGIN_M, ChipError, ChipQuestion, calendar_document, calendar_of};
pub(crate) use coloring::Colorings;
pub(crate) use failure::{internal, of_extract, of_io, of_series};
pub(crate) use holding::{Holdings, OpenSet, Parcel, WGS84};
pub(crate) use pyramids::Pyramids;
pub(crate) use rows::series_of;
pub(crate) use tables::{OpenTable, TableChoice, Tables};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::state::{AppState, Limits};

/// Returns the routes of parcel sets.
pub(crate) fn routes(limits: &Limits) -> Router<AppState> {
    Router::new()
        .route("/parcels", get(sets::list))
        .route("/parcels/{set}", get(sets::show))
        .route("/parcels/{set}/items", get(items::list))
        .route("/parcels/{set}/items/{parcel}", get(items::show))
        .route("/parcels/{set}/{parcel}/series", get(series::of_parcel))
        .route("/parcels/{set}/{parcel}/chips", get(chips::show))
        .route("/parcels/{set}/{parcel}/chips.png", get(chips::show))
        .route("/parcels/{set}/{parcel}/chips.tif", get(chips::show))
        .route("/parcels/{set}/{parcel}/chips.json", get(chips::show))
        .route("/parcels/{set}/images/{item}", get(images::show))
        .route("/parcels/{set}/tiles/tilejson.json", get(tiles::describe))
        .route("/parcels/{set}/tiles/{z}/{x}/{y}", get(tiles::show))
        .route("/parcels/{set}/series", post(series::of_many))
        // A hundred thousand ids are a body like those that change the catalogue.
        .layer(DefaultBodyLimit::max(limits.transaction_body_bytes_max))
}
