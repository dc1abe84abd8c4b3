//! Searching: place, time, order, pages, counts, aggregations.

use std::time::Duration;

use chrono::NaiveDate;
use serde_json::{Value, json};
use swath_access::Viewer;
use swath_catalog::{CalendarPart, Catalog, ErrorKind, PutMode};
use swath_grid::Bbox;
use swath_stac::{Interval, ItemSearch, PageStart, SortField, parse_datetime};

use crate::backend::on_both;
use crate::sample::{Numbers, item, put_collection, varied};

async fn ids(catalog: &Catalog, search: &ItemSearch) -> Vec<String> {
    let page = catalog
        .search(&Viewer::anonymous(), search)
        .await
        .expect("an answer");
    page.items
        .iter()
        .map(|item| item.json["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn sort(field: &str, is_descending: bool) -> SortField {
    SortField {
        field: field.into(),
        is_descending,
    }
}

fn interval(start: Option<&str>, end: Option<&str>) -> Option<Interval> {
    let read = |text: &str| parse_datetime(text).expect("a datetime");
    Some(Interval {
        start: start.map(read),
        end: end.map(read),
    })
}

#[test]
fn bbox_meets_geometries_also_across_the_antimeridian() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let mut triangle = item("triangle", "2020-01-04T00:00:00Z", 10.0, 10.0);
        triangle["geometry"] =
            json!({"type": "Polygon", "coordinates": [[[10, 10], [11, 10], [10, 11], [10, 10]]]});
        let mut crossing = item("crossing", "2020-01-03T00:00:00Z", 179.0, 0.0);
        crossing["bbox"] = json!([179.0, 0.0, -179.0, 1.0]);
        crossing["geometry"] = json!({"type": "MultiPolygon", "coordinates": [
            [[[179, 0], [180, 0], [180, 1], [179, 1], [179, 0]]], [[[-180, 0], [-179, 0], [-179, 1], [-180, 1], [-180, 0]]]]});
        let mut uncut = item("uncut", "2020-01-02T00:00:00Z", 179.0, 5.0);
        uncut["bbox"] = json!([179.0, 5.0, -179.0, 6.0]);
        uncut["geometry"] = json!({"type": "Polygon", "coordinates": [[[179, 5], [-179, 5], [-179, 6], [179, 6], [179, 5]]]});
        let mut nowhere = item("nowhere", "2020-01-01T00:00:00Z", 0.0, 0.0);
        nowhere["geometry"] = Value::Null;
        nowhere.remove("bbox");
        let items = [triangle, crossing, uncut, nowhere];
        catalog
            .put_items(&Viewer::operator(), "c", &items, PutMode::Create)
            .await
            .expect("items");
        for (edges, expected) in [
            ([9.0, 9.0, 12.0, 12.0], vec!["triangle"]),
            ([10.8, 10.8, 12.0, 12.0], vec![]),
            ([11.0, 10.0, 12.0, 12.0], vec!["triangle"]),
            ([178.0, -10.0, 179.5, 10.0], vec!["crossing", "uncut"]),
            ([-179.5, -10.0, -170.0, 10.0], vec!["crossing", "uncut"]),
            ([170.0, -10.0, -170.0, 2.0], vec!["crossing"]),
            ([-10.0, -10.0, 5.0, 10.0], vec![]),
            (
                [-180.0, -90.0, 180.0, 90.0],
                vec!["triangle", "crossing", "uncut"],
            ),
        ] {
            let [west, south, east, north] = edges;
            let bbox = Some(Bbox {
                west,
                south,
                east,
                north,
            });
            let search = ItemSearch {
                bbox,
                ..Default::default()
            };
            assert_eq!(
                ids(catalog, &search).await,
                expected,
                "{edges:?} {}",
                catalog.place()
            );
        }
        assert_eq!(ids(catalog, &ItemSearch::default()).await.len(), 4);
    });
}

