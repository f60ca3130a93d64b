//! Replays recorded answers of Python Masakari. Where no engine runs, this test is the engine: at a
//! step that waits for a status, it writes that status.

use crate::{
    engine,
    world::{Client, World},
};
use recovery::{NotificationId, nouns::NotificationStatus};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};
use store::Store;

const STEPS: &str = include_str!("../golden/api.jsonl");
/// `name of step: why` a line; must shrink.
const DIFFERS: &str = include_str!("../golden/differs.txt");
const ENDPOINT: &str = "http://127.0.0.1:15868";
const HEADERS: &[&str] = &[
    "content-type",
    "openstack-api-version",
    "vary",
    "www-authenticate",
    "location",
    "allow",
    "x-openstack-request-id",
    "retry-after",
];

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_python_masakari() {
    let differs: BTreeMap<&str, &str> = DIFFERS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect("`name of step: why`"))
        .collect();
    let mut replay = Replay::new();
    let mut wrong = Vec::new();
    let mut equal = 0;
    for line in STEPS.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        let name = step["name"].as_str().unwrap();
        if step.get("wait").is_some() {
            replay.settle(&step).await;
            continue;
        }
        if name == "notification create not duplicate" {
            // Python goes by the time that the report names, we by the time at which it comes.
            tokio::time::advance(Duration::from_secs(181)).await;
        }
        let difference = replay.run(&step).await;
        match (difference, differs.get(name)) {
            (None, None) => equal += 1,
            (Some(_), Some(_)) => {}
            (Some(difference), None) => wrong.push(format!("{name}: {difference}")),
            (None, Some(_)) => wrong.push(format!("{name}: equal now, take it off the list")),
        }
    }
    assert!(wrong.is_empty(), "{} steps:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal > 400, "only {equal} steps were compared");
}

struct Replay {
    world: World,
    variables: BTreeMap<String, String>,
}

impl Replay {
    fn new() -> Self {
        let world = World::new();
        let project = ("project".to_owned(), Client::Admin.project().to_owned());
        Self { world, variables: [project].into() }
    }

    /// The difference between what is recorded and what we answer.
    async fn run(&mut self, step: &Value) -> Option<String> {
        let answer = self.world.send(self.request(step)).await;
        let json: Option<Value> = serde_json::from_str(&answer.text).ok();
        for (variable, path) in step["save"].as_object().into_iter().flatten() {
            let found = json.as_ref().and_then(|json| dig(json, path.as_str().unwrap()));
            if let Some(Value::String(found)) = found {
                self.variables.insert(variable.clone(), found.clone());
            }
        }
        if answer.status.as_u16() != step["status"] {
            return Some(format!(
                "{}, recorded {}: {}",
                answer.status, step["status"], answer.text
            ));
        }
        let body = json.unwrap_or_else(|| Value::String(answer.text.clone()));
        let body = if step["method"] == "HEAD" { "".into() } else { body };
        let body = self.normal(body, "");
        if body != step["response"] {
            return Some(format!("{body}\n    recorded {}", step["response"]));
        }
        let mut headers = Map::new();
        for name in HEADERS {
            if let Some(value) = answer.headers.get(*name) {
                let value = self.normal(value.to_str().unwrap().into(), "");
                headers.insert((*name).to_owned(), value);
            }
        }
        let headers = Value::Object(headers);
        (headers != step["response_headers"])
            .then(|| format!("{headers}\n    recorded {}", step["response_headers"]))
    }

