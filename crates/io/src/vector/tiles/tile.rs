//! One tile: what lies in it, on its grid.
//!
//! At and above the zoom of detail a tile holds the layer `parcels`: every parcel that meets it, as
//! far as [`BUFFER`] beyond its edges. A ring that would vanish gets all of its vertices, and
//! a parcel that is smaller than a step a square of one step. Below, and where the parcels of
//! a tile would be too many bytes, it holds the layer `cells`. Nothing is left out in either.

use std::ops::Range;
use std::sync::Arc;

use super::clip::{clip, twice_area};
use super::file::{GROUP_ROWS, TilePyramid, cell_level};
use super::mvt::{Commands, Layer, Value};
use super::record::Record;
use super::square::{Place, Rectangle, cell_of, z_order};
use super::values::TileValues;
use super::{BUFFER, EXTENT, TILE_BYTES_MAX, ZOOM_MAX};
use crate::vector::VectorError;

/// Parcels of the groups that meet a tile above which they are not looked at.
const PARCELS_MAX: usize = 65_536;
/// Name of the layer of parcels.
const PARCELS: &str = "parcels";
/// Name of the layer of cells.
const CELLS: &str = "cells";
/// Square metres of a hectare.
const HECTARE_M2: f32 = 10_000.0;

/// A tile of the XYZ scheme on Web Mercator, row 0 in the north.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileAddress {
    zoom: u8,
    col: u32,
    row: u32,
}

impl TileAddress {
    /// Returns the address; `None` above [`ZOOM_MAX`], or where the zoom has no such tile.
    pub fn new(zoom: u8, col: u32, row: u32) -> Option<Self> {
        let is_there = zoom <= ZOOM_MAX && col.max(row) < 1 << zoom;
        is_there.then_some(Self { zoom, col, row })
    }

    /// Returns the part of the square that is drawn.
    fn around(&self) -> Rectangle {
        let side = 1_i64 << (32 - self.zoom);
        let buffer = i64::from(BUFFER) * side / i64::from(EXTENT);
        let steps = |tile: u32| {
            let from = i64::from(tile) * side - buffer;
            let to = i64::from(tile + 1) * side - 1 + buffer;
            [from, to].map(|step| step.clamp(0, i64::from(u32::MAX)) as u32)
        };
        let (across, down) = (steps(self.col), steps(self.row));
        Rectangle {
            min: [across[0], down[0]],
            max: [across[1], down[1]],
        }
    }

    /// Returns the grid point of a place, from the tile's north-west corner.
    fn step(&self, place: Place) -> [i32; 2] {
        let shift = 20 - self.zoom;
        // Halves away from the corner of the square: the same in every tile of the zoom.
        let grid = |step: u32| (i64::from(step) + (1 << (shift - 1))) >> shift;
        let from = |tile: u32| i64::from(tile) * i64::from(EXTENT);
        [
            (grid(place[0]) - from(self.col)) as i32,
            (grid(place[1]) - from(self.row)) as i32,
        ]
    }
}

/// A property of parcels in tiles; personal columns are none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileProperty {
    /// `id`: the id of the parcel.
    Id,
    /// `crop_code`: code of the declared crop.
    CropCode,
    /// `crop_name`: its name.
    CropName,
    /// `area_ha`: hectares; not there for points.
    AreaHa,
}

impl TileProperty {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Id, Self::CropCode, Self::CropName, Self::AreaHa];

    /// Returns the name in tiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::CropCode => "crop_code",
            Self::CropName => "crop_name",
            Self::AreaHa => "area_ha",
        }
    }
}

/// What parcels and cells carry.
#[derive(Debug, Clone)]
pub struct TileContent {
    /// Properties, of those that there are.
    pub properties: Vec<TileProperty>,
    /// Values for the property `value`.
    pub values: Option<Arc<TileValues>>,
}

impl Default for TileContent {
    fn default() -> Self {
        Self {
            properties: TileProperty::ALL.to_vec(),
            values: None,
        }
    }
}

