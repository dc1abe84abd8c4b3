//! The whole catalogue copied and restored, within a database and from one kind into the other.

use serde_json::{Value, json};
use swath_access::Viewer;
use swath_catalog::{Catalog, CollectionSearch, ErrorKind, PutMode, RestoreCounts, RestoreMode};
use swath_grid::Bbox;
use swath_stac::{ItemSearch, SortField};

use crate::backend::on_both;
use crate::sample::{item, object, put_collection, varied};

/// Fills a catalogue with items that were changed and removed, and a private collection.
async fn fill(catalog: &Catalog) {
    let operator = Viewer::operator();
    put_collection(catalog, "c").await;
    let items = varied(230);
    let put = catalog
        .put_items(&operator, "c", &items, PutMode::Create)
        .await;
    put.expect("items");
    // The ends of ranges go: they are to be found anew.
    for id in ["item-0001", "item-0002", "item-0113"] {
        let gone = catalog.delete_item(&operator, "c", id, None).await;
        gone.expect("removed");
    }
    let mut changed = items[7].clone();
    changed["properties"]["rank"] = json!(77);
    let put = catalog
        .put_items(&operator, "c", &[changed], PutMode::Upsert)
        .await;
    put.expect("changed");
    let private = object(
        json!({"id": "p", "type": "Collection", "description": "d", "license": "other",
        "swath:visibility": "private", "swath:owner": "ada", "swath:prefixes": ["s3://b/p"]}),
    );
    let put = catalog
        .put_collection(&operator, &private, PutMode::Create)
        .await;
    put.expect("a collection");
    let item = item(
        "x",
        "2020-01-01T00:00:00.000001Z",
        9.123_456_789_012_345,
        1.0 / 3.0,
    );
    let put = catalog
        .put_items(&operator, "p", &[item], PutMode::Create)
        .await;
    put.expect("an item");
}

/// Returns all that a catalogue answers, as text.
async fn answers(catalog: &Catalog) -> Vec<String> {
    let mut answers = Vec::new();
    for viewer in [
        Viewer::operator(),
        Viewer::member("ada"),
        Viewer::anonymous(),
    ] {
        let found = catalog
            .collections(&viewer, &CollectionSearch::default())
            .await;
        for stored in found.expect("collections") {
            let resource = &stored.resource;
            answers.push(format!(
                "{} {} {} {:?} {:?} {:?}",
                Value::Object(stored.json),
                stored.etag,
                stored.items,
                resource.owner(),
                stored.visibility,
                resource.prefixes()
            ));
        }
        let sort = SortField {
            field: "datetime".into(),
            is_descending: true,
        };
        let bbox = Bbox {
            west: 3.0,
            south: 41.0,
            east: 12.0,
            north: 47.0,
        };
        let searches = [
            ItemSearch::default(),
            ItemSearch {
                bbox: Some(bbox),
                ..ItemSearch::default()
            },
            ItemSearch {
                sort: vec![sort],
                ..ItemSearch::default()
            },
        ];
        for search in searches {
            let search = ItemSearch {
                limit: Some(1_000),
                ..search
            };
            let page = catalog.search(&viewer, &search).await.expect("a page");
            answers.extend(page.items.into_iter().map(|stored| {
                format!(
                    "{} {} {} {} {}",
                    Value::Object(stored.json),
                    stored.etag,
                    stored.uuid,
                    stored.created,
                    stored.updated
                )
            }));
        }
    }
    answers
}

/// Copies all of one catalogue into another.
async fn copy(
    from: &Catalog,
    to: &Catalog,
    mode: RestoreMode,
) -> Result<RestoreCounts, swath_catalog::CatalogError> {
    let operator = Viewer::operator();
    let mut snapshot = from.snapshot(&operator).await?;
    let mut restoration = to.restore(&operator, mode).await?;
    let (mut collections, mut items) = (0, 0);
    loop {
        let page = snapshot.next_collections().await?;
        if page.is_empty() {
            break;
        }
        collections += page.len() as u64;
        for collection in page {
            restoration.put_collection(collection).await?;
        }
    }
    loop {
        let page = snapshot.next_items().await?;
        if page.is_empty() {
            break;
        }
        items += page.len() as u64;
        restoration.put_items(&page).await?;
    }
    assert_eq!(
        (snapshot.collections(), snapshot.items()),
        (collections, items)
    );
    restoration.finish().await
}

async fn sqlite(folder: &tempfile::TempDir, name: &str) -> Catalog {
    let url = format!("sqlite:{}", folder.path().join(name).display());
    Catalog::open(&url).await.expect("SQLite opens")
}

