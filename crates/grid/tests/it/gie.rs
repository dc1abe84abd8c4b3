//! Runs the test files of PROJ and the GIGS series against our engine.
//!
//! Data: `reference-numeric/proj-gie` (PROJ 9.1.1, MIT) and `reference-numeric/gigs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use swath_grid::{Crs, Point, Projector, ShiftOptions};

/// Counts reached; a change may not fall below.
const PASSES_MIN: [(&str, usize); 2] = [("proj-gie", 883), ("gigs", 650)];

fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("SWATH_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = root.join("data/reference-numeric");
    folder.is_dir().then_some(folder)
}

/// One `accept` with what should come out.
struct Case {
    operation: String,
    is_inverse: bool,
    tolerance_m: f64,
    accept: Vec<f64>,
    /// `None` where PROJ is expected to refuse.
    expect: Option<Vec<f64>>,
    roundtrips: usize,
}

fn read_cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let (mut operation, mut tolerance_m, mut is_inverse, mut accept) =
        (String::new(), 0.0005, false, Vec::new());
    let joined = text.replace("\\\n", " ");
    let mut lines = joined
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim())
        .peekable();
    while let Some(line) = lines.next() {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "operation" => {
                operation = rest.to_string();
                // Operations run on over lines that start with a plus sign or a step.
                while lines
                    .peek()
                    .is_some_and(|next| next.starts_with('+') || next.starts_with("step"))
                {
                    operation = format!("{operation} {}", lines.next().unwrap_or(""));
                }
                (tolerance_m, is_inverse) = (0.0005, false);
            }
            "tolerance" => tolerance_m = length_m(rest).unwrap_or(0.0005),
            "direction" => is_inverse = rest.starts_with('i'),
            "accept" => accept = numbers(rest),
            "expect" => cases.push(Case {
                operation: operation.clone(),
                is_inverse,
                tolerance_m,
                accept: accept.clone(),
                expect: (!rest.starts_with("failure")).then(|| numbers(rest)),
                roundtrips: 0,
            }),
            "roundtrip" => cases.push(Case {
                operation: operation.clone(),
                is_inverse,
                tolerance_m: rest
                    .split_once(char::is_whitespace)
                    .and_then(|(_, t)| length_m(t))
                    .unwrap_or(tolerance_m),
                accept: accept.clone(),
                expect: Some(accept.clone()),
                roundtrips: rest
                    .split_whitespace()
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(1),
            }),
            _ => {}
        }
    }
    cases
}

fn numbers(text: &str) -> Vec<f64> {
    text.replace('_', "")
        .split_whitespace()
        .map_while(angle)
        .collect()
}

fn angle(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let sign = if text.ends_with(['W', 'S']) {
        -1.0
    } else {
        1.0
    };
    let text = text.trim_end_matches(['E', 'W', 'N', 'S']);
    let parts: Vec<f64> = text
        .split(['d', '\'', '"'])
        .filter(|part| !part.is_empty())
        .map_while(|part| part.parse().ok())
        .collect();
    let degrees = parts
        .iter()
        .zip([1.0, 60.0, 3600.0])
        .map(|(part, share)| part / share)
        .sum::<f64>();
    (!parts.is_empty()).then_some(sign * degrees)
}

fn length_m(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    Some(match words.next().unwrap_or("m") {
        "km" => number * 1e3,
        "cm" => number * 1e-2,
        "mm" => number * 1e-3,
        "um" => number * 1e-6,
        "nm" => number * 1e-9,
        "deg" => number * 111_319.0,
        _ => number,
    })
}

/// Turns an operation into the two CRSs it connects, or says why it is none of ours.
fn ends(operation: &str) -> Result<(Crs, Crs), &'static str> {
    let words: Vec<&str> = operation
        .split_whitespace()
        .map(|word| word.trim_start_matches('+'))
        .collect();
    if words.first() == Some(&"proj=pipeline") {
        let steps: Vec<&[&str]> = words[1..]
            .split(|word| *word == "step")
            .filter(|step| !step.is_empty())
            .collect();
        let [first, second] = steps[..] else {
            return Err("a pipeline that is not two CRSs");
        };
        let is_crs = |step: &[&str]| step.iter().any(|word| word.starts_with("init=epsg:"));
        if !first.contains(&"inv") || second.contains(&"inv") || !(is_crs(first) || is_crs(second))
        {
            return Err("a pipeline that is not two CRSs");
        }
        return Ok((step_crs(first)?, step_crs(second)?));
    }
    let name = words
        .iter()
        .find_map(|word| word.strip_prefix("proj="))
        .ok_or("no projection")?;
    if NOT_PROJECTIONS.contains(&name) {
        return Err("an operation other than a map projection");
    }
    if words.iter().any(|word| {
        word.starts_with("axis=") || word.starts_with("geoc") || word.starts_with("vunits")
    }) {
        return Err("axis order, geocentric latitude or heights");
    }
    let frame = [
        "ellps=", "a=", "b=", "rf=", "f=", "R=", "es=", "e=", "datum=", "pm=", "towgs84=",
    ];
    let kept: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| frame.iter().any(|key| word.starts_with(key)))
        .collect();
    let base: Vec<String> = kept
        .iter()
        .filter(|word| !word.starts_with("pm="))
        .map(|word| format!("+{word}"))
        .collect();
    let from = Crs::parse(&format!("+proj=longlat {}", base.join(" ")))
        .map_err(|_| "an ellipsoid we do not read")?;
    let to = step_crs(&words)?;
    Ok((from, to))
}

