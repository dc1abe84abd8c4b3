//! What filters and sorts may name, as JSON schema (OGC API Features part 3, §8).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use swath_access::Viewer;

use crate::collections::Registered;
use crate::field::{COLUMNS, Kind};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Returns the JSON schema of what filters and sorts may name, of one collection or common to
    /// all. `$id` is the caller's to add.
    ///
    /// # Errors
    /// Where the collection is not there for this viewer; what the database says.
    pub async fn queryables(
        &self,
        viewer: &Viewer,
        collection: Option<&str>,
    ) -> Result<Map<String, Value>, CatalogError> {
        let seen: Vec<Registered> = match collection {
            Some(id) => vec![self.visible(viewer, id).await?],
            None => {
                let all = self.registered().await?;
                all.into_iter()
                    .filter(|registered| registered.is_visible(viewer))
                    .collect()
            }
        };
        let mut statement = self.database.statement();
        statement.push("SELECT name, kind, collection FROM fields WHERE collection IN ");
        statement.bind_list(seen.iter().map(|registered| registered.id.as_str()));
        statement.push(" ORDER BY name, kind");
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        for row in self.database.fetch(&statement).await? {
            let entry = found.entry(row.some_text(0)?).or_default();
            entry.kinds.insert(row.some_text(1)?);
            entry.collections.insert(row.some_text(2)?);
        }
        let holding = seen
            .iter()
            .filter(|registered| registered.items > 0)
            .count();
        let mut properties = Map::new();
        for column in COLUMNS.iter().filter(|column| !column.is_property) {
            properties.insert(column.name.into(), schema_of(column.name, column.kind));
        }
        for (name, entry) in found {
            let is_common = collection.is_some() || entry.collections.len() == holding;
            if is_common && !properties.contains_key(&name) {
                properties.insert(name.clone(), entry.schema(&name));
            }
        }
        let title = match collection {
            Some(id) => format!("Queryables of {id}"),
            None => "Queryables common to all collections".to_owned(),
        };
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "type": "object",
            "title": title,
            "properties": properties,
            "additionalProperties": true,
        });
        Ok(schema.as_object().cloned().unwrap_or_default())
    }
}

/// Of which types a property was found, and where.
#[derive(Debug, Default)]
struct Found {
    kinds: BTreeSet<String>,
    collections: BTreeSet<String>,
}

impl Found {
    fn schema(&self, name: &str) -> Value {
        let kinds = self.kinds.iter().map(|kind| match kind.as_str() {
            "number" => "number",
            "boolean" => "boolean",
            "list" => "array",
            _ => "string",
        });
        let kinds: Vec<&str> = kinds.collect();
        match kinds.as_slice() {
            ["string"] if name.ends_with("datetime") || name == "published" => {
                json!({"title": name, "type": "string", "format": "date-time"})
            }
            [only] => json!({"title": name, "type": only}),
            _ => json!({"title": name, "type": kinds}),
        }
    }
}

fn schema_of(name: &str, kind: Kind) -> Value {
    match kind {
        Kind::Number => json!({"title": name, "type": "number"}),
        Kind::Text => json!({"title": name, "type": "string"}),
        Kind::Boolean => json!({"title": name, "type": "boolean"}),
        Kind::Instant => json!({"title": name, "type": "string", "format": "date-time"}),
        Kind::Geometry => json!({"title": name, "format": "geometry-any",
            "$ref": "https://geojson.org/schema/Geometry.json"}),
    }
}
