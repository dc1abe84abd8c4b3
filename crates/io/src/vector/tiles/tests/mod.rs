//! Tiles of generated sets, read by a decoder that knows nothing of the encoder.

mod decoder;
mod mosaic;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use decoder::{Feature, decode};
use mosaic::{Mosaic, write};

async fn pyramid(folder: &TempDir, mosaic: &Mosaic) -> (TilePyramid, PyramidSummary) {
    let set = write(folder.path(), mosaic).await;
    let crs = swath_grid::Crs::from_epsg(4326).unwrap();
    let path = folder.path().join("pyramid");
    let file = std::fs::File::create(&path).unwrap();
    let summary = build_pyramid(&set, &crs, &file, &path).unwrap();
    (TilePyramid::open(&path).unwrap(), summary)
}

/// Column and row of the tile that holds a place.
fn tile_at(zoom: u8, longitude: f64, latitude: f64) -> [u32; 2] {
    let tiles = f64::from(1_u32 << zoom);
    let y = latitude.to_radians().tan().asinh();
    let col = (longitude + 180.0) / 360.0 * tiles;
    let row = (1.0 - y / std::f64::consts::PI) / 2.0 * tiles;
    [col as u32, row as u32]
}

fn features(pyramid: &TilePyramid, zoom: u8, [col, row]: [u32; 2]) -> Vec<Feature> {
    let address = TileAddress::new(zoom, col, row).unwrap();
    let tile = pyramid.tile(&address, &TileContent::default()).unwrap();
    decode(&tile)
}

fn twice_area(ring: &[[i64; 2]]) -> i64 {
    let next = |index: usize| ring[(index + 1) % ring.len()];
    let each = ring.iter().enumerate();
    each.map(|(index, at)| at[0] * next(index)[1] - next(index)[0] * at[1])
        .sum()
}

/// Where every edge is drawn once in each direction, nothing lies between parcels or on two of them.
fn assert_edges_are_shared(features: &[Feature], limit: impl Fn([i64; 2]) -> bool) {
    let mut edges: HashMap<([i64; 2], [i64; 2]), i64> = HashMap::new();
    for ring in features.iter().flat_map(|feature| &feature.rings) {
        for (index, from) in ring.iter().enumerate() {
            let to = ring[(index + 1) % ring.len()];
            let (edge, sign) = if *from <= to {
                ((*from, to), 1)
            } else {
                ((to, *from), -1)
            };
            *edges.entry(edge).or_default() += sign;
        }
    }
    let alone = edges.iter().filter(|(_, count)| **count != 0);
    for ((from, to), count) in alone {
        assert!(limit(*from) && limit(*to), "{from:?} to {to:?}: {count}");
    }
}

#[tokio::test]
async fn neighbours_share_their_edges_at_every_zoom() {
    let folder = TempDir::new().unwrap();
    let mosaic = Mosaic {
        side: 40,
        bends: 6,
        holes: true,
    };
    let (pyramid, summary) = pyramid(&folder, &mosaic).await;
    assert_eq!(summary.rows, 40 * 40 + 40);
    assert_eq!(pyramid.detail_zoom(), 0);
    let (longitude, latitude) = mosaic.middle();
    let whole = i64::from(EXTENT + 2 * BUFFER);
    let mut vertices = Vec::new();
    for zoom in 9..=ZOOM_MAX {
        let features = features(&pyramid, zoom, tile_at(zoom, longitude, latitude));
        let rings = features.iter().flat_map(|feature| &feature.rings);
        vertices.push(rings.clone().map(Vec::len).sum::<usize>());
        let area: i64 = rings.map(|ring| twice_area(ring)).sum();
        let buffer = i64::from(BUFFER);
        let sides = [-buffer, whole - buffer];
        let on_side = |at: [i64; 2]| at.iter().any(|step| sides.contains(step));
        if zoom >= 13 {
            // The tile lies within the mosaic: it is covered once, whatever the zoom leaves out.
            assert_eq!(area, 2 * whole * whole, "zoom {zoom}");
            assert_edges_are_shared(&features, on_side);
        } else {
            // The outside of the mosaic is drawn by one parcel only.
            let outside = mosaic.outside(zoom);
            assert_edges_are_shared(&features, |at| on_side(at) || outside(at));
        }
    }
    // Lower zooms have fewer vertices of the same parcels.
    assert!(vertices[0] * 3 < 1_640 * 4 * 7, "{vertices:?}");
}

