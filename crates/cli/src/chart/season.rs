//! The season of one parcel from the rows of extract tables: vegetation, backscatter, coherence.

use std::collections::{BTreeMap, HashMap};

use swath_series::{Extract, Statistic};

use super::{
    Chart, Observation, Orbit, Panel, Power, backscatter_panel, band_panels, coherence_panel,
    ndvi_panel,
};

/// Share of a parcel that is clear, by datetime and item, where classes were counted.
pub type ClearShares = HashMap<(i64, String), f64>;

/// Returns the picture of a season; `extracts` are of one parcel, of any collections.
pub fn season_chart(
    title: String,
    subtitle: String,
    extracts: &[Extract],
    clear: &ClearShares,
) -> Chart {
    let mut collections: BTreeMap<&str, Vec<&Extract>> = BTreeMap::new();
    for extract in extracts {
        collections
            .entry(&extract.collection)
            .or_default()
            .push(extract);
    }
    let mut panels = Vec::new();
    for (collection, extracts) in collections {
        panels.extend(panels_of(collection, &extracts, clear));
    }
    // Vegetation above what explains it.
    panels.sort_by_key(|(order, _)| *order);
    let has_cloud = panels
        .iter()
        .flat_map(|(_, panel)| &panel.series)
        .any(|series| series.points.iter().any(|dot| !dot.is_clear));
    let has_blank = panels.iter().any(|(_, panel)| !panel.blanks.is_empty());
    let hollow = "Hollow: under half of the parcel was clear, left out of the line.";
    let blank = "Short lines at the bottom: images that show nothing of it, as under clouds.";
    let footer: Vec<&str> = [(has_cloud, hollow), (has_blank, blank)]
        .into_iter()
        .filter_map(|(is_so, words)| is_so.then_some(words))
        .collect();
    Chart {
        title,
        subtitle,
        footer: footer.join(" "),
        panels: panels.into_iter().map(|(_, panel)| panel).collect(),
        events: Vec::new(),
    }
}

fn panels_of(collection: &str, extracts: &[&Extract], clear: &ClearShares) -> Vec<(u8, Panel)> {
    let observations = observations(extracts, clear);
    let has = |band: &str| extracts.iter().any(|extract| extract.band == band);
    let orbits: HashMap<&str, Orbit> = extracts
        .iter()
        .filter_map(|extract| {
            let orbit = Orbit {
                number: u64::try_from(extract.relative_orbit?).ok()?,
                state: extract.orbit_state.clone().unwrap_or_default(),
            };
            Some((extract.item_id.as_str(), orbit))
        })
        .collect();
    let orbit_of = |item_id: &str| orbits.get(item_id).cloned();
    if has("B04") && has("B08") {
        let Some(mut panel) = ndvi_panel(&observations) else {
            return Vec::new();
        };
        let without = observations.iter().filter(|seen| seen.means.is_empty());
        panel.blanks = without.map(|seen| seen.datetime_us).collect();
        return vec![(0, panel)];
    }
    if has("VV") || has("VH") {
        if collection.contains("coh") {
            let panel = coherence_panel(&observations, &orbit_of);
            return panel.into_iter().map(|panel| (2, panel)).collect();
        }
        // A power is never negative, decibels of fields always are.
        let is_negative = |extract: &&Extract| {
            extract
                .statistic(Statistic::Mean)
                .is_some_and(|mean| mean < 0.0)
        };
        let power = match extracts.iter().any(is_negative) {
            true => Power::Decibel,
            false => Power::Linear,
        };
        let panel = backscatter_panel(&observations, power, &orbit_of);
        return panel.into_iter().map(|panel| (1, panel)).collect();
    }
    let panels = band_panels(&observations, &|_| None);
    panels.into_iter().map(|panel| (3, panel)).collect()
}

/// Puts the bands of each item together, in the order of time.
fn observations(extracts: &[&Extract], clear: &ClearShares) -> Vec<Observation> {
    let mut items: BTreeMap<(i64, &str), Observation> = BTreeMap::new();
    for extract in extracts {
        let key = (extract.datetime_us, extract.item_id.as_str());
        let observation = items.entry(key).or_insert_with(|| Observation {
            item_id: extract.item_id.clone(),
            datetime_us: extract.datetime_us,
            parcel_id: extract.parcel_id.clone(),
            means: Vec::new(),
            clear: clear
                .get(&(extract.datetime_us, extract.item_id.clone()))
                .copied()
                .unwrap_or(1.0),
            count: 0.0,
        });
        if let Some(mean) = extract.statistic(Statistic::Mean) {
            observation.means.push((extract.band.clone(), mean));
        }
        observation.clear = observation.clear.min(f64::from(extract.clear));
        observation.count = observation.count.max(f64::from(extract.count));
    }
    items.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(collection: &str, day: i64, band: &str, mean: f32, orbit: Option<i16>) -> Extract {
        let mut statistics = [None; 7];
        statistics[0] = Some(mean);
        Extract {
            parcel: 0,
            parcel_id: "7".to_owned(),
            datetime_us: day * 86_400_000_000,
            collection: collection.to_owned(),
            item_id: format!("{collection}-{day}"),
            band: band.to_owned(),
            pass: String::new(),
            relative_orbit: orbit,
            orbit_state: orbit.map(|_| "ascending".to_owned()),
            count: 9.0,
            clear: 1.0,
            statistics,
        }
    }

    fn season() -> Vec<Extract> {
        vec![
            extract("s1-card-coh6", 1, "VV", 0.4, Some(66)),
            extract("s1-card-bs", 1, "VV", 0.1, Some(66)),
            extract("s1-card-bs", 3, "VV", 0.1, Some(117)),
            extract("sentinel-2-l2a", 2, "B04", 0.05, None),
            extract("sentinel-2-l2a", 2, "B08", 0.45, None),
            extract("sentinel-2-l2a", 7, "B04", 0.3, None),
            extract("sentinel-2-l2a", 7, "B08", 0.35, None),
        ]
    }

    #[test]
    fn vegetation_stands_above_backscatter_and_coherence() {
        let clear = ClearShares::from([((7 * 86_400_000_000, "sentinel-2-l2a-7".to_owned()), 0.1)]);
        let chart = season_chart("Parcel 7".to_owned(), String::new(), &season(), &clear);
        let titles: Vec<&str> = chart.panels.iter().map(|panel| &panel.title[..4]).collect();
        assert_eq!(titles, ["NDVI", "Back", "Cohe"]);
        let clear: Vec<bool> = chart.panels[0].series[0]
            .points
            .iter()
            .map(|dot| dot.is_clear)
            .collect();
        assert_eq!(clear, [true, false]);
        assert!(chart.footer.contains("Hollow") && !chart.footer.contains("Short"));
        let mut covered = season();
        covered[3].statistics = [None; 7];
        covered[4].statistics = [None; 7];
        let blank = season_chart(String::new(), String::new(), &covered, &ClearShares::new());
        assert_eq!(blank.panels[0].blanks, [2 * 86_400_000_000]);
        assert!(blank.footer.contains("Short"));
        assert_eq!(chart.panels[1].series.len(), 2, "two orbits");
    }

    #[test]
    fn stored_decibels_stay_what_they_are() {
        let extracts = [extract("s1", 1, "VH", -17.5, None)];
        let chart = season_chart(String::new(), String::new(), &extracts, &ClearShares::new());
        assert_eq!(chart.panels[0].series[0].points[0].value, -17.5);
        assert!(chart.footer.is_empty());
    }
}
