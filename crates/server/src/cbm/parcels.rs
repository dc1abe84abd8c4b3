//! Parcels: by place, id, polygon, and those like one.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use geo::{Area, Centroid, Distance, Euclidean, Intersects};
use geo_types::{Geometry, Point, Polygon};
use serde_json::{Value, json};
use swath_access::Viewer;
use swath_grid::Bbox;

use super::columns::Columns;
use super::parameters::{Asked, Flag, polygon};
use crate::error::Problem;
use crate::parcels::{OpenSet, Parcel, WGS84};
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// The CRS in which areas and distances are measured: equal area, metres.
const EQUAL_AREA: u32 = 3035;
/// Most parcels of one answer; further pages are asked for with `page=`.
const PARCELS_MAX: usize = 10_000;
/// Farthest that peers may be, in metres.
const DISTANCE_MAX_M: f64 = 50_000.0;
/// Most peers.
const PEERS_MAX: f64 = 10_000.0;
/// Smallest peer, in square metres.
const PEER_AREA_MIN_M2: f64 = 3_000.0;
/// Most parcels around one that are looked at for peers: nearer ones first where there are more.
const AROUND_MAX: usize = 100_000;

/// Returns the set that `aoi`, `year` and `ptype` mean, where the viewer may see it.
pub(super) async fn set_of(
    state: &AppState,
    viewer: &Viewer,
    asked: &Asked,
) -> Result<Arc<OpenSet>, Problem> {
    let (aoi, year) = (asked.needed("aoi")?, asked.text("year").unwrap_or_default());
    let names = state.cbm.sets(aoi, year, asked.text("ptype"));
    for name in &names {
        match state.sets.open(state, viewer, name).await {
            Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => {}
            other => return other,
        }
    }
    Err(Problem::not_found(format!(
        "no parcel set of aoi and year for you; looked for {}",
        match names.is_empty() {
            true => "nothing: these are no words of a name".to_owned(),
            false => names.join(", "),
        }
    )))
}

/// Answers `/query/info`: the sets that the caller may see.
pub(super) async fn info(Bounded(state): Bounded, caller: Caller) -> Result<Response, Problem> {
    let sets = state.catalog.parcel_sets(&caller.viewer).await?;
    let described = sets.iter().map(|set| {
        let newest = set.versions.last();
        json!({
            "set": set.name,
            "version": newest.map(|version| version.number),
            "parcels": newest.map(|version| version.features),
            "crs": newest.map(|version| version.content.crs.clone()),
            "timezone": set.timezone,
        })
    });
    let described: Vec<Value> = described.collect();
    Ok(Json(json!({
        "user": caller.viewer.subject(),
        "datasets": described,
        "configured": state.cbm.sets.keys().collect::<Vec<_>>(),
    }))
    .into_response())
}

/// Answers `/query/parcelByLocation`.
pub(super) async fn by_location(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let place = asked.place()?;
    let set = set_of(&state, &caller.viewer, &asked).await?;
    let point = Geometry::Point(Point::from(place));
    let rows = set.rows_in(Some(&around(place.x, place.y, 0.0, 0.0)), 0)?;
    let found = meeting(&set, &rows, &point).await?;
    Ok(described(&set, &found, Geometries::of(&asked)))
}

/// Answers `/query/parcelByID`.
pub(super) async fn by_id(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let pid = asked.needed("pid")?;
    let set = set_of(&state, &caller.viewer, &asked).await?;
    let found = match set.row(pid) {
        Some(row) => vec![set.parcel(row).await?],
        None => Vec::new(),
    };
    Ok(described(&set, &found, Geometries::of(&asked)))
}

/// Answers `/query/parcelsByPolygon`, page by page.
pub(super) async fn by_polygon(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let polygon = polygon(asked.needed("polygon")?)?;
    let set = set_of(&state, &caller.viewer, &asked).await?;
    let whole = |name: &str, default: f64, most: f64| -> Result<usize, Problem> {
        let number = asked.number(name)?.unwrap_or(default);
        Ok(number.clamp(0.0, most) as usize)
    };
    let limit = whole("limit", PARCELS_MAX as f64, PARCELS_MAX as f64)?.max(1);
    let page = whole("page", 1.0, 1e6)?.max(1);
    let rows = set.rows_in(Some(&bbox_of(&polygon)), 0)?;
    let found = meeting(&set, &rows, &polygon.into()).await?;
    let first = (page - 1).saturating_mul(limit).min(found.len());
    let found = &found[first..found.len().min(first + limit)];
    let geometries = Geometries::of(&asked);
    if !asked.flag("only_ids", Flag::Off) {
        return Ok(described(&set, found, geometries));
    }
    let mut columns = Columns::default();
    columns.push("pid", found.iter().map(|parcel| set.id(parcel.row)));
    if geometries != Geometries::None {
        columns.push(
            "geom",
            found.iter().map(|parcel| geometries.text(&set, parcel)),
        );
    }
    Ok(columns)
}

