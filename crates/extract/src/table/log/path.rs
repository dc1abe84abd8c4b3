//! Paths in the log are relative references of RFC 3986: percent-encoded.

/// Returns a key as the log has it.
pub(crate) fn encode(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'=' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// Returns the key that a path of the log means.
///
/// # Errors
/// In words: where it is no path below the table.
pub(crate) fn decode(path: &str) -> Result<String, String> {
    let mut key = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            key.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => key.push((high * 16 + low) as u8),
            _ => {
                return Err(format!(
                    "the path \"{path}\" has a % without two hex digits"
                ));
            }
        }
    }
    let key = String::from_utf8(key).map_err(|_| format!("the path \"{path}\" is no text"))?;
    let is_below =
        !key.contains("://") && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match is_below {
        true => Ok(key),
        false => Err(format!("the path \"{path}\" does not lie below the table")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_names_survive() {
        assert_eq!(
            encode("data/S2A 1/é.parquet"),
            "data/S2A%201/%C3%A9.parquet"
        );
        for path in [
            "../x",
            "/x",
            "a//b",
            "s3://bucket/x",
            "a%2",
            "a%zz",
            "%ff",
            "",
        ] {
            assert!(decode(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(key in "[a-z%?# é]{1,9}(/[a-z%:+é]{1,9}){0,3}") {
            prop_assert_eq!(decode(&encode(&key)), Ok(key));
        }

        #[test]
        fn any_text_is_a_key_or_refused(path in ".{0,40}") {
            let _ = decode(&path);
        }
    }
}
