//! Sets of points.

use std::path::Path;

use tempfile::TempDir;

use super::super::{ParcelGeometry, ParcelOptions, ParcelSource, read_parcels};

async fn read(path: &Path, text: &str) -> Result<ParcelSource, String> {
    std::fs::write(path, text).unwrap();
    let read = read_parcels(path, &ParcelOptions::default()).await;
    read.map_err(|error| error.to_string())
}

fn collection(features: &[(&str, &str)]) -> String {
    let feature = |(id, geometry): &(&str, &str)| {
        format!(r#"{{"type":"Feature","properties":{{"id":"{id}"}},"geometry":{geometry}}}"#)
    };
    let features: Vec<String> = features.iter().map(feature).collect();
    let features = features.join(",");
    format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#)
}

const POINT: &str = r#"{"type":"Point","coordinates":[9.5,55.25,12]}"#;
const SQUARE: &str = r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}"#;
const LINE: &str = r#"{"type":"LineString","coordinates":[[0,0],[1,0]]}"#;

#[tokio::test]
async fn a_file_of_points_is_a_set_of_points() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.geojson");
    let text = collection(&[("01", POINT), ("2", LINE), ("3", "null")]);
    let source = read(&path, &text).await.unwrap();
    assert_eq!(source.geometry, ParcelGeometry::Points);
    assert_eq!(source.parcels.len(), 2);
    assert_eq!(source.parcels.id(0), "01");
    assert_eq!(source.parcels.point(0), Some([9.5, 55.25]));
    assert_eq!(source.parcels.point(1), None);
    assert_eq!(source.report.skipped[0].geometry_type, "LineString");
    assert_eq!(source.report.empty, 1);
    assert!(source.report.has_z);
}

#[tokio::test]
async fn a_polygon_makes_it_a_set_of_polygons() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.geojson");
    let text = collection(&[("1", POINT), ("2", SQUARE)]);
    let source = read(&path, &text).await.unwrap();
    assert_eq!(source.geometry, ParcelGeometry::Polygons);
    assert_eq!(source.parcels.len(), 1);
    assert_eq!(source.parcels.point(0), None);
    assert_eq!(source.report.skipped[0].parcel_id, "1");
}

#[tokio::test]
async fn lines_alone_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.geojson");
    let error = read(&path, &collection(&[("1", LINE)])).await.unwrap_err();
    assert!(error.contains("LineString (1)"), "{error}");
}
