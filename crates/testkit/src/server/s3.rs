//! The S3 API over the same objects; signatures, routing and XML are those of the `s3s` crate.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::ConditionalPut;
use super::objects::{Condition, Meta, Objects, PutError, etag_of};

/// Largest page of a listing, as in Amazon's service.
const LIST_KEYS_MAX: usize = 1000;
/// Smallest part of a multipart upload but the last, as in Amazon's service.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// In the extensions of a request whose range is to be ignored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IgnoreRange;

/// One bucket over [`Objects`].
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) objects: Arc<Objects>,
    pub(crate) conditional_put: ConditionalPut,
    pub(crate) uploads: Uploads,
}

/// Multipart uploads under way.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    parts: Mutex<HashMap<String, BTreeMap<i32, Bytes>>>,
    next_id: AtomicU64,
}

/// Builds the service; anonymous requests may read if `is_public` says so.
pub(crate) fn service(bucket: Bucket, credentials: (&str, &str), is_public: bool) -> S3Service {
    let mut builder = S3ServiceBuilder::new(bucket);
    builder.set_auth(SimpleAuth::from_single(credentials.0, credentials.1));
    if is_public {
        builder.set_access(PublicRead);
    }
    builder.build()
}

struct PublicRead;

#[async_trait]
impl S3Access for PublicRead {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let is_read = matches!(context.method().as_str(), "GET" | "HEAD");
        if context.credentials().is_some() || is_read {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "anonymous clients may only read"))
    }
}

impl Bucket {
    fn check_name(&self, name: &str) -> S3Result<()> {
        if name == self.name {
            Ok(())
        } else {
            Err(s3_error!(NoSuchBucket))
        }
    }

    fn head(&self, key: &str) -> S3Result<Meta> {
        self.objects
            .head(key)
            .map_err(internal)?
            .ok_or_else(|| s3_error!(NoSuchKey))
    }

