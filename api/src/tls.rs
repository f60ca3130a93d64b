//! TLS for those who have no proxy that speaks it: `[DEFAULT] use_ssl`.

use crate::{patience::Patient, serve::Sockets};
use axum::serve::Listener;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there can be no TLS.
#[derive(thiserror::Error, Debug)]
pub enum TlsError {
    #[error(
        "{path} cannot be used as {what} in PEM; see that it is there, readable and not encrypted"
    )]
    File { path: PathBuf, what: &'static str, source: Cause },
    #[error("certificate and key do not make a server; see that they belong together")]
    Pair(#[source] Cause),
}

/// Our certificate and key, and whose certificates callers must show.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files. With `authority` only callers with a certificate of it are spoken with.
    ///
    /// # Errors
    /// When a file is not what it should be, or key and certificate do not fit.
    pub fn read(cert: &Path, key: &Path, authority: Option<&Path>) -> Result<Self, TlsError> {
        let wrong = |path: &Path, what, source: Cause| TlsError::File {
            path: path.to_owned(),
            what,
            source,
        };
        let private = PrivateKeyDer::from_pem_file(key);
        let private = private.map_err(|e| wrong(key, "a private key", e.into()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::Pair(e.into()))?;
        let builder = match authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let bad = |source: Cause| wrong(path, "an authority's certificate", source);
                let mut roots = RootCertStore::empty();
                for root in certificates(path).map_err(|e| bad(e.into()))? {
                    roots.add(root).map_err(|e| bad(e.into()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|e| bad(e.into()))?)
            }
        };
        let chain = certificates(cert).map_err(|e| wrong(cert, "a certificate", e.into()))?;
        let config = builder.with_single_cert(chain, private);
        let mut config = config.map_err(|e| TlsError::Pair(e.into()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

fn certificates(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if found.is_empty() { Err(rustls::pki_types::pem::Error::NoItemsFound) } else { Ok(found) }
}

/// Accepts connections whose first bytes are a handshake.
pub(crate) struct TlsListener {
    pub(crate) tcp: Sockets,
    pub(crate) tls: Tls,
}

impl Listener for TlsListener {
    type Io = Shaking;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Shaking, SocketAddr) {
        let (stream, from) = self.tcp.accept().await;
        (Shaking::Hands(Box::new(self.tls.0.accept(stream))), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

type Tunnel = TlsStream<Patient<TcpStream>>;

/// A connection that shakes hands when it is first read: in its own task, so that a slow caller holds up
/// nobody else.
pub(crate) enum Shaking {
    Hands(Box<Accept<Patient<TcpStream>>>),
    Done(Box<Tunnel>),
}

impl Shaking {
    fn done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut Tunnel>>> {
        if let Self::Hands(accept) = self {
            let stream = ready!(Pin::new(accept.as_mut()).poll(cx))?;
            *self = Self::Done(Box::new(stream));
        }
        match self {
            Self::Done(stream) => Poll::Ready(Ok(Pin::new(stream.as_mut()))),
            Self::Hands(_) => Poll::Pending,
        }
    }
}

impl AsyncRead for Shaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.done(cx))?.poll_read(cx, into)
    }
}

impl AsyncWrite for Shaking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.done(cx))?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.done(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            // Nobody was greeted, so there is nobody to say good-bye to.
            Self::Hands(_) => Poll::Ready(Ok(())),
            Self::Done(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
