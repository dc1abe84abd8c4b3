//! Shapefiles: polygons of the .shp, ids of the .dbf, CRS of the .prj.
//!
//! Rings of a record are shells where they run clockwise and holes otherwise; a hole belongs to
//! the smallest shell around it. Where the orientation makes no sense (no clockwise ring, a hole
//! in no shell), rings are taken as lines and the repair sorts them out.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use swath_grid::Crs;

use super::archive::Input;
use super::assembly::Assembly;
use super::attributes::{IdColumn, select};
use super::box_tree::{Rectangle, for_each_pair};
use super::dbf::{Dbf, Encoding};
use super::error::VectorError;
use super::repair::signed_area;
use super::shape::{GeometryKind, Shape};
use super::source::{Layer, ParcelOptions, choose_crs};

/// Bytes of the header of a .shp file.
const HEADER_BYTES: u64 = 100;

/// Reads a shapefile.
pub(super) fn read(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    let crs = choose_crs(&input.name, options, || projection(input))?;
    let Some(dbf_path) = input.parts.get("dbf") else {
        return Err(VectorError::MissingPart {
            file: input.name.clone(),
            part: "the table (.dbf) with the parcel ids".to_string(),
            remedy: "put it beside the .shp file under the same name".to_string(),
        });
    };
    if let Some(layer) = &input.layer {
        let name = input
            .name
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned());
        if name.as_ref() != Some(layer) {
            return Err(VectorError::Layer {
                file: input.name.clone(),
                what: format!("has no layer {layer:?}"),
                layers: name.into_iter().collect(),
            });
        }
    }
    let encoding = encoding(input)?;
    let mut dbf = Dbf::open(&input.name.with_extension("dbf"), dbf_path, encoding)?;
    let fields = dbf.fields();
    let selection = select(&input.name, &fields, options, None)?;
    let mut columns = selection.kept.clone();
    if let IdColumn::Column(id) = selection.id {
        columns.push(id);
    }
    let has_id = selection.id != IdColumn::RowNumber;
    let mut assembly = Assembly::new(input, crs, fields, selection);
    let mut records = Records::open(&input.name, &input.path)?;
    let mut shape = Shape::default();
    let mut values: Vec<Option<String>> = Vec::new();
    while records.next(&mut shape)? {
        if !dbf.next(&columns, &mut values)? {
            return Err(VectorError::broken(
                &input.name,
                format!("feature {}", assembly.feature()),
                "the table (.dbf) has fewer rows than the .shp has features",
            ));
        }
        let id = if has_id { values.pop().flatten() } else { None };
        let kept: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        assembly.add(id.as_deref(), &kept, &mut shape)?;
    }
    if dbf.next(&columns, &mut values)? {
        return Err(VectorError::broken(
            &input.name,
            format!("feature {}", assembly.feature()),
            "the .shp ends before the rows of the table (.dbf) do",
        ));
    }
    if input.parts.contains_key("cpg") && encoding.is_none() {
        assembly.note("the encoding (.cpg) is not known; text is read as UTF-8 or Windows-1252");
    }
    if dbf.deleted_rows > 0 {
        let note = format!(
            "{} rows of the table are marked as deleted",
            dbf.deleted_rows
        );
        assembly.note(note);
    }
    assembly.finish()
}

