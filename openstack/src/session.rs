//! The one way to ask a service: with the process's one token, within a deadline, repeated only where
//! repeating is harmless.

use crate::{
    AskError, Asked, AuthConfig, Service, Under,
    answer::{judge, unanswered},
    catalog::url_of,
    flight::Flight,
    login::Login,
    ticket::{Ticket, by_keystone, fixed, sensitive},
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
    /// None, and it is sent at once or not at all: whoever asks has just looked whether it may be done, and a log-in
    /// or a second try could come after that has changed. [`Session::ready`] comes before the look.
    AtOnce,
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
    /// The number of the first log-in that no service has refused.
    good_from: AtomicU64,
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
        let (login, logins, good_from) = (Flight::new(), AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { access, transport, clock, entropy, login, logins, good_from }))
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
        self.ticket(service).await.map(|ticket| ticket.endpoint)
    }

    /// Logs in, unless that is done; for a check of the configuration.
    pub async fn log_in(&self) -> Result<(), AskError> {
        match &self.0.access {
            Access::Keystone(config) => self.login(config).await.map(|_| ()),
            Access::Fixed { .. } => Ok(()),
        }
    }

    /// Makes that `service` can be asked [at once](Repeat::AtOnce): logs in, unless a good token is at hand.
    pub async fn ready(&self, service: &Service, deadline: Duration) -> Result<(), AskError> {
        let request = Request::get(service, &[], deadline);
        let id = format!("req-{}", self.0.entropy.uuid());
        let until = self.clock().boot().plus(deadline);
        self.ticket_by(&request, &id, until).await.map(|_| ())
    }

    /// Asks, and gives a 2xx answer.
    pub async fn ask(&self, request: Request<'_>) -> Result<Reply, AskError> {
        let until = self.clock().boot().plus(request.deadline);
        let id = format!("req-{}", self.0.entropy.uuid());
        let mut renewed = false;
        loop {
            let ticket = match request.repeat {
                Repeat::AtOnce => self.ticket_at_hand(&request, &id)?,
                Repeat::Never | Repeat::IfNotArrived | Repeat::Safe => {
                    self.ticket_by(&request, &id, until).await?
                }
            };
            let login = ticket.login;
            let outcome =
                self.send(build(&request, ticket, &id)?, request.repeat, &id, until).await;
            match (outcome, login) {
                // A token that was revoked, or a Keystone that lost its keys: a new token, once.
                (Err(AskError::Unauthorized { asked, message }), Some(login)) if !renewed => {
                    self.0.good_from.fetch_max(login + 1, Ordering::SeqCst);
                    if request.repeat == Repeat::AtOnce {
                        let why = format!("our token is not valid any more: {message}");
                        return Err(AskError::NotAtOnce { asked, why });
                    }
                    renewed = true;
                }
                (done, _) => return done,
            }
        }
    }

    /// The ticket for which nobody has to be asked.
    fn ticket_at_hand(&self, request: &Request<'_>, id: &str) -> Result<Ticket, AskError> {
        match &self.0.access {
            Access::Fixed { endpoint, token } => fixed(endpoint, token.as_ref(), request.service),
            Access::Keystone(config) => match self.0.login.at_hand() {
                Some(login) if self.is_good(&login) => by_keystone(config, request.service, &login),
                Some(_) | None => {
                    let why = "no valid token is at hand".into();
                    Err(AskError::NotAtOnce { asked: asked_by(request, id), why })
                }
            },
        }
    }

    /// A ticket, within the deadline; what goes wrong on the way to it means that nothing was sent.
    async fn ticket_by(
        &self,
        request: &Request<'_>,
        id: &str,
        until: Boot,
    ) -> Result<Ticket, AskError> {
        let left = until.since(self.clock().boot());
        let asked = || asked_by(request, id);
        match within(self.clock(), left, self.ticket(request.service)).await {
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

    async fn ticket(&self, service: &Service) -> Result<Ticket, AskError> {
        match &self.0.access {
            Access::Fixed { endpoint, token } => fixed(endpoint, token.as_ref(), service),
            Access::Keystone(config) => by_keystone(config, service, &*self.login(config).await?),
        }
    }

    /// The log-in that is good now.
    async fn login(&self, config: &AuthConfig) -> Result<Arc<Login>, AskError> {
        self.0.login.get(|login| self.is_good(login), self.new_login(config)).await
    }

    /// Whether it has not expired, and no service has refused it.
    fn is_good(&self, login: &Login) -> bool {
        let good_from = self.0.good_from.load(Ordering::SeqCst);
        self.clock().boot() < login.good_until && login.number >= good_from
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

/// A request that has not been sent yet, for the sentence of an error.
fn asked_by(request: &Request<'_>, id: &str) -> Box<Asked> {
    let to = format!("{} /{}", request.service.types.join("|"), request.path.join("/"));
    Box::new(Asked { method: request.method.clone(), to, status: None, request_id: id.into() })
}

fn may_repeat(error: &AskError, repeat: Repeat) -> bool {
    match (repeat, error) {
        (Repeat::AtOnce | Repeat::Never, _) => false,
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
        Repeat::Safe | Repeat::IfNotArrived | Repeat::Never | Repeat::AtOnce => left,
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
