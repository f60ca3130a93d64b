//! Answers what would become of a host's servers if it died now: the plan of a recovery, made of the same list by
//! the same rules, and what there is around it. Nothing is changed; no lease is needed.
//!
//! A list that cannot be had is an error. What only makes the forecast less sharp (zones, groups, shares) is left
//! out when it cannot be had, and the answer says so.

use crate::{Config, Engine, look::LookFailed, turn::chain};
use futures::StreamExt;
use openstack::{AskError, HostAggregate, ServerGroup};
use recovery::{
    HostName, NotificationId, SegmentId, ServerId, VMoveId,
    forecast::{Asked, Forecast, Group, Place, Surroundings},
    log::{Planned, Skipped},
    nouns::{Host, RecoveryMethod},
    plan,
    quarantine::Death,
    request::RequestState,
    rules::Facts,
    seen::{Evacuation, Server},
    shortage::Free,
};
use std::{collections::BTreeMap, time::Duration};
use store::{HostFilter, Page, StoreError};

/// Longer than this nobody waits for a forecast.
const WITHIN: Duration = Duration::from_secs(30);
/// Questions in flight.
const AT_ONCE: usize = 8;
/// Members of groups that are elsewhere: where more are is not asked.
const MEMBERS_MOST: usize = 256;
/// `default_availability_zone` of Nova, unless an operator changed it.
const ZONE: &str = "nova";
/// MySQL's TEXT has 65,535 bytes.
pub(crate) const ANSWER_BYTES_MOST: usize = 60_000;

/// By server.
pub(crate) type Deaths = BTreeMap<ServerId, Vec<Death>>;

/// What is asked about the future: it takes many questions to Nova.
#[derive(Debug)]
pub(crate) struct Question {
    /// Of the request.
    pub(crate) id: String,
    pub(crate) about: About,
}

#[derive(Debug)]
pub(crate) enum About {
    /// A plan.
    Host(HostName),
    /// A report: of this segment, or of the segments after the one of this number.
    Segments { segment: Option<SegmentId>, after: Option<i64> },
}

impl Question {
    pub(crate) fn is_report(&self) -> bool {
        match self.about {
            About::Host(_) => false,
            About::Segments { .. } => true,
        }
    }
}

impl Engine {
    /// Answers it; gives back its id.
    pub(crate) async fn foretell(&self, question: Question) -> String {
        let Question { id, about } = question;
        let answered = match &about {
            About::Host(host) => self.answer_plan(&id, host).await,
            About::Segments { segment, after } => {
                self.answer_report(&id, segment.as_ref(), *after).await
            }
        };
        if let Err(error) = answered {
            tracing::debug!(request = %id, error = chain(&error), "not answered yet");
        }
        id
    }

    async fn answer_plan(&self, id: &str, host: &HostName) -> Result<(), StoreError> {
        let foreseen = ports::within(&*self.ports.clock, WITHIN, self.foresee(host)).await;
        let (state, answer) = match foreseen {
            Some(Ok(Some(forecast))) => (RequestState::Done, written(forecast)),
            Some(Ok(None)) => {
                (RequestState::Refused, format!("host {host} was deleted from its segment"))
            }
            Some(Err(failed)) => {
                let why = chain(&failed);
                (RequestState::Refused, format!("there is no plan of host {host}: {why}"))
            }
            None => {
                let s = WITHIN.as_secs();
                let why = format!("there is no plan of host {host}: Nova took longer than {s} s");
                (RequestState::Refused, why)
            }
        };
        self.ports.store.answer_request(id, state, &answer, None).await.map(|_| ())
    }

