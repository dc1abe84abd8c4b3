//! Tokens: who may log in. The file holds only hashes, so that it gives nobody a way in.
//!
//! A token is `swath_` and 32 random bytes in hexadecimal digits. It is shown once; the file keeps
//! its SHA-256, name, subject, role and expiry. The server reads the file again when it changes,
//! so that a revoked token ends at once.

use std::fs::File;
use std::io::{ErrorKind as IoKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use swath_access::Viewer;
use thiserror::Error;

/// Random bytes of a token.
const SECRET_BYTES: usize = 32;
/// Longest name or subject, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Most tokens in a file.
const TOKENS_MAX: usize = 10_000;
/// Longest life of a token, in days.
const DAYS_MAX: u32 = 3_660;

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Sees public collections and the subject's own; changes the subject's own.
    #[default]
    Member,
    /// Sees and changes everything.
    Operator,
}

/// A token to be made.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// Unique among the tokens of the file.
    pub name: String,
    /// User the token speaks for; `None`: the name.
    pub subject: Option<String>,
    /// What it allows.
    pub role: TokenRole,
    /// Days until it expires; `None`: never.
    pub days: Option<u32>,
}

/// A token as the file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedToken {
    /// Unique among the tokens of the file.
    pub name: String,
    /// User the token speaks for.
    pub subject: String,
    /// What it allows.
    pub role: TokenRole,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it ends; `None`: never.
    pub expires: Option<DateTime<Utc>>,
    /// SHA-256 of the token in hexadecimal digits.
    pub sha256: String,
}

impl IssuedToken {
    /// True where the token lets nobody in any more at `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// What can go wrong with tokens.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A name, subject or number of days that cannot be.
    #[error("{reason}")]
    Invalid {
        /// What and why.
        reason: String,
    },
    /// There is no token of this name.
    #[error("there is no token \"{name}\"; see `swath token list`")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The file cannot be read or written.
    #[error("the tokens in {path}: {reason}", path = path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// Kinds of errors, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// Ask differently.
    Invalid,
    /// Not there.
    NotFound,
    /// The file.
    Storage,
}

impl TokenError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> TokenErrorKind {
        match self {
            Self::Invalid { .. } => TokenErrorKind::Invalid,
            Self::NotFound { .. } => TokenErrorKind::NotFound,
            Self::File { .. } => TokenErrorKind::Storage,
        }
    }
}

/// The file that holds the tokens; it need not be there yet.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<ReadTokens>>,
}

/// What the file held when it had this stamp.
#[derive(Debug, Clone)]
struct ReadTokens {
    stamp: FileStamp,
    tokens: Arc<Vec<IssuedToken>>,
}

/// Changes with the file.
type FileStamp = Option<(SystemTime, u64)>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileContent {
    tokens: Vec<IssuedToken>,
}

