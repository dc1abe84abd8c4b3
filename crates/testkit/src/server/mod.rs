//! A server for tests that counts and that breaks on request.
//!
//! It runs on a runtime of its own, so tests may block or run on one thread. Beside its objects it
//! answers, uncounted: `GET /__stats` (JSON), `POST /__reset`, `POST /__inject` (a [`Rule`] as
//! JSON) and `POST /__heal` (removes all rules).

mod body;
mod fault;
mod http;
mod objects;
mod s3;
mod stats;

pub use fault::{Fault, Rule};
pub use stats::{RequestRecord, Stats};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use body::{Cut, Delivery, FaultBody, ResetFlag, ResettableStream};
use fault::Rules;
use objects::Objects;
use stats::Ledger;

/// What a store makes of `If-None-Match: *` and `If-Match` on a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConditionalPut {
    /// Of any number of writers one wins, as in Amazon's service.
    #[default]
    Atomic,
    /// Answers 501, as OpenStack Swift.
    NotImplemented,
    /// Writes whatever the condition says, as some older stores.
    Ignored,
}

/// How a server behaves when nothing is injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Speaks S3 instead of plain HTTP.
    pub is_s3: bool,
    /// Name of the one bucket of an S3 server.
    pub bucket: String,
    /// Access key that S3 requests must be signed with.
    pub access_key: String,
    /// Secret of the access key.
    pub secret_key: String,
    /// Lets unsigned S3 requests read.
    pub is_public: bool,
    /// What conditional S3 writes do.
    pub conditional_put: ConditionalPut,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            is_s3: false,
            bucket: "swath-test".to_owned(),
            access_key: "testkit".to_owned(),
            secret_key: "testkit-secret-0123456789".to_owned(),
            is_public: false,
            conditional_put: ConditionalPut::Atomic,
        }
    }
}

/// A server on 127.0.0.1 that stops when dropped.
#[derive(Debug)]
pub struct FaultServer {
    options: Options,
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    objects: Arc<Objects>,
    s3: Option<S3Service>,
    rules: Mutex<Rules>,
    ledger: Ledger,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

impl FaultServer {
    /// Starts a plain HTTP server (`GET`, `HEAD`) over the files of `folder`.
    ///
    /// # Panics
    /// If no port or thread is to be had.
    pub async fn start_http(folder: impl AsRef<Path>) -> Self {
        Self::start(folder, Options::default()).expect("a free port and a thread")
    }

    /// Starts an S3 server (path style, region of the client's choice) whose one bucket is
    /// `folder`; signatures are checked.
    ///
    /// # Panics
    /// If no port or thread is to be had.
    pub async fn start_s3(folder: impl AsRef<Path>) -> Self {
        let options = Options {
            is_s3: true,
            ..Options::default()
        };
        Self::start(folder, options).expect("a free port and a thread")
    }

    /// Starts a server over the files of `folder`; may be called without a runtime.
    ///
    /// # Errors
    /// If the port is taken or no thread is to be had.
    pub fn start(folder: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        Self::serve(Objects::in_folder(folder.as_ref()), options)
    }

    /// Starts a server over objects in memory, given as key and content.
    ///
    /// # Errors
    /// As [`FaultServer::start`].
    pub fn start_memory<K: Into<String>, B: Into<Bytes>>(
        content: impl IntoIterator<Item = (K, B)>,
        options: Options,
    ) -> io::Result<Self> {
        let content = content
            .into_iter()
            .map(|(key, bytes)| (key.into(), bytes.into()));
        Self::serve(Objects::in_memory(content), options)
    }

