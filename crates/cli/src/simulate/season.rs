//! Which images there are: passes of Sentinel-2 and Sentinel-1 over one tile in a season.

use anyhow::{Result, ensure};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Timelike, Utc};

use super::random::Random;

/// Name of the Sentinel-2 tile that the landscape lies in.
pub const TILE: &str = "32UNF";

/// Product of an acquisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// Sentinel-2 surface reflectance.
    Reflectance,
    /// Sentinel-1 backscatter.
    Backscatter,
    /// Sentinel-1 coherence over six days.
    Coherence,
}

impl Product {
    /// All products.
    pub const ALL: [Product; 3] = [
        Product::Reflectance,
        Product::Backscatter,
        Product::Coherence,
    ];

    /// Returns the collection id.
    pub fn collection(self) -> &'static str {
        match self {
            Product::Reflectance => "sentinel-2-l2a",
            Product::Backscatter => "s1-card-bs",
            Product::Coherence => "s1-card-coh6",
        }
    }
}

/// One image.
#[derive(Debug, Clone)]
pub struct Acquisition {
    /// What is measured.
    pub product: Product,
    /// Item id.
    pub item_id: String,
    /// Acquisition; of a coherence pair the later one.
    pub datetime: DateTime<Utc>,
    /// Earlier acquisition of a coherence pair.
    pub earlier: Option<DateTime<Utc>>,
    /// `a` or `b`, of the later acquisition.
    pub satellite: char,
    /// Relative orbit.
    pub relative_orbit: u16,
    /// True where the satellite flies north.
    pub is_ascending: bool,
    /// Datatake, the same for all images of one pass.
    pub datatake: String,
    /// True for Sentinel-2 from the baseline that adds 1,000 to the digital numbers.
    pub has_offset: bool,
}

impl Acquisition {
    /// Returns the day of the year with its fraction; 1 January at midnight is 1.0.
    pub fn day(&self) -> f64 {
        day_of_year(self.datetime)
    }

    /// Returns the processing baseline of a Sentinel-2 image.
    pub fn baseline(&self) -> &'static str {
        if self.has_offset { "04.00" } else { "03.01" }
    }

    /// Returns the number that names the random numbers of this image.
    pub fn stream(&self) -> u64 {
        ((self.product as u64) << 40) | (self.datetime.timestamp() as u64 / 60)
    }
}

/// Returns the day of the year with its fraction.
pub fn day_of_year(datetime: DateTime<Utc>) -> f64 {
    let seconds = f64::from(datetime.num_seconds_from_midnight());
    f64::from(datetime.ordinal()) + seconds / 86_400.0
}

/// Checks that a season is one.
///
/// # Errors
/// Where the dates are not in order or not in one year.
pub fn check_interval(start: NaiveDate, end: NaiveDate) -> Result<()> {
    ensure!(start < end, "--start {start} must be before --end {end}");
    let last = end.pred_opt().unwrap_or(start);
    ensure!(
        start.year() == last.year(),
        "--start {start} and --end {end} must be in one year"
    );
    Ok(())
}

/// Returns all images with `start <= date < end`, in order of time within each product.
///
/// * Sentinel-2: orbit 108 every five days; each fourth image comes from the neighbouring orbit
///   008 instead, which cuts the corner of the tile. From mid-season on a newer baseline.
/// * Sentinel-1: ascending orbit 117 every six days with a few gaps, descending orbit 066 every
///   twelve days (one satellite only); coherence of ascending pairs six days apart.
///
/// # Errors
/// As [`check_interval`].
pub fn acquisitions(start: NaiveDate, end: NaiveDate, random: &Random) -> Result<Vec<Acquisition>> {
    check_interval(start, end)?;
    let days: Vec<NaiveDate> = start.iter_days().take_while(|day| *day < end).collect();
    let change = start + Days::new(days.len() as u64 / 2);
    let mut all = Vec::new();
    for &day in &days {
        all.extend(reflectance(day, change).filter(|image| image.datetime.date_naive() >= start));
    }
    let mut radar: Vec<Acquisition> = days
        .iter()
        .flat_map(|&day| backscatter(day, random))
        .collect();
    let pairs = coherence(&radar);
    all.append(&mut radar);
    all.extend(pairs);
    Ok(all)
}

/// Days since 1970-01-01: what the orbits repeat by.
fn day_number(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

fn at(day: NaiveDate, hms: (u32, u32, u32)) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hms.0, hms.1, hms.2).expect("constants are valid times");
    day.and_time(time).and_utc()
}