#[test]
fn time_is_a_closed_interval_and_items_may_last() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let mut year = item("year", "2020-01-01T00:00:00Z", 0.0, 0.0);
        year["properties"] = json!({"datetime": null, "start_datetime": "2019-01-01T00:00:00Z", "end_datetime": "2019-12-31T23:59:59Z"});
        let items = [
            year,
            item("june", "2019-06-01T00:00:00Z", 0.0, 0.0),
            item("later", "2021-01-01T00:00:00Z", 0.0, 0.0),
        ];
        catalog
            .put_items(&Viewer::operator(), "c", &items, PutMode::Create)
            .await
            .expect("items");
        for (datetime, expected) in [
            (
                interval(Some("2019-06-01T00:00:00Z"), Some("2019-06-01T00:00:00Z")),
                vec!["june", "year"],
            ),
            (
                interval(Some("2019-11-01T00:00:00Z"), Some("2020-02-01T00:00:00Z")),
                vec!["year"],
            ),
            (interval(Some("2020-01-01T00:00:00Z"), None), vec!["later"]),
            (interval(None, Some("2019-01-01T00:00:00Z")), vec!["year"]),
            (interval(None, Some("2018-01-01T00:00:00Z")), vec![]),
        ] {
            for bbox in [
                None,
                Some(Bbox {
                    west: 0.2,
                    south: 0.2,
                    east: 0.4,
                    north: 0.4,
                }),
            ] {
                let search = ItemSearch {
                    datetime,
                    bbox,
                    ..Default::default()
                };
                assert_eq!(
                    ids(catalog, &search).await,
                    expected,
                    "{datetime:?} {}",
                    catalog.place()
                );
            }
        }
    });
}

#[test]
fn ids_collections_and_shapes_restrict() {
    on_both(async |catalog| {
        for id in ["c", "d"] {
            put_collection(catalog, id).await;
            let items = [
                item("a", "2020-01-01T00:00:00Z", 0.0, 0.0),
                item("b", "2020-01-02T00:00:00Z", 20.0, 20.0),
            ];
            catalog
                .put_items(&Viewer::operator(), id, &items, PutMode::Create)
                .await
                .expect("items");
        }
        let only_a = ItemSearch {
            ids: vec!["a".into(), "z".into()],
            ..Default::default()
        };
        assert_eq!(ids(catalog, &only_a).await, ["a", "a"]);
        let in_d = ItemSearch {
            collections: vec!["d".into(), "nowhere".into()],
            ..Default::default()
        };
        assert_eq!(ids(catalog, &in_d).await, ["b", "a"]);
        let line = geo_types::LineString::from(vec![(19.0, 19.0), (22.0, 22.0)]);
        let along = ItemSearch {
            intersects: Some(line.into()),
            collections: vec!["d".into()],
            ..Default::default()
        };
        assert_eq!(ids(catalog, &along).await, ["b"]);
        assert_eq!(
            catalog
                .count(&Viewer::anonymous(), &along)
                .await
                .expect("a count"),
            1
        );
    });
}

#[test]
fn pages_hold_every_item_once_in_any_order() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        catalog
            .put_items(&Viewer::operator(), "c", &varied(150), PutMode::Create)
            .await
            .expect("items");
        for sort in [
            vec![],
            vec![sort("datetime", false)],
            vec![sort("properties.eo:cloud_cover", true)],
            vec![sort("eo:cloud_cover", false), sort("id", true)],
            vec![sort("platform", false), sort("rank", true)],
            vec![sort("view:off_nadir", false)],
            vec![sort("is_good", true), sort("name", false)],
            vec![sort("created", true)],
        ] {
            let mut search = ItemSearch {
                sort: sort.clone(),
                limit: Some(10_000),
                ..Default::default()
            };
            let all = ids(catalog, &search).await;
            assert_eq!(all.len(), 150);
            search.limit = Some(7);
            let mut paged = Vec::new();
            for _ in 0..30 {
                let page = catalog
                    .search(&Viewer::anonymous(), &search)
                    .await
                    .expect("a page");
                paged.extend(
                    page.items
                        .iter()
                        .map(|item| item.json["id"].as_str().expect("an id").to_owned()),
                );
                match page.next {
                    Some(token) => search.start = PageStart::Token(token),
                    None => break,
                }
            }
            assert_eq!(paged, all, "{sort:?} {}", catalog.place());
            search.start = PageStart::Offset(21);
            assert_eq!(ids(catalog, &search).await, all[21..28], "{sort:?}");
        }
        let unknown = ItemSearch {
            sort: vec![sort("nothing", false)],
            ..Default::default()
        };
        let error = catalog
            .search(&Viewer::anonymous(), &unknown)
            .await
            .expect_err("unknown");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn pages_go_on_where_items_come_meanwhile() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let at = |day: u32| {
            item(
                &format!("d{day:02}"),
                &format!("2020-01-{day:02}T00:00:00Z"),
                0.0,
                0.0,
            )
        };
        let items: Vec<_> = (1..=10).map(|day| at(day * 2)).collect();
        catalog
            .put_items(&operator, "c", &items, PutMode::Create)
            .await
            .expect("items");
        let mut search = ItemSearch {
            limit: Some(4),
            ..Default::default()
        };
        let first = catalog.search(&operator, &search).await.expect("a page");
        let last_shown = first.items.last().expect("four").json["id"].clone();
        assert_eq!(last_shown, "d14");
        // One before, one behind, and the last shown goes.
        catalog
            .put_items(&operator, "c", &[at(19), at(13)], PutMode::Create)
            .await
            .expect("more");
        catalog
            .delete_item(&operator, "c", "d14", None)
            .await
            .expect("gone");
        search.start = PageStart::Token(first.next.expect("more"));
        assert_eq!(ids(catalog, &search).await, ["d13", "d12", "d10", "d08"]);
        let other_order = ItemSearch {
            sort: vec![sort("platform", false)],
            ..search
        };
        assert_eq!(
            catalog
                .search(&operator, &other_order)
                .await
                .expect_err("foreign")
                .kind(),
            ErrorKind::Invalid
        );
    });
}

