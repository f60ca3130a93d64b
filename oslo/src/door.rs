//! The only place of this crate that touches the file system.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A configuration or policy file is kilobytes; what is larger was named by mistake.
const FILE_BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}; check that it exists and this user may read it", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is larger than {FILE_BYTES_MAX} bytes; is it the right file?", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not UTF-8 text; save it as UTF-8", path.display())]
    NotText { path: PathBuf },
}

pub(crate) fn read_text(path: &Path) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| ReadError::NotText { path: path.to_owned() })
}

/// The files of a directory whose name ends with `suffix`, in the order of their names; hidden ones
/// are not counted, as a shell's `*` does not count them.
pub(crate) fn list(dir: &Path, suffix: &str) -> Result<Vec<PathBuf>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name.ends_with(suffix) && !name.starts_with('.') && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
