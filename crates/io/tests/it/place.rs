//! Where a test keeps its files: a folder, or a server over a folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use swath_access::{Resource, Viewer};
use swath_io::{AssetRef, AwsEnvironment, GeoTiff, IoError, StoreConfig, Stores};
use swath_testkit::FaultServer;

/// Returns stores that take paths and URLs, with AWS variables for `server`.
pub fn command_line(server: Option<&FaultServer>) -> Stores {
    let mut aws = AwsEnvironment::default();
    if let Some(server) = server {
        let variables = [
            ("AWS_ENDPOINT_URL", server.endpoint()),
            ("AWS_ACCESS_KEY_ID", server.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", server.secret_key().to_owned()),
        ];
        aws.variables
            .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    }
    Stores::for_command_line(BTreeMap::new(), aws)
}

/// Returns stores with one named `x`, whose credentials are those of `server`.
pub fn named(server: &FaultServer, config: StoreConfig) -> Stores {
    let variables = [
        ("X_ACCESS_KEY_ID", server.access_key().to_owned()),
        ("X_SECRET_ACCESS_KEY", server.secret_key().to_owned()),
    ];
    let variables = variables
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let stores = BTreeMap::from([("x".to_owned(), config)]);
    Stores::for_command_line(stores, AwsEnvironment { variables })
}

/// Resolves `href` as the operator does.
pub fn resolve(stores: &Stores, href: &str) -> Result<AssetRef, IoError> {
    stores.resolve(&Viewer::operator(), &Resource::direct(), href)
}

/// Opens the raster behind `href`.
pub async fn open(stores: &Stores, href: &str) -> Result<Arc<GeoTiff>, IoError> {
    Ok(Arc::new(GeoTiff::open(resolve(stores, href)?).await?))
}

/// Opens a local raster.
pub async fn open_file(path: &std::path::Path) -> Result<Arc<GeoTiff>, IoError> {
    open(&command_line(None), path.to_str().expect("a path in UTF-8")).await
}
