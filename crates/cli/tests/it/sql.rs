//! `swath sql`: what is asked, what is refused, what stays consistent.
//!
//! The answers of many queries are compared with DuckDB's in `tests/test_sql.py`.

#[cfg(not(feature = "sql"))]
#[test]
fn without_the_feature_the_command_says_how_to_get_it() {
    let place = crate::program::Place::new();
    for words in [&["sql", "SELECT 1"][..], &["sql", "--tables"]] {
        let outcome = place.swath(words);
        assert_eq!(outcome.code, 2);
        for part in ["built without sql", "--features sql", "DuckDB"] {
            assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
        }
    }
}

#[cfg(feature = "sql")]
mod with_the_feature {
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};
    use serde_json::{Value, json};
    use swath_extract::table::TableKind;
    use swath_testkit::FaultServer;

    use crate::program::{Outcome, Place};
    use crate::table_place::{COLLECTION, rows, season_of, stores};

    /// A month of the season: few images.
    const MONTH: &str = "202105";
    /// The table of statistics, as queries have it.
    const ROWS: &str = "\"sentinel-2-l2a\".fields";
    /// Its class counts.
    const CLASSES: &str = "\"sentinel-2-l2a\".\"fields/classes\"";
    /// Longest wait for the first rows of an answer.
    const WAIT_MAX: Duration = Duration::from_secs(120);
    /// Time between looks at its folder.
    const LOOK_EVERY: Duration = Duration::from_millis(10);

    fn extract_words(more: &[&'static str]) -> Vec<&'static str> {
        let words = [
            "extract",
            "--collection",
            COLLECTION,
            "--parcels",
            "fields",
            "--bands",
            "B04,B08",
            "--classes",
            "SCL",
            "--mask-scl",
        ];
        [&words[..], more].concat()
    }

    /// A home with a table that nobody changes.
    fn home() -> &'static Place {
        static HOME: OnceLock<Place> = OnceLock::new();
        HOME.get_or_init(|| {
            let place = season_of(&[MONTH]);
            place.swath(&extract_words(&[])).ok();
            place
        })
    }

    fn ask(place: &Place, query: &str, more: &[&str]) -> Outcome {
        place.swath(&[&["sql", query][..], more].concat())
    }

    /// Returns the rows of an answer as JSON.
    fn answer(place: &Place, query: &str) -> Value {
        let outcome = ask(place, query, &["--format", "json"]);
        serde_json::from_str(outcome.ok()).expect("JSON")
    }

    /// Returns the folder of the only table of a home.
    fn root(place: &Place) -> String {
        let listed = place.swath(&["table", "list", "--json"]);
        let listed: Value = serde_json::from_str(listed.ok()).expect("JSON");
        let key = listed[0].as_str().expect("a table").replace("tables:", "");
        place
            .path("swath-data/tables")
            .join(key)
            .display()
            .to_string()
    }

    #[test]
    fn every_row_is_there_once() {
        let place = home();
        for (kind, table) in [(TableKind::Extracts, ROWS), (TableKind::Classes, CLASSES)] {
            let count = rows(&stores(None), &root(place), kind).len();
            let found = answer(place, &format!("SELECT count(*) AS n FROM {table}"));
            assert_eq!(found, json!([{ "n": count }]));
            // Counted one by one, too, not only out of the log.
            let read = format!("SELECT count(*) AS n FROM {table} WHERE count >= 0");
            assert_eq!(answer(place, &read), json!([{ "n": count }]));
        }
    }

    #[test]
    fn tables_are_listed_with_their_names_and_columns() {
        let place = home();
        let outcome = place.swath(&["sql", "--tables", "--format", "json"]);
        let listed: Value = serde_json::from_str(outcome.ok()).expect("JSON");
        let listed = listed.as_array().expect("a list");
        let kinds: Vec<&str> = listed
            .iter()
            .filter_map(|table| table["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["extracts", "classes", "parcels"]);
        assert_eq!(listed[0]["months"], json!(["2021-05", "2021-05"]));
        assert_eq!(
            listed[2]["names"],
            json!(["parcels.fields", "parcels.\"fields@1\""])
        );
        for table in listed {
            for name in table["names"].as_array().expect("names") {
                let name = name.as_str().expect("a name");
                let found = answer(place, &format!("SELECT count(*) AS n FROM {name}"));
                assert_eq!(found[0]["n"], table["rows"], "{name}");
            }
        }
        let words = place.swath(&["sql", "--tables"]);
        assert!(
            words
                .ok()
                .contains("parcel_id text, datetime timestamp (UTC)")
        );
    }

    #[test]
    fn what_would_change_something_is_refused() {
        let place = home();
        let statements = [
            "DROP TABLE parcels.fields",
            "CREATE TABLE t AS SELECT 1",
            "CREATE VIEW v AS SELECT 1",
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'",
            "CREATE SCHEMA s",
            "INSERT INTO parcels.fields SELECT * FROM parcels.fields",
            "UPDATE parcels.fields SET id = 'x'",
            "DELETE FROM parcels.fields",
            "TRUNCATE TABLE parcels.fields",
            "COPY parcels.fields TO 'x.csv'",
            "COPY (SELECT 1) TO 'x.parquet'",
            "SET datafusion.execution.batch_size = 1",
            "PREPARE p AS SELECT 1",
            "EXPLAIN DELETE FROM parcels.fields",
            "EXPLAIN ANALYZE INSERT INTO parcels.fields SELECT * FROM parcels.fields",
        ];
        for statement in statements {
            let outcome = ask(place, statement, &[]);
            assert_eq!(outcome.code, 2, "{statement}: {}", outcome.stdout);
            assert!(
                outcome.stderr.contains("only reads"),
                "{statement}: {}",
                outcome.stderr
            );
        }
        assert!(!place.path("x.csv").exists() && !place.path("x.parquet").exists());
        assert_eq!(
            answer(place, "SELECT count(*) AS n FROM fields"),
            json!([{ "n": 12 }])
        );
    }

    #[test]
    fn errors_name_the_place_and_what_there_is() {
        let place = home();
        let wrong = [
            (
                "SELECT men\nFROM fields",
                2,
                "column men not found; there are area_ha",
            ),
            ("SELECT id,\n  men FROM fields", 2, "(line 2, column 3)"),
            (
                "SELECT * FORM fields",
                2,
                "found: FORM at Line: 1, Column: 10",
            ),
            (
                "SELECT * FROM meadows",
                4,
                "table meadows not found; there are \"sentinel-2-l2a\".fields",
            ),
            ("SELECT * FROM 'land/parcels.parquet'", 4, "not found"),
            ("SELECT foo(id) FROM fields", 2, "Invalid function 'foo'"),
            ("SELECT id, count(*) FROM fields", 2, "GROUP BY"),
            (
                "SELECT CAST(id || 'x' AS INT) FROM fields",
                2,
                "Cannot cast",
            ),
            ("SELECT 1; SELECT 2", 2, "one query"),
            (" ", 2, "one query"),
        ];
        for (query, code, part) in wrong {
            let outcome = ask(place, query, &[]);
            assert_eq!(outcome.code, code, "{query}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(part), "{query}: {}", outcome.stderr);
            assert_eq!(outcome.stdout, "");
        }
        let chain = format!("SELECT {}", ["1"; 2_000].join(" + "));
        assert!(ask(place, &chain, &[]).stderr.contains("1999 operators"));
        let nested = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
        assert!(
            ask(place, &nested, &[])
                .stderr
                .contains("nested too deeply")
        );
    }

    #[test]
    fn answers_come_in_five_formats_and_say_where_they_are_cut() {
        let place = home();
        let query = "SELECT id, area_m2 > 0 AS has_area FROM fields ORDER BY id";
        let cut = ask(place, query, &["--limit-rows", "2"]);
        assert!(cut.ok().lines().count() == 6 && cut.stderr.contains("cut after 2 rows"));
        assert_eq!(ask(place, query, &["--limit-rows", "12"]).stderr, "");
        let csv = ask(place, query, &["--format", "csv"]);
        assert_eq!(csv.ok().lines().next(), Some("id,has_area"));
        assert_eq!(csv.stdout.lines().count(), 13);
        for name in ["a.csv", "a.json", "a.arrow", "a.parquet", "a.txt"] {
            let written = ask(place, query, &["-o", name]);
            written.ok();
            assert_eq!(written.stderr, format!("12 rows written to {name}\n"));
        }
        let parquet = std::fs::File::open(place.path("a.parquet")).expect("a file");
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 64);
        let rows: usize = reader
            .expect("Parquet")
            .map(|batch| batch.expect("rows").num_rows())
            .sum();
        assert_eq!(rows, 12);
        let arrow = std::fs::File::open(place.path("a.arrow")).expect("a file");
        let reader = arrow::ipc::reader::StreamReader::try_new(arrow, None).expect("Arrow");
        assert_eq!(
            reader
                .map(|batch| batch.expect("rows").num_rows())
                .sum::<usize>(),
            12
        );
        // A failed query leaves no file.
        assert_eq!(
            ask(
                place,
                "SELECT 1 / (parcel - 3) FROM fields",
                &["-o", "b.csv"]
            )
            .code,
            2
        );
        assert!(!place.path("b.csv").exists());
        // Nested columns are texts in CSV; nothing found is a header.
        let nested = ask(
            place,
            "SELECT bbox FROM fields WHERE parcel = 0",
            &["--format", "csv"],
        );
        assert!(nested.ok().contains("{xmin: "));
        let none = ask(
            place,
            "SELECT id FROM fields WHERE parcel < 0",
            &["--format", "csv"],
        );
        assert_eq!(none.ok(), "id\n");
        assert_eq!(
            answer(place, "SELECT id FROM fields WHERE parcel < 0"),
            json!([])
        );
    }

    #[test]
    fn a_query_comes_from_a_file_or_the_standard_input() {
        let place = home();
        place.write("q.sql", "-- a comment\nSELECT 7 AS n;\n");
        let from_file = place.swath(&["sql", "-f", "q.sql", "--format", "csv"]);
        assert_eq!(from_file.ok(), "n\n7\n");
        let mut command = place.command(&["sql", "-", "--format", "csv"]);
        let file = std::fs::File::open(place.path("q.sql")).expect("a file");
        assert_eq!(place.run(command.stdin(Stdio::from(file))).ok(), "n\n7\n");
    }

    #[test]
    fn files_without_rows_of_the_answer_are_not_read() {
        let place = home();
        let plan = |filter: &str| {
            let query = format!("EXPLAIN SELECT mean FROM {ROWS} WHERE {filter}");
            ask(place, &query, &["--format", "csv"]).ok().to_owned()
        };
        let files = |plan: &str| plan.matches(".parquet").count();
        let all = files(&plan("mean > 0"));
        assert!(all > 3, "{all}");
        assert_eq!(files(&plan("month = '2021-04'")), 0);
        assert_eq!(files(&plan("month BETWEEN '2021-05' AND '2021-06'")), all);
        assert_eq!(files(&plan("parcel > 100")), 0);
        assert_eq!(files(&plan("band = 'B99'")), 0);
        let some = files(&plan("datetime < TIMESTAMP '2021-05-12T00:00:00Z'"));
        assert!(0 < some && some < all, "{some} of {all}");
    }

    #[test]
    fn personal_columns_are_there_only_where_named() {
        let place = season_of(&["20210504"]);
        let import = ["parcels", "import", "land/parcels.parquet", "--name", "own"];
        let import = [&import[..], &["--id", "parcel_id", "--personal", "area_ha"]].concat();
        place.swath(&import).ok();
        let query = "SELECT area_ha FROM parcels.own";
        let refused = ask(&place, query, &[]);
        assert_eq!(refused.code, 2);
        assert!(
            refused
                .stderr
                .contains("area_ha is personal: name it with --personal area_ha")
        );
        assert!(
            !ask(&place, "SELECT * FROM parcels.own", &[])
                .ok()
                .contains("area_ha")
        );
        ask(&place, query, &["--personal", "area_ha"]).ok();
        let nobody = ask(&place, query, &["--personal", "are_ha"]);
        assert!(nobody.code == 2 && nobody.stderr.contains("there are: area_ha"));
    }

    #[test]
    fn a_snapshot_is_read_to_its_end_whatever_is_committed_beside_it() {
        let place = season_of(&[MONTH]);
        let early = ["--datetime", "2021-05-01/2021-05-15"];
        place.swath(&extract_words(&early)).ok();
        let sum = format!("SELECT count(*) AS n, sum(CAST(mean AS DOUBLE)) AS s FROM {ROWS}");
        let before = answer(&place, &sum);
        let joined = format!(
            "SELECT count(*) AS n FROM {ROWS} a JOIN {ROWS} b ON a.parcel = b.parcel \
             AND a.item_id = b.item_id AND a.band = b.band"
        );
        let mut compaction = place.command(&["table", "compact", COLLECTION]);
        let mut compaction = silent(&mut compaction).spawn().expect("the program");
        let during = [answer(&place, &sum), answer(&place, &joined)];
        assert!(compaction.wait().expect("ends").success());
        let mut extraction = place.command(&extract_words(&[]));
        let mut extraction = silent(&mut extraction).spawn().expect("the program");
        let growing = answer(&place, &joined);
        assert!(extraction.wait().expect("ends").success());
        assert_eq!(during[0], before);
        assert_eq!(during[1][0]["n"], before[0]["n"]);
        // Both sides of the join saw the same moment, before or after a commit.
        let after = answer(&place, &joined);
        assert!(growing[0]["n"].as_u64() >= before[0]["n"].as_u64());
        assert!(growing[0]["n"].as_u64() <= after[0]["n"].as_u64());
        assert!(after[0]["n"].as_u64() > before[0]["n"].as_u64());
        assert_eq!(
            after,
            answer(&place, &format!("SELECT count(*) AS n FROM {ROWS}"))
        );
    }

    fn silent(command: &mut Command) -> &mut Command {
        command.stdout(Stdio::null()).stderr(Stdio::null())
    }

    #[test]
    fn what_does_not_fit_into_memory_goes_to_files() {
        let place = home();
        let many = format!(
            "SELECT e.item_id, e.mean, n.value FROM {ROWS} e CROSS JOIN generate_series(1, 600) AS n(value)"
        );
        let sorted = format!(
            "SELECT max(position) AS n FROM (SELECT row_number() OVER (ORDER BY mean, value, item_id) \
             AS position FROM ({many}))"
        );
        let count = rows(&stores(None), &root(place), TableKind::Extracts).len() * 600;
        let explained = ask(
            place,
            &format!("EXPLAIN ANALYZE {sorted}"),
            &["--memory", "16"],
        );
        let spilled = explained
            .ok()
            .split("spill_count=")
            .filter(|part| !part.starts_with('0'));
        assert!(spilled.count() > 1, "{}", explained.stdout);
        let found = ask(place, &sorted, &["--memory", "16", "--format", "csv"]);
        assert_eq!(found.ok(), format!("n\n{count}\n"));
    }

    #[test]
    fn an_answer_that_is_stopped_leaves_nothing() {
        let place = home();
        let endless = format!(
            "SELECT e.*, n.value FROM {ROWS} e CROSS JOIN generate_series(1, 100000000) AS n(value)"
        );
        let mut command = place.command(&["sql", &endless, "-o", "stopped/endless.csv"]);
        std::fs::create_dir_all(place.path("stopped")).expect("a folder");
        let mut running = silent(&mut command).spawn().expect("the program");
        let written = || crate::table_place::files_below(&place.path("stopped"));
        let begun = Instant::now();
        while written() == 0 && running.try_wait().expect("a state").is_none() {
            assert!(begun.elapsed() < WAIT_MAX, "no progress");
            std::thread::park_timeout(LOOK_EVERY);
        }
        assert_eq!(written(), 1);
        let pid = i32::try_from(running.id()).expect("a number");
        kill_process(Pid::from_raw(pid).expect("a process"), Signal::INT).expect("a signal");
        assert_eq!(running.wait().expect("ends").code(), Some(130));
        assert_eq!(written(), 0);
    }

    #[test]
    fn a_file_that_vanished_is_named() {
        let place = season_of(&["20210504", "20210514"]);
        place.swath(&extract_words(&[])).ok();
        let data = Path::new(&root(&place)).join("data");
        let unit = std::fs::read_dir(data).expect("a folder").next();
        std::fs::remove_dir_all(unit.expect("a unit").expect("an entry").path()).expect("removed");
        let outcome = ask(&place, &format!("SELECT sum(mean) FROM {ROWS}"), &[]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("data/unit-"), "{}", outcome.stderr);
    }

    #[test]
    fn tables_and_sets_on_s3_answer_as_those_in_a_folder() {
        let place = home();
        let bucket = tempfile::tempdir().expect("a folder");
        for folder in ["tables", "parcels"] {
            copy(
                &place.path("swath-data").join(folder),
                &bucket.path().join(folder),
            );
        }
        let options = swath_testkit::server::Options {
            is_s3: true,
            ..Default::default()
        };
        let server = FaultServer::start(bucket.path(), options).expect("a server");
        let store = |name: &str| {
            format!(
                "[stores.{name}]\nprefix = \"s3://{}/{name}\"\nendpoint = \"{}\"\n",
                server.bucket(),
                server.endpoint()
            )
        };
        place.write("s3.toml", store("tables") + &store("parcels"));
        let queries = [
            format!(
                "SELECT band, sum(CAST(mean AS DOUBLE)) AS s FROM {ROWS} GROUP BY band ORDER BY band"
            ),
            format!(
                "SELECT p.id, count(*) AS n FROM fields p JOIN {CLASSES} c ON c.parcel = p.parcel GROUP BY p.id ORDER BY p.id"
            ),
        ];
        for query in &queries {
            let words = ["sql", query, "--format", "json", "--config", "s3.toml"];
            let mut command = place.command(&words);
            command
                .env("AWS_ACCESS_KEY_ID", server.access_key())
                .env("AWS_SECRET_ACCESS_KEY", server.secret_key());
            let remote: Value = serde_json::from_str(place.run(&mut command).ok()).expect("JSON");
            assert_eq!(remote, answer(place, query));
        }
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let path = entry.expect("an entry").path();
            let target = to.join(path.file_name().expect("a name"));
            match path.is_dir() {
                true => copy(&path, &target),
                false => drop(std::fs::copy(&path, &target).expect("a copy")),
            }
        }
    }
}
