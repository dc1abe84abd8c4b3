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
            name.starts_with("AWS_")
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
