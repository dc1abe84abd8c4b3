//! Help texts: what users read first.

use crate::program::Place;

/// Longest line of help.
const LINE_CHARACTERS: usize = 100;

#[test]
fn help_lists_the_commands() {
    insta::assert_snapshot!(Place::new().swath(&["--help"]).ok(), @"
    Earth-observation data at work: from rasters and parcels to statistics and series

    Usage: swath [OPTIONS] <COMMAND>

    Commands:
      info         Show what a raster is: CRS, grid, bands, blocks, overviews, COG validity
      convert      Write a raster as a cloud-optimised GeoTIFF
      warp         Put a raster onto another grid: CRS, resolution, bounds
      composite    One picture of many dates: newest, least cloudy, mean, median, greenest
      ingest       Take products into the archive: files, COGs, and items in the catalogue
      zonal        Statistics of one raster for every parcel
      extract      Statistics of many dated rasters or STAC items for every parcel
      table        Look after extract tables: compact, vacuum, check, copy
      job          Run commands as jobs, see how far jobs are
      task         Run single tasks of a job, as workers do
      collections  List, register and check the collections of the catalogue
      items        List, import and export the items of a collection
      search       Search items in the catalogue or in a remote STAC API
      parcels      Look at parcel files, import them into sets, list the sets
      series       Show the season of one parcel: rows, indices, means over periods, or a picture
      sql          Ask extract tables and parcel sets in SQL
      chips        One parcel through the season: images side by side, a GeoTIFF stack or a list
      serve        Answer over HTTP: STAC API and the other faces of the catalogue
      token        Make, list and end the tokens that the server lets in
      backup       Copy catalogue, configuration and, with --assets, the archive to another place
      restore      Put a backup back, here or elsewhere
      scrub        Check that the archive holds what the items say, bit for bit
      doctor       Check the installation and say what to do about what is wrong
      simulate     Make a landscape with known truth: parcels, Sentinel-like scenes, events
      demo         A season end to end, simulated or of your rasters: register, search, extract, show
      help         Print this message or the help of the given subcommand(s)

    Options:
          --home <DIR>     Data home: configuration, caches and later the archive [env: SWATH_HOME=]
                           [default: ./swath-data]
          --config <FILE>  Configuration file [default: HOME/swath.toml, if there is one] [env:
                           SWATH_CONFIG=]
          --threads <N>    Compute threads [default: all cores]
      -h, --help           Print help
      -V, --version        Print version
    ");
}

#[test]
fn help_of_info() {
    insta::assert_snapshot!(Place::new().swath(&["info", "--help"]).ok(), @"
    Show what a raster is: CRS, grid, bands, blocks, overviews, COG validity

    Usage: swath info [OPTIONS] <ASSET>

    Arguments:
      <ASSET>  Raster: a path, URL, s3://bucket/key or STORE:key

    Options:
          --home <DIR>     Data home: configuration, caches and later the archive [env: SWATH_HOME=]
                           [default: ./swath-data]
          --json           Print JSON
          --config <FILE>  Configuration file [default: HOME/swath.toml, if there is one] [env:
                           SWATH_CONFIG=]
          --threads <N>    Compute threads [default: all cores]
      -h, --help           Print help
    ");
}

#[test]
fn help_of_demo() {
    insta::assert_snapshot!(Place::new().swath(&["demo", "--help"]).ok(), @"
    A season end to end, simulated or of your rasters: register, search, extract, show

    Usage: swath demo [OPTIONS]

    Options:
          --data <DIR>              Folder with dated rasters or STAC items and a parcel file [default:
                                    simulate a season]
          --home <DIR>              Data home: configuration, caches and later the archive [env:
                                    SWATH_HOME=] [default: ./swath-data]
          --config <FILE>           Configuration file [default: HOME/swath.toml, if there is one] [env:
                                    SWATH_CONFIG=]
          --out <DIR>               Folder for all of it, a data home of its own [default: HOME/demo;
                                    with --data HOME/demo/data/NAME]
          --parcels <FILE>          Parcel file [default: the one in the folder of --data]
          --threads <N>             Compute threads [default: all cores]
          --id <FIELD>              Column of the parcel ids [default: parcel_id, else id, else the
                                    GeoPackage fid]
          --date-pattern <PATTERN>  Form of the date in raster names, where no tag has it, as
                                    %Y%m%dT%H%M%S
          --count <N>               Number of parcels to simulate [default: 1500]
          --seed <N>                Seed of the simulation [default: 1]
          --parcel <ID>             Parcel of the picture [default: one that shows much]
          --fresh                   Do everything anew, also what an earlier run has done
          --json                    Print JSON
      -h, --help                    Print help
    ");
}

#[test]
fn every_command_has_help_in_short_lines() {
    for command in [
        "info",
        "convert",
        "zonal",
        "extract",
        "ingest",
        "items import",
        "parcels import",
        "parcels list",
        "parcels check",
        "backup",
        "restore",
        "scrub",
        "doctor",
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
