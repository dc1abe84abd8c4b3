//! Which products are held: their files lie in a store of the configuration.

use std::collections::HashMap;

use serde_json::Value;
use swath_access::{Resource, Viewer};
use swath_catalog::StoredCollection;

use crate::products::Product;
use crate::state::AppState;

/// What there is of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Its files can be downloaded.
    Files,
    /// It is known, its files are elsewhere or nowhere.
    Metadata,
}

/// What a viewer may download, by collection.
#[derive(Debug)]
pub(crate) struct Holdings<'a> {
    state: &'a AppState,
    viewer: &'a Viewer,
    resources: HashMap<String, Resource>,
}

impl<'a> Holdings<'a> {
    /// Returns the holdings of collections.
    pub(crate) fn new(
        state: &'a AppState,
        viewer: &'a Viewer,
        collections: &[StoredCollection],
    ) -> Self {
        let resources = collections.iter().filter_map(|collection| {
            let id = collection.json.get("id").and_then(Value::as_str)?;
            Some((id.to_owned(), collection.resource.clone()))
        });
        Self {
            state,
            viewer,
            resources: resources.collect(),
        }
    }

    /// Returns what there is of a product: judged by its first file, nothing is fetched.
    pub(crate) fn of(&self, product: &Product) -> Holding {
        let resource = self.resources.get(&product.item().collection);
        let files = product.files();
        let first = resource.zip(files.first());
        let is_held = first.is_some_and(|(resource, file)| {
            let resolved = self.state.stores.resolve(self.viewer, resource, &file.href);
            resolved.is_ok()
        });
        if is_held {
            Holding::Files
        } else {
            Holding::Metadata
        }
    }
}
