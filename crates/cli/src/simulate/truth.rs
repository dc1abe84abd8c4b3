//! What is known about the simulated season: parcels, events and noise-free means.
//!
//! * `truth/parcels.parquet`: one row per parcel in the order of `parcels.parquet`.
//! * `truth/events.csv`: `parcel_id,event,date` with sowing, mowing, harvest, ploughing,
//!   `catch_crop_sowing` and `winter_crop_sowing`; within the year only.
//! * `truth/means.parquet`: item × parcel × band → the value of the parcel without noise, in
//!   physical units (class number for SCL); a row for each parcel, also one without a pixel.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Date32Builder, DictionaryArray, Float64Array,
    Int32Array, ListBuilder, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use chrono::{Datelike, Days, NaiveDate};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::crops::CropYear;
use super::landscape::Landscape;
use super::optical::Ground;
use super::parcels::write_parquet;
use super::scene::Signature;
use super::season::Acquisition;

/// Returns the date of a day of the year; zero and less are in the year before.
fn date(year: i32, day: i32) -> Option<NaiveDate> {
    let before = NaiveDate::from_ymd_opt(year - 1, 12, 31)?;
    let distance = Days::new(u64::from(day.unsigned_abs()));
    if day >= 0 {
        before.checked_add_days(distance)
    } else {
        before.checked_sub_days(distance)
    }
}

/// Days since 1970, as Arrow stores dates.
fn date32(year: i32, day: Option<i32>) -> Option<i32> {
    date(year, day?).map(|date| date.num_days_from_ce() - 719_163)
}

/// Writes `truth/parcels.parquet`.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_parcels(
    path: &Path,
    landscape: &Landscape,
    years: &[CropYear],
    ground: &Ground,
    year: i32,
) -> Result<()> {
    let text = |value: &dyn Fn(&CropYear) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(years.iter().map(value)))
    };
    let dates = |value: &dyn Fn(&CropYear) -> Option<i32>| -> ArrayRef {
        Arc::new(
            years
                .iter()
                .map(|own| date32(year, value(own)))
                .collect::<Date32Array>(),
        )
    };
    let mut mowings = ListBuilder::new(Date32Builder::new());
    for own in years {
        for &day in &own.mowings {
            mowings.values().append_option(date32(year, Some(day)));
        }
        mowings.append(true);
    }
    let pixels = |labels: &[u32]| -> ArrayRef {
        let mut counts = vec![0u32; landscape.parcel_count];
        for &label in labels {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        Arc::new(UInt32Array::from(counts))
    };
    let ids = (0..years.len()).map(|parcel| landscape.parcel_id(parcel));
    let is_wrong: BooleanArray = years
        .iter()
        .map(|own| Some(own.grown != own.declared))
        .collect();
    let vigour: Float64Array = years.iter().map(|own| Some(own.vigour)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("parcel_id", Arc::new(StringArray::from_iter_values(ids))),
        ("grown", text(&|own| own.grown.code())),
        ("grown_name", text(&|own| own.grown.name())),
        ("declared", text(&|own| own.declared.code())),
        ("declared_name", text(&|own| own.declared.name())),
        ("is_wrong_declaration", Arc::new(is_wrong)),
        ("sowing", dates(&|own| own.sowing)),
        ("harvest", dates(&|own| own.harvest)),
        ("ploughing", dates(&|own| own.ploughing)),
        ("catch_crop_sowing", dates(&|own| own.catch_crop)),
        ("winter_crop_sowing", dates(&|own| own.winter_sowing)),
        ("mowings", Arc::new(mowings.finish())),
        ("vigour", Arc::new(vigour)),
        ("pixels_10m", pixels(&ground.fine.labels)),
        ("pixels_20m", pixels(&ground.coarse.labels)),
    ];
    write_parquet(path, columns, None)
}

/// Returns the text of `truth/events.csv`.
pub fn events_csv(landscape: &Landscape, years: &[CropYear], year: i32) -> String {
    let mut text = String::from("parcel_id,event,date\n");
    for (parcel, own) in years.iter().enumerate() {
        let single = [
            ("sowing", own.sowing),
            ("harvest", own.harvest),
            ("ploughing", own.ploughing),
            ("catch_crop_sowing", own.catch_crop),
            ("winter_crop_sowing", own.winter_sowing),
        ];
        let mowings = own.mowings.iter().map(|&day| ("mowing", Some(day)));
        let mut events: Vec<(i32, &str)> = single
            .into_iter()
            .chain(mowings)
            .filter_map(|(name, day)| Some((day?, name)))
            .collect();
        events.retain(|(day, _)| *day > 0);
        events.sort_unstable();
        for (day, name) in events {
            if let Some(date) = date(year, day) {
                let id = landscape.parcel_id(parcel);
                writeln!(text, "{id},{name},{date}").expect("a String takes any text");
            }
        }
    }
    text
}

/// Writes `truth/means.parquet` image by image.
pub struct MeansWriter {
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    parcel_ids: Arc<StringArray>,
}

impl MeansWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(path: &Path, landscape: &Landscape) -> Result<Self> {
        let names = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("item_id", names.clone(), false),
            Field::new("datetime", utc, false),
            Field::new("parcel_id", names.clone(), false),
            Field::new("band", names, false),
            Field::new("value", DataType::Float64, false),
        ]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_created_by("swath simulate".to_owned())
            .build();
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        let ids = (0..landscape.parcel_count).map(|parcel| landscape.parcel_id(parcel));
        Ok(Self {
            writer,
            schema,
            parcel_ids: Arc::new(StringArray::from_iter_values(ids)),
        })
    }

    /// Adds the rows of one image: parcel by parcel, band by band.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn add(&mut self, image: &Acquisition, signature: &Signature) -> Result<()> {
        let band_count = signature.bands.len();
        let rows = self.parcel_ids.len() * band_count;
        let item = StringArray::from_iter_values([&image.item_id]);
        let bands = StringArray::from_iter_values(signature.bands);
        let row_of = |value: &dyn Fn(usize) -> usize| -> Int32Array {
            (0..rows).map(|row| Some(value(row) as i32)).collect()
        };
        let names = |keys: Int32Array, values: ArrayRef| -> Result<ArrayRef> {
            Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(
                keys, values,
            )?))
        };
        let datetimes = vec![image.datetime.timestamp_micros(); rows];
        let values = signature.values[..rows]
            .iter()
            .map(|value| f64::from(*value));
        let columns: Vec<ArrayRef> = vec![
            names(row_of(&|_| 0), Arc::new(item))?,
            Arc::new(TimestampMicrosecondArray::from(datetimes).with_timezone("UTC")),
            names(
                row_of(&|row| row / band_count),
                Arc::clone(&self.parcel_ids) as ArrayRef,
            )?,
            names(row_of(&|row| row % band_count), Arc::new(bands))?,
            Arc::new(Float64Array::from_iter_values(values)),
        ];
        self.writer
            .write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(())
    }

    /// Finishes the file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(self) -> Result<()> {
        self.writer.close()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_year_become_dates() {
        let text = |day| date(2021, day).map(|date| date.to_string());
        assert_eq!(text(1).as_deref(), Some("2021-01-01"));
        assert_eq!(text(0).as_deref(), Some("2020-12-31"));
        assert_eq!(text(-75).as_deref(), Some("2020-10-17"));
        assert_eq!(text(365).as_deref(), Some("2021-12-31"));
        assert_eq!(date32(1970, Some(1)), Some(0));
    }
}
