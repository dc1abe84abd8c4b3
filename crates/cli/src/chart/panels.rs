//! Observations of one parcel to the panels of its picture.

use super::{CLEAR_MIN, Color, Dot, Observation, Panel, Series, decibel};

/// Most panels of bands that have no panel of their own kind.
const BANDS_MAX: usize = 4;

/// How backscatter is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Linear: the mean becomes decibels at the end.
    Linear,
    /// Decibels already: shown as they are.
    Decibel,
}

/// Where a Sentinel-1 image was taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orbit {
    /// Relative orbit.
    pub number: u64,
    /// `ascending` or `descending`.
    pub state: String,
}

/// Finds the orbit of an item, where it is known.
pub type OrbitOf<'a> = dyn Fn(&str) -> Option<Orbit> + 'a;

/// Returns a panel of the vegetation index, if there are values.
pub fn ndvi_panel(observations: &[Observation]) -> Option<Panel> {
    let series = Series {
        label: String::new(),
        color: Color::Green,
        is_second: false,
        points: dots(observations.iter(), &Observation::ndvi),
    };
    (!series.points.is_empty()).then(|| Panel {
        title: "NDVI, of mean B04 and B08".to_owned(),
        height_px: 200.0,
        range: Some((0.0, 1.0)),
        blanks: Vec::new(),
        series: vec![series],
    })
}

/// Returns a panel of VV and VH, by orbit, if there are values.
pub fn backscatter_panel(
    observations: &[Observation],
    power: Power,
    orbit_of: &OrbitOf<'_>,
) -> Option<Panel> {
    let (title, convert): (&str, fn(f64) -> f64) = match power {
        Power::Linear => ("Backscatter, dB of mean power", decibel),
        Power::Decibel => ("Backscatter, mean of dB as stored", |value| value),
    };
    let series = polarisations(observations, convert, orbit_of);
    let title = title.to_owned();
    (!series.is_empty()).then_some(Panel {
        title,
        height_px: 150.0,
        range: None,
        blanks: Vec::new(),
        series,
    })
}

/// Returns a panel of six-day coherence, if there are values.
pub fn coherence_panel(observations: &[Observation], orbit_of: &OrbitOf<'_>) -> Option<Panel> {
    let series = polarisations(observations, |value| value, orbit_of);
    (!series.is_empty()).then(|| Panel {
        title: "Coherence over six days, at the later date".to_owned(),
        height_px: 120.0,
        range: Some((0.0, 1.0)),
        blanks: Vec::new(),
        series,
    })
}

/// Returns a panel for each of the first bands; `unit_of` tells their units.
pub fn band_panels(
    observations: &[Observation],
    unit_of: &dyn Fn(&str) -> Option<String>,
) -> Vec<Panel> {
    let mut bands: Vec<&str> = Vec::new();
    for (band, _) in observations
        .iter()
        .flat_map(|observation| &observation.means)
    {
        if !bands.contains(&band.as_str()) {
            bands.push(band);
        }
    }
    let colors = [Color::Green, Color::Orange, Color::Blue, Color::Purple];
    let panel = |(band, color): (&str, Color)| Panel {
        title: unit_of(band).map_or_else(|| band.to_owned(), |unit| format!("{band}, {unit}")),
        height_px: 120.0,
        range: None,
        blanks: Vec::new(),
        series: vec![Series {
            label: String::new(),
            color,
            is_second: false,
            points: dots(observations.iter(), &|observation| observation.mean(band)),
        }],
    };
    bands
        .into_iter()
        .take(BANDS_MAX)
        .zip(colors)
        .map(panel)
        .collect()
}

fn polarisations(
    observations: &[Observation],
    convert: fn(f64) -> f64,
    orbit_of: &OrbitOf<'_>,
) -> Vec<Series> {
    let orbits: Vec<Option<Orbit>> = observations
        .iter()
        .map(|observation| orbit_of(&observation.item_id))
        .collect();
    let mut known = orbits.clone();
    known.sort();
    known.dedup();
    let mut all = Vec::new();
    for (band, color) in [("VV", Color::Orange), ("VH", Color::Blue)] {
        for (index, orbit) in known.iter().enumerate() {
            let own = observations
                .iter()
                .zip(&orbits)
                .filter(|(_, own)| *own == orbit);
            let value = |observation: &Observation| observation.mean(band).map(convert);
            let points = dots(own.map(|(observation, _)| observation), &value);
            let label = match orbit {
                Some(orbit) => format!("{band} orbit {} {}", orbit.number, short(&orbit.state)),
                None => band.to_owned(),
            };
            if !points.is_empty() {
                all.push(Series {
                    label,
                    color,
                    is_second: index > 0,
                    points,
                });
            }
        }
    }
    all
}

fn short(orbit_state: &str) -> &str {
    match orbit_state {
        "ascending" => "asc",
        "descending" => "desc",
        other => other,
    }
}

fn dots<'a>(
    observations: impl Iterator<Item = &'a Observation>,
    value: &dyn Fn(&Observation) -> Option<f64>,
) -> Vec<Dot> {
    let dot = |observation: &Observation| {
        Some(Dot {
            datetime_us: observation.datetime_us,
            value: value(observation).filter(|value| value.is_finite())?,
            is_clear: observation.clear >= CLEAR_MIN,
        })
    };
    observations.filter_map(dot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(day: i64, means: &[(&str, f64)], clear: f64) -> Observation {
        Observation {
            item_id: format!("item-{day}"),
            datetime_us: day * 86_400_000_000,
            parcel_id: "1".to_owned(),
            means: means
                .iter()
                .map(|(band, mean)| ((*band).to_owned(), *mean))
                .collect(),
            clear,
            count: 9.0,
        }
    }

    #[test]
    fn cloudy_values_are_not_clear() {
        let season = [
            observation(0, &[("B04", 0.05), ("B08", 0.45)], 1.0),
            observation(5, &[("B04", 0.4), ("B08", 0.5)], 0.2),
            observation(10, &[], 0.0),
        ];
        let panel = ndvi_panel(&season).expect("values");
        let points = &panel.series[0].points;
        assert_eq!(points.len(), 2);
        assert!((points[0].value - 0.8).abs() < 1e-12 && points[0].is_clear);
        assert!(!points[1].is_clear);
        assert!(ndvi_panel(&season[2..]).is_none());
    }

    #[test]
    fn backscatter_is_split_by_orbit_and_power_becomes_decibels() {
        let season: Vec<Observation> = (0..4)
            .map(|day| observation(day, &[("VV", 0.1)], 1.0))
            .collect();
        let orbit_of = |id: &str| {
            let number = if id.ends_with(['0', '2']) { 66 } else { 117 };
            Some(Orbit {
                number,
                state: "ascending".to_owned(),
            })
        };
        let panel = backscatter_panel(&season, Power::Linear, &orbit_of).expect("values");
        let labels: Vec<&str> = panel
            .series
            .iter()
            .map(|series| series.label.as_str())
            .collect();
        assert_eq!(labels, ["VV orbit 66 asc", "VV orbit 117 asc"]);
        assert!((panel.series[0].points[0].value + 10.0).abs() < 1e-12);
        let stored = backscatter_panel(&season, Power::Decibel, &|_| None).expect("values");
        assert_eq!(
            (stored.series.len(), stored.series[0].points[0].value),
            (1, 0.1)
        );
    }
}
