//! Decompression of one stored block into a reused buffer.

use super::inflate::{InflateError, InflateJob, Inflater};
use crate::tiff::Compression;

/// One stored block and the place of its plain bytes.
pub(super) struct Decompression<'a> {
    pub(super) compression: Compression,
    pub(super) stored: &'a [u8],
    /// Bytes of the rows that are wanted.
    pub(super) expected: usize,
    /// Bytes of a whole block.
    pub(super) whole: usize,
    pub(super) plain: &'a mut Vec<u8>,
}

/// Fills each `plain` with the `expected` bytes of its block; outcomes in order.
///
/// A block that holds more, up to the bytes of a `whole` one, is cut: some writers pad the last strip.
/// Deflate streams are inflated side by side.
pub(super) fn decompress(
    blocks: &mut [Decompression],
    inflater: &mut Inflater,
    zstd: &mut Option<zstd::bulk::Decompressor<'static>>,
) -> Vec<Result<(), String>> {
    let mut jobs = Vec::new();
    let mut written: Vec<Result<usize, String>> = Vec::with_capacity(blocks.len());
    for block in blocks.iter_mut() {
        block.plain.resize(block.whole.max(block.expected), 0);
        let (stored, plain) = (block.stored, &mut block.plain[..]);
        written.push(match block.compression {
            Compression::Deflate => {
                jobs.push(InflateJob { stored, plain });
                Ok(0)
            }
            Compression::None => {
                let len = stored.len().min(plain.len());
                plain[..len].copy_from_slice(&stored[..len]);
                Ok(len)
            }
            Compression::Zstd => unpack_zstd(stored, plain, zstd),
            Compression::Lzw => lzw(stored, plain),
            Compression::PackBits => Ok(pack_bits(stored, plain)),
            Compression::Jpeg
            | Compression::Lerc
            | Compression::Jpeg2000
            | Compression::Unsupported(_) => Err(format!(
                "compression {} is not read",
                block.compression.name()
            )),
        });
    }
    let mut inflated = inflater.inflate(jobs).into_iter();
    let outcomes = blocks.iter_mut().zip(written);
    outcomes
        .map(|(block, mut written)| {
            if block.compression == Compression::Deflate {
                let outcome = inflated.next().expect("one outcome for each stream");
                written = outcome.map_err(|error| inflate_reason(error, block.whole));
            }
            let (written, expected) = (written?, block.expected);
            if written < expected {
                return Err(format!(
                    "it decodes to {written} bytes where {expected} are needed"
                ));
            }
            block.plain.truncate(expected);
            Ok(())
        })
        .collect()
}

fn inflate_reason(error: InflateError, whole: usize) -> String {
    match error {
        InflateError::Damaged => "its zlib stream is damaged".to_owned(),
        InflateError::TooLong => format!("it inflates to more than the {whole} bytes of a block"),
    }
}

fn unpack_zstd(
    stored: &[u8],
    plain: &mut [u8],
    decoder: &mut Option<zstd::bulk::Decompressor<'static>>,
) -> Result<usize, String> {
    let decoder = match decoder {
        Some(decoder) => decoder,
        empty => {
            let new = zstd::bulk::Decompressor::new()
                .map_err(|error| format!("no zstd decoder: {error}"))?;
            empty.insert(new)
        }
    };
    decoder
        .decompress_to_buffer(stored, plain)
        .map_err(|error| format!("its zstd frame is damaged or too long: {error}"))
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
        let mut block = [Decompression {
            compression,
            stored,
            expected,
            whole: expected,
            plain: &mut plain,
        }];
        let outcomes = decompress(&mut block, &mut Inflater::default(), &mut None);
        outcomes.into_iter().next().expect("one block")?;
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
