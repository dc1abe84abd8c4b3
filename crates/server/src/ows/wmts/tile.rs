//! Which tile a request means, by query or by path.

use swath_grid::{TileIndex, TileMatrixSet};

use crate::map::{Layer, Limits, sets_of};
use crate::ows::failure::{Fault, OwsFailure};
use crate::ows::kvp::{Kvp, invalid, shown};
use crate::ows::times::{self, TimeValue};

/// Formats of tiles and the ending of each in a path.
pub(crate) const TILE_KINDS: &[(&str, &str)] = &[
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/webp", "webp"),
];
/// Formats of information about a pixel, likewise.
pub(crate) const INFO_KINDS: &[(&str, &str)] = &[
    ("application/json", "json"),
    ("text/plain", "txt"),
    ("text/html", "html"),
];

/// A tile as asked for: where it lies is not yet known to be on the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TileRequest {
    pub(crate) layer: String,
    pub(crate) style: String,
    pub(crate) time: Vec<TimeValue>,
    pub(crate) set: String,
    pub(crate) matrix: String,
    pub(crate) row: String,
    pub(crate) col: String,
}

impl TileRequest {
    /// Reads the parameters of GetTile but FORMAT.
    ///
    /// # Errors
    /// Where one is missing, or TIME is none.
    pub(crate) fn read(kvp: &Kvp) -> Result<Self, OwsFailure> {
        let text = |name| kvp.required(name).map(str::to_owned);
        Ok(Self {
            layer: text("LAYER")?,
            style: kvp.get("STYLE").unwrap_or_default().to_owned(),
            time: match kvp.get("TIME") {
                Some(text) => times::read(text)?,
                None => vec![TimeValue::Current],
            },
            set: text("TILEMATRIXSET")?,
            matrix: text("TILEMATRIX")?,
            row: text("TILEROW")?,
            col: text("TILECOL")?,
        })
    }

    /// Returns the tile and its set.
    ///
    /// # Errors
    /// Where the layer is not offered in the set, there is no such matrix, or the tile lies outside
    /// of the declared limits ([`Fault::Tile`]).
    pub(crate) fn locate(&self, layer: &Layer) -> Result<(TileMatrixSet, TileIndex), OwsFailure> {
        let sets = sets_of(layer);
        let names = || sets.iter().map(|set| set.id.as_str()).collect::<Vec<_>>();
        let Some(set) = sets.iter().find(|set| set.id == self.set) else {
            let text = format!(
                "the layer is not offered in \"{}\", but in {}",
                shown(&self.set),
                names().join(", ")
            );
            return Err(invalid("TileMatrixSet", text));
        };
        // Ids of matrices are text: 00 is not 0. Some servers write them with the set before.
        let id = self.matrix.strip_prefix(&format!("{}:", set.id));
        let Some(matrix) = set.matrix(id.unwrap_or(&self.matrix)) else {
            let text = format!("{} has no matrix \"{}\"", set.id, shown(&self.matrix));
            return Err(invalid("TileMatrix", text));
        };
        let limits = Limits::of(layer, set).of_matrix(set, matrix);
        let outside = |name: &'static str, text: &str, from: u32, to: u32| {
            let text = format!(
                "{name} \"{}\" lies outside of the layer: {from} to {to} in matrix {}",
                shown(text),
                self.matrix
            );
            OwsFailure::new(Fault::Tile, text).at(name)
        };
        let Some(limits) = limits else {
            let text = format!("the layer has no tiles in matrix {}", shown(&self.matrix));
            return Err(OwsFailure::new(Fault::Tile, text).at("TileMatrix"));
        };
        let ordinal = |name, text: &str, from: u32, to: u32| {
            let number = text
                .parse::<i64>()
                .map_err(|_| invalid(name, format!("\"{}\" is no whole number", shown(text))))?;
            u32::try_from(number)
                .ok()
                .filter(|number| (from..=to).contains(number))
                .ok_or_else(|| outside(name, text, from, to))
        };
        let tile = TileIndex {
            matrix,
            row: ordinal("TileRow", &self.row, limits.row_min, limits.row_max)?,
            col: ordinal("TileCol", &self.col, limits.col_min, limits.col_max)?,
        };
        Ok((set.clone(), tile))
    }
}

/// Returns the entry of `kinds` that a media type or an ending names.
///
/// # Errors
/// [`Fault::Format`] names what is offered.
pub(crate) fn kind_of(
    kinds: &'static [(&'static str, &'static str)],
    text: &str,
    locator: &'static str,
) -> Result<&'static str, OwsFailure> {
    let plain = text.split(';').next().unwrap_or_default().trim();
    let found = kinds
        .iter()
        .find(|(media_type, ending)| media_type.eq_ignore_ascii_case(plain) || *ending == plain);
    found.map(|(media_type, _)| *media_type).ok_or_else(|| {
        let offered: Vec<&str> = kinds.iter().map(|(media_type, _)| *media_type).collect();
        let text = format!(
            "\"{}\" is not offered, but {}",
            shown(text),
            offered.join(", ")
        );
        OwsFailure::new(Fault::Format, text).at(locator)
    })
}
