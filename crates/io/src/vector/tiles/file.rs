//! The file of a pyramid: made once per version of a set, read by tile.
//!
//! ```text
//! groups of 64 records | groups: offset, bytes, rectangle | entries | cells of each zoom
//!                      | footer (JSON) | its length (8 bytes) | "SWATHMVT"
//! ```
//! Numbers are little-endian. In memory are the footer and the list of groups: 28 bytes for 64 parcels.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cells::{CELL_ZOOMS, Cell, Entry};
use super::record::Record;
use super::square::{Place, Rectangle};
use crate::vector::VectorError;

/// Parcels of a group.
pub(super) const GROUP_ROWS: usize = 64;
const MAGIC: [u8; 8] = *b"SWATHMVT";
/// The layout that is written and read: an older file is made anew.
const FORMAT: u32 = 1;
/// Largest footer, in bytes.
const FOOTER_BYTES_MAX: u64 = 256 << 20;
const GROUP_BYTES: usize = 28;
const ENTRY_BYTES: usize = 16;
const CELL_BYTES: usize = 20;

/// A declared crop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Crop {
    pub code: Option<String>,
    pub name: Option<String>,
}

/// Where records of a size stand, and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Section {
    offset: u64,
    count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Footer {
    format: u32,
    rows: u64,
    unplaced: u64,
    has_points: bool,
    detail_zoom: u8,
    crops: Vec<Crop>,
    groups: Section,
    entries: Section,
    /// By zoom.
    cells: Vec<Section>,
}

/// A group of records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Group {
    offset: u64,
    bytes: u32,
    pub around: Rectangle,
}

/// What holds for the whole set.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    pub has_points: bool,
    pub detail_zoom: u8,
    pub crops: Vec<Crop>,
}

/// Writes the file from its beginning to its end.
pub(super) struct PyramidWriter<'a> {
    file: BufWriter<&'a File>,
    path: &'a Path,
    offset: u64,
    footer: Footer,
    groups: Vec<Group>,
    scratch: Vec<u8>,
}

