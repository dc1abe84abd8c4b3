//! Collections: visibility, live extents, registration.

use serde_json::json;
use swath_access::{Viewer, Visibility};
use swath_catalog::{CollectionSearch, ErrorKind, PutMode};
use swath_grid::Bbox;
use swath_stac::{Interval, ItemSearch, SortField, parse_datetime};

use crate::backend::on_both;
use crate::sample::{item, object, put_collection};

#[test]
fn links_that_say_nothing_are_refused() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "kept").await;
        for links in [
            json!([{"href": "https://example.org/"}]),
            json!([{"rel": "license", "href": ""}]),
            json!([{"rel": "license", "href": "https://example.org/"}, {"rel": 1, "href": "x"}]),
            json!(["https://example.org/"]),
            json!({"rel": "license"}),
        ] {
            let mut collection = object(
                json!({"id": "new", "type": "Collection", "description": "d", "license": "other"}),
            );
            collection.insert("links".to_owned(), links.clone());
            let refused = catalog
                .put_collection(&operator, &collection, PutMode::Create)
                .await
                .expect_err("a link without its name");
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
            assert!(refused.to_string().contains("new: "), "{refused}");
            let mut item = item("a", "2020-01-01T00:00:00Z", 1.0, 1.0);
            item.insert("links".to_owned(), links);
            let refused = catalog
                .put_items(&operator, "kept", &[item], PutMode::Create)
                .await
                .expect_err("a link without its name");
            assert!(refused.to_string().contains("a: "), "{refused}");
        }
        assert!(catalog.collection(&operator, "new").await.is_err());
        assert!(catalog.item(&operator, "kept", "a").await.is_err());
    });
}

#[test]
fn private_collection_does_not_exist_for_others() {
    on_both(async |catalog| {
        let (ada, bob) = (Viewer::member("ada"), Viewer::member("bob"));
        let secret = object(
            json!({"id": "secret", "type": "Collection", "description": "d", "license": "other"}),
        );
        catalog
            .put_collection(&ada, &secret, PutMode::Create)
            .await
            .expect("ada's own");
        let items = [item("a", "2020-01-01T00:00:00Z", 1.0, 1.0)];
        catalog
            .put_items(&ada, "secret", &items, PutMode::Create)
            .await
            .expect("ada's item");
        let uuid = catalog.item(&ada, "secret", "a").await.expect("hers").uuid;
        for other in [&bob, &Viewer::anonymous()] {
            let not_found = |kind| assert_eq!(kind, ErrorKind::NotFound);
            not_found(
                catalog
                    .collection(other, "secret")
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .item(other, "secret", "a")
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .item_by_uuid(other, uuid)
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .queryables(other, Some("secret"))
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .put_items(other, "secret", &items, PutMode::Upsert)
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .delete_item(other, "secret", "a", None)
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            not_found(
                catalog
                    .delete_collection(other, "secret", None)
                    .await
                    .expect_err("hidden")
                    .kind(),
            );
            let asked = ItemSearch {
                collections: vec!["secret".into()],
                ..Default::default()
            };
            assert_eq!(
                catalog
                    .search(other, &asked)
                    .await
                    .expect("nothing")
                    .items
                    .len(),
                0
            );
            assert_eq!(
                catalog
                    .count(other, &ItemSearch::default())
                    .await
                    .expect("nothing"),
                0
            );
            let sums = catalog
                .aggregate(other, &asked, &["total_count".into()])
                .await
                .expect("nothing");
            assert_eq!(sums[0].json["value"], 0);
            let seen = catalog
                .collections(other, &CollectionSearch::default())
                .await
                .expect("a list");
            assert!(seen.iter().all(|seen| seen.json["id"] != "secret"));
        }
        assert_eq!(
            catalog
                .count(&ada, &ItemSearch::default())
                .await
                .expect("hers"),
            1
        );
        assert_eq!(
            catalog
                .count(&Viewer::operator(), &ItemSearch::default())
                .await
                .expect("all"),
            1
        );
    });
}

#[test]
fn only_the_operator_says_where_assets_lie() {
    on_both(async |catalog| {
        let ada = Viewer::member("ada");
        let with_prefixes = object(json!({"id": "mine", "swath:prefixes": ["s3://other/"]}));
        let error = catalog
            .put_collection(&ada, &with_prefixes, PutMode::Create)
            .await
            .expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied);
        let anonymous = catalog
            .put_collection(
                &Viewer::anonymous(),
                &object(json!({"id": "x"})),
                PutMode::Create,
            )
            .await;
        assert_eq!(anonymous.expect_err("denied").kind(), ErrorKind::Denied);
        let set = object(
            json!({"id": "mine", "swath:owner": "ada", "swath:visibility": "private", "swath:prefixes": ["s3://ada/"]}),
        );
        catalog
            .put_collection(&Viewer::operator(), &set, PutMode::Create)
            .await
            .expect("set");
        // What is not said stays as it was.
        let titled = object(json!({"id": "mine", "title": "Mine"}));
        catalog
            .put_collection(&ada, &titled, PutMode::Replace(None))
            .await
            .expect("hers");
        let stored = catalog.collection(&ada, "mine").await.expect("hers");
        assert_eq!(stored.visibility, Visibility::Private);
        assert!(
            stored.resource.holds("s3://ada/x.tif") && !stored.resource.holds("s3://other/x.tif")
        );
        assert!(!stored.json.contains_key("swath:prefixes"));
        assert_eq!(stored.json["title"], "Mine");
    });
}

