//! Named stores and the assets in them.
//!
//! 1. [`Stores::resolve`] checks the viewer and turns an href into an [`AssetRef`].
//! 2. [`AssetRef::read`] and [`AssetRef::read_ranges`] fetch bytes: few requests, retried, within
//!    the store's own adaptive limit of concurrent requests.
//! 3. [`Stores::writer`] gives the operator a [`StoreWriter`]: objects that appear when complete.
//! 4. [`Stores::probe`] and [`StoreWriter::probe`] tell what a store can do.
//!
//! Credentials stay inside: neither an `AssetRef` nor an error shows them.

mod asset;
mod cloud;
mod config;
mod create;
mod folder;
mod folders;
mod limit;
mod local_copy;
mod probe;
mod remote;
mod roots;
mod serving;
mod unfinished;
mod upload;
mod write;

pub(crate) use asset::StoredBytes;
pub use asset::{AssetRef, Fetched};
pub use config::{AwsEnvironment, StoreConfig, StoreKind};
pub use create::{DatedObject, Put};
pub use local_copy::LocalCopy;
pub use probe::ConditionalPut;
pub use roots::HrefRoots;
pub use unfinished::UnfinishedFile;
pub use upload::{ObjectParts, ObjectUpload, ObjectVersion};
pub use write::{ObjectInfo, StoreWriter};

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use object_store::path::Path as Key;
use swath_access::{Action, Resource, Viewer, may};
use url::Url;

use crate::IoError;
use cloud::{azure_parts, bucket_and_key};
use remote::RemoteStore;

/// All stores that a program may read from.
#[derive(Debug)]
pub struct Stores {
    named: BTreeMap<String, StoreConfig>,
    /// Stores for paths and URLs that no named store covers: command line only.
    implicit: Option<AwsEnvironment>,
    /// Credentials of the named stores where there are no implicit ones.
    credentials: Option<AwsEnvironment>,
    opened: Mutex<HashMap<String, Arc<RemoteStore>>>,
}

impl Stores {
    /// Returns the named stores only: what a server may read from.
    pub fn named(stores: BTreeMap<String, StoreConfig>) -> Self {
        Self {
            named: stores,
            implicit: None,
            credentials: None,
            opened: Mutex::default(),
        }
    }

    /// Returns the stores with the variables that hold the credentials of the named ones.
    #[must_use]
    pub fn with_credentials(mut self, aws: AwsEnvironment) -> Self {
        self.credentials = Some(aws);
        self
    }

    pub(super) fn environment(&self) -> Option<&AwsEnvironment> {
        self.implicit.as_ref().or(self.credentials.as_ref())
    }

    /// Returns the named stores plus any path, `https://`, `s3://`, `gs://`, `az://` or `abfs://` that the
    /// operator types.
    pub fn for_command_line(stores: BTreeMap<String, StoreConfig>, aws: AwsEnvironment) -> Self {
        Self {
            named: stores,
            implicit: Some(aws),
            credentials: None,
            opened: Mutex::default(),
        }
    }

    /// Returns the asset behind `href` if `viewer` may read it as part of `resource`.
    ///
    /// `href` is a path, a `file:`, `http(s):`, `s3:`, `gs:`, `az:` or `abfs(s):` URL, or `NAME:key` of a
    /// named store.
    ///
    /// # Errors
    /// [`IoError::Denied`] where the viewer may not or the href lies outside the resource;
    /// [`IoError::Href`] where no store covers it.
    pub fn resolve(
        &self,
        viewer: &Viewer,
        resource: &Resource,
        href: &str,
    ) -> Result<AssetRef, IoError> {
        if !may(viewer, Action::Read, resource) || !resource.holds(href) {
            let reason = format!(
                "not part of what this viewer may read of \"{}\"",
                resource.id()
            );
            return Err(IoError::Denied {
                href: without_query(href).to_owned(),
                reason,
            });
        }
        if let Some((name, config, key)) = self.find_named(href) {
            return self.named_asset(name, config, &key, href);
        }
        let Some(aws) = &self.implicit else {
            let reason =
                "no configured store covers it; add a [stores.NAME] with its prefix".to_owned();
            return Err(IoError::Href {
                href: without_query(href).to_owned(),
                reason,
            });
        };
        self.implicit_asset(aws, resource, href)
    }

