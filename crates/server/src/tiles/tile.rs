//! One tile.

use axum::extract::{Path, Query};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use swath_grid::{GeoBox, TileIndex, TileMatrixSet};

use crate::asker::Asker;
use crate::error::Problem;
use crate::map::{
    Background, CompositeChoice, ImageFormat, MapFailure, MapRequest, StyleChoice, TimeChoice,
    answer_map,
};

/// Answers `GET /tiles/{layer}/{tms}/{z}/{x}/{file}`.
pub(super) async fn show(
    asker: Asker,
    Path((layer, tms, z, x, file)): Path<(String, String, String, String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let name = TileName::parse(&file, &asker.headers)?;
    let set = find_set(&tms)?;
    let geobox = tile_grid(&set, &z, &x, &name)?;
    let mut request = MapRequest {
        layer,
        time: TimeChoice::Newest,
        composite: None,
        geobox,
        style: StyleChoice::named(""),
        background: Background::Transparent,
        format: name.format,
    };
    let (mut composite, mut mask) = (None, None);
    for (key, value) in &query {
        match key.as_str() {
            "time" | "datetime" => request.time = TimeChoice::parse(value)?,
            "background" => request.background = Background::parse(value)?,
            "composite" => composite = Some(value.as_str()),
            "mask_scl" => mask = Some(value.as_str()),
            // What is not known is for others: keys of caches, of portals.
            key => _ = request.style.take(key, value)?,
        }
    }
    request.composite = CompositeChoice::parse(composite, mask)?;
    Ok(answer_map(&asker, &request).await?)
}

/// Finds a set of tiles.
///
/// # Errors
/// Where there is none of this name.
pub(crate) fn find_set(tms: &str) -> Result<TileMatrixSet, Problem> {
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
    use axum::http::{HeaderValue, StatusCode};

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
}