#[test]
fn places_of_assets_are_added_one_by_one() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let builtin = "sentinel-2-l2a";
        let before = catalog.collection(&operator, builtin).await.expect("there");
        let add = |prefix| catalog.add_prefix(&operator, builtin, prefix);
        let (one, two, three) = tokio::join!(add("archive:a"), add("archive:b"), add("archive:a"));
        for added in [one, two, three] {
            added.expect("the operator may");
        }
        let after = catalog.collection(&operator, builtin).await.expect("there");
        let mut prefixes = after.resource.prefixes().to_vec();
        prefixes.sort();
        assert_eq!(prefixes, ["archive:a", "archive:b"]);
        assert_eq!((&after.json, &after.etag), (&before.json, &before.etag));
        let ada = Viewer::member("ada");
        let denied = catalog.add_prefix(&ada, builtin, "archive:c");
        assert_eq!(
            denied.await.expect_err("not hers").kind(),
            ErrorKind::Denied
        );
        let absent = catalog.add_prefix(&operator, "absent", "archive:c");
        assert_eq!(absent.await.expect_err("none").kind(), ErrorKind::NotFound);
    });
}

#[test]
fn properties_of_private_items_are_not_known_to_others() {
    on_both(async |catalog| {
        let ada = Viewer::member("ada");
        let mine = object(json!({"id": "mine", "type": "Collection", "description": "d"}));
        let put = catalog.put_collection(&ada, &mine, PutMode::Create);
        put.await.expect("ada's own");
        let mut secret = item("a", "2020-01-01T00:00:00Z", 1.0, 1.0);
        let properties = json!({"datetime": "2020-01-01T00:00:00Z", "secret:rank": 1});
        secret.insert("properties".into(), properties);
        let items = [secret];
        let put = catalog.put_items(&ada, "mine", &items, PutMode::Create);
        put.await.expect("ada's item");
        let search = ItemSearch {
            sort: vec![SortField {
                field: "secret:rank".into(),
                is_descending: false,
            }],
            ..Default::default()
        };
        assert_eq!(
            catalog
                .search(&ada, &search)
                .await
                .expect("hers")
                .items
                .len(),
            1
        );
        for other in [Viewer::member("bob"), Viewer::anonymous()] {
            let error = catalog.search(&other, &search).await.expect_err("unknown");
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    });
}

#[test]
fn a_change_begins_with_what_was_declared() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let items = [item("a", "2020-01-01T00:00:00Z", 1.0, 1.0)];
        let put = catalog.put_items(&operator, "c", &items, PutMode::Create);
        put.await.expect("an item");
        let declared = catalog.declared_collection(&operator, "c").await;
        let declared = declared.expect("there");
        let live = catalog.collection(&operator, "c").await.expect("there");
        assert_eq!(
            declared.json["extent"]["spatial"]["bbox"],
            json!([[-180.0, -90.0, 180.0, 90.0]])
        );
        assert_eq!(
            live.json["extent"]["spatial"]["bbox"],
            json!([[1.0, 1.0, 2.0, 2.0]])
        );
        assert_eq!((declared.items, &declared.etag), (1, &live.etag));
        let other = catalog
            .delete_collection(&operator, "c", Some("\"0\""))
            .await;
        assert_eq!(
            other.expect_err("another version").kind(),
            ErrorKind::Changed
        );
    });
}

