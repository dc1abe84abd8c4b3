//! Every combination of layout, byte order, codec, predictor and sample type gives the exact values.

use std::path::Path;

use proptest::prelude::*;
use swath_grid::Window;
use swath_raster::{DataType, Mask, Pixels};
use swath_testkit::fixtures::{BlockOrder, Compression, Endian, Layout, Predictor, Tiff, tiff};

use crate::fixture::{DATA_TYPES, cut, spread, with_samples};
use crate::place::open_file;

/// A file to be.
#[derive(Debug, Clone, Copy)]
struct Case {
    width: u32,
    height: u32,
    data_type: DataType,
    bands: u32,
    is_big: bool,
    endian: Endian,
    layout: Layout,
    is_planar: bool,
    compression: Compression,
    predictor: Predictor,
    order: BlockOrder,
}

const COMPRESSIONS: [Compression; 6] = [
    Compression::None,
    Compression::Lzw,
    Compression::Deflate,
    Compression::OldDeflate,
    Compression::PackBits,
    Compression::Zstd,
];

impl Case {
    fn images(&self) -> Vec<Pixels> {
        let len = (self.width * self.height) as usize;
        (0..self.bands)
            .map(|band| spread(self.data_type, len, u64::from(band) * 1_000_003))
            .collect()
    }

    fn file(&self, images: &[Pixels]) -> Tiff {
        let mut file = with_samples(tiff(self.width, self.height), images)
            .compression(self.compression)
            .predictor(self.predictor)
            .endian(self.endian)
            .order(self.order);
        file = match self.layout {
            Layout::Tiles { width, height } => file.tiles(width, height),
            Layout::Strips { rows } => file.strips(rows),
        };
        file = if self.is_planar { file.planar() } else { file };
        if self.is_big { file.big() } else { file }
    }
}

fn predictors(data_type: DataType, compression: Compression) -> Vec<Predictor> {
    match (compression, data_type.is_float()) {
        // The specification ties predictors to dictionary coders.
        (Compression::None | Compression::PackBits, _) => vec![Predictor::None],
        (_, false) => vec![Predictor::None, Predictor::Horizontal],
        (_, true) => vec![Predictor::None, Predictor::Horizontal, Predictor::Float],
    }
}

/// Opens the case and compares `windows` of bands in order and turned round.
async fn check(case: &Case, path: &Path, windows: &[Window]) {
    let images = case.images();
    case.file(&images).write(path);
    let raster = open_file(path)
        .await
        .unwrap_or_else(|error| panic!("{case:?}: {error}"));
    let bands: Vec<usize> = (0..case.bands as usize).collect();
    let turned: Vec<usize> = bands.iter().rev().copied().collect();
    for window in windows {
        for wanted in [&bands, &turned] {
            let read = raster.read_window(wanted, *window).await;
            let read = read.unwrap_or_else(|error| panic!("{case:?}: {error}"));
            assert_eq!(read.window, *window);
            for (index, band) in wanted.iter().enumerate() {
                let expected = cut(&images[*band], case.width, window);
                assert!(
                    read.bands[index] == expected,
                    "{case:?} band {band} {window:?}"
                );
                assert_eq!(read.masks[index], Mask::All, "{case:?}");
            }
        }
    }
}

