//! Checksums: the names of their algorithms in OData, and multihash, the form of `file:checksum`.

/// An algorithm: its name in OData, its multihash code with the length, digits of its digest.
const ALGORITHMS: [(&str, &str, usize); 4] = [
    ("MD5", "d50110", 32),
    ("BLAKE3", "1e20", 64),
    ("SHA256", "1220", 64),
    ("SHA3-256", "1620", 64),
];

/// Reads a multihash in hexadecimal digits: its algorithm and digest.
pub fn read_multihash(text: &str) -> Option<(&'static str, &str)> {
    ALGORITHMS
        .iter()
        .find_map(|(algorithm, code, _)| Some((*algorithm, text.strip_prefix(code)?)))
}

/// Returns the multihash of a digest in hexadecimal digits of any case; `None` where the algorithm is
/// unknown or the digest is none of it. `SHA-256` is the same as `SHA256`.
pub fn multihash(algorithm: &str, digest: &str) -> Option<String> {
    let wanted = plain(algorithm);
    let (_, code, digits) = ALGORITHMS.iter().find(|(name, ..)| plain(name) == wanted)?;
    let digest = digest.trim();
    let is_digest =
        digest.len() == *digits && digest.chars().all(|digit| digit.is_ascii_hexdigit());
    is_digest.then(|| format!("{code}{}", digest.to_ascii_lowercase()))
}

fn plain(algorithm: &str) -> String {
    algorithm
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multihashes_are_written_and_read() {
        let digest = "900150983CD24FB0D6963F7D28E17F72";
        let hash = multihash("md5", digest).expect("an MD5");
        assert_eq!(hash, "d50110900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            read_multihash(&hash),
            Some(("MD5", "900150983cd24fb0d6963f7d28e17f72"))
        );
        assert_eq!(multihash("md5", "900150"), None);
        assert_eq!(multihash("CRC32", digest), None);
        let long = "ab".repeat(32);
        assert_eq!(multihash("SHA-256", &long), Some(format!("1220{long}")));
        assert_eq!(multihash("BLAKE3", &long), Some(format!("1e20{long}")));
    }
}
