//! From a query of the dialect to the one search of the catalogue.

use cql2::Expr;
use swath_stac::{Interval, ItemSearch, PageStart, SortField};

use super::interval::{Bound, Range};
use super::params::{Place, RestoQuery, TimeBound};
use crate::products::attributes::{self, Condition, Literal};
use crate::products::expressions::{self, Comparison};
use crate::products::missions::{self, Mission};
use crate::products::product::{self, NameRule};

/// The collections that a search looks into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Ids of collections of ours.
    pub(crate) collections: Vec<String>,
    /// Platform, where the dialect's collection is a part of ours.
    pub(crate) platform: Option<&'static str>,
}

impl Scope {
    /// Returns what a name of the dialect means among the collections that are there: one of them by
    /// its id, or those of a mission; `None` where it means none.
    pub(crate) fn named(name: &str, known: &[String]) -> Option<Self> {
        if let Some(own) = known.iter().find(|id| *id == name) {
            return Some(Self {
                collections: vec![own.clone()],
                platform: None,
            });
        }
        missions::find_mission(name).map(|mission| Self::of_mission(mission, known))
    }

    fn of_mission(mission: &Mission, known: &[String]) -> Self {
        let own = known.iter().filter(|id| mission.covers(id));
        Self {
            collections: own.cloned().collect(),
            platform: mission.platform,
        }
    }

    /// Returns all collections that are there.
    pub(crate) fn everything(known: &[String]) -> Self {
        Self {
            collections: known.to_vec(),
            platform: None,
        }
    }
}

/// Translates a query; `None` where nothing can be found, whatever the catalogue holds.
pub(crate) fn translate(query: &RestoQuery, scope: &Scope, names: NameRule) -> Option<ItemSearch> {
    let (collections, type_filter) = narrow(query, &scope.collections);
    if collections.is_empty() || !query.wants_online {
        return None;
    }
    let datetime = interval(query);
    let mut conditions: Vec<Expr> = type_filter.into_iter().collect();
    if let Some(platform) = scope.platform {
        conditions.push(expressions::equals("platform", platform));
    }
    conditions.extend(time_conditions(query));
    conditions.extend(query.numbers.iter().map(|(name, ranges)| {
        let each = ranges.iter().map(|range| number_condition(name, range));
        expressions::any(each.collect())
    }));
    conditions.extend(
        query
            .texts
            .iter()
            .filter(|(name, _)| !is_type(name))
            .map(|(name, choices)| text_condition(name, choices)),
    );
    let mut ids = Vec::new();
    match &query.name_pattern {
        Some(name) if names == NameRule::Ids && !name.contains('%') => {
            ids = product::ids_of_name(last_part(name));
        }
        Some(pattern) => conditions.push(name_condition(pattern)),
        None => {}
    }
    let mut search = ItemSearch {
        collections,
        ids,
        datetime,
        filter: (!conditions.is_empty()).then(|| expressions::all(conditions)),
        sort: vec![SortField {
            field: query.sort.field.to_owned(),
            is_descending: query.sort.is_descending,
        }],
        limit: Some(query.max_records),
        start: PageStart::Offset(query.offset),
        ..ItemSearch::default()
    };
    match &query.place {
        Some(Place::Box(bbox)) => search.bbox = Some(*bbox),
        Some(Place::Geometry(geometry)) => search.intersects = Some(geometry.clone()),
        None => {}
    }
    Some(search)
}

fn is_type(name: &str) -> bool {
    matches!(name, "productType" | "processingLevel")
}

/// Applies product types and levels: where they mean collections, these alone are searched.
fn narrow(query: &RestoQuery, collections: &[String]) -> (Vec<String>, Option<Expr>) {
    let mut left = collections.to_vec();
    let mut filters = Vec::new();
    for (_, choices) in query.texts.iter().filter(|(name, _)| is_type(name)) {
        let kinds: Vec<_> = choices
            .iter()
            .map(|choice| missions::kinds_named(choice))
            .collect();
        let is_plain = |choice: &String| missions::acquisition_mode(choice).is_none();
        if kinds.iter().all(|named| !named.is_empty()) && choices.iter().all(is_plain) {
            left.retain(|id| kinds.iter().flatten().any(|kind| kind.collection == id));
        } else {
            let each = choices
                .iter()
                .map(|choice| attributes::product_type_filter(choice));
            filters.push(expressions::any(each.collect()));
        }
    }
    let filter = (!filters.is_empty()).then(|| expressions::all(filters));
    (left, filter)
}

/// Returns the interval that every item found shares an instant with, for the catalogue's index.
fn interval(query: &RestoQuery) -> Option<Interval> {
    let bounds = || query.start.iter().chain(&query.completion);
    let start = bounds()
        .filter_map(|bound| match bound {
            TimeBound::From(bound) => Some(bound.value),
            TimeBound::To(_) => None,
        })
        .max();
    let end = bounds()
        .filter_map(|bound| match bound {
            TimeBound::To(bound) => Some(bound.value),
            TimeBound::From(_) => None,
        })
        .min();
    match (start, end) {
        (None, None) => None,
        // Begun before one instant and ended after a later one: then it lasts over both.
        (Some(start), Some(end)) if start > end => Some(Interval {
            start: Some(end),
            end: Some(start),
        }),
        _ => Some(Interval { start, end }),
    }
}

