//! What a server needs of an asset beyond its bytes: a URL that others may fetch it from, and what
//! lies below it where it is a folder.

use std::time::Duration;

use url::Url;

use super::asset::{AssetRef, Place};
use super::folder;
use super::remote::root_cause;
use super::write::{ObjectInfo, blocking, list_remote};
use crate::IoError;

impl AssetRef {
    /// Returns a URL that anybody may fetch the asset from for the time `valid`; `None` where its
    /// store makes none: a folder, a web server, an S3 store without credentials or with a payer.
    ///
    /// # Errors
    /// Where the credentials cannot be had.
    pub async fn presigned_url(&self, valid: Duration) -> Result<Option<Url>, IoError> {
        let Place::Remote { store, key } = &self.place else {
            return Ok(None);
        };
        let Some(signer) = store.signer() else {
            return Ok(None);
        };
        // The default method of HTTP's types is GET.
        let signed = signer.signed_url(Default::default(), key, valid).await;
        signed.map(Some).map_err(|error| IoError::Upstream {
            href: self.href().to_owned(),
            attempts: 1,
            reason: root_cause(&error),
        })
    }

    /// Lists what lies below the asset as a folder, sorted by key, the keys relative to it; links are
    /// not followed, names that begin with a dot are left out. A folder that is not there is empty.
    ///
    /// # Errors
    /// Where the store fails, cannot list, or holds more than `objects_max` objects there.
    pub async fn list(&self, objects_max: usize) -> Result<Vec<ObjectInfo>, IoError> {
        let mut found = match &self.place {
            Place::Local(path) => {
                let path = path.clone();
                blocking(move || folder::list(&path, "", objects_max)).await?
            }
            Place::Remote { store, key } => {
                list_remote(store.object_store(), key, objects_max, self.href()).await?
            }
        };
        found.retain(|object| !object.key.split('/').any(|part| part.starts_with('.')));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::{AwsEnvironment, StoreConfig, Stores};
    use swath_access::{Resource, Viewer};

    fn stores(config: StoreConfig) -> Stores {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let aws = AwsEnvironment {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        Stores::for_command_line(BTreeMap::from([("a".to_owned(), config)]), aws)
    }

    fn s3(is_anonymous: bool) -> Stores {
        stores(StoreConfig {
            prefix: "s3://bucket/x".into(),
            endpoint: Some("http://127.0.0.1:9".into()),
            anonymous: is_anonymous,
            ..StoreConfig::default()
        })
    }

    async fn presigned(stores: &Stores, href: &str) -> Option<Url> {
        let asset = stores
            .resolve(&Viewer::operator(), &Resource::direct(), href)
            .expect("resolves");
        let url = asset.presigned_url(Duration::from_secs(60)).await;
        url.expect("signs")
    }

    #[tokio::test]
    async fn s3_assets_have_presigned_urls() {
        let url = presigned(&s3(false), "a:b/c d.tif").await.expect("a URL");
        assert_eq!(url.path(), "/bucket/x/b/c%20d.tif");
        let query: BTreeMap<_, _> = url.query_pairs().collect();
        assert_eq!(query["X-Amz-Expires"], "60");
        assert!(query.contains_key("X-Amz-Signature"));
        assert_eq!(presigned(&s3(true), "a:b.tif").await, None);
        assert_eq!(presigned(&s3(false), "/etc/hostname").await, None);
    }

    #[tokio::test]
    async fn folders_are_listed_without_hidden_files_and_links() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("p/GRANULE")).expect("folders");
        for name in ["p/manifest.safe", "p/GRANULE/b.jp2", "p/.part"] {
            fs::write(folder.path().join(name), "abc").expect("a file");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", folder.path().join("p/etc")).expect("a link");
        let prefix = folder.path().to_string_lossy().into_owned();
        let stores = stores(StoreConfig {
            prefix,
            ..StoreConfig::default()
        });
        let list = async |href: &str| {
            let place = stores.resolve(&Viewer::operator(), &Resource::direct(), href);
            place.expect("resolves").list(10).await.expect("lists")
        };
        let found = list("a:p/").await;
        let paths: Vec<&str> = found.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(paths, ["GRANULE/b.jp2", "manifest.safe"]);
        let place = stores.resolve(&Viewer::operator(), &Resource::direct(), "a:p/");
        assert!(
            place.expect("resolves").list(1).await.is_err(),
            "no silent cap"
        );
        assert_eq!(list("a:nothing").await, []);
    }
}
