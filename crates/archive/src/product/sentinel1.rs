//! Sentinel-1 GRD and SLC: manifest, annotation, measurements in the geometry of the sensor.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;
use serde_json::{Map, Value, json};
use swath_grid::Point;
use swath_raster::DataType;
use swath_stac::parse_datetime;

use super::{
    BandField, GEOTIFF, Product, ProductAsset, ProductVersion, RasterSpec, XML, manifest,
    metadata_asset, text,
};
use crate::ArchiveError;
use crate::footprint::{Footprint, VERTICES_MAX};
use crate::package::Package;
use crate::xml::{self, NodeExt};

/// Frequency of the instrument, in gigahertz.
pub(crate) const FREQUENCY_GHZ: f64 = 5.405;

/// Reads a product.
pub(super) fn read(package: &Package) -> Result<Product, ArchiveError> {
    let place = package.place("manifest.safe");
    let content = text(package, "manifest.safe")?;
    let document = xml::parse(&content, &place)?;
    let root = document.root_element();
    let missing = |what: &str| ArchiveError::product(place.clone(), format!("it has no {what}"));
    let datetime = |name: &str| -> Result<DateTime<Utc>, ArchiveError> {
        let text = root.text_of(name).ok_or_else(|| missing(name))?;
        parse_datetime(text)
            .map_err(|error| ArchiveError::product(place.clone(), error.to_string()))
    };
    let (start, stop) = (datetime("startTime")?, datetime("stopTime")?);
    let product_type = root
        .text_of("productType")
        .ok_or_else(|| missing("productType"))?;
    let collection = match product_type {
        "GRD" => "sentinel-1-grd",
        "SLC" => "sentinel-1-slc",
        other => {
            let reason = format!("products of type {other} are not ingested, only GRD and SLC");
            return Err(ArchiveError::product(place, reason));
        }
    };
    let manifest = manifest::parse(&content, &place)?;
    let footprint = root
        .text_of("coordinates")
        .and_then(|list| Footprint::of_degrees(&positions(list)))
        .ok_or_else(|| missing("footprint"))?;
    let id = package
        .name()
        .trim_end_matches(".zip")
        .trim_end_matches(".SAFE");
    let assets = assets(package, &manifest, product_type);
    let software = root.find("software");
    let version = software.and_then(|node| node.attribute("version"));
    let generated = root
        .find("processing")
        .and_then(|node| node.attribute("stop"))
        .and_then(|text| parse_datetime(text).ok());
    Ok(Product {
        id: id.to_owned(),
        collection: Some(collection),
        folder: format!("{id}.SAFE"),
        datetime: start,
        interval: Some((start, stop)).filter(|(start, stop)| start < stop),
        footprint,
        properties: properties(package, root, product_type, version, generated)?,
        extensions: vec![
            "sar/v1.1.0",
            "sat/v1.1.0",
            "processing/v1.2.0",
            "product/v1.0.0",
            "raster/v2.0.0",
        ],
        assets,
        members: package.member_names(),
        manifest,
        notes: package.refused().to_vec(),
        version: ProductVersion {
            baseline: version.unwrap_or_default().to_owned(),
            generated,
        },
    })
}

/// Reads `latitude,longitude` pairs.
fn positions(list: &str) -> Vec<Point> {
    let pairs = list.split_whitespace().take(VERTICES_MAX);
    pairs
        .filter_map(|pair| {
            let (latitude, longitude) = pair.split_once(',')?;
            Some(Point {
                x: xml::number(longitude)?,
                y: xml::number(latitude)?,
            })
        })
        .collect()
}

