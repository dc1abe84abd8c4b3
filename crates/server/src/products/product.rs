//! An item seen as a product of an agency: its name, its `/eodata` path, its files.

use chrono::{DateTime, Utc};
use cql2::Expr;
use serde_json::{Map, Value};
use swath_catalog::StoredItem;
use swath_stac::parse_datetime;

use super::expressions::{self, Position};
use super::missions::{self, Mission, ProductKind};

/// Most files of one product.
pub(crate) const FILES_MAX: usize = 100_000;
/// Endings of product names that ids of items do not have.
const SUFFIXES: [&str; 2] = [".SAFE", ".SEN3"];
/// Properties that hold the name of a product.
pub(crate) const NAME_PROPERTIES: [&str; 2] = ["s2:product_uri", "swath:product"];

/// An item seen as a product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a> {
    item: &'a StoredItem,
}

/// A file of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProductFile {
    /// Path within the product, with `/` between folders; never climbs.
    pub(crate) path: String,
    /// Where its bytes lie.
    pub(crate) href: String,
    /// Bytes, where the item says so.
    pub(crate) len: Option<u64>,
    /// Media type, where the item says so.
    pub(crate) media_type: Option<String>,
}

impl<'a> Product<'a> {
    pub(crate) fn new(item: &'a StoredItem) -> Self {
        Self { item }
    }

