//! Looks at the world: the host and what is known of it, the servers on it, and those on their way.

use crate::{
    Engine,
    error::ActFailed,
    fencing::Ladder,
    reasons::Watched,
    records::{Asked, Quiet},
    subject::Mission,
    tiers::Order,
    turn::chain,
};
use openstack::{AskError, Cursor};
use ports::Boot;
use recovery::{
    HostName, Millis, Missing, Permit, ServerId,
    evidence::{Evidence, Sighting},
    nouns::RecoveryMethod,
    permit,
    permit::{Loss, NovaSays},
    quarantine::Death,
    rules::Facts,
    seen::{ComputeService, Evacuation, OWN_WRITE_MS, Server},
    way::Ways,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{HostFilter, Page, StoreError};

/// A look at a host that took longer tells nothing of now.
pub(crate) const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// The host as it was a moment ago. Old ones are thrown away, not believed.
#[derive(Debug)]
pub(crate) struct HostView {
    /// When Nova's answer was here: what it tells may be older by [`LOOK_WITHIN`] at most.
    pub(crate) answered_at: Boot,
    pub(crate) service: Option<ComputeService>,
    pub(crate) evidence: Vec<Evidence>,
    /// Where others than Nova saw that it lives.
    pub(crate) told: Vec<Sighting>,
    /// The devices that could prove it dead.
    pub(crate) ladder: Ladder,
}

/// Why the world could not be looked at.
#[derive(thiserror::Error, Debug)]
pub(crate) enum LookFailed {
    #[error(transparent)]
    Nova(#[from] AskError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the look at host {host} took {took_ms} ms, too long to be believed (at most {} s); Nova or \
         the database is too busy, and nothing is moved before they answer sooner",
        LOOK_WITHIN.as_secs()
    )]
    Slow { host: HostName, took_ms: u128 },
}

/// The servers of a recovery as one look showed them.
#[derive(Debug)]
pub(crate) struct ServersView {
    pub(crate) began: Millis,
    pub(crate) busy: BTreeSet<ServerId>,
    pub(crate) servers: BTreeMap<ServerId, Server>,
    pub(crate) evacuations: Vec<Evacuation>,
    pub(crate) asked: Asked,
    pub(crate) reasons: BTreeMap<ServerId, String>,
    pub(crate) whole: bool,
    pub(crate) cursor: Cursor,
    /// How long Nova was asked for this recovery alone.
    pub(crate) alone_ms: u64,
}

/// What is on a host.
#[derive(Debug)]
pub(crate) struct HostList {
    pub(crate) servers: Vec<Server>,
    /// Those away from the host that Nova has on record.
    pub(crate) evacuations: Vec<Evacuation>,
    /// What changes after the list was asked for is found from here on.
    pub(crate) cursor: Cursor,
    /// Whether the segment has reserved hosts that this recovery has not tried.
    pub(crate) more_reserved: bool,
    /// The hosts of the segment that could take servers; `None`: Nova chooses freely.
    pub(crate) within: Option<Vec<HostName>>,
    /// What owners' rules speak of.
    pub(crate) facts: Facts,
    /// Those that are not 0.
    pub(crate) priorities: BTreeMap<ServerId, i64>,
    pub(crate) order: Order,
    /// Hosts that died with one of these servers on them.
    pub(crate) deaths: Vec<Death>,
}

/// From where on the changed servers are listed.
#[derive(Clone, Debug)]
pub(crate) enum From {
    /// Everything that changed since the recovery began, and everything on the host.
    Beginning(Millis),
    /// What changed since the last look.
    Last(Cursor),
}

impl Engine {
    /// Asks Nova for the host's service, and the store for the evidence and for what others saw.
    pub(crate) async fn look_at_host(&self, host: &HostName) -> Result<HostView, LookFailed> {
        let ladder = self.ladder_of(host).await?;
        let looked_at = self.ports.clock.boot();
        let evidence = self.ports.store.evidence(host).await?;
        // Both after the evidence: what they say of the host's life is newer.
        let told = self.ports.store.sightings(host);
        let (service, told) = futures::join!(self.ports.nova.compute_service(host), told);
        let (service, told) = (service?, told?);
        let answered_at = self.ports.clock.boot();
        let took = answered_at.since(looked_at);
        if took > LOOK_WITHIN {
            return Err(LookFailed::Slow { host: host.clone(), took_ms: took.as_millis() });
        }
        Ok(HostView { answered_at, service, evidence, told, ladder })
    }

