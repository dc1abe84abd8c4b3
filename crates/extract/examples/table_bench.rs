//! Writes an extract table of noise and asks it, in this process, and prints what it took.
//!
//! `cargo run --release -p swath-extract --example table_bench -- FOLDER write PARCELS IMAGES`
//! `cargo run --release -p swath-extract --example table_bench -- FOLDER compact`
//! `cargo run --release -p swath-extract --example table_bench -- FOLDER season COUNT`
//! `cargo run --release -p swath-extract --example table_bench -- FOLDER means|mean-rows|image|files`
//!
//! One line per figure: name, number, unit. A row is a parcel, a date and one of two bands; dates are
//! spread over 2018, one unit of work each. Values are noise around a level of each parcel, which hardly
//! compresses.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use futures::TryStreamExt;
use swath_access::Viewer;
use swath_extract::table::{
    AggregateRequest, Batches, ExtractTable, ImageRequest, IndexCache, Parcels, SeriesReader,
    SeriesRequest, Snapshot, TableConfiguration, TableKind, TableStore, UnitResult,
    extracts_schema, month_of, write_data_file,
};
use swath_io::{AwsEnvironment, Stores};

const USAGE: &str = "usage: table_bench FOLDER (write PARCELS IMAGES | compact | season COUNT | means | mean-rows | image | files)";
const DAY_US: i64 = 86_400_000_000;
/// 2018-01-01.
const YEAR_US: i64 = 1_514_764_800_000_000;
/// Parcels of the set of which the table has some.
const SET_PARCELS: u64 = 560_000;
const BANDS: [&str; 2] = ["VH", "VV"];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((folder, command)) = words.split_first() else {
        return Err(USAGE.into());
    };
    let table = open(folder).await?;
    match command {
        ["write", parcels, images] => write(&table, parcels.parse()?, images.parse()?).await,
        ["compact"] => compact(&table).await,
        ["season", count] => season(&table, count.parse()?).await,
        ["means"] => means(&table, YEAR_US).await,
        ["mean-rows"] => mean_rows(&table).await,
        ["image"] => image(&table).await,
        ["files"] => files(&table).await,
        _ => Err(USAGE.into()),
    }
}

async fn open(folder: &str) -> Outcome<ExtractTable> {
    let stores = Stores::for_command_line(Default::default(), AwsEnvironment::default());
    let writer = stores.writer(&Viewer::operator(), folder)?;
    let store = TableStore::probe(writer, None).await?;
    let configuration = TableConfiguration {
        collection: "s1-card-bs".to_owned(),
        set: "noise".to_owned(),
        ..TableConfiguration::default()
    };
    Ok(ExtractTable::create(store, &configuration).await?)
}

fn reader(table: &ExtractTable) -> Outcome<SeriesReader> {
    let writer = table.store().writer(TableKind::Extracts)?;
    let cache = IndexCache::new(256 << 20);
    Ok(SeriesReader::new(writer, TableKind::Extracts, cache))
}

/// Numbers that look random and are the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn uniform(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal, from the sum of twelve uniform numbers.
    fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.uniform(0.0, 1.0)).sum();
        mean + deviation * (sum - 6.0)
    }
}

