//! Mapbox Vector Tiles 2.1, the encoding (<https://github.com/mapbox/vector-tile-spec/tree/master/2.1>).
//!
//! Sections in comments are those of the specification; field numbers are its `vector_tile.proto`.

use std::collections::HashMap;

/// Command ids (section 4.3.1).
const MOVE_TO: u32 = 1;
const LINE_TO: u32 = 2;
const CLOSE_PATH: u32 = 7;
/// Geometry types (section 4.3.4).
const POINT: u64 = 1;
const POLYGON: u64 = 3;

/// A value of a property (section 4.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Real(f32),
    Whole(u64),
}

/// The geometry of one feature: commands and differences (section 4.3).
#[derive(Debug, Default)]
pub(super) struct Commands {
    words: Vec<u32>,
    cursor: [i32; 2],
    is_point: bool,
}

impl Commands {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.cursor = [0, 0];
        self.is_point = false;
    }

    /// True where nothing was added.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Makes it a point.
    pub fn point(&mut self, at: [i32; 2]) {
        self.is_point = true;
        self.words.push(command(MOVE_TO, 1));
        self.go(at);
    }

    /// Adds a ring without its closing vertex, of three vertices or more. A shell has a positive area
    /// by the surveyor's formula with y downwards, a hole a negative one (section 4.3.3.3).
    pub fn ring(&mut self, ring: impl ExactSizeIterator<Item = [i32; 2]>) {
        let count = ring.len() as u32;
        for (index, at) in ring.enumerate() {
            match index {
                0 => self.words.push(command(MOVE_TO, 1)),
                1 => self.words.push(command(LINE_TO, count - 1)),
                _ => {}
            }
            self.go(at);
        }
        self.words.push(command(CLOSE_PATH, 1));
    }

    fn go(&mut self, at: [i32; 2]) {
        for (own, before) in at.into_iter().zip(self.cursor) {
            let step = own.wrapping_sub(before);
            // Zigzag (section 4.3.2).
            self.words
                .push(((step << 1) ^ (step >> 31)).cast_unsigned());
        }
        self.cursor = at;
    }
}

fn command(id: u32, count: u32) -> u32 {
    (count << 3) | id
}

/// A layer (section 4.1): names and values stand once, features refer to them.
#[derive(Debug)]
pub(super) struct Layer {
    name: &'static str,
    keys: Vec<&'static str>,
    values: Vec<u8>,
    places: HashMap<Vec<u8>, u32>,
    features: Vec<u8>,
    scratch: Vec<u8>,
    tags: Vec<u8>,
}

impl Layer {
    /// Returns a layer without features.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            keys: Vec::new(),
            values: Vec::new(),
            places: HashMap::new(),
            features: Vec::new(),
            scratch: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Returns about how many bytes the layer takes.
    pub fn bytes(&self) -> usize {
        self.features.len() + self.values.len()
    }

    /// Adds a feature (section 4.2).
    pub fn add(
        &mut self,
        id: Option<u64>,
        commands: &Commands,
        properties: &[(&'static str, Value<'_>)],
    ) {
        let mut tags = std::mem::take(&mut self.tags);
        tags.clear();
        for (key, value) in properties {
            let (key, value) = (self.key(key), self.value(value));
            varint(&mut tags, u64::from(key));
            varint(&mut tags, u64::from(value));
        }
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        if let Some(id) = id {
            whole(&mut body, 1, id);
        }
        if !tags.is_empty() {
            bytes(&mut body, 2, &tags);
        }
        let kind = if commands.is_point { POINT } else { POLYGON };
        whole(&mut body, 3, kind);
        tags.clear();
        for word in &commands.words {
            varint(&mut tags, u64::from(*word));
        }
        bytes(&mut body, 4, &tags);
        bytes(&mut self.features, 2, &body);
        (self.tags, self.scratch) = (tags, body);
    }

    fn key(&mut self, name: &'static str) -> u32 {
        let known = self.keys.iter().position(|key| *key == name);
        let place = known.unwrap_or_else(|| {
            self.keys.push(name);
            self.keys.len() - 1
        });
        place as u32
    }

    fn value(&mut self, value: &Value<'_>) -> u32 {
        let encoded = &mut self.scratch;
        encoded.clear();
        match value {
            Value::Text(text) => bytes(encoded, 1, text.as_bytes()),
            Value::Real(number) => {
                encoded.push((2 << 3) | 5);
                encoded.extend(number.to_le_bytes());
            }
            Value::Whole(number) => whole(encoded, 5, *number),
        }
        if let Some(place) = self.places.get(encoded.as_slice()) {
            return *place;
        }
        let place = self.places.len() as u32;
        self.places.insert(encoded.clone(), place);
        bytes(&mut self.values, 4, encoded);
        place
    }

    /// Writes the layer into a tile; nothing where it has no features.
    pub fn write(&self, tile: &mut Vec<u8>, extent: u32) {
        if self.features.is_empty() {
            return;
        }
        let mut body = Vec::with_capacity(self.bytes() + 64);
        bytes(&mut body, 1, self.name.as_bytes());
        body.extend(&self.features);
        for key in &self.keys {
            bytes(&mut body, 3, key.as_bytes());
        }
        body.extend(&self.values);
        whole(&mut body, 5, u64::from(extent));
        whole(&mut body, 15, 2);
        bytes(tile, 3, &body);
    }
}

/// Writes a number of seven bits a byte, least first.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn whole(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3);
    varint(out, number);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(out, (field << 3) | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_met() {
        // Section 4.3.5.5 of version 2.1, the first ring of its example of a polygon.
        let mut commands = Commands::default();
        commands.ring([[3, 6], [8, 12], [20, 34]].into_iter());
        assert_eq!(commands.words, [9, 6, 12, 18, 10, 12, 24, 44, 15]);
    }

    #[test]
    fn values_that_are_alike_stand_once() {
        let mut layer = Layer::new("l");
        let mut commands = Commands::default();
        commands.point([1, -1]);
        for id in [1, 2] {
            let properties = [("a", Value::Text("x")), ("b", Value::Real(0.5))];
            layer.add(Some(id), &commands, &properties);
        }
        assert_eq!((layer.places.len(), layer.keys.len()), (2, 2));
        let mut tile = Vec::new();
        layer.write(&mut tile, 4_096);
        assert_eq!(&tile[..2], [0x1a, tile.len() as u8 - 2]);
        let mut none = Vec::new();
        Layer::new("l").write(&mut none, 4_096);
        assert!(none.is_empty());
    }
}
