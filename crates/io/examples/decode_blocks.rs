//! Decodes every block of a raster on one thread and prints what it took: the figure beside GDAL's.
//!
//! `cargo run --release -p swath-io --example decode_blocks -- RASTER`

use std::sync::Arc;

use futures::TryStreamExt;
use swath_access::{Resource, Viewer};
use swath_io::{AwsEnvironment, BlockPlan, DecodeScratch, FetchedBlock, GeoTiff, Stores, blocks};

/// Blocks decoded together, as a scan does.
const BLOCKS_TOGETHER: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let href = std::env::args()
        .nth(1)
        .ok_or("usage: decode_blocks RASTER")?;
    let stores = Stores::for_command_line(Default::default(), AwsEnvironment::default());
    let asset = stores.resolve(&Viewer::operator(), &Resource::direct(), &href)?;
    let raster = Arc::new(GeoTiff::open(asset).await?);
    let count = raster.blocks().width * raster.blocks().height;
    let plan = BlockPlan {
        level: 0,
        bands: (0..raster.bands().len()).collect(),
        numbers: (0..count).collect(),
    };
    let mut scratch = DecodeScratch::default();
    let (mut values, mut sum) = (0u64, 0.0);
    let mut stream = std::pin::pin!(blocks(&raster, plan).try_chunks(BLOCKS_TOGETHER));
    while let Some(fetched) = stream.try_next().await? {
        let fetched: Vec<&FetchedBlock> = fetched.iter().collect();
        for pixels in FetchedBlock::decode_all(&fetched, &mut scratch)?
            .into_iter()
            .flat_map(|block| block.bands)
        {
            values += pixels.len() as u64;
            sum += pixels.get_f64(0);
            scratch.recycle(pixels);
        }
    }
    println!("{values} values in {count} blocks (first values sum to {sum})");
    Ok(())
}
