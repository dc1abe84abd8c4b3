//! A store that fills up while a table is filled: told, nothing lost, and the same command goes on.

use std::process::Command;

use swath_extract::table::TableKind;
use swath_testkit::server::Options;
use swath_testkit::{Fault, FaultServer, Rule};

use crate::program::Place;
use crate::table_place::{extract, extract_words, rows, season_of, stores};

/// A month of the season: few images.
const MONTH: &str = "202105";
/// A lease that a process leaves behind where it cannot give it back is soon over.
const LEASE: [&str; 2] = ["--lease", "2"];

/// Compares both tables below `found` with those of an undisturbed run.
fn assert_same(place: &Place, found: &swath_io::Stores, root: &str) {
    extract(place, "reference", &[]);
    let reference = place.path("reference").display().to_string();
    for kind in [TableKind::Extracts, TableKind::Classes] {
        let expected = rows(&stores(None), &reference, kind);
        assert!(!expected.is_empty());
        assert!(rows(found, root, kind) == expected, "{kind:?}");
    }
}

/// Runs a script with a small file system at `disk` of its own; false where none may be made.
fn run_on_small_disk(place: &Place, script: &str, words: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-ec", script, "script"]);
    let output = command
        .args(words)
        .env("SWATH", env!("CARGO_BIN_EXE_swath"))
        .current_dir(place.path(""))
        .output();
    let Ok(output) = output else {
        println!("skipped: no unshare here");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ermitted") || said.contains("denied") {
        println!("skipped: no file system of our own may be mounted here");
        return false;
    }
    assert!(
        output.status.success(),
        "{}: {} {said}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    true
}

#[test]
fn a_folder_that_fills_up_is_told_and_the_same_command_goes_on() {
    let place = season_of(&[MONTH]);
    let script = r#"
        mkdir disk && mount -t tmpfs -o size=56k none disk
        code=0
        "$SWATH" "$@" >full.out 2>&1 || code=$?
        test $code = 5 || { cat full.out; echo "exit code $code"; exit 9; }
        grep -q 'disk/t' full.out && grep -q 'no space is left there' full.out || { cat full.out; exit 8; }
        grep -q 'units are in the table and stay there' full.out || { cat full.out; exit 7; }
        mount -o remount,size=64m disk
        "$SWATH" table check disk/t >check.out 2>&1 || { cat check.out; exit 6; }
        "$SWATH" "$@" >again.out 2>&1 || { cat again.out; exit 5; }
        cp -r disk/t kept
    "#;
    if run_on_small_disk(&place, script, &extract_words("disk/t", &LEASE)) {
        let root = place.path("kept").display().to_string();
        assert_same(&place, &stores(None), &root);
    }
}

#[test]
fn a_home_that_fills_up_with_catalogue_jobs_and_table_goes_on_too() {
    let place = season_of(&[MONTH]);
    let script = r#"
        mkdir disk && mount -t tmpfs -o size=64m none disk
        cp -r swath-data disk/home
        free=$(df -k --output=avail disk | tail -n 1)
        head -c $(( (free - 96) * 1024 )) /dev/zero >disk/ballast
        code=0
        "$SWATH" --home disk/home "$@" >full.out 2>&1 || code=$?
        test $code = 5 || { cat full.out; echo "exit code $code"; exit 9; }
        grep -qi 'no space is left\|full' full.out || { cat full.out; exit 8; }
        rm disk/ballast
        "$SWATH" --home disk/home "$@" >again.out 2>&1 || { cat again.out; exit 7; }
        cp -r disk/home/tables/t kept
    "#;
    let table = "disk/home/tables/t";
    if run_on_small_disk(&place, script, &extract_words(table, &LEASE)) {
        let root = place.path("kept").display().to_string();
        assert_same(&place, &stores(None), &root);
    }
}

#[test]
fn an_s3_store_that_takes_no_more_is_told_and_the_same_command_goes_on() {
    let place = season_of(&[MONTH]);
    let bucket = tempfile::tempdir().expect("a folder");
    let options = Options {
        is_s3: true,
        ..Options::default()
    };
    let server = FaultServer::start(bucket.path(), options).expect("a server");
    let config = format!(
        "[stores.tables]\nprefix = \"s3://{}/tables\"\nendpoint = \"{}\"\n",
        server.bucket(),
        server.endpoint()
    );
    place.write("swath-data/swath.toml", config);
    let run = || {
        let mut command = place.command(&extract_words("tables:t", &LEASE));
        command
            .env("AWS_ACCESS_KEY_ID", server.access_key())
            .env("AWS_SECRET_ACCESS_KEY", server.secret_key());
        place.run(&mut command)
    };
    // The table and a few data files find room.
    let full = Rule::new(Fault::Status(507)).method("PUT");
    server.inject(full.path(".parquet").after(3));
    let full = run();
    assert_eq!(full.code, 5, "{}", full.stderr);
    for part in [
        "no space is left there",
        "tables:t/",
        "the same command does the rest",
    ] {
        assert!(full.stderr.contains(part), "{part}: {}", full.stderr);
    }
    server.heal();
    run().ok();
    assert_same(&place, &stores(Some(&server)), "bucket:tables/t");
}