    fn serve(objects: Objects, options: Options) -> io::Result<Self> {
        let objects = Arc::new(objects);
        let s3 = options.is_s3.then(|| {
            let bucket = s3::Bucket {
                name: options.bucket.clone(),
                objects: Arc::clone(&objects),
                conditional_put: options.conditional_put,
                uploads: s3::Uploads::default(),
            };
            s3::service(
                bucket,
                (&options.access_key, &options.secret_key),
                options.is_public,
            )
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fault-server")
            .enable_all()
            .build()?;
        let rules = Mutex::default();
        let shared = Arc::new(Shared {
            objects,
            s3,
            rules,
            ledger: Ledger::default(),
        });
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            options,
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Returns `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the URL of an object: under the endpoint, for S3 under endpoint and bucket.
    pub fn url(&self, key: &str) -> String {
        match self.options.is_s3 {
            true => format!("{}/{}/{key}", self.endpoint(), self.options.bucket),
            false => format!("{}/{key}", self.endpoint()),
        }
    }

    /// Returns the name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// Returns the access key.
    pub fn access_key(&self) -> &str {
        &self.options.access_key
    }

    /// Returns the secret of the access key.
    pub fn secret_key(&self) -> &str {
        &self.options.secret_key
    }

    /// Adds a rule; rules apply together, in the order they came.
    pub fn inject(&self, rule: Rule) -> &Self {
        self.shared.rules().push(rule);
        self
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.shared.rules().clear();
    }

    /// Returns the counts since the start or the last reset.
    pub fn stats(&self) -> Stats {
        self.shared.ledger.stats()
    }

    /// Sets the counts to zero; requests under way are forgotten.
    pub fn reset_stats(&self) {
        self.shared.ledger.reset();
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop of a runtime panics inside another one.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Small answers must not wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let reset: ResetFlag = Arc::new(AtomicBool::new(false));
        let io = TokioIo::new(ResettableStream::new(stream, Arc::clone(&reset)));
        let shared = Arc::clone(&shared);
        let service =
            service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&reset), request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
        // Connections end in errors by design.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// The error that makes hyper drop the connection without an answer.
type Dropped = io::Error;

async fn answer(
    shared: Arc<Shared>,
    reset: ResetFlag,
    request: Request<Incoming>,
) -> Result<Response<FaultBody>, Dropped> {
    let path = percent_decoded(request.uri().path());
    if path.starts_with("/__") {
        // A ledger of its own, thrown away: control requests are not counted.
        let (entry, in_flight) = Ledger::default().open(&request, &path);
        let response = control(&shared, &path, request).await?;
        let delivery = Delivery::default();
        return Ok(response.map(|body| FaultBody::new(body, delivery, reset, (entry, in_flight))));
    }
    let (entry, in_flight) = shared.ledger.open(&request, &path);
    let is_head = request.method() == Method::HEAD;
    let is_ranged = request.headers().contains_key(header::RANGE);
    let faults = shared
        .rules()
        .faults(request.method().as_str(), &path, is_ranged);
    for fault in &faults {
        if let Fault::Latency(duration) = fault {
            tokio::time::sleep(*duration).await;
        }
    }
    let (parts, incoming) = request.into_parts();
    let content = incoming
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    entry.add_received(content.len() as u64);
    let request = Request::from_parts(parts, content);
    let mut response = match injected_status(&faults) {
        Some(status) => status_response(status, shared.s3.is_some() && !is_head),
        None => carry_out(&shared, request, &path, &faults).await?,
    };
    spoil_headers(&mut response, &faults);
    entry.set_status(response.status().as_u16());
    let delivery = delivery(&faults);
    let lost = faults.contains(&Fault::LoseResponse).then_some(Cut::Reset);
    let cut_head = delivery
        .cut
        .filter(|_| response.body().is_empty())
        .map(|(_, cut)| cut);
    match lost.or(cut_head) {
        None => {}
        Some(Cut::Stall) => std::future::pending::<()>().await,
        Some(cut) => {
            entry.set_status(0);
            reset.store(cut == Cut::Reset, Ordering::SeqCst);
            return Err(io::Error::other("injected fault"));
        }
    }
    Ok(response.map(|content| FaultBody::new(content, delivery, reset, (entry, in_flight))))
}

async fn carry_out(
    shared: &Shared,
    mut request: Request<Bytes>,
    path: &str,
    faults: &[Fault],
) -> io::Result<Response<Bytes>> {
    let honours_range = !faults.contains(&Fault::IgnoreRange);
    let Some(s3) = &shared.s3 else {
        let key = path.trim_start_matches('/');
        return Ok(http::respond(&shared.objects, &request, key, honours_range));
    };
    if !honours_range {
        request.extensions_mut().insert(s3::IgnoreRange);
    }
    let response = s3.call(request.map(s3s::Body::from)).await;
    let (parts, body) = response
        .map_err(|error| io::Error::other(format!("{error:?}")))?
        .into_parts();
    let content = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Response::from_parts(parts, content))
}

fn injected_status(faults: &[Fault]) -> Option<u16> {
    faults.iter().find_map(|fault| match fault {
        Fault::Status(status) => Some(*status),
        _ => None,
    })
}

fn status_response(status: u16, has_xml: bool) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http::empty(status);
    if has_xml && (status.is_client_error() || status.is_server_error()) {
        let code = match status.as_u16() {
            403 => "AccessDenied",
            404 => "NoSuchKey",
            412 => "PreconditionFailed",
            429 | 503 => "SlowDown",
            _ => "InternalError",
        };
        let text = format!("<Error><Code>{code}</Code><Message>injected fault</Message></Error>");
        *response.body_mut() = text.into();
        let value = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn spoil_headers(response: &mut Response<Bytes>, faults: &[Fault]) {
    let headers = response.headers_mut();
    if faults.contains(&Fault::WrongEtag) {
        let value = HeaderValue::from_static("\"00000000000000000000000000000bad\"");
        headers.insert(header::ETAG, value);
    }
    if faults.contains(&Fault::WrongContentRange)
        && let Some(value) = headers.get(header::CONTENT_RANGE)
        && let Some(moved) = value.to_str().ok().and_then(moved_content_range)
    {
        headers.insert(header::CONTENT_RANGE, http::text_value(&moved));
    }
}

fn moved_content_range(value: &str) -> Option<String> {
    let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(format!("bytes {}-{}/{size}", first + 1, last + 1))
}

fn delivery(faults: &[Fault]) -> Delivery {
    let mut delivery = Delivery::default();
    for fault in faults {
        match fault {
            Fault::ShortBody { bytes } => delivery.cut = Some((*bytes, Cut::Close)),
            Fault::ResetAt { byte } => delivery.cut = Some((*byte, Cut::Reset)),
            Fault::Stall => delivery.cut = Some((0, Cut::Stall)),
            Fault::SlowBody { bytes_per_second } => {
                delivery.bytes_per_second = Some(*bytes_per_second);
            }
            _ => {}
        }
    }
    delivery
}

async fn control(
    shared: &Shared,
    path: &str,
    request: Request<Incoming>,
) -> io::Result<Response<Bytes>> {
    let is_post = request.method() == Method::POST;
    let content = request
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let response = match path {
        "/__stats" => Response::new(serde_json::to_vec(&shared.ledger.stats())?.into()),
        "/__reset" if is_post => {
            shared.ledger.reset();
            http::empty(StatusCode::NO_CONTENT)
        }
        "/__heal" if is_post => {
            shared.rules().clear();
            http::empty(StatusCode::NO_CONTENT)
        }
        "/__inject" if is_post => match serde_json::from_slice(&content) {
            Ok(rule) => {
                shared.rules().push(rule);
                http::empty(StatusCode::NO_CONTENT)
            }
            Err(error) => {
                let mut response = Response::new(Bytes::from(error.to_string()));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        },
        _ => http::empty(StatusCode::NOT_FOUND),
    };
    Ok(response)
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let digits = path
            .get(position + 1..position + 3)
            .filter(|_| byte == b'%');
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(byte));
        position += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded() {
        assert_eq!(percent_decoded("/a%20b/%C3%A9%2"), "/a b/é%2");
    }

    #[test]
    fn wrong_content_range_moves_both_ends() {
        assert_eq!(
            moved_content_range("bytes 0-3/9").as_deref(),
            Some("bytes 1-4/9")
        );
        assert_eq!(moved_content_range("bytes */9"), None);
    }
}
