//! Marks of the catalogue: the same while nothing changes, another one after any change.

use serde_json::json;
use swath_access::Viewer;
use swath_catalog::{Catalog, ChangeMark, PutMode};
use swath_stac::ItemSearch;

use crate::backend::{Backend, on_each};
use crate::sample::{item, object, put_collection};

async fn mark(catalog: &Catalog) -> ChangeMark {
    catalog.change_mark().await.expect("a mark")
}

#[test]
fn reading_leaves_the_mark_and_every_change_replaces_it() {
    on_each(async |catalog, backend, url| {
        let operator = Viewer::operator();
        // Another program has connections of its own.
        let other = Catalog::open(url).await.expect("it opens");
        put_collection(catalog, "c").await;
        let before = mark(catalog).await;
        let found = catalog.search(&operator, &ItemSearch::default()).await;
        assert!(found.expect("a page").items.is_empty());
        // A server of PostgreSQL has others to serve, whose changes count there.
        if backend == Backend::Sqlite {
            assert_eq!(mark(catalog).await, before);
            let budgeted = catalog.with_query_budget(std::time::Duration::ZERO);
            assert_eq!(mark(&budgeted).await, before);
        }
        let mut seen = vec![before];
        let mut check = async |what: &str| {
            let now = mark(catalog).await;
            assert!(!seen.contains(&now), "{what}: {now:?}");
            seen.push(now);
        };
        for (writer, day) in [(catalog, "01"), (&other, "02"), (&other, "03")] {
            let items = [item("a", &format!("2020-01-{day}T00:00:00Z"), 0.0, 0.0)];
            let put = writer.put_items(&operator, "c", &items, PutMode::Upsert);
            put.await.expect("an item");
            check("an item was put").await;
        }
        let private = object(
            json!({"id": "c", "type": "Collection", "description": "for tests",
            "license": "CC0-1.0", "swath:visibility": "private"}),
        );
        let put = other.put_collection(&operator, &private, PutMode::Upsert);
        put.await.expect("a collection");
        check("the collection was made private").await;
        other.close().await;
    });
}
