//! Bytes: assets, files of products, and whole products as one zip; ranged and resumable.
//!
//! 1. [`Download`] resolves hrefs for the viewer and looks what lies there;
//! 2. [`conditions`] decides what part is sent, [`zip`] says what byte of a product lies where;
//! 3. [`stream`] sends it. Files of S3 stores are redirected to a presigned URL instead.
//!
//! [`eodata`] shows the same files under the agencies' paths.

mod checksums;
mod conditions;
mod download;
mod eodata;
mod holdings;
mod listing;
mod stream;
mod zip;

pub(crate) use checksums::Checksums;
pub(crate) use download::{Download, asset_path};
pub(crate) use holdings::{Holding, Holdings};

use axum::Router;
use axum::routing::get;

use crate::state::AppState;

/// Returns the routes of bytes.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/objects/{collection}/{item}/{*asset}",
            get(download::asset),
        )
        .route("/download/{uuid}", get(download::product))
        .route("/eodata", get(eodata::root))
        .route("/eodata/", get(eodata::root))
        .route("/eodata/{*path}", get(eodata::below))
}
