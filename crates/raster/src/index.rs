//! Indices that have a name: arithmetic over the bands of Sentinel-2 and Sentinel-1.

use crate::{Expression, ExpressionError};

/// Names, and what they stand for.
pub const INDICES: &[(&str, &str)] = &[
    ("NDVI", "(B08-B04)/(B08+B04)"),
    ("NDWI", "(B03-B08)/(B03+B08)"),
    ("NDMI", "(B08-B11)/(B08+B11)"),
    ("NDRE", "(B08-B05)/(B08+B05)"),
    ("BSI", "((B11+B04)-(B08+B02))/((B11+B04)+(B08+B02))"),
    ("EVI2", "2.5*(B08-B04)/(B08+2.4*B04+1)"),
    ("VHVV", "VH/VV"),
    ("RVI", "4*VH/(VV+VH)"),
];

/// An expression over bands, with a name.
///
/// Over means of parcels it is another number than its mean over their pixels: `(a-b)/(a+b)` is not
/// linear. Whoever shows a value says which of the two it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Name of one of [`INDICES`], or the formula.
    pub name: String,
    /// The formula.
    pub formula: String,
    /// What it computes.
    pub expression: Expression,
}

impl Index {
    /// Reads a formula, or the name of one of [`INDICES`] in any case.
    ///
    /// # Errors
    /// Where it is no expression, or names no band.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim();
        let known = INDICES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        let (name, formula) = known.map_or((text, text), |(name, formula)| (*name, *formula));
        let expression = Expression::parse(formula)?;
        if expression.bands().is_empty() {
            return Err(ExpressionError {
                text: formula.to_owned(),
                position: 1,
                reason: "it names no band".to_owned(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            formula: formula.to_owned(),
            expression,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_have_names_and_formulas_name_themselves() {
        let ndvi = Index::parse(" ndvi ").expect("an index");
        assert_eq!(
            (ndvi.name.as_str(), ndvi.expression.bands().len()),
            ("NDVI", 2)
        );
        for (name, formula) in INDICES {
            assert_eq!(Index::parse(name).expect("an index").formula, *formula);
        }
        assert_eq!(Index::parse("B08/B04").expect("an index").name, "B08/B04");
        assert!(Index::parse("1+1").is_err());
        assert!(Index::parse("NDVI2(").is_err());
    }
}
