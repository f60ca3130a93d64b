//! Serves the API on a socket until it shall stop.

use crate::{
    patience::Patient,
    tls::{Tls, TlsListener},
};
use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use ports::Clock;
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// After this, answers under way are given up: no handler waits longer for anything.
const GRACE: Duration = Duration::from_secs(15);

/// Who is at the other end of a request's connection, the caller or a proxy: an extension of every request,
/// as axum's `ConnectInfo<Peer>`, that [`serve`] puts there.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Sockets>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Sockets>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Where and how callers are listened to.
#[derive(Debug)]
pub struct Listening {
    pub socket: TcpListener,
    /// With this, callers speak TLS.
    pub tls: Option<Tls>,
    /// A connection on which nothing moves for so long is ended.
    pub silence_most: Option<Duration>,
}

impl Listening {
    /// Without TLS, and patiently.
    #[must_use]
    pub fn plainly(socket: TcpListener) -> Self {
        Self { socket, tls: None, silence_most: None }
    }
}

/// Accepts connections for answers.
pub(crate) struct Sockets {
    socket: TcpListener,
    clock: Arc<dyn Clock>,
    silence_most: Option<Duration>,
}

impl Listener for Sockets {
    type Io = Patient<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (connection, from) = Listener::accept(&mut self.socket).await;
        // An answer's last piece is not to wait for the client's acknowledgement of the one before.
        if let Err(why) = connection.set_nodelay(true) {
            tracing::debug!(%why, "a connection keeps Nagle's delay");
        }
        (Patient::new(connection, Arc::clone(&self.clock), self.silence_most), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Answers until `shutdown` is there; answers that are under way
/// then are finished.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listening: Listening,
    app: Router,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Listening { socket, tls, silence_most } = listening;
    let listener = Sockets { socket, clock: Arc::clone(&clock), silence_most };
    match tls {
        None => serve_on(listener, app, clock, shutdown).await,
        Some(tls) => serve_on(TlsListener { tcp: listener, tls }, app, clock, shutdown).await,
    }
}

async fn serve_on<L>(
    listener: L,
    app: Router,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let (ended, mut end) = watch::channel(());
    let app = app.into_make_service_with_connect_info::<Peer>();
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
