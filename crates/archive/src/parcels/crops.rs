//! Crops of parcels: codes as declared, names, and HCAT.

use std::collections::HashMap;

use serde::Serialize;
use swath_io::vector::{ParcelSource, StringColumn};

use super::hcat::HcatMapping;

/// Codes without a crop in HCAT that are listed.
const UNMAPPED_LISTED_MAX: usize = 1_000;

/// Crops of the parcels of a source, in its order.
#[derive(Debug, Default)]
pub(super) struct Crops {
    pub code: Option<StringColumn>,
    pub name: Option<StringColumn>,
    pub hcat_code: Option<StringColumn>,
    pub hcat_name: Option<StringColumn>,
    pub counts: CropCounts,
}

/// How many parcels have which crop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CropCounts {
    /// Parcels with a crop code.
    pub declared: u64,
    /// Parcels with a code of HCAT.
    pub mapped: u64,
    /// Codes that the table does not have, with their parcels, most frequent first.
    pub unmapped: Vec<UnmappedCrop>,
}

/// A code that the table of HCAT does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmappedCrop {
    /// The code.
    pub code: String,
    /// Number of parcels.
    pub parcels: u64,
}

/// Settles the crops of the parcels in `rows`. Columns are given by their place among what was kept.
pub(super) fn crops(
    source: &ParcelSource,
    rows: &[u32],
    code_column: Option<usize>,
    name_column: Option<usize>,
    mapping: Option<&HcatMapping>,
) -> Crops {
    let mut crops = Crops {
        name: name_column.map(|column| source.attributes[column].clone()),
        ..Crops::default()
    };
    let Some(codes) = code_column.map(|column| &source.attributes[column]) else {
        return crops;
    };
    crops.code = Some(codes.clone());
    let code_of = |row: usize| codes.get(row).filter(|code| !code.trim().is_empty());
    let taken = || rows.iter().filter_map(|row| code_of(*row as usize));
    crops.counts.declared = taken().count() as u64;
    let Some(mapping) = mapping else {
        return crops;
    };
    let mut hcat_code = StringColumn::default();
    let mut hcat_name = StringColumn::default();
    let mut name = StringColumn::default();
    for row in 0..codes.len() {
        let crop = code_of(row).and_then(|code| mapping.crop(code));
        hcat_code.push(crop.map(|crop| crop.code.as_str()));
        hcat_name.push(crop.map(|crop| crop.name.as_str()));
        name.push(crop.and_then(|crop| crop.national_name.as_deref()));
    }
    let mut unmapped: HashMap<&str, u64> = HashMap::new();
    for code in taken() {
        match mapping.crop(code) {
            Some(_) => crops.counts.mapped += 1,
            None => *unmapped.entry(code).or_default() += 1,
        }
    }
    let mut unmapped: Vec<UnmappedCrop> = unmapped
        .into_iter()
        .map(|(code, parcels)| UnmappedCrop {
            code: code.to_owned(),
            parcels,
        })
        .collect();
    unmapped.sort_by(|a, b| b.parcels.cmp(&a.parcels).then_with(|| a.code.cmp(&b.code)));
    unmapped.truncate(UNMAPPED_LISTED_MAX);
    crops.counts.unmapped = unmapped;
    crops.hcat_code = Some(hcat_code);
    crops.hcat_name = Some(hcat_name);
    if crops.name.is_none() {
        crops.name = Some(name);
    }
    crops
}
