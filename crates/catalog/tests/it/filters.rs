//! CQL2: expressions find on both databases what a plain evaluation of every item finds.

use std::collections::BTreeSet;

use cql2::Expr;
use serde_json::Value;
use swath_access::Viewer;
use swath_catalog::{Catalog, ErrorKind, PutMode};
use swath_stac::{ItemSearch, LIMIT_MAX};

use crate::backend::on_both;
use crate::oracle;
use crate::sample::{put_collection, varied};

/// Expressions of every part of CQL2 that items can answer.
const EXPRESSIONS: &[&str] = &[
    "eo:cloud_cover < 20",
    "eo:cloud_cover <= 20.5 AND platform = 'sentinel-2a'",
    "properties.eo:cloud_cover > 50",
    "eo:cloud_cover = '12.5' OR eo:cloud_cover > '90'",
    "NOT eo:cloud_cover < 20",
    "eo:cloud_cover <> 20",
    "eo:cloud_cover BETWEEN 10 AND 30",
    "eo:cloud_cover NOT BETWEEN 10 AND 30",
    "eo:cloud_cover IS NULL",
    "eo:cloud_cover IS NOT NULL AND platform IS NULL",
    "platform IN ('sentinel-2a', 'sentinel-2b')",
    "platform NOT IN ('sentinel-2a', 'sentinel-2b')",
    "sat:relative_orbit IN (1, 2, 3, 50, 51, 52, 100)",
    "sat:relative_orbit IN ('7', '8', '9', '10')",
    "rank = 5",
    "rank = '5'",
    "rank <> '5'",
    "rank IN (1, 5, 9)",
    "rank IN ('1', '5')",
    "rank > 3 AND rank <= 7",
    "rank BETWEEN 2 AND 6",
    "platform LIKE 'sentinel%'",
    "platform LIKE 'Sentinel%'",
    "platform LIKE '%-2_'",
    "platform NOT LIKE '%2a'",
    "name LIKE '50\\% off\\_%'",
    "name LIKE 'a*b?%'",
    "name LIKE '%[c]'",
    "s2:tile LIKE '31%' OR s2:tile = '32UEV'",
    "CASEI(platform) = CASEI('SENTINEL-2C')",
    "CASEI(name) = CASEI('straße')",
    "CASEI(name) LIKE CASEI('stra%')",
    "ACCENTI(name) = ACCENTI('debarquer')",
    "CASEI(ACCENTI(name)) LIKE 'DEB%'",
    "CASEI(platform) IN (CASEI('Sentinel-2A'), CASEI('SENTINEL-2b'))",
    "name = 'STRASSE' OR name < 'a'",
    "is_good = TRUE",
    "is_good",
    "NOT is_good",
    "is_good = FALSE OR rank = 1",
    "is_good IS NULL OR is_good = 'yes'",
    "eo:cloud_cover + 10 > view:off_nadir * 4",
    "eo:cloud_cover / 2 - 5 < 10",
    "rank % 3 = 1",
    "rank ^ 2 > 20",
    "rank div 2 = 3",
    "100 / rank > 30",
    "sat:relative_orbit / 2 = 3.5",
    "eo:cloud_cover > view:off_nadir",
    "-rank < -6",
    "deep.er >= 3",
    "nothing = 3 OR NOT nothing = 3",
    "nothing IS NULL AND id LIKE 'item-00%'",
    "id = 'item-0042'",
    "id IN ('item-0001', 'item-0150') OR id > 'item-0195'",
    "collection = 'varied' AND rank = 2",
    "datetime >= TIMESTAMP('2020-06-01T00:00:00Z')",
    "datetime < DATE('2020-03-01')",
    "datetime > '2020-10-10T12:00:00+02:00'",
    "datetime BETWEEN TIMESTAMP('2020-02-01T00:00:00Z') AND TIMESTAMP('2020-04-01T00:00:00Z')",
    "datetime = DATE('2020-06-15') OR datetime <= DATE('2020-01-20')",
    "start_datetime < TIMESTAMP('2020-05-01T00:00:00Z') AND end_datetime > TIMESTAMP('2020-11-01T00:00:00Z')",
    "starts_at <= TIMESTAMP('2020-03-01T00:00:00Z')",
    "ends_at = DATE('2020-07-15')",
    "T_BEFORE(datetime, TIMESTAMP('2020-05-05T00:00:00Z'))",
    "T_AFTER(datetime, DATE('2020-05-05'))",
    "T_DURING(datetime, INTERVAL('2020-03-01T00:00:00Z', '2020-06-01T00:00:00Z'))",
    "T_INTERSECTS(datetime, INTERVAL('2020-08-01T00:00:00Z', '..'))",
    "T_INTERSECTS(datetime, INTERVAL('..', '2020-02-01'))",
    "T_DISJOINT(datetime, INTERVAL('2020-03-01T00:00:00Z', '2020-09-01T00:00:00Z'))",
    "T_CONTAINS(INTERVAL('2020-03-01T00:00:00Z', '2020-09-01T00:00:00Z'), datetime)",
    "T_DURING(INTERVAL(starts_at, ends_at), INTERVAL('2020-02-15T00:00:00Z', '2020-09-01T00:00:00Z'))",
    "T_OVERLAPS(INTERVAL(starts_at, ends_at), INTERVAL('2020-03-15T00:00:00Z', '2020-12-01T00:00:00Z'))",
    "T_STARTS(INTERVAL(starts_at, ends_at), INTERVAL('2020-03-01T00:00:00Z', '2020-12-01T00:00:00Z'))",
    "T_FINISHEDBY(INTERVAL(starts_at, ends_at), INTERVAL('2020-06-10T00:00:00Z', '2020-07-15T00:00:00Z'))",
    "T_MEETS(INTERVAL('2020-01-01T00:00:00Z', '2020-03-01T00:00:00Z'), INTERVAL(starts_at, ends_at))",
    "T_EQUALS(starts_at, TIMESTAMP('2020-04-01T00:00:00Z'))",
    "S_INTERSECTS(geometry, BBOX(5, 42, 10, 46))",
    "S_INTERSECTS(geometry, POLYGON((0 40, 12 40, 0 52, 0 40)))",
    "S_DISJOINT(geometry, POLYGON((0 40, 12 40, 0 52, 0 40)))",
    "S_WITHIN(geometry, BBOX(3, 41, 15, 49))",
    "S_CONTAINS(geometry, POINT(7.5 44.5)) OR S_CONTAINS(geometry, POINT(10.25 45.25))",
    "S_OVERLAPS(geometry, BBOX(5, 42, 10, 46))",
    "S_CROSSES(LINESTRING(0 40, 20 50), geometry)",
    "S_TOUCHES(geometry, BBOX(5, 42, 10, 46)) OR rank = 0",
    "S_EQUALS(geometry, BBOX(5, 42, 6, 43)) OR rank = 3",
    "NOT S_INTERSECTS(geometry, BBOX(5, 42, 10, 46)) AND eo:cloud_cover < 10",
    "S_INTERSECTS(geometry, POLYGON((0 40, 12 40, 0 52, 0 40))) AND eo:cloud_cover < 50 AND T_AFTER(datetime, DATE('2020-03-01'))",
    "A_CONTAINS(keywords, ('a'))",
    "A_CONTAINS(keywords, ('a', 'b'))",
    "A_OVERLAPS(keywords, ('b', 'x'))",
    "A_EQUALS(keywords, ('c', 'b'))",
    "A_CONTAINEDBY(keywords, ('a', 'b', 'x'))",
    "A_OVERLAPS(orbits, (1, 5))",
    "A_CONTAINS(orbits, (2))",
    "NOT A_CONTAINS(keywords, ('a'))",
    "(eo:cloud_cover < 10 OR eo:cloud_cover > 90) AND (platform = 'sentinel-2a' OR rank < 3) AND NOT is_good",
    "TRUE",
    "FALSE OR rank = 1",
];

