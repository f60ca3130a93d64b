//! Why an evacuation failed: Nova's record of what was done to the server, and who has room for it.
//!
//! Nova says "No valid host was found" and no more: which resource was short is known to Placement only,
//! which is asked for each of them who has that much left.

use super::{
    List, Nova,
    requests::{AT_HOST, Event},
    version::Microversion,
};
use crate::{AskError, Reply, Request, Service, Under};
use recovery::{
    HostName, ServerId,
    shortage::{self, Free, Needs, Node, Resource, Tie, Wish},
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// `GET /resource_providers?resources=` and no older one.
const PROVIDERS_WITH_ROOM: &str = "1.4";
/// All resources of each provider are told, and no older one.
const CANDIDATES: &str = "1.27";
/// More hosts with room are not needed to go on.
const CANDIDATES_MOST: &str = "1000";
/// Who lacks this has room for nobody.
const LEAST: Needs = Needs { vcpus: 1, ram_mb: 1, disk_gb: 0 };

/// What Nova noted of the evacuation that failed last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub why: String,
    /// Where it failed, if it had come so far.
    pub host: Option<HostName>,
}

impl Event {
    fn failure(self) -> Option<Failure> {
        if self.result.as_deref() != Some("Error") {
            return None;
        }
        let why = self.details.map(|why| why.trim().to_owned()).filter(|why| !why.is_empty())?;
        // The conductor is no place where a server is built.
        let at_host = self.event.starts_with(AT_HOST);
        Some(Failure { why, host: self.host.filter(|_| at_host).map(HostName::new) })
    }
}

#[derive(Deserialize)]
struct Shown {
    flavor: Flavor,
    /// An empty text for a server that boots from a volume.
    image: serde_json::Value,
    fault: Option<Fault>,
}

/// By what it is tied to some hosts.
#[derive(Deserialize)]
struct Tied {
    #[serde(default)]
    pinned_availability_zone: Option<String>,
    #[serde(default)]
    server_groups: Vec<String>,
    flavor: Specs,
}

#[derive(Deserialize)]
struct Specs {
    #[serde(default)]
    extra_specs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Group {
    policy: String,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
}

#[derive(Deserialize)]
struct Flavor {
    vcpus: u64,
    ram: u64,
    disk: u64,
    #[serde(default)]
    ephemeral: u64,
    /// Megabytes; an empty text for none, before 2.75.
    #[serde(default)]
    swap: serde_json::Value,
}

impl Shown {
    fn needs(&self) -> Needs {
        let root_gb = if self.image.is_object() { self.flavor.disk } else { 0 };
        let swap_gb = self.flavor.swap.as_u64().unwrap_or(0).div_ceil(1024);
        Needs {
            vcpus: self.flavor.vcpus,
            ram_mb: self.flavor.ram,
            disk_gb: root_gb + self.flavor.ephemeral + swap_gb,
        }
    }
}

#[derive(Deserialize)]
struct Hypervisor {
    id: serde_json::Value,
    hypervisor_hostname: String,
    state: String,
    status: String,
    service: OfService,
}

#[derive(Deserialize)]
struct OfService {
    host: String,
}

#[derive(Deserialize)]
struct Provider {
    name: String,
}

#[derive(Deserialize)]
struct Summary {
    resources: BTreeMap<String, Usage>,
}

#[derive(Deserialize)]
struct Usage {
    capacity: u64,
    used: u64,
}

impl Summary {
    fn left(&self) -> BTreeMap<Resource, u64> {
        let left = |r: Resource| {
            let usage = self.resources.get(r.class())?;
            Some((r, usage.capacity.saturating_sub(usage.used)))
        };
        Resource::ALL.into_iter().filter_map(left).collect()
    }
}

impl Nova {
    /// What Nova noted of the last evacuation of this server. `None`: no trouble is noted, or it was too
    /// long ago that this Nova was made (before 2.84).
    pub async fn evacuation_failure(&self, id: &ServerId) -> Result<Option<Failure>, AskError> {
        let Some(last) = self.evacuate_actions(id).await?.into_iter().next() else {
            return Ok(None);
        };
        let events = self.events(id, &last).await?;
        Ok(events.into_iter().find_map(Event::failure))
    }

    /// What Nova noted of the last time that it was asked to move this server. `None`: nothing.
    pub async fn move_failure(&self, id: &ServerId) -> Result<Option<String>, AskError> {
        let actions = self.actions(id, |name| matches!(name, "live-migration" | "migrate")).await?;
        let Some(last) = actions.into_iter().next() else { return Ok(None) };
        let failure = self.events(id, &last).await?.into_iter().find_map(Event::failure);
        match failure {
            Some(failure) => Ok(Some(failure.why)),
            None => Ok(self.needs(id).await?.1),
        }
    }

    /// How much room this server needs, and the fault that Nova shows of it.
    pub async fn needs(&self, id: &ServerId) -> Result<(Needs, Option<String>), AskError> {
        let reply = self.get(&["servers", id.as_str()], &[]).await?;
        let shown: Shown = reply.read_under("server")?;
        Ok((shown.needs(), shown.fault.map(|fault| fault.message)))
    }

