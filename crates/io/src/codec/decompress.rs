//! Decompression of one stored block into a reused buffer.

use crate::tiff::Compression;

/// Buffers and decoder states that a thread keeps between blocks.
pub struct DecodeScratch {
    pub(crate) plain: Vec<u8>,
    pub(crate) row: Vec<u8>,
    deflate: libdeflater::Decompressor,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Default for DecodeScratch {
    fn default() -> Self {
        Self {
            plain: Vec::new(),
            row: Vec::new(),
            deflate: libdeflater::Decompressor::new(),
            zstd: None,
        }
    }
}

/// Fills `plain` with the `expected` bytes of a block.
///
/// A block that holds more, up to the bytes of a `whole` one, is cut: some writers pad the last strip.
pub(super) fn decompress(
    compression: Compression,
    stored: &[u8],
    expected: usize,
    whole: usize,
    plain: &mut Vec<u8>,
    scratch: &mut DecodeScratch,
) -> Result<(), String> {
    plain.resize(whole.max(expected), 0);
    let written = match compression {
        Compression::None => {
            let len = stored.len().min(plain.len());
            plain[..len].copy_from_slice(&stored[..len]);
            len
        }
        Compression::Deflate => {
            scratch
                .deflate
                .zlib_decompress(stored, plain)
                .map_err(|error| match error {
                    libdeflater::DecompressionError::BadData => {
                        "its zlib stream is damaged".to_owned()
                    }
                    libdeflater::DecompressionError::InsufficientSpace => {
                        format!("it inflates to more than the {whole} bytes of a block")
                    }
                })?
        }
        Compression::Zstd => {
            let decoder = match &mut scratch.zstd {
                Some(decoder) => decoder,
                empty => {
                    let new = zstd::bulk::Decompressor::new()
                        .map_err(|error| format!("no zstd decoder: {error}"))?;
                    empty.insert(new)
                }
            };
            decoder
                .decompress_to_buffer(stored, &mut plain[..])
                .map_err(|error| format!("its zstd frame is damaged or too long: {error}"))?
        }
        Compression::Lzw => lzw(stored, plain)?,
        Compression::PackBits => pack_bits(stored, plain),
        Compression::Unsupported(_) => {
            return Err(format!("compression {} is not read", compression.name()));
        }
    };
    if written < expected {
        return Err(format!(
            "it decodes to {written} bytes where {expected} are needed"
        ));
    }
    plain.truncate(expected);
    Ok(())
}

fn lzw(stored: &[u8], plain: &mut [u8]) -> Result<usize, String> {
    if stored.len() >= 2 && stored[0] == 0 && stored[1] & 1 == 1 {
        return Err("it uses the old LZW of TIFF 5, which is not read".to_owned());
    }
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut read = 0;
    let mut written = 0;
    while written < plain.len() {
        let step = decoder.decode_bytes(&stored[read..], &mut plain[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(format!("its LZW codes are damaged: {error}")),
        }
    }
    Ok(written)
}

fn pack_bits(stored: &[u8], plain: &mut [u8]) -> usize {
    let mut written = 0;
    let mut rest = stored;
    while let [head, tail @ ..] = rest {
        if written == plain.len() {
            break;
        }
        let head = *head as i8;
        let room = plain.len() - written;
        if head >= 0 {
            let len = (head as usize + 1).min(tail.len()).min(room);
            plain[written..written + len].copy_from_slice(&tail[..len]);
            written += len;
            rest = &tail[len..];
        } else if head == -128 {
            rest = tail;
        } else {
            let [value, after @ ..] = tail else { break };
            let len = (1 - i32::from(head)) as usize;
            let len = len.min(room);
            plain[written..written + len].fill(*value);
            written += len;
            rest = after;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(compression: Compression, stored: &[u8], expected: usize) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        decompress(
            compression,
            stored,
            expected,
            expected,
            &mut plain,
            &mut DecodeScratch::default(),
        )?;
        Ok(plain)
    }

    #[test]
    fn pack_bits_example_of_the_specification() {
        let stored = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let plain = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        assert_eq!(
            run(Compression::PackBits, &stored, 24).expect("valid"),
            plain
        );
    }

    #[test]
    fn a_bomb_is_stopped_at_the_block() {
        let bomb = vec![7u8; 1 << 20];
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut stored = vec![0; compressor.zlib_compress_bound(bomb.len())];
        let len = compressor.zlib_compress(&bomb, &mut stored).expect("fits");
        let error = run(Compression::Deflate, &stored[..len], 100).expect_err("too long");
        assert!(error.contains("more than the 100 bytes"), "{error}");
    }

    #[test]
    fn short_data_is_an_error() {
        let error = run(Compression::None, &[1, 2, 3], 4).expect_err("short");
        assert!(error.contains("decodes to 3 bytes where 4"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(stored in proptest::collection::vec(any::<u8>(), 0..300)) {
            for compression in [Compression::None, Compression::Lzw, Compression::Deflate,
                                Compression::PackBits, Compression::Zstd] {
                let _ = run(compression, &stored, 256);
            }
        }
    }
}
