//! Attributes become properties: by the table of the dialects where STAC has a term, else under the
//! prefix of the dialect.

use serde_json::{Map, Value, json};
use swath_stac::dialect::attributes::{
    self, Source, polarisation_channels, processing_level, tile_code,
};
use swath_stac::dialect::missions::{self, Mission};
use swath_stac::parse_datetime;

use crate::item::datetime_text;
use crate::product::S1_FREQUENCY_GHZ;

/// Modes of Sentinel-1: `sar:instrument_mode`.
const RADAR_MODES: [&str; 10] = ["SM", "IW", "EW", "WV", "S1", "S2", "S3", "S4", "S5", "S6"];
/// What Sentinel-2 and Sentinel-1 carry, as STAC names it.
const INSTRUMENTS: [(&str, &str); 2] = [("SENTINEL-2", "msi"), ("SENTINEL-1", "c-sar")];
/// Longest spelling of a name that is kept, in characters.
const NAME_MAX: usize = 120;

/// The properties of an item while they are gathered.
#[derive(Debug)]
pub(super) struct Properties {
    found: Map<String, Value>,
    mission: Option<&'static Mission>,
    prefix: &'static str,
    /// True where the name of the product says its type in the agency's way.
    has_agency_name: bool,
}

impl Properties {
    /// Returns none yet: of a product of a mission, with the prefix for what has no term.
    pub(super) fn new(
        mission: Option<&'static Mission>,
        prefix: &'static str,
        has_agency_name: bool,
    ) -> Self {
        Self {
            found: Map::new(),
            mission,
            prefix,
            has_agency_name,
        }
    }

