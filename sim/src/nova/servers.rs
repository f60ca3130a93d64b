//! `servers`: lists, and one of them.

use super::{Call, Instance, TaskState, VmState, flavors, refuse};
use crate::http::{Answered, Reply, iso, parse_time, whole_second};
use crate::keystone::Standing;
use crate::shape::Want;
use crate::state::State;
use recovery::{HostName, ServerId};
use serde_json::{Value, json};

/// How much of each server a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum View {
    Brief,
    Detail,
}

impl View {
    fn path(self) -> &'static str {
        match self {
            Self::Brief => "servers",
            Self::Detail => "servers/detail",
        }
    }
}

const STATUSES: [&str; 7] =
    ["ACTIVE", "SHUTOFF", "PAUSED", "ERROR", "REBUILD", "REBOOT", "HARD_REBOOT"];

impl State {
    /// The server, if the caller may see it.
    pub(super) fn find_server(&self, call: &Call<'_>, id: &str) -> Result<&Instance, Reply> {
        let found = self.servers.get(&ServerId::new(id)).filter(|server| {
            let ours = server.project == call.caller.project;
            !server.is_deleted() && (ours || call.caller.standing == Standing::Admin)
        });
        found.ok_or_else(|| refuse(404, &format!("Instance {id} could not be found.")))
    }

    pub(super) fn list_servers(&mut self, call: &Call<'_>, view: View) -> Answered {
        let mut found = self.wanted_servers(call)?;
        // The newest first, as Nova sorts when nobody asks for another order.
        found.sort_by_key(|server| std::cmp::Reverse((server.created, server.number)));
        let limit = match call.q.query("limit").map(str::parse::<usize>) {
            None => self.shape.page_max,
            Some(Ok(limit)) => limit.min(self.shape.page_max),
            Some(Err(_)) => return Err(refuse(400, "Invalid input for query parameters limit.")),
        };
        let start = match call.q.query("marker") {
            None => 0,
            Some(marker) => match found.iter().position(|s| s.id.as_str() == marker) {
                Some(at) => at + 1,
                None => return Err(refuse(400, &format!("marker [{marker}] not found"))),
            },
        };
        let page: Vec<&Instance> = found.into_iter().skip(start).take(limit).collect();
        let shown: Vec<Value> = page
            .iter()
            .map(|server| match view {
                View::Brief => json!({ "id": server.id.as_str(), "name": server.name,
                                       "links": self.links(server) }),
                View::Detail => self.server_json(call, server),
            })
            .collect();
        let rows = u64::try_from(shown.len()).unwrap_or(u64::MAX);
        let mut body = json!({ "servers": shown });
        if let Some(last) = page.last().filter(|_| page.len() == limit) {
            let query = call.q.query_with_marker(last.id.as_str());
            let base = &self.shape.endpoints.base;
            let href = format!("{base}/compute/v2.1/{}?{query}", view.path());
            body["servers_links"] = json!([{ "rel": "next", "href": href }]);
        }
        self.records.servers_shown += rows;
        Ok(Reply::json(200, body))
    }

    fn wanted_servers(&self, call: &Call<'_>) -> Result<Vec<&Instance>, Reply> {
        let q = call.q;
        let admin = call.caller.standing == Standing::Admin;
        let all = q.query("all_tenants").is_some_and(|v| !matches!(v, "0" | "False" | "false"));
        if all {
            call.admin_only("os_compute_api:servers:detail:get_all_tenants")?;
        }
        let statuses: Vec<String> = q.query_all("status").map(str::to_uppercase).collect();
        if !statuses.is_empty() && !statuses.iter().any(|s| STATUSES.contains(&s.as_str())) {
            return match call.version.0 {
                38.. => Err(refuse(400, "Invalid status value")),
                _ => Ok(Vec::new()),
            };
        }
        let since = match q.query("changes-since").map(parse_time) {
            None => None,
            Some(None) => return Err(refuse(400, "Invalid filter field: changes-since.")),
            Some(since) => since,
        };
        // Whoever is no admin may not filter by these; Nova ignores them then.
        let of_admins = |key| q.query(key).filter(|_| admin);
        let project = q.query("project_id").or_else(|| q.query("tenant_id")).filter(|_| all);
        let locked = q.query("locked").filter(|_| call.version.0 >= 73).map(|word| word == "true");
        let is = |wanted: Option<&str>, value: &str| wanted.is_none_or(|wanted| wanted == value);
        let wanted = |s: &&Instance| {
            (all || s.project == call.caller.project)
                && (!s.is_deleted() || since.is_some())
                && is(of_admins("host"), s.host.as_str())
                && is(of_admins("node"), s.host.as_str())
                && is(q.query("uuid"), s.id.as_str())
                && is(project, &s.project)
                && locked.is_none_or(|locked| s.locked == locked)
                && q.query("name").is_none_or(|name| s.name.contains(name))
                && (statuses.is_empty() || statuses.iter().any(|status| status == s.status()))
                && since.is_none_or(|since| whole_second(s.updated) >= since)
        };
        Ok(match of_admins("host") {
            Some(host) => self.rows_on(&HostName::new(host)).filter(wanted).collect(),
            None => self.servers.values().filter(wanted).collect(),
        })
    }

    pub(super) fn show_server(&self, call: &Call<'_>, id: &str) -> Answered {
        let server = self.find_server(call, id)?;
        Ok(Reply::json(200, json!({ "server": self.server_json(call, server) })))
    }

    pub(super) fn delete_server(&mut self, call: &Call<'_>, id: &str) -> Answered {
        let server = self.find_server(call, id)?;
        if server.locked && call.caller.standing == Standing::Member {
            return Err(refuse(409, &format!("Instance {id} is locked")));
        }
        let id = server.id.clone();
        self.delete(&id);
        Ok(Reply::empty(204))
    }

