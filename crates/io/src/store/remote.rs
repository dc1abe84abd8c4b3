//! One remote store: requests with retries, checked answers and an adaptive limit.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, RetryConfig};
use url::Url;

use super::config::{AwsEnvironment, StoreConfig};
use super::limit::RequestLimit;
use crate::IoError;

/// Status of a server whose disk or quota is full (WebDAV, RFC 4918 section 11.5; S3 servers answer so too).
const INSUFFICIENT_STORAGE: u16 = 507;
/// Attempts for one range before the store counts as failed.
const ATTEMPTS_MAX: u32 = 5;
/// Wait before the second attempt; doubled for each further one.
const BACKOFF_FIRST_MS: u64 = 100;
/// Seconds after which one request is given up where the configuration says nothing.
const TIMEOUT_DEFAULT_S: u64 = 60;

/// How the client begins its account of a status that is no success.
const STATUS_TEXT: &str = "Server returned non-2xx status code: ";
/// What the client says of an S3 service that sends the whole object where a range was asked for.
const NOT_PARTIAL: &str = "Received non-partial response when range requested";

/// An opened remote store.
#[derive(Debug)]
pub(super) struct RemoteStore {
    store: Arc<dyn ObjectStore>,
    /// Signs URLs where the store has credentials to do so.
    signer: Option<Arc<dyn Signer>>,
    limit: RequestLimit,
}

/// Bytes of an object with what identifies its version.
#[derive(Debug)]
pub(super) struct RemoteBytes {
    pub(super) bytes: Bytes,
    pub(super) object_len: u64,
    pub(super) etag: Option<String>,
}

enum Failure {
    Final(IoError),
    Retry { reason: String, is_overload: bool },
}

impl RemoteStore {
    pub(super) fn new(store: impl ObjectStore) -> Self {
        Self {
            store: Arc::new(store),
            signer: None,
            limit: RequestLimit::new(),
        }
    }

    pub(super) fn http(url: &Url, config: &StoreConfig) -> Result<Self, IoError> {
        // The query stays in the base URL, so that presigned URLs keep their signature.
        let mut base = url.clone();
        base.set_path("/");
        let store = HttpBuilder::new()
            .with_url(base.to_string())
            .with_client_options(client_options(config))
            .with_retry(no_retry())
            .build()
            .map_err(|error| href_error(url.as_str(), &error))?;
        Ok(Self::new(store))
    }

    pub(super) fn s3(
        bucket: &str,
        config: &StoreConfig,
        aws: Option<&AwsEnvironment>,
    ) -> Result<Self, IoError> {
        Self::s3_with(bucket, config, aws, no_retry())
    }

    /// As [`RemoteStore::s3`], but the client repeats failed requests itself: those of writing.
    pub(super) fn s3_for_writing(
        bucket: &str,
        config: &StoreConfig,
        aws: Option<&AwsEnvironment>,
    ) -> Result<Self, IoError> {
        let retry = RetryConfig {
            max_retries: ATTEMPTS_MAX as usize - 1,
            ..RetryConfig::default()
        };
        Self::s3_with(bucket, config, aws, retry)
    }

