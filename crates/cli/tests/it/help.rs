//! Help texts: what users read first.

use crate::program::Place;

/// Longest line of help.
const LINE_CHARACTERS: usize = 100;

#[test]
fn help_lists_the_commands() {
    insta::assert_snapshot!(Place::new().swath(&["--help"]).ok(), @"");
}

#[test]
fn help_of_info() {
    insta::assert_snapshot!(Place::new().swath(&["info", "--help"]).ok(), @"");
}

#[test]
fn help_of_demo() {
    insta::assert_snapshot!(Place::new().swath(&["demo", "--help"]).ok(), @"");
}

#[test]
fn every_command_has_help_in_short_lines() {
    for command in [
        "info",
        "convert",
        "zonal",
        "extract",
        "parcels check",
        "simulate",
        "demo",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let outcome = Place::new().swath(&args);
        let help = outcome.ok();
        assert!(help.contains("Usage: swath"), "{command}");
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(LINE_CHARACTERS), "{command}: {longest:?}");
    }
}

#[test]
fn without_a_command_help_is_an_error() {
    let outcome = Place::new().swath(&[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    assert!(outcome.stderr.contains("Usage: swath"));
}

#[test]
fn the_version_is_told() {
    let version = format!("swath {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Place::new().swath(&["--version"]).ok(), version);
}
