//! `os-services`: what Nova believes of its compute hosts.

use super::{Call, refuse};
use crate::host::{Condition, ForcedDown, Host};
use crate::http::{Answered, Reply, naive, naive_exactly, whole_second};
use crate::state::State;
use recovery::seen::ComputeService;
use recovery::{HostName, Millis};
use serde_json::{Value, json};

impl State {
    /// The last heartbeat as the database has it: in whole seconds.
    fn last_seen_up(&self, host: &Host) -> Millis {
        whole_second(self.last_beat(host))
    }

    /// The last heartbeat that came through.
    fn last_beat(&self, host: &Host) -> Millis {
        let interval_ms = self.shape.report_interval_ms;
        let beat = host.last_beat(self.now, interval_ms);
        match self.plan.bus_stopped.as_ref().filter(|stopped| stopped.contains(&beat)) {
            Some(stopped) => host.last_beat(stopped.start.plus(-1), interval_ms).min(stopped.start),
            None => beat,
        }
    }

    pub(crate) fn is_up(&self, host: &Host) -> bool {
        !host.forced_down
            && self.now.since(self.last_seen_up(host)) <= self.shape.service_down_time_ms
    }

    pub(crate) fn seen_service(&self, name: &HostName) -> Option<ComputeService> {
        self.hosts.get(name).map(|host| ComputeService {
            id: host.service.clone(),
            host: name.clone(),
            enabled: !host.disabled,
            disabled_reason: host.disabled_reason.clone(),
            up: self.is_up(host),
            forced_down: host.forced_down,
            heartbeat_at: Some(self.last_beat(host)),
        })
    }

    pub(super) fn list_services(&mut self, call: &Call<'_>) -> Answered {
        call.admin_only("os_compute_api:os-services:list")?;
        self.records.host_looks += u64::from(call.q.query("host").is_some());
        let wanted = |service: &Value| {
            ["host", "binary"].iter().all(|key| {
                call.q.query(key).is_none_or(|value| value.is_empty() || service[*key] == value)
            })
        };
        let control = ["nova-scheduler", "nova-conductor"].iter().zip(1_usize..);
        let control = control.map(|(binary, id)| self.control_service(call, binary, id));
        let computes = self.hosts.values().map(|host| self.service_json(call, host));
        let services: Vec<Value> = control.chain(computes).filter(wanted).collect();
        Ok(Reply::json(200, json!({ "services": services })))
    }

    /// A service of the control plane, which never fails here.
    fn control_service(&self, call: &Call<'_>, binary: &str, id: usize) -> Value {
        let uuid = format!("00000000-0000-4000-8000-{id:012}");
        let id = if call.version.0 >= 53 { json!(uuid) } else { json!(id) };
        let mut service = json!({
            "id": id, "binary": binary, "host": "controller", "zone": "internal",
            "status": "enabled", "state": "up", "disabled_reason": null,
            "updated_at": naive(self.now),
        });
        if call.version.0 >= 11 {
            service["forced_down"] = json!(false);
        }
        service
    }

    fn service_json(&self, call: &Call<'_>, host: &Host) -> Value {
        let id = match call.version.0 {
            53.. => json!(host.service.as_str()),
            _ => json!(host.number + 2),
        };
        // The database moves `updated_at` with each write, and a heartbeat is only one of them.
        let updated = host.changed_at.map_or_else(
            || self.last_seen_up(host),
            |changed| whole_second(changed).max(self.last_seen_up(host)),
        );
        let mut service = json!({
            "id": id, "binary": "nova-compute", "host": host.name.as_str(), "zone": "nova",
            "status": if host.disabled { "disabled" } else { "enabled" },
            "state": if self.is_up(host) { "up" } else { "down" },
            "updated_at": naive(updated), "disabled_reason": host.disabled_reason,
        });
        if call.version.0 >= 11 {
            service["forced_down"] = json!(host.forced_down);
        }
        service
    }

