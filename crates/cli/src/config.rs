//! Configuration and environment: the only place that reads them.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use swath_access::{Resource, Viewer};
use swath_catalog::{Catalog, CatalogError};
use swath_db::Database;
use swath_extract::table::{COMMIT_LEDGER, CommitNumbers, TableStore};
use swath_io::{
    AssetRef, AwsEnvironment, ConditionalPut, GeoTiff, IoError, StoreConfig, StoreKind,
    StoreWriter, Stores,
};
use swath_jobs::{JobStore, LeaseOptions};
use swath_server::{CbmOptions, TokenFile};

use crate::GlobalArgs;
use crate::error::UsageError;

/// How the variables of stores begin.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_STORAGE_"];

/// `swath.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Stores by name. The store `archive` is where objects go, the store `parcels` where the files of
    /// parcel sets go; by default they are folders of these names in the data home.
    pub stores: BTreeMap<String, StoreConfig>,
    /// The catalogue: `sqlite:PATH`, relative to the data home, or `postgres://…`; by default
    /// `sqlite:catalog.sqlite`.
    pub catalog: Option<String>,
    /// `swath serve`.
    pub server: ServerConfig,
    /// Parcel sets.
    pub parcels: ParcelsConfig,
    /// The CbM interface.
    pub cbm: CbmOptions,
}

/// `[parcels]`: what imports of parcels look up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParcelsConfig {
    /// Folder of the tables from national crop codes to HCAT, as EuroCrops publishes them.
    pub hcat: Option<PathBuf>,
}

/// `[server]`: how `swath serve` listens; options on the command line win.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on [default: 127.0.0.1].
    pub bind: Option<IpAddr>,
    /// Port to listen on [default: 8080].
    pub port: Option<u16>,
    /// How links begin [default: as the request, or a proxy on this machine, says].
    pub base_url: Option<String>,
    /// Longest time until an answer begins, in seconds [default: 30].
    pub request_seconds_max: Option<u64>,
    /// MiB of decoded blocks of images that are kept for maps [default: 256].
    pub map_cache_mib: Option<u64>,
}

/// What every command works with.
#[derive(Debug)]
pub struct Context {
    /// Data home.
    pub home: PathBuf,
    /// Named and implicit stores.
    pub stores: Stores,
    /// Settings of the server.
    pub server: ServerConfig,
    /// What imports of parcels look up.
    pub parcels: ParcelsConfig,
    /// How the words of the CbM interface translate.
    pub cbm: CbmOptions,
    /// Compute threads.
    pub threads: usize,
    /// The configuration file that was read, `None` where there is none.
    pub config_path: Option<PathBuf>,
    /// URL of the catalogue.
    catalog: String,
    store_configs: BTreeMap<String, StoreConfig>,
    environment: AwsEnvironment,
    /// Catalogues that were opened, to be closed at the end.
    opened: Arc<Mutex<Vec<Catalog>>>,
}

/// Name of the store that holds the archive.
pub const ARCHIVE: &str = "archive";
/// Name of the store that holds the files of parcel sets.
pub const PARCELS: &str = "parcels";
/// Name of the store that holds extract tables.
pub const TABLES: &str = "tables";
/// Name of the store that holds plans, results, logs and leases of jobs.
pub const JOBS: &str = "jobs";
/// Stores that are folders of the data home unless the configuration says otherwise.
const OF_HOME: [&str; 4] = [ARCHIVE, PARCELS, TABLES, JOBS];