fn time_conditions(query: &RestoQuery) -> impl Iterator<Item = Expr> {
    let named = [
        ("start_datetime", &query.start),
        ("end_datetime", &query.completion),
        ("created", &query.published),
        ("updated", &query.updated),
    ];
    named.into_iter().flat_map(|(name, bounds)| {
        bounds.iter().map(move |bound| {
            let (comparison, value) = match bound {
                TimeBound::From(bound) => (from(bound), bound.value),
                TimeBound::To(bound) => (to(bound), bound.value),
            };
            expressions::compare(name, comparison, expressions::instant(value))
        })
    })
}

fn from<T>(bound: &Bound<T>) -> Comparison {
    if bound.is_included {
        Comparison::GreaterOrEqual
    } else {
        Comparison::Greater
    }
}

fn to<T>(bound: &Bound<T>) -> Comparison {
    if bound.is_included {
        Comparison::LessOrEqual
    } else {
        Comparison::Less
    }
}

fn number_condition(name: &str, range: &Range<f64>) -> Expr {
    let compare = |comparison, value: f64| {
        attributes::compare(
            name,
            &Condition::Compare(comparison, Literal::Number(value)),
        )
    };
    match range {
        Range::Plain(value) => compare(Comparison::Equal, *value),
        Range::Between(start, end) => {
            let start = start.map(|bound| compare(from(&bound), bound.value));
            let end = end.map(|bound| compare(to(&bound), bound.value));
            expressions::all(start.into_iter().chain(end).collect())
        }
    }
}

fn text_condition(name: &str, choices: &[String]) -> Expr {
    let each = choices.iter().map(|choice| {
        let literal = Literal::Text(choice.clone());
        attributes::compare(name, &Condition::Compare(Comparison::Equal, literal))
    });
    expressions::any(each.collect())
}

/// Returns the condition of `productIdentifier`: a name, a path, or a pattern with `%`.
///
/// Paths are made of the product's names and date, so their last part says it all.
fn name_condition(pattern: &str) -> Expr {
    let name = last_part(pattern);
    if !name.contains('%') {
        let literal = Literal::Text(name.to_owned());
        return attributes::name_filter(&Condition::Compare(Comparison::Equal, literal));
    }
    let mut spellings = vec![name];
    // Ids of items lack the ending.
    spellings.extend(name.strip_suffix(".SAFE"));
    let choices = spellings.into_iter().flat_map(|spelling| {
        let escaped: Vec<String> = spelling.split('%').map(expressions::escape_like).collect();
        let text = escaped.join("%");
        let properties = std::iter::once("id").chain(product::NAME_PROPERTIES);
        properties.map(move |property| expressions::like(property, &text))
    });
    expressions::any(choices.collect())
}

fn last_part(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resto::params::Parameters;
    use serde_json::{Value, json};

    fn known() -> Vec<String> {
        [
            "landsat-c2-l2",
            "s1-card-bs",
            "sentinel-1-grd",
            "sentinel-2-l1c",
            "sentinel-2-l2a",
            "mine",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn search(scope: &str, query: &str) -> Option<ItemSearch> {
        let scope = Scope::named(scope, &known()).expect("a collection");
        let query =
            RestoQuery::understand(&Parameters::read(query).expect("parameters")).expect("a query");
        translate(&query, &scope, NameRule::Ids)
    }

    fn filter(search: &ItemSearch) -> Value {
        serde_json::to_value(&search.filter).expect("CQL2 JSON")
    }

    #[test]
    fn missions_are_sets_of_collections() {
        let found = search("Sentinel2", "").expect("a search");
        assert_eq!(found.collections, ["sentinel-2-l1c", "sentinel-2-l2a"]);
        assert_eq!(search("mine", "").expect("a search").collections, ["mine"]);
        let landsat = search("Landsat8", "").expect("a search");
        assert_eq!(
            filter(&landsat),
            json!({"op": "=", "args": [{"property": "platform"}, "landsat-8"]})
        );
        assert_eq!(Scope::named("Envisat", &known()), None);
    }

    #[test]
    fn levels_and_types_are_collections() {
        for (scope, query, expected) in [
            ("Sentinel2", "processingLevel=LEVEL2A", "sentinel-2-l2a"),
            ("Sentinel2", "processingLevel=LEVEL2AP", "sentinel-2-l2a"),
            ("Sentinel2", "productType=S2MSI1C", "sentinel-2-l1c"),
            ("Sentinel1", "productType=CARD-BS", "s1-card-bs"),
            ("Sentinel1", "productType=GRD", "sentinel-1-grd"),
        ] {
            let found = search(scope, query).expect("a search");
            assert_eq!(found.collections, [expected], "{query}");
            assert_eq!(found.filter, None);
        }
        assert!(search("Sentinel1", "productType=S2MSI1C").is_none());
        assert!(search("Sentinel2", "status=31").is_none());
    }

    #[test]
    fn times_narrow_twice_by_index_and_exactly() {
        let found = search("Sentinel2", "startDate=]2018-05-01,2018-05-02]").expect("a search");
        let interval = found.datetime.expect("an interval");
        assert_eq!(interval.start.map(|t| t.timestamp()), Some(1_525_132_800));
        assert_eq!(
            filter(&found)["args"][0],
            json!({"op": ">", "args": [{"property": "start_datetime"}, {"timestamp": "2018-05-01T00:00:00.000000Z"}]})
        );
    }

    #[test]
    fn names_are_matched_literally_but_for_percent() {
        let found = search("Sentinel2", "productIdentifier=%25_T31UFS_%25").expect("a search");
        assert_eq!(
            filter(&found)["args"][0],
            json!({"op": "like", "args": [{"property": "id"}, "%\\_T31UFS\\_%"]})
        );
    }
}
