//! `manifest.safe`: which files belong to a product, how large they are and what their digests are.

use sha3::digest::Digest;

use crate::ArchiveError;
use crate::package::{MEMBERS_MAX, is_plain_name};
use crate::xml::{self, NodeExt};

/// How a digest of a manifest is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, 128 bits.
    Md5,
    /// SHA-2 of 256 bits.
    Sha256,
    /// SHA-3 of 256 bits.
    Sha3,
}

/// One file as a manifest lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestEntry {
    /// Path in the product.
    pub path: String,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Algorithm and digest in lower-case hexadecimal digits; `None` for what is not known here.
    pub checksum: Option<(Algorithm, String)>,
}

impl Algorithm {
    fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "MD5" => Self::Md5,
            "SHA-256" | "SHA256" => Self::Sha256,
            "SHA3-256" => Self::Sha3,
            _ => return None,
        })
    }
}

/// Computes several digests of one stream.
#[derive(Clone)]
pub(crate) struct Digests {
    sha256: sha2::Sha256,
    md5: Option<md5::Md5>,
    sha3: Option<sha3::Sha3_256>,
    /// Bytes taken.
    pub size: u64,
}

impl Digests {
    /// Returns digests for what a manifest names, and always SHA-256.
    pub(crate) fn new(wanted: Option<Algorithm>) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            md5: (wanted == Some(Algorithm::Md5)).then(md5::Md5::new),
            sha3: (wanted == Some(Algorithm::Sha3)).then(sha3::Sha3_256::new),
            size: 0,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha3) = &mut self.sha3 {
            sha3.update(bytes);
        }
    }

    /// Returns the SHA-256 as a multihash in hexadecimal digits, as `file:checksum` wants it.
    pub(crate) fn multihash(&self) -> String {
        format!("1220{}", hexadecimal(&self.sha256.clone().finalize()))
    }

    /// Returns the digest that the manifest asks for.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<String> {
        Some(match algorithm {
            Algorithm::Sha256 => hexadecimal(&self.sha256.clone().finalize()),
            Algorithm::Md5 => hexadecimal(&self.md5.clone()?.finalize()),
            Algorithm::Sha3 => hexadecimal(&self.sha3.clone()?.finalize()),
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the entries of a manifest, in its order.
pub(crate) fn parse(text: &str, place: &str) -> Result<Vec<ManifestEntry>, ArchiveError> {
    let document = xml::parse(text, place)?;
    let mut entries = Vec::new();
    for object in document.root().find_all("dataObject") {
        let Some(stream) = object.find("byteStream") else {
            continue;
        };
        let location = stream.find("fileLocation");
        let href = location
            .and_then(|node| node.attribute("href"))
            .unwrap_or_default();
        let path = href.trim().trim_start_matches("./").to_owned();
        if !is_plain_name(&path) {
            let reason = format!("it lists {href:?}, which is no path inside the product");
            return Err(ArchiveError::product(place, reason));
        }
        let checksum = stream.find("checksum").and_then(|node| {
            let algorithm = Algorithm::of_name(node.attribute("checksumName")?)?;
            Some((algorithm, xml::text(node)?.to_ascii_lowercase()))
        });
        entries.push(ManifestEntry {
            path,
            size: stream
                .attribute("size")
                .and_then(|size| size.trim().parse().ok()),
            checksum,
        });
        if entries.len() > MEMBERS_MAX {
            return Err(ArchiveError::Limit {
                place: place.to_owned(),
                what: "the number of files".to_owned(),
                limit: format!("MEMBERS_MAX of {MEMBERS_MAX}"),
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: &str = r#"<x><dataObject><byteStream size="3"><fileLocation href="./a/b.xml"/>
        <checksum checksumName="SHA3-256">AB</checksum></byteStream></dataObject></x>"#;

    #[test]
    fn entries_are_read() {
        let entries = parse(SMALL, "manifest.safe").expect("a manifest");
        assert_eq!(entries[0].path, "a/b.xml");
        assert_eq!(entries[0].size, Some(3));
        assert_eq!(
            entries[0].checksum,
            Some((Algorithm::Sha3, "ab".to_owned()))
        );
    }

    #[test]
    fn paths_that_climb_are_refused() {
        let text = SMALL.replace("./a/b.xml", "../../etc/passwd");
        assert!(parse(&text, "manifest.safe").is_err());
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        let digest = |algorithm| {
            let mut digests = Digests::new(Some(algorithm));
            digests.update(b"abc");
            digests.of(algorithm).expect("a digest")
        };
        // FIPS 180-4, FIPS 202 and RFC 1321, test vectors for "abc".
        assert_eq!(digest(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert!(digest(Algorithm::Sha256).starts_with("ba7816bf8f01cfea"));
        assert!(digest(Algorithm::Sha3).starts_with("3a985da74fe225b2"));
    }

    proptest! {
        #[test]
        fn damaged_manifests_end_in_a_result(at in 0..SMALL.len(), byte in 32u8..127) {
            let mut bytes = SMALL.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&String::from_utf8(bytes).expect("ASCII"), "manifest.safe");
        }
    }
}
