//! PNG (ISO/IEC 15948): 8 bits per sample, not interlaced.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// What the samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PngSamples {
    /// One: grey.
    Grey,
    /// Three: red, green, blue.
    Rgb,
    /// Four: red, green, blue, opacity (not multiplied in).
    Rgba,
}

impl PngSamples {
    /// Returns how many there are per pixel.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    fn color_type(self) -> u8 {
        match self {
            Self::Grey => 0,
            Self::Rgb => 2,
            Self::Rgba => 6,
        }
    }
}

/// Returns an image as a PNG file; `pixels` are rows from the top, pixels from the left.
///
/// # Panics
/// Where `pixels` has another length than width × height × samples, or the image is empty.
pub fn encode_png(width: u32, height: u32, samples: PngSamples, pixels: &[u8]) -> Vec<u8> {
    let row_bytes = width as usize * samples.count();
    assert!(
        row_bytes > 0 && pixels.len() == row_bytes * height as usize && !pixels.is_empty(),
        "an image of {width} × {height} pixels"
    );
    let mut file = header(width, height, samples.color_type());
    chunk(
        &mut file,
        *b"IDAT",
        &compressed(row_bytes, samples.count(), pixels),
    );
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Returns the beginning of a file with 8 bits a sample.
pub(crate) fn header(width: u32, height: u32, color_type: u8) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, color_type, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    file
}

/// Puts a chunk with its check sum behind what is there.
pub(crate) fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let from = file.len();
    file.extend(kind);
    file.extend(data);
    let check = crc32fast::hash(&file[from..]);
    file.extend(check.to_be_bytes());
}

/// Each row by the filter that leaves the least to say (the sum of absolute differences).
fn compressed(row_bytes: usize, pixel_bytes: usize, pixels: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut above = vec![0; row_bytes];
    let mut best: Vec<u8> = Vec::new();
    for row in pixels.chunks_exact(row_bytes) {
        let mut least = u64::MAX;
        for filter in 0..5_u8 {
            let filtered = filtered(filter, row, &above, pixel_bytes);
            let cost: u64 = filtered
                .iter()
                .map(|byte| u64::from(byte.cast_signed().unsigned_abs()))
                .sum();
            if cost < least {
                least = cost;
                best = filtered;
                best.insert(0, filter);
            }
        }
        encoder.write_all(&best).expect("a vector takes everything");
        above.copy_from_slice(row);
    }
    encoder.finish().expect("a vector takes everything")
}

fn filtered(filter: u8, row: &[u8], above: &[u8], pixel_bytes: usize) -> Vec<u8> {
    let predicted = |index: usize| -> u8 {
        let left = index.checked_sub(pixel_bytes).map_or(0, |left| row[left]);
        let up = above[index];
        match filter {
            0 => 0,
            1 => left,
            2 => up,
            3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
            _ => {
                let corner = index.checked_sub(pixel_bytes).map_or(0, |left| above[left]);
                paeth(left, up, corner)
            }
        }
    };
    (0..row.len())
        .map(|index| row[index].wrapping_sub(predicted(index)))
        .collect()
}

/// ISO/IEC 15948, 9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(up) - i16::from(corner);
    let distance = |value: u8| (estimate - i16::from(value)).abs();
    match (distance(left), distance(up), distance(corner)) {
        (a, b, c) if a <= b && a <= c => left,
        (_, b, c) if b <= c => up,
        _ => corner,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Undoes everything above, by the words of the standard.
    fn decoded(file: &[u8], row_bytes: usize, pixel_bytes: usize) -> Vec<u8> {
        let len = u32::from_be_bytes(file[33..37].try_into().expect("4 bytes")) as usize;
        assert_eq!(&file[37..41], b"IDAT");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&file[41..41 + len])
            .read_to_end(&mut rows)
            .expect("a stream");
        let mut pixels: Vec<u8> = Vec::new();
        for (number, row) in rows.chunks_exact(row_bytes + 1).enumerate() {
            for index in 0..row_bytes {
                let at = |back_row: usize, back_pixel: usize| -> u8 {
                    if number < back_row || index < back_pixel * pixel_bytes {
                        return 0;
                    }
                    pixels[(number - back_row) * row_bytes + index - back_pixel * pixel_bytes]
                };
                let (left, up, corner) = (at(0, 1), at(1, 0), at(1, 1));
                let predicted = match row[0] {
                    0 => 0,
                    1 => left,
                    2 => up,
                    3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                    _ => paeth(left, up, corner),
                };
                pixels.push(row[index + 1].wrapping_add(predicted));
            }
        }
        pixels
    }

    #[test]
    fn pixels_come_back() {
        for samples in [PngSamples::Grey, PngSamples::Rgb, PngSamples::Rgba] {
            let row_bytes = 7 * samples.count();
            let pixels: Vec<u8> = (0..row_bytes * 9)
                .map(|index| (index * index / 3 % 251) as u8)
                .collect();
            let file = encode_png(7, 9, samples, &pixels);
            assert_eq!(decoded(&file, row_bytes, samples.count()), pixels);
            assert!(file.ends_with(b"IEND\xae\x42\x60\x82"));
        }
    }

    #[test]
    fn flat_images_are_small() {
        assert!(encode_png(500, 500, PngSamples::Rgb, &vec![255; 750_000]).len() < 3_000);
    }
}
