//! Parcels as GeoParquet 1.1 (UTM) and as GeoJSON (WGS 84).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use swath_grid::{Bounds, Crs, Point, Projector, ShiftOptions};

use super::crops::CropYear;
use super::landscape::{Landscape, Patch};
use super::rings::{Ring, RingPolygon};

/// Writes `parcels.parquet`: `parcel_id, crop, crop_name, area_ha, geometry, bbox`.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_geoparquet(path: &Path, landscape: &Landscape, years: &[CropYear]) -> Result<()> {
    let parcels = &landscape.patches[..landscape.parcel_count];
    let ids = (0..parcels.len()).map(|parcel| landscape.parcel_id(parcel));
    let bounds: Vec<Bounds> = parcels.iter().map(bounds).collect();
    let corner = |name: &str, value: fn(&Bounds) -> f64| {
        let values: Float64Array = bounds.iter().map(|bounds| Some(value(bounds))).collect();
        (
            Field::new(name, DataType::Float64, false),
            Arc::new(values) as ArrayRef,
        )
    };
    let (bbox_fields, bbox_arrays): (Vec<Field>, Vec<ArrayRef>) = [
        corner("xmin", |bounds| bounds.min_x),
        corner("ymin", |bounds| bounds.min_y),
        corner("xmax", |bounds| bounds.max_x),
        corner("ymax", |bounds| bounds.max_y),
    ]
    .into_iter()
    .unzip();
    let bbox = StructArray::new(Fields::from(bbox_fields), bbox_arrays, None);
    let geometry: BinaryArray = parcels.iter().map(|patch| Some(wkb(patch))).collect();
    let area_ha: Vec<f64> = parcels.iter().map(|patch| patch.area_m2() / 1e4).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("parcel_id", Arc::new(StringArray::from_iter_values(ids))),
        (
            "crop",
            Arc::new(StringArray::from_iter_values(
                years.iter().map(|y| y.declared.code()),
            )),
        ),
        (
            "crop_name",
            Arc::new(StringArray::from_iter_values(
                years.iter().map(|y| y.declared.name()),
            )),
        ),
        ("area_ha", Arc::new(Float64Array::from(area_ha))),
        ("geometry", Arc::new(geometry)),
        ("bbox", Arc::new(bbox)),
    ];
    let mut whole = Bounds::empty();
    for bounds in &bounds {
        whole.extend(Point {
            x: bounds.min_x,
            y: bounds.min_y,
        });
        whole.extend(Point {
            x: bounds.max_x,
            y: bounds.max_y,
        });
    }
    let geo = json!({
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {
            "encoding": "WKB",
            "geometry_types": geometry_types(parcels),
            "crs": landscape.geobox.crs().to_projjson(),
            "orientation": "counterclockwise",
            "bbox": [whole.min_x, whole.min_y, whole.max_x, whole.max_y],
            "covering": {"bbox": {
                "xmin": ["bbox", "xmin"], "ymin": ["bbox", "ymin"],
                "xmax": ["bbox", "xmax"], "ymax": ["bbox", "ymax"],
            }},
        }},
    });
    write_parquet(path, columns, Some(("geo", geo.to_string())))
}

/// Writes one record batch as a Parquet file; no column has nulls unless its array has.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_parquet(
    path: &Path,
    columns: Vec<(&str, ArrayRef)>,
    metadata: Option<(&str, String)>,
) -> Result<()> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.null_count() > 0))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by("swath simulate".to_owned())
        .set_key_value_metadata(
            metadata.map(|(key, value)| vec![KeyValue::new(key.to_owned(), value)]),
        )
        .build();
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    writer.write(&batch)?;
    writer
        .close()
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Returns the parcels as a GeoJSON feature collection in longitude and latitude.
///
/// # Errors
/// Where a corner cannot be projected.
pub fn geojson(landscape: &Landscape, years: &[CropYear]) -> Result<Value> {
    let to_lonlat = lonlat_projector(landscape.geobox.crs())?;
    let ring = |ring: &Ring| -> Result<Value> {
        let mut corners = ring.clone();
        to_lonlat.project(&mut corners)?;
        let position = |point: &Point| {
            let [longitude, latitude] = [point.x, point.y].map(|d| libm::round(d * 1e8) / 1e8);
            json!([longitude, latitude])
        };
        Ok(corners
            .iter()
            .chain(corners.first())
            .map(position)
            .collect())
    };
    let feature = |(parcel, year): (usize, &CropYear)| -> Result<Value> {
        let patch = &landscape.patches[parcel];
        let polygon = |polygon: &RingPolygon| polygon.iter().map(ring).collect::<Result<Value>>();
        let mut polygons = patch
            .polygons
            .iter()
            .map(polygon)
            .collect::<Result<Vec<Value>>>()?;
        let geometry = match polygons.len() {
            1 => json!({"type": "Polygon", "coordinates": polygons.remove(0)}),
            _ => json!({"type": "MultiPolygon", "coordinates": polygons}),
        };
        Ok(json!({
            "type": "Feature",
            "properties": {
                "parcel_id": landscape.parcel_id(parcel),
                "crop": year.declared.code(),
                "crop_name": year.declared.name(),
                "area_ha": libm::round(patch.area_m2() / 100.0) / 100.0,
            },
            "geometry": geometry,
        }))
    };
    let features = years
        .iter()
        .enumerate()
        .map(feature)
        .collect::<Result<Vec<Value>>>()?;
    Ok(json!({"type": "FeatureCollection", "features": features}))
}

/// Returns the computation from a CRS to longitude and latitude on WGS 84.
///
/// # Errors
/// Where there is none.
pub fn lonlat_projector(crs: &Crs) -> Result<Projector> {
    Ok(Projector::new(
        crs,
        &Crs::from_epsg(4326)?,
        &ShiftOptions::default(),
    )?)
}

fn bounds(patch: &Patch) -> Bounds {
    let mut bounds = Bounds::empty();
    patch
        .polygons
        .iter()
        .flatten()
        .flatten()
        .for_each(|point| bounds.extend(*point));
    bounds
}

fn geometry_types(parcels: &[Patch]) -> Vec<&'static str> {
    let has_multi = parcels.iter().any(|patch| patch.polygons.len() > 1);
    if has_multi {
        vec!["Polygon", "MultiPolygon"]
    } else {
        vec!["Polygon"]
    }
}

/// Returns a parcel as little-endian well-known binary.
fn wkb(patch: &Patch) -> Vec<u8> {
    let mut out = Vec::new();
    let header = |out: &mut Vec<u8>, kind: u32, count: usize| {
        out.push(1);
        out.extend(kind.to_le_bytes());
        out.extend((count as u32).to_le_bytes());
    };
    if patch.polygons.len() > 1 {
        header(&mut out, 6, patch.polygons.len());
    }
    for polygon in &patch.polygons {
        header(&mut out, 3, polygon.len());
        for ring in polygon {
            out.extend((ring.len() as u32 + 1).to_le_bytes());
            for point in ring.iter().chain(ring.first()) {
                out.extend(point.x.to_le_bytes());
                out.extend(point.y.to_le_bytes());
            }
        }
    }
    out
}
