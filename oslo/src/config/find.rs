//! Which files: what the command line names, else what oslo.config searches for.

use std::path::{Path, PathBuf};

use super::Source;
use crate::door::{ReadError, list, read_text};

/// A `--config-file` or `--config-dir`, in the order of the command line: the later wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    Dir(PathBuf),
}

/// Where defaults are searched: `~/.{project}`, `~`, `/etc/{project}`, `/etc`, and `etc/{project}` of
/// a snap.
#[derive(Debug, Clone)]
pub struct Search {
    pub project: String,
    /// The program, such as `masakari-api`: its own file comes after the project's. May equal the
    /// project.
    pub program: String,
    pub home: Option<PathBuf>,
    /// `/etc`, save in tests.
    pub etc: PathBuf,
    /// `SNAP_COMMON` and `SNAP`, those that are set.
    pub snaps: Vec<PathBuf>,
}

/// Reads the files in force. `--config-file` replaces the default files and `--config-dir` the
/// default directories, each only its own kind, as in the original.
pub fn gather(named: &[Location], search: &Search) -> Result<Vec<Source>, ReadError> {
    let mut paths = Vec::new();
    if !named.iter().any(|location| matches!(location, Location::File(_))) {
        paths.extend(search.find(".conf").filter(|path| path.is_file()));
    }
    if !named.iter().any(|location| matches!(location, Location::Dir(_))) {
        for dir in search.find(".conf.d").filter(|path| path.is_dir()) {
            paths.extend(list(&dir, ".conf")?);
        }
    }
    for location in named {
        match location {
            Location::File(path) => paths.push(path.clone()),
            Location::Dir(dir) => paths.extend(list(dir, ".conf")?),
        }
    }
    paths.iter().map(|path| read_source(path)).collect()
}

/// One file, as it is named.
pub fn read_source(path: &Path) -> Result<Source, ReadError> {
    Ok(Source::File { path: path.to_owned(), text: read_text(path)? })
}

impl Search {
    /// Where a file lies that the configuration names without a folder: the folders that were named,
    /// those of the files that were read, the last first, and then the default ones.
    pub fn beside(&self, named: &[Location], read: &[Source]) -> Vec<PathBuf> {
        let dirs = named.iter().filter_map(|location| match location {
            Location::Dir(dir) => Some(dir.clone()),
            Location::File(_) => None,
        });
        let files = read.iter().rev().filter_map(|source| match source {
            Source::File { path, .. } => path.parent().map(Path::to_owned),
            Source::Environment(_) | Source::CommandLine(_) => None,
        });
        dirs.chain(files).chain(self.dirs()).collect()
    }

    fn dirs(&self) -> Vec<PathBuf> {
        let homes = self
            .home
            .iter()
            .flat_map(|home| [home.join(format!(".{}", self.project)), home.clone()]);
        let system = [self.etc.join(&self.project), self.etc.clone()];
        let snaps = self.snaps.iter().map(|snap| snap.join("etc").join(&self.project));
        homes.chain(system).chain(snaps).collect()
    }

    /// For the project and for the program: the first that exists.
    fn find(&self, extension: &'static str) -> impl Iterator<Item = PathBuf> {
        let dirs = self.dirs();
        let program = (self.program != self.project).then_some(&self.program);
        std::iter::once(&self.project).chain(program).filter_map(move |name| {
            dirs.iter().map(|dir| dir.join(format!("{name}{extension}"))).find(|path| path.exists())
        })
    }
}
