//! Results of a scan, parcel by parcel, held or handed over.

use std::collections::{HashMap, HashSet};

use swath_raster::Statistics;

use crate::ExtractError;

/// Statistics of one band over one parcel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandResult {
    /// In stored units.
    pub(crate) statistics: Statistics,
    /// Share of the parcel that was valid and unmasked.
    pub(crate) clear: f64,
}

/// The result of a parcel without any pixel.
const NOTHING: BandResult = BandResult {
    statistics: Statistics {
        count: 0.0,
        values: None,
    },
    clear: 0.0,
};

/// How much of a parcel one class covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassCount {
    /// Stored value of the class.
    pub(crate) class: f64,
    /// Sum of shares, or number of pixels.
    pub(crate) count: f64,
}

/// Result of one band with its class counts, where it is a band of classes.
#[derive(Debug)]
pub(crate) struct BandOutcome {
    pub(crate) result: BandResult,
    pub(crate) classes: Vec<ClassCount>,
}

/// Number of a parcel without results.
const NO_SLOT: u32 = u32::MAX;
/// Number of a parcel whose results were handed over.
const HANDED_OVER: u32 = u32::MAX - 1;

/// Takes results of parcels while a scan goes on, so that those of a whole country are never held at once.
pub(crate) trait TakeResults: Send {
    /// Takes the results of `parcels`, which rise; `places` are those of the bands of `result`.
    ///
    /// # Errors
    /// Where they cannot be passed on: the scan ends.
    fn take(
        &mut self,
        places: &[usize],
        parcels: &[u32],
        result: &ScanResult,
    ) -> Result<(), ExtractError>;
}

/// Who takes the results of a scan, and the places of its bands.
pub(crate) struct HandOver<'a> {
    pub(crate) places: &'a [usize],
    pub(crate) taker: &'a mut dyn TakeResults,
}

/// Results of the parcels on the grid.
#[derive(Debug)]
pub(crate) struct ScanResult {
    bands: usize,
    /// Per parcel the number of its results, so that parcels off the grid take four bytes.
    slots: Vec<u32>,
    /// The parcel of each number.
    numbered: Vec<u32>,
    results: Vec<BandResult>,
    classes: HashMap<(u32, usize), Vec<ClassCount>>,
    /// Parcels without any area or pixel centre, on the grid or off it.
    vanished: HashSet<u32>,
    /// Stored bytes read.
    pub(crate) bytes: u64,
}

impl ScanResult {
    /// Returns the result of a scan of some bands over `parcels` parcels that has not begun.
    pub(crate) fn new(bands: usize, parcels: usize) -> Self {
        Self {
            bands,
            slots: vec![NO_SLOT; parcels],
            numbered: Vec::new(),
            results: Vec::new(),
            classes: HashMap::new(),
            vanished: HashSet::new(),
            bytes: 0,
        }
    }

    /// Adds a parcel with the outcome of each band.
    pub(crate) fn put(&mut self, parcel: u32, bands: impl IntoIterator<Item = BandOutcome>) {
        let start = self.slot(parcel);
        for (index, band) in bands.into_iter().enumerate() {
            self.results[start + index] = band.result;
            if !band.classes.is_empty() {
                self.classes.insert((parcel, index), band.classes);
            }
        }
    }

    /// Gives a parcel without area its place: it was measured, there was nothing.
    pub(crate) fn put_vanished(&mut self, parcel: u32) {
        self.vanished.insert(parcel);
        let start = self.slot(parcel);
        self.results[start..start + self.bands].fill(NOTHING);
    }

    /// Returns where the results of a parcel stand; makes room where it has none.
    fn slot(&mut self, parcel: u32) -> usize {
        let slot = &mut self.slots[parcel as usize];
        if *slot == NO_SLOT {
            *slot = self.numbered.len() as u32;
            self.numbered.push(parcel);
            let end = self.results.len() + self.bands;
            self.results.resize(end, NOTHING);
        }
        *slot as usize * self.bands
    }

    /// Returns the results of `parcel`, one per band; none where it is off the grid.
    pub(crate) fn of(&self, parcel: usize) -> &[BandResult] {
        match self.slots.get(parcel) {
            None | Some(&(NO_SLOT | HANDED_OVER)) => &[],
            Some(slot) => {
                let start = *slot as usize * self.bands;
                &self.results[start..start + self.bands]
            }
        }
    }

    /// True of a parcel whose results were handed over.
    pub(crate) fn is_handed_over(&self, parcel: usize) -> bool {
        self.slots.get(parcel) == Some(&HANDED_OVER)
    }

    /// Hands over what is there, if that is `bytes_max` or more.
    ///
    /// # Errors
    /// Those of the taker.
    pub(crate) fn hand_over(
        &mut self,
        to: &mut HandOver<'_>,
        bytes_max: usize,
    ) -> Result<(), ExtractError> {
        if self.numbered.is_empty() || size_of_val(&self.results[..]) < bytes_max {
            return Ok(());
        }
        let mut parcels = std::mem::take(&mut self.numbered);
        parcels.sort_unstable();
        to.taker.take(to.places, &parcels, self)?;
        for parcel in &parcels {
            self.slots[*parcel as usize] = HANDED_OVER;
        }
        parcels.clear();
        self.numbered = parcels;
        self.results.clear();
        self.classes.clear();
        Ok(())
    }

    /// True of a parcel that has results without lying on the grid for certain.
    pub(crate) fn is_vanished(&self, parcel: usize) -> bool {
        self.vanished.contains(&(parcel as u32))
    }

    /// Returns the class counts of `parcel` in a band of classes, by rising class.
    pub(crate) fn classes(&self, parcel: usize, band: usize) -> &[ClassCount] {
        self.classes
            .get(&(parcel as u32, band))
            .map_or(&[], Vec::as_slice)
    }
}
