//! The catalogue of a demo: in the demo's own folder, apart from what the user has.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use swath_access::Viewer;
use swath_archive::Outcome;
use swath_extract::{ItemList, ItemSource};
use swath_stac::{ItemSearch, PageStart};

use super::folder::FolderArgs;
use super::ledger::Ledger;
use super::step::Step;
use super::{SKIPPED_SHOWN, write_whole};
use crate::command::ingest::{IngestArgs, run_quietly as ingest};
use crate::command::item_folder::ItemFolder;
use crate::command::items::{ImportArgs, import_files};
use crate::config::Context;
use crate::error::{PartialDataError, UsageError};

/// Items asked of the catalogue at once.
const PAGE_ITEMS: u32 = 1_000;

/// Returns the data home that the folder of a demo is.
///
/// # Errors
/// Where the folder is a data home already and no demo made it.
pub fn own_home(context: &Context, out: &Path, ledger: &mut Ledger) -> Result<Context> {
    let catalog = out.join("catalog.sqlite");
    if !ledger.is_known() && catalog.exists() {
        let reason = "it was not made by a demo and would be changed; choose another --out";
        return Err(UsageError(format!("{}: {reason}", catalog.display())).into());
    }
    ledger.claim()?;
    Ok(context.with_home(out))
}

/// Takes the items out of a collection that are not in `wanted`: those of an earlier demo.
///
/// # Errors
/// What the catalogue says.
pub async fn remove_others(
    home: &Context,
    collection: &str,
    wanted: &HashSet<String>,
) -> Result<()> {
    let (catalog, operator) = (home.catalog().await?, Viewer::operator());
    let mut search = ItemSearch {
        collections: vec![collection.to_owned()],
        limit: Some(PAGE_ITEMS),
        ..ItemSearch::default()
    };
    let mut others = Vec::new();
    loop {
        let page = catalog.search(&operator, &search).await?;
        let ids = page.items.iter().filter_map(|item| item.json.get("id"));
        let ids = ids.filter_map(Value::as_str).map(str::to_owned);
        others.extend(ids.filter(|id| !wanted.contains(id)));
        match page.next {
            Some(token) => search.start = PageStart::Token(token),
            None => break,
        }
    }
    for id in &others {
        catalog.delete_item(&operator, collection, id, None).await?;
    }
    Ok(())
}

/// Returns the id of the collection of a folder's rasters: its name, as far as that is plain.
pub fn collection_id(data: &Path) -> String {
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let name = whole.file_name().unwrap_or("data".as_ref());
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
        _ => '_',
    };
    name.to_string_lossy()
        .chars()
        .take(100)
        .map(plain)
        .collect()
}

/// True for a raster by itself, without an item.
fn is_raster(item: &&ItemSource) -> bool {
    item.assets.iter().any(|asset| asset.key.is_empty())
}

/// Registers rasters and items of the folder where they lie; what an earlier run registered and is
/// not there any more goes. Returns how many could not be registered; their names are said.
///
/// # Errors
/// Where none could be, or the catalogue fails.
pub async fn register_folder(
    home: &Context,
    args: &FolderArgs,
    list: &ItemList,
    collection: &str,
) -> Result<usize> {
    let mut ids = HashSet::new();
    let mut refused = Vec::new();
    let has_items = !list.items.iter().all(|item| is_raster(&item));
    if list.items.iter().any(|item| is_raster(&item)) {
        let mut step = Step::in_home(&home.home, "ingest")
            .option("--collection", collection)
            .option("--originals", "reference")
            .word("--no-convert")
            .word("--again");
        if let Some(pattern) = &args.date_pattern {
            step = step.option("--date-pattern", pattern);
        }
        // Rasters that belong to items are no products of their own.
        let step = match has_items {
            false => step.word(&args.data),
            true => list
                .items
                .iter()
                .filter(is_raster)
                .flat_map(|item| &item.assets)
                .fold(step, |step, asset| step.word(asset.asset.href())),
        };
        step.announce("registering rasters in place");
        let report = ingest(home, &step.args::<IngestArgs>()?).await?;
        for product in report.products {
            match product.outcome {
                Outcome::Failed => {
                    refused.push((product.source, product.error.unwrap_or_default()));
                }
                _ => {
                    ids.insert(product.id);
                }
            }
        }
    }
    if has_items {
        ids.extend(register_items(home, args, collection).await?);
    }
    if ids.is_empty() {
        let (source, reason) = refused.into_iter().next().unwrap_or_default();
        return Err(PartialDataError(format!(
            "no item in {} could be registered; {source}: {reason}",
            args.data.display()
        ))
        .into());
    }
    if !refused.is_empty() {
        eprintln!("rasters not registered: {}", refused.len());
    }
    for (source, reason) in refused.iter().take(SKIPPED_SHOWN) {
        eprintln!("  {source}: {reason}");
    }
    remove_others(home, collection, &ids).await?;
    Ok(refused.len())
}

/// Registers the STAC items of the folder; returns their ids.
async fn register_items(
    home: &Context,
    args: &FolderArgs,
    collection: &str,
) -> Result<Vec<String>> {
    let file = args.out.join("collection.json");
    let json = json!({"type": "Collection", "id": collection,
        "description": format!("Items of {}.", args.data.display())});
    write_whole(&file, json.to_string().as_bytes())?;
    let step = Step::in_home(&home.home, "items import")
        .word(&args.data)
        .option("--collection", collection)
        .option("--collection-file", &file);
    step.announce("registering items in place");
    import_files(home, &step.args::<ImportArgs>()?).await?;
    let folder = ItemFolder::read(home, &args.data)?;
    let ids = folder.items.iter().filter_map(|item| item.get("id"));
    Ok(ids.filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_named_after_their_folder() {
        assert_eq!(
            collection_id(Path::new("/a/flanders-2018")),
            "flanders-2018"
        );
        assert_eq!(collection_id(Path::new("a/My field")), "My_field");
        assert_eq!(collection_id(Path::new("/")), "data");
    }
}