    fn s3_with(
        bucket: &str,
        config: &StoreConfig,
        aws: Option<&AwsEnvironment>,
        retry: RetryConfig,
    ) -> Result<Self, IoError> {
        let is_path_style = config.path_style.unwrap_or(config.endpoint.is_some());
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(config.region.as_deref().unwrap_or("us-east-1"))
            .with_virtual_hosted_style_request(!is_path_style)
            .with_skip_signature(config.anonymous)
            .with_client_options(client_options(config))
            .with_retry(retry);
        if let Some(endpoint) = &config.endpoint {
            builder = builder
                .with_endpoint(endpoint)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        if config.conditional_put == Some(false) {
            builder = builder.with_conditional_put(S3ConditionalPut::Disabled);
        }
        if config.requester_pays {
            builder = builder.with_config(AmazonS3ConfigKey::RequestPayer, "true");
        }
        if let Some(aws) = aws.filter(|_| !config.anonymous) {
            builder = with_credentials(builder, config, aws).map_err(|reason| IoError::Href {
                href: format!("s3://{bucket}"),
                reason,
            })?;
        }
        let store = builder
            .build()
            .map_err(|error| href_error(&format!("s3://{bucket}"), &error))?;
        let store = Arc::new(store);
        // A presigned URL cannot say who pays.
        let can_sign = !config.anonymous && !config.requester_pays;
        Ok(Self {
            signer: can_sign.then(|| store.clone() as Arc<dyn Signer>),
            store,
            limit: RequestLimit::new(),
        })
    }

    /// Returns what signs URLs, where the store has credentials.
    pub(super) fn signer(&self) -> Option<&Arc<dyn Signer>> {
        self.signer.as_ref()
    }

    /// Returns the client itself, for requests that are not read.
    pub(super) fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Fetches `range`, or what the object has of it where it ends earlier.
    ///
    /// With `etag`, an object of another version is [`IoError::Changed`].
    pub(super) async fn get(
        &self,
        key: &Path,
        range: Range<u64>,
        etag: Option<&str>,
        href: &str,
    ) -> Result<RemoteBytes, IoError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let permit = self.limit.acquire().await;
            let outcome = self.get_once(key, range.clone(), etag, href).await;
            drop(permit);
            match outcome {
                Ok(fetched) => {
                    self.limit.succeeded();
                    return Ok(fetched);
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Retry {
                    reason,
                    is_overload,
                }) => {
                    if is_overload {
                        self.limit.overloaded();
                    }
                    if attempts == ATTEMPTS_MAX {
                        return Err(IoError::Upstream {
                            href: href.to_owned(),
                            attempts,
                            reason,
                        });
                    }
                    tracing::debug!(href, attempts, reason, "request failed, trying again");
                    let wait_ms = BACKOFF_FIRST_MS << (attempts - 1);
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                }
            }
        }
    }

    async fn get_once(
        &self,
        key: &Path,
        range: Range<u64>,
        etag: Option<&str>,
        href: &str,
    ) -> Result<RemoteBytes, Failure> {
        // A weak tag never matches (RFC 9110, 13.1.1); the answer's own tag is compared below.
        let strong_etag = etag.filter(|etag| !etag.starts_with("W/"));
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: strong_etag.map(str::to_owned),
            ..GetOptions::default()
        };
        let answer = self
            .store
            .get_opts(key, options)
            .await
            .map_err(|error| classify(error, href))?;
        let object_len = answer.meta.size;
        let found_etag = answer.meta.e_tag.clone();
        if let (Some(expected), Some(found)) = (etag, &found_etag)
            && expected != found
        {
            return Err(Failure::Final(IoError::Changed {
                href: href.to_owned(),
            }));
        }
        let wanted = range.end.min(object_len).saturating_sub(range.start);
        let bytes = answer
            .bytes()
            .await
            .map_err(|error| classify(error, href))?;
        if bytes.len() as u64 != wanted {
            let reason = format!("{} bytes came where {wanted} were asked for", bytes.len());
            return Err(Failure::Retry {
                reason,
                is_overload: false,
            });
        }
        Ok(RemoteBytes {
            bytes,
            object_len,
            etag: found_etag,
        })
    }
}

/// Our own retries count every attempt and slow down the whole store; the client's would hide both.
pub(super) fn no_retry() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}

pub(super) fn client_options(config: &StoreConfig) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(Duration::from_secs(
            config.timeout_s.unwrap_or(TIMEOUT_DEFAULT_S),
        ))
        .with_connect_timeout(Duration::from_secs(10))
        .with_allow_http(true)
}

fn with_credentials(
    builder: AmazonS3Builder,
    config: &StoreConfig,
    aws: &AwsEnvironment,
) -> Result<AmazonS3Builder, String> {
    let prefix = config.credentials.as_deref().unwrap_or("AWS");
    let variable = |name: &str| format!("{}_{name}", prefix.to_uppercase());
    let key = aws.get(&variable("ACCESS_KEY_ID"));
    let secret = aws.get(&variable("SECRET_ACCESS_KEY"));
    let (Some(key), Some(secret)) = (key, secret) else {
        if config.credentials.is_some() {
            return Err(format!(
                "{} and {} are not set",
                variable("ACCESS_KEY_ID"),
                variable("SECRET_ACCESS_KEY")
            ));
        }
        // Without keys the client asks the machine's own identity service, as the AWS tools do.
        return Ok(builder);
    };
    let builder = builder
        .with_access_key_id(key)
        .with_secret_access_key(secret);
    Ok(match aws.get(&variable("SESSION_TOKEN")) {
        Some(token) => builder.with_token(token),
        None => builder,
    })
}

