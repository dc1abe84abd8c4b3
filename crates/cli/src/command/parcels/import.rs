//! `swath parcels import`: a file of parcels becomes a version of a set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use swath_access::{Viewer, Visibility};
use swath_archive::{DuplicateIds, HcatMapping, ImportOptions, ImportReport, ParcelImport};
use swath_catalog::ParcelSetSettings;

use super::parse_crs;
use crate::config::Context;
use crate::error::UsageError;
use crate::progress::Stages;

/// Largest file that is fetched, in bytes.
const FETCHED_BYTES_MAX: u64 = 64 << 30;
/// Refused features and unmapped codes that are shown one by one.
const SHOWN_MAX: usize = 20;

/// What becomes of parcels whose id an earlier one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Duplicates {
    /// The file is refused
    Refuse,
    /// The first one stays, the others are left out and listed
    KeepFirst,
    /// They get a number behind their id: 17, 17#2, 17#3
    Number,
}

/// Who sees a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Seen {
    /// Everybody
    Public,
    /// Its owner and the operator
    Private,
}

/// Arguments of `swath parcels import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Parcels: GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON, also zipped; a path, a URL or
    /// STORE:key
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the set: a-z, 0-9, - and _
    #[arg(long, value_name = "SET")]
    name: String,
    /// Column of the parcel ids [default: parcel_id, else id, else the GeoPackage fid]
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
    /// Column of the declared crop codes
    #[arg(long, value_name = "FIELD")]
    crop: Option<String>,
    /// Column of the crop names [default: those of the table of HCAT, if there is one]
    #[arg(long, value_name = "FIELD")]
    crop_name: Option<String>,
    /// Column of the declared areas in hectares
    #[arg(long, value_name = "FIELD")]
    area: Option<String>,
    /// Table from crop codes to HCAT, as EuroCrops publishes it
    #[arg(long, value_name = "FILE")]
    hcat: Option<PathBuf>,
    /// Country, or region of one, whose crop codes these are: dk, be_vlg, de_nrw; chooses the table in the
    /// folder [parcels] hcat of the configuration, and the time zone of a new set
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// Time zone in which deadlines are meant, such as Europe/Copenhagen [default: that of the country,
    /// else UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Columns that tell of persons, beside those known by name: they are handed out only where named
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    personal: Vec<String>,
    /// What becomes of parcels whose id an earlier one has
    #[arg(long, value_enum, default_value = "refuse")]
    duplicates: Duplicates,
    /// Who sees the set [default: private, or as it is]
    #[arg(long, value_enum)]
    visibility: Option<Seen>,
    /// Who owns the set [default: nobody but the operator, or as it is]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Layer, where the file has several
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// CRS, where the file names none
    #[arg(long, value_name = "CRS")]
    crs: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl ImportArgs {
    fn options(&self, context: &Context) -> Result<ImportOptions> {
        Ok(ImportOptions {
            set: self.name.clone(),
            layer: self.layer.clone(),
            crs: parse_crs(self.crs.as_deref())?,
            id: self.id.clone(),
            crop: self.crop.clone(),
            crop_name: self.crop_name.clone(),
            area: self.area.clone(),
            country: self.country.clone(),
            hcat: self.mapping(context)?,
            personal: self.personal.clone(),
            duplicates: match self.duplicates {
                Duplicates::Refuse => DuplicateIds::Refuse,
                Duplicates::KeepFirst => DuplicateIds::KeepFirst,
                Duplicates::Number => DuplicateIds::Number,
            },
            settings: ParcelSetSettings {
                owner: self.owner.clone(),
                visibility: self.visibility.map(|seen| match seen {
                    Seen::Public => Visibility::Public,
                    Seen::Private => Visibility::Private,
                }),
                timezone: self.timezone.clone(),
            },
            scratch: context.home.join("scratch"),
        })
    }

    /// Reads the table of HCAT: the one named, else that of the country.
    fn mapping(&self, context: &Context) -> Result<Option<HcatMapping>> {
        if self.hcat.is_some() && self.crop.is_none() {
            let wrong = "--hcat maps crop codes: name their column with --crop";
            return Err(UsageError(wrong.to_owned()).into());
        }
        let found = match (&self.hcat, &self.country, &context.parcels.hcat) {
            (Some(path), ..) => Some(path.clone()),
            (None, Some(country), Some(folder)) if self.crop.is_some() => {
                HcatMapping::find(folder, country)?
            }
            _ => None,
        };
        Ok(found.map(|path| HcatMapping::read(&path)).transpose()?)
    }
}

