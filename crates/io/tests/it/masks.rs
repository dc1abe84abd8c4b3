//! What is valid: a mask decides over alpha, alpha over nodata; NaN never is.

use futures::TryStreamExt;
use swath_grid::Window;
use swath_io::{BlockPlan, DecodeScratch, DecodedBlock, blocks};
use swath_raster::{DataType, Mask, Pixels};
use swath_testkit::fixtures::{Compression, Endian, Tiff, tiff};

use crate::fixture::{DATA_TYPES, cut_flags, spread, with_samples};
use crate::place::open_file;

const WIDTH: u32 = 45;
const HEIGHT: u32 = 33;
const LEN: usize = (WIDTH * HEIGHT) as usize;

fn window(col: u32, row: u32, width: u32, height: u32) -> Window {
    Window {
        col,
        row,
        width,
        height,
    }
}

fn flags(mask: &Mask) -> Vec<bool> {
    match mask {
        Mask::All => vec![true; LEN],
        Mask::None => vec![false; LEN],
        Mask::Pixels(flags) => flags.clone(),
    }
}

/// Reads whole and part and compares the masks of `bands` with `expected`.
async fn check(what: &str, file: &Tiff, bands: &[usize], expected: &[bool]) -> DecodedBlock {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.tif");
    file.write(&path);
    let raster = open_file(&path)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let part = window(5, 7, 31, 23);
    let read = raster.read_window(bands, part).await.unwrap();
    let wanted = Mask::from_flags(cut_flags(expected, WIDTH, &part));
    assert!(
        read.masks.iter().all(|mask| *mask == wanted),
        "{what}: part"
    );
    let read = raster
        .read_window(bands, window(0, 0, WIDTH, HEIGHT))
        .await
        .unwrap();
    assert!(
        read.masks.iter().all(|mask| flags(mask) == expected),
        "{what}: whole"
    );
    read
}

