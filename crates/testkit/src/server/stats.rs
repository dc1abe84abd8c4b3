//! What the server was asked and what it sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Counts since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Number of requests by method.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of all response bodies handed to the network.
    pub bytes_sent: u64,
    /// Bytes of all request bodies.
    pub bytes_received: u64,
    /// Largest number of requests under way at once.
    pub in_flight_max: usize,
    /// Every request in order of arrival.
    pub log: Vec<RequestRecord>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Method in capitals.
    pub method: String,
    /// Path as sent, percent-decoded, without query.
    pub path: String,
    /// Query as sent, empty if there was none.
    pub query: String,
    /// Value of the `Range` header.
    pub range: Option<String>,
    /// True where the request bears an `Authorization` header.
    pub is_signed: bool,
    /// Value of the `x-amz-request-payer` header.
    pub payer: Option<String>,
    /// Status of the answer; 0 while there is none.
    pub status: u16,
    /// Bytes of the response body handed to the network so far.
    pub bytes_sent: u64,
}

impl Stats {
    /// Returns the number of requests with this method.
    pub fn count(&self, method: &str) -> u64 {
        self.requests.get(method).copied().unwrap_or(0)
    }

    /// Returns the number of all requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Returns the requests whose path ends in `suffix`.
    pub fn of_path<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = &'a RequestRecord> {
        self.log
            .iter()
            .filter(move |record| record.path.ends_with(suffix))
    }
}

/// A request while it is served; counts itself out when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    method: String,
    path: String,
    query: String,
    range: Option<String>,
    is_signed: bool,
    payer: Option<String>,
    status: AtomicU16,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl Entry {
    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn add_sent(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(crate) fn add_received(&self, bytes: u64) {
        self.bytes_received.fetch_add(bytes, Ordering::SeqCst);
    }
}

/// The entries since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Arc<Entry>>>,
    in_flight: Arc<AtomicUsize>,
    in_flight_max: AtomicUsize,
}

/// Holds a request in flight until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ledger {
    pub(crate) fn open<B>(
        &self,
        request: &hyper::Request<B>,
        path: &str,
    ) -> (Arc<Entry>, InFlight) {
        let text = |name: &str| {
            let value = request.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let entry = Arc::new(Entry {
            method: request.method().as_str().to_owned(),
            path: path.to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            range: text("range"),
            is_signed: request.headers().contains_key("authorization"),
            payer: text("x-amz-request-payer"),
            status: AtomicU16::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
        });
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&entry));
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.in_flight_max.fetch_max(in_flight, Ordering::SeqCst);
        (entry, InFlight(Arc::clone(&self.in_flight)))
    }

    pub(crate) fn reset(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.in_flight_max
            .store(self.in_flight.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub(crate) fn stats(&self) -> Stats {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stats = Stats {
            in_flight_max: self.in_flight_max.load(Ordering::SeqCst),
            ..Stats::default()
        };
        for entry in entries.iter() {
            let bytes_sent = entry.bytes_sent.load(Ordering::SeqCst);
            *stats.requests.entry(entry.method.clone()).or_default() += 1;
            stats.bytes_sent += bytes_sent;
            stats.bytes_received += entry.bytes_received.load(Ordering::SeqCst);
            stats.log.push(RequestRecord {
                method: entry.method.clone(),
                path: entry.path.clone(),
                query: entry.query.clone(),
                range: entry.range.clone(),
                is_signed: entry.is_signed,
                payer: entry.payer.clone(),
                status: entry.status.load(Ordering::SeqCst),
                bytes_sent,
            });
        }
        stats
    }
}
