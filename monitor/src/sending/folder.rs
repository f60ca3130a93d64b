//! A folder of this machine: the few things that keeping takes, so that a test can cut the power at each.

use std::{
    fmt::Debug,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file that is larger is none of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Keeps files.
pub trait Folder: Send + Sync + Debug {
    /// The files.
    ///
    /// # Errors
    /// This and the others: when the machine refuses.
    fn names(&self) -> io::Result<Vec<String>>;
    /// What a file holds.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Makes a file, or makes it anew; it lasts when this returns, but its name may not.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name, and takes that from whichever has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes a file be no more.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// From here on the names last.
    fn settle(&self) -> io::Result<()>;
}

/// The real one. While it exists it is ours alone.
#[derive(Debug)]
pub struct SystemFolder {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl SystemFolder {
    /// Opens it, makes it if it is not there, and takes it for this process.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(path.join("lock"))?;
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(&lock, operation).map_err(|_| {
            io::Error::new(io::ErrorKind::WouldBlock, "another monitor is using it")
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

impl Folder for SystemFolder {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(self.path.join(name))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn settle(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
