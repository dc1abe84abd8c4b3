//! Downloads: from an item to the bytes of its files.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use swath_access::{Resource, Viewer};
use swath_catalog::StoredItem;
use swath_io::{AssetRef, ErrorKind, IoError};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::conditions::{Decision, Representation, decide};
use super::stream::{self, Source};
use super::zip::{Entry, ZipLayout};
use crate::error::Problem;
use crate::links::path_segment;
use crate::products::product::{FILES_MAX, safe_path};
use crate::products::{Product, ProductFile};
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// How long a presigned URL is valid: long enough to begin, and to begin anew after a cut.
const PRESIGNED_VALID: Duration = Duration::from_secs(3_600);
/// Files that are looked at side by side.
const FILES_AT_ONCE: usize = 16;
/// Media type of what has none.
const BYTES: &str = "application/octet-stream";

/// Returns the path of an asset's bytes.
pub(crate) fn asset_path(collection: &str, item: &str, key: &str) -> String {
    let parts = [collection, item, key].map(path_segment);
    format!("/objects/{}", parts.join("/"))
}

/// Answers the bytes of an asset: `/objects/{collection}/{item}/{asset}`.
pub(super) async fn asset(
    Bounded(state): Bounded,
    caller: Caller,
    path: Result<Path<(String, String, String)>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path((collection, id, key)) =
        path.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
    let item = state.catalog.item(&caller.viewer, &collection, &id).await?;
    let asset = item.json.get("assets").and_then(|assets| assets.get(&key));
    let href = asset
        .and_then(|asset| asset["href"].as_str())
        .ok_or_else(|| Problem::not_found("the item has no such asset"))?;
    let name = href.split(['?', '#']).next().unwrap_or(href);
    let name = name.rsplit(['/', ':']).next().unwrap_or(&key);
    let file = ProductFile {
        path: safe_path(name),
        href: href.to_owned(),
        len: None,
        media_type: asset
            .and_then(|asset| asset["type"].as_str())
            .map(str::to_owned),
    };
    let download = Download {
        state: &state,
        viewer: &caller.viewer,
        method: &method,
        headers: &headers,
    };
    download.file(&item, &file).await
}

/// Answers a whole product: `/download/{uuid}`.
pub(super) async fn product(
    Bounded(state): Bounded,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let uuid = path.ok().and_then(|Path(text)| Uuid::try_parse(&text).ok());
    let uuid = uuid.ok_or_else(|| Problem::not_found("products are named by their UUID"))?;
    let item = state.catalog.item_by_uuid(&caller.viewer, uuid).await?;
    let download = Download {
        state: &state,
        viewer: &caller.viewer,
        method: &method,
        headers: &headers,
    };
    download.product(&item).await
}

/// A request for bytes.
#[derive(Debug)]
pub(crate) struct Download<'a> {
    /// The server.
    pub(crate) state: &'a AppState,
    /// Who asks.
    pub(crate) viewer: &'a Viewer,
    /// `GET` or `HEAD`.
    pub(crate) method: &'a Method,
    /// Ranges and conditions.
    pub(crate) headers: &'a HeaderMap,
}

