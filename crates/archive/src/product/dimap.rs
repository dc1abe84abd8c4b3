//! BEAM-DIMAP, the format of SNAP: `NAME.dim` and ENVI rasters in `NAME.data`.
//!
//! Backscatter becomes `s1-card-bs`, coherence `s1-card-coh6`; the value 0 at the edges is absent.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use roxmltree::Node;
use serde_json::{Map, Value, json};
use swath_grid::{Crs, Point, Size, Transform};
use swath_raster::DataType;
use swath_stac::{find_datetime, parse_datetime};

use super::envi::EnviHeader;
use super::{
    BandField, Grid, Product, ProductAsset, ProductVersion, RasterSpec, metadata_asset, text,
};
use crate::ArchiveError;
use crate::footprint::Footprint;
use crate::package::{Package, is_plain_name};
use crate::xml::{self, NodeExt};

/// Most bands of one product.
const BANDS_MAX: usize = 1_000;
/// Largest difference between the grids of `.dim` and `.hdr`, in pixels.
const GRID_TOLERANCE_PX: f64 = 0.01;
/// Media type of a file of samples.
pub(crate) const ENVI: &str = "application/octet-stream";

/// Reads a product.
pub(super) fn read(package: &Package) -> Result<Product, ArchiveError> {
    let member = package
        .members()
        .map(|(name, _)| name)
        .find(|name| name.ends_with(".dim") && !name.contains('/'))
        .ok_or_else(|| ArchiveError::product(package.place(""), "it holds no .dim file"))?;
    let place = package.place(member);
    let content = text(package, member)?;
    let document = xml::parse(&content, &place)?;
    let root = document.root_element();
    let wrong = |reason: &str| ArchiveError::product(place.clone(), reason);
    if root.tag_name().name() != "Dimap_Document" {
        return Err(wrong("it is no BEAM-DIMAP document"));
    }
    let id = root
        .text_of("DATASET_NAME")
        .unwrap_or(member.trim_end_matches(".dim"));
    let grid = grid(root, &place)?;
    let mut notes = package.refused().to_vec();
    let reader = Bands {
        package,
        folder: member.trim_end_matches(".dim"),
        grid: &grid,
    };
    let (mut assets, quantity) = reader.assets(root, &mut notes)?;
    if assets.is_empty() {
        return Err(wrong("it has no band with samples"));
    }
    let is_coherence = quantity == Some("coherence");
    assets.insert(
        "product_metadata".to_owned(),
        metadata_asset(member, "Metadata of the product", "application/xml"),
    );
    let start = start(root, id).ok_or_else(|| {
        wrong("it says no time: PRODUCT_SCENE_RASTER_START_TIME is absent or no time")
    })?;
    let stop = root
        .text_of("PRODUCT_SCENE_RASTER_STOP_TIME")
        .and_then(time);
    let corners = corners(&grid);
    let footprint = Footprint::of_grid(&corners, &grid.crs)
        .ok_or_else(|| wrong("its grid has no place in longitude and latitude"))?;
    Ok(Product {
        id: id.to_owned(),
        collection: match quantity {
            Some("coherence") => Some("s1-card-coh6"),
            Some(_) => Some("s1-card-bs"),
            None => None,
        },
        folder: id.to_owned(),
        datetime: start,
        interval: stop.filter(|stop| *stop > start).map(|stop| (start, stop)),
        footprint,
        properties: properties(root, id, quantity, is_coherence, &assets),
        extensions: vec![
            "sar/v1.1.0",
            "sat/v1.1.0",
            "processing/v1.2.0",
            "product/v1.0.0",
            "projection/v2.0.0",
            "raster/v2.0.0",
        ],
        assets,
        members: package.member_names(),
        manifest: Vec::new(),
        notes,
        version: ProductVersion {
            baseline: String::new(),
            generated: attribute(root, "PROC_TIME").and_then(time),
        },
    })
}