/// Items that the filters are asked about.
const ITEMS: u64 = 210;

async fn found(catalog: &Catalog, filter: Expr) -> BTreeSet<String> {
    let search = ItemSearch {
        filter: Some(filter),
        limit: Some(LIMIT_MAX),
        ..Default::default()
    };
    let page = catalog
        .search(&Viewer::operator(), &search)
        .await
        .expect("an answer");
    let id = |json: &serde_json::Map<String, Value>| json["id"].as_str().expect("an id").to_owned();
    page.items.iter().map(|item| id(&item.json)).collect()
}

#[test]
fn filters_find_what_a_plain_evaluation_finds() {
    on_both(async |catalog| {
        put_collection(catalog, "varied").await;
        let items = varied(ITEMS);
        let put = catalog
            .put_items(&Viewer::operator(), "varied", &items, PutMode::Create)
            .await;
        put.expect("items");
        let mut fruitful = 0;
        for text in EXPRESSIONS {
            let expr: Expr = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            let mut expected = BTreeSet::new();
            for item in &items {
                let mut item = Value::Object(item.clone());
                item["collection"] = "varied".into();
                if oracle::holds(&expr, &item) == Some(true) {
                    expected.insert(item["id"].as_str().expect("an id").to_owned());
                }
            }
            fruitful += usize::from(!expected.is_empty() && expected.len() < items.len());
            assert_eq!(
                found(catalog, expr).await,
                expected,
                "{} {text}",
                catalog.place()
            );
        }
        assert!(
            fruitful >= 80,
            "only {fruitful} expressions tell items apart"
        );
    });
}

