//! The GeoKey directory of a GeoTIFF (OGC 19-008r4, clause 7.1).

use std::collections::BTreeMap;

use crate::GridError;

/// Value of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum GeoKeyValue {
    /// A code.
    Short(u16),
    /// One or more numbers.
    Double(Vec<f64>),
    /// A text, without the `|` that ends it in the file.
    Ascii(String),
}

/// The keys of a GeoTIFF by their number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GeoKeys {
    /// Values by key number, as 3072 for the projected CRS.
    pub keys: BTreeMap<u16, GeoKeyValue>,
}

/// The three TIFF tags that hold the keys, ready to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GeoKeyTags {
    /// Tag 34735.
    pub directory: Vec<u16>,
    /// Tag 34736.
    pub doubles: Vec<f64>,
    /// Tag 34737, without the closing zero byte.
    pub ascii: String,
}

const TAG_DOUBLES: u16 = 34736;
const TAG_ASCII: u16 = 34737;
const DIRECTORY_VERSION: u16 = 1;

impl GeoKeys {
    /// Reads the three tags of a GeoTIFF: the directory (34735), the numbers (34736) and the texts
    /// (34737). An empty directory has no keys.
    ///
    /// A key that points outside of its tag is left out, as GDAL does; so is one given twice.
    ///
    /// # Errors
    /// [`GridError::InvalidGeoKeys`] where the directory has no whole header or another version.
    pub fn parse(directory: &[u16], doubles: &[f64], ascii: &str) -> Result<GeoKeys, GridError> {
        if directory.is_empty() {
            return Ok(Self::default());
        }
        let Some((header, entries)) = directory.split_at_checked(4) else {
            return Err(GridError::InvalidGeoKeys {
                why: format!("the directory has {} numbers", directory.len()),
            });
        };
        if header[0] != DIRECTORY_VERSION {
            return Err(GridError::InvalidGeoKeys {
                why: format!("directory version {}", header[0]),
            });
        }
        let mut keys = BTreeMap::new();
        for entry in entries.chunks_exact(4).take(usize::from(header[3])) {
            let (key, place, count, offset) = (
                entry[0],
                entry[1],
                usize::from(entry[2]),
                usize::from(entry[3]),
            );
            let value = match place {
                0 => Some(GeoKeyValue::Short(entry[3])),
                TAG_DOUBLES => doubles
                    .get(offset..offset + count)
                    .map(|values| GeoKeyValue::Double(values.to_vec())),
                TAG_ASCII => ascii_part(ascii, offset, count).map(GeoKeyValue::Ascii),
                // Codes may also stand behind the entries of the directory itself.
                34735 => directory.get(offset).map(|code| GeoKeyValue::Short(*code)),
                _ => None,
            };
            if let Some(value) = value {
                keys.entry(key).or_insert(value);
            }
        }
        Ok(Self { keys })
    }

    /// Returns the three tags that hold these keys.
    pub fn to_tags(&self) -> GeoKeyTags {
        let count = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        let mut tags = GeoKeyTags {
            directory: vec![DIRECTORY_VERSION, 1, 1, count],
            ..Default::default()
        };
        for (key, value) in &self.keys {
            let entry = match value {
                GeoKeyValue::Short(code) => [*key, 0, 1, *code],
                GeoKeyValue::Double(values) => {
                    let offset = tags.doubles.len();
                    tags.doubles.extend(values);
                    [*key, TAG_DOUBLES, small(values.len()), small(offset)]
                }
                GeoKeyValue::Ascii(text) => {
                    let offset = tags.ascii.len();
                    tags.ascii.push_str(text);
                    tags.ascii.push('|');
                    [*key, TAG_ASCII, small(text.len() + 1), small(offset)]
                }
            };
            tags.directory.extend(entry);
        }
        tags
    }

    /// Returns the code of a key; user-defined (32767) and undefined (0) count as none.
    pub(crate) fn code(&self, key: u16) -> Option<u32> {
        self.short(key)
            .filter(|code| *code != 0 && *code != USER_DEFINED)
            .map(u32::from)
    }

    pub(crate) fn short(&self, key: u16) -> Option<u16> {
        match self.keys.get(&key)? {
            GeoKeyValue::Short(code) => Some(*code),
            _ => None,
        }
    }

    pub(crate) fn double(&self, key: u16) -> Option<f64> {
        match self.keys.get(&key)? {
            GeoKeyValue::Double(values) => {
                values.first().copied().filter(|value| value.is_finite())
            }
            _ => None,
        }
    }

    pub(crate) fn text(&self, key: u16) -> Option<&str> {
        match self.keys.get(&key)? {
            GeoKeyValue::Ascii(text) => Some(text),
            _ => None,
        }
    }
}

/// Code that says "the other keys define it".
pub(crate) const USER_DEFINED: u16 = 32767;

/// Keys written are few and short: they fit.
fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Returns a part of the texts in bytes, tolerant of characters cut in two.
fn ascii_part(ascii: &str, offset: usize, count: usize) -> Option<String> {
    let bytes = ascii.as_bytes().get(offset..)?;
    // Some writers count the closing zero byte, which the caller has taken off.
    let bytes = &bytes[..count.min(bytes.len())];
    let text = String::from_utf8_lossy(bytes);
    Some(text.trim_end_matches(['|', '\0']).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_survive_the_tags() {
        let mut keys = GeoKeys::default();
        keys.keys.insert(1024, GeoKeyValue::Short(1));
        keys.keys.insert(1026, GeoKeyValue::Ascii("a name".into()));
        keys.keys.insert(3080, GeoKeyValue::Double(vec![9.0]));
        keys.keys.insert(3081, GeoKeyValue::Double(vec![1.5, 2.5]));
        let tags = keys.to_tags();
        assert_eq!(
            GeoKeys::parse(&tags.directory, &tags.doubles, &tags.ascii),
            Ok(keys)
        );
    }

    proptest! {
        #[test]
        fn damaged_keys_do_no_harm(
            mut directory in proptest::collection::vec(any::<u16>(), 0..64),
            doubles in proptest::collection::vec(any::<f64>(), 0..8),
            ascii in ".{0,20}",
            is_plausible in any::<bool>(),
        ) {
            if is_plausible && directory.len() > 4 {
                directory[0] = 1;
                for entry in directory[4..].chunks_mut(4) {
                    let place = if entry[0] % 3 == 0 { 0 } else { 34735 + entry[0] % 3 };
                    entry[0] = [1024, 1025, 1026, 2048, 2050, 2052, 2054, 2056, 2057, 3072, 3074, 3075, 3076, 3080][usize::from(entry[0] % 14)];
                    if let Some(slot) = entry.get_mut(1) {
                        *slot = place;
                    }
                }
            }
            if let Ok(keys) = GeoKeys::parse(&directory, &doubles, &ascii) {
                let _ = crate::Crs::from_geokeys(&keys);
            }
        }
    }
}
