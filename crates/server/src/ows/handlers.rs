//! Requests to the services: by query under `/ows`, WMTS also by path.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use axum::routing::get;

use super::failure::{Fault, OwsFailure};
use super::kvp::{Kvp, shown};
use super::{wcs, wms, wmts};
use crate::asker::Asker;
use crate::error::Problem;
use crate::state::AppState;

/// Returns the routes of the services.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ows", get(by_query))
        .route("/wmts/1.0.0/WMTSCapabilities.xml", get(capabilities))
        .route(
            "/wmts/1.0.0/{layer}/{style}/{time}/{tms}/{z}/{row}/{col}",
            get(tile),
        )
        .route(
            "/wmts/1.0.0/{layer}/{style}/{time}/{tms}/{z}/{row}/{col}/{j}/{i}",
            get(info),
        )
}

async fn by_query(asker: Asker, RawQuery(query): RawQuery) -> Response {
    let kvp = match Kvp::read(&query.unwrap_or_default()) {
        Ok(kvp) => kvp,
        Err(failure) => return failure.ows_response(),
    };
    match service(&kvp) {
        Ok(Service::Wms) => wms::answer(&asker, &kvp).await,
        Ok(Service::Wmts) => wmts::answer(&asker, &kvp).await,
        Ok(Service::Wcs) => wcs::answer(&asker, &kvp).await,
        Err(failure) => failure.ows_response(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Wms,
    Wmts,
    Wcs,
}

/// Returns the service that a request is for. GetMap of WMS 1.1.1 need not say it.
fn service(kvp: &Kvp) -> Result<Service, OwsFailure> {
    if let Some(name) = kvp.get("SERVICE") {
        return match name.to_ascii_uppercase().as_str() {
            "WMS" => Ok(Service::Wms),
            "WMTS" => Ok(Service::Wmts),
            "WCS" => Ok(Service::Wcs),
            _ => {
                let text = format!(
                    "SERVICE: \"{}\" is not offered, but WMS, WMTS, WCS",
                    shown(name)
                );
                Err(OwsFailure::new(Fault::InvalidParameter, text).at("SERVICE"))
            }
        };
    }
    let request = kvp.get("REQUEST").unwrap_or_default().to_ascii_lowercase();
    match request.as_str() {
        "getmap" | "map" | "getlegendgraphic" | "getfeatureinfo" | "feature_info"
        | "capabilities" => Ok(Service::Wms),
        "gettile" => Ok(Service::Wmts),
        "getcoverage" | "describecoverage" => Ok(Service::Wcs),
        _ => kvp.required("SERVICE").map(|_| Service::Wms),
    }
}

async fn capabilities(asker: Asker) -> Response {
    let kvp = Kvp::of_pairs([("REQUEST", "GetCapabilities".to_owned())]);
    wmts::answer(&asker, &kvp).await
}

type TilePath = (String, String, String, String, String, String, String);

async fn tile(
    asker: Asker,
    path: Result<Path<TilePath>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((layer, style, time, set, matrix, row, file)) = path.map_err(not_utf8)?;
    let (col, ending) = split(&file);
    let kvp = Kvp::of_pairs([
        ("REQUEST", "GetTile".to_owned()),
        ("LAYER", layer),
        ("STYLE", style),
        ("TIME", time),
        ("TILEMATRIXSET", set),
        ("TILEMATRIX", matrix),
        ("TILEROW", row),
        ("TILECOL", col),
        ("FORMAT", ending),
    ]);
    Ok(wmts::answer(&asker, &kvp).await)
}

type InfoPath = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
);

async fn info(
    asker: Asker,
    path: Result<Path<InfoPath>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((layer, style, time, set, matrix, row, col, j, file)) = path.map_err(not_utf8)?;
    let (i, ending) = split(&file);
    let kvp = Kvp::of_pairs([
        ("REQUEST", "GetFeatureInfo".to_owned()),
        ("LAYER", layer),
        ("STYLE", style),
        ("TIME", time),
        ("TILEMATRIXSET", set),
        ("TILEMATRIX", matrix),
        ("TILEROW", row),
        ("TILECOL", col),
        ("J", j),
        ("I", i),
        ("INFOFORMAT", ending),
    ]);
    Ok(wmts::answer(&asker, &kvp).await)
}

// The form of a parameter that `map_err` wants.
#[allow(clippy::needless_pass_by_value)]
fn not_utf8(_: PathRejection) -> Problem {
    Problem::invalid("the path is not UTF-8")
}

/// Returns the name and the ending of a file.
fn split(file: &str) -> (String, String) {
    let (name, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    (name.to_owned(), ending.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_named_or_told_by_the_operation() {
        for (query, expected) in [
            ("SERVICE=wms&REQUEST=x", Some(Service::Wms)),
            ("service=WMTS", Some(Service::Wmts)),
            ("Service=WCS", Some(Service::Wcs)),
            ("REQUEST=GetMap", Some(Service::Wms)),
            ("request=GetCoverage", Some(Service::Wcs)),
            ("REQUEST=GetTile", Some(Service::Wmts)),
            ("REQUEST=GetCapabilities", None),
            ("SERVICE=WFS", None),
            ("", None),
        ] {
            let kvp = Kvp::read(query).expect("a query");
            assert_eq!(service(&kvp).ok(), expected, "{query}");
        }
    }
}
