//! Keystone: passwords in, tokens and the catalogue out.

use crate::http::{Answered, Question, Reply, iso};
use crate::state::State;
use ports::{Entropy, SeededEntropy};
use recovery::Millis;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A user that may do everything, and the project that it logs in to.
pub const USER: &str = "masakari";
pub const PROJECT: &str = "service";
/// The password of every user of the simulated cloud.
pub const PASSWORD: &str = "simulated";

#[derive(Debug)]
pub(crate) struct Keystone {
    users: Vec<User>,
    projects: Vec<Project>,
    roles: Vec<(String, &'static str)>,
    tokens: BTreeMap<String, Token>,
}

#[derive(Debug)]
struct User {
    id: String,
    name: &'static str,
    roles: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    name: &'static str,
}

#[derive(Debug)]
struct Token {
    user: usize,
    project: Option<usize>,
    issued: Millis,
    expires: Millis,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Admin,
    Member,
}

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) standing: Standing,
    pub(crate) project: String,
    pub(crate) user: String,
}

impl Keystone {
    pub(crate) fn new(chance: &SeededEntropy) -> Self {
        let id = || chance.uuid().simple().to_string();
        let user = |name, roles| User { id: id(), name, roles };
        Self {
            users: vec![
                user("admin", &["admin", "member", "reader"]),
                user(USER, &["admin", "service"]),
                user("demo", &["member", "reader"]),
            ],
            projects: ["admin", PROJECT, "demo"].map(|name| Project { id: id(), name }).into(),
            roles: ["admin", "member", "reader", "service"].map(|name| (id(), name)).into(),
            tokens: BTreeMap::new(),
        }
    }

    pub(crate) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    /// The n-th project and a user of it, for servers to belong to.
    pub(crate) fn owner(&self, n: usize) -> (String, String) {
        let project = self.projects.get(n % self.projects.len()).map(|p| p.id.clone());
        let user = self.users.get(n % self.users.len()).map(|u| u.id.clone());
        (project.unwrap_or_default(), user.unwrap_or_default())
    }

    fn valid(&self, id: &str, now: Millis) -> Option<&Token> {
        self.tokens.get(id).filter(|token| now < token.expires)
    }

    /// Whose token this is.
    pub(crate) fn caller(&self, token: Option<&str>, now: Millis) -> Option<Caller> {
        let token = self.valid(token?, now)?;
        let user = self.users.get(token.user)?;
        let standing =
            if user.roles.contains(&"admin") { Standing::Admin } else { Standing::Member };
        let project = token.project.and_then(|p| self.projects.get(p)).map(|p| p.id.clone());
        Some(Caller { standing, project: project.unwrap_or_default(), user: user.id.clone() })
    }
}

impl State {
    pub(crate) fn keystone_reply(&mut self, q: &Question) -> Answered {
        let path: Vec<&str> = q.path.iter().skip(1).map(String::as_str).collect();
        match (q.method.as_str(), path.as_slice()) {
            (_, []) => {
                let values = [self.keystone_version()];
                Ok(Reply::json(300, json!({ "versions": { "values": values } })))
            }
            (_, ["v3"]) => Ok(Reply::json(200, json!({ "version": self.keystone_version() }))),
            ("POST", ["v3", "auth", "tokens"]) => self.log_in(q),
            (_, ["v3", rest @ ..]) => {
                let token = q.header("x-auth-token");
                let caller = self.keystone.caller(token, self.now).ok_or_else(unauthorized)?;
                match (q.method.as_str(), rest) {
                    ("GET" | "HEAD", ["auth", "tokens"]) => self.validate(q),
                    ("DELETE", ["auth", "tokens"]) => self.revoke(q),
                    ("GET", rest) => self.keystone_list(q, rest, &caller),
                    (_, _) => Err(not_found("The resource could not be found.")),
                }
            }
            (_, _) => Err(not_found("The resource could not be found.")),
        }
    }

    fn keystone_version(&self) -> Value {
        json!({
            "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
            "links": [{ "rel": "self", "href": format!("{}/identity/v3/", self.shape.endpoints.base) }],
            "media-types": [{ "base": "application/json",
                              "type": "application/vnd.openstack.identity-v3+json" }],
        })
    }

    fn log_in(&mut self, q: &Question) -> Answered {
        let body = q.json();
        let identity = body.pointer("/auth/identity").ok_or_else(|| {
            error(
                400,
                "Bad Request",
                "Invalid input for field 'identity': a JSON object is expected.",
            )
        })?;
        let user = match identity.pointer("/methods/0").and_then(Value::as_str) {
            Some("password") => self.by_password(&identity["password"]["user"]),
            Some("token") => identity["token"]["id"]
                .as_str()
                .and_then(|id| self.keystone.valid(id, self.now))
                .map(|token| token.user),
            Some(_) | None => None,
        };
        let user = user.ok_or_else(unauthorized)?;
        let project = match body.pointer("/auth/scope/project") {
            None => None,
            Some(wanted) => Some(self.project(wanted).ok_or_else(unauthorized)?),
        };
        let (issued, expires) = (self.now, self.now.plus(self.shape.token_life_ms));
        let id = format!("gAAAAA{}{}", self.uuid(), self.uuid());
        let reply = Reply::json(201, self.token_body(&Token { user, project, issued, expires }));
        self.keystone.tokens.insert(id.clone(), Token { user, project, issued, expires });
        Ok(reply.with("x-subject-token", id))
    }

