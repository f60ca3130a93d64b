//! A Keystone that knows four people and a Nova that knows four hosts, and either may be away.

use async_trait::async_trait;
use bytes::Bytes;
use ports::{Answer, Ask, Transport, TransportError};
use serde_json::{Value, json};
use std::{sync::Mutex, time::Duration};

pub(crate) const ADMIN_TOKEN: &str = "token-of-admin";
pub(crate) const DEMO_TOKEN: &str = "token-of-demo";
pub(crate) const READER_TOKEN: &str = "token-of-reader";
pub(crate) const OTHER_TOKEN: &str = "token-of-another-admin";
pub(crate) const ADMIN_PROJECT: &str = "4f3c2a1b00000000000000000000000a";
pub(crate) const DEMO_PROJECT: &str = "4f3c2a1b00000000000000000000000b";
pub(crate) const OTHER_PROJECT: &str = "4f3c2a1b00000000000000000000000c";

/// Who does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Away {
    Keystone,
    Nova,
}

/// What comes instead of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Instead {
    /// Nobody is there.
    Nothing,
    Status(u16),
    Rubbish,
    /// The first half of the true answer.
    Half,
}

#[derive(Debug, Default)]
pub(crate) struct Cloud {
    fault: Mutex<Option<(Away, Instead)>>,
}

impl Cloud {
    pub(crate) fn lose(&self, who: Away) {
        self.fail(who, Instead::Nothing);
    }

    pub(crate) fn fail(&self, who: Away, instead: Instead) {
        *self.fault.lock().unwrap() = Some((who, instead));
    }
}

impl Instead {
    fn of(self, told: Answer, to: String) -> Result<Answer, TransportError> {
        match self {
            Self::Nothing => Err(TransportError::Unreachable { to, why: "refused".into() }),
            Self::Status(status) => Ok(answer(status, &json!({"error": {"message": "no"}}))),
            Self::Rubbish => Ok(told.map(|_| Bytes::from_static(b"<html>\xff it works!"))),
            Self::Half => Ok(told.map(|body| body.slice(..body.len() / 2))),
        }
    }
}

#[async_trait]
impl Transport for Cloud {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        let host = ask.uri().host().unwrap_or_default().to_owned();
        let (who, told) = match host.as_str() {
            "keystone" => (Away::Keystone, keystone(&ask)),
            "nova" => (Away::Nova, nova(&ask)),
            other => panic!("nobody is at {other}"),
        };
        match *self.fault.lock().unwrap() {
            Some((faulty, instead)) if faulty == who => instead.of(told, host),
            _ => Ok(told),
        }
    }
}

fn keystone(ask: &Ask) -> Answer {
    let subject = ask.headers().get("x-subject-token").and_then(|token| token.to_str().ok());
    match (ask.method().as_str(), subject) {
        ("POST", _) => {
            let endpoint = json!({"interface": "public", "region": "R", "url": "http://nova/v2.1"});
            let catalog = json!([{"type": "compute", "endpoints": [endpoint]}]);
            let mut answer = answer(201, &token("masakari", "service", &["service"], &catalog));
            answer.headers_mut().insert("x-subject-token", "our-token".parse().unwrap());
            answer
        }
        (_, Some(ADMIN_TOKEN)) => answer(
            200,
            &token("admin", ADMIN_PROJECT, &["admin", "manager", "member", "reader"], &Value::Null),
        ),
        (_, Some(DEMO_TOKEN)) => {
            answer(200, &token("demo", DEMO_PROJECT, &["member", "reader"], &Value::Null))
        }
        (_, Some(READER_TOKEN)) => {
            answer(200, &token("reader", DEMO_PROJECT, &["reader"], &Value::Null))
        }
        (_, Some(OTHER_TOKEN)) => answer(
            200,
            &token("other", OTHER_PROJECT, &["admin", "manager", "member", "reader"], &Value::Null),
        ),
        _ => answer(404, &json!({"error": {"code": 404, "message": "no such token"}})),
    }
}

fn token(user: &str, project: &str, roles: &[&str], catalog: &Value) -> Value {
    let roles: Vec<Value> = roles.iter().map(|name| json!({"id": name, "name": name})).collect();
    let domain = json!({"id": "default", "name": "Default"});
    let mut token = json!({
        "issued_at": "2026-11-21T00:00:00.000000Z",
        "expires_at": "2099-11-21T00:00:00.000000Z",
        "user": {"id": format!("{user}-id"), "name": user, "domain": domain},
        "project": {"id": project, "name": project, "domain": domain},
        "roles": roles,
    });
    if !catalog.is_null() {
        token["catalog"] = catalog.clone();
    }
    json!({ "token": token })
}

fn nova(ask: &Ask) -> Answer {
    if !ask.uri().path().ends_with("/os-services") {
        return answer(200, &json!({"version": {"version": "2.96"}}));
    }
    let wanted = ask.uri().query().unwrap_or_default();
    let known = ["compute01", "compute02", "compute03", "compute04"];
    let found = known.iter().filter(|name| wanted.split('&').any(|p| p == format!("host={name}")));
    let services: Vec<Value> = found
        .map(|name| {
            json!({
                "id": format!("service-of-{name}"),
                "binary": "nova-compute",
                "host": name,
                "status": "enabled",
                "state": "up",
                "forced_down": false,
                "updated_at": "2026-11-21T00:00:00.000000",
            })
        })
        .collect();
    answer(200, &json!({ "services": services }))
}

fn answer(status: u16, body: &Value) -> Answer {
    let mut answer = http::Response::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status.try_into().unwrap();
    answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
    answer
}
