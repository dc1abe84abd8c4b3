//! The demo with data: dated rasters and parcels of a folder, whatever they show.
//!
//! 1. Rasters and STAC items are registered where they lie, in a catalogue of the demo's own; nothing
//!    is written into the folder.
//! 2. They are searched, and extracted by collection.
//! 3. The season is folded to a table of months, and one parcel is drawn.
//!
//! A *group* is a folder directly below the given one: bands of the same name in two groups are not
//! mixed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use swath_extract::{ItemList, find_items};
use swath_io::GeoTiff;

use super::ledger::{Ledger, Table};
use super::months::{MonthFold, MonthRow, MonthTable};
use super::registered::{collection_id, own_home, register_folder};
use super::report::{Report, Totals};
use super::searched::search;
use super::series::{Observation, SceneClasses, visit_table};
use super::step::Step;
use super::{HIDING_CLASSES, measure, picture_name, write_whole};
use crate::chart::CLEAR_MIN;
use crate::chart::{Chart, month_number, render};
use crate::chart::{Power, backscatter_panel, band_panels, ndvi_panel};
use crate::command::extract::ExtractArgs;
use crate::command::measure_args::parse_classes;
use crate::config::Context;
use crate::error::{PartialDataError, UsageError};
use crate::stopwatch::Stopwatch;

/// What is measured and shown.
#[derive(Debug, Clone)]
pub struct FolderArgs {
    /// Folder of rasters or STAC items.
    pub data: PathBuf,
    /// Folder of the table and picture.
    pub out: PathBuf,
    /// Parcel file; `None`: the one in `data`.
    pub parcels: Option<PathBuf>,
    /// Column of the parcel ids.
    pub id: Option<String>,
    /// Form of the date in raster names.
    pub date_pattern: Option<String>,
    /// Parcel of the picture; `None`: the largest of those with most dates.
    pub parcel_id: Option<String>,
}

/// Kinds of parcel files, the most telling first.
const PARCEL_EXTENSIONS: [&str; 5] = ["gpkg", "parquet", "shp", "geojson", "zip"];
/// Table of the season.
const FILE: &str = "season.parquet";

/// Measures and draws.
///
/// # Errors
/// Where there is nothing to measure, or something cannot be read or written.
pub async fn run(context: &Context, args: &FolderArgs) -> Result<Report> {
    let list = find_items(&context.stores, &[args.data.display().to_string()]).await?;
    if list.items.is_empty() {
        return Err(UsageError(format!(
            "--data {}: it holds neither GeoTIFFs nor STAC items",
            args.data.display()
        ))
        .into());
    }
    let parcels = match &args.parcels {
        Some(path) => path.clone(),
        None => find_parcels(&args.data)?,
    };
    let groups = Groups::new(&args.data, &list);
    let mut ledger = Ledger::open(&args.out, key(args, &parcels, &list));
    let dropped = parse_classes(HIDING_CLASSES)?;
    let home = own_home(context, &args.out, &mut ledger)?;
    let collection = collection_id(&args.data);
    let table = ledger.table(Path::new(FILE));
    let kept = table.filter(|_| home.has_catalog()).cloned();
    let is_reused = kept.is_some();
    let refused = match is_reused {
        true => 0,
        false => register_folder(&home, args, &list, &collection).await?,
    };
    let searched = search(&home, &collection, None, None).await?;
    let table = match kept {
        Some(table) => table,
        None => extract_folder(&home, &mut ledger, args, &parcels, refused).await?,
    };
    let season = Season {
        path: args.out.join(FILE),
        classes: table.classes.as_ref().map(|file| args.out.join(file)),
        dropped,
        groups,
    };
    let mut totals = Totals::default();
    totals.add(&table);
    let (season, mut fold) = tokio::task::spawn_blocking(move || {
        let fold = season.fold()?;
        anyhow::Ok((season, fold))
    })
    .await
    .context("the summary panicked")??;
    read_units(&list, &mut fold).await;

    let mut report = describe(args, &parcels, &fold, totals);
    report.is_reused = is_reused;
    report.search = Some(searched);
    report.files = vec![season.path.clone()];
    report.files.extend(season.classes.clone());
    let args = args.clone();
    let work = move || -> Result<Report> {
        draw(&mut report, &season, &fold, &args)?;
        Ok(report)
    };
    tokio::task::spawn_blocking(work)
        .await
        .context("the picture panicked")?
}

