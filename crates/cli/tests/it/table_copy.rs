//! `swath table copy` and `export`: the table in PostgreSQL and beside the parcels.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use swath_db::{Database, Schema};

use crate::table_place::{COLLECTION, extract, season_of};

/// Returns the URL of a PostgreSQL server, where one can be had.
fn postgres() -> Option<String> {
    if let Ok(url) = std::env::var("SWATH_TEST_POSTGRES") {
        return Some(url);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services/postgis.sh");
    let output = Command::new("bash").arg(script).arg("up").output().ok()?;
    match output.status.success() {
        true => Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => {
            println!("skipped: no PostgreSQL server can be had");
            None
        }
    }
}

async fn open(url: &str) -> Database {
    let schema = Schema {
        component: "test",
        migrations: &[],
        functions: &[],
    };
    Database::open(url, &schema).await.expect("a database")
}

/// Runs statements in a database, each by itself.
async fn execute(url: &str, statements: &[&'static str]) {
    let database = open(url).await;
    for text in statements {
        let mut statement = database.statement();
        statement.push(text);
        let mut transaction = database.begin().await.expect("begun");
        transaction.execute(&statement).await.expect("executed");
        transaction.commit().await.expect("committed");
    }
    database.close().await;
}

/// Returns the number that a query yields.
async fn number(url: &str, query: &'static str) -> i64 {
    let database = open(url).await;
    let mut statement = database.statement();
    statement.push(query);
    let rows = database.fetch(&statement).await.expect("rows");
    let number = rows[0].some_integer(0).expect("a number");
    database.close().await;
    number
}

#[test]
fn a_copy_may_be_repeated() {
    let Some(server) = postgres() else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let drop = "DROP SCHEMA IF EXISTS swath_test_copy CASCADE";
    runtime.block_on(execute(&server, &[drop, "CREATE SCHEMA swath_test_copy"]));
    let joint = match server.contains('?') {
        true => '&',
        false => '?',
    };
    let url = format!("{server}{joint}options[search_path]=swath_test_copy,public");
    let place = season_of(&["202105"]);
    let report = extract(&place, "table", &[]);
    let copy = ["table", "copy", "table", "--to", &url, "--json"];
    let copied: Value = serde_json::from_str(place.swath(&copy).ok()).expect("JSON");
    assert_eq!(copied["rows"], report["rows"]);
    assert!(copied["histograms"].as_u64() > Some(0), "{copied}");
    let again: Value = serde_json::from_str(place.swath(&copy).ok()).expect("JSON");
    assert_eq!(again, copied);
    let rows = runtime.block_on(number(&url, "SELECT count(*) FROM sigs"));
    assert_eq!(json!(rows), report["rows"]);
    let doubled =
        "SELECT count(*) FROM (SELECT 1 FROM sigs GROUP BY pid, obsid, band HAVING count(*) > 1) d";
    assert_eq!(runtime.block_on(number(&url, doubled)), 0);
    let wrong = "SELECT count(*) FROM dias_catalogue WHERE card <> 's2' OR sensor NOT LIKE '2_'";
    assert_eq!(runtime.block_on(number(&url, wrong)), 0);
    // A table of other options does not go into the same schema.
    extract(&place, "other", &["--buffer", "-5"]);
    let other = place.swath(&["table", "copy", "other", "--to", &url]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("search_path"), "{}", other.stderr);
    runtime.block_on(execute(&server, &[drop]));
}

#[test]
fn an_export_has_a_row_for_each_parcel() {
    let place = season_of(&["202105"]);
    extract(&place, "table", &[]);
    let csv = [
        "table", "export", "table", "-o", "out.csv", "--bands", "B08",
    ];
    place.swath(&csv).ok();
    let text = std::fs::read_to_string(place.path("out.csv")).expect("the file");
    let head = text.lines().next().expect("a head");
    assert!(
        head.starts_with("id,") && head.ends_with("B08_20210501"),
        "{head}"
    );
    assert_eq!(text.lines().count(), 13, "12 parcels");
    place
        .swath(&["table", "export", "table", "-o", "out.parquet"])
        .ok();
    place
        .swath(&["table", "export", "table", "-o", "out.gpkg"])
        .ok();
    let of = |name: &str| -> Value {
        let checked = place.swath(&["parcels", "check", name, "--json"]);
        serde_json::from_str(checked.ok()).expect("JSON")
    };
    let (parquet, package) = (of("out.parquet"), of("out.gpkg"));
    assert_eq!(parquet["features"], 12);
    for what in ["features", "epsg", "invalid", "area_m2"] {
        assert_eq!(package[what], parquet[what], "{what}");
    }
    assert_eq!(
        place
            .swath(&["table", "export", "table", "-o", "out.xlsx"])
            .code,
        2
    );
    let unknown = [
        "table", "export", "table", "-o", "x.csv", "--period", "week",
    ];
    assert_eq!(place.swath(&unknown).code, 2);
    assert_eq!(
        place
            .swath(&["table", "export", COLLECTION, "-o", "x.csv"])
            .code,
        4
    );
}

#[test]
fn personal_columns_are_exported_only_where_named() {
    let place = season_of(&["202105"]);
    let import = [
        "parcels",
        "import",
        "land/parcels.parquet",
        "--name",
        "held",
        "--id",
        "parcel_id",
        "--personal",
        "area_ha",
    ];
    place.swath(&import).ok();
    let extraction = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "held",
        "--bands",
        "B04",
        "--table",
        "table",
    ];
    place.swath(&extraction).ok();
    // An id that is not there is answered with the columns that are.
    let columns = |options: &[&str]| {
        let export = ["table", "export", "table", "-o", "out.gpkg"];
        place.swath(&[&export[..], options].concat()).ok();
        let refused = place.swath(&["parcels", "check", "out.gpkg", "--id", "nowhere"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        refused.stderr
    };
    let open = columns(&[]);
    assert!(
        open.contains("B04_20210501") && !open.contains("area_ha"),
        "{open}"
    );
    let named = columns(&["--personal", "area_ha"]);
    assert!(named.contains("area_ha"), "{named}");
}
