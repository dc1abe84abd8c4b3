//! Resource paths: `Products(UUID)/Nodes(NAME)/$value`.

use uuid::Uuid;

/// Most parts of a path.
const PARTS_MAX: usize = 64;

/// What a path below `/odata/v1` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The service itself.
    Service,
    /// `$metadata`.
    Metadata,
    /// `Products`.
    Products,
    /// `Products/$count`.
    ProductsCount,
    /// `Products/OData.CSC.FilterList`.
    FilterList,
    /// `Products(UUID)`.
    Product(Uuid),
    /// `Products(UUID)/Attributes`.
    Attributes(Uuid),
    /// `Products(UUID)/$value`.
    ProductValue(Uuid),
    /// `Products(UUID)/Nodes…`.
    Nodes(Uuid, NodePath),
}

/// A file or folder of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodePath {
    /// Names from the product down.
    pub(crate) names: Vec<String>,
    /// What of it is asked for.
    pub(crate) wanted: NodePart,
}

/// What of a node is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodePart {
    /// The node itself.
    Entry,
    /// What lies in it.
    Children,
    /// Its bytes.
    Value,
}

/// Parses a decoded path without its leading slash; `None` where it names nothing.
pub(crate) fn parse(path: &str) -> Option<Resource> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .take(PARTS_MAX + 1)
        .collect();
    if parts.len() > PARTS_MAX {
        return None;
    }
    match parts.as_slice() {
        [] => Some(Resource::Service),
        ["$metadata"] => Some(Resource::Metadata),
        ["Products"] => Some(Resource::Products),
        ["Products", "$count"] => Some(Resource::ProductsCount),
        ["Products", "OData.CSC.FilterList"] => Some(Resource::FilterList),
        [product, rest @ ..] => {
            let uuid = product_key(product)?;
            match rest {
                [] => Some(Resource::Product(uuid)),
                ["Attributes"] => Some(Resource::Attributes(uuid)),
                ["$value"] => Some(Resource::ProductValue(uuid)),
                nodes => Some(Resource::Nodes(uuid, node_path(nodes)?)),
            }
        }
    }
}

fn product_key(part: &str) -> Option<Uuid> {
    let key = argument(part, "Products")?;
    let key = key.strip_prefix("Id=").unwrap_or(key);
    Uuid::try_parse(key.trim_matches('\'')).ok()
}

/// Returns what stands in the parentheses behind `name`.
fn argument<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    part.strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

fn node_path(parts: &[&str]) -> Option<NodePath> {
    let mut names = Vec::new();
    let mut wanted = NodePart::Children;
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        wanted = match *part {
            "Nodes" if is_last => NodePart::Children,
            "$value" if is_last && !names.is_empty() => NodePart::Value,
            part => {
                let name = argument(part, "Nodes")?;
                let quoted = name
                    .strip_prefix('\'')
                    .and_then(|rest| rest.strip_suffix('\''));
                names.push(quoted.map_or_else(|| name.to_owned(), |text| text.replace("''", "'")));
                NodePart::Entry
            }
        };
    }
    Some(NodePath { names, wanted })
}

/// Returns the path of the bytes of a product.
pub(crate) fn value_path(uuid: Uuid) -> String {
    format!("/odata/v1/Products({uuid})/$value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "22058ee0-8842-4cfc-ad32-ce83810174b3";

    #[test]
    fn paths_of_clients_are_read() {
        let uuid = Uuid::try_parse(UUID).expect("valid");
        for (path, expected) in [
            ("", Resource::Service),
            ("Products", Resource::Products),
            (&format!("Products({UUID})"), Resource::Product(uuid)),
            (&format!("Products('{UUID}')"), Resource::Product(uuid)),
            (
                &format!("Products(Id={UUID})/$value"),
                Resource::ProductValue(uuid),
            ),
            (
                &format!("Products({UUID})/Nodes(A.SAFE)/Nodes(manifest.safe)/$value"),
                Resource::Nodes(
                    uuid,
                    NodePath {
                        names: vec!["A.SAFE".into(), "manifest.safe".into()],
                        wanted: NodePart::Value,
                    },
                ),
            ),
            (
                &format!("Products({UUID})/Nodes('A.SAFE')/Nodes"),
                Resource::Nodes(
                    uuid,
                    NodePath {
                        names: vec!["A.SAFE".into()],
                        wanted: NodePart::Children,
                    },
                ),
            ),
        ] {
            assert_eq!(parse(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn others_name_nothing() {
        let deep = "Nodes(a)/".repeat(100);
        for path in [
            "Subscriptions",
            "Products(1)",
            &format!("Products({UUID})/$value/x"),
            &format!("Products({UUID})/Nodes/$value"),
            &format!("Products({UUID})/Nodes(a)/b"),
            &format!("Products({UUID})/{deep}"),
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_ends_in_a_result(path in ".{0,100}") {
            let _ = parse(&path);
            let _ = parse(&format!("Products({UUID})/{path}"));
        }
    }
}
