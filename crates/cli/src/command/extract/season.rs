//! The units of work of a collection, as its catalogue says at the moment.

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta};
use swath_access::{Resource, Viewer};
use swath_catalog::{Catalog, CatalogError};
use swath_extract::Skipped;
use swath_extract::pass::{CollectionRules, UnitSources, WorkUnit, pass_items, work_units};
use swath_stac::{Interval, ItemSearch, PageStart};

use super::super::search::narrow;
use super::ExtractArgs;
use super::flat::parse_interval;
use crate::config::Context;

/// Items asked of the catalogue at once.
const PAGE_ITEMS: u32 = 1_000;
/// Most items of one table: with their assets they are held in memory.
const ITEMS_MAX: usize = 200_000;
/// Longest pass, in minutes: so far beyond an end of the interval asked for are items looked for, since a
/// unit must be seen with all its slices and neighbours.
const PASS_MINUTES_MAX: i64 = 30;

/// What there is to measure of a collection.
pub struct Season<'a> {
    context: &'a Context,
    catalog: &'a Catalog,
    /// Owner, visibility and prefixes of the collection.
    pub resource: Resource,
    /// What it says of averages and classes.
    pub rules: CollectionRules,
    search: ItemSearch,
    interval_us: (Option<i64>, Option<i64>),
}

/// Units and items as they are now.
#[derive(Debug, Default)]
pub struct SeasonUnits {
    /// By datetime and key.
    pub units: Vec<WorkUnit>,
    /// Items of these units.
    pub items: usize,
    /// Items left out, since a newer processing of the same data is there.
    pub superseded: usize,
    /// Items that cannot be used, with their reasons.
    pub skipped: Vec<Skipped>,
}

impl<'a> Season<'a> {
    /// Prepares the search.
    ///
    /// # Errors
    /// A collection that is not there; an interval, filter or box that is none.
    pub async fn open(
        context: &'a Context,
        catalog: &'a Catalog,
        args: &ExtractArgs,
        collection: &str,
    ) -> Result<Self> {
        let interval_us = parse_interval(args.datetime.as_deref())?;
        let reach = TimeDelta::minutes(PASS_MINUTES_MAX);
        let end = |us: Option<i64>| us.and_then(DateTime::from_timestamp_micros);
        let datetime = match (end(interval_us.0), end(interval_us.1)) {
            (None, None) => None,
            (start, end) => Some(Interval {
                start: start.map(|start| start - reach),
                end: end.map(|end| end + reach),
            }),
        };
        let mut search = ItemSearch {
            collections: vec![collection.to_owned()],
            datetime,
            limit: Some(PAGE_ITEMS),
            ..ItemSearch::default()
        };
        narrow(&mut search, args.bbox.as_deref(), args.filter.as_deref())?;
        let found = catalog.collection(&Viewer::operator(), collection).await?;
        Ok(Self {
            context,
            catalog,
            rules: CollectionRules::of(&found.json),
            resource: found.resource,
            search,
            interval_us,
        })
    }

    /// Searches the catalogue and groups what it finds.
    ///
    /// # Errors
    /// A catalogue or store that fails; more items than a table takes.
    pub async fn units(&self) -> Result<SeasonUnits> {
        let viewer = Viewer::operator();
        let sources = UnitSources {
            stores: &self.context.stores,
            viewer: &viewer,
            resource: &self.resource,
        };
        let mut search = self.search.clone();
        let mut items = Vec::new();
        let mut skipped = Vec::new();
        loop {
            let page = self.catalog.search(&viewer, &search).await?;
            let json = page.items.into_iter().map(|item| item.json);
            let found = pass_items(json, sources).await?;
            items.extend(found.items);
            skipped.extend(found.skipped);
            if items.len() > ITEMS_MAX {
                let reason = format!(
                    "more than {ITEMS_MAX} items for one table: split the season with --datetime"
                );
                return Err(CatalogError::Limit { reason }.into());
            }
            match page.next {
                Some(token) => search.start = PageStart::Token(token),
                None => break,
            }
        }
        let mut units = work_units(items);
        let (from, to) = self.interval_us;
        units.retain(|unit| {
            from.is_none_or(|from| unit.datetime_us >= from)
                && to.is_none_or(|to| unit.datetime_us < to)
        });
        Ok(SeasonUnits {
            items: units.iter().map(|unit| unit.items.len()).sum(),
            superseded: units.iter().map(|unit| unit.superseded.len()).sum(),
            units,
            skipped,
        })
    }

    /// Returns the error of a season without items.
    ///
    /// # Errors
    /// Always.
    pub fn nothing_found(&self) -> Result<()> {
        let id = self.resource.id();
        let what = format!("items of collection \"{id}\"");
        let is_narrowed = self.search.datetime.is_some()
            || self.search.bbox.is_some()
            || self.search.filter.is_some();
        let hint = match is_narrowed {
            true => "nothing to measure: --datetime, --bbox and --filter leave no item",
            false => "nothing to measure: swath ingest and swath items import register items",
        };
        Err(CatalogError::NotFound { what }).context(hint)
    }
}
