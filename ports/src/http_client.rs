//! [`Transport`] and [`Streams`] over the real network: reqwest with rustls.

use crate::transport::{Answer, Ask, Opened, Pieces, Streams, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt, path::PathBuf, time::Duration};

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
    /// Who we are, to servers that want a certificate.
    pub identity: Option<IdentityFiles>,
}

/// A client's certificate and its key, in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityFiles {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// TLS with somebody of whom a file of his own says whom to trust, and who we are: a Kubernetes, a Consul.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OwnTls {
    /// PEM: these authorities are trusted, and no others; none: the system's.
    pub trusted: Option<Vec<u8>>,
    /// PEM: our certificate and its key.
    pub identity: Option<Vec<u8>>,
}

impl fmt::Debug for OwnTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |pem: &Option<Vec<u8>>| pem.is_some();
        write!(f, "OwnTls(trusted: {}, identity: {})", has(&self.trusted), has(&self.identity))
    }
}

/// How often a connection that says nothing is asked whether it lives, and how long it may take to say so.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(thiserror::Error, Debug)]
pub enum HttpClientError {
    /// The CA bundle cannot be read.
    #[error("cannot read the CA bundle {path}")]
    CaFile { path: PathBuf, source: std::io::Error },
    /// The certificate or its key cannot be read.
    #[error("cannot read the certificate or key {path}")]
    Identity { path: PathBuf, source: std::io::Error },
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
        Ok(Self(Self::builder(config)?.build().map_err(HttpClientError::Build)?))
    }

    /// A client for watches: its connections may say nothing for long, and are known to live all the same.
    ///
    /// # Errors
    /// When what `own` holds is not PEM.
    pub fn watching(config: &HttpClientConfig, own: &OwnTls) -> Result<Self, HttpClientError> {
        let mut builder = Self::builder(config)?
            .no_proxy()
            .http2_keep_alive_interval(ALIVE_EVERY)
            .http2_keep_alive_timeout(ALIVE_EVERY)
            .http2_keep_alive_while_idle(true)
            .tcp_keepalive(ALIVE_EVERY)
            .tcp_keepalive_interval(ALIVE_EVERY / 3)
            .tcp_user_timeout(ALIVE_EVERY * 2);
        if let Some(pem) = &own.trusted {
            let trusted = reqwest::Certificate::from_pem_bundle(pem);
            builder = builder.tls_certs_only(trusted.map_err(HttpClientError::Build)?);
        }
        if let Some(pem) = &own.identity {
            let identity = reqwest::Identity::from_pem(pem).map_err(HttpClientError::Build)?;
            builder = builder.identity(identity);
        }
        Ok(Self(builder.build().map_err(HttpClientError::Build)?))
    }

    fn builder(config: &HttpClientConfig) -> Result<reqwest::ClientBuilder, HttpClientError> {
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
        if let Some(files) = &config.identity {
            builder = builder.identity(files.read()?);
        }
        Ok(builder)
    }
}

impl IdentityFiles {
    fn read(&self) -> Result<reqwest::Identity, HttpClientError> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|source| HttpClientError::Identity { path: path.clone(), source })
        };
        let mut pem = read(&self.cert_file)?;
        // A file without a last newline would swallow the next one's first line.
        pem.push(b'\n');
        pem.extend(read(&self.key_file)?);
        reqwest::Identity::from_pem(&pem).map_err(HttpClientError::Build)
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

#[async_trait]
impl Streams for HttpClient {
    #[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
    async fn open(&self, ask: Ask, deadline: Duration) -> Result<Opened, TransportError> {
        let to = ask.uri().authority().map_or_else(String::new, ToString::to_string);
        let request = reqwest::Request::try_from(ask).map_err(|e| explain(e, &to, deadline))?;
        // Not reqwest's own timeout: that would end the body, too.
        let begun = tokio::time::timeout(deadline, self.0.execute(request)).await;
        let mut response = match begun {
            Ok(answered) => answered.map_err(|e| explain(e, &to, deadline))?,
            Err(_) => return Err(timed_out(&to, deadline)),
        };
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body: Box<dyn Pieces> = Box::new(Body { response, from: to });
        let mut opened = http::Response::new(body);
        *opened.status_mut() = status;
        *opened.headers_mut() = headers;
        Ok(opened)
    }
}

struct Body {
    response: reqwest::Response,
    from: String,
}

#[async_trait]
impl Pieces for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let broke = |e: reqwest::Error| TransportError::BrokeOff {
            from: self.from.clone(),
            why: innermost(&e),
        };
        self.response.chunk().await.map_err(broke)
    }
}

fn timed_out(from: &str, deadline: Duration) -> TransportError {
    let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
    TransportError::TimedOut { from: from.to_owned(), deadline_ms }
}

fn explain(e: reqwest::Error, to: &str, deadline: Duration) -> TransportError {
    let to = to.to_owned();
    if e.is_builder() || e.is_connect() {
        TransportError::Unreachable { to, why: innermost(&e) }
    } else if e.is_timeout() {
        timed_out(&to, deadline)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that is asked once, sends each of `parts` when it is told to, and then holds the connection.
    fn server(parts: Vec<&'static [u8]>) -> (String, std::sync::mpsc::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (go, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]).unwrap();
            for part in parts {
                let Ok(()) = told.recv() else { return };
                stream.write_all(part).unwrap();
            }
            let _ = told.recv();
        });
        (url, go)
    }

    fn ask(url: &str) -> Ask {
        http::Request::get(url).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn a_watch_is_read_as_it_comes_though_it_never_ends() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        let (url, go) = server(vec![head, b"6\r\nsecond\r\n", b"0\r\n\r\n"]);
        let own = OwnTls::default();
        let client = HttpClient::watching(&HttpClientConfig::default(), &own).unwrap();
        go.send(()).unwrap();
        let (head, mut pieces) = client.open(ask(&url), SOON).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(pieces.next().await.unwrap().unwrap(), "first");
        go.send(()).unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap(), "second");
        go.send(()).unwrap();
        assert_eq!(pieces.next().await.unwrap(), None);
        assert_eq!(pieces.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_watch_that_does_not_begin_is_given_up_and_one_that_breaks_says_so() {
        let (url, go) = server(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
        let own = OwnTls::default();
        let client = HttpClient::watching(&HttpClientConfig::default(), &own).unwrap();
        let slow = client.open(ask(&url), Duration::from_millis(100)).await;
        assert!(matches!(slow, Err(TransportError::TimedOut { .. })));
        drop(go);
        let (url, go) = server(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
        go.send(()).unwrap();
        let mut pieces = client.open(ask(&url), SOON).await.unwrap().into_body();
        assert_eq!(pieces.next().await.unwrap().unwrap(), "half");
        drop(go);
        assert!(matches!(pieces.next().await, Err(TransportError::BrokeOff { .. })));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_a_key_is_never_shown() {
        let own = OwnTls { identity: Some(b"PRIVATE".to_vec()), ..OwnTls::default() };
        assert!(HttpClient::watching(&HttpClientConfig::default(), &own).is_err());
        assert!(!format!("{own:?}").contains("PRIVATE"));
    }
}
