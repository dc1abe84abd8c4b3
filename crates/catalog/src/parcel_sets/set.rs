//! What a parcel set, its versions and its name are.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use swath_access::{Resource, Visibility};
use swath_grid::Bbox;

use crate::CatalogError;
use crate::filter::invalid;

/// Longest name of a set, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A parcel set: the parcels of a region, in versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParcelSet {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Who owns it, `None` for the operator.
    pub owner: Option<String>,
    /// Who sees it.
    pub visibility: Visibility,
    /// IANA time zone in which dates such as deadlines are meant.
    pub timezone: String,
    /// First registered.
    pub created: DateTime<Utc>,
    /// By number; none where the first one is still being written.
    pub versions: Vec<ParcelSetVersion>,
}

/// One version of a parcel set: a GeoParquet file that never changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParcelSetVersion {
    /// 1, 2, 3, …; numbers of imports that failed are left out.
    pub number: u32,
    /// Where the file lies.
    pub href: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// Number of parcels, which are the rows of the file.
    pub features: u64,
    /// What the file holds.
    pub content: ParcelSetContent,
    /// When it was registered.
    pub created: DateTime<Utc>,
}

/// What the file of a version holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParcelSetContent {
    /// Rectangle around all parcels in longitude and latitude, `None` where no parcel has a place.
    pub bbox: Option<Bbox>,
    /// The CRS of the geometries: `EPSG:n`, else its name.
    pub crs: String,
    /// True where the parcels are points.
    pub has_points: bool,
    /// Column of the source that the ids come from.
    pub id_field: String,
    /// Column of the source that the crop codes come from.
    pub crop_field: Option<String>,
    /// Column of the source that the declared areas come from.
    pub area_field: Option<String>,
    /// Country of the crop codes, such as `dk` or `be_vlg`.
    pub country: Option<String>,
    /// Number of parcels with a code of HCAT.
    pub hcat_mapped: u64,
    /// Names of the columns that stay out of tiles, logs and exports unless named.
    pub personal: Vec<String>,
    /// Number of features of the source that are not in the set.
    pub refused: u64,
}

impl ParcelSet {
    /// Returns what decides who may do what with it; its files lie below the prefixes.
    pub fn resource(&self) -> Resource {
        let mut prefixes: Vec<String> = Vec::new();
        for version in &self.versions {
            let folder = version
                .href
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            if !folder.is_empty() && !prefixes.iter().any(|known| known == folder) {
                prefixes.push(folder.to_owned());
            }
        }
        let id = format!("parcels/{}", self.name);
        Resource::new(id, self.owner.clone(), self.visibility, prefixes)
    }

    /// Returns a version: the newest one, or that of a number.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] where it is not there; the message says which are.
    pub fn version(&self, number: Option<u32>) -> Result<&ParcelSetVersion, CatalogError> {
        let found = match number {
            None => self.versions.last(),
            Some(number) => self
                .versions
                .iter()
                .find(|version| version.number == number),
        };
        found.ok_or_else(|| CatalogError::NotFound {
            what: match (number, self.versions.last()) {
                (Some(number), Some(last)) => format!(
                    "version {number} of parcel set \"{}\" (the newest is {})",
                    self.name, last.number
                ),
                _ => format!("a version of parcel set \"{}\"", self.name),
            },
        })
    }
}

/// How a set is to be registered; what is `None` stays as it is, or gets its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParcelSetSettings {
    /// Who owns it; only the operator may say so. Default: who imports the first version.
    pub owner: Option<String>,
    /// Who sees it. Default: private.
    pub visibility: Option<Visibility>,
    /// IANA time zone. Default: UTC.
    pub timezone: Option<String>,
}

/// A version that is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewParcelSetVersion {
    /// Number that [`Catalog::begin_parcel_set_version`] gave.
    pub number: u32,
    /// Where the file lies.
    pub href: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// Number of rows.
    pub features: u64,
    /// What it holds.
    pub content: ParcelSetContent,
}

/// Which set and which version of it: `NAME` or `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelSetName {
    /// Name of the set.
    pub name: String,
    /// Number of the version, `None` for the newest.
    pub version: Option<u32>,
}

impl ParcelSetName {
    /// Reads `NAME` or `NAME@VERSION`.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let (name, version) = match text.split_once('@') {
            None => (text, None),
            Some((name, version)) => {
                let number = version.parse().ok().filter(|number| *number > 0);
                let number = number.ok_or_else(|| {
                    invalid(format!(
                        "\"{}\" is no version of a parcel set: expected NAME@1, NAME@2, …",
                        shown(text)
                    ))
                })?;
                (name, Some(number))
            }
        };
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            version,
        })
    }
}

pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Checks the name of a set; it is part of keys and URLs.
pub(super) fn check_name(name: &str) -> Result<(), CatalogError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let is_name = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    match is_name {
        true => Ok(()),
        false => Err(invalid(format!(
            "\"{}\" is no name of a parcel set: 1 to {NAME_BYTES_MAX} of a-z, 0-9, - and _, the first \
             one a letter or digit",
            shown(name)
        ))),
    }
}

/// Checks a time zone against the IANA list.
pub(super) fn check_timezone(name: &str) -> Result<(), CatalogError> {
    match name.parse::<chrono_tz::Tz>() {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid(format!(
            "\"{}\" is no time zone of the IANA list, such as Europe/Copenhagen",
            shown(name)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_keys() {
        for good in ["dk", "dk-2024", "be_vlg", "2024"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "..",
            "a/b",
            "Å",
            "DK",
            "-a",
            "a@1",
            "a b",
            &"a".repeat(65),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_stands_behind_an_at() {
        let parsed = ParcelSetName::parse("dk@12").expect("a version");
        assert_eq!((parsed.name.as_str(), parsed.version), ("dk", Some(12)));
        assert_eq!(ParcelSetName::parse("dk").expect("a set").version, None);
        for bad in [
            "dk@",
            "dk@0",
            "dk@-1",
            "dk@x",
            "@1",
            "dk@1@2",
            "dk@99999999999",
        ] {
            assert!(ParcelSetName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn time_zones_are_those_of_the_list() {
        assert!(check_timezone("Europe/Copenhagen").is_ok());
        assert!(check_timezone("UTC").is_ok());
        for bad in ["Europe/Aarhus", "", "CEST+2", "+02:00"] {
            assert!(check_timezone(bad).is_err(), "{bad}");
        }
    }
}