    pub(crate) fn delete(&mut self, id: &ServerId) {
        let now = self.now;
        let Some(host) = self.servers.get(id).map(|server| server.host.clone()) else { return };
        self.stop_guest(&host, id);
        if let Some(server) = self.servers.get_mut(id).filter(|server| !server.is_deleted()) {
            server.stopped();
            server.vm_state = VmState::Deleted;
            server.updated = now;
            self.count_deleted(&host);
        }
    }

    fn links(&self, server: &Instance) -> Value {
        let (base, id) = (&self.shape.endpoints.base, &server.id);
        json!([{ "rel": "self", "href": format!("{base}/compute/v2.1/servers/{id}") },
               { "rel": "bookmark", "href": format!("{base}/compute/servers/{id}") }])
    }

    pub(super) fn list_shares(&self, call: &Call<'_>, id: &str) -> Answered {
        let server = self.servers.get(&ServerId::new(id)).ok_or_else(super::no_such_resource)?;
        call.admin_only("os_compute_api:os-server-shares:index")?;
        let share = json!({ "share_id": "s", "status": "active", "tag": "s" });
        let has = call.version.0 >= 97 && server.wants == Some(Want::Share);
        let shares: Vec<Value> = has.then_some(share).into_iter().collect();
        Ok(Reply::json(200, json!({ "shares": shares })))
    }

    fn server_json(&self, call: &Call<'_>, s: &Instance) -> Value {
        let base = &self.shape.endpoints.base;
        let host = self.hosts.get(&s.host);
        let address = s.address();
        let mut shown = json!({
            "id": s.id.as_str(), "name": s.name, "status": s.status(), "links": self.links(s),
            "tenant_id": s.project, "user_id": s.user, "metadata": s.metadata_json(),
            "created": iso(s.created), "updated": iso(s.updated), "accessIPv4": "",
            "accessIPv6": "", "image": "", "flavor": flavors::of_a_server(base, call.version.0, s.wants),
            "hostId": format!("{:056x}", host.map_or(0, |host| host.number)),
            "addresses": { "private": [{ "version": 4, "addr": address,
                "OS-EXT-IPS:type": "fixed",
                "OS-EXT-IPS-MAC:mac_addr": format!("fa:16:3e:00:{:02x}:{:02x}",
                                                   s.number / 256 % 256, s.number % 256) }] },
            "security_groups": [{ "name": "default" }], "config_drive": "", "key_name": null,
            "OS-DCF:diskConfig": "MANUAL", "OS-EXT-AZ:availability_zone": "nova",
            "OS-EXT-STS:vm_state": s.vm_state.as_str(),
            "OS-EXT-STS:task_state": s.task.map(TaskState::as_str),
            "OS-EXT-STS:power_state": s.power.number(),
            "OS-SRV-USG:launched_at": crate::http::naive(s.created),
            "OS-SRV-USG:terminated_at": null,
            "os-extended-volumes:volumes_attached": [],
        });
        if s.status() == "ERROR"
            && let Some((at, message)) = &s.fault
        {
            shown["fault"] = json!({ "code": 500, "created": iso(*at), "message": message });
        }
        if matches!(s.status(), "ACTIVE" | "REBUILD") {
            shown["progress"] = json!(0);
        }
        if call.caller.standing == Standing::Admin {
            self.add_extended_attributes(call, s, &mut shown);
        }
        add_newer_attributes(call, s, &mut shown);
        shown
    }

    fn add_extended_attributes(&self, call: &Call<'_>, s: &Instance, shown: &mut Value) {
        let host = s.host.as_str();
        shown["OS-EXT-SRV-ATTR:host"] = json!(host);
        shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] = json!(host);
        shown["OS-EXT-SRV-ATTR:instance_name"] = json!(format!("instance-{:08x}", s.number));
        if call.version.0 >= 3 {
            shown["OS-EXT-SRV-ATTR:hostname"] = json!(s.name);
            shown["OS-EXT-SRV-ATTR:launch_index"] = json!(0);
            shown["OS-EXT-SRV-ATTR:reservation_id"] = json!(format!("r-{:08}", s.number));
            shown["OS-EXT-SRV-ATTR:root_device_name"] = json!("/dev/vda");
            for unset in ["kernel_id", "ramdisk_id"] {
                shown[format!("OS-EXT-SRV-ATTR:{unset}")] = json!("");
            }
            shown["OS-EXT-SRV-ATTR:user_data"] = Value::Null;
        }
        if call.version.0 >= 16
            && let Some(host) = self.hosts.get(&s.host)
        {
            shown["host_status"] =
                json!(match (host.forced_down, self.is_up(host), host.disabled) {
                    (true, _, _) => "DOWN",
                    (false, false, _) => "UNKNOWN",
                    (false, true, true) => "MAINTENANCE",
                    (false, true, false) => "UP",
                });
        }
    }
}

fn add_newer_attributes(call: &Call<'_>, s: &Instance, shown: &mut Value) {
    let newer = [
        (9, "locked", json!(s.locked)),
        (19, "description", Value::Null),
        (26, "tags", json!([])),
        (63, "trusted_image_certificates", Value::Null),
        (71, "server_groups", json!([])),
        (73, "locked_reason", json!(s.locked_reason)),
        (90, "OS-EXT-SRV-ATTR:hostname", json!(s.name)),
        (96, "pinned_availability_zone", Value::Null),
    ];
    for (since, key, value) in newer {
        if call.version.0 >= since {
            shown[key] = value;
        }
    }
}