fn grid(root: Node, place: &str) -> Result<Grid, ArchiveError> {
    let wrong = |reason: &str| ArchiveError::product(place, reason);
    let wkt = root.text_of("WKT").ok_or_else(|| {
        wrong("it names no coordinate reference system; terrain-correct it first")
    })?;
    let crs = Crs::parse(wkt).map_err(|error| ArchiveError::product(place, error.to_string()))?;
    let numbers: Vec<f64> = root
        .text_of("IMAGE_TO_MODEL_TRANSFORM")
        .map(|list| list.split(',').filter_map(xml::number).collect())
        .unwrap_or_default();
    let [col_dx, col_dy, row_dx, row_dy, x, y] = numbers[..] else {
        return Err(wrong(
            "IMAGE_TO_MODEL_TRANSFORM is absent or not six numbers",
        ));
    };
    let transform = Transform::from_gdal([x, col_dx, row_dx, y, col_dy, row_dy])
        .ok_or_else(|| wrong("IMAGE_TO_MODEL_TRANSFORM cannot be inverted"))?;
    let dimensions = root.find("Raster_Dimensions");
    let pixels = |name: &str| {
        let count = dimensions.and_then(|node| node.number_of(name));
        count
            .filter(|count| (1.0..=f64::from(1 << 20)).contains(count))
            .map(|count| count as u32)
            .ok_or_else(|| ArchiveError::product(place, format!("{name} is absent or absurd")))
    };
    Ok(Grid {
        crs,
        transform,
        size: Size {
            width: pixels("NCOLS")?,
            height: pixels("NROWS")?,
        },
    })
}

fn corners(grid: &Grid) -> Vec<Point> {
    let (width, height) = (f64::from(grid.size.width), f64::from(grid.size.height));
    [(0.0, 0.0), (0.0, height), (width, height), (width, 0.0)]
        .map(|(x, y)| grid.transform.to_crs(Point { x, y }))
        .to_vec()
}

struct Bands<'a> {
    package: &'a Package,
    /// Name of the `.dim` without extension.
    folder: &'a str,
    grid: &'a Grid,
}

impl Bands<'_> {
    /// Returns assets by key, and what the bands measure.
    fn assets(
        &self,
        root: Node,
        notes: &mut Vec<String>,
    ) -> Result<(BTreeMap<String, ProductAsset>, Option<&'static str>), ArchiveError> {
        let files: BTreeMap<&str, &str> = root
            .find_all("Data_File")
            .filter_map(|node| {
                let path = node.find("DATA_FILE_PATH")?.attribute("href")?;
                Some((node.text_of("BAND_INDEX")?, path))
            })
            .collect();
        let mut assets = BTreeMap::new();
        let mut quantity = None;
        for (index, info) in root.find_all("Spectral_Band_Info").enumerate() {
            if index >= BANDS_MAX {
                return Err(ArchiveError::Limit {
                    place: self.package.place(self.folder),
                    what: "the number of bands".to_owned(),
                    limit: format!("BANDS_MAX of {BANDS_MAX}"),
                });
            }
            let name = info.text_of("BAND_NAME").unwrap_or_default();
            let file = info
                .text_of("BAND_INDEX")
                .and_then(|index| files.get(index));
            let Some(header) = file else {
                notes.push(format!("band {name} has no file: it is computed by SNAP"));
                continue;
            };
            let band = Meaning::of_name(name);
            quantity = quantity.or(band.quantity);
            let asset = self.asset(info, name, header, &band)?;
            let key = match assets.contains_key(&band.key) {
                true => name.to_owned(),
                false => band.key.clone(),
            };
            assets.insert(key, asset);
        }
        Ok((assets, quantity))
    }

    fn asset(
        &self,
        info: Node,
        name: &str,
        header_path: &str,
        band: &Meaning,
    ) -> Result<ProductAsset, ArchiveError> {
        let wrong = |reason: String| ArchiveError::product(self.package.place(header_path), reason);
        let header_path = header_path.trim_start_matches("./").replace('\\', "/");
        if !is_plain_name(&header_path) || !header_path.ends_with(".hdr") {
            return Err(wrong(
                "it is no path of a header inside the product".to_owned(),
            ));
        }
        if info.text_of("LOG10_SCALED") == Some("true") {
            return Err(wrong(format!(
                "band {name} is stored as logarithm; write it in linear power"
            )));
        }
        let member = format!("{}.img", header_path.trim_end_matches(".hdr"));
        let mut data_type = DataType::F32;
        if self.package.size(&header_path).is_some() {
            let header = EnviHeader::parse(
                &text(self.package, &header_path)?,
                &self.package.place(&header_path),
            )?;
            self.check(&header, &header_path)?;
            data_type = header.data_type;
        }
        let is_used = info.text_of("NO_DATA_VALUE_USED") == Some("true");
        let said = info.number_of("NO_DATA_VALUE").filter(|_| is_used);
        let scale = info
            .number_of("SCALING_FACTOR")
            .filter(|factor| *factor != 1.0);
        let offset = info
            .number_of("SCALING_OFFSET")
            .filter(|offset| *offset != 0.0);
        let mut fields = Map::new();
        if let Some(polarisation) = &band.polarisation {
            fields.insert("sar:polarizations".to_owned(), json!([polarisation]));
        }
        Ok(ProductAsset {
            member,
            title: name.to_owned(),
            media_type: ENVI,
            roles: vec!["data"],
            raster: Some(RasterSpec {
                grid: Some(self.grid.clone()),
                gsd: None,
                bands: vec![BandField {
                    name: band.key.clone(),
                    description: Some(name.to_owned()),
                    scale,
                    offset,
                    ..BandField::default()
                }],
                data_type,
                // The edges of calibrated slices are 0, whether the product says so or not.
                nodata: said.or(band.quantity.map(|_| 0.0)),
                classes: &[],
                is_convertible: true,
            }),
            fields,
        })
    }

    fn check(&self, header: &EnviHeader, path: &str) -> Result<(), ArchiveError> {
        let wrong = |reason: String| Err(ArchiveError::product(self.package.place(path), reason));
        if header.size != self.grid.size {
            return wrong(format!(
                "it has {} × {} pixels where the product says {} × {}",
                header.size.width, header.size.height, self.grid.size.width, self.grid.size.height
            ));
        }
        if let Some([x, y, dx, _]) = header
            .origin
            .filter(|_| self.grid.transform.is_axis_aligned())
        {
            let origin = self.grid.transform.origin();
            let off = (origin.x - x).abs().max((origin.y - y).abs()) / dx.abs().max(1e-12);
            if off > GRID_TOLERANCE_PX {
                return wrong(format!(
                    "its origin is {off:.2} pixels off that of the product"
                ));
            }
        }
        Ok(())
    }
}

