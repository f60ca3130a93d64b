//! Servers: lists of them, and what is done to one.

use super::{List, Listed, Microversion, Nova};
use crate::{AskError, Asked, Repeat, moment};
use http::Method;
use recovery::{
    Evacuate, HostName, Millis, ServerId,
    seen::{Hints, Power, Server, Size, Task, VmState},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// How far a cursor goes back before the moment that it stands for: what Nova wrote while it listed.
const OVERLAP_MS: i64 = 5_000;
/// `OS-EXT-STS:power_state` of a server that is off.
const POWER_SHUTDOWN: i64 = 4;
/// Nova takes no longer reason.
const REASON_CHARS_MAX: usize = 255;

/// Up to when the changes are known, by Nova's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor(pub(super) Millis);

#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    #[serde(default)]
    name: String,
    /// Not there in the row of a server whose cell is down.
    #[serde(rename = "OS-EXT-STS:vm_state")]
    vm_state: Option<String>,
    #[serde(rename = "OS-EXT-STS:task_state")]
    task_state: Option<String>,
    #[serde(rename = "OS-EXT-STS:power_state")]
    power_state: Option<i64>,
    /// Not there when the policy hides it; `null` when the server has no host.
    #[serde(rename = "OS-EXT-SRV-ATTR:host", default, deserialize_with = "there")]
    host: Option<Option<String>>,
    #[serde(default)]
    locked: bool,
    /// Not there before 2.73, and `null` where none was given.
    #[serde(default)]
    locked_reason: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    tenant_id: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    flavor: Flavor,
    /// An empty text for a server that boots from a volume.
    #[serde(default)]
    image: Value,
    /// Not there before 2.96.
    #[serde(default)]
    pub(super) pinned_availability_zone: Option<String>,
    /// By the names of its networks.
    #[serde(default)]
    addresses: BTreeMap<String, Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    addr: String,
    #[serde(rename = "OS-EXT-IPS:type", default)]
    kind: String,
}

impl Address {
    fn fixed(&self) -> Option<IpAddr> {
        if self.kind == "fixed" { self.addr.parse().ok() } else { None }
    }
}

#[derive(Default, Deserialize)]
struct Flavor {
    /// Not there where the policy hides them.
    #[serde(default)]
    extra_specs: BTreeMap<String, String>,
    #[serde(default)]
    original_name: String,
    #[serde(default)]
    vcpus: u64,
    #[serde(default)]
    ram: u64,
    #[serde(default)]
    disk: u64,
    #[serde(default)]
    ephemeral: u64,
    /// Megabytes; an empty text for none, before 2.75.
    #[serde(default)]
    swap: Value,
}

impl Flavor {
    fn size(&self) -> Size {
        Size {
            vcpus: self.vcpus,
            ram_mb: self.ram,
            root_gb: self.disk,
            ephemeral_gb: self.ephemeral,
            swap_mb: self.swap.as_u64().unwrap_or(0),
        }
    }
}

fn there<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl Row {
    pub(super) fn read(self, asked: &Asked) -> Result<Server, AskError> {
        let partial = |why| AskError::PartialAnswer { asked: Box::new(asked.clone()), why };
        let Some(vm_state) = self.vm_state else {
            return Err(partial(format!("Nova's cell of server {} does not answer", self.id)));
        };
        let Some(host) = self.host else {
            let field = "OS-EXT-SRV-ATTR:host";
            return Err(partial(format!("Nova's policy does not show us {field} of servers")));
        };
        Ok(Server {
            id: ServerId::new(self.id),
            name: self.name,
            host: host.filter(|host| !host.is_empty()).map(HostName::new),
            vm_state: VmState::from_word(&vm_state),
            task: Task::from_word(self.task_state.as_deref()),
            power: match self.power_state {
                Some(POWER_SHUTDOWN) => Power::Shutdown,
                Some(_) | None => Power::Other,
            },
            locked: self.locked,
            metadata: self.metadata,
            hints: Hints {
                project: self.tenant_id,
                tags: self.tags,
                size: self.flavor.size(),
                flavor_name: self.flavor.original_name,
                flavor: self.flavor.extra_specs,
                image: self.image.get("id").and_then(Value::as_str).map(str::to_owned),
                addresses: self.addresses.values().flatten().filter_map(Address::fixed).collect(),
            },
        })
    }
}

