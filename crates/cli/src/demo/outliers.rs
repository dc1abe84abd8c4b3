//! Parcels whose season looks unlike that of the crop they declare.

use std::collections::BTreeMap;

use serde::Serialize;

use super::months::MonthFold;
use super::truth::Parcel;

/// Fewest months that a parcel is compared in.
const MONTHS_MIN: usize = 4;
/// Fewest parcels of a crop that others are compared with.
const PARCELS_MIN: usize = 10;

/// One parcel unlike its crop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OddParcel {
    /// Its id.
    pub parcel_id: String,
    /// What it declares.
    pub declared: String,
    /// Root mean square of the differences of its monthly NDVI to the median of its crop.
    pub ndvi_distance: f64,
    /// What grows there, from the simulation's truth; not used to find it.
    pub grown: String,
}

/// Returns the `count` parcels farthest from the median of their declared crop.
pub fn farthest(parcels: &[Parcel], ndvi: &MonthFold, count: usize) -> Vec<OddParcel> {
    let mut crops: BTreeMap<&str, Vec<&Parcel>> = BTreeMap::new();
    for parcel in parcels {
        crops.entry(&parcel.declared).or_default().push(parcel);
    }
    let mut odd = Vec::new();
    for (crop, own) in crops
        .into_iter()
        .filter(|(_, own)| own.len() >= PARCELS_MIN)
    {
        let means: Vec<BTreeMap<i32, f64>> =
            own.iter().map(|parcel| ndvi.means(&parcel.id)).collect();
        let medians = medians(&means);
        for (parcel, means) in own.iter().zip(&means) {
            let shared = means
                .iter()
                .filter_map(|(month, mean)| Some(mean - medians.get(month)?));
            let squares: Vec<f64> = shared.map(|difference| difference * difference).collect();
            if squares.len() < MONTHS_MIN {
                continue;
            }
            odd.push(OddParcel {
                parcel_id: parcel.id.clone(),
                declared: crop.to_owned(),
                ndvi_distance: libm::sqrt(squares.iter().sum::<f64>() / squares.len() as f64),
                grown: parcel.grown.clone(),
            });
        }
    }
    odd.sort_by(|a, b| {
        b.ndvi_distance
            .total_cmp(&a.ndvi_distance)
            .then_with(|| a.parcel_id.cmp(&b.parcel_id))
    });
    odd.truncate(count);
    odd
}

fn medians(means: &[BTreeMap<i32, f64>]) -> BTreeMap<i32, f64> {
    let mut by_month: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
    for (month, mean) in means.iter().flatten() {
        by_month.entry(*month).or_default().push(*mean);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        }
    };
    by_month
        .into_iter()
        .map(|(month, values)| (month, median(values)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parcel_unlike_its_crop_comes_first() {
        let parcel = |index: usize| Parcel {
            id: format!("{index:02}"),
            declared: "maize".to_owned(),
            area_ha: 1.0,
            grown: String::new(),
            events: Vec::new(),
        };
        let parcels: Vec<Parcel> = (0..12).map(parcel).collect();
        let mut ndvi = MonthFold::default();
        for (index, parcel) in parcels.iter().enumerate() {
            for month in 0..6 {
                let like = 0.1 * f64::from(month);
                ndvi.add(
                    &parcel.id,
                    month,
                    if index == 7 {
                        0.8
                    } else {
                        like + 0.001 * index as f64
                    },
                );
            }
        }
        let odd = farthest(&parcels, &ndvi, 1);
        assert_eq!(odd[0].parcel_id, "07");
        assert!(
            (odd[0].ndvi_distance - 0.57).abs() < 0.02,
            "{}",
            odd[0].ndvi_distance
        );
        assert!(
            farthest(&parcels[..5], &ndvi, 1).is_empty(),
            "too few to compare with"
        );
    }
}
