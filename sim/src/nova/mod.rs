//! Nova as its API shows it: a database of servers, services and migrations, which follows the truth
//! late or not at all. The rules are those of Nova 34.

mod actions;
mod aggregates;
mod evacuation;
mod events;
mod flavors;
mod hypervisors;
mod instance;
mod live;
mod migrations;
mod servers;
mod services;
mod version;

pub(crate) use actions::PowerAction;
pub(crate) use aggregates::Aggregate;
pub(crate) use evacuation::Job;
pub(crate) use events::Request;
pub(crate) use flavors::{RAM_MB, VCPUS};
pub(crate) use instance::{Instance, PowerState, TaskState, VmState};
pub(crate) use live::Departure;
pub(crate) use migrations::Migration;

use crate::http::{Answered, Question, Reply};
use crate::keystone::{Caller, Standing, unauthorized};
use crate::state::State;
use ports::Ask;
use serde_json::json;
use servers::View;
use version::Microversion;

/// An authenticated request to the compute API.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) q: &'a Question,
    pub(crate) caller: Caller,
    pub(crate) version: Microversion,
    /// `X-Openstack-Request-Id` of the answer; instance actions keep it.
    pub(crate) request_id: String,
}

impl Call<'_> {
    /// Refused with 403 to whoever is no admin, in the words of the policy engine.
    pub(crate) fn admin_only(&self, rule: &str) -> Result<(), Reply> {
        match self.caller.standing {
            Standing::Admin => Ok(()),
            Standing::Member => {
                Err(refuse(403, &format!("Policy doesn't allow {rule} to be performed.")))
            }
        }
    }
}

/// An error in the compute API's clothes.
pub(crate) fn refuse(status: u16, message: &str) -> Reply {
    let name = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    Reply::json(status, json!({ name: { "code": status, "message": message } }))
}

pub(crate) fn no_such_resource() -> Reply {
    refuse(404, "The resource could not be found.")
}

impl State {
    /// Answers any request, to whichever service.
    pub(crate) fn reply(&mut self, ask: &Ask) -> Reply {
        let q = Question::new(ask);
        let answered = match q.path.first().map(String::as_str) {
            Some("identity") => self.keystone_reply(&q),
            Some("compute") => self.nova_reply(&q),
            Some("placement") => self.placement_reply(&q),
            Some(_) | None => Err(no_such_resource()),
        };
        answered.unwrap_or_else(|refusal| refusal)
    }

    fn nova_reply(&mut self, q: &Question) -> Answered {
        let path: Vec<&str> = q.path.iter().skip(1).map(String::as_str).collect();
        match path.as_slice() {
            [] => return Ok(self.version_list()),
            ["v2.1"] if q.method.is_safe() => return Ok(self.version_document()),
            ["v2.1", ..] => {}
            [..] => return Err(no_such_resource()),
        }
        let request_id = format!("req-{}", self.uuid());
        let token = q.header("x-auth-token");
        let caller = self.keystone.caller(token, self.now).ok_or_else(unauthorized)?;
        let version = Microversion::wanted(q, self.shape.newest)?;
        let call = Call { q, caller, version, request_id };
        let reply = self.route(&call, path.get(1..).unwrap_or_default());
        let reply = reply.unwrap_or_else(|refusal| refusal);
        Ok(version
            .stamp(reply)
            .with("x-openstack-request-id", call.request_id.clone())
            .with("x-compute-request-id", call.request_id))
    }

    fn route(&mut self, call: &Call<'_>, path: &[&str]) -> Answered {
        match (call.q.method.as_str(), path) {
            ("GET", ["servers"]) => self.list_servers(call, View::Brief),
            ("GET", ["servers", "detail"]) => self.list_servers(call, View::Detail),
            ("GET", ["servers", id]) => self.show_server(call, id),
            ("DELETE", ["servers", id]) => self.delete_server(call, id),
            ("POST", ["servers", id, "action"]) => self.act(call, id),
            ("GET", ["servers", id, "shares"]) => self.list_shares(call, id),
            ("GET", ["servers", id, "os-instance-actions"]) => self.list_actions(call, id),
            ("GET", ["servers", id, "os-instance-actions", request]) => {
                self.show_action(call, id, request)
            }
            ("GET", ["servers", _, "migrations"]) => {
                Ok(Reply::json(200, json!({"migrations": []})))
            }
            ("GET", ["os-services"]) => self.list_services(call),
            ("PUT", ["os-services", id]) => self.update_service(call, id),
            ("GET", ["os-aggregates"]) => self.list_aggregates(call),
            ("POST", ["os-aggregates", id, "action"]) => self.change_aggregate(call, id),
            ("GET", ["os-migrations"]) => self.list_migrations(call),
            ("GET", ["os-hypervisors"]) => self.list_hypervisors(call, View::Brief),
            ("GET", ["os-hypervisors", "detail"]) => self.list_hypervisors(call, View::Detail),
            ("GET", ["flavors"] | ["flavors", "detail"]) => Ok(self.list_flavors()),
            ("GET", ["flavors", id]) => self.show_flavor(id),
            ("GET", ["limits"]) => Ok(self.show_limits()),
            ("GET", ["extensions"]) => Ok(Reply::json(200, json!({ "extensions": [] }))),
            ("GET", ["os-availability-zone"] | ["os-availability-zone", "detail"]) => {
                let zone = json!({ "zoneName": "nova", "zoneState": { "available": true },
                                   "hosts": null });
                Ok(Reply::json(200, json!({ "availabilityZoneInfo": [zone] })))
            }
            (_, _) => Err(no_such_resource()),
        }
    }
}