impl TilePyramid {
    /// Returns a tile as a Mapbox Vector Tile 2.1, empty where nothing lies in it.
    ///
    /// The number of a feature of the layer `parcels` is its row in the set. A `value` that is absent
    /// is not there. Reads the groups of records that meet the tile.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn tile(
        &self,
        address: &TileAddress,
        content: &TileContent,
    ) -> Result<Vec<u8>, VectorError> {
        let parcels = match address.zoom >= self.detail_zoom() {
            true => self.parcels(address, content)?,
            false => None,
        };
        let layer = match parcels {
            Some(parcels) => parcels,
            None => self.cells_of(address, content)?,
        };
        let mut tile = Vec::new();
        layer.write(&mut tile, EXTENT);
        Ok(tile)
    }

    /// Returns the layer of parcels; `None` where it would be too large.
    fn parcels(
        &self,
        address: &TileAddress,
        content: &TileContent,
    ) -> Result<Option<Layer>, VectorError> {
        let around = address.around();
        let groups = self.groups().iter().enumerate();
        let near: Vec<_> = groups
            .filter(|(_, group)| group.around.meets(&around))
            .collect();
        if near.len() * GROUP_ROWS > PARCELS_MAX {
            return Ok(None);
        }
        let mut layer = Layer::new(PARCELS);
        let mut drawing = Drawing::new(*address);
        let mut record = Record::default();
        for (index, group) in near {
            let bytes = self.records(group)?;
            let mut rest = bytes.as_slice();
            let mut row = index * GROUP_ROWS;
            while !rest.is_empty() {
                let read = record.read(&mut rest, group.around.min);
                read.map_err(|_| self.broken(&"a record cannot be read"))?;
                if drawing.draw(&record, &around) {
                    self.add(&mut layer, row, &record, &drawing.commands, content);
                }
                row += 1;
            }
            if layer.bytes() > TILE_BYTES_MAX - 1_024 {
                return Ok(None);
            }
        }
        Ok(Some(layer))
    }

    fn add(
        &self,
        layer: &mut Layer,
        row: usize,
        record: &Record,
        commands: &Commands,
        content: &TileContent,
    ) {
        let crop = self.crop(record.crop);
        let mut properties = Vec::with_capacity(content.properties.len() + 1);
        for property in &content.properties {
            let value = match property {
                TileProperty::Id => Some(Value::Text(&record.id)),
                TileProperty::CropCode => text(crop.and_then(|crop| crop.code.as_deref())),
                TileProperty::CropName => text(crop.and_then(|crop| crop.name.as_deref())),
                TileProperty::AreaHa => hectares(record.area_m2),
            };
            properties.extend(value.map(|value| (property.name(), value)));
        }
        let values = content.values.as_ref();
        let value = values.and_then(|values| values.by_row.get(row).copied());
        properties.extend(known(value).map(|value| ("value", value)));
        layer.add(Some(row as u64), commands, &properties);
    }

    /// Returns the layer of cells, of the zoom or of the finest that has them.
    fn cells_of(&self, address: &TileAddress, content: &TileContent) -> Result<Layer, VectorError> {
        let zoom = address.zoom.min(self.cell_zooms() - 1);
        let level = cell_level(zoom);
        let tile = z_order(address.col, address.row);
        // The cells of the tile, or the one that holds it.
        let (first, end) = match level.checked_sub(address.zoom) {
            Some(finer) => (tile << (2 * finer), (tile + 1) << (2 * finer)),
            None => {
                let cell = tile >> (2 * (address.zoom - level));
                (cell, cell + 1)
            }
        };
        let (place, cells) = self.cells(zoom, first, end)?;
        let values = content.values.as_ref();
        let values = values.map(|values| &values.by_cell[usize::from(zoom)]);
        let has = |property| content.properties.contains(&property);
        let mut layer = Layer::new(CELLS);
        let mut drawing = Drawing::new(*address);
        for (index, cell) in cells.iter().enumerate() {
            drawing.square(cell.cell, level);
            let crop = self.crop(cell.crop);
            let mut properties = Vec::with_capacity(5);
            if has(TileProperty::CropCode) {
                let code = text(crop.and_then(|crop| crop.code.as_deref()));
                properties.extend(code.map(|code| ("crop_code", code)));
            }
            if has(TileProperty::CropName) {
                let name = text(crop.and_then(|crop| crop.name.as_deref()));
                properties.extend(name.map(|name| ("crop_name", name)));
            }
            if crop.is_some() {
                // Hundredths: so that values stand once for many cells.
                let share = (cell.crop_share * 100.0).round() / 100.0;
                properties.push(("crop_share", Value::Real(share)));
            }
            properties.push(match self.has_points() {
                true => ("parcels", Value::Whole(cell.weight.round() as u64)),
                false => ("area_ha", Value::Real((cell.weight / HECTARE_M2).round())),
            });
            let value = values.and_then(|values| values.get(place + index).copied());
            properties.extend(known(value).map(|value| ("value", value)));
            layer.add(None, &drawing.commands, &properties);
        }
        Ok(layer)
    }
}

fn text(text: Option<&str>) -> Option<Value<'_>> {
    text.map(Value::Text)
}

