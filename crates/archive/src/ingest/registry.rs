//! Registration in the catalogue: items, and the collections they need.

use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::{Catalog, CatalogError, ErrorKind, PutMode};

use crate::ArchiveError;

/// Collections that products belong to by their kind.
pub(super) const BUILT_IN: [&str; 11] = [
    "sentinel-1-grd",
    "sentinel-1-slc",
    "sentinel-2-l1c",
    "sentinel-2-l2a",
    "s1-card-bs",
    "s1-card-coh6",
    "landsat-c2-l2",
    "cop-dem-glo-30",
    "sentinel-3",
    "sentinel-5p",
    "modis",
];

/// Registers an item whose assets lie under one of `roots`.
///
/// A collection that is not there is made; one that does not name them among its prefixes gets them,
/// so that those who may see the collection may read the assets.
pub(super) async fn register(
    catalog: &Catalog,
    collection: &str,
    roots: &[String],
    item: Map<String, Value>,
) -> Result<(), ArchiveError> {
    let operator = Viewer::operator();
    for root in roots {
        let mut added = catalog.add_prefix(&operator, collection, root).await;
        if matches!(&added, Err(error) if error.kind() == ErrorKind::NotFound) {
            let json = new_collection(collection);
            let made = catalog.put_collection(&operator, &json, PutMode::Create);
            match made.await {
                // Another program was faster.
                Err(error) if error.kind() != ErrorKind::Conflict => {
                    return Err(ArchiveError::catalog(error));
                }
                _ => added = catalog.add_prefix(&operator, collection, root).await,
            }
        }
        added.map_err(ArchiveError::catalog)?;
    }
    let items = [item];
    let put = catalog.put_items(&operator, collection, &items, PutMode::Upsert);
    put.await.map(|_| ()).map_err(ArchiveError::catalog)
}

/// Returns a collection of which nothing is known but its name.
fn new_collection(id: &str) -> Map<String, Value> {
    let collection = json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": id,
        "title": id,
        "description": format!("Rasters ingested as {id}."),
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[null, null]]}
        },
        "links": []
    });
    match collection {
        Value::Object(collection) => collection,
        _ => Map::new(),
    }
}

/// Takes an item out of the catalogue; one that is not there is no error.
pub(super) async fn remove(
    catalog: &Catalog,
    collection: &str,
    id: &str,
) -> Result<(), ArchiveError> {
    let removed = catalog
        .delete_item(&Viewer::operator(), collection, id, None)
        .await;
    let is_absent = |error: &CatalogError| error.kind() == ErrorKind::NotFound;
    match removed {
        Err(error) if !is_absent(&error) => Err(ArchiveError::catalog(error)),
        _ => Ok(()),
    }
}
