//! Lists the files of the built portal for `src/portal.rs`, or none where it is not built.
//!
//! The list is Rust code with `include_bytes!`, so that a build needs neither Node.js nor a further crate.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Most files of the portal; more would be a mistake.
const FILES_MAX: usize = 200;

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let built = here.join("../../portal/dist");
    println!("cargo::rerun-if-changed=build.rs");
    if built.is_dir() {
        // Kept in the repository without content: cargo looks here for a portal that is built later.
        println!("cargo::rerun-if-changed={}", built.display());
    }
    let site = built.join("site");
    let mut files = Vec::new();
    if site.is_dir() {
        gather(&site, &mut files)?;
    }
    files.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut code = String::from("&[");
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&site).expect("found below it");
        let name = name.to_string_lossy().replace('\\', "/");
        // A copy: the portal may be built anew while the compiler is at work.
        let copy = out.join(format!("portal-{number}"));
        fs::copy(file, &copy)?;
        let _ = write!(code, "({name:?}, include_bytes!({copy:?}) as &[u8]),");
    }
    code.push(']');
    fs::write(out.join("portal_files.rs"), code)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let message = format!("{}: more than {FILES_MAX} files", folder.display());
            return Err(io::Error::other(message));
        }
    }
    Ok(())
}
