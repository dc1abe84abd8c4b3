//! From a filter to the one search of the catalogue.
//!
//! Conditions that the catalogue has an index for (collection, footprint, time) leave the tree where
//! they stand beside all others; what is left becomes one CQL2 expression.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use cql2::Expr;
use geo_types::Geometry;
use swath_stac::{Interval, ItemSearch};
use uuid::Uuid;

use super::filter::{Filter, Value};
use super::lambda::{lambda, literal, text, type_collections};
use super::lexer::FilterError;
use crate::products::attributes::{self, Condition, Literal};
use crate::products::expressions::{self, Comparison, Position};
use crate::products::footprint;
use crate::products::missions::{self, MISSIONS};
use crate::products::product::{self, NameRule};

/// Fields of a product that a filter may name, for messages.
const FIELDS: &str = "Id, Name, Collection/Name, ContentDate/Start, ContentDate/End, PublicationDate, \
     ModificationDate, OriginDate, Online, Attributes/OData.CSC.StringAttribute/any(…)";
/// Most identifiers that one filter may name.
pub(crate) const UUIDS_MAX: usize = 100;

/// What a filter may refer to.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Ids of the collections that are there.
    pub(crate) collections: Vec<String>,
    /// Collection and id of the items whose identifiers the filter names.
    pub(crate) items: HashMap<Uuid, ItemKey>,
}

/// Where an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemKey {
    /// Its collection.
    pub(crate) collection: String,
    /// Its id.
    pub(crate) id: String,
}

/// Returns the identifiers that a filter names.
///
/// # Errors
/// Beyond [`UUIDS_MAX`].
pub(crate) fn uuids(filter: &Filter) -> Result<BTreeSet<Uuid>, FilterError> {
    let mut found = BTreeSet::new();
    collect_uuids(filter, &mut found);
    if found.len() > UUIDS_MAX {
        return Err(FilterError::new(format!(
            "more than {UUIDS_MAX} identifiers"
        )));
    }
    Ok(found)
}

fn collect_uuids(filter: &Filter, found: &mut BTreeSet<Uuid>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            for part in parts {
                collect_uuids(part, found);
            }
        }
        Filter::Not(part) => collect_uuids(part, found),
        Filter::Compare { field, value, .. } if field == "Id" => found.extend(uuid(value)),
        _ => {}
    }
}

fn uuid(value: &Value) -> Option<Uuid> {
    match value {
        Value::Uuid(uuid) => Some(*uuid),
        Value::Literal(Literal::Text(text)) => Uuid::try_parse(text).ok(),
        Value::Literal(_) => None,
    }
}

/// Translates a filter; `None` where nothing can be found, whatever the catalogue holds.
///
/// # Errors
/// Where it names a field that there is not, or a footprint that is none.
pub(crate) fn translate(
    filter: &Filter,
    known: &Known,
    names: NameRule,
) -> Result<Option<ItemSearch>, FilterError> {
    let mut search = Search {
        names,
        ids: Vec::new(),
        collections: None,
        intersects: None,
        start: None,
        end: None,
        conditions: Vec::new(),
    };
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    for part in parts {
        search.add(part, known)?;
    }
    Ok(search.finish())
}

/// A search that is being put together.
struct Search {
    names: NameRule,
    ids: Vec<String>,
    collections: Option<Vec<String>>,
    intersects: Option<Geometry>,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    conditions: Vec<Expr>,
}

impl Search {
    /// Adds a condition that must hold beside all others.
    fn add(&mut self, part: &Filter, known: &Known) -> Result<(), FilterError> {
        match part {
            Filter::And(parts) => {
                for part in parts {
                    self.add(part, known)?;
                }
                return Ok(());
            }
            Filter::Intersects(wkt) if self.intersects.is_none() => {
                self.intersects = Some(geometry(wkt)?);
                return Ok(());
            }
            Filter::Compare {
                field,
                comparison: Comparison::Equal,
                value,
            } if field == "Collection/Name" => {
                let named = named_collections(&text(value), known);
                self.keep(&named.collections);
                self.conditions.extend(named.platform_condition());
                return Ok(());
            }
            Filter::Compare {
                field,
                comparison: Comparison::Equal,
                value: Value::Literal(Literal::Text(name)),
            } if field == "Name" && self.names == NameRule::Ids && self.ids.is_empty() => {
                self.ids = product::ids_of_name(name);
                return Ok(());
            }
            Filter::Compare {
                field,
                comparison,
                value: Value::Literal(Literal::Datetime(datetime)),
            } => self.limit_time(field, *comparison, *datetime),
            _ => {}
        }
        if let Some(collections) = type_collections(part) {
            self.keep(&collections);
            return Ok(());
        }
        self.conditions.push(expression(part, known)?);
        Ok(())
    }

