//! The one way to ask a service: with the process's one token, within a deadline, repeated only where
//! repeating is harmless.

use crate::{
    AskError, Asked, AuthConfig, Service, Under,
    answer::{judge, unanswered},
    catalog::url_of,
    flight::Flight,
    login::Login,
};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use oslo::Secret;
use ports::{Ask, Boot, Clock, Entropy, Transport, TransportError, within};
use serde_json::Value;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use url::Url;

pub use crate::answer::Reply;

/// How often one request is sent at most (a 401 that brings a new token begins anew, once).
const TRIES_MAX: u32 = 3;
/// The longest wait before the second try; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// A service that wants to be left alone for longer than this gets its answer passed on.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// For a log-in with its tries.
const LOGIN_DEADLINE: Duration = Duration::from_secs(20);

/// Which failures a request survives by being sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// None.
    Never,
    /// Those after which the service certainly did nothing: for what changes something.
    IfNotArrived,
    /// All that may pass: for what only reads.
    Safe,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub service: &'a Service,
    pub under: Under,
    /// Segments, unescaped.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, &'a str)],
    pub body: Option<Value>,
    /// `2.53`
    pub microversion: Option<&'a str>,
    /// A token to ask Keystone about.
    pub subject: Option<&'a Secret>,
    /// For everything: log-in, tries and waits.
    pub deadline: Duration,
    pub repeat: Repeat,
}

impl<'a> Request<'a> {
    /// Reads `path`.
    #[must_use]
    pub fn get(service: &'a Service, path: &'a [&'a str], deadline: Duration) -> Self {
        Self {
            method: Method::GET,
            service,
            under: Under::Endpoint,
            path,
            query: &[],
            body: None,
            microversion: None,
            subject: None,
            deadline,
            repeat: Repeat::Safe,
        }
    }

    /// Changes something by `body`.
    #[must_use]
    pub fn change(
        method: Method,
        service: &'a Service,
        path: &'a [&'a str],
        body: Value,
        deadline: Duration,
    ) -> Self {
        let body = Some(body);
        Self { method, body, repeat: Repeat::IfNotArrived, ..Self::get(service, path, deadline) }
    }
}

/// A process's access to a cloud; clones share it.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

impl fmt::Debug for Session {
    /// Without the ports, which may print what passed through them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("access", &self.0.access).finish_non_exhaustive()
    }
}

struct Inner {
    access: Access,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    login: Flight<Arc<Login>, AskError>,
    logins: AtomicU64,
}

#[derive(Debug)]
enum Access {
    Keystone(Box<AuthConfig>),
    /// keystoneauth's `none`, and Masakari's `noauth2` with its `user:project` for a token.
    Fixed {
        endpoint: Url,
        token: Option<Secret>,
    },
}

/// What it takes to send a request.
struct Ticket {
    endpoint: Url,
    token: Option<HeaderValue>,
    /// The log-in that the token came from.
    login: Option<u64>,
}

impl Session {
    /// A session with Keystone. Nothing is sent before the first question.
    #[must_use]
    pub fn new(
        config: AuthConfig,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self::over(Access::Keystone(Box::new(config)), transport, clock, entropy)
    }

    /// A session with a service that asks for no token of Keystone's, at `endpoint`.
    #[must_use]
    pub fn none(
        endpoint: Url,
        token: Option<Secret>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self::over(Access::Fixed { endpoint, token }, transport, clock, entropy)
    }

    fn over(
        access: Access,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let (login, logins) = (Flight::new(), AtomicU64::new(0));
        Self(Arc::new(Inner { access, transport, clock, entropy, login, logins }))
    }

    /// The clock that this session waits by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The options of the log-in, for who asks Keystone itself.
    pub(crate) fn keystone(&self) -> Option<&AuthConfig> {
        match &self.0.access {
            Access::Keystone(config) => Some(config),
            Access::Fixed { .. } => None,
        }
    }

    /// Where `service` is.
    pub async fn endpoint(&self, service: &Service) -> Result<Url, AskError> {
        self.ticket(service, None).await.map(|ticket| ticket.endpoint)
    }

    /// Logs in, unless that is done; for a check of the configuration.
    pub async fn log_in(&self) -> Result<(), AskError> {
        match &self.0.access {
            Access::Keystone(config) => self.login(config, None).await.map(|_| ()),
            Access::Fixed { .. } => Ok(()),
        }
    }

