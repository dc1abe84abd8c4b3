//! What is seen of one parcel at once.

/// One parcel in one item.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Observation {
    /// Item.
    pub item_id: String,
    /// Microseconds since 1970, UTC.
    pub datetime_us: i64,
    /// Parcel.
    pub parcel_id: String,
    /// Band and mean, for bands with a mean; in the order of the table.
    pub means: Vec<(String, f64)>,
    /// Share of the parcel that is clear: by the classes of the same datetime where they are
    /// known, else the least of its bands.
    pub clear: f64,
    /// Sum of the shares of valid pixels, of the band that has most.
    pub count: f64,
}

impl Observation {
    /// Returns the mean of a band.
    pub fn mean(&self, band: &str) -> Option<f64> {
        self.means
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(band))
            .map(|(_, mean)| *mean)
    }

    /// Returns the index of the means of B08 and B04.
    pub fn ndvi(&self) -> Option<f64> {
        let (red, nir) = (self.mean("B04")?, self.mean("B08")?);
        (red + nir > 0.0).then(|| (nir - red) / (nir + red))
    }
}
