//! Parcels that cover a rectangle once: bent edges, rings of any start and direction, holes that
//! other parcels fill.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use swath_access::{Resource, Viewer};

use super::tile_at;
use crate::vector::set::{ParcelSetFile, SetColumns, SetMetadata, write_set};
use crate::vector::{ParcelOptions, StringColumn, read_parcels};
use crate::{AwsEnvironment, Stores};

const WEST: f64 = 4.0;
const SOUTH: f64 = 51.0;
/// Degrees of a parcel's sides.
const STEP: [f64; 2] = [0.003, 0.002];

/// A square of `side` by `side` parcels.
pub struct Mosaic {
    pub side: usize,
    /// Vertices between the corners of an edge.
    pub bends: usize,
    /// Whether every row of parcels has one with a hole that a further parcel fills.
    pub holes: bool,
}

/// A number from 0 to 1 that depends on the seeds alone.
fn noise(seeds: [usize; 4]) -> f64 {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for seed in seeds {
        bits = (bits ^ seed as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits ^= bits >> 29;
    }
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl Mosaic {
    /// Longitude and latitude of the middle.
    pub fn middle(&self) -> (f64, f64) {
        let half = self.side as f64 / 2.0 + 0.3;
        (WEST + half * STEP[0], SOUTH + half * STEP[1])
    }

    /// Hectares of all, on the ground.
    pub fn hectares(&self) -> f32 {
        let side = self.side as f64;
        let across = side * STEP[0] * 111_320.0 * (SOUTH + side * STEP[1] / 2.0).to_radians().cos();
        let down = side * STEP[1] * 111_260.0;
        (across * down / 10_000.0) as f32
    }

    /// Returns what tells whether a step of the tile of the middle lies on the outside of the mosaic.
    pub fn outside(&self, zoom: u8) -> impl Fn([i64; 2]) -> bool + use<> {
        let (longitude, latitude) = self.middle();
        let [col, row] = tile_at(zoom, longitude, latitude);
        // The same place twelve zooms further is a step.
        let step = |longitude, latitude| {
            let [x, y] = tile_at_half(zoom, longitude, latitude);
            [x - i64::from(col) * 4_096, y - i64::from(row) * 4_096]
        };
        let end = self.side as f64;
        let [left, bottom] = step(WEST, SOUTH);
        let [right, top] = step(WEST + end * STEP[0], SOUTH + end * STEP[1]);
        move |[x, y]| {
            let near = |a: i64, b: i64| (a - b).abs() <= 1;
            near(x, left) || near(x, right) || near(y, top) || near(y, bottom)
        }
    }

    fn corner(&self, col: usize, row: usize) -> [f64; 2] {
        // The outside is straight, so that it is known where it is.
        let shift = |at: usize, axis: usize| match at == 0 || at == self.side {
            true => 0.0,
            false => 0.5 * (noise([col, row, axis, 1]) - 0.5),
        };
        [
            WEST + (col as f64 + shift(col, 0)) * STEP[0],
            SOUTH + (row as f64 + shift(row, 1)) * STEP[1],
        ]
    }

    /// Vertices from a corner to the one before the next, to the right (axis 0) or upwards.
    fn edge(&self, col: usize, row: usize, axis: usize) -> Vec<[f64; 2]> {
        let next = if axis == 0 {
            (col + 1, row)
        } else {
            (col, row + 1)
        };
        let (from, to) = (self.corner(col, row), self.corner(next.0, next.1));
        let across = if axis == 0 { row } else { col };
        let is_outside = across == 0 || across == self.side;
        let mut edge = vec![from];
        for bend in 1..=self.bends {
            let share = bend as f64 / (self.bends + 1) as f64;
            let mut at = [0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis]));
            if !is_outside {
                at[1 - axis] += 0.1 * STEP[1 - axis] * (noise([col, row, axis, bend + 2]) - 0.5);
            }
            edge.push(at);
        }
        edge.push(to);
        edge
    }

    fn ring(&self, col: usize, row: usize) -> Vec<[f64; 2]> {
        let mut ring = self.edge(col, row, 0);
        ring.pop();
        ring.extend(self.edge(col + 1, row, 1));
        ring.pop();
        ring.extend(self.edge(col, row + 1, 0).into_iter().rev());
        ring.pop();
        ring.extend(self.edge(col, row, 1).into_iter().rev());
        ring.pop();
        let turn = (noise([col, row, 9, 9]) * ring.len() as f64) as usize;
        ring.rotate_left(turn);
        closed(ring)
    }

    fn hole(&self, row: usize) -> Vec<[f64; 2]> {
        let middle = [WEST + 1.5 * STEP[0], SOUTH + (row as f64 + 0.5) * STEP[1]];
        let at = |index: usize| {
            let angle = index as f64 / 12.0 * std::f64::consts::TAU;
            [
                middle[0] + 0.15 * STEP[0] * angle.cos(),
                middle[1] + 0.15 * STEP[1] * angle.sin(),
            ]
        };
        closed((0..12).map(at).collect())
    }

    fn features(&self) -> Vec<Value> {
        let mut features = Vec::new();
        let mut add = |rings: Vec<Vec<[f64; 2]>>| {
            let id = format!("00{}", features.len());
            features.push(json!({
                "type": "Feature",
                "properties": {"id": id, "holder": "a name"},
                "geometry": {"type": "Polygon", "coordinates": rings},
            }));
        };
        for row in 0..self.side {
            for col in 0..self.side {
                let mut rings = vec![self.ring(col, row)];
                if self.holes && col == 1 {
                    rings.push(self.hole(row));
                }
                add(rings);
            }
            if self.holes {
                let mut filling = self.hole(row);
                filling.reverse();
                add(vec![filling]);
            }
        }
        features
    }
}

fn closed(mut ring: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    ring.push(ring[0]);
    ring
}

/// Steps of the grid of a zoom, rounded as places are.
fn tile_at_half(zoom: u8, longitude: f64, latitude: f64) -> [i64; 2] {
    let steps = f64::from(1_u32 << zoom) * 4_096.0;
    let y = latitude.to_radians().tan().asinh();
    let x = (longitude + 180.0) / 360.0 * steps;
    let y = (1.0 - y / std::f64::consts::PI) / 2.0 * steps;
    [x.round() as i64, y.round() as i64]
}

/// Writes the file of the set.
pub async fn write(folder: &Path, mosaic: &Mosaic) -> ParcelSetFile {
    let input = folder.join("input.geojson");
    let collection = json!({"type": "FeatureCollection", "features": mosaic.features()});
    std::fs::write(&input, collection.to_string()).unwrap();
    let options = ParcelOptions {
        id: Some("id".to_owned()),
        ..ParcelOptions::default()
    };
    let source = read_parcels(&input, &options).await.unwrap();
    let rows: Vec<u32> = (0..source.parcels.len() as u32).collect();
    let mut crops = StringColumn::default();
    rows.iter()
        .for_each(|row| crops.push(Some(["10", "20", "30"][*row as usize % 3])));
    let columns = SetColumns {
        crop_code: Some(crops),
        ..SetColumns::default()
    };
    let path = folder.join("1.parquet");
    write_set(&path, &source, &rows, &columns, SetMetadata::default()).unwrap();
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    let asset = stores.resolve(
        &Viewer::operator(),
        &Resource::direct(),
        &path.to_string_lossy(),
    );
    ParcelSetFile::open(&asset.unwrap()).await.unwrap()
}
