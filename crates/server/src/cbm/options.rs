//! What `aoi`, `year`, `ptype` and the kinds of series mean in this deployment.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Longest `aoi`, `year` or `ptype`, in bytes.
const WORD_BYTES_MAX: usize = 40;

/// `[cbm]`: how the words of the CbM interface translate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CbmOptions {
    /// Collection of the series and chips `s2` [default: `sentinel-2-l2a`].
    pub s2: String,
    /// Collection of the series `bs` [default: `s1-card-bs`].
    pub bs: String,
    /// Collection of the series `c6` [default: `s1-card-coh6`].
    pub c6: String,
    /// Band of the classes in the tables of `s2` [default: `SCL`].
    pub classes: String,
    /// Factor from our means to the numbers of CbM for `s2`, whose means are stored reflectance
    /// [default: 10000].
    pub s2_factor: f64,
    /// Parcel sets, `NAME` or `NAME@VERSION`, by `<aoi>_<year>` or `<aoi>_<year>_<ptype>`, lower case; by
    /// default the set of that name, or `<aoi><year>`, or `<aoi>-<year>`.
    pub sets: BTreeMap<String, String>,
    /// Profile of the tables, where a set has several.
    pub profile: Option<String>,
}

impl Default for CbmOptions {
    fn default() -> Self {
        Self {
            s2: "sentinel-2-l2a".to_owned(),
            bs: "s1-card-bs".to_owned(),
            c6: "s1-card-coh6".to_owned(),
            classes: "SCL".to_owned(),
            s2_factor: 10_000.0,
            sets: BTreeMap::new(),
            profile: None,
        }
    }
}

impl CbmOptions {
    /// Returns the names of sets that are meant, the first that is there counts; none where a word
    /// cannot be part of a name.
    pub(crate) fn sets(&self, aoi: &str, year: &str, ptype: Option<&str>) -> Vec<String> {
        let words = [Some(aoi), Some(year), ptype];
        let is_word = |word: &str| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            word.len() <= WORD_BYTES_MAX && word.chars().all(plain)
        };
        if aoi.is_empty() || !words.into_iter().flatten().all(is_word) {
            return Vec::new();
        }
        let (aoi, year) = (aoi.to_lowercase(), year.to_lowercase());
        // The scripts of the pioneers write the suffix with its underscore.
        let ptype = ptype.map(|ptype| ptype.trim_start_matches('_').to_lowercase());
        let suffix = match ptype.filter(|ptype| !ptype.is_empty()) {
            Some(ptype) => format!("_{ptype}"),
            None => String::new(),
        };
        let plain = format!("{aoi}_{year}{suffix}");
        if let Some(configured) = self.sets.get(&plain) {
            return vec![configured.clone()];
        }
        match year.is_empty() {
            // Some clients put the year into the name of the area.
            true => vec![format!("{aoi}{suffix}")],
            false => vec![
                plain,
                format!("{aoi}{year}{suffix}"),
                format!("{aoi}-{year}{suffix}"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_years_name_sets() {
        let mut options = CbmOptions::default();
        assert_eq!(
            options.sets("DK", "2020", None),
            ["dk_2020", "dk2020", "dk-2020"]
        );
        assert_eq!(options.sets("dk", "2020", Some("_g"))[0], "dk_2020_g");
        assert_eq!(options.sets("dk2020", "", None), ["dk2020"]);
        options
            .sets
            .insert("dk_2020".to_owned(), "fields@3".to_owned());
        assert_eq!(options.sets("dk", "2020", None), ["fields@3"]);
        assert!(options.sets("", "2020", None).is_empty());
        assert!(options.sets("dk'; DROP TABLE x", "2020", None).is_empty());
    }
}
