//! A slice of Keystone, Nova and Masakari that fails as it is told to.

use async_trait::async_trait;
use http::{HeaderMap, Response};
use openstack::{AuthConfig, Nova, NovaConfig, Secret, Session};
use ports::{Answer, Ask, Boot, Clock, Entropy, SeededEntropy, Transport, TransportError};
use recovery::Millis;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const TOKEN: &str = "gAAAAA-token-";
/// Our wall clock when a test begins: 2026-11-21T08:08:18Z.
pub(crate) const NOW: i64 = 1_795_248_498_000;

/// Time as tokio pretends it.
#[derive(Debug)]
pub(crate) struct TestClock(tokio::time::Instant);

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    fn elapsed_ms(&self) -> u64 {
        u64::try_from((tokio::time::Instant::now() - self.0).as_millis()).unwrap()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn wall(&self) -> Millis {
        Millis(NOW).plus(i64::try_from(self.elapsed_ms()).unwrap())
    }

    fn boot(&self) -> Boot {
        Boot(1_000_000 + self.elapsed_ms())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Away,
    /// No answer before the caller's deadline.
    Slow,
    /// The connection breaks in the middle of the answer.
    Half,
    /// 200 with a proxy's page.
    Rubbish,
    /// 200 with JSON that stops in the middle.
    HalfJson,
    Status(u16),
    /// In the service's own words.
    Refused(u16, &'static str),
    StatusAfter(u16, &'static str),
}

/// A request as the cloud saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    /// For the next requests, log-ins apart.
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) login_faults: VecDeque<Fault>,
    pub(crate) logins: u32,
    /// Tokens of log-ins before this one are refused.
    pub(crate) oldest_login: u32,
    pub(crate) token_life_s: i64,
    /// Every answer takes this long.
    pub(crate) latency: Duration,
    /// How long the answer to a method is under way when all is done.
    pub(crate) late: BTreeMap<&'static str, Duration>,
    /// The cloud's clock minus ours.
    pub(crate) ahead_ms: i64,
    pub(crate) sends_date: bool,
    pub(crate) newest: &'static str,
    pub(crate) page: usize,
    pub(crate) servers: Vec<Value>,
    pub(crate) services: Vec<Value>,
    pub(crate) migrations: Vec<Value>,
    /// Of any server, with their events.
    pub(crate) actions: Vec<Value>,
    pub(crate) notifications: Vec<Value>,
    /// Tokens of clients, with their seconds left.
    pub(crate) clients: BTreeMap<String, i64>,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    state: Mutex<State>,
    clock: Arc<TestClock>,
}

impl Cloud {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the tests")]
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            seen: Vec::new(),
            faults: VecDeque::new(),
            login_faults: VecDeque::new(),
            logins: 0,
            oldest_login: 0,
            token_life_s: 3600,
            latency: Duration::from_millis(20),
            late: BTreeMap::new(),
            ahead_ms: 0,
            sends_date: true,
            newest: "2.100",
            page: 1000,
            servers: Vec::new(),
            services: Vec::new(),
            migrations: Vec::new(),
            actions: Vec::new(),
            notifications: Vec::new(),
            clients: BTreeMap::new(),
        };
        let clock = Arc::new(TestClock(tokio::time::Instant::now()));
        Arc::new(Self { state: Mutex::new(state), clock })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn clock(&self) -> Arc<TestClock> {
        self.clock.clone()
    }

    pub(crate) fn session(self: &Arc<Self>) -> Session {
        self.session_of(config())
    }

    pub(crate) fn session_of(self: &Arc<Self>, config: AuthConfig) -> Session {
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        Session::new(config, self.clone(), self.clock(), entropy)
    }

    pub(crate) fn nova(self: &Arc<Self>) -> Nova {
        Nova::new(self.session(), NovaConfig::default())
    }

    /// A Nova of which all is at hand that is needed to ask it at once.
    pub(crate) async fn ready_nova(self: &Arc<Self>) -> Nova {
        let nova = self.nova();
        nova.ready().await.unwrap();
        nova
    }

    pub(crate) fn fails(&self, faults: &[Fault]) {
        self.state().faults.extend(faults.iter().cloned());
    }

    /// The requests, log-ins and version documents apart.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        let aside =
            |seen: &&Seen| !seen.line.ends_with("/auth/tokens") && !seen.line.ends_with("/v2.1/");
        self.state().seen.iter().filter(aside).cloned().collect()
    }
}

pub(crate) fn config() -> AuthConfig {
    AuthConfig {
        auth_url: "http://cloud/identity/v3".into(),
        username: Some("masakari".into()),
        password: Secret::new(PASSWORD),
        project_name: Some("service".into()),
        ..AuthConfig::default()
    }
}