    /// Keeps the heartbeat that Nova shows of a service, as a sign of life: what we are about to write to the service
    /// hides it. Of one that is forced down nothing is kept: what Nova shows may be the forcing.
    ///
    /// # Errors
    /// When it is not kept: then nothing may be written.
    pub(crate) async fn keep_what_is_hidden(&self, hides: &Hides) -> Result<(), ActFailed> {
        let heard = hides.service.as_ref().filter(|service| !service.forced_down);
        let heard = heard.and_then(ComputeService::sighting);
        let Some(seen) = heard.filter(|seen| !is_own_write(seen, hides.own_write)) else {
            return Ok(());
        };
        let kept = self.ports.store.keep_sighting(&seen).await;
        kept.map_err(|failed| ActFailed::Withheld {
            why: format!("its last heartbeat cannot be kept: {}", chain(&failed)),
        })
    }

    /// What is on the host, which evacuations away from it Nova has on record, and where it may go.
    pub(crate) async fn list_host(
        &self,
        mission: &Mission,
        ways: &Ways,
    ) -> Result<HostList, LookFailed> {
        let host = &mission.subject.host;
        let asked = self.now();
        let more_reserved = match mission.method {
            RecoveryMethod::Auto => false,
            RecoveryMethod::ReservedHost
            | RecoveryMethod::AutoPriority
            | RecoveryMethod::RhPriority => !self.reserved_hosts(mission, ways).await?.is_empty(),
        };
        let within = match self.config().within_segment {
            true => Some(self.hosts_within(mission).await?),
            false => None,
        };
        // The records last: an evacuation that ends between the two calls is seen as over on a
        // server that still looks busy, never the other way round.
        let mut servers = self.ports.nova.servers_on(host).await?;
        // Our own database answers beside Nova.
        let records = self.ports.nova.evacuations_from(host);
        let (evacuations, deaths) = futures::join!(records, self.deaths(mission, &servers));
        let (mut evacuations, deaths) = (evacuations?, deaths?);
        self.mark_void(host, servers.iter(), &mut evacuations, &Quiet::default())
            .await
            .renew_on(host, &mut servers);
        let cursor = self.ports.nova.cursor_at(asked);
        let facts = self.facts(&self.config().selection.owners, Some(host), &servers).await?;
        let priorities = self.priorities(host, &servers).await;
        let order = self.order(&servers).await?;
        Ok(HostList {
            servers,
            evacuations,
            cursor,
            more_reserved,
            within,
            facts,
            priorities,
            order,
            deaths,
        })
    }

    /// What other recoveries know of these servers, if it matters.
    async fn deaths(
        &self,
        mission: &Mission,
        servers: &[Server],
    ) -> Result<Vec<Death>, StoreError> {
        let rule = self.config().quarantine;
        if rule.deaths == 0 || servers.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ServerId> = servers.iter().map(|server| server.id.clone()).collect();
        let since = rule.since(self.ports.clock.wall());
        self.ports.store.deaths(&ids, since, &mission.subject.notification).await
    }

    /// The hosts of the segment that could take servers now.
    async fn hosts_within(&self, mission: &Mission) -> Result<Vec<HostName>, LookFailed> {
        let filter = HostFilter {
            reserved: Some(false),
            on_maintenance: Some(false),
            ..HostFilter::default()
        };
        let hosts = self.ports.store.hosts(&mission.segment, &filter, &Page::default()).await?;
        let services = self.ports.nova.compute_services().await?;
        let serves = |name: &HostName| {
            let mut theirs = services.iter().filter(|s| s.host == *name);
            theirs.any(|s| s.enabled && s.up && !s.forced_down)
        };
        let names = hosts.into_iter().map(|h| h.name);
        Ok(names.filter(|name| *name != mission.subject.host && serves(name)).collect())
    }

    /// Those of `ids` that changed since then, and from where to go on.
    async fn changed_since(
        &self,
        since: Cursor,
        ids: &BTreeSet<ServerId>,
    ) -> Result<(BTreeMap<ServerId, Server>, Cursor), AskError> {
        let list = async |since| {
            let (servers, upto) = self.ports.nova.servers_changed_since(&since).await?;
            Ok((servers.into_iter().map(|s| (s.id.clone(), s)).collect(), upto))
        };
        self.servers.since(&*self.ports.clock, since, list, |fresh| fresh.of(ids)).await
    }

