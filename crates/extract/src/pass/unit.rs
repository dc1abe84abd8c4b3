//! Units of work: items of one pass that are measured as one image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use swath_grid::GeoBox;
use xxhash_rust::xxh3::Xxh3;

use super::item::{PassItem, PassRank};
use super::lattice::lattice_name;
use super::territory::DegreeBox;
use crate::table::month_of;

/// Part of the inputs: a new rule measures everything anew.
const RULE: &str = "pass rule 1";
/// Two items of a strip that start this near to each other may be two processings of one slice.
const SAME_SLICE_US: i64 = 2_000_000;
/// They are, if their grids share this part of what both cover.
const SAME_SLICE_SHARE: f64 = 0.8;

/// One unit of work: an image that is one item, or slices read as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkUnit {
    /// `<pass>/<tile or strip>`: the same whatever slices have come so far.
    pub key: String,
    /// Platform and datatake, or the id of an item that lacks one of them.
    pub pass: String,
    /// Slices by datetime, then id; where two have a valid pixel in one place, the first one counts.
    pub items: Vec<PassItem>,
    /// Acquisition start of the first slice, in microseconds since 1970.
    pub datetime_us: i64,
    /// Partition of the rows, `YYYY-MM` of that.
    pub month: String,
    /// Digest of all that decides the rows besides parcels and options.
    pub inputs: u64,
    /// The other units of the pass that may own parcels of this one.
    pub neighbours: Vec<Neighbour>,
    /// Ids of items left out, since a newer processing of the same data is there.
    pub superseded: Vec<String>,
}

/// Another unit of the same pass, as far as it decides who owns a parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its tile or strip.
    pub name: String,
    /// Grids of its slices.
    pub grids: Vec<GeoBox>,
}

