//! The demo without data: simulate a season, register it, search it, measure it, show it beside the
//! truth.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::{NaiveDate, NaiveTime};

use super::ledger::{Landscape, Ledger, Table};
use super::months::{MonthFold, MonthRow, MonthTable};
use super::outliers::farthest;
use super::registered::{own_home, remove_others};
use super::report::{Report, Totals};
use super::searched::search;
use super::step::Step;
use super::table_rows::visit_extract_table;
use super::truth::{self, FieldEvent, Parcel};
use super::{HIDING_CLASSES, SKIPPED_SHOWN, picture_name, write_whole};
use crate::chart::{
    CLEAR_MIN, Chart, Event, Observation, Orbit, Power, backscatter_panel, coherence_panel,
    decibel, month_number, ndvi_panel, render,
};
use crate::command::extract::ExtractArgs;
use crate::command::extract::table_run::run_quietly as fill_table;
use crate::command::items::{ImportArgs, import_files};
use crate::command::parcels::{ImportArgs as ParcelArgs, import_parcels};
use crate::command::simulate;
use crate::command::table::{CompactArgs, compact};
use crate::config::Context;
use crate::error::UsageError;
use crate::simulate::SimulateArgs;
use crate::stopwatch::Stopwatch;

/// What is simulated and shown.
#[derive(Debug, Clone)]
pub struct SimulatedArgs {
    /// Folder of the landscape, tables and picture.
    pub out: PathBuf,
    /// Parcels to simulate.
    pub parcels: usize,
    /// Seed of the landscape.
    pub seed: u64,
    /// Parcel of the picture; `None`: the largest of those on which most different things happen.
    pub parcel_id: Option<String>,
}

const OPTICAL: Source = Source {
    collection: "sentinel-2-l2a",
    options: &[
        "--bands",
        "B02,B03,B04,B05,B08,B8A,B11,B12",
        "--mask-scl",
        HIDING_CLASSES,
    ],
};
const BACKSCATTER: Source = Source {
    collection: "s1-card-bs",
    options: &[],
};
const COHERENCE: Source = Source {
    collection: "s1-card-coh6",
    options: &[],
};

const SOURCES: [Source; 3] = [OPTICAL, BACKSCATTER, COHERENCE];

/// Where the landscape lies below the folder of the demo: in the archive of that home, so that its
/// items name their assets as `archive:KEY` and a server of that home reads them.
const LANDSCAPE: &str = "archive/landscape";
/// Parcel set of the demo.
const SET: &str = "demo";
/// Month that is searched, in the season that is simulated by default.
const SEARCHED_MONTH: Option<NaiveDate> = NaiveDate::from_ymd_opt(2021, 6, 1);
/// Clouds of the images that are searched, in per cent.
const CLOUD_MAX: u32 = 30;
/// Parcels unlike their crop that are shown.
const ODD_SHOWN: usize = 5;

/// A simulated collection, and how it is extracted.
#[derive(Clone, Copy)]
struct Source {
    collection: &'static str,
    options: &'static [&'static str],
}

impl Source {
    /// Returns the folder of its extract tables, below that of the demo.
    fn folder(self) -> PathBuf {
        Path::new("tables").join(self.collection)
    }
}

