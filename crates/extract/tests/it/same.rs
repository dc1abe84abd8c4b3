//! The same statistics whatever the threads, the blocks and the memory, and the right ones.

use std::path::Path;

use arrow::array::{Array, Float64Array, RecordBatch};
use swath_extract::{MeasureOptions, STATISTICS};
use swath_raster::{CoverageRule, DataType, Pixels, Sample, for_pixels};
use swath_testkit::fixtures::{self, tiff};
use swath_testkit::table::{TableTolerance, assert_table_eq, read_parquet};

use crate::reference;
use crate::scene::{
    Image, ORIGIN, extractor, fields, geobox, measure, mixed, open, stores, write_parcels,
};

const SIDE: u32 = 700;
const NODATA: f64 = 3.0;

/// Returns `rows` rows of noise in a type: full range for narrow integers, else with ties.
fn values(data_type: DataType, first_row: u32, rows: u32) -> Pixels {
    let from = u64::from(first_row * SIDE);
    let bits = (from..from + u64::from(rows * SIDE)).map(mixed);
    match data_type {
        DataType::U8 => Pixels::U8(bits.map(|bits| bits as u8).collect()),
        DataType::I8 => Pixels::I8(bits.map(|bits| bits as i8).collect()),
        DataType::U16 => Pixels::U16(bits.map(|bits| bits as u16).collect()),
        DataType::I16 => Pixels::I16(bits.map(|bits| bits as i16).collect()),
        DataType::U32 => Pixels::U32(bits.map(|bits| bits as u32).collect()),
        DataType::I32 => Pixels::I32(bits.map(|bits| bits as i32 % 1000).collect()),
        DataType::U64 => Pixels::U64(bits.map(|bits| bits >> 12).collect()),
        DataType::I64 => Pixels::I64(bits.map(|bits| bits.cast_signed() >> 12).collect()),
        DataType::F32 => Pixels::F32(bits.map(|bits| (bits as i16) as f32 / 7.0).collect()),
        DataType::F64 => Pixels::F64(
            bits.map(|bits| (bits.cast_signed() >> 20) as f64 / 1e9)
                .collect(),
        ),
    }
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

/// A parcel of 200,000 pixels, one over the edge of the raster, one off it, small ones.
fn parcels(folder: &Path) -> std::path::PathBuf {
    let square = |col: f64, row: f64, side: f64| {
        vec![
            [col, row],
            [col + side, row + 0.3],
            [col + side - 0.2, row + side],
            [col - 0.4, row + side],
        ]
    };
    let mut rings = vec![
        square(40.3, 33.7, 450.0),
        square(-20.5, 600.2, 300.1),
        square(5_000.0, 5_000.0, 50.0),
        square(255.5, 255.5, 1.0),
        square(10.0, 10.0, 0.0008),
    ];
    rings.extend(fields(40, SIDE, 1));
    let path = folder.join("parcels.json");
    write_parcels(&path, &rings);
    path
}

fn write(path: &Path, data_type: DataType, block_px: u32) {
    let rows = move |first, rows| values(data_type, first, rows);
    let nodata = Some(NODATA);
    Image {
        side: SIDE,
        block_px,
        data_type,
        nodata,
        rows,
    }
    .write(path, "2020-05-06T00:00:00Z");
}

async fn table(folder: &Path, raster: &str, options: MeasureOptions) -> RecordBatch {
    let mut extractor = extractor(&folder.join("parcels.json"), options).await;
    let output = folder.join("out.parquet");
    let raster = open(&stores(None), folder.join(raster).to_str().unwrap())
        .await
        .unwrap();
    measure(&mut extractor, &raster, &output).await.unwrap();
    read_parquet(&output)
}

fn options(rule: CoverageRule, threads: usize, memory_mb: usize) -> MeasureOptions {
    MeasureOptions {
        rule,
        threads,
        memory_bytes_max: memory_mb << 20,
        ..MeasureOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_threads_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    parcels(folder.path());
    for data_type in [DataType::I16, DataType::F32, DataType::F64] {
        write(&folder.path().join("a.tif"), data_type, 64);
        for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
            for memory_mb in [1, 512] {
                let one = table(folder.path(), "a.tif", options(rule, 1, memory_mb)).await;
                for threads in [2, 4, 7] {
                    let many =
                        table(folder.path(), "a.tif", options(rule, threads, memory_mb)).await;
                    assert_eq!(one, many, "{} {rule:?} {threads} threads", data_type.name());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_gives_what_the_definition_says() {
    let folder = tempfile::tempdir().unwrap();
    let parcel_file = parcels(folder.path());
    let grid = geobox(SIDE);
    for data_type in DATA_TYPES {
        write(&folder.path().join("a.tif"), data_type, 128);
        let all = values(data_type, 0, SIDE);
        let value = |col: u32, row: u32| {
            let at = (row * SIDE + col) as usize;
            let value = for_pixels!(&all, values => values[at].to_f64());
            (value != NODATA).then_some(value)
        };
        for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
            let extractor = extractor(&parcel_file, options(rule, 2, 512)).await;
            let found = table(folder.path(), "a.tif", options(rule, 2, 512)).await;
            for (row, (id, polygon)) in extractor.parcels().parcels.iter().enumerate() {
                let is_cut = rule == CoverageRule::Fraction && !data_type.is_float();
                let expected = reference::statistics(&polygon, &grid, rule, &value).map(|values| {
                    if is_cut {
                        cut_quantiles(values)
                    } else {
                        values
                    }
                });
                let what = format!("{} {rule:?} {id}", data_type.name());
                check_row(&found, row, expected, &what);
            }
        }
    }
}

/// Quantiles of whole numbers by share are whole numbers; rounding beside one is taken for it.
fn cut_quantiles(mut values: [f64; 8]) -> [f64; 8] {
    for value in &mut values[5..] {
        let whole = value.round();
        let is_whole = (*value - whole).abs() <= 1e-9 * whole.abs().max(1.0);
        *value = if is_whole { whole } else { value.trunc() };
    }
    values
}

fn check_row(table: &RecordBatch, row: usize, expected: Option<[f64; 8]>, what: &str) {
    let size = expected.map_or(1.0, |values| values[3].abs().max(values[4].abs()));
    for (index, name) in STATISTICS.iter().enumerate() {
        let column = table
            .column_by_name(name)
            .unwrap()
            .as_any()
            .downcast_ref::<Float64Array>()
            .unwrap();
        match expected {
            None if *name == "count" => assert_eq!(column.value(row), 0.0, "{what}"),
            None => assert!(column.is_null(row), "{what} {name}"),
            Some(values) => {
                let scale = if *name == "count" { values[0] } else { size };
                let difference = (column.value(row) - values[index]).abs();
                assert!(
                    difference <= 1e-12 * scale,
                    "{what} {name}: {} for {}",
                    column.value(row),
                    values[index]
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_memory_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    parcels(folder.path());
    for data_type in [
        DataType::U8,
        DataType::I16,
        DataType::U32,
        DataType::F32,
        DataType::I64,
    ] {
        let scale = if data_type.size_bytes() == 8 {
            1e16
        } else {
            1e10
        };
        let tolerance = TableTolerance {
            absolute: 1e-12 * scale,
            relative: 1e-12,
            ..Default::default()
        };
        write(&folder.path().join("a.tif"), data_type, 512);
        for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
            let expected = table(folder.path(), "a.tif", options(rule, 2, 512)).await;
            for block_px in [16, 48, 256] {
                write(&folder.path().join("b.tif"), data_type, block_px);
                for memory_mb in [1, 512] {
                    let found = table(folder.path(), "b.tif", options(rule, 2, memory_mb)).await;
                    assert_table_eq(&found, &expected, &tolerance);
                }
            }
            write_strips(&folder.path().join("b.tif"), data_type);
            let found = table(folder.path(), "b.tif", options(rule, 2, 512)).await;
            assert_table_eq(&found, &expected, &tolerance);
        }
    }
}

/// Writes the image in strips of 11 rows, by other code, without compression.
fn write_strips(path: &Path, data_type: DataType) {
    fn samples<T: fixtures::Sample + Sample>(values: &[T]) -> fixtures::Tiff {
        tiff(SIDE, SIDE).samples(1, values)
    }
    let all = values(data_type, 0, SIDE);
    let file = for_pixels!(&all, values => samples(values));
    file.strips(11)
        .epsg(32632)
        .georeference(ORIGIN[0], ORIGIN[1], 10.0)
        .nodata("3")
        .write(path);
}

#[tokio::test(flavor = "multi_thread")]
async fn little_memory_and_many_parcels_across_blocks_are_enough() {
    // 1,600 parcels each across four blocks, with lists that do not fit: more than files may be open.
    let folder = tempfile::tempdir().unwrap();
    let rings: Vec<_> = (0..1600)
        .map(|index| {
            let (col, row) = (
                f64::from(index % 40) * 17.0 + 3.0,
                f64::from(index / 40) * 0.1,
            );
            vec![
                [col, row],
                [col + 30.0, row],
                [col + 30.0, row + 650.0],
                [col, row + 650.0],
            ]
        })
        .collect();
    write_parcels(&folder.path().join("parcels.json"), &rings);
    write(&folder.path().join("a.tif"), DataType::F32, 64);
    let expected = table(
        folder.path(),
        "a.tif",
        options(CoverageRule::Fraction, 2, 4096),
    )
    .await;
    let found = table(
        folder.path(),
        "a.tif",
        options(CoverageRule::Fraction, 2, 16),
    )
    .await;
    let tolerance = TableTolerance {
        absolute: 1e-8,
        relative: 1e-12,
        ..Default::default()
    };
    assert_table_eq(&found, &expected, &tolerance);
}
