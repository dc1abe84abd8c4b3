//! Columns → lists: what every answer of the interface is.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// Columns in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns(Map<String, Value>);

impl Columns {
    /// Returns columns without rows.
    pub(super) fn empty(names: &[&str]) -> Self {
        let column = |name: &&str| ((*name).to_owned(), Value::Array(Vec::new()));
        Self(names.iter().map(column).collect())
    }

    /// Adds a column.
    pub(super) fn push(&mut self, name: &str, values: impl IntoIterator<Item = impl Into<Value>>) {
        let values = values.into_iter().map(Into::into).collect();
        self.0.insert(name.to_owned(), Value::Array(values));
    }
}

impl IntoResponse for Columns {
    fn into_response(self) -> Response {
        Json(Value::Object(self.0)).into_response()
    }
}