    /// Leaves only these collections.
    fn keep(&mut self, collections: &[String]) {
        match &mut self.collections {
            Some(own) => own.retain(|id| collections.contains(id)),
            None => self.collections = Some(collections.to_vec()),
        }
    }

    /// Narrows the interval that every item found shares an instant with. The exact condition stays.
    fn limit_time(&mut self, field: &str, comparison: Comparison, datetime: DateTime<Utc>) {
        if !matches!(field, "ContentDate/Start" | "ContentDate/End") {
            return;
        }
        match comparison {
            Comparison::Greater | Comparison::GreaterOrEqual => {
                self.start = self.start.max(Some(datetime));
            }
            Comparison::Less | Comparison::LessOrEqual => {
                self.end = Some(self.end.map_or(datetime, |own| own.min(datetime)));
            }
            Comparison::Equal | Comparison::NotEqual => {}
        }
    }

    fn finish(self) -> Option<ItemSearch> {
        let datetime = match (self.start, self.end) {
            (None, None) => None,
            // Begun before one instant and ended after a later one: then it lasts over both.
            (Some(start), Some(end)) if start > end => Some(Interval {
                start: Some(end),
                end: Some(start),
            }),
            (start, end) => Some(Interval { start, end }),
        };
        if self.collections.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        let conditions: Vec<Expr> = self
            .conditions
            .into_iter()
            .filter(|condition| *condition != Expr::Bool(true))
            .collect();
        if conditions.contains(&Expr::Bool(false)) {
            return None;
        }
        Some(ItemSearch {
            collections: self.collections.unwrap_or_default(),
            ids: self.ids,
            intersects: self.intersects,
            datetime,
            filter: (!conditions.is_empty()).then(|| expressions::all(conditions)),
            ..ItemSearch::default()
        })
    }
}

fn expression(filter: &Filter, known: &Known) -> Result<Expr, FilterError> {
    let each = |parts: &[Filter]| -> Result<Vec<Expr>, FilterError> {
        parts.iter().map(|part| expression(part, known)).collect()
    };
    match filter {
        Filter::And(parts) => Ok(expressions::all(each(parts)?)),
        Filter::Or(parts) => Ok(expressions::any(each(parts)?)),
        Filter::Not(part) => Ok(expressions::not(expression(part, known)?)),
        Filter::Intersects(wkt) => {
            let geometry = geometry(wkt)?;
            let text = wkt_text(&geometry);
            let geometry = Expr::Geometry(cql2::Geometry::Wkt(text));
            Ok(expressions::operation(
                "s_intersects",
                [expressions::property("geometry"), geometry],
            ))
        }
        Filter::Compare {
            field,
            comparison,
            value,
        } => compare(field, *comparison, value, known),
        Filter::Holds {
            field,
            part,
            position,
        } => holds(field, part, *position, known),
        Filter::Any {
            variable,
            condition,
        } => lambda(variable, condition),
    }
}

fn geometry(wkt: &str) -> Result<Geometry, FilterError> {
    footprint::parse_wkt(wkt).map_err(|error| FilterError::new(error.to_string()))
}

fn wkt_text(geometry: &Geometry) -> String {
    use wkt::ToWkt;
    geometry.wkt_string()
}

fn compare(
    field: &str,
    comparison: Comparison,
    value: &Value,
    known: &Known,
) -> Result<Expr, FilterError> {
    let time = |name: &str| compare_time(field, name, comparison, value);
    match field {
        "Name" => Ok(attributes::name_filter(&Condition::Compare(
            comparison,
            literal(value),
        ))),
        "Id" => Ok(equal_or_not(comparison, compare_uuid(value, known))),
        "Collection/Name" => {
            let named = named_collections(&text(value), known);
            Ok(equal_or_not(comparison, named.condition()))
        }
        "Online" => {
            let is_online = literal(value) == Literal::Boolean(true);
            Ok(equal_or_not(comparison, Expr::Bool(is_online)))
        }
        "ContentDate/Start" => time("start_datetime"),
        "ContentDate/End" => time("end_datetime"),
        "PublicationDate" | "OriginDate" => time("created"),
        "ModificationDate" => time("updated"),
        other => Err(unknown_field(other)),
    }
}

fn equal_or_not(comparison: Comparison, expression: Expr) -> Expr {
    match comparison {
        Comparison::Equal => expression,
        Comparison::NotEqual => expressions::not(expression),
        _ => Expr::Bool(false),
    }
}

