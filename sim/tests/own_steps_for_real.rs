//! The operator's steps on the real machine: programs are really run and killed, a webhook is really called.
//! Only the cloud is simulated; the time is the real one.
#![cfg(test)]

use engine::{Config, Declared, Does, Engine, Ports, Steps, Wake, Webhook};
use openstack::{AuthConfig, Nova, NovaConfig, Secret, Session};
use ports::{Clock, HttpClient, HttpClientConfig, SeededEntropy, SystemExec, within};
use recovery::{
    HostId, NotificationId, SegmentId,
    log::Entry,
    nouns::{NotificationStatus, NotificationType, RecoveryMethod},
    steps::{Failure, StepEntry, Then},
};
use serde_json::Value;
use sim::{Shape, SimClock, World};
use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Memory, NewHost, NewNotification, NewSegment, Store};

const REPORT: &str = "report-1";

/// What was posted: the headers that matter, and the facts.
type Posted = Arc<Mutex<Vec<(String, String, Value)>>>;

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// Whether the process whose id stands in the file still runs.
fn runs(file: &Path) -> bool {
    let id = std::fs::read_to_string(file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The steps of a failed process: a webhook, a program that hangs, a program that keeps what it is told.
fn steps(folder: &Path, hook: &str) -> Steps {
    let hangs = format!("sleep 600 &\necho $! > {0}/child\nsleep 600", folder.display());
    let keeps = format!("cat > {0}/facts\necho kept by $0\nenv > {0}/env", folder.display());
    let webhook = Webhook::new(hook, Some(Secret::new("s3cret"))).unwrap();
    let step = |does, seconds, may_fail| Declared {
        does,
        deadline: Duration::from_secs(seconds),
        may_fail,
    };
    let declared = BTreeMap::from([
        ("tell".to_owned(), step(Does::Webhook(webhook), 10, false)),
        ("hang".to_owned(), step(Does::Program(script(folder, "hang", &hangs)), 2, true)),
        ("keep".to_owned(), step(Does::Program(script(folder, "keep", &keeps)), 20, false)),
    ]);
    let list =
        ["tell", "disable_compute_node_task", "hang", "confirm_compute_node_disabled_task", "keep"];
    let process = Failure::Process.flow(list, |name| declared.contains_key(name)).unwrap();
    Steps { process, declared, attempts: 1, ..Steps::default() }
}

async fn segment(memory: &Memory, world: &World, clock: &dyn Clock) {
    let segment = NewSegment {
        uuid: SegmentId::new("segment"),
        name: "segment".into(),
        service_type: "COMPUTE".into(),
        description: None,
        recovery_method: RecoveryMethod::Auto,
        enabled: true,
        now: clock.wall(),
    };
    memory.create_segment(segment).await.unwrap();
    let host = NewHost {
        uuid: HostId::new("host-1"),
        name: world.hosts()[0].clone(),
        segment: SegmentId::new("segment"),
        kind: "COMPUTE".into(),
        control_attributes: "none".into(),
        reserved: false,
        on_maintenance: false,
        now: clock.wall(),
    };
    memory.create_host(host).await.unwrap();
    let report = NewNotification {
        uuid: NotificationId::new(REPORT),
        kind: NotificationType::Process,
        generated_time: clock.wall(),
        payload: r#"{"event": "STOPPED", "process_name": "nova-compute"}"#.into(),
        source_host: HostId::new("host-1"),
        segment: SegmentId::new("segment"),
        fingerprint: "one".into(),
        window_ms: 180_000,
        evidence: None,
        now: clock.wall(),
    };
    memory.accept(report).await.unwrap();
}

fn engine(memory: &Memory, world: &World, clock: Arc<dyn Clock>, steps: Steps) -> Engine {
    let entropy = Arc::new(SeededEntropy::new(1));
    let auth = AuthConfig {
        auth_url: format!("{}/identity/v3", Shape::default().endpoints.base),
        username: Some("masakari".into()),
        password: Secret::new(sim::PASSWORD),
        project_name: Some("service".into()),
        user_domain_name: Some("Default".into()),
        project_domain_name: Some("Default".into()),
        ..AuthConfig::default()
    };
    let session = Session::new(auth, world.transport(), clock.clone(), entropy.clone());
    let ports = Ports {
        store: Arc::new(memory.clone()),
        nova: Nova::new(session, NovaConfig::default()),
        clock,
        entropy,
        probe: world.probe(),
        exec: Arc::new(SystemExec),
        web: Arc::new(HttpClient::new(&HttpClientConfig::default()).unwrap()),
    };
    Engine::new(ports, Config { steps, ..Config::default() }, Wake::default())
}

async fn serve(listener: tokio::net::TcpListener, posted: Posted) {
    let hook = move |headers: axum::http::HeaderMap, body: axum::body::Bytes| async move {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let facts = serde_json::from_slice(&body).unwrap();
        let seen = (header("idempotency-key"), header("x-masakari-signature"), facts);
        posted.lock().unwrap().push(seen);
        "ticket 42"
    };
    let app = axum::Router::new().route("/hook", axum::routing::post(hook));
    axum::serve(listener, app).await.unwrap();
}

#[tokio::test]
async fn programs_are_run_and_killed_with_their_children_and_a_webhook_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = format!("http://{}/hook", listener.local_addr().unwrap());
    let (memory, posted) = (Memory::new(), Posted::default());
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new());
    let world = World::new(3, clock.clone(), Shape::default());
    segment(&memory, &world, &*clock).await;
    let engine = engine(&memory, &world, clock.clone(), steps(folder.path(), &hook));
    let over = async {
        while memory.all_notifications()[0].status != NotificationStatus::Finished {
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    let all = async {
        tokio::select! {
            () = engine.run(std::future::pending()) => {}
            () = world.run() => {}
            () = serve(listener, posted.clone()) => {}
            () = over => {}
        }
    };
    let in_time = within(&*clock, Duration::from_secs(90), all).await;
    let log = memory.lines(&NotificationId::new(REPORT));
    assert!(in_time.is_some(), "not finished: {log:#?}");
    told(&log.iter().map(|line| line.entry.clone()).collect::<Vec<_>>(), folder.path());
    let [(key, signature, facts)] = posted.lock().unwrap().clone().try_into().unwrap();
    assert_eq!(
        (key.as_str(), facts["process"].as_str()),
        ("report-1/tell/1", Some("nova-compute"))
    );
    assert!(signature.starts_with("sha256=") && signature.len() == 71, "{signature}");
    assert!(!runs(&folder.path().join("child")), "the child of the program that hung outlives it");
}

/// What the log says, and what the last program was told.
fn told(log: &[Entry], folder: &Path) {
    let ends: Vec<String> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::Step(StepEntry::Succeeded { step, said }) => Some(format!("{step}: {said}")),
            Entry::Step(StepEntry::Failed { step, why, then: Then::GoesOn }) => {
                Some(format!("{step} failed: {why}"))
            }
            _ => None,
        })
        .collect();
    let path = |name: &str| folder.join(name).display().to_string();
    let expected = [
        "tell: ticket 42".to_owned(),
        format!("hang failed: {} did not end within 2000 ms and was killed", path("hang")),
        format!("keep: kept by {}", path("keep")),
    ];
    assert_eq!(ends, expected);
    let facts: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("facts")).unwrap()).unwrap();
    assert_eq!((&facts["failure"], &facts["key"]), (&"process".into(), &"report-1/keep/1".into()));
    let env = std::fs::read_to_string(folder.join("env")).unwrap();
    assert!(!env.contains("CARGO") && !env.contains("HOME="), "not clean: {env}");
}