/// Returns a report of what the season holds, without its files.
fn describe(args: &FolderArgs, parcels: &Path, fold: &Fold, totals: Totals) -> Report {
    let parcel_file = parcels
        .file_name()
        .unwrap_or(parcels.as_os_str())
        .to_string_lossy();
    let about = format!(
        "{}: {} parcels of {parcel_file}",
        args.data.display(),
        fold.parcels.len()
    );
    let mut report = Report::new(about, totals);
    report.parcels = fold.parcels.len();
    report.tables = vec![MonthTable {
        title:
            "Mean over parcels and dates, at least half clear where a scene classification tells"
                .to_owned(),
        name: "band",
        rows: fold.rows(),
    }];
    report.notes = fold.notes();
    report
}

/// Returns the parcel file of a folder.
fn find_parcels(folder: &Path) -> Result<PathBuf> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        files.push(entry.with_context(cannot)?.path());
    }
    files.sort();
    for extension in PARCEL_EXTENSIONS {
        let is_kind = |path: &&PathBuf| {
            path.extension()
                .is_some_and(|own| own.eq_ignore_ascii_case(extension))
        };
        match files.iter().filter(is_kind).collect::<Vec<_>>()[..] {
            [] => {}
            [only] => return Ok(only.clone()),
            [first, second, ..] => {
                let reason = format!(
                    "both {} and {} may hold the parcels; choose with --parcels FILE",
                    first.display(),
                    second.display()
                );
                return Err(UsageError(reason).into());
            }
        }
    }
    Err(UsageError(format!(
        "no parcel file in {}; give one with --parcels FILE",
        folder.display()
    ))
    .into())
}

async fn extract_folder(
    home: &Context,
    ledger: &mut Ledger,
    args: &FolderArgs,
    parcels: &Path,
    refused: usize,
) -> Result<Table> {
    let output = args.out.join(FILE);
    // Rasters of one date may be files of their own, so that the classes lie in another item than
    // the bands: they are counted here and judged by datetime later, not masked pixel by pixel.
    let mut step = Step::in_home(&home.home, "extract")
        .option("--collection", collection_id(&args.data))
        .option("--parcels", parcels)
        .option("--classes", "SCL");
    if let Some(id) = &args.id {
        step = step.option("--id", id);
    }
    let step = step.option("--output", &output);
    step.announce("extracting");
    let watch = Stopwatch::start();
    let report = measure(home, &step.args::<ExtractArgs>()?).await?;
    if report.measured == 0 {
        return Err(PartialDataError(format!(
            "no item in {} could be measured",
            args.data.display()
        ))
        .into());
    }
    let skipped = report.failures() + refused;
    let classes = report.classes.filter(|_| report.class_rows > 0);
    let table = Table {
        file: FILE.into(),
        root: None,
        classes: classes.and_then(|path| path.file_name().map(PathBuf::from)),
        items: report.measured,
        skipped,
        rows: report.rows,
        bytes: report.bytes,
        spent: watch.spent(),
    };
    ledger.add_table(table.clone())?;
    Ok(table)
}

/// Returns what changes when an input changes: names, sizes and times of all files.
fn key(args: &FolderArgs, parcels: &Path, list: &ItemList) -> String {
    let mut hasher = DefaultHasher::new();
    let assets = list
        .items
        .iter()
        .flat_map(|item| item.assets.iter().map(|asset| asset.asset.href()));
    let mut files: Vec<&str> = assets.collect();
    files.sort_unstable();
    for file in files.into_iter().map(Path::new).chain([parcels]) {
        let about = std::fs::metadata(file);
        (
            file,
            about.as_ref().map(|about| about.len()).ok(),
            about.and_then(|about| about.modified()).ok(),
        )
            .hash(&mut hasher);
    }
    format!(
        "{}; {} with {}, id {:?}, dates {:?}, files {:016x}",
        env!("CARGO_PKG_VERSION"),
        args.data.display(),
        parcels.display(),
        args.id,
        args.date_pattern,
        hasher.finish()
    )
}

/// Names of groups by item.
struct Groups(HashMap<String, String>);

