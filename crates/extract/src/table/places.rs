//! Where the tables of a deployment lie: `<collection>/<set>@<version>/<profile>` below one root.

use swath_io::StoreWriter;

use crate::ExtractError;

/// Longest name of a collection or a set, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// One table below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlace {
    /// Id of its collection.
    pub collection: String,
    /// Its profile.
    pub profile: String,
    /// Key of its folder.
    pub key: String,
}

/// Returns the tables of a collection for a version of a parcel set, by profile; none where a name
/// is none, or there is no such folder.
///
/// # Errors
/// Where the store fails.
pub async fn table_places(
    root: &StoreWriter,
    collection: &str,
    set: &str,
    version: u32,
) -> Result<Vec<TablePlace>, ExtractError> {
    if !is_name(collection) || !is_name(set) {
        return Ok(Vec::new());
    }
    let folder = format!("{collection}/{set}@{version}");
    let profiles = root.folders(&folder).await?;
    let place = |profile: String| TablePlace {
        collection: collection.to_owned(),
        key: format!("{folder}/{profile}"),
        profile,
    };
    Ok(profiles.into_iter().map(place).collect())
}

/// Returns the only table, or the one whose profile begins with `wanted`; `None` where there is none
/// and none is wanted.
///
/// # Errors
/// [`ExtractError::Options`] where there are several, or none is what was wanted; it names them.
pub fn chosen_place(
    mut places: Vec<TablePlace>,
    wanted: Option<&str>,
) -> Result<Option<TablePlace>, ExtractError> {
    let all: Vec<String> = places.iter().map(|place| place.profile.clone()).collect();
    let Some(collection) = places.first().map(|place| place.collection.clone()) else {
        return Ok(None);
    };
    places.retain(|place| wanted.is_none_or(|wanted| place.profile.starts_with(wanted)));
    let found: Vec<&str> = places.iter().map(|place| place.profile.as_str()).collect();
    let reason = match (found.len(), wanted) {
        (1, _) => return Ok(places.pop()),
        (0, Some(wanted)) => format!(
            "collection \"{collection}\" has no table with a profile that begins with \"{wanted}\"; it \
             has: {}",
            all.join(", ")
        ),
        _ => format!(
            "collection \"{collection}\" has tables of several profiles: name one of {}",
            found.join(", ")
        ),
    };
    Err(ExtractError::Options { reason })
}

fn is_name(text: &str) -> bool {
    let climbs = text.is_empty() || text.starts_with('.') || text.contains(['/', '\\']);
    !climbs && text.len() <= NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(profiles: &[&str]) -> Vec<TablePlace> {
        let place = |profile: &&str| TablePlace {
            collection: "c".to_owned(),
            profile: (*profile).to_owned(),
            key: format!("c/s@1/{profile}"),
        };
        profiles.iter().map(place).collect()
    }

    fn chosen(profiles: &[&str], wanted: Option<&str>) -> Result<Option<String>, ExtractError> {
        Ok(chosen_place(places(profiles), wanted)?.map(|place| place.profile))
    }

    #[test]
    fn a_profile_is_the_only_one_or_named() {
        let two = ["0a1b", "0a2c"];
        assert_eq!(
            chosen(&two[..1], None).expect("one").as_deref(),
            Some("0a1b")
        );
        assert_eq!(
            chosen(&two, Some("0a2")).expect("one").as_deref(),
            Some("0a2c")
        );
        assert_eq!(chosen(&[], None).expect("none"), None);
        for wanted in [None, Some("0a"), Some("ff")] {
            let error = chosen(&two, wanted).expect_err("none or several");
            assert!(error.to_string().contains("0a1b"), "{error}");
        }
    }

    #[test]
    fn names_do_not_climb() {
        for name in ["", "..", ".hidden", "a/b", "a\\b", &"x".repeat(201)] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("sentinel-2-l2a"));
    }
}