impl Nova {
    /// Every server that Nova counts to `host`, of all projects.
    ///
    /// A filtered list leaves out, without a word, what a cell has that is down. So the host's service
    /// is looked at too: it is `UNKNOWN` then.
    pub async fn servers_on(&self, host: &HostName) -> Result<Vec<Server>, AskError> {
        let listed = self.list_servers(&[("host", host.as_str())]).await?;
        let asked = listed.asked.clone();
        let mut servers = listed.read()?;
        // Nova ignores the filter for who is no admin to it.
        servers.retain(|server| server.host.as_ref() == Some(host));
        let service = self.compute_service(host).await?;
        let shows = self.versions().await?.at_most(Microversion::DOWN_CELLS_SHOW);
        if service.is_none() && shows < Microversion::DOWN_CELLS_SHOW {
            let why = format!("host {host} has no compute service, or its cell does not answer");
            return Err(AskError::PartialAnswer { asked: Box::new(asked), why });
        }
        Ok(servers)
    }

    /// The servers of all projects that changed since `cursor`, deleted ones too, and the cursor to go on
    /// from. A change may come twice.
    pub async fn servers_changed_since(
        &self,
        cursor: &Cursor,
    ) -> Result<(Vec<Server>, Cursor), AskError> {
        let started = self.0.session.clock().wall();
        let since = moment::write(cursor.0);
        let listed = self.list_servers(&[("changes-since", &since)]).await?;
        // By the clock that the answer has just told, but as of before the question.
        Ok((listed.read()?, self.cursor_at(started)))
    }

    /// The cursor of our moment `ours`. Nova's clock is known from its last answer; ask something before.
    #[must_use]
    pub fn cursor_at(&self, ours: Millis) -> Cursor {
        Cursor(self.by_novas_clock(ours).plus(-OVERLAP_MS))
    }

    /// One server; `None` when there is none of this id: a list has to agree, because something between
    /// us and Nova may say that too.
    pub async fn server(&self, id: &ServerId) -> Result<Option<Server>, AskError> {
        #[derive(Deserialize)]
        struct Body {
            server: Row,
        }
        let reply = match self.get(&["servers", id.as_str()], &[]).await {
            Err(AskError::NotFound { .. }) => {
                let listed = self.list_servers(&[("uuid", id.as_str())]).await?.read()?;
                return Ok(listed.into_iter().find(|server| server.id == *id));
            }
            outcome => outcome?,
        };
        let asked = reply.asked.clone();
        reply.read::<Body>("a server")?.server.read(&asked).map(Some)
    }

    /// Rebuilds a server of a dead host elsewhere, once. [At once](Nova::ready).
    pub async fn evacuate(&self, permitted: &Evacuate) -> Result<(), AskError> {
        self.evacuate_at(permitted, Microversion::EVACUATE).await
    }

    /// The same; Nova stops it on its new host. A Nova that is too old for that is not asked.
    pub async fn evacuate_stopped(&self, permitted: &Evacuate) -> Result<(), AskError> {
        let needed = Microversion::EVACUATE_STOPPED;
        let spoken = self.versions_at_hand()?.at_most(needed);
        if spoken < needed {
            let (newest, needed) = (spoken.to_string(), needed.to_string());
            return Err(AskError::TooOld { service: "Nova", newest, needed });
        }
        self.evacuate_at(permitted, needed).await
    }

    /// What this Nova speaks, where that is too old to stop evacuated servers (2.95). Its computes may be
    /// older than its API: that is [told](AskError::cannot_stop_evacuated) by a refusal only.
    pub async fn too_old_to_stop_evacuated(&self) -> Result<Option<String>, AskError> {
        self.older_than(Microversion::EVACUATE_STOPPED).await
    }

    pub(super) async fn older_than(
        &self,
        wanted: Microversion,
    ) -> Result<Option<String>, AskError> {
        let spoken = self.versions().await?.at_most(wanted);
        Ok((spoken < wanted).then(|| spoken.to_string()))
    }

    async fn evacuate_at(
        &self,
        permitted: &Evacuate,
        wanted: Microversion,
    ) -> Result<(), AskError> {
        let target = match permitted.target() {
            Some(host) => json!({ "host": host.as_str() }),
            None => json!({}),
        };
        let at = self.versions_at_hand()?.at_most(wanted);
        let body = json!({ "evacuate": target });
        self.act(permitted.server(), body, at, Repeat::AtOnce).await
    }

