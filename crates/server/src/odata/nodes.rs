//! The files of a product as a tree of nodes.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::links::{BaseUrl, path_segment};
use crate::products::ProductFile;

/// What names below a product lead to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// A file.
    File(&'a ProductFile),
    /// A folder: what its paths begin with, empty for the product itself.
    Folder(String),
}

/// Follows names from the product down: the first is the product's own, or that of a file in it.
pub(crate) fn find<'a>(
    names: &[String],
    product_name: &str,
    files: &'a [ProductFile],
) -> Option<Node<'a>> {
    let bare = product_name.split('.').next().unwrap_or(product_name);
    let below = match names {
        [first, below @ ..] if first == product_name || first == bare => below,
        others => others,
    };
    if below.is_empty() {
        return Some(Node::Folder(String::new()));
    }
    let path = below.join("/");
    if let Some(file) = files.iter().find(|file| file.path == path) {
        return Some(Node::File(file));
    }
    let folder = format!("{path}/");
    let is_there = files.iter().any(|file| file.path.starts_with(&folder));
    is_there.then_some(Node::Folder(folder))
}

/// Where a listing is.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// The product.
    pub(crate) uuid: Uuid,
    /// Its name.
    pub(crate) name: &'a str,
    /// How links begin.
    pub(crate) base: &'a BaseUrl,
}

impl Place<'_> {
    /// Returns the product itself as the only node.
    pub(crate) fn root(&self, files: &[ProductFile]) -> Value {
        let children = children(files, "");
        self.node(&[self.name], 0, children.len())
    }

    /// Returns the nodes of a folder.
    pub(crate) fn list(&self, files: &[ProductFile], folder: &str) -> Vec<Value> {
        let children = children(files, folder);
        children
            .into_iter()
            .map(|(name, file)| match file {
                Some(file) => self.file(file),
                None => self.folder(files, &format!("{folder}{name}/")),
            })
            .collect()
    }

    /// Returns one file as a node.
    pub(crate) fn file(&self, file: &ProductFile) -> Value {
        self.node(&self.names(&file.path), file.len.unwrap_or(0), 0)
    }

    /// Returns one folder as a node.
    pub(crate) fn folder(&self, files: &[ProductFile], folder: &str) -> Value {
        let number = children(files, folder).len();
        self.node(&self.names(folder.trim_end_matches('/')), 0, number)
    }

    fn names<'b>(&'b self, path: &'b str) -> Vec<&'b str> {
        let below = path.split('/').filter(|name| !name.is_empty());
        std::iter::once(self.name).chain(below).collect()
    }

    fn node(&self, names: &[&str], len: u64, children: usize) -> Value {
        let mut path = format!("/odata/v1/Products({})", self.uuid);
        for name in names {
            path.push_str(&format!("/Nodes({})", path_segment(name)));
        }
        let name = names.last().copied().unwrap_or_default();
        json!({
            "Id": name,
            "Name": name,
            "ContentLength": len,
            "ChildrenNumber": children,
            "Nodes": {"uri": self.base.href(&format!("{path}/Nodes"))},
        })
    }
}

/// Returns the names directly in a folder, with their file where they are one. `files` is sorted, so
/// what shares a folder stands together.
fn children<'a>(files: &'a [ProductFile], folder: &str) -> Vec<(&'a str, Option<&'a ProductFile>)> {
    let mut found: Vec<(&str, Option<&ProductFile>)> = Vec::new();
    for file in files {
        let Some(rest) = file.path.strip_prefix(folder) else {
            continue;
        };
        match rest.split_once('/') {
            Some((name, _))
                if found
                    .last()
                    .is_some_and(|(last, own)| *last == name && own.is_none()) => {}
            Some((name, _)) => found.push((name, None)),
            None => found.push((rest, Some(file))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<ProductFile> {
        [
            "GRANULE/L2A/B04.jp2",
            "GRANULE/L2A/B08.jp2",
            "manifest.safe",
        ]
        .map(|path| ProductFile {
            path: path.to_owned(),
            href: format!("a:{path}"),
            len: Some(5),
            media_type: None,
        })
        .to_vec()
    }

    fn names(text: &[&str]) -> Vec<String> {
        text.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_lead_to_files_and_folders() {
        let files = files();
        assert_eq!(
            find(&names(&["A.SAFE", "manifest.safe"]), "A.SAFE", &files),
            Some(Node::File(&files[2]))
        );
        assert_eq!(
            find(&names(&["manifest.safe"]), "A.SAFE", &files),
            Some(Node::File(&files[2]))
        );
        assert_eq!(
            find(&names(&["A.SAFE", "GRANULE"]), "A.SAFE", &files),
            Some(Node::Folder("GRANULE/".to_owned()))
        );
        assert_eq!(find(&names(&["A.SAFE", ".."]), "A.SAFE", &files), None);
    }

    #[test]
    fn folders_are_listed_level_by_level() {
        let base = BaseUrl::parse("https://eo.example.org").expect("valid");
        let place = Place {
            uuid: Uuid::nil(),
            name: "A.SAFE",
            base: &base,
        };
        let files = files();
        assert_eq!(place.root(&files)["ChildrenNumber"], 2);
        let top = place.list(&files, "");
        assert_eq!(top[0]["Name"], "GRANULE");
        assert_eq!(top[1]["ContentLength"], 5);
        assert_eq!(place.list(&files, "GRANULE/L2A/").len(), 2);
        assert_eq!(
            place.list(&files, "GRANULE/")[0]["Nodes"]["uri"],
            "https://eo.example.org/odata/v1/Products(00000000-0000-0000-0000-000000000000)/Nodes(A.SAFE)/Nodes(GRANULE)/Nodes(L2A)/Nodes"
        );
    }
}
