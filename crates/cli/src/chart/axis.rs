//! Axes: values and dates to pixels, and where the ticks stand.

use chrono::{DateTime, Datelike, NaiveDate};

use super::{Chart, DatetimeUs, Panel};

/// Ticks of an axis of values, about this many.
const TICKS: f64 = 6.0;
/// Room beyond the values, as a share of their range.
const MARGIN: f64 = 0.05;
/// Narrowest month label with its gap.
const MONTH_LABEL_PX: f64 = 34.0;
/// Months between labels that are tried, from fine to coarse.
const MONTH_STEPS: [i32; 7] = [1, 2, 3, 6, 12, 60, 120];

/// Values to pixels along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Value at `from_px`.
    pub from: f64,
    /// Value at `to_px`; not equal to `from`.
    pub to: f64,
    /// Where `from` lies.
    pub from_px: f64,
    /// Where `to` lies.
    pub to_px: f64,
}

impl Scale {
    /// Returns where `value` lies.
    pub fn px(&self, value: f64) -> f64 {
        self.from_px + (value - self.from) / (self.to - self.from) * (self.to_px - self.from_px)
    }
}

/// Range and ticks of an axis of values.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueAxis {
    /// Lowest and highest value.
    pub range: (f64, f64),
    /// Within the range, from low to high.
    pub ticks: Vec<f64>,
    /// Decimals that tell the ticks apart.
    pub decimals: usize,
}

/// Returns the axis that holds all values of a panel.
///
/// An end is the panel's own where no value lies beyond it; else it leaves a little room.
pub fn value_axis(panel: &Panel) -> ValueAxis {
    let values = panel
        .series
        .iter()
        .flat_map(|series| &series.points)
        .map(|dot| dot.value);
    let ends = panel.range.into_iter().flat_map(|(low, high)| [low, high]);
    let finite = values.chain(ends).filter(|value| value.is_finite());
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut low, mut high) =
        finite.fold(none, |ends, value| (ends.0.min(value), ends.1.max(value)));
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    // Values that are all alike still need a range.
    let margin = MARGIN * (high - low).max(1e-6 * high.abs().max(1e-6));
    let is_own = |end: f64, own: Option<f64>| own == Some(end);
    if !is_own(low, panel.range.map(|range| range.0)) {
        low -= margin;
    }
    if !is_own(high, panel.range.map(|range| range.1)) {
        high += margin;
    }
    let rough = (high - low) / TICKS;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    // Rounding must not lose a tick where the end lies on one.
    let first = libm::ceil(low / step - 1e-6) as i64;
    let last = libm::floor(high / step + 1e-6) as i64;
    let decimals = -libm::floor(libm::log10(step) + 1e-9);
    ValueAxis {
        range: (low, high),
        ticks: (first..=last).map(|tick| tick as f64 * step).collect(),
        decimals: decimals.clamp(0.0, 8.0) as usize,
    }
}

/// One month on the axis of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Its first moment.
    pub from_us: DatetimeUs,
    /// Name, with the year where it begins or the axis does; empty where there is no room.
    pub label: String,
}

/// The axis of time: whole months round all values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeAxis {
    /// First moment of the first month.
    pub from_us: DatetimeUs,
    /// First moment after the last month.
    pub to_us: DatetimeUs,
    /// In order.
    pub months: Vec<Month>,
}

/// Returns the axis that holds all values of a chart.
pub fn time_axis(chart: &Chart, width_px: f64) -> TimeAxis {
    let panels = chart.panels.iter().flat_map(|panel| &panel.series);
    let datetimes = panels
        .flat_map(|series| &series.points)
        .map(|dot| dot.datetime_us);
    let datetimes: Vec<DatetimeUs> = datetimes.collect();
    let first = month_number(datetimes.iter().copied().min().unwrap_or_default());
    let last = month_number(datetimes.iter().copied().max().unwrap_or_default());
    let count = last - first + 1;
    let month_px = width_px / f64::from(count);
    let is_roomy = |step: &i32| f64::from(*step) * month_px >= MONTH_LABEL_PX;
    let step = MONTH_STEPS.into_iter().find(is_roomy).unwrap_or(120);
    let first_labelled = (first..)
        .find(|month| month.rem_euclid(step) == 0)
        .unwrap_or(first);
    let months = (first..=last).map(|number| {
        let is_labelled = number.rem_euclid(step) == 0;
        let has_year = number == first_labelled || number.rem_euclid(12) == 0;
        let name = month_name(number);
        let label = match (is_labelled, has_year) {
            (false, _) => String::new(),
            (true, false) => name.to_owned(),
            (true, true) => format!("{name} {}", number.div_euclid(12)),
        };
        Month {
            from_us: month_start_us(number),
            label,
        }
    });
    TimeAxis {
        from_us: month_start_us(first),
        to_us: month_start_us(last + 1),
        months: months.collect(),
    }
}

/// Returns years times twelve plus the month from 0.
pub fn month_number(datetime_us: DatetimeUs) -> i32 {
    let date = DateTime::from_timestamp_micros(datetime_us).unwrap_or_default();
    date.year() * 12 + date.month0() as i32
}

/// Returns the short English name of a month.
pub fn month_name(number: i32) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES[number.rem_euclid(12) as usize]
}

fn month_start_us(number: i32) -> DatetimeUs {
    let month = number.rem_euclid(12) as u32 + 1;
    let date = NaiveDate::from_ymd_opt(number.div_euclid(12), month, 1).unwrap_or_default();
    date.and_time(chrono::NaiveTime::MIN)
        .and_utc()
        .timestamp_micros()
}
