//! What was typed, as the options of a table: the profile that names it, and how units are measured.

use std::collections::BTreeMap;

use anyhow::Result;
use swath_extract::PixelIndex;
use swath_extract::pass::{Average, CollectionRules, UnitOptions};
use swath_extract::table::PRECISION_OPTION;

use super::super::measure_args::{Coverage, parse_classes};
use super::ExtractArgs;
use crate::error::UsageError;

/// How units are measured, and the options that make the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// For measuring.
    pub options: UnitOptions,
    /// For the configuration of the table: every option that changes rows.
    pub entries: BTreeMap<String, String>,
}

impl Profile {
    /// Settles the options of a table: what was typed, else what the collection says.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn of(args: &ExtractArgs, rules: &CollectionRules) -> Result<Self, UsageError> {
        let table = &args.table;
        if !(table.mask_dilation.is_finite() && table.mask_dilation >= 0.0) {
            return Err(UsageError(format!(
                "--mask-dilation {}: give metres, 0 or more",
                table.mask_dilation
            )));
        }
        if table.mask_dilation > 0.0 && args.mask_scl.is_none() {
            return Err(UsageError(
                "--mask-dilation grows what --mask-scl drops: give both".to_owned(),
            ));
        }
        let mut classes = match args.classes.is_empty() {
            true => rules.classes.clone(),
            false => args.classes.clone(),
        };
        classes.sort_unstable();
        classes.dedup();
        let mut bands = args.bands.clone();
        bands.sort_unstable();
        bands.dedup();
        let mut mask = args.mask_scl.as_deref().map(parse_classes).transpose()?;
        if let Some(mask) = &mut mask {
            mask.sort_unstable_by(f64::total_cmp);
            mask.dedup();
        }
        let indexes = indexes(&table.index, &[&bands[..], &classes[..]].concat())?;
        let options = UnitOptions {
            bands,
            indexes,
            classes,
            mask_scl: mask,
            mask_dilation_m: table.mask_dilation,
            is_unscaled: args.unscaled,
            average: match args.unscaled {
                true => Average::Stored,
                false => rules.average,
            },
        };
        let entries = entries(args, &options);
        Ok(Self { options, entries })
    }
}

/// Reads the indexes, by name.
fn indexes(typed: &[String], bands: &[String]) -> Result<Vec<PixelIndex>, UsageError> {
    let wrong = |reason: String| UsageError(format!("--index: {reason}"));
    let parsed = typed.iter().map(|text| PixelIndex::parse(text));
    let parsed: Result<Vec<PixelIndex>, _> = parsed.collect();
    let mut indexes = parsed.map_err(|error| wrong(error.to_string()))?;
    indexes.sort_unstable();
    indexes.dedup();
    let twice = indexes.windows(2).find(|pair| pair[0].name == pair[1].name);
    if let Some(pair) = twice {
        return Err(wrong(format!("{} has two formulas", pair[0].name)));
    }
    match indexes.iter().find(|index| bands.contains(&index.name)) {
        Some(index) => Err(wrong(format!(
            "{} is a band too, give the index another name: NAME={}",
            index.name, index.formula
        ))),
        None => Ok(indexes),
    }
}

fn entries(args: &ExtractArgs, options: &UnitOptions) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut set = |name: &str, value: String| entries.insert(name.to_owned(), value);
    set(
        "coverage",
        match args.measure.coverage {
            Coverage::Fraction => "fraction".to_owned(),
            Coverage::Centre => "centre".to_owned(),
        },
    );
    set("buffer_m", args.measure.buffer.to_string());
    set(
        "bands",
        match options.bands.is_empty() {
            true => "all".to_owned(),
            false => options.bands.join(","),
        },
    );
    set("classes", options.classes.join(","));
    if !options.indexes.is_empty() {
        let indexes = options.indexes.iter();
        let indexes = indexes.map(|index| format!("{}={}", index.name, index.formula));
        set("indexes", indexes.collect::<Vec<_>>().join("; "));
    }
    set(
        "average",
        match options.average {
            Average::Stored => "stored".to_owned(),
            Average::Linear => "linear".to_owned(),
        },
    );
    let mask = options.mask_scl.as_ref().map(|mask| {
        let classes: Vec<String> = mask.iter().map(f64::to_string).collect();
        classes.join(",")
    });
    set("mask_scl", mask.unwrap_or_else(|| "none".to_owned()));
    if options.mask_dilation_m > 0.0 {
        set("mask_dilation_m", options.mask_dilation_m.to_string());
    }
    if options.is_unscaled {
        set("unscaled", "true".to_owned());
    }
    if let Some(precision) = args.table.precision {
        set(PRECISION_OPTION, precision.to_string());
    }
    // Which items there are decides who owns a parcel: another selection is another table.
    if let Some(bbox) = &args.bbox {
        set("bbox", bbox.clone());
    }
    if let Some(filter) = &args.filter {
        set("filter", filter.clone());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        args: ExtractArgs,
    }

    fn profile(words: &[&str]) -> Result<Profile, UsageError> {
        let all = [&["swath", "--collection", "c", "--parcels", "p"], words].concat();
        let rules = CollectionRules {
            classes: vec!["SCL".to_owned()],
            ..CollectionRules::default()
        };
        Profile::of(&Typed::parse_from(all).args, &rules)
    }

    #[test]
    fn what_changes_rows_changes_the_profile_and_nothing_else_does() {
        let plain = profile(&[]).expect("a profile");
        assert_eq!(plain.options.classes, ["SCL"]);
        assert_eq!(plain.entries["mask_scl"], "none");
        for same in [
            &["--workers", "3"][..],
            &["--memory", "64"],
            &["--lease", "5"],
        ] {
            assert_eq!(profile(same).expect("a profile").entries, plain.entries);
        }
        for other in [
            &["--buffer", "-5"][..],
            &["--bands", "B04"],
            &["--coverage", "centre"],
            &["--mask-scl"],
            &["--mask-scl", "3,8", "--mask-dilation", "20"],
            &["--precision", "0.001"],
            &["--unscaled"],
            &["--filter", "eo:cloud_cover < 20"],
            &["--classes", "QA"],
            &["--index", "NDVI"],
        ] {
            let entries = profile(other).expect("a profile").entries;
            assert_ne!(entries, plain.entries, "{other:?}");
        }
    }

    #[test]
    fn the_order_of_a_list_does_not_matter() {
        let one = profile(&["--bands", "B04,B08", "--mask-scl", "8,3"]).expect("a profile");
        let two = profile(&["--bands", "B08,B04,B08", "--mask-scl", "3,8"]).expect("a profile");
        assert_eq!(one, two);
    }

    #[test]
    fn indexes_are_named_once_and_in_any_order() {
        let one = profile(&["--index", "ndvi", "--index", "dry=B11/B04"]).expect("a profile");
        let two = profile(&[
            "--index",
            "dry=B11/B04",
            "--index",
            "NDVI=(B08-B04)/(B08+B04)",
        ]);
        assert_eq!(one, two.expect("a profile"));
        assert_eq!(
            one.entries["indexes"],
            "NDVI=(B08-B04)/(B08+B04); dry=B11/B04"
        );
        for wrong in [
            &["--index", "B08/B04"][..],
            &["--index", "x=B08", "--index", "x=B04"],
            &["--index", "B04=B08", "--bands", "B04"],
            &["--index", "x=(B08"],
        ] {
            assert!(profile(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn growing_needs_a_mask() {
        assert!(profile(&["--mask-dilation", "20"]).is_err());
        assert!(profile(&["--mask-scl", "3", "--mask-dilation=-1"]).is_err());
    }
}
