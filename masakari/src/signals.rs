//! When to stop: SIGTERM or SIGINT, once; the second one of either kills as usual. When to read the
//! configuration anew: SIGHUP, as oslo.service does.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns at the first SIGTERM or SIGINT.
pub(crate) async fn stop_asked() -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("{name}: stopping");
    Ok(())
}

/// The SIGHUPs of this process, one after the other.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// From here on a SIGHUP kills no more.
    pub(crate) fn heard() -> anyhow::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
