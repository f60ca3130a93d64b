//! Whatever text stands where text may stand: no answer is a 500, and what was accepted is kept as it was sent, on every
//! database. Bodies, paths and filters are of the right form here, so that their text reaches the database.

use crate::{
    bases::{Base, Kind},
    world::{Answer, Client, Settings, World},
};
use axum::body::Body;
use http::Request;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const CASES: u32 = 400;

/// What a client does with one or two odd texts.
#[derive(Clone, Debug)]
enum Deed {
    MakeSegment,
    ChangeSegment,
    MakeHost,
    ChangeHost,
    Report(&'static str),
    List(&'static str, &'static str),
    Show(&'static str),
    /// At `/segments/{one}/hosts/{other}`, or at one of ours that way.
    AtOddIds(&'static str, &'static str),
}

fn text() -> impl Strategy<Value = String> {
    let odd = [
        "\0",
        "a\0b",
        "\u{1f600}",
        "a\u{1f600}b",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{301}",
        "\u{200b}",
        "\u{feff}a",
        "a\u{2028}b",
        "\r\n",
        "'",
        "\\",
        "\\0",
        "%s",
        "_",
        "-1",
        "18446744073709551616",
        "NaN",
        "compute01",
        "auto",
        "new",
        "2026-11-21T10:00:00",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "00000000-1111-2222-3333-444444444444",
        "{00000000111122223333444444444444}",
    ];
    let long = (select(vec!["x", "\u{e9}", "\u{65e5}", "\u{1f600}"]), 250..260_usize);
    prop_oneof![
        select(odd.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        "[a-z]{1,8}",
        long.prop_map(|(c, times)| c.repeat(times)),
        (1..40_000_usize).prop_map(|times| "\u{e9}".repeat(times)),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    use Deed::{AtOddIds, ChangeHost, ChangeSegment, List, MakeHost, MakeSegment, Report, Show};
    let deeds = vec![MakeSegment, MakeSegment, ChangeSegment, MakeHost, ChangeHost];
    let lists = vec![
        List("/v1/segments", "recovery_method"),
        List("/v1/segments", "service_type"),
        List("/v1/segments", "marker"),
        List("/v1/segments", "sort_key"),
        List("/v1/segments/{segment}/hosts", "type"),
        List("/v1/notifications", "source_host_uuid"),
        List("/v1/notifications", "status"),
        List("/v1/notifications", "generated-since"),
        List("/v1/notifications/{notification}/vmoves", "type"),
    ];
    let shows = vec![
        Show("/v1/segments"),
        Show("/v1/segments/{segment}/hosts"),
        Show("/v1/notifications"),
        Show("/v1/notifications/{notification}/vmoves"),
        Show("/v1/extensions"),
        Show("/ha/v1/requests"),
    ];
    let nested = vec![
        AtOddIds("GET", "/v1/segments/{one}/hosts"),
        AtOddIds("PUT", "/v1/segments/{one}"),
        AtOddIds("DELETE", "/v1/segments/{one}"),
        AtOddIds("DELETE", "/v1/segments/{one}/hosts/{other}"),
        AtOddIds("PUT", "/v1/segments/{segment}/hosts/{one}"),
        AtOddIds("GET", "/v1/notifications/{one}/vmoves/{other}"),
        AtOddIds("POST", "/ha/v1/hosts/{one}-/confirm-dead"),
        AtOddIds("POST", "/ha/v1/hosts/{one}-/recover"),
        AtOddIds("POST", "/ha/v1/notifications/{one}/retry"),
        AtOddIds("POST", "/ha/v1/notifications/{one}/cancel"),
    ];
    prop_oneof![
        select(deeds),
        select(vec![Report("VM"), Report("PROCESS"), Report("COMPUTE_HOST")]),
        select(lists),
        select(shows),
        select(nested),
    ]
}

/// A world with one of everything.
struct Scene {
    world: World,
    segment: String,
    host: String,
    notification: String,
    _base: Base,
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let base = kind.fresh().await;
        let world = World::on(base.store.clone(), Settings::default());
        let segment = json!({"name": "s", "recovery_method": "auto", "service_type": "c"});
        let made = world.ask("POST", "/v1/segments", Some(json!({ "segment": segment }))).await;
        let segment = made.json()["segment"]["uuid"].as_str().unwrap().to_owned();
        let host = json!({"name": "compute01", "type": "t", "control_attributes": "c"});
        let path = format!("/v1/segments/{segment}/hosts");
        let made = world.ask("POST", &path, Some(json!({ "host": host }))).await;
        let host = made.json()["host"]["uuid"].as_str().unwrap().to_owned();
        let report = report("PROCESS", "2026-11-21T10:00:00", "nova-compute");
        let made = world.ask("POST", "/v1/notifications", Some(report)).await;
        let uuid = &made.json()["notification"]["notification_uuid"];
        let notification = uuid.as_str().unwrap().to_owned();
        Self { world, segment, host, notification, _base: base }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = path.replace("{segment}", &self.segment).replace("{host}", &self.host);
        let path = path.replace("{notification}", &self.notification);
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("x-auth-token", Client::Admin.token())
            .header("openstack-api-version", "instance-ha 1.3")
            .header("content-type", "application/json");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.world.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn act(&self, deed: &Deed, one: &str, other: &str) -> Result<Answer, TestCaseError> {
        let host = "/v1/segments/{segment}/hosts/{host}";
        let answer = match *deed {
            Deed::MakeSegment => {
                let segment = json!({"name": one, "description": other, "recovery_method": "auto",
                    "service_type": "c"});
                self.keeps("POST", "/v1/segments", "segment", segment).await?
            }
            Deed::ChangeSegment => {
                let segment = json!({"description": one, "service_type": other});
                self.keeps("PUT", "/v1/segments/{segment}", "segment", segment).await?
            }
            Deed::MakeHost => {
                let host = json!({"name": one, "type": other, "control_attributes": other});
                self.ask("POST", "/v1/segments/{segment}/hosts", Some(json!({ "host": host })))
                    .await
            }
            Deed::ChangeHost => {
                let change = json!({"type": one, "control_attributes": other});
                self.keeps("PUT", host, "host", change).await?
            }
            Deed::Report(kind) => {
                self.ask("POST", "/v1/notifications", Some(report(kind, one, other))).await
            }
            Deed::List(path, key) => {
                self.ask("GET", &format!("{path}?{key}={}", encoded(one)), None).await
            }
            Deed::AtOddIds(method, path) => {
                let path = path.replace("{one}", &encoded(one)).replace("{other}", &encoded(other));
                let body = match (method, path.starts_with("/ha"), path.contains("/hosts/")) {
                    ("POST", true, _) => Some(json!({ "reason": "burnt" })),
                    ("PUT", _, true) => Some(json!({"host": {"type": "t"}})),
                    ("PUT", _, false) => Some(json!({"segment": {"service_type": "t"}})),
                    _ => None,
                };
                self.ask(method, &path, body).await
            }
            Deed::Show(path) => self.ask("GET", &format!("{path}/{}", encoded(one)), None).await,
        };
        Ok(answer)
    }

    /// What is accepted is there afterwards as it was sent.
    async fn keeps(
        &self,
        method: &str,
        path: &str,
        noun: &str,
        fields: Value,
    ) -> Result<Answer, TestCaseError> {
        let answer = self.ask(method, path, Some(json!({ noun: fields }))).await;
        if answer.status.is_success() {
            let uuid = answer.json()[noun]["uuid"].as_str().unwrap().to_owned();
            let path = if method == "POST" { format!("{path}/{uuid}") } else { path.to_owned() };
            let kept = self.ask("GET", &path, None).await.json();
            for (name, value) in fields.as_object().unwrap() {
                prop_assert_eq!(&kept[noun][name], value, "{} of {}", name, noun);
            }
        }
        Ok(answer)
    }
}

fn report(kind: &str, time: &str, text: &str) -> Value {
    let payload = match kind {
        "VM" => json!({"instance_uuid": "00000000-1111-2222-3333-444444444444",
            "vir_domain_event": text, "event": "e"}),
        "PROCESS" => json!({"process_name": text, "event": "STARTED"}),
        _ => json!({"event": "STARTED", "more": text}),
    };
    json!({"notification": {"type": kind, "hostname": "compute01", "generated_time": time,
        "payload": payload}})
}

fn encoded(text: &str) -> String {
    text.bytes().take(4000).map(|byte| format!("%{byte:02X}")).collect()
}

fn runtime(kind: Kind) -> Runtime {
    let mut builder = Builder::new_current_thread();
    // With a database outside, time goes on by itself.
    builder.enable_all().start_paused(kind == Kind::Memory).build().unwrap()
}

fn no_text_breaks_anything_on(kind: Kind) {
    let runtime = runtime(kind);
    let scene = runtime.block_on(Scene::new(kind));
    let succeeded = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() };
    proptest!(config, |(deed in deed(), one in text(), other in text())| {
        // Of reports the time is mostly one, or nothing else would be seen.
        let time = if matches!(deed, Deed::Report(_)) && one.len() % 4 != 0 {
            "2026-11-21T10:00:00".to_owned()
        } else {
            one
        };
        let answer = runtime.block_on(scene.act(&deed, &time, &other))?;
        prop_assert!(!answer.status.is_server_error(), "{kind:?}: {answer:?}");
        succeeded.set(succeeded.get() + u32::from(answer.status.is_success()));
    });
    assert!(succeeded.get() > CASES / 10, "{kind:?}: only {} requests succeeded", succeeded.get());
}

#[test]
fn no_text_breaks_anything() {
    no_text_breaks_anything_on(Kind::Memory);
}

#[test]
fn no_text_breaks_anything_on_sqlite() {
    no_text_breaks_anything_on(Kind::Sqlite);
}

#[test]
fn no_text_breaks_anything_on_the_servers_that_are_here() {
    Kind::servers().into_iter().for_each(no_text_breaks_anything_on);
}
