//! What a stored block is, beyond a compressed run of samples.

use std::sync::Arc;

use swath_raster::Pixels;

use super::jpeg::{JpegBlocks, PHOTOMETRIC_YCBCR};
use super::lerc::{Expected, LercBlocks};
use super::samples;
use super::{CodedBlock, DecodeScratch};
use crate::jp2::Codestream;
use crate::tiff::{Compression, Directory, tag};

/// How pixels become the stored bytes of a block.
#[derive(Debug, Clone)]
pub(crate) enum Coder {
    /// Samples in their order, then predictor and compression.
    Samples,
    /// A JPEG image.
    Jpeg(JpegBlocks),
    /// LERC blobs.
    Lerc(LercBlocks),
    /// A tile of a JPEG 2000 codestream, halved `reduction` times.
    Jpeg2000 {
        codestream: Arc<Codestream>,
        reduction: u8,
    },
}

impl Coder {
    /// Reads what a directory says of the blocks of its image.
    pub(crate) fn from_directory(compression: Compression, directory: &Directory) -> Self {
        match compression {
            Compression::Jpeg => Self::Jpeg(JpegBlocks {
                tables: directory.bytes(tag::JPEG_TABLES).map(Arc::from),
                is_ycbcr: directory.uint(tag::PHOTOMETRIC) == Some(PHOTOMETRIC_YCBCR),
            }),
            Compression::Lerc => Self::Lerc(LercBlocks::from_parameters(
                &directory.uints(tag::LERC_PARAMETERS).unwrap_or_default(),
            )),
            _ => Self::Samples,
        }
    }

    /// Decodes a stored block whose bytes are no run of samples.
    ///
    /// # Errors
    /// A sentence that says why the bytes are not such an image.
    pub(super) fn decode(
        &self,
        block: &CodedBlock,
        stored: &[u8],
        scratch: &mut DecodeScratch,
    ) -> Result<Vec<Pixels>, String> {
        let (layout, rows, bands) = (block.layout, block.rows, block.bands);
        let samples = layout.bands_per_block();
        match self {
            Self::Samples => Err("its bytes are a run of samples".to_owned()),
            Self::Jpeg(_) if layout.bits != 8 => Err(format!(
                "JPEG of {} bits is not read (8 bits are)",
                layout.bits
            )),
            Self::Jpeg(jpeg) => {
                let mut plain = scratch.plain.pop().unwrap_or_default();
                let size = (layout.block.width, rows);
                let outcome = jpeg.decode(stored, size, samples, &mut plain);
                let bands =
                    outcome.and_then(|()| samples::separate(layout, &plain, rows, bands, scratch));
                scratch.plain.push(plain);
                bands
            }
            Self::Lerc(lerc) => {
                let expected = Expected {
                    width: layout.block.width,
                    rows,
                    samples,
                    data_type: layout.data_type,
                };
                lerc.decode(stored, &expected, bands)
            }
            Self::Jpeg2000 { .. } => Err("a tile is decoded from its parts".to_owned()),
        }
    }
}
