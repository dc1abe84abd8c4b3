//! What `zonal` and `extract` have in common: parcels and how they are measured.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use swath_extract::{Extractor, MeasureOptions};
use swath_grid::Crs;
use swath_io::vector::{ParcelOptions, ParcelSource, read_parcels};
use swath_raster::CoverageRule;

use crate::config::Context;
use crate::error::UsageError;

/// When a pixel belongs to a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Coverage {
    /// With the share of its area inside (as exactextract)
    Fraction,
    /// Wholly, if its centre is inside (as rasterstats)
    Centre,
}

/// Options of parcels and measuring.
#[derive(Debug, clap::Args)]
pub struct MeasureArgs {
    /// Parcel file: GeoPackage, GeoParquet, Shapefile or GeoJSON, also zipped
    #[arg(long, value_name = "FILE")]
    pub parcels: PathBuf,
    /// Column of the parcel ids [default: parcel_id, else id, else the GeoPackage fid]
    #[arg(long, value_name = "FIELD")]
    pub id: Option<String>,
    /// Layer, where the file has several
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// CRS of the parcels, where the file names none
    #[arg(long, alias = "crs", value_name = "CRS")]
    pub parcels_crs: Option<String>,
    /// When a pixel belongs to a parcel
    #[arg(long, value_enum, default_value = "fraction")]
    pub coverage: Coverage,
    /// Grow parcels by metres; negative = inwards
    #[arg(
        long,
        value_name = "METRES",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub buffer: f64,
    /// Coarsest accepted accuracy of a shift between datums, in metres; "any" accepts all
    #[arg(long, value_name = "METRES", default_value = "5")]
    pub shift_accuracy: String,
    /// Memory for values and results, in MB
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub memory: u64,
    /// Keep no coverage between runs
    #[arg(long)]
    pub no_cache: bool,
}

impl MeasureArgs {
    /// Reads the parcels and prepares their measuring.
    ///
    /// # Errors
    /// Parcels that cannot be read, options that make no sense.
    pub async fn extractor(&self, context: &Context) -> Result<Extractor> {
        let source = self.read().await?;
        Ok(Extractor::new(Arc::new(source), self.options(context)?)?)
    }

    /// Returns how parcels are measured.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn options(&self, context: &Context) -> Result<MeasureOptions, UsageError> {
        let shift_accuracy_max_m = match self.shift_accuracy.as_str() {
            "any" => f64::INFINITY,
            text => text
                .parse()
                .ok()
                .filter(|metres| *metres >= 0.0)
                .ok_or_else(|| {
                    UsageError(format!("--shift-accuracy {text}: give metres or \"any\""))
                })?,
        };
        Ok(MeasureOptions {
            rule: match self.coverage {
                Coverage::Fraction => CoverageRule::Fraction,
                Coverage::Centre => CoverageRule::Centre,
            },
            buffer_m: self.buffer,
            shift_accuracy_max_m,
            threads: context.threads,
            memory_bytes_max: usize::try_from(self.memory << 20).unwrap_or(usize::MAX),
            cache_dir: (!self.no_cache).then(|| context.coverage_cache()),
        })
    }

    /// Reads the file of parcels and tells what was found wrong with it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn read(&self) -> Result<ParcelSource> {
        let crs = self
            .parcels_crs
            .as_deref()
            .map(Crs::parse)
            .transpose()
            .map_err(|error| UsageError(format!("--parcels-crs: {error}")))?;
        let options = ParcelOptions {
            layer: self.layer.clone(),
            id: self.id.clone(),
            crs,
            ..ParcelOptions::default()
        };
        let source = read_parcels(&self.parcels, &options).await?;
        print_findings(&source);
        Ok(source)
    }
}

/// Tells what was found wrong with the parcels, shortly; `swath parcels check` tells it in full.
fn print_findings(source: &ParcelSource) {
    let report = &source.report;
    let mut words = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    };
    note(report.repaired, "invalid parcels repaired");
    note(
        report.invalid.saturating_sub(report.repaired),
        "invalid parcels not repaired",
    );
    note(report.empty, "parcels without area");
    note(report.duplicate_ids, "ids used more than once");
    note(
        report.skipped.len() as u64,
        "features that are no polygons left out",
    );
    if !words.is_empty() {
        eprintln!("parcels: {} (see swath parcels check)", words.join(", "));
    }
}

/// Tells which shifts between datums were used.
pub fn print_shifts(extractor: &Extractor) {
    for shift in extractor.shifts() {
        eprintln!(
            "shift from {} to {}: {}, accurate to {} m",
            shift.from, shift.to, shift.method, shift.accuracy_m
        );
    }
}

/// Parses a list of classes such as `0,1,3`.
///
/// # Errors
/// Where one of them is not a number.
pub fn parse_classes(text: &str) -> Result<Vec<f64>, UsageError> {
    text.split(',')
        .map(|class| {
            class
                .trim()
                .parse::<f64>()
                .map_err(|_| UsageError(format!("\"{class}\" is not a class number (as in 0,1,3)")))
        })
        .collect()
}
