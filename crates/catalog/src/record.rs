//! An item as it goes into the database: checked, and what is searched extracted.

use serde_json::{Map, Value, json};
use swath_grid::Bbox;
use uuid::Uuid;

use crate::filter::invalid;
use crate::geometry::{self, Rectangle};
use crate::{CatalogError, instant, wkb};

/// Largest item, in bytes of JSON.
const ITEM_BYTES_MAX: usize = 8 << 20;
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 512;
/// Links that say where an item stands in a catalogue; a face writes its own.
const STRUCTURAL_LINKS: &[&str] = &[
    "self",
    "root",
    "parent",
    "collection",
    "child",
    "item",
    "items",
    "data",
    "queryables",
    "aggregate",
    "aggregations",
    "prev",
    "previous",
    "next",
    "search",
    "conformance",
    "http://www.opengis.net/def/rel/ogc/1.0/queryables",
];

/// An item ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) uuid: Uuid,
    /// Without `created` and `updated`.
    pub(crate) json: Map<String, Value>,
    /// The JSON as text.
    pub(crate) text: String,
    pub(crate) etag: String,
    pub(crate) datetime: i64,
    pub(crate) datetime_end: i64,
    pub(crate) start_datetime: i64,
    pub(crate) end_datetime: i64,
    pub(crate) bbox: Option<Bbox>,
    pub(crate) rectangles: Vec<Rectangle>,
    /// WKB of what is searched.
    pub(crate) geometry: Option<Vec<u8>>,
}

/// Returns the UUID of an item: version 5 of its collection and id.
pub(crate) fn uuid_of(collection: &str, id: &str) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("swath:{collection}/{id}").as_bytes(),
    )
}

/// Returns the etag of some JSON.
pub(crate) fn etag_of(json: &Map<String, Value>) -> String {
    etag_of_text(&serde_json::to_string(json).expect("JSON can be written"))
}

/// Returns the etag of JSON as text.
pub(crate) fn etag_of_text(text: &str) -> String {
    format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

/// Takes the links out that a face writes itself.
pub(crate) fn drop_structural_links(json: &mut Map<String, Value>) {
    let links = json
        .get("links")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let is_own = |link: &Value| {
        let relation = link.get("rel").and_then(Value::as_str).unwrap_or_default();
        !STRUCTURAL_LINKS.contains(&relation)
    };
    let own: Vec<Value> = links.into_iter().filter(is_own).collect();
    json.insert("links".into(), own.into());
}

/// Checks that every link says what it is and where it leads, as STAC wants: faces pass links on.
///
/// What is held already is not checked: a backup comes back as it was.
///
/// # Errors
/// Names the first link that does not, counted from 0.
pub(crate) fn check_links(json: &Map<String, Value>) -> Result<(), CatalogError> {
    let id = json.get("id").and_then(Value::as_str).unwrap_or_default();
    let links = match json.get("links") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(links)) => links,
        Some(_) => return Err(invalid(format!("{id}: its links are no list"))),
    };
    for (number, link) in links.iter().enumerate() {
        for name in ["rel", "href"] {
            let text = link.get(name).and_then(Value::as_str);
            if text.is_none_or(str::is_empty) {
                return Err(invalid(format!(
                    "{id}: link {number} has no \"{name}\" of text"
                )));
            }
        }
    }
    Ok(())
}

/// Checks an id of an item or a collection.
///
/// # Errors
/// Where it is empty, `.` or `..`, too long or has control characters.
pub(crate) fn check_id(id: &str) -> Result<(), CatalogError> {
    // "." and ".." cannot be the part of a URL: clients resolve them.
    let is_relative = matches!(id, "." | "..");
    if id.is_empty() || is_relative || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        let shown: String = id.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(invalid(format!(
            "\"{shown}\" is no id (1 to {ID_BYTES_MAX} bytes, no control characters, not \".\" or \"..\")"
        )));
    }
    Ok(())
}

