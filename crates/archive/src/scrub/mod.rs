//! Scrub: is everything there that the items say, and is it what they say.
//!
//! 1. The archive is listed, and what unfinished writes left.
//! 2. For every item, page by page, every asset in the archive is looked at: there, of its size, of
//!    its digest, a raster that opens (`asset`). Some are looked at at once.
//! 3. Objects that no item refers to are told (`listing`): versions that were replaced, leavings.
//!
//! Nothing is changed, but for unfinished files of some age, where that is asked for.

mod asset;
mod listing;
mod report;

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use swath_access::Viewer;
use swath_catalog::{Catalog, CollectionSearch, ErrorKind, StoredItem};
use swath_io::{StoreWriter, Stores};
use swath_stac::{ItemSearch, PageStart, parse_datetime};

pub use report::{Defect, DefectKind, Orphan, ScrubReport, Unfinished};

use self::asset::{Finding, Recorded, look, recorded};
use self::listing::{Listing, folder_of, item_of};
use crate::ArchiveError;

/// Items read from the catalogue at once.
const PAGE_ITEMS: u32 = 200;

/// Options of a scrub.
#[derive(Debug, Clone)]
pub struct ScrubOptions {
    /// Only this collection, and the folder of that name; `None`: everything.
    pub collection: Option<String>,
    /// Leaves the digests out: existence, sizes and headers only.
    pub is_quick: bool,
    /// Removes unfinished files to which nothing was written for so long; `None`: removes nothing.
    pub removed_age: Option<Duration>,
    /// Assets looked at at once, at least 1; each takes a part of 8 MiB.
    pub assets_at_once: usize,
}

/// What a scrub works with.
#[derive(Debug)]
pub struct Scrub<'a> {
    /// Stores by name: they tell which hrefs lie in the archive.
    pub stores: &'a Stores,
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// The archive.
    pub archive: StoreWriter,
    /// How.
    pub options: ScrubOptions,
}

/// An asset with the item it belongs to.
struct Task {
    collection: String,
    item: String,
    recorded: Recorded,
    /// What the listing said.
    size: Option<u64>,
}