fn layouts(file: &Tiff) -> [(&'static str, Tiff); 6] {
    [
        ("tiles", file.clone()),
        ("strips", file.clone().strips(5)),
        ("planar tiles", file.clone().planar()),
        (
            "planar strips",
            file.clone()
                .planar()
                .strips(33)
                .compression(Compression::Lzw),
        ),
        (
            "big tiles",
            file.clone()
                .tiles(32, 16)
                .big()
                .compression(Compression::Zstd),
        ),
        (
            "big-endian",
            file.clone()
                .endian(Endian::Big)
                .compression(Compression::Deflate),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nodata_is_found_in_every_type() {
    for data_type in DATA_TYPES {
        let pixels = spread(data_type, LEN, 3);
        // The value of pixel 100 is nodata, written as the shortest text that means it.
        let (text, expected) = match &pixels {
            Pixels::U64(v) => (v[100].to_string(), v.iter().map(|x| *x != v[100]).collect()),
            Pixels::I64(v) => (v[100].to_string(), v.iter().map(|x| *x != v[100]).collect()),
            Pixels::F32(v) => (v[100].to_string(), v.iter().map(|x| *x != v[100]).collect()),
            Pixels::F64(v) => (v[100].to_string(), v.iter().map(|x| *x != v[100]).collect()),
            other => {
                let v = as_i64(other);
                (
                    v[100].to_string(),
                    v.iter().map(|x| *x != v[100]).collect::<Vec<bool>>(),
                )
            }
        };
        let file = with_samples(tiff(WIDTH, HEIGHT), &[pixels.clone(), pixels.clone()]);
        for (layout, file) in layouts(&file.nodata(&text)) {
            let what = format!("{} {layout} nodata {text}", data_type.name());
            check(&what, &file, &[1, 0], &expected).await;
        }
    }
}

fn as_i64(pixels: &Pixels) -> Vec<i64> {
    match pixels {
        Pixels::U8(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Pixels::I8(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Pixels::U16(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Pixels::I16(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Pixels::U32(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Pixels::I32(v) => v.iter().map(|x| i64::from(*x)).collect(),
        other => panic!("{} does not fit", other.data_type().name()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_number_is_never_valid() {
    let values: Vec<f32> = (0..LEN)
        .map(|index| {
            if index % 7 == 3 {
                f32::NAN
            } else {
                index as f32
            }
        })
        .collect();
    let expected: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
    let plain = tiff(WIDTH, HEIGHT).samples(1, &values);
    check("no tag", &plain, &[0], &expected).await;
    check("nodata nan", &plain.clone().nodata("nan"), &[0], &expected).await;
    let all = vec![true; LEN];
    check("mask", &plain.mask(&all), &[0], &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alpha_decides_over_nodata() {
    let pixels = spread(DataType::U16, LEN, 9);
    let opacity: Vec<u16> = (0..LEN).map(|index| [0, 65_535, 1][index % 3]).collect();
    let expected: Vec<bool> = opacity.iter().map(|value| *value != 0).collect();
    let Pixels::U16(values) = &pixels else {
        unreachable!()
    };
    let nodata = values[100].to_string();
    let bands = [pixels.clone(), pixels.clone(), Pixels::U16(opacity)];
    let file = with_samples(tiff(WIDTH, HEIGHT), &bands)
        .alpha()
        .nodata(&nodata);
    for (layout, file) in layouts(&file) {
        let read = check(layout, &file, &[0], &expected).await;
        assert_eq!(read.bands[0], pixels, "{layout}");
        check(layout, &file, &[1, 0], &expected).await;
        check(layout, &file, &[2], &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_decides_over_alpha_and_nodata() {
    let mask: Vec<bool> = (0..LEN).map(|index| index % 5 != 0).collect();
    let pixels = spread(DataType::I16, LEN, 9);
    let Pixels::I16(values) = &pixels else {
        unreachable!()
    };
    let nodata = values[100].to_string();
    let plain = with_samples(tiff(WIDTH, HEIGHT), std::slice::from_ref(&pixels)).nodata(&nodata);
    for (layout, file) in layouts(&plain.mask(&mask)) {
        check(&format!("nodata {layout}"), &file, &[0], &mask).await;
    }
    let opacity = Pixels::I16(vec![0; LEN]);
    let with_alpha = with_samples(tiff(WIDTH, HEIGHT), &[pixels, opacity]).alpha();
    for (layout, file) in layouts(&with_alpha.mask(&mask)) {
        check(&format!("alpha {layout}"), &file, &[0], &mask).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_are_not_stored_hold_nodata_or_zero() {
    let pixels = spread(DataType::I16, LEN, 4);
    let Pixels::I16(values) = &pixels else {
        unreachable!()
    };
    let file = with_samples(tiff(WIDTH, HEIGHT), std::slice::from_ref(&pixels));
    // Tiles of 16 × 16: number 1 holds columns 16..32 of rows 0..16.
    let in_hole = |index: usize| {
        let (col, row) = (index % WIDTH as usize, index / WIDTH as usize);
        (16..32).contains(&col) && row < 16
    };
    let is_nodata = |index: usize| in_hole(index) || values[index] == -7;
    let expected: Vec<bool> = (0..LEN).map(|index| !is_nodata(index)).collect();
    let filled = |value: i16| {
        let of = |index: usize| if in_hole(index) { value } else { values[index] };
        Pixels::I16((0..LEN).map(of).collect())
    };
    let sparse = file.sparse(&[1]);
    let read = check("nodata", &sparse.clone().nodata("-7"), &[0], &expected).await;
    assert_eq!(read.bands[0], filled(-7));
    let read = check("no nodata", &sparse, &[0], &[true; LEN]).await;
    assert_eq!(read.bands[0], filled(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_nodata_survives_in_blocks_that_are_not_stored() {
    let nodata = i64::MIN + 1;
    let pixels = spread(DataType::I64, LEN, 4);
    let file = with_samples(tiff(WIDTH, HEIGHT), &[pixels])
        .sparse(&[0])
        .nodata(&nodata.to_string());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.tif");
    file.write(&path);
    let read = open_file(&path)
        .await
        .unwrap()
        .read_window(&[0], window(0, 0, 16, 16))
        .await
        .unwrap();
    assert_eq!(read.bands[0], Pixels::I64(vec![nodata; 256]));
    assert_eq!(read.masks[0], Mask::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn sparse_opacity_is_opaque_nowhere() {
    let pixels = spread(DataType::U8, LEN, 4);
    let bands = [pixels, Pixels::U8(vec![255; LEN])];
    let expected: Vec<bool> = (0..LEN)
        .map(|index| index % WIDTH as usize >= 16 || index / WIDTH as usize >= 16)
        .collect();
    let file = with_samples(tiff(WIDTH, HEIGHT), &bands)
        .alpha()
        .sparse(&[0]);
    check("chunky", &file, &[0], &expected).await;
    // With nodata the values of the hole are nodata, but its opacity is still nothing.
    check("nodata 9", &file.nodata("9"), &[0], &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overviews_have_their_own_values_and_masks() {
    let mask: Vec<bool> = (0..LEN).map(|index| index % 5 != 0).collect();
    let pixels = spread(DataType::U16, LEN, 4);
    let Pixels::U16(values) = &pixels else {
        unreachable!()
    };
    let base = with_samples(tiff(WIDTH, HEIGHT), std::slice::from_ref(&pixels))
        .overview(2)
        .overview(4)
        .mask(&mask);
    for (layout, file) in layouts(&base) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overview.tif");
        file.write(&path);
        let raster = open_file(&path).await.unwrap();
        for (level, factor) in [(1, 2), (2, 4)] {
            let (width, height) = (WIDTH.div_ceil(factor), HEIGHT.div_ceil(factor));
            let at =
                |index: u32| ((index / width) * factor * WIDTH + (index % width) * factor) as usize;
            let expected: Vec<u16> = (0..width * height).map(|index| values[at(index)]).collect();
            let valid: Vec<bool> = (0..width * height).map(|index| mask[at(index)]).collect();
            let block = raster.describe().overviews[level - 1].block;
            let count = width.div_ceil(block[0]) * height.div_ceil(block[1]);
            let plan = BlockPlan {
                level,
                bands: vec![0],
                numbers: (0..count).collect(),
            };
            let fetched: Vec<_> = blocks(&raster, plan).try_collect().await.unwrap();
            let mut scratch = DecodeScratch::default();
            let parts = fetched
                .iter()
                .map(|block| block.decode(&mut scratch).unwrap())
                .collect();
            let read = DecodedBlock::assemble(window(0, 0, width, height), parts).unwrap();
            assert_eq!(read.bands[0], Pixels::U16(expected), "{layout} {level}");
            assert_eq!(read.masks[0], Mask::from_flags(valid), "{layout} {level}");
        }
    }
}
