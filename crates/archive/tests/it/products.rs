//! Real products of all kinds: what is read of them.

use serde_json::json;
use swath_archive::{ProductVersion, find_sources, open_source};

use crate::place;

#[test]
fn a_sentinel_1_grd_is_read_from_folder_and_zip() {
    let Some(root) = place::shared("sentinel1/grd-safe") else {
        return;
    };
    let products = place::products(
        &root.join("S1B_IW_GRDH_1SDV_20211223T051122_20211223T051147_030148_039993_5371.SAFE"),
    )
    .expect("a product");
    let product = &products[0];
    assert_eq!(product.collection, Some("sentinel-1-grd"));
    assert_eq!(
        product.datetime.to_rfc3339(),
        "2021-12-23T05:11:22.594441+00:00"
    );
    assert_eq!(product.properties["sat:relative_orbit"], json!(22));
    assert_eq!(product.properties["sat:orbit_state"], json!("descending"));
    assert_eq!(product.properties["sar:polarizations"], json!(["VV", "VH"]));
    assert_eq!(product.properties["sar:pixel_spacing_range"], json!(10.0));
    let keys: Vec<_> = product.assets.keys().map(String::as_str).collect();
    for key in [
        "vv",
        "vh",
        "schema-product-vv",
        "schema-calibration-vv",
        "schema-noise-vv",
        "safe_manifest",
        "thumbnail",
    ] {
        assert!(keys.contains(&key), "{key} of {keys:?}");
    }
    for zip in [
        "S1A_IW_GRDH_1SDV_20150222T170750_20150222T170815_004739_005DD8_3768.zip",
        "S1A_IW_GRDH_1SDV_20150222T170725_20150222T170750_004739_005DD8_CEAB.zip",
    ] {
        let products = place::products(&root.join(zip)).expect("a product");
        assert_eq!(format!("{}.zip", products[0].id), zip);
        assert!(!products[0].version.baseline.is_empty());
    }
}

#[test]
fn a_sentinel_1_slc_has_one_measurement_per_swath() {
    let Some(root) = place::shared("sentinel1/slc-safe") else {
        return;
    };
    let products = place::products(&root).expect("a product");
    assert_eq!(products[0].collection, Some("sentinel-1-slc"));
    assert!(products[0].assets.contains_key("iw2-vh"));
    assert!(products[0].assets.contains_key("schema-noise-iw1-vv"));
}

#[test]
fn manifests_give_what_the_cloud_host_says_of_the_same_slices() {
    let Some(root) = place::shared("sentinel1/stac-metadata") else {
        return;
    };
    let mut count = 0;
    for source in find_sources(&[root]).expect("sources") {
        let answer = place::json(&source.path.join("productInfo.json"));
        let products = place::products(&source.path).expect("a product");
        let product = &products[0];
        assert_eq!(json!(product.id), answer["id"]);
        assert_eq!(
            product.properties["sat:absolute_orbit"],
            answer["absoluteOrbitNumber"]
        );
        let start = product.datetime.format("%Y-%m-%dT%H:%M:%S").to_string();
        assert_eq!(json!(start), answer["startTime"]);
        let ring = |geometry: &serde_json::Value| -> Vec<[f64; 2]> {
            serde_json::from_value(geometry["coordinates"][0].clone()).expect("a ring")
        };
        for position in ring(&answer["footprint"]) {
            let ours = ring(&product.footprint.geometry());
            let is_near =
                |own: &[f64; 2]| (own[0] - position[0]).hypot(own[1] - position[1]) < 1e-5;
            assert!(ours.iter().any(is_near), "{position:?} of {ours:?}");
        }
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn layouts_of_sentinel_2_l1c_are_read() {
    let Some(root) = place::shared("sentinel2/l1c-safe") else {
        return;
    };
    let zipped = place::products(
        &root.join("S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042.zip"),
    )
    .expect("a product");
    assert_eq!(
        zipped[0].id,
        "S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042"
    );
    assert_eq!(
        zipped[0].version,
        ProductVersion {
            baseline: "02.06".to_owned(),
            generated: "2018-06-29T01:20:42Z".parse().ok()
        }
    );
    let bands = zipped[0]
        .assets
        .values()
        .filter(|asset| asset.raster.is_some())
        .count();
    assert_eq!(bands, 13 + 2, "bands, true colour, preview");
    let folder =
        place::products(&root.join("S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911"))
            .expect("a product");
    let offset = |key: &str| {
        folder[0].assets[key]
            .raster
            .as_ref()
            .map(|raster| raster.bands[0].offset)
    };
    assert_eq!(offset("B01"), Some(Some(0.0)));
    assert!(folder[0].assets.contains_key("TCI"));
    let bare = place::products(&root.join("S2_31UFS_metadata_only")).expect("a tile");
    // The folder bears another tile's name than the metadata in it.
    assert!(bare[0].id.contains("_T31UEQ_"), "{}", bare[0].id);
}

#[test]
fn an_incomplete_product_names_its_21_missing_files() {
    let Some(root) = place::shared("sentinel2/l2a-safe") else {
        return;
    };
    let path = root.join("S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE");
    let source = find_sources(&[path]).expect("sources").remove(0);
    let package = open_source(&source).expect("a package");
    let products = swath_archive::read_products(&package, source.kind).expect("a product");
    let product = &products[0];
    assert_eq!(product.manifest.len(), 86);
    let missing = product
        .manifest
        .iter()
        .filter(|entry| package.size(&entry.path).is_none());
    assert_eq!(missing.count(), 21);
    let raster = product.assets["B02_60m"].raster.as_ref().expect("a raster");
    let band = &raster.bands[0];
    let reflectance = 1000.0 * band.scale.expect("a scale") + band.offset.expect("an offset");
    assert!(
        reflectance.abs() < 1e-12,
        "DN 1000 of baseline 04.00 is reflectance 0"
    );
    assert_eq!(raster.nodata, Some(0.0));
    assert!(
        product
            .missing_assets(&package)
            .contains(&"B02_10m".to_owned())
    );
    assert!(
        !product
            .missing_assets(&package)
            .contains(&"SCL_20m".to_owned())
    );
}
