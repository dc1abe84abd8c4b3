//! Pictures and arrays as files in memory: PNG, WebP, JPEG, npy.

use jpeg_encoder::{ColorType as JpegColor, Encoder as JpegEncoder};
use libdeflater::{CompressionLvl, Compressor};
use thiserror::Error;

use crate::deflate::zlib_of_photo;
use crate::png::{chunk, header};
use crate::{Image, Mask};

/// Quality of a JPEG file, of 100.
const JPEG_QUALITY: u8 = 85;
/// Level of the compressor: pictures are made while somebody waits.
const PNG_LEVEL: i32 = 1;

/// A picture that a format cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{format}: {reason}")]
pub struct EncodeError {
    format: &'static str,
    reason: String,
}

impl Image {
    /// Returns the picture as PNG (ISO/IEC 15948): with its palette where it has one, without opacity
    /// where everything is seen. Made for speed: one filter, the fastest compression; of photographs one
    /// that looks for runs only.
    ///
    /// # Panics
    /// Where the picture is empty.
    pub fn to_png(&self) -> Vec<u8> {
        let (width, height) = self.size();
        match self {
            Self::Indexed {
                pixels, palette, ..
            } => {
                let colors: Vec<u8> = palette.iter().flatten().copied().collect();
                let mut file = header(width, height, PNG_INDEXED);
                chunk(&mut file, *b"PLTE", &colors);
                // Of the first colour; all others are opaque where nothing is said.
                chunk(&mut file, *b"tRNS", &[0]);
                finish(file, pixels, width as usize, PngFilter::None)
            }
            Self::Rgb { pixels, .. } => rgb_png(width, height, pixels),
            Self::Rgba { .. } if self.is_opaque() => rgb_png(width, height, &self.to_rgb([255; 3])),
            Self::Rgba { pixels, .. } => {
                let file = header(width, height, PNG_RGBA);
                finish(file, pixels, width as usize * 4, PngFilter::Up)
            }
        }
    }

    /// Returns the picture as lossless WebP (RFC 9649).
    ///
    /// # Errors
    /// Where a side is longer than 16,384 pixels.
    pub fn to_webp(&self) -> Result<Vec<u8>, EncodeError> {
        let (width, height) = self.size();
        let (pixels, color) = match self.is_opaque() {
            true => (self.to_rgb([255; 3]), image_webp::ColorType::Rgb8),
            false => (self.to_rgba(), image_webp::ColorType::Rgba8),
        };
        let mut file = Vec::new();
        let encoder = image_webp::WebPEncoder::new(&mut file);
        let done = encoder.encode(&pixels, width, height, color);
        done.map_err(|error| EncodeError {
            format: "WebP",
            reason: error.to_string(),
        })?;
        Ok(file)
    }

    /// Returns the picture as JPEG (ITU-T T.81), `background` where nothing is seen.
    ///
    /// # Errors
    /// Where a side is longer than 65,535 pixels.
    pub fn to_jpeg(&self, background: [u8; 3]) -> Result<Vec<u8>, EncodeError> {
        let (width, height) = self.size();
        let wrong = |reason: String| EncodeError {
            format: "JPEG",
            reason,
        };
        let side = |side: u32| {
            u16::try_from(side).map_err(|_| wrong(format!("{side} pixels are more than 65,535")))
        };
        let mut file = Vec::new();
        let encoder = JpegEncoder::new(&mut file, JPEG_QUALITY);
        let pixels = self.to_rgb(background);
        let done = encoder.encode(&pixels, side(width)?, side(height)?, JpegColor::Rgb);
        done.map_err(|error| wrong(error.to_string()))?;
        Ok(file)
    }
}

/// What the last two chunks have around their data, in bytes.
const FRAMES_BYTES: usize = 24;
const PNG_RGB: u8 = 2;
const PNG_INDEXED: u8 = 3;
const PNG_RGBA: u8 = 6;

/// What stands before a row (ISO/IEC 15948, 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PngFilter {
    /// Bytes as they are: best for numbers of colours.
    None = 0,
    /// Differences from the row above: best for photographs, of those that cost next to nothing.
    Up = 2,
}

fn rgb_png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let file = header(width, height, PNG_RGB);
    finish(file, pixels, width as usize * 3, PngFilter::Up)
}