fn compare_time(
    field: &str,
    name: &str,
    comparison: Comparison,
    value: &Value,
) -> Result<Expr, FilterError> {
    let datetime = match literal(value) {
        Literal::Datetime(datetime) => Some(datetime),
        Literal::Text(text) => swath_stac::parse_datetime(&text).ok(),
        _ => None,
    };
    let Some(datetime) = datetime else {
        let reason =
            format!("{field} is compared with an instant such as 2020-01-31T00:00:00.000Z");
        return Err(FilterError::new(reason));
    };
    Ok(expressions::compare(
        name,
        comparison,
        expressions::instant(datetime),
    ))
}

fn compare_uuid(value: &Value, known: &Known) -> Expr {
    match uuid(value).and_then(|uuid| known.items.get(&uuid)) {
        Some(key) => expressions::all(vec![
            expressions::equals("collection", key.collection.as_str()),
            expressions::equals("id", key.id.as_str()),
        ]),
        None => Expr::Bool(false),
    }
}

fn holds(field: &str, part: &str, position: Position, known: &Known) -> Result<Expr, FilterError> {
    match field {
        "Name" => Ok(attributes::name_filter(&Condition::Holds(
            part.to_owned(),
            position,
        ))),
        // The path ends with the name.
        "S3Path" => {
            let name = part.rsplit('/').next().unwrap_or(part);
            Ok(attributes::name_filter(&Condition::Holds(
                name.to_owned(),
                position,
            )))
        }
        "Collection/Name" => {
            let is_meant = |name: &str| match position {
                Position::Within => name.contains(part),
                Position::Start => name.starts_with(part),
                Position::End => name.ends_with(part),
            };
            let named = MISSIONS
                .iter()
                .map(|mission| mission.odata)
                .filter(|name| is_meant(name));
            let each = named.map(|name| named_collections(name, known).condition());
            Ok(expressions::any(each.collect()))
        }
        other => Err(unknown_field(other)),
    }
}

fn unknown_field(field: &str) -> FilterError {
    let shown: String = field.chars().take(80).collect();
    FilterError::new(format!(
        "\"{shown}\" cannot be filtered by; one can by {FIELDS}"
    ))
}

/// The collections that a name means.
struct NamedCollections {
    collections: Vec<String>,
    platform: Option<&'static str>,
}

impl NamedCollections {
    fn platform_condition(&self) -> Option<Expr> {
        self.platform
            .map(|platform| expressions::equals("platform", platform))
    }

    fn condition(&self) -> Expr {
        let own = expressions::in_collections(self.collections.iter().map(String::as_str));
        match self.platform_condition() {
            Some(platform) if own != Expr::Bool(false) => expressions::all(vec![own, platform]),
            _ => own,
        }
    }
}

