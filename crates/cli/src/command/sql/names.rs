//! The tables of queries and what they are called.
//!
//! | name | table |
//! |---|---|
//! | `"COLLECTION"."SET@VERSION/PROFILE"` | an extract table |
//! | `"COLLECTION"."SET@VERSION"` | the same, where that version has one profile |
//! | `"COLLECTION"."SET"` | the same of the newest version |
//! | any of these and `/classes` | its class counts |
//! | `parcels."SET@VERSION"`, `parcels."SET"` | a parcel set, its newest version |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use swath_access::Viewer;
use swath_catalog::ParcelSet;
use swath_extract::ExtractError;
use swath_extract::table::TableKind;
use swath_io::{AssetRef, StoreWriter};

use crate::config::{Context, TABLES};
use crate::error::UsageError;

/// Schema of the parcel sets, and of names without one.
pub const PARCELS_SCHEMA: &str = "parcels";
/// Schemas that no collection gets: its schema is then `collection:ID`.
const RESERVED: [&str; 2] = [PARCELS_SCHEMA, "information_schema"];
/// Most folders of one depth below the root of the tables.
const FOLDERS_MAX: usize = 100_000;
/// Folders that are listed at once.
const LISTED_AT_ONCE: usize = 16;

/// A name of a table, as queries have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// Its schema: a collection, or [`PARCELS_SCHEMA`].
    pub schema: String,
    /// Its name in the schema.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(
            formatter,
            "{}.{}",
            quoted(&self.schema),
            quoted(&self.table)
        )
    }
}

/// Returns a name as it stands in a query: quoted unless it is small letters, digits and underscores.
fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_plain = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    match begins_plain && name.bytes().all(plain) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// What a table is made of.
#[derive(Debug)]
pub enum TableContent {
    /// One of the two tables of a profile.
    Rows {
        /// Its place in the list of roots.
        root: usize,
        /// Which of the two.
        kind: TableKind,
    },
    /// A version of a parcel set.
    Parcels(ParcelsVersion),
}

/// A version of a parcel set.
#[derive(Debug)]
pub struct ParcelsVersion {
    /// Its file, or why it cannot be read.
    pub asset: Result<AssetRef, String>,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Number of parcels.
    pub features: u64,
    /// Personal columns that were not named: they are not in the schema.
    pub hidden: Vec<String>,
}

/// A table with all of its names, the shortest first.
#[derive(Debug)]
pub struct KnownTable {
    /// At least one.
    pub names: Vec<TableName>,
    /// What it is made of.
    pub content: TableContent,
}

/// The root of an extract table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    collection: String,
    set: String,
    version: String,
    profile: String,
    has_classes: bool,
}

/// Everything that can be asked.
#[derive(Debug)]
pub struct KnownTables {
    /// The tables, those of extracts first, then the parcel sets.
    pub tables: Vec<KnownTable>,
    /// Roots of the extract tables.
    pub roots: Vec<StoreWriter>,
}

impl KnownTables {
    /// Lists the tables of the data home; `personal` are the personal columns that may be seen. Nothing
    /// is opened: a few requests for each folder.
    ///
    /// # Errors
    /// Where a store or the catalogue fails; where no set has a personal column that is named.
    pub async fn list(context: &Context, personal: &[String]) -> Result<Self> {
        let writer = context
            .stores
            .writer(&Viewer::operator(), &format!("{TABLES}:"))?;
        let found = roots(&writer).await?;
        let mut tables = extract_tables(&found);
        let roots: Result<Vec<StoreWriter>, _> =
            found.iter().map(|root| writer.below(&root.key())).collect();
        let sets = match context.has_catalog() {
            true => {
                let catalog = context.existing_catalog().await?;
                let sets = catalog.parcel_sets(&Viewer::operator()).await?;
                catalog.close().await;
                sets
            }
            false => Vec::new(),
        };
        check_personal(&sets, personal)?;
        tables.extend(
            sets.iter()
                .flat_map(|set| parcel_tables(context, set, personal)),
        );
        Ok(Self {
            tables,
            roots: roots?,
        })
    }

    /// Returns the place of a table in the list.
    pub fn find(&self, schema: &str, table: &str) -> Option<usize> {
        let is_it = |name: &TableName| name.schema == schema && name.table == table;
        self.tables
            .iter()
            .position(|known| known.names.iter().any(is_it))
    }

    /// Returns the schemas, sorted.
    pub fn schemas(&self) -> BTreeSet<String> {
        let names = self.tables.iter().flat_map(|known| &known.names);
        names.map(|name| name.schema.clone()).collect()
    }

