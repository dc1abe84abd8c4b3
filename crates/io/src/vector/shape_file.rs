//! Shapes of parcels on disk, for sets that would fill the memory.
//!
//! A record per parcel: the number of rings, the end of each ring (its top bit marks a shell), then x and y of
//! each vertex, all little-endian. Another file holds where each record begins, as `u64`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use geo_types::MultiPolygon;
use swath_grid::Bounds;

use super::parcels::{ParcelRing, Parcels, bounds_of, multi_polygon, point_of};

const SHELL_BIT: u32 = 1 << 31;

/// Shapes of parcels in a nameless scratch file, which vanishes with this value or with the process.
///
/// In the CRS, the order and with the very coordinates of the [`Parcels`] it was written from.
#[derive(Debug)]
pub struct ShapeFile {
    file: File,
    /// Where each parcel begins, and where the last one ends, in bytes.
    starts: File,
    parcels: usize,
}

/// One parcel as it was read.
struct Record {
    /// End of each ring, and whether it is a shell.
    rings: Vec<(usize, bool)>,
    coords: Vec<[f64; 2]>,
}

impl Record {
    fn rings(&self) -> impl Iterator<Item = ParcelRing<'_>> {
        let mut start = 0;
        self.rings.iter().map(move |&(end, is_shell)| {
            let coords = &self.coords[start..end];
            start = end;
            ParcelRing { coords, is_shell }
        })
    }
}

impl ShapeFile {
    /// Writes the shapes of all parcels to the folder for temporary files.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn write(parcels: &Parcels) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        let mut starts = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        let mut at = 0_u64;
        let mut record = Vec::new();
        for index in 0..parcels.len() {
            starts.write_all(&at.to_le_bytes())?;
            record.clear();
            let mut end = 0;
            let rings = parcels.rings(index).count() as u32;
            record.extend(rings.to_le_bytes());
            for ring in parcels.rings(index) {
                end += ring.coords.len() as u32;
                let shell = if ring.is_shell { SHELL_BIT } else { 0 };
                record.extend((end | shell).to_le_bytes());
            }
            let coords = parcels.rings(index).flat_map(|ring| ring.coords);
            for number in coords.flatten() {
                record.extend(number.to_le_bytes());
            }
            out.write_all(&record)?;
            at += record.len() as u64;
        }
        starts.write_all(&at.to_le_bytes())?;
        let finished =
            |file: BufWriter<File>| file.into_inner().map_err(|error| error.into_error());
        Ok(Self {
            file: finished(out)?,
            starts: finished(starts)?,
            parcels: parcels.len(),
        })
    }

    /// Returns a parcel as [`Parcels::polygon`] does.
    ///
    /// # Errors
    /// Where the file cannot be read. As do the others, it panics where there is no such parcel.
    pub fn polygon(&self, index: usize) -> io::Result<MultiPolygon<f64>> {
        Ok(multi_polygon(self.read(index)?.rings()))
    }

    /// Returns a parcel as [`Parcels::point`] does.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn point(&self, index: usize) -> io::Result<Option<[f64; 2]>> {
        Ok(point_of(self.read(index)?.rings()))
    }

    /// Returns the bounds of a parcel as [`Parcels::bounds`] does.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn bounds(&self, index: usize) -> io::Result<Option<Bounds>> {
        Ok(bounds_of(self.read(index)?.rings()))
    }

    fn read(&self, index: usize) -> io::Result<Record> {
        assert!(index < self.parcels, "there is no parcel {index}");
        let mut place = [0; 16];
        self.starts.read_exact_at(&mut place, index as u64 * 8)?;
        let [start, end] = [&place[..8], &place[8..]]
            .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes")));
        let mut bytes = vec![0; (end - start) as usize];
        self.file.read_exact_at(&mut bytes, start)?;
        let (count, rest) = bytes.split_at(4);
        let number = |bytes: &[u8]| {
            u32::from_le_bytes(bytes.try_into().expect("records are cut at whole numbers"))
        };
        let (ends, coords) = rest.split_at(number(count) as usize * 4);
        let rings = ends.chunks_exact(4).map(|end| {
            let end = number(end);
            ((end & !SHELL_BIT) as usize, end & SHELL_BIT != 0)
        });
        let coordinate = |bytes: &[u8]| {
            f64::from_le_bytes(bytes.try_into().expect("records are cut at whole numbers"))
        };
        let coords = coords.chunks_exact(16);
        Ok(Record {
            rings: rings.collect(),
            coords: coords
                .map(|pair| [coordinate(&pair[..8]), coordinate(&pair[8..])])
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::shape::{Ring, Shape};

    fn shape(coords: Vec<[f64; 2]>, rings: &[(usize, bool)]) -> Shape {
        let rings = rings.iter().map(|&(end, is_shell)| Ring { end, is_shell });
        Shape {
            coords,
            rings: rings.collect(),
            ..Shape::default()
        }
    }

    #[test]
    fn shapes_come_back_bit_for_bit() {
        let mut parcels = Parcels::default();
        let square = |x: f64, side: f64| {
            vec![
                [x, 0.1],
                [x + side, 0.1],
                [x + side, side],
                [x, side],
                [x, 0.1],
            ]
        };
        parcels.push("plain", &shape(square(0.3, 10.0), &[(5, true)]));
        parcels.push("none", &shape(vec![], &[]));
        let mut coords = square(100.0, 9.0);
        coords.extend(square(103.0, 2.0));
        coords.extend(square(200.0, 1.0));
        let rings = [(5, true), (10, false), (15, true)];
        parcels.push("hole and part", &shape(coords, &rings));
        parcels.push("point", &shape(vec![[1.5, -2.5]], &[(1, true)]));
        parcels.finish();

        let file = ShapeFile::write(&parcels).expect("room");
        for index in 0..parcels.len() {
            assert_eq!(
                file.polygon(index).expect("a record"),
                parcels.polygon(index)
            );
            assert_eq!(file.point(index).expect("a record"), parcels.point(index));
            assert_eq!(file.bounds(index).expect("a record"), parcels.bounds(index));
        }
    }
}
