//! Bounds of the columns of a file, in the form of Delta Lake's `add.stats` ([protocol, "Per-file
//! Statistics"]).
//!
//! [protocol, "Per-file Statistics"]: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, RecordBatch, cast::AsArray};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Texts above this length are no bounds, in bytes: readers may cut longer ones.
const TEXT_BYTES_MAX: usize = 32;
/// Columns with bounds, in the order of the schema.
const BOUNDED: [&str; 5] = ["parcel", "parcel_id", "datetime", "item_id", "band"];

/// Bounds of the columns by which files are passed over; `None` where they are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileStats {
    /// Smallest and largest `parcel`.
    pub parcel: Option<(i32, i32)>,
    /// First and last `datetime`, in microseconds since 1970 UTC; at most a millisecond outside of the
    /// rows.
    pub datetime_us: Option<(i64, i64)>,
    /// First and last `band` in the order of code points.
    pub band: Option<(String, String)>,
}

/// `add.stats` as it is read.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatsText {
    num_records: Option<u64>,
    #[serde(default)]
    min_values: BTreeMap<String, Value>,
    #[serde(default)]
    max_values: BTreeMap<String, Value>,
}

impl FileStats {
    /// Reads `add.stats`: the number of rows, where it is known, and bounds.
    pub(super) fn read(text: &str) -> (Option<u64>, Self) {
        let Ok(stats) = serde_json::from_str::<StatsText>(text) else {
            return (None, Self::default());
        };
        let bounds = |name: &str| {
            let (low, high) = (stats.min_values.get(name)?, stats.max_values.get(name)?);
            Some((low, high))
        };
        let parcel = bounds("parcel").and_then(|(low, high)| {
            let number = |value: &Value| value.as_i64().and_then(|value| value.try_into().ok());
            Some((number(low)?, number(high)?))
        });
        let datetime_us = bounds("datetime").and_then(|(low, high)| {
            let instant = |value: &Value| {
                let parsed = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
                Some(parsed.timestamp_micros())
            };
            // Programs may cut instants to milliseconds: then the last lies below the rows.
            Some((instant(low)?, instant(high)?.saturating_add(999)))
        });
        let band = bounds("band").and_then(|(low, high)| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Some((text(low)?, text(high)?))
        });
        let found = Self {
            parcel,
            datetime_us,
            band,
        };
        (stats.num_records, found)
    }
}

/// Gathers the bounds of rows that come batch by batch.
#[derive(Debug, Default)]
pub(super) struct StatsBuilder {
    rows: u64,
    parcel: Option<(i32, i32)>,
    datetime_us: Option<(i64, i64)>,
    texts: BTreeMap<&'static str, (String, String)>,
}

fn widen<T: PartialOrd>(bounds: &mut Option<(T, T)>, low: T, high: T) {
    *bounds = Some(match bounds.take() {
        None => (low, high),
        Some((first, last)) => (
            if low < first { low } else { first },
            if high > last { high } else { last },
        ),
    });
}

impl StatsBuilder {
    /// Adds the rows of a batch of one of the two tables.
    pub(super) fn push(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for name in BOUNDED {
            let column = batch.column_by_name(name).expect("it is in both schemas");
            self.push_column(name, column);
        }
    }

    fn push_column(&mut self, name: &'static str, column: &ArrayRef) {
        if column.is_empty() {
            return;
        }
        match name {
            "parcel" => {
                let values = column.as_primitive::<Int32Type>();
                if let (Some(low), Some(high)) = (min(values), max(values)) {
                    widen(&mut self.parcel, low, high);
                }
            }
            "datetime" => {
                let values = column.as_primitive::<TimestampMicrosecondType>();
                if let (Some(low), Some(high)) = (min(values), max(values)) {
                    widen(&mut self.datetime_us, low, high);
                }
            }
            _ => {
                let values = column.as_string::<i32>();
                if let (Some(low), Some(high)) = (min_string(values), max_string(values)) {
                    let mut bounds = self.texts.remove(name);
                    widen(&mut bounds, low.to_owned(), high.to_owned());
                    self.texts.extend(bounds.map(|bounds| (name, bounds)));
                }
            }
        }
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns `add.stats`.
    pub(super) fn finish(&self) -> String {
        let (mut low, mut high) = (serde_json::Map::new(), serde_json::Map::new());
        let mut nulls = serde_json::Map::new();
        for name in BOUNDED {
            let bounds = match name {
                "parcel" => self.parcel.map(|(low, high)| (json!(low), json!(high))),
                "datetime" => self.datetime_us.map(|(low, high)| {
                    // Milliseconds, as all programs read them, outwards.
                    let (low, high) = (
                        low.div_euclid(1000),
                        high.div_euclid(1000) + i64::from(high.rem_euclid(1000) > 0),
                    );
                    (json!(instant(low)), json!(instant(high)))
                }),
                _ => self
                    .texts
                    .get(name)
                    .filter(|(low, high)| low.len().max(high.len()) <= TEXT_BYTES_MAX)
                    .map(|(low, high)| (json!(low), json!(high))),
            };
            if let Some((first, last)) = bounds {
                low.insert(name.to_owned(), first);
                high.insert(name.to_owned(), last);
            }
            nulls.insert(name.to_owned(), json!(0));
        }
        json!({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls})
            .to_string()
    }
}

fn instant(milliseconds: i64) -> String {
    DateTime::from_timestamp_millis(milliseconds)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stats_of_other_programs_are_read_as_far_as_they_go() {
        let text = r#"{"numRecords": 3, "minValues": {"parcel": 1, "datetime": "2021-04-01T10:00:00.123Z", "band": "B04"},
            "maxValues": {"parcel": 9, "datetime": "2021-04-01T10:00:00.123Z", "band": "B08"}, "x": []}"#;
        let (rows, stats) = FileStats::read(text);
        assert_eq!((rows, stats.parcel), (Some(3), Some((1, 9))));
        let (first, last) = stats.datetime_us.expect("instants");
        assert_eq!(last - first, 999);
        assert_eq!(stats.band, Some(("B04".into(), "B08".into())));
        assert_eq!(FileStats::read("[]"), (None, FileStats::default()));
        let (_, stats) =
            FileStats::read(r#"{"minValues": {"parcel": "x"}, "maxValues": {"parcel": 1}}"#);
        assert_eq!(stats.parcel, None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            let _ = FileStats::read(&text);
        }
    }
}
