//! What files of items hold, told by their content: STAC in its forms, and answers of other platforms.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};
use swath_archive::{Answer, Refusal, read_answer, read_feed};
use swath_catalog::CatalogError;
use swath_catalog::exchange::{items_of, read_documents, read_geoparquet};

use super::data_error;
use crate::error::PartialDataError;

/// Largest document that is read as a whole, in bytes.
const WHOLE_BYTES_MAX: u64 = 256 << 20;
/// Bytes by which a file is told.
const HEAD_BYTES: u64 = 64;

/// What stands in a file, one after the other.
#[derive(Debug)]
pub enum Found {
    /// An item, also one that pgSTAC dumped.
    Item(Map<String, Value>),
    /// An entry of an answer that is no product.
    Refused(Refusal),
}

/// Items and refusals in the order of a file.
pub type FoundItems = Box<dyn Iterator<Item = Result<Found, CatalogError>>>;

/// Opens a file: stac-geoparquet, Atom, lines of JSON, or one JSON document.
///
/// # Errors
/// Where it cannot be read, or is none of these.
pub fn open(path: &Path) -> Result<FoundItems> {
    let shown = || path.display().to_string();
    let mut file = File::open(path).with_context(|| format!("{} cannot be opened", shown()))?;
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .with_context(shown)?;
    file.rewind().with_context(shown)?;
    if head.starts_with(b"PAR1") {
        let items = read_geoparquet(file).map_err(|error| data_error(path, &error))?;
        return Ok(Box::new(items.map(|item| item.map(Found::Item))));
    }
    if is_markup(&head) {
        let mut bytes = Vec::new();
        file.take(WHOLE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .with_context(shown)?;
        let answer = read_feed(bytes, &shown())?;
        return Ok(Box::new(of_answer(answer).into_iter()));
    }
    // A file of one JSON document over many lines is no NDJSON.
    let mut text = BufReader::new(file);
    let is_lines = {
        let mut first = read_documents(&mut text);
        matches!(first.next(), Some(Ok(_)) | None)
    };
    let mut file = text.into_inner();
    file.rewind().with_context(shown)?;
    if is_lines {
        let lines = read_documents(BufReader::new(file));
        return Ok(Box::new(lines.flat_map(|line| match line {
            Ok(document) => of_document(document),
            Err(error) => vec![Err(error)],
        })));
    }
    let mut whole = String::new();
    file.take(WHOLE_BYTES_MAX)
        .read_to_string(&mut whole)
        .with_context(shown)?;
    let value: Value = serde_json::from_str(&whole).map_err(|error| {
        PartialDataError(format!(
            "{}: neither lines of JSON nor JSON: {error}",
            shown()
        ))
    })?;
    match value {
        Value::Object(document) => Ok(Box::new(of_document(document).into_iter())),
        _ => {
            let reason = "the JSON is no object: items, an ItemCollection or an answer of a catalogue is expected";
            Err(PartialDataError(format!("{}: {reason}", shown())).into())
        }
    }
}

/// True where the first character is `<`.
fn is_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().starts_with(b"<")
}

fn of_document(document: Map<String, Value>) -> Vec<Result<Found, CatalogError>> {
    match read_answer(&document) {
        Some(answer) => of_answer(answer),
        None => {
            let items = items_of(document).into_iter();
            items.map(|item| item.map(Found::Item)).collect()
        }
    }
}

fn of_answer(answer: Answer) -> Vec<Result<Found, CatalogError>> {
    let items = answer.items.into_iter().map(Found::Item);
    let refused = answer.refused.into_iter().map(Found::Refused);
    items.chain(refused).map(Ok).collect()
}
