//! `os-aggregates`: groups of hosts.

use super::{Call, refuse};
use crate::host::Host;
use crate::http::{Answered, Reply, naive};
use crate::state::State;
use recovery::HostName;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) name: String,
    pub(crate) hosts: BTreeSet<HostName>,
}

impl Aggregate {
    /// `count` aggregates of every host that is in service.
    pub(crate) fn of_all(count: usize, hosts: &BTreeMap<HostName, Host>) -> Vec<Self> {
        let serving = hosts.values().filter(|h| !h.disabled).map(|h| h.name.clone());
        let hosts: BTreeSet<HostName> = serving.collect();
        let one = |n| Self { name: format!("aggregate-{n}"), hosts: hosts.clone() };
        (1..=count).map(one).collect()
    }
}

impl State {
    pub(super) fn list_aggregates(&self, call: &Call<'_>) -> Answered {
        call.admin_only("os_compute_api:os-aggregates:index")?;
        let all: Vec<Value> =
            (1..).zip(&self.aggregates).map(|(id, a)| self.aggregate_json(id, a)).collect();
        Ok(Reply::json(200, json!({ "aggregates": all })))
    }

    fn aggregate_json(&self, id: usize, aggregate: &Aggregate) -> Value {
        let hosts: Vec<&str> = aggregate.hosts.iter().map(HostName::as_str).collect();
        json!({
            "id": id, "uuid": format!("00000000-0000-4000-9000-{id:012}"), "name": aggregate.name,
            "availability_zone": null, "metadata": {}, "hosts": hosts, "deleted": false,
            "deleted_at": null, "created_at": naive(self.now), "updated_at": null,
        })
    }

    pub(super) fn change_aggregate(&mut self, call: &Call<'_>, id: &str) -> Answered {
        call.admin_only("os_compute_api:os-aggregates:add_host")?;
        let number: usize = id.parse().unwrap_or(0);
        let body = call.q.json();
        let action = ["add_host", "remove_host"].into_iter().find(|a| !body[*a].is_null());
        let Some(action) = action else { return Err(refuse(400, "There is no such action.")) };
        let name = HostName::new(body[action]["host"].as_str().unwrap_or_default());
        if !self.hosts.contains_key(&name) {
            return Err(refuse(404, &format!("Compute host {name} could not be found.")));
        }
        let aggregate = number.checked_sub(1).and_then(|at| self.aggregates.get_mut(at));
        let Some(aggregate) = aggregate else {
            return Err(refuse(404, &format!("Aggregate {id} could not be found.")));
        };
        if action == "add_host" && !aggregate.hosts.insert(name.clone()) {
            let text = format!("Aggregate {id} already has host {name}.");
            return Err(refuse(409, &text));
        }
        if action == "remove_host" && !aggregate.hosts.remove(&name) {
            return Err(refuse(404, &format!("Cannot remove host {name} in aggregate {id}")));
        }
        self.tell(format!("{name}: {action} aggregate {id}"));
        let aggregate = self.aggregates.get(number - 1).map(|a| self.aggregate_json(number, a));
        Ok(Reply::json(200, json!({ "aggregate": aggregate })))
    }
}