impl<'a> PyramidWriter<'a> {
    /// Begins the file; `path` is for messages.
    pub fn new(file: &'a File, path: &'a Path, about: About) -> Self {
        Self {
            file: BufWriter::new(file),
            path,
            offset: 0,
            footer: Footer {
                format: FORMAT,
                has_points: about.has_points,
                detail_zoom: about.detail_zoom,
                crops: about.crops,
                ..Footer::default()
            },
            groups: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Adds the records of the next rows, of a whole group but for the last.
    pub fn group(&mut self, records: &[Record]) -> Result<(), VectorError> {
        let mut around = Rectangle::NOWHERE;
        let places = records.iter().flat_map(|record| &record.places);
        places.for_each(|place| around.extend(*place));
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        for record in records {
            record.write(&mut bytes, around.min);
        }
        self.groups.push(Group {
            offset: self.offset,
            // 64 records of coordinates that were in memory as 16 bytes each.
            bytes: bytes.len() as u32,
            around,
        });
        self.footer.rows += records.len() as u64;
        let missing = records.iter().filter(|record| record.rings.is_empty());
        self.footer.unplaced += missing.count() as u64;
        let written = self.bytes(&bytes);
        self.scratch = bytes;
        written
    }

    /// Adds the entries, in the order of their cells.
    pub fn entries(&mut self, entries: &[Entry]) -> Result<(), VectorError> {
        self.footer.entries = self.section(entries.len());
        for entry in entries {
            let mut bytes = [0; ENTRY_BYTES];
            bytes[..8].copy_from_slice(&entry.cell.to_le_bytes());
            bytes[8..12].copy_from_slice(&entry.row.to_le_bytes());
            bytes[12..].copy_from_slice(&entry.weight.to_le_bytes());
            self.bytes(&bytes)?;
        }
        Ok(())
    }

    /// Adds the cells of the next zoom, from 0.
    pub fn cells(&mut self, cells: &[Cell]) -> Result<(), VectorError> {
        let section = self.section(cells.len());
        self.footer.cells.push(section);
        for cell in cells {
            let mut bytes = [0; CELL_BYTES];
            bytes[..8].copy_from_slice(&cell.cell.to_le_bytes());
            bytes[8..12].copy_from_slice(&cell.weight.to_le_bytes());
            bytes[12..16].copy_from_slice(&cell.crop.to_le_bytes());
            bytes[16..].copy_from_slice(&cell.crop_share.to_le_bytes());
            self.bytes(&bytes)?;
        }
        Ok(())
    }

    /// Ends the file; returns its size in bytes.
    pub fn finish(mut self) -> Result<u64, VectorError> {
        self.footer.groups = self.section(self.groups.len());
        for group in std::mem::take(&mut self.groups) {
            let mut bytes = Vec::with_capacity(GROUP_BYTES);
            bytes.extend(group.offset.to_le_bytes());
            bytes.extend(group.bytes.to_le_bytes());
            for step in group.around.min.into_iter().chain(group.around.max) {
                bytes.extend(step.to_le_bytes());
            }
            self.bytes(&bytes)?;
        }
        let footer = serde_json::to_vec(&self.footer).expect("texts and numbers are JSON");
        self.bytes(&footer)?;
        self.bytes(&(footer.len() as u64).to_le_bytes())?;
        self.bytes(&MAGIC)?;
        let flushed = self.file.flush();
        flushed.map_err(|error| failed(self.path, &error))?;
        Ok(self.offset)
    }

    fn section(&self, count: usize) -> Section {
        Section {
            offset: self.offset,
            count: count as u64,
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), VectorError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| failed(self.path, &error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn failed(path: &Path, error: &std::io::Error) -> VectorError {
    VectorError::Write {
        file: path.to_path_buf(),
        what: error.to_string(),
    }
}

/// The pyramid of a version of a parcel set, open for reading; it never changes.
#[derive(Debug)]
pub struct TilePyramid {
    path: PathBuf,
    file: File,
    footer: Footer,
    groups: Vec<Group>,
}

impl TilePyramid {
    /// Opens the file of a pyramid.
    ///
    /// # Errors
    /// Where it is not there, damaged, or of another layout: make it anew.
    pub fn open(path: &Path) -> Result<Self, VectorError> {
        let file = File::open(path).map_err(|error| VectorError::storage(path, error))?;
        let mut pyramid = Self {
            path: path.to_path_buf(),
            file,
            footer: Footer::default(),
            groups: Vec::new(),
        };
        let metadata = pyramid.file.metadata();
        let size = metadata
            .map_err(|error| VectorError::storage(path, error))?
            .len();
        let tail = pyramid.read(size.saturating_sub(16), 16)?;
        let footer_bytes = word(&tail);
        let is_ours = tail[8..] == MAGIC && footer_bytes <= (size - 16).min(FOOTER_BYTES_MAX);
        if !is_ours {
            return Err(pyramid.broken(&"its end is not that of a pyramid"));
        }
        let footer = pyramid.read(size - 16 - footer_bytes, footer_bytes)?;
        let footer: Footer =
            serde_json::from_slice(&footer).map_err(|error| pyramid.broken(&error))?;
        if footer.format != FORMAT {
            return Err(pyramid.broken(&format!("layout {} is not {FORMAT}", footer.format)));
        }
        let groups_bytes = footer.groups.count.saturating_mul(GROUP_BYTES as u64);
        let groups_end = footer.groups.offset.saturating_add(groups_bytes);
        if groups_end != size - 16 - footer_bytes {
            return Err(pyramid.broken(&"its parts do not stand where it says"));
        }
        let cell_zooms = footer.cells.len();
        if cell_zooms != usize::from(cell_zooms_of(footer.detail_zoom)) {
            return Err(pyramid.broken(&format!("{cell_zooms} zooms have cells")));
        }
        let bytes = pyramid.section(footer.groups, 0..footer.groups.count, GROUP_BYTES)?;
        let place = |bytes: &[u8]| -> Place { [half_word(bytes), half_word(&bytes[4..])] };
        let group = |bytes: &[u8]| Group {
            offset: word(bytes),
            bytes: half_word(&bytes[8..]),
            around: Rectangle {
                min: place(&bytes[12..]),
                max: place(&bytes[20..]),
            },
        };
        pyramid.groups = bytes.chunks_exact(GROUP_BYTES).map(group).collect();
        pyramid.footer = footer;
        Ok(pyramid)
    }

    /// Returns the number of parcels.
    pub fn rows(&self) -> u64 {
        self.footer.rows
    }

    /// Returns how many parcels have no place on the square of Web Mercator: they are in no tile.
    pub fn unplaced(&self) -> u64 {
        self.footer.unplaced
    }

    /// Returns the zoom from which tiles hold parcels; those below hold cells.
    pub fn detail_zoom(&self) -> u8 {
        self.footer.detail_zoom
    }

    /// True for a set of points.
    pub fn has_points(&self) -> bool {
        self.footer.has_points
    }

    /// Returns how many zooms have cells, from 0.
    pub(super) fn cell_zooms(&self) -> u8 {
        self.footer.cells.len() as u8
    }

    /// Returns a crop by its place from 1.
    pub(super) fn crop(&self, place: u32) -> Option<&Crop> {
        self.footer.crops.get((place as usize).checked_sub(1)?)
    }

    /// Returns the groups, 64 rows each.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Reads the bytes of a group's records.
    pub(super) fn records(&self, group: &Group) -> Result<Vec<u8>, VectorError> {
        self.read(group.offset, u64::from(group.bytes))
    }

    /// Reads all entries.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, VectorError> {
        let section = self.footer.entries;
        let bytes = self.section(section, 0..section.count, ENTRY_BYTES)?;
        let entry = |bytes: &[u8]| Entry {
            cell: word(bytes),
            row: half_word(&bytes[8..]),
            weight: real(&bytes[12..]),
        };
        Ok(bytes.chunks_exact(ENTRY_BYTES).map(entry).collect())
    }

    /// Reads the cells of a zoom whose positions are from `first` to before `end`; with the place of
    /// the first of them among all of the zoom.
    pub(super) fn cells(
        &self,
        zoom: u8,
        first: u64,
        end: u64,
    ) -> Result<(usize, Vec<Cell>), VectorError> {
        let section = self.footer.cells[usize::from(zoom)];
        let from = self.cell_place(section, first)?;
        let to = self.cell_place(section, end)?;
        let bytes = self.section(section, from..to, CELL_BYTES)?;
        let cell = |bytes: &[u8]| Cell {
            cell: word(bytes),
            weight: real(&bytes[8..]),
            crop: half_word(&bytes[12..]),
            crop_share: real(&bytes[16..]),
        };
        let cells = bytes.chunks_exact(CELL_BYTES).map(cell).collect();
        Ok((from as usize, cells))
    }

    /// Returns the place of the first cell at or after a position.
    fn cell_place(&self, section: Section, position: u64) -> Result<u64, VectorError> {
        let (mut low, mut high) = (0, section.count);
        while low < high {
            let middle = low.midpoint(high);
            let bytes = self.section(section, middle..middle + 1, CELL_BYTES)?;
            match word(&bytes) < position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn section(
        &self,
        section: Section,
        part: std::ops::Range<u64>,
        record_bytes: usize,
    ) -> Result<Vec<u8>, VectorError> {
        let record_bytes = record_bytes as u64;
        let count = part.end.saturating_sub(part.start);
        let from = part.start.saturating_mul(record_bytes);
        self.read(
            section.offset.saturating_add(from),
            count.saturating_mul(record_bytes),
        )
    }

    fn read(&self, offset: u64, count: u64) -> Result<Vec<u8>, VectorError> {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        if offset.checked_add(count).is_none_or(|end| end > size) {
            return Err(self.broken(&"it ends before what it names"));
        }
        let mut bytes = vec![0; count as usize];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| VectorError::storage(&self.path, error))?;
        Ok(bytes)
    }

    pub(super) fn broken(&self, what: &dyn std::fmt::Display) -> VectorError {
        VectorError::broken(&self.path, "pyramid of tiles", what)
    }
}

/// Returns the zooms of cells that the zoom of detail asks for: all below it, and at least one, since
/// a tile with too many parcels is answered with cells.
pub(super) fn cell_zooms_of(detail_zoom: u8) -> u8 {
    detail_zoom.max(1)
}

/// Returns the level of the cells of a zoom: halvings of the square's side.
pub(super) fn cell_level(zoom: u8) -> u8 {
    zoom + CELL_ZOOMS
}

fn word(bytes: &[u8]) -> u64 {
    bytes[..8].try_into().map_or(0, u64::from_le_bytes)
}

fn half_word(bytes: &[u8]) -> u32 {
    bytes[..4].try_into().map_or(0, u32::from_le_bytes)
}

fn real(bytes: &[u8]) -> f32 {
    bytes[..4].try_into().map_or(0.0, f32::from_le_bytes)
}