const NOT_PROJECTIONS: &[&str] = &[
    "helmert",
    "molodensky",
    "molobadekas",
    "cart",
    "unitconvert",
    "axisswap",
    "hgridshift",
    "vgridshift",
    "noop",
    "push",
    "pop",
    "set",
    "deformation",
    "defmodel",
    "geogoffset",
    "horner",
    "affine",
    "tinshift",
    "topocentric",
    "xyzgridshift",
    "geoc",
    "latlong",
    "longlat",
    "latlon",
    "lonlat",
    "gridshift",
    "ob_tran",
    "geocent",
];

fn step_crs(words: &[&str]) -> Result<Crs, &'static str> {
    if words.contains(&"init=epsg:4807") {
        return Err("+init means degrees where the CRS has grads");
    }
    if let Some(code) = words
        .iter()
        .find_map(|word| word.strip_prefix("init=epsg:"))
    {
        let crs = code
            .parse()
            .ok()
            .and_then(|code| Crs::from_epsg(code).ok())
            .ok_or("an EPSG code of no horizontal CRS")?;
        return if crs.can_transform() {
            Ok(crs)
        } else {
            Err("a projection that is not built in")
        };
    }
    let text: Vec<String> = words
        .iter()
        .filter(|word| **word != "inv")
        .map(|word| format!("+{word}"))
        .collect();
    Crs::parse(&text.join(" ")).map_err(|_| "a projection or an option that is not built in")
}

enum Outcome {
    Pass,
    Skip(&'static str),
    Differs(f64),
    Refused,
    Accepted,
}

fn run(case: &Case) -> Outcome {
    let (from, to) = match ends(&case.operation) {
        Ok(ends) => ends,
        Err(_) if case.expect.is_none() => {
            return Outcome::Skip("an error is expected for a definition we refuse too");
        }
        Err(why) => return Outcome::Skip(why),
    };
    if case.accept.len() < 2 {
        return Outcome::Skip("no coordinates");
    }
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let (from, to) = if case.is_inverse {
        (to, from)
    } else {
        (from, to)
    };
    let (Ok(there), Ok(back)) = (
        Projector::new(&from, &to, &options),
        Projector::new(&to, &from, &options),
    ) else {
        return Outcome::Skip("no projector");
    };
    let mut points = [Point {
        x: case.accept[0],
        y: case.accept[1],
    }];
    let mut result = Ok(());
    if case.roundtrips > 0 {
        for _ in 0..case.roundtrips.min(1000) {
            result = result
                .and_then(|()| there.project(&mut points))
                .and_then(|()| back.project(&mut points));
        }
    } else {
        result = there.project(&mut points);
    }
    let target = if case.roundtrips > 0 { &from } else { &to };
    match (&case.expect, result) {
        (None, Err(_)) => Outcome::Pass,
        (None, Ok(())) => Outcome::Accepted,
        (Some(_), Err(_)) => Outcome::Refused,
        (Some(expect), Ok(())) if expect.len() >= 2 => {
            let mut dx = points[0].x - expect[0];
            if target.is_geographic() {
                dx -= 360.0 * (dx / 360.0).round();
            }
            let shrink = if target.is_geographic() {
                expect[1].to_radians().cos()
            } else {
                1.0
            };
            let distance_m = (dx * shrink).hypot(points[0].y - expect[1]) * target.unit_to_metre();
            if distance_m <= case.tolerance_m + 1e-9 {
                Outcome::Pass
            } else {
                Outcome::Differs(distance_m)
            }
        }
        _ => Outcome::Skip("no coordinates"),
    }
}

#[test]
fn files_of_proj_and_gigs() {
    let Some(folder) = shared() else {
        println!("skipped: no shared data");
        return;
    };
    for (part, passes_min) in PASSES_MIN {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(part))
            .expect("a folder of test files")
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "gie"))
            .collect();
        files.sort();
        let (mut passes, mut tried, mut total) = (0, 0, 0);
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for file in files {
            let text =
                String::from_utf8_lossy(&std::fs::read(&file).expect("readable")).into_owned();
            for case in read_cases(&text) {
                total += 1;
                let name = file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let reason = match run(&case) {
                    Outcome::Pass => {
                        passes += 1;
                        tried += 1;
                        continue;
                    }
                    Outcome::Skip(why) => why.to_string(),
                    Outcome::Differs(distance_m) => {
                        tried += 1;
                        println!(
                            "{name}: {} {:?} inverse {} roundtrips {}: off by {distance_m:e} m",
                            case.operation, case.accept, case.is_inverse, case.roundtrips
                        );
                        "another result".to_string()
                    }
                    Outcome::Refused => {
                        tried += 1;
                        println!(
                            "{name}: {} {:?} inverse {}: refused",
                            case.operation, case.accept, case.is_inverse
                        );
                        "refused by our engine".to_string()
                    }
                    Outcome::Accepted => {
                        tried += 1;
                        println!(
                            "{name}: {} {:?} inverse {}: should be refused",
                            case.operation, case.accept, case.is_inverse
                        );
                        "a result where PROJ refuses".to_string()
                    }
                };
                *reasons.entry(reason).or_default() += 1;
            }
        }
        println!("{part}: {passes} of {tried} pass, {total} cases in all");
        for (reason, count) in reasons {
            println!("  {count:5} {reason}");
        }
        assert!(
            passes >= passes_min,
            "{part}: {passes} passes, {passes_min} before"
        );
    }
}
