//! [`Transport`] over the real network: reqwest with rustls.

use crate::transport::{Answer, Ask, Transport, TransportError};
use async_trait::async_trait;
use std::{path::PathBuf, time::Duration};

/// An answer larger than this is cut off as rubbish: no list that we page through comes near.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How to talk to servers.
#[derive(Clone, Default, Debug)]
pub struct HttpClientConfig {
    /// A PEM bundle to trust besides the system's; `cafile` of keystoneauth.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate; `insecure` of keystoneauth.
    pub insecure: bool,
    /// How long a connection may take to come about; 5 s when zero.
    pub connect_timeout: Duration,
}

/// Why there is no client.
#[derive(thiserror::Error, Debug)]
pub enum HttpClientError {
    /// The CA bundle cannot be read.
    #[error("cannot read the CA bundle {path}")]
    CaFile { path: PathBuf, source: std::io::Error },
    /// The CA bundle is not PEM, or TLS cannot be set up.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// # Errors
    /// When the CA bundle is missing or is not PEM.
    pub fn new(config: &HttpClientConfig) -> Result<Self, HttpClientError> {
        // The first caller decides; every other crate of ours would choose the same.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let connect = match config.connect_timeout {
            Duration::ZERO => Duration::from_secs(5),
            set => set,
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("masakari-rs/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .danger_accept_invalid_certs(config.insecure);
        if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path)
                .map_err(|source| HttpClientError::CaFile { path: path.clone(), source })?;
            for cert in
                reqwest::Certificate::from_pem_bundle(&pem).map_err(HttpClientError::Build)?
            {
                builder = builder.add_root_certificate(cert);
            }
        }
        Ok(Self(builder.build().map_err(HttpClientError::Build)?))
    }
}

#[async_trait]
impl Transport for HttpClient {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let to = ask.uri().authority().map_or_else(String::new, ToString::to_string);
        let failed = |e: reqwest::Error| explain(e, &to, deadline);
        let mut request = reqwest::Request::try_from(ask).map_err(failed)?;
        *request.timeout_mut() = Some(deadline);
        let mut response = self.0.execute(request).await.map_err(failed)?;
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if whole.len() + chunk.len() > ANSWER_BYTES_MAX {
                let why = format!("it is larger than {ANSWER_BYTES_MAX} bytes");
                return Err(TransportError::BrokeOff { from: to.clone(), why });
            }
            whole.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(whole.into());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

fn explain(e: reqwest::Error, to: &str, deadline: Duration) -> TransportError {
    let to = to.to_owned();
    if e.is_builder() || e.is_connect() {
        TransportError::Unreachable { to, why: innermost(&e) }
    } else if e.is_timeout() {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        TransportError::TimedOut { from: to, deadline_ms }
    } else {
        TransportError::BrokeOff { from: to, why: innermost(&e) }
    }
}

/// The cause at the bottom: reqwest's own sentence repeats the URL and says little.
fn innermost(e: &dyn std::error::Error) -> String {
    let mut cause = e;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