/// Simulates, registers, searches, measures and draws.
///
/// # Errors
/// Where the folder cannot be written or is that of others, or the parcel of the picture is unknown.
pub async fn run(context: &Context, args: &SimulatedArgs) -> Result<Report> {
    let key = format!(
        "{}; {} parcels, seed {}, without {HIDING_CLASSES}",
        env!("CARGO_PKG_VERSION"),
        args.parcels,
        args.seed
    );
    let mut ledger = Ledger::open(&args.out, key);
    let folder = args.out.join(LANDSCAPE);
    check_landscape(&ledger, &folder)?;
    let home = own_home(context, &args.out, &mut ledger)?;
    let landscape = simulate_landscape(&mut ledger, &folder, args).await?;
    for source in SOURCES {
        register(&home, source, &folder).await?;
    }
    let searched = search(&home, OPTICAL.collection, SEARCHED_MONTH, Some(CLOUD_MAX)).await?;
    if SOURCES
        .iter()
        .any(|source| ledger.table(&source.folder()).is_none())
    {
        import_set(&home, &folder).await?;
    }
    let mut is_reused = true;
    let mut totals = Totals::default();
    let mut roots = Vec::new();
    for source in SOURCES {
        let table = match ledger.table(&source.folder()) {
            Some(table) => table.clone(),
            None => {
                is_reused = false;
                extract_collection(&home, &mut ledger, source).await?
            }
        };
        totals.add(&table);
        roots.push(table.root.context("a table without its root")?);
    }
    let about = format!(
        "A simulated season: {} parcels of {:.0} ha, {} of them declared wrongly",
        landscape.parcels, landscape.area_ha, landscape.wrong_declarations
    );
    let parcels = truth::read(&folder)?;
    let chosen = chosen_parcel(&parcels, args)?;
    let measured = read_tables(&home, &roots, &chosen.id).await?;
    let mut report = Report::new(about, totals);
    report.parcels = landscape.parcels;
    report.is_reused = is_reused;
    report.landscape = Some(landscape);
    report.rasters = Some(folder.clone());
    report.search = Some(searched);
    summarise(&mut report, &parcels, &measured);
    draw(&mut report, chosen, &measured, args, &folder)?;
    report.files = SOURCES
        .map(|source| args.out.join(source.folder()))
        .to_vec();
    Ok(report)
}

/// Refuses a landscape that no demo has made: it would be overwritten.
fn check_landscape(ledger: &Ledger, folder: &Path) -> Result<()> {
    if ledger.is_known() || !folder.join("scenes").exists() {
        return Ok(());
    }
    let reason = "it was not made by a demo and would be overwritten; choose another --out";
    Err(UsageError(format!("{}: {reason}", folder.display())).into())
}

async fn simulate_landscape(
    ledger: &mut Ledger,
    folder: &Path,
    args: &SimulatedArgs,
) -> Result<Landscape> {
    let scenes = folder.join("scenes");
    if let Some(done) = &ledger.landscape
        && folder.join("parcels.parquet").is_file()
        && SOURCES
            .iter()
            .all(|source| scenes.join(source.collection).is_dir())
    {
        return Ok(done.clone());
    }
    if scenes.exists() {
        // What a stopped or another simulation left would be measured too.
        std::fs::remove_dir_all(&scenes)
            .with_context(|| format!("cannot remove {}", scenes.display()))?;
    }
    let step = Step::new("simulate")
        .option("--parcels", args.parcels.to_string())
        .option("--seed", args.seed.to_string())
        .option("--out", folder);
    step.announce("simulating a season");
    let watch = Stopwatch::start();
    let summary = simulate::run_quietly(step.args::<SimulateArgs>()?).await?;
    let landscape = Landscape {
        parcels: summary.parcels,
        wrong_declarations: summary.wrong_declarations,
        area_ha: summary.parcel_area_ha,
        raster_bytes: summary.raster_bytes,
        spent: watch.spent(),
    };
    ledger.set_landscape(landscape.clone())?;
    Ok(landscape)
}

/// Registers the items of a collection where they lie; those of an earlier landscape go.
async fn register(home: &Context, source: Source, folder: &Path) -> Result<()> {
    let scenes = folder.join("scenes").join(source.collection);
    let step = Step::in_home(&home.home, "items import")
        .word(&scenes)
        .option("--collection", source.collection)
        .option("--collection-file", scenes.join("collection.json"));
    step.announce("registering items");
    import_files(home, &step.args::<ImportArgs>()?).await?;
    let mut ids = HashSet::new();
    let cannot = || format!("cannot read {}", scenes.display());
    for entry in std::fs::read_dir(&scenes).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        ids.insert(entry.file_name().to_string_lossy().into_owned());
    }
    remove_others(home, source.collection, &ids).await
}

