//! One product of an answer, whatever the dialect, and the item it becomes.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use swath_stac::dialect::missions::{self, Mission};
use swath_stac::parse_datetime;

use super::outline::Outline;
use super::properties::Properties;
use super::{Dialect, Refusal, names, refusal, text};
use crate::item::{SCHEMAS, datetime_text, has};

/// Longest id of an item, in bytes.
const ID_BYTES_MAX: usize = 200;
/// Extensions, and how fields of theirs begin.
const EXTENSIONS: &[(&str, &str)] = &[
    ("alternate", "alternate-assets/v1.2.0"),
    ("eo:", "eo/v2.0.0"),
    ("file:", "file/v2.1.0"),
    ("grid:", "grid/v1.1.0"),
    ("processing:", "processing/v1.2.0"),
    ("product:", "product/v1.0.0"),
    ("published", "timestamps/v1.1.0"),
    ("sar:", "sar/v1.1.0"),
    ("sat:", "sat/v1.1.0"),
    ("view:", "view/v1.1.0"),
];

/// A product as an answer describes it.
#[derive(Debug)]
pub(super) struct Entry {
    name: String,
    /// The agency's ending: `.SAFE`.
    suffix: Option<&'static str>,
    /// First instant, in the order of trust.
    pub(super) start: Option<DateTime<Utc>>,
    /// Last instant.
    pub(super) end: Option<DateTime<Utc>>,
    /// When the provider made it public.
    pub(super) published: Option<DateTime<Utc>>,
    /// When the provider changed its record.
    pub(super) updated: Option<DateTime<Utc>>,
    /// Where it lies.
    pub(super) outline: Option<Outline>,
    /// What it is.
    pub(super) properties: Properties,
    /// Where it is fetched.
    pub(super) download: Download,
    /// Further assets.
    pub(super) assets: Map<String, Value>,
    /// The provider's record of it.
    pub(super) via: Option<String>,
}

/// Where a product is fetched as a whole, and what comes then.
#[derive(Debug, Default)]
pub(super) struct Download {
    /// Where it lies, as the provider writes it.
    pub(super) href: Option<String>,
    /// Media type.
    pub(super) media_type: Option<String>,
    /// Bytes, exactly.
    pub(super) size: Option<u64>,
    /// Multihash in hexadecimal digits.
    pub(super) checksum: Option<String>,
    /// The same on an object store: `s3://eodata/…`.
    pub(super) object: Option<String>,
}

impl Entry {
    /// Returns a product with nothing but its name.
    ///
    /// # Errors
    /// Where that can be no id.
    pub(super) fn new(dialect: Dialect, name: &str) -> Result<Self, Refusal> {
        let (bare, suffix) = names::split(name);
        let is_id =
            !bare.is_empty() && bare.len() <= ID_BYTES_MAX && !bare.chars().any(char::is_control);
        if !is_id {
            let reason = format!(
                "the name of a product has 1 to {ID_BYTES_MAX} bytes and no control characters"
            );
            return Err(refusal(bare, reason));
        }
        let mission = missions::mission_of_product(bare);
        let has_agency_name = names::is_sentinel2(bare);
        Ok(Self {
            name: bare.to_owned(),
            suffix,
            start: None,
            end: None,
            published: None,
            updated: None,
            outline: None,
            properties: Properties::new(mission, dialect.prefix(), has_agency_name),
            download: Download::default(),
            assets: Map::new(),
            via: None,
        })
    }

