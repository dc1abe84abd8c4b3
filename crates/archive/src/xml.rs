//! XML of products: parsed with limits, without external entities, read by local names.

use roxmltree::{Document, Node, ParsingOptions};

use crate::ArchiveError;

/// Most nodes of one document; the metadata of a tile have about 30,000.
const NODES_MAX: u32 = 4_000_000;

/// Returns the text of a document; ISO-8859-1 where it says so, else UTF-8.
///
/// # Errors
/// Where it is neither.
pub(crate) fn decode(bytes: Vec<u8>, place: &str) -> Result<String, ArchiveError> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
    let is_latin = ["iso-8859-1", "latin1", "windows-1252"]
        .iter()
        .any(|name| head.contains(name));
    if is_latin {
        return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| ArchiveError::product(place, "the XML is not in UTF-8"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Parses a document. Documents with a DTD are refused, and with it all entities.
///
/// # Errors
/// Where it is no XML, has a DTD or too many nodes.
pub(crate) fn parse<'text>(text: &'text str, place: &str) -> Result<Document<'text>, ArchiveError> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => ArchiveError::Limit {
            place: place.to_owned(),
            what: "the number of XML nodes".to_owned(),
            limit: format!("NODES_MAX of {NODES_MAX}"),
        },
        error => ArchiveError::product(place, format!("the XML cannot be read: {error}")),
    })
}

/// Reads nodes by local names, whatever their namespaces.
pub(crate) trait NodeExt<'a, 'input: 'a> {
    /// Returns the first element below (at any depth) with this name.
    fn find(&self, name: &str) -> Option<Node<'a, 'input>>;
    /// Returns all elements below (at any depth) with this name, in order.
    fn find_all(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>>;
    /// Returns the trimmed text of the first element with this name; `None` where it is empty.
    fn text_of(&self, name: &str) -> Option<&'a str>;
    /// Returns that text as a finite number.
    fn number_of(&self, name: &str) -> Option<f64>;
}

impl<'a, 'input: 'a> NodeExt<'a, 'input> for Node<'a, 'input> {
    fn find(&self, name: &str) -> Option<Node<'a, 'input>> {
        self.descendants()
            .find(|node| node.is_element() && node.tag_name().name() == name)
    }

    fn find_all(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.descendants()
            .filter(move |node| node.is_element() && node.tag_name().name() == name)
    }

    fn text_of(&self, name: &str) -> Option<&'a str> {
        text(self.find(name)?)
    }

    fn number_of(&self, name: &str) -> Option<f64> {
        number(self.text_of(name)?)
    }
}

/// Returns the trimmed text of a node, `None` where it is empty.
pub(crate) fn text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.text().map(str::trim).filter(|text| !text.is_empty())
}

/// Returns a finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bomb_of_entities_is_refused() {
        let bomb =
            r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><x>&b;</x>"#;
        let error = parse(bomb, "bomb.xml").expect_err("a bomb");
        assert!(error.to_string().contains("DTD"), "{error}");
        let outer = r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>"#;
        assert!(parse(outer, "outer.xml").is_err());
    }

    #[test]
    fn too_many_nodes_are_refused() {
        let text = format!("<x>{}</x>", "<y/>".repeat(NODES_MAX as usize + 1));
        let error = parse(&text, "wide.xml").expect_err("a limit");
        assert!(matches!(error, ArchiveError::Limit { .. }), "{error}");
    }

    #[test]
    fn deep_nesting_ends_in_a_result() {
        let depth = 200_000;
        let text = format!("{}{}", "<y>".repeat(depth), "</y>".repeat(depth));
        if let Ok(document) = parse(&text, "deep.xml") {
            assert!(document.root().find("absent").is_none());
        }
    }

    #[test]
    fn latin_text_is_decoded() {
        let bytes = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><x>\xe9</x>".to_vec();
        let text = decode(bytes, "x").expect("text");
        let document = parse(&text, "x").expect("XML");
        assert_eq!(document.root().text_of("x"), Some("é"));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(text) = decode(bytes, "any") {
                let _ = parse(&text, "any");
            }
        }
    }
}
