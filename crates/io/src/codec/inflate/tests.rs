use super::*;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use proptest::prelude::*;

fn compressed(plain: &[u8], level: i32) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::new(level).expect("0 to 12"));
    let mut stored = vec![0; compressor.zlib_compress_bound(plain.len())];
    let len = compressor.zlib_compress(plain, &mut stored).expect("fits");
    stored.truncate(len);
    stored
}

fn inflate(streams: &[&[u8]], room: usize) -> Vec<Result<Vec<u8>, InflateError>> {
    let mut buffers = vec![vec![0; room]; streams.len()];
    let jobs = streams.iter().zip(&mut buffers);
    let jobs = jobs
        .map(|(stored, plain)| InflateJob { stored, plain })
        .collect();
    let outcomes = Inflater::default().inflate(jobs);
    let with_bytes = outcomes.into_iter().zip(buffers);
    with_bytes
        .map(|(outcome, mut buffer)| {
            buffer.truncate(outcome?);
            Ok(buffer)
        })
        .collect()
}

/// Bytes whose frequencies fall by half each: codes of every length up to the longest.
fn skewed(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len)
        .map(|_| {
            let rank = next().trailing_zeros() as u8;
            if rank > 3 {
                rank * 11
            } else {
                rank ^ (next() >> 60) as u8
            }
        })
        .collect()
}

#[test]
fn more_streams_than_lanes_keep_their_order() {
    let plains: Vec<Vec<u8>> = (0..3 * LANES + 1)
        .map(|index| skewed(index as u64 + 7, 1 + 40_009 * index % 150_000))
        .collect();
    let streams: Vec<Vec<u8>> = plains.iter().map(|plain| compressed(plain, 6)).collect();
    let streams: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    for (found, plain) in inflate(&streams, 150_000).into_iter().zip(plains) {
        assert_eq!(found.expect("valid"), plain);
    }
}

#[test]
fn a_damaged_stream_leaves_the_others_alone() {
    let plain = skewed(3, 100_000);
    let good = compressed(&plain, 9);
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 4;
    let short = &good[..good.len() - 9];
    let found = inflate(&[&good, &bad, short, &[], &good], plain.len());
    assert_eq!(found[0].as_ref(), Ok(&plain));
    assert_eq!(found[1], Err(InflateError::Damaged));
    assert_eq!(found[2], Err(InflateError::Damaged));
    assert_eq!(found[3], Err(InflateError::Damaged));
    assert_eq!(found[4].as_ref(), Ok(&plain));
    assert_eq!(
        inflate(&[&good], plain.len() - 1)[0],
        Err(InflateError::TooLong)
    );
}

fn plain_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3000),
        proptest::collection::vec(0u8..3, 0..3000),
        (any::<u64>(), 0usize..60_000).prop_map(|(seed, len)| skewed(seed, len)),
        // Repeats at every distance, short ones too.
        (proptest::collection::vec(any::<u8>(), 1..70), 1usize..900)
            .prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(
        plains in proptest::collection::vec(plain_bytes(), 1..7), level in 0i32..=12,
    ) {
        let streams: Vec<Vec<u8>> = plains.iter().map(|plain| compressed(plain, level)).collect();
        let streams: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
        let room = plains.iter().map(Vec::len).max().unwrap_or(0);
        for (found, plain) in inflate(&streams, room).into_iter().zip(plains) {
            prop_assert_eq!(found, Ok(plain));
        }
    }

    #[test]
    fn damage_that_the_reference_sees_is_seen(
        plain in plain_bytes(), level in 0i32..=12, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut stored = compressed(&plain, level);
        let at = at.index(stored.len());
        stored[at] ^= 1 << bit;
        let mut expected = vec![0; plain.len()];
        let reference = Decompressor::new().zlib_decompress(&stored, &mut expected);
        let found = inflate(&[&stored, &stored], plain.len());
        prop_assert_eq!(&found[0], &found[1]);
        // The library takes two length codes that RFC 1951 rules out; they are damage here.
        prop_assert!(found[0].is_err() || reference.is_ok());
        if let (Ok(found), Ok(len)) = (&found[0], reference) {
            prop_assert_eq!(&found[..], &expected[..len]);
        }
    }

    #[test]
    fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut stored = vec![0x78, 0x9c];
        stored.extend(bytes);
        let _ = inflate(&[&stored, &stored[..stored.len() / 2]], 1000);
    }
}