    pub(crate) fn item(&self) -> &'a StoredItem {
        self.item
    }

    /// Returns a property of the item.
    pub(crate) fn property(&self, name: &str) -> Option<&'a Value> {
        self.item.json.get("properties")?.get(name)
    }

    /// Returns a property that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.property(name)?.as_str()
    }

    /// Returns the id of the item.
    pub(crate) fn id(&self) -> &'a str {
        self.item
            .json
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns the name that the agency gave, with `.SAFE` where it is one.
    pub(crate) fn name(&self) -> String {
        if let Some(name) = NAME_PROPERTIES.iter().find_map(|name| self.text(name)) {
            return name.to_owned();
        }
        let id = self.id();
        let is_safe = ["sentinel-1-", "sentinel-2-"]
            .iter()
            .any(|prefix| self.item.collection.starts_with(prefix));
        let has_agency_form = id.starts_with('S') && id.len() > 40;
        if is_safe && has_agency_form && !id.ends_with(".SAFE") {
            format!("{id}.SAFE")
        } else {
            id.to_owned()
        }
    }

    /// Returns the mission, where the dialects have a name for it.
    pub(crate) fn mission(&self) -> Option<&'static Mission> {
        missions::mission_of(&self.item.collection, self.text("platform"))
    }

    /// Returns the collection as OData names it: the mission, else the collection's own id.
    pub(crate) fn collection_name(&self) -> &'a str {
        self.mission()
            .map_or(self.item.collection.as_str(), |mission| mission.odata)
    }

    fn kind(&self) -> Option<&'static ProductKind> {
        missions::product_kind(&self.item.collection)
    }

    /// Returns the product type: `S2MSI2A`, `IW_GRDH_1S`, `CARD-BS`.
    pub(crate) fn product_type(&self) -> Option<&'a str> {
        let own = || self.text("s2:product_type").or(self.text("product:type"));
        self.kind().map(|kind| kind.product_type).or_else(own)
    }

    /// Returns the processing level in the agency's spelling.
    pub(crate) fn processing_level(&self) -> Option<&'a str> {
        self.kind()
            .map(|kind| kind.processing_level)
            .or_else(|| self.text("processing:level"))
    }

    /// Returns the instrument in the agency's spelling.
    pub(crate) fn instrument(&self) -> Option<&'a str> {
        let first = || self.property("instruments")?.get(0)?.as_str();
        self.kind().map(|kind| kind.instrument).or_else(first)
    }

    /// Returns the letter of a Sentinel: `A`.
    pub(crate) fn serial(&self) -> Option<String> {
        let tail = self.text("platform")?.strip_prefix("sentinel-")?;
        let letter = tail.get(1..).filter(|letter| !letter.is_empty())?;
        Some(letter.to_ascii_uppercase())
    }

    /// Returns the platform as resto writes it: `S2A`; others as they are.
    pub(crate) fn platform(&self) -> Option<String> {
        let platform = self.text("platform")?;
        Some(match platform.strip_prefix("sentinel-") {
            Some(tail) => format!("S{}", tail.to_ascii_uppercase()),
            None => platform.to_owned(),
        })
    }

    /// Returns the polarisations with `between` between them.
    pub(crate) fn polarisations(&self, between: &str) -> Option<String> {
        let list = self.property("sar:polarizations")?.as_array()?;
        let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then(|| names.join(between))
    }

    /// Returns the beginning of the acquisition.
    pub(crate) fn start(&self) -> Option<DateTime<Utc>> {
        self.instant(["start_datetime", "datetime"])
    }

    /// Returns the end of the acquisition.
    pub(crate) fn end(&self) -> Option<DateTime<Utc>> {
        self.instant(["end_datetime", "datetime"])
    }

    fn instant(&self, names: [&str; 2]) -> Option<DateTime<Utc>> {
        names
            .iter()
            .find_map(|name| parse_datetime(self.text(name)?).ok())
    }

    /// Returns the footprint as GeoJSON.
    pub(crate) fn geometry(&self) -> &'a Value {
        self.item.json.get("geometry").unwrap_or(&Value::Null)
    }

    /// Returns the path under which the agencies' platforms show it:
    /// `/eodata/Sentinel-2/MSI/L2A/2022/10/05/NAME.SAFE`.
    pub(crate) fn eodata_path(&self) -> String {
        let day = self.start().map_or_else(
            || "0000/00/00".to_owned(),
            |start| start.format("%Y/%m/%d").to_string(),
        );
        format!(
            "/eodata/{}/{day}/{}",
            collection_folder(&self.item.collection),
            path_component(&self.name())
        )
    }

    /// Returns the files of the product, ordered by path.
    ///
    /// Where the item knows the agency's own files (`alternate.original` of its assets, or hrefs below a
    /// folder with the product's name), these are the product; else all its assets are.
    pub(crate) fn files(&self) -> Vec<ProductFile> {
        let assets = self.item.json.get("assets").and_then(Value::as_object);
        let Some(assets) = assets else {
            return Vec::new();
        };
        let mut files = match self.original_folder() {
            Some(folder) => files_below(assets, &folder),
            None => all_files(assets),
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        files.truncate(FILES_MAX);
        files
    }

    /// Returns the href of the folder that holds the agency's own files, with `/` at its end.
    pub(crate) fn original_folder(&self) -> Option<String> {
        let assets = self.item.json.get("assets")?.as_object()?;
        let name = self.name();
        let is_package = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let part = format!("/{name}/");
        let mut originals = assets
            .values()
            .flat_map(|asset| {
                let own = asset["href"]
                    .as_str()
                    .filter(|href| is_package && href.contains(&part));
                [original_href(asset), own]
            })
            .flatten()
            .map(without_query);
        let first = originals.next()?;
        if let Some(at) = first.rfind(&part) {
            return Some(first[..at + part.len()].to_owned());
        }
        let mut folder = &first[..=first.rfind('/')?];
        for href in originals {
            while !href.starts_with(folder) {
                let above = folder.trim_end_matches('/').rfind('/')?;
                folder = &folder[..=above];
            }
        }
        Some(folder.to_owned())
    }

    /// Returns the bytes of all files together, where the item says them all.
    pub(crate) fn content_len(&self) -> Option<u64> {
        let files = self.files();
        if files.is_empty() {
            return None;
        }
        files.iter().map(|file| file.len).sum()
    }

    /// Returns the first asset of a role, as key and asset.
    pub(crate) fn asset_with_role(&self, role: &str) -> Option<(&'a str, &'a Value)> {
        let assets = self.item.json.get("assets")?.as_object()?;
        assets
            .iter()
            .find(|(_, asset)| {
                let roles = asset["roles"].as_array().map(Vec::as_slice);
                roles.unwrap_or_default().iter().any(|own| own == role)
            })
            .map(|(key, asset)| (key.as_str(), asset))
    }
}