    /// Asks, and gives a 2xx answer.
    pub async fn ask(&self, request: Request<'_>) -> Result<Reply, AskError> {
        let until = self.clock().boot().plus(request.deadline);
        let id = format!("req-{}", self.0.entropy.uuid());
        let mut rejected = None;
        loop {
            let ticket = self.ticket_by(&request, &id, rejected, until).await?;
            let login = ticket.login;
            let outcome =
                self.send(build(&request, ticket, &id)?, request.repeat, &id, until).await;
            match outcome {
                // A token that was revoked, or a Keystone that lost its keys: a new token, once.
                Err(AskError::Unauthorized { .. }) if login.is_some() && rejected.is_none() => {
                    rejected = login;
                }
                done => return done,
            }
        }
    }

    /// A ticket, within the deadline; what goes wrong on the way to it means that nothing was sent.
    async fn ticket_by(
        &self,
        request: &Request<'_>,
        id: &str,
        rejected: Option<u64>,
        until: Boot,
    ) -> Result<Ticket, AskError> {
        let left = until.since(self.clock().boot());
        let asked = || {
            let to = format!("{} /{}", request.service.types.join("|"), request.path.join("/"));
            Box::new(Asked {
                method: request.method.clone(),
                to,
                status: None,
                request_id: id.into(),
            })
        };
        match within(self.clock(), left, self.ticket(request.service, rejected)).await {
            Some(Ok(ticket)) => Ok(ticket),
            Some(Err(
                refused @ (AskError::Unauthorized { .. }
                | AskError::NoEndpoint { .. }
                | AskError::Misconfigured { .. }),
            )) => Err(refused),
            Some(Err(source)) => {
                Err(AskError::NoLogin { asked: asked(), source: Box::new(source) })
            }
            None => {
                let late = TransportError::TimedOut {
                    from: "Keystone".into(),
                    deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                };
                let source = Box::new(unanswered(*asked(), late));
                Err(AskError::NoLogin { asked: asked(), source })
            }
        }
    }

    async fn ticket(&self, service: &Service, rejected: Option<u64>) -> Result<Ticket, AskError> {
        match &self.0.access {
            Access::Fixed { endpoint, token } => Ok(Ticket {
                endpoint: service.endpoint_override.as_ref().unwrap_or(endpoint).clone(),
                token: token.as_ref().map(sensitive).transpose()?,
                login: None,
            }),
            Access::Keystone(config) => {
                let login = self.login(config, rejected).await?;
                let region = service.region.as_deref().or(config.region_name.as_deref());
                let interface = service.interface.unwrap_or(config.interface);
                let endpoint = match &service.endpoint_override {
                    Some(set) => set.clone(),
                    None => login.catalog.find(service, region, interface)?,
                };
                let token = Some(login.token.clone());
                Ok(Ticket { endpoint, token, login: Some(login.number) })
            }
        }
    }

    /// The log-in that is good now and is not the `rejected` one.
    async fn login(
        &self,
        config: &AuthConfig,
        rejected: Option<u64>,
    ) -> Result<Arc<Login>, AskError> {
        let is_good = |login: &Arc<Login>| {
            self.clock().boot() < login.good_until && Some(login.number) != rejected
        };
        self.0.login.get(is_good, self.new_login(config)).await
    }

    async fn new_login(&self, config: &AuthConfig) -> Result<Arc<Login>, AskError> {
        let url = url_of(&auth_url(config)?, "v3", Under::Version, &["auth", "tokens"], &[])?;
        let id = format!("req-{}", self.0.entropy.uuid());
        let ask = json_ask(&Method::POST, &url, Some(&config.body()), &id)?;
        let asked_at = self.clock().boot();
        let until = asked_at.plus(LOGIN_DEADLINE);
        // A log-in changes nothing: one token too many does no harm.
        let reply = self.send(ask, Repeat::Safe, &id, until).await?;
        let number = self.0.logins.fetch_add(1, Ordering::SeqCst);
        let login = Login::read(reply, asked_at, number)?;
        tracing::debug!(keystone = %url.authority(), "logged in");
        Ok(Arc::new(login))
    }