impl Record {
    /// Checks an item and takes out of it what is searched.
    ///
    /// # Errors
    /// Where it is not an item, belongs to another collection, or has no time.
    pub(crate) fn read(collection: &str, item: &Map<String, Value>) -> Result<Self, CatalogError> {
        let mut json = item.clone();
        let id = json
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        check_id(&id)?;
        let at = |reason: String| invalid(format!("item {id}: {reason}"));
        if json.get("type").is_some_and(|kind| kind != "Feature") {
            return Err(at("its type is not \"Feature\"".into()));
        }
        json.entry("type").or_insert_with(|| "Feature".into());
        let assets = json.entry("assets").or_insert_with(|| json!({}));
        if !assets.is_object() {
            return Err(at("its assets are no object".into()));
        }
        match json.get("collection") {
            None | Some(Value::Null) => {
                json.insert("collection".into(), collection.into());
            }
            Some(named) if named == collection => {}
            Some(named) => {
                return Err(at(format!(
                    "it belongs to {named}, not to \"{collection}\""
                )));
            }
        }
        if !json.contains_key("stac_version") {
            json.insert("stac_version".into(), "1.1.0".into());
        }
        let properties = json.entry("properties").or_insert_with(|| json!({}));
        let Some(properties) = properties.as_object_mut() else {
            return Err(at("its properties are no object".into()));
        };
        properties.shift_remove("created");
        properties.shift_remove("updated");
        let times = Times::read(properties).map_err(at)?;
        let at = |reason: String| invalid(format!("item {id}: {reason}"));
        let (bbox, searched) = shape_of(&mut json).map_err(at)?;
        drop_structural_links(&mut json);
        let text = serde_json::to_string(&json).expect("JSON can be written");
        if text.len() > ITEM_BYTES_MAX {
            return Err(CatalogError::Limit {
                reason: format!("item {id} has more than {ITEM_BYTES_MAX} bytes of JSON"),
            });
        }
        Ok(Self {
            uuid: uuid_of(collection, &id),
            etag: etag_of_text(&text),
            text,
            datetime: times.datetime,
            datetime_end: times.datetime_end,
            start_datetime: times.start,
            end_datetime: times.end,
            rectangles: bbox.as_ref().map(geometry::rectangles).unwrap_or_default(),
            bbox,
            geometry: searched,
            id,
            json,
        })
    }

    /// Returns the properties.
    pub(crate) fn properties(&self) -> &Map<String, Value> {
        let properties = self.json.get("properties").and_then(Value::as_object);
        properties.expect("a record has properties")
    }
}

struct Times {
    datetime: i64,
    datetime_end: i64,
    start: i64,
    end: i64,
}

impl Times {
    fn read(properties: &Map<String, Value>) -> Result<Self, String> {
        let read = |name: &str| match properties.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => swath_stac::parse_datetime(text)
                .map(|datetime| Some(instant::to_us(datetime)))
                .map_err(|error| format!("{name}: {error}")),
            Some(other) => Err(format!("{name}: {other} is no datetime")),
        };
        let (datetime, start, end) = (
            read("datetime")?,
            read("start_datetime")?,
            read("end_datetime")?,
        );
        let first = datetime.or(start).or(end).ok_or(
            "it has no time (\"datetime\", or \"start_datetime\" and \"end_datetime\" where that is null)",
        )?;
        let times = Self {
            datetime: datetime.or(start).unwrap_or(first),
            datetime_end: datetime.or(end).unwrap_or(first),
            start: start.or(datetime).unwrap_or(first),
            end: end.or(datetime).or(start).unwrap_or(first),
        };
        match times.start <= times.end {
            true => Ok(times),
            false => Err("its start_datetime is after its end_datetime".into()),
        }
    }
}