impl Groups {
    fn new(data: &Path, list: &ItemList) -> Self {
        let group = |href: &str| -> Option<String> {
            let mut parts = Path::new(href).strip_prefix(data).ok()?.components();
            let first = parts.next()?;
            // What lies directly in the folder has no group.
            parts
                .next()
                .map(|_| first.as_os_str().to_string_lossy().into_owned())
        };
        let of_item = |item: &swath_extract::ItemSource| {
            let href = item
                .assets
                .first()
                .map(|asset| asset.asset.href())
                .unwrap_or_default();
            (item.id.clone(), group(href).unwrap_or_default())
        };
        Self(list.items.iter().map(of_item).collect())
    }

    fn of(&self, item_id: &str) -> &str {
        self.0.get(item_id).map_or("", String::as_str)
    }
}

/// The measured season.
struct Season {
    path: PathBuf,
    classes: Option<PathBuf>,
    dropped: Vec<f64>,
    groups: Groups,
}

/// What one pass over the season gives.
#[derive(Default)]
struct Fold {
    months: MonthFold,
    bands: BTreeMap<String, Band>,
    /// Dates that can be shown and largest count, by parcel.
    parcels: BTreeMap<String, (u64, f64)>,
    has_ndvi: bool,
}

/// One band of one group.
struct Band {
    group: String,
    name: String,
    first_item: String,
    unit: Option<String>,
    is_ever_positive: bool,
}

impl Band {
    fn is_backscatter(&self) -> bool {
        ["VV", "VH"]
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// Returns how backscatter is stored: as its unit says, else by its sign.
    fn power(&self) -> Power {
        match &self.unit {
            Some(unit) if unit.eq_ignore_ascii_case("dB") => Power::Decibel,
            Some(_) => Power::Linear,
            None if self.is_ever_positive => Power::Linear,
            None => Power::Decibel,
        }
    }
}

impl Season {
    fn visit(&self, visit: &mut dyn FnMut(&Observation) -> Result<()>) -> Result<()> {
        let classes = self.classes.as_deref().map(|path| SceneClasses {
            path,
            dropped: &self.dropped,
        });
        visit_table(&self.path, classes, visit)
    }

    fn fold(&self) -> Result<Fold> {
        let mut fold = Fold::default();
        self.visit(&mut |observation| {
            fold.add(observation, self.groups.of(&observation.item_id));
            Ok(())
        })?;
        if fold.has_ndvi {
            // A picture of the index needs dates of the index: count those only.
            fold.parcels.values_mut().for_each(|(dates, _)| *dates = 0);
            self.visit(&mut |observation| {
                if observation.clear >= CLEAR_MIN
                    && observation.ndvi().is_some()
                    && let Some((dates, _)) = fold.parcels.get_mut(&observation.parcel_id)
                {
                    *dates += 1;
                }
                Ok(())
            })?;
        }
        Ok(fold)
    }
}

impl Fold {
    fn add(&mut self, observation: &Observation, group: &str) {
        let month = month_number(observation.datetime_us);
        if !self.parcels.contains_key(&observation.parcel_id) {
            self.parcels.insert(observation.parcel_id.clone(), (0, 0.0));
        }
        let is_clear = observation.clear >= CLEAR_MIN;
        if let Some((dates, count)) = self.parcels.get_mut(&observation.parcel_id) {
            *dates += u64::from(is_clear && !observation.means.is_empty());
            *count = count.max(observation.count);
        }
        for (name, mean) in observation.means.iter().filter(|(name, _)| !is_class(name)) {
            let key = band_key(group, name);
            if is_clear {
                self.months.add(&key, month, *mean);
            }
            let band = self.bands.entry(key).or_insert_with(|| Band {
                group: group.to_owned(),
                name: name.clone(),
                first_item: observation.item_id.clone(),
                unit: None,
                is_ever_positive: false,
            });
            band.is_ever_positive |= *mean > 0.0;
        }
        if let Some(ndvi) = observation.ndvi() {
            self.has_ndvi = true;
            if is_clear {
                self.months.add(&band_key(group, "NDVI"), month, ndvi);
            }
        }
    }