fn satellite(is_first: bool) -> char {
    if is_first { 'a' } else { 'b' }
}

fn reflectance(day: NaiveDate, change: NaiveDate) -> impl Iterator<Item = Acquisition> {
    let number = day_number(day);
    let cycle = number.div_euclid(5);
    let is_neighbour = cycle.rem_euclid(4) == 3;
    let image = (number.rem_euclid(5) == 1).then(|| {
        let (day, time, relative_orbit) = match is_neighbour {
            true => (day - Days::new(2), (10, 26, 24), 8),
            false => (day, (10, 36, 29), 108),
        };
        let datetime = at(day, time);
        let satellite = satellite(cycle % 2 == 0);
        let has_offset = day >= change;
        let upper = satellite.to_ascii_uppercase();
        let absolute = 20_000 + number - 18_000;
        let baseline = if has_offset { "N04.00" } else { "N03.01" };
        Acquisition {
            product: Product::Reflectance,
            item_id: format!("S2{upper}_{TILE}_{}_0_L2A", datetime.format("%Y%m%d")),
            datetime,
            earlier: None,
            satellite,
            relative_orbit,
            is_ascending: false,
            datatake: format!(
                "GS2{upper}_{}_{absolute:06}_{baseline}",
                datetime.format("%Y%m%dT%H%M%S")
            ),
            has_offset,
        }
    });
    image.into_iter()
}

fn backscatter(day: NaiveDate, random: &Random) -> Vec<Acquisition> {
    let number = day_number(day);
    let is_lost = random.uniform_at(number as u64) < 0.06;
    let ascending = (number.rem_euclid(6) == 2 && !is_lost).then_some(((17, 7, 58), 117, true));
    let descending = (number.rem_euclid(12) == 5).then_some(((5, 40, 12), 66, false));
    let passes = [descending, ascending].into_iter().flatten();
    let image = |(time, relative_orbit, is_ascending): ((u32, u32, u32), u16, bool)| {
        let datetime = at(day, time);
        let satellite = satellite(!is_ascending || number.div_euclid(6) % 2 == 0);
        let upper = satellite.to_ascii_uppercase();
        let letter = if is_ascending { 'A' } else { 'D' };
        Acquisition {
            product: Product::Backscatter,
            item_id: format!(
                "S1{upper}_IW_{}_{relative_orbit:03}{letter}_CARD_BS",
                datetime.format("%Y%m%dT%H%M%S")
            ),
            datetime,
            earlier: None,
            satellite,
            relative_orbit,
            is_ascending,
            datatake: format!(
                "S1{upper}_{:06X}",
                0x04_0000 + number * 15 + i64::from(is_ascending)
            ),
            has_offset: false,
        }
    };
    passes.map(image).collect()
}

fn coherence(radar: &[Acquisition]) -> Vec<Acquisition> {
    let ascending: Vec<&Acquisition> = radar.iter().filter(|image| image.is_ascending).collect();
    let mut pairs = Vec::new();
    for pair in ascending.windows(2) {
        let (earlier, later) = (pair[0], pair[1]);
        if later.datetime - earlier.datetime == chrono::TimeDelta::days(6) {
            pairs.push(Acquisition {
                product: Product::Coherence,
                item_id: format!(
                    "S1_IW_{}_{}_{:03}A_CARD_COH6",
                    earlier.datetime.format("%Y%m%d"),
                    later.datetime.format("%Y%m%d"),
                    later.relative_orbit
                ),
                earlier: Some(earlier.datetime),
                ..later.clone()
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn season(start: &str, end: &str) -> Result<Vec<Acquisition>> {
        acquisitions(start.parse()?, end.parse()?, &Random::new(1))
    }

    #[test]
    fn a_season_has_the_usual_number_of_images() {
        let all = season("2021-03-01", "2021-11-01").expect("valid dates");
        let count = |product| all.iter().filter(|image| image.product == product).count();
        assert_eq!(count(Product::Reflectance), 49);
        assert!((54..62).contains(&count(Product::Backscatter)));
        assert!((28..40).contains(&count(Product::Coherence)));
        let mut ids: Vec<&String> = all.iter().map(|image| &image.item_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().any(|image| image.has_offset));
    }

    #[test]
    fn dates_out_of_order_or_in_two_years_are_refused() {
        assert!(season("2021-05-01", "2021-05-01").is_err());
        assert!(season("2021-05-01", "2022-05-01").is_err());
        assert!(season("2021-10-01", "2022-01-01").is_ok());
    }
}