    /// Returns its name without endings.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns its mission, where the name says it.
    pub(super) fn mission(&self) -> Option<&'static Mission> {
        missions::mission_of_product(&self.name)
    }

    /// Returns a refusal of it.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Refusal {
        refusal(&self.name, reason)
    }

    /// Sets the outline to what was read.
    ///
    /// # Errors
    /// Where there is a footprint that is none.
    pub(super) fn set_outline(
        &mut self,
        read: Result<Option<Outline>, String>,
    ) -> Result<(), Refusal> {
        self.outline = read.map_err(|reason| self.refuse(format!("its footprint: {reason}")))?;
        Ok(())
    }

    /// Adds a small image where an href is one.
    pub(super) fn add_picture(&mut self, key: &str, role: &str, href: Option<&str>) {
        let Some(href) = href.filter(|href| is_href(href)) else {
            return;
        };
        let mut asset = Map::new();
        asset.insert("href".into(), json!(href));
        asset.insert("type".into(), json!(picture_type(href)));
        asset.insert("roles".into(), json!([role]));
        self.assets.entry(key).or_insert(Value::Object(asset));
    }

    /// Returns the item, without a collection.
    ///
    /// # Errors
    /// Where it has no time.
    pub(super) fn into_item(mut self) -> Result<Map<String, Value>, Refusal> {
        for (attribute, value) in names::attributes(&self.name) {
            self.properties.complete(attribute, &value);
        }
        self.set_names();
        let times = self.times()?;
        let product = self.product_asset();
        let mut assets = Map::new();
        if let Some(product) = product {
            assets.insert("product".into(), product);
        }
        assets.extend(self.assets);
        let mut properties = times;
        properties.extend(self.properties.finish());
        let extensions: Vec<String> = EXTENSIONS
            .iter()
            .filter(|(prefix, _)| has(&properties, &assets, prefix))
            .map(|(_, name)| format!("{SCHEMAS}/{name}/schema.json"))
            .collect();
        let links: Vec<Value> = self
            .via
            .iter()
            .map(|href| json!({"rel": "via", "href": href}))
            .collect();
        let mut item = Map::new();
        item.insert("type".into(), json!("Feature"));
        item.insert("stac_version".into(), json!("1.1.0"));
        item.insert("stac_extensions".into(), json!(extensions));
        item.insert("id".into(), json!(self.name));
        match self.outline {
            Some(outline) => {
                item.insert("geometry".into(), outline.geometry);
                item.insert("bbox".into(), json!(outline.bbox));
            }
            None => {
                item.insert("geometry".into(), Value::Null);
            }
        }
        item.insert("properties".into(), Value::Object(properties));
        item.insert("links".into(), Value::Array(links));
        item.insert("assets".into(), Value::Object(assets));
        Ok(item)
    }

    /// Sets what holds the agency's name with its ending: the faces of the server look there.
    fn set_names(&mut self) {
        if names::is_sentinel2(&self.name) {
            let uri = format!("{}.SAFE", self.name);
            self.properties.set("s2:product_uri", json!(uri));
        } else if let Some(suffix) = self.suffix {
            let name = format!("{}{suffix}", self.name);
            self.properties.set("swath:product", json!(name));
        }
    }

    fn times(&mut self) -> Result<Map<String, Value>, Refusal> {
        let first = self.start.or(self.end);
        let first = first.ok_or_else(|| self.refuse("it has no time of acquisition"))?;
        let mut found = Map::new();
        found.insert("datetime".into(), json!(datetime_text(first)));
        match self.end {
            Some(end) if first < end => {
                found.insert("start_datetime".into(), json!(datetime_text(first)));
                found.insert("end_datetime".into(), json!(datetime_text(end)));
            }
            // The record contradicts itself; the beginning is what products are named after.
            Some(end) if end < first => {
                self.properties.keep("end", &json!(datetime_text(end)));
            }
            _ => {}
        }
        if let Some(published) = self.published {
            found.insert("created".into(), json!(datetime_text(published)));
            found.insert("published".into(), json!(datetime_text(published)));
        }
        if let Some(updated) = self.updated.or(self.published) {
            found.insert("updated".into(), json!(datetime_text(updated)));
        }
        // The catalogue sets `created` and `updated` of its own.
        if let Some(updated) = self.updated {
            self.properties
                .keep("updated", &json!(datetime_text(updated)));
        }
        Ok(found)
    }

    /// Returns the asset of the whole product; without an href its size and checksum are properties.
    fn product_asset(&mut self) -> Option<Value> {
        let download = std::mem::take(&mut self.download);
        let Some(href) = download.href.as_ref().or(download.object.as_ref()) else {
            self.properties.keep("size", &json!(download.size));
            self.properties.keep("checksum", &json!(download.checksum));
            return None;
        };
        let mut asset = Map::new();
        asset.insert("href".into(), json!(href));
        if let Some(media_type) = &download.media_type {
            asset.insert("type".into(), json!(media_type));
        }
        asset.insert("title".into(), json!("Product as delivered"));
        asset.insert("roles".into(), json!(["data"]));
        if let Some(size) = download.size {
            asset.insert("file:size".into(), json!(size));
        }
        if let Some(checksum) = &download.checksum {
            asset.insert("file:checksum".into(), json!(checksum));
        }
        if let (Some(object), true) = (&download.object, download.href.is_some()) {
            asset.insert("alternate".into(), json!({"s3": {"href": object}}));
        }
        Some(Value::Object(asset))
    }
}

