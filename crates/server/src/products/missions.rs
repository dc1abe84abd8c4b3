//! The agencies' names of missions and product types (shared with the import of their answers), and
//! what holds for the collections of a mission.

use cql2::Expr;
pub(crate) use swath_stac::dialect::missions::{
    MISSIONS, Mission, PRODUCT_KINDS, ProductKind, acquisition_mode, find_mission, kinds_named,
    mission_of, platform_name, product_kind,
};

use super::expressions::{self, Position};

/// Returns what holds for the ids of a mission's collections, also of those that have no names here.
pub(crate) fn collection_pattern(mission: &Mission) -> Expr {
    let patterns = mission
        .prefixes
        .iter()
        .map(|prefix| expressions::holds("collection", prefix, Position::Start));
    expressions::any(patterns.collect())
}
