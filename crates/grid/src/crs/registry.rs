//! The committed tables of EPSG codes (and ESRI's world projections).
//!
//! The tables are texts of one row per line, sorted by code; `tables/make_tables.py` writes them.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::definition::{
    Authority, Axis, Compound, Conversion, Datum, Definition, Ellipsoid, Geodetic, Meridian,
    Projected, System, Unit, plain,
};
use super::method::Method;
use crate::Bbox;

/// Fields of one row, split at `|`.
type Row = Vec<&'static str>;

/// Rows of one table by code.
struct Table(BTreeMap<u32, Row>);

impl Table {
    fn read(text: &'static str) -> Self {
        let rows = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let row: Row = line.split('|').collect();
                row.first()
                    .and_then(|code| code.parse().ok())
                    .map(|code| (code, row))
            });
        Self(rows.collect())
    }

    fn get(&self, code: u32) -> Option<&Row> {
        self.0.get(&code)
    }
}

macro_rules! table {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Table> =
            LazyLock::new(|| Table::read(include_str!(concat!("../../tables/", $file))));
    };
}

table!(ELLIPSOIDS, "ellipsoids.txt");
table!(MERIDIANS, "meridians.txt");
table!(DATUMS, "datums.txt");
table!(GEOGRAPHIC, "geographic.txt");
table!(PROJECTED, "projected.txt");
table!(ESRI, "esri.txt");
table!(COMPOUND, "compound.txt");
table!(VERTICAL, "vertical.txt");
table!(SYSTEMS, "systems.txt");
table!(UNITS, "units.txt");

/// Datum codes by the plain letters of their names.
static DATUM_NAMES: LazyLock<HashMap<String, u32>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for (code, row) in &DATUMS.0 {
        names.entry(plain_datum(row[1])).or_insert(*code);
        if !row[5].is_empty() {
            names.entry(plain_datum(row[5])).or_insert(*code);
        }
    }
    for (name, code) in DATUM_ALIASES {
        names.insert((*name).to_string(), *code);
    }
    names
});

/// Names met in files that are neither EPSG's nor ESRI's.
const DATUM_ALIASES: &[(&str, u32)] = &[
    ("wgs84", 6326),
    ("wgs1984", 6326),
    ("worldgeodeticsystem1984", 6326),
    ("etrs89", 6258),
    ("etrs1989", 6258),
    ("europeanterrestrialreferencesystem1989", 6258),
    ("nad83", 6269),
    ("nad27", 6267),
    ("ggrs87", 6121),
    ("potsdam", 6314),
    ("osgb36", 6277),
    ("ed50", 6230),
    ("dhdn", 6314),
    ("mgi", 6312),
];

/// Returns the plain letters of a datum name, without what differs between dialects.
fn plain_datum(name: &str) -> String {
    let name = name.strip_prefix("D_").unwrap_or(name);
    let plain = plain(name);
    plain
        .strip_suffix("ensemble")
        .map_or(plain.clone(), str::to_string)
}

fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

pub(crate) fn ellipsoid(code: u32) -> Option<Ellipsoid> {
    let row = ELLIPSOIDS.get(code)?;
    Some(Ellipsoid {
        name: row[1].into(),
        code: Some(code),
        a_m: parse(row[2])?,
        inverse_flattening: parse(row[3])?,
    })
}

pub(crate) fn meridian(code: u32) -> Option<Meridian> {
    let row = MERIDIANS.get(code)?;
    Some(Meridian {
        name: row[1].into(),
        code: Some(code),
        longitude: parse(row[2])?,
    })
}

pub(crate) fn unit(code: u32) -> Option<Unit> {
    let row = UNITS.get(code)?;
    Some(Unit {
        name: row[1].into(),
        code: Some(code),
        factor: parse(row[3])?,
    })
}

/// Returns the code of a unit of that kind (`angle`, `length`) and size.
pub(crate) fn unit_of_size(kind: &str, factor: f64) -> Option<Unit> {
    let preferred = [9122, 9001, 9002, 9003];
    let fits = |row: &Row| {
        row[2] == kind
            && parse::<f64>(row[3]).is_some_and(|known| (known / factor - 1.0).abs() < 1e-10)
    };
    let known = preferred
        .iter()
        .find(|code| UNITS.get(**code).is_some_and(&fits))
        .copied();
    unit(known.or_else(|| {
        UNITS
            .0
            .iter()
            .find(|(_, row)| fits(row))
            .map(|(code, _)| *code)
    })?)
}

