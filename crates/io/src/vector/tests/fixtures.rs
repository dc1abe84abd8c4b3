//! Small files in each format, all with the same parcels.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use flatgeobuf::geozero::{self, ColumnValue, GeomProcessor, GeozeroGeometry, PropertyProcessor};
use flatgeobuf::{ColumnType, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

type Rings = Vec<Vec<[f64; 2]>>;

/// Ids and polygons of the fixtures: a square with a hole, two squares, a bow tie.
pub(super) fn parcels() -> Vec<(&'static str, Vec<Rings>)> {
    // Shells clockwise and holes counter-clockwise, as shapefiles want them.
    let square = |x: f64, y: f64, size: f64| {
        vec![
            [x, y],
            [x, y + size],
            [x + size, y + size],
            [x + size, y],
            [x, y],
        ]
    };
    let mut hole = square(500_020.0, 6_000_020.0, 10.0);
    hole.reverse();
    let bow_tie = vec![
        [500_300.0, 6_000_000.0],
        [500_310.0, 6_000_010.0],
        [500_310.0, 6_000_000.0],
        [500_300.0, 6_000_010.0],
        [500_300.0, 6_000_000.0],
    ];
    vec![
        (
            "007",
            vec![vec![square(500_000.0, 6_000_000.0, 100.0), hole]],
        ),
        (
            "008",
            vec![
                vec![square(500_200.0, 6_000_000.0, 10.0)],
                vec![square(500_220.0, 6_000_000.0, 10.0)],
            ],
        ),
        ("9", vec![vec![bow_tie]]),
    ]
}

/// Area in square metres of the parcels after repair.
pub(super) const AREA_M2: f64 = 9_900.0 + 200.0 + 50.0;

/// Whether a FlatGeobuf file has an index; with one its features stand in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FgbIndex {
    With,
    Without,
}

/// Polygons as the writer of FlatGeobuf takes them.
struct Drawn(Vec<Rings>);

impl GeozeroGeometry for Drawn {
    fn process_geom<P: GeomProcessor>(&self, to: &mut P) -> geozero::error::Result<()> {
        to.multipolygon_begin(self.0.len(), 0)?;
        for (number, rings) in self.0.iter().enumerate() {
            to.polygon_begin(false, rings.len(), number)?;
            for (ring_number, ring) in rings.iter().enumerate() {
                to.linestring_begin(false, ring.len(), ring_number)?;
                for (vertex, [x, y]) in ring.iter().enumerate() {
                    to.xy(*x, *y, vertex)?;
                }
                to.linestring_end(false, ring_number)?;
            }
            to.polygon_end(false, number)?;
        }
        to.multipolygon_end(0)
    }
}

pub(super) fn write_flatgeobuf(path: &Path, index: FgbIndex) {
    let options = FgbWriterOptions {
        write_index: index == FgbIndex::With,
        crs: FgbCrs {
            code: 25832,
            ..Default::default()
        },
        ..Default::default()
    };
    let created = FgbWriter::create_with_options("p", GeometryType::MultiPolygon, options);
    let mut writer = created.expect("a writer");
    writer.add_column("parcel_id", ColumnType::String, |_, _| {});
    writer.add_column("crop", ColumnType::String, |_, _| {});
    writer.add_column("count", ColumnType::Int, |_, _| {});
    for (id, polygons) in parcels() {
        let add = writer.add_feature_geom(Drawn(polygons), |feature| {
            let mut set = |column, name: &str, value: &ColumnValue| {
                feature.property(column, name, value).expect("a value");
            };
            set(0, "parcel_id", &ColumnValue::String(id));
            set(2, "count", &ColumnValue::Int(-7));
        });
        add.expect("a feature");
    }
    let file = std::fs::File::create(path).expect("a file");
    writer.write(file).expect("a file");
}

pub(super) fn wkb(polygons: &[Rings]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(6u32.to_le_bytes());
    bytes.extend((polygons.len() as u32).to_le_bytes());
    for rings in polygons {
        bytes.push(1);
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((rings.len() as u32).to_le_bytes());
        for ring in rings {
            bytes.extend((ring.len() as u32).to_le_bytes());
            bytes.extend(ring.iter().flatten().flat_map(|value| value.to_le_bytes()));
        }
    }
    bytes
}

pub(super) fn write_parquet(path: &Path, geo: Option<&str>) {
    let all = parcels();
    let ids: ArrayRef = Arc::new(all.iter().map(|(id, _)| Some(*id)).collect::<StringArray>());
    let shapes: Vec<Vec<u8>> = all.iter().map(|(_, polygons)| wkb(polygons)).collect();
    let shapes: ArrayRef = Arc::new(
        shapes
            .iter()
            .map(|shape| Some(shape.as_slice()))
            .collect::<BinaryArray>(),
    );
    write_batch(path, geo, vec![("parcel_id", ids), ("geometry", shapes)]);
}

pub(super) fn write_batch(path: &Path, geo: Option<&str>, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let geo = geo.map(|geo| vec![KeyValue::new("geo".to_string(), geo.to_string())]);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(geo)
        .build();
    let file = std::fs::File::create(path).expect("a file");
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("a batch is written");
    writer.close().expect("a footer is written");
}

