//! Each format gives the same parcels; what is missing or unclear is named.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, StringArray};
use swath_grid::Crs;
use tempfile::TempDir;

use super::super::{
    ParcelOptions, ParcelSource, ProblemKind, VectorErrorKind, check, read_parcels,
};
use super::fixtures::*;

async fn read(path: &Path) -> Result<ParcelSource, String> {
    read_with(path, ParcelOptions::default()).await
}

async fn read_with(path: &Path, options: ParcelOptions) -> Result<ParcelSource, String> {
    read_parcels(path, &options)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn flatgeobuf_with_an_index_gives_the_same_in_another_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.fgb");
    write_flatgeobuf(&path, FgbIndex::With);
    let options = ParcelOptions {
        keep_all: true,
        ..Default::default()
    };
    let source = read_with(&path, options).await.unwrap();
    let mut ids: Vec<&str> = (0..3).map(|row| source.parcels.id(row)).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["007", "008", "9"]);
    let kept: Vec<&str> = source
        .kept
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(kept, ["parcel_id", "crop", "count"]);
    assert_eq!(source.attributes[1].get(0), None);
    assert_eq!(source.attributes[2].get(0), Some("-7"));
}

#[tokio::test]
async fn every_format_gives_the_same_parcels() {
    let folder = TempDir::new().unwrap();
    for path in write_all(&folder).await {
        let source = read(&path).await.expect("parcels");
        assert_eq!(
            source.crs,
            Crs::from_epsg(25832).unwrap(),
            "{}",
            path.display()
        );
        let ids: Vec<&str> = (0..source.parcels.len())
            .map(|i| source.parcels.id(i))
            .collect();
        let expected = match source.id_field.as_str() {
            "fid" => vec!["1", "2", "3"],
            _ => vec!["007", "008", "9"],
        };
        assert_eq!(ids, expected, "{}", path.display());
        assert_eq!(source.report.invalid, 1);
        assert_eq!(source.report.repaired, 1);
        assert_eq!(
            source.report.problems[0].kind,
            ProblemKind::SelfIntersection
        );
        let rings: Vec<_> = source.parcels.rings(0).collect();
        assert_eq!(
            (rings.len(), rings[0].is_shell, rings[1].is_shell),
            (2, true, false)
        );
        assert_eq!(
            rings[0].coords,
            parcels()[0].1[0][0],
            "vertices stay as they are"
        );
        let summary = check(&source);
        let area_m2 = summary.area_m2.expect("an area");
        assert!((area_m2 / AREA_M2 - 1.0).abs() < 1e-2, "{area_m2}");
        assert_eq!(summary.epsg, Some(25832));
    }
}

#[tokio::test]
async fn columns_are_chosen_and_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.gpkg");
    write_geopackage(&path, &["parcels"]).await;
    let options = ParcelOptions {
        id: Some("nr".into()),
        keep_attributes: vec!["fid".into()],
        ..Default::default()
    };
    let source = read_with(&path, options).await.expect("parcels");
    assert_eq!(source.parcels.id(0), "40");
    assert_eq!(
        source.attributes[0].iter().collect::<Vec<_>>(),
        [Some("1"), Some("2"), Some("3")]
    );
    let options = ParcelOptions {
        id: Some("number".into()),
        ..Default::default()
    };
    let error = read_with(&path, options).await.unwrap_err();
    assert!(error.contains("fid, nr"), "{error}");
}

#[tokio::test]
async fn one_of_several_layers_must_be_chosen() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.gpkg");
    write_geopackage(&path, &["one", "tw\"o; DROP TABLE one"]).await;
    let error = read(&path).await.unwrap_err();
    assert!(
        error.contains("one (MULTIPOLYGON)") && error.contains("--layer"),
        "{error}"
    );
    let options = ParcelOptions {
        layer: Some("tw\"o; DROP TABLE one".into()),
        ..Default::default()
    };
    assert_eq!(
        read_with(&path, options)
            .await
            .expect("parcels")
            .parcels
            .len(),
        3
    );

    let archive = folder.path().join("b.zip");
    write_zip(&archive, &[("x/a.gpkg", &path), ("y/b.gpkg", &path)]);
    let error = read(&archive).await.unwrap_err();
    assert!(error.contains("layers: a, b"), "{error}");
    let options = ParcelOptions {
        layer: Some("b/one".into()),
        ..Default::default()
    };
    assert_eq!(
        read_with(&archive, options)
            .await
            .expect("parcels")
            .parcels
            .len(),
        3
    );
}

#[tokio::test]
async fn a_shapefile_without_its_parts_says_which() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("b.shp");
    write_shapefile(&path);
    std::fs::remove_file(path.with_extension("prj")).unwrap();
    let error = read(&path).await.unwrap_err();
    assert!(error.contains(".prj") && error.contains("--crs"), "{error}");
    let crs = Some(Crs::from_epsg(25832).unwrap());
    let options = ParcelOptions {
        crs,
        ..Default::default()
    };
    assert_eq!(
        read_with(&path, options.clone())
            .await
            .expect("parcels")
            .parcels
            .len(),
        3
    );
    std::fs::remove_file(path.with_extension("dbf")).unwrap();
    let error = read_with(&path, options).await.unwrap_err();
    assert!(error.contains(".dbf"), "{error}");
}