pub(crate) fn datum(code: u32) -> Option<Datum> {
    let row = DATUMS.get(code)?;
    Some(Datum {
        name: row[1].into(),
        code: Some(code),
        ellipsoid: ellipsoid(parse(row[2])?)?,
        meridian: meridian(parse(row[3])?)?,
        to_wgs84: None,
    })
}

/// Returns the datum whose positions count as those of `code`: the ensemble a realisation belongs
/// to, or the same network counted from Greenwich.
pub(crate) fn datum_twin(code: u32) -> Option<u32> {
    parse(DATUMS.get(code)?.get(4)?)
}

/// Returns the code of the datum of that name, in any of the spellings of EPSG, GDAL and ESRI.
pub(crate) fn datum_named(name: &str) -> Option<u32> {
    DATUM_NAMES.get(&plain_datum(name)).copied()
}

fn system(code: u32) -> Option<System> {
    let row = SYSTEMS.get(code)?;
    let axis = |at: usize| {
        Some(Axis {
            name: (*row.get(at)?).into(),
            abbreviation: (*row.get(at + 1)?).into(),
            direction: (*row.get(at + 2)?).into(),
        })
    };
    Some(System {
        unit: unit(parse(row[1])?)?,
        axes: [axis(2)?, axis(5)?],
        has_height: false,
    })
}

fn area(text: &str) -> Option<Bbox> {
    let numbers: Vec<f64> = text.split(' ').filter_map(parse).collect();
    let [west, south, east, north] = numbers[..] else {
        return None;
    };
    Some(Bbox {
        west,
        south,
        east,
        north,
    })
}

pub(crate) fn geodetic(code: u32) -> Option<Geodetic> {
    let row = GEOGRAPHIC.get(code)?;
    Some(Geodetic {
        name: row[1].into(),
        code: Some(code),
        datum: datum(parse(row[2])?)?,
        system: System {
            has_height: row[4].contains('3'),
            ..system(parse(row[3])?)?
        },
    })
}

/// Returns the CRS of an EPSG code: geographic, projected, or compound with a known horizontal part.
pub(crate) fn definition(code: u32) -> Option<Definition> {
    if let Some(geodetic) = geodetic(code) {
        return Some(Definition {
            name: geodetic.name.clone(),
            authority: Some((Authority::Epsg, code)),
            area: area(GEOGRAPHIC.get(code)?[5]),
            geodetic,
            projected: None,
            compound: None,
        });
    }
    if let Some(row) = PROJECTED.get(code) {
        return projected(row, Authority::Epsg);
    }
    let row = COMPOUND.get(code)?;
    let compound = Compound {
        name: row[1].into(),
        code: Some(code),
        vertical: parse(row[3]),
    };
    let mut horizontal = definition(parse(row[2])?)?;
    horizontal.compound = Some(compound);
    Some(horizontal)
}

/// Returns a CRS of ESRI's small table.
pub(crate) fn esri(code: u32) -> Option<Definition> {
    projected(ESRI.get(code)?, Authority::Esri)
}

fn projected(row: &Row, authority: Authority) -> Option<Definition> {
    let [code, name, base, method, parameters, cs, _, area_of_use] = row[..] else {
        return None;
    };
    Some(Definition {
        name: name.into(),
        authority: Some((authority, parse(code)?)),
        geodetic: geodetic(parse(base)?)?,
        projected: Some(Projected {
            conversion: Conversion {
                name: conversion_name(name),
                method: Method::from_table(method),
                parameters: read_parameters(parameters),
            },
            system: system(parse(cs)?)?,
        }),
        compound: None,
        area: area(area_of_use),
    })
}

/// Returns what stands after the slash: "ETRS89 / UTM zone 32N" → "UTM zone 32N".
fn conversion_name(name: &str) -> String {
    name.split_once(" / ")
        .map_or(name, |(_, conversion)| conversion)
        .into()
}

fn read_parameters(text: &str) -> Vec<(u16, f64)> {
    text.split(' ')
        .filter_map(|pair| {
            let (code, value) = pair.split_once('=')?;
            Some((parse(code)?, parse(value)?))
        })
        .collect()
}

/// Returns the compound CRS of these two parts, if EPSG lists it.
pub(crate) fn compound_of(horizontal: u32, vertical: u32) -> Option<Compound> {
    let found = COMPOUND.0.iter().find(|(_, row)| {
        parse::<u32>(row[2]) == Some(horizontal) && parse::<u32>(row[3]) == Some(vertical)
    });
    found.map(|(code, row)| Compound {
        name: row[1].into(),
        code: Some(*code),
        vertical: Some(vertical),
    })
}

