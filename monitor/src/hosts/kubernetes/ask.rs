//! Asks Kubernetes' API: a list of nodes, page by page, and a watch of them, line by line. It knows what the answers are, and not what
//! they mean for anybody.

use super::{
    access::{Access, AccessError, Place},
    node::{self, Event, LINE_BYTES_MOST, NODES_MOST, Node, Unreadable, shortened},
};
use bytes::Bytes;
use futures::FutureExt;
use http::{StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ports::{
    Ask, Boot, Clock, HttpClient, HttpClientConfig, HttpClientError, Pieces, Streams,
    TransportError, within,
};
use std::{fmt, sync::Arc, time::Duration};

/// A page of 250 nodes is some 5 MB.
const PAGE_NODES: usize = 250;
/// A whole page, on a busy API server.
const PAGE_DEADLINE: Duration = Duration::from_secs(30);
/// The beginning of a watch.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// A watch is ended by the API server after so long, and asked for again from where it was.
const WATCH_SECONDS: u64 = 300;
/// The API server sends a bookmark every minute: a watch that is silent for longer is dead.
pub const SILENCE_MOST: Duration = Duration::from_secs(150);
/// Of an answer that says why not.
const REFUSAL_BYTES_MOST: usize = 64 << 10;

/// Makes the connections for an access.
pub trait Connects: Send + Sync + fmt::Debug {
    /// # Errors
    /// When its certificates are none.
    fn connect(&self, access: &Access) -> Result<Arc<dyn Streams>, HttpClientError>;
}

/// Over the network.
#[derive(Clone, Copy, Debug)]
pub struct OverHttp;

impl Connects for OverHttp {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Streams>, HttpClientError> {
        let config = HttpClientConfig { insecure: access.insecure, ..HttpClientConfig::default() };
        Ok(Arc::new(HttpClient::watching(&config, &access.tls)?))
    }
}

/// Why Kubernetes' API cannot be asked.
#[derive(thiserror::Error, Debug)]
pub enum AskError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("the certificates for {server} cannot be used")]
    Tls { server: String, source: HttpClientError },
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the answer is not used: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("{server} does not know us (401): renew the token or the certificate")]
    WhoAreYou { server: String },
    #[error(
        "{server} does not let us {what} (403: {why}): apply packaging/kubernetes/masakari-hostmonitor.yaml, and use its service account"
    )]
    Forbidden { server: String, what: &'static str, why: String },
    #[error("{server} answers {status}: {why}")]
    Refused { server: String, status: u16, why: String },
    #[error("the watch said nothing for {} s, not even a bookmark", SILENCE_MOST.as_secs())]
    Silent,
    #[error("the list of nodes changed with every page, {0} times")]
    Restless(u32),
}

/// What came of a wait for the watch.
#[derive(Debug)]
pub enum Heard {
    Event(Event),
    /// It is over in good order: open it again.
    End,
    /// The time is.
    Nothing,
}

/// The API server of one cluster.
#[derive(Debug)]
pub struct Api {
    place: Place,
    connects: Arc<dyn Connects>,
    /// Which nodes.
    labels: String,
    clock: Arc<dyn Clock>,
    connected: Option<(Access, Arc<dyn Streams>)>,
}

/// A watch that is open.
pub struct Watch {
    pieces: Box<dyn Pieces>,
    /// What has come and is no whole line yet.
    rest: Vec<u8>,
    /// Where in it nobody has looked for the end of a line.
    looked: usize,
    heard_at: Boot,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({} bytes waiting)", self.rest.len())
    }
}

impl Api {
    #[must_use]
    pub fn new(
        place: Place,
        connects: Arc<dyn Connects>,
        labels: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { place, connects, labels, clock, connected: None }
    }

    /// All nodes, and the version of that list.
    ///
    /// # Errors
    /// When there is no whole list.
    pub async fn list(&mut self) -> Result<(Vec<Node>, String), AskError> {
        const TRIES: u32 = 3;
        for _ in 0..TRIES {
            if let Some(whole) = self.pages().await? {
                return Ok(whole);
            }
        }
        Err(AskError::Restless(TRIES))
    }

    /// None: the list had changed too much between two pages.
    async fn pages(&mut self) -> Result<Option<(Vec<Node>, String)>, AskError> {
        let (mut nodes, mut more) = (Vec::new(), None);
        loop {
            let next = more
                .as_deref()
                .map_or_else(String::new, |more| format!("&continue={}", escaped(more)));
            let ask = format!("limit={PAGE_NODES}{next}");
            let (ask, streams, server) = self.ask(&ask)?;
            let answer = streams.send(ask, PAGE_DEADLINE).await?;
            if answer.status() == StatusCode::GONE && more.is_some() {
                return Ok(None);
            }
            if answer.status() != StatusCode::OK {
                return Err(refused(&server, answer.status(), answer.body(), "list nodes"));
            }
            let page = node::page(answer.body())?;
            nodes.extend(page.nodes);
            if nodes.len() > NODES_MOST {
                return Err(Unreadable::TooMany.into());
            }
            more = page.more;
            if more.is_none() {
                return Ok(Some((nodes, page.version)));
            }
        }
    }

