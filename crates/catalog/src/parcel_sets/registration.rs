//! Registering parcel sets and their versions, and finding them.

use std::collections::HashMap;

use chrono::Utc;
use swath_access::{Action, Resource, Role, Viewer, Visibility, may};
use swath_db::{Row, SqlValue, Statement, Transaction};

use super::set::{check_name, check_timezone, shown};
use super::{NewParcelSetVersion, ParcelSet, ParcelSetSettings, ParcelSetVersion};
use crate::collections::{visibility_name, visibility_of};
use crate::{Catalog, CatalogError, instant};

/// Most parcel sets of a catalogue.
pub(super) const SETS_MAX: i64 = 10_000;
/// Most versions of all sets.
const VERSIONS_MAX: i64 = 1_000_000;

fn not_found(name: &str) -> CatalogError {
    CatalogError::NotFound {
        what: format!("parcel set \"{}\"", shown(name)),
    }
}

const SET_COLUMNS: &str = "SELECT name, owner, visibility, timezone, created FROM parcel_sets";
const VERSION_COLUMNS: &str = "SELECT set_name, number, href, digest, size, features, content, created \
                               FROM parcel_set_versions";

impl Catalog {
    /// Returns the sets that `viewer` may see and that have a version, by name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn parcel_sets(&self, viewer: &Viewer) -> Result<Vec<ParcelSet>, CatalogError> {
        let mut statement = self.database.statement();
        statement.push(SET_COLUMNS).push(" ORDER BY name LIMIT ");
        statement.bind(SETS_MAX);
        let rows = self.database.fetch(&statement).await?;
        let mut statement = self.database.statement();
        statement.push(VERSION_COLUMNS);
        statement
            .push(" ORDER BY set_name, number LIMIT ")
            .bind(VERSIONS_MAX);
        let mut versions: HashMap<String, Vec<ParcelSetVersion>> = HashMap::new();
        for row in self.database.fetch(&statement).await? {
            let name = row.some_text(0)?;
            let version = read_version(&row, self.database.place())?;
            versions.entry(name).or_default().push(version);
        }
        let mut sets = Vec::with_capacity(rows.len());
        for row in &rows {
            let set = read_set(row, |name| versions.remove(name).unwrap_or_default())?;
            if !set.versions.is_empty() && may(viewer, Action::Read, &set.resource()) {
                sets.push(set);
            }
        }
        Ok(sets)
    }

    /// Returns one set with its versions.
    ///
    /// # Errors
    /// Where it is not there, has no version yet, or is not for this viewer; what the database says.
    pub async fn parcel_set(&self, viewer: &Viewer, name: &str) -> Result<ParcelSet, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push(SET_COLUMNS)
            .push(" WHERE name = ")
            .bind(name);
        let rows = self.database.fetch(&statement).await?;
        let row = rows.first().ok_or_else(|| not_found(name))?;
        let statement = versions_of(self.database.statement(), name);
        let rows_of_versions = self.database.fetch(&statement).await?;
        let versions: Result<Vec<_>, _> = rows_of_versions
            .iter()
            .map(|row| read_version(row, self.database.place()))
            .collect();
        let versions = versions?;
        let set = read_set(row, |_| versions)?;
        match !set.versions.is_empty() && may(viewer, Action::Read, &set.resource()) {
            true => Ok(set),
            false => Err(not_found(name)),
        }
    }

    /// Makes a set where it is new, changes its settings otherwise, and returns the number of the
    /// version to write; the same number is never given again.
    ///
    /// # Errors
    /// Where name or time zone are none; [`CatalogError::Denied`] where the viewer did not log in,
    /// is not the owner, or names another owner; what the database says.
    pub async fn begin_parcel_set_version(
        &self,
        viewer: &Viewer,
        name: &str,
        settings: &ParcelSetSettings,
    ) -> Result<u32, CatalogError> {
        check_name(name)?;
        if let Some(timezone) = &settings.timezone {
            check_timezone(timezone)?;
        }
        let mut transaction = self.database.begin().await?;
        let mut known = lock_set(&mut transaction, self.database.statement(), name).await?;
        check_writable(viewer, name, known.as_ref(), settings)?;
        let now = instant::to_us(Utc::now());
        if known.is_none() {
            let insert = insert_set(self.database.statement(), viewer, name, settings, now);
            transaction.execute(&insert).await?;
            // Somebody else may have been faster: then theirs is the set.
            known = lock_set(&mut transaction, self.database.statement(), name).await?;
            check_writable(viewer, name, known.as_ref(), settings)?;
        }
        let known = known.ok_or_else(|| not_found(name))?;
        let number = known.next_number;
        let empty = self.database.statement();
        let update = update_set(empty, name, &known, settings, number + 1, now);
        transaction.execute(&update).await?;
        transaction.commit().await?;
        u32::try_from(number).map_err(|_| CatalogError::Limit {
            reason: format!("parcel set \"{name}\" has too many versions"),
        })
    }

    /// Changes owner, visibility or time zone of a set.
    ///
    /// # Errors
    /// As [`Catalog::begin_parcel_set_version`]; where the set is not there.
    pub async fn change_parcel_set(
        &self,
        viewer: &Viewer,
        name: &str,
        settings: &ParcelSetSettings,
    ) -> Result<(), CatalogError> {
        if let Some(timezone) = &settings.timezone {
            check_timezone(timezone)?;
        }
        let mut transaction = self.database.begin().await?;
        let known = lock_set(&mut transaction, self.database.statement(), name).await?;
        check_writable(viewer, name, known.as_ref(), settings)?;
        let known = known.ok_or_else(|| not_found(name))?;
        let (number, now) = (known.next_number, instant::to_us(Utc::now()));
        let empty = self.database.statement();
        let update = update_set(empty, name, &known, settings, number, now);
        transaction.execute(&update).await?;
        Ok(transaction.commit().await?)
    }

    /// Registers a version whose file is complete. Where the newest version has the same digest,
    /// that one is returned and nothing changes: its caller removes the file just written.
    ///
    /// # Errors
    /// Where the set is not there, may not be changed, or has a version of that number.
    pub async fn put_parcel_set_version(
        &self,
        viewer: &Viewer,
        name: &str,
        new: &NewParcelSetVersion,
    ) -> Result<ParcelSetVersion, CatalogError> {
        let mut transaction = self.database.begin().await?;
        let known = lock_set(&mut transaction, self.database.statement(), name).await?;
        let known = known.ok_or_else(|| not_found(name))?;
        check_writable(viewer, name, Some(&known), &ParcelSetSettings::default())?;
        let versions = versions_of(self.database.statement(), name);
        let versions = transaction.fetch(&versions).await?;
        if let Some(last) = versions.last() {
            let last = read_version(last, self.database.place())?;
            if last.digest == new.digest {
                return Ok(last);
            }
        }
        let created = Utc::now();
        let write = insert_version(
            self.database.statement(),
            name,
            new,
            instant::to_us(created),
        );
        transaction
            .execute(&write)
            .await
            .map_err(|error| match error {
                swath_db::DbError::Conflict { .. } => CatalogError::Conflict {
                    what: format!("version {} of parcel set \"{name}\"", new.number),
                },
                error => error.into(),
            })?;
        transaction.commit().await?;
        Ok(ParcelSetVersion {
            number: new.number,
            href: new.href.clone(),
            digest: new.digest.clone(),
            size: new.size,
            features: new.features,
            content: new.content.clone(),
            created: instant::from_us(instant::to_us(created)),
        })
    }
}

