//! A client that knows its way: logs in, asks, waits.

use bytes::Bytes;
use ports::{Answer, Ask, Clock};
use recovery::{HostName, ServerId};
use serde_json::{Value, json};
use sim::{PASSWORD, Shape, SimClock, World};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Client {
    pub(crate) world: World,
    pub(crate) clock: SimClock,
    token: String,
    version: String,
}

pub(crate) fn ask(method: &str, path: &str, body: &Value) -> Ask {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let uri = format!("http://cloud.test{path}");
    http::Request::builder().method(method).uri(uri).body(body).unwrap()
}

pub(crate) fn password_body(user: &str, password: &str) -> Value {
    let project = if user == "demo" { "demo" } else { "admin" };
    json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": user, "domain": { "id": "default" }, "password": password } } },
        "scope": { "project": { "name": project, "domain": { "id": "default" } } } } })
}

pub(crate) fn body(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

impl Client {
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let clock = SimClock::new();
        let world = World::new(seed, Arc::new(clock), shape);
        Self::of(&world, clock, "admin")
    }

    pub(crate) fn of(world: &World, clock: SimClock, user: &str) -> Self {
        let log_in = ask("POST", "/identity/v3/auth/tokens", &password_body(user, PASSWORD));
        let answer = world.handle(&log_in);
        assert_eq!(answer.status(), 201, "{:?}", answer.body());
        let token = answer.headers()["x-subject-token"].to_str().unwrap().into();
        Self { world: world.clone(), clock, token, version: "2.90".into() }
    }

    pub(crate) fn speaking(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    pub(crate) fn dress(&self, mut ask: Ask) -> Ask {
        let headers = ask.headers_mut();
        headers.insert("x-auth-token", self.token.parse().unwrap());
        let version = format!("compute {}", self.version);
        headers.insert("openstack-api-version", version.parse().unwrap());
        ask
    }

    pub(crate) fn nova(&self, method: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/compute/v2.1/{path}");
        self.world.handle(&self.dress(ask(method, &path, body)))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.nova("GET", path, &Value::Null);
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        body(&answer)
    }

    pub(crate) fn act(&self, server: &ServerId, action: &Value) -> (u16, Value) {
        let answer = self.nova("POST", &format!("servers/{server}/action"), action);
        (answer.status().as_u16(), body(&answer))
    }

    pub(crate) fn evacuate(&self, server: &ServerId) -> (u16, Value) {
        self.act(server, &json!({ "evacuate": {} }))
    }

    pub(crate) fn server(&self, server: &ServerId) -> Value {
        self.get(&format!("servers/{server}"))["server"].take()
    }

    pub(crate) fn service(&self, host: &HostName) -> Value {
        let path = format!("os-services?binary=nova-compute&host={host}");
        self.get(&path)["services"][0].take()
    }

    pub(crate) fn put_service(&self, host: &HostName, change: &Value) -> (u16, Value) {
        let id = self.world.service(host).unwrap().id;
        let answer = self.nova("PUT", &format!("os-services/{id}"), change);
        (answer.status().as_u16(), body(&answer))
    }

    pub(crate) async fn wait_s(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn clock_ms(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// The first host, and a server that runs there.
    pub(crate) fn host_and_server(&self) -> (HostName, ServerId) {
        let host = self.world.hosts().remove(0);
        let on_it = |id: &ServerId| self.world.running(id) == [host.clone()];
        let server = self.world.servers().into_iter().map(|s| s.id).find(on_it).unwrap();
        (host, server)
    }
}
