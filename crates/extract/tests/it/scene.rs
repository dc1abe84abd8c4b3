//! Rasters, parcels and stores of the tests.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use swath_access::{Resource, Viewer};
use swath_extract::{Extractor, MeasureOptions, STATISTICS, ZonalOptions, ZonalReport, zonal};
use swath_grid::{Crs, GeoBox, Size, Transform};
use swath_io::cog::{
    AreaOrPoint, BandSpec, CogOptions, CogSpec, Compression, OverviewRule, RowSource, Rows,
    write_cog,
};
use swath_io::vector::{ParcelOptions, read_parcels};
use swath_io::{AwsEnvironment, GeoTiff, IoError, Stores};
use swath_raster::{DataType, Pixels};
use swath_testkit::FaultServer;

/// West and north edge of all rasters; their pixels are 10 m.
pub const ORIGIN: [f64; 2] = [500_000.0, 6_300_000.0];

/// Returns numbers without a pattern from `seed` (SplitMix64).
pub fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// Returns the grid of a raster of `side` pixels.
pub fn geobox(side: u32) -> GeoBox {
    let transform = Transform::from_gdal([ORIGIN[0], 10.0, 0.0, ORIGIN[1], 0.0, -10.0]).unwrap();
    GeoBox::new(
        Crs::from_epsg(32632).unwrap(),
        transform,
        Size {
            width: side,
            height: side,
        },
    )
    .unwrap()
}

/// An image of one band whose rows are computed.
pub struct Image<F> {
    pub side: u32,
    pub block_px: u32,
    pub data_type: DataType,
    pub nodata: Option<f64>,
    /// Values of a number of rows from a first row.
    pub rows: F,
}

impl<F: FnMut(u32, u32) -> Pixels + Send> RowSource for Image<F> {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        Ok(Rows {
            bands: vec![(self.rows)(first_row, rows)],
            mask: None,
        })
    }
}

impl<F: FnMut(u32, u32) -> Pixels + Send> Image<F> {
    /// Writes the image as a COG without overviews that says when it was taken.
    pub fn write(mut self, path: &Path, datetime: &str) {
        let spec = CogSpec {
            geobox: geobox(self.side),
            data_type: self.data_type,
            bands: vec![BandSpec::default()],
            nodata: self.nodata,
            has_mask: false,
            metadata: vec![("datetime".to_owned(), datetime.to_owned())],
            color_map: None,
            area_or_point: AreaOrPoint::Area,
        };
        let options = CogOptions {
            compression: Compression::Zstd { level: 1 },
            block_px: self.block_px,
            overviews: OverviewRule::None,
            ..CogOptions::default()
        };
        write_cog(path, &spec, &options, &mut self).expect("a COG");
    }
}

/// Writes `rings`, in pixels from the upper left corner, as parcels `p0`, `p1`, …
pub fn write_parcels(path: &Path, rings: &[Vec<[f64; 2]>]) {
    let mut text = String::from(
        r#"{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::32632"}},"features":["#,
    );
    for (index, ring) in rings.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let points: Vec<String> = ring
            .iter()
            .chain(ring.first())
            .map(|[col, row]| format!("[{},{}]", ORIGIN[0] + col * 10.0, ORIGIN[1] - row * 10.0))
            .collect();
        write!(
            text,
            r#"{comma}{{"type":"Feature","properties":{{"id":"p{index}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            points.join(",")
        )
        .unwrap();
    }
    std::fs::write(path, text + "]}").unwrap();
}

/// Returns `count` turned squares of about 100 to 2,000 pixels somewhere on a raster of `side`.
pub fn fields(count: u64, side: u32, seed: u64) -> Vec<Vec<[f64; 2]>> {
    let unit = |number: u64| (mixed(number) >> 11) as f64 / (1_u64 << 53) as f64;
    (0..count)
        .map(|field| {
            let seed = (seed << 32) + field * 4;
            let radius = 7.0 + 25.0 * unit(seed);
            let room = f64::from(side) - 2.0 * radius;
            let (col, row) = (
                radius + room * unit(seed + 1),
                radius + room * unit(seed + 2),
            );
            let turn = std::f64::consts::TAU * unit(seed + 3);
            (0..4)
                .map(|corner| {
                    let angle = turn + std::f64::consts::FRAC_PI_2 * f64::from(corner);
                    [col + radius * angle.cos(), row + radius * angle.sin()]
                })
                .collect()
        })
        .collect()
}

/// Returns an extractor of the parcels in a file, which keeps nothing on disk.
pub async fn extractor(parcels: &Path, options: MeasureOptions) -> Extractor {
    let source = read_parcels(parcels, &ParcelOptions::default())
        .await
        .unwrap();
    Extractor::new(Arc::new(source), options).unwrap()
}

/// Returns stores that take paths and URLs, with AWS variables for `server`.
pub fn stores(server: Option<&FaultServer>) -> Stores {
    let mut aws = AwsEnvironment::default();
    if let Some(server) = server {
        for (name, value) in [
            ("AWS_ENDPOINT_URL", server.endpoint()),
            ("AWS_ACCESS_KEY_ID", server.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", server.secret_key().to_owned()),
        ] {
            aws.variables.insert(name.to_owned(), value);
        }
    }
    Stores::for_command_line(BTreeMap::new(), aws)
}

/// Opens the raster behind `href`.
pub async fn open(stores: &Stores, href: &str) -> Result<Arc<GeoTiff>, IoError> {
    let asset = stores.resolve(&Viewer::operator(), &Resource::direct(), href)?;
    Ok(Arc::new(GeoTiff::open(asset).await?))
}

/// Measures a raster into a file, all bands, all statistics.
pub async fn measure(
    extractor: &mut Extractor,
    raster: &Arc<GeoTiff>,
    output: &Path,
) -> Result<ZonalReport, swath_extract::ExtractError> {
    let options = ZonalOptions {
        bands: Vec::new(),
        classes: Vec::new(),
        masks: Vec::new(),
        is_unscaled: false,
        statistics: STATISTICS.map(str::to_owned).to_vec(),
    };
    zonal(extractor, raster.clone(), &options, output).await
}
