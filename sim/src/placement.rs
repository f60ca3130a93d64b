//! Placement: who has room. A host is a resource provider of its service's id, and holds as many servers as fit
//! on it; what it has in use stays in use when it dies. The rules are those of Placement 14.

use crate::host::Host;
use crate::http::{Answered, Question, Reply};
use crate::keystone::{Standing, unauthorized};
use crate::nova::{RAM_MB, VCPUS};
use crate::state::State;
use serde_json::{Map, Value, json};

/// What a server takes of each class.
const CLASSES: [(&str, u64); 2] = [("VCPU", VCPUS), ("MEMORY_MB", RAM_MB)];

fn refused(status: u16, detail: &str) -> Reply {
    let title = match status {
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Bad Request",
    };
    let error = json!({ "status": status, "title": title, "detail": detail });
    Reply::json(status, json!({ "errors": [error] }))
}

impl State {
    pub(crate) fn placement_reply(&self, q: &Question) -> Answered {
        let token = q.header("x-auth-token");
        let caller = self.keystone.caller(token, self.now).ok_or_else(unauthorized)?;
        if caller.standing != Standing::Admin {
            return Err(refused(403, "placement:resource_providers:list is not allowed"));
        }
        let path: Vec<&str> = q.path.iter().skip(1).map(String::as_str).collect();
        match (q.method.as_str(), path.as_slice()) {
            ("GET", ["resource_providers"]) => {
                let found = self.with_room(q)?;
                let shown = found.into_iter().map(|host| {
                    json!({ "name": host.name.as_str(), "uuid": host.service.as_str(),
                            "generation": 1, "links": [] })
                });
                let shown: Vec<Value> = shown.collect();
                Ok(Reply::json(200, json!({ "resource_providers": shown })))
            }
            ("GET", ["allocation_candidates"]) => {
                let limit = q.query("limit").and_then(|limit| limit.parse().ok());
                let found = self.with_room(q)?.into_iter().take(limit.unwrap_or(usize::MAX));
                let found: Vec<&Host> = found.collect();
                let named = |host: &Host, what: Value| (host.service.as_str().to_owned(), what);
                let summaries: Map<String, Value> =
                    found.iter().map(|host| named(host, self.summary(host))).collect();
                let taken: Map<String, Value> =
                    asked(q)?.into_iter().map(|(class, amount)| (class, json!(amount))).collect();
                let request = |host: &&Host| {
                    let of = named(host, json!({ "resources": taken }));
                    json!({ "allocations": Map::from_iter([of]) })
                };
                let requests: Vec<Value> = found.iter().map(request).collect();
                Ok(Reply::json(
                    200,
                    json!({ "allocation_requests": requests, "provider_summaries": summaries }),
                ))
            }
            (_, _) => Err(refused(404, "The resource could not be found.")),
        }
    }

    /// The providers that have so much left of each class that is asked for.
    fn with_room(&self, q: &Question) -> Result<Vec<&Host>, Reply> {
        let asked = asked(q)?;
        let has = |host: &&Host| {
            let free = self.fits(host).saturating_sub(self.load(host));
            let left = u64::try_from(free).unwrap_or(u64::MAX);
            // Nobody has anything of another class.
            let of = |class: &str| CLASSES.iter().find(|(name, _)| *name == class);
            asked.iter().all(|(class, amount)| {
                of(class).is_some_and(|(_, each)| left.saturating_mul(*each) >= *amount)
            })
        };
        Ok(self.hosts.values().filter(has).collect())
    }

    fn summary(&self, host: &Host) -> Value {
        let (fits, load) = (self.fits(host) as u64, self.load(host) as u64);
        let of = |(class, each): &(&str, u64)| {
            let usage = json!({ "capacity": fits * each, "used": load * each });
            ((*class).to_owned(), usage)
        };
        json!({ "resources": CLASSES.iter().map(of).collect::<Map<String, Value>>(), "traits": [] })
    }
}

/// How much of which class is asked for.
fn asked(q: &Question) -> Result<Vec<(String, u64)>, Reply> {
    let Some(resources) = q.query("resources") else {
        return Err(refused(400, "Badly formed query: 'resources' is a required property"));
    };
    let read = |resource: &str| {
        let (class, amount) = resource.split_once(':')?;
        Some((class.to_owned(), amount.parse().ok().filter(|amount| *amount > 0)?))
    };
    let asked: Option<Vec<(String, u64)>> = resources.split(',').map(read).collect();
    asked.ok_or_else(|| refused(400, "Badly formed resources parameter"))
}
