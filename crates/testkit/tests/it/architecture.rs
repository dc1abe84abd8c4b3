//! Checks the map of the workspace: which crate may use which, and what libraries never do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Crate, layer, and the crates it may use; the same table stands in the house style.
const MAP: &[(&str, u32, &[&str])] = &[
    ("grid", 0, &[]),
    ("stac", 0, &["grid"]),
    ("access", 0, &[]),
    ("raster", 1, &["grid"]),
    ("series", 1, &["raster"]),
    ("learn", 1, &[]),
    ("io", 2, &["grid", "stac", "access", "raster"]),
    ("db", 2, &[]),
    ("catalog", 2, &["grid", "stac", "access", "db"]),
    ("jobs", 2, &["io", "db", "access"]),
    ("accounts", 2, &["db", "access"]),
    (
        "archive",
        3,
        &["grid", "stac", "access", "raster", "io", "catalog"],
    ),
    (
        "extract",
        3,
        &["grid", "stac", "access", "raster", "io", "db"],
    ),
    (
        "process",
        3,
        &[
            "grid", "stac", "access", "raster", "io", "catalog", "extract", "series", "learn",
        ],
    ),
    (
        "acquire",
        3,
        &["stac", "access", "io", "catalog", "jobs", "archive"],
    ),
    ("server", 4, BELOW_FRONTS),
    ("cli", 4, BELOW_CLI),
    ("testkit", 5, BELOW_CLI),
];
const BELOW_FRONTS: &[&str] = &[
    "grid", "stac", "access", "raster", "series", "learn", "io", "db", "catalog", "jobs",
    "accounts", "archive", "extract", "process", "acquire",
];
const BELOW_CLI: &[&str] = &[
    "grid", "stac", "access", "raster", "series", "learn", "io", "db", "catalog", "jobs",
    "accounts", "archive", "extract", "process", "acquire", "server",
];

/// The last layer without async, network, files, clock and database.
const PURE_LAYER_MAX: u32 = 1;
const IMPURE_DEPENDENCIES: &[&str] = &[
    "tokio",
    "futures",
    "object_store",
    "sqlx",
    "reqwest",
    "hyper",
    "async-trait",
];
const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "fs::",
    "std::net",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "std::env",
    "env::",
];
/// What no library does: print, exit, read the environment.
const FRONT_ONLY: &[&str] = &[
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "process::exit",
    "env::var",
    "env::var_os",
    "env::vars",
    "env::args",
];

struct Crate {
    name: String,
    folder: PathBuf,
    manifest: Table,
}

fn crates() -> Vec<Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).expect("the folder of crates") {
        let folder = entry.expect("a folder").path();
        let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let manifest = text.parse::<Table>().expect("a manifest");
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        found.push(Crate {
            name,
            folder,
            manifest,
        });
    }
    assert!(found.len() > 1, "no crates found");
    found
}

fn layer(name: &str) -> Option<u32> {
    MAP.iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, layer, _)| *layer)
}

/// Returns the names in a table of dependencies, also of its `target.….` variants.
fn dependencies(manifest: &Table, section: &str) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(targets);
    let sections = tables
        .filter_map(|table| table.get(section))
        .filter_map(Value::as_table);
    let mut names = Vec::new();
    for (name, value) in sections.flatten() {
        // `package = "…"` gives the true name of a renamed dependency.
        let package = value.as_table().and_then(|table| table.get("package"));
        names.push(package.and_then(Value::as_str).unwrap_or(name).to_owned());
    }
    names
}

/// Returns what is wrong with the edges of one crate.
fn edge_faults(name: &str, manifest: &Table) -> Vec<String> {
    let Some((_, own_layer, allowed)) = MAP.iter().find(|(known, ..)| *known == name) else {
        return vec![format!("crate {name} is not in the map")];
    };
    let swath = |section| {
        let names = dependencies(manifest, section).into_iter();
        names
            .filter_map(|name| name.strip_prefix("swath-").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let mut faults = Vec::new();
    for used in [swath("dependencies"), swath("build-dependencies")].concat() {
        if !allowed.contains(&used.as_str()) {
            faults.push(format!("{name} may not use {used}"));
        }
    }
    for used in swath("dev-dependencies") {
        let is_lower = layer(&used).is_some_and(|layer| layer < *own_layer);
        if used != "testkit" && !is_lower && !allowed.contains(&used.as_str()) {
            faults.push(format!("the tests of {name} may not use {used}"));
        }
    }
    if *own_layer <= PURE_LAYER_MAX {
        let used = dependencies(manifest, "dependencies").into_iter();
        let impure = used.filter(|used| IMPURE_DEPENDENCIES.contains(&used.as_str()));
        faults.extend(impure.map(|used| format!("{name} is pure and may not use {used}")));
    }
    faults
}

fn sources(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.join("src")];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(next) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                // Unit tests in a folder of their own ship as little as those at the end of a file.
                if path.file_name().is_none_or(|name| name != "tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.insert(path, text);
            }
        }
    }
    found
}

