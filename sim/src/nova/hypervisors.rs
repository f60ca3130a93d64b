//! `os-hypervisors`: the hosts once more, as the command line lists them.

use super::servers::View;
use super::{Call, refuse};
use crate::host::Host;
use crate::http::{Answered, Reply};
use crate::state::State;
use serde_json::{Value, json};

impl State {
    pub(super) fn list_hypervisors(&self, call: &Call<'_>, view: View) -> Answered {
        call.admin_only("os_compute_api:os-hypervisors:list")?;
        let pattern = call.q.query("hypervisor_hostname_pattern").filter(|_| call.version.0 >= 53);
        let wanted = |host: &&Host| pattern.is_none_or(|part| host.name.as_str().contains(part));
        let found = self.hosts.values().filter(wanted);
        let found: Vec<Value> = found.map(|host| self.hypervisor(call, view, host)).collect();
        match pattern {
            Some(pattern) if found.is_empty() => {
                Err(refuse(404, &format!("No hypervisor matching '{pattern}' could be found.")))
            }
            Some(_) | None => Ok(Reply::json(200, json!({ "hypervisors": found }))),
        }
    }

    fn hypervisor(&self, call: &Call<'_>, view: View, host: &Host) -> Value {
        let ids = match call.version.0 {
            53.. => [json!(host.service.as_str()), json!(host.service.as_str())],
            _ => [json!(host.number), json!(host.number + 2)],
        };
        let [id, service] = ids;
        let mut shown = json!({
            "id": id, "hypervisor_hostname": host.name.as_str(),
            "state": if self.is_up(host) { "up" } else { "down" },
            "status": if host.disabled { "disabled" } else { "enabled" },
        });
        if view == View::Detail {
            shown["hypervisor_type"] = json!("QEMU");
            shown["hypervisor_version"] = json!(8_002_002);
            shown["host_ip"] = json!(format!("192.0.2.{}", host.number % 250 + 1));
            shown["service"] = json!({ "id": service, "host": host.name.as_str(),
                                       "disabled_reason": host.disabled_reason });
        }
        shown
    }
}
