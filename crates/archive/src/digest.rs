//! Digests of objects: what a multihash says, and what the bytes are.

use bytes::Bytes;
use sha3::digest::Digest;
use swath_io::{AssetRef, IoError, ObjectUpload, compute};

/// Codes of the table of multihashes (<https://github.com/multiformats/multicodec>) that are
/// computed here, with the length of their digests in bytes.
const SHA2_256: (u64, u64) = (0x12, 32);
const SHA2_512: (u64, u64) = (0x13, 64);
const SHA3_256: (u64, u64) = (0x16, 32);
const MD5: (u64, u64) = (0xd5, 16);

/// A digest under way.
#[derive(Debug, Clone)]
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Sha3(sha3::Sha3_256),
    Md5(md5::Md5),
}

/// Size and digest of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digested {
    /// Bytes.
    pub size: u64,
    /// Digest in lower-case hexadecimal digits.
    pub digest: String,
}

impl Hasher {
    /// Returns a SHA-256 of nothing yet.
    pub(crate) fn sha256() -> Self {
        Self::Sha256(sha2::Sha256::new())
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Sha3(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the digest in lower-case hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha512(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha3(hasher) => hexadecimal(&hasher.finalize()),
            Self::Md5(hasher) => hexadecimal(&hasher.finalize()),
        }
    }
}

/// Reads a multihash in hexadecimal digits: what computes such a digest, and the digest; `None` for
/// algorithms that are not computed here.
///
/// # Errors
/// Where it is no multihash; the text says why.
pub(crate) fn read_multihash(text: &str) -> Result<Option<(Hasher, String)>, String> {
    let are_pairs = text.len().is_multiple_of(2);
    if text.is_empty() || !are_pairs || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err("it is not made of pairs of hexadecimal digits".to_owned());
    }
    let mut at = 0;
    let (Some(code), Some(length)) = (read_varint(text, &mut at), read_varint(text, &mut at))
    else {
        return Err("it ends within its head".to_owned());
    };
    let digest = text.get(2 * at..).unwrap_or_default().to_ascii_lowercase();
    if digest.len() as u64 != length.saturating_mul(2) {
        return Err(format!(
            "it announces {length} bytes and has {}",
            digest.len() / 2
        ));
    }
    let hasher = match (code, length) {
        SHA2_256 => Hasher::sha256(),
        SHA2_512 => Hasher::Sha512(sha2::Sha512::new()),
        SHA3_256 => Hasher::Sha3(sha3::Sha3_256::new()),
        MD5 => Hasher::Md5(md5::Md5::new()),
        _ => return Ok(None),
    };
    Ok(Some((hasher, digest)))
}

/// Reads a number of seven bits a byte from hexadecimal digits, and moves on behind it.
fn read_varint(text: &str, at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let pair = text.get(2 * *at..2 * *at + 2)?;
        let next = u8::from_str_radix(pair, 16).ok()?;
        *at += 1;
        value |= u64::from(next & 0x7f) << shift;
        if next < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads an object and digests it; `size` is what a listing says of it.
pub(crate) async fn digest(
    asset: &AssetRef,
    size: u64,
    hasher: Hasher,
) -> Result<Digested, IoError> {
    run(asset, size, hasher, None).await
}

/// Reads an object, digests it and hands every part on.
pub(crate) async fn digest_into(
    asset: &AssetRef,
    size: u64,
    upload: &mut ObjectUpload,
) -> Result<Digested, IoError> {
    run(asset, size, Hasher::sha256(), Some(upload)).await
}

async fn run(
    asset: &AssetRef,
    size: u64,
    mut hasher: Hasher,
    mut upload: Option<&mut ObjectUpload>,
) -> Result<Digested, IoError> {
    let mut read = 0;
    let mut parts = asset.parts();
    // A store refuses ranges of an object without bytes.
    while size > 0
        && let Some(part) = parts.next().await?
    {
        read += part.len() as u64;
        hasher = update(hasher, part.clone()).await;
        if let Some(upload) = upload.as_deref_mut() {
            upload.write(part).await?;
        }
    }
    Ok(Digested {
        size: read,
        digest: hasher.finish(),
    })
}

/// Digests bytes on a compute thread.
pub(crate) async fn update(mut hasher: Hasher, bytes: Bytes) -> Hasher {
    compute::run(move |_| {
        hasher.update(&bytes);
        hasher
    })
    .await
}

/// Returns the SHA-256 of a small text.
pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Digests of "abc" from the examples of FIPS 180-4, FIPS 202 and RFC 1321.
    #[test]
    fn multihashes_of_known_algorithms_are_computed() {
        for (multihash, is_known) in [
            (
                "1220ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                true,
            ),
            (
                "16203a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
                true,
            ),
            ("d50110900150983cd24fb0d6963f7d28e17f72", true),
            ("1114a9993e364706816aba3e25717850c26c9cd0d89d", false),
        ] {
            let found = read_multihash(multihash).expect("a multihash");
            assert_eq!(found.is_some(), is_known, "{multihash}");
            if let Some((mut hasher, expected)) = found {
                hasher.update(b"abc");
                assert_eq!(hasher.finish(), expected);
            }
        }
    }

    #[test]
    fn what_is_no_multihash_is_told() {
        for text in ["", "12", "xyz", "122", "1220ab", "ffffffffffffffffffffff"] {
            assert!(read_multihash(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,80}") {
            let _ = read_multihash(&text);
        }
    }
}