fn properties(
    package: &Package,
    root: Node,
    product_type: &str,
    version: Option<&str>,
    generated: Option<DateTime<Utc>>,
) -> Result<Map<String, Value>, ArchiveError> {
    let mut found = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            found.insert(key.to_owned(), value);
        }
    };
    let platform = root.find("platform");
    let unit = platform.and_then(|node| node.text_of("number"));
    set(
        "platform",
        unit.map(|unit| json!(format!("sentinel-1{}", unit.to_ascii_lowercase()))),
    );
    set("constellation", Some(json!("sentinel-1")));
    set("instruments", Some(json!(["c-sar"])));
    set(
        "sat:platform_international_designator",
        platform
            .and_then(|node| node.text_of("nssdcIdentifier"))
            .map(Value::from),
    );
    set(
        "sat:orbit_state",
        root.text_of("pass")
            .map(|state| json!(state.to_ascii_lowercase())),
    );
    let whole = |name: &str| {
        root.number_of(name)
            .filter(|value| *value >= 0.0)
            .map(|value| json!(value as u64))
    };
    set("sat:relative_orbit", whole("relativeOrbitNumber"));
    set("sat:absolute_orbit", whole("orbitNumber"));
    set("sat:orbit_cycle", whole("cycleNumber"));
    let node_time = root
        .text_of("ascendingNodeTime")
        .and_then(|text| parse_datetime(text).ok());
    set(
        "sat:anx_datetime",
        node_time.map(|time| json!(crate::item::datetime_text(time))),
    );
    set("sar:instrument_mode", root.text_of("mode").map(Value::from));
    set("sar:frequency_band", Some(json!("C")));
    set("sar:center_frequency", Some(json!(FREQUENCY_GHZ)));
    let mut polarisations: Vec<&str> = root
        .find_all("transmitterReceiverPolarisation")
        .filter_map(xml::text)
        .collect();
    polarisations.dedup();
    set("sar:polarizations", Some(json!(polarisations)));
    set("sar:observation_direction", Some(json!("right")));
    set("product:type", Some(json!(product_type)));
    set(
        "product:timeliness_category",
        root.text_of("productTimelinessCategory").map(Value::from),
    );
    set("processing:level", Some(json!("L1")));
    set(
        "processing:version",
        version.filter(|text| !text.is_empty()).map(Value::from),
    );
    set(
        "processing:datetime",
        generated.map(|time| json!(crate::item::datetime_text(time))),
    );
    set(
        "s1:datatake_id",
        root.text_of("missionDataTakeID").map(Value::from),
    );
    set("s1:slice_number", whole("sliceNumber"));
    set("s1:total_slices", whole("totalSlices"));
    found.extend(spacing(package)?);
    Ok(found)
}

/// Returns the distance of pixels, in metres, that the first annotation says.
fn spacing(package: &Package) -> Result<Map<String, Value>, ArchiveError> {
    let mut found = Map::new();
    let annotation = package
        .members()
        .map(|(path, _)| path)
        .find(|path| Annotation::of_path(path).is_some_and(|found| found.kind == "schema-product"));
    let Some(path) = annotation else {
        return Ok(found);
    };
    let content = text(package, path)?;
    let document = xml::parse(&content, &package.place(path))?;
    let image = document.root_element();
    for (source, target) in [
        ("rangePixelSpacing", "sar:pixel_spacing_range"),
        ("azimuthPixelSpacing", "sar:pixel_spacing_azimuth"),
    ] {
        if let Some(metres) = image.number_of(source) {
            found.insert(target.to_owned(), json!(metres));
        }
    }
    Ok(found)
}

/// What the name of a file of annotation or measurement says.
#[derive(Debug, PartialEq)]
struct Annotation {
    kind: &'static str,
    swath: String,
    polarisation: String,
}

impl Annotation {
    fn of_path(path: &str) -> Option<Self> {
        let (folder, file) = path.rsplit_once('/')?;
        let (kind, rest) = match folder {
            "measurement" => ("measurement", file),
            "annotation" => ("schema-product", file),
            "annotation/calibration" => match file.split_once('-')? {
                ("calibration", rest) => ("schema-calibration", rest),
                ("noise", rest) => ("schema-noise", rest),
                _ => return None,
            },
            "annotation/rfi" => ("schema-rfi", file.strip_prefix("rfi-")?),
            _ => return None,
        };
        let is_known = match kind {
            "measurement" => rest.ends_with(".tiff") || rest.ends_with(".tif"),
            _ => rest.ends_with(".xml"),
        };
        // s1b-iw-grd-vv-20211223t051122-…
        let mut parts = rest.split('-').skip(1);
        let swath = parts.next()?.to_owned();
        let polarisation = parts.nth(1)?.to_owned();
        let is_polarisation = matches!(polarisation.as_str(), "vv" | "vh" | "hh" | "hv");
        (is_known && is_polarisation).then_some(Self {
            kind,
            swath,
            polarisation,
        })
    }

