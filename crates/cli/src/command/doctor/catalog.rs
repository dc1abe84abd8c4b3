//! The catalogue: does it open, is it whole, do its collections name stores that are there.

use std::time::Duration;

use chrono::Utc;
use swath_access::{Resource, Viewer};
use swath_catalog::{Catalog, CatalogStatus, CollectionSearch};
use swath_io::Stores;

use super::Check;
use crate::config::Context;

/// Difference between the clocks of two machines that is noticed.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);
/// Lines of damage that are shown.
const DAMAGE_SHOWN: usize = 3;
/// Oldest PostGIS that the catalogue is made for.
const POSTGIS_MIN: u32 = 3;

/// Makes the checks of the catalogue; one that is not there is not made.
pub(super) async fn checks(context: &Context) -> Vec<Check> {
    if !context.has_catalog() {
        return vec![Check::ok(
            "catalogue",
            "not there yet; the first command that needs it makes it",
        )];
    }
    let catalog = match context.catalog().await {
        Ok(catalog) => catalog,
        Err(error) => {
            return vec![Check::error("catalogue", error.to_string(), REMEDY)];
        }
    };
    let status = match catalog.status(&Viewer::operator()).await {
        Ok(status) => status,
        Err(error) => {
            return vec![Check::error("catalogue", error.to_string(), REMEDY)];
        }
    };
    let mut checks = vec![Check::ok(
        "catalogue",
        format!(
            "{}: {} collections, {} items, migration {}",
            status.place, status.collections, status.items, status.migration
        ),
    )];
    checks.push(database(&status));
    checks.push(integrity(&status));
    checks.extend(clocks(&status));
    checks.push(prefixes(context, &catalog).await);
    catalog.close().await;
    checks
}

const REMEDY: &str = "see that the database runs and that catalog in swath.toml names it; a file that \
                      is damaged is moved away and restored from a backup (swath restore)";

fn database(status: &CatalogStatus) -> Check {
    let Some(postgis) = &status.postgis else {
        return Check::ok("database", status.engine.as_str());
    };
    let text = format!("{}, PostGIS {postgis}", status.engine);
    let major = postgis.split('.').next().and_then(|part| part.parse().ok());
    match major.is_some_and(|major: u32| major >= POSTGIS_MIN) {
        true => Check::ok("database", text),
        false => Check::warning(
            "database",
            text,
            "the catalogue is made for PostGIS 3 or newer: ALTER EXTENSION postgis UPDATE",
        ),
    }
}

fn integrity(status: &CatalogStatus) -> Check {
    if status.postgis.is_some() {
        return Check::ok("integrity", "left to PostgreSQL (pg_amcheck)");
    }
    if status.damage.is_empty() {
        return Check::ok("integrity", "PRAGMA quick_check found nothing");
    }
    let shown: Vec<&str> = status
        .damage
        .iter()
        .take(DAMAGE_SHOWN)
        .map(String::as_str)
        .collect();
    let more = match status.damage.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Check::error(
        "integrity",
        format!("{}{more}", shown.join("; ")),
        "stop everything that uses the file, move it away and restore a backup (swath restore); look \
         at the disk",
    )
}

fn clocks(status: &CatalogStatus) -> Option<Check> {
    let now = Utc::now();
    let limit = chrono::TimeDelta::from_std(CLOCK_SKEW_MAX).ok()?;
    if let Some(server) = status.clock {
        let skew = (server - now).abs();
        return Some(match skew > limit {
            true => Check::warning(
                "database clock",
                format!("differs from this machine's by {} s", skew.num_seconds()),
                "set both (NTP)",
            ),
            false => Check::ok("database clock", "agrees with this machine's"),
        });
    }
    let change = status.last_change.filter(|change| *change > now + limit)?;
    Some(Check::warning(
        "database clock",
        format!("a collection was registered at {change}, which is yet to come"),
        "set the clock (NTP)",
    ))
}

/// Tells whether the places of collections are ones that the configuration knows.
async fn prefixes(context: &Context, catalog: &Catalog) -> Check {
    const NAME: &str = "places of assets";
    let all = CollectionSearch::default();
    let collections = match catalog.collections(&Viewer::operator(), &all).await {
        Ok(collections) => collections,
        Err(error) => return Check::error(NAME, error.to_string(), REMEDY),
    };
    let stores = context.named_stores();
    let (mut unknown, mut unserved, mut count) = (Vec::new(), Vec::new(), 0);
    for collection in &collections {
        for prefix in collection.resource.prefixes() {
            count += 1;
            let shown = format!("{prefix} of {}", collection.resource.id());
            match place_of(context, &stores, prefix) {
                Place::Known => {}
                Place::Unserved => unserved.push(shown),
                Place::Unknown => unknown.push(shown),
            }
        }
    }
    if !unknown.is_empty() {
        return Check::error(
            NAME,
            format!("no store of that name: {}", unknown.join(", ")),
            "add a [stores.NAME] with its prefix to swath.toml",
        );
    }
    if !unserved.is_empty() {
        return Check::warning(
            NAME,
            format!("the server cannot read {}", unserved.join(", ")),
            "add a [stores.NAME] with that prefix to swath.toml; a server reads named stores only",
        );
    }
    Check::ok(NAME, format!("{count}, all in stores of the configuration"))
}

enum Place {
    Known,
    /// For the command line only.
    Unserved,
    /// It names a store that the configuration does not have.
    Unknown,
}

fn place_of(context: &Context, stores: &Stores, prefix: &str) -> Place {
    let inside = match prefix.ends_with(':') {
        true => format!("{prefix}x"),
        false => format!("{}/x", prefix.trim_end_matches('/')),
    };
    let resolved = stores.resolve(&Viewer::operator(), &Resource::direct(), &inside);
    if resolved.is_ok() {
        return Place::Known;
    }
    match prefix.split_once(':') {
        Some((name, rest))
            if !rest.starts_with("//") && !context.store_configs().contains_key(name) =>
        {
            Place::Unknown
        }
        _ => Place::Unserved,
    }
}