fn hectares(area_m2: f32) -> Option<Value<'static>> {
    let hectares = (area_m2 / HECTARE_M2 * 100.0).round() / 100.0;
    hectares.is_finite().then_some(Value::Real(hectares))
}

fn known(value: Option<f32>) -> Option<Value<'static>> {
    value.filter(|value| value.is_finite()).map(Value::Real)
}

/// Brings outlines to the grid of a tile.
struct Drawing {
    address: TileAddress,
    commands: Commands,
    ring: Vec<[i32; 2]>,
    scratch: Vec<[i32; 2]>,
}

impl Drawing {
    fn new(address: TileAddress) -> Self {
        Self {
            address,
            commands: Commands::default(),
            ring: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Draws a parcel; false where nothing of it lies in the tile.
    fn draw(&mut self, record: &Record, around: &Rectangle) -> bool {
        self.commands.clear();
        let mut own = Rectangle::NOWHERE;
        record.places.iter().for_each(|place| own.extend(*place));
        if !own.meets(around) {
            return false;
        }
        if let [place] = record.places[..] {
            self.commands.point(self.address.step(place));
            return true;
        }
        if !self.rings(record) {
            let [x, y] = self.address.step(own.min);
            self.ring.clear();
            self.ring
                .extend([[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]]);
            self.end_ring(true);
        }
        !self.commands.is_empty()
    }

    /// Draws the rings; false where no shell has an area on the grid.
    fn rings(&mut self, record: &Record) -> bool {
        let (mut start, mut has_form, mut has_shell) = (0, false, false);
        for (end, is_shell) in &record.rings {
            let vertices = start..*end as usize;
            start = vertices.end;
            if !is_shell && !has_shell {
                continue;
            }
            // The same for a hole and for the parcel that fills it.
            let zooms = [self.address.zoom, ZOOM_MAX];
            let is_drawn = zooms
                .into_iter()
                .any(|zoom| self.take(record, vertices.clone(), zoom));
            let is_left = is_drawn && self.end_ring(*is_shell);
            if *is_shell {
                (has_shell, has_form) = (is_left, has_form || is_drawn);
            }
        }
        has_form
    }

    /// Takes the vertices of a ring that are needed up to a zoom; false where they enclose nothing.
    fn take(&mut self, record: &Record, vertices: Range<usize>, zoom: u8) -> bool {
        let places = record.places[vertices.clone()].iter();
        let needed = places
            .zip(&record.zooms[vertices])
            .filter(|(_, from)| **from <= zoom);
        self.ring.clear();
        let address = &self.address;
        self.ring
            .extend(needed.map(|(place, _)| address.step(*place)));
        tidy(&mut self.ring);
        self.ring.len() >= 3 && twice_area(&self.ring) != 0
    }

    /// Cuts the ring at the buffer and adds it; false where nothing is left of it.
    fn end_ring(&mut self, is_shell: bool) -> bool {
        let (low, high) = (-(BUFFER as i32), (EXTENT + BUFFER) as i32);
        clip(&mut self.ring, &mut self.scratch, low, high);
        tidy(&mut self.ring);
        let area = twice_area(&self.ring);
        if self.ring.len() < 3 || area == 0 {
            return false;
        }
        let ring = self.ring.iter().copied();
        match (area > 0) == is_shell {
            true => self.commands.ring(ring),
            false => self.commands.ring(ring.rev()),
        }
        true
    }

    /// Draws a cell, cut at the edges of the tile.
    fn square(&mut self, cell: u64, level: u8) {
        self.commands.clear();
        let side = 1_u64 << (32 - level);
        let zoom_side = 1_u64 << (32 - self.address.zoom);
        let [col, row] = cell_of(cell);
        let edge = |cell: u32, tile: u32| {
            let grid = |step: i64| step * i64::from(EXTENT) / zoom_side.cast_signed();
            let from = (u64::from(cell) * side).cast_signed();
            let corner = (u64::from(tile) * zoom_side).cast_signed();
            let ends = [from - corner, from - corner + side.cast_signed()];
            ends.map(|step| grid(step).clamp(0, i64::from(EXTENT)) as i32)
        };
        let [left, right] = edge(col, self.address.col);
        let [top, bottom] = edge(row, self.address.row);
        let ring = [[left, top], [right, top], [right, bottom], [left, bottom]];
        self.commands.ring(ring.into_iter());
    }
}

/// Takes out vertices that are repeated.
fn tidy(ring: &mut Vec<[i32; 2]>) {
    ring.dedup();
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
}