#[test]
fn limits_hold() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        catalog
            .put_items(&Viewer::operator(), "c", &varied(20), PutMode::Create)
            .await
            .expect("items");
        let of = |limit| ItemSearch {
            limit,
            ..Default::default()
        };
        assert_eq!(ids(catalog, &of(None)).await.len(), 10);
        assert_eq!(ids(catalog, &of(Some(0))).await.len(), 0);
        assert_eq!(ids(catalog, &of(Some(u32::MAX))).await.len(), 20);
        let far = ItemSearch {
            start: PageStart::Offset(u64::MAX),
            ..Default::default()
        };
        assert_eq!(
            catalog
                .search(&Viewer::anonymous(), &far)
                .await
                .expect_err("far")
                .kind(),
            ErrorKind::Limit
        );
    });
}

/// Both plans (R-tree first, order first) find what a look at every item finds.
#[test]
fn plans_agree_over_many_items() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let mut numbers = Numbers(3);
        let mut items = Vec::new();
        for index in 0..6_000 {
            let day = 1 + numbers.below(28);
            let datetime = format!("2020-{:02}-{day:02}T00:00:00Z", 1 + numbers.below(12));
            items.push(item(
                &format!("i{index}"),
                &datetime,
                numbers.share() * 50.0,
                numbers.share() * 50.0,
            ));
        }
        catalog
            .put_items(&Viewer::operator(), "c", &items, PutMode::Create)
            .await
            .expect("items");
        for edges in [
            [10.0, 10.0, 11.5, 11.5],
            [0.0, 0.0, 45.0, 48.0],
            [-5.0, -5.0, 60.0, 60.0],
        ] {
            let [west, south, east, north] = edges;
            let bbox = Some(Bbox {
                west,
                south,
                east,
                north,
            });
            let datetime = interval(Some("2020-02-01T00:00:00Z"), Some("2020-10-30T00:00:00Z"));
            for datetime in [None, datetime] {
                let expected = items.iter().filter(|item| {
                    let edge = |index: usize| item["bbox"][index].as_f64().expect("a number");
                    let text = item["properties"]["datetime"].as_str().expect("a datetime");
                    let is_in_time = datetime.is_none()
                        || ("2020-02-01T00:00:00Z"..="2020-10-30T00:00:00Z").contains(&text);
                    edge(0) <= east
                        && edge(2) >= west
                        && edge(1) <= north
                        && edge(3) >= south
                        && is_in_time
                });
                let expected: std::collections::BTreeSet<_> = expected
                    .map(|item| item["id"].as_str().expect("an id").to_owned())
                    .collect();
                let search = ItemSearch {
                    bbox,
                    datetime,
                    limit: Some(10_000),
                    ..Default::default()
                };
                let found: std::collections::BTreeSet<_> =
                    ids(catalog, &search).await.into_iter().collect();
                assert_eq!(
                    found,
                    expected,
                    "{edges:?} {datetime:?} {}",
                    catalog.place()
                );
                assert_eq!(
                    catalog
                        .count(&Viewer::anonymous(), &search)
                        .await
                        .expect("a count"),
                    expected.len() as u64
                );
            }
        }
    });
}

