//! Products made to do harm, or damaged: clear errors, no panic.

use std::path::Path;

use swath_archive::{ArchiveError, find_sources};

use crate::place;

fn product_with(write: impl FnOnce(&Path)) -> Result<usize, ArchiveError> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    place::products(folder.path()).map(|products| products.len())
}

pub const TILE: &str = "<Level-2A_Tile_ID><TILE_ID>S2A_OPER_MSI_L2A_TL_X_20200101T000000_A000001_T31UFS_N02.14</TILE_ID>\
    <SENSING_TIME>2020-01-01T00:00:00Z</SENSING_TIME><HORIZONTAL_CS_CODE>EPSG:32631</HORIZONTAL_CS_CODE>\
    <Tile_Geocoding><Size resolution=\"10\"><NROWS>10980</NROWS><NCOLS>10980</NCOLS></Size>\
    <Geoposition resolution=\"10\"><ULX>600000</ULX><ULY>5700000</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>\
    </Tile_Geocoding></Level-2A_Tile_ID>";

fn with_name(uri: &str) -> Result<usize, ArchiveError> {
    product_with(|folder| {
        let text = format!(
            "<Level-2A_User_Product><PRODUCT_URI>{uri}</PRODUCT_URI></Level-2A_User_Product>"
        );
        std::fs::write(folder.join("MTD_MSIL2A.xml"), text).expect("a file");
        std::fs::create_dir(folder.join("GRANULE")).expect("a folder");
        std::fs::write(folder.join("GRANULE/MTD_TL.xml"), TILE).expect("a file");
    })
}

#[test]
fn names_that_are_no_ids_are_refused() {
    assert_eq!(with_name("S2A_MSIL2A_X.SAFE").expect("a product"), 1);
    for uri in [
        "../../../etc/cron.d/x",
        "a/b",
        ".hidden",
        "x y",
        "C:\\x",
        "&#0;",
    ] {
        assert!(with_name(uri).is_err(), "{uri}");
    }
    assert!(with_name(&"x".repeat(5000)).is_err());
}

#[test]
fn bombs_and_foreign_xml_are_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><Level-2A_Tile_ID>&b;</Level-2A_Tile_ID>";
    for text in [
        bomb,
        "<Level-2A_Tile_ID>",
        "Level-2A_Tile_ID",
        "<kml>_Tile_ID</kml>",
    ] {
        let outcome = product_with(|folder| {
            std::fs::write(folder.join("MTD_TL.xml"), text).expect("a file");
        });
        assert!(outcome.is_err(), "{text}");
    }
}

#[test]
fn a_manifest_that_climbs_is_refused() {
    let outcome = product_with(|folder| {
        std::fs::write(folder.join("MTD_TL.xml"), TILE).expect("a file");
        let text = "<x>sentinel-2<dataObject><byteStream size=\"1\"><fileLocation href=\"../../../etc/passwd\"/>\
            </byteStream></dataObject></x>";
        std::fs::write(folder.join("manifest.safe"), text).expect("a file");
    });
    let error = outcome.expect_err("a climbing path");
    assert!(error.to_string().contains("no path inside"), "{error}");
}

#[test]
fn what_is_no_product_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("notes.txt"), "hello").expect("a file");
    let error = find_sources(&[folder.path().to_owned()]).expect_err("no product");
    assert!(error.to_string().contains("expected a SAFE"), "{error}");
    assert!(find_sources(&[folder.path().join("absent")]).is_err());
}
