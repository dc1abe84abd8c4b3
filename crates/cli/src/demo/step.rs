//! Commands that the demo runs, shown as the user would type them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Arguments of another command, with its own defaults.
#[derive(Debug, Parser)]
struct Typed<A: clap::Args> {
    #[command(flatten)]
    args: A,
}

/// One command: the words that are shown are the words that it is run with.
#[derive(Debug, Clone)]
pub struct Step {
    home: Option<OsString>,
    command: &'static str,
    words: Vec<OsString>,
}

impl Step {
    /// Returns a command without arguments, such as `items import`.
    pub fn new(command: &'static str) -> Self {
        Self {
            home: None,
            command,
            words: Vec::new(),
        }
    }

    /// Returns a command on the data home `home`.
    pub fn in_home(home: &Path, command: &'static str) -> Self {
        Self {
            home: Some(home.as_os_str().to_owned()),
            ..Self::new(command)
        }
    }

    /// Adds an argument by itself.
    #[must_use]
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    /// Adds an option with its value.
    #[must_use]
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.word(name).word(value)
    }

    /// Returns what the words mean to the command, so that its defaults hold here too.
    ///
    /// # Errors
    /// Where the command does not understand them.
    pub fn args<A: clap::Args>(&self) -> Result<A> {
        let words = std::iter::once(OsStr::new("swath"));
        let words = words.chain(self.words.iter().map(OsString::as_os_str));
        Ok(Typed::<A>::try_parse_from(words)
            .with_context(|| format!("a step of the demo: {}", self.line()))?
            .args)
    }

    /// Returns the line to type.
    pub fn line(&self) -> String {
        let mut line = "swath".to_owned();
        if let Some(home) = &self.home {
            line += &format!(" --home {}", shell_word(home));
        }
        line += &format!(" {}", self.command);
        for word in &self.words {
            line += &format!(" {}", shell_word(word));
        }
        line
    }

    /// Says on standard error what is done, and the line that does it.
    pub fn announce(&self, what: &str) {
        eprintln!("{what}: {}", self.line());
    }
}

/// Quotes a word for a shell where it needs that.
pub fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::extract::ExtractArgs;

    #[test]
    fn a_step_is_run_with_the_words_that_are_shown() -> Result<()> {
        let step = Step::in_home(Path::new("my data"), "extract")
            .option("--collection", "c")
            .option("--parcels", "p.gpkg")
            .option("--filter", "eo:cloud_cover < 20")
            .word("--mask-scl")
            .option("--output", "x.parquet");
        assert_eq!(
            step.line(),
            "swath --home 'my data' extract --collection c --parcels p.gpkg \
             --filter 'eo:cloud_cover < 20' --mask-scl --output x.parquet"
        );
        let args: ExtractArgs = step.args()?;
        assert_eq!(args.collection.as_deref(), Some("c"));
        // The defaults of the command hold.
        assert_eq!(args.mask_scl.as_deref(), Some("0,1,3,8,9,10"));
        assert_eq!(args.measure.memory, 512);
        Ok(())
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_word(OsStr::new("it's")), r"'it'\''s'");
        assert_eq!(shell_word(OsStr::new("")), "''");
        assert_eq!(shell_word(OsStr::new("./a-b_c.tif")), "./a-b_c.tif");
    }
}
