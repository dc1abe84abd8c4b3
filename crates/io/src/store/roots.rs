//! Which hrefs lie below the root of a writer, whatever way they name it.

use serde::{Deserialize, Serialize};

use super::{StoreWriter, Stores};

/// How hrefs of objects below one root may begin: `archive:`, and the folder or URL that the store
/// `archive` is. The first is the one that new hrefs get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HrefRoots(Vec<String>);

impl HrefRoots {
    /// Returns the beginnings, without a final `/`.
    pub fn beginnings(&self) -> &[String] {
        &self.0
    }

    /// Returns the key below the root of an href that lies there, `""` of the root itself. A key that
    /// climbs is none.
    pub fn key<'href>(&self, href: &'href str) -> Option<&'href str> {
        let key = self.0.iter().find_map(|beginning| {
            let rest = href.strip_prefix(beginning.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with('/') || beginning.ends_with(':');
            is_below.then(|| rest.trim_matches('/'))
        })?;
        let climbs = key.split(['/', '\\']).any(|part| part == "..");
        (!climbs).then_some(key)
    }
}

impl Stores {
    /// Returns how hrefs of objects below `writer`'s root may begin.
    pub fn href_roots(&self, writer: &StoreWriter) -> HrefRoots {
        let base = writer.base.as_ref();
        let mut found = vec![base.to_owned()];
        // With a `/` behind it a root that is the very prefix of a store is found too.
        let named = match base.ends_with(':') {
            true => self.find_named(base),
            false => self.find_named(&format!("{base}/")),
        };
        if let Some((name, config, key)) = named {
            let key = key.trim_matches('/');
            let prefix = config.prefix.trim_end_matches('/');
            found.push(format!("{name}:{key}"));
            found.push(match key {
                "" => prefix.to_owned(),
                key => format!("{prefix}/{key}"),
            });
        }
        let mut unique: Vec<String> = Vec::with_capacity(found.len());
        for beginning in found {
            if !unique.contains(&beginning) {
                unique.push(beginning);
            }
        }
        HrefRoots(unique)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use swath_access::Viewer;

    use super::*;
    use crate::{AwsEnvironment, StoreConfig};

    fn roots(root: &str) -> HrefRoots {
        let config = StoreConfig {
            prefix: "/data/archive".into(),
            ..StoreConfig::default()
        };
        let named = BTreeMap::from([("archive".to_owned(), config)]);
        let stores = Stores::for_command_line(named, AwsEnvironment::default());
        let writer = stores.writer(&Viewer::operator(), root).expect("a writer");
        stores.href_roots(&writer)
    }

    #[test]
    fn a_named_store_is_known_by_its_name_and_its_place() {
        for root in ["archive:", "/data/archive", "/data/archive/"] {
            let roots = roots(root);
            assert_eq!(roots.key("archive:a/b.tif"), Some("a/b.tif"), "{root}");
            assert_eq!(
                roots.key("/data/archive/a/b.tif"),
                Some("a/b.tif"),
                "{root}"
            );
            assert_eq!(roots.key("archive:"), Some(""), "{root}");
            assert_eq!(roots.key("/data/archive-too/a.tif"), None, "{root}");
            assert_eq!(roots.key("archive:a/../../b"), None, "{root}");
        }
        let below = roots("archive:s2");
        assert_eq!(below.key("/data/archive/s2/x"), Some("x"));
        assert_eq!(below.key("archive:s2/x"), Some("x"));
        assert_eq!(below.key("archive:s20/x"), None);
    }

    #[test]
    fn a_folder_of_no_store_is_known_by_its_path_alone() {
        let roots = roots("/elsewhere");
        assert_eq!(roots.beginnings(), ["/elsewhere"]);
        assert_eq!(roots.key("/elsewhere/a"), Some("a"));
    }
}
