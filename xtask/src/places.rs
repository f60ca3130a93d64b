//! Where things are: the clone, its build directory, the cache outside of it, and which commit it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The root of the clone.
pub(crate) fn root() -> &'static Path {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir)
}

/// Cargo's build directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where the output of suites goes.
pub(crate) fn logs() -> Result<PathBuf> {
    made(target().join("xtask"))
}

/// What is kept between runs and shared by clones: tools, the test cloud.
pub(crate) fn cache() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = given("MASAKARI_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|c| c.join("masakari-rs")))
        .or_else(|| given("HOME").map(|h| h.join(".cache/masakari-rs")))
        .context("neither MASAKARI_CACHE nor HOME is set: nowhere to keep the cache")?;
    made(root)
}

/// Where measurements are kept, in the clone.
pub(crate) fn results() -> Result<PathBuf> {
    made(root().join("docs/results"))
}

pub(crate) fn made(directory: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// The commit of the clone, short; with `-dirty` when a file that git knows differs from it.
pub(crate) fn commit() -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root())
            .output()
            .context("cannot run git")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}
