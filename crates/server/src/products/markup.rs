//! XML documents to write: a small tree whose serialisation cannot be malformed.

/// One element with its attributes and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    /// Returns an empty element.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            content: Content::Children(Vec::new()),
        }
    }

    /// Returns an element that holds text.
    pub(crate) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            content: Content::Text(text.into()),
            ..Self::new(name)
        }
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Adds a child; an element with text loses the text.
    pub(crate) fn child(mut self, child: Element) -> Self {
        self.push(child);
        self
    }

    /// Adds children.
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        for child in children {
            self.push(child);
        }
        self
    }

    fn push(&mut self, child: Element) {
        if let Content::Children(children) = &mut self.content {
            children.push(child);
        } else {
            self.content = Content::Children(vec![child]);
        }
    }

    /// Returns the document with this root, in UTF-8.
    pub(crate) fn document(&self) -> String {
        self.typed_document("")
    }

    /// Returns the document with a declaration of its type before the root.
    pub(crate) fn typed_document(&self, doctype: &'static str) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        out.push_str(doctype);
        self.write(&mut out);
        out.push('\n');
        out
    }

    /// Returns the element alone: XML that is carried inside another format.
    pub(crate) fn fragment(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Depth is what the program itself builds, a handful of levels.
    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        match &self.content {
            Content::Children(children) if children.is_empty() => {
                out.push_str("/>");
                return;
            }
            Content::Children(children) => {
                out.push('>');
                for child in children {
                    child.write(out);
                }
            }
            Content::Text(text) => {
                out.push('>');
                escape(text, out);
            }
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// Escapes text for element content and attributes; characters that XML 1.0 (§2.2) cannot hold
/// become U+FFFD.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped() {
        let element = Element::new("a")
            .with("href", "x?a=1&b=\"2\"")
            .child(Element::text("b", "<i>\u{1}]]>"))
            .child(Element::new("c"));
        assert_eq!(
            element.fragment(),
            "<a href=\"x?a=1&amp;b=&quot;2&quot;\"><b>&lt;i&gt;\u{fffd}]]&gt;</b><c/></a>"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_back(text in ".*") {
            let document = Element::text("a", text.clone()).with("b", text.clone()).document();
            let found = roxmltree::Document::parse(&document).expect("well formed");
            let expected: String = text
                .chars()
                .map(|c| if matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c })
                .collect();
            proptest::prop_assert_eq!(found.root_element().text().unwrap_or_default(), &expected);
        }
    }
}
