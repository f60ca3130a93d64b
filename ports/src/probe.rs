//! Asks a server of somebody else whether it is up: does it take a connection, does it answer a `GET`?
//!
//! The server is not trusted. Nothing of what it says goes further than a status or an error; its answer's
//! body is not read, it cannot send us elsewhere (no redirects, no proxy), and it cannot keep us.

use async_trait::async_trait;
use std::{fmt::Debug, net::SocketAddr, time::Duration};

/// Asks whether somebody is up.
#[async_trait]
pub trait Probe: Send + Sync + Debug {
    /// Whether `to` takes a connection.
    ///
    /// # Errors
    /// Why not, for people.
    async fn connects(&self, to: SocketAddr, deadline: Duration) -> Result<(), ProbeError>;

    /// The status that a `GET` of `path` is answered with.
    ///
    /// # Errors
    /// Why there is none, for people.
    async fn status(
        &self,
        to: SocketAddr,
        path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError>;
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum ProbeError {
    #[error("refused the connection")]
    Refused,
    #[error("does not answer")]
    Silent,
    /// Anything but HTTP, or no URL.
    #[error("does not answer with HTTP")]
    Rubbish,
}

/// The real network.
#[derive(Clone, Debug)]
pub struct NetworkProbe(reqwest::Client);

impl NetworkProbe {
    /// # Errors
    /// When TLS cannot be set up, without which there is no HTTP client.
    pub fn new() -> Result<Self, crate::HttpClientError> {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("masakari-rs/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build();
        Ok(Self(client.map_err(crate::HttpClientError::Build)?))
    }
}

#[async_trait]
impl Probe for NetworkProbe {
    async fn connects(&self, to: SocketAddr, deadline: Duration) -> Result<(), ProbeError> {
        #[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
        let connected = tokio::time::timeout(deadline, tokio::net::TcpStream::connect(to)).await;
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(ProbeError::Refused)
            }
            Ok(Err(_)) | Err(_) => Err(ProbeError::Silent),
        }
    }

    async fn status(
        &self,
        to: SocketAddr,
        path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError> {
        let asked = self.0.get(format!("http://{to}{path}")).timeout(deadline).send().await;
        match asked {
            // The body is left where it is.
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(e) if e.is_timeout() => Err(ProbeError::Silent),
            Err(e) if e.is_connect() => Err(ProbeError::Refused),
            Err(_) => Err(ProbeError::Rubbish),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that answers each connection with `answer`, and holds it open.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a server beside the test")]
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 1024];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer).await;
                held.push(stream);
            }
        });
        to
    }

    fn probe() -> NetworkProbe {
        NetworkProbe::new().unwrap()
    }

    #[tokio::test]
    async fn a_port_that_listens_connects_and_one_that_does_not_is_refused() {
        let to = server(b"").await;
        assert_eq!(probe().connects(to, SOON).await, Ok(()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(probe().connects(closed, SOON).await, Err(ProbeError::Refused));
        assert_eq!(probe().status(closed, "/", SOON).await, Err(ProbeError::Refused));
    }

    #[tokio::test]
    async fn the_status_is_known_though_the_body_never_ends() {
        let to = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(probe().status(to, "/healthz", SOON).await, Ok(204));
        let endless = server(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n...").await;
        assert_eq!(probe().status(endless, "/", SOON).await, Ok(200));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let to = server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n").await;
        assert_eq!(probe().status(to, "/", SOON).await, Ok(302));
    }

    #[tokio::test]
    async fn silence_and_rubbish_are_told_apart_and_keep_nobody() {
        let soon = Duration::from_millis(200);
        assert_eq!(probe().status(server(b"").await, "/", soon).await, Err(ProbeError::Silent));
        let ssh = server(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
        assert_eq!(probe().status(ssh, "/", SOON).await, Err(ProbeError::Rubbish));
    }
}