    /// `None`: no segment has this host any more.
    pub(crate) async fn foresee(&self, host: &HostName) -> Result<Option<Forecast>, LookFailed> {
        let store = &self.ports.store;
        let Some(of) = store.host_named(host).await? else { return Ok(None) };
        let Some(segment) = store.segment(&of.segment).await? else { return Ok(None) };
        let method = segment.recovery_method;
        let servers = self.ports.nova.servers_on(host).await?;
        let evacuations = self.ports.nova.evacuations_from(host).await?;
        let config = self.config();
        let facts = self.facts(&config.selection.owners, Some(host), &servers).await?;
        let priorities = self.priorities(host, &servers).await;
        let deaths = self.deaths_of(&servers).await?;
        let seen = Seen { servers: &servers, evacuations: &evacuations, facts: &facts, deaths };
        let (moves, skipped) = plan_of(&config, host, &seen, &priorities);
        let around = self.surroundings(&of, method, &servers).await?;
        let (servers, moves, skipped) = (&servers, &moves, &skipped);
        Ok(Some(Forecast::of(&Asked { host, method, servers, moves, skipped }, &around)))
    }

    async fn surroundings(
        &self,
        of: &Host,
        method: RecoveryMethod,
        servers: &[Server],
    ) -> Result<Surroundings, LookFailed> {
        let mut around = Surroundings::default();
        if servers.is_empty() {
            return Ok(around);
        }
        let nova = &self.ports.nova;
        let free = self.free_for(of, method).await?;
        let zones = told("the zones of hosts", nova.aggregates().await, &mut around.unknown);
        let zones = zones.unwrap_or_default();
        let place = |free: Free| Place { zone: zone_of(&zones, &free.host), free };
        around.places = free.into_iter().map(place).collect();
        let pinned = nova.pinned_zones(&of.name).await;
        around.pinned = told("pinned zones", pinned, &mut around.unknown).unwrap_or_default();
        let groups = nova.server_groups().await;
        let groups = told("server groups", groups, &mut around.unknown).unwrap_or_default();
        around.groups = self.groups(groups, &of.name, servers).await;
        let shares = futures::stream::iter(servers)
            .map(|server| async move { (server.id.clone(), nova.has_share(&server.id).await) })
            .buffer_unordered(AT_ONCE);
        let shares: Vec<(ServerId, Result<bool, AskError>)> = shares.collect().await;
        let mut failed = None;
        for (server, has) in shares {
            match has {
                Ok(true) => drop(around.shares.insert(server)),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            told::<()>("shares", Err(error), &mut around.unknown);
        }
        Ok(around)
    }

    /// What is free on the hosts that the segment's method sends servers to.
    async fn free_for(&self, of: &Host, method: RecoveryMethod) -> Result<Vec<Free>, LookFailed> {
        let only = |reserved| HostFilter {
            reserved: Some(reserved),
            on_maintenance: Some(false),
            ..HostFilter::default()
        };
        let named = |hosts: Vec<Host>| hosts.into_iter().map(|h| h.name).collect::<Vec<_>>();
        let (store, page) = (&self.ports.store, Page::default());
        let reserved = match method {
            RecoveryMethod::Auto => Vec::new(),
            RecoveryMethod::ReservedHost
            | RecoveryMethod::AutoPriority
            | RecoveryMethod::RhPriority => {
                named(store.hosts(&of.segment, &only(true), &page).await?)
            }
        };
        let within = match self.config().within_segment {
            true => Some(named(store.hosts(&of.segment, &only(false), &page).await?)),
            false => None,
        };
        let mut free = self.ports.nova.room_of_all(&reserved).await?;
        free.retain(|free| may_go(method, within.as_deref(), &reserved, &free.host));
        Ok(free)
    }

    /// Which hosts died with one of them, by server.
    pub(crate) async fn deaths_of(&self, servers: &[Server]) -> Result<Deaths, LookFailed> {
        let rule = self.config().quarantine;
        if rule.deaths == 0 || servers.is_empty() {
            return Ok(Deaths::new());
        }
        let ids: Vec<ServerId> = servers.iter().map(|server| server.id.clone()).collect();
        // No recovery of this loss there is yet.
        let none = NotificationId::new("");
        let since = rule.since(self.ports.clock.wall());
        let mut deaths = Deaths::new();
        for death in self.ports.store.deaths(&ids, since, &none).await? {
            deaths.entry(death.server.clone()).or_default().push(death);
        }
        Ok(deaths)
    }

    /// The groups of `servers`, with where each member is.
    async fn groups(
        &self,
        groups: Vec<ServerGroup>,
        host: &HostName,
        servers: &[Server],
    ) -> Vec<Group> {
        let here = |id: &ServerId| servers.iter().any(|server| server.id == *id);
        let groups: Vec<ServerGroup> =
            groups.into_iter().filter(|group| group.members.iter().any(here)).collect();
        let elsewhere = groups.iter().flat_map(|group| &group.members).filter(|id| !here(id));
        let elsewhere: Vec<ServerId> = elsewhere.take(MEMBERS_MOST).cloned().collect();
        let asked = futures::stream::iter(elsewhere)
            .map(|id| async move {
                let server = self.ports.nova.server(&id).await;
                Some((id, server.ok()??.host?))
            })
            .buffer_unordered(AT_ONCE);
        let answers: Vec<Option<(ServerId, HostName)>> = asked.collect().await;
        let mut on: BTreeMap<ServerId, HostName> = answers.into_iter().flatten().collect();
        on.extend(servers.iter().map(|server| (server.id.clone(), host.clone())));
        let group = |group: ServerGroup| {
            let members = group.members.into_iter();
            let members = members.filter_map(|id| Some((id.clone(), on.get(&id)?.clone())));
            Group { name: group.name, policy: group.policy, members: members.collect() }
        };
        groups.into_iter().map(group).collect()
    }
}

/// What is known of the servers of a host.
pub(crate) struct Seen<'a> {
    pub(crate) servers: &'a [Server],
    pub(crate) evacuations: &'a [Evacuation],
    pub(crate) facts: &'a Facts,
    pub(crate) deaths: Deaths,
}