/// Rows of one image: all parcels, both bands.
fn unit_rows(parcels: u64, images: u64, image: u64) -> RecordBatch {
    let datetime_us =
        YEAR_US + (image * 365 / images) as i64 * DAY_US + 62_000_000_000 + image as i64;
    let rows = parcels * BANDS.len() as u64;
    let row_parcel = |row: u64| (row / 2 * SET_PARCELS / parcels) as i32;
    let mut noise = Noise(image << 32);
    let mut values: [Vec<f32>; 7] = std::array::from_fn(|_| Vec::with_capacity(rows as usize));
    let mut counts = Vec::with_capacity(rows as usize);
    for row in 0..rows {
        let mut own = Noise(1 + row);
        let level = own.normal(-11.0, 2.0) - 7.0 * (1 - row % 2) as f64;
        counts.push((own.normal(5.3, 1.1).exp().max(1.0) * 16.0).round() as f32 / 16.0);
        let season = 2.0 * (image as f64 * 365.0 / images as f64 / 58.0).sin();
        let mean = 10f64.powf((level + season + noise.normal(0.0, 0.8)) / 10.0);
        let stdev = mean * noise.uniform(0.35, 0.6);
        let of_row = [
            mean,
            stdev,
            mean * noise.uniform(0.05, 0.3),
            mean + 4.0 * stdev,
            mean - 0.7 * stdev,
            0.93 * mean,
            mean + 0.6 * stdev,
        ];
        for (column, value) in values.iter_mut().zip(of_row) {
            column.push(value as f32);
        }
    }
    let same = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|_| text)))
    };
    let parcel_ids = (0..rows).map(|row| format!("{}", 49_000_000 + row_parcel(row)));
    let item = format!("s1-card-bs-{image:04}");
    let instants = TimestampMicrosecondArray::from_value(datetime_us, rows as usize);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values((0..rows).map(row_parcel))),
        Arc::new(StringArray::from_iter_values(parcel_ids)),
        Arc::new(instants.with_timezone("UTC")),
        same("s1-card-bs"),
        same(&item),
        Arc::new(StringArray::from_iter_values(
            (0..rows).map(|row| BANDS[(row % 2) as usize]),
        )),
        same(&format!("S1A_{image:06X}")),
        Arc::new(Int16Array::from_value((image % 175) as i16, rows as usize)),
        same("ascending"),
        Arc::new(Float32Array::from(counts)),
        Arc::new(Float32Array::from_value(1.0, rows as usize)),
    ];
    columns.extend(values.map(|values| Arc::new(Float32Array::from(values)) as ArrayRef));
    RecordBatch::try_new(extracts_schema(), columns).expect("rows of the table")
}

async fn write(table: &ExtractTable, parcels: u64, images: u64) -> Outcome<()> {
    let mut seconds = 0.0;
    for image in 0..images {
        let rows = unit_rows(parcels, images, image);
        let instants = rows
            .column(2)
            .as_any()
            .downcast_ref::<TimestampMicrosecondArray>();
        let month = month_of(instants.ok_or("no instants")?.value(0));
        let begun = Instant::now();
        let path = format!("data/{image}/1.parquet");
        let configuration = table.configuration();
        let kind = TableKind::Extracts;
        let extracts =
            write_data_file(table.store(), kind, &path, vec![rows], configuration).await?;
        let item_id = format!("s1-card-bs-{image:04}");
        let result = UnitResult {
            unit: format!("pass-{image}/strip"),
            revision: 1,
            inputs: image,
            month,
            items: vec![item_id.clone()],
            item_id,
            extracts,
            classes: None,
            reason: None,
        };
        table.commit(&[result]).await?;
        seconds += begun.elapsed().as_secs_f64();
    }
    let rows = (parcels * images * 2) as f64;
    println!("write {:.0} rows/s", rows / seconds);
    Ok(())
}

async fn compact(table: &ExtractTable) -> Outcome<()> {
    let rows = table.snapshot().await?.rows() as f64;
    let begun = Instant::now();
    table.compact(None).await?;
    println!("compact {:.0} rows/s", rows / begun.elapsed().as_secs_f64());
    let snapshot = table.snapshot().await?;
    let bytes: u64 = snapshot.files().map(|file| file.size_bytes).sum();
    println!("size {:.2} bytes/row", bytes as f64 / rows);
    Ok(())
}

/// Prints the files that make up the table.
async fn files(table: &ExtractTable) -> Outcome<()> {
    for file in table.snapshot().await?.files() {
        println!(
            "{}",
            table.store().asset(TableKind::Extracts, &file.path)?.href()
        );
    }
    Ok(())
}