/// A vertical CRS, only named and never computed with.
pub(crate) struct Vertical {
    pub code: u32,
    pub name: &'static str,
    pub datum_code: u32,
    pub datum_name: &'static str,
    pub unit: Unit,
    pub axis: Axis,
}

pub(crate) fn vertical(code: u32) -> Option<Vertical> {
    let row = VERTICAL.get(code)?;
    Some(Vertical {
        code,
        name: row[1],
        datum_code: parse(row[2])?,
        datum_name: row[3],
        unit: unit(parse(row[4])?)?,
        axis: Axis {
            name: row[5].into(),
            abbreviation: row[6].into(),
            direction: row[7].into(),
        },
    })
}

/// Finds the code of a CRS that came without one: same datum, method, parameters and unit.
///
/// Of several twins the one of the same name wins, then the one without height, the one that
/// is not deprecated, the one with axes east, north, and the lowest code.
pub(crate) fn identify(wanted: &Definition) -> Option<(Authority, u32)> {
    let datum = wanted.geodetic.datum.code?;
    let mut best: Option<(u32, Authority, u32)> = None;
    let mut consider = |authority: Authority, code: u32, row: &Row, deprecated: &str| {
        let Some(known) = (match (authority, &wanted.projected) {
            (Authority::Esri, _) => esri(code),
            (Authority::Epsg, _) => definition(code),
        }) else {
            return;
        };
        if !known.is_equivalent(wanted) {
            return;
        }
        let has_other_name = plain(row[1]) != plain(&wanted.name);
        let official_axes =
            known.system().axes[0].direction != "east" && wanted.projected.is_some();
        let rank = u32::from(has_other_name) * 4
            + u32::from(deprecated.contains('3')) * 16
            + u32::from(deprecated.contains('d')) * 8
            + u32::from(official_axes) * 2
            + u32::from(authority == Authority::Esri);
        if best.is_none_or(|(least, _, _)| rank < least) {
            best = Some((rank, authority, code));
        }
    };
    match &wanted.projected {
        None => {
            for (code, row) in GEOGRAPHIC
                .0
                .iter()
                .filter(|(_, row)| parse(row[2]) == Some(datum))
            {
                consider(Authority::Epsg, *code, row, row[4]);
            }
        }
        Some(projected) => {
            let method = projected.conversion.method;
            let fits = |row: &Row| {
                Method::from_table(row[3]) == method
                    && parse(row[2])
                        .and_then(|base| GEOGRAPHIC.get(base))
                        .is_some_and(|base| parse(base[2]) == Some(datum))
            };
            for (code, row) in PROJECTED.0.iter().filter(|(_, row)| fits(row)) {
                consider(Authority::Epsg, *code, row, row[6]);
            }
            for (code, row) in ESRI.0.iter().filter(|(_, row)| fits(row)) {
                consider(Authority::Esri, *code, row, row[6]);
            }
        }
    }
    best.map(|(_, authority, code)| (authority, code))
}

/// Returns the geographic CRS that EPSG gives for a datum, preferring the plain two-dimensional one.
pub(crate) fn geodetic_on_datum(datum_code: u32) -> Option<Geodetic> {
    let preferred = match datum_code {
        6326 => Some(4326),
        6258 => Some(4258),
        6269 => Some(4269),
        // The old system of numbering: datum 6xxx belongs to CRS 4xxx.
        code @ 6000..=6999 => Some(code - 2000),
        _ => None,
    };
    let fits = |code: &u32| {
        GEOGRAPHIC
            .get(*code)
            .is_some_and(|row| parse(row[2]) == Some(datum_code))
    };
    let code = preferred
        .filter(fits)
        .or_else(|| GEOGRAPHIC.0.keys().copied().find(|code| fits(code)))?;
    geodetic(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_tables_can_be_read() {
        for code in PROJECTED
            .0
            .keys()
            .chain(GEOGRAPHIC.0.keys())
            .chain(COMPOUND.0.keys())
        {
            assert!(definition(*code).is_some(), "EPSG:{code}");
        }
        for code in ESRI.0.keys() {
            assert!(esri(*code).is_some(), "ESRI:{code}");
        }
        for code in VERTICAL.0.keys() {
            assert!(vertical(*code).is_some(), "vertical {code}");
        }
    }

    #[test]
    fn datums_are_known_in_three_spellings() {
        for name in [
            "D_WGS_1984",
            "WGS_1984",
            "World Geodetic System 1984 ensemble",
            "wgs84",
        ] {
            assert_eq!(datum_named(name), Some(6326), "{name}");
        }
        assert_eq!(datum_named("Amersfoort"), Some(6289));
        assert_eq!(datum_named("no such datum"), None);
    }
}
