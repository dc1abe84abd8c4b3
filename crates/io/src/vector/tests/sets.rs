//! The file of a parcel set: what is written is read again, whatever the format it came from.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use swath_access::{Resource, Viewer};
use tempfile::TempDir;

use super::super::set::{AttributeChoice, ParcelSetFile, SetColumns, SetMetadata, write_set};
use super::super::{ParcelOptions, ParcelSource, StringColumn, read_parcels};
use super::fixtures::*;
use crate::{AwsEnvironment, Stores};

async fn source(path: &Path) -> ParcelSource {
    let options = ParcelOptions {
        id: Some("parcel_id".to_string()),
        keep_all: true,
        ..Default::default()
    };
    read_parcels(path, &options).await.unwrap()
}

fn metadata(source: &ParcelSource) -> SetMetadata {
    SetMetadata {
        id_field: source.id_field.clone(),
        personal: vec!["count".to_string()],
        ..SetMetadata::default()
    }
}

async fn open(path: &Path) -> ParcelSetFile {
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    let href = path.to_string_lossy();
    let asset = stores.resolve(&Viewer::operator(), &Resource::direct(), &href);
    ParcelSetFile::open(&asset.unwrap()).await.unwrap()
}

/// Writes the fixture as a set, with an area that one parcel declares.
async fn written(folder: &TempDir) -> ParcelSetFile {
    let input = folder.path().join("a.fgb");
    write_flatgeobuf(&input, FgbIndex::With);
    let source = source(&input).await;
    let mut crops = StringColumn::default();
    (0..3).for_each(|row| crops.push(Some(["x", "y", "z"][row])));
    let columns = SetColumns {
        crop_code: Some(crops),
        declared_area_ha: Some(vec![Some(1.5), None, None]),
        ..Default::default()
    };
    let path = folder.path().join("1.parquet");
    let summary = write_set(&path, &source, &[0, 1, 2], &columns, metadata(&source)).unwrap();
    assert_eq!(summary.features, 3);
    let bbox = summary.bbox.unwrap();
    assert!(
        (bbox.west - 9.0).abs() < 0.1 && (bbox.south - 54.1).abs() < 0.1,
        "{bbox:?}"
    );
    open(&path).await
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let folder = TempDir::new().unwrap();
    let set = written(&folder).await;
    let read = set.source().await.unwrap();
    let before = source(&folder.path().join("a.fgb")).await;
    assert_eq!((read.parcels.len(), read.crs.epsg()), (3, Some(25832)));
    for row in 0..3 {
        let id = read.parcels.id(row);
        let there = (0..3).find(|row| before.parcels.id(*row) == id).unwrap();
        assert_eq!(
            read.parcels.polygon(row),
            before.parcels.polygon(there),
            "{id}"
        );
    }
    let index = set.index().await.unwrap();
    let row = index.row("008").unwrap();
    assert_eq!(index.bounds(row), read.parcels.bounds(row as usize));
    assert_eq!(index.row("8"), None);
}

#[tokio::test]
async fn personal_columns_are_handed_out_only_where_named() {
    let folder = TempDir::new().unwrap();
    let set = written(&folder).await;
    let open = set.rows(&[0], &AttributeChoice::Open).await.unwrap();
    let names = |batch: &arrow::array::RecordBatch| -> Vec<String> {
        batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect()
    };
    let expected = [
        "id",
        "crop_code",
        "crop_name",
        "hcat_code",
        "hcat_name",
        "area_m2",
        "declared_area_ha",
        "parcel_id",
        "crop",
    ];
    assert_eq!(names(&open), expected);
    let choice = AttributeChoice::OpenAnd(vec!["count".to_string()]);
    let with = set.rows(&[0], &choice).await.unwrap();
    assert_eq!(names(&with).last().unwrap(), "count");
    let choice = AttributeChoice::Named(vec!["count".to_string(), "id".to_string()]);
    let named = set.rows(&[2, 0, 2], &choice).await.unwrap();
    assert_eq!(names(&named), ["count", "id"]);
    assert_eq!(named.column(0).as_primitive::<Int64Type>().value(1), -7);
    let ids = named.column(1).as_string::<i32>();
    assert_eq!((ids.value(0), ids.len()), (ids.value(2), 3));
    assert_ne!(ids.value(0), ids.value(1));
    let whole: usize = set
        .batches(&AttributeChoice::Open)
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(whole, 3);
}

#[tokio::test]
async fn rows_and_columns_that_are_not_there_are_named() {
    let folder = TempDir::new().unwrap();
    let set = written(&folder).await;
    let error = set.rows(&[3], &AttributeChoice::Open).await.unwrap_err();
    assert!(error.to_string().contains("row 3"), "{error}");
    let choice = AttributeChoice::Named(vec!["gone".to_string()]);
    let error = set.rows(&[0], &choice).await.unwrap_err();
    assert!(error.to_string().contains("\"gone\""), "{error}");
    let none = set.rows(&[], &AttributeChoice::Open).await.unwrap();
    assert_eq!(none.num_rows(), 0);
}

#[tokio::test]
async fn the_same_content_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let mut files = Vec::new();
    for index in [FgbIndex::With, FgbIndex::Without] {
        let input = folder.path().join("a.fgb");
        write_flatgeobuf(&input, index);
        let source = source(&input).await;
        let path = folder.path().join("1.parquet");
        let columns = SetColumns::default();
        write_set(&path, &source, &[0, 1, 2], &columns, metadata(&source)).unwrap();
        files.push(std::fs::read(&path).unwrap());
    }
    assert!(files[0] == files[1]);
}

#[tokio::test]
async fn another_parquet_file_is_no_set() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, Some(GEO));
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    let href = path.to_string_lossy();
    let asset = stores.resolve(&Viewer::operator(), &Resource::direct(), &href);
    let error = ParcelSetFile::open(&asset.unwrap()).await.unwrap_err();
    assert!(
        error.to_string().contains("swath parcels import"),
        "{error}"
    );
}