    fn condition(
        &self,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Condition> {
        let asked = match (if_match, if_none_match) {
            (None, None) => return Ok(Condition::Always),
            (None, Some(ETagCondition::Any)) => Condition::Absent,
            (Some(ETagCondition::ETag(etag)), None) => Condition::Etag(etag.value().to_owned()),
            _ => return Err(s3_error!(NotImplemented, "this combination of conditions")),
        };
        match self.conditional_put {
            ConditionalPut::Atomic => Ok(asked),
            ConditionalPut::Ignored => Ok(Condition::Always),
            ConditionalPut::NotImplemented => Err(s3_error!(NotImplemented, "conditional put")),
        }
    }

    fn put(&self, key: &str, content: Bytes, condition: &Condition) -> S3Result<Meta> {
        self.objects
            .put(key, content, condition)
            .map_err(|error| match error {
                PutError::ConditionFailed => s3_error!(PreconditionFailed),
                PutError::Io(error) => internal(error),
            })
    }
}

fn internal(error: io::Error) -> S3Error {
    s3_error!(error, InternalError)
}

fn check_read(
    meta: &Meta,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is_this = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == meta.etag,
    };
    if if_match.is_some_and(|condition| !is_this(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is_this) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

async fn content_of(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else {
        return Ok(Bytes::new());
    };
    let collected = Body::from(body).collect().await;
    collected
        .map(|content| content.to_bytes())
        .map_err(|_| s3_error!(IncompleteBody))
}

fn strong(etag: String) -> Option<ETag> {
    Some(ETag::Strong(etag))
}

fn bytes_i64(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// Returns the entries of one page of a listing: keys, and prefixes that end in the delimiter.
fn page(keys: &[String], prefix: &str, delimiter: &str, after: &str, limit: usize) -> Page {
    let mut page = Page::default();
    let mut last = String::new();
    for key in keys {
        let rest = &key[prefix.len()..];
        let folder = match delimiter {
            "" => None,
            _ => rest
                .find(delimiter)
                .map(|at| &key[..prefix.len() + at + delimiter.len()]),
        };
        let name = folder.unwrap_or(key);
        if name <= after || name == last {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == limit {
            page.next = Some(last);
            break;
        }
        match folder {
            Some(folder) => page.prefixes.push(folder.to_owned()),
            None => page.keys.push(key.clone()),
        }
        last = name.to_owned();
    }
    page
}

#[derive(Debug, Default, PartialEq)]
struct Page {
    keys: Vec<String>,
    prefixes: Vec<String>,
    next: Option<String>,
}

#[async_trait]
impl S3 for Bucket {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let ignores_range = request.extensions.get::<IgnoreRange>().is_some();
        let input = request.input;
        self.check_name(&input.bucket)?;
        let meta = self.head(&input.key)?;
        check_read(&meta, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let part = match input.range {
            Some(range) if !ignores_range => Some(range.check(meta.size)?),
            _ => None,
        };
        let content_range = part
            .as_ref()
            .map(|part| format!("bytes {}-{}/{}", part.start, part.end.max(1) - 1, meta.size));
        let part = part.unwrap_or(0..meta.size);
        let content_length = bytes_i64(part.end - part.start);
        let content = self.objects.read(&input.key, part).map_err(internal)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::from(Body::from(content))),
            content_length,
            content_range,
            e_tag: strong(meta.etag),
            last_modified: Some(meta.modified.into()),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let meta = self.head(&input.key)?;
        check_read(&meta, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: bytes_i64(meta.size),
            e_tag: strong(meta.etag),
            last_modified: Some(meta.modified.into()),
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let condition = self.condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let content = content_of(input.body).await?;
        let meta = self.put(&input.key, content, &condition)?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: strong(meta.etag),
            ..Default::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "access points"));
        };
        self.check_name(bucket)?;
        let source = self.head(key)?;
        let content = self.objects.read(key, 0..source.size).map_err(internal)?;
        let meta = self.put(&input.key, content, &Condition::Always)?;
        let result = CopyObjectResult {
            e_tag: strong(meta.etag),
            last_modified: Some(meta.modified.into()),
            ..Default::default()
        };
        let output = CopyObjectOutput {
            copy_object_result: Some(result),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.check_name(&request.input.bucket)?;
        self.objects.delete(&request.input.key).map_err(internal)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.check_name(&request.input.bucket)?;
        let mut deleted = Vec::new();
        for object in request.input.delete.objects {
            self.objects.delete(&object.key).map_err(internal)?;
            deleted.push(DeletedObject {
                key: Some(object.key),
                ..Default::default()
            });
        }
        let output = DeleteObjectsOutput {
            deleted: Some(deleted),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let after = input
            .continuation_token
            .clone()
            .or(input.start_after.clone());
        let limit = input.max_keys.and_then(|keys| usize::try_from(keys).ok());
        let limit = limit.unwrap_or(LIST_KEYS_MAX).min(LIST_KEYS_MAX);
        let keys = self.objects.keys(&prefix).map_err(internal)?;
        let page = page(
            &keys,
            &prefix,
            &delimiter,
            &after.unwrap_or_default(),
            limit,
        );
        let mut contents = Vec::new();
        for key in page.keys {
            // An object deleted since the keys were taken is left out.
            let Some(meta) = self.objects.head(&key).map_err(internal)? else {
                continue;
            };
            contents.push(Object {
                key: Some(key),
                e_tag: strong(meta.etag),
                last_modified: Some(meta.modified.into()),
                size: bytes_i64(meta.size),
                ..Default::default()
            });
        }
        let common_prefixes: Vec<_> = page
            .prefixes
            .into_iter()
            .map(|name| CommonPrefix { prefix: Some(name) })
            .collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: i32::try_from(limit).ok(),
            key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..Default::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.check_name(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let upload_id = format!(
            "upload-{}",
            self.uploads.next_id.fetch_add(1, Ordering::SeqCst)
        );
        self.uploads
            .lock()
            .insert(upload_id.clone(), BTreeMap::new());
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let content = content_of(input.body).await?;
        let etag = etag_of(&content);
        let mut uploads = self.uploads.lock();
        let parts = uploads
            .get_mut(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        parts.insert(input.part_number, content);
        Ok(S3Response::new(UploadPartOutput {
            e_tag: strong(etag),
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        self.check_name(&input.bucket)?;
        let condition = self.condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let content = {
            let uploads = self.uploads.lock();
            let parts = uploads
                .get(&input.upload_id)
                .ok_or_else(|| s3_error!(NoSuchUpload))?;
            joined_parts(parts, &named)?
        };
        let meta = self.put(&input.key, content, &condition)?;
        self.uploads.lock().remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: strong(meta.etag),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.check_name(&request.input.bucket)?;
        let removed = self.uploads.lock().remove(&request.input.upload_id);
        removed.ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

impl Uploads {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, BTreeMap<i32, Bytes>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the named parts in a row.
fn joined_parts(parts: &BTreeMap<i32, Bytes>, named: &[CompletedPart]) -> S3Result<Bytes> {
    let mut content = Vec::new();
    for (index, part) in named.iter().enumerate() {
        let bytes = part.part_number.and_then(|number| parts.get(&number));
        let bytes = bytes.ok_or_else(|| s3_error!(InvalidPart))?;
        if part
            .e_tag
            .as_ref()
            .is_some_and(|etag| etag.value() != etag_of(bytes))
        {
            return Err(s3_error!(InvalidPart));
        }
        if index + 1 < named.len() && bytes.len() < PART_BYTES_MIN {
            return Err(s3_error!(EntityTooSmall));
        }
        content.extend_from_slice(bytes);
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_pages_fold_folders_and_continue() {
        let keys = ["a/1", "a/2", "b", "c/d/3", "e"].map(str::to_owned);
        let first = page(&keys, "", "/", "", 2);
        assert_eq!(first.prefixes, ["a/"]);
        assert_eq!(first.keys, ["b"]);
        let next = first.next.expect("a second page");
        let second = page(&keys, "", "/", &next, 2);
        assert_eq!(
            (second.prefixes, second.keys),
            (vec!["c/".into()], vec!["e".into()])
        );
        assert_eq!(second.next, None);
        assert_eq!(page(&keys, "", "", "a/2", 9).keys, ["b", "c/d/3", "e"]);
    }
}
