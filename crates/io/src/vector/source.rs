//! Reading parcels: options in, parcels and a report out.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swath_grid::Crs;
use xxhash_rust::xxh3::Xxh3;

use super::archive::{Input, open};
use super::error::VectorError;
use super::format::Format;
use super::parcels::{Parcels, StringColumn};
use super::report::ParcelReport;
use super::{flatgeobuf, geojson, geopackage, geoparquet, shapefile};

/// What to read from a file and how.
#[derive(Debug, Clone, Default)]
pub struct ParcelOptions {
    /// Layer of a GeoPackage, or member of an archive by its name without extension; where both
    /// are needed, `member/layer`. Needed only where several hold polygons.
    pub layer: Option<String>,
    /// Column of the parcel ids; absent: `parcel_id`, else `id`, else the GeoPackage fid.
    pub id: Option<String>,
    /// CRS used instead of what the file says; needed where it says none.
    pub crs: Option<Crs>,
    /// Columns whose values are kept, as strings.
    pub keep_attributes: Vec<String>,
    /// Keeps the values of every column that holds texts, numbers, truth values or times.
    pub keep_all: bool,
    /// Numbers the features from 0 where no id column is found, instead of failing.
    pub number_rows: bool,
}

/// What the parcels of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParcelGeometry {
    /// Polygons.
    #[default]
    Polygons,
    /// Points: what is measured is the pixel under each, or a disc around it.
    Points,
}

/// The parcels of a file, with what the file says about them.
#[derive(Debug, Clone)]
pub struct ParcelSource {
    /// CRS of the coordinates; x is east or longitude, y is north or latitude.
    pub crs: Crs,
    /// Column the ids come from; `(row number)` where the features were numbered.
    pub id_field: String,
    /// All columns of the file beside the geometry.
    pub fields: Vec<FieldInfo>,
    /// Whether they are polygons or points.
    pub geometry: ParcelGeometry,
    /// The parcels in file order.
    pub parcels: Parcels,
    /// Columns whose values were kept: those asked for with [`ParcelOptions::keep_attributes`], in
    /// that order, then those of [`ParcelOptions::keep_all`].
    pub kept: Vec<FieldInfo>,
    /// Values of the columns of `kept`.
    pub attributes: Vec<StringColumn>,
    /// Counts and findings.
    pub report: ParcelReport,
    /// XXH3 of the content of the file; of all its parts, in order of their names, for a shapefile.
    pub digest: u64,
}

/// A column of a vector file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// Its type as the format calls it.
    pub type_name: String,
}

/// Kinds of values that a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Texts, and whatever is best kept as one.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers with decimals.
    Real,
    /// Numbers of which the format does not say whether they are whole.
    Number,
    /// True or false.
    Boolean,
    /// Days.
    Date,
    /// Instants.
    Instant,
}

impl FieldInfo {
    /// Returns what the column holds, by the name that its format gives the type; `None` for lists,
    /// structures, bytes and geometries.
    pub fn value_kind(&self) -> Option<ValueKind> {
        let word: String = self
            .type_name
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric())
            .collect::<String>()
            .to_ascii_uppercase();
        Some(match word.as_str() {
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" | "BIGINT" | "INT8"
            | "INT16" | "INT32" | "INT64" | "UINT8" | "UINT16" | "UINT32" | "UINT64" | "BYTE"
            | "UBYTE" | "SHORT" | "USHORT" | "UINT" | "LONG" | "ULONG" => ValueKind::Integer,
            "FLOAT" | "DOUBLE" | "REAL" | "FLOAT16" | "FLOAT32" | "FLOAT64" | "DECIMAL32"
            | "DECIMAL64" | "DECIMAL128" | "DECIMAL256" => ValueKind::Real,
            "N" | "F" | "NUMBER" | "NUMERIC" | "DECIMAL" => ValueKind::Number,
            "BOOLEAN" | "BOOL" | "L" => ValueKind::Boolean,
            "DATE" | "DATE32" | "DATE64" | "D" => ValueKind::Date,
            "DATETIME" | "TIMESTAMP" => ValueKind::Instant,
            "BLOB" | "BINARY" | "LARGEBINARY" | "BINARYVIEW" | "FIXEDSIZEBINARY" | "STRUCT"
            | "LIST" | "LARGELIST" | "LISTVIEW" | "LARGELISTVIEW" | "FIXEDSIZELIST" | "MAP"
            | "UNION" | "RUNENDENCODED" | "ARRAY" | "OBJECT" | "GEOMETRY" | "POINT"
            | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING" | "MULTIPOLYGON"
            | "GEOMETRYCOLLECTION" => return None,
            _ => ValueKind::Text,
        })
    }
}

