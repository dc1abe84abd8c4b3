use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use swath_grid::{Crs, GeoBox, Size, Transform};
use swath_raster::{Pixels, Sample, for_pixels};

use super::super::spec::{AreaOrPoint, BandSpec};
use super::*;

/// An image in memory.
struct Memory {
    width: usize,
    bands: Vec<Pixels>,
    mask: Option<Vec<u8>>,
}

impl RowSource for Memory {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let range = first_row as usize * self.width..(first_row + rows) as usize * self.width;
        fn cut<T: Sample>(values: &[T]) -> Pixels {
            T::wrap(values.to_vec())
        }
        let bands = self
            .bands
            .iter()
            .map(|band| for_pixels!(band, v => cut(&v[range.clone()])))
            .collect();
        Ok(Rows {
            bands,
            mask: self.mask.as_ref().map(|mask| mask[range].to_vec()),
        })
    }
}

fn spec(width: u32, height: u32, data_type: DataType, band_count: usize) -> CogSpec {
    let transform = Transform::from_gdal([500_000.0, 10.0, 0.0, 6_300_000.0, 0.0, -10.0]).unwrap();
    let crs = Crs::from_epsg(32632).unwrap();
    CogSpec {
        geobox: GeoBox::new(crs, transform, Size { width, height }).unwrap(),
        data_type,
        bands: vec![BandSpec::default(); band_count],
        nodata: None,
        has_mask: false,
        metadata: Vec::new(),
        color_map: None,
        area_or_point: AreaOrPoint::Area,
    }
}

/// A directory as a reader finds it: tag to numbers.
type Directory = std::collections::BTreeMap<u16, Vec<u64>>;

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    (0..len)
        .rev()
        .fold(0, |value, i| value << 8 | u64::from(bytes[at + i]))
}

fn directories(bytes: &[u8]) -> Vec<Directory> {
    let is_big = bytes[2] == 43;
    let (pointer, count_len, entry_len) = if is_big { (8, 8, 20) } else { (4, 2, 12) };
    let mut at = number(bytes, if is_big { 8 } else { 4 }, pointer) as usize;
    let mut directories = Vec::new();
    while at != 0 {
        let entries = number(bytes, at, count_len) as usize;
        let mut directory = Directory::new();
        for entry in 0..entries {
            let place = at + count_len + entry * entry_len;
            let size = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8];
            let len = size[number(bytes, place + 2, 2) as usize];
            let count = number(bytes, place + 4, pointer) as usize;
            let inline = place + 4 + pointer;
            let is_inline = len * count <= pointer;
            let first = if is_inline {
                inline
            } else {
                number(bytes, inline, pointer) as usize
            };
            let values = (0..count)
                .map(|i| number(bytes, first + i * len, len))
                .collect();
            directory.insert(number(bytes, place, 2) as u16, values);
        }
        directories.push(directory);
        at = number(bytes, at + count_len + entries * entry_len, pointer) as usize;
    }
    directories
}

fn unpacked(bytes: &[u8], compression: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    match compression {
        1 => out.copy_from_slice(bytes),
        5 => {
            let mut decoder =
                weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            out = decoder.decode(bytes).unwrap();
        }
        8 => {
            let mut decompressor = libdeflater::Decompressor::new();
            assert_eq!(decompressor.zlib_decompress(bytes, &mut out).unwrap(), len);
        }
        50_000 => out = zstd::bulk::decompress(bytes, len).unwrap(),
        other => panic!("compression {other}"),
    }
    assert_eq!(out.len(), len);
    out
}