#[test]
fn aggregations_sum_what_a_search_finds() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let mut items = Vec::new();
        for (index, (cloud, platform)) in [
            (1.0, "a"),
            (10.0, "a"),
            (20.0, "b"),
            (99.0, "b"),
            (100.0, "b"),
        ]
        .iter()
        .enumerate()
        {
            let mut item = item(
                &format!("i{index}"),
                &format!("2020-0{}-01T00:00:00Z", 1 + index / 2),
                0.0,
                0.0,
            );
            item["properties"]["eo:cloud_cover"] = json!(cloud);
            item["properties"]["platform"] = json!(platform);
            item["properties"]["grid:code"] = json!("MGRS-32UMB");
            items.push(item);
        }
        catalog
            .put_items(&Viewer::operator(), "c", &items, PutMode::Create)
            .await
            .expect("items");
        let names: Vec<String> = Catalog::aggregations()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let answers = catalog
            .aggregate(&Viewer::anonymous(), &ItemSearch::default(), &names)
            .await
            .expect("sums");
        let of = |name: &str| {
            answers
                .iter()
                .find(|answer| answer.name == name)
                .expect("asked for")
                .json
                .clone()
        };
        let frequencies = |name: &str| {
            let buckets = of(name)["buckets"].as_array().expect("buckets").clone();
            buckets
                .iter()
                .map(|bucket| {
                    (
                        bucket["key"].as_str().expect("a key").to_owned(),
                        bucket["frequency"].as_i64().expect("a number"),
                    )
                })
                .collect::<Vec<_>>()
        };
        let pairs = |pairs: &[(&str, i64)]| {
            pairs
                .iter()
                .map(|(key, count)| ((*key).to_owned(), *count))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("total_count")["value"], 5);
        assert_eq!(of("datetime_min")["value"], "2020-01-01T00:00:00Z");
        assert_eq!(of("datetime_max")["value"], "2020-03-01T00:00:00Z");
        assert_eq!(
            frequencies("platform_frequency"),
            pairs(&[("b", 3), ("a", 2)])
        );
        assert_eq!(frequencies("collection_frequency"), pairs(&[("c", 5)]));
        assert_eq!(
            frequencies("grid_code_frequency"),
            pairs(&[("MGRS-32UMB", 5)])
        );
        assert_eq!(
            frequencies("cloud_cover_frequency"),
            pairs(&[("0-5", 1), ("5-15", 1), ("15-40", 1), ("40-100", 2)])
        );
        assert_eq!(
            frequencies("datetime_frequency"),
            pairs(&[
                ("2020-01-01T00:00:00Z", 2),
                ("2020-02-01T00:00:00Z", 2),
                ("2020-03-01T00:00:00Z", 1)
            ])
        );
        let observed = frequencies("datetime_day_frequency");
        assert_eq!(observed.iter().map(|(_, count)| count).sum::<i64>(), 5);
        let ends = [observed.first(), observed.last()].map(|end| end.map(|(day, _)| day.as_str()));
        assert_eq!(
            ends,
            [Some("2020-01-01T00:00:00Z"), Some("2020-03-01T00:00:00Z")]
        );
        let created = frequencies("created_day_frequency");
        assert_eq!(created.iter().map(|(_, count)| count).sum::<i64>(), 5);
        assert!(created.iter().all(|(day, _)| day.ends_with("T00:00:00Z")));
        let unknown = catalog
            .aggregate(&Viewer::anonymous(), &ItemSearch::default(), &["x".into()])
            .await;
        assert_eq!(unknown.expect_err("unknown").kind(), ErrorKind::Invalid);
    });
}

#[test]
fn queryables_name_what_items_have() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        catalog
            .put_items(&Viewer::operator(), "c", &varied(20), PutMode::Create)
            .await
            .expect("items");
        let schema = catalog
            .queryables(&Viewer::anonymous(), Some("c"))
            .await
            .expect("a schema");
        let properties = &schema["properties"];
        assert_eq!(properties["eo:cloud_cover"]["type"], "number");
        assert_eq!(properties["datetime"]["format"], "date-time");
        assert_eq!(properties["keywords"]["type"], json!(["array", "string"]));
        assert!(properties["geometry"]["$ref"].is_string());
        assert_eq!(
            catalog
                .queryables(&Viewer::anonymous(), None)
                .await
                .expect("a schema")["properties"]["rank"]["type"],
            json!(["number", "string"])
        );
    });
}

