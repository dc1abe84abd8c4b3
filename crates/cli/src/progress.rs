//! Progress: a bar on a terminal, now and then a plain line otherwise; always on stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a command has come.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Returns a display that counts `what`.
    pub fn new(what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)");
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            what,
            last_line: Mutex::new(Instant::now()),
        }
    }

    /// Shows that `done` of `total` are done; `more` is added behind.
    pub fn set(&self, done: u64, total: u64, more: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_message(format!("{} {more}", self.what));
            bar.set_position(done);
            return;
        }
        let mut last = self
            .last_line
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            eprintln!("{done} of {total} {} {more}", self.what);
        }
    }
}

/// Shows how far a command of several stages has come.
pub struct Stages {
    current: Mutex<Option<(&'static str, Progress)>>,
}

impl Stages {
    /// Returns a display that shows nothing yet.
    pub fn new() -> Self {
        Self {
            current: Mutex::new(None),
        }
    }

    /// Shows that `done` of `total` are done of the stage that counts `what`.
    pub fn set(&self, what: &'static str, done: u64, total: u64) {
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match current.as_ref() {
            Some((known, progress)) if *known == what => progress.set(done, total, ""),
            _ => {
                let progress = Progress::new(what);
                progress.set(done, total, "");
                *current = Some((what, progress));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
