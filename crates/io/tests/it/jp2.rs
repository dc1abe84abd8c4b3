//! JPEG 2000: the values of GDAL at every resolution, few requests, refusals by name, hostile files.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use swath_grid::Window;
use swath_io::{GeoTiff, IoError};
use swath_raster::Pixels;
use swath_testkit::FaultServer;
use swath_testkit::fixtures::{Jp2, jp2};

use crate::hostile::read;
use crate::place::{command_line, open, open_file};
use crate::shared::{Digest, digests, shared_data, table};

const GML: &str = r#"<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml"><gml:RectifiedGrid dimension="2">
    <gml:origin><gml:Point srsName="urn:ogc:def:crs:EPSG::CODE"><gml:pos>ORIGIN</gml:pos></gml:Point></gml:origin>
    <gml:offsetVector>ACROSS</gml:offsetVector><gml:offsetVector>DOWN</gml:offsetVector>
    </gml:RectifiedGrid></gml:FeatureCollection>"#;

fn gml(code: u32, origin: &str, across: &str, down: &str) -> String {
    GML.replace("CODE", &code.to_string())
        .replace("ORIGIN", origin)
        .replace("ACROSS", across)
        .replace("DOWN", down)
}

async fn open_fixture(file: &Jp2) -> Result<Arc<GeoTiff>, IoError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jp2");
    file.write(&path);
    let raster = open_file(&path).await?;
    let size = raster.size();
    let window = Window {
        col: 0,
        row: 0,
        width: size.width,
        height: size.height,
    };
    let bands: Vec<usize> = (0..raster.bands().len()).collect();
    let read = raster.read_window(&bands, window).await?;
    for pixels in read.bands {
        let expected = match &pixels {
            Pixels::U8(values) => values.iter().all(|value| *value == 128),
            Pixels::I8(values) => values.iter().all(|value| *value == 0),
            Pixels::U16(values) => values.iter().all(|value| [256, 32768].contains(value)),
            Pixels::I16(values) => values.iter().all(|value| *value == 0),
            other => panic!("{:?}", other.data_type()),
        };
        assert!(expected, "{pixels:?}");
    }
    Ok(raster)
}

#[tokio::test]
async fn types_tiles_offsets_parts_and_ends_are_read() {
    let base = || jp2(300, 200);
    let files = [
        base(),
        base().bare(),
        base().open_end(),
        base().components(&[[8, 1, 1]]),
        base().components(&[[0x8f, 1, 1]; 3]),
        base().components(&[[0x87, 1, 1]; 9]),
        base().components(&[[15, 1, 1]]).tiles(64, 64),
        base().tiles(64, 64).parts(3).open_end(),
        base().tiles(64, 64).parts(2).with_lengths(),
        base().offset(5, 9),
        base().offset(64, 128).tiles(64, 64).with_lengths(),
        base().tiles(7, 5).box_behind(b"xml ", b"<a/>"),
    ];
    for file in files {
        let raster = open_fixture(&file)
            .await
            .unwrap_or_else(|error| panic!("{file:?}: {error}"));
        assert_eq!((raster.size().width, raster.size().height), (300, 200));
        assert_eq!(raster.describe().compression, "jpeg2000");
    }
}

#[tokio::test]
async fn overviews_are_the_resolutions_of_the_wavelet() {
    let sizes = async |file: Jp2| {
        let raster = open_fixture(&file).await.unwrap();
        let levels = raster.describe().overviews;
        levels.iter().map(|level| level.size).collect::<Vec<_>>()
    };
    assert_eq!(sizes(jp2(300, 200)).await, [[150, 100], [75, 50]]);
    // Down to 128 pixels, where the wavelet has more.
    assert_eq!(sizes(jp2(300, 200).levels(5)).await, [[150, 100], [75, 50]]);
    assert_eq!(
        sizes(jp2(301, 201).offset(1, 1)).await,
        [[150, 100], [75, 50]]
    );
    assert_eq!(sizes(jp2(300, 200).tiles(30, 30)).await, [[150, 100]]);
    assert_eq!(sizes(jp2(300, 200).levels(0)).await, Vec::<[u32; 2]>::new());
}

