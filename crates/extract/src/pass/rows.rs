//! Rows of a unit, handed over while it is measured.

use swath_raster::CoverageRule;

use super::ground::UnitParcels;
use crate::measure::{BandRef, BandResults, RowPlace, RowValues, class_row, row};
use crate::scan_result::{BandResult, ClassCount, ScanResult, TakeResults};
use crate::selection::Selection;
use crate::stages::{Stage, StageMeter};
use crate::{ClassRow, ExtractError, Row};

/// Rows after which they are handed over, about.
const ROWS_AT_ONCE: usize = 16_384;

/// Some rows of a unit: by parcel in file order, then by band.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnitRows {
    /// Names of the bands, then of the indexes, that rows refer to.
    pub bands: Vec<String>,
    /// No bands of classes.
    pub rows: Vec<Row>,
    /// By parcel, band, then rising class.
    pub classes: Vec<ClassRow>,
}

/// What was measured in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnitTotal {
    /// Parcels with rows.
    pub parcels: u64,
    /// Stored bytes of the blocks that were read.
    pub bytes: u64,
}

/// Takes rows of a unit; an error ends the measuring.
pub type TakeRows<'a> = dyn FnMut(UnitRows) -> Result<(), ExtractError> + Send + 'a;

impl UnitRows {
    fn of(names: &[String]) -> Self {
        Self {
            bands: names.to_vec(),
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.classes.is_empty()
    }

    fn is_full(&self) -> bool {
        self.rows.len() + self.classes.len() >= ROWS_AT_ONCE
    }
}

/// What the results of some parcels of a unit are, in the order of its rows.
pub(super) struct RowColumns<'a> {
    /// For each band of the unit, which of the results it is, with its scale.
    pub(super) bands: Vec<Option<(usize, &'a BandRef)>>,
    /// Which of the results is the first index; the others follow.
    pub(super) first_index: usize,
    /// Names of the bands, then of the indexes.
    pub(super) names: &'a [String],
    pub(super) rule: CoverageRule,
}

/// Results of some parcels of a unit.
pub(super) struct Part<'a> {
    pub(super) selection: &'a Selection,
    pub(super) results: BandResults,
    pub(super) columns: RowColumns<'a>,
}

/// One result of a parcel.
enum Found<'a> {
    /// It is not to be had here.
    Elsewhere,
    /// Its statistics, `None` off the grid, and class counts.
    Here(Option<BandResult>, &'a [ClassCount]),
}

impl RowColumns<'_> {
    /// Adds the rows of a parcel; `find` gives the result at a place.
    fn push<'r>(&self, parcel: u32, find: &dyn Fn(usize) -> Found<'r>, rows: &mut UnitRows) {
        for (index, place) in self.bands.iter().enumerate() {
            let Some((own, band)) = place.filter(|(_, band)| band.is_measured) else {
                continue;
            };
            let Found::Here(result, classes) = find(own) else {
                continue;
            };
            let place = RowPlace {
                parcel,
                band: index as u32,
            };
            if band.is_class {
                let classes = classes.iter().map(|found| class_row(place, found));
                rows.classes.extend(classes);
            } else {
                let row = row(place, band.row_values(), result, self.rule);
                rows.rows.push(row);
            }
        }
        for index in 0..self.names.len() - self.bands.len() {
            let Found::Here(result, _) = find(self.first_index + index) else {
                continue;
            };
            let place = RowPlace {
                parcel,
                band: (self.bands.len() + index) as u32,
            };
            let row = row(place, RowValues::COMPUTED, result, self.rule);
            rows.rows.push(row);
        }
    }
}

/// Makes rows of the results that a scan hands over.
pub(super) struct RowTaker<'a, 't> {
    columns: &'a RowColumns<'a>,
    meter: &'a StageMeter,
    take: &'a mut TakeRows<'t>,
}

impl<'a, 't> RowTaker<'a, 't> {
    pub(super) fn new(
        columns: &'a RowColumns<'a>,
        meter: &'a StageMeter,
        take: &'a mut TakeRows<'t>,
    ) -> Self {
        Self {
            columns,
            meter,
            take,
        }
    }
}

impl TakeResults for RowTaker<'_, '_> {
    fn take(
        &mut self,
        places: &[usize],
        parcels: &[u32],
        result: &ScanResult,
    ) -> Result<(), ExtractError> {
        let rows = self.meter.measure(Stage::Statistics, || {
            let mut rows = UnitRows::of(self.columns.names);
            for parcel in parcels {
                let number = *parcel as usize;
                let find = |place: usize| match places.iter().position(|own| *own == place) {
                    None => Found::Elsewhere,
                    Some(index) => Found::Here(
                        result.of(number).get(index).copied(),
                        result.classes(number, index),
                    ),
                };
                self.columns.push(*parcel, &find, &mut rows);
            }
            rows
        });
        (self.take)(rows)
    }
}

/// Hands over the rows that no scan did: of the last results, and of parcels that have none.
///
/// # Errors
/// Where a parcel cannot be brought to the grids of the unit, and those of `take`.
pub(super) fn remaining_rows(
    parcels: &UnitParcels,
    names: &[String],
    parts: &[Part<'_>],
    meter: &StageMeter,
    take: &mut TakeRows<'_>,
) -> Result<UnitTotal, ExtractError> {
    let mut total = UnitTotal {
        parcels: 0,
        bytes: parts.iter().map(|part| part.results.bytes).sum(),
    };
    let mut owned = parcels.owned.iter();
    loop {
        let mut rows = UnitRows::of(names);
        let fill = || -> Result<(), ExtractError> {
            while !rows.is_full() {
                let Some(parcel) = owned.next() else {
                    break;
                };
                let part = parts.iter().find(|part| part.selection.contains(parcel));
                let Some(Part {
                    results, columns, ..
                }) = part
                else {
                    continue;
                };
                let number = parcel as usize;
                if !results.is_on_grid(number) && !parcels.touches(parcel)? {
                    continue;
                }
                total.parcels += 1;
                let find = |place: usize| match results.is_handed_over(number, place) {
                    true => Found::Elsewhere,
                    false => Found::Here(results.of(number, place), results.classes(number, place)),
                };
                columns.push(parcel, &find, &mut rows);
            }
            Ok(())
        };
        meter.measure(Stage::Statistics, fill)?;
        if rows.is_empty() {
            return Ok(total);
        }
        take(rows)?;
    }
}