/// What the name of a band says.
#[derive(Debug, PartialEq)]
struct Meaning {
    /// Key of the asset: the polarisation, else the name.
    key: String,
    polarisation: Option<String>,
    /// `gamma0`, `sigma0`, `beta0` or `coherence`.
    quantity: Option<&'static str>,
}

impl Meaning {
    fn of_name(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let quantity = [
            ("gamma0", "gamma0"),
            ("sigma0", "sigma0"),
            ("beta0", "beta0"),
            ("coh", "coherence"),
        ];
        let quantity = quantity.iter().find(|(start, _)| lower.starts_with(start));
        let polarisation = name
            .split(['_', '-'])
            .find(|part| matches!(*part, "VV" | "VH" | "HH" | "HV"));
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        };
        Self {
            key: match (quantity, polarisation) {
                (Some(_), Some(polarisation)) => polarisation.to_owned(),
                _ => name.chars().take(100).map(plain).collect(),
            },
            polarisation: polarisation.map(str::to_owned),
            quantity: quantity.map(|(_, quantity)| *quantity),
        }
    }
}

/// Returns the value of an attribute of the abstracted metadata.
fn attribute<'a>(root: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let node = root
        .descendants()
        .find(|node| node.tag_name().name() == "MDATTR" && node.attribute("name") == Some(name))?;
    xml::text(node).filter(|text| *text != "99999" && *text != "-")
}

/// Returns when the image begins, for coherence the later of the two.
fn start(root: Node, id: &str) -> Option<DateTime<Utc>> {
    root.text_of("PRODUCT_SCENE_RASTER_START_TIME")
        .and_then(time)
        .or_else(|| attribute(root, "first_line_time").and_then(time))
        .or_else(|| find_datetime(id, "%Y%m%dT%H%M%S"))
}

