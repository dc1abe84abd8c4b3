//! JPEG in TIFF: a stored block is a JPEG image, whose tables may stand apart in `JPEGTables`.
//!
//! Source: TIFF Technical Note 2 (compression 7); ITU-T T.81.

use std::sync::Arc;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Photometric interpretation of samples stored as luma and chroma.
pub(crate) const PHOTOMETRIC_YCBCR: u64 = 6;
/// End of image: the last marker of tables that stand apart.
const EOI: [u8; 2] = [0xff, 0xd9];
/// Start of image: the first marker of a block.
const SOI: [u8; 2] = [0xff, 0xd8];

/// What the blocks of an image share.
#[derive(Debug, Clone)]
pub(crate) struct JpegBlocks {
    /// An image without a frame that holds quantisation and Huffman tables.
    pub(crate) tables: Option<Arc<[u8]>>,
    /// True where luma and chroma become red, green and blue.
    pub(crate) is_ycbcr: bool,
}

impl JpegBlocks {
    /// Decodes a block of `width` columns and at least `rows` rows of 8-bit `samples` into `plain`,
    /// pixel by pixel.
    ///
    /// # Errors
    /// A sentence that says why the bytes are not such an image.
    pub(super) fn decode(
        &self,
        stored: &[u8],
        (width, rows): (u32, u32),
        samples: usize,
        plain: &mut Vec<u8>,
    ) -> Result<(), String> {
        if !matches!(samples, 1 | 3 | 4) {
            return Err(format!(
                "JPEG blocks of {samples} samples are not read (1, 3 and 4 are)"
            ));
        }
        let whole = self.whole(stored)?;
        let damaged =
            |error: zune_jpeg::errors::DecodeErrors| format!("its JPEG data are damaged: {error}");
        let options = DecoderOptions::default()
            .set_max_width(width as usize)
            // The last strip of some writers is padded to whole blocks of the transform.
            .set_max_height(rows as usize + 64)
            // Else what is cut off would come as grey pixels.
            .set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&whole[..]), options);
        decoder.decode_headers().map_err(damaged)?;
        let stored_as = decoder.input_colorspace().ok_or("it has no frame")?;
        let becomes = match (stored_as, self.is_ycbcr) {
            (ColorSpace::YCbCr, true) => ColorSpace::RGB,
            (ColorSpace::RGB, true) => {
                return Err("its JPEG frame says RGB where the file says YCbCr".to_owned());
            }
            // What the file does not call YCbCr is left as it is stored.
            (other, _) => other,
        };
        decoder.set_options(options.jpeg_set_out_colorspace(becomes));
        let (found_width, found_height) = decoder.dimensions().ok_or("it has no frame")?;
        let found_samples = becomes.num_components();
        if found_width != width as usize || found_height < rows as usize || found_samples != samples
        {
            return Err(format!(
                "it holds {found_width}x{found_height} pixels of {found_samples} samples where {width}x{rows} of {samples} are due"
            ));
        }
        plain.resize(found_width * found_height * found_samples, 0);
        decoder.decode_into(plain).map_err(damaged)?;
        plain.truncate(width as usize * rows as usize * samples);
        Ok(())
    }

    /// Returns a block with its tables in front.
    fn whole(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        let Some(tables) = &self.tables else {
            return Ok(stored.to_vec());
        };
        let tables = tables.strip_suffix(&EOI).unwrap_or(tables);
        let frame = stored
            .strip_prefix(&SOI)
            .ok_or("it does not begin as a JPEG image")?;
        Ok([tables, frame].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 16 by 16 pixels, chroma halved, as GDAL 3.10.3 writes a tile at quality 95: red rises by 15 a
    /// column, green by 15 a row, blue by 8 with both.
    const TABLES: &str = "ffd8ffdb0043000201010101010201010102020202020403020202020504040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affdb004301020202020202050303050a0706070a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0affd9";
    const TILE: &str = "ffd8ffc00011080010001003012200021101031101ffc4001500010100000000000000000000000000000809ffc4001a100000070000000000000000000000000000070825334251ffc4001501010100000000000000000000000000000204ffc4001c1100010305000000000000000000000000000507212331334151ffda000c03010002110311003f009a64ea4e89b3281584e24e89b3281164e24e89b3281584e24e89b3282f4452b485827ff0d6e6cfffd9";

    fn unhex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
        (0..text.len()).step_by(2).map(digit).collect()
    }

    fn decode(tables: &[u8], tile: &[u8], size: (u32, u32)) -> Result<Vec<u8>, String> {
        let blocks = JpegBlocks {
            tables: Some(tables.into()),
            is_ycbcr: true,
        };
        let mut plain = Vec::new();
        blocks.decode(tile, size, 3, &mut plain)?;
        Ok(plain)
    }

    #[test]
    fn a_tile_with_tables_apart_is_near_to_what_was_written() {
        let pixels = decode(&unhex(TABLES), &unhex(TILE), (16, 16)).expect("a tile");
        assert_eq!(pixels.len(), 16 * 16 * 3);
        for (index, pixel) in pixels.chunks_exact(3).enumerate() {
            let (col, row) = (index as i32 % 16, index as i32 / 16);
            let written = [15 * col, 15 * row, 8 * (col + row)];
            for (value, expected) in pixel.iter().zip(written) {
                // Half of what a column adds: two columns share their chroma.
                assert!(
                    (i32::from(*value) - expected).abs() <= 10,
                    "{col} {row}: {pixel:?}"
                );
            }
        }
    }

    #[test]
    fn other_sizes_and_cut_tiles_are_errors() {
        let (tables, tile) = (unhex(TABLES), unhex(TILE));
        let error = decode(&tables, &tile, (32, 16)).expect_err("narrow");
        assert!(
            error.contains("16x16 pixels of 3 samples where 32x16"),
            "{error}"
        );
        assert!(decode(&tables, &tile[..60], (16, 16)).is_err());
        assert!(decode(&tables, b"PK", (16, 16)).is_err());
    }

    proptest! {
        #[test]
        fn changed_bytes_end_in_a_result(
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
            in_tables in any::<bool>(),
        ) {
            let (mut tables, mut tile) = (unhex(TABLES), unhex(TILE));
            let changed = if in_tables { &mut tables } else { &mut tile };
            for (at, value) in changes {
                let len = changed.len();
                changed[at % len] = value;
            }
            let _ = decode(&tables, &tile, (16, 16));
        }

        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let tile = [SOI.as_slice(), &bytes].concat();
            let _ = decode(&SOI, &tile, (16, 16));
        }
    }
}
