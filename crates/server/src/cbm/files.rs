//! Pictures that were cut out, kept until they are fetched.
//!
//! The clients fetch them without logging in: the path holds 128 random bits, which only who was
//! allowed to see the image got. They go when clients had time to fetch them, the oldest first.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::error::Problem;
use crate::links::path_segment;
use crate::state::AppState;

/// How long a picture is kept: clients fetch those of an answer one after the other.
const KEPT_MAX: Duration = Duration::from_secs(15 * 60);
/// Bytes of all pictures that are kept.
const BYTES_MAX: usize = 256 << 20;
/// Pictures that are kept.
const FILES_MAX: usize = 20_000;

/// The pictures, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ChipFiles {
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    kept: VecDeque<ChipFile>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct ChipFile {
    key: String,
    kind: &'static str,
    bytes: Bytes,
    since: Instant,
}

impl Files {
    /// Drops what is too old or too much.
    fn drop_old(&mut self) {
        while let Some(oldest) = self.kept.front() {
            let is_kept = self.bytes <= BYTES_MAX
                && self.kept.len() <= FILES_MAX
                && oldest.since.elapsed() <= KEPT_MAX;
            if is_kept {
                break;
            }
            self.bytes -= oldest.bytes.len();
            self.kept.pop_front();
        }
    }
}

impl ChipFiles {
    /// Keeps a picture; returns its path on this server, whose last part is `name`.
    ///
    /// # Errors
    /// Where the system gives no random bits, or the picture is too large to be kept.
    pub(super) fn keep(
        &self,
        name: &str,
        kind: &'static str,
        bytes: Vec<u8>,
    ) -> Result<String, Problem> {
        if bytes.len() > BYTES_MAX / 4 {
            return Err(Problem::invalid(
                "the picture is too large: ask for a smaller one",
            ));
        }
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| crate::parcels::internal(&error))?;
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("/query/files/{key}/{}", path_segment(name));
        let mut files = self.files.lock().unwrap_or_else(|lock| lock.into_inner());
        files.bytes += bytes.len();
        files.kept.push_back(ChipFile {
            key,
            kind,
            bytes: bytes.into(),
            since: Instant::now(),
        });
        files.drop_old();
        Ok(path)
    }

    fn get(&self, key: &str) -> Option<ChipFile> {
        let files = self.files.lock().unwrap_or_else(|lock| lock.into_inner());
        files
            .kept
            .iter()
            .rev()
            .find(|file| file.key == key)
            .cloned()
    }
}

/// Answers a picture: `/query/files/{key}/{name}`.
pub(super) async fn show(
    State(state): State<AppState>,
    Path((key, _)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let file = state
        .chips
        .get(&key)
        .ok_or_else(|| Problem::not_found("this picture is not kept any more: ask for it anew"))?;
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=3600"),
    );
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_until_they_are_too_many() {
        let files = ChipFiles::default();
        let first = files
            .keep("a.tif", "image/tiff", vec![1; 60 << 20])
            .expect("a path");
        let key = first.split('/').nth(3).expect("a key").to_owned();
        assert_eq!(key.len(), 32);
        assert!(files.get(&key).is_some());
        for _ in 0..4 {
            files
                .keep("b.tif", "image/tiff", vec![1; 60 << 20])
                .expect("a path");
        }
        assert!(files.get(&key).is_none());
        assert!(files.get("").is_none());
        assert!(
            files
                .keep("c.tif", "image/tiff", vec![1; 65 << 20])
                .is_err()
        );
    }

    #[test]
    fn pictures_that_nobody_fetched_in_time_go() {
        let files = ChipFiles::default();
        let key_of = |path: String| path.split('/').nth(3).expect("a key").to_owned();
        let keep = |name| key_of(files.keep(name, "image/png", vec![1]).expect("a path"));
        let first = keep("a.png");
        {
            let mut files = files.files.lock().expect("no panic");
            let since = &mut files.kept[0].since;
            *since = since
                .checked_sub(KEPT_MAX + Duration::from_secs(1))
                .expect("the machine runs that long, or the clock began earlier");
        }
        let second = keep("b.png");
        assert!(files.get(&first).is_none());
        assert!(files.get(&second).is_some());
    }
}