/// Returns bbox and searched geometry; writes the bbox where it is missing.
fn shape_of(json: &mut Map<String, Value>) -> Result<(Option<Bbox>, Option<Vec<u8>>), String> {
    let shape = match json.get("geometry") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(geometry::from_geojson(value).map_err(|why| format!("geometry: {why}"))?)
        }
    };
    json.entry("geometry").or_insert(Value::Null);
    let given = match json.get("bbox") {
        None | Some(Value::Null) => None,
        Some(value) => Some(read_bbox(value)?),
    };
    let Some(shape) = shape else {
        return Ok((given, None));
    };
    let bbox = match given {
        Some(bbox) => bbox,
        None => {
            let around = geometry::bounds(&shape).ok_or("geometry: it is empty")?;
            let bbox = Bbox {
                west: around.west,
                south: around.south,
                east: around.east,
                north: around.north,
            };
            json.insert(
                "bbox".into(),
                json!([bbox.west, bbox.south, bbox.east, bbox.north]),
            );
            bbox
        }
    };
    let searched = match bbox.west > bbox.east {
        true => geometry::unwrapped(shape),
        false => shape,
    };
    Ok((Some(bbox), Some(wkb::encode(&searched))))
}

/// Reads a bbox of four or six numbers.
fn read_bbox(value: &Value) -> Result<Bbox, String> {
    let numbers: Option<Vec<f64>> = value
        .as_array()
        .and_then(|values| values.iter().map(Value::as_f64).collect());
    let bbox = match numbers.as_deref() {
        Some([west, south, east, north] | [west, south, _, east, north, _]) => Bbox {
            west: *west,
            south: *south,
            east: *east,
            north: *north,
        },
        _ => return Err("its bbox is not four or six numbers".into()),
    };
    geometry::check_bbox(&bbox)?;
    Ok(bbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn etag_is_of_the_content_and_not_of_the_registration() {
        let of = |created: &str, cloud: f64| {
            let properties = json!({"datetime": "2020-01-01T00:00:00Z", "created": created, "eo:cloud_cover": cloud});
            let item = item(json!({"id": "a", "type": "Feature", "properties": properties}));
            Record::read("c", &item).expect("an item").etag
        };
        assert_eq!(
            of("2021-01-01T00:00:00Z", 1.0),
            of("2022-01-01T00:00:00Z", 1.0)
        );
        assert_ne!(
            of("2021-01-01T00:00:00Z", 1.0),
            of("2021-01-01T00:00:00Z", 2.0)
        );
    }

    #[test]
    fn ranges_and_instants_have_all_four_times() {
        let of = |properties: Value| {
            Record::read("c", &item(json!({"id": "a", "properties": properties})))
        };
        let range = of(json!({"datetime": null, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"})).expect("an item");
        assert_eq!(
            (range.datetime, range.datetime_end),
            (range.start_datetime, range.end_datetime)
        );
        assert!(range.start_datetime < range.end_datetime);
        let instant = of(json!({"datetime": "2020-01-01T00:00:00Z"})).expect("an item");
        assert_eq!(
            (instant.start_datetime, instant.end_datetime),
            (instant.datetime, instant.datetime)
        );
        assert!(of(json!({})).is_err());
        assert!(of(json!({"datetime": "soon"})).is_err());
    }

    #[test]
    fn what_is_no_item_is_refused_with_its_id() {
        let wrong = json!({"id": "a", "collection": "d", "properties": {"datetime": "2020-01-01T00:00:00Z"}});
        let error = Record::read("c", &item(wrong)).expect_err("another collection");
        assert!(error.to_string().starts_with("item a:"), "{error}");
        assert!(Record::read("c", &item(json!({"id": "a\u{0}b"}))).is_err());
        let properties = json!({"datetime": "2020-01-01T00:00:00Z"});
        let with = |id: &str, assets: Value| {
            Record::read(
                "c",
                &item(json!({"id": id, "assets": assets, "properties": properties})),
            )
        };
        assert!(with("a", json!({})).is_ok());
        assert!(with("a", json!([])).is_err());
        assert!(with("..", json!({})).is_err());
    }

    #[test]
    fn missing_bbox_is_computed() {
        let value = json!({"id": "a", "geometry": {"type": "Point", "coordinates": [1, 2, 3]},
            "properties": {"datetime": "2020-01-01T00:00:00Z"}});
        let record = Record::read("c", &item(value)).expect("an item");
        assert_eq!(record.json["bbox"], json!([1.0, 2.0, 1.0, 2.0]));
        assert_eq!(record.rectangles.len(), 1);
    }
}
