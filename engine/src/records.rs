//! Which of Nova's records of evacuations nobody is behind: asked of the servers of which it matters, and few at a time.
//!
//! A record that says `accepted` is believed, as a rule. Asked is where something contradicts it: the server shows no task, or
//! nothing has come further for longer than Nova waits for an answer of its own.

use crate::{Engine, turn};
use futures::StreamExt;
use openstack::AskError;
use recovery::{
    HostName, Millis, ServerId,
    plan::newest_evacuations,
    requests,
    seen::{Evacuation, EvacuationStatus, Server, Task},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Questions in flight; Nova has evacuations to do beside them.
const AT_ONCE: usize = 8;
/// Servers that are asked about in one look; the others have their turn in the next ones.
const SERVERS_MOST: usize = 64;
/// For all of them. Who has not been told of by then is believed to be under way.
const WAIT_MOST: Duration = Duration::from_secs(20);

/// Of whom it is asked besides those whose record is contradicted by what they show.
#[derive(Clone, Default, Debug)]
pub(crate) struct Quiet {
    pub(crate) servers: BTreeSet<ServerId>,
    /// Up to whom the last look came.
    pub(crate) after: Option<ServerId>,
}

/// What was found out beside the records.
#[derive(Clone, Default, Debug)]
pub(crate) struct Asked {
    /// Up to whom of the quiet ones this look came.
    pub(crate) upto: Option<ServerId>,
    /// Nova's conductor has given something up, and no nova-compute was heard since.
    pub(crate) bus_is_silent: bool,
    /// What those show now whose record is void; `None`: it is gone.
    fresh: BTreeMap<ServerId, Option<Server>>,
}

impl Asked {
    /// What was shown before is not what the last request left.
    pub(crate) fn renew(&self, servers: &mut BTreeMap<ServerId, Server>) {
        for (id, server) in &self.fresh {
            match server {
                Some(server) => drop(servers.insert(id.clone(), server.clone())),
                None => drop(servers.remove(id)),
            }
        }
    }

    /// The same of a list of what is on `host`.
    pub(crate) fn renew_on(&self, host: &HostName, servers: &mut Vec<Server>) {
        for server in servers.iter_mut() {
            if let Some(Some(fresh)) = self.fresh.get(&server.id) {
                *server = fresh.clone();
            }
        }
        let gone = |server: &Server| matches!(self.fresh.get(&server.id), Some(None));
        servers.retain(|server| !gone(server) && server.host.as_ref() == Some(host));
    }
}

/// What is told of one server.
struct Told {
    waits_for_the_bus: bool,
    /// Its records are void, and it shows this by then.
    void: Option<Option<Server>>,
}

impl Engine {
    /// Marks the records that nobody is behind as void. `servers` were listed before `evacuations`.
    ///
    /// Worth no failure of the look: without an answer a record is believed.
    pub(crate) async fn mark_void<'s>(
        &self,
        source: &HostName,
        servers: impl Iterator<Item = &'s Server>,
        evacuations: &mut [Evacuation],
        quiet: &Quiet,
    ) -> Asked {
        let (suspects, upto) = suspects(servers, evacuations, quiet);
        let mut asked = Asked { upto, ..Asked::default() };
        if suspects.is_empty() {
            return asked;
        }
        // First: what is heard after the requests were read would prove less.
        let heard = match self.last_heard(source).await {
            Ok(heard) => heard,
            Err(error) => {
                tracing::debug!(error = turn::chain(&error), "nobody tells which hosts are heard");
                return asked;
            }
        };
        for (server, told) in self.told_of(&suspects, evacuations, heard).await {
            asked.bus_is_silent |= told.waits_for_the_bus;
            if let Some(fresh) = told.void {
                tracing::info!(%server, "Nova's record of its evacuation says accepted, and nobody is behind it");
                requests::mark_void(&server, evacuations);
                asked.fresh.insert(server, fresh);
            }
        }
        asked
    }

    async fn told_of(
        &self,
        suspects: &BTreeMap<ServerId, Millis>,
        evacuations: &[Evacuation],
        heard: Option<Millis>,
    ) -> BTreeMap<ServerId, Told> {
        let mut told = BTreeMap::new();
        let asking = async {
            let mut answers = futures::stream::iter(suspects)
                .map(|(id, since)| async move {
                    (id, self.told_of_one(id, *since, evacuations, heard).await)
                })
                .buffer_unordered(AT_ONCE);
            while let Some((server, answer)) = answers.next().await {
                match answer {
                    Ok(answer) => drop(told.insert(server.clone(), answer)),
                    Err(error) => {
                        tracing::debug!(%server, error = turn::chain(&error), "not told");
                    }
                }
            }
        };
        let all = ports::within(&*self.ports.clock, WAIT_MOST, asking).await;
        if all.is_none() {
            tracing::warn!(known = told.len(), of = suspects.len(), "requests: no time for all");
        }
        told
    }

    async fn told_of_one(
        &self,
        server: &ServerId,
        since: Millis,
        evacuations: &[Evacuation],
        heard: Option<Millis>,
    ) -> Result<Told, AskError> {
        let nova = &self.ports.nova;
        let requests = nova.evacuation_requests(server, since).await?;
        tracing::debug!(%server, ?requests, ?heard, "what became of its evacuations");
        let void = requests::are_void(server, evacuations, &requests, heard);
        // The last request may have moved it since it was listed.
        let void = if void { Some(nova.server(server).await?) } else { None };
        Ok(Told { waits_for_the_bus: requests::waits_for_the_bus(&requests, heard), void })
    }

    /// The last heartbeat of a nova-compute that is up, on any host but this one.
    async fn last_heard(&self, dead: &HostName) -> Result<Option<Millis>, AskError> {
        let services = self.ports.nova.compute_services().await?;
        let others = services.iter().filter(|s| s.host != *dead && s.up && !s.forced_down);
        Ok(others.filter_map(|s| s.heartbeat_at).max())
    }
}

