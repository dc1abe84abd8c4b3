//! The operations of WCS.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::coverage::{Coverage, Field};
use super::request::Wanted;
use super::{documents1, documents2, geotiff, name, request, request1};
use crate::asker::Asker;
use crate::map::{self, Layer, MapFailure};
use crate::ows::failure::{Fault, OwsFailure, TEXT_XML};
use crate::ows::kvp::{Kvp, invalid, shown};
use crate::ows::source::{self, ValuesWanted};

/// Most coverages that are described at once.
const DESCRIBED_MAX: usize = 20;
/// Most layers that one name is tried as.
const CANDIDATES_MAX: usize = 8;

/// A version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WcsVersion {
    V100,
    V201,
}

/// Answers a request.
pub(crate) async fn answer(asker: &Asker, kvp: &Kvp) -> Response {
    let version = match negotiate(kvp) {
        Ok(version) => version,
        Err(failure) => return failure.ows2_response(),
    };
    let answered = answered(asker, kvp, version).await;
    answered.unwrap_or_else(|failure| respond(version, &failure))
}

/// Returns the version that a request is answered in: that of VERSION, else the first of
/// ACCEPTVERSIONS that is spoken, else 2.0.1.
fn negotiate(kvp: &Kvp) -> Result<WcsVersion, OwsFailure> {
    let spoken = |text: &str| match text.split('.').next().unwrap_or_default().trim() {
        "2" => Some(WcsVersion::V201),
        "1" if text.trim() == "1" || text.trim().starts_with("1.0") => Some(WcsVersion::V100),
        _ => None,
    };
    let none = || {
        let text = "the versions 2.0.1 and 1.0.0 are offered";
        OwsFailure::new(Fault::Version, text).at("AcceptVersions")
    };
    if let Some(version) = kvp.get("VERSION") {
        return spoken(version).ok_or_else(none);
    }
    let accepted = kvp.list("ACCEPTVERSIONS")?;
    match accepted.is_empty() {
        false => accepted.into_iter().find_map(spoken).ok_or_else(none),
        true if kvp.has("COVERAGE") => Ok(WcsVersion::V100),
        true => Ok(WcsVersion::V201),
    }
}

fn respond(version: WcsVersion, failure: &OwsFailure) -> Response {
    match version {
        WcsVersion::V201 => failure.ows2_response(),
        WcsVersion::V100 => {
            let status = match failure.fault {
                Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::OK,
            };
            let heads = [
                (header::CONTENT_TYPE, documents1::FAILURE_TYPE),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (status, heads, documents1::failure(failure)).into_response()
        }
    }
}

async fn answered(asker: &Asker, kvp: &Kvp, version: WcsVersion) -> Result<Response, OwsFailure> {
    let operation = kvp.required("REQUEST")?;
    let document = match (operation.to_ascii_lowercase().as_str(), version) {
        ("getcapabilities", _) => {
            let layers = map::layers(&asker.state, &asker.viewer).await?;
            let coverages: Vec<Coverage> = layers.into_iter().filter_map(coverage).collect();
            match version {
                WcsVersion::V100 => documents1::capabilities(&coverages, &asker.base),
                WcsVersion::V201 => documents2::capabilities(&coverages, &asker.base),
            }
        }
        ("describecoverage", WcsVersion::V100) => {
            documents1::descriptions(&described(asker, kvp, "COVERAGE").await?)
        }
        ("describecoverage", WcsVersion::V201) => {
            documents2::descriptions(&described(asker, kvp, "COVERAGEID").await?)
        }
        ("getcoverage", WcsVersion::V100) => {
            let coverage = find(asker, kvp.required("COVERAGE")?, "COVERAGE").await?;
            let wanted = request1::read1(kvp, &coverage)?;
            return get_coverage(asker, &coverage, &wanted).await;
        }
        ("getcoverage", WcsVersion::V201) => {
            let coverage = find(asker, kvp.required("COVERAGEID")?, "coverageId").await?;
            let wanted = request::read2(kvp, &coverage)?;
            return get_coverage(asker, &coverage, &wanted).await;
        }
        _ => {
            let text = format!(
                "REQUEST: \"{}\" is no operation of this WCS",
                shown(operation)
            );
            return Err(OwsFailure::new(Fault::Operation, text).at("request"));
        }
    };
    Ok(([(header::CONTENT_TYPE, TEXT_XML)], document).into_response())
}

async fn described(
    asker: &Asker,
    kvp: &Kvp,
    parameter: &'static str,
) -> Result<Vec<Coverage>, OwsFailure> {
    let mut names = kvp.list(parameter)?;
    // 1.0.0 means all where nothing is named; 2.0 wants a name.
    if names.is_empty() && parameter == "COVERAGE" {
        let layers = map::layers(&asker.state, &asker.viewer).await?;
        let all: Vec<Coverage> = layers.into_iter().filter_map(coverage).collect();
        return match all.len() <= DESCRIBED_MAX {
            true => Ok(all),
            false => Err(invalid(
                parameter,
                format!("name up to {DESCRIBED_MAX} of the {} coverages", all.len()),
            )),
        };
    }
    kvp.required(parameter)?;
    if names.len() > DESCRIBED_MAX {
        return Err(invalid(
            parameter,
            format!("more than {DESCRIBED_MAX} at once"),
        ));
    }
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        found.push(find(asker, name, "coverageId").await?);
    }
    Ok(found)
}