fn projection(input: &Input) -> Result<Crs, String> {
    const PRJ_BYTES_MAX: u64 = 1 << 20;
    let Some(path) = input.parts.get("prj") else {
        return Err("the projection (.prj) is missing".to_string());
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(PRJ_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_matches(['\0', ' ', '\r', '\n', '\t']);
    Crs::parse(text).map_err(|error| format!("the projection (.prj) is not understood: {error}"))
}

/// Returns the encoding that the .cpg names.
fn encoding(input: &Input) -> Result<Option<Encoding>, VectorError> {
    const CPG_BYTES_MAX: u64 = 256;
    let Some(path) = input.parts.get("cpg") else {
        return Ok(None);
    };
    let storage = |error| VectorError::storage(path, error);
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(storage)?
        .take(CPG_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(storage)?;
    let text = String::from_utf8_lossy(&bytes);
    let name = text
        .trim_start_matches('\u{feff}')
        .trim_matches(['\0', ' ', '\r', '\n', '\t']);
    Ok(Encoding::from_name(name))
}

/// The records of a .shp file in file order.
struct Records<'a> {
    name: &'a Path,
    reader: BufReader<File>,
    /// Bytes from the start of the file.
    offset: u64,
    end: u64,
    number: u64,
    content: Vec<u8>,
}

impl<'a> Records<'a> {
    fn open(name: &'a Path, path: &Path) -> Result<Self, VectorError> {
        let storage = |error| VectorError::storage(path, error);
        let file = File::open(path).map_err(storage)?;
        let file_bytes = file.metadata().map_err(storage)?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut header = [0; HEADER_BYTES as usize];
        if file_bytes < HEADER_BYTES {
            let what = format!("the header takes {HEADER_BYTES} bytes, the file has {file_bytes}");
            return Err(VectorError::broken(name, "byte 0", what));
        }
        reader.read_exact(&mut header).map_err(storage)?;
        let end = u64::from(be_u32(&header[24..28])) * 2;
        if end > file_bytes {
            let what = format!("the header says {end} bytes, the file has {file_bytes}");
            return Err(VectorError::broken(name, "byte 24", what));
        }
        if end < HEADER_BYTES {
            let what = format!("the header says a length of {end} bytes");
            return Err(VectorError::broken(name, "byte 24", what));
        }
        Ok(Self {
            name,
            reader,
            offset: HEADER_BYTES,
            end,
            number: 0,
            content: Vec::new(),
        })
    }

    /// Reads the next record into the shape; false at the end.
    fn next(&mut self, shape: &mut Shape) -> Result<bool, VectorError> {
        shape.clear();
        if self.offset == self.end {
            return Ok(false);
        }
        let left = self.end - self.offset;
        if left < 12 {
            return Err(self.broken(format!("{left} bytes are left, a record takes 12")));
        }
        let mut header = [0; 8];
        self.read(&mut header)?;
        let content_bytes = u64::from(be_u32(&header[4..8])) * 2;
        if content_bytes < 4 || content_bytes > left - 8 {
            let what = format!("a record of {content_bytes} bytes, {} are left", left - 8);
            return Err(self.broken(what));
        }
        let mut content = std::mem::take(&mut self.content);
        content.resize(content_bytes as usize, 0); // at most the size of the file: checked above
        self.read(&mut content)?;
        let decoded = decode_record(&content, shape);
        self.content = content;
        decoded.map_err(|what| self.broken(what))?;
        self.offset += 8 + content_bytes;
        self.number += 1;
        Ok(true)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), VectorError> {
        self.reader
            .read_exact(bytes)
            .map_err(|error| VectorError::storage(self.name, error))
    }

    fn broken(&self, what: String) -> VectorError {
        let place = format!("feature {} at byte {}", self.number, self.offset);
        VectorError::broken(self.name, place, what)
    }
}

fn decode_record(content: &[u8], shape: &mut Shape) -> Result<(), String> {
    shape.kind = match le_u32(&content[..4]) {
        0 => GeometryKind::Null,
        1 | 11 | 21 => GeometryKind::Point,
        3 | 13 | 23 => GeometryKind::LineString,
        5 | 15 | 25 => GeometryKind::Polygon,
        8 | 18 | 28 => GeometryKind::MultiPoint,
        31 => GeometryKind::MultiPatch,
        code => return Err(format!("shape type {code} is unknown")),
    };
    let code = le_u32(&content[..4]);
    shape.has_z = (11..20).contains(&code);
    shape.has_m = code > 20 && code < 30;
    match shape.kind {
        GeometryKind::Polygon => decode_polygon(content, shape),
        GeometryKind::Point => decode_point(&content[4..], shape),
        // A box of 32 bytes and the number of points stand before them.
        GeometryKind::MultiPoint if content.len() >= 40 && le_u32(&content[36..40]) == 1 => {
            decode_point(&content[40..], shape)
        }
        _ => Ok(()),
    }
}

fn decode_point(content: &[u8], shape: &mut Shape) -> Result<(), String> {
    let Some(point) = content.first_chunk::<16>() else {
        return Err(format!("a point of {} bytes", content.len()));
    };
    shape.set_point([le_f64(&point[..8]), le_f64(&point[8..])]);
    Ok(())
}

fn decode_polygon(content: &[u8], shape: &mut Shape) -> Result<(), String> {
    const COUNTS_END: usize = 44;
    if content.len() < COUNTS_END {
        return Err(format!("a polygon of {} bytes", content.len()));
    }
    let ring_count = le_u32(&content[36..40]) as usize;
    let point_count = le_u32(&content[40..44]) as usize;
    let needed = COUNTS_END as u64 + 4 * ring_count as u64 + 16 * point_count as u64;
    if needed > content.len() as u64 {
        return Err(format!(
            "{ring_count} rings of {point_count} points take {needed} bytes, the record has {}",
            content.len()
        ));
    }
    let (starts, points) = content[COUNTS_END..].split_at(4 * ring_count);
    let starts: Vec<usize> = starts
        .chunks_exact(4)
        .map(|start| le_u32(start) as usize)
        .collect();
    let mut rings = Vec::with_capacity(ring_count);
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(point_count);
        if start > end || end > point_count {
            return Err(format!(
                "ring {index} runs from point {start} to {end} of {point_count}"
            ));
        }
        let coords: Vec<[f64; 2]> = points[16 * start..16 * end]
            .chunks_exact(16)
            .map(|point| [le_f64(&point[..8]), le_f64(&point[8..])])
            .collect();
        if !coords.is_empty() {
            rings.push(coords);
        }
    }
    let polygons = group_rings(rings);
    if polygons.len() > 1 {
        shape.kind = GeometryKind::MultiPolygon;
    }
    for polygon in polygons {
        for (index, ring) in polygon.into_iter().enumerate() {
            shape.coords.extend(ring);
            shape.end_ring(index == 0);
        }
    }
    Ok(())
}

type RingCoords = Vec<[f64; 2]>;

/// Groups rings into polygons, shells in file order, each with its holes in file order.
fn group_rings(rings: Vec<RingCoords>) -> Vec<Vec<RingCoords>> {
    if rings.len() == 1 {
        return vec![rings];
    }
    let areas: Vec<f64> = rings.iter().map(|ring| signed_area(ring)).collect();
    // Clockwise is negative. Without a clockwise ring the writer had it the other way round.
    let is_shell: Vec<bool> = match areas.iter().any(|&area| area < 0.0) {
        true => areas.iter().map(|&area| area <= 0.0).collect(),
        false => vec![true; rings.len()],
    };
    let owner = owners(&rings, &areas, &is_shell);
    let mut place = vec![usize::MAX; rings.len()];
    let mut polygons: Vec<Vec<RingCoords>> = Vec::new();
    for (ring, &owner) in owner.iter().enumerate() {
        if ring == owner {
            place[ring] = polygons.len();
            polygons.push(Vec::new());
        }
    }
    let mut holes = Vec::new();
    for (ring, coords) in rings.into_iter().enumerate() {
        match owner[ring] == ring {
            true => polygons[place[ring]].push(coords),
            false => holes.push((place[owner[ring]], coords)),
        }
    }
    for (polygon, hole) in holes {
        polygons[polygon].push(hole);
    }
    polygons
}

/// Returns for each ring the shell it belongs to: itself for a shell, the smallest shell around it
/// for a hole, itself for a hole that lies in no shell.
fn owners(rings: &[RingCoords], areas: &[f64], is_shell: &[bool]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..rings.len()).collect();
    let mut shells = owner.iter().copied().filter(|&ring| is_shell[ring]);
    if let (Some(only), None) = (shells.next(), shells.next()) {
        return vec![only; rings.len()];
    }
    let boxes: Vec<Rectangle> = rings
        .iter()
        .map(|ring| {
            let first = Rectangle::around(ring[0], ring[0]);
            ring.iter().fold(first, |all, &point| {
                all.union(&Rectangle::around(point, point))
            })
        })
        .collect();
    for_each_pair(&boxes, &mut |i, j| {
        if is_shell[i] != is_shell[j] {
            let (shell, hole) = if is_shell[i] { (i, j) } else { (j, i) };
            let is_smaller = owner[hole] == hole || areas[shell].abs() < areas[owner[hole]].abs();
            let is_in_box = boxes[shell].union(&boxes[hole]) == boxes[shell];
            if is_smaller && is_in_box && is_around(&rings[shell], &rings[hole]) {
                owner[hole] = shell;
            }
        }
        false
    });
    owner
}

/// True where most edges of a hole lie in a shell.
fn is_around(shell: &[[f64; 2]], hole: &[[f64; 2]]) -> bool {
    const VERTICES_TESTED_MAX: usize = 16;
    let step = hole.len().div_ceil(VERTICES_TESTED_MAX).max(1);
    let middles = hole.windows(2).step_by(step).map(|pair| {
        [
            f64::midpoint(pair[0][0], pair[1][0]),
            f64::midpoint(pair[0][1], pair[1][1]),
        ]
    });
    let (mut inside, mut outside) = (0, 0);
    for [x, y] in middles {
        let crossings = shell.windows(2).filter(|pair| {
            let [from, to] = [pair[0], pair[1]];
            (from[1] > y) != (to[1] > y)
                && x < from[0] + (y - from[1]) / (to[1] - from[1]) * (to[0] - from[0])
        });
        match crossings.count() % 2 {
            1 => inside += 1,
            _ => outside += 1,
        }
    }
    inside > outside
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn le_f64(bytes: &[u8]) -> f64 {
    let mut value = [0; 8];
    value.copy_from_slice(bytes);
    f64::from_le_bytes(value)
}
