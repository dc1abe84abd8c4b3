//! Recorded answers of real services: each becomes items, or stands in the list of those that do not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use geo::Area;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_archive::{Answer, read_answer, read_feed};
use swath_catalog::exchange::{items_of, read_documents, read_geoparquet};
use swath_catalog::{Catalog, PutMode};

use crate::{place, recording};

type Item = Map<String, Value>;

/// Files, and folders of files, that hold no items, each with the reason.
const NO_ITEMS: &[(&str, &str)] = &[
    ("eodag-provider-responses/NOTICE", "a text about the others"),
    (
        "eodag-provider-responses/aws_sentinel_chunks.yml",
        "a list of paths in a bucket, without time and place",
    ),
    (
        "eodag-provider-responses/creodias_s3_objects.json",
        "a listing of objects in a bucket",
    ),
    (
        "eodag-provider-responses/manifest.safe.",
        "manifests: ingest reads them, within their products",
    ),
    ("eodag-provider-responses/onda_count.json", "a number"),
    (
        "eodag-provider-responses/s2l2a_",
        "files of tiles in a bucket: ingest reads them, within their products",
    ),
    ("eodag-static-stac/catalog.json", "a STAC Catalog"),
    ("eodag-static-stac/collection_queryables.json", "queryables"),
    ("eodag-static-stac/provider_queryables.json", "queryables"),
    ("eodag-static-stac/extensions/", "JSON schemas"),
    ("eodag-static-stac/schemas/", "JSON schemas"),
    ("eodag-static-stac/country/country.json", "a STAC Catalog"),
    ("eodag-static-stac/country/FRA/FRA.json", "a STAC Catalog"),
    ("eodag-static-stac/country/GBR/GBR.json", "a STAC Catalog"),
    (
        "eodag-static-stac/country/FRA/year/year.json",
        "a STAC Catalog",
    ),
    (
        "eodag-static-stac/country/GBR/year/year.json",
        "a STAC Catalog",
    ),
    (
        "eodag-static-stac/country/FRA/year/2017/2017.json",
        "a STAC Catalog",
    ),
    (
        "eodag-static-stac/country/FRA/year/2018/2018.json",
        "a STAC Catalog",
    ),
    (
        "eodag-static-stac/country/GBR/year/2019/2019.json",
        "a STAC Catalog",
    ),
    ("geoengine-stac-responses/cog-", "parts of a COG"),
    ("geoengine-stac-responses/collections/", "STAC Collections"),
    (
        "geoengine-stac-responses/items/code-de-marburg.json",
        "features cut down to their assets, without ids and geometries",
    ),
    ("joplin/collection.json", "a STAC Collection"),
    ("pgstac/collections.ndjson", "STAC Collections"),
    ("pgstac/hydration/collections/", "STAC Collections"),
    (
        "pgstac/hydration/dehydrated-items/",
        "a dump that its collection completes; the catalogue's own test reads it",
    ),
    (
        "stac-server-fixtures/stac/mapping-item",
        "its end is before its start",
    ),
    (
        "pgstac/pc-sentinel-2-l2a-collection.json",
        "a STAC Collection",
    ),
    ("rustac-items/collection.json", "a STAC Collection"),
    ("rustac-items/mocks/collections-page-", "STAC Collections"),
    ("rustac-items/mocks/not-a-collection.json", "a message"),
    (
        "stac-server-fixtures/geometry/",
        "geometries, most of them wrong",
    ),
    ("stac-server-fixtures/itemLinks.json", "links"),
    (
        "stac-server-fixtures/landsat-8-l1-collection.json",
        "a STAC Collection",
    ),
    (
        "stac-server-fixtures/stac/badGeometryItem.json",
        "its polygon is none, on purpose",
    ),
    ("stac-server-fixtures/stac/catalog.json", "a STAC Catalog"),
    ("stac-server-fixtures/stac/collection-", "STAC Collections"),
    (
        "stac-server-fixtures/stac/collection.json",
        "a STAC Collection",
    ),
    (
        "stac-server-fixtures/stac/collection2.json",
        "a STAC Collection",
    ),
    (
        "stac-server-fixtures/stac/collectionNoChildren.json",
        "a STAC Collection",
    ),
    (
        "stac-server-fixtures/stac/intersectsFeature.json",
        "a place to search with",
    ),
    (
        "stac-server-fixtures/stac/intersectsGeometry.json",
        "a place to search with",
    ),
    (
        "stac-server-fixtures/stac/noIntersectsGeometry.json",
        "a place to search with",
    ),
    ("stac-server-fixtures/truncate.json", "a command"),
    ("stac-spec-examples/README.md", "a text about the others"),
    ("stac-spec-examples/catalog.json", "a STAC Catalog"),
    ("stac-spec-examples/collection", "STAC Collections"),
    (
        "stac-spec-examples/extensions-collection/collection.json",
        "a STAC Collection",
    ),
];
/// A name that begins as one above and holds an item.
const ITEM_ALL_THE_SAME: &str = "stac-spec-examples/collectionless-item.json";

