//! `swath parcels`: import, list, check.

use crate::demo::parcels_json;
use crate::program::Place;

fn place() -> Place {
    let place = Place::new();
    place.write("parcels.geojson", parcels_json());
    place
}

#[test]
fn a_file_becomes_a_set_once() {
    let place = place();
    let import = [
        "parcels",
        "import",
        "parcels.geojson",
        "--name",
        "mine",
        "--country",
        "dk",
    ];
    let first = place.swath(&import);
    let text = first.ok();
    assert!(
        text.contains("mine@1") && text.contains("2 polygons"),
        "{text}"
    );
    assert!(text.contains("Europe/Copenhagen"), "{text}");
    let again = place.swath(&import);
    assert!(again.ok().contains("no new one"), "{}", again.stdout);
    let listed = place.swath(&["parcels", "list"]);
    assert!(
        listed
            .ok()
            .starts_with("mine  private  Europe/Copenhagen\n  @1"),
        "{}",
        listed.stdout
    );
    let checked = place.swath(&["parcels", "check", "mine@1"]);
    assert!(
        checked.ok().contains("parcels         2\n"),
        "{}",
        checked.stdout
    );
}

#[test]
fn wishes_that_cannot_be_met_are_told() {
    let place = place();
    let import = |more: &[&str]| {
        let mut args = vec!["parcels", "import", "parcels.geojson"];
        args.extend(more);
        let outcome = place.swath(&args);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        outcome.stderr
    };
    let text = import(&["--name", "No Name"]);
    assert!(text.contains("no name of a parcel set"), "{text}");
    let text = import(&["--name", "a", "--crop", "gone"]);
    assert!(text.contains("no column \"gone\""), "{text}");
    let text = import(&["--name", "a", "--hcat", "table.csv"]);
    assert!(text.contains("--crop"), "{text}");
    let text = import(&["--name", "a", "--timezone", "Mars/Olympus"]);
    assert!(text.contains("Mars/Olympus"), "{text}");
    let absent = place.swath(&["parcels", "import", "absent.gpkg", "--name", "a"]);
    assert_eq!(absent.code, 4, "{}", absent.stderr);
}
