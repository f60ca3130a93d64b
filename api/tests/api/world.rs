//! The application and those who call it.

use crate::{
    cloud::{self, Cloud},
    openapi,
};
use api::{ApiState, Auth, Config, Healthcheck, Peer, RULES};
use async_trait::async_trait;
use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use openstack::{
    AuthConfig, Session,
    nova::{Nova, NovaConfig},
    tokens::{TokenCache, TokenValidator},
};
use oslo::policy::{Enforcer, RuleText};
use ports::{Boot, Clock, Entropy, SeededEntropy};
use recovery::Millis;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{Memory, Store};
use tokio::time::Instant;
use tower::ServiceExt;

pub(crate) struct World {
    pub(crate) app: Router,
    pub(crate) store: Memory,
    /// How the application reaches its data: those of `store`, or of a database.
    pub(crate) door: Arc<dyn Store>,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) clock: Arc<dyn Clock>,
    time: Arc<TestClock>,
    woken: Arc<AtomicUsize>,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    Admin,
    Demo,
    /// Of the same project as `Demo`.
    Reader,
    /// An administrator of another project.
    Other,
}

impl Client {
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Admin => cloud::ADMIN_TOKEN,
            Self::Demo => cloud::DEMO_TOKEN,
            Self::Reader => cloud::READER_TOKEN,
            Self::Other => cloud::OTHER_TOKEN,
        }
    }

    pub(crate) fn project(self) -> &'static str {
        match self {
            Self::Admin => cloud::ADMIN_PROJECT,
            Self::Demo | Self::Reader => cloud::DEMO_PROJECT,
            Self::Other => cloud::OTHER_PROJECT,
        }
    }
}

/// What an operator has set.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) policy: BTreeMap<String, RuleText>,
    /// `auth_strategy = noauth2`.
    pub(crate) trust: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config {
            www_authenticate_uri: Some("http://127.0.0.1:5000".into()),
            healthcheck: Healthcheck { disable_by_file_path: None, ..Healthcheck::default() },
            ..Config::default()
        };
        Self { config, policy: BTreeMap::new(), trust: false }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

/// A clock that goes with tokio's and can be put forward, so that tests wait for nothing.
#[derive(Debug)]
struct TestClock {
    began: Instant,
    ahead_ms: AtomicU64,
}

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    fn new() -> Self {
        Self { began: Instant::now(), ahead_ms: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Clock for TestClock {
    fn wall(&self) -> Millis {
        // 2026-11-21T06:00:00
        Millis(1_795_240_800_000).plus(i64::try_from(self.boot().0).unwrap())
    }

    fn boot(&self) -> Boot {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        Boot(passed + self.ahead_ms.load(Ordering::Relaxed))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let store = Memory::new();
        Self::with(store.clone(), Arc::new(store))
    }

    /// A world whose application reaches the data of `store` through `door`.
    pub(crate) fn with(store: Memory, door: Arc<dyn Store>) -> Self {
        Self::build(store, door, Settings::default())
    }

    /// A world whose operator has set something.
    pub(crate) fn set(settings: Settings) -> Self {
        let store = Memory::new();
        Self::build(store.clone(), Arc::new(store), settings)
    }

    /// A world on that data.
    pub(crate) fn on(door: Arc<dyn Store>, settings: Settings) -> Self {
        Self::build(Memory::new(), door, settings)
    }

    /// A world where everybody is believed.
    pub(crate) fn of_trust() -> Self {
        Self::set(Settings { trust: true, ..Settings::default() })
    }

    fn build(store: Memory, door: Arc<dyn Store>, settings: Settings) -> Self {
        let cloud = Arc::new(Cloud::default());
        let time = Arc::new(TestClock::new());
        let clock: Arc<dyn Clock> = time.clone();
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let config = AuthConfig { auth_url: "http://keystone/v3".into(), ..AuthConfig::default() };
        let session = Session::new(config, cloud.clone(), clock.clone(), entropy.clone());
        let (policy, findings) = Enforcer::new(RULES, &settings.policy, "default");
        assert!(findings.is_empty() || !settings.policy.is_empty(), "{findings:?}");
        let auth = if settings.trust {
            Auth::NoAuth
        } else {
            Auth::Keystone(TokenValidator::new(
                session.clone(),
                clock.clone(),
                TokenCache::default(),
            ))
        };
        let woken = Arc::new(AtomicUsize::new(0));
        let bell = Arc::clone(&woken);
        let state = ApiState {
            store: Arc::clone(&door),
            nova: Nova::new(session, NovaConfig::default()),
            auth,
            policy: Arc::new(policy),
            clock: clock.clone(),
            entropy,
            wake: Arc::new(move || {
                bell.fetch_add(1, Ordering::Relaxed);
            }),
            config: settings.config,
            long_lists: api::LongLists::default(),
        };
        Self { app: api::app(state), store, door, cloud, clock, time, woken }
    }

    /// Puts the clock forward.
    pub(crate) fn wait(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.time.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// How often an engine was told that there is work.
    pub(crate) fn woken(&self) -> usize {
        self.woken.load(Ordering::Relaxed)
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let from = Peer(([127, 0, 0, 1], 50_000).into());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        request.extensions_mut().insert(ConnectInfo(from));
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        if path.starts_with("/ha/v1/") {
            openapi::check(&method, &path, head.status, &text);
        }
        Answer { status: head.status, headers: head.headers, text }
    }

    /// Asks as the administrator at the newest microversion.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_as(Client::Admin, method, path, body).await
    }

    pub(crate) async fn ask_as(
        &self,
        client: Client,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-auth-token", client.token())
            .header("openstack-api-version", "instance-ha 1.3")
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }
}