#[test]
fn a_copy_from_sqlite_answers_alike_in_both_databases() {
    on_both(async |catalog| {
        let folder = tempfile::tempdir().expect("a folder");
        let source = sqlite(&folder, "source.sqlite").await;
        fill(&source).await;
        let counts = copy(&source, catalog, RestoreMode::Empty)
            .await
            .expect("copied");
        assert_eq!((counts.items, counts.items_kept), (228, 0));
        assert_eq!(answers(catalog).await, answers(&source).await);
        // It goes on as any other: new items get numbers of their own.
        let new = item("new", "2021-01-01T00:00:00Z", 1.0, 1.0);
        let put = catalog
            .put_items(&Viewer::operator(), "c", &[new], PutMode::Create)
            .await;
        put.expect("an item");
    });
}

#[test]
fn a_copy_of_both_databases_answers_alike_in_sqlite() {
    on_both(async |catalog| {
        let folder = tempfile::tempdir().expect("a folder");
        fill(catalog).await;
        let target = sqlite(&folder, "target.sqlite").await;
        copy(catalog, &target, RestoreMode::Empty)
            .await
            .expect("copied");
        assert_eq!(answers(&target).await, answers(catalog).await);
    });
}

#[test]
fn a_catalogue_that_is_not_empty_is_refused_merged_or_replaced() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        let folder = tempfile::tempdir().expect("a folder");
        let source = sqlite(&folder, "source.sqlite").await;
        fill(&source).await;
        let own = item("own", "2019-01-01T00:00:00Z", 1.0, 1.0);
        let put = catalog
            .put_items(&operator, "sentinel-3", &[own], PutMode::Create)
            .await;
        put.expect("an item");
        let before = answers(catalog).await;
        let error = copy(&source, catalog, RestoreMode::Empty)
            .await
            .expect_err("not empty");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("sentinel-3"), "{error}");
        assert_eq!(answers(catalog).await, before);
        let merged = copy(&source, catalog, RestoreMode::Merge)
            .await
            .expect("merged");
        assert_eq!((merged.items, merged.collections_kept), (228, 1));
        let again = copy(&source, catalog, RestoreMode::Merge)
            .await
            .expect("merged");
        assert_eq!((again.items, again.items_kept), (0, 228));
        let replaced = copy(&source, catalog, RestoreMode::Replace)
            .await
            .expect("replaced");
        assert_eq!((replaced.items, replaced.items_kept), (228, 0));
        assert_eq!(answers(catalog).await, answers(&source).await);
    });
}

#[test]
fn a_restoration_that_does_not_end_changes_nothing() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        fill(catalog).await;
        let before = answers(catalog).await;
        let page = {
            let mut snapshot = catalog.snapshot(&operator).await.expect("a look");
            snapshot.next_items().await.expect("items")
        };
        let mut restoration = catalog
            .restore(&operator, RestoreMode::Replace)
            .await
            .expect("begun");
        let error = restoration
            .put_items(&page)
            .await
            .expect_err("no collection");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        drop(restoration);
        assert_eq!(answers(catalog).await, before);
        // Only the operator sees or changes all of it.
        for viewer in [Viewer::member("ada"), Viewer::anonymous()] {
            let error = catalog.snapshot(&viewer).await.expect_err("denied");
            assert_eq!(error.kind(), ErrorKind::Denied);
            let error = catalog.restore(&viewer, RestoreMode::Replace).await;
            assert_eq!(error.expect_err("denied").kind(), ErrorKind::Denied);
        }
    });
}

#[test]
fn a_look_does_not_change_while_others_write() {
    on_both(async |catalog| {
        let operator = Viewer::operator();
        fill(catalog).await;
        let mut snapshot = catalog.snapshot(&operator).await.expect("a look");
        let first = snapshot.next_items().await.expect("items").len() as u64;
        let new = item("late", "2021-01-01T00:00:00Z", 1.0, 1.0);
        let put = catalog
            .put_items(&operator, "c", &[new], PutMode::Create)
            .await;
        put.expect("an item");
        let mut count = first;
        loop {
            let page = snapshot.next_items().await.expect("items");
            if page.is_empty() {
                break;
            }
            assert!(page.iter().all(|item| item.id != "late"));
            count += page.len() as u64;
        }
        assert_eq!(count, snapshot.items());
    });
}

#[test]
fn the_database_tells_of_itself() {
    on_both(async |catalog| {
        fill(catalog).await;
        let status = catalog.status(&Viewer::operator()).await.expect("a status");
        assert_eq!((status.collections, status.items), (13, 228));
        assert!(
            status.migration >= 1 && status.damage.is_empty(),
            "{status:?}"
        );
        assert_eq!(status.postgis.is_some(), status.clock.is_some());
        assert_eq!(
            status.postgis.is_none(),
            status.engine.starts_with("SQLite 3.")
        );
    });
}