    /// Returns the personal columns that are not shown, sorted.
    pub fn hidden(&self) -> BTreeSet<&str> {
        let hidden = self.tables.iter().filter_map(|known| match &known.content {
            TableContent::Parcels(version) => Some(&version.hidden),
            TableContent::Rows { .. } => None,
        });
        hidden.flatten().map(String::as_str).collect()
    }
}

impl Root {
    fn key(&self) -> String {
        let Self {
            collection,
            set,
            version,
            profile,
            ..
        } = self;
        format!("{collection}/{set}@{version}/{profile}")
    }

    fn full_name(&self) -> String {
        format!("{}@{}/{}", self.set, self.version, self.profile)
    }
}

/// Finds the roots of tables: folders `COLLECTION/SET@VERSION/PROFILE` with a log.
async fn roots(writer: &StoreWriter) -> Result<Vec<Root>, ExtractError> {
    let mut folders = vec![String::new()];
    for _depth in ["collection", "set", "profile", "part"] {
        folders = below(writer, folders).await?;
    }
    let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in folders {
        if let Some((root, part)) = folder.rsplit_once('/') {
            parts
                .entry(root.to_owned())
                .or_default()
                .insert(part.to_owned());
        }
    }
    let root = |(key, parts): (String, BTreeSet<String>)| {
        let (collection, rest) = key.split_once('/')?;
        let (place, profile) = rest.split_once('/')?;
        let (set, version) = place.rsplit_once('@')?;
        parts.contains("_delta_log").then(|| Root {
            collection: collection.to_owned(),
            set: set.to_owned(),
            version: version.to_owned(),
            profile: profile.to_owned(),
            has_classes: parts.contains("classes"),
        })
    };
    Ok(parts.into_iter().filter_map(root).collect())
}

/// Returns the keys of the folders right below some folders, in order.
async fn below(writer: &StoreWriter, folders: Vec<String>) -> Result<Vec<String>, ExtractError> {
    if folders.len() > FOLDERS_MAX {
        return Err(ExtractError::Limit {
            reason: format!(
                "{} has more than {FOLDERS_MAX} folders of one depth: too many tables for a list",
                writer.href("")
            ),
        });
    }
    let lists = folders.into_iter().map(|folder| async move {
        let names = writer.folders(&folder).await?;
        let key = |name: String| match folder.is_empty() {
            true => name,
            false => format!("{folder}/{name}"),
        };
        Ok::<_, ExtractError>(names.into_iter().map(key).collect::<Vec<String>>())
    });
    let lists: Vec<_> = lists.collect();
    futures::stream::iter(lists)
        .buffered(LISTED_AT_ONCE)
        .try_concat()
        .await
}

/// Names the tables of some roots.
fn extract_tables(roots: &[Root]) -> Vec<KnownTable> {
    // Profiles of each version, versions of each set.
    let mut profiles: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut versions: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for root in roots {
        let (collection, set) = (root.collection.as_str(), root.set.as_str());
        *profiles
            .entry((collection, set, &root.version))
            .or_default() += 1;
        versions
            .entry((collection, set))
            .or_default()
            .insert(&root.version);
    }
    let mut tables = Vec::new();
    for (index, root) in roots.iter().enumerate() {
        let (collection, set) = (root.collection.as_str(), root.set.as_str());
        let mut names = Vec::new();
        if profiles[&(collection, set, root.version.as_str())] == 1 {
            if newest(&versions[&(collection, set)]) == Some(&root.version) {
                names.push(root.set.clone());
            }
            names.push(format!("{}@{}", root.set, root.version));
        }
        names.push(root.full_name());
        let kinds = [(TableKind::Extracts, ""), (TableKind::Classes, "/classes")];
        for (kind, end) in kinds {
            if kind == TableKind::Classes && !root.has_classes {
                continue;
            }
            let name = |name: &String| TableName {
                schema: collection_schema(collection),
                table: format!("{name}{end}"),
            };
            tables.push(KnownTable {
                names: names.iter().map(name).collect(),
                content: TableContent::Rows { root: index, kind },
            });
        }
    }
    tables
}

/// Returns the newest version by number; of versions that are digests of files only a single one.
fn newest<'a>(versions: &BTreeSet<&'a str>) -> Option<&'a str> {
    let number = |version: &&str| version.parse::<u32>().ok();
    let numbered = versions
        .iter()
        .copied()
        .filter(|version| number(version).is_some());
    match numbered.max_by_key(number) {
        Some(newest) => Some(newest),
        None if versions.len() == 1 => versions.first().copied(),
        None => None,
    }
}