/// Imports the parcels of the landscape; the same parcels make no new version.
async fn import_set(home: &Context, folder: &Path) -> Result<()> {
    let step = Step::in_home(&home.home, "parcels import")
        .word(folder.join("parcels.parquet"))
        .option("--name", SET)
        .option("--id", "parcel_id")
        .option("--crop", "crop")
        .option("--crop-name", "crop_name")
        // They are nobody's: the portal shows them to whoever opens it.
        .option("--visibility", "public");
    step.announce("importing parcels");
    import_parcels(home, &step.args::<ParcelArgs>()?).await?;
    Ok(())
}

/// Extracts a collection into its table and merges the files of its months.
async fn extract_collection(home: &Context, ledger: &mut Ledger, source: Source) -> Result<Table> {
    let mut step = Step::in_home(&home.home, "extract")
        .option("--collection", source.collection)
        .option("--parcels", SET);
    for word in source.options {
        step = step.word(word);
    }
    step.announce("extracting");
    let watch = Stopwatch::start();
    let report = fill_table(home, &step.args::<ExtractArgs>()?, source.collection).await?;
    for failed in report.failed.iter().take(SKIPPED_SHOWN) {
        eprintln!("  {}: {}", failed.unit, failed.reason);
    }
    let step = Step::in_home(&home.home, "table compact").word(&report.table);
    step.announce("merging files");
    compact(home, step.args::<CompactArgs>()?).await?;
    let table = Table {
        file: source.folder(),
        classes: None,
        items: report.units - report.failed.len(),
        skipped: report.failures(),
        rows: report.rows,
        bytes: report.bytes,
        spent: watch.spent(),
        root: Some(report.table),
    };
    ledger.add_table(table.clone())?;
    Ok(table)
}

/// What is read from the tables: months of all parcels, and the season of the one in the picture.
#[derive(Default)]
struct Measured {
    ndvi: MonthFold,
    power: MonthFold,
    /// In the order of [`SOURCES`].
    series: [Vec<Observation>; 3],
}

/// Reads the tables of the three collections, whose `roots` are in the order of [`SOURCES`].
async fn read_tables(home: &Context, roots: &[String], parcel_id: &str) -> Result<Measured> {
    let mut measured = Measured::default();
    for (index, root) in roots.iter().enumerate() {
        visit_extract_table(home, root, &mut |observation| {
            measured.add(index, observation);
            if observation.parcel_id == parcel_id {
                measured.series[index].push(observation.clone());
            }
            Ok(())
        })
        .await?;
    }
    Ok(measured)
}

impl Measured {
    fn add(&mut self, source: usize, observation: &Observation) {
        let month = month_number(observation.datetime_us);
        let collection = SOURCES[source].collection;
        let (fold, value) = if collection == OPTICAL.collection {
            let is_clear = observation.clear >= CLEAR_MIN;
            (&mut self.ndvi, observation.ndvi().filter(|_| is_clear))
        } else if collection == BACKSCATTER.collection {
            (&mut self.power, observation.mean("VH"))
        } else {
            return;
        };
        if let Some(value) = value {
            fold.add(&observation.parcel_id, month, value);
        }
    }
}

/// Tables of months by crop, and parcels unlike theirs.
fn summarise(report: &mut Report, parcels: &[Parcel], measured: &Measured) {
    report.odd_parcels = farthest(parcels, &measured.ndvi, ODD_SHOWN);
    report.tables = vec![
        MonthTable {
            title: "NDVI by declared crop: mean over parcels of their monthly mean, from dates at least half clear".to_owned(),
            name: "crop",
            rows: crop_rows(parcels, &measured.ndvi, |mean| mean),
        },
        MonthTable {
            title: "Backscatter VH in dB by declared crop: mean power over parcels and orbits, then dB".to_owned(),
            name: "crop",
            rows: crop_rows(parcels, &measured.power, decibel),
        },
    ];
}

