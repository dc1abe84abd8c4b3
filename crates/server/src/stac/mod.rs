//! STAC API 1.0.0 under `/stac`.
//!
//! 1. [`parameters`] brings the parameters of a GET into the form of a POST body.
//! 2. [`question`] reads a body: what is searched (`ItemSearch`), and which [`fields`] come back.
//! 3. [`page`] asks the catalogue, and writes items ([`documents`]) with links to the next page.
//!
//! [`landing`] says what is there, [`browse`] leads to every item by links; [`transactions`] and [`collection_transactions`] change it.

mod aggregation;
mod browse;
mod collection_transactions;
mod collections;
mod documents;
mod fields;
mod items;
mod landing;
mod merge_patch;
mod page;
mod parameters;
mod query;
mod question;
mod search;
mod sort;
mod transactions;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::state::{AppState, Limits};

/// Returns the routes of the STAC API.
pub(crate) fn routes(limits: &Limits) -> Router<AppState> {
    let reading = Router::new()
        .route("/stac", get(landing::show))
        .route("/stac/", get(landing::show))
        .route("/stac/conformance", get(landing::conformance))
        .route("/stac/children", get(collections::children))
        .route("/stac/queryables", get(landing::queryables))
        .route("/stac/search", get(search::of_query).post(search::of_body))
        .route("/stac/aggregations", get(aggregation::list))
        .route(
            "/stac/aggregate",
            get(aggregation::of_query).post(aggregation::of_body),
        )
        .route(
            "/stac/collections/{collection}/queryables",
            get(landing::queryables_of_collection),
        )
        .route(
            "/stac/collections/{collection}/aggregations",
            get(aggregation::list_of_collection),
        )
        .route(
            "/stac/collections/{collection}/aggregate",
            get(aggregation::of_collection_query).post(aggregation::of_collection_body),
        )
        .route("/stac/collections/{collection}/browse", get(browse::all))
        .route(
            "/stac/collections/{collection}/browse/{year}",
            get(browse::year),
        )
        .route(
            "/stac/collections/{collection}/browse/{year}/{month}",
            get(browse::month),
        )
        .route(
            "/stac/collections/{collection}/browse/{year}/{month}/{day}",
            get(browse::day),
        )
        .layer(DefaultBodyLimit::max(limits.search_body_bytes_max));
    let changing = Router::new()
        .route(
            "/stac/collections",
            get(collections::list).post(collection_transactions::create),
        )
        .route(
            "/stac/collections/{collection}",
            get(collections::show)
                .put(collection_transactions::replace)
                .patch(collection_transactions::patch)
                .delete(collection_transactions::remove),
        )
        .route(
            "/stac/collections/{collection}/items",
            get(items::list).post(transactions::create),
        )
        .route(
            "/stac/collections/{collection}/items/{item}",
            get(items::show)
                .put(transactions::replace)
                .patch(transactions::patch)
                .delete(transactions::remove),
        )
        .layer(DefaultBodyLimit::max(limits.transaction_body_bytes_max));
    reading.merge(changing)
}