/// Returns the folder below `/eodata` that holds the products of a collection, by year, month and day.
pub(crate) fn collection_folder(collection: &str) -> String {
    let mission = missions::MISSIONS
        .iter()
        .find(|mission| mission.covers(collection))
        .map(|mission| mission.folder);
    let kind = missions::product_kind(collection).map(|kind| kind.folder);
    match (mission, kind) {
        (Some(mission), Some(kind)) => format!("{mission}/{kind}"),
        (Some(mission), None) => format!("{mission}/{}", path_component(collection)),
        (None, _) => path_component(collection),
    }
}

fn original_href(asset: &Value) -> Option<&str> {
    asset["alternate"]["original"]["href"].as_str()
}

fn without_query(href: &str) -> &str {
    match href.find(['?', '#']) {
        Some(at) if href.contains("://") => &href[..at],
        _ => href,
    }
}

/// Returns the files of assets below a folder: as delivered, where they were made into something else.
fn files_below(assets: &Map<String, Value>, folder: &str) -> Vec<ProductFile> {
    let candidates = assets
        .values()
        .flat_map(|asset| [&asset["alternate"]["original"], asset]);
    candidates
        .filter_map(|candidate| {
            let href = candidate["href"].as_str()?;
            let rest = without_query(href).strip_prefix(folder)?;
            Some(file(rest, href, candidate))
        })
        .collect()
}