/// A set held for a change.
struct HeldSet {
    resource: Resource,
    next_number: i64,
    timezone: String,
}

async fn lock_set(
    transaction: &mut Transaction,
    mut statement: Statement,
    name: &str,
) -> Result<Option<HeldSet>, CatalogError> {
    statement
        .push("SELECT owner, visibility, timezone, next_number FROM parcel_sets WHERE name = ")
        .bind(name)
        .push_for("", " FOR UPDATE");
    let rows = transaction.fetch(&statement).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let visibility = visibility_of(&row.some_text(1)?);
    let id = format!("parcels/{name}");
    Ok(Some(HeldSet {
        resource: Resource::new(id, row.text(0)?, visibility, Vec::new()),
        timezone: row.some_text(2)?,
        next_number: row.some_integer(3)?,
    }))
}

/// Decides whether `viewer` may make or change a set.
fn check_writable(
    viewer: &Viewer,
    name: &str,
    known: Option<&HeldSet>,
    settings: &ParcelSetSettings,
) -> Result<(), CatalogError> {
    let may_name_owner = viewer.role() == Role::Operator || settings.owner.is_none();
    let may_write = match known {
        Some(known) => may(viewer, Action::Write, &known.resource),
        None => viewer.role() == Role::Operator || viewer.subject().is_some(),
    };
    // What may not be seen does not exist.
    let may_see = known.is_none_or(|known| may(viewer, Action::Read, &known.resource));
    match (may_see, may_write && may_name_owner) {
        (false, _) => Err(not_found(name)),
        (true, true) => Ok(()),
        (true, false) => Err(CatalogError::Denied {
            what: format!("parcel set \"{name}\""),
        }),
    }
}

