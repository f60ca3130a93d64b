//! What Kubernetes says. The fixtures were said by kube-apiserver 1.34.

use monitor::hosts::kubernetes::node::{
    Event, LINE_BYTES_MOST, NODES_MOST, PAGE_BYTES_MOST, Ready, Taint, Unreadable, event, page,
};
use recovery::Millis;
use serde_json::{Value, json};

const LIST: &str = include_str!("fixtures/list.json");
const PAGE: &str = include_str!("fixtures/page.json");
const WATCH: &str = include_str!("fixtures/watch.jsonl");

#[test]
fn a_list_is_read_as_the_api_server_wrote_it() {
    let list = page(LIST.as_bytes()).unwrap();
    let names: Vec<&str> = list.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert!(list.nodes.iter().all(|node| node.ready == Ready::Yes && node.taint.is_none()));
    assert_eq!(list.more, None);
    let whole: Value = serde_json::from_str(LIST).unwrap();
    assert_eq!(whole["metadata"]["resourceVersion"], list.version.as_str());
}

#[test]
fn a_page_says_where_the_next_one_begins() {
    let first = page(PAGE.as_bytes()).unwrap();
    assert_eq!(first.nodes.len(), 2);
    assert!(first.more.unwrap().len() > 20);
}

#[test]
fn a_watch_tells_what_happened_in_its_order() {
    let told: Vec<String> = WATCH
        .lines()
        .map(|line| match event(line.as_bytes()).unwrap() {
            Event::Is { node, .. } => {
                let taint = if node.taint.is_some() { " tainted" } else { "" };
                format!("{} {:?}{taint}", node.name, node.ready)
            }
            Event::Left { name, .. } => format!("{name} left"),
            Event::Bookmark { version } => format!("bookmark {}", !version.is_empty()),
            Event::Gone | Event::Ended { .. } => "ended".into(),
        })
        .collect();
    let mut steps = told.clone();
    steps.dedup();
    assert_eq!(
        steps,
        [
            "n2 Silent",
            "n2 Silent tainted",
            "n3 No",
            "n1 Yes",
            "n2 Yes tainted",
            "n1 left",
            "n3 No",
            "bookmark true"
        ],
        "{told:?}"
    );
}

#[test]
fn what_is_forgotten_and_what_is_refused_are_told_apart() {
    let forgotten = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
        "message":"too old resource version: 1 (352)","reason":"Expired","code":410}}"#;
    assert_eq!(event(forgotten.as_bytes()), Ok(Event::Gone));
    let other = forgotten.replace("410", "500");
    let why = "too old resource version: 1 (352)".to_owned();
    assert_eq!(event(other.as_bytes()), Ok(Event::Ended { code: 500, why }));
}

fn with(conditions: Value, taints: Value) -> monitor::hosts::kubernetes::node::Node {
    let node = json!({ "metadata": { "name": "n1" }, "spec": { "taints": taints }, "status": { "conditions": conditions } });
    let list =
        json!({ "kind": "NodeList", "metadata": { "resourceVersion": "1" }, "items": [node] });
    page(list.to_string().as_bytes()).unwrap().nodes.remove(0)
}

#[test]
fn a_node_that_has_never_come_has_not_fallen_silent() {
    let never =
        json!([{ "type": "Ready", "status": "Unknown", "reason": "NodeStatusNeverUpdated" }]);
    assert_eq!(with(never, Value::Null).ready, Ready::Never);
    assert_eq!(with(Value::Null, Value::Null).ready, Ready::Never);
    let silent = json!([
        { "type": "MemoryPressure", "status": "Unknown", "reason": "NodeStatusNeverUpdated" },
        { "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" },
    ]);
    assert_eq!(with(silent, Value::Null).ready, Ready::Silent);
}

#[test]
fn of_the_taints_only_the_one_that_a_person_sets_is_one() {
    let taints = json!([
        { "key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-11-23T02:00:22Z" },
        { "key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute" },
    ]);
    let words = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute".to_owned();
    assert_eq!(with(json!([]), taints).taint, Some(Taint { words: words.clone(), added_at: None }));
    let dated = json!([{ "key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute",
        "timeAdded": "1970-01-01T00:00:07Z" }]);
    assert_eq!(with(json!([]), dated).taint, Some(Taint { words, added_at: Some(Millis(7_000)) }));
}

#[test]
fn what_is_no_list_of_nodes_is_refused_by_what_it_is() {
    let status = r#"{"kind":"Status","message":"the server is starting\nup"}"#;
    let refused = page(status.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused, "a Status, where a NodeList was asked for: the server is starting up");
    for rubbish in
        [&b"<html>"[..], b"", b"{", b"[]", b"\xff\xfe", b"{\"kind\":\"NodeList\",\"items\":7}"]
    {
        assert!(page(rubbish).is_err(), "{rubbish:?}");
        assert!(event(rubbish).is_err(), "{rubbish:?}");
    }
    // What nests without an end is passed over, and overturns no stack.
    let deep =
        format!(r#"{{"kind":"NodeList","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(page(deep.as_bytes()).unwrap().nodes, []);
    let unknown = r#"{"type":"RENAMED","object":{}}"#;
    assert_eq!(event(unknown.as_bytes()), Err(Unreadable::Type("RENAMED".into())));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let line = vec![b' '; LINE_BYTES_MOST + 1];
    assert!(matches!(event(&line), Err(Unreadable::Huge { .. })));
    let told = page(&vec![b' '; PAGE_BYTES_MOST + 1]).unwrap_err().to_string();
    assert_eq!(told, "50331649 bytes: more than 50331648 are not read");
    let items: Vec<Value> =
        (0..=NODES_MOST).map(|n| json!({ "metadata": { "name": format!("n{n}") } })).collect();
    let list = json!({ "kind": "NodeList", "items": items }).to_string();
    assert_eq!(page(list.as_bytes()), Err(Unreadable::TooMany));
    for name in [String::new(), "n".repeat(254)] {
        let list =
            json!({ "kind": "NodeList", "items": [{ "metadata": { "name": name } }] }).to_string();
        assert_eq!(page(list.as_bytes()), Err(Unreadable::Name));
    }
}