impl Scrub<'_> {
    /// Looks at everything; `shown` is told how many items of how many are done.
    ///
    /// # Errors
    /// Where the collection is not there; where the store or the catalogue fails.
    pub async fn run(
        &self,
        shown: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<ScrubReport, ArchiveError> {
        let begun = std::time::Instant::now();
        let mut report = ScrubReport::default();
        let folder = self.options.collection.clone().unwrap_or_default();
        let total = self.items().await?;
        let objects = self.archive.list(&folder).await;
        let mut listing = Listing::new(objects.map_err(ArchiveError::store)?);
        report.objects = listing.len();
        report.unfinished = self.unfinished(&folder).await?;
        let roots = self.stores.href_roots(&self.archive);
        let mut search = ItemSearch {
            collections: self.options.collection.iter().cloned().collect(),
            limit: Some(PAGE_ITEMS),
            ..ItemSearch::default()
        };
        loop {
            let page = self.catalog.search(&Viewer::operator(), &search).await;
            let page = page.map_err(ArchiveError::catalog)?;
            let mut tasks = Vec::new();
            for item in &page.items {
                let id = id_of(item);
                let (assets, elsewhere) = recorded(&item.json, &roots);
                report.elsewhere += elsewhere;
                if let Some(folder) = usual_folder(item) {
                    listing.refer_to_folder(&folder);
                }
                for recorded in assets {
                    if let Some(folder) = folder_of(&recorded.key, id) {
                        listing.refer_to_folder(folder);
                    }
                    tasks.push(Task {
                        collection: item.collection.clone(),
                        item: id.to_owned(),
                        size: listing.refer_to(&recorded.key),
                        recorded,
                    });
                }
            }
            self.look_at(tasks, &mut report).await?;
            report.items += page.items.len() as u64;
            shown(report.items, total.max(report.items));
            match page.next {
                Some(token) => search.start = PageStart::Token(token),
                None => break,
            }
        }
        self.orphans(&listing, &mut report).await?;
        report.seconds = begun.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Returns how many items there are to look at.
    async fn items(&self) -> Result<u64, ArchiveError> {
        let operator = Viewer::operator();
        let collections = match &self.options.collection {
            Some(id) => {
                let one = self.catalog.collection(&operator, id).await;
                vec![one.map_err(ArchiveError::catalog)?]
            }
            None => {
                let all = CollectionSearch::default();
                let all = self.catalog.collections(&operator, &all).await;
                all.map_err(ArchiveError::catalog)?
            }
        };
        Ok(collections.iter().map(|collection| collection.items).sum())
    }

    async fn look_at(
        &self,
        tasks: Vec<Task>,
        report: &mut ScrubReport,
    ) -> Result<(), ArchiveError> {
        let looks = tasks.into_iter().map(|task| async move {
            let finding = self.look_at_one(&task).await?;
            Ok::<_, ArchiveError>((task, finding))
        });
        let mut looks = futures::stream::iter(looks).buffered(self.options.assets_at_once.max(1));
        while let Some((task, finding)) = looks.try_next().await? {
            report.assets += 1;
            report.bytes += finding.bytes;
            report.verified += u64::from(finding.is_verified);
            report.rasters += u64::from(finding.is_raster);
            match finding.defect {
                Some((kind, reason)) => report.add_defect(Defect {
                    collection: task.collection,
                    item: task.item,
                    asset: task.recorded.name,
                    href: task.recorded.href,
                    kind,
                    reason,
                }),
                None => report.unverified += u64::from(!finding.is_verified),
            }
        }
        Ok(())
    }

    async fn look_at_one(&self, task: &Task) -> Result<Finding, ArchiveError> {
        let key = task.recorded.key.as_str();
        // What came after the listing was taken is there as well.
        let size = match task.size {
            Some(size) => Some(size),
            None => self.archive.size(key).await.map_err(ArchiveError::store)?,
        };
        let Some(size) = size else {
            return Ok(Finding {
                defect: Some((DefectKind::Missing, "it is not in the archive".to_owned())),
                ..Finding::default()
            });
        };
        let asset = self.archive.asset(key).map_err(ArchiveError::store)?;
        let finding = look(&asset, size, &task.recorded, self.options.is_quick).await;
        finding.map_err(ArchiveError::store)
    }

    /// Tells what no item refers to; items registered while the scrub ran are asked for once more.
    async fn orphans(
        &self,
        listing: &Listing,
        report: &mut ScrubReport,
    ) -> Result<(), ArchiveError> {
        let mut known: HashMap<(String, String), bool> = HashMap::new();
        for orphan in listing.orphans() {
            if let Some((collection, id)) = item_of(&orphan.key) {
                let name = (collection.to_owned(), id.to_owned());
                let is_held = match known.get(&name) {
                    Some(is_held) => *is_held,
                    None => {
                        let is_held = self.is_held(collection, id).await?;
                        known.insert(name, is_held);
                        is_held
                    }
                };
                if is_held {
                    continue;
                }
            }
            report.add_orphan(orphan);
        }
        Ok(())
    }

    async fn is_held(&self, collection: &str, id: &str) -> Result<bool, ArchiveError> {
        match self.catalog.item(&Viewer::operator(), collection, id).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ArchiveError::catalog(error)),
        }
    }

    /// Lists unfinished files, and removes the old ones where that is asked for.
    async fn unfinished(&self, folder: &str) -> Result<Option<Vec<Unfinished>>, ArchiveError> {
        let found = self.archive.unfinished(folder).await;
        let Some(found) = found.map_err(ArchiveError::store)? else {
            return Ok(None);
        };
        let now = SystemTime::now();
        let mut listed = Vec::with_capacity(found.len());
        for file in found {
            let before = self
                .options
                .removed_age
                .and_then(|age| now.checked_sub(age));
            let is_removed = match before {
                Some(before) => {
                    let removed = self.archive.remove_unfinished(&file.key, before).await;
                    removed.map_err(ArchiveError::store)?
                }
                None => false,
            };
            let age = now.duration_since(file.modified).unwrap_or_default();
            listed.push(Unfinished {
                key: file.key,
                size: file.size,
                age_s: age.as_secs(),
                is_removed,
            });
        }
        Ok(Some(listed))
    }
}

fn id_of(item: &StoredItem) -> &str {
    let id = item.json.get("id").and_then(Value::as_str);
    id.unwrap_or_default()
}

/// Returns the folder that an ingest puts an item into: `<collection>/<yyyy>/<mm>/<dd>/<id>`.
fn usual_folder(item: &StoredItem) -> Option<String> {
    let properties = item.json.get("properties")?;
    let datetime = properties.get("datetime").and_then(Value::as_str)?;
    let day = parse_datetime(datetime).ok()?;
    Some(format!(
        "{}/{}/{}",
        item.collection,
        day.format("%Y/%m/%d"),
        id_of(item)
    ))
}