#[tokio::test]
async fn the_grid_comes_from_gml_in_either_order_of_axes() {
    let place = async |gml: &str| {
        let raster = open_fixture(&jp2(30, 20).gml(gml)).await.unwrap();
        let code = raster.crs().and_then(|crs| crs.epsg());
        (code, raster.transform().map(|t| t.to_gdal()))
    };
    // The origin is the centre of a pixel.
    let utm = gml(32631, "300030 4100010", "60 0", "0 -60");
    let corner = [300_000.0, 60.0, 0.0, 4_100_040.0, 0.0, -60.0];
    assert_eq!(place(&utm).await, (Some(32631), Some(corner)));
    // North first: geographic, and a projected CRS that the registry has so.
    let degrees = gml(4326, "49.5 8.5", "0 1", "-1 0");
    let corner = [8.0, 1.0, 0.0, 50.0, 0.0, -1.0];
    assert_eq!(place(&degrees).await, (Some(4326), Some(corner)));
    let laea = gml(3035, "3000005,4000005", "0 10", "-10 0");
    let corner = [4_000_000.0, 10.0, 0.0, 3_000_010.0, 0.0, -10.0];
    assert_eq!(place(&laea).await, (Some(3035), Some(corner)));
    let none = "<gml:a xmlns:gml=\"http://www.opengis.net/gml\"/>";
    assert_eq!(place(none).await, (None, None));
}

#[tokio::test]
async fn the_grid_of_a_geojp2_box_goes_before_gml() {
    let tiff = swath_testkit::fixtures::tiff(1, 1)
        .epsg(32632)
        .georeference(500_000.0, 5_000_000.0, 20.0);
    let utm = gml(32631, "300030 4100010", "60 0", "0 -60");
    let file = jp2(30, 20).gml(&utm).geotiff(&tiff.bytes());
    let raster = open_fixture(&file).await.unwrap();
    assert_eq!(raster.crs().and_then(|crs| crs.epsg()), Some(32632));
    let corner = [500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0];
    assert_eq!(raster.transform().map(|t| t.to_gdal()), Some(corner));
}

#[tokio::test]
async fn palette_and_opacity_are_told() {
    let palette = [0, 2, 3, 7, 7, 7, 1, 2, 3, 250, 251, 252];
    let file = jp2(30, 20).image_box(b"pclr", &palette);
    let raster = open_fixture(&file).await.unwrap();
    assert_eq!(raster.color_map(), Some(&[[1, 2, 3], [250, 251, 252]][..]));
    let alpha = [0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0];
    let file = jp2(30, 20)
        .components(&[[7, 1, 1]; 2])
        .image_box(b"cdef", &alpha);
    let raster = open_fixture(&file).await.unwrap();
    assert!(raster.bands()[1].is_alpha && !raster.bands()[0].is_alpha);
}

#[tokio::test]
async fn what_is_not_read_is_named() {
    let base = || jp2(300, 200);
    let cases = [
        (base().components(&[[16, 1, 1]]), "17 bits"),
        (base().components(&[[7, 1, 1], [7, 2, 2]]), "subsampled"),
        (
            base().components(&[[7, 1, 1], [15, 1, 1]]),
            "different types",
        ),
        (base().segment(0xff60, &[0, 0]), "PPM"),
        (base().segment(0xff5f, &[0; 7]), "POC"),
        (base().segment(0xff51, &[0; 4]), "second SIZ"),
        (jp2(60_000, 60_000), "smaller tiles"),
        (jp2(300, 300).tiles(1, 1).levels(0), "at most 65535"),
    ];
    for (file, word) in cases {
        let error = open_fixture(&file).await.expect_err(word).to_string();
        assert!(error.contains(word) && error.contains("a.jp2"), "{error}");
    }
}

