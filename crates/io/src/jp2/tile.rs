//! One tile: rebuilt as a codestream of its own and decoded.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use swath_raster::Pixels;

use super::be_u16;
use super::header::{Codestream, Component, EOC, POC, SIZ, SOC, SOD, SOT};
use super::tile_parts::{SOT_BYTES, sot};

/// Most marker segments in the header of a tile-part.
const PART_SEGMENTS_MAX: usize = 4096;

impl Codestream {
    /// Decodes tile `number` from its tile-parts, halved `reduction` times: one vector per wanted
    /// component, row by row.
    ///
    /// Samples are rounded and clamped to the bits of their component.
    ///
    /// # Errors
    /// A sentence that says why the bytes are not this tile.
    pub(crate) fn decode_tile(
        &self,
        number: u32,
        reduction: u8,
        parts: &[&[u8]],
        wanted: &[usize],
    ) -> Result<Vec<Pixels>, String> {
        let alone = self.single_tile(number, parts)?;
        let window = self.grid.tile_window(number);
        let settings = DecodeSettings {
            resolve_palette_indices: false,
            strict: true,
            // The decoder halves as long as the result is not smaller than this.
            target_resolution: Some((
                (window.width >> reduction).max(1),
                (window.height >> reduction).max(1),
            )),
        };
        // The bytes are anybody's: should the decoder trip over them, that is an error of this tile.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let image = Image::new(&alone, &settings).map_err(|error| error.to_string())?;
            let mut context = DecoderContext::default();
            let decoded = image
                .decode(&mut context)
                .map_err(|error| error.to_string())?;
            let samples = u64::from(image.width()) * u64::from(image.height());
            let expected = self.reduced_tile_len(number, reduction);
            if samples != expected {
                return Err(format!("{samples} samples came where {expected} were due"));
            }
            let components = decoded.components();
            let pixels = |index: &usize| -> Result<Pixels, String> {
                let component = components.get(*index).zip(self.grid.components.get(*index));
                let (data, component) = component.ok_or("a component is missing")?;
                let values = data.samples().get(..samples as usize);
                Ok(to_pixels(
                    values.ok_or("a component is cut off")?,
                    *component,
                ))
            };
            wanted.iter().map(pixels).collect()
        }));
        let damaged = |reason: String| format!("its JPEG 2000 data are damaged: {reason}");
        outcome
            .unwrap_or_else(|_| Err("the decoder gave up".to_owned()))
            .map_err(damaged)
    }

    fn reduced_tile_len(&self, number: u32, reduction: u8) -> u64 {
        let window = self.grid.tile_window(number);
        let step = 1_u32 << reduction;
        let side = |start: u32, len: u32| {
            u64::from((start + len).div_ceil(step)) - u64::from(start.div_ceil(step))
        };
        side(self.grid.col + window.col, window.width)
            * side(self.grid.row + window.row, window.height)
    }

    /// Returns a codestream that holds tile `number` alone, at its place on the reference grid.
    fn single_tile(&self, number: u32, parts: &[&[u8]]) -> Result<Vec<u8>, String> {
        let window = self.grid.tile_window(number);
        let (left, top) = (self.grid.col + window.col, self.grid.row + window.row);
        let mut coding = Cow::Borrowed(&self.coding);
        let mut alone = SOC.to_be_bytes().to_vec();
        for (marker, body) in &self.segments {
            push_segment(&mut alone, *marker, body);
            if *marker == SIZ {
                let body_at = alone.len() - body.len();
                let places = [
                    left + window.width,
                    top + window.height,
                    left,
                    top,
                    window.width,
                    window.height,
                    left,
                    top,
                ];
                for (index, value) in places.iter().enumerate() {
                    let at = body_at + 2 + 4 * index;
                    alone[at..at + 4].copy_from_slice(&value.to_be_bytes());
                }
            }
        }
        for (index, part) in parts.iter().enumerate() {
            let (head, rest) = part
                .split_at_checked(SOT_BYTES as usize)
                .ok_or("a tile-part is cut off")?;
            let found = sot(head).ok_or("no tile-part begins where one should (SOT expected)")?;
            if u32::from(found.tile) != number {
                return Err(format!(
                    "a tile-part of tile {} stands in its place",
                    found.tile
                ));
            }
            // A missing part would pass as a coarser image.
            if found.count != 0 && usize::from(found.count) != parts.len() {
                return Err(format!(
                    "{} of its {} tile-parts are there: the file is damaged or truncated",
                    parts.len(),
                    found.count
                ));
            }
            let segments = part_segments(rest)?;
            if segments.iter().any(|(marker, _)| *marker == POC) {
                return Err("changes of the progression order (POC) are not read".to_owned());
            }
            coding = Cow::Owned(coding.with(&segments, self.grid.components.len())?);
            let len = u32::try_from(part.len()).map_err(|_| "a tile-part beyond 4 GiB")?;
            alone.extend(SOT.to_be_bytes());
            alone.extend(10_u16.to_be_bytes());
            alone.extend(0_u16.to_be_bytes());
            alone.extend(len.to_be_bytes());
            // The numbers of parts are informative; beyond 255 they could not be said.
            alone.extend([(index % 255) as u8, 0]);
            alone.extend_from_slice(rest);
        }
        coding.check_structures(swath_grid::Size {
            width: window.width,
            height: window.height,
        })?;
        alone.extend(EOC.to_be_bytes());
        Ok(alone)
    }
}

fn push_segment(stream: &mut Vec<u8>, marker: u16, body: &[u8]) {
    stream.extend(marker.to_be_bytes());
    // It came from a segment, whose length has 16 bits.
    stream.extend((body.len() as u16 + 2).to_be_bytes());
    stream.extend_from_slice(body);
}

/// Returns the marker segments between SOT and SOD.
fn part_segments(rest: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, String> {
    let cut = "the header of a tile-part is cut off";
    let mut segments = Vec::new();
    let mut at = 0;
    loop {
        let marker = be_u16(rest, at).ok_or(cut)?;
        if marker == SOD {
            return Ok(segments);
        }
        if segments.len() == PART_SEGMENTS_MAX {
            return Err(format!(
                "a tile-part header of more than {PART_SEGMENTS_MAX} segments"
            ));
        }
        // These have no parameters and are skipped.
        if (0xff30..=0xff3f).contains(&marker) {
            segments.push((marker, Vec::new()));
            at += 2;
            continue;
        }
        if marker < 0xff00 {
            return Err(format!(
                "no marker in the header of a tile-part ({marker:#06x})"
            ));
        }
        let len = usize::from(be_u16(rest, at + 2).ok_or(cut)?);
        let body = rest.get(at + 4..at + 2 + len.max(2)).ok_or(cut)?;
        segments.push((marker, body.to_vec()));
        at += 2 + len.max(2);
    }
}

/// Rounds and clamps samples, which the decoder shifts to begin at 0 whatever their sign.
fn to_pixels(samples: &[f32], component: Component) -> Pixels {
    let bits = u32::from(component.bits);
    let top = ((1_u32 << bits) - 1) as f32;
    let rounded = samples
        .iter()
        .map(|value| value.round_ties_even().clamp(0.0, top));
    let middle = 1_i32 << (bits - 1);
    match (component.is_signed, bits) {
        (false, ..=8) => Pixels::U8(rounded.map(|value| value as u8).collect()),
        (false, _) => Pixels::U16(rounded.map(|value| value as u16).collect()),
        (true, ..=8) => Pixels::I8(rounded.map(|v| (v as i32 - middle) as i8).collect()),
        (true, _) => Pixels::I16(rounded.map(|v| (v as i32 - middle) as i16).collect()),
    }
}
