//! Recorded events of a real libvirt, and what Python's monitor makes of each (`python_posts.py` ran its own filter on
//! them).

use monitor::{
    Care,
    instances::{Event, event::What},
};
use recovery::{Millis, ServerId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

/// What Python's filter hands over.
const FILTERED: &str = include_str!("python.jsonl");
/// What Python's monitor posted in one real run.
const POSTS: &str = include_str!("python.posts.jsonl");

#[derive(Deserialize)]
struct Seen {
    event: Option<String>,
    uuid: Option<String>,
    #[serde(default)]
    args: Vec<Value>,
}

#[derive(Deserialize)]
struct Filtered {
    fixture: String,
    line: usize,
    payload: Value,
}

/// The event of a recorded line, if it is of a kind that is listened to.
fn event(line: &str) -> Option<Event> {
    let seen: Seen = serde_json::from_str(line).unwrap();
    let number = |nth: usize| i32::try_from(seen.args[nth].as_i64().unwrap()).unwrap();
    let what = match seen.event?.as_str() {
        "LIFECYCLE" => What::Lifecycle { kind: number(0), detail: number(1) },
        "REBOOT" => What::Reboot,
        "WATCHDOG" => What::Watchdog { action: number(0) },
        "IO_ERROR" => What::IoError { action: number(2) },
        "IO_ERROR_REASON" => What::IoErrorReason,
        "CONTROL_ERROR" => What::ControlError,
        _ => return None,
    };
    Some(Event { server: ServerId::new(seen.uuid.unwrap()), run: Some(1), what })
}

/// All recorded lines, by fixture and number.
fn recorded() -> BTreeMap<(String, usize), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instances/fixtures");
    let mut lines = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (nth, line) in text.lines().enumerate() {
            lines.insert((name.clone(), nth + 1), line.to_owned());
        }
    }
    lines
}

#[test]
fn every_recorded_event_becomes_what_python_makes_of_it() {
    let filtered = FILTERED.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut python: BTreeMap<(String, usize), Value> =
        filtered.map(|Filtered { fixture, line, payload }| ((fixture, line), payload)).collect();
    let mut events = 0;
    for (place, line) in recorded() {
        let Some(event) = event(&line) else { continue };
        events += 1;
        let ours = event.report("cmp1", Millis(0), true).map(|r| Value::Object(r.payload));
        assert_eq!(ours, python.remove(&place), "{place:?}: {line}");
    }
    assert!(python.is_empty(), "not recognised: {python:?}");
    assert!(events > 60, "{events} events");
}

#[test]
fn a_report_is_posted_in_the_very_words_of_python() {
    let mut posts = 0;
    for line in POSTS.lines() {
        let post: Value = serde_json::from_str(line).unwrap();
        let python = &post["body"]["notification"];
        let what = match python["payload"]["event"].as_str().unwrap() {
            "REBOOT" => What::Reboot,
            _ => match python["payload"]["vir_domain_event"].as_str().unwrap() {
                "STOPPED_FAILED" => What::Lifecycle { kind: 5, detail: 5 },
                "STOPPED_DESTROYED" => What::Lifecycle { kind: 5, detail: 1 },
                other => panic!("{other}"),
            },
        };
        let server = ServerId::new(python["payload"]["instance_uuid"].as_str().unwrap());
        // Python's time is to the microsecond, ours to the millisecond.
        let time = python["generated_time"].as_str().unwrap();
        let at = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S%.6f").unwrap();
        let at = Millis(at.and_utc().timestamp_millis());
        let report = Event { server, run: None, what }.report("cmp1", at, true).unwrap();
        let mut expected = python.clone();
        expected["generated_time"] = json!(format!("{}000", &time[..time.len() - 3]));
        assert_eq!(json!(report.notification()), expected);
        posts += 1;
    }
    assert_eq!(posts, 4);
}

#[test]
fn what_masakari_acts_on_is_kept_until_it_is_answered_and_nothing_else_is() {
    let care = |what| {
        let event = Event { server: ServerId::new("vm"), run: Some(1), what };
        event.report("cmp1", Millis(0), true).unwrap().care
    };
    // masakari/engine/instance_events.py
    assert_eq!(care(What::Lifecycle { kind: 5, detail: 5 }), Care::UntilAnswered);
    assert_eq!(care(What::IoError { action: 2 }), Care::UntilAnswered);
    for what in [
        What::Lifecycle { kind: 5, detail: 1 },
        What::Lifecycle { kind: 3, detail: 2 },
        What::IoError { action: 1 },
        What::Reboot,
        What::Watchdog { action: 2 },
        What::IoErrorReason,
        What::ControlError,
    ] {
        assert_eq!(care(what), Care::AsPython, "{what:?}");
    }
}
