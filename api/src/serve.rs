//! Serves the API on a socket until it shall stop.

use crate::tls::{Tls, TlsListener};
use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use ports::Clock;
use std::{fmt::Debug, future::Future, io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};

/// After this, answers under way are given up: no handler waits longer for anything.
const GRACE: Duration = Duration::from_secs(15);

/// Answers on `listener`, with TLS if there is one, until `shutdown` is there; answers that are under way
/// then are finished.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Router,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // An answer's last piece is not to wait for the client's acknowledgement of the one before.
        if let Err(why) = connection.set_nodelay(true) {
            tracing::debug!(%why, "a connection keeps Nagle's delay");
        }
    });
    match tls {
        None => serve_on(listener, app, clock, shutdown).await,
        Some(tls) => serve_on(TlsListener { tcp: listener, tls }, app, clock, shutdown).await,
    }
}

async fn serve_on<L: Listener<Addr: Debug>>(
    listener: L,
    app: Router,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (ended, mut end) = watch::channel(());
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        shutdown.await;
        drop(ended);
    });
    let too_long = async {
        // The sender is only ever dropped: that is the signal.
        let _ = end.changed().await;
        clock.sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        served = server => served,
        () = too_long => Ok(()),
    }
}