/// Returns an instant of a text; `None` where it is none.
pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    parse_datetime(text(value)?).ok()
}

/// Returns the first and last instant of `A/B`, or of `A` alone.
pub(super) fn interval(value: &Value) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let Some(text) = text(value) else {
        return (None, None);
    };
    match text.split_once('/') {
        Some((start, end)) => (parse_datetime(start).ok(), parse_datetime(end).ok()),
        None => (parse_datetime(text).ok(), None),
    }
}

/// Returns a number of bytes: a whole number above 0, also as a text (`122176028.0`).
pub(super) fn byte_count(value: &Value) -> Option<u64> {
    /// Whole numbers up to here are exact as `f64`.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if let Some(count) = value.as_u64() {
        return Some(count).filter(|count| *count > 0);
    }
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    let is_count = number.fract() == 0.0 && (1.0..=EXACT_MAX).contains(&number);
    is_count.then_some(number as u64)
}

/// True of what leads somewhere: with a scheme.
pub(super) fn is_href(text: &str) -> bool {
    text.contains("://") && !text.contains(char::is_whitespace)
}

/// Returns the place on the object store that a path of the agencies' platforms means:
/// `s3://eodata/Sentinel-2/…` of `/eodata/Sentinel-2/…`.
pub(super) fn eodata_object(path: &str) -> Option<String> {
    let inner = path.trim().strip_prefix("/eodata/")?;
    (!inner.is_empty()).then(|| format!("s3://eodata/{inner}"))
}

fn picture_type(href: &str) -> &'static str {
    let path = href.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('.').next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "tif" | "tiff" => "image/tiff",
        "jp2" => "image/jp2",
        _ if href.contains("FORMAT=image/png") => "image/png",
        _ => "image/jpeg",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_bytes_are_whole() {
        assert_eq!(byte_count(&json!(5)), Some(5));
        assert_eq!(byte_count(&json!("122176028.0")), Some(122_176_028));
        for nothing in [
            json!(0),
            json!(-1),
            json!("425.08 MB"),
            json!(1.5),
            json!(null),
        ] {
            assert_eq!(byte_count(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn without_an_href_size_and_checksum_are_kept() {
        let mut entry = Entry::new(Dialect::Onda, "S2A_X.zip").expect("a name");
        entry.start = parse_datetime("2020-01-01").ok();
        entry.end = parse_datetime("2019-01-01").ok();
        entry.download.size = Some(7);
        let item = entry.into_item().expect("an item");
        assert_eq!(item["assets"], json!({}));
        assert_eq!(item["properties"]["onda:size"], 7);
        assert_eq!(item["properties"]["onda:end"], "2019-01-01T00:00:00Z");
        assert_eq!(item["properties"]["datetime"], "2020-01-01T00:00:00Z");
    }

    #[test]
    fn names_that_are_no_ids_are_refused() {
        for name in ["", " .SAFE", "a\u{1}b", &"a".repeat(300)] {
            assert!(Entry::new(Dialect::OData, name).is_err(), "{name}");
        }
    }
}
