//! Replays what our own recorder (`cloud/recorder`) recorded of Python Masakari under many settings.

use crate::{
    bases::Kind,
    engine,
    replay::{Recording, Replay, Verdicts},
    world::{Settings, World},
};
use api::{Config, HealthBackend, Healthcheck};
use oslo::policy::parse_overrides;
use recovery::{
    HostName, Millis, NotificationId, ServerId, VMoveId,
    log::Summary,
    nouns::{NotificationStatus, VMove, VMoveStatus, VMoveType},
};
use serde_json::Value;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

const STEPS: &str = include_str!("../golden/settings.jsonl");
const DIFFERS: &str = include_str!("../golden/settings-differ.txt");

#[tokio::test(start_paused = true)]
async fn under_every_setting_answers_are_those_of_python_masakari() {
    replay_on(Kind::Memory).await;
}

#[tokio::test]
async fn under_every_setting_answers_are_those_of_python_masakari_on_sqlite() {
    replay_on(Kind::Sqlite).await;
}

#[tokio::test]
async fn under_every_setting_answers_are_those_of_python_masakari_on_the_servers_that_are_here() {
    for kind in Kind::servers() {
        replay_on(kind).await;
    }
}

async fn replay_on(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("healthcheck_disable");
    let mut base = kind.fresh().await;
    let mut replay = Replay::new(World::new(), Recording::Settings);
    let mut verdicts = Verdicts::new(DIFFERS, kind);
    for line in STEPS.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        if step.get("setting").is_some() {
            std::fs::remove_file(&file).ok();
            let settings = settings(&replay, &step, &file);
            base = kind.fresh().await;
            let world = World::on(base.store.clone(), settings);
            replay = Replay::new(world, Recording::Settings);
        } else if let Some(there) = step["file"].as_bool() {
            if there {
                std::fs::write(&file, "").unwrap();
            } else {
                std::fs::remove_file(&file).ok();
            }
        } else if let Some(seconds) = step["pause"].as_f64() {
            replay.world.wait(Duration::from_secs_f64(seconds));
        } else if let Some(deeds) = step.get("play") {
            play(&replay, deeds).await;
        } else {
            verdicts.take(&mut replay, &step).await;
        }
    }
    drop(base);
    verdicts.end(1500);
}

/// What the recorded configuration means.
fn settings(replay: &Replay, step: &Value, disable_file: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.config.healthcheck.disable_by_file_path = Some(disable_file.to_owned());
    let policy = replay.fill(step["policy"].as_str().unwrap());
    settings.policy = parse_overrides(Path::new("policy.yaml"), &policy).unwrap();
    let folder = disable_file.parent().unwrap().to_str().unwrap();
    let here = |text: &Value| text.as_str().unwrap().replace("{dir}", folder);
    let mut group = "";
    for line in here(&step["conf"]).lines() {
        match line.split_once(" = ") {
            None => group = section(line),
            Some(("auth_strategy", "noauth2")) => settings.trust = true,
            Some((key, value)) => set(&mut settings.config, group, key, value),
        }
    }
    let paste = here(&step["paste"]);
    if !paste.is_empty() && !paste.contains("disable_by_file_path") {
        settings.config.healthcheck.disable_by_file_path = None;
    }
    for (key, value) in paste.lines().filter_map(|line| line.split_once(" = ")) {
        set(&mut settings.config, "healthcheck", key, value);
    }
    settings
}

fn section(line: &str) -> &'static str {
    let known = ["DEFAULT", "oslo_middleware", "cors", "healthcheck", "wsgi"];
    known.into_iter().find(|group| line == format!("[{group}]")).expect("a section that is known")
}

