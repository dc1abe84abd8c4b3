//! Colours along a scale.
//!
//! `viridis`, `magma`, `inferno` and `plasma` are those of N. Smith, S. van der Walt and E. Firing
//! (2015, CC0), `cividis` that of J. Nuñez, C. Anderton and R. Renslow (PLoS ONE 13, 2018,
//! doi:10.1371/journal.pone.0199239): here 33 of their 256 colours each, at equal steps, with straight
//! lines between them (within 6 levels of 255 of theirs). The others are our own.

use thiserror::Error;

/// Most colours of a map that is written out.
pub const COLOR_MAP_STOPS_MAX: usize = 256;

/// A text that is no colour map.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ColorMapError {
    reason: String,
}

/// Colours along a scale from 0 to 1, with straight lines between them (in sRGB).
#[derive(Debug, Clone, PartialEq)]
pub struct ColorMap {
    /// Places in order, the first 0, the last 1, and their colours.
    stops: Vec<(f64, [u8; 3])>,
}

impl ColorMap {
    /// Returns the map of a name, in capitals or not; `_r` at its end turns it round.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (name, is_turned) = match name.strip_suffix("_r") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let (_, colors) = MAPS.iter().find(|(known, _)| *known == name)?;
        let last = (colors.len() - 1) as f64;
        let mut stops: Vec<(f64, [u8; 3])> = colors
            .iter()
            .enumerate()
            .map(|(index, color)| (index as f64 / last, of_number(*color)))
            .collect();
        if is_turned {
            stops.reverse();
            stops
                .iter_mut()
                .for_each(|(place, _)| *place = 1.0 - *place);
        }
        Some(Self { stops })
    }

    /// Returns the names of all maps, without those turned round.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAPS.iter().map(|(name, _)| *name)
    }

    /// Reads colours at values, `0:#440154,0.5:#21918c,1:#fde725`, in rising order of values; returns the
    /// first and the last value with the map between them.
    ///
    /// # Errors
    /// Where the text is none, has fewer than two colours, or more than [`COLOR_MAP_STOPS_MAX`].
    pub fn parse_stops(text: &str) -> Result<(f64, f64, Self), ColorMapError> {
        let values = Self::parse_pairs(text)?;
        let (Some((low, _)), Some((high, _))) = (values.first(), values.last()) else {
            return Err(wrong("expected VALUE:#rrggbb,VALUE:#rrggbb".to_owned()));
        };
        let (low, high) = (*low, *high);
        if values.len() < 2 || !values.is_sorted_by(|one, two| one.0 < two.0) {
            return Err(wrong(
                "expected two colours or more, at rising values".to_owned(),
            ));
        }
        let place = |value: f64| (value - low) / (high - low);
        let stops = values.iter().map(|(value, color)| (place(*value), *color));
        Ok((
            low,
            high,
            Self {
                stops: stops.collect(),
            },
        ))
    }

    /// Reads `VALUE:#rrggbb,…` in the order written: the colours of classes.
    ///
    /// # Errors
    /// Where the text is none, or has more than [`COLOR_MAP_STOPS_MAX`] of them.
    pub fn parse_pairs(text: &str) -> Result<Vec<(f64, [u8; 3])>, ColorMapError> {
        let mut pairs = Vec::new();
        for part in text.split(',') {
            let pair = part.split_once(':').and_then(|(value, color)| {
                let value = value
                    .trim()
                    .parse::<f64>()
                    .ok()
                    .filter(|value| value.is_finite())?;
                let color = color.trim();
                Some((
                    value,
                    parse_color(color.strip_prefix('#').unwrap_or(color))?,
                ))
            });
            let Some(pair) = pair else {
                let shown: String = part.chars().take(40).collect();
                return Err(wrong(format!(
                    "\"{shown}\" is not of the form VALUE:#rrggbb"
                )));
            };
            if pairs.len() == COLOR_MAP_STOPS_MAX {
                return Err(wrong(format!("more than {COLOR_MAP_STOPS_MAX} colours")));
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// Returns the colour at a place from 0 to 1.
    pub fn color(&self, place: f64) -> [u8; 3] {
        let after = self.stops.partition_point(|(stop, _)| *stop <= place);
        let Some((to, to_color)) = self.stops.get(after) else {
            return self.stops[self.stops.len() - 1].1;
        };
        let Some((from, from_color)) = after.checked_sub(1).map(|before| self.stops[before]) else {
            return *to_color;
        };
        let share = (place - from) / (to - from);
        let mix = |channel: usize| {
            let (from, to) = (f64::from(from_color[channel]), f64::from(to_color[channel]));
            (from + (to - from) * share).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    }
}

fn wrong(reason: String) -> ColorMapError {
    ColorMapError { reason }
}

/// Reads `rrggbb` in hexadecimal digits.
pub fn parse_color(digits: &str) -> Option<[u8; 3]> {
    let is_color = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_color)?;
    Some(of_number(number))
}

fn of_number(color: u32) -> [u8; 3] {
    let [_, red, green, blue] = color.to_be_bytes();
    [red, green, blue]
}

/// The maps by name.
const MAPS: &[(&str, &[u32])] = &[
    ("greys", &[0x000000, 0xffffff]),
    ("viridis", VIRIDIS),
    ("magma", MAGMA),
    ("inferno", INFERNO),
    ("plasma", PLASMA),
    ("cividis", CIVIDIS),
    // Diverging, the middle pale: bad to good, cold to warm, dry to wet.
    (
        "rdylgn",
        &[
            0x9e1b2c, 0xd8503a, 0xf2a062, 0xfbe3a0, 0xe3ecaa, 0xa3d07a, 0x52a850, 0x12703c,
        ],
    ),
    (
        "blrd",
        &[
            0x23477f, 0x5b8fc0, 0xb4d2e4, 0xf4f1ee, 0xf0bda4, 0xcf6a55, 0x88202f,
        ],
    ),
    (
        "brbg",
        &[
            0x6b4410, 0xb0813a, 0xe0c990, 0xf3f1ea, 0xa6d6cd, 0x43988f, 0x0b4f49,
        ],
    ),
    // Bare soil to dense canopy; water below.
    (
        "vegetation",
        &[
            0x7b5b3a, 0xc2a578, 0xe8dfb0, 0xb7d47c, 0x6fae4c, 0x2c7f35, 0x0b4d22,
        ],
    ),
    // Height.
    (
        "terrain",
        &[
            0x2d6b4f, 0x7aa862, 0xd9d59a, 0xb98d5c, 0x8a6a58, 0xcfc8c4, 0xffffff,
        ],
    ),
    (
        "blues",
        &[0xf4f8fc, 0xc3d9ec, 0x7fb0d6, 0x3a7fb8, 0x124b86, 0x08234f],
    ),
];

/// viridis
const VIRIDIS: &[u32] = &[
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b,
    0x375a8d, 0x33638d, 0x2f6a8e, 0x2c728e, 0x297a8e, 0x26818e, 0x23898e, 0x21908c, 0x1f988b,
    0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b, 0x3ebc74, 0x4cc26c, 0x5dc963, 0x6ece58, 0x82d34c,
    0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a, 0xfde725,
];

/// magma
const MAGMA: &[u32] = &[
    0x000004, 0x030311, 0x0a0822, 0x130d33, 0x1d1146, 0x28115a, 0x36106a, 0x430f76, 0x50127c,
    0x5d177f, 0x691c81, 0x762181, 0x822681, 0x8f2a81, 0x9c2e7f, 0xa9327d, 0xb63779, 0xc33b75,
    0xcf4170, 0xdb486a, 0xe65163, 0xee5c5e, 0xf5695c, 0xf9785d, 0xfb8761, 0xfd9668, 0xfea571,
    0xfeb47b, 0xfec387, 0xfed194, 0xfde0a2, 0xfceeb0, 0xfcfdbf,
];

/// inferno
const INFERNO: &[u32] = &[
    0x000004, 0x040312, 0x0b0724, 0x150b37, 0x210c4a, 0x2e0a5a, 0x3c0965, 0x4a0c6b, 0x57106d,
    0x63146e, 0x70196e, 0x7d1e6d, 0x89226a, 0x962766, 0xa32b61, 0xaf315c, 0xbb3755, 0xc63e4d,
    0xd14644, 0xdb4f3b, 0xe35932, 0xeb6528, 0xf1711e, 0xf67f14, 0xf98d0a, 0xfb9c06, 0xfcab0f,
    0xfbba1f, 0xf9ca32, 0xf5d949, 0xf2e865, 0xf3f586, 0xfcffa4,
];

/// plasma
const PLASMA: &[u32] = &[
    0x0d0887, 0x220690, 0x310596, 0x3f049c, 0x4c02a1, 0x5901a5, 0x6600a7, 0x7201a8, 0x7e03a8,
    0x8909a6, 0x9511a2, 0x9f1a9c, 0xa92396, 0xb22c8e, 0xbb3587, 0xc33e80, 0xcb4778, 0xd25071,
    0xd9596a, 0xe06263, 0xe66c5c, 0xeb7555, 0xf07f4f, 0xf48a48, 0xf89441, 0xfb9f3a, 0xfdab33,
    0xfeb72d, 0xfdc328, 0xfcd025, 0xf9dd25, 0xf5eb27, 0xf0f921,
];

/// cividis
const CIVIDIS: &[u32] = &[
    0x00224e, 0x00285b, 0x002e6a, 0x043371, 0x1a386f, 0x273e6e, 0x32436d, 0x3b496c, 0x434e6c,
    0x4b546c, 0x52596d, 0x5a5f6e, 0x61656f, 0x686a71, 0x6f7073, 0x757676, 0x7c7b78, 0x848179,
    0x8b8778, 0x938d78, 0x9b9376, 0xa39a75, 0xaba072, 0xb3a670, 0xbbad6c, 0xc3b469, 0xccba64,
    0xd4c15f, 0xddc958, 0xe6d051, 0xefd748, 0xf8df3c, 0xfee838,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_begin_and_end_where_they_should() {
        let viridis = ColorMap::named("Viridis").expect("a map");
        assert_eq!(viridis.color(0.0), [0x44, 0x01, 0x54]);
        assert_eq!(viridis.color(1.0), [0xfd, 0xe7, 0x25]);
        let turned = ColorMap::named("viridis_r").expect("a map");
        for place in [0.0, 0.2, 0.5, 0.77, 1.0] {
            let (one, two) = (viridis.color(place), turned.color(1.0 - place));
            assert!(
                (0..3).all(|channel| one[channel].abs_diff(two[channel]) <= 1),
                "{place}"
            );
        }
        assert!(ColorMap::named("jet").is_none());
        assert!(ColorMap::names().all(|name| ColorMap::named(name).is_some()));
    }

    #[test]
    fn perceptual_maps_grow_brighter_all_along() {
        for name in ["greys", "viridis", "magma", "inferno", "cividis"] {
            let map = ColorMap::named(name).expect("a map");
            let luma = |place: f64| {
                let [red, green, blue] = map.color(place).map(f64::from);
                0.2126 * red + 0.7152 * green + 0.0722 * blue
            };
            let places = (0..32).map(|step| f64::from(step) / 32.0);
            assert!(
                places
                    .clone()
                    .all(|place| luma(place + 1.0 / 32.0) > luma(place) - 0.5),
                "{name}"
            );
        }
    }

    #[test]
    fn own_maps_are_read_and_bad_ones_refused() {
        let (low, high, map) =
            ColorMap::parse_stops("-1:#000000, 0:#808080 ,1:ffffff").expect("a map");
        assert_eq!((low, high), (-1.0, 1.0));
        assert_eq!(map.color(0.5), [0x80; 3]);
        for bad in [
            "",
            "0:#000000",
            "1:#000000,0:#ffffff",
            "0:#00,1:#ffffff",
            "nan:#000000,1:#ffffff",
            "0#000000",
            "0:#00000é,1:#ffffff",
        ] {
            assert!(ColorMap::parse_stops(bad).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..300).map(|value| format!("{value}:#000000")).collect();
        let error = ColorMap::parse_stops(&many.join(",")).expect_err("too many");
        assert!(error.to_string().contains("more than 256"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused_or_read(text in ".{0,60}") {
            let _ = ColorMap::parse_stops(&text);
            let _ = parse_color(&text);
        }
    }
}