#[tokio::test]
async fn features_have_ids_properties_and_a_direction() {
    let folder = TempDir::new().unwrap();
    let mosaic = Mosaic {
        side: 6,
        bends: 2,
        holes: true,
    };
    let (pyramid, _) = pyramid(&folder, &mosaic).await;
    let (longitude, latitude) = mosaic.middle();
    let found = features(&pyramid, 10, tile_at(10, longitude, latitude));
    assert_eq!(found.len(), 42);
    let mut ids: Vec<u64> = found.iter().map(|feature| feature.id.unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..42).collect::<Vec<u64>>());
    for feature in &found {
        assert_eq!((feature.layer.as_str(), feature.kind), ("parcels", 3));
        let id = &feature.properties["id"];
        assert!(id.starts_with("00"), "{id}");
        assert_eq!(feature.properties["crop_code"].len(), 2);
        assert!(feature.properties["area_ha"].parse::<f32>().unwrap() > 0.0);
        assert!(!feature.properties.contains_key("holder"));
        let signs: Vec<bool> = feature
            .rings
            .iter()
            .map(|ring| twice_area(ring) > 0)
            .collect();
        assert!(
            signs[0] && signs[1..].iter().all(|is_shell| !is_shell),
            "{signs:?}"
        );
    }
    let content = TileContent {
        properties: vec![TileProperty::Id],
        values: Some(Arc::new(
            TileValues::new(&pyramid, (0..41).map(|row| row as f32).collect()).unwrap(),
        )),
    };
    let [col, row] = tile_at(10, longitude, latitude);
    let tile = pyramid
        .tile(&TileAddress::new(10, col, row).unwrap(), &content)
        .unwrap();
    for feature in decode(&tile) {
        let row = feature.id.unwrap();
        let expected = (row < 41).then(|| row.to_string());
        assert_eq!(feature.properties.get("value"), expected.as_ref());
        assert_eq!(feature.properties.len(), 1 + usize::from(row < 41));
    }
}

#[tokio::test]
async fn tiles_of_many_parcels_stay_small_and_leave_nothing_out() {
    let folder = TempDir::new().unwrap();
    let mosaic = Mosaic {
        side: 110,
        bends: 3,
        holes: false,
    };
    let (pyramid, summary) = pyramid(&folder, &mosaic).await;
    let detail = pyramid.detail_zoom();
    assert!((6..13).contains(&detail), "{summary:?}");
    let (longitude, latitude) = mosaic.middle();
    for zoom in 0..=14 {
        let [col, row] = tile_at(zoom, longitude, latitude);
        let address = TileAddress::new(zoom, col, row).unwrap();
        let tile = pyramid.tile(&address, &TileContent::default()).unwrap();
        assert!(
            !tile.is_empty() && tile.len() <= TILE_BYTES_MAX,
            "{zoom}: {}",
            tile.len()
        );
        let layer = &decode(&tile)[0].layer;
        let expected = if zoom < detail { "cells" } else { "parcels" };
        assert_eq!(layer, expected, "zoom {zoom}");
    }
    // All hectares are in the cells of one tile.
    let [col, row] = tile_at(3, longitude, latitude);
    let cells = features(&pyramid, 3, [col, row]);
    let sum: f32 = cells
        .iter()
        .map(|cell| cell.properties["area_ha"].parse::<f32>().unwrap())
        .sum();
    let expected = mosaic.hectares();
    assert!((sum / expected - 1.0).abs() < 0.01, "{sum} of {expected}");
    let values = TileValues::new(&pyramid, vec![2.5; 110 * 110]).unwrap();
    let content = TileContent {
        values: Some(Arc::new(values)),
        ..TileContent::default()
    };
    let tile = pyramid
        .tile(&TileAddress::new(3, col, row).unwrap(), &content)
        .unwrap();
    assert!(
        decode(&tile)
            .iter()
            .all(|cell| cell.properties["value"] == "2.5")
    );
    let far = TileAddress::new(3, 0, 0).unwrap();
    assert!(pyramid.tile(&far, &content).unwrap().is_empty());
}

#[tokio::test]
async fn damaged_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let mosaic = Mosaic {
        side: 3,
        bends: 0,
        holes: false,
    };
    drop(pyramid(&folder, &mosaic).await);
    let path = folder.path().join("pyramid");
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        let path = folder.path().join("damaged");
        std::fs::write(&path, bytes).unwrap();
        assert!(TilePyramid::open(&path).is_err());
    };
    refused(&[]);
    refused(&whole[..whole.len() - 1]);
    refused(&whole[1..]);
    let mut other = whole.clone();
    let at = other.len() - 16;
    other[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&other);
    assert!(TilePyramid::open(Path::new("/nowhere/at/all")).is_err());
}
