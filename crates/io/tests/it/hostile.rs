//! Broken files: an error that names the file, or the right values; no panic, bounded memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use proptest::prelude::*;
use swath_grid::Window;
use swath_io::{BlockPlan, DecodeScratch, DecodedBlock, ErrorKind, IoError};
use swath_raster::DataType;
use swath_testkit::fixtures::{Compression, Defect, Endian, Predictor, Tag, Tiff, tiff};

use crate::fixture::{cut, spread, with_samples};
use crate::place::open_file;

/// Largest block that is decoded, in bytes: what the reader allows itself.
const BLOCK_BYTES_MAX: usize = 1 << 30;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Notes the largest single allocation of each thread.
struct Watched;

fn note(bytes: usize) {
    // Threads that end have no cell any more.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as asked by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as asked by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as asked by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        // SAFETY: as asked by the caller.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Opens a file and reads up to 64² pixels at its start and its end, on this thread.
///
/// Returns what was read, or the error; checks that the error names the file.
pub fn read(path: &Path) -> Result<Vec<DecodedBlock>, IoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LARGEST.set(0);
    let outcome: Result<_, IoError> = runtime.block_on(async {
        let raster = open_file(path).await?;
        raster.describe();
        let size = raster.size();
        let (width, height) = (size.width.min(64), size.height.min(64));
        let corner = Window {
            col: size.width - width,
            row: size.height - height,
            width,
            height,
        };
        let mut found = Vec::new();
        for window in [
            Window {
                col: 0,
                row: 0,
                width,
                height,
            },
            corner,
        ] {
            let numbers = raster.blocks_of(&window);
            let bands: Vec<usize> = (0..raster.bands().len().min(4)).collect();
            let mut parts = Vec::new();
            // As the stream does, but decoded here, where allocations are watched.
            let plan = BlockPlan {
                level: 0,
                bands,
                numbers,
            };
            let fetched = raster
                .fetch_blocks(plan.level, plan.bands.into(), &plan.numbers)
                .await?;
            for block in fetched {
                parts.push(block.decode(&mut DecodeScratch::default())?);
            }
            found.push(DecodedBlock::assemble(window, parts)?);
        }
        Ok(found)
    });
    assert!(
        LARGEST.get() <= BLOCK_BYTES_MAX,
        "{} bytes at once",
        LARGEST.get()
    );
    if let Err(error) = &outcome {
        let text = error.to_string();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name), "{text}");
        assert_eq!(error.kind(), ErrorKind::Data, "{text}");
    }
    outcome
}

fn image(data_type: DataType) -> Tiff {
    let pixels = spread(data_type, 60 * 50, 5);
    with_samples(tiff(60, 50), &[pixels.clone(), pixels])
}

/// Files of every codec and many layouts.
fn files() -> Vec<(&'static str, Tiff)> {
    let mask: Vec<bool> = (0..60 * 50).map(|index| index % 7 != 0).collect();
    let float = image(DataType::F32).predictor(Predictor::Float);
    vec![
        ("plain tiles", image(DataType::U16)),
        (
            "plain strips",
            image(DataType::I16).strips(9).endian(Endian::Big),
        ),
        (
            "lzw",
            image(DataType::U8)
                .compression(Compression::Lzw)
                .predictor(Predictor::Horizontal),
        ),
        (
            "deflate",
            image(DataType::U32)
                .compression(Compression::Deflate)
                .overview(2)
                .mask(&mask),
        ),
        (
            "packbits",
            image(DataType::I8)
                .compression(Compression::PackBits)
                .strips(4)
                .planar(),
        ),
        (
            "zstd",
            float
                .compression(Compression::Zstd)
                .big()
                .epsg(32632)
                .georeference(0.0, 9.0, 1.0),
        ),
        (
            "rich",
            image(DataType::F64)
                .alpha()
                .nodata("-9999")
                .scale_offset(0.1, 2.0)
                .big()
                .ghost(),
        ),
    ]
}

const DEFECTS: [Defect; 16] = [
    Defect::CyclicDirectories,
    Defect::AbsurdSize,
    Defect::AbsurdTagCount,
    Defect::Truncated { bytes: 1 },
    Defect::Truncated { bytes: 700 },
    Defect::Truncated { bytes: 5_000 },
    Defect::OffsetsBeyondEnd,
    Defect::HugeByteCounts,
    Defect::DeflateBomb { bytes: 64 << 20 },
    Defect::ShortBlocks,
    Defect::GarbageBlocks,
    Defect::OddTagTypes,
    Defect::ZeroBlockSize,
    Defect::NoBlockOffsets,
    Defect::UnsortedTags,
    Defect::BadMagic,
];

