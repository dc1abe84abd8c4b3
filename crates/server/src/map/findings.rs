//! What the catalogue said of layers and their items, kept while nothing of it changes.
//!
//! Everything is known by the viewer it was found for and by the mark of the catalogue that was taken
//! before it was looked for. A request takes a mark of its own first; where that is another one, all
//! that is kept is forgotten. So a change shows in the next request, whichever program made it, and
//! nobody is shown what was found for somebody else.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, Mutex, PoisonError};

use swath_access::Viewer;
use swath_catalog::ChangeMark;
use swath_grid::GeoBox;

use super::bands::ItemBand;
use super::layer::{FoundLayer, MapItem};
use super::selection::Selected;

/// Most layers and selections that are kept: the views of some dozens of people. One takes a few kilobytes.
const FINDINGS_MAX: usize = 2_000;
/// Most bytes of all that is kept, as far as they are counted.
const FINDINGS_BYTES_MAX: usize = 32 << 20;
/// What JSON in memory takes of each byte of its text, about.
const BYTES_PER_JSON_BYTE: usize = 4;

/// What was found, for all requests.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// What is kept was found after it was taken.
    mark: Option<ChangeMark>,
    layers: HashMap<FindingKey, Arc<FoundLayer>>,
    selections: HashMap<FindingKey, (GeoBox, Selected)>,
    /// Each item once, however many selections it is in.
    items: HashMap<ItemKey, Arc<MapItem>>,
    bytes: usize,
}

impl Held {
    fn since(mark: &ChangeMark) -> Self {
        Self {
            mark: Some(mark.clone()),
            ..Self::default()
        }
    }
}

/// For whom, and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FindingKey {
    viewer: Viewer,
    asked: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ItemKey {
    collection: String,
    id: String,
    etag: String,
}

impl FindingKey {
    fn new(viewer: &Viewer, asked: &str) -> Self {
        Self {
            viewer: viewer.clone(),
            asked: asked.to_owned(),
        }
    }
}

impl Findings {
    /// Returns a layer by name.
    pub(super) fn layer(
        &self,
        mark: &ChangeMark,
        viewer: &Viewer,
        name: &str,
    ) -> Option<Arc<FoundLayer>> {
        let key = FindingKey::new(viewer, name);
        self.look(mark, |held| held.layers.get(&key).cloned())
    }

    /// Keeps a layer that was found after `mark` was taken.
    pub(super) fn keep_layer(&self, mark: &ChangeMark, viewer: &Viewer, layer: Arc<FoundLayer>) {
        let bytes = layer_bytes(&layer);
        let key = FindingKey::new(viewer, &layer.name);
        self.keep(mark, bytes, |held| {
            held.layers.insert(key, layer);
        });
    }

    /// Returns what was selected of a layer for a grid; `asked` says everything else.
    pub(super) fn selection(
        &self,
        mark: &ChangeMark,
        viewer: &Viewer,
        asked: &str,
        geobox: &GeoBox,
    ) -> Option<Selected> {
        let key = FindingKey::new(viewer, asked);
        self.look(mark, |held| {
            // The text of a CRS without a code need not say all of it.
            let (of, selected) = held.selections.get(&key)?;
            (of == geobox).then(|| selected.clone())
        })
    }

    /// Keeps a selection that was made after `mark` was taken.
    pub(super) fn keep_selection(
        &self,
        mark: &ChangeMark,
        viewer: &Viewer,
        asked: &str,
        (geobox, selected): (GeoBox, Selected),
    ) {
        let key = FindingKey::new(viewer, asked);
        let places = selected.items.len() * size_of::<Arc<MapItem>>();
        let bytes = size_of::<(GeoBox, Selected)>() + asked.len() + places;
        self.keep(mark, bytes, |held| {
            held.selections.insert(key, (geobox, selected));
        });
    }

    /// Returns the one copy of an item that all selections share.
    pub(super) fn shared_item(
        &self,
        mark: &ChangeMark,
        collection: &str,
        item: MapItem,
    ) -> Arc<MapItem> {
        let key = ItemKey {
            collection: collection.to_owned(),
            id: item.id.clone(),
            etag: item.etag.clone(),
        };
        if let Some(item) = self.look(mark, |held| held.items.get(&key).cloned()) {
            return item;
        }
        let item = Arc::new(item);
        let shared = item.clone();
        self.keep(mark, item_bytes(&item), |held| {
            held.items.insert(key, shared);
        });
        item
    }

