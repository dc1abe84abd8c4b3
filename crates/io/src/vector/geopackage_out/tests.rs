use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use swath_grid::Crs;
use tempfile::TempDir;

use super::super::{ParcelOptions, VectorErrorKind, read_parcels};
use super::{GeoPackageLayer, GeoPackageWriter};

/// A square of 10 with its lower left corner at `x`, 0.
fn square(x: f64) -> Vec<u8> {
    let mut wkb = vec![1, 3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0];
    let ring = [
        [x, 0.0],
        [x + 10.0, 0.0],
        [x + 10.0, 10.0],
        [x, 10.0],
        [x, 0.0],
    ];
    ring.iter()
        .flatten()
        .for_each(|value| wkb.extend(value.to_le_bytes()));
    wkb
}

fn layer(name: &str, crs: Option<Crs>) -> GeoPackageLayer {
    GeoPackageLayer {
        name: name.to_owned(),
        description: "a \"test\"".to_owned(),
        geometry: "geometry".to_owned(),
        geometry_types: vec!["Polygon".to_owned(), "MultiPolygon".to_owned()],
        crs,
    }
}

/// `count` squares side by side from row `first` on; one column's name needs quotes, two differ in case.
fn batch(first: usize, count: usize) -> RecordBatch {
    let ids = (first..first + count).map(|row| Some(format!("{row:04}")));
    let geometries: Vec<Vec<u8>> = (first..first + count)
        .map(|row| square(row as f64 * 20.0))
        .collect();
    let geometries = geometries.iter().map(|wkb| Some(wkb.as_slice()));
    let values: Float64Array = (first..first + count)
        .map(|row| (row % 2 == 0).then_some(row as f64 / 4.0))
        .collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(ids.collect::<StringArray>())),
        ("geometry", Arc::new(geometries.collect::<BinaryArray>())),
        ("B\"4", Arc::new(values.clone())),
        ("ID", Arc::new(values)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

async fn written(path: &Path, layer: GeoPackageLayer, batches: &[RecordBatch]) -> u64 {
    let mut writer = GeoPackageWriter::create(path, layer, &batches[0].schema())
        .await
        .unwrap();
    for batch in batches {
        writer.write(batch).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn opened(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.unwrap()
}

async fn texts(connection: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect()
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("fields.gpkg");
    let crs = Crs::from_epsg(25832).unwrap();
    // More rows than go into the index at once.
    let rows = written(
        &path,
        layer("fields", Some(crs)),
        &[batch(0, 900), batch(900, 600)],
    )
    .await;
    assert_eq!(rows, 1_500);
    let options = ParcelOptions {
        id: Some("id".to_owned()),
        keep_attributes: vec!["B\"4".to_owned(), "ID_2".to_owned()],
        ..ParcelOptions::default()
    };
    let source = read_parcels(&path, &options).await.unwrap();
    assert_eq!(source.parcels.len(), 1_500);
    assert_eq!(source.crs.epsg(), Some(25832));
    assert_eq!(source.parcels.id(1_400), "1400");
    let ring = source.parcels.rings(1_400).next().unwrap();
    assert!(ring.coords.contains(&[28_010.0, 10.0]), "{:?}", ring.coords);

    let mut connection = opened(&path).await;
    let found = texts(
        &mut connection,
        "SELECT integrity_check FROM pragma_integrity_check",
    )
    .await;
    assert_eq!(found, ["ok"]);
    let types = texts(
        &mut connection,
        "SELECT geometry_type_name FROM gpkg_geometry_columns",
    )
    .await;
    assert_eq!(types, ["MULTIPOLYGON"]);
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM rtree_fields_geometry WHERE maxx < 100 AND minx >= 0), \
         (SELECT application_id FROM pragma_application_id), (SELECT max_x FROM gpkg_contents), \
         (SELECT count(*) FROM pragma_foreign_key_check), (SELECT count(*) FROM fields WHERE ID_2 IS NULL)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(row.get::<i64, _>(0), 5);
    assert_eq!(row.get::<i64, _>(1), 0x4750_4B47);
    assert_eq!(row.get::<f64, _>(2), 29_990.0);
    assert_eq!((row.get::<i64, _>(3), row.get::<i64, _>(4)), (0, 750));
    let triggers = texts(
        &mut connection,
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1",
    )
    .await;
    assert_eq!(triggers.len(), 6, "{triggers:?}");
}

#[tokio::test]
async fn a_crs_without_a_code_is_told_in_wkt_2() {
    let folder = TempDir::new().unwrap();
    let own = Crs::parse("+proj=laea +lat_0=47 +lon_0=9 +ellps=GRS80 +units=m").unwrap();
    for (name, crs) in [
        ("own", Some(own.clone())),
        ("unknown", None),
        ("wgs84", Crs::from_epsg(4326).ok()),
    ] {
        let path = folder.path().join(format!("{name}.gpkg"));
        written(&path, layer(name, crs.clone()), &[batch(0, 3)]).await;
        let read = read_parcels(&path, &ParcelOptions::default()).await;
        match crs {
            Some(crs) => assert_eq!(read.unwrap().crs.epsg(), crs.epsg()),
            None => assert!(read.unwrap_err().to_string().contains("undefined")),
        }
    }
}

#[tokio::test]
async fn what_a_geopackage_cannot_hold_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("refused.gpkg");
    let refused = async |layer: GeoPackageLayer, fields: Vec<Field>| {
        let schema = Arc::new(Schema::new(fields));
        GeoPackageWriter::create(&path, layer, &schema)
            .await
            .unwrap_err()
    };
    let geometry = || Field::new("geometry", DataType::Binary, true);
    let named = refused(layer("GPKG_fields", None), vec![geometry()]).await;
    assert!(named.to_string().contains("GPKG_fields"), "{named}");
    let none = refused(
        layer("a", None),
        vec![Field::new("geometry", DataType::Utf8, true)],
    )
    .await;
    assert!(none.to_string().contains("no geometry"), "{none}");
    let list = DataType::new_list(DataType::Utf8, true);
    let typed = refused(
        layer("a", None),
        vec![geometry(), Field::new("list", list, true)],
    )
    .await;
    assert!(typed.to_string().contains("\"list\""), "{typed}");
    let many = (0..2_000).map(|n| Field::new(format!("c{n}"), DataType::Utf8, true));
    let many = refused(
        layer("a", None),
        std::iter::once(geometry()).chain(many).collect(),
    )
    .await;
    assert_eq!(many.kind(), VectorErrorKind::Limit, "{many}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_broken_geometry_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("broken.gpkg");
    let broken: ArrayRef = Arc::new(BinaryArray::from(vec![
        &square(0.0)[..],
        &square(0.0)[..20],
    ]));
    let batch = RecordBatch::try_from_iter([("geometry", broken)]).unwrap();
    let mut writer = GeoPackageWriter::create(&path, layer("broken", None), &batch.schema())
        .await
        .unwrap();
    let error = writer.write(&batch).await.unwrap_err();
    assert!(error.to_string().contains("feature 2"), "{error}");
}
