//! Coverage of all parcels on one grid: computed once, kept on disk, read band by band.
//!
//! Records stand by bands of [`BAND_ROWS`] rows, in a band from left to right, in chunks with a checksum each.
//! A table that fits a small budget stays in memory; a larger one is read again from its file, chunk by
//! chunk, while a scan goes down the grid and, in a row of blocks, lets go of chunks from the left: so that
//! memory does not grow with the number of parcels.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use geo_types::MultiPolygon;
use rayon::prelude::*;
use swath_grid::GeoBox;
use swath_io::ThreadWatch;
use swath_raster::{CoverageRule, coverage};
use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;
use crate::coverage_record::{CoverageRecord, FirstPixel, push_record};
use crate::stages::{Stage, StageMeter};

const MAGIC: &[u8; 8] = b"swathcv4";
/// Rows of the grid that a band has: about as many as a scan has under way.
const BAND_ROWS: u32 = 512;
/// Parcels whose records make one chunk.
const CHUNK_PARCELS: usize = 1024;
/// Of these, parcels that one thread works on.
const PARCELS_TOGETHER: usize = 32;
/// Bytes of all kept tables, beyond which the longest unused ones are removed.
const CACHE_BYTES_MAX: u64 = 8 << 30;
/// Tables up to this many bytes stay in memory.
const MEMORY_BYTES_MAX: usize = 32 << 20;
/// Largest chunk that is believed when read back.
const CHUNK_BYTES_MAX: u64 = 4 << 30;

/// Records of some parcels.
#[derive(Debug)]
pub(crate) struct Chunk {
    words: Vec<u32>,
    starts: Vec<u32>,
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn record(&self, index: usize) -> CoverageRecord<'_> {
        CoverageRecord::new(&self.words[self.starts[index] as usize..])
    }

    /// Returns some records of other chunks as a chunk of their own.
    pub(crate) fn gathered<'a>(records: impl Iterator<Item = (&'a Self, u32)>) -> Self {
        let mut own = Self {
            words: Vec::new(),
            starts: Vec::new(),
        };
        for (chunk, index) in records {
            let index = index as usize;
            let end = chunk.starts.get(index + 1).map(|end| *end as usize);
            let words = chunk.starts[index] as usize..end.unwrap_or(chunk.words.len());
            own.starts.push(own.words.len() as u32);
            own.words.extend(&chunk.words[words]);
        }
        own
    }

    /// Returns the rows of the band in which it begins: no record of this chunk and of those after it begins above.
    pub(crate) fn band(&self) -> Range<u32> {
        let first = match self.starts.is_empty() {
            true => 0,
            false => self.record(0).first_row(),
        };
        let start = first / BAND_ROWS * BAND_ROWS;
        start..start.saturating_add(BAND_ROWS)
    }

    /// Returns a column left of which no record of this chunk and of those after it in the band begins.
    pub(crate) fn first_col(&self) -> u32 {
        match self.starts.is_empty() {
            true => 0,
            false => self.record(0).first_col(),
        }
    }

    fn memory_bytes(&self) -> usize {
        (self.words.len() + self.starts.len()) * 4
    }
}

/// Where a table's chunks are.
#[derive(Debug)]
enum Store {
    Memory(Vec<Arc<Chunk>>),
    File(PathBuf),
    /// A file without a name of its own: gone when dropped.
    Scratch(tempfile::NamedTempFile),
}

/// The coverage of a set of parcels on one grid.
#[derive(Debug)]
pub(crate) struct CoverageTable {
    store: Store,
}

/// What a table is made from.
pub(crate) struct CoverageInput<'a> {
    pub(crate) geobox: &'a GeoBox,
    pub(crate) rule: CoverageRule,
    /// Positions of the parcels.
    pub(crate) parcels: &'a [u32],
    /// Returns a parcel in the CRS of the grid; called from many threads.
    pub(crate) polygon: &'a (dyn Fn(usize) -> Result<MultiPolygon<f64>, ExtractError> + Sync),
    /// Sums what it takes.
    pub(crate) meter: &'a StageMeter,
}

