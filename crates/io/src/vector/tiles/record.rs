//! One parcel as the pyramid stores it: numbers of seven bits a byte, least first.
//!
//! `id length, id, crop, area (f32), rings, { vertices × 2 + 1 if a shell, { zoom, x, y } }`: places are
//! differences to the vertex before, of the first to the corner of the group's rectangle.

use super::mvt::varint;
use super::square::Place;

/// What is stored of a parcel; buffers are used again for the next one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    pub id: String,
    /// Place in the list of crops from 1; 0: none is declared.
    pub crop: u32,
    /// Square metres; NaN where there is no area.
    pub area_m2: f32,
    /// Vertices of all rings, without closing ones.
    pub places: Vec<Place>,
    /// Zoom from which each is needed.
    pub zooms: Vec<u8>,
    /// End of each ring, and whether it is a shell.
    pub rings: Vec<(u32, bool)>,
}

/// Bytes that are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

impl Record {
    /// Writes the record; places are from `corner` on.
    pub fn write(&self, out: &mut Vec<u8>, corner: Place) {
        varint(out, self.id.len() as u64);
        out.extend_from_slice(self.id.as_bytes());
        varint(out, u64::from(self.crop));
        out.extend(self.area_m2.to_le_bytes());
        varint(out, self.rings.len() as u64);
        let (mut before, mut start) = (corner, 0);
        for (end, is_shell) in &self.rings {
            let end = *end as usize;
            varint(out, (end - start) as u64 * 2 + u64::from(*is_shell));
            for (place, zoom) in self.places[start..end].iter().zip(&self.zooms[start..end]) {
                out.push(*zoom);
                for (own, other) in place.iter().zip(before) {
                    let step = own.wrapping_sub(other).cast_signed();
                    varint(out, u64::from(((step << 1) ^ (step >> 31)).cast_unsigned()));
                }
                before = *place;
            }
            start = end;
        }
    }

    /// Reads the next record off the front of `bytes`.
    ///
    /// # Errors
    /// Where they end before it, or say what cannot be.
    pub fn read(&mut self, bytes: &mut &[u8], corner: Place) -> Result<(), Damaged> {
        let len = number(bytes)?;
        let id = take(bytes, len)?;
        self.id.clear();
        self.id
            .push_str(std::str::from_utf8(id).map_err(|_| Damaged)?);
        self.crop = u32::try_from(number(bytes)?).map_err(|_| Damaged)?;
        let area = take(bytes, 4)?.try_into().map_err(|_| Damaged)?;
        self.area_m2 = f32::from_le_bytes(area);
        self.places.clear();
        self.zooms.clear();
        self.rings.clear();
        let rings = number(bytes)?;
        let mut before = corner;
        for _ in 0..rings {
            let head = number(bytes)?;
            // Three bytes a vertex at least.
            if head / 2 > bytes.len() as u64 / 3 {
                return Err(Damaged);
            }
            for _ in 0..head / 2 {
                self.zooms.push(take(bytes, 1)?[0]);
                for step in &mut before {
                    let zigzag = number(bytes)? as u32;
                    let signed = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
                    *step = step.wrapping_add(signed.cast_unsigned());
                }
                self.places.push(before);
            }
            self.rings.push((self.places.len() as u32, head % 2 == 1));
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8], Damaged> {
    let count = usize::try_from(count).map_err(|_| Damaged)?;
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Damaged)?;
    *bytes = rest;
    Ok(taken)
}

fn number(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Damaged)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            id in ".{0,20}",
            crop in any::<u32>(),
            places in prop::collection::vec((any::<[u32; 2]>(), 0_u8..17), 0..40),
            corner in any::<[u32; 2]>(),
        ) {
            let count = places.len() as u32;
            let record = Record {
                id,
                crop,
                area_m2: 2.5,
                places: places.iter().map(|(place, _)| *place).collect(),
                zooms: places.iter().map(|(_, zoom)| *zoom).collect(),
                rings: vec![(count / 2, true), (count, false)],
            };
            let mut bytes = Vec::new();
            record.write(&mut bytes, corner);
            bytes.push(9);
            let mut rest = bytes.as_slice();
            let mut read = Record::default();
            prop_assert_eq!(read.read(&mut rest, corner), Ok(()));
            prop_assert_eq!((read, rest), (record, &[9_u8][..]));
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut record = Record::default();
            let mut rest = bytes.as_slice();
            while record.read(&mut rest, [0, 0]).is_ok() && !rest.is_empty() {}
            prop_assert!(record.places.len() <= 100);
        }
    }
}
