//! What a store can do, found out by asking it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, PutMode, PutPayload};
use swath_access::{Resource, Viewer};

use super::Stores;
use super::asset::Place as AssetPlace;
use super::config::StoreKind;
use super::create::{Put, is_unsupported};
use super::folder;
use super::remote::storage_error;
use super::write::{Place, StoreWriter, blocking, remote_key};
use crate::IoError;

/// Writers that race for one key.
const RACERS: usize = 8;
/// Begin of the names of scratch objects.
const SCRATCH: &str = "swath-probe";

/// What a store makes of "write this only where nothing is".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionalPut {
    /// Of several writers one wins.
    Atomic,
    /// A second write is refused, but of several at once so many won.
    Racy(usize),
    /// A second write goes through.
    Ignored,
    /// The store refuses such requests.
    Unsupported,
}

impl Stores {
    /// Asks a named store for what it holds: a folder must be there, a bucket answer with the first
    /// page of a listing, a web server with any answer to a request for an object.
    ///
    /// # Errors
    /// Where it does not: not found, denied, or failed.
    pub async fn probe(&self, name: &str) -> Result<(), IoError> {
        let href = format!("{name}:{SCRATCH}");
        let asset = self.resolve(&Viewer::operator(), &Resource::direct(), &href)?;
        let root = format!("{name}:");
        match (&asset.place, self.named.get(name).map(|found| found.kind())) {
            (AssetPlace::Local(path), _) => {
                let path = path.parent().unwrap_or(path).to_owned();
                blocking(move || {
                    let listed = std::fs::read_dir(&path).map(|_| ());
                    listed.map_err(|error| folder::file_error(&path, error))
                })
                .await
            }
            (AssetPlace::Remote { .. }, Some(StoreKind::Http)) => {
                match asset.read(0..1, None).await {
                    Ok(_) | Err(IoError::NotFound { .. } | IoError::Raster { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            (AssetPlace::Remote { store, key }, _) => {
                let whole = key.as_ref();
                let prefix = whole.strip_suffix(SCRATCH).unwrap_or(whole);
                let prefix =
                    Key::parse(prefix.trim_end_matches('/')).map_err(|error| IoError::Href {
                        href: root.clone(),
                        reason: error.to_string(),
                    })?;
                let mut listing = store.object_store().list(Some(&prefix));
                let first = listing.try_next().await;
                first
                    .map(|_| ())
                    .map_err(|error| storage_error(error, &root))
            }
        }
    }
}

impl StoreWriter {
    /// Writes a small object, looks for it, removes it, and finds out what the store makes of
    /// conditional writes. Leaves nothing.
    ///
    /// # Errors
    /// Where the store cannot be written to.
    pub async fn probe(&self) -> Result<ConditionalPut, IoError> {
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        let key = format!("{SCRATCH}-{}-{nanos}", std::process::id());
        self.put(&key, Bytes::from_static(b"probe")).await?;
        let size = self.size(&key).await;
        self.delete(&key).await?;
        if size? != Some(5) {
            return Err(IoError::Upstream {
                href: self.href(&key),
                attempts: 1,
                reason: "what was written was not found afterwards".to_owned(),
            });
        }
        let Place::Remote { reader, prefix, .. } = &self.place else {
            // A new name for a file fails where the name is taken; some file systems know no second
            // names.
            let created = self.put_new(&key, Bytes::from_static(b"probe")).await;
            self.delete(&key).await?;
            return match created {
                Ok(Put::Written | Put::Exists) => Ok(ConditionalPut::Atomic),
                Err(IoError::Href { .. }) => Ok(ConditionalPut::Unsupported),
                Err(error) => Err(error),
            };
        };
        let store = reader.object_store().clone();
        let (first, second) = (format!("{key}-a"), format!("{key}-b"));
        let remote = |key: &str| remote_key(prefix, key, &self.href(key));
        let outcome = conditional_put(&store, &remote(&first)?, &remote(&second)?).await;
        self.delete(&first).await?;
        self.delete(&second).await?;
        outcome.map_err(|error| storage_error(error, &self.href(&first)))
    }
}

async fn create(store: &Arc<dyn ObjectStore>, key: &Key) -> Result<bool, object_store::Error> {
    let payload = PutPayload::from_static(b"probe");
    match store.put_opts(key, payload, PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn conditional_put(
    store: &Arc<dyn ObjectStore>,
    first: &Key,
    second: &Key,
) -> Result<ConditionalPut, object_store::Error> {
    match create(store, first).await {
        Ok(_) => {}
        Err(error) if is_unsupported(&error) => return Ok(ConditionalPut::Unsupported),
        Err(error) => return Err(error),
    }
    if create(store, first).await? {
        return Ok(ConditionalPut::Ignored);
    }
    let race = (0..RACERS).map(|_| create(store, second));
    let outcomes = futures::future::join_all(race).await;
    // Losers may be told so in many ways: only winners count.
    match outcomes
        .iter()
        .filter(|won| matches!(won, Ok(true)))
        .count()
    {
        0 | 1 => Ok(ConditionalPut::Atomic),
        winners => Ok(ConditionalPut::Racy(winners)),
    }
}