fn collection_schema(collection: &str) -> String {
    match RESERVED.contains(&collection) {
        true => format!("collection:{collection}"),
        false => collection.to_owned(),
    }
}

fn parcel_tables(context: &Context, set: &ParcelSet, personal: &[String]) -> Vec<KnownTable> {
    let resource = set.resource();
    let newest = set.versions.last().map(|version| version.number);
    let table = |version: &swath_catalog::ParcelSetVersion| {
        let mut names = vec![format!("{}@{}", set.name, version.number)];
        if newest == Some(version.number) {
            names.insert(0, set.name.clone());
        }
        let name = |table: String| TableName {
            schema: PARCELS_SCHEMA.to_owned(),
            table,
        };
        let asset = context
            .stores
            .resolve(&Viewer::operator(), &resource, &version.href);
        let hidden = version.content.personal.iter();
        let hidden = hidden.filter(|column| !personal.contains(column));
        KnownTable {
            names: names.into_iter().map(name).collect(),
            content: TableContent::Parcels(ParcelsVersion {
                asset: asset.map_err(|error| error.to_string()),
                size_bytes: version.size,
                features: version.features,
                hidden: hidden.cloned().collect(),
            }),
        }
    };
    set.versions.iter().map(table).collect()
}

/// Refuses personal columns that no set has: a slip of the pen must not look like an empty column.
fn check_personal(sets: &[ParcelSet], personal: &[String]) -> Result<(), UsageError> {
    let versions = sets.iter().flat_map(|set| &set.versions);
    let known: BTreeSet<&str> = versions
        .flat_map(|version| &version.content.personal)
        .map(String::as_str)
        .collect();
    match personal.iter().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(UsageError(format!(
            "--personal {name}: no parcel set has such a personal column; there are: {}",
            match known.is_empty() {
                true => "none".to_owned(),
                false => known.into_iter().collect::<Vec<_>>().join(", "),
            }
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(key: &str, has_classes: bool) -> Root {
        let (collection, rest) = key.split_once('/').expect("a collection");
        let (place, profile) = rest.split_once('/').expect("a profile");
        let (set, version) = place.rsplit_once('@').expect("a version");
        Root {
            collection: collection.to_owned(),
            set: set.to_owned(),
            version: version.to_owned(),
            profile: profile.to_owned(),
            has_classes,
        }
    }

    fn names(roots: &[Root]) -> Vec<Vec<String>> {
        let tables = extract_tables(roots);
        let of = |table: &KnownTable| table.names.iter().map(ToString::to_string).collect();
        tables.iter().map(of).collect()
    }

    #[test]
    fn the_newest_version_with_one_profile_has_the_short_name() {
        let found = names(&[root("s2/dk@9/0a", true), root("s2/dk@10/0b", false)]);
        assert_eq!(
            found,
            [
                vec!["s2.\"dk@9\"", "s2.\"dk@9/0a\""],
                vec!["s2.\"dk@9/classes\"", "s2.\"dk@9/0a/classes\""],
                vec!["s2.dk", "s2.\"dk@10\"", "s2.\"dk@10/0b\""],
            ]
        );
    }

    #[test]
    fn several_profiles_have_long_names_only() {
        let found = names(&[
            root("s2/dk@1/0a", false),
            root("s2/dk@2/0b", false),
            root("s2/dk@2/0c", false),
        ]);
        assert_eq!(found[0], ["s2.\"dk@1\"", "s2.\"dk@1/0a\""]);
        assert_eq!(found[1], ["s2.\"dk@2/0b\""]);
        assert_eq!(found[2], ["s2.\"dk@2/0c\""]);
    }

    #[test]
    fn a_file_of_parcels_has_a_digest_for_a_version() {
        let one = names(&[root("s2/land@9f3c/0a", false)]);
        assert_eq!(one[0][0], "s2.land");
        let two = names(&[
            root("s2/land@9f3c/0a", false),
            root("s2/land@77aa/0a", false),
        ]);
        assert_eq!(two[0][0], "s2.\"land@9f3c\"");
    }

    #[test]
    fn collections_do_not_take_the_schema_of_the_sets() {
        let found = names(&[root("parcels/dk@1/0a", false)]);
        assert_eq!(found[0][0], "\"collection:parcels\".dk");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted("1a"), "\"1a\"");
    }
}
