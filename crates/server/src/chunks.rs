//! The items of a search, some at a time: what a page needs of an item is taken out of it before the
//! next ones come, so that no page of items is in memory as a whole.

use std::ops::ControlFlow;

use serde_json::Value;
use swath_access::Viewer;
use swath_catalog::{Catalog, CatalogError, StoredItem};
use swath_stac::{ItemSearch, PageStart};

/// Items asked for at once.
const CHUNK_ITEMS: u32 = 100;
/// Most bytes of items asked for at once, as JSON text; as a tree in memory they take some ten times that.
const CHUNK_BYTES_MAX: u64 = 2 << 20;
/// Most bytes of a page of records: what an item's properties and its geometry take in memory. A page of
/// larger records ends early.
const RECORDS_BYTES_MAX: usize = 20 << 20;

/// What an entry of an object takes beside its name and value: the name's own head, hash and place.
const ENTRY_BYTES: usize = 48;

/// How much is handed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    items_max: u32,
    bytes_max: usize,
}

impl PageSize {
    /// Returns the size of a page that keeps a record of each item, with properties and geometry.
    pub(crate) fn of_records(items_max: u32) -> Self {
        Self {
            items_max,
            bytes_max: RECORDS_BYTES_MAX,
        }
    }

    /// Returns the size of a list that keeps little of each item, however large that is.
    pub(crate) fn of_names(items_max: u32) -> Self {
        Self {
            items_max,
            bytes_max: usize::MAX,
        }
    }
}

/// Hands the items of `search` on in their order, as many as fit into a page, until `take` breaks; the
/// limit of the search itself does not count. Returns the token of what follows.
///
/// # Errors
/// As [`Catalog::search`].
pub(crate) async fn each_item(
    catalog: &Catalog,
    viewer: &Viewer,
    search: &ItemSearch,
    size: PageSize,
    mut take: impl FnMut(StoredItem) -> ControlFlow<()> + Send,
) -> Result<Option<String>, CatalogError> {
    let mut search = search.clone();
    let mut left = size.items_max;
    let mut bytes = 0_usize;
    // Each round takes an item at least, or is the last.
    while left > 0 {
        search.limit = Some(left.min(CHUNK_ITEMS));
        let page = catalog
            .search_within(viewer, &search, CHUNK_BYTES_MAX)
            .await?;
        let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        for item in page.items {
            bytes = bytes.saturating_add(bytes_of_record(&item));
            if take(item).is_break() {
                return Ok(page.next);
            }
        }
        left = left.saturating_sub(count);
        let is_full = left == 0 || bytes > size.bytes_max;
        match page.next {
            Some(token) if count > 0 && !is_full => search.start = PageStart::Token(token),
            next => return Ok(next),
        }
    }
    Ok(None)
}

/// Returns about how many bytes the properties and the geometry of an item take in memory.
fn bytes_of_record(item: &StoredItem) -> usize {
    let parts = ["properties", "geometry"].map(|name| item.json.get(name));
    parts.into_iter().flatten().map(bytes_of_value).sum()
}

/// Returns about how many bytes a value takes in memory. Its depth is that of parsed JSON: 128 at most.
fn bytes_of_value(value: &Value) -> usize {
    let within: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(members) => members.iter().map(bytes_of_value).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| ENTRY_BYTES + name.len() + bytes_of_value(member))
            .sum(),
        _ => 0,
    };
    within + size_of::<Value>()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
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
            let next = each_item(
                &catalog,
                &operator,
                &search,
                PageSize::of_names(items_max),
                |item| {
                    ids.push(item.json["id"].as_str().unwrap_or_default().to_owned());
                    ControlFlow::Continue(())
                },
            );
            let next = next.await.expect("an answer");
            let wanted: Vec<_> = expected.clone().map(|n| format!("item-{n:03}")).collect();
            assert_eq!(ids, wanted);
            let has_more = items_max > 0 && expected.end < 250;
            assert_eq!(next.is_some(), has_more, "{items_max}");
        }
        let mut count = 0;
        let stopped = each_item(
            &catalog,
            &operator,
            &search,
            PageSize::of_names(1_000),
            |_| {
                count += 1;
                match count {
                    120 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        );
        assert!(stopped.await.expect("an answer").is_some());
        assert_eq!(count, 120);
        let small = PageSize {
            items_max: 1_000,
            bytes_max: 30_000,
        };
        let mut seen = 0;
        let ended = each_item(&catalog, &operator, &search, small, |_| {
            seen += 1;
            ControlFlow::Continue(())
        });
        assert!(ended.await.expect("an answer").is_some());
        assert_eq!(seen, 100, "a page ends with the chunk that fills it");
        catalog.close().await;
    }
}