impl CoverageTable {
    /// Opens the table of so many parcels kept at `path`, `None` where there is none or it is damaged.
    pub(crate) fn open(path: &Path, parcels: usize) -> Option<Self> {
        let bytes = std::fs::metadata(path).ok()?.len() as usize;
        // Marks the table as used lately; where that is not allowed it just ages.
        if let Ok(file) = File::options().append(true).open(path) {
            let _ = file.set_modified(std::time::SystemTime::now());
        }
        let reader = ChunkReader::open(path)?;
        if reader.parcels != parcels {
            return None;
        }
        let mut found = 0;
        let mut kept = Vec::new();
        for chunk in reader {
            let chunk = chunk?;
            found += chunk.len();
            if bytes <= MEMORY_BYTES_MAX {
                kept.push(Arc::new(chunk));
            }
        }
        let store = if bytes <= MEMORY_BYTES_MAX {
            Store::Memory(kept)
        } else {
            Store::File(path.to_owned())
        };
        (found == parcels).then_some(Self { store })
    }

    /// Computes the table, on all threads; keeps it at `path` if one is given and can be written.
    ///
    /// # Errors
    /// The first error of `input.polygon`.
    pub(crate) fn compute(
        input: &CoverageInput,
        path: Option<&Path>,
    ) -> Result<Self, ExtractError> {
        let order = in_order(input)?;
        let mut writer = TableWriter::create(path, input.parcels.len());
        let mut kept = Some(Vec::new());
        let mut kept_bytes = 0;
        for group in order.chunks(CHUNK_PARCELS) {
            let chunk = compute_chunk(input, group)?;
            kept_bytes += chunk.memory_bytes();
            writer = writer.and_then(|mut writer| writer.push(&chunk).then_some(writer));
            if kept_bytes > MEMORY_BYTES_MAX && writer.is_some() {
                kept = None;
            }
            if let Some(chunks) = &mut kept {
                chunks.push(Arc::new(chunk));
            }
        }
        let file = writer.and_then(TableWriter::finish);
        let store = match (kept, file) {
            (Some(chunks), _) => Store::Memory(chunks),
            (None, Some(store)) => store,
            (None, None) => {
                let reason =
                    "the coverage cache could not be written and is too large for memory: \
                              give a --home with free space"
                        .to_owned();
                return Err(ExtractError::Cache { reason });
            }
        };
        Ok(Self { store })
    }

    /// True where going through it reads no file.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.store, Store::Memory(_))
    }

    /// Returns the bytes of memory that it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.store {
            Store::Memory(chunks) => chunks.iter().map(|chunk| chunk.memory_bytes()).sum(),
            Store::File(_) | Store::Scratch(_) => 0,
        }
    }

    /// Returns the chunks in their order.
    ///
    /// # Errors
    /// Where the file vanished or was damaged meanwhile.
    pub(crate) fn chunks(&self) -> Result<ChunkIter, ExtractError> {
        let reader = |path: &Path| {
            ChunkReader::open(path)
                .map(ChunkIter::File)
                .ok_or_else(|| damaged(path))
        };
        match &self.store {
            Store::Memory(chunks) => Ok(ChunkIter::Memory(chunks.clone().into_iter())),
            Store::File(path) => reader(path),
            Store::Scratch(file) => reader(file.path()),
        }
    }
}

fn damaged(path: &Path) -> ExtractError {
    let reason = format!(
        "{} was damaged or removed while in use; run the command again",
        path.display()
    );
    ExtractError::Cache { reason }
}

/// Chunks of a table, from memory or file.
pub(crate) enum ChunkIter {
    Memory(std::vec::IntoIter<Arc<Chunk>>),
    File(ChunkReader),
}

impl Iterator for ChunkIter {
    type Item = Result<Arc<Chunk>, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(chunks) => chunks.next().map(Ok),
            Self::File(reader) => {
                let path = reader.path.clone();
                reader
                    .next()
                    .map(|chunk| chunk.map(Arc::new).ok_or_else(|| damaged(&path)))
            }
        }
    }
}

/// Where a parcel stands in a table: the fields are compared in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    band: u32,
    first_col: u32,
    first_row: u32,
    parcel: u32,
}