/// Returns the number of processors this process may use.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Context {
    /// Reads the configuration and the environment.
    ///
    /// # Errors
    /// A configuration that is named but absent, or that says something unknown.
    pub fn load(args: &GlobalArgs, threads: usize) -> Result<Self> {
        let implied = args.home.join("swath.toml");
        let config_path = match (&args.config, implied.is_file()) {
            (Some(path), _) => Some(path.clone()),
            (None, true) => Some(implied),
            (None, false) => None,
        };
        let config = match &config_path {
            Some(path) => read_config(path)?,
            None => Config::default(),
        };
        // Profiles of configured stores have variables of their own beside the usual ones.
        let profiles: Vec<String> = config
            .stores
            .values()
            .filter_map(|store| store.credentials.as_ref())
            .map(|name| name.to_uppercase())
            .collect();
        let is_needed = |name: &str| {
            PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || profiles
                    .iter()
                    .any(|profile| name.starts_with(&format!("{profile}_")))
        };
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| is_needed(name))
            .collect();
        let catalog = catalog_url(&args.home, config.catalog.as_deref());
        let mut store_configs = config.stores;
        for name in OF_HOME {
            store_configs
                .entry(name.to_owned())
                .or_insert_with(|| folder_in(&args.home, name));
        }
        let environment = AwsEnvironment { variables };
        let stores = Stores::for_command_line(store_configs.clone(), environment.clone());
        Ok(Self {
            home: args.home.clone(),
            stores,
            server: config.server,
            parcels: config.parcels,
            cbm: config.cbm,
            threads,
            config_path,
            catalog,
            store_configs,
            environment,
            opened: Arc::default(),
        })
    }

    /// Closes the catalogues that were opened: SQLite then leaves one file, without a log beside it.
    pub async fn close(&self) {
        let opened = match self.opened.lock() {
            Ok(mut opened) => std::mem::take(&mut *opened),
            Err(_) => return,
        };
        for catalog in opened {
            catalog.close().await;
        }
    }

    /// Returns the same for a data home of its own in `folder`, with the stores of this one: its
    /// catalogue and archive are those of that folder, whatever the configuration says.
    pub fn with_home(&self, folder: &Path) -> Self {
        let mut store_configs = self.store_configs.clone();
        for name in OF_HOME {
            store_configs.insert(name.to_owned(), folder_in(folder, name));
        }
        let environment = self.environment.clone();
        Self {
            home: folder.to_owned(),
            stores: Stores::for_command_line(store_configs.clone(), environment.clone()),
            config_path: self.config_path.clone(),
            server: self.server.clone(),
            parcels: self.parcels.clone(),
            cbm: self.cbm.clone(),
            threads: self.threads,
            catalog: catalog_url(folder, None),
            store_configs,
            environment,
            opened: Arc::clone(&self.opened),
        }
    }

    /// True for `NAME:key` of a store of the configuration.
    pub fn names_store(&self, href: &str) -> bool {
        href.split_once(':')
            .is_some_and(|(name, _)| self.store_configs.contains_key(name))
    }

    /// Returns how items refer to a file of this machine: `STORE:key` where a store that is a folder
    /// holds it, so that the folder may be moved, else its path. Links are followed.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn href_of(&self, file: &Path) -> std::io::Result<String> {
        let path = file.canonicalize()?;
        let key = |config: &StoreConfig| -> Option<String> {
            let prefix = config.prefix.trim_start_matches("file://");
            let folder = Path::new(prefix).canonicalize().ok()?;
            let rest = path.strip_prefix(folder).ok()?;
            Some(rest.to_string_lossy().into_owned())
        };
        let folders = self
            .store_configs
            .iter()
            .filter(|(_, config)| config.kind() == StoreKind::Folder && !config.prefix.is_empty());
        // The store that lies deepest has the shortest keys.
        let found = folders
            .filter_map(|(name, config)| Some((name, key(config)?)))
            .min_by_key(|(_, key)| key.len());
        Ok(match found {
            Some((name, key)) => format!("{name}:{key}"),
            None => path.to_string_lossy().into_owned(),
        })
    }

    /// Returns the stores of the configuration, and the archive.
    pub fn store_configs(&self) -> &BTreeMap<String, StoreConfig> {
        &self.store_configs
    }

    /// True where a configuration names the catalogue and the archive that this one does.
    pub fn names_same_places(&self, text: &str) -> bool {
        let Ok(other) = toml::from_str::<Config>(text) else {
            return false;
        };
        let archive = other.stores.get(ARCHIVE).cloned();
        catalog_url(&self.home, other.catalog.as_deref()) == self.catalog
            && Some(&archive.unwrap_or_else(|| folder_in(&self.home, ARCHIVE)))
                == self.store_configs.get(ARCHIVE)
    }

    /// Returns a writer to the archive: at `url`, else the store `archive`.
    ///
    /// # Errors
    /// Where no store covers it or it cannot be written to.
    pub fn archive_writer(&self, url: Option<&str>) -> Result<StoreWriter, IoError> {
        let root = url.unwrap_or("archive:");
        self.stores.writer(&Viewer::operator(), root)
    }

    /// Returns the URL of the catalogue's database, in which other parts keep tables of their own.
    pub fn catalog_url(&self) -> &str {
        &self.catalog
    }

    /// Opens the table at `root`. Where its store has no conditional writes, the database of the catalogue
    /// decides who commits.
    ///
    /// # Errors
    /// Where the store cannot be written to, or the database cannot be reached.
    pub async fn table_store(&self, root: &str) -> Result<TableStore> {
        let writer = self.stores.writer(&Viewer::operator(), root)?;
        let numbers = match writer.probe().await? {
            ConditionalPut::Atomic => CommitNumbers::ConditionalPut,
            _ => CommitNumbers::Ledger(Database::open(&self.catalog, &COMMIT_LEDGER).await?),
        };
        Ok(TableStore::new(writer, numbers))
    }

    /// Returns the store of jobs, for this process.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn job_store(&self, options: LeaseOptions) -> Result<JobStore, IoError> {
        self.job_store_at(&format!("{JOBS}:"), options)
    }

    /// Returns the store of jobs at `root`, for this process.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn job_store_at(&self, root: &str, options: LeaseOptions) -> Result<JobStore, IoError> {
        let writer = self.stores.writer(&Viewer::operator(), root)?;
        Ok(JobStore::new(writer, options, process_name()))
    }

    /// Returns the words by which another process of the program gets the same context.
    pub fn global_words(&self) -> Vec<String> {
        let mut words = vec!["--home".to_owned(), self.home.display().to_string()];
        if let Some(path) = &self.config_path {
            words.extend(["--config".to_owned(), path.display().to_string()]);
        }
        words.extend(["--threads".to_owned(), self.threads.to_string()]);
        words
    }

    /// Returns a writer to the files of parcel sets: the store `parcels`.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn parcels_writer(&self) -> Result<StoreWriter, IoError> {
        self.stores.writer(&Viewer::operator(), "parcels:")
    }

    /// True where the catalogue is a server, or a file that is there.
    pub fn has_catalog(&self) -> bool {
        let file = self.catalog.strip_prefix("sqlite:");
        file.is_none_or(|path| Path::new(path).is_file())
    }

    /// Opens a catalogue that is there.
    ///
    /// # Errors
    /// As [`Context::catalog`]; also where it is a file that is absent.
    pub async fn existing_catalog(&self) -> Result<Catalog> {
        if !self.has_catalog() {
            let home = self.home.display();
            let reason = format!("there is no catalogue in {home}; name the data home with --home");
            return Err(UsageError(reason).into());
        }
        self.catalog()
            .await
            .context("the catalogue cannot be opened")
    }

    /// Opens the catalogue; makes it where it is a file that is absent.
    ///
    /// # Errors
    /// Where it cannot be reached, or was made by a newer program.
    pub async fn catalog(&self) -> Result<Catalog, CatalogError> {
        let catalog = Catalog::open(&self.catalog).await?;
        if let Ok(mut opened) = self.opened.lock() {
            opened.push(catalog.clone());
        }
        Ok(catalog)
    }

    /// Returns the asset that the user typed.
    ///
    /// # Errors
    /// Where no store covers it.
    pub fn resolve(&self, href: &str) -> Result<AssetRef, IoError> {
        self.stores
            .resolve(&Viewer::operator(), &Resource::direct(), href)
    }

    /// Opens the raster that the user typed.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn open(&self, href: &str) -> Result<Arc<GeoTiff>, IoError> {
        Ok(Arc::new(GeoTiff::open(self.resolve(href)?).await?))
    }

    /// Returns the stores of the configuration: what a server may read from.
    pub fn named_stores(&self) -> Stores {
        Stores::named(self.store_configs.clone()).with_credentials(self.environment.clone())
    }

    /// Returns the tokens of this home.
    pub fn tokens(&self) -> TokenFile {
        TokenFile::new(self.tokens_path())
    }

    /// Returns the file that holds them.
    pub fn tokens_path(&self) -> PathBuf {
        self.home.join("tokens.json")
    }

    /// Returns the folder of prepared vector tiles.
    pub fn tile_cache(&self) -> PathBuf {
        self.home.join("cache").join("tiles")
    }

    /// Returns the folder of the coverage cache.
    pub fn coverage_cache(&self) -> PathBuf {
        self.home.join("cache").join("coverage")
    }
}

