//! What is doubtful about valid parcels.

use geo_types::Coord;
use tempfile::TempDir;

use super::super::{FindingOptions, ParcelFindings, ParcelOptions, find, read_parcels};

/// Writes rectangles in EPSG:25832 and judges them.
async fn judged(
    rectangles: &[(&str, [f64; 4])],
    declared: Option<&[Option<f64>]>,
) -> ParcelFindings {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.geojson");
    let feature = |(id, [x, y, width, height]): &(&str, [f64; 4])| {
        let ring: Vec<String> = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
            .iter()
            .map(|(right, up)| Coord {
                x: 500_000.0 + x + right * width,
                y: 6_000_000.0 + y + up * height,
            })
            .map(|c| format!("[{},{}]", c.x, c.y))
            .collect();
        format!(
            r#"{{"type":"Feature","properties":{{"id":"{id}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
    };
    let features: Vec<String> = rectangles.iter().map(feature).collect();
    let text = format!(
        r#"{{"type":"FeatureCollection","crs":{{"type":"name","properties":{{"name":"EPSG:25832"}}}},"features":[{}]}}"#,
        features.join(",")
    );
    std::fs::write(&path, text).unwrap();
    let source = read_parcels(&path, &ParcelOptions::default())
        .await
        .unwrap();
    find(&source, declared, &FindingOptions::default())
}

#[tokio::test]
async fn overlaps_are_measured_and_edges_are_none() {
    let found = judged(
        &[
            ("a", [0.0, 0.0, 100.0, 100.0]),
            ("b", [100.0, 0.0, 100.0, 100.0]),
            ("c", [190.0, 0.0, 100.0, 100.0]),
            ("d", [190.0, 0.0, 100.0, 100.0]),
        ],
        None,
    )
    .await;
    assert_eq!(found.overlaps.count, 1);
    assert!(found.overlaps.is_complete);
    let overlap = &found.overlaps.listed[0];
    assert_eq!(overlap.parcel_ids, ["b", "c"]);
    // UTM makes 10 x 100 m there 0.08 % smaller than they are.
    assert!(
        (overlap.area_m2 - 1_000.8).abs() < 0.1,
        "{}",
        overlap.area_m2
    );
    assert!((overlap.share - 0.1).abs() < 1e-6);
    assert_eq!(
        found.same_geometry.listed,
        [["d".to_string(), "c".to_string()]]
    );
}

#[tokio::test]
async fn many_parcels_side_by_side_do_not_overlap() {
    let names: Vec<String> = (0..900).map(|n| format!("p{n}")).collect();
    let rectangles: Vec<(&str, [f64; 4])> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            // Not in the order in which they stand on the ground.
            let n = n * 7 % 900;
            let (col, row) = ((n % 30) as f64, (n / 30) as f64);
            (
                name.as_str(),
                [
                    col * 50.0,
                    row * 50.0,
                    50.0,
                    if n == 37 { 60.0 } else { 50.0 },
                ],
            )
        })
        .collect();
    let found = judged(&rectangles, None).await;
    assert_eq!((found.overlaps.count, found.same_geometry.count), (1, 0));
    assert!((found.overlaps.area_m2 - 500.4).abs() < 0.1);
}

#[tokio::test]
async fn slivers_and_small_parcels_are_found() {
    let found = judged(
        &[
            ("strip", [0.0, 0.0, 2.0, 300.0]),
            ("hectare", [100.0, 0.0, 100.0, 100.0]),
            ("forty", [300.0, 0.0, 40.0, 40.0]),
        ],
        None,
    )
    .await;
    assert_eq!(
        (
            found.slivers.count,
            found.slivers.listed[0].parcel_id.as_str()
        ),
        (1, "strip")
    );
    assert!((found.slivers.listed[0].width_m - 2.0).abs() < 0.05);
    // 40 m less 10 m: 9 pixels of 10 m, a pixel and a half of 20 m on each side.
    assert_eq!(found.too_small[0].listed, ["strip"]);
    assert_eq!(found.too_small[1].listed, ["strip", "forty"]);
}

#[tokio::test]
async fn declared_areas_may_differ_a_little() {
    let parcels = [
        ("a", [0.0, 0.0, 100.0, 100.0]),
        ("b", [200.0, 0.0, 100.0, 100.0]),
        ("c", [400.0, 0.0, 10.0, 10.0]),
        ("d", [600.0, 0.0, 100.0, 100.0]),
    ];
    let declared = [Some(1.04), Some(1.2), Some(0.1), None];
    let found = judged(&parcels, Some(&declared)).await.declared.unwrap();
    assert_eq!((found.compared, found.count), (3, 1));
    assert_eq!(found.listed[0].parcel_id, "b");
}
