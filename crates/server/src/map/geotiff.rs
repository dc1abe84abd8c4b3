//! Values as a GeoTIFF.

use std::error::Error;

use swath_grid::GeoBox;
use swath_io::cog::{
    AreaOrPoint, BandSpec, CogOptions, CogSpec, ColorInterpretation, Compression, OverviewRule,
    RowSource, Rows, write_cog,
};
use swath_raster::{Mask, Pixels, Raster, RasterBand, Sample, for_pixels};

use super::MapFailure;
use super::mosaic::{common_type, valid_in_all};
use super::render::Values;

/// Returns a raster as a file: values in their own type (`f64` where bands differ), compressed with what
/// every reader knows. What is not valid is `nodata`, or, where that is `None`, masked by a mask of
/// all bands inside of the file.
///
/// # Errors
/// Where the CRS cannot be written, or the scratch folder fails.
async fn raster_geotiff(
    raster: Raster,
    names: Vec<String>,
    nodata: Option<f64>,
) -> Result<Vec<u8>, MapFailure> {
    // The writer waits for threads of its own.
    let written = tokio::task::spawn_blocking(move || write(raster, names, nodata)).await;
    written.map_err(|error| MapFailure::internal(&error))?
}

/// Returns values of expressions as a file of `f32`, NaN where there is nothing.
///
/// # Errors
/// [`MapFailure::CrsUnknown`] where GeoTIFF has no words for the CRS.
pub(super) async fn encode_geotiff(
    geobox: GeoBox,
    names: Vec<String>,
    values: Values,
) -> Result<Vec<u8>, MapFailure> {
    if geobox.crs().to_geokeys().is_none() {
        return Err(MapFailure::CrsUnknown {
            reason: format!(
                "the CRS {} cannot be written into a GeoTIFF; choose one by its EPSG code, or a picture",
                geobox.crs().name()
            ),
        });
    }
    let size = geobox.size();
    let len = size.width as usize * size.height as usize;
    let bands = swath_io::compute::run(move |_| {
        let bands = values.filled(len).into_iter();
        let bands = bands.map(|band| RasterBand {
            pixels: Pixels::F32(band),
            mask: values.mask.clone(),
        });
        bands.collect::<Vec<_>>()
    });
    let bands = bands.await;
    raster_geotiff(Raster { geobox, bands }, names, Some(f64::NAN)).await
}

fn write(raster: Raster, names: Vec<String>, nodata: Option<f64>) -> Result<Vec<u8>, MapFailure> {
    let data_type = common_type(&raster.bands);
    let mask = valid_in_all(&raster.bands);
    let bands = raster.bands.into_iter();
    let bands: Vec<Pixels> = bands
        .map(|band| {
            let mut pixels = match band.pixels.data_type() == data_type {
                true => band.pixels,
                false => Pixels::F64(
                    (0..band.pixels.len())
                        .map(|index| band.pixels.get_f64(index))
                        .collect(),
                ),
            };
            if let Some(nodata) = nodata {
                for_pixels!(&mut pixels, values => put_nodata(values, &band.mask, nodata));
            }
            pixels
        })
        .collect();
    let names = names.into_iter().map(|name| BandSpec {
        name: Some(name),
        color: ColorInterpretation::Undefined,
        ..BandSpec::default()
    });
    let spec = CogSpec {
        geobox: raster.geobox,
        data_type,
        bands: names.collect(),
        nodata,
        has_mask: nodata.is_none() && mask != Mask::All,
        metadata: Vec::new(),
        color_map: None,
        area_or_point: AreaOrPoint::Area,
    };
    let options = CogOptions {
        compression: Compression::Deflate { level: 1 },
        overviews: OverviewRule::None,
        threads: 1,
        ..CogOptions::default()
    };
    let folder = tempfile::tempdir().map_err(|error| MapFailure::internal(&error))?;
    let path = folder.path().join("map.tif");
    let mut rows = MemoryRows {
        bands: &bands,
        mask: spec.has_mask.then_some(&mask),
        width: spec.geobox.size().width as usize,
    };
    write_cog(&path, &spec, &options, &mut rows).map_err(|error| MapFailure::internal(&error))?;
    std::fs::read(&path).map_err(|error| MapFailure::internal(&error))
}

fn put_nodata<T: Sample>(values: &mut [T], mask: &Mask, nodata: f64) {
    let Some(nodata) = T::from_f64(nodata) else {
        return;
    };
    for (index, value) in values.iter_mut().enumerate() {
        if !mask.is_valid(index) {
            *value = nodata;
        }
    }
}

/// Rows of bands that are in memory.
struct MemoryRows<'a> {
    bands: &'a [Pixels],
    mask: Option<&'a Mask>,
    width: usize,
}

impl RowSource for MemoryRows<'_> {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let from = first_row as usize * self.width;
        let pixels = from..from + rows as usize * self.width;
        let part = |band: &Pixels| for_pixels!(band, values => Sample::wrap(values[pixels.clone()].to_vec()));
        let flag = |mask: &Mask, index: usize| if mask.is_valid(index) { 255 } else { 0 };
        Ok(Rows {
            bands: self.bands.iter().map(part).collect(),
            mask: self
                .mask
                .map(|mask| pixels.clone().map(|index| flag(mask, index)).collect()),
        })
    }
}