/// Runs the command.
///
/// # Errors
/// Where the file cannot be read, its ids are not unique, or the store or the catalogue fails.
pub async fn run(context: &Context, args: ImportArgs) -> Result<()> {
    let report = run_quietly(context, &args).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let mapping = args.options(context)?.hcat;
        print_report(&report, mapping.as_ref().map(HcatMapping::place));
    }
    Ok(())
}

/// Imports and says nothing but progress.
///
/// # Errors
/// As [`run`].
pub async fn run_quietly(context: &Context, args: &ImportArgs) -> Result<ImportReport> {
    let options = args.options(context)?;
    let fetched = match Path::new(&args.file).exists() {
        true => None,
        false => {
            let asset = context.resolve(&args.file)?;
            Some(asset.local_copy(FETCHED_BYTES_MAX).await?)
        }
    };
    let path = fetched
        .as_ref()
        .map_or(Path::new(&args.file), |copy| copy.path());
    let catalog = context.catalog().await?;
    let parcels = context.parcels_writer()?;
    let import = ParcelImport {
        catalog: &catalog,
        parcels: &parcels,
        viewer: &Viewer::operator(),
        options,
    };
    let stages = Stages::new();
    let shown = |what| stages.set(what, 0, 0);
    let report = import.run(path, &args.file, &shown).await?;
    drop(stages);
    catalog.close().await;
    Ok(report)
}

fn print_report(report: &ImportReport, mapping: Option<&str>) {
    let version = &report.version;
    let line = |name: &str, value: String| println!("{name:<16}{value}");
    line("set", format!("{}@{}", report.set, version.number));
    if !report.is_new {
        line(
            "",
            "the newest version holds the same: no new one".to_owned(),
        );
    }
    let kind = match version.content.has_points {
        true => "points",
        false => "polygons",
    };
    line(
        "parcels",
        format!("{} {kind}, {}", report.parcels, version.content.crs),
    );
    line("id", version.content.id_field.clone());
    line("time zone", report.timezone.clone());
    line(
        "file",
        format!("{} ({:.1} MB)", version.href, version.size as f64 / 1e6),
    );
    if report.repaired > 0 {
        line("repaired", report.repaired.to_string());
    }
    if report.numbered > 0 {
        line("numbered ids", report.numbered.to_string());
    }
    print_crops(report, mapping);
    if !version.content.personal.is_empty() {
        line("personal", version.content.personal.join(", "));
    }
    if report.areas_unread > 0 {
        line("areas unread", report.areas_unread.to_string());
    }
    for (from, to) in &report.renamed {
        line("renamed", format!("{from} is {to}"));
    }
    report
        .notes
        .iter()
        .for_each(|note| line("note", note.clone()));
    if report.refused.is_empty() {
        return;
    }
    line("left out", report.refused.len().to_string());
    for refused in report.refused.iter().take(SHOWN_MAX) {
        let text = format!(
            "feature {} ({}): {}",
            refused.feature, refused.parcel_id, refused.reason
        );
        line("", text);
    }
    if report.refused.len() > SHOWN_MAX {
        line("", "… (all of them with --json)".to_owned());
    }
}

fn print_crops(report: &ImportReport, mapping: Option<&str>) {
    let line = |name: &str, value: String| println!("{name:<16}{value}");
    let crops = &report.crops;
    if report.version.content.crop_field.is_none() {
        return;
    }
    line("crops", format!("{} parcels with a code", crops.declared));
    let Some(mapping) = mapping else {
        let what = "no table: give --hcat, or --country and [parcels] hcat in the configuration";
        return line("hcat", what.to_owned());
    };
    line("hcat", format!("{} parcels by {mapping}", crops.mapped));
    for unmapped in crops.unmapped.iter().take(SHOWN_MAX) {
        line(
            "",
            format!(
                "code {} of {} parcels is not in it",
                unmapped.code, unmapped.parcels
            ),
        );
    }
    if crops.unmapped.len() > SHOWN_MAX {
        line("", "… (more with --json)".to_owned());
    }
}