fn crop_rows(parcels: &[Parcel], fold: &MonthFold, convert: fn(f64) -> f64) -> Vec<MonthRow> {
    let mut crops: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut by_crop = MonthFold::default();
    for parcel in parcels {
        let (count, observations) = crops.entry(&parcel.declared).or_default();
        *count += 1;
        *observations += fold.count(&parcel.id);
        for (month, mean) in fold.means(&parcel.id) {
            by_crop.add(&parcel.declared, month, mean);
        }
    }
    let row = |(crop, (count, observations)): (&str, (u64, u64))| MonthRow {
        name: crop.to_owned(),
        parcels: Some(count),
        observations,
        means: by_crop
            .means(crop)
            .into_iter()
            .map(|(month, mean)| (month, convert(mean)))
            .collect(),
    };
    crops.into_iter().map(row).collect()
}

/// Returns the parcel of the picture.
fn chosen_parcel<'a>(parcels: &'a [Parcel], args: &SimulatedArgs) -> Result<&'a Parcel> {
    match &args.parcel_id {
        Some(id) => parcels
            .iter()
            .find(|parcel| parcel.id == *id)
            .ok_or_else(|| {
                UsageError(format!("--parcel {id}: the landscape has no such parcel")).into()
            }),
        // What happens on a field is what the picture is for.
        None => parcels
            .iter()
            .filter(|parcel| parcel.declared == parcel.grown)
            .max_by(|a, b| {
                a.event_kinds()
                    .cmp(&b.event_kinds())
                    .then(a.area_ha.total_cmp(&b.area_ha))
            })
            .or(parcels.first())
            .context("the landscape has no parcels"),
    }
}

/// Draws one parcel with all that was measured and happened.
fn draw(
    report: &mut Report,
    parcel: &Parcel,
    measured: &Measured,
    args: &SimulatedArgs,
    folder: &Path,
) -> Result<()> {
    let [optical, backscatter, coherence] = &measured.series;
    let known = RefCell::new(HashMap::new());
    let orbit_in = |source: Source, id: &str| -> Option<Orbit> {
        let path = folder
            .join("scenes")
            .join(source.collection)
            .join(id)
            .join(format!("{id}.json"));
        known
            .borrow_mut()
            .entry(id.to_owned())
            .or_insert_with(|| read_orbit(&path))
            .clone()
    };
    let panels = [
        ndvi_panel(optical),
        backscatter_panel(backscatter, Power::Linear, &|id| orbit_in(BACKSCATTER, id)),
        coherence_panel(coherence, &|id| orbit_in(COHERENCE, id)),
    ];
    let grown = match parcel.grown == parcel.declared {
        true => String::new(),
        false => format!(", but grows {}", parcel.grown),
    };
    let chart = Chart {
        title: format!("Parcel {}", parcel.id),
        subtitle: format!("Declares {}{grown}; {:.2} ha; simulated season", parcel.declared, parcel.area_ha),
        footer: "Hollow: over half of the parcel lay under cloud, shadow or snow. Dotted lines: what the simulation did on the field."
            .to_owned(),
        panels: panels.into_iter().flatten().collect(),
        events: parcel.events.iter().map(chart_event).collect(),
    };
    let path = args.out.join(picture_name(&parcel.id));
    write_whole(&path, render(&chart).as_bytes())?;
    report.parcel_id = Some(parcel.id.clone());
    report.picture = Some(path);
    Ok(())
}

fn chart_event(event: &FieldEvent) -> Event {
    Event {
        datetime_us: event
            .date
            .and_time(NaiveTime::MIN)
            .and_utc()
            .timestamp_micros(),
        label: format!("{} {}", event.kind, event.date.format("%-d %b")),
    }
}

fn read_orbit(path: &Path) -> Option<Orbit> {
    let item: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let properties = item.get("properties")?;
    Some(Orbit {
        number: properties.get("sat:relative_orbit")?.as_u64()?,
        state: properties.get("sat:orbit_state")?.as_str()?.to_owned(),
    })
}