    /// Forgets what was kept before `mark` was taken: what every request begins with.
    pub(super) fn begin_at(&self, mark: &ChangeMark) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.mark.as_ref() == Some(mark) {
            return;
        }
        let old = std::mem::replace(&mut *held, Held::since(mark));
        drop(held);
        // Others need not wait for this.
        drop(old);
    }

    fn look<T>(&self, mark: &ChangeMark, find: impl FnOnce(&Held) -> Option<T>) -> Option<T> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.mark.as_ref() == Some(mark) {
            true => find(&held),
            false => None,
        }
    }

    fn keep(&self, mark: &ChangeMark, bytes: usize, insert: impl FnOnce(&mut Held)) {
        let mut old = None;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody saw a later state meanwhile.
        if held.mark.as_ref() != Some(mark) {
            return;
        }
        let count = held.layers.len() + held.selections.len();
        if held.bytes + bytes > FINDINGS_BYTES_MAX || count >= FINDINGS_MAX {
            old = Some(std::mem::replace(&mut *held, Held::since(mark)));
        }
        held.bytes += bytes;
        insert(&mut held);
        drop(held);
        drop(old);
    }
}

fn layer_bytes(layer: &FoundLayer) -> usize {
    let text = serde_json::to_string(&layer.collection).map_or(0, |text| text.len());
    let newest = layer.newest.as_deref().map_or(0, item_bytes);
    // A style of a layer is about as large as a band of its item.
    size_of::<FoundLayer>() + text * BYTES_PER_JSON_BYTE + 2 * newest
}

fn item_bytes(item: &MapItem) -> usize {
    let of_band = |band: &ItemBand| {
        let texts = [&band.name, &band.key, &band.href].map(String::len);
        let more = [&band.common_name, &band.title, &band.unit, &band.data_type]
            .map(|text| text.as_ref().map_or(0, String::len));
        let nodata = band.nodata.iter().flatten().map(String::len);
        let lists = band.nodata.len() * size_of::<Option<String>>()
            + band.classes.len() * (size_of::<swath_raster::ClassColor>() + 24);
        let texts: usize = texts.into_iter().chain(more).chain(nodata).sum();
        size_of::<ItemBand>() + texts + lists
    };
    let bands: usize = item.bands.iter().map(of_band).sum();
    size_of::<MapItem>() + bands + 3 * (item.id.len() + item.etag.len())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use swath_access::{Resource, Visibility};
    use swath_catalog::{Catalog, PutMode};

    use super::*;

    fn layer(name: &str, text: usize) -> Arc<FoundLayer> {
        let description = json!("x".repeat(text));
        Arc::new(FoundLayer {
            name: name.to_owned(),
            collection: Map::from_iter([("description".to_owned(), description)]),
            resource: Resource::new(name, None, Visibility::Public, Vec::new()),
            etag: "\"1\"".to_owned(),
            item: None,
            newest: None,
            styles: Vec::new(),
        })
    }

    #[tokio::test]
    async fn findings_are_of_one_viewer_and_one_state() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url).await.expect("a catalogue");
        let first = catalog.change_mark().await.expect("a mark");
        let findings = Findings::default();
        findings.begin_at(&first);
        let (ada, bob) = (Viewer::member("ada"), Viewer::member("bob"));
        let operator = Viewer::operator();
        findings.keep_layer(&first, &ada, layer("c", 10));
        assert!(findings.layer(&first, &ada, "c").is_some());
        for other in [&bob, &Viewer::anonymous(), &operator] {
            assert!(findings.layer(&first, other, "c").is_none());
        }
        let collection =
            json!({"id": "c", "type": "Collection", "description": "d", "license": "other"});
        let collection = collection.as_object().expect("an object");
        let put = catalog.put_collection(&operator, collection, PutMode::Create);
        put.await.expect("a collection");
        let second = catalog.change_mark().await.expect("a mark");
        assert!(findings.layer(&second, &ada, "c").is_none());
        findings.begin_at(&second);
        // Who still works with what was before gets and keeps nothing.
        findings.keep_layer(&first, &ada, layer("c", 10));
        assert!(findings.layer(&first, &ada, "c").is_none());
        assert!(findings.layer(&second, &ada, "c").is_none());
        catalog.close().await;
        check_bounds(&findings, &second, &ada);
    }

    fn check_bounds(findings: &Findings, mark: &ChangeMark, viewer: &Viewer) {
        let text = FINDINGS_BYTES_MAX / BYTES_PER_JSON_BYTE / 4;
        for name in ["a", "b", "c"] {
            findings.keep_layer(mark, viewer, layer(name, text));
        }
        assert!(findings.layer(mark, viewer, "a").is_some());
        findings.keep_layer(mark, viewer, layer("d", text));
        assert!(findings.layer(mark, viewer, "a").is_none());
        assert!(findings.layer(mark, viewer, "d").is_some());
    }
}