    /// Returns the key: swaths tell apart the measurements of SLC products.
    fn key(&self, product_type: &str) -> String {
        let measured = match product_type {
            "SLC" => format!("{}-{}", self.swath, self.polarisation),
            _ => self.polarisation.clone(),
        };
        match self.kind {
            "measurement" => measured,
            kind => format!("{kind}-{measured}"),
        }
    }
}

fn assets(
    package: &Package,
    manifest: &[manifest::ManifestEntry],
    product_type: &str,
) -> BTreeMap<String, ProductAsset> {
    let mut assets = BTreeMap::new();
    assets.insert(
        "safe_manifest".to_owned(),
        metadata_asset("manifest.safe", "Manifest of the product", XML),
    );
    let listed = manifest.iter().map(|entry| entry.path.as_str());
    let present = package.members().map(|(path, _)| path);
    for path in present.chain(listed) {
        if path == "preview/quick-look.png" {
            let asset = ProductAsset {
                roles: vec!["thumbnail"],
                ..metadata_asset(path, "Quick-look", "image/png")
            };
            assets.insert("thumbnail".to_owned(), asset);
        }
        let Some(name) = Annotation::of_path(path) else {
            continue;
        };
        let asset = match name.kind {
            "measurement" => measurement(path, &name, product_type),
            kind => {
                let title = match kind {
                    "schema-product" => "Annotation",
                    "schema-calibration" => "Calibration",
                    "schema-noise" => "Noise",
                    _ => "Radio interference",
                };
                let title = format!("{title} {}", name.polarisation.to_ascii_uppercase());
                metadata_asset(path, &title, XML)
            }
        };
        assets.entry(name.key(product_type)).or_insert(asset);
    }
    assets
}

fn measurement(path: &str, name: &Annotation, product_type: &str) -> ProductAsset {
    let polarisation = name.polarisation.to_ascii_uppercase();
    let mut fields = Map::new();
    fields.insert("sar:polarizations".to_owned(), json!([polarisation]));
    let is_complex = product_type == "SLC";
    if is_complex {
        fields.insert("data_type".to_owned(), json!("cint16"));
    }
    let raster = RasterSpec {
        grid: None,
        gsd: None,
        bands: vec![BandField {
            name: polarisation.clone(),
            ..BandField::default()
        }],
        data_type: DataType::U16,
        nodata: Some(0.0),
        classes: &[],
        is_convertible: false,
    };
    ProductAsset {
        member: path.to_owned(),
        title: format!("Measurement {polarisation}"),
        media_type: GEOTIFF,
        roles: vec!["data", if is_complex { "complex" } else { "amplitude" }],
        raster: (!is_complex).then_some(raster),
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_tell_what_a_file_holds() {
        fn key(path: &str, kind: &str) -> Option<String> {
            Annotation::of_path(path).map(|name| name.key(kind))
        }
        let stem = "s1b-iw1-slc-vv-20210401t052624-20210401t052649-026269-032297-004";
        assert_eq!(
            key(&format!("measurement/{stem}.tiff"), "SLC").as_deref(),
            Some("iw1-vv")
        );
        assert_eq!(
            key(&format!("annotation/{stem}.xml"), "GRD").as_deref(),
            Some("schema-product-vv")
        );
        assert_eq!(
            key(&format!("annotation/calibration/noise-{stem}.xml"), "SLC").as_deref(),
            Some("schema-noise-iw1-vv")
        );
        assert_eq!(key("preview/map-overlay.kml", "GRD"), None);
    }

    proptest! {
        #[test]
        fn any_name_and_list_end_in_a_result(text in "\\PC{0,80}") {
            let _ = Annotation::of_path(&text);
            let _ = Annotation::of_path(&format!("measurement/{text}"));
            let _ = positions(&text);
        }
    }
}
