//! Blobs that GDAL 3.10.3 wrote (rasterio 1.4.4, `compress="LERC"`), and damaged ones.

use proptest::prelude::*;
use swath_raster::{DataType, Pixels};

use super::header::fletcher;
use super::{Expected, LercBlocks, Packing};

const WIDTH: i64 = 13;
const HEIGHT: i64 = 11;
/// Bytes of a head of version 4.
const HEAD_BYTES: usize = 66;

/// Columns beyond 6: `x * y % 7`; before: `(37 x + 91 y) % 256`.
const BYTES: &str = "4c657263322004000000d4649d4e0b0000000d000000010000008f00000008000000c100000001000000000000000000e03f00000000000000000000000000a06f400000000000fd00000000254a6f94b9de005b80a5caef143900b6db00254a6f940011365b80a5caef006c91b6db00254a00c7ec11365b80a50022476c91b6db00007da2c7ec11365b0005008328008068ace86c56c354ee62ba9c000000d8fd22476c91b60033587da2c7ec11008eb3d8fd22476c000501830f88c6ac901a02";
/// `3 x y - 200`, at most 2 away.
const SHORTS: &str = "4c6572633220040000001e5ebc290b0000000d000000010000008f00000008000000ca00000002000000000000000000004000000000000069c000000000000064400000000038ffa000000138ff864000000000000040200803511480301406922c80501cc9e240c06024cc235500812ccf7469409138d2b58140b1409506960538ff862800000080712048c2384f2449d4956dd8e685a4279a694ba6ad6cab6fadff0138ff861880c1489847aac0e1509b98be00f25c9ed9d685f8860f80c14898d1505ac850dba802";

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn decode(blob: &[u8], data_type: DataType, packing: Packing) -> Result<Vec<Pixels>, String> {
    let expected = Expected {
        width: WIDTH as u32,
        rows: HEIGHT as u32,
        samples: 1,
        data_type,
    };
    LercBlocks { packing }.decode(blob, &expected, &[0])
}

fn places() -> impl Iterator<Item = (i64, i64)> {
    (0..HEIGHT).flat_map(|row| (0..WIDTH).map(move |col| (col, row)))
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut packed = vec![0; compressor.zlib_compress_bound(bytes.len())];
    let len = compressor
        .zlib_compress(bytes, &mut packed)
        .expect("as large as it may become");
    packed.truncate(len);
    packed
}

#[test]
fn bytes_are_exact_however_they_are_packed() {
    let value = |(x, y): (i64, i64)| match x > 6 {
        true => (x * y % 7) as u8,
        false => ((x * 37 + y * 91) % 256) as u8,
    };
    let expected = vec![Pixels::U8(places().map(value).collect())];
    let blob = unhex(BYTES);
    let deflated = zlib(&blob);
    let zstd = zstd::bulk::compress(&blob, 3).expect("in memory");
    for (packed, packing) in [
        (&blob, Packing::None),
        (&deflated, Packing::Deflate),
        (&zstd, Packing::Zstd),
    ] {
        assert_eq!(decode(packed, DataType::U8, packing), Ok(expected.clone()));
    }
}

#[test]
fn shorts_keep_the_tolerance() {
    let found = decode(&unhex(SHORTS), DataType::I16, Packing::None).expect("valid");
    let Pixels::I16(values) = &found[0] else {
        panic!("{found:?}")
    };
    for ((x, y), value) in places().zip(values) {
        assert!(
            (i64::from(*value) - (3 * x * y - 200)).abs() <= 2,
            "{x} {y}"
        );
    }
}

#[test]
fn what_is_not_read_is_named() {
    let blob = unhex(BYTES);
    let mut old = blob.clone();
    old[6] = 2;
    let mut damaged = blob.clone();
    damaged[100] ^= 1;
    let cases: [(&[u8], DataType, &str); 6] = [
        (b"CntZImage 0123456789", DataType::U8, "LERC 1"),
        (&old, DataType::U8, "version 2"),
        (&damaged, DataType::U8, "checksum"),
        (&blob[..150], DataType::U8, "cut off"),
        (&blob, DataType::U16, "of type 1"),
        (b"PK", DataType::U8, "does not begin"),
    ];
    for (bytes, data_type, word) in cases {
        let error = decode(bytes, data_type, Packing::None).expect_err(word);
        assert!(error.contains(word), "{error}");
    }
    let error = decode(&blob, DataType::U8, Packing::Unknown(9)).expect_err("unknown");
    assert!(error.contains("additional compression 9"), "{error}");
}

/// Makes the checksum right again, so that what follows it is read.
fn sealed(mut blob: Vec<u8>) -> Vec<u8> {
    let sum = fletcher(&blob[14..]);
    blob[10..14].copy_from_slice(&sum.to_le_bytes());
    blob
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let blob = [b"Lerc2 \x04\0\0\0".as_slice(), &bytes].concat();
        for packing in [Packing::None, Packing::Deflate, Packing::Zstd] {
            let _ = decode(&blob, DataType::U8, packing);
            let _ = decode(&bytes, DataType::F32, packing);
        }
    }

    #[test]
    fn changed_blobs_end_in_a_result(
        is_short in any::<bool>(),
        changes in proptest::collection::vec((14..400_usize, any::<u8>()), 1..8),
    ) {
        let (text, data_type) = if is_short { (SHORTS, DataType::I16) } else { (BYTES, DataType::U8) };
        let mut blob = unhex(text);
        for (at, value) in changes {
            let len = blob.len();
            blob[14 + at % (len - 14)] = value;
        }
        let _ = decode(&sealed(blob), data_type, Packing::None);
    }

    #[test]
    fn changed_samples_end_in_a_result(
        huffman in proptest::collection::vec(any::<u8>(), 1..200),
        mode in 0..4_u8,
    ) {
        // After head and empty mask: not in one sweep, then the mode of 8-bit samples.
        let mut blob = unhex(BYTES)[..HEAD_BYTES + 4].to_vec();
        blob.extend([0, 255, 0, mode]);
        blob.extend(&huffman);
        let len = blob.len() as u32;
        blob[34..38].copy_from_slice(&len.to_le_bytes());
        let _ = decode(&sealed(blob), DataType::U8, Packing::None);
    }
}
