//! Reads an extract table parcel by parcel: all bands of one parcel in one item at a time.
//!
//! Memory does not grow with the table: its rows come in the order of parcels.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::TryStreamExt;
use swath_access::Viewer;
use swath_extract::table::{
    CommitNumbers, ExtractTable, IndexCache, SeriesReader, SeriesRequest, TableKind, TableStore,
};
use swath_series::{Extract, Statistic, extracts_of};

use crate::chart::Observation;
use crate::config::Context;

/// Bytes of footers and page indexes that are kept while a table is read.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Calls `visit` with each parcel of each item of the table at `root`: by parcel, then in the order
/// of time.
///
/// # Errors
/// Where there is no table, it cannot be read, or `visit` fails.
pub async fn visit_extract_table(
    home: &Context,
    root: &str,
    visit: &mut dyn FnMut(&Observation) -> Result<()>,
) -> Result<()> {
    let writer = home.stores.writer(&Viewer::operator(), root)?;
    // Reading never commits: who decides on numbers does not matter.
    let store = TableStore::new(writer.clone(), CommitNumbers::ConditionalPut);
    let table = ExtractTable::open(store)
        .await?
        .with_context(|| format!("there is no extract table at {root}"))?;
    let snapshot = table.snapshot().await?;
    let cache = IndexCache::new(INDEX_BYTES_MAX);
    let reader = SeriesReader::new(writer, TableKind::Extracts, cache);
    let mut batches = reader.rows(&snapshot, &SeriesRequest::default());
    let mut season = ParcelSeason::default();
    while let Some(batch) = batches.try_next().await? {
        for extract in extracts_of(&batch)? {
            if season.parcel != Some(extract.parcel) {
                season.finish(visit)?;
                season.parcel = Some(extract.parcel);
            }
            season.add(extract);
        }
    }
    season.finish(visit)
}

/// The rows of one parcel, which come by band, put together by item.
#[derive(Debug, Default)]
struct ParcelSeason {
    parcel: Option<i32>,
    observations: BTreeMap<(i64, String), Observation>,
}

impl ParcelSeason {
    fn add(&mut self, extract: Extract) {
        let mean = extract.statistic(Statistic::Mean);
        let key = (extract.datetime_us, extract.item_id);
        let observation = self
            .observations
            .entry(key)
            .or_insert_with_key(|key| Observation {
                item_id: key.1.clone(),
                datetime_us: key.0,
                parcel_id: extract.parcel_id,
                means: Vec::new(),
                clear: 1.0,
                count: 0.0,
            });
        observation.count = observation.count.max(f64::from(extract.count));
        observation.clear = observation.clear.min(f64::from(extract.clear));
        if let Some(mean) = mean.filter(|mean| mean.is_finite()) {
            observation.means.push((extract.band, mean));
        }
    }

    fn finish(&mut self, visit: &mut dyn FnMut(&Observation) -> Result<()>) -> Result<()> {
        let observations = std::mem::take(&mut self.observations);
        observations.values().try_for_each(visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(parcel: i32, day: i64, band: &str, mean: Option<f32>, clear: f32) -> Extract {
        let mut statistics = [None; 7];
        statistics[Statistic::Mean as usize] = mean;
        Extract {
            parcel,
            parcel_id: parcel.to_string(),
            datetime_us: day * 86_400_000_000,
            collection: "c".to_owned(),
            item_id: format!("item-{day}"),
            band: band.to_owned(),
            pass: "p".to_owned(),
            relative_orbit: None,
            orbit_state: None,
            count: 9.0,
            clear,
            statistics,
        }
    }

    #[test]
    fn bands_of_one_item_come_together_in_the_order_of_time() {
        let mut season = ParcelSeason::default();
        for row in [
            extract(1, 5, "B04", Some(0.1), 1.0),
            extract(1, 0, "B04", Some(0.2), 1.0),
            extract(1, 5, "B08", None, 0.25),
            extract(1, 0, "B08", Some(0.6), 1.0),
        ] {
            season.add(row);
        }
        let mut seen = Vec::new();
        season
            .finish(&mut |observation| {
                seen.push(observation.clone());
                Ok(())
            })
            .expect("visited");
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].item_id, "item-0");
        assert!((seen[0].ndvi().expect("two bands") - 0.5).abs() < 1e-6);
        assert_eq!((seen[1].means.len(), seen[1].clear), (1, 0.25));
        assert!(season.observations.is_empty());
    }
}
