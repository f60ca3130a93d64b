//! Why Nova did not evacuate a server: its own words, and which host was short of what.
//!
//! Asked only where an evacuation failed or left its server in error, and worth no wait: without an answer the vmove says that Nova gave
//! it up, and nothing more.

use crate::Engine;
use futures::StreamExt;
use openstack::{AskError, Failure};
use recovery::{
    HostName, ServerId,
    seen::{Evacuation, EvacuationStatus, Server, VmState},
    shortage::{self, Needs, Node, Resource, Room, Wish},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Questions in flight; Nova has evacuations to do beside them.
const AT_ONCE: usize = 8;
/// For all reasons of one look.
const WAIT_MOST: Duration = Duration::from_secs(20);
/// How Nova says that the scheduler found nothing.
const NO_VALID_HOST: &str = "No valid host was found.";
/// What it may add, which says the same.
const NOT_ENOUGH: &str = "There are not enough hosts available.";

/// Servers that are on their way, each with the number of its last evacuation before that.
pub(crate) type Watched = BTreeMap<ServerId, i64>;

/// Who has room, as asked for in one look.
#[derive(Default)]
struct Surveyed {
    nodes: Option<Vec<Node>>,
    rooms: BTreeMap<Needs, Room>,
}

impl Engine {
    /// The reason of each evacuation away from `dead` that failed, as far as it can be had.
    pub(crate) async fn reasons(
        &self,
        dead: &HostName,
        watched: &Watched,
        servers: &BTreeMap<ServerId, Server>,
        evacuations: &[Evacuation],
    ) -> BTreeMap<ServerId, String> {
        let newest = recovery::plan::newest_evacuations(evacuations);
        let failed = watched.iter().filter_map(|(server, before)| {
            let e = newest.get(server).filter(|e| e.id > *before)?;
            let in_error = servers.get(server).is_some_and(|s| s.vm_state == VmState::Error);
            let failed = match e.status {
                EvacuationStatus::Failed => true,
                EvacuationStatus::Done
                | EvacuationStatus::Completed
                // It may have failed on an older record.
                | EvacuationStatus::Void => in_error,
                EvacuationStatus::Accepted | EvacuationStatus::Running => false,
            };
            failed.then(|| (server.clone(), e.dest.clone()))
        });
        let failed: BTreeMap<ServerId, Option<HostName>> = failed.collect();
        if failed.is_empty() {
            return BTreeMap::new();
        }
        let mut reasons = BTreeMap::new();
        let asking = self.ask_why(dead, &failed, &mut reasons);
        if ports::within(&*self.ports.clock, WAIT_MOST, asking).await.is_none() {
            tracing::warn!(%dead, known = reasons.len(), of = failed.len(), "reasons: no time for all");
        }
        reasons
    }

    async fn ask_why(
        &self,
        dead: &HostName,
        failed: &BTreeMap<ServerId, Option<HostName>>,
        reasons: &mut BTreeMap<ServerId, String>,
    ) {
        let mut asked = futures::stream::iter(failed)
            .map(|(server, target)| async move {
                (server, target, self.failure_and_needs(server).await)
            })
            .buffer_unordered(AT_ONCE);
        let mut surveyed = Surveyed::default();
        while let Some((server, target, answer)) = asked.next().await {
            let (failure, needs) = match answer {
                Ok(Some(answer)) => answer,
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(%server, error = crate::turn::chain(&error), "no reason");
                    continue;
                }
            };
            let told = match needs {
                Some(needs) => self.told(&mut surveyed, &needs, dead, target.as_ref()).await,
                None => None,
            };
            let told = match told {
                Some(told) if shortage::are_excluded(&told) => {
                    Some(shortage::with_wishes(told, &self.wishes(server).await))
                }
                told => told,
            };
            reasons.insert(server.clone(), worded(&failure, told));
        }
    }

    /// What Nova noted, and how much the server needs where that matters.
    async fn failure_and_needs(
        &self,
        server: &ServerId,
    ) -> Result<Option<(Failure, Option<Needs>)>, AskError> {
        let nova = &self.ports.nova;
        match nova.evacuation_failure(server).await? {
            Some(failure) if failure.why.starts_with(NO_VALID_HOST) => {
                let needs = nova.needs(server).await.ok().map(|(needs, _)| needs);
                Ok(Some((failure, needs)))
            }
            Some(failure) => Ok(Some((failure, None))),
            None => {
                let fault = nova.needs(server).await?.1;
                Ok(fault.map(|why| (Failure { why, host: None }, None)))
            }
        }
    }

    /// What the server wants of its host besides room, as far as it can be had.
    async fn wishes(&self, server: &ServerId) -> Vec<Wish> {
        self.ports.nova.wishes(server).await.unwrap_or_else(|error| {
            tracing::debug!(%server, error = crate::turn::chain(&error), "Nova does not tell its wishes");
            Vec::new()
        })
    }

    /// What kept it from each host. Nothing where Placement does not tell.
    async fn told(
        &self,
        surveyed: &mut Surveyed,
        needs: &Needs,
        dead: &HostName,
        target: Option<&HostName>,
    ) -> Option<String> {
        if surveyed.nodes.is_none() {
            surveyed.nodes = Some(self.ports.nova.nodes_in_service().await.unwrap_or_default());
        }
        if !surveyed.rooms.contains_key(needs) {
            surveyed.rooms.insert(*needs, self.room_for(needs).await);
        }
        let (nodes, room) = (surveyed.nodes.as_ref()?, surveyed.rooms.get(needs)?);
        (!room.is_empty()).then(|| shortage::told(needs, room, nodes, dead, target))
    }

    /// Empty when Placement cannot be asked.
    async fn room_for(&self, needs: &Needs) -> Room {
        let mut room = Room::new();
        for resource in Resource::ALL.into_iter().filter(|r| r.of(needs) > 0) {
            let names: Result<BTreeSet<String>, _> =
                self.ports.nova.with_room(resource.class(), resource.of(needs)).await;
            match names {
                Ok(names) => {
                    room.insert(resource, names);
                }
                Err(error) => {
                    tracing::debug!(error = crate::turn::chain(&error), "Placement does not tell");
                    return Room::new();
                }
            }
        }
        room
    }
}

fn worded(failure: &Failure, told: Option<String>) -> String {
    let why = failure.why.trim_end();
    let more = why.trim_end_matches(NOT_ENOUGH).trim_end();
    match (told, &failure.host) {
        (Some(told), _) if more == NO_VALID_HOST => {
            format!("{}: {told}", more.trim_end_matches('.'))
        }
        (Some(told), _) => format!("{why} ({told})"),
        (None, Some(host)) => format!("on {host}: {why}"),
        (None, None) => why.to_owned(),
    }
}