/// Answers in other dialects than STAC, and how many items each of them holds.
const ANSWERS: &[(&str, usize)] = &[
    ("eodag-provider-responses/awseos_search.json", 2),
    ("eodag-provider-responses/cop_dataspace_search.json", 2),
    ("eodag-provider-responses/eodag_search_result.geojson", 1),
    (
        "eodag-provider-responses/eodag_search_result_awseos.geojson",
        2,
    ),
    (
        "eodag-provider-responses/eodag_search_result_cop_dataspace.geojson",
        2,
    ),
    (
        "eodag-provider-responses/eodag_search_result_creodias.geojson",
        2,
    ),
    (
        "eodag-provider-responses/eodag_search_result_creodias.json",
        10,
    ),
    ("eodag-provider-responses/eumetsat_ds_search.json", 1),
    ("eodag-provider-responses/geodes_search.json", 1),
    ("eodag-provider-responses/mundi_search.xml", 2),
    ("eodag-provider-responses/onda_search.json", 2),
    ("eodag-provider-responses/sara_search.json", 2),
    ("eodag-provider-responses/stac_singlefile.json", 5),
    ("geoengine-stac-responses/items_page_1_limit_500.json", 1),
    (
        "opensearch-terrascope-creodias/opensearch_result_portugal.json",
        4,
    ),
    ("opensearch-terrascope-creodias/testMissingS2.json", 6),
    (
        "opensearch-terrascope-creodias/testPixelValueOffsetNeededCorner.json",
        1,
    ),
    (
        "opensearch-terrascope-creodias/testPixelValueOffsetNeededDark.json",
        1,
    ),
    (
        "scihub-opensearch-odata-recordings/products_fixture.yaml",
        400,
    ),
    (
        "scihub-opensearch-odata-recordings/test_cloud_flag_url.yaml",
        15,
    ),
    (
        "scihub-opensearch-odata-recordings/test_footprints_s1.yaml",
        19,
    ),
    (
        "scihub-opensearch-odata-recordings/test_get_product_odata_full.yaml",
        3,
    ),
    (
        "scihub-opensearch-odata-recordings/test_order_by_flag.yaml",
        35,
    ),
];

/// Returns what a document says in another dialect; `None` for STAC and what is neither.
fn answer_of(bytes: &[u8], name: &str) -> Option<Answer> {
    if bytes.trim_ascii_start().starts_with(b"<") {
        return read_feed(bytes.to_vec(), name).ok();
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(document)) => read_answer(&document),
        _ => None,
    }
}

/// Returns the answers of a file: the bodies of a recording, else itself.
fn answers(path: &Path) -> Vec<Answer> {
    let name = path.to_string_lossy();
    let bytes = std::fs::read(path).expect("a file");
    let documents = match name.ends_with(".yaml") {
        true => recording::bodies(&String::from_utf8(bytes).expect("UTF-8")),
        false => vec![bytes],
    };
    documents
        .iter()
        .filter_map(|document| answer_of(document, &name))
        .collect()
}

/// Returns the STAC items of a file that is no answer in another dialect.
fn stac_items(path: &Path) -> Vec<Item> {
    let name = path.to_string_lossy();
    if name.ends_with(".parquet") {
        let file = std::fs::File::open(path).expect("a file");
        let items = read_geoparquet(file).expect("a table");
        return items.map(|item| item.expect("an item")).collect();
    }
    let bytes = std::fs::read(path).expect("a file");
    let documents: Vec<Item> = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(document)) => vec![document],
        _ => read_documents(bytes.as_slice())
            .filter_map(Result::ok)
            .collect(),
    };
    let is_item = |item: &Item| {
        item.get("type").is_some_and(|kind| kind == "Feature")
            && item.get("stac_version").is_some_and(Value::is_string)
    };
    documents
        .into_iter()
        .flat_map(items_of)
        .filter_map(Result::ok)
        .filter(is_item)
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn reason_for_none(name: &str) -> Option<&'static str> {
    NO_ITEMS
        .iter()
        .find(|(known, _)| name.starts_with(known) && name != ITEM_ALL_THE_SAME)
        .map(|(_, reason)| *reason)
}