/// Asks for one parcel at a time, as a server does: the snapshot and the indexes are there.
async fn season(table: &ExtractTable, count: usize) -> Outcome<()> {
    let (snapshot, reader) = (table.snapshot().await?, reader(table)?);
    let parcels = snapshot
        .files()
        .filter_map(|file| file.stats.parcel)
        .map(|bounds| bounds.1)
        .max();
    let parcels = u64::from(parcels.unwrap_or(0).unsigned_abs()) + 1;
    for columns in ["datetime,band,mean,p50", ""] {
        let names = columns.split(',').filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        let mut noise = Noise(7);
        let (mut times, mut rows) = (Vec::new(), 0);
        // The first half warms indexes and files.
        for round in 0..2 * count {
            let first = (noise.next() % parcels) as i32;
            let Some(parcel) = next_parcel(&reader, &snapshot, first).await? else {
                continue;
            };
            let request = SeriesRequest {
                parcels: Parcels::List(vec![parcel]),
                columns: names.clone(),
                ..SeriesRequest::default()
            };
            let begun = Instant::now();
            let answer = reader.series(&snapshot, &request).await?;
            if round >= count {
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                rows = answer.num_rows();
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let which = if columns.is_empty() {
            "all columns"
        } else {
            columns
        };
        println!(
            "season p50 {:.3} ms p99 {:.3} ms ({rows} rows; {which})",
            at(0.5),
            at(0.99)
        );
    }
    Ok(())
}

/// Returns a parcel at or behind a row of the set: not every row is in the table.
async fn next_parcel(
    reader: &SeriesReader,
    snapshot: &Snapshot,
    first: i32,
) -> Outcome<Option<i32>> {
    let request = SeriesRequest {
        parcels: Parcels::Range(first..=first + 16),
        columns: vec!["parcel".to_owned()],
        ..SeriesRequest::default()
    };
    let found = reader.series(snapshot, &request).await?;
    let parcels = found.column(0).as_any().downcast_ref::<Int32Array>();
    Ok(parcels.ok_or("no parcels")?.iter().flatten().next())
}

async fn drain(name: &str, mut batches: Batches) -> Outcome<()> {
    let begun = Instant::now();
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows();
    }
    println!(
        "{name} {:.3} s ({rows} rows)",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Means over 5 days of everything.
async fn means(table: &ExtractTable, year_us: i64) -> Outcome<()> {
    let request = AggregateRequest {
        parcels: Parcels::All,
        bands: Vec::new(),
        interval: None,
        window_of: Arc::new(move |instant| {
            let start = instant - (instant - year_us).rem_euclid(5 * DAY_US);
            start..start + 5 * DAY_US
        }),
        columns: ["parcel", "band", "start", "mean", "observations"]
            .map(str::to_owned)
            .to_vec(),
    };
    let snapshot = table.snapshot().await?;
    drain("means", reader(table)?.aggregate(&snapshot, &request)).await
}

/// The rows that means are made of, read and put in order alone.
async fn mean_rows(table: &ExtractTable) -> Outcome<()> {
    let request = SeriesRequest {
        columns: ["parcel", "datetime", "count", "mean"]
            .map(str::to_owned)
            .to_vec(),
        ..SeriesRequest::default()
    };
    let snapshot = table.snapshot().await?;
    drain("rows", reader(table)?.rows(&snapshot, &request)).await
}

/// One image, both bands, all columns.
async fn image(table: &ExtractTable) -> Outcome<()> {
    let snapshot = table.snapshot().await?;
    let reader = reader(table)?;
    for columns in [vec![], vec!["parcel".to_owned(), "mean".to_owned()]] {
        let request = ImageRequest {
            item_id: "s1-card-bs-0007".to_owned(),
            bands: vec![BANDS[1].to_owned()],
            columns,
        };
        drain("image", reader.image(&snapshot, &request)).await?;
    }
    Ok(())
}
