//! Configuration and environment: the only place that reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use swath_access::{Resource, Viewer};
use swath_io::{AssetRef, AwsEnvironment, GeoTiff, IoError, StoreConfig, Stores};

use crate::GlobalArgs;
use crate::error::UsageError;

/// How the variables of stores begin.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_STORAGE_"];

/// `swath.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Stores by name.
    pub stores: BTreeMap<String, StoreConfig>,
}

/// What every command works with.
#[derive(Debug)]
pub struct Context {
    /// Data home.
    pub home: PathBuf,
    /// Named and implicit stores.
    pub stores: Stores,
    /// Compute threads.
    pub threads: usize,
}

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
        let config = match (&args.config, implied.is_file()) {
            (Some(path), _) => read_config(path)?,
            (None, true) => read_config(&implied)?,
            (None, false) => Config::default(),
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
        let stores = Stores::for_command_line(config.stores, AwsEnvironment { variables });
        Ok(Self {
            home: args.home.clone(),
            stores,
            threads,
        })
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

    /// Returns the folder of the coverage cache.
    pub fn coverage_cache(&self) -> PathBuf {
        self.home.join("cache").join("coverage")
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