#[tokio::test]
async fn every_recorded_answer_is_imported_or_refused_with_a_reason() {
    let Some(folder) = place::shared("catalogue") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", home.path().join("catalog.sqlite").display());
    let catalog = Catalog::open(&url).await.expect("a catalogue");
    let collection =
        json!({"type": "Collection", "id": "recorded", "description": "d", "license": "other"});
    let collection = collection.as_object().expect("an object");
    catalog
        .put_collection(&Viewer::operator(), collection, PutMode::Create)
        .await
        .expect("a collection");
    let mut read = BTreeMap::new();
    for path in files_below(&folder) {
        let relative = path.strip_prefix(&folder).expect("below").to_string_lossy();
        let name = relative.replace('\\', "/");
        let answers = answers(&path);
        let mut items: Vec<Item> = Vec::new();
        for answer in &answers {
            assert_eq!(answer.refused, [], "{name}");
            items.extend(answer.items.iter().cloned());
        }
        if answers.is_empty() {
            items = stac_items(&path);
        } else {
            read.insert(name.clone(), items.len());
        }
        if let Some(reason) = reason_for_none(&name) {
            let is_wrong = name.ends_with("badGeometryItem.json") || name.contains("/mapping-item");
            assert!(
                items.is_empty() || is_wrong,
                "{name} holds items, it is listed as: {reason}"
            );
            continue;
        }
        assert!(!items.is_empty(), "{name} holds no items and is not listed");
        for item in &mut items {
            item.insert("collection".into(), "recorded".into());
        }
        let put = catalog
            .put_items(&Viewer::operator(), "recorded", &items, PutMode::Upsert)
            .await;
        put.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let expected: BTreeMap<String, usize> = ANSWERS
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(read, expected);
}

/// Values read by eye in the recorded answer.
struct Expected {
    file: &'static str,
    id: &'static str,
    datetime: &'static str,
    /// Of the footprint as a plane in degrees; computed from the coordinates in the file.
    area_deg2: f64,
    properties: Value,
}

fn expected() -> Vec<Expected> {
    vec![
        Expected {
            file: "eodag-provider-responses/cop_dataspace_search.json",
            id: "S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505",
            datetime: "2020-08-08T01:03:11.024Z",
            area_deg2: 0.364_029_313_844_071_1,
            properties: json!({"eo:cloud_cover": 95.136736479015, "sat:absolute_orbit": 26783, "sat:relative_orbit": 45,
                "platform": "sentinel-2a", "constellation": "sentinel-2", "instruments": ["msi"], "grid:code": "MGRS-54PXA",
                "processing:level": "L1C", "product:type": "S2MSI1C", "s2:product_type": "S2MSI1C", "s2:datatake_type": "INS-NOBS",
                "s2:processing_baseline": "05.00", "s2:datatake_id": "GS2A_20200808T010311_026783_N05.00",
                "s2:datastrip_id": "S2A_OPER_MSI_L1C_DS_S2RP_20230413T212505_S20200808T010314_N05.00",
                "processing:datetime": "2023-04-13T21:25:05Z", "created": "2023-08-23T09:26:23.105134Z",
                "updated": "2024-05-08T14:55:49.434177Z", "odata:updated": "2024-05-08T14:55:49.434177Z", "odata:origin": "ESA",
                "odata:Online": true, "s2:product_uri": "S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505.SAFE"}),
        },
        Expected {
            file: "eodag-provider-responses/eodag_search_result_creodias.json",
            id: "S1A_IW_GRDH_1SSV_20141004T005844_20141004T005913_002673_002FAB_4FCD",
            datetime: "2014-10-04T00:58:44.620Z",
            area_deg2: 4.651_716_567_358_108,
            properties: json!({"start_datetime": "2014-10-04T00:58:44.620Z", "end_datetime": "2014-10-04T00:59:13.611Z",
                "platform": "sentinel-1a", "instruments": ["c-sar"], "sat:absolute_orbit": 2673, "sat:relative_orbit": 153,
                "sat:orbit_state": "ascending", "sar:instrument_mode": "IW", "sar:polarizations": ["VV"], "sar:frequency_band": "C",
                "product:type": "IW_GRDH_1S", "processing:level": "L1", "product:timeliness_category": "Fast-24h",
                "s1:slice_number": 1, "gsd": 10.0, "odata:authority": "ESA"}),
        },
        Expected {
            file: "eodag-provider-responses/onda_search.json",
            id: "S2B_MSIL1C_20200813T010309_N0209_R045_T55PBR_20200813T021947",
            datetime: "2020-08-13T01:03:09.024Z",
            area_deg2: 0.309_826_276_705_621_24,
            properties: json!({"onda:size": 177146680, "onda:offline": true, "platform": "sentinel-2b", "sat:relative_orbit": 45,
                "grid:code": "MGRS-55PBR", "processing:level": "L1C", "s2:processing_baseline": "02.09",
                "created": "2020-08-13T15:47:17Z"}),
        },
        Expected {
            file: "eodag-provider-responses/sara_search.json",
            id: "S2A_MSIL1C_20200815T005251_N0209_R002_T55PDR_20200815T023440",
            datetime: "2020-08-15T00:52:51.024Z",
            area_deg2: 1.009_279_130_581_376_2,
            properties: json!({"eo:cloud_cover": 20.5218, "sat:absolute_orbit": 26883, "sat:relative_orbit": 2,
                "sat:orbit_state": "descending", "grid:code": "MGRS-55PDR", "processing:level": "L1C",
                "s2:datatake_id": "GS2A_20200815T005251_026883_N02.09", "resto:realtime": "Nominal"}),
        },
        Expected {
            file: "eodag-provider-responses/mundi_search.xml",
            id: "S2A_MSIL1C_20200815T005251_N0209_R002_T55PBQ_20200815T023440",
            datetime: "2020-08-15T00:52:51Z",
            area_deg2: 0.211_907_481_626_667_5,
            properties: json!({"eo:cloud_cover": 34.3433, "sat:absolute_orbit": 26883, "sat:relative_orbit": 2,
                "sat:orbit_state": "descending", "grid:code": "MGRS-55PBQ", "platform": "sentinel-2a", "product:type": "S2MSI1C",
                "s2:processing_baseline": "02.09", "atom:productType": "IMAGE", "atom:size": 122176028,
                "atom:checksum": "d501100723e0dc638ae4a9f05a4ea162e7ab8f", "gsd": 10.0, "created": "2020-08-15T12:20:53Z",
                "atom:updated": "2021-09-16T14:11:30Z"}),
        },
        Expected {
            file: "opensearch-terrascope-creodias/opensearch_result_portugal.json",
            id: "S2A_20220211T113321_29SMC_TOC_V210",
            datetime: "2022-02-11T11:33:21.024Z",
            area_deg2: 1.013_115_350_199_257_1,
            properties: json!({"eo:cloud_cover": 0.004, "sat:absolute_orbit": 34683, "sat:relative_orbit": 80,
                "sat:orbit_state": "descending", "platform": "sentinel-2a", "grid:code": "MGRS-29SMC", "product:type": "TOC",
                "processing:facility": "VITO", "eop:availabilityTime": "2023-10-04T12:03:45Z"}),
        },
        Expected {
            file: "opensearch-terrascope-creodias/testMissingS2.json",
            id: "S2B_MSIL2A_20240324T230529_N0510_R044_T03WXT_20240324T234241",
            datetime: "2024-03-24T23:05:29.024Z",
            area_deg2: 1.631_139_400_079_519,
            properties: json!({"eo:cloud_cover": 99.836278, "sat:absolute_orbit": 36821, "sat:relative_orbit": 44,
                "s2:processing_baseline": "05.10", "processing:level": "L2A", "grid:code": "MGRS-03WXT",
                "created": "2024-03-25T00:41:07.709Z", "resto:status": "ONLINE"}),
        },
        Expected {
            file: "eodag-provider-responses/awseos_search.json",
            id: "S2A_MSIL1C_20200815T005251_N0209_R002_T55PDS_20200815T023440",
            datetime: "2020-08-15T00:53:00.672Z",
            area_deg2: 0.782_353_316_293_438_2,
            properties: json!({"eo:cloud_cover": 44.06, "view:sun_elevation": 69.3627613336012, "view:sun_azimuth": 89.8535560013742,
                "platform": "sentinel-2a", "sat:relative_orbit": 2, "grid:code": "MGRS-55PDS", "awseos:sceneID": "S2A_tile_20200815_55PDS_0"}),
        },
        Expected {
            file: "eodag-provider-responses/geodes_search.json",
            id: "S2A_MSIL1C_20250402T175741_N0511_R141_T14ULD_20250403T022035",
            datetime: "2025-04-02T17:57:41.024Z",
            area_deg2: 1.604_411_677_056_759_8,
            properties: json!({"eo:cloud_cover": 67.54958344531, "sat:absolute_orbit": 51075, "sat:relative_orbit": 141,
                "sat:orbit_state": "descending", "grid:code": "MGRS-14ULD", "platform": "sentinel-2a", "s2:datatake_type": "INS-NOBS",
                "source:datetime": "2025-04-03T09:00:26.809Z"}),
        },
        Expected {
            file: "geoengine-stac-responses/items_page_1_limit_500.json",
            id: "S2B_MSIL2A_20210923T074629_N0301_R135_T36MWC_20210923T102301",
            datetime: "2021-09-23T08:10:44Z",
            area_deg2: f64::NAN,
            properties: json!({"eo:cloud_cover": 3.37, "gsd": 10.0, "platform": "sentinel-2b", "sat:relative_orbit": 135,
                "source:id": "S2B_36MWC_20210923_0_L2A", "sentinel:data_coverage": 85.15}),
        },
        Expected {
            file: "eodag-provider-responses/eumetsat_ds_search.json",
            id: "PREmm20201201000000120IMPGS01GL",
            datetime: "2020-12-01T00:00:00Z",
            area_deg2: f64::NAN,
            properties: json!({"start_datetime": "2020-12-01T00:00:00Z", "end_datetime": "2021-01-01T00:00:00Z",
                "product:type": "PRE", "eop:size": 353, "eop:platformShortName": "multi platform", "eop:compositeType": "P1M"}),
        },
        Expected {
            file: "eodag-provider-responses/eodag_search_result.geojson",
            id: "S1A_WV_OCN__2SSV_20180215T235323_20180216T001213_020624_023501_0FD3",
            datetime: "2018-02-15T23:53:22.871Z",
            area_deg2: f64::NAN,
            properties: json!({"end_datetime": "2018-02-16T00:12:14.035Z", "platform": "sentinel-1a", "sat:absolute_orbit": 20624,
                "product:type": "OCN", "instruments": ["c-sar"], "sar:instrument_mode": "WV", "eodag:eo_cloud_cover": 0}),
        },
        Expected {
            file: "scihub-opensearch-odata-recordings/products_fixture.yaml",
            id: "S2A_MSIL1C_20151223T142942_N0201_R053_T20MNC_20151223T143132",
            datetime: "2015-12-23T14:29:42.030Z",
            area_deg2: f64::NAN,
            properties: json!({"eo:cloud_cover": 34.0, "sat:absolute_orbit": 2624, "sat:relative_orbit": 53,
                "sat:orbit_state": "descending", "platform": "sentinel-2a", "grid:code": "MGRS-20MNC", "processing:level": "L1C",
                "dhus:size": "425.08 MB", "created": "2019-01-10T00:03:26.928Z",
                "s2:tile_id": "S2A_OPER_MSI_L1C_TL_SGS__20151223T181253_A002624_T20MNC_N02.01"}),
        },
        Expected {
            file: "scihub-opensearch-odata-recordings/test_get_product_odata_full.yaml",
            id: "S3A_OL_2_LFR____20160922T014239_20160922T014239_20180309T131012_0000_009_060_1440_LR2_R_NT_002",
            datetime: "2016-09-22T01:42:38.742563Z",
            area_deg2: 0.852_112_849_997_865_9,
            properties: json!({"end_datetime": "2016-09-22T01:42:38.962769Z", "eo:cloud_cover": 61.0, "platform": "sentinel-3a",
                "instruments": ["olci"], "sat:absolute_orbit": 3113, "sat:relative_orbit": 60, "sat:orbit_state": "descending",
                "product:type": "OL_2_LFR___", "processing:level": "L2", "dhus:coastal_cover_percentage": "0.000004",
                "swath:product": "S3A_OL_2_LFR____20160922T014239_20160922T014239_20180309T131012_0000_009_060_1440_LR2_R_NT_002.SEN3"}),
        },
    ]
}

fn items(folder: &Path, file: &str) -> Vec<Item> {
    answers(&folder.join(file))
        .into_iter()
        .flat_map(|answer| answer.items)
        .collect()
}

#[test]
fn items_hold_what_their_answers_say() {
    let Some(folder) = place::shared("catalogue") else {
        return;
    };
    for expected in expected() {
        let Expected { file, id, .. } = expected;
        let items = items(&folder, file);
        let item = items.iter().find(|item| item["id"] == id);
        let item = item.unwrap_or_else(|| panic!("{file}: no {id}"));
        let properties = &item["properties"];
        assert_eq!(properties["datetime"], expected.datetime, "{id}");
        for (name, value) in expected.properties.as_object().expect("an object") {
            assert_eq!(properties.get(name), Some(value), "{id}: {name}");
        }
        if expected.area_deg2.is_finite() {
            let geometry = swath_stac::parse_geometry(&item["geometry"]).expect("a geometry");
            let area = geometry.unsigned_area();
            assert!(
                (area / expected.area_deg2 - 1.0).abs() < 1e-9,
                "{id}: {area}"
            );
        }
    }
}

#[test]
fn assets_and_links_lead_to_the_provider() {
    let Some(folder) = place::shared("catalogue") else {
        return;
    };
    let first = |file: &str| items(&folder, file).swap_remove(0);
    let service = "https://catalogue.dataspace.copernicus.eu/odata/v1";
    let record = format!("{service}/Products(05edf2bb-d103-49f1-a677-9e474138d84f)");
    let item = first("eodag-provider-responses/cop_dataspace_search.json");
    let product = &item["assets"]["product"];
    assert_eq!(product["href"], format!("{record}/$value"));
    assert_eq!(product["file:size"], 224_105_657);
    assert_eq!(
        product["file:checksum"],
        "d50110923ac4992d90b57d41e7ace4d9d90757"
    );
    assert_eq!(
        product["alternate"]["s3"]["href"],
        "s3://eodata/Sentinel-2/MSI/L1C_N0500/2020/08/08/S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505.SAFE"
    );
    assert_eq!(item["links"], json!([{"rel": "via", "href": record}]));
    assert_eq!(
        item["assets"]["thumbnail"]["href"],
        format!("{service}/Assets(385d0a62-ec57-413b-a8b8-12c0e79848f6)/$value")
    );

    let item = first("eodag-provider-responses/sara_search.json");
    let product = &item["assets"]["product"];
    assert_eq!(
        product["href"],
        "https://copernicus.nci.org.au/resto/collections/S2ST/01f888ef-3368-59ff-a639-52242d159d7c/download"
    );
    assert_eq!(product["file:size"], 781_865_648);
    assert_eq!(
        product["file:checksum"],
        "d5011064ffca4b9cd13d094ed05554e010db5a"
    );
    assert_eq!(item["assets"]["quicklook"]["roles"], json!(["overview"]));

    let item = first("opensearch-terrascope-creodias/opensearch_result_portugal.json");
    assert_eq!(item["assets"]["TOC-B02_10M"]["file:size"], 106_320_625);
    assert_eq!(item["assets"]["TOC-B02_10M"]["roles"], json!(["data"]));

    let item = first("eodag-provider-responses/awseos_search.json");
    assert_eq!(
        item["assets"]["product"]["href"],
        "s3://sentinel-s2-l1c/tiles/55/P/DS/2020/8/15/0"
    );

    let item = first("eodag-provider-responses/eumetsat_ds_search.json");
    assert_eq!(item["geometry"], Value::Null);
    assert!(!item.contains_key("bbox"));
    let checksum = &item["assets"]["product"]["file:checksum"];
    assert_eq!(checksum, "d50110ef3ad778470d8206e98b649d9ed4bc4f");

    let item = first("scihub-opensearch-odata-recordings/test_get_product_odata_full.yaml");
    assert_eq!(item["assets"]["product"]["file:size"], 700_011);
    // Split at the antimeridian as the hub has it.
    assert_eq!(item["geometry"]["type"], "MultiPolygon");
    assert_eq!(item["bbox"], json!([122.374, 76.8526, -173.947, 83.9667]));
    assert_eq!(
        item["assets"]["product"]["file:checksum"],
        "d50110098645497fa5ab932ed2df98426e5b58"
    );
}
