//! The items of a search, some at a time: what a page needs of an item is taken out of it before the
//! next ones come, so that no page of items is in memory as a whole.

use std::ops::ControlFlow;

use swath_access::Viewer;
use swath_catalog::{Catalog, CatalogError, StoredItem};
use swath_stac::{ItemSearch, PageStart};

/// Items asked for at once.
pub(crate) const CHUNK_ITEMS: u32 = 100;

/// Hands the items of `search` on in their order, at most `items_max`, until `take` breaks; the limit of
/// the search itself does not count. Returns the token of what follows.
///
/// # Errors
/// As [`Catalog::search`].
pub(crate) async fn each_item(
    catalog: &Catalog,
    viewer: &Viewer,
    search: &ItemSearch,
    items_max: u32,
    mut take: impl FnMut(StoredItem) -> ControlFlow<()> + Send,
) -> Result<Option<String>, CatalogError> {
    let mut search = search.clone();
    let mut left = items_max;
    // Each round takes an item at least, or is the last.
    while left > 0 {
        search.limit = Some(left.min(CHUNK_ITEMS));
        let page = catalog.search(viewer, &search).await?;
        let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        for item in page.items {
            if take(item).is_break() {
                return Ok(page.next);
            }
        }
        left = left.saturating_sub(count);
        match page.next {
            Some(token) if count > 0 && left > 0 => search.start = PageStart::Token(token),
            next => return Ok(next),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use swath_catalog::PutMode;

    use super::*;

    fn item(number: u32) -> Map<String, Value> {
        let value = json!({"id": format!("item-{number:03}"), "geometry": null,
            "properties": {"datetime": "2020-01-01T00:00:00Z"}});
        value.as_object().expect("an object").clone()
    }

    #[tokio::test]
    async fn items_come_in_order_as_many_as_are_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url).await.expect("a catalogue");
        let operator = Viewer::operator();
        let items: Vec<_> = (0..250).map(item).collect();
        let put = catalog.put_items(&operator, "modis", &items, PutMode::Create);
        put.await.expect("items");
        let search = ItemSearch {
            start: PageStart::Offset(3),
            ..ItemSearch::default()
        };
        for (items_max, expected) in [(0, 3..3), (5, 3..8), (220, 3..223), (1_000, 3..250)] {
            let mut ids = Vec::new();
            let next = each_item(&catalog, &operator, &search, items_max, |item| {
                ids.push(item.json["id"].as_str().unwrap_or_default().to_owned());
                ControlFlow::Continue(())
            });
            let next = next.await.expect("an answer");
            let wanted: Vec<_> = expected.clone().map(|n| format!("item-{n:03}")).collect();
            assert_eq!(ids, wanted);
            let has_more = items_max > 0 && expected.end < 250;
            assert_eq!(next.is_some(), has_more, "{items_max}");
        }
        let mut count = 0;
        let stopped = each_item(&catalog, &operator, &search, 1_000, |_| {
            count += 1;
            match count {
                120 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(stopped.await.expect("an answer").is_some());
        assert_eq!(count, 120);
        catalog.close().await;
    }
}