fn finish(mut file: Vec<u8>, pixels: &[u8], row_bytes: usize, filter: PngFilter) -> Vec<u8> {
    let rows = pixels.len() / row_bytes;
    let mut filtered = Vec::with_capacity(pixels.len() + rows);
    let mut above: &[u8] = &vec![0; row_bytes];
    for row in pixels.chunks_exact(row_bytes) {
        filtered.push(filter as u8);
        match filter {
            PngFilter::None => filtered.extend_from_slice(row),
            PngFilter::Up => {
                filtered.extend(row.iter().zip(above).map(|(own, up)| own.wrapping_sub(*up)));
            }
        }
        above = row;
    }
    let stream = match filter {
        // Numbers of colours repeat; differences of a photograph do not.
        PngFilter::None => zlib_of_numbers(&filtered),
        PngFilter::Up => zlib_of_photo(&filtered),
    };
    file.reserve_exact(stream.len() + FRAMES_BYTES);
    chunk(&mut file, *b"IDAT", &stream);
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn zlib_of_numbers(filtered: &[u8]) -> Vec<u8> {
    let level = CompressionLvl::new(PNG_LEVEL).expect("a level of the compressor");
    let mut compressor = Compressor::new(level);
    let mut stream = vec![0; compressor.zlib_compress_bound(filtered.len())];
    let len = compressor
        .zlib_compress(filtered, &mut stream)
        .expect("the buffer has room for the worst case");
    stream.truncate(len);
    stream
}

/// Returns bands and their common mask (255 = valid, 0 = not) as one array of numpy, `float32` in the
/// shape (bands + 1, height, width) (NumPy enhancement proposal 1, version 1.0). Values that are not
/// valid are NaN.
///
/// # Panics
/// Where a band has another length than width × height.
pub fn encode_npy(width: u32, height: u32, bands: &[Vec<f32>], mask: &Mask) -> Vec<u8> {
    let len = width as usize * height as usize;
    assert!(
        bands.iter().all(|band| band.len() == len),
        "bands of {width} × {height} pixels"
    );
    let shape = format!("({}, {height}, {width})", bands.len() + 1);
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // The values begin at a multiple of 64 bytes.
    let head = 10;
    let padded = (head + text.len() + 1).next_multiple_of(64) - head;
    text.push_str(&" ".repeat(padded - text.len() - 1));
    text.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((text.len() as u16).to_le_bytes());
    file.extend(text.as_bytes());
    for band in bands {
        for (index, value) in band.iter().enumerate() {
            let value = if mask.is_valid(index) {
                *value
            } else {
                f32::NAN
            };
            file.extend(value.to_le_bytes());
        }
    }
    for index in 0..len {
        let flag: f32 = if mask.is_valid(index) { 255.0 } else { 0.0 };
        file.extend(flag.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;

    fn photo(opacity: u8) -> Image {
        let pixels = (0..64 * 32).flat_map(|index: u32| {
            let value = (index * 7 % 251) as u8;
            [
                value,
                value / 2,
                255 - value,
                if index == 5 { opacity } else { 255 },
            ]
        });
        Image::Rgba {
            width: 64,
            height: 32,
            pixels: pixels.collect(),
        }
    }

    /// Chunks of a PNG file: kind and data.
    fn chunks(file: &[u8]) -> Vec<(&[u8], &[u8])> {
        let mut rest = &file[8..];
        let mut found = Vec::new();
        while rest.len() >= 12 {
            let len = u32::from_be_bytes(rest[..4].try_into().expect("4 bytes")) as usize;
            found.push((&rest[4..8], &rest[8..8 + len]));
            rest = &rest[12 + len..];
        }
        found
    }

    fn rows(file: &[u8]) -> Vec<u8> {
        let chunks = chunks(file);
        let (_, data) = chunks
            .iter()
            .find(|(kind, _)| kind == b"IDAT")
            .expect("data");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(*data)
            .read_to_end(&mut rows)
            .expect("a stream");
        rows
    }

    #[test]
    fn png_files_hold_the_pixels() {
        for (image, samples) in [(photo(255), 3), (photo(0), 4)] {
            let file = image.to_png();
            let mut above = vec![0_u8; 64 * samples];
            let mut pixels = Vec::new();
            for row in rows(&file).chunks_exact(64 * samples + 1) {
                assert_eq!(row[0], 2);
                let sum = row[1..].iter().zip(&above);
                above = sum.map(|(own, up)| own.wrapping_add(*up)).collect();
                pixels.extend_from_slice(&above);
            }
            let expected = match samples {
                3 => image.to_rgb([0; 3]),
                _ => image.to_rgba(),
            };
            assert_eq!(pixels, expected);
        }
    }

    #[test]
    fn palettes_stay_palettes() {
        let image = Image::Indexed {
            width: 4,
            height: 2,
            pixels: vec![0, 1, 2, 1, 0, 2, 2, 1],
            palette: vec![[0; 3], [1, 2, 3], [4, 5, 6]],
        };
        let file = image.to_png();
        let kinds: Vec<&[u8]> = chunks(&file).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]);
        assert_eq!(rows(&file), [0, 0, 1, 2, 1, 0, 0, 2, 2, 1]);
    }

    #[test]
    fn webp_files_hold_the_pixels() {
        for image in [photo(255), photo(0)] {
            let file = image.to_webp().expect("a file");
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).expect("a file");
            let mut pixels = vec![0; decoder.output_buffer_size().expect("a size")];
            decoder.read_image(&mut pixels).expect("pixels");
            let expected = match image.is_opaque() {
                true => image.to_rgb([0; 3]),
                false => image.to_rgba(),
            };
            assert_eq!(pixels, expected);
        }
    }

    #[test]
    fn jpeg_files_are_jpeg_files_and_their_sides_limited() {
        let file = photo(0).to_jpeg([255; 3]).expect("a file");
        assert!(file.starts_with(&[0xff, 0xd8]) && file.ends_with(&[0xff, 0xd9]));
        let wide = Image::Rgba {
            width: 70_000,
            height: 1,
            pixels: vec![0; 280_000],
        };
        assert!(wide.to_jpeg([0; 3]).is_err() && wide.to_webp().is_err());
    }

    #[test]
    fn arrays_begin_at_a_multiple_of_64_bytes() {
        let mask = Mask::Pixels(vec![true, false]);
        let file = encode_npy(2, 1, &[vec![1.5, 2.5]], &mask);
        let head = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
        assert_eq!(head % 64, 0);
        let values: Vec<f32> = file[head..]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("4 bytes")))
            .collect();
        assert_eq!((values[0], values[2], values[3]), (1.5, 255.0, 0.0));
        assert!(values[1].is_nan());
        assert!(
            file[10..head]
                .starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2), }")
        );
    }
}