impl WorkUnit {
    /// Returns the name of its tile or strip, the last part of its key.
    pub fn part(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the slice whose id and time the rows carry.
    ///
    /// # Panics
    /// Never for a unit that [`work_units`] made: it has at least one item.
    pub fn first(&self) -> &PassItem {
        &self.items[0]
    }

    /// Returns the ids of its items, in their order.
    pub fn item_ids(&self) -> Vec<String> {
        self.items.iter().map(|item| item.id.clone()).collect()
    }
}

/// What the units of a pass that compete for parcels have in common.
type Family = (String, Vec<String>);

/// Groups items of one collection to units of work; the order of the items does not matter.
///
/// * Items of one platform and datatake are one pass; an item that lacks either is a pass of its own.
/// * Items with the name of a tile are one unit per tile. Others are slices: those of one lattice are
///   one strip, read as one image; those of other lattices are other strips.
/// * Of two processings of the same tile or slice the newer one counts: higher baseline, then later
///   processing, then later registration, then the larger id.
/// * Units of one pass that are near each other are neighbours, among which [`super::measure_unit`]
///   finds the owner of each parcel.
///
/// The result is ordered by datetime, then key.
pub fn work_units(items: Vec<PassItem>) -> Vec<WorkUnit> {
    let mut families: BTreeMap<Family, BTreeMap<String, Vec<PassItem>>> = BTreeMap::new();
    for item in items {
        let (pass, part) = (pass_of(&item), part_of(&item));
        let family = families.entry((pass, item.channels.clone())).or_default();
        family.entry(part).or_default().push(item);
    }
    let mut units: Vec<WorkUnit> = families
        .into_iter()
        .flat_map(|((pass, _), parts)| units_of_family(&pass, parts))
        .collect();
    units.sort_by(|a, b| (a.datetime_us, &a.key).cmp(&(b.datetime_us, &b.key)));
    units
}

fn pass_of(item: &PassItem) -> String {
    match (&item.platform, &item.datatake) {
        (Some(platform), Some(datatake)) => format!("{platform}_{datatake}").replace('/', "-"),
        _ => item.id.replace('/', "-"),
    }
}

/// Returns the tile or strip that an item belongs to, by what the item itself says.
fn part_of(item: &PassItem) -> String {
    let place = match (&item.tile, &item.grid) {
        (Some(tile), _) => tile.clone(),
        (None, Some(grid)) => format!("strip-{}", lattice_name(grid)),
        (None, None) => item.id.clone(),
    };
    let channels = item.channels.join("+");
    let part = if channels.is_empty() {
        place
    } else {
        format!("{place}-{channels}")
    };
    part.replace('/', "-")
}

fn units_of_family(pass: &str, parts: BTreeMap<String, Vec<PassItem>>) -> Vec<WorkUnit> {
    let mut units: Vec<WorkUnit> = parts
        .into_iter()
        .map(|(part, items)| unit(pass, &part, items))
        .collect();
    let boxes: Vec<Option<DegreeBox>> = units
        .iter()
        .map(|unit| DegreeBox::around(&grids_of(unit)))
        .collect();
    let all: Vec<Neighbour> = units
        .iter()
        .map(|unit| Neighbour {
            name: unit.part().to_owned(),
            grids: grids_of(unit),
        })
        .collect();
    for (index, unit) in units.iter_mut().enumerate() {
        let is_near = |other: usize| match (&boxes[index], &boxes[other]) {
            (Some(own), Some(other)) => own.is_near(other),
            // Where it lies cannot be said in degrees: better asked in vain than forgotten.
            _ => true,
        };
        unit.neighbours = (0..all.len())
            .filter(|other| *other != index && !all[*other].grids.is_empty() && is_near(*other))
            .map(|other| all[other].clone())
            .collect();
        unit.inputs = inputs(unit);
    }
    units
}

fn grids_of(unit: &WorkUnit) -> Vec<GeoBox> {
    unit.items
        .iter()
        .filter_map(|item| item.grid.clone())
        .collect()
}

/// Makes a unit of the items of one tile or strip.
fn unit(pass: &str, part: &str, mut items: Vec<PassItem>) -> WorkUnit {
    // Newest first, so that each is asked whether a newer one of the same data is there.
    items.sort_by(|a, b| newness(b).cmp(&newness(a)));
    let mut kept: Vec<PassItem> = Vec::new();
    let mut superseded = Vec::new();
    for item in items {
        if kept.iter().any(|newer| is_same_data(newer, &item)) {
            superseded.push(item.id);
        } else {
            kept.push(item);
        }
    }
    kept.sort_by(|a, b| (a.datetime_us, &a.id).cmp(&(b.datetime_us, &b.id)));
    superseded.sort_unstable();
    let datetime_us = kept.first().map_or(0, |item| item.datetime_us);
    WorkUnit {
        key: format!("{pass}/{part}"),
        pass: pass.to_owned(),
        items: kept,
        datetime_us,
        month: month_of(datetime_us),
        inputs: 0,
        neighbours: Vec::new(),
        superseded,
    }
}

fn newness(item: &PassItem) -> (&PassRank, &str) {
    (&item.rank, &item.id)
}

/// True of two items of one tile or strip that are processings of the same data.
fn is_same_data(one: &PassItem, other: &PassItem) -> bool {
    if one.tile.is_some() || one.id == other.id {
        return true;
    }
    let is_same_time = (one.datetime_us - other.datetime_us).abs() <= SAME_SLICE_US;
    match (&one.grid, &other.grid) {
        (Some(one), Some(other)) => is_same_time && common_share(one, other) >= SAME_SLICE_SHARE,
        _ => false,
    }
}

/// Returns the common part of two rectangles of one CRS, as a share of what both cover.
fn common_share(one: &GeoBox, other: &GeoBox) -> f64 {
    let (a, b) = (one.bounds(), other.bounds());
    let width = a.max_x.min(b.max_x) - a.min_x.max(b.min_x);
    let height = a.max_y.min(b.max_y) - a.min_y.max(b.min_y);
    let area =
        |bounds: &swath_grid::Bounds| (bounds.max_x - bounds.min_x) * (bounds.max_y - bounds.min_y);
    let common = width.max(0.0) * height.max(0.0);
    common / (area(&a) + area(&b) - common)
}

/// Returns the digest of what decides the rows of a unit.
fn inputs(unit: &WorkUnit) -> u64 {
    let mut digest = Xxh3::new();
    let mut push = |text: &str| {
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    };
    push(RULE);
    push(&unit.key);
    for item in &unit.items {
        push(&item.id);
        push(&item.version);
        push(&format!(
            "{} {:?} {:?}",
            item.datetime_us, item.relative_orbit, item.orbit_state
        ));
        item.grid.iter().for_each(|grid| push(&grid_text(grid)));
    }
    push("neighbours");
    for neighbour in &unit.neighbours {
        push(&neighbour.name);
        neighbour
            .grids
            .iter()
            .for_each(|grid| push(&grid_text(grid)));
    }
    digest.digest()
}

/// Returns a grid in words that are the same for the same grid.
pub(super) fn grid_text(grid: &GeoBox) -> String {
    let size = grid.size();
    let crs = match grid.crs().epsg() {
        Some(code) => code.to_string(),
        None => grid.crs().to_wkt(),
    };
    let steps = grid.transform().to_gdal().map(f64::to_bits);
    format!("{crs} {steps:x?} {} {}", size.width, size.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use swath_grid::{Crs, Point, Size, Transform};

    const SECOND_US: i64 = 1_000_000;

    fn grid(x: f64, y: f64, epsg: u32) -> GeoBox {
        let transform = Transform::north_up(Point { x, y }, 10.0).expect("positive");
        let size = Size {
            width: 2_000,
            height: 1_500,
        };
        GeoBox::new(Crs::from_epsg(epsg).expect("known"), transform, size).expect("positive")
    }

    fn item(id: &str, datetime_us: i64, grid: GeoBox) -> PassItem {
        PassItem {
            id: id.to_owned(),
            collection: "c".to_owned(),
            datetime_us,
            platform: Some("sentinel-1a".to_owned()),
            datatake: Some("53629".to_owned()),
            relative_orbit: Some(44),
            orbit_state: Some("ascending".to_owned()),
            tile: None,
            channels: vec!["VH".to_owned(), "VV".to_owned()],
            grid: Some(grid),
            rank: PassRank::default(),
            version: "1".to_owned(),
            assets: Vec::new(),
        }
    }

    fn slice(number: i64) -> PassItem {
        let y = 6_000_000.0 - 14_000.0 * number as f64;
        item(
            &format!("s{number}"),
            number * 25 * SECOND_US,
            grid(500_000.0, y, 32632),
        )
    }

    fn tile(id: &str, name: &str, x: f64, baseline: u32) -> PassItem {
        PassItem {
            tile: Some(name.to_owned()),
            channels: Vec::new(),
            rank: PassRank {
                baseline: vec![baseline, 0],
                ..PassRank::default()
            },
            ..item(id, 0, grid(x, 6_000_000.0, 32632))
        }
    }

    #[test]
    fn slices_of_a_datatake_are_one_strip_and_a_late_one_keeps_its_key() {
        let all = work_units(vec![slice(2), slice(0), slice(1)]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].item_ids(), ["s0", "s1", "s2"]);
        assert_eq!(all[0].pass, "sentinel-1a_53629");
        let early = work_units(vec![slice(0), slice(1)]);
        assert_eq!(early[0].key, all[0].key);
        assert_ne!(early[0].inputs, all[0].inputs);
    }

    #[test]
    fn of_two_processings_the_newer_counts() {
        let old = tile("old", "32UMB", 500_000.0, 4);
        let new = tile("new", "32UMB", 500_000.0, 5);
        let units = work_units(vec![new.clone(), old.clone()]);
        assert_eq!(units.len(), 1);
        assert_eq!(
            (units[0].item_ids(), &units[0].superseded[..]),
            (vec!["new".to_owned()], &["old".to_owned()][..])
        );
        assert_eq!(units, work_units(vec![old.clone(), new]));
        assert_ne!(units[0].inputs, work_units(vec![old])[0].inputs);
        let mut again = slice(0);
        (again.id, again.datetime_us) = ("a".to_owned(), 300_000);
        again.rank.generated_us = Some(1);
        let units = work_units(vec![slice(0), again, slice(1)]);
        assert_eq!(units[0].item_ids(), ["a", "s1"]);
        assert_eq!(units[0].superseded, ["s0"]);
    }

    #[test]
    fn tiles_of_a_pass_are_units_and_neighbours() {
        let (a, b) = (
            tile("a", "32UMB", 500_000.0, 5),
            tile("b", "32UNB", 510_000.0, 5),
        );
        let far = tile("far", "32UPB", 900_000.0, 5);
        let units = work_units(vec![b.clone(), a.clone(), far]);
        let keys: Vec<&str> = units.iter().map(|unit| unit.part()).collect();
        assert_eq!(keys, ["32UMB", "32UNB", "32UPB"]);
        assert_eq!(units[0].neighbours.len(), 1);
        assert_eq!(units[0].neighbours[0].name, "32UNB");
        assert!(units[2].neighbours.is_empty());
        // A neighbour that comes later may take parcels away.
        let alone = work_units(vec![a]);
        assert_eq!(alone[0].key, units[0].key);
        assert_ne!(alone[0].inputs, units[0].inputs);
    }

    #[test]
    fn an_item_without_a_datatake_is_a_pass_of_its_own() {
        let mut items = vec![slice(0), slice(1)];
        items.iter_mut().for_each(|item| item.datatake = None);
        let units = work_units(items);
        let passes: Vec<&str> = units.iter().map(|unit| unit.pass.as_str()).collect();
        assert_eq!(passes, ["s0", "s1"]);
        assert!(units.iter().all(|unit| unit.neighbours.is_empty()));
    }

    #[test]
    fn other_lattices_and_channels_are_other_units() {
        let mut single = slice(1);
        single.channels = vec!["VV".to_owned()];
        let mut shifted = slice(2);
        shifted.grid = Some(grid(500_003.0, 6_000_000.0, 32632));
        let units = work_units(vec![slice(0), single, shifted]);
        assert_eq!(units.len(), 3);
        let of = |id: &str| {
            units
                .iter()
                .find(|unit| unit.first().id == id)
                .expect("a unit")
        };
        assert_eq!(of("s0").neighbours.len(), 1);
        assert_eq!(of("s0").neighbours[0].name, of("s2").part());
        assert!(
            of("s1").neighbours.is_empty(),
            "another polarisation has rows of its own"
        );
    }

    #[test]
    fn units_survive_a_plan() {
        let units = work_units(vec![slice(0), slice(1), tile("a", "32UMB", 500_000.0, 5)]);
        let text = serde_json::to_string(&units).expect("JSON");
        let back: Vec<WorkUnit> = serde_json::from_str(&text).expect("units");
        assert_eq!(back, units);
    }

    proptest! {
        #[test]
        fn the_order_of_items_does_not_matter(order in Just((0..8).collect::<Vec<i64>>()).prop_shuffle()) {
            let make = |number: &i64| match number {
                0..=3 => slice(*number),
                4 => tile("t4", "32UMB", 500_000.0, 4),
                5 => tile("t5", "32UMB", 500_000.0, 5),
                6 => tile("t6", "32UNB", 510_000.0, 5),
                _ => PassItem { datatake: None, ..slice(9) },
            };
            let sorted: Vec<i64> = (0..8).collect();
            let expected = work_units(sorted.iter().map(make).collect());
            prop_assert_eq!(work_units(order.iter().map(make).collect()), expected);
        }
    }
}