/// Answers `/query/parcelPeers`: of the same crop, nearest first.
pub(super) async fn peers(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let pid = asked.needed("pid")?;
    let distance_m = asked.number("distance")?.unwrap_or(2_000.0);
    let peers_max = asked.number("max")?.unwrap_or(10.0);
    if !(0.0..=DISTANCE_MAX_M).contains(&distance_m) || !(0.0..=PEERS_MAX).contains(&peers_max) {
        return Err(Problem::invalid(format!(
            "distance: up to {DISTANCE_MAX_M} m, max: up to {PEERS_MAX}"
        )));
    }
    let set = set_of(&state, &caller.viewer, &asked).await?;
    let Some(row) = set.row(pid) else {
        return Ok(Columns::empty(&["pid", "distance"]));
    };
    let own = set.parcel(row).await?;
    let (Some(crop), Some(place)) = (crop_of(&own), set.degrees(row)) else {
        return Ok(Columns::empty(&["pid", "distance"]));
    };
    // A degree of latitude has 111 km, one of longitude as many times the cosine.
    let up = distance_m / 110_500.0;
    let across = up
        / place
            .north
            .abs()
            .max(place.south.abs())
            .to_radians()
            .cos()
            .max(0.01);
    let near = Bbox {
        west: place.west - across,
        south: (place.south - up).max(-90.0),
        east: place.east + across,
        north: (place.north + up).min(90.0),
    };
    let mut rows = set.rows_in(Some(&near), 0)?;
    rows.retain(|other| *other != row);
    if rows.len() > AROUND_MAX {
        return Err(Problem::invalid(format!(
            "more than {AROUND_MAX} parcels lie within the distance: ask for a smaller one"
        )));
    }
    let candidates = set.parcels(&rows).await?;
    let (found, set) =
        swath_io::compute::run(move |_| (nearest(&set, &own, &crop, candidates, distance_m), set))
            .await;
    let found = &found[..found.len().min(peers_max as usize)];
    let mut columns = Columns::default();
    columns.push("pid", found.iter().map(|(row, _)| set.id(*row)));
    columns.push("distance", found.iter().map(|(_, distance)| *distance));
    Ok(columns)
}

fn nearest(
    set: &OpenSet,
    own: &Parcel,
    crop: &str,
    candidates: Vec<Parcel>,
    distance_m: f64,
) -> Vec<(u32, f64)> {
    let metric = |parcel: &Parcel| set.moved(parcel.geometry.as_ref()?, EQUAL_AREA);
    let Some(place) = metric(own) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, f64)> = candidates
        .iter()
        .filter(|parcel| crop_of(parcel).as_deref() == Some(crop))
        .filter_map(|parcel| {
            let shape = metric(parcel)?;
            let is_point = matches!(shape, Geometry::Point(_));
            let distance = Euclidean.distance(&place, &shape);
            let is_near = distance <= distance_m;
            let is_large = is_point || shape.unsigned_area() > PEER_AREA_MIN_M2;
            (is_near && is_large).then_some((parcel.row, distance))
        })
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    found
}

fn crop_of(parcel: &Parcel) -> Option<String> {
    parcel
        .text("crop_code")
        .or_else(|| parcel.text("crop_name"))
}

/// Returns the parcels of rows that share a point with a geometry in degrees.
async fn meeting(
    set: &Arc<OpenSet>,
    rows: &[u32],
    geometry: &Geometry<f64>,
) -> Result<Vec<Parcel>, Problem> {
    if rows.len() > AROUND_MAX {
        return Err(Problem::invalid(format!(
            "more than {AROUND_MAX} parcels lie there: ask for a smaller polygon"
        )));
    }
    let parcels = set.parcels(rows).await?;
    let (set, geometry) = (set.clone(), geometry.clone());
    let meets = move |parcel: &Parcel| {
        let own = parcel.geometry.as_ref();
        let own = own.and_then(|own| set.moved(own, WGS84));
        own.is_some_and(|own| own.intersects(&geometry))
    };
    Ok(swath_io::compute::run(move |_| parcels.into_iter().filter(meets).collect()).await)
}

