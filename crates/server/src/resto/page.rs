//! One page of results, ready to be written.

use chrono::{DateTime, Utc};

use super::params::{Parameters, RestoQuery};

/// One page of results, each written as an `R` already, and what its writers need to know.
#[derive(Debug)]
pub(crate) struct Page<R> {
    /// The dialect's name of the collection, as asked; `None`: all collections.
    pub(crate) collection: Option<String>,
    /// What was sent.
    pub(crate) parameters: Parameters,
    /// What it means.
    pub(crate) query: RestoQuery,
    /// In the order asked for.
    pub(crate) records: Vec<R>,
    /// When the record that was changed last was changed.
    pub(crate) updated: Option<DateTime<Utc>>,
    /// True where more follow.
    pub(crate) has_next: bool,
    /// Number of all results, where it is known.
    pub(crate) total: Option<u64>,
    /// Seconds the search took.
    pub(crate) processing_time_s: f64,
}

/// A form of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// GeoJSON.
    Json,
    /// Atom.
    Atom,
}

impl Form {
    /// Returns the form's ending in paths.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Atom => "atom",
        }
    }
}

impl<R> Page<R> {
    /// Returns the path of a document beside this one: `search.json`, `describe.xml`.
    pub(crate) fn path(&self, document: &str) -> String {
        let collection = self
            .collection
            .as_deref()
            .map(|name| format!("/{}", crate::links::path_segment(name)));
        format!(
            "/resto/api/collections{}/{document}",
            collection.unwrap_or_default()
        )
    }

    /// Returns the path and query of the page that begins at `index`, counted from 1.
    pub(crate) fn path_of_index(&self, form: Form, index: u64) -> String {
        let document = format!("search.{}", form.ending());
        // Only one of the two may say where a page begins.
        let query = self
            .parameters
            .without("page")
            .with("index", &index.to_string());
        format!("{}?{query}", self.path(&document))
    }

    /// Returns the index of the first record, counted from 1.
    pub(crate) fn start_index(&self) -> u64 {
        self.query.offset + 1
    }

    /// Returns the index of the next page's first record.
    pub(crate) fn next_index(&self) -> Option<u64> {
        self.has_next
            .then(|| self.start_index() + self.records.len() as u64)
    }

    /// Returns the index of the previous page's first record.
    pub(crate) fn previous_index(&self) -> Option<u64> {
        let step = u64::from(self.query.max_records.max(1));
        (self.query.offset > 0).then(|| self.query.offset.saturating_sub(step) + 1)
    }
}
