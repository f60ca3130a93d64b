//! The whole cloud, as one look at each of its lists shows it.

use crate::{
    Config, Engine,
    forecast::{Deaths, Seen, may_go, told, zone_of},
    look::LookFailed,
};
use openstack::{AskError, HostAggregate, Inventory, ServerGroup};
use recovery::{
    HostName, ServerId,
    forecast::{Group, Place, Surroundings},
    nouns::{Host, RecoveryMethod},
    priority::Properties,
    rules::Facts,
    seen::{Evacuation, Server},
    shortage::Free,
};
use std::collections::{BTreeMap, BTreeSet};

/// What Nova has not written to for so long is not under way.
const EVACUATIONS_OF_MS: i64 = 86_400_000;
/// So many hosts are named in a sentence.
const NAMED: usize = 5;

/// What was gathered.
#[derive(Debug)]
pub(super) struct Cloud {
    servers: BTreeMap<HostName, Vec<Server>>,
    evacuations: BTreeMap<HostName, Vec<Evacuation>>,
    pinned: BTreeMap<ServerId, String>,
    groups: Vec<Group>,
    /// What is free: also on reserved hosts that are not in service.
    free: Vec<Free>,
    in_service: BTreeSet<HostName>,
    aggregates: Vec<HostAggregate>,
    /// Those of which rules speak.
    images: BTreeMap<String, Properties>,
    /// Those that say how early a server goes.
    priorities: BTreeMap<String, Properties>,
    deaths: BTreeMap<HostName, Deaths>,
    pub(super) unknown: Vec<String>,
}

impl Engine {
    /// Looks at all that is needed of these hosts; `None`: more servers are on them than `most`.
    pub(super) async fn gather(
        &self,
        hosts: BTreeSet<HostName>,
        reserved: &[HostName],
        most: usize,
    ) -> Result<Option<Cloud>, LookFailed> {
        let (nova, config) = (&self.ports.nova, self.config());
        let mut unknown = Vec::new();
        self.note_strangers(&hosts, &mut unknown).await?;
        let groups = told("server groups", nova.server_groups().await, &mut unknown);
        let groups = groups.unwrap_or_default();
        let members = groups.iter().flat_map(|group| &group.members).cloned().collect();
        let inventory = nova.inventory(&hosts, &members, most).await?;
        if inventory.too_many {
            return Ok(None);
        }
        let groups = located(groups, &inventory);
        let Inventory { servers, pinned, .. } = inventory;
        if pinned.is_none() {
            unknown.push("pinned zones: Nova tells from 2.96 on".to_owned());
        }
        let since = self.now().plus(-EVACUATIONS_OF_MS);
        let evacuations = told("evacuations", nova.evacuations_since(since).await, &mut unknown);
        let free = nova.room_of_all(reserved).await?;
        let in_service = match reserved {
            [] => names(&free),
            [_, ..] => names(&nova.room_of_all(&[]).await?),
        };
        let owners = &config.selection.owners;
        let aggregates = match nova.aggregates().await {
            Err(error) if owners.wants_aggregates() => return Err(error.into()),
            answer => told("aggregates and zones", answer, &mut unknown).unwrap_or_default(),
        };
        let all: Vec<Server> = servers.values().flatten().cloned().collect();
        let images = self.facts(owners, None, &all).await?.images;
        let priorities = self.images_of(&all, &config.priority).await;
        let deaths = self.deaths_of(&all).await?;
        let (evacuations, deaths) =
            (by_source(evacuations.unwrap_or_default()), on_hosts(&servers, deaths));
        let pinned = pinned.unwrap_or_default();
        Ok(Some(Cloud {
            servers,
            evacuations,
            pinned,
            groups,
            free,
            in_service,
            aggregates,
            images,
            priorities,
            deaths,
            unknown,
        }))
    }

    /// Hosts that Nova does not know.
    async fn note_strangers(
        &self,
        hosts: &BTreeSet<HostName>,
        unknown: &mut Vec<String>,
    ) -> Result<(), AskError> {
        let services = self.ports.nova.compute_services().await?;
        let known: BTreeSet<HostName> = services.into_iter().map(|s| s.host).collect();
        let strangers: Vec<&str> = hosts.difference(&known).map(HostName::as_str).collect();
        if !strangers.is_empty() {
            let named = strangers.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let count = strangers.len();
            unknown.push(format!("{count} hosts have no compute service in Nova: {named}"));
        }
        Ok(())
    }
}

