//! One tile.

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use swath_access::{Role, Viewer};
use swath_grid::{GeoBox, TileIndex, TileMatrixSet};

use crate::error::Problem;
use crate::map::{
    Background, ImageFormat, MapFailure, MapImage, MapRequest, StyleChoice, TimeChoice, prepare_map,
};
use crate::state::Bounded;
use crate::viewer::Caller;

/// How long a tile may be taken from a cache without asking, in seconds.
const AGE_MAX_S: u32 = 60;

/// Answers `GET /tiles/{layer}/{tms}/{z}/{x}/{file}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    headers: HeaderMap,
    Path((layer, tms, z, x, file)): Path<(String, String, String, String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let name = TileName::parse(&file, &headers)?;
    let set = find_set(&tms)?;
    let geobox = tile_grid(&set, &z, &x, &name)?;
    let mut request = MapRequest {
        layer,
        time: TimeChoice::Newest,
        geobox,
        style: StyleChoice::named(""),
        background: Background::Transparent,
        format: name.format,
    };
    for (key, value) in &query {
        match key.as_str() {
            "time" | "datetime" => request.time = TimeChoice::parse(value)?,
            "background" => request.background = Background::parse(value)?,
            // What is not known is for others: keys of caches, of portals.
            key => _ = request.style.take(key, value)?,
        }
    }
    let viewer = &caller.viewer;
    let prepared = prepare_map(&state, viewer, &request).await?;
    let etag = prepared.etag.clone();
    if is_known(&headers, &etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        put_headers(&mut response, &etag, viewer);
        return Ok(response);
    }
    let image = prepared.draw(&state, viewer).await?;
    Ok(image_response(image, viewer))
}

/// Returns the answer with a picture in it.
fn image_response(image: MapImage, viewer: &Viewer) -> Response {
    let mut response = Response::new(Body::from(image.bytes));
    let kind = HeaderValue::from_static(image.media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    put_headers(&mut response, &image.etag, viewer);
    response
}

fn put_headers(response: &mut Response, etag: &str, viewer: &Viewer) {
    // What one viewer sees is not for the caches of others.
    let scope = match viewer.role() {
        Role::Anonymous => "public",
        _ => "private",
    };
    let control = format!("{scope}, max-age={AGE_MAX_S}");
    for (name, text) in [(header::ETAG, etag), (header::CACHE_CONTROL, &control)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    let vary = HeaderValue::from_static("Authorization, Accept");
    response.headers_mut().append(header::VARY, vary);
}

/// True where the client has the version already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let sent = headers.get(header::IF_NONE_MATCH);
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    sent.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

/// Finds a set of tiles.
///
/// # Errors
/// Where there is none of this name.
pub(super) fn find_set(tms: &str) -> Result<TileMatrixSet, Problem> {
    TileMatrixSet::find(tms).ok_or_else(|| {
        let shown: String = tms.chars().filter(|c| !c.is_control()).take(60).collect();
        Problem::not_found(format!(
            "there is no set of tiles \"{shown}\"; there are WebMercatorQuad, WorldCRS84Quad, \
             WGS1984Quad, EuropeanETRS89_LAEAQuad, UTM01WGS84Quad to UTM60WGS84Quad and \
             UTM01SWGS84Quad to UTM60SWGS84Quad"
        ))
    })
}

fn tile_grid(set: &TileMatrixSet, z: &str, x: &str, name: &TileName) -> Result<GeoBox, Problem> {
    let Some(matrix) = set.matrix(z) else {
        let ids = [set.matrices.first(), set.matrices.last()];
        let [first, last] = ids.map(|matrix| matrix.map_or("", |matrix| matrix.id.as_str()));
        let reason = format!("zoom: {} has {first} to {last}", set.id);
        return Err(Problem::invalid(reason));
    };
    let grid = &set.matrices[matrix];
    let geobox = x.parse().ok().and_then(|col| {
        let tile = TileIndex {
            matrix,
            row: name.row,
            col,
        };
        set.geobox(tile, name.scale)
    });
    geobox.ok_or_else(|| {
        Problem::not_found(format!(
            "zoom {z} of {} has columns 0 to {} and rows 0 to {}",
            set.id,
            grid.matrix_width - 1,
            grid.matrix_height - 1
        ))
    })
}

/// The last part of the path of a tile: row, scale, format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TileName {
    row: u32,
    /// 1, or 2 for `@2x`.
    scale: u32,
    format: ImageFormat,
}

impl TileName {
    /// Reads `Y.png` or `Y@2x.png`; without extension the first format that the client accepts, PNG where
    /// it names none.
    ///
    /// # Errors
    /// Where it is neither.
    fn parse(file: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let known = || ImageFormat::ALL.map(ImageFormat::extension).join(", ");
        let wrong = || {
            Problem::invalid(format!(
                "expected Y.EXT or Y@2x.EXT with EXT one of {}",
                known()
            ))
        };
        let (stem, format) = match file.rsplit_once('.') {
            Some((stem, extension)) => match ImageFormat::of_extension(extension) {
                Some(format) => (stem, format),
                None => {
                    let format = extension.chars().take(20).collect();
                    let known = known();
                    return Err(MapFailure::FormatUnknown { format, known }.into());
                }
            },
            None => {
                let accepted = headers.get(header::ACCEPT);
                let accepted = accepted
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default();
                let format = accepted.split(',').find_map(ImageFormat::of_media_type);
                (file, format.unwrap_or(ImageFormat::Png))
            }
        };
        let (row, scale) = match stem.strip_suffix("@2x") {
            Some(row) => (row, 2),
            None => (stem, 1),
        };
        let row = row.parse().map_err(|_| wrong())?;
        Ok(Self { row, scale, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(file: &str) -> Result<TileName, Problem> {
        TileName::parse(file, &HeaderMap::new())
    }

    #[test]
    fn names_of_tiles_are_read() {
        let name = parsed("12@2x.webp").expect("a name");
        assert_eq!(
            (name.row, name.scale, name.format),
            (12, 2, ImageFormat::Webp)
        );
        assert_eq!(parsed("12").expect("a name").format, ImageFormat::Png);
        for bad in [
            "",
            "12.gif",
            "x.png",
            "-1.png",
            "1@3x.png",
            "99999999999.png",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_extension_the_client_chooses() {
        let mut headers = HeaderMap::new();
        let accepted = "text/html,image/webp;q=0.9,image/png;q=0.8";
        headers.insert(header::ACCEPT, HeaderValue::from_static(accepted));
        let name = TileName::parse("7", &headers).expect("a name");
        assert_eq!((name.row, name.format), (7, ImageFormat::Webp));
    }

    #[test]
    fn tiles_outside_say_what_there_is() {
        let set = find_set("WebMercatorQuad").expect("a set");
        let name = parsed("2.png").expect("a name");
        let problem = tile_grid(&set, "1", "0", &name).expect_err("outside");
        assert_eq!(problem.status, StatusCode::NOT_FOUND);
        assert!(problem.description.contains("rows 0 to 1"));
        let problem = tile_grid(&set, "99", "0", &name).expect_err("absurd");
        assert!(problem.description.contains("0 to 24"));
        assert!(find_set("Mercator").is_err());
    }

    #[test]
    fn etags_are_compared_weakly() {
        let mut headers = HeaderMap::new();
        assert!(!is_known(&headers, "\"a\""));
        headers.insert(
            header::IF_NONE_MATCH,
            HeaderValue::from_static("\"b\", W/\"a\""),
        );
        assert!(is_known(&headers, "\"a\"") && !is_known(&headers, "\"c\""));
    }
}
