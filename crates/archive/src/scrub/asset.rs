//! One asset, compared with what its item says.

use serde_json::{Map, Value};
use swath_io::{AssetRef, ErrorKind, GeoTiff, HrefRoots, IoError};

use super::report::DefectKind;
use crate::digest::{Hasher, digest, read_multihash};

/// Media types that are opened as rasters, by their beginnings.
const RASTERS: [&str; 3] = ["image/tiff", "image/jp2", "image/jpx"];

/// An asset or an alternate of one that lies in the archive, and what the item says of it.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// Key in the archive.
    pub key: String,
    /// Key of the asset in the item.
    pub name: String,
    /// As it stands in the item.
    pub href: String,
    pub is_raster: bool,
    pub size: Option<u64>,
    pub checksum: Option<String>,
}

/// What looking at an asset found.
#[derive(Debug, Default)]
pub(super) struct Finding {
    pub defect: Option<(DefectKind, String)>,
    pub bytes: u64,
    pub is_verified: bool,
    pub is_raster: bool,
}

/// Returns the assets of an item that lie in the archive, and how many lie elsewhere.
pub(super) fn recorded(item: &Map<String, Value>, roots: &HrefRoots) -> (Vec<Recorded>, u64) {
    let (mut found, mut elsewhere) = (Vec::new(), 0);
    let assets = item.get("assets").and_then(Value::as_object);
    for (name, asset) in assets.into_iter().flatten() {
        let alternates = asset.get("alternate").and_then(Value::as_object);
        let alternates = alternates.into_iter().flatten();
        let all = std::iter::once((name.clone(), asset)).chain(
            alternates.map(|(of, alternate)| (format!("{name} (alternate {of})"), alternate)),
        );
        for (name, object) in all {
            let Some(href) = object.get("href").and_then(Value::as_str) else {
                continue;
            };
            match roots.key(href).filter(|key| !key.is_empty()) {
                Some(key) => found.push(read(key, name, href, object)),
                None => elsewhere += 1,
            }
        }
    }
    (found, elsewhere)
}

fn read(key: &str, name: String, href: &str, object: &Value) -> Recorded {
    let media_type = object.get("type").and_then(Value::as_str);
    let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
    let checksum = object.get("file:checksum").and_then(Value::as_str);
    Recorded {
        key: key.to_owned(),
        name,
        href: href.to_owned(),
        is_raster: RASTERS.iter().any(|begin| media_type.starts_with(begin)),
        size: object.get("file:size").and_then(Value::as_u64),
        checksum: checksum.map(str::to_owned),
    }
}

/// Looks at an asset of `size` bytes: the size recorded, the digest unless `is_quick`, and whether a
/// raster can be opened.
///
/// # Errors
/// Where the store does not answer: then others would fail too.
pub(super) async fn look(
    asset: &AssetRef,
    size: u64,
    recorded: &Recorded,
    is_quick: bool,
) -> Result<Finding, IoError> {
    let mut finding = Finding::default();
    if let Some(expected) = recorded.size.filter(|expected| *expected != size) {
        let reason = format!("it has {size} bytes where the item says {expected}");
        finding.defect = Some((DefectKind::Size, reason));
        return Ok(finding);
    }
    if let Some(text) = recorded.checksum.as_ref().filter(|_| !is_quick) {
        match read_multihash(text) {
            Err(reason) => {
                let reason = format!("its file:checksum is no multihash: {reason}");
                finding.defect = Some((DefectKind::Checksum, reason));
                return Ok(finding);
            }
            Ok(None) => {}
            Ok(Some((hasher, expected))) => {
                verify(asset, size, hasher, &expected, &mut finding).await?;
            }
        }
    }
    if recorded.is_raster && finding.defect.is_none() {
        open(asset, &mut finding).await?;
    }
    Ok(finding)
}

async fn verify(
    asset: &AssetRef,
    size: u64,
    hasher: Hasher,
    expected: &str,
    finding: &mut Finding,
) -> Result<(), IoError> {
    match digest(asset, size, hasher).await {
        Ok(found) => {
            finding.bytes = found.size;
            finding.is_verified = found.digest == expected;
            if !finding.is_verified {
                let reason = format!(
                    "its digest is {} where the item says {expected}",
                    found.digest
                );
                finding.defect = Some((DefectKind::Checksum, reason));
            }
            Ok(())
        }
        Err(error) => unreadable(error, finding),
    }
}

async fn open(asset: &AssetRef, finding: &mut Finding) -> Result<(), IoError> {
    match GeoTiff::open(asset.clone()).await {
        Ok(_) => {
            finding.is_raster = true;
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Data => {
            let reason = format!("it cannot be opened as a raster: {error}");
            finding.defect = Some((DefectKind::Raster, reason));
            Ok(())
        }
        Err(error) => unreadable(error, finding),
    }
}

/// Notes an object that cannot be read.
///
/// # Errors
/// Where it is the store that fails, not the object.
fn unreadable(error: IoError, finding: &mut Finding) -> Result<(), IoError> {
    let kind = match &error {
        IoError::NotFound { .. } => DefectKind::Missing,
        IoError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            DefectKind::Missing
        }
        IoError::File { .. } | IoError::Changed { .. } | IoError::Raster { .. } => {
            DefectKind::Unreadable
        }
        _ => return Err(error),
    };
    finding.defect = Some((kind, error.to_string()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn assets_and_alternates_in_the_archive_are_found() {
        let roots: HrefRoots = serde_json::from_value(json!(["archive:", "/a"])).expect("roots");
        let item = json!({"assets": {
            "B04": {"href": "archive:c/B04.tif", "type": "image/tiff; application=geotiff", "file:size": 5,
                "alternate": {"original": {"href": "/a/c/B04.jp2", "type": "image/jp2"}}},
            "far": {"href": "s3://elsewhere/x"},
            "none": {"title": "no href"},
        }});
        let (found, elsewhere) = recorded(item.as_object().expect("an item"), &roots);
        let found: Vec<_> = found
            .iter()
            .map(|found| {
                (
                    found.key.as_str(),
                    found.name.as_str(),
                    found.is_raster,
                    found.size,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("c/B04.tif", "B04", true, Some(5)),
                ("c/B04.jp2", "B04 (alternate original)", true, None),
            ]
        );
        assert_eq!(elsewhere, 1);
    }
}
