//! Hostile input ends in an error of kind invalid or limit, or in nothing found; never in harm.

use cql2::Expr;
use serde_json::{Value, json};
use swath_access::Viewer;
use swath_catalog::{ErrorKind, PutMode};
use swath_grid::Bbox;
use swath_stac::{ItemSearch, PageStart, SortField};

use crate::backend::on_both;
use crate::sample::{item, object, put_collection};

const TEXTS: &[&str] = &[
    "'; DROP TABLE items; --",
    "x' OR '1'='1",
    "%' UNION SELECT * FROM collections --",
    "\u{0}",
    "a\u{0}b",
    "\\",
    "\"",
    "$.x",
    "💧",
    "../../etc/passwd",
    "{}",
    "?1 $1 :a @b",
];

#[test]
fn texts_stay_values() {
    on_both(async |catalog| {
        let anyone = Viewer::anonymous();
        put_collection(catalog, "c").await;
        catalog
            .put_items(
                &Viewer::operator(),
                "c",
                &[item("a", "2020-01-01T00:00:00Z", 0.0, 0.0)],
                PutMode::Create,
            )
            .await
            .expect("an item");
        for text in TEXTS {
            let text = (*text).to_owned();
            let literal = || Box::new(Expr::Literal(text.clone()));
            let property = |name: &str| {
                Box::new(Expr::Property {
                    property: name.into(),
                })
            };
            let operation = |op: &str, args: Vec<Box<Expr>>| {
                Some(Expr::Operation {
                    op: op.into(),
                    args,
                })
            };
            let searches = [
                ItemSearch {
                    ids: vec![text.clone()],
                    ..Default::default()
                },
                ItemSearch {
                    collections: vec![text.clone()],
                    ..Default::default()
                },
                ItemSearch {
                    sort: vec![SortField {
                        field: text.clone(),
                        is_descending: true,
                    }],
                    ..Default::default()
                },
                ItemSearch {
                    start: PageStart::Token(text.clone()),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("=", vec![property("platform"), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("=", vec![property("other"), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("like", vec![property("other"), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("=", vec![property(&text), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation(&text, vec![property("platform"), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("t_after", vec![property("datetime"), literal()]),
                    ..Default::default()
                },
                ItemSearch {
                    filter: operation("a_contains", vec![property("other"), literal()]),
                    ..Default::default()
                },
            ];
            for search in searches {
                match catalog.search(&anyone, &search).await {
                    Ok(page) => assert!(page.items.is_empty(), "{search:?}"),
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit),
                        "{search:?}: {error}"
                    ),
                }
            }
            let lookup = catalog
                .item(&anyone, &text, &text)
                .await
                .expect_err("nothing");
            assert!(
                matches!(lookup.kind(), ErrorKind::Invalid | ErrorKind::NotFound),
                "{lookup}"
            );
        }
        assert_eq!(
            catalog
                .count(&anyone, &ItemSearch::default())
                .await
                .expect("still there"),
            1
        );
    });
}

#[test]
fn sizes_are_limited() {
    on_both(async |catalog| {
        let anyone = Viewer::anonymous();
        let mut deep = Expr::Bool(true);
        for _ in 0..200 {
            deep = Expr::Operation {
                op: "not".into(),
                args: vec![Box::new(deep)],
            };
        }
        let wide = Expr::Operation {
            op: "or".into(),
            args: vec![Box::new(Expr::Bool(true)); 6_000],
        };
        let list = (0..2_000)
            .map(|value| Box::new(Expr::Float(f64::from(value))))
            .collect();
        let long = Expr::Operation {
            op: "in".into(),
            args: vec![
                Box::new(Expr::Property {
                    property: "rank".into(),
                }),
                Box::new(Expr::Array(list)),
            ],
        };
        for filter in [deep, wide, long] {
            let search = ItemSearch {
                filter: Some(filter),
                ..Default::default()
            };
            assert_eq!(
                catalog
                    .search(&anyone, &search)
                    .await
                    .expect_err("large")
                    .kind(),
                ErrorKind::Limit
            );
        }
        let ids = ItemSearch {
            ids: vec!["a".into(); 20_000],
            ..Default::default()
        };
        assert_eq!(
            catalog
                .search(&anyone, &ids)
                .await
                .expect_err("many")
                .kind(),
            ErrorKind::Limit
        );
        // As many as are allowed still make a statement that both databases take.
        let all = (0..1_000)
            .map(|value| Box::new(Expr::Literal(format!("{value}"))))
            .collect();
        let names = Expr::Operation {
            op: "in".into(),
            args: vec![
                Box::new(Expr::Property {
                    property: "rank".into(),
                }),
                Box::new(Expr::Array(all)),
            ],
        };
        let search = ItemSearch {
            filter: Some(names),
            ids: vec!["a".into(); 10_000],
            ..Default::default()
        };
        catalog.search(&anyone, &search).await.expect("an answer");
    });
}

#[test]
fn what_is_too_much_for_the_database_is_refused() {
    let operation = |op: &str, args: Vec<Expr>| Expr::Operation {
        op: op.into(),
        args: args.into_iter().map(Box::new).collect(),
    };
    let property = |name: &str| Expr::Property {
        property: name.into(),
    };
    let numbers = |count: usize| vec![Expr::Float(1.0); count];
    let mut nested = operation("+", numbers(200));
    for _ in 0..3 {
        nested = operation("*", [vec![nested], numbers(200)].concat());
    }
    let long_text = Expr::Literal("a%".repeat(30_000));
    let mixed = [vec![property("rank"), Expr::Bool(true)], numbers(900)].concat();
    let mixed = Expr::Array(mixed.into_iter().map(Box::new).collect());
    let filters = [
        operation(">", vec![operation("+", numbers(4_000)), Expr::Float(0.0)]),
        operation(">", vec![nested, Expr::Float(0.0)]),
        operation("like", vec![property("id"), long_text]),
        operation("in", vec![operation("+", numbers(240)), mixed]),
    ];
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let items = [item("a", "2020-01-01T00:00:00Z", 0.0, 0.0)];
        let operator = Viewer::operator();
        let put = catalog.put_items(&operator, "c", &items, PutMode::Create);
        put.await.expect("an item");
        for filter in &filters {
            let search = ItemSearch {
                filter: Some(filter.clone()),
                ..Default::default()
            };
            let refused = catalog.search(&Viewer::anonymous(), &search).await;
            let error = refused.expect_err("too much");
            assert!(
                matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit),
                "{error}"
            );
        }
        let sum = operation(">", vec![operation("+", numbers(200)), Expr::Float(199.0)]);
        let search = ItemSearch {
            filter: Some(sum),
            ..Default::default()
        };
        let found = catalog.count(&Viewer::anonymous(), &search).await;
        assert_eq!(found.expect("within the limits"), 1);
    });
}

#[test]
fn numbers_that_are_none_are_refused() {
    on_both(async |catalog| {
        for edges in [
            [f64::NAN, 0.0, 1.0, 1.0],
            [0.0, 0.0, f64::INFINITY, 1.0],
            [0.0, 10.0, 1.0, 5.0],
            [0.0, -100.0, 1.0, 1.0],
            [1e300, 0.0, 1e301, 1.0],
        ] {
            let [west, south, east, north] = edges;
            let search = ItemSearch {
                bbox: Some(Bbox {
                    west,
                    south,
                    east,
                    north,
                }),
                ..Default::default()
            };
            let error = catalog
                .search(&Viewer::anonymous(), &search)
                .await
                .expect_err("no bbox");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{edges:?}");
        }
        for filter in [
            "eo:cloud_cover * 1e308 * 1e308 > 1",
            "rank ^ 100000 > 1",
            "1 / rank > 0",
            "rank % 0 = 1",
            "rank div 0 = 1",
            "(0 - rank) ^ 0.5 = 1",
        ] {
            put_collection(catalog, "c").await;
            let mut item = item("a", "2020-01-01T00:00:00Z", 0.0, 0.0);
            item["properties"]["rank"] = json!(0);
            item["properties"]["eo:cloud_cover"] = json!(50);
            catalog
                .put_items(&Viewer::operator(), "c", &[item], PutMode::Upsert)
                .await
                .expect("an item");
            let search = ItemSearch {
                filter: Some(filter.parse().expect("CQL2")),
                ..Default::default()
            };
            if let Err(error) = catalog.search(&Viewer::anonymous(), &search).await {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{filter}: {error}");
            }
        }
    });
}

#[test]
fn what_is_no_item_is_refused() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let good = item("a", "2020-01-01T00:00:00Z", 0.0, 0.0);
        let with = |name: &str, value: Value| {
            let mut changed = good.clone();
            changed.insert(name.into(), value);
            changed
        };
        let mut wrong = vec![
            with("id", json!("")),
            with("id", json!(5)),
            with("id", json!("x".repeat(1000))),
            with("type", json!("Point")),
            with("collection", json!("d")),
            with("properties", json!([])),
            with("properties", json!({"datetime": "soon"})),
            with(
                "geometry",
                json!({"type": "Polygon", "coordinates": [[[0, 0], [1e9, 0], [0, 1], [0, 0]]]}),
            ),
            with("bbox", json!([0, 0, 1])),
            with("bbox", json!(["a", 0, 1, 1])),
            with("links", json!("x".repeat(9 << 20))),
            with("x", json!("y".repeat(9 << 20))),
            object(json!({})),
        ];
        wrong.push(with("properties", json!({"datetime": "2020-01-01T00:00:00Z", "start_datetime": "2021-01-01T00:00:00Z", "end_datetime": "2020-01-01T00:00:00Z"})));
        for item in &wrong {
            let put = catalog
                .put_items(
                    &Viewer::operator(),
                    "c",
                    std::slice::from_ref(item),
                    PutMode::Upsert,
                )
                .await;
            // Links that are no list are left out; the item itself is fine.
            if item.get("links").is_some_and(Value::is_string) {
                continue;
            }
            let error = put.expect_err("no item");
            assert!(
                matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit),
                "{error}"
            );
        }
    });
}