fn named_collections(name: &str, known: &Known) -> NamedCollections {
    if known.collections.iter().any(|id| id == name) {
        return NamedCollections {
            collections: vec![name.to_owned()],
            platform: None,
        };
    }
    let Some(mission) = missions::find_mission(name) else {
        return NamedCollections {
            collections: Vec::new(),
            platform: None,
        };
    };
    let own = known.collections.iter().filter(|id| mission.covers(id));
    NamedCollections {
        collections: own.cloned().collect(),
        platform: mission.platform,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::parser::parse;
    use serde_json::json;

    fn known() -> Known {
        let collections = [
            "landsat-c2-l2",
            "sentinel-1-grd",
            "sentinel-2-l1c",
            "sentinel-2-l2a",
        ];
        let key = ItemKey {
            collection: "sentinel-2-l2a".into(),
            id: "a".into(),
        };
        Known {
            collections: collections.map(str::to_owned).to_vec(),
            items: HashMap::from([(Uuid::from_u128(7), key)]),
        }
    }

    fn search(filter: &str) -> Option<ItemSearch> {
        translate(&parse(filter).expect("parses"), &known(), NameRule::Ids).expect("translates")
    }

    fn cql2(filter: &str) -> serde_json::Value {
        serde_json::to_value(search(filter).expect("a search").filter).expect("CQL2 JSON")
    }

    #[test]
    fn the_filter_of_eodag_uses_the_indexes() {
        let found = search(
            "Collection/Name eq 'SENTINEL-2' and OData.CSC.Intersects(area=geography'SRID=4326;POINT (5 52)') \
             and Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and att/OData.CSC.StringAttribute/Value eq 'S2MSI1C') \
             and ContentDate/Start lt 2020-08-16T00:00:00.000Z and ContentDate/End gt 2020-08-08T00:00:00.000Z",
        )
        .expect("a search");
        assert_eq!(found.collections, ["sentinel-2-l1c"]);
        assert!(found.intersects.is_some());
        let interval = found.datetime.expect("an interval");
        assert!(interval.start.is_some() && interval.end.is_some());
        let filter = serde_json::to_value(found.filter).expect("CQL2 JSON");
        assert_eq!(filter["op"], "and");
        assert_eq!(
            filter["args"][0]["args"][0],
            json!({"property": "start_datetime"})
        );
    }

    #[test]
    fn attributes_of_mixed_types_are_compared() {
        let expected = json!({"op": "=", "args": [{"property": "sat:relative_orbit"}, 8.0]});
        for filter in [
            "Attributes/OData.CSC.IntegerAttribute/any(att:att/Name eq 'relativeOrbitNumber' and att/OData.CSC.StringAttribute/Value eq 8)",
            "Attributes/OData.CSC.IntegerAttribute/any(a:a/OData.CSC.IntegerAttribute/Value eq '8' and a/Name eq 'relativeOrbitNumber')",
        ] {
            assert_eq!(cql2(filter), expected);
        }
    }

    #[test]
    fn not_keeps_products_without_the_attribute() {
        let filter = "not Attributes/OData.CSC.DoubleAttribute/any(a:a/Name eq 'cloudCover' and a/Value gt 20)";
        assert_eq!(
            cql2(filter),
            json!({"op": "not", "args": [{"op": "and", "args": [
                {"op": "not", "args": [{"op": "isNull", "args": [{"property": "eo:cloud_cover"}]}]},
                {"op": ">", "args": [{"property": "eo:cloud_cover"}, 20.0]}]}]})
        );
    }

    #[test]
    fn not_keeps_products_whose_name_stands_in_one_property_only() {
        let filter = "not contains(Name,'_COG')";
        assert_eq!(
            cql2(filter),
            json!({"op": "not", "args": [{"op": "or", "args": [
                {"op": "like", "args": [{"property": "id"}, "%\\_COG%"]},
                {"op": "and", "args": [
                    {"op": "not", "args": [{"op": "isNull", "args": [{"property": "s2:product_uri"}]}]},
                    {"op": "like", "args": [{"property": "s2:product_uri"}, "%\\_COG%"]}]},
                {"op": "and", "args": [
                    {"op": "not", "args": [{"op": "isNull", "args": [{"property": "swath:product"}]}]},
                    {"op": "like", "args": [{"property": "swath:product"}, "%\\_COG%"]}]}]}]})
        );
    }

    #[test]
    fn missions_identifiers_and_what_is_unknown() {
        assert_eq!(
            search("Collection/Name eq 'LANDSAT-8'").map(|found| found.collections),
            Some(vec!["landsat-c2-l2".to_owned()])
        );
        assert!(search("Collection/Name eq 'ENVISAT'").is_none());
        assert!(
            search(
                "Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'odd' and a/Value eq '1')"
            )
            .is_none()
        );
        assert!(
            cql2(&format!("Id eq {}", Uuid::from_u128(7)))
                .to_string()
                .contains("\"a\"")
        );
        assert!(search(&format!("Id eq {}", Uuid::from_u128(8))).is_none());
        assert!(search("Online eq false").is_none());
        for filter in [
            "ContentLength gt 5",
            "ContentDate/Start gt 'soon'",
            "att/Name eq 'x'",
            "Attributes/OData.CSC.StringAttribute/any(a:a/Value eq 'x')",
            "OData.CSC.Intersects(area=geography'CUBE(1)')",
        ] {
            assert!(
                translate(&parse(filter).expect(filter), &known(), NameRule::Ids).is_err(),
                "{filter}"
            );
        }
    }

    #[test]
    fn names_are_ids_first_and_properties_else() {
        let filter = parse("Name eq 'A.SAFE'").expect("parses");
        let by = |rule| {
            translate(&filter, &known(), rule)
                .expect("translates")
                .expect("a search")
        };
        assert_eq!(by(NameRule::Ids).ids, ["A.SAFE", "A"]);
        let other = by(NameRule::Properties);
        assert!(other.ids.is_empty() && other.filter.is_some());
    }

    #[test]
    fn alternatives_stay_a_tree() {
        let filter = "Collection/Name eq 'SENTINEL-1' or (contains(Name,'T31U') and OData.CSC.Intersects(area=geography'SRID=4326;POINT(5 52)'))";
        let found = search(filter).expect("a search");
        assert!(found.collections.is_empty() && found.intersects.is_none());
        assert_eq!(cql2(filter)["op"], "or");
    }
}