/// Undoes the predictor of one row the plain way; returns the samples, little-endian.
fn unpredicted(row: &[u8], predictor: u64, samples: usize, sample_bytes: usize) -> Vec<u8> {
    let mut row = row.to_vec();
    match predictor {
        2 => {
            let modulus = 1_u128 << (8 * sample_bytes);
            for at in (samples * sample_bytes..row.len()).step_by(sample_bytes) {
                let before = number(&row, at - samples * sample_bytes, sample_bytes);
                let sum =
                    (u128::from(before) + u128::from(number(&row, at, sample_bytes))) % modulus;
                row[at..at + sample_bytes].copy_from_slice(&sum.to_le_bytes()[..sample_bytes]);
            }
            row
        }
        3 => {
            for at in samples..row.len() {
                row[at] = row[at].wrapping_add(row[at - samples]);
            }
            let count = row.len() / sample_bytes;
            let planes = (0..sample_bytes).rev();
            (0..count)
                .flat_map(|i| planes.clone().map(move |p| (p, i)))
                .map(|(p, i)| row[p * count + i])
                .collect()
        }
        _ => row,
    }
}

/// Reads an image back: the bytes of each band, row by row, and checks leaders and trailers.
fn read_image(bytes: &[u8], directory: &Directory, empty: &[u8]) -> Vec<Vec<u8>> {
    let one = |id: u16| directory[&id][0] as usize;
    let (width, height, block) = (
        one(tag::IMAGE_WIDTH),
        one(tag::IMAGE_LENGTH),
        one(tag::TILE_WIDTH),
    );
    let samples = one(tag::SAMPLES_PER_PIXEL);
    let sample_bytes = one(tag::BITS_PER_SAMPLE) / 8;
    let predictor = directory.get(&tag::PREDICTOR).map_or(1, |values| values[0]);
    let block_cols = width.div_ceil(block);
    let mut bands = vec![empty.repeat(width * height); samples];
    let row_bytes = block * samples * sample_bytes;
    let lens = &directory[&tag::TILE_BYTE_COUNTS];
    assert_eq!(lens.len(), block_cols * height.div_ceil(block));
    for (index, (offset, len)) in directory[&tag::TILE_OFFSETS].iter().zip(lens).enumerate() {
        let (offset, len) = (*offset as usize, *len as usize);
        if offset == 0 {
            assert_eq!(len, 0);
            continue;
        }
        assert_eq!(number(bytes, offset - 4, 4) as usize, len);
        assert_eq!(
            bytes[offset + len - 4..offset + len],
            bytes[offset + len..offset + len + 4]
        );
        let packed = &bytes[offset..offset + len];
        let block_bytes = unpacked(packed, directory[&tag::COMPRESSION][0], row_bytes * block);
        let (first_row, first_col) = (index / block_cols * block, index % block_cols * block);
        for (row, row_packed) in block_bytes
            .chunks(row_bytes)
            .enumerate()
            .take(height - first_row)
        {
            let values = unpredicted(row_packed, predictor, samples, sample_bytes);
            for (i, value) in values.chunks(sample_bytes).enumerate() {
                let col = first_col + i / samples;
                if col < width {
                    let at = ((first_row + row) * width + col) * sample_bytes;
                    bands[i % samples][at..at + sample_bytes].copy_from_slice(value);
                }
            }
        }
    }
    bands
}

