//! The way by which Pacemaker's alert agent wakes us: a datagram says that it is time to look, and nothing else.
//!
//! Whoever may write to the socket can have us look, ten times a second at the most, and can make us believe nothing.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::net::UnixDatagram;

/// Nobody writes more.
const BYTES_MOST: usize = 512;

/// The socket of the monitor.
#[derive(Debug)]
pub struct Alerts {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Alerts {
    /// Takes the place at `path`, where one of us that was killed may have left its own.
    ///
    /// # Errors
    /// It cannot be made there.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let socket = UnixDatagram::bind(path)?;
        // Pacemaker runs its agents as hacluster.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Returns when something may have changed: with what the first who said so said. What else is there is taken, too.
    pub async fn heard(&self) -> String {
        let mut bytes = [0; BYTES_MOST];
        let first = match self.socket.recv(&mut bytes).await {
            Ok(length) => String::from_utf8_lossy(&bytes[..length]).into_owned(),
            Err(error) => {
                tracing::warn!(%error, "Pacemaker's alerts cannot be heard; it is asked every monitoring_interval");
                return std::future::pending().await;
            }
        };
        while self.socket.try_recv(&mut bytes).is_ok() {}
        first.chars().filter(|c| !c.is_control()).collect()
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// The agent's part: tells the monitor of this host. A monitor that is not there, or has not read yet, needs no telling.
///
/// # Errors
/// There is no way to tell it.
pub fn tell(path: &Path, what: &str) -> io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let what = &what.as_bytes()[..what.len().min(BYTES_MOST)];
    match socket.send_to(what, path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}
