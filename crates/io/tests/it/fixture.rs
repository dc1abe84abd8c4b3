//! Images in memory and the fixture files that hold them.

use swath_grid::Window;
use swath_raster::{DataType, Pixels, for_pixels};
use swath_testkit::fixtures::{self, Tiff};

/// All sample types.
pub const DATA_TYPES: [DataType; 10] = [
    DataType::U8,
    DataType::I8,
    DataType::U16,
    DataType::I16,
    DataType::U32,
    DataType::I32,
    DataType::U64,
    DataType::I64,
    DataType::F32,
    DataType::F64,
];

/// Returns `len` values over the whole range of a type, in runs of three equal ones.
pub fn spread(data_type: DataType, len: usize, seed: u64) -> Pixels {
    let bits =
        (0..len as u64).map(|index| (index / 3 + 1 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    match data_type {
        DataType::U8 => Pixels::U8(bits.map(|bits| (bits >> 56) as u8).collect()),
        DataType::I8 => Pixels::I8(bits.map(|bits| (bits >> 56) as i8).collect()),
        DataType::U16 => Pixels::U16(bits.map(|bits| (bits >> 48) as u16).collect()),
        DataType::I16 => Pixels::I16(bits.map(|bits| (bits >> 48) as i16).collect()),
        DataType::U32 => Pixels::U32(bits.map(|bits| (bits >> 32) as u32).collect()),
        DataType::I32 => Pixels::I32(bits.map(|bits| (bits >> 32) as i32).collect()),
        DataType::U64 => Pixels::U64(bits.collect()),
        DataType::I64 => Pixels::I64(bits.map(u64::cast_signed).collect()),
        DataType::F32 => Pixels::F32(bits.map(|bits| bits as f32 / 1e15 - 5e3).collect()),
        DataType::F64 => Pixels::F64(bits.map(|bits| bits as f64 / 1e15 - 5e3).collect()),
    }
}

/// Puts `bands`, all of one type and of the size of the file, into a fixture.
pub fn with_samples(file: Tiff, bands: &[Pixels]) -> Tiff {
    fn put<T: fixtures::Sample + swath_raster::Sample>(
        file: Tiff,
        bands: &[Pixels],
        _first: &[T],
    ) -> Tiff {
        let of_band = |band| T::slice(band).expect("bands of one type");
        let all: Vec<T> = bands.iter().flat_map(of_band).copied().collect();
        file.samples(bands.len() as u32, &all)
    }
    for_pixels!(&bands[0], first => put(file, bands, first))
}

/// Returns the values of `window` out of an image of `width` columns.
pub fn cut(pixels: &Pixels, width: u32, window: &Window) -> Pixels {
    fn of_rows<T: swath_raster::Sample>(values: &[T], width: usize, window: &Window) -> Pixels {
        let rows = window.row as usize..window.row_end() as usize;
        let cols = window.col as usize..window.col_end() as usize;
        T::wrap(
            rows.flat_map(|row| &values[row * width + cols.start..row * width + cols.end])
                .copied()
                .collect(),
        )
    }
    for_pixels!(pixels, values => of_rows(values, width as usize, window))
}

/// Returns the flags of `window` out of an image of `width` columns.
pub fn cut_flags(flags: &[bool], width: u32, window: &Window) -> Vec<bool> {
    (window.row..window.row_end())
        .flat_map(|row| (window.col..window.col_end()).map(move |col| (row * width + col) as usize))
        .map(|at| flags[at])
        .collect()
}
