//! The demo without data: simulate a season, measure it, show it beside the truth.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::NaiveTime;

use super::chart::{Chart, Event, month_number, render};
use super::ledger::{Landscape, Ledger, Stopwatch, Table};
use super::months::{MonthFold, MonthRow, MonthTable, decibel};
use super::outliers::farthest;
use super::panels::{Orbit, Power, backscatter_panel, coherence_panel, ndvi_panel};
use super::report::{Report, Totals};
use super::series::{Observation, visit_table};
use super::truth::{self, FieldEvent, Parcel};
use super::{CLEAR_MIN, HIDING_CLASSES, measure, picture_name, typed, write_whole};
use crate::command::extract::ExtractArgs;
use crate::command::simulate;
use crate::config::Context;
use crate::error::UsageError;
use crate::simulate::SimulateArgs;

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

/// Parcels unlike their crop that are shown.
const ODD_SHOWN: usize = 5;

/// A simulated collection, and how it is extracted.
#[derive(Clone, Copy)]
struct Source {
    collection: &'static str,
    options: &'static [&'static str],
}

impl Source {
    fn file(self) -> PathBuf {
        Path::new("season").join(format!("{}.parquet", self.collection))
    }
}

/// Simulates, measures and draws.
///
/// # Errors
/// Where the folder cannot be written, or the parcel of the picture is unknown.
pub async fn run(context: &Context, args: &SimulatedArgs) -> Result<Report> {
    let key = format!(
        "{}; {} parcels, seed {}, without {HIDING_CLASSES}",
        env!("CARGO_PKG_VERSION"),
        args.parcels,
        args.seed
    );
    let mut ledger = Ledger::open(&args.out, key);
    let folder = args.out.join("landscape");
    let landscape = simulate_landscape(&mut ledger, &folder, args).await?;
    let mut is_reused = true;
    let mut totals = Totals::default();
    for source in [OPTICAL, BACKSCATTER, COHERENCE] {
        let table = match ledger.table(&source.file()) {
            Some(table) => table.clone(),
            None => {
                is_reused = false;
                extract_collection(context, &mut ledger, source, &folder, args).await?
            }
        };
        totals.add(&table);
    }
    let about = format!(
        "A simulated season: {} parcels of {:.0} ha, {} of them declared wrongly",
        landscape.parcels, landscape.area_ha, landscape.wrong_declarations
    );
    let args = args.clone();
    let work = move || -> Result<Report> {
        let parcels = truth::read(&folder)?;
        let mut report = Report::new(about, totals);
        report.parcels = landscape.parcels;
        report.is_reused = is_reused;
        report.landscape = Some(landscape);
        report.rasters = Some(folder.clone());
        summarise(&mut report, &parcels, &args.out)?;
        draw(&mut report, &parcels, &args, &folder)?;
        report.files = [OPTICAL, BACKSCATTER, COHERENCE]
            .map(|source| args.out.join(source.file()))
            .to_vec();
        Ok(report)
    };
    tokio::task::spawn_blocking(work)
        .await
        .context("the summary panicked")?
}

