//! Parcel sets row by row: what a backup keeps of them.

use serde::{Deserialize, Serialize};
use swath_access::Visibility;
use swath_db::{SqlValue, Statement, Transaction};

use super::registration::{SETS_MAX, insert_version, read_version, versions_of};
use super::set::{check_name, check_timezone};
use super::{NewParcelSetVersion, ParcelSetContent, ParcelSetVersion};
use crate::collections::{visibility_name, visibility_of};
use crate::{CatalogError, instant};

/// A set as the database holds it. Instants are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParcelSetCopy {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who sees it.
    pub visibility: Visibility,
    /// IANA time zone.
    pub timezone: String,
    /// Number that the next version gets.
    pub next_number: i64,
    /// First registered.
    pub created_us: i64,
    /// Last changed.
    pub updated_us: i64,
    /// By number.
    pub versions: Vec<ParcelSetVersionCopy>,
}

/// A version of a set as the database holds it. Instants are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParcelSetVersionCopy {
    /// 1, 2, 3, …
    pub number: u32,
    /// Where the file lies.
    pub href: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// Number of parcels.
    pub features: u64,
    /// What the file holds.
    pub content: ParcelSetContent,
    /// When it was registered.
    pub created_us: i64,
}

/// Reads all sets with all versions, by name, also what is private: for copies.
pub(crate) async fn copies(
    transaction: &mut Transaction,
    empty: &Statement,
    place: &str,
) -> Result<Vec<ParcelSetCopy>, CatalogError> {
    let mut statement = empty.clone();
    statement.push(
        "SELECT name, owner, visibility, timezone, next_number, created, updated FROM parcel_sets \
         ORDER BY name LIMIT ",
    );
    statement.bind(SETS_MAX);
    let mut sets = Vec::new();
    for row in transaction.fetch(&statement).await? {
        let name = row.some_text(0)?;
        let versions = transaction
            .fetch(&versions_of(empty.clone(), &name))
            .await?;
        let versions: Result<Vec<_>, _> = versions
            .iter()
            .map(|row| read_version(row, place).map(ParcelSetVersionCopy::from))
            .collect();
        sets.push(ParcelSetCopy {
            owner: row.text(1)?,
            visibility: visibility_of(&row.some_text(2)?),
            timezone: row.some_text(3)?,
            next_number: row.some_integer(4)?,
            created_us: row.some_integer(5)?,
            updated_us: row.some_integer(6)?,
            versions: versions?,
            name,
        });
    }
    Ok(sets)
}

impl From<ParcelSetVersion> for ParcelSetVersionCopy {
    fn from(version: ParcelSetVersion) -> Self {
        Self {
            number: version.number,
            href: version.href,
            digest: version.digest,
            size: version.size,
            features: version.features,
            content: version.content,
            created_us: instant::to_us(version.created),
        }
    }
}

/// Writes a set as it was copied, where there is none of its name; false where there is.
///
/// # Errors
/// Where the copy is no set; what the database says.
pub(crate) async fn write_copy(
    transaction: &mut Transaction,
    empty: &Statement,
    copy: &ParcelSetCopy,
) -> Result<bool, CatalogError> {
    check_name(&copy.name)?;
    check_timezone(&copy.timezone)?;
    let mut statement = empty.clone();
    statement.push(
        "INSERT INTO parcel_sets (name, owner, visibility, timezone, next_number, created, updated) \
         VALUES ",
    );
    statement.bind_list([
        SqlValue::from(copy.name.as_str()),
        SqlValue::Text(copy.owner.clone()),
        visibility_name(copy.visibility).into(),
        copy.timezone.as_str().into(),
        copy.next_number.into(),
        copy.created_us.into(),
        copy.updated_us.into(),
    ]);
    statement.push(" ON CONFLICT (name) DO NOTHING");
    if transaction.execute(&statement).await? == 0 {
        return Ok(false);
    }
    for version in &copy.versions {
        let new = NewParcelSetVersion {
            number: version.number,
            href: version.href.clone(),
            digest: version.digest.clone(),
            size: version.size,
            features: version.features,
            content: version.content.clone(),
        };
        let insert = insert_version(empty.clone(), &copy.name, &new, version.created_us);
        transaction.execute(&insert).await?;
    }
    Ok(true)
}