    /// Returns the asset behind a path or URL that no named store covers.
    fn implicit_asset(
        &self,
        aws: &AwsEnvironment,
        resource: &Resource,
        href: &str,
    ) -> Result<AssetRef, IoError> {
        match scheme(href) {
            None => Ok(AssetRef::local("file", PathBuf::from(href), href)),
            Some("file") => Ok(AssetRef::local("file", file_url_path(href)?, href)),
            Some("http" | "https") => {
                let url = parse_url(href)?;
                // Parsing resolves `%2e%2e` and backslashes: what is left must still be part of it.
                if !resource.holds(url.as_str()) {
                    let reason = format!("the URL climbs out of \"{}\"", resource.id());
                    return Err(IoError::Denied {
                        href: without_query(href).to_owned(),
                        reason,
                    });
                }
                let store = self.open(&url_origin(&url), || {
                    RemoteStore::http(&url, &StoreConfig::default())
                })?;
                Ok(AssetRef::remote(
                    "https",
                    store,
                    url_key(&url)?,
                    without_query(href),
                ))
            }
            Some("s3") => {
                let (bucket, key) = bucket_and_key(href, "s3")?;
                let config = aws.store_config();
                let store = self.open(&format!("s3://{bucket}"), || {
                    RemoteStore::s3(bucket, &config, Some(aws))
                })?;
                Ok(AssetRef::remote("s3", store, key, href))
            }
            Some("gs") => {
                let (bucket, key) = bucket_and_key(href, "gs")?;
                let store = self.open(&format!("gs://{bucket}"), || {
                    RemoteStore::google(bucket, &StoreConfig::default(), Some(aws))
                })?;
                Ok(AssetRef::remote("gs", store, key, href))
            }
            Some("az" | "abfs" | "abfss") => {
                let place = azure_parts(href)?;
                let client = format!(
                    "az://{}@{}",
                    place.container,
                    place.account.unwrap_or_default()
                );
                let store = self.open(&client, || {
                    RemoteStore::azure(&place, &StoreConfig::default(), Some(aws))
                })?;
                Ok(AssetRef::remote("az", store, place.key, href))
            }
            Some(other) => Err(IoError::Href {
                href: without_query(href).to_owned(),
                reason: format!(
                    "\"{other}:\" is neither a known scheme (file, http, https, s3, gs, az, abfs) nor a configured store"
                ),
            }),
        }
    }

    /// Finds the store that `href` names (`NAME:key`) or lies under (the longest prefix wins).
    fn find_named(&self, href: &str) -> Option<(&str, &StoreConfig, String)> {
        if let Some((name, key)) = href.split_once(':')
            && !key.starts_with("//")
            && let Some((name, config)) = self.named.get_key_value(name)
        {
            return Some((name, config, key.trim_start_matches('/').to_owned()));
        }
        self.named
            .iter()
            .filter_map(|(name, config)| {
                let folder = config.prefix.trim_end_matches('/');
                let rest = href.strip_prefix(folder)?;
                (!folder.is_empty() && rest.starts_with('/')).then(|| {
                    (
                        name.as_str(),
                        config,
                        rest.trim_start_matches('/').to_owned(),
                    )
                })
            })
            .max_by_key(|(_, config, _)| config.prefix.len())
    }

    fn named_asset(
        &self,
        name: &str,
        config: &StoreConfig,
        key: &str,
        href: &str,
    ) -> Result<AssetRef, IoError> {
        if key.split('/').any(|part| part == "..") {
            let reason = "a key must not climb out of its store".to_owned();
            return Err(IoError::Href {
                href: href.to_owned(),
                reason,
            });
        }
        let prefix = config.prefix.trim_end_matches('/');
        match config.kind() {
            StoreKind::Folder => {
                let folder = prefix.strip_prefix("file://").unwrap_or(prefix);
                Ok(AssetRef::local(name, PathBuf::from(folder).join(key), href))
            }
            StoreKind::Http => {
                let url = parse_url(&format!("{prefix}/{key}"))?;
                // Parsing resolves `%2e%2e` and backslashes: what is left must still lie in the store.
                if !url.path().starts_with(&format!(
                    "{}/",
                    parse_url(prefix)?.path().trim_end_matches('/')
                )) {
                    let reason = "a key must not climb out of its store".to_owned();
                    return Err(IoError::Href {
                        href: without_query(href).to_owned(),
                        reason,
                    });
                }
                let client = format!("{name}?{}", url.query().unwrap_or_default());
                let store = self.open(&client, || RemoteStore::http(&url, config))?;
                Ok(AssetRef::remote(
                    name,
                    store,
                    url_key(&url)?,
                    href.split('?').next().unwrap_or(href),
                ))
            }
            StoreKind::S3 | StoreKind::Google | StoreKind::Azure => {
                self.named_object(name, config, &format!("{prefix}/{key}"), href)
            }
        }
    }

    /// Returns the object `whole` of a named store whose service has buckets.
    fn named_object(
        &self,
        name: &str,
        config: &StoreConfig,
        whole: &str,
        href: &str,
    ) -> Result<AssetRef, IoError> {
        let environment = self.environment();
        let (store, key) = match config.kind() {
            StoreKind::Azure => {
                let place = azure_parts(whole)?;
                let make = || RemoteStore::azure(&place, config, environment);
                (self.open(name, make)?, place.key.clone())
            }
            StoreKind::Google => {
                let (bucket, key) = bucket_and_key(whole, "gs")?;
                let make = || RemoteStore::google(bucket, config, environment);
                (self.open(name, make)?, key)
            }
            _ => {
                let (bucket, key) = bucket_and_key(whole, "s3")?;
                let make = || RemoteStore::s3(bucket, config, environment);
                (self.open(name, make)?, key)
            }
        };
        Ok(AssetRef::remote(name, store, key, href))
    }

