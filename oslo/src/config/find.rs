//! Which files: what the command line names, else what oslo.config searches for.

use std::path::PathBuf;

use super::Source;
use crate::door::{ReadError, list, read_text};

/// A `--config-file` or `--config-dir`, in the order of the command line: the later wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    Dir(PathBuf),
}

/// Where defaults are searched: `~/.{project}`, `~`, `/etc/{project}`, `/etc`.
#[derive(Debug, Clone)]
pub struct Search {
    pub project: String,
    /// The program, such as `masakari-api`: its own file comes after the project's. May equal the
    /// project.
    pub program: String,
    pub home: Option<PathBuf>,
    /// `/etc`, save in tests.
    pub etc: PathBuf,
}

/// Reads the files in force. `--config-file` replaces the default files and `--config-dir` the
/// default directories, each only its own kind, as in the original.
pub fn gather(named: &[Location], search: &Search) -> Result<Vec<Source>, ReadError> {
    let mut paths = Vec::new();
    if !named.iter().any(|location| matches!(location, Location::File(_))) {
        paths.extend(search.find(".conf").filter(|path| path.is_file()));
    }
    if !named.iter().any(|location| matches!(location, Location::Dir(_))) {
        for dir in search.find(".conf.d") {
            paths.extend(list(&dir, ".conf")?);
        }
    }
    for location in named {
        match location {
            Location::File(path) => paths.push(path.clone()),
            Location::Dir(dir) => paths.extend(list(dir, ".conf")?),
        }
    }
    paths.into_iter().map(|path| read_text(&path).map(|text| Source::File { path, text })).collect()
}

impl Search {
    /// For the project and for the program: the first that exists.
    fn find(&self, extension: &'static str) -> impl Iterator<Item = PathBuf> {
        let homes = self
            .home
            .iter()
            .flat_map(|home| [home.join(format!(".{}", self.project)), home.clone()]);
        let dirs: Vec<PathBuf> =
            homes.chain([self.etc.join(&self.project), self.etc.clone()]).collect();
        let program = (self.program != self.project).then_some(&self.program);
        std::iter::once(&self.project).chain(program).filter_map(move |name| {
            dirs.iter().map(|dir| dir.join(format!("{name}{extension}"))).find(|path| path.exists())
        })
    }
}