#[async_trait]
impl Transport for Cloud {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let latency = self.state().latency;
        self.clock.sleep(latency).await;
        let path = ask.uri().path_and_query().unwrap().as_str().to_owned();
        let is_login = ask.method() == "POST" && path.ends_with("/auth/tokens");
        let seen = Seen {
            line: format!("{} {path}", ask.method()),
            headers: ask.headers().clone(),
            body: serde_json::from_slice(ask.body()).unwrap_or(Value::Null),
        };
        let fault = {
            let mut state = self.state();
            state.seen.push(seen.clone());
            let state = &mut *state;
            let queue = if is_login { &mut state.login_faults } else { &mut state.faults };
            // Version documents are asked for on the way; faults are meant for the question.
            if path.ends_with("/v2.1/") { None } else { queue.pop_front() }
        };
        if let Some(fault) = fault {
            return self.fail(fault, deadline).await;
        }
        let answer = self.handle(&seen, &path, is_login);
        let late = self.state().late.get(ask.method().as_str()).copied().unwrap_or_default();
        self.clock.sleep(late).await;
        Ok(answer)
    }
}

impl Cloud {
    async fn fail(&self, fault: Fault, deadline: Duration) -> Result<Answer, TransportError> {
        let (to, from) = ("cloud".to_owned(), "cloud".to_owned());
        let page = |status: u16, body: &'static str| {
            Ok(Response::builder().status(status).body(body.into()).unwrap())
        };
        match fault {
            Fault::Away => Err(TransportError::Unreachable { to, why: "refused".into() }),
            Fault::Slow => {
                self.clock.sleep(deadline).await;
                let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
                Err(TransportError::TimedOut { from, deadline_ms })
            }
            Fault::Half => Err(TransportError::BrokeOff { from, why: "reset".into() }),
            Fault::Rubbish => page(200, "<html>It works!</html>"),
            Fault::HalfJson => page(200, r#"{"servers": [{"id": "#),
            Fault::Refused(status, body) => page(status, body),
            Fault::Status(status) => page(status, r#"{"fault": {"message": "no, because"}}"#),
            Fault::StatusAfter(status, after) => Ok(Response::builder()
                .status(status)
                .header("retry-after", after)
                .body("busy".into())
                .unwrap()),
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall().0 + self.state().ahead_ms
    }

    fn handle(&self, seen: &Seen, path: &str, is_login: bool) -> Answer {
        if is_login {
            return self.log_in(&seen.body);
        }
        let token = seen.headers.get("x-auth-token").map_or("", |value| value.to_str().unwrap());
        let login: Option<u32> = token.strip_prefix(TOKEN).and_then(|number| number.parse().ok());
        if login.is_none_or(|login| login < self.state().oldest_login) {
            return self.answer(401, &json!({ "error": { "message": "who are you?" } }));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["identity", "v3", "auth", "tokens"] => self.validate(seen),
            ["compute", "v2.1"] => {
                let newest = self.state().newest;
                self.answer(200, &json!({ "version": { "version": newest, "min_version": "2.1" } }))
            }
            ["compute", "v2.1", "servers", "detail"] => self.page("servers", "id", &query),
            ["compute", "v2.1", "servers", _, "os-instance-actions"] => {
                let actions = self.state().actions.clone();
                self.answer(200, &json!({ "instanceActions": actions }))
            }
            ["compute", "v2.1", "servers", _, "os-instance-actions", request] => {
                let actions = self.state().actions.clone();
                let action = actions.iter().find(|a| a["request_id"] == *request);
                self.answer(200, &json!({ "instanceAction": action }))
            }
            ["compute", "v2.1", "os-migrations"] => self.page("migrations", "uuid", &query),
            ["compute", "v2.1", "os-services"] => {
                let services = self.state().services.clone();
                let is_asked = |row: &Value| query.get("host").is_none_or(|h| row["host"] == **h);
                let rows: Vec<Value> = services.into_iter().filter(is_asked).collect();
                self.answer(200, &json!({ "services": rows }))
            }
            ["compute", "v2.1", "os-services", id] => self.change_service(id, &seen.body),
            ["compute", "v2.1", "servers", id] => {
                let found = self.state().servers.iter().find(|row| row["id"] == **id).cloned();
                match found {
                    Some(row) => self.answer(200, &json!({ "server": row })),
                    None => self.answer(404, &json!({ "itemNotFound": { "message": "gone" } })),
                }
            }
            ["compute", "v2.1", "servers", _, "action"] => self.answer(202, &Value::Null),
            ["ha", "v1", "p1", "notifications", ..] => self.notifications(seen, &query),
            ["ha", "ha", "v1", "hosts", _, "confirm-dead" | "evidence"] => {
                let request = json!({ "id": "r1", "state": "pending" });
                self.answer(202, &json!({ "request": request }))
            }
            _ => self.answer(404, &json!({ "message": format!("no {path}") })),
        }
    }

    fn answer(&self, status: u16, body: &Value) -> Answer {
        let bytes = if body.is_null() { String::new() } else { body.to_string() };
        let mut builder =
            Response::builder().status(status).header("x-openstack-request-id", "req-of-nova");
        if self.state().sends_date {
            let date = chrono::DateTime::from_timestamp_millis(self.now_ms()).unwrap();
            builder = builder.header("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        builder.body(bytes.into()).unwrap()
    }

    fn log_in(&self, body: &Value) -> Answer {
        if body["auth"]["identity"]["password"]["user"]["password"] != PASSWORD {
            return self.answer(401, &json!({ "error": { "message": "wrong password" } }));
        }
        let number = {
            let mut state = self.state();
            state.logins += 1;
            state.logins
        };
        let endpoint = |kind: &str, url: &str| {
            json!({ "type": kind, "name": kind, "endpoints": [
                { "interface": "public", "region": "R", "region_id": "R", "url": url }] })
        };
        let catalog = [
            endpoint("compute", "http://cloud/compute/v2.1"),
            endpoint("ha", "http://cloud/ha/v1/p1"),
        ];
        let life_s = self.state().token_life_s;
        let mut answer = self.answer(
            201,
            &json!({ "token": {
                "issued_at": self.time(0),
                "expires_at": self.time(life_s),
                "catalog": catalog,
            }}),
        );
        let token = format!("{TOKEN}{number}").parse().unwrap();
        answer.headers_mut().insert("x-subject-token", token);
        answer
    }

    /// The cloud's time in `seconds`.
    pub(crate) fn time(&self, seconds: i64) -> String {
        let at = chrono::DateTime::from_timestamp_millis(self.now_ms() + seconds * 1000).unwrap();
        at.format("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
    }

    fn validate(&self, seen: &Seen) -> Answer {
        let subject = seen.headers["x-subject-token"].to_str().unwrap();
        let left = self.state().clients.get(subject).copied();
        let Some(left_s) = left else {
            return self.answer(404, &json!({ "error": { "message": "no such token" } }));
        };
        let domain = json!({ "id": "default", "name": "Default" });
        self.answer(
            200,
            &json!({ "token": {
                "expires_at": self.time(left_s),
                "user": { "id": "u1", "name": "alice", "domain": domain },
                "project": { "id": "p1", "name": "ops", "domain": domain },
                "roles": [{ "id": "r1", "name": "admin" }],
            }}),
        )
    }

    fn page(&self, name: &str, key: &str, query: &BTreeMap<String, String>) -> Answer {
        let state = self.state();
        let rows = if name == "servers" { &state.servers } else { &state.migrations };
        let start = query
            .get("marker")
            .map_or(0, |marker| rows.iter().position(|row| row[key] == **marker).unwrap() + 1);
        let page: Vec<Value> = rows[start..].iter().take(state.page).cloned().collect();
        let more = start + page.len() < rows.len();
        let links =
            if more { json!([{ "rel": "next", "href": "http://cloud" }]) } else { json!([]) };
        drop(state);
        let mut body = json!({});
        body[name] = page.into();
        body[format!("{name}_links")] = links;
        self.answer(200, &body)
    }

    /// Like Nova: a write moves `updated_at`, and one that would change nothing is refused.
    fn change_service(&self, id: &str, body: &Value) -> Answer {
        let now = self.time(0);
        let mut state = self.state();
        let Some(row) = state.services.iter_mut().find(|row| row["id"] == *id) else {
            drop(state);
            return self.answer(404, &json!({ "itemNotFound": { "message": "no service" } }));
        };
        let before = row.clone();
        for (key, value) in body.as_object().unwrap() {
            row[key] = value.clone();
        }
        if body["status"] == "enabled" {
            row["disabled_reason"] = Value::Null;
        }
        let same = before == *row;
        if !same {
            row["updated_at"] = now.into();
        }
        let row = row.clone();
        drop(state);
        if same {
            self.answer(400, &json!({ "badRequest": { "message": "No updates were requested." } }))
        } else {
            self.answer(200, &json!({ "service": row }))
        }
    }

    fn notifications(&self, seen: &Seen, query: &BTreeMap<String, String>) -> Answer {
        if seen.line.starts_with("POST") {
            let mut state = self.state();
            let mut row = json!({
                "id": state.notifications.len() + 1,
                "notification_uuid": format!("n{}", state.notifications.len() + 1),
                "source_host_uuid": "h1", "status": "new", "message": null,
                "created_at": "2026-11-21T08:08:18.000000", "updated_at": null,
            });
            for field in ["type", "generated_time", "payload"] {
                row[field] = seen.body["notification"][field].clone();
            }
            state.notifications.push(row.clone());
            drop(state);
            return self.answer(202, &json!({ "notification": row }));
        }
        let marker: i64 = query.get("marker").map_or(0, |marker| marker.parse().unwrap());
        let state = self.state();
        let later = state.notifications.iter().filter(|row| row["id"].as_i64().unwrap() > marker);
        let page: Vec<Value> = later.take(state.page).cloned().collect();
        drop(state);
        self.answer(200, &json!({ "notifications": page }))
    }
}