impl TokenFile {
    /// Returns the tokens kept at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read: Mutex::default(),
        }
    }

    /// Returns the tokens in the order in which they were made, expired ones too.
    ///
    /// # Errors
    /// Where the file is there but cannot be read.
    pub fn list(&self) -> Result<Arc<Vec<IssuedToken>>, TokenError> {
        let stamp = self.stamp()?;
        let mut read = self
            .read
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = read.as_ref()
            && known.stamp == stamp
        {
            return Ok(known.tokens.clone());
        }
        let tokens = Arc::new(self.load()?);
        *read = Some(ReadTokens {
            stamp,
            tokens: tokens.clone(),
        });
        Ok(tokens)
    }

    /// Returns the viewer that `token` lets in, `None` where it lets nobody in.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn viewer(&self, token: &str) -> Result<Option<Viewer>, TokenError> {
        // The hash of the token is looked for: comparing hashes tells nothing about the token.
        let hash = sha256_hex(token);
        let now = Utc::now();
        let tokens = self.list()?;
        let found = tokens
            .iter()
            .find(|known| known.sha256 == hash && !known.is_expired(now));
        Ok(found.map(|known| match known.role {
            TokenRole::Operator => Viewer::operator(),
            TokenRole::Member => Viewer::member(known.subject.clone()),
        }))
    }

    /// True where at least one token lets somebody in.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn lets_anybody_in(&self) -> Result<bool, TokenError> {
        let now = Utc::now();
        Ok(self.list()?.iter().any(|known| !known.is_expired(now)))
    }

    /// Makes a token and returns it: the one time that it is seen.
    ///
    /// # Errors
    /// Where the name is taken or cannot be one, or the file cannot be written.
    pub fn create(&self, new: &NewToken) -> Result<String, TokenError> {
        let subject = new.subject.as_ref().unwrap_or(&new.name);
        check_name("name", &new.name)?;
        check_name("subject", subject)?;
        if new.days.is_some_and(|days| days == 0 || days > DAYS_MAX) {
            return Err(invalid(format!("days: 1 to {DAYS_MAX}")));
        }
        let mut secret = [0_u8; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| self.failed(error))?;
        let token = format!("swath_{}", hex(&secret));
        let created = Utc::now();
        let issued = IssuedToken {
            name: new.name.clone(),
            subject: subject.clone(),
            role: new.role,
            created,
            expires: new
                .days
                .map(|days| created + TimeDelta::days(i64::from(days))),
            sha256: sha256_hex(&token),
        };
        self.change(|tokens| {
            if tokens.iter().any(|known| known.name == new.name) {
                return Err(invalid(format!(
                    "there is a token \"{}\" already; revoke it or choose another name",
                    new.name
                )));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(invalid(format!(
                    "there are {TOKENS_MAX} tokens, the most a file holds; revoke some"
                )));
            }
            tokens.push(issued);
            Ok(())
        })?;
        Ok(token)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// Where there is none of this name, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|known| known.name != name);
            if tokens.len() == before {
                return Err(TokenError::NotFound {
                    name: name.to_owned(),
                });
            }
            Ok(())
        })
    }

    /// Reads the file, changes its tokens and puts the new file in place of the old one; two
    /// programs that do so wait for each other.
    fn change(
        &self,
        edit: impl FnOnce(&mut Vec<IssuedToken>) -> Result<(), TokenError>,
    ) -> Result<(), TokenError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| self.failed(error))?;
        let lock =
            File::create(self.path.with_extension("lock")).map_err(|error| self.failed(error))?;
        lock.lock().map_err(|error| self.failed(error))?;
        let mut content = FileContent {
            tokens: self.load()?,
        };
        edit(&mut content.tokens)?;
        // A named temporary file is readable for its owner only (0600), and stays so.
        let mut file =
            tempfile::NamedTempFile::new_in(folder).map_err(|error| self.failed(error))?;
        serde_json::to_writer_pretty(&mut file, &content).map_err(|error| self.failed(error))?;
        file.flush().map_err(|error| self.failed(error))?;
        file.as_file()
            .sync_all()
            .map_err(|error| self.failed(error))?;
        file.persist(&self.path)
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn load(&self) -> Result<Vec<IssuedToken>, TokenError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let content: FileContent =
            serde_json::from_slice(&text).map_err(|error| self.failed(error))?;
        Ok(content.tokens)
    }

    fn stamp(&self) -> Result<FileStamp, TokenError> {
        match std::fs::metadata(&self.path).and_then(|found| Ok((found.modified()?, found.len()))) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == IoKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: impl std::fmt::Display) -> TokenError {
        TokenError::File {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

fn invalid(reason: String) -> TokenError {
    TokenError::Invalid { reason }
}

fn check_name(what: &str, text: &str) -> Result<(), TokenError> {
    let is_plain = text.chars().all(|letter| !letter.is_control()) && text.trim() == text;
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX || !is_plain {
        return Err(invalid(format!(
            "{what} of a token: 1 to {NAME_CHARS_MAX} printable characters, no space at either end"
        )));
    }
    Ok(())
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_token(name: &str) -> NewToken {
        NewToken {
            name: name.into(),
            ..NewToken::default()
        }
    }

    #[test]
    fn a_token_lets_in_until_it_is_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = TokenFile::new(folder.path().join("home/tokens.json"));
        assert!(!file.lets_anybody_in().expect("no file is no token"));
        let token = file.create(&new_token("ada")).expect("a token");
        assert_eq!(
            file.viewer(&token).expect("readable"),
            Some(Viewer::member("ada"))
        );
        assert_eq!(file.viewer("swath_00").expect("readable"), None);
        assert!(file.lets_anybody_in().expect("readable"));
        // Another process changes the file: the open one sees it.
        TokenFile::new(folder.path().join("home/tokens.json"))
            .revoke("ada")
            .expect("revoked");
        assert_eq!(file.viewer(&token).expect("readable"), None);
        assert_eq!(
            file.revoke("ada").expect_err("gone").kind(),
            TokenErrorKind::NotFound
        );
    }

    #[test]
    fn the_file_holds_no_token_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.json");
        let file = TokenFile::new(&path);
        let operator = NewToken {
            role: TokenRole::Operator,
            days: Some(3),
            ..new_token("ops")
        };
        let token = file.create(&operator).expect("a token");
        let text = std::fs::read_to_string(&path).expect("the file");
        assert!(!text.contains(&token) && !text.contains(token.trim_start_matches("swath_")));
        assert_eq!(
            file.viewer(&token).expect("readable"),
            Some(Viewer::operator())
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path)
                .expect("the file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn expired_tokens_and_taken_names_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.json");
        let file = TokenFile::new(&path);
        let token = file.create(&new_token("old")).expect("a token");
        assert!(file.create(&new_token("old")).is_err());
        assert!(file.create(&new_token("")).is_err());
        assert!(file.create(&new_token("a\nb")).is_err());
        let text = std::fs::read_to_string(&path).expect("the file");
        std::fs::write(
            &path,
            text.replace("\"expires\": null", "\"expires\": \"2020-01-01T00:00:00Z\""),
        )
        .expect("written");
        assert_eq!(file.viewer(&token).expect("readable"), None);
        assert!(!file.lets_anybody_in().expect("readable"));
        std::fs::write(&path, "{").expect("written");
        assert!(file.viewer(&token).is_err());
    }
}
