//! Indexes per pixel: computed from the values of bands before anything is averaged.
//!
//! The mean of an index is another number than the index of the means, since most indexes are not linear.
//! Here is the former; `swath_series` has the latter, over rows of the table.

use serde::{Deserialize, Serialize};
use swath_io::DecodeScratch;
use swath_raster::{Expression, Index, Mask, Pixels, for_pixels};

use crate::ExtractError;
use crate::conversion::Conversion;
use crate::measure::BandRef;
use crate::scan::Scan;

/// Longest name of an index, in letters.
const NAME_LETTERS_MAX: usize = 64;

/// An index that is measured like a band, as options say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PixelIndex {
    /// Name of the band that it becomes.
    pub name: String,
    /// Arithmetic over bands of one item, by their names.
    pub formula: String,
}

impl PixelIndex {
    /// Reads `NAME=FORMULA`, or the name of one of [`swath_raster::INDICES`] in any case.
    ///
    /// # Errors
    /// A name that is none, a formula that is none or names no band.
    pub fn parse(text: &str) -> Result<Self, ExtractError> {
        let (name, formula) = match text.split_once('=') {
            Some((name, formula)) => (Some(name.trim()), formula),
            None => (None, text),
        };
        let wrong = |reason: String| ExtractError::Options {
            reason: format!("index \"{text}\": {reason}"),
        };
        let index = Index::parse(formula).map_err(|error| wrong(error.to_string()))?;
        let name = name.unwrap_or(&index.name);
        let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_word || name.len() > NAME_LETTERS_MAX {
            return Err(wrong(format!(
                "give it a name of at most {NAME_LETTERS_MAX} letters, digits and _, as in NAME=FORMULA"
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            formula: index.formula,
        })
    }

    /// Returns what it computes.
    ///
    /// # Errors
    /// Where the formula is none: one that was not parsed here.
    pub(crate) fn expression(&self) -> Result<Expression, ExtractError> {
        let parsed = Index::parse(&self.formula).map(|index| index.expression);
        parsed.map_err(|error| ExtractError::Options {
            reason: format!("index {}: {error}", self.name),
        })
    }
}

/// An index with its bands found among those of an image.
#[derive(Debug, Clone)]
pub(crate) struct IndexRef {
    pub(crate) name: String,
    pub(crate) expression: Expression,
    /// Positions of the bands of the expression, in its order.
    pub(crate) inputs: Vec<usize>,
}

impl IndexRef {
    /// Finds the bands of indexes among those of an item.
    ///
    /// # Errors
    /// A band that the item lacks or that holds classes; an index that has the name of a band.
    pub(crate) fn find(
        indexes: &[PixelIndex],
        bands: &[BandRef],
        item: &str,
    ) -> Result<Vec<Self>, ExtractError> {
        let wrong = |index: &PixelIndex, reason: &str| ExtractError::Items {
            href: item.to_owned(),
            reason: format!("index {}: {reason}", index.name),
        };
        let find = |index: &PixelIndex| {
            let is_taken = |band: &BandRef| band.is_measured && band.name == index.name;
            if bands.iter().any(is_taken) {
                return Err(wrong(
                    index,
                    "a band has that name already, give it another",
                ));
            }
            let expression = index.expression()?;
            let mut inputs = Vec::with_capacity(expression.bands().len());
            for name in expression.bands() {
                let known = bands.iter().position(|band| band.name == *name);
                match known {
                    Some(own) if bands[own].is_class => {
                        return Err(wrong(
                            index,
                            &format!("band {name} holds classes, no numbers"),
                        ));
                    }
                    Some(own) => inputs.push(own),
                    None => return Err(wrong(index, &format!("there is no band {name}"))),
                }
            }
            Ok(Self {
                name: index.name.clone(),
                expression,
                inputs,
            })
        };
        indexes.iter().map(find).collect()
    }

    /// Returns it over what a scan reads: `band` gives place and conversion of each of its bands.
    pub(crate) fn over(
        &self,
        band: impl Fn(usize) -> (usize, (Conversion, f64, f64)),
    ) -> ScanIndex {
        let inputs = self.inputs.iter().map(|input| {
            let (place, (conversion, scale, offset)) = band(*input);
            Input {
                place,
                conversion,
                scale,
                offset,
            }
        });
        ScanIndex {
            inputs: inputs.collect(),
            expression: self.expression.clone(),
        }
    }
}

/// An index over the bands that a scan reads.
#[derive(Debug, Clone)]
pub(crate) struct ScanIndex {
    expression: Expression,
    inputs: Vec<Input>,
}

/// A band of an index.
#[derive(Debug, Clone, Copy)]
struct Input {
    /// Its place among the bands that are read.
    place: usize,
    /// What was done to its pixels, with the scale that they had.
    conversion: Conversion,
    scale: f64,
    offset: f64,
}

impl ScanIndex {
    /// Computes the index of every pixel, in f64, kept as f32. A pixel is valid where all its bands
    /// are and the result is finite: a division by zero is no value.
    fn compute(&self, bands: &[(Pixels, Mask)], len: usize) -> (Pixels, Mask) {
        let mut values = vec![0f32; len];
        let mut flags = vec![true; len];
        let fill = |band: usize, first: usize, to: &mut [f64]| {
            let input = self.inputs[band];
            let physical = |value: f64| {
                input
                    .conversion
                    .physical_value(value, input.scale, input.offset)
            };
            for_pixels!(&bands[input.place].0, pixels => {
                for (to, value) in to.iter_mut().zip(&pixels[first..]) {
                    *to = physical(swath_raster::Sample::to_f64(*value));
                }
            });
        };
        let take = |first: usize, found: &[f64]| {
            for (offset, value) in found.iter().enumerate() {
                let value = *value as f32;
                values[first + offset] = value;
                flags[first + offset] = value.is_finite();
            }
        };
        self.expression.evaluate_each(len, fill, take);
        let mut mask = Mask::from_flags(flags);
        for input in &self.inputs {
            mask = mask.and(&bands[input.place].1);
        }
        (Pixels::F32(values), mask)
    }
}

/// Returns what is measured of the bands of a unit: those with rows of their own, then the indexes.
pub(crate) fn measured(
    scan: &Scan,
    bands: Vec<(Pixels, Mask)>,
    len: usize,
    scratch: &mut DecodeScratch,
) -> Vec<(Pixels, Mask)> {
    let indexes = scan.indexes.iter().map(|index| index.compute(&bands, len));
    let indexes: Vec<(Pixels, Mask)> = indexes.collect();
    let mut outputs = Vec::with_capacity(bands.len() + indexes.len());
    for (plan, band) in scan.bands.iter().zip(bands) {
        match plan.is_measured {
            true => outputs.push(band),
            false => scratch.recycle(band.0),
        }
    }
    outputs.extend(indexes);
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(formula: &str, inputs: Vec<Input>) -> ScanIndex {
        ScanIndex {
            expression: Expression::parse(formula).expect("an expression"),
            inputs,
        }
    }

    fn stored(place: usize, scale: f64, offset: f64) -> Input {
        Input {
            place,
            conversion: Conversion::Stored,
            scale,
            offset,
        }
    }

    #[test]
    fn names_and_formulas_are_read_and_others_refused() {
        let own = PixelIndex::parse(" dry = (a-b)/a ").expect("an index");
        assert_eq!(
            (own.name.as_str(), own.formula.as_str()),
            ("dry", "(a-b)/a")
        );
        let known = PixelIndex::parse("ndvi").expect("an index");
        assert_eq!(known.name, "NDVI");
        assert_eq!(known.formula, "(B08-B04)/(B08+B04)");
        let renamed = PixelIndex::parse("green=NDVI").expect("an index");
        assert_eq!(
            (renamed.name.as_str(), &renamed.formula),
            ("green", &known.formula)
        );
        for text in ["", "B08/B04", "=B08", "a b=B08", "x=1+1", "x=B08+", "1=B08"] {
            let refused = PixelIndex::parse(text).expect_err(text).to_string();
            assert!(refused.contains(text), "{refused}");
        }
    }

    #[test]
    fn pixels_are_scaled_first_and_what_has_no_value_is_not_valid() {
        let ndvi = index(
            "(n-r)/(n+r)",
            vec![stored(1, 0.0001, -0.1), stored(0, 0.0001, -0.1)],
        );
        let red = Pixels::U16(vec![1_500, 1_000, 2_000, 1_300]);
        let near = Pixels::U16(vec![4_500, 1_000, 3_000, 2_300]);
        let bands = [
            (red, Mask::Pixels(vec![true, true, true, false])),
            (near, Mask::Pixels(vec![true, true, true, true])),
        ];
        let (values, mask) = ndvi.compute(&bands, 4);
        let Pixels::F32(values) = values else {
            panic!("float32")
        };
        // 0.35 and 0.05; 0 and 0; 0.2 and 0.1.
        assert!((values[0] - 0.75).abs() < 1e-6 && (values[2] - 1.0 / 3.0).abs() < 1e-6);
        let valid: Vec<bool> = (0..4).map(|pixel| mask.is_valid(pixel)).collect();
        assert_eq!(valid, [true, false, true, false]);
    }

    #[test]
    fn decibels_that_were_made_power_are_decibels_in_a_formula() {
        let input = Input {
            conversion: Conversion::Power,
            ..stored(0, 1.0, 0.0)
        };
        let pixels = Pixels::F64(vec![0.1, 1.0]);
        let (values, _) = index("vv+1", vec![input]).compute(&[(pixels, Mask::All)], 2);
        assert_eq!(values, Pixels::F32(vec![-9.0, 1.0]));
    }
}
