//! The bands of one date.

use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_raster::{Mask, Pixels, RasterBand, Resampling, Sample, for_pixels};

use crate::IoError;
use crate::raster::GeoTiff;
use crate::warp::{ReadOptions, WarpReader};

/// One band of a [`Slice`].
#[derive(Debug, Clone)]
pub struct SliceBand {
    /// Where it is.
    pub raster: Arc<GeoTiff>,
    /// Position in the raster, from 0.
    pub band: usize,
    /// Factor and summand of `physical = stored * scale + offset`, where physical values are
    /// wanted (as `f32`); `None` keeps stored values.
    pub conversion: Option<[f64; 2]>,
}

/// Classes that mask all bands of a slice.
#[derive(Debug, Clone)]
pub struct SliceMask {
    /// Raster of classes, on any grid.
    pub raster: Arc<GeoTiff>,
    /// Position in the raster, from 0.
    pub band: usize,
    /// Classes whose pixels do not count; nor do those that are not valid.
    pub dropped: Vec<f64>,
}

/// Bands of one date, and what masks them.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The same bands in the same order as those of all slices.
    pub bands: Vec<SliceBand>,
    /// `None`: only what the rasters themselves mask.
    pub mask: Option<SliceMask>,
}

/// Reads windows of a slice on the target grid.
#[derive(Debug)]
pub(super) struct SliceReader {
    /// A reader per raster, and which bands of the slice it gives.
    readers: Vec<(WarpReader, Vec<usize>)>,
    conversions: Vec<Option<[f64; 2]>>,
    mask: Option<(WarpReader, Vec<f64>)>,
}

impl SliceReader {
    pub fn new(
        slice: &Slice,
        geobox: &GeoBox,
        options: &ReadOptions,
        kept_bytes_max: u64,
    ) -> Result<Self, IoError> {
        let mut rasters: Vec<(Arc<GeoTiff>, Vec<usize>)> = Vec::new();
        for (index, band) in slice.bands.iter().enumerate() {
            let same = |own: &&mut (Arc<GeoTiff>, Vec<usize>)| Arc::ptr_eq(&own.0, &band.raster);
            match rasters.iter_mut().find(same) {
                Some((_, bands)) => bands.push(index),
                None => rasters.push((band.raster.clone(), vec![index])),
            }
        }
        let open = |raster: &Arc<GeoTiff>, bands: Vec<usize>, resampling: Resampling| {
            let options = ReadOptions {
                bands,
                resampling,
                ..options.clone()
            };
            WarpReader::new(raster.clone(), geobox, &options)
                .map(|reader| reader.with_kept_bytes(kept_bytes_max))
        };
        let mut readers = Vec::new();
        for (raster, bands) in rasters {
            let positions = bands.iter().map(|index| slice.bands[*index].band).collect();
            readers.push((open(&raster, positions, options.resampling)?, bands));
        }
        let mask = match &slice.mask {
            Some(mask) => {
                let reader = open(&mask.raster, vec![mask.band], Resampling::Nearest)?;
                Some((reader, mask.dropped.clone()))
            }
            None => None,
        };
        Ok(Self {
            readers,
            conversions: slice.bands.iter().map(|band| band.conversion).collect(),
            mask,
        })
    }

    /// Returns the bands of a window, `None` where nothing of it is valid.
    pub async fn read(&mut self, window: Window) -> Result<Option<Vec<RasterBand>>, IoError> {
        let kept = match &mut self.mask {
            None => Mask::All,
            Some((reader, dropped)) => {
                let classes = reader.read_window(window).await?;
                classes
                    .into_iter()
                    .next()
                    .map_or(Mask::None, |band| keep(band, dropped))
            }
        };
        // Where the clouds are everywhere, nothing else needs to be read.
        if kept == Mask::None {
            return Ok(None);
        }
        let reading = self.readers.iter_mut().map(|(reader, places)| async {
            Ok::<_, IoError>((&*places, reader.read_window(window).await?))
        });
        // As many as a slice has rasters.
        let read = futures::future::try_join_all(reading).await?;
        let mut bands: Vec<Option<RasterBand>> = vec![None; self.conversions.len()];
        for (places, read) in read {
            for (place, RasterBand { pixels, mask }) in places.iter().zip(read) {
                let pixels = match self.conversions[*place] {
                    Some([scale, offset]) => physical(&pixels, scale, offset),
                    None => pixels,
                };
                let mask = mask.and(&kept);
                bands[*place] = Some(RasterBand { pixels, mask });
            }
        }
        let bands: Vec<RasterBand> = bands.into_iter().flatten().collect();
        let is_empty = bands.iter().all(|band| band.mask == Mask::None);
        Ok((!is_empty).then_some(bands))
    }
}

/// Returns what is valid and of no dropped class.
fn keep(classes: RasterBand, dropped: &[f64]) -> Mask {
    fn drop_classes<T: Sample>(flags: &mut [bool], values: &[T], dropped: &[f64]) {
        // Class by class, so that the inner loop runs vectorised.
        for class in dropped.iter().filter_map(|class| T::from_f64(*class)) {
            for (flag, value) in flags.iter_mut().zip(values) {
                *flag &= *value != class;
            }
        }
    }
    let RasterBand { pixels, mask } = classes;
    let mut flags = match mask {
        Mask::All => vec![true; pixels.len()],
        Mask::None => return Mask::None,
        Mask::Pixels(flags) => flags,
    };
    for_pixels!(&pixels, values => drop_classes(&mut flags, values, dropped));
    Mask::from_flags(flags)
}

fn physical(pixels: &Pixels, scale: f64, offset: f64) -> Pixels {
    fn convert<T: Sample>(values: &[T], scale: f64, offset: f64) -> Vec<f32> {
        let value = |value: &T| (value.to_f64() * scale + offset) as f32;
        values.iter().map(value).collect()
    }
    Pixels::F32(for_pixels!(pixels, values => convert(values, scale, offset)))
}
