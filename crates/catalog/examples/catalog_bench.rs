//! Registers and searches the items that `bench/items.py` made, in this process, and prints what it took.
//!
//! `cargo run --release -p swath-catalog --example catalog_bench -- URL FOLDER register COUNT`
//! `cargo run --release -p swath-catalog --example catalog_bench -- URL FOLDER search`
//!
//! One line per figure: name, number, unit. To register, the database is to be an empty one; reading
//! the file is not part of the time. A search is warm: every question was asked once before.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_catalog::exchange::read_ndjson;
use swath_catalog::{Catalog, PutMode};
use swath_grid::Bbox;
use swath_stac::{ItemSearch, parse_filter_json, parse_interval};

/// Items registered in one transaction, as `swath items import` does.
const BATCH_ITEMS: usize = 1_000;
const USAGE: &str = "usage: catalog_bench URL FOLDER (register COUNT | search)";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [url, folder, "register", count] => {
            let catalog = Catalog::open(url).await?;
            register(&catalog, Path::new(folder), count.parse()?).await
        }
        [url, folder, "search"] => {
            let catalog = Catalog::open(url).await?;
            let questions = questions(&Path::new(folder).join("questions.ndjson"))?;
            for name in ["tile", "country"] {
                measure(&catalog, name, &questions).await?;
            }
            let begun = Instant::now();
            let search = ItemSearch::default();
            let all = catalog.count(&Viewer::anonymous(), &search).await?;
            let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
            println!("count {milliseconds:.1} ms ({all} items)");
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

async fn register(catalog: &Catalog, folder: &Path, count: usize) -> Outcome<()> {
    let operator = Viewer::operator();
    let text = std::fs::read_to_string(folder.join("collection.json"))?;
    let collection: Map<String, Value> = serde_json::from_str(&text)?;
    let id = collection
        .get("id")
        .and_then(Value::as_str)
        .ok_or("no id")?;
    catalog
        .put_collection(&operator, &collection, PutMode::Create)
        .await?;
    let file = BufReader::new(File::open(folder.join("items.ndjson"))?);
    let mut items = read_ndjson(file).take(count);
    let (mut registered, mut seconds) = (0, 0.0);
    loop {
        let batch: Result<Vec<_>, _> = items.by_ref().take(BATCH_ITEMS).collect();
        let batch = batch?;
        if batch.is_empty() {
            break;
        }
        let begun = Instant::now();
        let etags = catalog
            .put_items(&operator, id, &batch, PutMode::Create)
            .await?;
        seconds += begun.elapsed().as_secs_f64();
        registered += etags.len();
    }
    let rate = registered as f64 / seconds;
    println!("register {rate:.0} items/s ({registered} items)");
    Ok(())
}

struct Question {
    name: String,
    search: ItemSearch,
}

fn questions(path: &Path) -> Outcome<Vec<Question>> {
    let mut questions = Vec::new();
    for line in read_ndjson(BufReader::new(File::open(path)?)) {
        let line = line?;
        let body = line.get("body").ok_or("a question without a body")?;
        let edges: Vec<f64> = serde_json::from_value(body["bbox"].clone())?;
        let [west, south, east, north] = edges.as_slice() else {
            return Err("a bbox has four numbers".into());
        };
        let search = ItemSearch {
            collections: serde_json::from_value(body["collections"].clone())?,
            bbox: Some(Bbox {
                west: *west,
                south: *south,
                east: *east,
                north: *north,
            }),
            datetime: Some(parse_interval(
                body["datetime"].as_str().ok_or("no datetime")?,
            )?),
            filter: Some(parse_filter_json(&body["filter"])?),
            limit: Some(serde_json::from_value(body["limit"].clone())?),
            ..ItemSearch::default()
        };
        let name = line.get("name").and_then(Value::as_str).ok_or("no name")?;
        questions.push(Question {
            name: name.to_owned(),
            search,
        });
    }
    Ok(questions)
}

/// Prints median and 95th percentile of the questions with a name.
async fn measure(catalog: &Catalog, name: &str, questions: &[Question]) -> Outcome<()> {
    let asked: Vec<&Question> = questions.iter().filter(|one| one.name == name).collect();
    let mut times_ms = Vec::with_capacity(asked.len());
    let mut found = 0;
    for is_warm in [false, true] {
        for question in &asked {
            let begun = Instant::now();
            let page = catalog
                .search(&Viewer::anonymous(), &question.search)
                .await?;
            if is_warm {
                times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
                found += page.items.len();
            }
        }
    }
    times_ms.sort_by(f64::total_cmp);
    let last = times_ms.len().checked_sub(1).ok_or("no such questions")?;
    let at = |share: f64| times_ms[(share * last as f64).round() as usize];
    println!(
        "search {name} p50 {:.2} ms, p95 {:.2} ms ({:.1} items each)",
        at(0.5),
        at(0.95),
        found as f64 / asked.len() as f64
    );
    Ok(())
}