fn around(x: f64, y: f64, across: f64, up: f64) -> Bbox {
    Bbox {
        west: x - across,
        south: y - up,
        east: x + across,
        north: y + up,
    }
}

fn bbox_of(polygon: &Polygon<f64>) -> Bbox {
    let corners = &polygon.exterior().0;
    let first = corners.first().copied().unwrap_or_default();
    let mut bbox = around(first.x, first.y, 0.0, 0.0);
    for corner in corners {
        bbox.west = bbox.west.min(corner.x);
        bbox.east = bbox.east.max(corner.x);
        bbox.south = bbox.south.min(corner.y);
        bbox.north = bbox.north.max(corner.y);
    }
    bbox
}

/// Whether outlines are wanted, and in which CRS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Geometries {
    None,
    OfSet,
    Degrees,
}

impl Geometries {
    fn of(asked: &Asked) -> Self {
        match (
            asked.flag("withGeometry", Flag::Off),
            asked.flag("wgs84", Flag::Off),
        ) {
            (false, _) => Self::None,
            (true, false) => Self::OfSet,
            (true, true) => Self::Degrees,
        }
    }

    /// Returns GeoJSON as a text, as PostGIS writes it.
    fn text(self, set: &OpenSet, parcel: &Parcel) -> Option<String> {
        let geometry = parcel.geometry.as_ref()?;
        let geometry = match self {
            Self::Degrees => set.moved(geometry, WGS84)?,
            _ => geometry.clone(),
        };
        Some(swath_catalog::geojson_of(&geometry).to_string())
    }
}

/// Returns parcels as the interface describes them; `area` in square metres of EPSG:3035.
fn described(set: &OpenSet, parcels: &[Parcel], geometries: Geometries) -> Columns {
    let metric = |parcel: &Parcel| set.moved(parcel.geometry.as_ref()?, EQUAL_AREA);
    let centre = |parcel: &Parcel| -> Option<Point<f64>> {
        let centroid = parcel.geometry.as_ref()?.centroid()?;
        match set.moved(&centroid.into(), WGS84)? {
            Geometry::Point(point) => Some(point),
            _ => None,
        }
    };
    let mut columns = Columns::default();
    columns.push("pid", parcels.iter().map(|parcel| set.id(parcel.row)));
    let name = |parcel: &Parcel| {
        parcel
            .text("crop_name")
            .or_else(|| parcel.text("crop_code"))
    };
    columns.push("cropname", parcels.iter().map(name));
    columns.push(
        "cropcode",
        parcels.iter().map(|parcel| parcel.text("crop_code")),
    );
    columns.push("srid", parcels.iter().map(|_| set.crs.epsg()));
    if geometries != Geometries::None {
        columns.push(
            "geom",
            parcels.iter().map(|parcel| geometries.text(set, parcel)),
        );
    }
    columns.push(
        "area",
        parcels
            .iter()
            .map(|parcel| Some(metric(parcel)?.unsigned_area())),
    );
    columns.push(
        "clon",
        parcels.iter().map(|parcel| Some(centre(parcel)?.x())),
    );
    columns.push(
        "clat",
        parcels.iter().map(|parcel| Some(centre(parcel)?.y())),
    );
    columns
}

/// Returns the place of a parcel in degrees: its centroid.
///
/// # Errors
/// Where the parcel is not there or has no place.
pub(super) async fn centre_of(
    state: &AppState,
    viewer: &Viewer,
    asked: &Asked,
) -> Result<geo_types::Coord<f64>, Problem> {
    let set = set_of(state, viewer, asked).await?;
    let row = set.row_or_problem(asked.needed("pid")?)?;
    let parcel = set.parcel(row).await?;
    let centroid = parcel.geometry.as_ref().and_then(Geometry::centroid);
    match centroid.and_then(|centroid| set.moved(&centroid.into(), WGS84)) {
        Some(Geometry::Point(point)) => Ok(point.into()),
        _ => Err(Problem::not_found("the parcel has no place")),
    }
}