    /// Returns what was gathered, completed by what the mission says.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        if let Some(mission) = self.mission {
            self.set("constellation", json!(constellation(mission)));
            if let Some(platform) = mission.platform {
                self.set("platform", json!(platform));
            }
            let carried = INSTRUMENTS.iter().find(|(own, _)| *own == mission.odata);
            if let Some((_, instrument)) = carried {
                self.set("instruments", json!([instrument]));
            }
        }
        if self.is_radar() && self.found.contains_key("sar:instrument_mode") {
            self.set("sar:frequency_band", json!("C"));
            self.set("sar:center_frequency", json!(S1_FREQUENCY_GHZ));
        }
        self.found
    }

    /// Sets a property of STAC; true where it has this value now.
    pub(super) fn set(&mut self, name: &str, value: Value) -> bool {
        match self.found.get(name) {
            Some(held) => *held == value,
            None => {
                self.found.insert(name.to_owned(), value);
                true
            }
        }
    }

    /// Takes an attribute under whatever name it has: never fails, drops nothing but what is empty.
    pub(super) fn take(&mut self, name: &str, value: &Value) {
        if is_nothing(value) {
            return;
        }
        let known = attributes::find(name).or_else(|| attributes::find_by_property(name));
        let is_taken = known.is_some_and(|(_, source)| self.translate(source, value));
        if is_taken {
            return;
        }
        // A term of STAC never holds what it does not mean.
        match attributes::find_by_property(name) {
            Some(_) => self.keep(&name.replace(':', "_"), value),
            None => self.keep(name, value),
        }
    }

    /// Adds what the name of the product says, where the provider says nothing of it.
    pub(super) fn complete(&mut self, name: &str, value: &str) {
        let Some((_, source)) = attributes::find(name) else {
            return;
        };
        let is_there = source
            .properties()
            .iter()
            .any(|property| self.found.contains_key(*property));
        if !is_there {
            self.translate(source, &json!(value));
        }
    }

    /// Keeps what has no term: `resto:status`. Names with a prefix of their own keep it.
    pub(super) fn keep(&mut self, name: &str, value: &Value) {
        if is_nothing(value) {
            return;
        }
        let name: String = plain_name(name).chars().take(NAME_MAX).collect();
        if name.is_empty() {
            return;
        }
        let key = match name.contains(':') {
            true => name,
            false => format!("{}:{name}", self.prefix),
        };
        self.found.entry(key).or_insert_with(|| value.clone());
    }

    fn is(&self, odata: &str) -> bool {
        self.mission.is_some_and(|mission| mission.odata == odata)
    }

    fn is_radar(&self) -> bool {
        self.is("SENTINEL-1")
    }

    /// True where items of the mission have such a property: no cloud cover of a radar.
    fn fits(&self, property: &str) -> bool {
        match property.split_once(':') {
            // Others make products of Sentinel-2 too, with types and versions of their own.
            Some(("s2", _)) => self.is("SENTINEL-2") && self.has_agency_name,
            Some(("s1" | "sar", _)) => self.is_radar(),
            Some(("eo", _)) => !self.is_radar(),
            _ => true,
        }
    }

    /// Returns the property of those behind an attribute that an item of the mission has.
    fn target(&self, names: &[&'static str]) -> Option<&'static str> {
        // One attribute of resto is the datatake of either mission.
        if names == ["s2:datatake_id"] && self.is_radar() {
            return Some("s1:datatake_id");
        }
        let is_own = |name: &&&'static str| name.starts_with("s2:") && self.fits(name);
        names
            .iter()
            .find(is_own)
            .or_else(|| names.iter().find(|name| self.fits(name)))
            .copied()
    }

    /// Sets the properties behind an attribute; false where the value is none for them.
    fn translate(&mut self, source: Source, value: &Value) -> bool {
        let text = plain_text(value);
        match source {
            // The readers have taken the product's; another name is kept beside it.
            Source::Name => false,
            // The readers have looked at the times already.
            Source::Datetime("start_datetime" | "end_datetime") => true,
            Source::Datetime(name) => match parse_datetime(&text) {
                Ok(datetime) => self.set(name, json!(datetime_text(datetime))),
                Err(_) => false,
            },
            Source::Integer(names) => self.set_integer(names, &text),
            Source::Double(names) => self.set_double(names, &text),
            Source::Text(names) => self.set_text(names, value, &text),
            Source::Upper(names) => self.set_upper(names, &text),
            Source::Mission => self.set_mission(&text),
            Source::Serial => self.set_platform(&text),
            Source::ProductType => self.set_product_type(&text),
            Source::ProcessingLevel => match processing_level(&text) {
                Some(level) => self.set("processing:level", json!(level)),
                None => false,
            },
            Source::Instrument => self.set_instruments(value),
            Source::Polarisations => self.set_polarisations(value, &text),
            Source::Tile => {
                let code = tile_code(&text);
                is_mgrs(&code) && self.set("grid:code", json!(code))
            }
        }
    }

    fn set_integer(&mut self, names: &[&'static str], text: &str) -> bool {
        let number = text
            .parse::<f64>()
            .ok()
            .filter(|number| number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(number));
        match (self.target(names), number) {
            // A whole number of 32 bits.
            (Some(name), Some(number)) => self.set(name, json!(number as u32)),
            _ => false,
        }
    }

    fn set_double(&mut self, names: &[&'static str], text: &str) -> bool {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        match (self.target(names), number) {
            // Resolutions of 0 stand where none is known.
            (Some("gsd"), Some(0.0)) => true,
            (Some(name @ "gsd"), Some(number)) => number > 0.0 && self.set(name, json!(number)),
            (Some(name), Some(number)) => {
                (0.0..=100.0).contains(&number) && self.set(name, json!(number))
            }
            _ => false,
        }
    }

    fn set_text(&mut self, names: &[&'static str], value: &Value, text: &str) -> bool {
        match self.target(names) {
            // A baseline that became a number on its way: 5.1 is 05.10.
            Some(name @ "s2:processing_baseline") if value.is_number() => {
                let number = value.as_f64().unwrap_or_default();
                self.set(name, json!(format!("{number:05.2}")))
            }
            Some(name) if !text.is_empty() => self.set(name, json!(text)),
            _ => false,
        }
    }

    fn set_upper(&mut self, names: &[&'static str], text: &str) -> bool {
        let upper = text.to_ascii_uppercase();
        match self.target(names) {
            Some(name @ "sat:orbit_state") => {
                let state = text.to_ascii_lowercase();
                let is_state =
                    matches!(state.as_str(), "ascending" | "descending" | "geostationary");
                is_state && self.set(name, json!(state))
            }
            Some(name @ "sar:instrument_mode") => {
                RADAR_MODES.contains(&upper.as_str()) && self.set(name, json!(upper))
            }
            Some(name @ "s2:datatake_type") => {
                upper.starts_with("INS-") && self.set(name, json!(upper))
            }
            _ => false,
        }
    }

    fn set_mission(&mut self, text: &str) -> bool {
        let Some(mission) = missions::find_mission(text) else {
            return false;
        };
        if let Some(platform) = mission.platform {
            self.set("platform", json!(platform));
        }
        self.set("constellation", json!(constellation(mission)))
    }

    fn set_platform(&mut self, text: &str) -> bool {
        match missions::find_mission(text) {
            // Some write the mission where the satellite belongs.
            Some(mission) if mission.platform.is_none() => self.set_mission(text),
            _ => {
                let platform = missions::platform_name(text, self.mission);
                self.set("platform", json!(platform))
            }
        }
    }

    fn set_product_type(&mut self, text: &str) -> bool {
        let is_sentinel2 = self.is("SENTINEL-2");
        // Some write `IMAGE` there; the name of the product says it better.
        if is_sentinel2 && self.has_agency_name && missions::kinds_named(text).is_empty() {
            return false;
        }
        if is_sentinel2 && self.has_agency_name {
            self.set("s2:product_type", json!(text));
        }
        self.set("product:type", json!(text))
    }

    fn set_instruments(&mut self, value: &Value) -> bool {
        let names: Vec<String> = super::many(value)
            .into_iter()
            .filter_map(Value::as_str)
            .flat_map(|text| text.split([' ', ',']))
            .filter(|name| !name.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        if names.is_empty() {
            return false;
        }
        let is_radar = self.is_radar() && names.iter().any(|name| name.contains("sar"));
        match is_radar {
            true => self.set("instruments", json!(["c-sar"])),
            false => self.set("instruments", json!(names)),
        }
    }

    fn set_polarisations(&mut self, value: &Value, text: &str) -> bool {
        let channels: Vec<String> = match value.as_array() {
            Some(values) => values
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_ascii_uppercase)
                .collect(),
            None => polarisation_channels(text),
        };
        let is_known = |name: &String| matches!(name.as_str(), "HH" | "HV" | "VH" | "VV");
        let are_channels = !channels.is_empty() && channels.iter().all(is_known);
        are_channels
            && self.fits("sar:polarizations")
            && self.set("sar:polarizations", json!(channels))
    }
}

/// Returns the constellation of a mission: `sentinel-2`, `landsat`.
fn constellation(mission: &Mission) -> String {
    match mission.platform {
        Some(platform) => platform.split('-').next().unwrap_or(platform).to_owned(),
        None => mission.odata.to_ascii_lowercase(),
    }
}

/// True of `MGRS-31UFS`.
fn is_mgrs(code: &str) -> bool {
    let tile = code.strip_prefix("MGRS-").unwrap_or_default().as_bytes();
    let (digits, letters) = tile.split_at(tile.len().saturating_sub(3));
    (1..=2).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && letters.iter().all(u8::is_ascii_uppercase)
}

/// True of what says nothing: null, empty texts, lists and objects.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns a name as it is where it is one word, else in lower case with `_` between the words.
fn plain_name(name: &str) -> String {
    let is_word = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '_' | ':' | '-' | '.')
    };
    if name.chars().all(is_word) {
        return name.to_owned();
    }
    let words: Vec<String> = name
        .split(|character: char| !is_word(character))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mission: &str, attributes: &[(&str, Value)]) -> Map<String, Value> {
        let mut properties = Properties::new(missions::find_mission(mission), "x", true);
        for (name, value) in attributes {
            properties.take(name, value);
        }
        properties.finish()
    }

    #[test]
    fn the_mission_decides_what_an_attribute_means() {
        let optical = of(
            "SENTINEL-2",
            &[
                ("operationalMode", json!("INS-NOBS")),
                ("processorVersion", json!("05.00")),
                ("cloudCover", json!("12.5")),
                ("orbitDirection", json!("DESCENDING")),
                ("platform", json!("A")),
                ("processingLevel", json!("S2MSI1C")),
            ],
        );
        assert_eq!(optical["s2:datatake_type"], "INS-NOBS");
        assert_eq!(optical["s2:processing_baseline"], "05.00");
        assert_eq!(optical["eo:cloud_cover"], 12.5);
        assert_eq!(optical["sat:orbit_state"], "descending");
        assert_eq!(optical["platform"], "sentinel-2a");
        assert_eq!(optical["instruments"], json!(["msi"]));
        assert_eq!(optical["processing:level"], "L1C");
        let radar = of(
            "SENTINEL-1",
            &[
                ("operationalMode", json!("IW")),
                ("swathidentifier", json!("IW1 IW2 IW3")),
                ("processorVersion", json!("3.1")),
                ("cloudCover", json!(0)),
                ("polarisationmode", json!("VV VH")),
                ("instrumentshortname", json!("SAR-C SAR")),
            ],
        );
        assert_eq!(radar["sar:instrument_mode"], "IW");
        assert_eq!(radar["x:swathidentifier"], "IW1 IW2 IW3");
        assert_eq!(radar["processing:version"], "3.1");
        assert_eq!(radar["x:cloudCover"], 0);
        assert_eq!(radar["sar:polarizations"], json!(["VV", "VH"]));
        assert_eq!(radar["instruments"], json!(["c-sar"]));
        assert_eq!(radar["sar:frequency_band"], "C");
    }

    #[test]
    fn values_beside_the_term_are_kept_under_the_prefix() {
        let found = of(
            "SENTINEL-2",
            &[
                ("productType", json!("IMAGE")),
                ("tileId", json!("h18v04")),
                ("relativeOrbitNumber", json!(-1)),
                ("Coastal Cover Percentage (%)", json!("0.00027")),
                ("aws_eos:date", json!("2020-01-14")),
                ("processingBaseline", json!(5.1)),
                ("resolution", json!(0)),
                ("empty", json!("")),
            ],
        );
        assert_eq!(found["x:productType"], "IMAGE");
        assert_eq!(found["x:tileId"], "h18v04");
        assert_eq!(found["x:relativeOrbitNumber"], -1);
        assert_eq!(found["x:coastal_cover_percentage"], "0.00027");
        assert_eq!(found["aws_eos:date"], "2020-01-14");
        assert_eq!(found["s2:processing_baseline"], "05.10");
        assert!(!found.contains_key("gsd") && !found.contains_key("x:empty"));
    }
}
