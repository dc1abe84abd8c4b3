//! Google Cloud Storage and Azure Blob Storage: hrefs, settings and credentials.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;

use super::config::{AwsEnvironment, StoreConfig};
use super::remote::{RemoteStore, client_options, href_error, no_retry};
use crate::IoError;

/// Variables that hold Azure credentials, behind the name of the profile, and what they set.
const AZURE_VARIABLES: [(&str, AzureConfigKey); 5] = [
    ("ACCOUNT_KEY", AzureConfigKey::AccessKey),
    ("SAS_TOKEN", AzureConfigKey::SasKey),
    ("CLIENT_ID", AzureConfigKey::ClientId),
    ("CLIENT_SECRET", AzureConfigKey::ClientSecret),
    ("TENANT_ID", AzureConfigKey::AuthorityId),
];
/// Profile of Azure credentials where the configuration names none.
const AZURE_PROFILE: &str = "AZURE_STORAGE";
/// Profile of Google credentials where the configuration names none.
const GOOGLE_PROFILE: &str = "GOOGLE";

/// A container and an object in it, out of an `az://`, `abfs://` or `abfss://` href.
#[derive(Debug, PartialEq)]
pub(super) struct AzureHref<'a> {
    /// Named by `abfs://container@account.dfs.core.windows.net/…`.
    pub(super) account: Option<&'a str>,
    pub(super) container: &'a str,
    pub(super) key: Key,
}

/// Returns bucket and key of an href of `scheme`; the key is taken as it is, not decoded.
pub(super) fn bucket_and_key<'a>(href: &'a str, scheme: &str) -> Result<(&'a str, Key), IoError> {
    let wrong = |reason: String| IoError::Href {
        href: href.to_owned(),
        reason,
    };
    let (bucket, key) = href
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        .ok_or_else(|| wrong(format!("expected {scheme}://bucket/key")))?;
    let key = Key::parse(key).map_err(|error| wrong(error.to_string()))?;
    Ok((bucket, key))
}

/// Returns account, container and key of an Azure href.
pub(super) fn azure_parts(href: &str) -> Result<AzureHref<'_>, IoError> {
    let (place, key) = bucket_and_key(href, "az")?;
    Ok(match place.split_once('@') {
        Some((container, host)) => AzureHref {
            account: host.split('.').next(),
            container,
            key,
        },
        None => AzureHref {
            account: None,
            container: place,
            key,
        },
    })
}

impl RemoteStore {
    pub(super) fn google(
        bucket: &str,
        config: &StoreConfig,
        environment: Option<&AwsEnvironment>,
    ) -> Result<Self, IoError> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(bucket)
            .with_skip_signature(config.anonymous)
            .with_client_options(client_options(config))
            .with_retry(no_retry());
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        let profile = config.credentials.as_deref().unwrap_or(GOOGLE_PROFILE);
        let variable = format!("{}_APPLICATION_CREDENTIALS", profile.to_uppercase());
        let path = environment.and_then(|environment| environment.get(&variable));
        match path.filter(|_| !config.anonymous) {
            Some(path) => builder = builder.with_application_credentials(path),
            None if config.credentials.is_some() && !config.anonymous => {
                return Err(IoError::Href {
                    href: format!("gs://{bucket}"),
                    reason: format!("{variable} is not set"),
                });
            }
            // Without a key the machine's own identity service is asked, as Google's tools do.
            None => {}
        }
        let store = builder
            .build()
            .map_err(|error| href_error(&format!("gs://{bucket}"), &error))?;
        Ok(Self::new(store))
    }

    pub(super) fn azure(
        place: &AzureHref,
        config: &StoreConfig,
        environment: Option<&AwsEnvironment>,
    ) -> Result<Self, IoError> {
        let shown = format!("az://{}", place.container);
        let wrong = |reason: String| IoError::Href {
            href: shown.clone(),
            reason,
        };
        let profile = config.credentials.as_deref().unwrap_or(AZURE_PROFILE);
        let variable = |name: &str| format!("{}_{name}", profile.to_uppercase());
        let value = |name: &str| environment.and_then(|found| found.get(&variable(name)));
        let account = place
            .account
            .or(config.account.as_deref())
            .or(value("ACCOUNT_NAME"))
            .ok_or_else(|| {
                wrong(format!(
                    "the storage account is not known: set account of the store, or {}",
                    variable("ACCOUNT_NAME")
                ))
            })?;
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(account)
            .with_container_name(place.container)
            .with_skip_signature(config.anonymous)
            .with_client_options(client_options(config))
            .with_retry(no_retry());
        if let Some(endpoint) = &config.endpoint {
            builder = builder
                .with_endpoint(endpoint.clone())
                .with_allow_http(endpoint.starts_with("http://"));
        }
        if !config.anonymous {
            let mut has_credentials = false;
            for (name, key) in AZURE_VARIABLES {
                if let Some(value) = value(name) {
                    builder = builder.with_config(key, value);
                    has_credentials = true;
                }
            }
            if config.credentials.is_some() && !has_credentials {
                return Err(wrong(format!(
                    "neither {} nor {} is set",
                    variable("ACCOUNT_KEY"),
                    variable("SAS_TOKEN")
                )));
            }
        }
        let store = builder
            .build()
            .map_err(|error| href_error(&shown, &error))?;
        Ok(Self::new(store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_hrefs_name_container_and_maybe_account() {
        let parts = azure_parts("az://scenes/a/b.tif").expect("an href");
        assert_eq!((parts.account, parts.container), (None, "scenes"));
        assert_eq!(parts.key, Key::from("a/b.tif"));
        let parts = azure_parts("abfss://scenes@own.dfs.core.windows.net/b.tif").expect("an href");
        assert_eq!((parts.account, parts.container), (Some("own"), "scenes"));
        for href in ["az://scenes", "az:///b.tif", "abfs://scenes/"] {
            assert!(azure_parts(href).is_err(), "{href}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        let config = StoreConfig {
            credentials: Some("own".to_owned()),
            ..StoreConfig::default()
        };
        let place = azure_parts("az://scenes/b.tif").expect("an href");
        let error = RemoteStore::azure(&place, &config, None).expect_err("no account");
        assert!(error.to_string().contains("OWN_ACCOUNT_NAME"), "{error}");
        let error = RemoteStore::google("scenes", &config, None).expect_err("no key");
        assert!(
            error.to_string().contains("OWN_APPLICATION_CREDENTIALS"),
            "{error}"
        );
        let variables = [("AZURE_STORAGE_ACCOUNT_KEY", "SECRET not base64")];
        let environment = AwsEnvironment {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        let config = StoreConfig {
            account: Some("own".to_owned()),
            ..StoreConfig::default()
        };
        let error = RemoteStore::azure(&place, &config, Some(&environment)).expect_err("no key");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