    fn by_password(&self, wanted: &Value) -> Option<usize> {
        let is = |user: &User| {
            wanted["name"].as_str() == Some(user.name) || wanted["id"].as_str() == Some(&user.id)
        };
        let found = self.keystone.users.iter().position(is);
        found.filter(|_| wanted["password"].as_str() == Some(PASSWORD))
    }

    fn project(&self, wanted: &Value) -> Option<usize> {
        let is = |project: &Project| {
            wanted["name"].as_str() == Some(project.name)
                || wanted["id"].as_str() == Some(&project.id)
        };
        self.keystone.projects.iter().position(is)
    }

    fn validate(&self, q: &Question) -> Answered {
        let id = q.header("x-subject-token").unwrap_or_default();
        let token = self.keystone.valid(id, self.now);
        let token = token.ok_or_else(|| not_found("Failed to validate token"))?;
        Ok(Reply::json(200, self.token_body(token)).with("x-subject-token", id))
    }

    fn revoke(&mut self, q: &Question) -> Answered {
        let id = q.header("x-subject-token").unwrap_or_default();
        match self.keystone.tokens.remove(id) {
            Some(_) => Ok(Reply::empty(204)),
            None => Err(not_found("Failed to validate token")),
        }
    }

    fn token_body(&self, token: &Token) -> Value {
        let keystone = &self.keystone;
        let micro = |at| iso(at).replace('Z', ".000000Z");
        let mut body = json!({
            "methods": ["password"], "is_domain": false, "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
            "issued_at": micro(token.issued), "expires_at": micro(token.expires),
        });
        if let Some(user) = keystone.users.get(token.user) {
            let held = keystone.roles.iter().filter(|(_, role)| user.roles.contains(role));
            let roles: Vec<Value> =
                held.map(|(id, name)| json!({ "id": id, "name": name })).collect();
            body["user"] = json!({ "id": user.id, "name": user.name, "domain": domain(),
                                   "password_expires_at": null });
            if let Some(project) = token.project.and_then(|p| keystone.projects.get(p)) {
                body["project"] =
                    json!({ "id": project.id, "name": project.name, "domain": domain() });
                body["roles"] = roles.into();
                body["catalog"] = self.catalogue();
            }
        }
        json!({ "token": body })
    }

    fn catalogue(&self) -> Value {
        let endpoints = &self.shape.endpoints;
        let base = &endpoints.base;
        let service = |kind: &str, name: &str, url: String| {
            let of = |interface: &str| {
                json!({ "id": format!("{kind}-{interface}"), "interface": interface, "url": url,
                        "region": "RegionOne", "region_id": "RegionOne" })
            };
            json!({ "id": kind, "type": kind, "name": name,
                    "endpoints": [of("public"), of("internal"), of("admin")] })
        };
        json!([
            service("identity", "keystone", format!("{base}/identity")),
            service("compute", "nova", format!("{base}/compute/v2.1")),
            service("placement", "placement", format!("{base}/placement")),
            service("instance-ha", "masakari", endpoints.instance_ha.clone()),
        ])
    }

    /// Users, projects, roles and domains: as much as the command line looks up.
    fn keystone_list(&self, q: &Question, path: &[&str], caller: &Caller) -> Answered {
        let keystone = &self.keystone;
        let entry = |id: &str, name: &str| {
            json!({ "id": id, "name": name, "domain_id": "default", "enabled": true,
                    "description": "", "links": {} })
        };
        let (plural, one, all): (&str, &str, Vec<Value>) = match path.first() {
            Some(&"users") => {
                ("users", "user", keystone.users.iter().map(|u| entry(&u.id, u.name)).collect())
            }
            Some(&("projects" | "auth")) => (
                "projects",
                "project",
                keystone.projects.iter().map(|p| entry(&p.id, p.name)).collect(),
            ),
            Some(&"roles") => {
                ("roles", "role", keystone.roles.iter().map(|(id, n)| entry(id, n)).collect())
            }
            Some(&"domains") => ("domains", "domain", vec![entry("default", "Default")]),
            Some(_) | None => return Err(not_found("The resource could not be found.")),
        };
        if caller.standing != Standing::Admin && path.first() != Some(&"auth") {
            return Err(error(
                403,
                "Forbidden",
                "You are not authorized to perform the requested action.",
            ));
        }
        match path {
            [_, id] if *id != "projects" => all
                .into_iter()
                .find(|item| item["id"] == **id)
                .map(|item| Reply::json(200, json!({ one: item })))
                .ok_or_else(|| not_found(&format!("Could not find {one}: {id}."))),
            _ => {
                let wanted = |item: &Value| q.query("name").is_none_or(|name| item["name"] == name);
                let all: Vec<Value> = all.into_iter().filter(wanted).collect();
                Ok(Reply::json(200, json!({ plural: all, "links": {} })))
            }
        }
    }
}

fn domain() -> Value {
    json!({ "id": "default", "name": "Default" })
}

fn error(status: u16, title: &str, message: &str) -> Reply {
    let error = json!({ "code": status, "title": title, "message": message });
    Reply::json(status, json!({ "error": error }))
}

/// Also what Nova says to whoever comes without a valid token.
pub(crate) fn unauthorized() -> Reply {
    error(401, "Unauthorized", "The request you have made requires authentication.")
        .with("www-authenticate", "Keystone uri=\"http://cloud.test/identity\"")
}

fn not_found(message: &str) -> Reply {
    error(404, "Not Found", message)
}
