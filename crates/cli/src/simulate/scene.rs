//! What a simulation hands over to be written: rasters on a grid, with their metadata.

use anyhow::Result;
use swath_grid::GeoBox;

/// Writes the rasters of a simulation; called from several threads at once.
pub trait SceneSink: Sync {
    /// Writes one raster at its relative path below the output folder.
    ///
    /// # Errors
    /// Where the raster cannot be encoded or stored; the simulation stops.
    fn write(&self, scene: &SceneRaster) -> Result<()>;
}

/// One file: bands of one type on one grid.
#[derive(Debug, Clone)]
pub struct SceneRaster {
    /// Path below the output folder with `/` between the parts.
    pub relative_path: String,
    /// Grid of all bands, with its CRS.
    pub geobox: GeoBox,
    /// Bands in file order.
    pub bands: Vec<BandData>,
    /// Metadata of the file, as name and value.
    pub tags: Vec<(String, String)>,
    /// How overviews are made.
    pub overviews: Overviews,
}

/// How overviews are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overviews {
    /// Mean of the valid pixels, for measurements.
    Average,
    /// One of the pixels, for classes.
    Nearest,
}

/// One band: `value = stored * scale + offset`.
#[derive(Debug, Clone)]
pub struct BandData {
    /// Name of the band.
    pub name: &'static str,
    /// Stored values, row by row from the north-west.
    pub pixels: BandPixels,
    /// Stored value that means absent.
    pub nodata: Option<f64>,
    /// Factor to physical units.
    pub scale: f64,
    /// Offset in physical units.
    pub offset: f64,
    /// Unit of the physical value.
    pub unit: Option<&'static str>,
    /// One line for readers.
    pub description: &'static str,
}

/// Stored values of a band.
#[derive(Debug, Clone, PartialEq)]
pub enum BandPixels {
    /// Classes.
    U8(Vec<u8>),
    /// Digital numbers.
    U16(Vec<u16>),
    /// Physical values.
    F32(Vec<f32>),
}

impl BandPixels {
    /// Returns the name of the type as in STAC.
    pub fn data_type(&self) -> &'static str {
        match self {
            BandPixels::U8(_) => "uint8",
            BandPixels::U16(_) => "uint16",
            BandPixels::F32(_) => "float32",
        }
    }

    /// Returns the uncompressed size.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            BandPixels::U8(values) => values.len(),
            BandPixels::U16(values) => 2 * values.len(),
            BandPixels::F32(values) => 4 * values.len(),
        };
        bytes as u64
    }
}

/// Values of all patches on one date in physical units, without noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Names of the bands.
    pub bands: &'static [&'static str],
    /// Value of patch `p` in band `b` at `p * bands.len() + b`.
    pub values: Vec<f32>,
}

impl Signature {
    /// Returns the value of a patch in a band.
    #[cfg(test)]
    pub fn value(&self, patch: usize, band: usize) -> f32 {
        self.values[patch * self.bands.len() + band]
    }

    /// Returns the values of all patches in one band.
    pub fn band(&self, band: usize) -> Vec<f32> {
        self.values
            .iter()
            .skip(band)
            .step_by(self.bands.len())
            .copied()
            .collect()
    }
}