fn bytes_of(pixels: &Pixels) -> Vec<u8> {
    for_pixels!(pixels, values => values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn pixels_from(data_type: DataType, bytes: &[u8], len: usize) -> Pixels {
    let mut pixels = Pixels::zeros(data_type, len);
    macro_rules! fill {
        ($($variant:ident $type:ty),*) => {
            match &mut pixels {
                $(Pixels::$variant(values) => {
                    let size = size_of::<$type>();
                    for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(size)) {
                        *value = <$type>::from_le_bytes(bytes.try_into().unwrap());
                    }
                })*
            }
        };
    }
    fill!(U8 u8, I8 i8, U16 u16, I16 i16, U32 u32, I32 i32, U64 u64, I64 i64, F32 f32, F64 f64);
    pixels
}

const DATA_TYPES: [DataType; 10] = [
    DataType::U8,
    DataType::I8,
    DataType::U16,
    DataType::I16,
    DataType::U32,
    DataType::I32,
    DataType::U64,
    DataType::I64,
    DataType::F32,
    DataType::F64,
];

const COMPRESSIONS: [Compression; 4] = [
    Compression::None,
    Compression::Deflate { level: 0 },
    Compression::Zstd { level: 0 },
    Compression::Lzw,
];

const RULES: [OverviewRule; 4] = [
    OverviewRule::None,
    OverviewRule::Nearest,
    OverviewRule::Average,
    OverviewRule::Mode,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn what_was_written_is_read_back(
        width in 1_u32..70, height in 1_u32..70, band_count in 1_usize..5,
        data_type in prop::sample::select(&DATA_TYPES[..]),
        compression in prop::sample::select(&COMPRESSIONS[..]),
        overviews in prop::sample::select(&RULES[..]),
        noise in proptest::collection::vec(any::<u8>(), 1..4000),
        is_big: bool,
    ) {
        let spec = spec(width, height, data_type, band_count);
        let len = (width * height) as usize;
        let bands: Vec<Pixels> = (0..band_count)
            .map(|band| {
                let count = len * data_type.size_bytes();
                let bytes: Vec<u8> = noise.iter().cycle().skip(band).take(count).copied().collect();
                pixels_from(data_type, &bytes, len)
            })
            .collect();
        let expected: Vec<Vec<u8>> = bands.iter().map(bytes_of).collect();
        let mut source = Memory { width: width as usize, bands, mask: None };
        let options = CogOptions {
            compression, overviews, block_px: 16, threads: 2, force_big_tiff: is_big,
            ..Default::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tif");
        let report = write_cog(&path, &spec, &options, &mut source).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let directories = directories(&bytes);
        let empty = vec![0; data_type.size_bytes()];
        prop_assert_eq!(read_image(&bytes, &directories[0], &empty), expected);
        prop_assert_eq!(report.bytes, bytes.len() as u64);
        prop_assert_eq!(report.is_big_tiff, is_big);
        prop_assert_eq!(directories.len(), 1 + report.overviews.len());
        for directory in &directories[1..] {
            read_image(&bytes, directory, &empty);
        }
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

fn ramp(width: u32, height: u32) -> Memory {
    let values = (0..width * height).map(|i| (i % 251) as u8).collect();
    Memory {
        width: width as usize,
        bands: vec![Pixels::U8(values)],
        mask: None,
    }
}

#[test]
fn ifds_and_blocks_stand_in_the_order_of_gdal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tif");
    let mut spec = spec(150, 90, DataType::U8, 1);
    spec.has_mask = true;
    let mut source = ramp(150, 90);
    source.mask = Some(
        (0..150 * 90)
            .map(|i| if i % 150 < 40 { 0 } else { 255 })
            .collect(),
    );
    let options = CogOptions {
        block_px: 32,
        ..Default::default()
    };
    let report = write_cog(&path, &spec, &options, &mut source).unwrap();
    assert_eq!(report.overviews, [2, 4, 8]);
    let bytes = std::fs::read(&path).unwrap();
    let directories = directories(&bytes);
    let types: Vec<u64> = directories
        .iter()
        .map(|directory| {
            directory
                .get(&tag::NEW_SUBFILE_TYPE)
                .map_or(0, |values| values[0])
        })
        .collect();
    assert_eq!(types, [0, 4, 1, 1, 1, 5, 5, 5]);
    let stored = |index: usize| {
        let offsets: &Vec<u64> = &directories[index][&tag::TILE_OFFSETS];
        offsets
            .iter()
            .copied()
            .filter(|offset| *offset > 0)
            .collect::<Vec<_>>()
    };
    // The smallest overview first, every block in order and followed by its mask.
    let mut images = Vec::new();
    let mut masks = Vec::new();
    for (image, mask) in [(4, 7), (3, 6), (2, 5), (0, 1)] {
        images.extend(stored(image));
        masks.extend(stored(mask));
    }
    assert!(images.is_sorted());
    assert_eq!(images.len(), masks.len());
    assert!(images.iter().zip(&masks).all(|(image, mask)| image < mask));
    assert!(
        masks
            .iter()
            .zip(&images[1..])
            .all(|(mask, image)| mask < image)
    );
    // Values under the mask are data, too.
    assert_eq!(report.blocks_sparse, 0);
}

#[test]
fn blocks_of_nodata_take_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tif");
    let mut spec = spec(64, 64, DataType::F32, 1);
    spec.nodata = Some(f64::NAN);
    let mut values = vec![f32::NAN; 64 * 64];
    values[64 * 40 + 40] = 1.5;
    let bands = vec![Pixels::F32(values)];
    let mut source = Memory {
        width: 64,
        bands,
        mask: None,
    };
    let options = CogOptions {
        block_px: 32,
        ..Default::default()
    };
    let report = write_cog(&path, &spec, &options, &mut source).unwrap();
    assert_eq!((report.blocks_written, report.blocks_sparse), (2, 3));
    let bytes = std::fs::read(&path).unwrap();
    let directories = directories(&bytes);
    let small = read_image(&bytes, &directories[1], &f32::NAN.to_le_bytes());
    let at = (20 * 32 + 20) * 4;
    assert_eq!(small[0][at..at + 4], 1.5_f32.to_le_bytes());
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let write = |threads: usize| {
        let path = folder.path().join(format!("{threads}.tif"));
        let options = CogOptions {
            block_px: 16,
            threads,
            ..Default::default()
        };
        let spec = spec(300, 200, DataType::U8, 1);
        write_cog(&path, &spec, &options, &mut ramp(300, 200)).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(write(1), write(3));
}

/// Fails after the first strip.
struct Broken(Memory);

impl RowSource for Broken {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        if first_row > 0 {
            Err("cable cut".into())
        } else {
            self.0.read_rows(first_row, rows)
        }
    }
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tif");
    std::fs::write(&path, "old").unwrap();
    let spec = spec(40, 40, DataType::U8, 1);
    let cancelled = Some(Arc::new(AtomicBool::new(true)));
    let stopped = CogOptions {
        cancel: cancelled,
        ..Default::default()
    };
    let error = write_cog(&path, &spec, &stopped, &mut ramp(40, 40)).unwrap_err();
    assert!(matches!(error, CogError::Cancelled));
    let options = CogOptions {
        block_px: 16,
        ..Default::default()
    };
    let error = write_cog(&path, &spec, &options, &mut Broken(ramp(40, 40))).unwrap_err();
    assert_eq!(error.to_string(), "cannot read rows 16 to 31 of the source");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let path = Path::new("/nonexistent-folder/image.tif");
    let options = CogOptions::default();
    let error = write_cog(
        path,
        &spec(4, 4, DataType::U8, 1),
        &options,
        &mut ramp(4, 4),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot write /nonexistent-folder: "),
        "{error}"
    );
}

#[test]
fn contradictions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tif");
    let refused = |spec: &CogSpec, options: &CogOptions| {
        let error = write_cog(&path, spec, options, &mut ramp(4, 4)).unwrap_err();
        matches!(error, CogError::Invalid { .. } | CogError::WrongRows { .. })
    };
    let good = spec(4, 4, DataType::U8, 1);
    assert!(refused(
        &good,
        &CogOptions {
            block_px: 100,
            ..Default::default()
        }
    ));
    let level = Compression::Deflate { level: 13 };
    assert!(refused(
        &good,
        &CogOptions {
            compression: level,
            ..Default::default()
        }
    ));
    let options = CogOptions::default();
    assert!(refused(
        &CogSpec {
            nodata: Some(256.0),
            ..good.clone()
        },
        &options
    ));
    assert!(refused(
        &CogSpec {
            bands: Vec::new(),
            ..good.clone()
        },
        &options
    ));
    assert!(refused(
        &CogSpec {
            has_mask: true,
            ..good.clone()
        },
        &options
    ));
    assert!(refused(
        &CogSpec {
            data_type: DataType::U16,
            ..good.clone()
        },
        &options
    ));
    let colors = Some(vec![[0; 3]; 257]);
    assert!(refused(
        &CogSpec {
            color_map: colors,
            ..good
        },
        &options
    ));
}
