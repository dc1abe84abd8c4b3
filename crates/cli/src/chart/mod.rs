//! Series of one parcel as a picture: panels above each other on one axis of time, as SVG or PNG.
//!
//! Pure functions: [`layout`] says where everything of a [`Chart`] stands; [`svg`] writes it as text
//! (no scripts, no fonts or styles from elsewhere, all text escaped), [`png`] as pixels, with letters
//! of `swath_raster`, so that no font needs to be installed. [`panels`] choose and convert what
//! was observed, [`season`] does so for the rows of extract tables.

mod axis;
mod events;
mod layout;
mod observation;
mod panels;
mod png;
mod season;
mod svg;

pub use axis::{month_name, month_number};
pub use observation::Observation;
pub use panels::{Orbit, Power, backscatter_panel, band_panels, coherence_panel, ndvi_panel};
pub use png::render_png;
pub use season::{ClearShares, season_chart};
pub use svg::render;

/// Microseconds since 1970, UTC.
pub type DatetimeUs = i64;

/// Share of a parcel that must be clear for a value to count.
pub const CLEAR_MIN: f64 = 0.5;

/// Returns a power ratio in decibels.
pub fn decibel(power: f64) -> f64 {
    10.0 * libm::log10(power)
}

/// A picture.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// First line.
    pub title: String,
    /// Second line, smaller.
    pub subtitle: String,
    /// Last line: how to read the picture.
    pub footer: String,
    /// From the top.
    pub panels: Vec<Panel>,
    /// What happened when; drawn through all panels.
    pub events: Vec<Event>,
}

/// One plot of several series with one unit.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    /// Quantity and unit.
    pub title: String,
    /// Height of the plot.
    pub height_px: f64,
    /// Values that the axis shows at least.
    pub range: Option<(f64, f64)>,
    /// In the order of the legend.
    pub series: Vec<Series>,
    /// When something was taken and nothing was seen: short lines at the bottom.
    pub blanks: Vec<DatetimeUs>,
}

/// Values of one quantity in time order.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Colour, by number.
    pub color: Color,
    /// True for squares on a dashed line, false for circles on a full one.
    pub is_second: bool,
    /// In the order of time.
    pub points: Vec<Dot>,
}

/// Colours that can be told apart on light and on dark, also by most colour-blind people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// For vegetation.
    #[default]
    Green,
    /// For like polarisation.
    Orange,
    /// For cross polarisation.
    Blue,
    /// For anything else.
    Purple,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// When.
    pub datetime_us: DatetimeUs,
    /// In the panel's unit.
    pub value: f64,
    /// False for a value that is not to be trusted: drawn hollow and left out of the line.
    pub is_clear: bool,
}

/// Something that happened on a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub datetime_us: DatetimeUs,
    /// What.
    pub label: String,
}

#[cfg(test)]
mod tests;