#[tokio::test]
async fn parquet_without_geo_metadata_or_with_an_unknown_crs_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, None);
    let error = read(&path).await.unwrap_err();
    assert!(error.contains("no GeoParquet"), "{error}");
    write_parquet(&path, Some(&GEO.replace("\"EPSG:25832\"", "null")));
    let error = read(&path).await.unwrap_err();
    assert!(error.contains("--crs"), "{error}");
    write_parquet(&path, Some(&GEO.replace(",\"crs\":\"EPSG:25832\"", "")));
    let source = read(&path).await.expect("parcels");
    assert_eq!(source.crs.epsg(), Some(4326));
}

#[tokio::test]
async fn numbers_are_ids_without_decimals_and_a_missing_id_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    let shape = wkb(&parcels()[0].1);
    let shapes: ArrayRef = Arc::new(BinaryArray::from(vec![shape.as_slice(), shape.as_slice()]));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![12.0, 12.0]));
    write_batch(
        &path,
        Some(GEO),
        vec![("id", numbers), ("geometry", Arc::clone(&shapes))],
    );
    let source = read(&path).await.expect("parcels");
    assert_eq!(
        (source.parcels.id(0), source.report.duplicate_ids),
        ("12", 1)
    );
    assert_eq!(source.report.problems[0].kind, ProblemKind::DuplicateId);

    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    write_batch(
        &path,
        Some(GEO),
        vec![("id", numbers), ("geometry", shapes)],
    );
    let error = read(&path).await.unwrap_err();
    assert!(
        error.contains("feature 1") && error.contains("\"id\""),
        "{error}"
    );
}

#[tokio::test]
async fn native_polygons_are_read() {
    use arrow::array::{Float64Builder, ListBuilder, StructBuilder};
    use arrow::datatypes::{DataType, Field};
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    let axes: Vec<Field> = ["x", "y"]
        .map(|axis| Field::new(axis, DataType::Float64, false))
        .to_vec();
    let boxed = || Box::new(Float64Builder::new()) as Box<dyn arrow::array::ArrayBuilder>;
    let points = StructBuilder::new(axes, vec![boxed(), boxed()]);
    let mut builder = ListBuilder::new(ListBuilder::new(points));
    for (_, polygons) in &parcels()[..1] {
        for ring in &polygons[0] {
            for [x, y] in ring {
                let point = builder.values().values();
                point
                    .field_builder::<Float64Builder>(0)
                    .unwrap()
                    .append_value(*x);
                point
                    .field_builder::<Float64Builder>(1)
                    .unwrap()
                    .append_value(*y);
                point.append(true);
            }
            builder.values().append(true);
        }
        builder.append(true);
    }
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["007"]));
    let geo = GEO.replace("WKB", "polygon");
    write_batch(
        &path,
        Some(&geo),
        vec![("id", ids), ("geometry", Arc::new(builder.finish()))],
    );
    let source = read(&path).await.expect("parcels");
    let rings: Vec<_> = source.parcels.rings(0).collect();
    assert_eq!(rings[1].coords, parcels()[0].1[0][1]);
}

#[tokio::test]
async fn features_that_are_no_polygons_are_listed_and_empty_ones_keep_their_row() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.json");
    let text = r#"{"type":"FeatureCollection","features":[
      {"type":"Feature","id":5,"properties":null,"geometry":{"type":"Point","coordinates":[1,2]}},
      {"type":"Feature","id":6,"properties":{},"geometry":null},
      {"type":"Feature","id":7,"properties":{},"geometry":{"type":"Polygon",
       "coordinates":[[[0,0,9],[1,0,9],[1,1,9],[0,0,9]]]}}]}"#;
    std::fs::write(&path, text).unwrap();
    let source = read(&path).await.expect("parcels");
    assert_eq!(source.report.skipped[0].parcel_id, "5");
    assert_eq!(source.report.skipped[0].geometry_type, "Point");
    assert_eq!((source.parcels.id(0), source.parcels.id(1)), ("6", "7"));
    assert!(source.parcels.polygon(0).0.is_empty() && source.parcels.bounds(0).is_none());
    assert!(source.report.has_z);
    assert_eq!(source.report.empty, 1);

    let only_points = r#"{"type":"FeatureCollection","features":[{"type":"Feature","id":5,
        "properties":{},"geometry":{"type":"LineString","coordinates":[[1,2],[3,4]]}}]}"#;
    std::fs::write(&path, only_points).unwrap();
    let error = read(&path).await.unwrap_err();
    assert!(error.contains("LineString (1)"), "{error}");
}

#[tokio::test]
async fn a_zip_bomb_and_a_missing_file_are_refused() {
    let folder = TempDir::new().unwrap();
    let bomb = folder.path().join("bomb.gpkg");
    let file = std::fs::File::create(&bomb).unwrap();
    std::io::Write::write_all(&mut &file, b"SQLite format 3\0").unwrap();
    file.set_len(300 << 20).unwrap();
    let archive = folder.path().join("bomb.zip");
    write_zip(&archive, &[("a.gpkg", &bomb)]);
    let error = read_parcels(&archive, &ParcelOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), VectorErrorKind::Limit, "{error}");
    let error = read_parcels(&folder.path().join("no"), &ParcelOptions::default()).await;
    assert_eq!(error.unwrap_err().kind(), VectorErrorKind::NotFound);
}