/// Returns the layouts of one sample type.
fn cases(data_type: DataType) -> Vec<Case> {
    let mut cases = Vec::new();
    for compression in COMPRESSIONS {
        for predictor in predictors(data_type, compression) {
            for variant in 0..32_u32 {
                let has = |bit: u32| variant >> bit & 1 == 1;
                let strips = Layout::Strips { rows: 7 };
                let tiles = Layout::Tiles {
                    width: 16,
                    height: 32,
                };
                cases.push(Case {
                    width: 37,
                    height: 29,
                    data_type,
                    bands: if has(0) { 3 } else { 1 },
                    is_big: has(1),
                    endian: if has(2) { Endian::Big } else { Endian::Little },
                    layout: if has(3) { strips } else { tiles },
                    is_planar: has(4),
                    compression,
                    predictor,
                    order: BlockOrder::Cog,
                });
            }
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_reads_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.tif");
    let window = |col, row, width, height| Window {
        col,
        row,
        width,
        height,
    };
    let windows = [
        window(0, 0, 37, 29),
        window(3, 5, 17, 13),
        window(36, 28, 1, 1),
        window(32, 0, 5, 29),
        window(0, 28, 37, 1),
    ];
    let mut count = 0;
    for data_type in DATA_TYPES {
        for case in cases(data_type) {
            check(&case, &path, &windows).await;
            count += 1;
        }
    }
    // 8 integer types × 10 and 2 float types × 14 pairs of codec and predictor, × 32 layouts.
    assert_eq!(count, (8 * 10 + 2 * 14) * 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_plain_strips_are_read_in_pieces() {
    // One strip of 4.2 MB: regrouped into pieces, which must not change a value.
    for (is_planar, endian) in [(false, Endian::Little), (true, Endian::Big)] {
        let case = Case {
            width: 1024,
            height: 1027,
            data_type: DataType::U16,
            bands: 2,
            is_big: false,
            endian,
            layout: Layout::Strips { rows: 1027 },
            is_planar,
            compression: Compression::None,
            predictor: Predictor::None,
            order: BlockOrder::Cog,
        };
        let folder = tempfile::tempdir().unwrap();
        let whole = Window {
            col: 0,
            row: 0,
            width: 1024,
            height: 1027,
        };
        let part = Window {
            col: 1001,
            row: 500,
            width: 23,
            height: 527,
        };
        check(&case, &folder.path().join("strip.tif"), &[whole, part]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_outside_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.tif");
    tiff(20, 20).write(&path);
    let raster = open_file(&path).await.unwrap();
    for (col, row, width, height) in [
        (0, 0, 21, 1),
        (20, 0, 1, 1),
        (0, 0, 0, 5),
        (u32::MAX, 0, 2, 2),
        (1, 1, u32::MAX, 1),
    ] {
        let error = raster
            .read_window(
                &[0],
                Window {
                    col,
                    row,
                    width,
                    height,
                },
            )
            .await;
        let error = error.expect_err("outside").to_string();
        assert!(
            error.contains("small.tif") && error.contains("window"),
            "{error}"
        );
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let size = (1_u32..90, 1_u32..90);
    let kinds = (
        0..DATA_TYPES.len(),
        1_u32..6,
        0..COMPRESSIONS.len(),
        0_usize..3,
    );
    let layout = prop_oneof![
        (1_u32..5, 1_u32..5).prop_map(|(across, down)| Layout::Tiles {
            width: 16 * across,
            height: 16 * down
        }),
        (1_u32..100).prop_map(|rows| Layout::Strips { rows }),
    ];
    let order = prop_oneof![
        Just(BlockOrder::Cog),
        Just(BlockOrder::OverviewsAfterData),
        Just(BlockOrder::Appended),
        Just(BlockOrder::DirectoriesAtEnd),
    ];
    (size, kinds, layout, order, any::<[bool; 3]>()).prop_map(
        |((width, height), (kind, bands, codec, predictor), layout, order, flags)| {
            let (data_type, compression) = (DATA_TYPES[kind], COMPRESSIONS[codec]);
            let allowed = predictors(data_type, compression);
            Case {
                width,
                height,
                data_type,
                bands,
                is_big: flags[0],
                endian: if flags[1] {
                    Endian::Big
                } else {
                    Endian::Little
                },
                layout,
                is_planar: flags[2],
                compression,
                predictor: allowed[predictor % allowed.len()],
                order,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_layout_and_any_window(case in any_case(), corner in any::<[u32; 4]>()) {
        let (col, row) = (corner[0] % case.width, corner[1] % case.height);
        let window = Window {
            col,
            row,
            width: 1 + corner[2] % (case.width - col),
            height: 1 + corner[3] % (case.height - row),
        };
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&case, &folder.path().join("case.tif"), &[window]));
    }
}