#[test]
fn extents_and_summaries_follow_the_items() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let declared = catalog.collection(&operator, "c").await.expect("there");
        assert_eq!(
            declared.json["extent"]["temporal"]["interval"],
            json!([[null, null]])
        );
        let mut items = vec![
            item("a", "2020-01-01T00:00:00Z", 1.0, 1.0),
            item("b", "2020-02-01T00:00:00Z", 5.0, 5.0),
            item("c", "2020-03-01T00:00:00Z", 9.0, 9.0),
        ];
        for (item, platform) in items.iter_mut().zip(["s2a", "s2a", "s2b"]) {
            item["properties"]["platform"] = platform.into();
            item["properties"]["eo:cloud_cover"] = item["bbox"][0].clone();
        }
        catalog
            .put_items(&operator, "c", &items, PutMode::Create)
            .await
            .expect("items");
        let live = catalog.collection(&operator, "c").await.expect("there");
        assert_eq!(live.items, 3);
        assert_eq!(
            live.json["extent"]["spatial"]["bbox"],
            json!([[1.0, 1.0, 10.0, 10.0]])
        );
        assert_eq!(
            live.json["extent"]["temporal"]["interval"],
            json!([["2020-01-01T00:00:00Z", "2020-03-01T00:00:00Z"]])
        );
        assert_eq!(live.json["summaries"]["platform"], json!(["s2a", "s2b"]));
        assert_eq!(
            live.json["summaries"]["eo:cloud_cover"],
            json!({"minimum": 1.0, "maximum": 9.0})
        );
        assert_eq!(live.etag, declared.etag);
        catalog
            .delete_item(&operator, "c", "c", None)
            .await
            .expect("gone");
        let moved = item("a", "2020-01-15T00:00:00Z", 4.0, 4.0);
        catalog
            .put_items(&operator, "c", &[moved], PutMode::Replace(None))
            .await
            .expect("moved");
        let live = catalog.collection(&operator, "c").await.expect("there");
        assert_eq!(live.items, 2);
        assert_eq!(
            live.json["extent"]["spatial"]["bbox"],
            json!([[4.0, 4.0, 6.0, 6.0]])
        );
        assert_eq!(
            live.json["extent"]["temporal"]["interval"],
            json!([["2020-01-15T00:00:00Z", "2020-02-01T00:00:00Z"]])
        );
        assert_eq!(live.json["summaries"]["platform"], json!(["s2a"]));
    });
}

#[test]
fn collections_are_found_by_words_place_and_time() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        for (id, west, year) in [("alps-snow", 5.0, 2018), ("baltic-ice", 15.0, 2020)] {
            put_collection(catalog, id).await;
            let items = [item("a", &format!("{year}-01-01T00:00:00Z"), west, 50.0)];
            catalog
                .put_items(&operator, id, &items, PutMode::Create)
                .await
                .expect("an item");
        }
        let found = async |search: CollectionSearch| {
            let found = catalog
                .collections(&operator, &search)
                .await
                .expect("a list");
            let ids = found
                .iter()
                .map(|found| found.json["id"].as_str().expect("an id").to_owned());
            ids.filter(|id| {
                id.contains('-') && (id.starts_with("alps") || id.starts_with("baltic"))
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(
            found(CollectionSearch::default()).await,
            ["alps-snow", "baltic-ice"]
        );
        assert_eq!(
            found(CollectionSearch {
                text: Some("SNOW the".into()),
                ..Default::default()
            })
            .await,
            ["alps-snow"]
        );
        let bbox = Some(Bbox {
            west: 14.0,
            south: 49.0,
            east: 16.0,
            north: 52.0,
        });
        assert_eq!(
            found(CollectionSearch {
                bbox,
                ..Default::default()
            })
            .await,
            ["baltic-ice"]
        );
        let interval = Interval {
            start: None,
            end: Some(parse_datetime("2019-01-01").expect("a date")),
        };
        assert_eq!(
            found(CollectionSearch {
                datetime: Some(interval),
                ..Default::default()
            })
            .await,
            ["alps-snow"]
        );
    });
}

#[test]
fn modes_of_registration_hold() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let first = object(json!({"id": "m", "title": "one"}));
        let missing = catalog
            .put_collection(&operator, &first, PutMode::Replace(None))
            .await;
        assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
        let etag = catalog
            .put_collection(&operator, &first, PutMode::Create)
            .await
            .expect("made");
        let again = catalog
            .put_collection(&operator, &first, PutMode::Create)
            .await;
        assert_eq!(again.expect_err("there").kind(), ErrorKind::Conflict);
        let second = object(json!({"id": "m", "title": "two"}));
        let newer = catalog
            .put_collection(&operator, &second, PutMode::Replace(Some(etag.clone())))
            .await
            .expect("replaced");
        assert_ne!(etag, newer);
        let changed = catalog
            .put_collection(&operator, &first, PutMode::Replace(Some(etag)))
            .await;
        assert_eq!(changed.expect_err("changed").kind(), ErrorKind::Changed);
        catalog
            .put_items(
                &operator,
                "m",
                &[item("a", "2020-01-01T00:00:00Z", 1.0, 1.0)],
                PutMode::Create,
            )
            .await
            .expect("an item");
        assert_eq!(
            catalog
                .delete_collection(&operator, "m", None)
                .await
                .expect_err("full")
                .kind(),
            ErrorKind::Conflict
        );
        catalog
            .delete_item(&operator, "m", "a", None)
            .await
            .expect("gone");
        catalog
            .delete_collection(&operator, "m", None)
            .await
            .expect("gone");
        assert_eq!(
            catalog
                .collection(&operator, "m")
                .await
                .expect_err("gone")
                .kind(),
            ErrorKind::NotFound
        );
    });
}
