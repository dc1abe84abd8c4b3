//! What a table was made with: stored in full in its metadata, and a hash of it names its folder.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;

/// Begin of the keys in the metadata of a table that are ours.
const PREFIX: &str = "swath.";
/// Begin of the keys of options.
const OPTION_PREFIX: &str = "swath.option.";
/// Name of the option that rounds statistics, see [`TableConfiguration::precision`].
pub const PRECISION_OPTION: &str = "precision";
/// Largest relative error that may be asked for.
const PRECISION_MAX: f64 = 0.01;

/// What the rows of a table depend on: two tables of the same configuration hold the same rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableConfiguration {
    /// Id of the collection.
    pub collection: String,
    /// Name of the parcel set.
    pub set: String,
    /// Version of the parcel set.
    pub version: String,
    /// Coverage rule, buffer, masks, bands …: names and values as they are compared. Nothing that does
    /// not change rows (threads, memory) belongs here.
    pub options: BTreeMap<String, String>,
}

impl TableConfiguration {
    /// Returns the name of the table's folder: 16 hex digits that depend on the options alone.
    pub fn profile(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.options {
            // Lengths keep ("a", "b=c") and ("a=b", "c") apart.
            text.push_str(&format!("{}:{name}={}:{value};", name.len(), value.len()));
        }
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }

    /// Returns the largest relative error of statistics that the option `precision` allows, `None`
    /// where values are stored as they were computed.
    ///
    /// # Errors
    /// Where the option is no number between 0 and 0.01.
    pub fn precision(&self) -> Result<Option<f64>, ExtractError> {
        let Some(text) = self.options.get(PRECISION_OPTION) else {
            return Ok(None);
        };
        let value = text.parse::<f64>().ok();
        match value.filter(|value| *value > 0.0 && *value <= PRECISION_MAX) {
            Some(value) => Ok(Some(value)),
            None => Err(ExtractError::Options {
                reason: format!(
                    "precision \"{text}\" is no number above 0 and up to {PRECISION_MAX}"
                ),
            }),
        }
    }

    /// Returns the entries of the table's metadata.
    pub(super) fn to_metadata(&self) -> BTreeMap<String, String> {
        let named = [
            ("collection", &self.collection),
            ("set", &self.set),
            ("version", &self.version),
        ];
        let named = named.map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()));
        let options = self.options.iter();
        let options =
            options.map(|(name, value)| (format!("{OPTION_PREFIX}{name}"), value.clone()));
        named.into_iter().chain(options).collect()
    }

    /// Reads the entries of a table's metadata; what others put there is passed over.
    pub(super) fn from_metadata(entries: &BTreeMap<String, String>) -> Self {
        let named = |name: &str| {
            let value = entries.get(&format!("{PREFIX}{name}"));
            value.cloned().unwrap_or_default()
        };
        let options = entries.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(OPTION_PREFIX)?;
            Some((name.to_owned(), value.clone()))
        });
        Self {
            collection: named("collection"),
            set: named("set"),
            version: named("version"),
            options: options.collect(),
        }
    }

    /// Returns the first difference in words: what `self`, the table that is there, has and what was
    /// asked for.
    pub(super) fn difference(&self, asked: &Self) -> Option<String> {
        let named = [
            ("collection", &self.collection, &asked.collection),
            ("parcel set", &self.set, &asked.set),
            ("version of the parcel set", &self.version, &asked.version),
        ];
        for (name, have, want) in named {
            if have != want {
                return Some(format!("its {name} is \"{have}\", not \"{want}\""));
            }
        }
        let names = self.options.keys().chain(asked.options.keys());
        for name in names {
            let shown = |options: &BTreeMap<String, String>| match options.get(name) {
                Some(value) => format!("\"{value}\""),
                None => "not set".to_owned(),
            };
            if self.options.get(name) != asked.options.get(name) {
                let (have, want) = (shown(&self.options), shown(&asked.options));
                return Some(format!("its option {name} is {have}, asked for is {want}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(options: &[(&str, &str)]) -> TableConfiguration {
        let options = options.iter();
        TableConfiguration {
            collection: "sentinel-2-l2a".into(),
            set: "fields".into(),
            version: "1".into(),
            options: options
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn metadata_hold_everything() {
        let table = configuration(&[("buffer", "-10"), ("bands", "B04,B08")]);
        let mut entries = table.to_metadata();
        entries.insert("delta.appendOnly".into(), "false".into());
        assert_eq!(TableConfiguration::from_metadata(&entries), table);
    }

    #[test]
    fn profiles_depend_on_options_and_differences_are_named() {
        let one = configuration(&[("buffer", "-10")]);
        let two = configuration(&[("buffer", "-5")]);
        assert_eq!(one.profile().len(), 16);
        assert_ne!(one.profile(), two.profile());
        let mut moved = one.clone();
        moved.version = "2".into();
        assert_eq!(one.profile(), moved.profile());
        assert!(
            one.difference(&moved)
                .is_some_and(|text| text.contains("\"2\""))
        );
        let text = one.difference(&two).expect("a difference");
        assert!(text.contains("buffer") && text.contains("\"-5\""), "{text}");
        assert_eq!(one.difference(&one.clone()), None);
    }

    #[test]
    fn precision_is_a_small_share() {
        let of = |text| configuration(&[(PRECISION_OPTION, text)]).precision();
        assert_eq!(of("0.0005").expect("a number"), Some(0.0005));
        for text in ["0", "1", "-1", "x", "NaN"] {
            assert!(of(text).is_err(), "{text}");
        }
        assert_eq!(configuration(&[]).precision().expect("none"), None);
    }
}
