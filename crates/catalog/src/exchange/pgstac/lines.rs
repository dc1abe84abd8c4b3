//! Lines of JSON as `pypgstac load` takes them.

use std::io::Write;

use serde_json::{Map, Value};

/// A backslash in JSON, written so that no two backslashes follow each other: the loader turns every
/// two into one before it reads a line.
const BACKSLASH: &[u8] = b"\\u005c";

/// Tells whether pgSTAC holds an item like this.
///
/// # Errors
/// The reason where it does not: its table wants a geometry, and an instant or a start with an end.
pub fn check_pgstac_item(item: &Map<String, Value>) -> Result<(), &'static str> {
    let is_there = |object: Option<&Value>, name: &str| {
        object
            .and_then(|object| object.get(name))
            .is_some_and(|value| !value.is_null())
    };
    if !item.get("geometry").is_some_and(Value::is_object) {
        return Err("it has no geometry");
    }
    let properties = item.get("properties");
    let has_range = is_there(properties, "start_datetime") && is_there(properties, "end_datetime");
    match has_range || is_there(properties, "datetime") {
        true => Ok(()),
        false => Err("it has neither datetime nor both start_datetime and end_datetime"),
    }
}

/// Writes an item or a collection as one line.
///
/// # Errors
/// What the writer says.
pub fn write_pgstac_line(
    writer: &mut impl Write,
    object: &Map<String, Value>,
) -> std::io::Result<()> {
    let text = serde_json::to_vec(object)?;
    let mut rest = text.as_slice();
    // In JSON two backslashes together are always one escaped backslash, if read from the left.
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let is_backslash = rest.get(at + 1) == Some(&b'\\');
        let (head, escape) = (&rest[..at], &rest[at..at + 2]);
        writer.write_all(head)?;
        writer.write_all(if is_backslash { BACKSLASH } else { escape })?;
        rest = &rest[at + 2..];
    }
    writer.write_all(rest)?;
    writer.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn line_of(text: &str) -> String {
        let object = Map::from_iter([("text".to_owned(), json!(text))]);
        let mut line = Vec::new();
        write_pgstac_line(&mut line, &object).expect("memory");
        String::from_utf8(line).expect("JSON is text")
    }

    /// What the loader does with a line before it reads it.
    fn as_loaded(line: &str) -> Value {
        let line = line.trim().replace("\\\\", "\\").replace("\\\\", "\\");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    proptest! {
        #[test]
        fn any_text_comes_through_the_loader(text in "[a\\\\\"\n/u0\u{e9}\u{1f6f0}]{0,12}") {
            let line = line_of(&text);
            prop_assert_eq!(as_loaded(&line), json!({"text": text}));
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
    }

    #[test]
    fn path_with_backslashes_is_written_without_two_together() {
        assert_eq!(line_of("C:\\new\\"), "{\"text\":\"C:\\u005cnew\\u005c\"}\n");
    }

    #[test]
    fn items_that_pgstac_cannot_hold_are_told() {
        let shape = json!({"type": "Point", "coordinates": [1, 2]});
        let of = |geometry: &Value, properties: Value| {
            let item = json!({"id": "a", "geometry": geometry, "properties": properties});
            check_pgstac_item(item.as_object().expect("an object"))
        };
        let (start, end) = ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z");
        assert!(of(&shape, json!({"datetime": start})).is_ok());
        assert!(
            of(
                &shape,
                json!({"start_datetime": start, "end_datetime": end})
            )
            .is_ok()
        );
        assert!(of(&Value::Null, json!({"datetime": start})).is_err());
        assert!(of(&shape, json!({"datetime": null, "start_datetime": start})).is_err());
    }
}