fn set(config: &mut Config, group: &str, key: &str, value: &str) {
    let list = || value.split(',').map(str::to_owned).collect();
    match (group, key) {
        ("DEFAULT", "osapi_max_limit") => config.osapi_max_limit = value.parse().unwrap(),
        ("DEFAULT", "osapi_masakari_link_prefix") => {
            config.osapi_masakari_link_prefix = Some(value.into());
        }
        ("oslo_middleware", "max_request_body_size") => {
            config.max_request_body_size = value.parse().unwrap();
        }
        ("oslo_middleware", "enable_proxy_headers_parsing") => {
            config.behind_proxy = value == "True"
        }
        ("wsgi", "secure_proxy_ssl_header") => {
            assert_eq!(value, "HTTP_X_SCHEME");
            config.scheme_header = Some("x-scheme".parse().unwrap());
        }
        ("cors", "allowed_origin") => config.cors.allowed_origin = list(),
        ("cors", "allow_credentials") => config.cors.allow_credentials = value == "True",
        ("cors", "expose_headers") => config.cors.expose_headers = list(),
        ("cors", "max_age") => config.cors.max_age_s = value.parse().unwrap(),
        ("cors", "allow_methods") => config.cors.allow_methods = list(),
        ("cors", "allow_headers") => config.cors.allow_headers = list(),
        ("healthcheck", name) => set_healthcheck(&mut config.healthcheck, name, value),
        other => panic!("what is {other:?}?"),
    }
}

fn set_healthcheck(healthcheck: &mut Healthcheck, key: &str, value: &str) {
    let list = || value.split(',');
    let backend = |name: &str| *HealthBackend::ALL.iter().find(|b| b.name() == name).unwrap();
    match key {
        "backends" => healthcheck.backends = list().map(backend).collect(),
        "enable_by_file_paths" => {
            healthcheck.enable_by_file_paths = list().map(PathBuf::from).collect();
        }
        "disable_by_file_path" => healthcheck.disable_by_file_path = Some(value.into()),
        "disable_by_file_paths" => {
            let own = value.replace("{port}", &healthcheck.port.to_string());
            let parts = own.split(',').map(|text| text.split_once(':').unwrap());
            healthcheck.disable_by_file_paths =
                parts.map(|(port, path)| (port.parse().unwrap(), path.into())).collect();
        }
        "allowed_source_ranges" => {
            let range = |text: &str| {
                text.parse().unwrap_or_else(|_| text.parse::<IpAddr>().unwrap().into())
            };
            healthcheck.allowed_source_ranges = list().map(range).collect();
        }
        "ignore_proxied_requests" => healthcheck.ignore_proxied_requests = value == "True",
        other => panic!("what is {other}?"),
    }
}

/// Does what the recorder did in the place of an engine.
async fn play(replay: &Replay, deeds: &Value) {
    let store = &*replay.world.door;
    let now = replay.world.clock.wall();
    for (name, status) in deeds["statuses"].as_object().into_iter().flatten() {
        let status = NotificationStatus::from_word(status.as_str().unwrap()).unwrap();
        let status = Summary::Status { status, message: None };
        engine::show(store, &NotificationId::new(&replay.variables[name]), &[status], now).await;
    }
    for row in deeds["moves"].as_array().into_iter().flatten() {
        let of = NotificationId::new(&replay.variables[deeds["of"].as_str().unwrap()]);
        let shown = Summary::VMove(Box::new(vmove(of.clone(), row)));
        engine::show(store, &of, &[shown], now).await;
    }
}

fn vmove(notification: NotificationId, row: &Value) -> VMove {
    let text = |name: &str| row[name].as_str();
    let time = |name: &str| {
        let time = chrono::NaiveDateTime::parse_from_str(text(name)?, "%Y-%m-%d %H:%M:%S").unwrap();
        Some(Millis(time.and_utc().timestamp_millis()))
    };
    VMove {
        id: 0,
        uuid: VMoveId::new(text("uuid").unwrap()),
        notification,
        server: ServerId::new(text("instance_uuid").unwrap()),
        server_name: text("instance_name").unwrap().into(),
        source_host: HostName::new(text("source_host").unwrap()),
        dest_host: text("dest_host").map(HostName::new),
        started_at: time("start_time"),
        ended_at: time("end_time"),
        kind: VMoveType::from_word(text("type").unwrap()).unwrap(),
        status: VMoveStatus::from_word(text("status").unwrap()).unwrap(),
        message: text("message").map(str::to_owned),
        created_at: None,
        updated_at: None,
    }
}