#[test]
fn each_defect_is_named_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.tif");
    let mut harmless = Vec::new();
    for (name, file) in files() {
        file.write(&path);
        let expected = read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for defect in DEFECTS {
            file.clone().defect(defect).write(&path);
            if let Ok(found) = read(&path) {
                let is_unchecked =
                    name.starts_with("plain") || name == "rich" || name == "packbits";
                // Bytes as they are, and in runs, have no wrong form.
                if !(is_unchecked && defect == Defect::GarbageBlocks) {
                    let same = |(a, b): (&DecodedBlock, &DecodedBlock)| a.bands == b.bands;
                    assert!(found.iter().zip(&expected).all(same), "{name}: {defect:?}");
                }
                harmless.push((name, defect));
            }
        }
    }
    let must_fail = |defect: &Defect| {
        !matches!(
            defect,
            Defect::UnsortedTags
                | Defect::GarbageBlocks
                | Defect::OddTagTypes
                | Defect::AbsurdTagCount
        ) && !matches!(
            defect,
            Defect::Truncated { .. } | Defect::CyclicDirectories | Defect::ZeroBlockSize
        )
    };
    assert!(
        !harmless.iter().any(|(_, defect)| must_fail(defect)),
        "{harmless:?}"
    );
}

#[test]
fn sizes_whose_product_overflows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overflow.tif");
    let side = Tag::Long(vec![1 << 30]);
    let base = tiff(16, 16).tag(256, side.clone()).tag(257, side.clone());
    let sixteen_bands = |file: Tiff| {
        file.tag(277, Tag::Short(vec![16]))
            .tag(258, Tag::Short(vec![64; 16]))
            .tag(339, Tag::Short(vec![1; 16]))
    };
    // 2^30 × 2^30 × 16 bands × 8 bytes = 2^67, which is 0 in 64 bits.
    let strip = sixteen_bands(base.clone().strips(16)).tag(278, side.clone());
    let tile = sixteen_bands(base.clone())
        .tag(322, side.clone())
        .tag(323, side);
    // 2^30 × 2^30 blocks of one pixel × 16 planes = 2^64.
    let one = Tag::Long(vec![1]);
    let pixels = sixteen_bands(base)
        .tag(284, Tag::Short(vec![2]))
        .tag(322, one.clone())
        .tag(323, one);
    for (name, file) in [("strip", strip), ("tile", tile), ("pixels", pixels)] {
        file.write(&path);
        let error = read(&path).expect_err(name).to_string();
        assert!(error.contains("block"), "{name}: {error}");
    }
}

#[test]
fn every_truncation_is_an_error_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.tif");
    for (name, file) in files() {
        let bytes = file.bytes();
        std::fs::write(&path, &bytes).unwrap();
        let expected = read(&path).unwrap();
        for len in (0..bytes.len()).step_by(if bytes.len() > 8192 { 37 } else { 7 }) {
            std::fs::write(&path, &bytes[..len]).unwrap();
            if let Ok(found) = read(&path) {
                let same = |(a, b): (&DecodedBlock, &DecodedBlock)| a.bands == b.bands;
                assert!(
                    found.iter().zip(&expected).all(same),
                    "{name} cut to {len} bytes"
                );
            }
        }
    }
}

#[test]
fn damage_in_one_block_names_the_block_and_spares_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.tif");
    let pixels = spread(DataType::U16, 64 * 64, 1);
    for codec in [Compression::Lzw, Compression::Deflate, Compression::Zstd] {
        let file = with_samples(tiff(64, 64), std::slice::from_ref(&pixels)).compression(codec);
        let mut bytes = file.bytes();
        let len = bytes.len();
        // The last block stands last.
        bytes[len - 40..].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path).expect_err("damaged").to_string();
        assert!(error.contains("block 15 (column 48, row 48"), "{error}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let window = Window {
            col: 0,
            row: 0,
            width: 48,
            height: 64,
        };
        let raster = runtime.block_on(open_file(&path)).unwrap();
        let read = runtime.block_on(raster.read_window(&[0], window)).unwrap();
        assert_eq!(read.bands[0], cut(&pixels, 64, &window));
    }
}

fn mutated(mut bytes: Vec<u8>, from: usize, changes: &[(u32, u8)]) -> Vec<u8> {
    let len = bytes.len() - from;
    for (at, value) in changes {
        bytes[from + *at as usize % len] = *value;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_bytes_end_in_a_result(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        header in 0..5_usize,
    ) {
        let magic: &[u8] = [
            b"II\x2a\0\x08\0\0\0".as_slice(),
            b"MM\0\x2a\0\0\0\x08",
            b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
            b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10",
            b"",
        ][header];
        bytes.iter_mut().zip(magic).for_each(|(to, from)| *to = *from);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.tif");
        std::fs::write(&path, bytes).unwrap();
        let _ = read(&path);
    }

    #[test]
    fn changed_directories_end_in_a_result(
        file in 0..7_usize,
        changes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..6),
    ) {
        let bytes = files()[file].1.bytes();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.tif");
        // Directories stand within the first kilobyte.
        let (head, tail) = bytes.split_at(bytes.len().min(1000));
        let changed = [mutated(head.to_vec(), 0, &changes), tail.to_vec()].concat();
        std::fs::write(&path, changed).unwrap();
        let _ = read(&path);
    }

    #[test]
    fn changed_blocks_end_in_a_result(
        file in 0..7_usize,
        changes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..20),
    ) {
        let bytes = files()[file].1.bytes();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.tif");
        std::fs::write(&path, mutated(bytes, 1500, &changes)).unwrap();
        let _ = read(&path);
    }
}