    /// What a server wants of its host besides room. (Nova before 2.96 does not tell to which zone it is pinned.)
    pub async fn wishes(&self, id: &ServerId) -> Result<Vec<Wish>, AskError> {
        let path = ["servers", id.as_str()];
        let reply = self.get_at(&path, &[], Microversion::PINNED_ZONE).await?;
        let tied: Tied = reply.read_under("server")?;
        let zone = tied.pinned_availability_zone.map(|what| Wish { tie: Tie::Zone, what });
        let mut wishes: Vec<Wish> = zone.into_iter().collect();
        wishes.extend(shortage::wishes_of_flavor(&tied.flavor.extra_specs));
        if let Some(group) = tied.server_groups.first() {
            let group = self.get(&["os-server-groups", group], &[]).await?;
            let group: Group = group.read_under("server_group")?;
            wishes.push(Wish { tie: Tie::Group, what: group.policy });
        }
        Ok(wishes)
    }

    /// Every hypervisor that is up and in service.
    pub async fn nodes_in_service(&self) -> Result<Vec<Node>, AskError> {
        self.nodes_that_serve(&[]).await
    }

    async fn nodes_that_serve(&self, standby: &[HostName]) -> Result<Vec<Node>, AskError> {
        let rows = self.list(
            List::of(&["os-hypervisors", "detail"], &[], "hypervisors"),
            |row: &Hypervisor| row.id.as_str().unwrap_or_default(),
        );
        let stands_by = |row: &Hypervisor| standby.iter().any(|h| h.as_str() == row.service.host);
        let in_service =
            |row: &Hypervisor| row.state == "up" && (row.status == "enabled" || stands_by(row));
        let rows = rows.await?.items.into_iter().filter(in_service);
        let node = |row: Hypervisor| Node {
            host: HostName::new(row.service.host),
            provider: row.id.as_str().unwrap_or_default().to_owned(),
            name: row.hypervisor_hostname,
        };
        Ok(rows.map(node).collect())
    }

    /// The names of the nodes that have room for so much of `class` (`MEMORY_MB`, …), by Placement.
    pub async fn with_room(&self, class: &str, amount: u64) -> Result<BTreeSet<String>, AskError> {
        let resources = format!("{class}:{amount}");
        let query = [("resources", resources.as_str())];
        let reply = self.placement(&["resource_providers"], &query, PROVIDERS_WITH_ROOM).await?;
        let providers: Vec<Provider> = reply.read_under("resource_providers")?;
        Ok(providers.into_iter().map(|provider| provider.name).collect())
    }

    /// The hosts in service that have room for `least`, and how much: one question to Placement, and one to
    /// Nova if there is any.
    pub async fn with_free_room(&self, least: &Needs) -> Result<Vec<Free>, AskError> {
        let room = self.candidates(least).await?;
        if room.is_empty() {
            return Ok(Vec::new());
        }
        let nodes = self.nodes_that_serve(&[]).await?.into_iter();
        let free = nodes.filter_map(|Node { host, provider, .. }| {
            Some(Free { host, left: room.get(&provider)?.left() })
        });
        Ok(free.collect())
    }

    /// All hosts in service, also those that are full, and how much room each has; hosts of `standby` count also while
    /// they are disabled.
    pub async fn room_of_all(&self, standby: &[HostName]) -> Result<Vec<Free>, AskError> {
        let room = self.candidates(&LEAST).await?;
        let nodes = self.nodes_that_serve(standby).await?.into_iter();
        let free = nodes.map(|Node { host, provider, .. }| match room.get(&provider) {
            Some(summary) => Free { host, left: summary.left() },
            // Placement names none that has not even this much.
            None => Free { host, left: [(Resource::Vcpus, 0), (Resource::Ram, 0)].into() },
        });
        Ok(free.collect())
    }

    /// Who has room for `least`, by Placement's ids.
    async fn candidates(&self, least: &Needs) -> Result<BTreeMap<String, Summary>, AskError> {
        let asked = Resource::ALL.into_iter().filter(|r| r.of(least) > 0);
        let asked: Vec<String> = asked.map(|r| format!("{}:{}", r.class(), r.of(least))).collect();
        let resources = if asked.is_empty() { "VCPU:1".to_owned() } else { asked.join(",") };
        let query = [("resources", resources.as_str()), ("limit", CANDIDATES_MOST)];
        let reply = self.placement(&["allocation_candidates"], &query, CANDIDATES).await?;
        reply.read_under("provider_summaries")
    }

    async fn placement(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        microversion: &str,
    ) -> Result<Reply, AskError> {
        let config = &self.0.config;
        let placement = Service {
            types: vec!["placement".into()],
            region: config.region_name.clone(),
            interface: config.interface,
            api: "placement",
            ..Service::default()
        };
        let request = Request {
            under: Under::Root,
            query,
            microversion: Some(microversion),
            ..Request::get(&placement, path, config.list_deadline)
        };
        // Not Nova's clock.
        self.0.session.ask(request).await
    }
}