#[test]
fn the_calendar_names_every_item_once() {
    on_both(async |catalog| {
        put_collection(catalog, "a").await;
        put_collection(catalog, "b").await;
        let operator = Viewer::operator();
        let dates = [
            ("first", "1999-12-31T23:59:59.999999Z"),
            ("early", "2020-01-31T00:00:00Z"),
            ("late", "2020-01-31T23:59:59Z"),
            ("next", "2020-02-01T00:00:00Z"),
        ];
        let items: Vec<_> = dates
            .iter()
            .map(|(id, datetime)| item(id, datetime, 1.0, 1.0))
            .collect();
        let put = catalog.put_items(&operator, "a", &items, PutMode::Create);
        put.await.expect("items");
        let other = [item("other", "2021-01-01T00:00:00Z", 1.0, 1.0)];
        let put = catalog.put_items(&operator, "b", &other, PutMode::Create);
        put.await.expect("an item");
        let parts = async |part| {
            let parts = catalog.calendar_parts(&operator, "a", part).await;
            parts.expect("parts")
        };
        let years = parts(CalendarPart::Always).await;
        assert_eq!(years, [CalendarPart::Year(1999), CalendarPart::Year(2020)]);
        let month = |month| CalendarPart::Month { year: 2020, month };
        assert_eq!(parts(years[1]).await, [month(1), month(2)]);
        let day = NaiveDate::from_ymd_opt(2020, 1, 31).expect("a date");
        assert_eq!(parts(month(1)).await, [CalendarPart::Day(day)]);
        assert_eq!(parts(month(3)).await, []);
        let found = catalog.items_of_day(&operator, "a", day, None).await;
        let found = found.expect("items");
        assert_eq!(found.ids, ["late", "early"]);
        assert_eq!(found.next, None);
    });
}

#[test]
fn items_of_a_day_go_on_where_they_ended() {
    on_both(async |catalog| {
        put_collection(catalog, "a").await;
        let operator = Viewer::operator();
        let of = |number: usize| {
            let datetime = format!("2020-01-01T00:00:{:02}Z", number / 500);
            item(&format!("i{number:04}"), &datetime, 1.0, 1.0)
        };
        let items: Vec<_> = (0..1_201).map(of).collect();
        let put = catalog.put_items(&operator, "a", &items, PutMode::Create);
        put.await.expect("items");
        let day = NaiveDate::from_ymd_opt(2020, 1, 1).expect("a date");
        let first = catalog.items_of_day(&operator, "a", day, None).await;
        let first = first.expect("items");
        assert_eq!(first.ids.len(), 1_000);
        let second = catalog
            .items_of_day(&operator, "a", day, first.next.as_ref())
            .await
            .expect("items");
        assert_eq!((second.ids.len(), second.next), (201, None));
        let mut all = [first.ids, second.ids].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1_201);
        let nobody = Viewer::anonymous();
        let private = catalog.items_of_day(&nobody, "absent", day, None).await;
        assert!(private.is_err());
    });
}

#[test]
fn pages_may_be_bounded_by_bytes() {
    on_both(async |catalog| {
        put_collection(catalog, "a").await;
        let operator = Viewer::operator();
        let of = |number: usize| {
            let mut item = item(&format!("i{number:02}"), "2020-01-01T00:00:00Z", 1.0, 1.0);
            item["properties"]["note"] =
                "é".repeat(if number == 3 { 30_000 } else { 1_000 }).into();
            item
        };
        let items: Vec<_> = (0..12).map(of).collect();
        let put = catalog.put_items(&operator, "a", &items, PutMode::Create);
        put.await.expect("items");
        let mut search = ItemSearch {
            limit: Some(5),
            ..ItemSearch::default()
        };
        let mut pages: Vec<Vec<String>> = Vec::new();
        loop {
            let page = catalog.search_within(&operator, &search, 10_000).await;
            let page = page.expect("a page");
            let ids = page
                .items
                .iter()
                .filter_map(|item| item.json["id"].as_str());
            pages.push(ids.map(str::to_owned).collect());
            match page.next {
                Some(token) => search.start = PageStart::Token(token),
                None => break,
            }
        }
        let all: Vec<String> = (0..12).map(|number| format!("i{number:02}")).collect();
        assert_eq!(pages.concat(), all);
        assert_eq!(pages[0], all[..3]);
        assert_eq!(pages[1], all[3..4], "one item at least");
        assert!(pages.iter().all(|page| page.len() <= 4), "{pages:?}");
    });
}

#[test]
fn work_beyond_the_budget_is_refused() {
    on_both(async |catalog| {
        put_collection(catalog, "a").await;
        let search = ItemSearch::default();
        let viewer = Viewer::anonymous();
        let nothing_left = catalog.with_query_budget(Duration::ZERO);
        let error = nothing_left.search(&viewer, &search).await;
        let error = error.expect_err("no budget");
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("narrow it"), "{error}");
        let enough = catalog.with_query_budget(Duration::from_secs(60));
        enough.search(&viewer, &search).await.expect("an answer");
        catalog
            .search(&viewer, &search)
            .await
            .expect("no budget of others");
    });
}
