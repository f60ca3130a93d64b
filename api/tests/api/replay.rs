//! Sends recorded steps, and compares the answers with those that were recorded.

use crate::{
    bases::Kind,
    world::{Client, World},
};
use http::HeaderValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(crate) const HOST: &str = "127.0.0.1:15868";
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
const CORS_HEADERS: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// How the steps went.
pub(crate) struct Verdicts {
    differs: BTreeMap<&'static str, &'static str>,
    kind: Kind,
    wrong: Vec<String>,
    equal: usize,
}

impl Verdicts {
    pub(crate) fn new(differs: &'static str, kind: Kind) -> Self {
        Self { differs: listed(differs), kind, wrong: Vec::new(), equal: 0 }
    }

    /// Takes a step that is a request.
    pub(crate) async fn take(&mut self, replay: &mut Replay, step: &Value) {
        let name = step["name"].as_str().unwrap();
        let mut why = self.differs.get(name);
        if why.is_some_and(|why| why.starts_with("(MySQL)")) {
            if self.kind != Kind::MariaDb {
                return;
            }
            why = None;
        }
        match (replay.run(step).await, why) {
            (None, None) => self.equal += 1,
            (Some(_), Some(_)) => {}
            (Some(difference), None) => self.wrong.push(format!("{name}: {difference}")),
            (None, Some(_)) => self.wrong.push(format!("{name}: equal now, take it off the list")),
        }
    }

    /// # Panics
    /// When a step differs that must not, or fewer than `expected` were equal.
    pub(crate) fn end(self, expected: usize) {
        let Self { wrong, equal, kind, .. } = self;
        assert!(wrong.is_empty(), "{kind:?}, {} steps:\n{}", wrong.len(), wrong.join("\n"));
        assert!(equal >= expected, "{kind:?}: only {equal} steps were equal");
    }
}

/// The steps that may differ, each with its reason: `name of step: why` a line.
fn listed(differs: &'static str) -> BTreeMap<&'static str, &'static str> {
    let lines = differs.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").expect("`name of step: why`")).collect()
}

/// Which recording is replayed: they write the same things in different ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Recording {
    /// What everybody was given.
    Shared,
    /// What our own recorder wrote (`cloud/recorder`).
    Settings,
}

pub(crate) struct Replay {
    pub(crate) world: World,
    pub(crate) variables: BTreeMap<String, String>,
    recording: Recording,
}

impl Replay {
    pub(crate) fn new(world: World, recording: Recording) -> Self {
        let projects = [
            ("project", Client::Admin),
            ("member_project", Client::Demo),
            ("other_project", Client::Other),
        ];
        let variables = projects.map(|(name, who)| (name.to_owned(), who.project().to_owned()));
        let mut variables: BTreeMap<_, _> = variables.into();
        if recording == Recording::Shared {
            variables.retain(|name, _| name == "project");
        }
        Self { world, variables, recording }
    }