pub(super) const GEO: &str = r#"{"version":"1.1.0","primary_column":"geometry","columns":
    {"geometry":{"encoding":"WKB","geometry_types":[],"crs":"EPSG:25832"}}}"#;

pub(super) fn geojson() -> String {
    let features: Vec<serde_json::Value> = parcels()
        .into_iter()
        .map(|(id, polygons)| {
            serde_json::json!({
                "type": "Feature",
                "properties": {"parcel_id": id, "crop": "maize"},
                "geometry": {"type": "MultiPolygon", "coordinates": polygons},
            })
        })
        .collect();
    serde_json::json!({
        "type": "FeatureCollection",
        "features": features,
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}},
    })
    .to_string()
}

pub(super) const PRJ: &str = r#"PROJCS["ETRS_1989_UTM_Zone_32N",GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#;

pub(super) fn write_shapefile(path: &Path) {
    use ::shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
    use ::shapefile::{Point, Polygon, PolygonRing, Writer};
    let table =
        TableWriterBuilder::new().add_character_field("parcel_id".try_into().expect("a name"), 20);
    let mut writer = Writer::from_path(path, table).expect("a writer");
    for (id, polygons) in parcels() {
        let rings = polygons
            .into_iter()
            .flat_map(|rings| rings.into_iter().enumerate())
            .map(|(index, ring)| {
                let points = ring.into_iter().map(|[x, y]| Point::new(x, y)).collect();
                match index {
                    0 => PolygonRing::Outer(points),
                    _ => PolygonRing::Inner(points),
                }
            })
            .collect();
        let mut record = Record::default();
        let value = FieldValue::Character(Some(id.to_string()));
        record.insert("parcel_id".to_string(), value);
        writer
            .write_shape_and_record(&Polygon::with_rings(rings), &record)
            .expect("a row");
    }
    drop(writer);
    std::fs::write(path.with_extension("prj"), PRJ).expect("a projection");
}

pub(super) async fn write_geopackage(path: &Path, layers: &[&str]) {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .expect("a database");
    for statement in [
        "PRAGMA application_id = 1196444487",
        "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, \
         organization TEXT, organization_coordsys_id INTEGER, definition TEXT, description TEXT)",
        "INSERT INTO gpkg_spatial_ref_sys VALUES ('x', 25832, 'EPSG', 25832, 'x', '')",
        "CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, srs_id INTEGER)",
        "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, \
         geometry_type_name TEXT, srs_id INTEGER, z TINYINT, m TINYINT)",
    ] {
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .expect("a table");
    }
    for layer in layers {
        let quoted = layer.replace('"', "\"\"");
        let create = format!(
            "CREATE TABLE \"{quoted}\" (fid INTEGER PRIMARY KEY, \"the geom\" BLOB, nr INTEGER)"
        );
        sqlx::query(sqlx::AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .expect("a layer");
        for statement in [
            "INSERT INTO gpkg_contents VALUES (?, 'features', 25832)",
            "INSERT INTO gpkg_geometry_columns \
             VALUES (?, 'the geom', 'MULTIPOLYGON', 25832, 0, 0)",
        ] {
            sqlx::query(statement)
                .bind(layer)
                .execute(&mut connection)
                .await
                .expect("a row");
        }
        let insert = format!("INSERT INTO \"{quoted}\" (\"the geom\", nr) VALUES (?, ?)");
        for (number, (_, polygons)) in parcels().into_iter().enumerate() {
            let mut blob = b"GP\0\x01\0\0\0\0".to_vec();
            blob.extend(wkb(&polygons));
            sqlx::query(sqlx::AssertSqlSafe(insert.clone()))
                .bind(blob)
                .bind(number as i64 + 40)
                .execute(&mut connection)
                .await
                .expect("a parcel");
        }
    }
    connection.close().await.expect("a closed database");
}

pub(super) fn write_zip(path: &Path, members: &[(&str, &Path)]) {
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = zip::ZipWriter::new(file);
    let options: zip::write::FileOptions<'_, ()> = zip::write::FileOptions::default();
    for (name, content) in members {
        writer.start_file(*name, options).expect("a member");
        writer
            .write_all(&std::fs::read(content).expect("a content"))
            .expect("a content");
    }
    writer.finish().expect("a directory");
}

/// A folder with a file of each format; `(name, path)`.
pub(super) async fn write_all(folder: &TempDir) -> Vec<PathBuf> {
    let at = |name: &str| folder.path().join(name);
    write_parquet(&at("a.parquet"), Some(GEO));
    write_shapefile(&at("b.shp"));
    write_geopackage(&at("c.gpkg"), &["parcels"]).await;
    std::fs::write(at("d.geojson"), geojson()).expect("a file");
    write_zip(
        &at("e.zip"),
        &[
            ("in/side/b.shp", &at("b.shp")),
            ("in/side/b.dbf", &at("b.dbf")),
            ("in/side/b.PRJ", &at("b.prj")),
            ("in/readme.txt", &at("b.prj")),
        ],
    );
    write_zip(&at("f.zip"), &[("deep/er/c.gpkg", &at("c.gpkg"))]);
    write_flatgeobuf(&at("g.fgb"), FgbIndex::Without);
    [
        "a.parquet",
        "b.shp",
        "c.gpkg",
        "d.geojson",
        "e.zip",
        "f.zip",
        "g.fgb",
    ]
    .map(at)
    .to_vec()
}