/// Reads `09-MAR-2015 17:30:17.000000` and the forms of the catalogue.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let snap = NaiveDateTime::parse_from_str(text, "%d-%b-%Y %H:%M:%S%.f").ok();
    snap.map(|naive| naive.and_utc())
        .or_else(|| parse_datetime(text).ok())
}

/// Returns the two days that the names of coherence bands end in, the earlier first.
fn pair(assets: &BTreeMap<String, ProductAsset>) -> Option<(NaiveDate, NaiveDate)> {
    assets.values().find_map(|asset| {
        let mut days = asset
            .title
            .split('_')
            .filter_map(|part| NaiveDate::parse_from_str(part, "%d%b%Y").ok());
        let (one, two) = (days.next()?, days.next()?);
        Some((one.min(two), one.max(two)))
    })
}

fn properties(
    root: Node,
    id: &str,
    quantity: Option<&'static str>,
    is_coherence: bool,
    assets: &BTreeMap<String, ProductAsset>,
) -> Map<String, Value> {
    let mut found = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            found.insert(key.to_owned(), value);
        }
    };
    let unit = id
        .get(..3)
        .filter(|start| start.starts_with("S1") && !start.ends_with('_'));
    set(
        "platform",
        unit.map(|unit| json!(format!("sentinel-1{}", unit[2..].to_ascii_lowercase()))),
    );
    set("constellation", Some(json!("sentinel-1")));
    set("instruments", Some(json!(["c-sar"])));
    let polarisations: Vec<&str> = ["VV", "VH", "HH", "HV"]
        .into_iter()
        .filter(|name| assets.contains_key(*name))
        .collect();
    if quantity.is_some() {
        set("sar:frequency_band", Some(json!("C")));
        set("sar:center_frequency", Some(json!(5.405)));
        set("sar:polarizations", Some(json!(polarisations)));
        set("swath:average", Some(json!("linear")));
    }
    let mode = attribute(root, "ACQUISITION_MODE").or_else(|| {
        id.split('_')
            .find(|part| matches!(*part, "IW" | "EW" | "SM" | "WV"))
    });
    set("sar:instrument_mode", mode.map(Value::from));
    let state = attribute(root, "PASS").map(str::to_ascii_lowercase);
    set(
        "sat:orbit_state",
        state
            .filter(|state| matches!(state.as_str(), "ascending" | "descending"))
            .map(Value::from),
    );
    let whole = |name: &str| {
        attribute(root, name)
            .and_then(|text| text.parse::<u64>().ok())
            .map(Value::from)
    };
    set("sat:relative_orbit", whole("REL_ORBIT"));
    set("sat:absolute_orbit", whole("ABS_ORBIT"));
    set(
        "product:type",
        quantity.map(|_| json!(if is_coherence { "CARD-COH6" } else { "CARD-BS" })),
    );
    set(
        "swath:backscatter",
        quantity.filter(|_| !is_coherence).map(Value::from),
    );
    if let Some((earlier, later)) = pair(assets).filter(|_| is_coherence) {
        set(
            "swath:pair",
            Some(json!([earlier.to_string(), later.to_string()])),
        );
        set(
            "swath:temporal_baseline_days",
            Some(json!((later - earlier).num_days())),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn band_names_tell_quantity_and_polarisation() {
        let meaning = Meaning::of_name("coh_IW2_VH_06Jan2018_12Jan2018");
        assert_eq!(
            (meaning.key.as_str(), meaning.quantity),
            ("VH", Some("coherence"))
        );
        assert_eq!(Meaning::of_name("Gamma0_VV").quantity, Some("gamma0"));
        assert_eq!(
            Meaning::of_name("projected/local IncidenceAngle").key,
            "projected_local_IncidenceAngle"
        );
    }

    #[test]
    fn times_of_snap_are_read() {
        let expected = "2015-03-09T17:30:17Z"
            .parse::<DateTime<Utc>>()
            .expect("a time");
        assert_eq!(time("09-MAR-2015 17:30:17.000000"), Some(expected));
        assert_eq!(time("20150309T173017"), Some(expected));
        assert_eq!(time("soon"), None);
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(name in "\\PC{0,80}") {
            let _ = Meaning::of_name(&name);
            let _ = time(&name);
        }
    }
}
