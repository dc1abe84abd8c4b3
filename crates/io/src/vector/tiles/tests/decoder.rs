//! A decoder of Mapbox Vector Tiles, as the specification reads.

use std::collections::HashMap;

/// A feature as it is drawn.
#[derive(Debug, Clone, Default)]
pub struct Feature {
    pub layer: String,
    pub id: Option<u64>,
    pub kind: u64,
    pub properties: HashMap<String, String>,
    pub rings: Vec<Vec<[i64; 2]>>,
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Real(f32),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let head = varint(&mut bytes);
        let field = match head & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let len = varint(&mut bytes) as usize;
                let (content, rest) = bytes.split_at(len);
                bytes = rest;
                Field::Bytes(content)
            }
            5 => {
                let (number, rest) = bytes.split_at(4);
                bytes = rest;
                Field::Real(f32::from_le_bytes(number.try_into().unwrap()))
            }
            other => panic!("wire type {other}"),
        };
        fields.push((head >> 3, field));
    }
    fields
}

fn packed(mut bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(varint(&mut bytes));
    }
    numbers
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn value(bytes: &[u8]) -> String {
    match fields(bytes).remove(0) {
        (1, Field::Bytes(content)) => text(content),
        (2, Field::Real(number)) => number.to_string(),
        (5, Field::Number(number)) => number.to_string(),
        (other, _) => panic!("value {other}"),
    }
}

/// Returns the features of all layers.
pub fn decode(tile: &[u8]) -> Vec<Feature> {
    let mut features = Vec::new();
    for (number, layer) in fields(tile) {
        let (3, Field::Bytes(layer)) = (number, layer) else {
            panic!("field {number}");
        };
        let (mut name, mut keys, mut values, mut bodies) = (String::new(), vec![], vec![], vec![]);
        for (number, field) in fields(layer) {
            match (number, field) {
                (1, Field::Bytes(bytes)) => name = text(bytes),
                (2, Field::Bytes(bytes)) => bodies.push(bytes),
                (3, Field::Bytes(bytes)) => keys.push(text(bytes)),
                (4, Field::Bytes(bytes)) => values.push(value(bytes)),
                (5, Field::Number(extent)) => assert_eq!(extent, 4_096),
                (15, Field::Number(version)) => assert_eq!(version, 2),
                (other, _) => panic!("field {other} of a layer"),
            }
        }
        features.extend(
            bodies
                .into_iter()
                .map(|body| feature(body, &name, &keys, &values)),
        );
    }
    features
}

fn feature(body: &[u8], layer: &str, keys: &[String], values: &[String]) -> Feature {
    let mut feature = Feature {
        layer: layer.to_owned(),
        ..Feature::default()
    };
    for (number, field) in fields(body) {
        match (number, field) {
            (1, Field::Number(id)) => feature.id = Some(id),
            (2, Field::Bytes(tags)) => {
                for pair in packed(tags).chunks_exact(2) {
                    let (key, value) = (&keys[pair[0] as usize], &values[pair[1] as usize]);
                    feature.properties.insert(key.clone(), value.clone());
                }
            }
            (3, Field::Number(kind)) => feature.kind = kind,
            (4, Field::Bytes(words)) => feature.rings = rings(&packed(words)),
            (other, _) => panic!("field {other} of a feature"),
        }
    }
    feature
}

fn rings(words: &[u64]) -> Vec<Vec<[i64; 2]>> {
    let (mut rings, mut ring) = (Vec::new(), Vec::new());
    let (mut at, mut next) = ([0_i64; 2], 0);
    while next < words.len() {
        let (command, count) = (words[next] & 7, words[next] >> 3);
        next += 1;
        if command == 7 {
            rings.push(std::mem::take(&mut ring));
            continue;
        }
        for _ in 0..count {
            for step in &mut at {
                let zigzag = words[next].cast_signed();
                *step += (zigzag >> 1) ^ -(zigzag & 1);
                next += 1;
            }
            ring.push(at);
        }
    }
    if !ring.is_empty() {
        rings.push(ring);
    }
    rings
}
