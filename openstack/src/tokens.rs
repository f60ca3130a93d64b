//! Whose token is this? What keystonemiddleware does for Python services: Keystone is asked, and its
//! answer is believed for a while.
//!
//! Neither tokens nor answers about them are written anywhere; the cache knows a token by its hash.

use crate::{
    AskError, Request, Secret, Service, Session, Under, flight::Flight, moment, session::auth_url,
};
use ports::{Boot, Clock};
use recovery::Millis;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long answers are believed, and how many.
#[derive(Clone, Copy, Debug)]
pub struct TokenCache {
    /// `token_cache_time` of keystonemiddleware. A token that is revoked works for this long.
    pub good_for: Duration,
    /// For a token that Keystone does not know.
    pub bad_for: Duration,
    pub tokens_max: usize,
    /// For one validation.
    pub deadline: Duration,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self {
            good_for: Duration::from_secs(300),
            bad_for: Duration::from_secs(10),
            tokens_max: 4096,
            deadline: Duration::from_secs(20),
        }
    }
}

/// Who a token stands for, and in which scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub user_id: String,
    pub user_name: String,
    pub user_domain_id: Option<String>,
    pub user_domain_name: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub project_domain_id: Option<String>,
    pub project_domain_name: Option<String>,
    /// The domain that the token is scoped to, if it is.
    pub domain_id: Option<String>,
    pub domain_name: Option<String>,
    /// Names.
    pub roles: Vec<String>,
    /// `all` for a token of the whole cloud.
    pub system_scope: Option<String>,
    /// As keystonemiddleware has it: true unless Keystone says otherwise.
    pub is_admin_project: bool,
    pub expires_at: Millis,
}

/// Why a token is not taken.
#[derive(Clone, thiserror::Error, Debug)]
pub enum TokenError {
    /// Nobody's, expired or revoked: 401.
    #[error("the token is not valid, or no longer; get a new one")]
    Invalid,
    /// Keystone cannot be asked, or refuses our own credentials: 503, and never 401, because the
    /// client's token may be good.
    #[error("Keystone cannot tell whose token it is")]
    KeystoneAway { source: AskError },
}

/// Asks Keystone about tokens; clones share what is known.
#[derive(Clone, Debug)]
pub struct TokenValidator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    session: Session,
    clock: Arc<dyn Clock>,
    cache: TokenCache,
    known: Mutex<BTreeMap<[u8; 32], Known>>,
}

#[derive(Debug)]
struct Known {
    verdict: Arc<Flight<Verdict, TokenError>>,
    used: Boot,
}

/// Keystone's word, and how long we take it.
#[derive(Clone, Debug)]
struct Verdict {
    identity: Option<Arc<Identity>>,
    until: Boot,
}

impl TokenValidator {
    /// Asks with the session's own token, at its `auth_url`.
    #[must_use]
    pub fn new(session: Session, clock: Arc<dyn Clock>, cache: TokenCache) -> Self {
        Self(Arc::new(Inner { session, clock, cache, known: Mutex::default() }))
    }

    /// Whose token this is. The same token is asked about once, however many ask at the same time.
    pub async fn validate(&self, token: &str) -> Result<Arc<Identity>, TokenError> {
        // Keystone's tokens are printable; anything else is not sent.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Invalid);
        }
        let flight = self.known(Sha256::digest(token).into());
        let is_fresh = |verdict: &Verdict| self.0.clock.boot() < verdict.until;
        let verdict = flight.get(is_fresh, self.ask(Secret::new(token))).await?;
        verdict.identity.ok_or(TokenError::Invalid)
    }

    fn known(&self, key: [u8; 32]) -> Arc<Flight<Verdict, TokenError>> {
        let used = self.0.clock.boot();
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&key) && known.len() >= self.0.cache.tokens_max {
            let stalest = known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| *key);
            stalest.and_then(|key| known.remove(&key));
        }
        let entry =
            known.entry(key).or_insert_with(|| Known { verdict: Arc::new(Flight::new()), used });
        entry.used = used;
        entry.verdict.clone()
    }

    async fn ask(&self, token: Secret) -> Result<Verdict, TokenError> {
        let away = |source| TokenError::KeystoneAway { source };
        let asked_at = self.0.clock.boot();
        let reply = match self.ask_keystone(&token).await {
            Ok(reply) => reply,
            Err(AskError::NotFound { .. }) => {
                let until = asked_at.plus(self.0.cache.bad_for);
                return Ok(Verdict { identity: None, until });
            }
            Err(source) => return Err(away(source)),
        };
        let keystones_now = reply.date().unwrap_or_else(|| self.0.clock.wall());
        let asked = reply.asked.clone();
        let body: Body = reply.read("a token's data").map_err(away)?;
        let strange = || AskError::Rubbish {
            asked: Box::new(asked),
            expected: "a token's time of expiry",
            excerpt: body.token.expires_at.clone(),
        };
        let expires_at = moment::read(&body.token.expires_at).ok_or_else(|| away(strange()))?;
        let left_ms = u64::try_from(expires_at.since(keystones_now)).unwrap_or(0);
        let good_for = self.0.cache.good_for.min(Duration::from_millis(left_ms));
        let identity = (left_ms > 0).then(|| Arc::new(body.token.identity(expires_at)));
        Ok(Verdict { identity, until: asked_at.plus(good_for) })
    }

    async fn ask_keystone(&self, token: &Secret) -> Result<crate::Reply, AskError> {
        let endpoint = match self.0.session.keystone() {
            Some(config) => Some(auth_url(config)?),
            None => None,
        };
        let identity = Service {
            types: vec!["identity".into()],
            endpoint_override: endpoint,
            version: "v3",
            api: "identity",
            ..Service::default()
        };
        let request = Request {
            under: Under::Version,
            query: &[("nocatalog", "1")],
            subject: Some(token),
            ..Request::get(&identity, &["auth", "tokens"], self.0.cache.deadline)
        };
        self.0.session.ask(request).await
    }
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    expires_at: String,
    user: Named,
    project: Option<Named>,
    domain: Option<Named>,
    #[serde(default)]
    roles: Vec<Named>,
    #[serde(default)]
    system: BTreeMap<String, bool>,
    is_admin_project: Option<bool>,
}

/// Keystone's way to name a user, a project, a domain or a role.
#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    domain: Option<Box<Named>>,
}

impl Token {
    fn identity(self, expires_at: Millis) -> Identity {
        let (user_domain_id, user_domain_name) = Named::split(self.user.domain.map(|named| *named));
        let (project, project_domain) = match self.project {
            Some(project) => (Some((project.id, project.name)), project.domain.map(|named| *named)),
            None => (None, None),
        };
        let (project_id, project_name) = project.unzip();
        let (project_domain_id, project_domain_name) = Named::split(project_domain);
        let (domain_id, domain_name) = Named::split(self.domain);
        Identity {
            user_id: self.user.id,
            user_name: self.user.name,
            user_domain_id,
            user_domain_name,
            project_id,
            project_name,
            project_domain_id,
            project_domain_name,
            domain_id,
            domain_name,
            roles: self.roles.into_iter().map(|role| role.name).collect(),
            system_scope: self.system.into_iter().find(|(_, is)| *is).map(|(scope, _)| scope),
            is_admin_project: self.is_admin_project.unwrap_or(true),
            expires_at,
        }
    }
}

impl Named {
    fn split(named: Option<Self>) -> (Option<String>, Option<String>) {
        named.map(|named| (named.id, named.name)).unzip()
    }
}
