//! A collection as declared: checked, and what says who sees it taken out.

use serde_json::{Map, Value, json};
use swath_access::{Resource, Role, Viewer, Visibility};

use crate::CatalogError;
use crate::filter::invalid;
use crate::record::{check_id, drop_structural_links};

/// Largest collection, in bytes of JSON.
const COLLECTION_BYTES_MAX: usize = 4 << 20;
/// Most places that a collection's assets may lie under.
pub(crate) const PREFIXES_MAX: usize = 100;

/// Checks that some JSON is a collection that can be registered.
///
/// # Errors
/// Where it is not.
pub(crate) fn check_collection(json: &Map<String, Value>) -> Result<(), CatalogError> {
    Declared::read(json).map(|_| ())
}

/// A collection as declared, without what its items say.
pub(crate) struct Declared {
    pub(crate) id: String,
    pub(crate) json: Map<String, Value>,
    owner: Option<String>,
    visibility: Option<Visibility>,
    prefixes: Option<Vec<String>>,
}

impl Declared {
    pub(crate) fn read(collection: &Map<String, Value>) -> Result<Self, CatalogError> {
        let mut json = collection.clone();
        let id = json
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        check_id(&id)?;
        let at = |reason: &str| invalid(format!("collection {id}: {reason}"));
        if json.get("type").is_some_and(|kind| kind != "Collection") {
            return Err(at("its type is not \"Collection\""));
        }
        let visibility = match json.shift_remove("swath:visibility") {
            None => None,
            Some(value) => Some(
                serde_json::from_value(value)
                    .map_err(|_| at("swath:visibility is neither \"public\" nor \"private\""))?,
            ),
        };
        let owner = match json.shift_remove("swath:owner") {
            None | Some(Value::Null) => None,
            Some(Value::String(owner)) => Some(owner),
            Some(_) => return Err(at("swath:owner is no text")),
        };
        let prefixes = match json.shift_remove("swath:prefixes") {
            None => None,
            Some(value) => Some(
                serde_json::from_value::<Vec<String>>(value)
                    .ok()
                    .filter(|prefixes| prefixes.len() <= PREFIXES_MAX)
                    .ok_or_else(|| at("swath:prefixes is no list of at most 100 texts"))?,
            ),
        };
        json.insert("type".into(), "Collection".into());
        for (name, value) in [
            ("stac_version", json!("1.1.0")),
            ("description", json!(id)),
            ("license", json!("other")),
            (
                "extent",
                json!({"spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]}, "temporal": {"interval": [[null, null]]}}),
            ),
        ] {
            json.entry(name).or_insert(value);
        }
        drop_structural_links(&mut json);
        if serde_json::to_string(&json).map_or(0, |text| text.len()) > COLLECTION_BYTES_MAX {
            return Err(CatalogError::Limit {
                reason: format!("collection {id} has more than {COLLECTION_BYTES_MAX} bytes"),
            });
        }
        Ok(Self {
            id,
            json,
            owner,
            visibility,
            prefixes,
        })
    }

    /// Settles who owns it and where its assets lie, from what was there and who asks.
    pub(crate) fn settle(
        mut self,
        viewer: &Viewer,
        known: Option<&Resource>,
    ) -> Result<(Self, Resource), CatalogError> {
        let is_operator = viewer.role() == Role::Operator;
        let denied = || CatalogError::Denied {
            what: format!("collection {}", self.id),
        };
        // Prefixes decide which bytes the server reads on behalf of others, with its own keys.
        if !is_operator && (self.prefixes.is_some() || viewer.subject().is_none()) {
            return Err(denied());
        }
        let subject = viewer.subject().map(str::to_owned);
        let owner = match (is_operator, known) {
            (true, known) => self
                .owner
                .take()
                .or_else(|| known.and_then(|known| known.owner().map(str::to_owned))),
            (false, Some(known)) => known.owner().map(str::to_owned),
            (false, None) => subject,
        };
        let default = if is_operator {
            Visibility::Public
        } else {
            Visibility::Private
        };
        let visibility = self
            .visibility
            .or(known.map(Resource::visibility))
            .unwrap_or(default);
        let prefixes = self.prefixes.take().unwrap_or_else(|| {
            known
                .map(|known| known.prefixes().to_vec())
                .unwrap_or_default()
        });
        let resource = Resource::new(self.id.as_str(), owner, visibility, prefixes);
        Ok((self, resource))
    }
}