fn insert_set(
    mut statement: Statement,
    viewer: &Viewer,
    name: &str,
    settings: &ParcelSetSettings,
    now: i64,
) -> Statement {
    let owner = settings
        .owner
        .clone()
        .or(viewer.subject().map(str::to_owned));
    let visibility = settings.visibility.unwrap_or(Visibility::Private);
    statement.push(
        "INSERT INTO parcel_sets (name, owner, visibility, timezone, next_number, created, updated) \
         VALUES ",
    );
    statement.bind_list([
        SqlValue::from(name),
        SqlValue::Text(owner),
        visibility_name(visibility).into(),
        settings.timezone.as_deref().unwrap_or("UTC").into(),
        1_i64.into(),
        now.into(),
        now.into(),
    ]);
    statement.push(" ON CONFLICT (name) DO NOTHING");
    statement
}

fn update_set(
    mut statement: Statement,
    name: &str,
    known: &HeldSet,
    settings: &ParcelSetSettings,
    next_number: i64,
    now: i64,
) -> Statement {
    let owner = settings.owner.as_deref().or(known.resource.owner());
    let visibility = settings.visibility.unwrap_or(known.resource.visibility());
    let timezone = settings.timezone.as_deref().unwrap_or(&known.timezone);
    statement
        .push("UPDATE parcel_sets SET owner = ")
        .bind(SqlValue::Text(owner.map(str::to_owned)))
        .push(", visibility = ")
        .bind(visibility_name(visibility))
        .push(", timezone = ")
        .bind(timezone)
        .push(", next_number = ")
        .bind(next_number)
        .push(", updated = ")
        .bind(now)
        .push(" WHERE name = ")
        .bind(name);
    statement
}

pub(super) fn versions_of(mut statement: Statement, name: &str) -> Statement {
    statement
        .push(VERSION_COLUMNS)
        .push(" WHERE set_name = ")
        .bind(name);
    statement.push(" ORDER BY number LIMIT ").bind(VERSIONS_MAX);
    statement
}

pub(super) fn insert_version(
    mut statement: Statement,
    name: &str,
    new: &NewParcelSetVersion,
    created: i64,
) -> Statement {
    let content = serde_json::to_string(&new.content).expect("a content can be written as JSON");
    let count = |count: u64| SqlValue::from(i64::try_from(count).unwrap_or(i64::MAX));
    statement.push(
        "INSERT INTO parcel_set_versions (set_name, number, href, digest, size, features, content, \
         created) VALUES ",
    );
    statement.bind_list([
        SqlValue::from(name),
        i64::from(new.number).into(),
        new.href.as_str().into(),
        new.digest.as_str().into(),
        count(new.size),
        count(new.features),
        content.into(),
        created.into(),
    ]);
    statement
}

fn read_set(
    row: &Row,
    versions: impl FnOnce(&str) -> Vec<ParcelSetVersion>,
) -> Result<ParcelSet, CatalogError> {
    let name = row.some_text(0)?;
    Ok(ParcelSet {
        owner: row.text(1)?,
        visibility: visibility_of(&row.some_text(2)?),
        timezone: row.some_text(3)?,
        created: instant::from_us(row.some_integer(4)?),
        versions: versions(&name),
        name,
    })
}

pub(super) fn read_version(row: &Row, place: &str) -> Result<ParcelSetVersion, CatalogError> {
    let damaged = |what: &str, reason: String| CatalogError::Database {
        place: place.to_owned(),
        reason: format!("{what} of a version of a parcel set: {reason}"),
    };
    let number = row.some_integer(1)?;
    let content = row.some_text(6)?;
    Ok(ParcelSetVersion {
        number: u32::try_from(number).map_err(|error| damaged("the number", error.to_string()))?,
        href: row.some_text(2)?,
        digest: row.some_text(3)?,
        size: u64::try_from(row.some_integer(4)?).unwrap_or(0),
        features: u64::try_from(row.some_integer(5)?).unwrap_or(0),
        content: serde_json::from_str(&content)
            .map_err(|error| damaged("the content", error.to_string()))?,
        created: instant::from_us(row.some_integer(7)?),
    })
}