/// Those whose newest record nobody has begun although they show no task, or are quiet; each with the time since when requests
/// matter. And up to whom of the quiet ones this goes.
fn suspects<'s>(
    servers: impl Iterator<Item = &'s Server>,
    evacuations: &[Evacuation],
    quiet: &Quiet,
) -> (BTreeMap<ServerId, Millis>, Option<ServerId>) {
    let newest = newest_evacuations(evacuations);
    let waits = |id: &ServerId| {
        let runs = |e: &Evacuation| e.server == *id && e.status == EvacuationStatus::Running;
        newest.get(id).is_some_and(|e| e.status == EvacuationStatus::Accepted)
            && !evacuations.iter().any(runs)
    };
    let idle = servers.filter(|s| s.task != Task::Rebuilding && waits(&s.id)).map(|s| &s.id);
    let idle: BTreeSet<&ServerId> = idle.take(SERVERS_MOST).collect();
    let turn = |id: &&ServerId| quiet.after.as_ref().is_none_or(|after| *id > after);
    let (next, before): (Vec<_>, Vec<_>) = quiet.servers.iter().partition(turn);
    let quiet = next.into_iter().chain(before).filter(|id| waits(id) && !idle.contains(id));
    let quiet: Vec<&ServerId> = quiet.take(SERVERS_MOST - idle.len()).collect();
    let upto = quiet.last().map(|id| (*id).clone());
    let since = |id: &ServerId| {
        requests::to_be_asked_since(id, evacuations).map(|since| (id.clone(), since))
    };
    (idle.into_iter().chain(quiet).filter_map(since).collect(), upto)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ServerId {
        ServerId::new(format!("server-{n:03}"))
    }

    fn record(n: usize, status: EvacuationStatus) -> Evacuation {
        let (server, source) = (id(n), HostName::new("dead"));
        let created = Some(Millis(1_000));
        Evacuation { id: n.try_into().unwrap(), server, source, dest: None, status, created }
    }

    fn asked_about(records: &[Evacuation], quiet: &Quiet) -> (Vec<ServerId>, Option<ServerId>) {
        let (suspects, upto) = suspects(std::iter::empty(), records, quiet);
        (suspects.into_keys().collect(), upto)
    }

    #[test]
    fn of_many_that_are_quiet_sixty_four_are_asked_about_and_then_those_behind_them() {
        let all: Vec<usize> = (0..100).collect();
        let records: Vec<_> = all.iter().map(|n| record(*n, EvacuationStatus::Accepted)).collect();
        let servers: BTreeSet<ServerId> = all.iter().map(|n| id(*n)).collect();
        let quiet = Quiet { servers: servers.clone(), after: None };
        let (first, upto) = asked_about(&records, &quiet);
        assert_eq!((first, &upto), ((0..64).map(id).collect(), &Some(id(63))));
        let (next, upto) = asked_about(&records, &Quiet { servers, after: upto });
        assert_eq!((next, upto), ((0..28).chain(64..100).map(id).collect(), Some(id(27))));
    }

    #[test]
    fn who_is_being_built_is_not_asked_about() {
        let records = [
            record(1, EvacuationStatus::Running),
            record(2, EvacuationStatus::Done),
            record(3, EvacuationStatus::Accepted),
        ];
        let quiet = Quiet { servers: (1..=4).map(id).collect(), after: None };
        assert_eq!(asked_about(&records, &quiet), (vec![id(3)], Some(id(3))));
    }
}