/// What the reader of one format delivers.
pub(super) struct Layer {
    pub crs: Crs,
    pub id_field: String,
    pub fields: Vec<FieldInfo>,
    pub parcels: Parcels,
    pub kept: Vec<FieldInfo>,
    pub attributes: Vec<StringColumn>,
    pub report: ParcelReport,
}

/// Reads the parcels of a file, a zip archive or a folder.
///
/// A file without a polygon, but with points, is a set of points: [`ParcelGeometry::Points`].
///
/// The format is told by the content. The work runs on a blocking thread: dropping the future
/// leaves it to end by itself, and it writes nothing but temporary files that it removes.
///
/// # Errors
///
/// [`VectorError`] where the file cannot be read as a whole; what is wrong with single parcels is
/// in [`ParcelSource::report`].
pub async fn read_parcels(
    path: &Path,
    options: &ParcelOptions,
) -> Result<ParcelSource, VectorError> {
    let (path, options) = (path.to_path_buf(), options.clone());
    let file = path.clone();
    match tokio::task::spawn_blocking(move || read(&path, &options)).await {
        Ok(result) => result,
        Err(error) => Err(VectorError::Internal {
            file,
            what: error.to_string(),
        }),
    }
}

fn read(path: &Path, options: &ParcelOptions) -> Result<ParcelSource, VectorError> {
    let mut input = open(path, options.layer.as_deref())?;
    let layer = match read_layer(&input, options) {
        Err(VectorError::NoPolygon {
            has_points: true, ..
        }) => {
            input.geometry = ParcelGeometry::Points;
            read_layer(&input, options)?
        }
        layer => layer?,
    };
    Ok(ParcelSource {
        geometry: input.geometry,
        kept: layer.kept,
        crs: layer.crs,
        id_field: layer.id_field,
        fields: layer.fields,
        parcels: layer.parcels,
        attributes: layer.attributes,
        report: layer.report,
        digest: digest(&input)?,
    })
}

fn read_layer(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    match input.format {
        Format::GeoPackage => geopackage::read(input, options),
        Format::Parquet => geoparquet::read(input, options),
        Format::Shapefile => shapefile::read(input, options),
        Format::Json => geojson::read(input, options),
        Format::FlatGeobuf => flatgeobuf::read(input, options),
        format => Err(VectorError::Internal {
            file: input.name.clone(),
            what: format!("no reader for {format:?}"),
        }),
    }
}

/// Hashes the content of the files that the parcels came from.
fn digest(input: &Input) -> Result<u64, VectorError> {
    const BUFFER_BYTES: usize = 1 << 18;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    for path in &input.digested {
        let storage = |error| VectorError::storage(path, error);
        let mut file = File::open(path).map_err(storage)?;
        loop {
            let count = file.read(&mut buffer).map_err(storage)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
    }
    Ok(hash.digest())
}

/// Chooses between the CRS of the options and that of the file.
pub(super) fn choose_crs(
    file: &Path,
    options: &ParcelOptions,
    from_file: impl FnOnce() -> Result<Crs, String>,
) -> Result<Crs, VectorError> {
    match &options.crs {
        Some(crs) => Ok(crs.clone()),
        None => from_file().map_err(|what| VectorError::Crs {
            file: file.to_path_buf(),
            what,
        }),
    }
}

/// Joins the name of an archive and that of its member for messages.
pub(super) fn member_name(archive: &Path, member: &str) -> PathBuf {
    archive.join(member)
}
