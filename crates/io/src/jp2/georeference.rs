//! Where a JPEG 2000 image lies: GeoJP2 box first, GML box second.

use bytes::Bytes;
use swath_grid::{Crs, Transform};

use super::{Annotations, gml};
use crate::raster::{ControlPoint, tiff_georeference};
use crate::tiff::{ParseStep, SparseBytes, parse};

/// CRS and grid of an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Georeference {
    pub(crate) crs: Option<Crs>,
    /// From pixel corners.
    pub(crate) transform: Option<Transform>,
    /// True where the file ties pixel centres.
    pub(crate) is_point: bool,
    pub(crate) control_points: Vec<ControlPoint>,
}

/// Returns what the boxes say; nothing where they say nothing.
///
/// # Errors
/// A sentence about the box that cannot be read, where no other one can be.
pub(crate) fn georeference(annotations: &Annotations) -> Result<Georeference, String> {
    let mut damaged = None;
    let mut found = Georeference::default();
    if let Some(tiff) = &annotations.geotiff {
        match from_tiff(tiff) {
            Ok(own) => found = own,
            Err(reason) => damaged = Some(format!("its GeoJP2 box cannot be read: {reason}")),
        }
    }
    if let Some(text) = &annotations.gml
        && (found.transform.is_none() || found.crs.is_none())
    {
        match gml::read(text) {
            Ok(Some(own)) => {
                found.crs = found.crs.or(own.crs);
                if found.transform.is_none() {
                    (found.transform, found.is_point) = (own.transform, own.is_point);
                }
            }
            Ok(None) => {}
            Err(reason) => damaged = damaged.or(Some(reason)),
        }
    }
    match damaged {
        Some(reason) if found.transform.is_none() => Err(reason),
        _ => Ok(found),
    }
}

/// Reads the degenerate GeoTIFF of a GeoJP2 box: its one pixel has the grid of the image.
fn from_tiff(tiff: &[u8]) -> Result<Georeference, String> {
    let mut bytes = SparseBytes::default();
    bytes.insert(0, Bytes::copy_from_slice(tiff));
    match parse(&bytes, tiff.len() as u64)? {
        ParseStep::Done(_, directories) => match directories.first() {
            Some(directory) => tiff_georeference(directory),
            None => Err("it has no directory".to_owned()),
        },
        ParseStep::Missing(range) => Err(format!("it ends before byte {}", range.end)),
    }
}