/// Returns the lines of shipped code with their numbers: no comments, no unit tests (they stand
/// last in a file).
fn shipped_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_test = |line: &str| line.trim_start().starts_with("#[cfg(test)]");
    let lines = text
        .lines()
        .enumerate()
        .take_while(move |(_, line)| !is_test(line));
    lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Returns whether `line` has `word` where it does not continue another name.
fn mentions(line: &str, word: &str) -> bool {
    let continues = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(position, _)| !continues(&line[..position]))
}

fn source_faults(name: &str, path: &Path, text: &str) -> Vec<String> {
    let is_pure = layer(name).is_some_and(|layer| layer <= PURE_LAYER_MAX);
    let is_program = name == "cli" || path.components().any(|part| part.as_os_str() == "bin");
    let mut faults = Vec::new();
    for (number, line) in shipped_lines(text) {
        let place = format!("{}:{number}", path.display());
        let found = |words: &'static [&'static str]| {
            words.iter().find(|word| mentions(line, word)).copied()
        };
        if let Some(word) = found(IMPURE_PATHS).filter(|_| is_pure) {
            faults.push(format!("{place}: a pure crate uses {word}"));
        }
        if let Some(word) = found(FRONT_ONLY).filter(|_| !is_program) {
            faults.push(format!("{place}: a library uses {word}"));
        }
    }
    faults
}

#[test]
fn crates_use_only_what_the_map_allows() {
    let faults: Vec<_> = crates()
        .iter()
        .flat_map(|found| edge_faults(&found.name, &found.manifest))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn packages_are_named_after_their_folders() {
    for found in crates() {
        let name = found.manifest["package"]["name"].as_str();
        assert_eq!(name, Some(format!("swath-{}", found.name).as_str()));
    }
}

#[test]
fn libraries_do_what_their_layer_allows() {
    let mut faults = Vec::new();
    for found in crates() {
        for (path, text) in sources(&found.folder) {
            faults.extend(source_faults(&found.name, &path, &text));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn map_points_downwards() {
    for (name, own_layer, allowed) in MAP {
        for used in *allowed {
            let used_layer = layer(used).unwrap_or_else(|| panic!("{used} is not in the map"));
            assert!(used_layer <= *own_layer, "{name} → {used}");
        }
    }
}

#[test]
fn wrong_edges_are_found() {
    let faults = |name: &str, text: &str| edge_faults(name, &text.parse().expect("a manifest"));
    assert_eq!(
        faults("raster", "[dependencies]\nswath-grid.workspace = true").len(),
        0
    );
    assert_eq!(
        faults("raster", "[dependencies]\nswath-io.workspace = true").len(),
        1
    );
    assert_eq!(faults("raster", "[dependencies]\ntokio = \"1\"").len(), 1);
    assert_eq!(
        faults("raster", "[dependencies]\nx = { package = \"swath-io\" }").len(),
        1
    );
    assert_eq!(
        faults(
            "raster",
            "[target.'cfg(unix)'.dependencies]\nswath-io = \"0\""
        )
        .len(),
        1
    );
    assert_eq!(
        faults(
            "raster",
            "[dev-dependencies]\nswath-testkit.workspace = true"
        )
        .len(),
        0
    );
    assert_eq!(
        faults("raster", "[dev-dependencies]\nswath-cli.workspace = true").len(),
        1
    );
    assert_eq!(faults("unheard", "").len(), 1);
}

#[test]
fn forbidden_calls_are_found() {
    let faults = |name, text| source_faults(name, Path::new("src/lib.rs"), text).len();
    assert_eq!(faults("grid", "use std::fs;"), 1);
    assert_eq!(faults("grid", "use std::{env::args, fmt};"), 2);
    assert_eq!(faults("grid", "let now = SystemTime::now(); // std::fs"), 1);
    assert_eq!(
        faults("grid", "let x = offs::y();\n#[cfg(test)]\nuse std::fs;"),
        0
    );
    assert_eq!(faults("io", "std::fs::read(path)"), 0);
    assert_eq!(faults("io", "eprintln!(\"x\")"), 1);
    assert_eq!(faults("io", "/// println!(\"x\")"), 0);
    assert_eq!(faults("cli", "std::process::exit(1)"), 0);
}
