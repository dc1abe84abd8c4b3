//! The TIFF fixtures against other people's readers.
//!
//! `SWATH_PYTHON` names an interpreter with rasterio, rio-cogeo and tifffile; without it the
//! comparison is skipped. Seen exact: 2,592 files with rasterio 1.4.4 (GDAL 3.10.3), of them 1,440
//! also with tifffile 2026.3.3 (the codecs that it brings itself).

use std::path::Path;
use std::process::Command;

use swath_testkit::fixtures::{
    BlockOrder, Compression, Defect, Endian, Predictor, Sample, Tag, Tiff, tiff,
};

const WIDTH: u32 = 37;
const HEIGHT: u32 = 29;

/// Samples over the whole range of a type, for `bands` bands.
fn spread<T: Sample>(bands: u32, value: impl Fn(u64) -> T) -> Vec<T> {
    let count = u64::from(bands * WIDTH * HEIGHT);
    // Runs of three equal values give the run-length coder something to do.
    (0..count)
        .map(|index| value((index / 3).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect()
}

fn with_kind(kind: &str, bands: u32) -> Tiff {
    let base = tiff(WIDTH, HEIGHT);
    match kind {
        "uint8" => base.samples(bands, &spread(bands, |bits| (bits >> 56) as u8)),
        "int8" => base.samples(bands, &spread(bands, |bits| (bits >> 56) as i8)),
        "uint16" => base.samples(bands, &spread(bands, |bits| (bits >> 48) as u16)),
        "int16" => base.samples(bands, &spread(bands, |bits| (bits >> 48) as i16)),
        "uint32" => base.samples(bands, &spread(bands, |bits| (bits >> 32) as u32)),
        "int32" => base.samples(bands, &spread(bands, |bits| (bits >> 32) as i32)),
        "uint64" => base.samples(bands, &spread(bands, |bits| bits)),
        "int64" => base.samples(bands, &spread(bands, |bits| bits as i64)),
        "float32" => base.samples(bands, &spread(bands, |bits| bits as f32 / 1e15 - 5e3)),
        _ => base.samples(bands, &spread(bands, |bits| bits as f64 / 1e15 - 5e3)),
    }
}

const KINDS: [&str; 10] = [
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64",
];

const COMPRESSIONS: [(&str, Compression); 6] = [
    ("none", Compression::None),
    ("lzw", Compression::Lzw),
    ("deflate", Compression::Deflate),
    ("olddeflate", Compression::OldDeflate),
    ("packbits", Compression::PackBits),
    ("zstd", Compression::Zstd),
];

fn predictors(kind: &str, compression: Compression) -> Vec<(u8, Predictor)> {
    let mut predictors = vec![(1, Predictor::None)];
    // The specification ties predictors to dictionary coders.
    if !matches!(compression, Compression::None | Compression::PackBits) {
        predictors.push((2, Predictor::Horizontal));
        if kind.starts_with("float") {
            predictors.push((3, Predictor::Float));
        }
    }
    predictors
}

/// Writes every combination; the name begins with the sample type.
fn write_matrix(folder: &Path) -> usize {
    let mut count = 0;
    for kind in KINDS {
        for (compression_name, compression) in COMPRESSIONS {
            for (number, predictor) in predictors(kind, compression) {
                for variant in (0..32).filter(|variant| variant & 17 != 16) {
                    let mut file = with_kind(kind, if variant & 1 == 0 { 1 } else { 3 })
                        .compression(compression)
                        .predictor(predictor);
                    file = if variant & 16 != 0 {
                        file.planar()
                    } else {
                        file
                    };
                    file = if variant & 2 != 0 {
                        file.endian(Endian::Big)
                    } else {
                        file
                    };
                    file = if variant & 4 != 0 { file.big() } else { file };
                    file = if variant & 8 != 0 {
                        file.strips(7)
                    } else {
                        file.tiles(16, 32)
                    };
                    let name = format!("{kind}_{compression_name}_p{number}_v{variant}.tif");
                    file.write(folder.join(name));
                    count += 1;
                }
            }
        }
    }
    count
}

fn write_rich(folder: &Path) {
    let mask: Vec<bool> = (0..WIDTH * HEIGHT).map(|index| index % 5 != 0).collect();
    let rich = tiff(WIDTH, HEIGHT)
        .compression(Compression::Deflate)
        .overview(2)
        .overview(4)
        .mask(&mask)
        .epsg(32632)
        .georeference(600_000.0, 5_700_000.0, 10.0)
        .scale_offset(0.0001, -0.1)
        .sparse(&[1]);
    rich.write(folder.join("rich_plain.tif"));
    rich.clone().ghost().write(folder.join("rich_ghost.tif"));
    rich.clone()
        .big()
        .endian(Endian::Big)
        .write(folder.join("rich_big.tif"));
    rich.clone()
        .order(BlockOrder::Appended)
        .write(folder.join("rich_appended.tif"));
    rich.clone()
        .order(BlockOrder::OverviewsAfterData)
        .write(folder.join("rich_after.tif"));
    rich.order(BlockOrder::DirectoriesAtEnd)
        .write(folder.join("rich_end.tif"));
    let four: Vec<u8> = spread(4, |bits| (bits >> 56) as u8);
    tiff(WIDTH, HEIGHT)
        .samples(4, &four)
        .alpha()
        .write(folder.join("alpha.tif"));
    tiff(WIDTH, HEIGHT)
        .epsg(4326)
        .point()
        .transformation([0.1, 0.0, 10.0, 0.0, -0.1, 50.0])
        .nodata("0")
        .write(folder.join("point.tif"));
}

const CHECK: &str = r#"
import glob, os, sys
import numpy as np, rasterio, tifffile
from rasterio.enums import MaskFlags
folder = sys.argv[1]
def expected(kind, bands):
    n = bands * 37 * 29
    bits = (np.arange(n, dtype=np.uint64) // np.uint64(3)) * np.uint64(0x9E3779B97F4A7C15)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        values = (bits.astype(dtype) / dtype.type(1e15) - dtype.type(5e3))
    else:
        unsigned = np.dtype("u%d" % dtype.itemsize)
        values = (bits >> np.uint64(64 - 8 * dtype.itemsize)).astype(unsigned).view(dtype)
    return values.reshape(bands, 29, 37)
def same(name, got, want):
    assert got.dtype == want.dtype and got.shape == want.shape, (name, got.dtype, got.shape)
    assert np.array_equal(got, want), (name, got.ravel()[:8], want.ravel()[:8])
count = second = 0
for path in sorted(glob.glob(folder + "/*_p*_v*.tif")):
    name = os.path.basename(path)
    kind, _, _, variant = name[:-4].split("_")
    bands = 3 if int(variant[1:]) & 1 else 1
    want = expected(kind, bands)
    with rasterio.open(path) as source:
        same(name, source.read(), want)
    try:
        with tifffile.TiffFile(path) as source:
            page = source.pages[0]
            got = page.asarray().astype(kind)
            if bands == 3 and page.planarconfig == 1:
                got = np.moveaxis(got, -1, 0)
            same(name, got.reshape(want.shape), want)
        second += 1
    except ImportError:
        pass  # tifffile alone has no codec for this file
    except (ValueError, NotImplementedError) as error:
        if "imagecodecs" not in str(error):
            raise
    count += 1
col, row = np.meshgrid(np.arange(37), np.arange(29))
ramp = ((7 * col + 3 * row) % 251).astype("u1")
valid = (np.arange(37 * 29) % 5 != 0).reshape(29, 37)
rich = sorted(glob.glob(folder + "/rich_*.tif"))
assert len(rich) == 6
for path in rich:
    with rasterio.open(path) as source:
        want = ramp.copy(); want[:16, 16:32] = 0
        same(path, source.read(1), want)
        assert source.overviews(1) == [2, 4], (path, source.overviews(1))
        assert source.crs.to_epsg() == 32632 and source.transform[2] == 600000
        assert source.scales == (0.0001,) and source.offsets == (-0.1,)
        assert source.mask_flag_enums[0] == [MaskFlags.per_dataset], path
        assert np.array_equal(source.read_masks(1) > 0, valid), path
    for level, factor in enumerate((2, 4)):
        with rasterio.open(path, overview_level=level) as source:
            same(path, source.read(1), ramp[::factor, ::factor])
            assert np.array_equal(source.read_masks(1) > 0, valid[::factor, ::factor]), path
with rasterio.open(folder + "/point.tif") as source:
    assert source.tags()["AREA_OR_POINT"] == "Point" and source.nodata == 0
    assert source.crs.to_epsg() == 4326 and abs(source.transform[2] - 9.95) < 1e-9
with rasterio.open(folder + "/alpha.tif") as source:
    names = [interpretation.name for interpretation in source.colorinterp]
    assert names[-1] == "alpha" and names.count("alpha") == 1, names
from rio_cogeo.cogeo import cog_validate
for name, is_valid in [("plain", True), ("ghost", True), ("big", True), ("after", False), ("end", False)]:
    found, errors, _ = cog_validate(folder + "/rich_%s.tif" % name)
    assert found == is_valid, (name, errors)
print(count, "files exact with rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__, second, "with tifffile", tifffile.__version__)
"#;

#[test]
fn other_readers_find_the_same_values() {
    let Ok(python) = std::env::var("SWATH_PYTHON") else {
        println!("skipped: SWATH_PYTHON names no interpreter with rasterio and tifffile");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let count = write_matrix(folder.path());
    write_rich(folder.path());
    let output = Command::new(python)
        .args(["-c", CHECK])
        .arg(folder.path())
        .output();
    let output = output.expect("an interpreter");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with(&format!("{count} files exact")), "{said}");
    println!("{said}");
}

#[test]
fn headers_are_as_specified() {
    let classic = tiff(16, 16).bytes();
    assert_eq!(classic[..8], [b'I', b'I', 42, 0, 8, 0, 0, 0]);
    let big = tiff(16, 16).big().endian(Endian::Big).bytes();
    assert_eq!(
        big[..16],
        [b'M', b'M', 0, 43, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16]
    );
    let end = tiff(16, 16).order(BlockOrder::DirectoriesAtEnd).bytes();
    assert_eq!(end[4..8], (8_u32 + 256).to_le_bytes());
    assert!(tiff(16, 16).ghost().bytes()[8..].starts_with(b"GDAL_STRUCTURAL_METADATA_SIZE=000140"));
}

#[test]
fn defects_change_the_file() {
    let base = tiff(40, 40).compression(Compression::Deflate).overview(2);
    let sound = base.bytes();
    let defects = [
        Defect::CyclicDirectories,
        Defect::AbsurdSize,
        Defect::AbsurdTagCount,
        Defect::Truncated { bytes: 100 },
        Defect::OffsetsBeyondEnd,
        Defect::HugeByteCounts,
        Defect::DeflateBomb { bytes: 1 << 24 },
        Defect::ShortBlocks,
        Defect::GarbageBlocks,
        Defect::OddTagTypes,
        Defect::ZeroBlockSize,
        Defect::NoBlockOffsets,
        Defect::UnsortedTags,
        Defect::BadMagic,
    ];
    for defect in defects {
        let broken = base.clone().defect(defect).bytes();
        assert_ne!(broken, sound, "{defect:?}");
        assert!(broken.len() < 400_000, "{defect:?}: {} bytes", broken.len());
    }
}

#[test]
fn any_tag_can_be_set() {
    let bytes = tiff(16, 16)
        .tag(306, Tag::Ascii("2024:05:06 07:08:09".to_owned()))
        .bytes();
    assert!(
        bytes
            .windows(19)
            .any(|window| window == b"2024:05:06 07:08:09")
    );
}
