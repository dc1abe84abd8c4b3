//! From which zoom tiles hold parcels: the lowest at which they are not too many.

use std::collections::HashMap;

/// Highest zoom that is looked at; from it tiles hold parcels, however many they are.
pub(super) const DETAIL_ZOOM_MAX: u8 = 14;
/// Bytes of a tile that parcels may take by the estimate; below the largest tile, since parcels of
/// neighbouring tiles reach into it.
const ESTIMATE_BYTES_MAX: f64 = 400_000.0;
/// Bytes of a parcel beside its vertices and its id: headers, number, values.
const PARCEL_BYTES: f64 = 30.0;
/// Bytes of a vertex.
const VERTEX_BYTES: f64 = 2.6;
/// Share of the parcels that must stand in tiles that are not too large.
const FITTING_SHARE: f64 = 0.95;

/// What a tile would hold.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    bytes: f64,
    parcels: u64,
}

/// Sums up what tiles would hold.
#[derive(Debug, Default)]
pub(super) struct Density {
    zooms: [HashMap<u64, Load>; DETAIL_ZOOM_MAX as usize + 1],
}

impl Density {
    /// Adds a parcel whose middle is `middle`, with an id of so many bytes; `zooms` are those from
    /// which its vertices are needed.
    pub fn add(&mut self, middle: [u32; 2], id_bytes: usize, zooms: &[u8]) {
        let mut needed = [0_u32; DETAIL_ZOOM_MAX as usize + 1];
        for zoom in zooms.iter().filter(|zoom| **zoom <= DETAIL_ZOOM_MAX) {
            needed[usize::from(*zoom)] += 1;
        }
        let mut vertices = 0;
        for (zoom, loads) in self.zooms.iter_mut().enumerate() {
            vertices += needed[zoom];
            let tile = |step: u32| u64::from(step) >> (32 - zoom);
            let load = loads
                .entry((tile(middle[0]) << 32) | tile(middle[1]))
                .or_default();
            load.parcels += 1;
            load.bytes += PARCEL_BYTES + id_bytes as f64 + f64::from(vertices) * VERTEX_BYTES;
        }
    }

    /// Returns the lowest zoom at and above which nearly all parcels stand in tiles of a good size.
    pub fn detail_zoom(&self) -> u8 {
        let fits = |loads: &HashMap<u64, Load>| {
            let all: u64 = loads.values().map(|load| load.parcels).sum();
            let fitting = loads
                .values()
                .filter(|load| load.bytes <= ESTIMATE_BYTES_MAX);
            let fitting: u64 = fitting.map(|load| load.parcels).sum();
            fitting as f64 >= FITTING_SHARE * all as f64
        };
        let too_full = self.zooms.iter().rposition(|loads| !fits(loads));
        let zoom = too_full.map_or(0, |zoom| zoom as u8 + 1);
        zoom.min(DETAIL_ZOOM_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_parcels_are_shown_from_the_first_zoom_and_many_later() {
        assert_eq!(Density::default().detail_zoom(), 0);
        let mut few = Density::default();
        (0..100).for_each(|index| few.add([index, index], 8, &[0; 10]));
        assert_eq!(few.detail_zoom(), 0);
        let mut many = Density::default();
        for index in 0..40_000_u32 {
            // 200 by 200 parcels, a side a 4,096th of the world.
            let place = [(index % 200) << 20, (index / 200) << 20];
            many.add(place, 8, &[0; 6]);
        }
        let zoom = many.detail_zoom();
        assert!((5..=7).contains(&zoom), "{zoom}");
    }
}