#[test]
fn expressions_come_back_from_text_and_json() {
    for text in EXPRESSIONS {
        let expr: Expr = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let json = expr.to_json().expect("JSON");
        assert_eq!(json.parse::<Expr>().expect("JSON"), expr, "{text}");
        let again = expr.to_text().expect("text");
        assert_eq!(
            again
                .parse::<Expr>()
                .expect("text")
                .to_json()
                .expect("JSON"),
            json,
            "{text} → {again}"
        );
    }
}

/// The public examples of the parser's own repository, where its sources are at hand.
#[test]
fn public_examples_parse_and_come_back() {
    let home = std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.map(|home| home.join("registry").join("src"));
    let registries = sources.and_then(|sources| std::fs::read_dir(sources).ok());
    let folder = registries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("cql2-0.6.0").join("examples"))
        .find(|path| path.is_dir());
    let Some(folder) = folder else {
        println!("skipped: the public CQL2 examples are not on this machine");
        return;
    };
    let mut count = 0;
    for kind in ["json", "text"] {
        for entry in std::fs::read_dir(folder.join(kind))
            .expect("a folder")
            .flatten()
        {
            let path = entry.path();
            if !path
                .extension()
                .is_some_and(|extension| extension == kind || extension == "txt")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("an example");
            let expr: Expr = text
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let json = expr.to_json().expect("JSON");
            assert_eq!(
                json.parse::<Expr>().expect("JSON").to_json().expect("JSON"),
                json,
                "{}",
                path.display()
            );
            let again = expr.to_text().expect("text");
            assert_eq!(
                again
                    .parse::<Expr>()
                    .expect("text")
                    .to_json()
                    .expect("JSON"),
                json,
                "{}",
                path.display()
            );
            count += 1;
        }
    }
    assert!(count >= 100, "{count} examples");
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    on_both(async |catalog| {
        for (text, part) in [
            ("avg(eo:cloud_cover) > 5", "avg"),
            ("S_INTERSECTS(geometry, Buffer(geometry, 10))", "Buffer"),
            ("S_INTERSECTS(location, POINT(1 1))", "location"),
            ("eo:cloud_cover + 1", "\"+\""),
            ("datetime > 'soon'", "soon"),
            ("geometry = 3", "spatial"),
            ("\"x'; DROP TABLE items; --\" = 1", "DROP"),
            ("platform LIKE name", "LIKE"),
        ] {
            let filter: Expr = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            let search = ItemSearch {
                filter: Some(filter),
                ..Default::default()
            };
            let error = catalog
                .search(&Viewer::operator(), &search)
                .await
                .expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    });
}