    fn open(
        &self,
        name: &str,
        create: impl FnOnce() -> Result<RemoteStore, IoError>,
    ) -> Result<Arc<RemoteStore>, IoError> {
        let mut opened = self
            .opened
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(store) = opened.get(name) {
            return Ok(store.clone());
        }
        let store = Arc::new(create()?);
        opened.insert(name.to_owned(), store.clone());
        Ok(store)
    }
}

/// Returns the scheme of a URL; a path, also one with a drive letter, has none.
fn scheme(href: &str) -> Option<&str> {
    let (scheme, rest) = href.split_once(':')?;
    let is_name = scheme.len() > 1
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (is_name && rest.starts_with("//")).then_some(scheme)
}

/// Returns a URL as it may be shown: its query may be a signature. Paths are left as they are.
fn without_query(href: &str) -> &str {
    let query = href.find('?').filter(|_| href.contains("://"));
    &href[..query.unwrap_or(href.len())]
}

fn parse_url(href: &str) -> Result<Url, IoError> {
    let wrong = |reason: String| IoError::Href {
        href: without_query(href).to_owned(),
        reason,
    };
    let url = Url::parse(href).map_err(|error| wrong(format!("not a URL: {error}")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("the URL has no host".to_owned()));
    }
    Ok(url)
}

fn file_url_path(href: &str) -> Result<PathBuf, IoError> {
    Url::parse(href)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| IoError::Href {
            href: href.to_owned(),
            reason: "not a local file URL".to_owned(),
        })
}

/// Returns scheme, host, port and query: what one HTTP client is kept for.
fn url_origin(url: &Url) -> String {
    format!(
        "{}?{}",
        url.origin().ascii_serialization(),
        url.query().unwrap_or_default()
    )
}

fn url_key(url: &Url) -> Result<Key, IoError> {
    Key::from_url_path(url.path()).map_err(|error| {
        let shown = without_query(url.as_str()).to_owned();
        IoError::Href {
            href: shown,
            reason: error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use swath_access::Visibility;

    fn stores() -> Stores {
        let config = StoreConfig {
            prefix: "s3://eodata/".into(),
            ..StoreConfig::default()
        };
        let folder = StoreConfig {
            prefix: "/data/archive".into(),
            ..StoreConfig::default()
        };
        let named = BTreeMap::from([("cdse".to_owned(), config), ("archive".to_owned(), folder)]);
        Stores::for_command_line(named, AwsEnvironment::default())
    }

    fn resolve(href: &str) -> Result<AssetRef, IoError> {
        stores().resolve(&Viewer::operator(), &Resource::direct(), href)
    }

    #[test]
    fn names_and_prefixes_find_their_store() {
        assert_eq!(
            resolve("cdse:Sentinel-2/x.tif").expect("named").store(),
            "cdse"
        );
        assert_eq!(
            resolve("s3://eodata/Sentinel-2/x.tif")
                .expect("prefix")
                .store(),
            "cdse"
        );
        assert_eq!(
            resolve("archive:a/b.tif").expect("folder").store(),
            "archive"
        );
        assert_eq!(resolve("a/b.tif").expect("path").store(), "file");
        assert_eq!(
            resolve("https://example.org/a%20b.tif?sig=1")
                .expect("url")
                .store(),
            "https"
        );
    }

    #[test]
    fn keys_do_not_climb_and_schemes_are_known() {
        assert!(matches!(
            resolve("archive:../secret"),
            Err(IoError::Href { .. })
        ));
        assert!(matches!(
            resolve("ftp://host/x.tif"),
            Err(IoError::Href { .. })
        ));
        assert!(matches!(
            resolve("https:///x.tif"),
            Ok(_) | Err(IoError::Href { .. })
        ));
    }

    #[test]
    fn a_server_reads_named_stores_only() {
        let stores = Stores::named(BTreeMap::new());
        let error = stores.resolve(&Viewer::operator(), &Resource::direct(), "/etc/passwd");
        assert!(matches!(error, Err(IoError::Href { .. })));
    }

    #[test]
    fn a_foreign_href_is_denied() {
        let own = Resource::new(
            "own",
            None,
            Visibility::Public,
            vec!["s3://eodata/own".into()],
        );
        let denied = stores().resolve(&Viewer::anonymous(), &own, "s3://eodata/other/x.tif");
        assert!(matches!(denied, Err(IoError::Denied { .. })));
        assert!(
            stores()
                .resolve(&Viewer::anonymous(), &own, "s3://eodata/own/x.tif")
                .is_ok()
        );
    }
}