/// Returns the coverage of a name.
async fn find(asker: &Asker, name: &str, locator: &'static str) -> Result<Coverage, OwsFailure> {
    for (collection, item) in name::candidates(name).into_iter().take(CANDIDATES_MAX) {
        let layer = match item {
            Some(item) => format!("{collection}:{item}"),
            None => collection,
        };
        match map::layer(&asker.state, &asker.viewer, &layer).await {
            Ok(layer) => {
                if let Some(coverage) = coverage(layer) {
                    return Ok(coverage);
                }
            }
            Err(MapFailure::LayerUnknown { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    let text = format!("there is no coverage \"{}\"", shown(name));
    Err(OwsFailure::new(Fault::Coverage, text).at(locator))
}

/// Returns the coverage of a layer; `None` where its items do not say their grid, or it has no EPSG code
/// or is not north up.
fn coverage(layer: Layer) -> Option<Coverage> {
    let grid = layer.grid?;
    let [_, col_dx, _, _, _, row_dy] = grid.transform().to_gdal();
    let is_north_up = grid.transform().is_axis_aligned() && col_dx > 0.0 && row_dy < 0.0;
    let epsg = grid.crs().epsg().filter(|_| is_north_up)?;
    let (collection, item) = match layer.name.split_once([':', '/']) {
        Some((collection, item)) => (collection, Some(item)),
        None => (layer.name.as_str(), None),
    };
    let field = |band: map::LayerBand| Field {
        description: band.title.unwrap_or_default(),
        nodata: band.nodata,
        unit: band.unit.filter(|_| band.scale.is_none()),
        name: band.name,
    };
    Some(Coverage {
        id: name::written(collection, item),
        title: layer.title,
        summary: layer.abstract_,
        bbox: layer.bbox,
        epsg,
        fields: layer.bands.into_iter().map(field).collect(),
        days: layer.days,
        layer: layer.name,
        grid,
    })
}

async fn get_coverage(
    asker: &Asker,
    coverage: &Coverage,
    wanted: &Wanted,
) -> Result<Response, OwsFailure> {
    let names: Vec<&str> = wanted
        .fields
        .iter()
        .filter_map(|index| Some(coverage.fields.get(*index)?.name.as_str()))
        .collect();
    let raster = source::values(
        asker,
        &ValuesWanted {
            layer: &coverage.layer,
            time: source::time_in(&wanted.time, &coverage.days),
            composite: None,
            geobox: &wanted.geobox,
            bands: &names,
            resampling: wanted.resampling,
        },
    )
    .await?;
    let nodata = wanted
        .fields
        .iter()
        .find_map(|index| coverage.fields.get(*index)?.nodata.clone());
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let bytes = swath_io::compute::run(move |_| geotiff::write(&raster, &names, nodata.as_deref()))
        .await
        .ok_or_else(|| OwsFailure::new(Fault::Internal, "the coverage cannot be written"))?;
    let heads = [
        (header::CONTENT_TYPE, "image/tiff".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"{}.tif\"", coverage.id),
        ),
        (header::CACHE_CONTROL, "max-age=60".to_owned()),
    ];
    Ok((heads, bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_negotiated() {
        for (query, expected) in [
            ("", Some(WcsVersion::V201)),
            ("VERSION=2.0.1", Some(WcsVersion::V201)),
            ("VERSION=2.0.0", Some(WcsVersion::V201)),
            ("version=1.0.0", Some(WcsVersion::V100)),
            ("ACCEPTVERSIONS=1.1.0,1.0.0", Some(WcsVersion::V100)),
            ("AcceptVersions=1.1.0", None),
            ("VERSION=1.1.1", None),
            ("COVERAGE=a", Some(WcsVersion::V100)),
        ] {
            let kvp = Kvp::read(query).expect("a query");
            assert_eq!(negotiate(&kvp).ok(), expected, "{query}");
        }
    }
}