    /// Microversion 2.53 and above: the path names the service, the body what to change.
    pub(super) fn update_service(&mut self, call: &Call<'_>, id: &str) -> Answered {
        call.admin_only("os_compute_api:os-services:update")?;
        if call.version.0 < 53 {
            return self.update_service_by_name(call, id);
        }
        if id.len() != 36 {
            return Err(refuse(400, &format!("Invalid uuid {id}")));
        }
        let found = self.hosts.values().find(|host| host.service.as_str() == id);
        let name = found
            .map(|host| host.name.clone())
            .ok_or_else(|| refuse(404, &format!("Service {id} could not be found.")))?;
        let body = call.q.json();
        let reason = body["disabled_reason"].as_str();
        let disable = match body["status"].as_str() {
            Some("enabled") if reason.is_some() => {
                return Err(refuse(
                    400,
                    "Specifying 'disabled_reason' with status 'enabled' is invalid.",
                ));
            }
            Some("enabled") => Some(None),
            Some("disabled") => Some(Some(reason)),
            Some(_) | None => None,
        };
        let hold_ms = self.change_service(&name, disable, as_bool(&body["forced_down"]))?;
        let host = self.hosts.get(&name).ok_or_else(super::no_such_resource)?;
        let mut service = self.service_json(call, host);
        if host.changed_at == Some(self.now) {
            // The answer to a write comes from memory and has the fractions that the database drops.
            service["updated_at"] = json!(naive_exactly(self.now));
        }
        let mut reply = Reply::json(200, json!({ "service": service }));
        reply.hold_ms = hold_ms;
        Ok(reply)
    }

    /// Below 2.53: the path names the change, the body the service.
    fn update_service_by_name(&mut self, call: &Call<'_>, change: &str) -> Answered {
        let body = call.q.json();
        let host = body["host"].as_str().unwrap_or_default();
        let name = HostName::new(host);
        if !self.hosts.contains_key(&name) {
            return Err(refuse(404, &format!("Host '{host}' is not mapped to any cell")));
        }
        let mut service = json!({ "host": host, "binary": body["binary"] });
        let hold_ms = match change {
            "enable" => {
                service["status"] = json!("enabled");
                self.change_service(&name, Some(None), None)?
            }
            "disable" | "disable-log-reason" => {
                service["status"] = json!("disabled");
                self.change_service(&name, Some(Some(body["disabled_reason"].as_str())), None)?
            }
            "force-down" if call.version.0 >= 11 => {
                service["forced_down"] = body["forced_down"].clone();
                self.change_service(&name, None, as_bool(&body["forced_down"]))?
            }
            _ => return Err(refuse(404, "Unknown action")),
        };
        let mut reply = Reply::json(200, json!({ "service": service }));
        reply.hold_ms = hold_ms;
        Ok(reply)
    }

    /// `disable`: `Some(None)` enables, `Some(Some(reason))` disables. Returns how long Nova keeps its
    /// answer back: it tells the compute service of the change and waits for it, unless the
    /// service is down.
    pub(crate) fn change_service(
        &mut self,
        name: &HostName,
        disable: Option<Option<Option<&str>>>,
        forced_down: Option<bool>,
    ) -> Result<u64, Reply> {
        if disable.is_none() && forced_down.is_none() {
            return Err(refuse(
                400,
                "No updates were requested. Fields 'status' or \
                                    'forced_down' should be specified.",
            ));
        }
        if forced_down == Some(false) && self.has_done_evacuations_from(name) {
            return Err(refuse(
                400,
                &format!(
                    "Unable to force up host {name} as `done` evacuation migration records remain \
                 associated with the host. Ensure the compute service has been restarted, \
                 allowing these records to move to `completed` before retrying this request."
                ),
            ));
        }
        let now = self.now;
        let Some(host) = self.hosts.get_mut(name) else { return Err(super::no_such_resource()) };
        let before = (host.disabled, host.disabled_reason.clone(), host.forced_down);
        if let Some(reason) = disable {
            host.disabled = reason.is_some();
            host.disabled_reason = reason.flatten().map(Into::into);
        }
        host.forced_down = forced_down.unwrap_or(host.forced_down);
        let told = host.disabled != before.0;
        if before != (host.disabled, host.disabled_reason.clone(), host.forced_down) {
            host.changed_at = Some(now);
        }
        let host_was = host.condition;
        if let Some(to) = forced_down {
            self.records.forced_downs.push(ForcedDown {
                host: name.clone(),
                to,
                at: now,
                host_was,
            });
            self.tell(format!("{name}: forced_down becomes {to} ({host_was:?})"));
        }
        let waits = told && self.hosts.get(name).is_some_and(|host| self.is_up(host));
        let silent = host_was != Condition::Alive || self.bus_is_back_in_ms() > 0;
        Ok(if waits && silent { self.shape.rpc_response_timeout_ms } else { 0 })
    }
}

/// A boolean as the API's schema takes it.
fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is) => Some(*is),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
