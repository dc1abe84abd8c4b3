//! The program, run in a folder of its own, without the environment of whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder to run the program in.
pub struct Place {
    folder: TempDir,
}

/// What the program did.
pub struct Outcome {
    /// Exit code.
    pub code: i32,
    /// Standard output, the folder's name replaced by `DIR`.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Place {
    /// Makes an empty folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Returns a path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into it; folders are made as needed.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        let folder = path.parent().expect("a file in the folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Returns the program with the folder as the current one, without the environment of the tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swath"));
        command.current_dir(self.folder.path()).args(args);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("SWATH_") || text.starts_with("AWS_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Runs the program with the folder as the current one.
    pub fn swath(&self, args: &[&str]) -> Outcome {
        self.run(&mut self.command(args))
    }

    /// Runs a command that [`Place::command`] made.
    pub fn run(&self, command: &mut Command) -> Outcome {
        let output = command.output().expect("the program");
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.replace(&self.folder.path().display().to_string(), "DIR")
        };
        Outcome {
            code: output.status.code().expect("not killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Outcome {
    /// Returns standard output of a run that went well.
    ///
    /// # Panics
    /// Where it did not.
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        &self.stdout
    }
}

/// Returns a folder of real data, or says that the test is skipped.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("SWATH_SHARED").map_or(beside, PathBuf::from);
    let found = root.join("data").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: {} is not there", found.display());
    None
}
