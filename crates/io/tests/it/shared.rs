//! The real rasters that stand beside the checkout, and what GDAL says of their pixels.

use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt;
use swath_grid::Window;
use swath_io::{BlockPlan, DecodedBlock, GeoTiff, IoError, blocks, compute};
use swath_raster::{Pixels, for_pixels};

/// Returns the folder of real data, or says that it is absent.
pub fn shared_data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let data = std::env::var_os("SWATH_SHARED")
        .map_or_else(beside, PathBuf::from)
        .join("data");
    if !data.join("rasters.csv").is_file() {
        println!("skipped: no shared data at {}", data.display());
        return None;
    }
    Some(data)
}

/// Returns the lines of a table without its head, cut at commas; quoted cells keep theirs.
pub fn table(path: &std::path::Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(cells).collect()
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

/// What a reference program says of one band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Digest {
    pub min: i64,
    pub max: i64,
    pub sum: i64,
    pub checksum: u64,
}

/// Reads a whole level and returns the digest of each band.
pub async fn digests(raster: &Arc<GeoTiff>, level: usize) -> Result<Vec<Digest>, IoError> {
    let description = raster.describe();
    let [width, height] = match level {
        0 => description.size,
        _ => description.overviews[level - 1].size,
    };
    let [block_width, block_height] = match level {
        0 => description.block,
        _ => description.overviews[level - 1].block,
    };
    let count = width.div_ceil(block_width) * height.div_ceil(block_height);
    let plan = BlockPlan {
        level,
        bands: (0..raster.bands().len()).collect(),
        numbers: (0..count).collect(),
    };
    let decoded: Vec<DecodedBlock> = blocks(raster, plan)
        .map_ok(|fetched| compute::run(move |scratch| fetched.decode(scratch)))
        .try_buffered(8)
        .try_collect()
        .await?;
    let window = Window {
        col: 0,
        row: 0,
        width,
        height,
    };
    let whole = DecodedBlock::assemble(window, decoded)?;
    Ok(whole.bands.iter().map(digest).collect())
}

#[expect(clippy::unnecessary_cast, reason = "one line for every type of pixels")]
fn digest(pixels: &Pixels) -> Digest {
    let values: Vec<i64> = for_pixels!(pixels, values => {
        values.iter().map(|value| *value as i64).collect()
    });
    Digest {
        min: *values.iter().min().unwrap(),
        max: *values.iter().max().unwrap(),
        sum: values.iter().sum(),
        checksum: checksum(&values),
    }
}

/// The checksum of GDAL (`gdalinfo -checksum`): remainders by eleven primes in turn.
fn checksum(values: &[i64]) -> u64 {
    const PRIMES: [i64; 11] = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43];
    let mut sum = 0_i64;
    for (index, value) in values.iter().enumerate() {
        sum = (sum + value % PRIMES[index % 11]) & 0xffff;
    }
    sum as u64
}