/// Returns the parcels in their order.
fn in_order(input: &CoverageInput) -> Result<Vec<Place>, ExtractError> {
    let transform = *input.geobox.transform();
    let place_of = |parcel: &u32| {
        let polygon = (input.polygon)(*parcel as usize)?;
        let mut first = [f64::INFINITY; 2];
        for coord in polygon.iter().flat_map(|part| &part.exterior().0) {
            let at = transform.to_grid(swath_grid::Point {
                x: coord.x,
                y: coord.y,
            });
            first = [first[0].min(at.x), first[1].min(at.y)];
        }
        // Parcels without any vertex and those above or beside the grid go first, with 0.
        let pixel = |first: f64| match first.is_finite() {
            true => first.floor().max(0.0) as u32,
            false => 0,
        };
        let [first_col, first_row] = first.map(pixel);
        Ok(Place {
            band: first_row / BAND_ROWS,
            first_col,
            first_row,
            parcel: *parcel,
        })
    };
    let places_of = |parcels: &[u32]| {
        let places = || parcels.iter().map(place_of).collect();
        input.meter.measure(Stage::Statistics, places)
    };
    let places = input.parcels.par_chunks(PARCELS_TOGETHER).map(places_of);
    let places = places.collect::<Result<Vec<Vec<_>>, ExtractError>>()?;
    let mut places = places.concat();
    places.par_sort_unstable();
    Ok(places)
}

fn compute_chunk(input: &CoverageInput, group: &[Place]) -> Result<Chunk, ExtractError> {
    let parts = group
        .par_chunks(PARCELS_TOGETHER)
        .map(|parcels| {
            let mut watch = ThreadWatch::start();
            let mut words = Vec::new();
            let mut starts = Vec::with_capacity(parcels.len());
            for place in parcels {
                let polygon = (input.polygon)(place.parcel as usize)?;
                let mask = coverage(&polygon, input.geobox, input.rule);
                starts.push(words.len() as u32);
                let first = FirstPixel {
                    row: place.first_row,
                    col: place.first_col,
                };
                push_record(&mut words, place.parcel, first, &mask);
            }
            input.meter.add(Stage::Statistics, watch.lap());
            Ok((words, starts))
        })
        .collect::<Result<Vec<(Vec<u32>, Vec<u32>)>, ExtractError>>()?;
    let mut chunk = Chunk {
        words: Vec::new(),
        starts: Vec::new(),
    };
    for (words, starts) in parts {
        let base = chunk.words.len();
        if u32::try_from(base + words.len()).is_err() {
            let reason = "more than 16 GiB of coverage in 1,024 parcels: parcels this large need a coarser grid";
            return Err(ExtractError::Limit {
                reason: reason.to_owned(),
            });
        }
        chunk
            .starts
            .extend(starts.iter().map(|start| start + base as u32));
        chunk.words.extend(words);
    }
    Ok(chunk)
}

/// Writes a table beside its name and renames it when complete.
struct TableWriter {
    file: BufWriter<tempfile::NamedTempFile>,
    path: Option<PathBuf>,
}

impl TableWriter {
    fn create(path: Option<&Path>, parcels: usize) -> Option<Self> {
        let file = match path.and_then(Path::parent) {
            Some(folder) => {
                std::fs::create_dir_all(folder).ok()?;
                tempfile::NamedTempFile::new_in(folder)
            }
            None => tempfile::NamedTempFile::new(),
        };
        let mut file = BufWriter::with_capacity(1 << 20, file.ok()?);
        file.write_all(MAGIC).ok()?;
        file.write_all(&(parcels as u64).to_le_bytes()).ok()?;
        Some(Self {
            file,
            path: path.map(Path::to_owned),
        })
    }

    fn push(&mut self, chunk: &Chunk) -> bool {
        let starts = to_bytes(&chunk.starts);
        let words = to_bytes(&chunk.words);
        let mut head = Vec::with_capacity(32);
        for number in [
            starts.len() as u64,
            words.len() as u64,
            xxh3_64(&starts),
            xxh3_64(&words),
        ] {
            head.extend(number.to_le_bytes());
        }
        [&head, &starts, &words]
            .into_iter()
            .all(|part| self.file.write_all(part).is_ok())
    }

    fn finish(self) -> Option<Store> {
        let file = self.file.into_inner().ok()?;
        match self.path {
            Some(path) => {
                file.persist(&path).ok()?;
                remove_unused_tables(&path);
                Some(Store::File(path))
            }
            None => Some(Store::Scratch(file)),
        }
    }
}

/// Removes the tables beside `kept` that were not opened for longest, until the rest fits the limit.
///
/// What cannot be listed or removed is left: the cache may be shared with somebody else.
fn remove_unused_tables(kept: &Path) {
    let entries = kept
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .into_iter()
        .flatten();
    let mut tables: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "coverage")
        })
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    tables.sort();
    let mut bytes: u64 = tables.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in tables.iter().filter(|(_, _, path)| path != kept) {
        if bytes <= CACHE_BYTES_MAX {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            bytes -= len;
        }
    }
}

fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn to_words(bytes: &[u8]) -> Vec<u32> {
    let word = |raw: &[u8]| u32::from_le_bytes(raw.try_into().expect("four bytes"));
    bytes.chunks_exact(4).map(word).collect()
}

/// Reads the chunks of a kept table; `None` items mean damage.
pub(crate) struct ChunkReader {
    file: BufReader<File>,
    path: PathBuf,
    parcels: usize,
    is_done: bool,
}

impl ChunkReader {
    fn open(path: &Path) -> Option<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).ok()?);
        let mut head = [0; 16];
        file.read_exact(&mut head).ok()?;
        let parcels = u64::from_le_bytes(head[8..].try_into().ok()?) as usize;
        (head[..8] == MAGIC[..]).then_some(Self {
            file,
            path: path.to_owned(),
            parcels,
            is_done: false,
        })
    }

    fn read(&mut self) -> Option<Option<Chunk>> {
        let mut head = [0; 32];
        let first = self.file.read(&mut head).ok();
        match first {
            Some(0) => return None,
            Some(len) => {
                if self.file.read_exact(&mut head[len..]).is_err() {
                    return Some(None);
                }
            }
            None => return Some(None),
        }
        let number = |index: usize| {
            u64::from_le_bytes(
                head[index * 8..index * 8 + 8]
                    .try_into()
                    .expect("eight bytes"),
            )
        };
        let mut part = |len: u64, sum: u64| {
            let mut bytes = Vec::new();
            (len <= CHUNK_BYTES_MAX).then_some(())?;
            (&mut self.file).take(len).read_to_end(&mut bytes).ok()?;
            (bytes.len() as u64 == len && xxh3_64(&bytes) == sum).then(|| to_words(&bytes))
        };
        let starts = part(number(0), number(2));
        let words = part(number(1), number(3));
        Some(
            starts
                .zip(words)
                .map(|(starts, words)| Chunk { words, starts }),
        )
    }
}

impl Iterator for ChunkReader {
    type Item = Option<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let chunk = self.read();
        self.is_done = !matches!(chunk, Some(Some(_)));
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::{Coord, LineString, Polygon};
    use swath_grid::{Crs, Point, Size, Transform};

    fn table(path: Option<&Path>) -> CoverageTable {
        let transform = Transform::north_up(Point { x: 0.0, y: 100.0 }, 1.0).expect("positive");
        let crs = Crs::from_epsg(32632).expect("known");
        let geobox = GeoBox::new(
            crs,
            transform,
            Size {
                width: 100,
                height: 100,
            },
        )
        .expect("positive");
        let square = |parcel: usize| {
            let (x, y) = (parcel as f64 * 7.0, 90.0 - parcel as f64 * 9.0);
            let corners = [
                (x, y),
                (x + 5.5, y),
                (x + 5.5, y + 5.5),
                (x, y + 5.5),
                (x, y),
            ];
            let ring = LineString(
                corners
                    .iter()
                    .map(|(x, y)| Coord { x: *x, y: *y })
                    .collect(),
            );
            Ok(MultiPolygon(vec![Polygon::new(ring, vec![])]))
        };
        let input = CoverageInput {
            geobox: &geobox,
            rule: CoverageRule::Fraction,
            parcels: &[0, 1, 2, 3, 4, 5, 6, 7, 8],
            polygon: &square,
            meter: &StageMeter::default(),
        };
        CoverageTable::compute(&input, path).expect("computes")
    }

    #[test]
    fn a_kept_table_is_read_back_and_damage_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("coverage/a.cov");
        let made = table(Some(&path));
        let count = |table: &CoverageTable| -> usize {
            table
                .chunks()
                .expect("opens")
                .map(|chunk| chunk.expect("whole").len())
                .sum()
        };
        assert_eq!(count(&made), 9);
        let opened = CoverageTable::open(&path, 9).expect("kept");
        assert_eq!(count(&opened), 9);
        assert!(CoverageTable::open(&path, 8).is_none());
        let mut bytes = std::fs::read(&path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).expect("writable");
        assert!(CoverageTable::open(&path, 9).is_none());
        bytes.truncate(middle);
        std::fs::write(&path, &bytes).expect("writable");
        assert!(CoverageTable::open(&path, 9).is_none());
    }
}