    /// What happens to nodes since `version`. None: that is forgotten.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub async fn watch(&mut self, version: &str) -> Result<Option<Watch>, AskError> {
        let ask = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            escaped(version)
        );
        let (ask, streams, server) = self.ask(&ask)?;
        let opened = streams.open(ask, OPEN_DEADLINE).await?;
        let (head, mut pieces) = opened.into_parts();
        match head.status {
            StatusCode::OK => {
                let heard_at = self.clock.boot();
                Ok(Some(Watch { pieces, rest: Vec::new(), looked: 0, heard_at }))
            }
            StatusCode::GONE => Ok(None),
            status => {
                let read = within(&*self.clock, OPEN_DEADLINE, whole(&mut *pieces)).await;
                let body = read.transpose()?.unwrap_or_default();
                Err(refused(&server, status, &body, "watch nodes"))
            }
        }
    }

    /// The question about nodes, and the way to go.
    fn ask(&mut self, query: &str) -> Result<(Ask, Arc<dyn Streams>, String), AskError> {
        let access = self.place.read()?;
        let kept = self
            .connected
            .take()
            // The token is sent with each question.
            .filter(|(of, _)| Access { token: access.token.clone(), ..of.clone() } == access);
        let streams = match kept {
            Some((_, streams)) => streams,
            None => self
                .connects
                .connect(&access)
                .map_err(|source| AskError::Tls { server: access.server.clone(), source })?,
        };
        let labels = match self.labels.as_str() {
            "" => String::new(),
            labels => format!("&labelSelector={}", escaped(labels)),
        };
        let uri = format!("{}/api/v1/nodes?{query}{labels}", access.server);
        let mut ask = http::Request::get(uri).header(header::ACCEPT, "application/json");
        if let Some(token) = &access.token {
            ask = ask.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let unusable = |error: http::Error| AskError::Refused {
            server: access.server.clone(),
            status: 0,
            why: format!("it cannot be asked: {error}"),
        };
        let ask = ask.body(Bytes::new()).map_err(unusable)?;
        let server = access.server.clone();
        self.connected = Some((access, Arc::clone(&streams)));
        Ok((ask, streams, server))
    }
}

impl Watch {
    /// The next event, waited for until `until` at most.
    ///
    /// # Errors
    /// When the watch broke, or is silent for too long.
    pub async fn next(&mut self, clock: &dyn Clock, until: Boot) -> Result<Heard, AskError> {
        loop {
            if let Some(event) = self.line()? {
                return Ok(Heard::Event(event));
            }
            let now = clock.boot();
            let dead_at = self.heard_at.plus(SILENCE_MOST);
            if now >= dead_at {
                return Err(AskError::Silent);
            }
            let wait = until.min(dead_at).since(now);
            match within(clock, wait, self.pieces.next()).await {
                Some(Ok(Some(piece))) => self.took(&piece, clock.boot()),
                Some(Ok(None)) => return Ok(Heard::End),
                Some(Err(error)) => return Err(error.into()),
                None if clock.boot() >= until => return Ok(Heard::Nothing),
                None => {}
            }
        }
    }

    /// An event that is here already.
    ///
    /// # Errors
    /// As for [`Self::next`].
    pub fn at_once(&mut self, clock: &dyn Clock) -> Result<Option<Event>, AskError> {
        loop {
            if let Some(event) = self.line()? {
                return Ok(Some(event));
            }
            match self.pieces.next().now_or_never() {
                Some(Ok(Some(piece))) => self.took(&piece, clock.boot()),
                // The end and the break are met by whoever waits.
                Some(Ok(None) | Err(_)) | None => return Ok(None),
            }
        }
    }

    fn took(&mut self, piece: &[u8], now: Boot) {
        self.rest.extend_from_slice(piece);
        self.heard_at = now;
    }

    fn line(&mut self) -> Result<Option<Event>, AskError> {
        let new = self.rest.get(self.looked..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.looked = self.rest.len();
            if self.rest.len() > LINE_BYTES_MOST {
                return Err(
                    Unreadable::Huge { bytes: self.rest.len(), most: LINE_BYTES_MOST }.into()
                );
            }
            return Ok(None);
        };
        let line: Vec<u8> = self.rest.drain(..=self.looked + end).collect();
        self.looked = 0;
        Ok(Some(node::event(line.trim_ascii_end())?))
    }
}

async fn whole(pieces: &mut dyn Pieces) -> Result<Vec<u8>, TransportError> {
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await? {
        whole.extend_from_slice(&piece);
        if whole.len() > REFUSAL_BYTES_MOST {
            break;
        }
    }
    Ok(whole)
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn refused(server: &str, status: StatusCode, body: &[u8], what: &'static str) -> AskError {
    let server = server.to_owned();
    let why = match node::said(body) {
        Ok((_, why)) => why,
        Err(_) => shortened(&String::from_utf8_lossy(body)),
    };
    match status {
        StatusCode::UNAUTHORIZED => AskError::WhoAreYou { server },
        StatusCode::FORBIDDEN => AskError::Forbidden { server, what, why },
        status => AskError::Refused { server, status: status.as_u16(), why },
    }
}