/// Returns all assets, named by the last part of their hrefs, or by their key where two share it.
fn all_files(assets: &Map<String, Value>) -> Vec<ProductFile> {
    let last = |href: &str| {
        let path = without_query(href);
        path.rsplit(['/', '\\', ':'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut seen = std::collections::HashMap::<String, usize>::new();
    for asset in assets.values() {
        *seen
            .entry(last(asset["href"].as_str().unwrap_or_default()))
            .or_default() += 1;
    }
    assets
        .iter()
        .filter_map(|(key, asset)| {
            let href = asset["href"].as_str()?;
            let name = last(href);
            let is_own = !name.is_empty() && seen.get(&name) == Some(&1);
            let path = if is_own {
                name
            } else {
                format!("{key}/{name}")
            };
            Some(file(&path, href, asset))
        })
        .collect()
}

fn file(path: &str, href: &str, asset: &Value) -> ProductFile {
    ProductFile {
        path: safe_path(path),
        href: href.to_owned(),
        len: asset["file:size"].as_u64(),
        media_type: asset["type"].as_str().map(str::to_owned),
    }
}

/// Returns `path` without what could climb, hide or break: each component on its own.
pub(crate) fn safe_path(path: &str) -> String {
    let components: Vec<String> = path
        .split(['/', '\\'])
        .filter(|component| !matches!(*component, "" | "." | ".."))
        .map(path_component)
        .collect();
    if components.is_empty() {
        return "file".to_owned();
    }
    components.join("/")
}

/// Returns `name` as one component of a path.
pub(crate) fn path_component(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|character| {
            if character.is_control() || matches!(character, '/' | '\\' | ':') {
                '_'
            } else {
                character
            }
        })
        .collect();
    match clean.as_str() {
        "" | "." | ".." => "_".to_owned(),
        _ => clean,
    }
}

/// How a product is found by its whole name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// By the ids of items, which ingest makes of names: an index answers at once.
    Ids,
    /// By every property that can hold the name: items of other catalogues have ids of their own.
    Properties,
}

/// Returns the ids that the item of a product may have.
pub(crate) fn ids_of_name(name: &str) -> Vec<String> {
    let name = name.trim();
    let bare = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    [Some(name), bare]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// Returns what is true for the items whose product has one of the spellings of `name`.
pub(crate) fn searched_names(name: &str) -> Vec<Expr> {
    let ids = ids_of_name(name).into_iter();
    let mut choices: Vec<Expr> = ids.map(|id| expressions::equals("id", id)).collect();
    choices.extend(NAME_PROPERTIES.map(|property| expressions::equals(property, name.trim())));
    choices
}

/// Returns what is true for the items whose product's name holds `part`.
pub(crate) fn name_holds(part: &str, position: Position) -> Expr {
    let mut choices = vec![expressions::holds("id", part, position)];
    choices.extend(NAME_PROPERTIES.map(|property| expressions::holds(property, part, position)));
    // The id lacks the ending.
    for suffix in SUFFIXES {
        if position != Position::Start
            && let Some(bare) = part.strip_suffix(suffix)
        {
            choices.push(expressions::holds("id", bare, Position::End));
        }
    }
    expressions::any(choices)
}

/// Returns what is true for the items whose product's name may become `name` as the part of a path,
/// see [`path_component`]: an underscore stands for any character.
pub(crate) fn name_in_path(name: &str) -> Expr {
    let pattern = |text: &str| expressions::escape_like(text).replace("\\_", "_");
    let ids = ids_of_name(name).into_iter();
    let mut choices: Vec<Expr> = ids
        .map(|id| expressions::like("id", &pattern(&id)))
        .collect();
    choices.extend(NAME_PROPERTIES.map(|property| expressions::like(property, &pattern(name))));
    expressions::any(choices)
}

/// Items that go out through a face and come in again, each with its collection: split at the
/// antimeridian, with an interval, without a footprint.
#[cfg(test)]
pub(crate) fn travelling_items() -> Vec<StoredItem> {
    use serde_json::json;
    let split = json!({"type": "MultiPolygon", "coordinates": [
        [[[179.25, 60.5], [180.0, 60.5], [180.0, 61.5], [179.25, 60.5]]],
        [[[-180.0, 60.5], [-178.5, 60.5], [-180.0, 61.5], [-180.0, 60.5]]]]});
    let whole = json!({"type": "Polygon", "coordinates":
        [[[3.5, 51.0], [4.5, 51.0], [4.5, 52.0], [3.5, 51.0]]]});
    let optical = json!({"id": "S2B_MSIL2A_20240324T230529_N0510_R044_T03WXT_20240324T234241", "geometry": split,
        "assets": {}, "properties": {"datetime": "2024-03-24T23:05:29.024Z", "platform": "sentinel-2b",
            "eo:cloud_cover": 99.836278, "sat:relative_orbit": 44, "sat:absolute_orbit": 36821,
            "sat:orbit_state": "descending", "grid:code": "MGRS-03WXT"}});
    let radar = json!({"id": "S1A_IW_GRDH_1SDV_20180501T055811_20180501T055836_021708_025743_1A2B", "geometry": whole,
        "assets": {}, "properties": {"datetime": "2018-05-01T05:58:11.123Z", "start_datetime": "2018-05-01T05:58:11.123Z",
            "end_datetime": "2018-05-01T05:58:36.122Z", "platform": "sentinel-1a", "sar:instrument_mode": "IW",
            "sar:polarizations": ["VV", "VH"], "sat:relative_orbit": 37, "sat:absolute_orbit": 21708,
            "sat:orbit_state": "descending"}});
    let nowhere = json!({"id": "S2A_MSIL2A_20180506T105029_N0500_R051_T31UFS_20230901T000000", "geometry": null,
        "assets": {}, "properties": {"datetime": "2018-05-06T10:50:29.027Z", "platform": "sentinel-2a",
            "eo:cloud_cover": 4.25, "sat:relative_orbit": 51, "sat:absolute_orbit": 14991,
            "sat:orbit_state": "descending"}});
    vec![
        test_item("sentinel-2-l2a", optical),
        test_item("sentinel-1-grd", radar),
        test_item("sentinel-2-l2a", nowhere),
    ]
}

/// Checks that an item that came in again is the one that went out, in what both faces say.
#[cfg(test)]
pub(crate) fn assert_same_item(back: &Map<String, Value>, item: &StoredItem) {
    let id = &item.json["id"];
    assert_eq!(&back["id"], id);
    assert_eq!(back["geometry"], item.json["geometry"], "{id}");
    let (own, found) = (&item.json["properties"], &back["properties"]);
    for name in [
        "datetime",
        "start_datetime",
        "end_datetime",
        "platform",
        "eo:cloud_cover",
        "sat:relative_orbit",
        "sat:absolute_orbit",
        "sat:orbit_state",
        "sar:instrument_mode",
        "sar:polarizations",
    ] {
        assert_eq!(found.get(name), own.get(name), "{id}: {name}");
    }
}

/// An item to test with.
#[cfg(test)]
pub(crate) fn test_item(collection: &str, json: Value) -> StoredItem {
    let Value::Object(json) = json else {
        panic!("an item is an object");
    };
    let instant = "2024-03-25T00:41:47.708Z".parse().expect("valid");
    StoredItem {
        json,
        collection: collection.to_owned(),
        uuid: uuid::Uuid::from_u128(0x22058ee0_8842_4cfc_ad32_ce83810174b3),
        etag: "\"1\"".to_owned(),
        created: instant,
        updated: instant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NAME: &str = "S2B_MSIL2A_20240324T230529_N0510_R044_T03WXT_20240324T234241.SAFE";

    fn sentinel2(assets: Value) -> StoredItem {
        test_item(
            "sentinel-2-l2a",
            json!({"id": "S2B_T03WXT_20240324T230529_L2A", "assets": assets, "properties": {
                "datetime": "2024-03-24T23:05:29.024Z", "platform": "sentinel-2b",
                "s2:product_uri": NAME}}),
        )
    }

    #[test]
    fn names_and_paths_are_the_agencys() {
        let item = sentinel2(json!({}));
        let product = Product::new(&item);
        assert_eq!(product.name(), NAME);
        assert_eq!(
            product.eodata_path(),
            format!("/eodata/Sentinel-2/MSI/L2A/2024/03/24/{NAME}")
        );
        assert_eq!(product.platform().as_deref(), Some("S2B"));
        assert_eq!(product.serial().as_deref(), Some("B"));
        assert_eq!(product.collection_name(), "SENTINEL-2");
    }

    #[test]
    fn originals_are_the_product_where_they_are_kept() {
        let item = sentinel2(json!({
            "red": {"href": "/archive/x/B04.tif", "file:size": 5},
            "manifest": {"href": format!("/archive/x/{NAME}/manifest.safe"), "file:size": 7},
            "band": {"href": format!("/archive/x/{NAME}/GRANULE/L2A/B04.jp2")},
        }));
        let paths: Vec<String> = Product::new(&item)
            .files()
            .into_iter()
            .map(|file| file.path)
            .collect();
        assert_eq!(paths, ["GRANULE/L2A/B04.jp2", "manifest.safe"]);
    }

    #[test]
    fn originals_beside_their_cogs_are_the_product() {
        let item = test_item(
            "s1-card-bs",
            json!({"id": "card", "assets": {
                "VV": {"href": "a:x/VV.tif", "alternate": {"original": {"href": "a:o/card.data/VV.img", "file:size": 5}}},
                "VH": {"href": "a:x/VH.tif", "alternate": {"original": {"href": "a:o/card.data/VH.img", "file:size": 6}}},
                "dim": {"href": "a:o/card.dim", "alternate": {"original": {"href": "a:o/card.dim", "file:size": 1}}},
                "thumbnail": {"href": "a:x/thumbnail.png"},
            }}),
        );
        let product = Product::new(&item);
        assert_eq!(product.original_folder().as_deref(), Some("a:o/"));
        let paths: Vec<String> = product.files().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["card.data/VH.img", "card.data/VV.img", "card.dim"]);
        assert_eq!(product.content_len(), Some(12));
    }

    #[test]
    fn without_originals_the_assets_are_the_product() {
        let item = sentinel2(json!({
            "red": {"href": "archive:x/B04.tif"},
            "a": {"href": "https://h/1/scl.tif?sig=1"},
            "b": {"href": "https://h/2/scl.tif"},
        }));
        let paths: Vec<String> = Product::new(&item)
            .files()
            .into_iter()
            .map(|file| file.path)
            .collect();
        assert_eq!(paths, ["B04.tif", "a/scl.tif", "b/scl.tif"]);
    }

    #[test]
    fn names_in_paths_match_what_they_came_from() {
        let expression = name_in_path("a_b%.SAFE");
        let json = serde_json::to_value(expression)
            .expect("CQL2 JSON")
            .to_string();
        for pattern in [r"a_b\\%.SAFE", r"a_b\\%"] {
            assert!(json.contains(&format!("\"{pattern}\"")), "{json}");
        }
        assert!(json.contains("s2:product_uri") && json.contains("swath:product"));
    }

    proptest::proptest! {
        #[test]
        fn no_path_climbs(path in ".*") {
            let safe = safe_path(&path);
            proptest::prop_assert!(!safe.starts_with('/') && !safe.is_empty());
            proptest::prop_assert!(safe.split('/').all(|part| !matches!(part, "" | "." | "..")));
            proptest::prop_assert!(!safe.contains('\\') && !safe.chars().any(char::is_control));
        }
    }
}
