//! The status socket: whoever connects gets one JSON document of how everything stands, and the end of it.
//!
//! It lies in the folder of the program that it tells of, below `state_path`, which is its user's alone.

use monitor::Board;
use ports::{Clock, within};
use std::{path::Path, time::Duration};
use tokio::{io::AsyncWriteExt, net::UnixListener};

/// For one who asks and does not read.
const DEADLINE: Duration = Duration::from_secs(2);
/// After an error of the socket itself, as when no more files can be opened.
const PAUSE: Duration = Duration::from_secs(1);

/// Who tells.
pub(super) struct About {
    pub(super) program: &'static str,
    pub(super) host: String,
}

/// Serves for ever. Without a place, or where that cannot be, nobody is told anything.
pub(super) async fn serve(place: Option<&Path>, board: &Board, about: &About, clock: &dyn Clock) {
    let Some(place) = place else { return std::future::pending().await };
    let socket = match bound(place) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(
                "nobody can ask how this process stands: {}: {error}; `masakari monitors` will miss it",
                place.display()
            );
            return std::future::pending().await;
        }
    };
    let _gone_with_us = Unlink(place);
    loop {
        let mut asking = match socket.accept().await {
            Ok((asking, _)) => asking,
            Err(error) => {
                tracing::debug!(%error, "the status socket");
                clock.sleep(PAUSE).await;
                continue;
            }
        };
        let shown = board.shown(about.program, &about.host, std::process::id());
        let text = serde_json::to_string(&shown).unwrap_or_default();
        let tell = async {
            asking.write_all(text.as_bytes()).await?;
            asking.shutdown().await
        };
        if !matches!(within(clock, DEADLINE, tell).await, Some(Ok(()))) {
            tracing::debug!("who asked how this process stands did not read it");
        }
    }
}

/// The folder is ours alone, so what lies there was left by one of us that was killed.
fn bound(place: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(place) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    UnixListener::bind(place)
}

struct Unlink<'p>(&'p Path);

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        drop(std::fs::remove_file(self.0));
    }
}