async fn simulate_landscape(
    ledger: &mut Ledger,
    folder: &Path,
    args: &SimulatedArgs,
) -> Result<Landscape> {
    if let Some(done) = &ledger.landscape
        && folder.join("parcels.parquet").is_file()
    {
        return Ok(done.clone());
    }
    let scenes = folder.join("scenes");
    if scenes.exists() {
        if !ledger.is_known() {
            let reason = "it was not made by a demo and would be overwritten; choose another --out";
            return Err(UsageError(format!("{}: {reason}", folder.display())).into());
        }
        // What a stopped or another simulation left would be measured too.
        std::fs::remove_dir_all(&scenes)
            .with_context(|| format!("cannot remove {}", scenes.display()))?;
    }
    ledger.claim()?;
    eprintln!(
        "simulating a season over {} parcels into {}",
        args.parcels,
        folder.display()
    );
    let (parcels, seed) = (args.parcels.to_string(), args.seed.to_string());
    let words = [
        "--parcels".as_ref(),
        parcels.as_ref(),
        "--seed".as_ref(),
        seed.as_ref(),
        "--out".as_ref(),
        folder.as_os_str(),
    ];
    let watch = Stopwatch::start();
    let summary = simulate::run_quietly(typed::<SimulateArgs>(&words)?).await?;
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

async fn extract_collection(
    context: &Context,
    ledger: &mut Ledger,
    source: Source,
    folder: &Path,
    args: &SimulatedArgs,
) -> Result<Table> {
    eprintln!("extracting {}", source.collection);
    let items = folder.join("scenes").join(source.collection);
    let parcels = folder.join("parcels.parquet");
    let output = args.out.join(source.file());
    std::fs::create_dir_all(args.out.join("season"))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    let mut words: Vec<&OsStr> = source.options.iter().map(OsStr::new).collect();
    words.extend([
        "--items".as_ref(),
        items.as_os_str(),
        "--parcels".as_ref(),
        parcels.as_os_str(),
    ]);
    words.extend(["--output".as_ref(), output.as_os_str()]);
    let watch = Stopwatch::start();
    let report = measure(context, &typed::<ExtractArgs>(&words)?).await?;
    let table = Table {
        file: source.file(),
        classes: None,
        items: report.measured,
        skipped: report.failures(),
        rows: report.rows,
        bytes: report.bytes,
        spent: watch.spent(),
    };
    ledger.add_table(table.clone())?;
    Ok(table)
}

/// Tables of months by crop, and parcels unlike theirs.
fn summarise(report: &mut Report, parcels: &[Parcel], out: &Path) -> Result<()> {
    let mut ndvi = MonthFold::default();
    visit_table(&out.join(OPTICAL.file()), None, &mut |observation| {
        if let Some(value) = observation
            .ndvi()
            .filter(|_| observation.clear >= CLEAR_MIN)
        {
            ndvi.add(
                &observation.parcel_id,
                month_number(observation.datetime_us),
                value,
            );
        }
        Ok(())
    })?;
    let mut power = MonthFold::default();
    visit_table(&out.join(BACKSCATTER.file()), None, &mut |observation| {
        if let Some(value) = observation.mean("VH") {
            power.add(
                &observation.parcel_id,
                month_number(observation.datetime_us),
                value,
            );
        }
        Ok(())
    })?;
    report.odd_parcels = farthest(parcels, &ndvi, ODD_SHOWN);
    report.tables = vec![
        MonthTable {
            title: "NDVI by declared crop: mean over parcels of their monthly mean, from dates at least half clear".to_owned(),
            name: "crop",
            rows: crop_rows(parcels, &ndvi, |mean| mean),
        },
        MonthTable {
            title: "Backscatter VH in dB by declared crop: mean power over parcels and orbits, then dB".to_owned(),
            name: "crop",
            rows: crop_rows(parcels, &power, decibel),
        },
    ];
    Ok(())
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

/// Draws one parcel with all that was measured and happened.
fn draw(
    report: &mut Report,
    parcels: &[Parcel],
    args: &SimulatedArgs,
    folder: &Path,
) -> Result<()> {
    let parcel = match &args.parcel_id {
        Some(id) => parcels
            .iter()
            .find(|parcel| parcel.id == *id)
            .ok_or_else(|| {
                UsageError(format!("--parcel {id}: the landscape has no such parcel"))
            })?,
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
            .context("the landscape has no parcels")?,
    };
    let series = |source: Source| -> Result<Vec<Observation>> {
        let mut own = Vec::new();
        visit_table(&args.out.join(source.file()), None, &mut |observation| {
            if observation.parcel_id == parcel.id {
                own.push(observation.clone());
            }
            Ok(())
        })?;
        Ok(own)
    };
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
        ndvi_panel(&series(OPTICAL)?),
        backscatter_panel(&series(BACKSCATTER)?, Power::Linear, &|id| {
            orbit_in(BACKSCATTER, id)
        }),
        coherence_panel(&series(COHERENCE)?, &|id| orbit_in(COHERENCE, id)),
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