    fn request(&self, step: &Value) -> http::Request<axum::body::Body> {
        let mut headers: BTreeMap<String, String> =
            [("accept".to_owned(), "application/json".to_owned())].into();
        headers.insert("host".into(), ENDPOINT.trim_start_matches("http://").into());
        let token = match step["token"].as_str() {
            Some("admin") | None => Some(Client::Admin.token()),
            Some("demo") => Some(Client::Demo.token()),
            Some("bad") => Some("gAAAAA-not-a-token"),
            Some(_) => None,
        };
        if let Some(token) = token {
            headers.insert("x-auth-token".into(), token.into());
        }
        let body = self.body(&step["body"]);
        if body.is_some() {
            headers.insert("content-type".into(), "application/json".into());
        }
        for (name, value) in step["headers"].as_object().into_iter().flatten() {
            match value.as_str() {
                Some(value) => headers.insert(name.to_lowercase(), self.fill(value)),
                None => headers.remove(&name.to_lowercase()),
            };
        }
        let path = self.fill(step["path"].as_str().unwrap());
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let mut request =
            http::Request::builder().method(step["method"].as_str().unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(body.unwrap_or_default().into()).unwrap()
    }

    fn body(&self, body: &Value) -> Option<Vec<u8>> {
        if let Some(text) = body.get("text") {
            return Some(self.fill(text.as_str().unwrap()).into_bytes());
        }
        if let Some(text) = body.get("b64") {
            return Some(base64(text.as_str().unwrap()));
        }
        let fill = body.get("fill")?;
        let part = |i: usize| fill[i].as_str().unwrap();
        let times = usize::try_from(fill[2].as_u64().unwrap()).unwrap();
        Some(format!("{}{}{}", part(0), part(1).repeat(times), part(3)).into_bytes())
    }

    fn fill(&self, text: &str) -> String {
        let replaced = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.variables.iter().fold(text.to_owned(), replaced)
    }

    /// Takes what chance and time put into an answer out of it, as the recording does.
    fn normal(&self, value: Value, key: &str) -> Value {
        match value {
            Value::Object(fields) => {
                let normal = |(k, v): (String, Value)| {
                    let v = self.normal(v, &k);
                    (k, v)
                };
                Value::Object(fields.into_iter().map(normal).collect())
            }
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.normal(item, "")).collect())
            }
            Value::Number(_) if key == "id" => "<int>".into(),
            Value::String(_) if key == "dest_host" => "<host>".into(),
            Value::String(text) => {
                let mut text = text.replace(ENDPOINT, "<endpoint>");
                for (name, value) in self.variables.iter().filter(|(_, value)| value.len() >= 16) {
                    text = text.replace(value, &format!("{{{name}}}"));
                }
                masked(&text).into()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// Plays the engine: what is waited for happens.
    async fn settle(&self, step: &Value) {
        let store = &self.world.store;
        let path = self.fill(step["wait"]["path"].as_str().unwrap());
        let id = NotificationId::new(path.rsplit('/').next().unwrap());
        match step["name"].as_str().unwrap() {
            "in-use running" => engine::begin(store, &id).await,
            "vmoves finished" => engine::finish(store, &id).await,
            "process failure finished" => engine::retire_host(store, &id).await,
            name => {
                let status = NotificationStatus::from_word(step["final"].as_str().unwrap());
                engine::end(store, &id, status.unwrap()).await;
                if name == "notification settled n8" {
                    for left in store.open_recoveries(1000).await.unwrap() {
                        engine::end(store, &left.notification, NotificationStatus::Finished).await;
                    }
                }
            }
        }
    }
}

fn dig<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(json, |value, part| match part.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(part),
    })
}

/// Names what looks like a request id, a UUID or a time.
fn masked(text: &str) -> String {
    const UUID: &str = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    let forms = [
        (format!("req-{UUID}"), "<request-id>"),
        (UUID.to_owned(), "<uuid>"),
        ("dddd-dd-dd dd:dd:dd".to_owned(), "<time>"),
        ("dddd-dd-ddTdd:dd:dd".to_owned(), "<time>"),
    ];
    let mut out = String::new();
    let mut rest = text;
    'next: while let Some(c) = rest.chars().next() {
        for (form, name) in &forms {
            if let Some(mut tail) = after(rest, form) {
                if *name == "<time>" {
                    tail = after_fraction_and_zone(tail);
                }
                out.push_str(name);
                rest = tail;
                continue 'next;
            }
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn after<'a>(text: &'a str, form: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(form.len())?;
    let fits = head.bytes().zip(form.bytes()).all(|(c, form)| match form {
        b'h' => c.is_ascii_hexdigit(),
        b'd' => c.is_ascii_digit(),
        form => c == form,
    });
    fits.then_some(tail)
}

fn after_fraction_and_zone(text: &str) -> &str {
    let digit = |c: char| c.is_ascii_digit();
    let rest = match text.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(digit) => fraction.trim_start_matches(digit),
        _ => text,
    };
    let zone = ["+dd:dd", "-dd:dd", "Z"].iter().find_map(|form| after(rest, form));
    zone.unwrap_or(rest)
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let six = LETTERS.iter().position(|known| *known == letter).unwrap();
        bits = (bits << 6 | u32::try_from(six).unwrap()) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).unwrap());
        }
    }
    bytes
}