#[tokio::test]
async fn a_file_with_headers_only_is_described_and_its_tiles_are_an_error_with_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.jp2");
    let bytes = jp2(300, 200).tiles(64, 64).bytes();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    let raster = open_file(&path).await.unwrap();
    assert_eq!(raster.size().width, 300);
    let window = |col, row| Window {
        col,
        row,
        width: 10,
        height: 10,
    };
    raster.read_window(&[0], window(0, 0)).await.unwrap();
    let error = raster.read_window(&[0], window(290, 190)).await;
    let error = error.expect_err("cut").to_string();
    assert!(
        error.contains("block 14 (column 256, row 128") && error.contains("cut off at byte"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_opens_and_one_fetches_the_tiles_of_a_window() {
    let folder = tempfile::tempdir().unwrap();
    // 10,000 tiles of 17 bytes: the header and the first of them stand in the first request.
    jp2(1000, 1000)
        .tiles(10, 10)
        .with_lengths()
        .write(folder.path().join("listed.jp2"));
    jp2(1000, 1000)
        .tiles(10, 10)
        .write(folder.path().join("walked.jp2"));
    let server = FaultServer::start_http(folder.path()).await;
    let window = Window {
        col: 905,
        row: 955,
        width: 30,
        height: 30,
    };
    // Without a table the tile-parts are walked, many heads with one request.
    for (name, requests) in [("listed.jp2", 3), ("walked.jp2", 4)] {
        server.reset_stats();
        let raster = open(&command_line(None), &server.url(name)).await.unwrap();
        let read = raster.read_window(&[0], window).await.unwrap();
        assert_eq!(read.bands[0], Pixels::U8(vec![128; 900]));
        let stats = server.stats();
        assert!(stats.total() <= requests, "{name}: {stats:?}");
    }
}

/// `expected_pixel_digests_gdal.csv` was written with rasterio 1.4.4 (GDAL 3.10.3, OpenJPEG).
#[tokio::test(flavor = "multi_thread")]
async fn pixels_are_those_of_gdal() {
    let Some(data) = shared_data() else { return };
    let rows = table(&data.join("sentinel2/expected_pixel_digests_gdal.csv"));
    let rows: Vec<_> = rows.iter().filter(|row| row[0].ends_with(".jp2")).collect();
    let mut exact = 0;
    for bands in rows.chunk_by(|one, other| one[0] == other[0]) {
        let path = data.join(&bands[0][0]);
        let raster = open_file(&path).await.unwrap();
        let found = digests(&raster, 0).await.unwrap();
        assert_eq!(found.len(), bands.len(), "{}", path.display());
        for (found, row) in found.iter().zip(bands) {
            let number = |index: usize| row[index].parse::<f64>().unwrap();
            let expected = Digest {
                min: number(5) as i64,
                max: number(6) as i64,
                sum: number(8) as i64,
                checksum: number(9) as u64,
            };
            exact += usize::from(*found == expected);
            // Lossy files: another order of the same sums may round differently.
            let pixels = number(2) * number(3);
            let mean_error = (found.sum - expected.sum) as f64 / pixels;
            let is_near = (found.min - expected.min).abs() <= 1
                && (found.max - expected.max).abs() <= 1
                && mean_error.abs() <= 1e-3;
            assert!(is_near, "{}: {found:?}, {expected:?}", path.display());
            let is_lossless = !is_irreversible(&path);
            assert!(
                !is_lossless || *found == expected,
                "{}: {found:?}, {expected:?}",
                path.display()
            );
        }
    }
    println!("{exact} of {} bands are equal to the last bit", rows.len());
    assert!(rows.len() > 100);
}

/// True where the coding style of the main header has the 9/7 wavelet.
fn is_irreversible(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes
        .windows(2)
        .position(|two| two == [0xff, 0x52])
        .unwrap();
    bytes[at + 13] == 0
}

/// Minimum, maximum, sum and checksum by rasterio 1.4.4 (GDAL 3.10.3): `open(…, overview_level=n - 1)`.
#[tokio::test(flavor = "multi_thread")]
async fn reduced_pixels_are_those_of_gdal() {
    let Some(data) = shared_data() else { return };
    let folder = "sentinel2/l2a-safe/S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE/GRANULE/L2A_T29UNU_A038058_20221005T115407/IMG_DATA";
    let r60 = |name: &str| format!("{folder}/R60m/T29UNU_20221005T115411_{name}_60m.jp2");
    let cases: [(String, usize, [i64; 4]); 9] = [
        (
            "sentinel2/jp2/img-16bit.jp2".to_owned(),
            2,
            [0, 12, 72_866, 2062],
        ),
        (
            "sentinel2/jp2/img-16bit.jp2".to_owned(),
            4,
            [0, 12, 5421, 5015],
        ),
        (r60("B02"), 1, [0, 20_170, 3_118_192_115, 7657]),
        (r60("B02"), 2, [0, 20_412, 780_978_996, 38_871]),
        (r60("B02"), 4, [0, 21_324, 49_293_395, 28_127]),
        (r60("TCI"), 3, [0, 255, 4_822_090, 43_278]),
        (
            format!("{folder}/R20m/T29UNU_20221005T115411_SCL_20m.jp2"),
            4,
            [0, 14, 491_590, 2580],
        ),
        (
            format!("{folder}/R10m/T29UNU_20221005T115411_AOT_10m.jp2"),
            3,
            [0, 119, 100_151_632, 58_045],
        ),
        (
            format!("{folder}/R10m/T29UNU_20221005T115411_AOT_10m.jp2"),
            4,
            [0, 119, 25_076_510, 52_949],
        ),
    ];
    for (name, level, [min, max, sum, checksum]) in cases {
        let raster = open_file(&data.join(&name)).await.unwrap();
        let found = digests(&raster, level).await.unwrap()[0];
        let expected = Digest {
            min,
            max,
            sum,
            checksum: checksum as u64,
        };
        assert_eq!(found, expected, "{name}, level {level}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_holds_what_the_whole_holds() {
    let Some(data) = shared_data() else { return };
    let raster = open_file(&data.join("sentinel2/jp2/img-8bit.jp2"))
        .await
        .unwrap();
    let window = |col, row, width, height| Window {
        col,
        row,
        width,
        height,
    };
    let whole = raster
        .read_window(&[0, 2], window(0, 0, 343, 343))
        .await
        .unwrap();
    let part = window(101, 37, 55, 64);
    let read = raster.read_window(&[2, 0], part).await.unwrap();
    for (index, band) in [1, 0].into_iter().enumerate() {
        assert_eq!(
            read.bands[index],
            crate::fixture::cut(&whole.bands[band], 343, &part)
        );
    }
}

/// Every 97th length of a real file, and flips of single bits in it.
#[test]
fn cut_and_flipped_real_files_end_in_a_result() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("real.jp2");
    for name in [
        "sentinel2/jp2/img-15bit.jp2",
        "timeseries-chips/matogrosso-mod13q1-jp2/TERRA_MODIS_012010_NDVI_2013-09-14.jp2",
    ] {
        let bytes = std::fs::read(data.join(name)).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let expected = read(&path).unwrap();
        let mut refused = 0;
        for len in (0..bytes.len()).step_by(977) {
            std::fs::write(&path, &bytes[..len]).unwrap();
            match read(&path) {
                Ok(found) => {
                    let same = found.iter().zip(&expected).all(|(a, b)| a.bands == b.bands);
                    assert!(same, "{name} cut to {len} bytes");
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 0, "{name}");
        for index in 0..400_usize {
            let mut changed = bytes.clone();
            // Headers first, then all over the file.
            let at = if index < 200 {
                index * 11
            } else {
                index * 6151
            };
            changed[at % bytes.len()] ^= 1 << (index % 8);
            std::fs::write(&path, &changed).unwrap();
            let _ = read(&path);
        }
    }
}

fn files() -> Vec<Jp2> {
    let tiff = swath_testkit::fixtures::tiff(1, 1).epsg(32632);
    vec![
        jp2(30, 20).gml(&gml(32631, "5 5", "1 0", "0 -1")),
        jp2(60, 50).tiles(16, 16).parts(2).with_lengths(),
        jp2(60, 50).bare().components(&[[15, 1, 1]; 3]),
        jp2(300, 20).geotiff(&tiff.bytes()).open_end(),
    ]
}

#[test]
fn every_truncation_is_an_error_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jp2");
    let walked = jp2(60, 50).tiles(16, 16).parts(2);
    for (index, file) in files().iter().chain([&walked]).enumerate() {
        let bytes = file.bytes();
        std::fs::write(&path, &bytes).unwrap();
        let expected = read(&path).unwrap();
        for len in 0..bytes.len() {
            std::fs::write(&path, &bytes[..len]).unwrap();
            if let Ok(found) = read(&path) {
                let is_same = found.iter().zip(&expected).all(|(a, b)| a.bands == b.bands);
                assert!(is_same, "file {index} cut to {len} bytes");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_bytes_end_in_a_result(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        head in 0..3_usize,
    ) {
        let heads: [&[u8]; 3] = [
            b"\0\0\0\x0cjP  \r\n\x87\n",
            b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0jp2c\xff\x4f\xff\x51",
            b"\xff\x4f\xff\x51\0\x29\0\0",
        ];
        bytes.splice(0..0, heads[head].iter().copied());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.jp2");
        std::fs::write(&path, bytes).unwrap();
        let _ = read(&path);
    }

    #[test]
    fn changed_files_end_in_a_result(
        file in 0..4_usize,
        changes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = files()[file].bytes();
        let len = bytes.len();
        for (at, value) in changes {
            bytes[at as usize % len] = value;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.jp2");
        std::fs::write(&path, bytes).unwrap();
        let _ = read(&path);
    }
}
