//! Pyramids of vector tiles: made once per version of a set, kept as files, open while they are used.
//!
//! A version has one content, so that its digest names the file. It is written beside and renamed: what
//! is there is whole. A file that cannot be read is made anew.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use swath_io::vector::VectorError;
use swath_io::vector::tiles::{TilePyramid, build_pyramid};
use tokio::sync::{OnceCell, Semaphore};

use super::failure::{internal, of_vector};
use super::holding::OpenSet;
use crate::error::Problem;

/// Pyramids that are open.
const OPEN_MAX: usize = 16;
/// Longest wait for a pyramid that is being made; who asks again later finds more of it done.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A pyramid, or the place of one that is being made.
type Place = Arc<OnceCell<Arc<TilePyramid>>>;

/// The pyramids of a deployment.
#[derive(Debug)]
pub(crate) struct Pyramids {
    /// Where files are kept.
    folder: PathBuf,
    /// By digest, the most recently used last.
    open: Mutex<Vec<(String, Place)>>,
    /// One is made at a time: it takes memory by the set.
    maker: Arc<Semaphore>,
}

impl Pyramids {
    /// Returns the pyramids that are kept in a folder, which need not be there yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: Mutex::default(),
            maker: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the pyramid of a set, which is made where it is not there.
    ///
    /// Making goes on where nobody waits for it any more.
    ///
    /// # Errors
    /// Where it is still being made after a while, or cannot be made.
    pub(super) async fn of(&self, set: &Arc<OpenSet>) -> Result<Arc<TilePyramid>, Problem> {
        let place = self.place(&set.version.digest);
        if let Some(pyramid) = place.get() {
            return Ok(pyramid.clone());
        }
        let (set, folder, maker) = (set.clone(), self.folder.clone(), self.maker.clone());
        let made = tokio::spawn(async move {
            let made = place.get_or_try_init(|| async {
                let _turn = maker.acquire().await.map_err(|error| internal(&error))?;
                let made = tokio::task::spawn_blocking(move || opened(&set, &folder)).await;
                let made = made.map_err(|error| internal(&error))?;
                made.map(Arc::new).map_err(|error| of_vector(&error))
            });
            made.await.cloned()
        });
        match tokio::time::timeout(WAIT_MAX, made).await {
            Ok(made) => made.map_err(|error| internal(&error))?,
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "BeingPrepared",
                "the tiles of this version of the set are being prepared: ask again in a minute",
            )),
        }
    }

    fn place(&self, digest: &str) -> Place {
        let mut open = self.open.lock().unwrap_or_else(|lock| lock.into_inner());
        let known = open.iter().position(|(known, _)| known == digest);
        let held = match known {
            Some(index) => open.remove(index),
            None => (digest.to_owned(), Place::default()),
        };
        let place = held.1.clone();
        open.push(held);
        if open.len() > OPEN_MAX {
            open.remove(0);
        }
        place
    }
}

/// Opens the file of a set's pyramid, or makes it.
fn opened(set: &OpenSet, folder: &std::path::Path) -> Result<TilePyramid, VectorError> {
    // The digest is of hexadecimal digits; whatever it is, it stays one name.
    let digest = set
        .version
        .digest
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let path = folder.join(format!("{digest}.pyramid"));
    match TilePyramid::open(&path) {
        Ok(pyramid) => return Ok(pyramid),
        Err(VectorError::NotFound { .. }) => {}
        Err(error) => tracing::warn!(%error, "a pyramid is made anew"),
    }
    let failed = |error: std::io::Error| VectorError::Write {
        file: path.clone(),
        what: error.to_string(),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let start = Instant::now();
    let summary = build_pyramid(set.file(), &set.crs, file.as_file(), &path)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    tracing::info!(
        set = set.name(),
        parcels = summary.rows,
        vertices = summary.vertices,
        bytes = summary.bytes,
        parcels_from_zoom = summary.detail_zoom,
        seconds = start.elapsed().as_secs_f64(),
        "the vector tiles of a parcel set are prepared"
    );
    TilePyramid::open(&path)
}