impl Cloud {
    /// What is around a segment with these hosts.
    pub(super) fn around(
        &self,
        method: RecoveryMethod,
        hosts: &[Host],
        within_segment: bool,
    ) -> Surroundings {
        let only = |reserved: bool| {
            let of = hosts.iter().filter(move |h| h.reserved == reserved && !h.on_maintenance);
            of.map(|host| host.name.clone()).collect::<Vec<_>>()
        };
        let reserved = match method {
            RecoveryMethod::Auto => Vec::new(),
            RecoveryMethod::ReservedHost
            | RecoveryMethod::AutoPriority
            | RecoveryMethod::RhPriority => only(true),
        };
        let within = within_segment.then(|| only(false));
        let serves = |host: &HostName| self.in_service.contains(host) || reserved.contains(host);
        let open = self.free.iter().filter(|free| {
            serves(&free.host) && may_go(method, within.as_deref(), &reserved, &free.host)
        });
        let place = |free: &Free| {
            let zone = zone_of(&self.aggregates, &free.host);
            Place { zone, free: free.clone() }
        };
        let here: BTreeSet<&HostName> = hosts.iter().map(|host| &host.name).collect();
        let is_here = |group: &&Group| group.members.values().any(|host| here.contains(host));
        Surroundings {
            places: open.map(place).collect(),
            groups: self.groups.iter().filter(is_here).cloned().collect(),
            pinned: self.pinned.clone(),
            ..Surroundings::default()
        }
    }

    /// What owners' rules may speak of on a host, and the priorities there that are not 0.
    pub(super) fn words_on(
        &self,
        config: &Config,
        host: &HostName,
    ) -> (Facts, BTreeMap<ServerId, i64>) {
        let of = self.aggregates.iter().filter(|aggregate| aggregate.hosts.contains(host));
        let named: Vec<(String, Properties)> =
            of.map(|a| (a.aggregate.name.clone(), a.metadata.clone())).collect();
        let metadata: Vec<Properties> = named.iter().map(|(_, all)| all.clone()).collect();
        let priority = |server: &Server| {
            let image = server.hints.image.as_ref().and_then(|id| self.priorities.get(id));
            (server.id.clone(), config.priority.of(server, image, &metadata))
        };
        let all = self.on(host).iter().map(priority);
        let priorities = all.filter(|(_, priority)| *priority != 0).collect();
        let on = self.on(host).iter().filter_map(|server| server.hints.image.as_ref());
        let images = on.filter_map(|id| Some((id.clone(), self.images.get(id)?.clone())));
        let (images, departures) = (images.collect(), BTreeMap::new());
        (Facts { images, aggregates: named, departures }, priorities)
    }

    /// What is known of a host's servers.
    pub(super) fn seen<'a>(&'a self, host: &HostName, facts: &'a Facts) -> Seen<'a> {
        let evacuations = self.evacuations.get(host).map_or(&[][..], Vec::as_slice);
        let deaths = self.deaths.get(host).cloned().unwrap_or_default();
        Seen { servers: self.on(host), evacuations, facts, deaths }
    }

    fn on(&self, host: &HostName) -> &[Server] {
        self.servers.get(host).map_or(&[], Vec::as_slice)
    }
}

/// Where each member is.
fn located(groups: Vec<ServerGroup>, inventory: &Inventory) -> Vec<Group> {
    let mut on: BTreeMap<&ServerId, &HostName> = inventory.elsewhere.iter().collect();
    let here = inventory.servers.iter().flat_map(|(host, all)| all.iter().map(move |s| (host, s)));
    on.extend(here.map(|(host, server)| (&server.id, host)));
    let group = |group: ServerGroup| {
        let members = group.members.into_iter();
        let members = members.filter_map(|id| {
            let host = (*on.get(&id)?).clone();
            Some((id, host))
        });
        Group { name: group.name, policy: group.policy, members: members.collect() }
    };
    groups.into_iter().map(group).collect()
}

fn names(free: &[Free]) -> BTreeSet<HostName> {
    free.iter().map(|free| free.host.clone()).collect()
}

fn by_source(all: Vec<Evacuation>) -> BTreeMap<HostName, Vec<Evacuation>> {
    let mut by: BTreeMap<HostName, Vec<Evacuation>> = BTreeMap::new();
    for evacuation in all {
        by.entry(evacuation.source.clone()).or_default().push(evacuation);
    }
    by
}

fn on_hosts(
    servers: &BTreeMap<HostName, Vec<Server>>,
    mut deaths: Deaths,
) -> BTreeMap<HostName, Deaths> {
    let of = |(host, all): (&HostName, &Vec<Server>)| {
        let of = all.iter().filter_map(|s| deaths.remove_entry(&s.id)).collect::<Deaths>();
        (host.clone(), of)
    };
    servers.iter().map(of).filter(|(_, deaths)| !deaths.is_empty()).collect()
}