    /// Looks at the servers that are on their way.
    pub(crate) async fn look_at_servers(
        &self,
        host: &HostName,
        from: From,
        ids: &BTreeSet<ServerId>,
        busy: BTreeSet<ServerId>,
        watched: Watched,
        quiet: Quiet,
    ) -> Result<ServersView, LookFailed> {
        let began = self.now();
        let nova = &self.ports.nova;
        let mut servers: BTreeMap<ServerId, Server> = BTreeMap::new();
        let (since, whole) = match from {
            From::Beginning(recovery_began) => {
                let here = nova.servers_on(host).await?;
                servers.extend(here.into_iter().map(|s| (s.id.clone(), s)));
                (nova.cursor_at(recovery_began), true)
            }
            From::Last(cursor) => (cursor, false),
        };
        let (changed, cursor) = self.changed_since(since, ids).await?;
        servers.extend(changed);
        let changes_at = self.now();
        // Last, as above: Nova marks the record after it has moved the server.
        let mut evacuations = nova.evacuations_from(host).await?;
        let ours = servers.values().filter(|s| watched.contains_key(&s.id));
        let asked = self.mark_void(host, ours, &mut evacuations, &quiet).await;
        asked.renew(&mut servers);
        let reasons = self.reasons(host, &watched, &servers, &evacuations).await;
        let alone_ms = self.now().since(changes_at).unsigned_abs();
        Ok(ServersView {
            began,
            busy,
            servers,
            evacuations,
            asked,
            reasons,
            whole,
            cursor,
            alone_ms,
        })
    }
}

/// What a write to a host's service hides.
#[derive(Clone, Debug)]
pub(crate) struct Hides {
    /// The service, as Nova showed it last.
    pub(crate) service: Option<ComputeService>,
    /// A heartbeat that is no newer is no heartbeat, but a write of ours.
    pub(crate) own_write: Option<Millis>,
}

impl HostView {
    /// Judges anew whether the host is dead.
    pub(crate) fn permit(
        &self,
        engine: &Engine,
        host: &HostName,
        own_write: Option<Millis>,
        loss: Loss,
    ) -> Result<Permit, Missing> {
        let sightings: Vec<Sighting> =
            self.service.iter().filter_map(ComputeService::sighting).collect();
        let mut sightings: Vec<Sighting> =
            sightings.into_iter().filter(|s| !is_own_write(s, own_write)).collect();
        let (heard, now) = (sightings.iter().map(|s| s.at).max(), engine.ports.clock.wall());
        let says = self.service.as_ref().map_or(NovaSays::Absent, |s| s.says_by(heard, now));
        let forced_down = self.service.as_ref().is_some_and(|service| service.forced_down);
        let hidden = sightings.is_empty() && !forced_down;
        let mut evidence = self.evidence.clone();
        evidence.retain(|evidence| loss.may_prove(evidence, hidden, now));
        sightings.extend(self.told.iter().cloned());
        permit(host, &evidence, engine.config().require, &sightings, says)
    }
}

/// Whether a heartbeat may be a write of ours, made at `own_write`. Nova's times are whole seconds and our reading
/// of them is off by as much.
pub(crate) fn is_own_write(seen: &Sighting, own_write: Option<Millis>) -> bool {
    own_write.is_some_and(|w| seen.at.since(w) <= OWN_WRITE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use recovery::evidence::Sign;

    #[test]
    fn a_heartbeat_is_our_own_write_only_when_it_is_no_newer_than_that_and_the_rounding() {
        let seen =
            |ms| Sighting { host: HostName::new("a"), at: Millis(ms), what: Sign::Heartbeat };
        let wrote = Some(Millis(60_000));
        for ms in [0, 59_000, 60_000, 62_500] {
            assert!(is_own_write(&seen(ms), wrote), "{ms}");
            assert!(!is_own_write(&seen(ms), None), "nothing was written, {ms}");
        }
        for ms in [62_501, 70_000, 120_000] {
            assert!(!is_own_write(&seen(ms), wrote), "{ms}");
        }
    }
}
