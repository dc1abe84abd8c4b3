//! Bytes per record of noise: statistics of independent random values, which hardly compress.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use swath_extract::table::{PRECISION_OPTION, TableKind, extracts_schema, write_data_file};

use crate::table_place::{Place, PlaceKind, configuration, mixed};

/// What a month of statistics may take, in bytes per record.
const BYTES_MAX: f64 = 24.0;
/// As [`BYTES_MAX`], with `precision` 0.0005.
const ROUNDED_BYTES_MAX: f64 = 15.0;

/// Parcel, band and date.
type Record = (u64, u64, u64);

/// Value of the record of a number.
type Statistic<'a> = &'a dyn Fn(u64, &Record) -> f32;

/// Returns a share 0..1 that depends on its arguments only.
fn share(seed: u64, index: u64) -> f32 {
    (mixed(seed << 40 ^ index) >> 40) as f32 / (1 << 24) as f32
}

/// Returns backscatter of `parcels` on `dates` in two bands, as the benchmark's generator makes it.
fn noise(parcels: u64, dates: u64) -> RecordBatch {
    let rows: Vec<Record> = (0..parcels)
        .flat_map(|parcel| {
            (0..2).flat_map(move |band| (0..dates).map(move |date| (parcel, band, date)))
        })
        .collect();
    let texts = |text: &dyn Fn(&Record) -> String| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| Some(text(row)))
                .collect::<StringArray>(),
        )
    };
    let floats = |value: Statistic<'_>| -> ArrayRef {
        let values = rows
            .iter()
            .enumerate()
            .map(|(index, row)| Some(value(index as u64, row)));
        Arc::new(values.collect::<Float32Array>())
    };
    let mean = |index: u64, row: &Record| {
        let level = -11.0 - 7.0 * row.1 as f32 + 8.0 * (share(1, row.0) - 0.5);
        10_f32.powf((level + 3.0 * (share(2, index) + share(3, index) - 1.0)) / 10.0)
    };
    let stdev = |index: u64, row: &Record| mean(index, row) * (0.35 + 0.25 * share(4, index));
    let instants = rows
        .iter()
        .map(|row| 1_617_235_200_000_000 + row.2 as i64 * 86_400_000_000);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            rows.iter()
                .map(|row| Some(row.0 as i32 * 11))
                .collect::<Int32Array>(),
        ),
        texts(&|row| format!("49{:06}", mixed(row.0) % 1_000_000)),
        Arc::new(
            instants
                .map(Some)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        texts(&|_| "s1-card-bs".to_owned()),
        texts(&|row| format!("S1A_IW_GRDH_1SDV_202104{:02}T055000_Orb_Cal_TF", row.2)),
        texts(&|row| ["VV", "VH"][row.1 as usize].to_owned()),
        texts(&|row| format!("S1A {:06}", 37_000 + row.2)),
        Arc::new(
            rows.iter()
                .map(|row| Some(row.2 as i16 * 7))
                .collect::<Int16Array>(),
        ),
        texts(&|_| "ascending".to_owned()),
        // Speckle has no clouds: a parcel has the same pixels on every date.
        floats(&|_, row| 20.0 + 400.0 * share(5, row.0)),
        floats(&|_, _| 1.0),
        floats(&mean),
        floats(&stdev),
        floats(&|index, row| mean(index, row) * (0.05 + 0.25 * share(6, index))),
        floats(&|index, row| mean(index, row) + 4.0 * stdev(index, row)),
        floats(&|index, row| mean(index, row) - 0.7 * stdev(index, row)),
        floats(&|index, row| mean(index, row) * 0.93),
        floats(&|index, row| mean(index, row) + 0.6 * stdev(index, row)),
    ];
    RecordBatch::try_new(extracts_schema(), columns).expect("columns of the table")
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_noise_are_small() {
    let place = Place::new(PlaceKind::Folder).await;
    let store = place.store();
    let mut rounded = configuration();
    rounded
        .options
        .insert(PRECISION_OPTION.into(), "0.0005".into());
    let shapes = [("an image", 40_000, 1), ("a month", 2_500, 20)];
    for (name, parcels, dates) in shapes {
        for (configuration, bytes_max) in [
            (configuration(), BYTES_MAX),
            (rounded.clone(), ROUNDED_BYTES_MAX),
        ] {
            let rows = vec![noise(parcels, dates)];
            let written = write_data_file(
                &store,
                TableKind::Extracts,
                "data/x.parquet",
                rows,
                &configuration,
            );
            let file = written.await.expect("a file").expect("rows");
            let bytes = file.size_bytes as f64 / file.rows as f64;
            println!("{name}: {bytes:.2} bytes per record, at most {bytes_max}");
            // A file of one image has each id and count once or twice: it is merged soon.
            let is_month = dates > 1;
            assert!(
                !is_month || bytes <= bytes_max,
                "{name}: {bytes} bytes per record"
            );
        }
    }
}