    fn rows(&self) -> Vec<MonthRow> {
        let row = |key: &str| MonthRow {
            name: key.to_owned(),
            parcels: None,
            observations: self.months.count(key),
            means: self.months.means(key),
        };
        self.months.keys().map(row).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.has_ndvi {
            notes.push("NDVI is computed from each parcel's means of B04 and B08.".to_owned());
        }
        for (key, band) in self.bands.iter().filter(|(_, band)| band.is_backscatter()) {
            let why = match &band.unit {
                Some(unit) => format!("its unit is \"{unit}\""),
                None if band.is_ever_positive => "it has no unit, and values above zero".to_owned(),
                None => "it has no unit, and only negative values".to_owned(),
            };
            notes.push(match band.power() {
                Power::Decibel => {
                    format!("{key} is taken as dB and averaged as it is stored: {why}.")
                }
                Power::Linear => format!("{key} is taken as linear power, and drawn in dB: {why}."),
            });
        }
        notes
    }

    /// Returns the largest parcel of those that have at least half as many dates as the best.
    fn parcel(&self) -> Option<&str> {
        let most = self.parcels.values().map(|(dates, _)| *dates).max()?;
        let enough = self
            .parcels
            .iter()
            .filter(|(_, (dates, _))| *dates * 2 >= most);
        let largest = enough.max_by(|a, b| a.1.1.total_cmp(&b.1.1).then_with(|| b.0.cmp(a.0)));
        largest.map(|(id, _)| id.as_str())
    }
}

fn band_key(group: &str, band: &str) -> String {
    if group.is_empty() {
        band.to_owned()
    } else {
        format!("{group} {band}")
    }
}

/// True for the scene classification: its numbers are names, their mean says nothing.
fn is_class(band: &str) -> bool {
    band.eq_ignore_ascii_case("SCL")
}

/// Asks one raster of each band for its unit.
async fn read_units(list: &ItemList, fold: &mut Fold) {
    for band in fold.bands.values_mut() {
        let Some(item) = list.items.iter().find(|item| item.id == band.first_item) else {
            continue;
        };
        for asset in &item.assets {
            // It was read a moment ago; without an answer there is no unit.
            let Ok(raster) = GeoTiff::open(asset.asset.clone()).await else {
                continue;
            };
            let is_own = |name: &str| name == band.name || asset.key == band.name;
            if let Some(info) = raster.bands().iter().find(|info| is_own(&info.name)) {
                band.unit = info.unit.clone();
                break;
            }
        }
    }
}

fn draw(report: &mut Report, season: &Season, fold: &Fold, args: &FolderArgs) -> Result<()> {
    let wanted = args.parcel_id.as_deref();
    if let Some(id) = wanted.filter(|id| !fold.parcels.contains_key(*id)) {
        return Err(UsageError(format!("--parcel {id}: the season has no such parcel")).into());
    }
    let Some(parcel) = wanted.or_else(|| fold.parcel()) else {
        return Ok(());
    };
    let mut own: BTreeMap<String, Vec<Observation>> = BTreeMap::new();
    season.visit(&mut |observation| {
        if observation.parcel_id == parcel {
            let group = season.groups.of(&observation.item_id).to_owned();
            own.entry(group).or_default().push(observation.clone());
        }
        Ok(())
    })?;
    for observation in own.values_mut().flatten() {
        observation.means.retain(|(name, _)| !is_class(name));
    }
    let mut panels: Vec<_> = own
        .values()
        .filter_map(|group| ndvi_panel(group))
        .take(1)
        .collect();
    let backscatter = fold.bands.values().find(|band| band.is_backscatter());
    if let Some(band) = backscatter
        && let Some(group) = own.get(&band.group)
    {
        panels.extend(backscatter_panel(group, band.power(), &|_| None));
    }
    if panels.is_empty() {
        for (group, observations) in &own {
            let unit_of = |name: &str| fold.bands.get(&band_key(group, name))?.unit.clone();
            panels.extend(band_panels(observations, &unit_of));
        }
        panels.truncate(4);
    }
    let has_classes = season.classes.is_some();
    let chart = Chart {
        title: format!("Parcel {parcel}"),
        subtitle: format!("Rasters of {}", args.data.display()),
        footer: match has_classes {
            true => "Hollow: by the scene classification over half of the parcel lay under cloud, shadow or snow.",
            false => "Hollow: less than half of the parcel had values. No scene classification: clouds are not marked.",
        }
        .to_owned(),
        panels,
        events: Vec::new(),
    };
    let path = args.out.join(picture_name(parcel));
    write_whole(&path, render(&chart).as_bytes())?;
    report.parcel_id = Some(parcel.to_owned());
    report.picture = Some(path);
    Ok(())
}
