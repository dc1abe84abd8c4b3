//! Configuration of stores.

use serde::Deserialize;

/// One `[stores.NAME]` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Where the store begins: a folder, `https://host/path`, `s3://bucket/path`, `gs://bucket/path`,
    /// `az://container/path` or `abfs://container@account.dfs.core.windows.net/path`.
    pub prefix: String,
    /// URL of the service; default: AWS in `region`, Google Cloud Storage, the Azure account.
    pub endpoint: Option<String>,
    /// Region of the bucket; default `us-east-1`.
    pub region: Option<String>,
    /// True for `endpoint/bucket/key` URLs; default: true where an endpoint is given.
    pub path_style: Option<bool>,
    /// Name of the profile whose variables hold the credentials: `PROFILE_ACCESS_KEY_ID` and
    /// `PROFILE_SECRET_ACCESS_KEY` (S3), `PROFILE_APPLICATION_CREDENTIALS` (Google),
    /// `PROFILE_ACCOUNT_KEY`, `PROFILE_SAS_TOKEN`, `PROFILE_CLIENT_ID` … (Azure); default: the usual
    /// variables of each (`AWS_*`, `GOOGLE_*`, `AZURE_STORAGE_*`).
    pub credentials: Option<String>,
    /// Storage account of an `az://` store; default: the variable `AZURE_STORAGE_ACCOUNT_NAME`.
    pub account: Option<String>,
    /// True where the requester pays for the transfer.
    pub requester_pays: bool,
    /// True where requests are not signed.
    pub anonymous: bool,
    /// False where the service does not know `If-None-Match` on PUT; default true.
    pub conditional_put: Option<bool>,
    /// Seconds after which one request is given up; default 60.
    pub timeout_s: Option<u64>,
}

/// What kind of store a prefix denotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Folder of this machine.
    Folder,
    /// Read-only web server.
    Http,
    /// S3 API.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl StoreConfig {
    /// Returns the kind of store that the prefix denotes.
    pub fn kind(&self) -> StoreKind {
        if self.prefix.starts_with("s3://") {
            StoreKind::S3
        } else if self.prefix.starts_with("gs://") {
            StoreKind::Google
        } else if ["az://", "abfs://", "abfss://"]
            .iter()
            .any(|scheme| self.prefix.starts_with(scheme))
        {
            StoreKind::Azure
        } else if self.prefix.starts_with("http://") || self.prefix.starts_with("https://") {
            StoreKind::Http
        } else {
            StoreKind::Folder
        }
    }
}

/// The variables of the tools of AWS, Google and Azure, read once by the program.
#[derive(Clone, Default)]
pub struct AwsEnvironment {
    /// Every environment variable that a store may need, by name.
    pub variables: std::collections::BTreeMap<String, String>,
}

impl std::fmt::Debug for AwsEnvironment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        // Values are secrets: only the names are shown.
        formatter
            .debug_set()
            .entries(self.variables.keys())
            .finish()
    }
}

impl AwsEnvironment {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| {
            value.eq_ignore_ascii_case("true") || value == "1" || value.eq_ignore_ascii_case("yes")
        })
    }

    /// Returns the store for `s3://` URLs that no named store covers.
    pub(crate) fn store_config(&self) -> StoreConfig {
        let endpoint = self
            .get("AWS_ENDPOINT_URL_S3")
            .or(self.get("AWS_ENDPOINT_URL"));
        StoreConfig {
            endpoint: endpoint.map(str::to_owned),
            region: self
                .get("AWS_REGION")
                .or(self.get("AWS_DEFAULT_REGION"))
                .map(str::to_owned),
            path_style: self
                .flag("AWS_VIRTUAL_HOSTED_STYLE_REQUEST")
                .map(|virtual_host| !virtual_host),
            requester_pays: self.get("AWS_REQUEST_PAYER") == Some("requester"),
            anonymous: self.flag("AWS_NO_SIGN_REQUEST").unwrap_or(false)
                || self.flag("AWS_SKIP_SIGNATURE").unwrap_or(false),
            ..StoreConfig::default()
        }
    }
}