impl Download<'_> {
    async fn resource(&self, item: &StoredItem) -> Result<Resource, Problem> {
        let collection = self
            .state
            .catalog
            .collection(self.viewer, &item.collection)
            .await?;
        Ok(collection.resource)
    }

    fn resolve(&self, resource: &Resource, href: &str) -> Result<AssetRef, Problem> {
        let resolved = self.state.stores.resolve(self.viewer, resource, href);
        resolved.map_err(|error| problem(&error))
    }

    /// Returns the files of an item's product: those that the item names, and what else lies beside
    /// the agency's own files.
    pub(crate) async fn files(&self, item: &StoredItem) -> Result<Vec<ProductFile>, Problem> {
        let product = Product::new(item);
        let mut files = product.files();
        let Some(folder) = product.original_folder() else {
            return Ok(files);
        };
        let resource = self.resource(item).await?;
        let Ok(place) = self.state.stores.resolve(self.viewer, &resource, &folder) else {
            return Ok(files);
        };
        let listed = place.list(FILES_MAX).await.unwrap_or_else(|error| {
            // A store that cannot list still serves what the item names.
            tracing::warn!(%error, "the files of a product cannot be listed");
            Vec::new()
        });
        for object in listed {
            files.push(ProductFile {
                path: safe_path(&object.key),
                href: format!("{folder}{}", object.key),
                len: Some(object.size),
                media_type: None,
            });
        }
        // The sort keeps equal paths in order: the item's own word comes first.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// Answers one file: from a local store itself, from S3 by a redirect.
    pub(crate) async fn file(
        &self,
        item: &StoredItem,
        file: &ProductFile,
    ) -> Result<Response, Problem> {
        let resource = self.resource(item).await?;
        let asset = self.resolve(&resource, &file.href)?;
        // The signature is for GET: the store refuses a HEAD with it.
        if *self.method == Method::GET {
            let presigned = asset.presigned_url(PRESIGNED_VALID).await;
            if let Some(url) = presigned.map_err(|error| problem(&error))? {
                return redirect(url.as_str());
            }
        }
        let source = look(asset, file.len).await?;
        let there = Representation {
            len: source.len,
            etag: format!("\"{:032x}\"", hash(&[&source.place(), &source.version()])),
            modified: item.updated,
        };
        let media_type = file.media_type.as_deref().unwrap_or(BYTES);
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        self.answer(&there, media_type, name, |range| {
            stream::file(source, range)
        })
    }

    /// Answers the whole product as one zip.
    pub(crate) async fn product(&self, item: &StoredItem) -> Result<Response, Problem> {
        let product = Product::new(item);
        let name = product.name();
        let files = self.files(item).await?;
        if files.is_empty() {
            return Err(Problem::not_found(
                "only the metadata of this product are held",
            ));
        }
        let resource = self.resource(item).await?;
        let mut assets = Vec::with_capacity(files.len());
        for file in &files {
            assets.push((self.resolve(&resource, &file.href)?, file.len));
        }
        let looked: Result<Vec<Source>, Problem> = futures::stream::iter(assets)
            .map(|(asset, len)| look(asset, len))
            .buffered(FILES_AT_ONCE)
            .try_collect()
            .await;
        let sources = looked?;
        let folder = safe_path(&name);
        let entries = files.iter().zip(&sources).map(|(file, source)| Entry {
            name: format!("{folder}/{}", file.path),
            len: source.len,
        });
        let modified = product.start().unwrap_or(item.updated);
        let layout = ZipLayout::new(entries.collect(), modified).map_err(|error| {
            Problem::new(
                StatusCode::CONFLICT,
                "Conflict",
                format!("the product cannot be one zip: {error}"),
            )
        })?;
        let mut parts: Vec<String> = vec![name.clone(), modified.to_rfc3339()];
        for (file, source) in files.iter().zip(&sources) {
            parts.extend([file.path.clone(), source.place(), source.version()]);
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let there = Representation {
            len: layout.len(),
            etag: format!("\"{:032x}\"", hash(&parts)),
            modified: item.updated,
        };
        let checksums = self.state.checksums.clone();
        let name = format!("{folder}.zip");
        self.answer(&there, "application/zip", &name, |range| {
            stream::zip(Arc::new(layout), sources, checksums, range)
        })
    }

    fn answer(
        &self,
        there: &Representation,
        media_type: &str,
        name: &str,
        body: impl FnOnce(std::ops::Range<u64>) -> Body,
    ) -> Result<Response, Problem> {
        let decision = decide(self.method, self.headers, there);
        let (status, range) = match decision {
            Decision::Whole => (StatusCode::OK, 0..there.len),
            Decision::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Decision::NotModified => {
                let mut response = StatusCode::NOT_MODIFIED.into_response();
                set(&mut response, header::ETAG, &there.etag);
                return Ok(response);
            }
            Decision::PreconditionFailed => {
                let text = "the file is another one than the request names";
                return Err(Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    "PreconditionFailed",
                    text,
                ));
            }
            Decision::Unsatisfiable => {
                let text = format!("the file has {} bytes", there.len);
                let problem = Problem::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "RangeNotSatisfiable",
                    text,
                );
                let mut response = problem.into_response();
                set(
                    &mut response,
                    header::CONTENT_RANGE,
                    &format!("bytes */{}", there.len),
                );
                return Ok(response);
            }
        };
        let body = match *self.method {
            Method::GET => body(range.clone()),
            _ => Body::empty(),
        };
        let mut response = (status, body).into_response();
        set(
            &mut response,
            header::CONTENT_LENGTH,
            &(range.end - range.start).to_string(),
        );
        set(&mut response, header::CONTENT_TYPE, media_type);
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::ETAG, &there.etag);
        set(&mut response, header::LAST_MODIFIED, &there.modified_text());
        set(
            &mut response,
            header::CONTENT_DISPOSITION,
            &disposition(name),
        );
        if status == StatusCode::PARTIAL_CONTENT {
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, there.len);
            set(&mut response, header::CONTENT_RANGE, &text);
        }
        Ok(response)
    }
}

/// Looks how long an object is and which version.
async fn look(asset: AssetRef, said: Option<u64>) -> Result<Source, Problem> {
    // A remote store refuses a range of an empty object.
    if said == Some(0) && asset.local_path().is_none() {
        return Ok(Source {
            asset,
            len: 0,
            etag: None,
        });
    }
    let first = asset
        .read(0..1, None)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Source {
        asset,
        len: first.object_len,
        etag: first.etag,
    })
}

fn hash(parts: &[&str]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest128()
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // Names and types come from items: what no header can hold is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn redirect(url: &str) -> Result<Response, Problem> {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    set(&mut response, header::LOCATION, url);
    // The URL is valid for a time and for one.
    set(&mut response, header::CACHE_CONTROL, "no-store");
    Ok(response)
}

/// Returns the name that a browser saves a download by (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' | '+' | '(' | ')' | ' ' => {
                character
            }
            _ => '_',
        })
        .collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        path_segment(name)
    )
}

/// Says what a failed store means for the one who asks.
pub(super) fn problem(error: &IoError) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::not_found("the file is not in its store"),
        ErrorKind::Invalid => Problem::not_found("the file is not held by this archive"),
        ErrorKind::Denied => {
            tracing::warn!(%error, "a file may not be read");
            Problem::new(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "the file may not be read",
            )
        }
        ErrorKind::Conflict => Problem::new(
            StatusCode::CONFLICT,
            "Conflict",
            "the file was changed meanwhile",
        ),
        _ => {
            tracing::error!(%error, "a store failed");
            Problem::new(
                StatusCode::BAD_GATEWAY,
                "StoreFailed",
                "the store of the file does not answer at present",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_downloads_are_safe() {
        assert_eq!(disposition("a.zip"), "attachment; filename=\"a.zip\"");
        assert_eq!(
            disposition("é\"\r\n.zip"),
            "attachment; filename=\"____.zip\"; filename*=UTF-8''%C3%A9%22%0D%0A.zip"
        );
    }

    #[test]
    fn what_is_hashed_cannot_run_together() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }
}
