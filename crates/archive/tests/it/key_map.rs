//! Our asset keys beside those of the independent items.

/// Returns the key that the independent items use for one of ours; `None` where they have none.
pub fn theirs(key: &str) -> Option<String> {
    let (name, resolution) = match key.rsplit_once('_') {
        Some((name, resolution @ ("10m" | "20m" | "60m"))) => (name, resolution),
        _ => (key, ""),
    };
    // Name, and the resolution whose key has no suffix.
    let (name, plain) = match name {
        "B01" => ("coastal", "60m"),
        "B02" => ("blue", "10m"),
        "B03" => ("green", "10m"),
        "B04" => ("red", "10m"),
        "B05" => ("rededge1", "20m"),
        "B06" => ("rededge2", "20m"),
        "B07" => ("rededge3", "20m"),
        "B08" => ("nir", "10m"),
        "B8A" => ("nir08", "20m"),
        "B09" => ("nir09", "60m"),
        "B10" => ("cirrus", ""),
        "B11" => ("swir16", "20m"),
        "B12" => ("swir22", "20m"),
        "AOT" => ("aot", "20m"),
        "WVP" => ("wvp", "20m"),
        "SCL" => ("scl", "20m"),
        "TCI" => ("visual", "10m"),
        "CLD" => ("cloud", "20m"),
        "SNW" => ("snow", "20m"),
        "thumbnail" => ("preview", ""),
        "product_metadata" | "granule_metadata" | "datastrip_metadata" | "inspire_metadata"
        | "safe_manifest" | "tileinfo_metadata" => (name, ""),
        _ => return None,
    };
    Some(match resolution == plain || resolution.is_empty() {
        true => name.to_owned(),
        false => format!("{name}_{resolution}"),
    })
}
