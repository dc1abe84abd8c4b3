//! Cloud-optimised files of a satellite tile's size, made row by row.

use std::error::Error;
use std::path::Path;

use swath_grid::{Crs, GeoBox, Size, Transform};
use swath_io::cog::{
    AreaOrPoint, BandSpec, CogOptions, CogSpec, Compression, OverviewRule, RowSource, Rows,
    write_cog,
};
use swath_raster::{DataType, Pixels};

/// An image whose pixels are computed.
pub struct Image {
    pub side: u32,
    pub block_px: u32,
    /// Value at column and row.
    pub value: fn(u32, u32) -> u8,
}

/// Side of a Sentinel-2 tile at 10 m.
pub const TILE_SIDE: u32 = 10_980;

/// One value per 512² pixels, never 0.
pub fn flat(col: u32, row: u32) -> u8 {
    (col / 512 * 7 + row / 512 * 13) as u8 % 250 + 1
}

/// Values that no codec makes smaller.
pub fn noise(col: u32, row: u32) -> u8 {
    let bits = (u64::from(row) << 32 | u64::from(col)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (bits ^ bits >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 48) as u8 | 1
}

impl RowSource for Image {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let value = self.value;
        let row = |row: u32| (0..self.side).map(move |col| value(col, row));
        let values = (first_row..first_row + rows).flat_map(row).collect();
        Ok(Rows {
            bands: vec![Pixels::U8(values)],
            mask: None,
        })
    }
}

/// Writes `image` as a deflated COG with overviews, 10 m pixels in UTM 32.
pub fn write(path: &Path, mut image: Image) {
    let transform = Transform::from_gdal([500_000.0, 10.0, 0.0, 6_300_000.0, 0.0, -10.0]).unwrap();
    let size = Size {
        width: image.side,
        height: image.side,
    };
    let spec = CogSpec {
        geobox: GeoBox::new(Crs::from_epsg(32632).unwrap(), transform, size).unwrap(),
        data_type: DataType::U8,
        bands: vec![BandSpec::default()],
        nodata: None,
        has_mask: false,
        metadata: Vec::new(),
        color_map: None,
        area_or_point: AreaOrPoint::Area,
    };
    let options = CogOptions {
        compression: Compression::Zstd { level: 1 },
        block_px: image.block_px,
        overviews: OverviewRule::Nearest,
        ..CogOptions::default()
    };
    write_cog(path, &spec, &options, &mut image).expect("a COG");
}