    /// The difference between what is recorded and what we answer.
    pub(crate) async fn run(&mut self, step: &Value) -> Option<String> {
        if let Some(times) = step["times"].as_u64() {
            return self.run_together(step, times).await;
        }
        let answer = self.world.send(self.request(step)).await;
        let mut json: Option<Value> = serde_json::from_str(&answer.text).ok();
        for (variable, path) in step["save"].as_object().into_iter().flatten() {
            let found = json.as_ref().and_then(|json| dig(json, path.as_str().unwrap()));
            match found {
                Some(Value::String(found)) => {
                    self.variables.insert(variable.clone(), found.clone());
                }
                Some(Value::Number(found)) => {
                    self.variables.insert(variable.clone(), found.to_string());
                }
                _ => {}
            }
        }
        if let (Some(order), Some(json)) = (step["order"].as_array(), &mut json)
            && Some(put_in_order(json, order)) != step["ordered"].as_bool()
        {
            return Some(format!("the list is not sorted: {json}"));
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
        let more = if self.recording == Recording::Settings { CORS_HEADERS } else { &[] };
        for name in HEADERS.iter().chain(more) {
            if let Some(value) = answer.headers.get(*name) {
                let value = self.normal(value.to_str().unwrap().into(), "");
                headers.insert((*name).to_owned(), value);
            }
        }
        let headers = Value::Object(headers);
        (headers != step["response_headers"])
            .then(|| format!("{headers}\n    recorded {}", step["response_headers"]))
    }

    /// The statuses of answers to the same request, which is sent that often at once.
    async fn run_together(&self, step: &Value, times: u64) -> Option<String> {
        let sent = (0..times).map(|_| self.world.send(self.request(step)));
        let answers = futures::future::join_all(sent).await;
        let mut statuses: Vec<u16> = answers.iter().map(|a| a.status.as_u16()).collect();
        statuses.sort_unstable();
        let statuses = Value::from(statuses);
        (statuses != step["statuses"]).then(|| format!("{statuses}, recorded {}", step["statuses"]))
    }

    fn request(&self, step: &Value) -> http::Request<axum::body::Body> {
        let mut headers: BTreeMap<String, Vec<String>> =
            [("accept".to_owned(), vec!["application/json".to_owned()])].into();
        headers.insert("host".into(), vec![HOST.into()]);
        let token = match step["token"].as_str() {
            Some("admin") | None => Some(Client::Admin.token()),
            Some("demo" | "member") => Some(Client::Demo.token()),
            Some("reader") => Some(Client::Reader.token()),
            Some("other") => Some(Client::Other.token()),
            Some("bad") => Some("gAAAAA-not-a-token"),
            Some(_) => None,
        };
        if let Some(token) = token {
            headers.insert("x-auth-token".into(), vec![token.into()]);
        }
        let body = self.body(&step["body"]);
        if let Some(body) = &body {
            headers.insert("content-type".into(), vec!["application/json".into()]);
            headers.insert("content-length".into(), vec![body.len().to_string()]);
        }
        for (name, value) in step["headers"].as_object().into_iter().flatten() {
            let values =
                value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            let values: Vec<_> =
                values.iter().filter_map(|v| Some(self.fill(v.as_str()?))).collect();
            headers.insert(name.to_lowercase(), values);
        }
        let path = self.fill(step["path"].as_str().unwrap());
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let mut request =
            http::Request::builder().method(step["method"].as_str().unwrap()).uri(path);
        for (name, value) in headers.iter().flat_map(|(n, vs)| vs.iter().map(move |v| (n, v))) {
            request =
                request.header(name, HeaderValue::from_bytes(value.trim().as_bytes()).unwrap());
        }
        request.body(body.unwrap_or_default().into()).unwrap()
    }

    fn body(&self, body: &Value) -> Option<Vec<u8>> {
        if let Some(json) = body.get("json") {
            return Some(self.fill(&json.to_string()).into_bytes());
        }
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

    pub(crate) fn fill(&self, text: &str) -> String {
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
            Value::String(_) if key == "dest_host" && self.recording == Recording::Shared => {
                "<host>".into()
            }
            Value::String(text) => {
                let mut text = text.replace(&format!("http://{HOST}"), "<endpoint>");
                if self.recording == Recording::Settings {
                    text = text.replace(HOST, "<host>");
                }
                for (name, value) in self.variables.iter().filter(|(_, value)| value.len() >= 16) {
                    text = text.replace(value, &format!("{{{name}}}"));
                }
                squeezed(&masked(&text)).into()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }
}

/// Sorts the list by what it was made in, and says whether it came in the order of `field`.
fn put_in_order(json: &mut Value, order: &[Value]) -> bool {
    let word = |i: usize| order[i].as_str().unwrap();
    let Some(Value::Array(rows)) = json.get_mut(word(0)) else { return false };
    let cells: Vec<_> = rows.iter().map(|row| row[word(1)].as_str().map(str::to_owned)).collect();
    rows.sort_by_key(|row| row["id"].as_i64());
    if word(2) == "desc" { cells.is_sorted_by(|a, b| a >= b) } else { cells.is_sorted() }
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

/// The shortest run of one character that a recording does not hold as it is.
const LONG: usize = 1000;

/// Says how long what is long is: `<x 114600>`.
fn squeezed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.trim_start_matches(c);
        let count = (rest.len() - tail.len()) / c.len_utf8();
        match count >= LONG {
            true => out.push_str(&format!("<{c} x {count}>")),
            false => out.push_str(&rest[..rest.len() - tail.len()]),
        }
        rest = tail;
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