    /// Sends `ask` until it is answered, as often as `repeat` allows.
    async fn send(
        &self,
        ask: Ask,
        repeat: Repeat,
        id: &str,
        until: Boot,
    ) -> Result<Reply, AskError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let left = until.since(self.clock().boot());
            let error = match self.send_once(ask.clone(), id, share(left, tries, repeat)).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let left = until.since(self.clock().boot());
            match self.wait_before_repeat(&error, repeat, tries) {
                Some(wait) if wait < left => {
                    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    tracing::debug!(%error, wait_ms, "asking again");
                    self.clock().sleep(wait).await;
                }
                Some(_) | None => return Err(error),
            }
        }
    }

    async fn send_once(&self, ask: Ask, id: &str, limit: Duration) -> Result<Reply, AskError> {
        let host = ask.uri().authority().map_or("", |authority| authority.as_str());
        let asked = Asked {
            method: ask.method().clone(),
            to: format!("{host}{}", ask.uri().path()),
            status: None,
            request_id: id.to_owned(),
        };
        let started = self.clock().boot();
        let outcome = match self.0.transport.send(ask, limit).await {
            Ok(answer) => judge(asked.clone(), answer),
            Err(source) => Err(unanswered(asked.clone(), source)),
        };
        let took = self.clock().boot().since(started);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(reply) => tracing::debug!(asked = %reply.asked, global_id = id, took_ms, "answered"),
            Err(error) => tracing::debug!(%error, global_id = id, took_ms, "not answered well"),
        }
        outcome
    }

    /// How long to wait before trying again; `None` when this failure is final.
    fn wait_before_repeat(&self, error: &AskError, repeat: Repeat, tries: u32) -> Option<Duration> {
        if tries >= TRIES_MAX || !may_repeat(error, repeat) {
            return None;
        }
        let backoff_ms = u64::try_from(BACKOFF.as_millis()).unwrap_or(u64::MAX) << (tries - 1);
        let jitter = Duration::from_millis(self.0.entropy.bits() % backoff_ms);
        match error.retry_after() {
            Some(asked_for) => (asked_for <= RETRY_AFTER_MAX).then(|| asked_for + jitter),
            None => Some(jitter),
        }
    }
}

fn may_repeat(error: &AskError, repeat: Repeat) -> bool {
    match (repeat, error) {
        (Repeat::Never, _) => false,
        (_, AskError::Unreachable { .. }) => true,
        (
            Repeat::IfNotArrived,
            AskError::OverLimit { retry_after, .. } | AskError::ServerFault { retry_after, .. },
        ) => retry_after.is_some(),
        (
            Repeat::Safe,
            AskError::NoAnswer { .. }
            | AskError::Rubbish { .. }
            | AskError::OverLimit { .. }
            | AskError::ServerFault { .. },
        ) => true,
        (Repeat::IfNotArrived | Repeat::Safe, _) => false,
    }
}

/// A first try that hangs must leave time for another: a connection to a server that died hangs too.
fn share(left: Duration, tries: u32, repeat: Repeat) -> Duration {
    match repeat {
        Repeat::Safe if tries < TRIES_MAX => left / 2,
        Repeat::Safe | Repeat::IfNotArrived | Repeat::Never => left,
    }
}

pub(crate) fn auth_url(config: &AuthConfig) -> Result<Url, AskError> {
    let parsed = Url::parse(&config.auth_url).map_err(|e| AskError::Misconfigured {
        option: "auth_url",
        why: format!("{:?}: {e}", config.auth_url),
    });
    // Old files name v2.0, which no Keystone has any more.
    parsed.map(|mut url| {
        if let Some(root) = url.path().trim_end_matches('/').strip_suffix("/v2.0") {
            let root = root.to_owned();
            url.set_path(&root);
        }
        url
    })
}

fn build(request: &Request<'_>, ticket: Ticket, id: &str) -> Result<Ask, AskError> {
    let version = request.service.version;
    let url = url_of(&ticket.endpoint, version, request.under, request.path, request.query)?;
    let mut ask = json_ask(&request.method, &url, request.body.as_ref(), id)?;
    let headers = ask.headers_mut();
    if let Some(token) = ticket.token {
        headers.insert("x-auth-token", token);
    }
    if let Some(subject) = request.subject {
        headers.insert("x-subject-token", sensitive(subject)?);
    }
    if let Some(version) = request.microversion
        && let Ok(value) = HeaderValue::try_from(format!("{} {version}", request.service.api))
    {
        headers.insert("openstack-api-version", value);
    }
    Ok(ask)
}

fn json_ask(method: &Method, url: &Url, body: Option<&Value>, id: &str) -> Result<Ask, AskError> {
    let mut builder = http::Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header("x-openstack-request-id", id);
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let bytes = body.map_or_else(Bytes::new, |body| body.to_string().into());
    builder
        .body(bytes)
        .map_err(|e| AskError::Misconfigured { option: "an endpoint", why: format!("{url}: {e}") })
}

fn sensitive(secret: &Secret) -> Result<HeaderValue, AskError> {
    let mut value =
        HeaderValue::try_from(secret.expose()).map_err(|_| AskError::Misconfigured {
            option: "a token",
            why: "it has characters that no HTTP header can carry".into(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}
