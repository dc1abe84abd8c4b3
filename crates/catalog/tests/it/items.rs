//! Items: registration, retrieval, removal, opening.

use serde_json::json;
use swath_access::Viewer;
use swath_catalog::{Catalog, ErrorKind, PutMode};
use swath_stac::ItemSearch;

use crate::backend::{Backend, on_both, on_each};
use crate::sample::{item, put_collection, varied};

#[test]
fn item_comes_back_whole() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let mut given = item("a", "2020-01-01T00:00:00.024Z", 1.0, 1.0);
        given.insert(
            "assets".into(),
            json!({"B04": {"href": "s3://b/B04.tif", "nested": {"z": 1.0, "a": [1, null]}}}),
        );
        given.insert("unheard:of".into(), json!({"keep": "me"}));
        given["links"] = json!([{"rel": "self", "href": "x"}, {"rel": "license", "href": "y"}]);
        given["properties"]["created"] = "1999-01-01T00:00:00Z".into();
        let etags = catalog
            .put_items(
                &operator,
                "c",
                std::slice::from_ref(&given),
                PutMode::Create,
            )
            .await
            .expect("put");
        let stored = catalog.item(&operator, "c", "a").await.expect("there");
        assert_eq!(etags, std::slice::from_ref(&stored.etag));
        assert_eq!(stored.json["assets"], given["assets"]);
        assert_eq!(stored.json["unheard:of"], given["unheard:of"]);
        assert_eq!(
            stored.json["properties"]["datetime"],
            "2020-01-01T00:00:00.024Z"
        );
        assert_eq!(
            stored.json["links"],
            json!([{"rel": "license", "href": "y"}])
        );
        assert_ne!(stored.json["properties"]["created"], "1999-01-01T00:00:00Z");
        assert_eq!(
            catalog
                .item_by_uuid(&operator, stored.uuid)
                .await
                .expect("the same")
                .json,
            stored.json
        );
    });
}

#[test]
fn modes_of_registration_hold() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let first = item("a", "2020-01-01T00:00:00Z", 1.0, 1.0);
        let second = item("a", "2020-01-02T00:00:00Z", 1.0, 1.0);
        let put = async |item: &serde_json::Map<_, _>, mode| {
            catalog
                .put_items(&operator, "c", std::slice::from_ref(item), mode)
                .await
        };
        let missing = put(&first, PutMode::Replace(None)).await;
        assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
        let etag = put(&first, PutMode::Create).await.expect("made").remove(0);
        assert_eq!(
            put(&first, PutMode::Create)
                .await
                .expect_err("there")
                .kind(),
            ErrorKind::Conflict
        );
        let before = catalog.item(&operator, "c", "a").await.expect("there");
        // The same content changes nothing.
        put(&first, PutMode::Upsert).await.expect("the same");
        assert_eq!(
            catalog
                .item(&operator, "c", "a")
                .await
                .expect("there")
                .updated,
            before.updated
        );
        put(&second, PutMode::Replace(Some(etag.clone())))
            .await
            .expect("replaced");
        let after = catalog.item(&operator, "c", "a").await.expect("there");
        assert_eq!(after.created, before.created);
        assert!(after.updated > before.updated);
        assert_eq!(
            put(&first, PutMode::Replace(Some(etag.clone())))
                .await
                .expect_err("changed")
                .kind(),
            ErrorKind::Changed
        );
        let gone = catalog.delete_item(&operator, "c", "a", Some(&etag)).await;
        assert_eq!(gone.expect_err("changed").kind(), ErrorKind::Changed);
        catalog
            .delete_item(&operator, "c", "a", Some(&after.etag))
            .await
            .expect("gone");
        assert_eq!(
            catalog
                .item(&operator, "c", "a")
                .await
                .expect_err("gone")
                .kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            catalog
                .delete_item(&operator, "c", "a", None)
                .await
                .expect_err("gone")
                .kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn many_items_are_registered_all_or_none() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let mut items = varied(450);
        items[449]["properties"]["datetime"] = json!(17);
        let error = catalog
            .put_items(&operator, "c", &items, PutMode::Create)
            .await
            .expect_err("one is wrong");
        assert!(error.to_string().contains("item-0449"), "{error}");
        assert_eq!(
            catalog
                .count(&operator, &ItemSearch::default())
                .await
                .expect("a count"),
            0
        );
        items.truncate(449);
        catalog
            .put_items(&operator, "c", &items, PutMode::Create)
            .await
            .expect("all");
        items.push(item("new", "2020-01-01T00:00:00Z", 1.0, 1.0));
        let conflict = catalog
            .put_items(&operator, "c", &items, PutMode::Create)
            .await;
        assert_eq!(conflict.expect_err("there").kind(), ErrorKind::Conflict);
        assert_eq!(
            catalog
                .count(&operator, &ItemSearch::default())
                .await
                .expect("a count"),
            449
        );
        // Of two with one id the later counts.
        let twice = [
            item("t", "2020-01-01T00:00:00Z", 1.0, 1.0),
            item("t", "2020-06-01T00:00:00Z", 1.0, 1.0),
        ];
        let etags = catalog
            .put_items(&operator, "c", &twice, PutMode::Upsert)
            .await
            .expect("both");
        assert_eq!(
            catalog.item(&operator, "c", "t").await.expect("there").etag,
            etags[1]
        );
    });
}

#[test]
fn who_may_see_but_not_change_is_denied() {
    on_both(async |catalog| {
        put_collection(catalog, "c").await;
        let items = [item("a", "2020-01-01T00:00:00Z", 1.0, 1.0)];
        for viewer in [Viewer::anonymous(), Viewer::member("ada")] {
            let error = catalog
                .put_items(&viewer, "c", &items, PutMode::Upsert)
                .await
                .expect_err("denied");
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(!catalog.may_write(&viewer, "c").await.expect("it is there"));
        }
        let nowhere = catalog
            .put_items(&Viewer::operator(), "d", &items, PutMode::Upsert)
            .await;
        assert_eq!(
            nowhere.expect_err("no collection").kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn catalogue_opens_again_and_refuses_a_newer_one() {
    on_each(async |catalog, backend, url| {
        put_collection(catalog, "c").await;
        let again = Catalog::open(url).await.expect("the second time");
        assert!(again.collection(&Viewer::anonymous(), "c").await.is_ok());
        again.close().await;
        let sql = "INSERT INTO swath_migrations (component, number, name) VALUES ('catalog', 9999, 'later')";
        match backend {
            Backend::Sqlite => {
                use sqlx::Connection;
                let mut connection = sqlx::SqliteConnection::connect(url)
                    .await
                    .expect("the file");
                sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .expect("a row");
            }
            Backend::Postgres => {
                use sqlx::Connection;
                let mut connection = sqlx::PgConnection::connect(url).await.expect("the server");
                sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .expect("a row");
            }
        }
        let error = Catalog::open(url).await.expect_err("newer");
        assert!(error.to_string().contains("newer program"), "{error}");
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for (url, part) in [
            ("mysql://x", "no database"),
            ("sqlite:", "no database"),
            ("sqlite:/proc/no/such/catalog.sqlite", "cannot be reached"),
            ("postgres://ada:secret@127.0.0.1:1/x", "cannot be reached"),
        ] {
            let error = Catalog::open(url).await.expect_err(url);
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    });
}
