//! Names of coverages: `COLLECTION`, or `COLLECTION__ITEM`.
//!
//! Documents of WCS 2.0 carry them as XML ids, so every character that such an id cannot have is
//! written `.uHEX.`; the point itself stays where no `u` follows.

use std::fmt::Write as _;

/// What stands between collection and item.
const BETWEEN: &str = "__";
/// Longest name that is read, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// Returns the name of a collection's coverage, or of one item's.
pub(crate) fn written(collection: &str, item: Option<&str>) -> String {
    let mut name = encoded(collection);
    if let Some(item) = item {
        name.push_str(BETWEEN);
        name.push_str(&encoded(item));
    }
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || first == '_' => name,
        Some('.') => format!("_{name}"),
        // A digit or sign cannot begin an id.
        Some(first) => format!("_.u{:x}.{}", u32::from(first), &name[1..]),
        None => name,
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let is_plain = letter.is_ascii_alphanumeric()
            || matches!(letter, '_' | '-')
            || (letter == '.' && rest.peek() != Some(&'u'));
        match is_plain {
            true => out.push(letter),
            false => {
                let _ = write!(out, ".u{:x}.", u32::from(letter));
            }
        }
    }
    out
}

/// The layers that a name may mean, the likeliest first: a collection, or an item of one.
pub(crate) fn candidates(name: &str) -> Vec<(String, Option<String>)> {
    if name.len() > NAME_BYTES_MAX {
        return Vec::new();
    }
    // A `_` before a point may be the guard of a first character that cannot begin an id.
    let unguarded = name.strip_prefix('_').filter(|rest| rest.starts_with('.'));
    let mut found = Vec::new();
    for name in unguarded.into_iter().chain([name]) {
        found.push((decoded(name), None));
        let places = (0..name.len()).filter(|at| name.is_char_boundary(*at));
        for at in places.filter(|at| name[*at..].starts_with(BETWEEN)) {
            let (collection, item) = (&name[..at], &name[at + BETWEEN.len()..]);
            if !collection.is_empty() && !item.is_empty() {
                found.push((decoded(collection), Some(decoded(item))));
            }
        }
    }
    found
}

fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(".u") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let letter = tail.split_once('.').and_then(|(digits, after)| {
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(code)?, after))
        });
        match letter {
            Some((letter, after)) => {
                out.push(letter);
                rest = after;
            }
            None => {
                out.push_str(".u");
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_id(name: &str) -> bool {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    }

    #[test]
    fn names_are_readable_where_they_can_be() {
        assert_eq!(written("sentinel-2-l2a", None), "sentinel-2-l2a");
        assert_eq!(written("s2", Some("S2A_MSIL2A_1")), "s2__S2A_MSIL2A_1");
        assert_eq!(written("1 a", Some("b/c")), "_.u31..u20.a__b.u2f.c");
    }

    proptest! {
        #[test]
        fn every_name_is_an_id_and_read_back(collection in ".{1,12}", item in proptest::option::of(".{1,12}")) {
            let name = written(&collection, item.as_deref());
            prop_assert!(is_id(&name), "{name}");
            prop_assert!(candidates(&name).contains(&(collection, item)), "{name}");
        }

        #[test]
        fn any_name_has_candidates(name in "\\PC{0,40}") {
            prop_assert!(!candidates(&name).is_empty());
        }
    }
}