/// The plan that a recovery of the host would make, in its order.
pub(crate) fn plan_of(
    config: &Config,
    host: &HostName,
    seen: &Seen<'_>,
    priorities: &BTreeMap<ServerId, i64>,
) -> (Vec<Planned>, Vec<Skipped>) {
    let no_row = || VMoveId::new("");
    let (mut moves, skipped) =
        plan::select(seen.servers, seen.evacuations, &config.selection, seen.facts, no_row);
    let retry = NotificationId::new("NOTIFICATION");
    for m in &mut moves {
        m.priority = priorities.get(&m.server).copied().unwrap_or(0);
        let deaths = seen.deaths.get(&m.server).map_or(&[][..], Vec::as_slice);
        let kills = config.quarantine.judge(&m.server, deaths, host, &retry);
        m.quarantine = kills.or_else(|| m.quarantine.take());
    }
    plan::in_order(&mut moves);
    (moves, skipped)
}

/// The zone of a host, by the aggregates of its cloud.
pub(crate) fn zone_of(aggregates: &[HostAggregate], host: &HostName) -> String {
    let mut of = aggregates.iter().filter(|aggregate| aggregate.hosts.contains(host));
    let zone = of.find_map(|aggregate| aggregate.metadata.get("availability_zone"));
    zone.map_or_else(|| ZONE.to_owned(), Clone::clone)
}

/// Whether the method sends servers to this host; `within`: those of the segment that Nova may choose, if only these.
pub(crate) fn may_go(
    method: RecoveryMethod,
    within: Option<&[HostName]>,
    reserved: &[HostName],
    host: &HostName,
) -> bool {
    let by_scheduler = within.is_none_or(|hosts| hosts.contains(host));
    let is_reserved = reserved.contains(host);
    match method {
        RecoveryMethod::ReservedHost => is_reserved,
        RecoveryMethod::Auto => by_scheduler,
        RecoveryMethod::AutoPriority | RecoveryMethod::RhPriority => by_scheduler || is_reserved,
    }
}

/// As it fits into the database.
fn written(mut forecast: Forecast) -> String {
    loop {
        let text = serde_json::json!(forecast).to_string();
        if text.len() <= ANSWER_BYTES_MOST || forecast.servers.is_empty() {
            return text;
        }
        forecast.shorten(forecast.servers.len() * 3 / 4);
    }
}

/// The answer; what did not answer is noted.
pub(crate) fn told<T>(
    what: &str,
    answer: Result<T, AskError>,
    unknown: &mut Vec<String>,
) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            unknown.push(format!("{what}: {}", chain(&error)));
            None
        }
    }
}