pub(super) fn href_error(href: &str, error: &object_store::Error) -> IoError {
    IoError::Href {
        href: href.to_owned(),
        reason: root_cause(error),
    }
}

/// Returns the error of a request that the client repeated itself as often as it may.
pub(super) fn storage_error(error: object_store::Error, href: &str) -> IoError {
    match classify(error, href) {
        Failure::Final(error) => error,
        Failure::Retry { reason, .. } => IoError::Upstream {
            href: href.to_owned(),
            attempts: ATTEMPTS_MAX,
            reason,
        },
    }
}

fn forbidden(href: String) -> IoError {
    let reason = "the store answers 403 Forbidden; check the credentials and the bucket's policy";
    IoError::Denied {
        href,
        reason: reason.to_owned(),
    }
}

fn unauthorized(href: String) -> IoError {
    IoError::Denied {
        href,
        reason: "the store answers 401 Unauthorized; check the credentials".to_owned(),
    }
}

fn classify(error: object_store::Error, href: &str) -> Failure {
    let href = href.to_owned();
    match error {
        object_store::Error::NotFound { .. } => Failure::Final(IoError::NotFound { href }),
        object_store::Error::PermissionDenied { .. } => Failure::Final(forbidden(href)),
        object_store::Error::Unauthenticated { .. } => Failure::Final(unauthorized(href)),
        object_store::Error::Precondition { .. } => Failure::Final(IoError::Changed { href }),
        object_store::Error::NotSupported { .. } => Failure::Final(no_ranges(href)),
        other => {
            let reason = root_cause(&other);
            let is_timeout = reason.contains("timed out") || reason.contains("timeout");
            match status_of(&other) {
                _ if reason == NOT_PARTIAL => Failure::Final(no_ranges(href)),
                // Of a listing, which the client does not tell as it tells a GET.
                Some(401) => Failure::Final(unauthorized(href)),
                Some(INSUFFICIENT_STORAGE) => Failure::Final(IoError::Full { href, reason }),
                Some(403) => Failure::Final(forbidden(href)),
                Some(416) => {
                    let reason =
                        "the range lies outside the object (it is empty or shorter than expected)"
                            .to_owned();
                    Failure::Final(IoError::Raster { href, reason })
                }
                Some(400 | 405 | 410) => Failure::Final(IoError::Upstream {
                    href,
                    attempts: 1,
                    reason,
                }),
                status => Failure::Retry {
                    is_overload: is_timeout || matches!(status, Some(429 | 503)),
                    reason,
                },
            }
        }
    }
}

fn no_ranges(href: String) -> IoError {
    let reason =
        "the server does not answer range requests; copy the file to a store that does".to_owned();
    IoError::Raster { href, reason }
}

/// Returns the status that the server answered with. Only the cause that begins with it is looked at:
/// names of objects are full of numbers.
pub(super) fn status_of(error: &dyn std::error::Error) -> Option<u16> {
    std::iter::successors(Some(error), |cause| cause.source()).find_map(|cause| {
        cause
            .to_string()
            .strip_prefix(STATUS_TEXT)?
            .get(..3)?
            .parse()
            .ok()
    })
}

/// Returns the innermost cause: the outer ones repeat the URL, which may carry a signature.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut shown = cause.to_string();
    while let Some(next) = cause.source() {
        cause = next;
        let text = cause.to_string();
        if !text.is_empty() {
            shown = text;
        }
    }
    match shown
        .find("://")
        .and_then(|at| shown[at..].find('?').map(|query| at + query))
    {
        Some(query) => format!("{}?…", &shown[..query]),
        None => shown,
    }
}
