//! What can be wrong with a question or with rows.

/// A question that makes no sense, or rows that are not those of an extract table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A word that stands for nothing.
    #[error("{what} \"{word}\" is not known; one of {known}")]
    Word {
        /// What it should have been: `format`, `period`, `column`.
        what: &'static str,
        /// What was sent.
        word: String,
        /// What there is.
        known: String,
    },
    /// Two parts of a question that exclude each other.
    #[error("{reason}")]
    Question {
        /// What to ask instead.
        reason: String,
    },
    /// Rows that lack a column, or have it in another type.
    #[error("the rows have no column \"{column}\" of the type that the extract table has")]
    Column {
        /// Its name.
        column: String,
    },
    /// Rows that cannot be written in a format.
    #[error("the rows cannot be written as {format}: {reason}")]
    Encode {
        /// The format.
        format: &'static str,
        /// What the writer said.
        reason: String,
    },
}

impl SeriesError {
    /// True where the question is at fault, not the data.
    pub fn is_question(&self) -> bool {
        matches!(self, Self::Word { .. } | Self::Question { .. })
    }
}