    /// Keeps the server's owner from changing it; `reason` is kept where Nova can (2.73).
    pub async fn lock(&self, id: &ServerId, reason: &str) -> Result<(), AskError> {
        let at = self.versions().await?.at_most(Microversion::LOCK_REASON);
        let lock = if at == Microversion::LOCK_REASON {
            let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
            json!({ "locked_reason": reason })
        } else {
            Value::Null
        };
        self.act(id, json!({ "lock": lock }), at, Repeat::IfNotArrived).await
    }

    /// Which servers of all projects are locked, and the reason that was given. A Nova that keeps no reasons
    /// (before 2.73) is not asked.
    pub async fn locked(&self) -> Result<Vec<(ServerId, String)>, AskError> {
        let at = self.versions().await?.at_most(Microversion::LOCK_REASON);
        if at < Microversion::LOCK_REASON {
            return Ok(Vec::new());
        }
        let query = [("locked", "true"), ("all_tenants", "1")];
        let list = List { at, ..List::of(&["servers", "detail"], &query, "servers") };
        let listed = self.list(list, |row: &Row| &row.id).await?;
        let with_reason = |row: Row| Some((ServerId::new(row.id), row.locked_reason?));
        let locked = listed.items.into_iter().filter(|row| row.locked);
        Ok(locked.filter_map(with_reason).collect())
    }

    pub async fn unlock(&self, id: &ServerId) -> Result<(), AskError> {
        self.simple_act(id, json!({ "unlock": null })).await
    }

    /// Sets the server's state to `error`, from which Nova evacuates what it otherwise refuses to.
    pub async fn reset_to_error(&self, id: &ServerId) -> Result<(), AskError> {
        self.simple_act(id, json!({ "os-resetState": { "state": "error" } })).await
    }

    /// Sets the server's state to `active`, from which Nova stops what it otherwise refuses to.
    pub async fn reset_to_active(&self, id: &ServerId) -> Result<(), AskError> {
        self.simple_act(id, json!({ "os-resetState": { "state": "active" } })).await
    }

    /// [At once](Nova::ready).
    pub async fn stop(&self, id: &ServerId) -> Result<(), AskError> {
        self.act_at_once(id, json!({ "os-stop": null })).await
    }

    /// [At once](Nova::ready).
    pub async fn start(&self, id: &ServerId) -> Result<(), AskError> {
        self.act_at_once(id, json!({ "os-start": null })).await
    }

    /// Moves a server to another host while it runs; Nova answers before it has begun (since 2.34).
    /// [At once](Nova::ready).
    pub async fn live_migrate(&self, id: &ServerId) -> Result<(), AskError> {
        let migrate = json!({ "host": null, "block_migration": "auto" });
        self.act_at_once(id, json!({ "os-migrateLive": migrate })).await
    }

    /// Moves a server that is off. It waits on its new host until that is confirmed. [At once](Nova::ready).
    pub async fn migrate(&self, id: &ServerId) -> Result<(), AskError> {
        self.act_at_once(id, json!({ "migrate": null })).await
    }

    /// Keeps a server that was moved where it is.
    pub async fn confirm_move(&self, id: &ServerId) -> Result<(), AskError> {
        self.simple_act(id, json!({ "confirmResize": null })).await
    }

    async fn simple_act(&self, id: &ServerId, body: Value) -> Result<(), AskError> {
        self.act(id, body, Microversion::SERVICES_BY_UUID, Repeat::IfNotArrived).await
    }

    async fn act_at_once(&self, id: &ServerId, body: Value) -> Result<(), AskError> {
        self.act(id, body, Microversion::SERVICES_BY_UUID, Repeat::AtOnce).await
    }

    async fn act(
        &self,
        id: &ServerId,
        body: Value,
        at: Microversion,
        repeat: Repeat,
    ) -> Result<(), AskError> {
        let (path, deadline) = (["servers", id.as_str(), "action"], self.0.config.act_deadline);
        self.change(Method::POST, &path, body, at, (deadline, repeat)).await.map(|_| ())
    }

    async fn list_servers(&self, filter: &[(&str, &str)]) -> Result<Listed<Row>, AskError> {
        let query = [filter, &[("all_tenants", "1")]].concat();
        self.list(List::of(&["servers", "detail"], &query, "servers"), |row: &Row| &row.id).await
    }
}

impl Listed<Row> {
    fn read(self) -> Result<Vec<Server>, AskError> {
        self.items.into_iter().map(|row| row.read(&self.asked)).collect()
    }
}
