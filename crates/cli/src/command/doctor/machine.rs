//! The machine: the folder of the data home, clock, limits, memory.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Check;

/// Free space below which nothing of size can be ingested, in bytes.
const FREE_BYTES_ERROR: u64 = 100 << 20;
const FREE_BYTES_WARNING: u64 = 5 << 30;
/// Open files that a server with many readers needs.
const OPEN_FILES_MIN: u64 = 1_024;
/// Memory that an extract takes by default, with what stands around it.
const MEMORY_BYTES_MIN: u64 = 1 << 30;
/// Difference between two clocks that is noticed.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);
/// The clock of this machine cannot be before this program was written: 2026-01-01.
const EARLIEST_S: u64 = 1_767_225_600;

/// Looks at the data home: can it be written, how much fits, is its clock the same.
pub(super) fn home(home: &Path) -> Vec<Check> {
    let shown = home.display();
    if !home.exists() {
        // The nearest folder that is there decides whether it can be made.
        let parent = home.ancestors().skip(1).find(|parent| parent.exists());
        let parent = parent
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        return match probe(parent) {
            Ok(_) => vec![
                Check::ok(
                    "data home",
                    format!("{shown} is not there yet; the first command that needs it makes it"),
                ),
                free_space(parent),
            ],
            Err(error) => vec![Check::error(
                "data home",
                format!("{shown} cannot be made: {}: {error}", parent.display()),
                REMEDY,
            )],
        };
    }
    match probe(home) {
        Ok(written) => {
            let mut checks = vec![
                Check::ok("data home", format!("{shown} can be written")),
                free_space(home),
            ];
            checks.push(clock(written));
            checks
        }
        Err(error) => vec![Check::error(
            "data home",
            format!("{shown} cannot be written: {error}"),
            REMEDY,
        )],
    }
}

const REMEDY: &str =
    "name a folder that this user may write to with --home or SWATH_HOME, or change its owner";

/// Writes a file that goes by itself and returns when its folder says that was.
fn probe(folder: &Path) -> std::io::Result<SystemTime> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(b"probe")?;
    file.sync_all()?;
    file.metadata()?.modified()
}

fn clock(written: SystemTime) -> Check {
    let now = SystemTime::now();
    let skew = now
        .duration_since(written)
        .unwrap_or_else(|error| error.duration());
    // A clock before 1970 is one before 2026 too.
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    if since.map_or(0, |since| since.as_secs()) < EARLIEST_S {
        return Check::error(
            "clock",
            "the clock of this machine stands before 2026",
            "set it (NTP): signatures of requests, tokens and times of registration depend on it",
        );
    }
    if skew > CLOCK_SKEW_MAX {
        return Check::warning(
            "clock",
            format!(
                "the data home's clock differs from this machine's by {} s",
                skew.as_secs()
            ),
            "set both (NTP): the age of unfinished uploads is measured with them",
        );
    }
    Check::ok("clock", "agrees with that of the data home")
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Check {
    let found = match rustix::fs::statvfs(folder) {
        Ok(found) => found,
        Err(error) => {
            return Check::warning(
                "free space",
                format!("it cannot be told: {error}"),
                "look at it with df",
            );
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{:.1} GB", free as f64 / 1e9);
    let remedy = "make room, or put archive and scratch on another disk ([stores.archive])";
    match free {
        ..FREE_BYTES_ERROR => Check::error("free space", text, remedy),
        FREE_BYTES_ERROR..FREE_BYTES_WARNING => Check::warning("free space", text, remedy),
        _ => Check::ok("free space", text),
    }
}

#[cfg(not(unix))]
fn free_space(_folder: &Path) -> Check {
    Check::ok("free space", "not told on this system")
}

/// Looks at the limits of this process and the memory of the machine.
pub(super) fn limits() -> Vec<Check> {
    vec![open_files(), memory()]
}

#[cfg(unix)]
fn open_files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(current) if current < OPEN_FILES_MIN => Check::warning(
            "open files",
            format!("at most {current}"),
            format!("ulimit -n {OPEN_FILES_MIN} or more, LimitNOFILE= in a unit of systemd"),
        ),
        Some(current) => Check::ok("open files", format!("at most {current}")),
        None => Check::ok("open files", "no limit"),
    }
}

#[cfg(not(unix))]
fn open_files() -> Check {
    Check::ok("open files", "not told on this system")
}

fn memory() -> Check {
    let told = std::fs::read_to_string("/proc/meminfo").ok();
    let Some(bytes) = told.as_deref().and_then(available_bytes) else {
        return Check::ok("memory", "not told on this system");
    };
    let text = format!("{:.1} GB available", bytes as f64 / 1e9);
    match bytes < MEMORY_BYTES_MIN {
        true => Check::warning(
            "memory",
            text,
            "give extract a smaller --memory, ingest --parallel 1",
        ),
        false => Check::ok("memory", text),
    }
}

/// Reads how much memory programs may still take from the text of `/proc/meminfo`.
fn available_bytes(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_text() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:   12000000 kB\n";
        assert_eq!(available_bytes(text), Some(12_000_000 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB"), None);
    }
}
