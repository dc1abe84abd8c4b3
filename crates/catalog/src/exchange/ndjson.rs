//! One item per line; an item collection as a whole is read too.

use std::io::{BufRead, Read, Write};

use serde_json::{Map, Value};

use super::{LINE_BYTES_MAX, unreadable};
use crate::CatalogError;

/// Reads items, one per line. A line with an ItemCollection (`features`) gives its items.
///
/// Items come one by one; a line that is none is an error with its number, and the last one.
pub fn read_ndjson(
    reader: impl BufRead,
) -> impl Iterator<Item = Result<Map<String, Value>, CatalogError>> {
    read_documents(reader).flat_map(|line| match line {
        Ok(document) => items_of(document),
        Err(error) => vec![Err(error)],
    })
}

/// Reads JSON objects, one per line, whatever they are.
///
/// A line that is none is an error with its number, and the last one.
pub fn read_documents(
    reader: impl BufRead,
) -> impl Iterator<Item = Result<Map<String, Value>, CatalogError>> {
    let mut lines = Lines {
        reader,
        number: 0,
        has_failed: false,
    };
    std::iter::from_fn(move || lines.next())
}

/// Returns the items of a document: of an ItemCollection its features, else the document itself.
pub fn items_of(mut document: Map<String, Value>) -> Vec<Result<Map<String, Value>, CatalogError>> {
    let is_collection = document
        .get("type")
        .is_some_and(|kind| kind == "FeatureCollection");
    if !is_collection {
        return vec![Ok(document)];
    }
    let features = match document.shift_remove("features") {
        Some(Value::Array(features)) => features,
        _ => Vec::new(),
    };
    let items = features.into_iter().map(|value| match value {
        Value::Object(object) => Ok(object),
        _ => Err(unreadable("a feature of the collection is no object")),
    });
    items.collect()
}

struct Lines<R> {
    reader: R,
    number: u64,
    has_failed: bool,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Option<Result<Map<String, Value>, CatalogError>> {
        if self.has_failed {
            return None;
        }
        loop {
            self.number += 1;
            let mut line = Vec::new();
            let mut limited = (&mut self.reader).take(LINE_BYTES_MAX + 1);
            let read = limited.read_until(b'\n', &mut line);
            let parsed = match read {
                Err(error) => Err(unreadable(format_args!("line {}: {error}", self.number))),
                Ok(0) => return None,
                Ok(bytes) if bytes as u64 > LINE_BYTES_MAX => Err(CatalogError::Limit {
                    reason: format!("line {} has more than {LINE_BYTES_MAX} bytes", self.number),
                }),
                Ok(_) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(_) => serde_json::from_slice(&line).map_err(|error| {
                    unreadable(format_args!(
                        "line {} is no JSON object: {error}",
                        self.number
                    ))
                }),
            };
            self.has_failed = parsed.is_err();
            return Some(parsed);
        }
    }
}

/// Writes one item as a line.
///
/// # Errors
/// What the writer says.
pub fn write_ndjson(writer: &mut impl Write, item: &Map<String, Value>) -> std::io::Result<()> {
    serde_json::to_writer(&mut *writer, item)?;
    writer.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_collections_are_read() {
        let text = "{\"id\": \"a\"}\n\n{\"type\": \"FeatureCollection\", \"features\": [{\"id\": \"b\"}, {\"id\": \"c\"}]}\n{\"id\": \"d\"}";
        let ids: Vec<_> = read_ndjson(text.as_bytes())
            .map(|item| item.expect("an item")["id"].clone())
            .collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        let mut written = Vec::new();
        for item in read_ndjson(text.as_bytes()) {
            write_ndjson(&mut written, &item.expect("an item")).expect("memory");
        }
        assert_eq!(written.split(|byte| *byte == b'\n').count(), 5);
    }

    #[test]
    fn wrong_line_is_named_and_ends_the_reading() {
        let items: Vec<_> = read_ndjson("{}\n[]\n{}".as_bytes()).collect();
        assert_eq!(items.len(), 2);
        assert!(
            items[1]
                .as_ref()
                .expect_err("a list")
                .to_string()
                .contains("line 2")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_ndjson(bytes.as_slice()).count();
        }
    }
}
