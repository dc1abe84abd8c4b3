//! Which format a file has, by its content.

use serde::Serialize;

/// Bytes from the start of a file that [`Format::detect`] wants to see.
pub(super) const HEAD_BYTES: usize = 4096;

/// Formats that are read, and those that are known by name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// OGC GeoPackage.
    GeoPackage,
    /// Parquet, of which GeoParquet is read.
    Parquet,
    /// The geometry file of a shapefile.
    Shapefile,
    /// GeoJSON, and any other JSON.
    Json,
    /// FlatGeobuf, version 3.
    FlatGeobuf,
    /// A zip archive of the others.
    Zip,
    /// No byte at all.
    Empty,
    /// Known by name, not read.
    Other(OtherFormat),
    /// Not known.
    Unknown,
}

/// A format that is not read: what it is and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OtherFormat {
    /// Its name with an article.
    pub name: &'static str,
    /// What the user can do.
    pub remedy: &'static str,
}

const CONVERT: &str =
    "convert it first, for example: ogr2ogr -f GPKG parcels.gpkg FILE (or -f Parquet)";
const UNPACK: &str =
    "unpack it and give the GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON inside";
const SHP: &str = "give the .shp file beside it, or the folder or zip that holds them all";
const VECTOR: &str = "give a GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON file";
const TABLE: &str = "a table has no polygons; give the parcel geometries as GeoPackage, \
                     GeoParquet, FlatGeobuf, Shapefile or GeoJSON";

/// First bytes of formats that are known by name only.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"\x1f\x8b", "gzip data", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\xfd7zXZ\x00", "xz data", UNPACK),
    (b"BZh", "bzip2 data", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd data", UNPACK),
    (b"ARROW1", "an Arrow (Feather) file", CONVERT),
    (b"II*\0", "a TIFF raster", VECTOR),
    (b"MM\0*", "a TIFF raster", VECTOR),
    (b"II+\0", "a BigTIFF raster", VECTOR),
    (b"MM\0+", "a BigTIFF raster", VECTOR),
    (b"\x89PNG", "a PNG image", VECTOR),
    (b"\xff\xd8\xff", "a JPEG image", VECTOR),
    (b"\x89HDF", "an HDF5 file", VECTOR),
    (b"CDF", "a NetCDF file", VECTOR),
    (b"%PDF", "a PDF document", VECTOR),
    (b"AC10", "an AutoCAD drawing", CONVERT),
];

impl Format {
    /// Tells the format from the first bytes of a file.
    ///
    /// The name decides only between parts of a shapefile, which begin alike.
    pub fn detect(head: &[u8], name: &str) -> Self {
        let extension = name
            .rsplit_once('.')
            .map_or("", |(_, end)| end)
            .to_ascii_lowercase();
        if head.is_empty() {
            return Self::Empty;
        }
        if head.starts_with(b"SQLite format 3\0") {
            return Self::GeoPackage;
        }
        if head.starts_with(b"PAR1") {
            return Self::Parquet;
        }
        if head.starts_with(b"fgb\x03fgb") {
            return Self::FlatGeobuf;
        }
        if head.starts_with(b"fgb") {
            return other("FlatGeobuf of another version than 3", CONVERT);
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Self::Zip;
        }
        if head.starts_with(&[0, 0, 0x27, 0x0a]) {
            return match extension.as_str() {
                "shx" => other("the index (.shx) of a shapefile", SHP),
                _ => Self::Shapefile,
            };
        }
        if let Some((_, name, remedy)) = OTHERS.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return other(name, remedy);
        }
        if head.len() > 262 && &head[257..262] == b"ustar" {
            return other("a tar archive", UNPACK);
        }
        if extension == "dbf" && matches!(head[0] & 7, 3..=5) {
            return other("the table (.dbf) of a shapefile", SHP);
        }
        Self::detect_text(head)
    }

    fn detect_text(head: &[u8]) -> Self {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        if head.contains(&0) {
            return Self::Unknown;
        }
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start();
        if text.starts_with(['{', '[', '\u{1e}']) {
            return Self::Json;
        }
        if text.starts_with('<') {
            return detect_xml(text);
        }
        let first_line = text.lines().next().unwrap_or_default();
        if ["GEOGCS[", "PROJCS[", "PROJCRS[", "GEOGCRS["]
            .iter()
            .any(|w| text.starts_with(w))
        {
            return other("the projection (.prj) of a shapefile", SHP);
        }
        match [',', ';', '\t', '|']
            .iter()
            .any(|&separator| first_line.contains(separator))
        {
            true => other("a text table (CSV)", TABLE),
            false => Self::Unknown,
        }
    }
}

fn detect_xml(text: &str) -> Format {
    let has = |word: &str| text.contains(word);
    if has("wfs:FeatureCollection") || has("opengis.net/wfs") {
        return other("the XML (GML) answer of a WFS", CONVERT);
    }
    if has("opengis.net/gml") {
        return other("GML", CONVERT);
    }
    if has("opengis.net/kml") || has("<kml") {
        return other("KML", CONVERT);
    }
    if has("ExceptionReport") {
        let remedy = "it says why the download failed; fetch the file again";
        return other("an exception report of an OGC service, not data,", remedy);
    }
    if has("<html") || has("<!DOCTYPE html") || has("<!doctype html") {
        return other(
            "a web page",
            "the download link may need a login; fetch the file again",
        );
    }
    other("an XML file", CONVERT)
}

fn other(name: &'static str, remedy: &'static str) -> Format {
    Format::Other(OtherFormat { name, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(head: &[u8], file: &str) -> &'static str {
        match Format::detect(head, file) {
            Format::Other(other) => other.name,
            _ => "read",
        }
    }

    #[test]
    fn content_decides_and_not_the_extension() {
        assert_eq!(Format::detect(b"PAR1....", "parcels.shp"), Format::Parquet);
        assert_eq!(Format::detect(b"PK\x03\x04..", "bd51ec4d"), Format::Zip);
        assert_eq!(
            Format::detect(b"SQLite format 3\0", "x.json"),
            Format::GeoPackage
        );
        assert_eq!(Format::detect(b"\xef\xbb\xbf {\"type\"", "x"), Format::Json);
        assert_eq!(Format::detect(&[0, 0, 0x27, 0x0a], "x"), Format::Shapefile);
        assert_eq!(Format::detect(b"fgb\x03fgb\x00", "x"), Format::FlatGeobuf);
    }

    #[test]
    fn formats_that_are_not_read_have_a_name() {
        assert_eq!(name_of(b"7z\xbc\xaf\x27\x1c", "a.7z.001"), "a 7z archive");
        assert_eq!(
            name_of(b"fgb\x02fgb\x00", "a.fgb"),
            "FlatGeobuf of another version than 3"
        );
        assert_eq!(
            name_of(b"code,name\n1,maize\n", "a.csv"),
            "a text table (CSV)"
        );
        let wfs = b"<?xml version='1.0'?><wfs:FeatureCollection xmlns:wfs='x'>";
        assert_eq!(name_of(wfs, "a.xml"), "the XML (GML) answer of a WFS");
        assert_eq!(
            name_of(&[0, 0, 0x27, 0x0a], "a.shx"),
            "the index (.shx) of a shapefile"
        );
    }
}
