//! WKT taken apart into keywords and values, in any of its dialects.

/// A keyword with what stands in its brackets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// In upper case.
    pub keyword: String,
    pub values: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    /// A bare word, as an axis direction.
    Word(String),
    Node(Node),
}

/// Deepest nesting that is read; real definitions have about ten levels.
const DEPTH_MAX: usize = 32;

impl Node {
    /// Reads one node; nothing but blanks may follow it.
    pub fn read(text: &str) -> Result<Node, String> {
        let mut reader = Reader { rest: text };
        let node = reader.node(0)?;
        reader.skip_blanks();
        // ESRI writes a compound CRS as two definitions; heights are not ours.
        if let Some(rest) = reader.rest.strip_prefix(',') {
            reader.rest = rest;
            let second = reader.node(0)?;
            if second.keyword != "VERTCS" {
                return Err(format!("{} follows the definition", second.keyword));
            }
            reader.skip_blanks();
        }
        if !reader.rest.is_empty() {
            return Err("something follows the definition".into());
        }
        Ok(node)
    }

    /// Returns the children with one of these keywords.
    pub fn all<'a>(&'a self, keywords: &'a [&str]) -> impl Iterator<Item = &'a Node> {
        self.values.iter().filter_map(move |value| match value {
            Value::Node(node) if keywords.contains(&node.keyword.as_str()) => Some(node),
            _ => None,
        })
    }

    /// Returns the first child with one of these keywords.
    pub fn child(&self, keywords: &[&str]) -> Option<&Node> {
        self.values.iter().find_map(|value| match value {
            Value::Node(node) if keywords.contains(&node.keyword.as_str()) => Some(node),
            _ => None,
        })
    }

    /// Returns the first text, which is the name of nearly everything.
    pub fn name(&self) -> &str {
        self.values
            .iter()
            .find_map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .unwrap_or("")
    }

    /// Returns the n-th number directly within the brackets.
    pub fn number(&self, n: usize) -> Option<f64> {
        self.numbers().nth(n)
    }

    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.values.iter().filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            // ESRI and GDAL differ in whether codes are quoted.
            Value::Text(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// Returns the first bare word.
    pub fn word(&self) -> Option<&str> {
        self.values.iter().find_map(|value| match value {
            Value::Word(word) => Some(word.as_str()),
            _ => None,
        })
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_.+-:".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_string()
    }

    fn node(&mut self, depth: usize) -> Result<Node, String> {
        self.skip_blanks();
        let keyword = self.word();
        if keyword.is_empty() {
            return Err("a keyword is missing".into());
        }
        self.skip_blanks();
        self.brackets(keyword, depth)
    }

    fn brackets(&mut self, keyword: String, depth: usize) -> Result<Node, String> {
        if depth >= DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        self.rest = self
            .rest
            .strip_prefix(['[', '('])
            .ok_or(format!("no bracket after {keyword}"))?;
        let mut node = Node {
            keyword: keyword.to_ascii_uppercase(),
            values: Vec::new(),
        };
        loop {
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix([']', ')']) {
                self.rest = rest;
                return Ok(node);
            }
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            node.values.push(self.value(depth)?);
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted().map(Value::Text);
        }
        let word = self.word();
        if word.is_empty() {
            return Err(match self.rest.chars().next() {
                Some(odd) => format!("'{odd}' is out of place"),
                None => "the definition ends too early".into(),
            });
        }
        self.skip_blanks();
        if self.rest.starts_with(['[', '(']) {
            return self.brackets(word, depth + 1).map(Value::Node);
        }
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ => Ok(Value::Word(word)),
        }
    }

    /// Reads up to the closing quote; two quotes stand for one.
    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let end = self.rest.find('"').ok_or("a text does not end")?;
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => return Ok(text),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_numbers_words_and_nodes() {
        let node = Node::read("Unit( \"a \"\"b\"\"\", 1.5e3 ,NORTH,ID[\"EPSG\",9001]) ")
            .expect("well formed");
        assert_eq!(node.keyword, "UNIT");
        assert_eq!(node.name(), "a \"b\"");
        assert_eq!(node.number(0), Some(1500.0));
        assert_eq!(node.word(), Some("NORTH"));
        assert_eq!(
            node.child(&["ID"]).and_then(|id| id.number(0)),
            Some(9001.0)
        );
    }

    #[test]
    fn damaged_texts_are_errors() {
        for text in ["", "A", "A[", "A[\"b]", "A[B[]", "A[]]", "A[#]", "[\"x\"]"] {
            assert!(Node::read(text).is_err(), "{text}");
        }
        assert!(Node::read(&"A[".repeat(100_000)).is_err());
    }
}