/// Returns the store that is a folder of a data home.
fn folder_in(home: &Path, name: &str) -> StoreConfig {
    let folder = home.join(name);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    StoreConfig {
        prefix: folder.to_string_lossy().into_owned(),
        ..StoreConfig::default()
    }
}

/// Returns a name that no other process has, also of another machine.
fn process_name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{:012x}", std::process::id(), random & 0xffff_ffff_ffff)
}

/// Returns the URL of the catalogue; paths are relative to the data home.
fn catalog_url(home: &Path, configured: Option<&str>) -> String {
    let configured = configured.unwrap_or("sqlite:catalog.sqlite");
    match configured.strip_prefix("sqlite:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            format!("sqlite:{}", home.join(path).display())
        }
        None => configured.to_owned(),
    }
}

fn read_config(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {} cannot be read", path.display()))
        .map_err(|error| UsageError(format!("{error:#}")))?;
    toml::from_str(&text).map_err(|error| {
        // Only the place is shown: the line itself may hold a secret.
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        UsageError(format!(
            "{}, line {line}: {}",
            path.display(),
            error.message()
        ))
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every block of `docs/stores.md` is a configuration, and every store in it can be made.
    #[test]
    fn the_examples_of_the_documentation_are_stores() {
        let text = include_str!("../../../docs/stores.md");
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "NAIP_SAS_TOKEN",
        ];
        let profiles = ["ARCHIVE", "CDSE", "MINIO", "CEPH", "SWIFT"];
        let of_profiles = profiles.iter().flat_map(|profile| {
            ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"].map(|name| format!("{profile}_{name}"))
        });
        let variables: BTreeMap<String, String> = names
            .map(str::to_owned)
            .into_iter()
            .chain(of_profiles)
            .map(|name| (name, "sig=a".to_owned()))
            .collect();
        let mut count = 0;
        for block in text.split("```toml").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let config: Config = toml::from_str(block).unwrap_or_else(|e| panic!("{block}: {e}"));
            let names: Vec<String> = config.stores.keys().cloned().collect();
            let environment = AwsEnvironment {
                variables: variables.clone(),
            };
            let stores = Stores::for_command_line(config.stores, environment);
            for name in names {
                let href = format!("{name}:a/b.tif");
                let asset = stores.resolve(&Viewer::operator(), &Resource::direct(), &href);
                let asset = asset.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(asset.store(), name);
                count += 1;
            }
        }
        assert!(count >= 10, "{count}");
    }

    #[test]
    fn unknown_keys_are_rejected() {
        let good: Result<Config, _> =
            toml::from_str("[stores.cdse]\nprefix = \"s3://eodata\"\nendpoint = \"https://x\"\n");
        assert_eq!(good.expect("valid").stores["cdse"].prefix, "s3://eodata");
        let bad: Result<Config, _> = toml::from_str("[stores.cdse]\nprefixx = \"s3://eodata\"\n");
        assert!(
            bad.expect_err("unknown key")
                .to_string()
                .contains("prefixx")
        );
    }
}
