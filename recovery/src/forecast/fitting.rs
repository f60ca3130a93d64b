//! Who finds room where: what Nova's API refuses, its pinned zones and server groups, and what is left on each host.
//!
//! Each that is placed takes what it needs from those after it.

use super::{Doubt, Group, Obstacle, Place, Policy, Surroundings, needs};
use crate::log::Planned;
use crate::seen::Server;
use crate::shortage::{Needs, Resource};
use crate::{HostName, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

/// The hosts that are left, as far as they are filled by now.
#[derive(Debug)]
pub(crate) struct Fitting<'a> {
    places: Vec<Place>,
    groups: Vec<Group>,
    pinned: &'a BTreeMap<ServerId, String>,
    shares: &'a BTreeSet<ServerId>,
}

/// Where one could go, the likeliest first.
pub(super) struct Open {
    places: Vec<usize>,
    pub(super) doubts: Vec<Doubt>,
}

impl<'a> Fitting<'a> {
    /// As it is around, without the hosts that are `lost`.
    pub(crate) fn without(around: &'a Surroundings, lost: &[&HostName]) -> Self {
        let is_left = |place: &&Place| !lost.contains(&&place.free.host);
        Self {
            places: around.places.iter().filter(is_left).cloned().collect(),
            groups: around.groups.clone(),
            pinned: &around.pinned,
            shares: &around.shares,
        }
    }

    /// Whether there is a place for it; that one has less room then.
    pub(crate) fn takes_in(&mut self, server: &Server, planned: &Planned) -> bool {
        self.place(server, planned).is_ok()
    }

    pub(super) fn place(&mut self, server: &Server, planned: &Planned) -> Result<Open, Obstacle> {
        if let Some(why) = &planned.quarantine {
            return Err(Obstacle::Quarantine { why: why.clone() });
        }
        let specs = &server.hints.flavor;
        if specs.get("hw:tpm_version").is_some_and(|version| !version.is_empty()) {
            return Err(Obstacle::Vtpm);
        }
        if self.shares.contains(&server.id) {
            return Err(Obstacle::Share);
        }
        let (needs, doubts) = needs(server);
        let mut open: Vec<usize> = (0..self.places.len()).collect();
        if open.is_empty() {
            return Err(Obstacle::NoHost);
        }
        if let Some(zone) = self.pinned.get(&server.id) {
            open.retain(|at| self.places.get(*at).is_some_and(|place| place.zone == *zone));
            if open.is_empty() {
                return Err(Obstacle::PinnedZone { zone: zone.clone() });
            }
        }
        self.in_its_group(&server.id, &mut open)?;
        let all = open.clone();
        open.retain(|at| self.places.get(*at).is_some_and(|place| place.free.has(&needs)));
        open.sort_by_cached_key(|at| core::cmp::Reverse(self.left(*at, Resource::Ram)));
        let Some(first) = open.first().copied() else {
            return Err(Obstacle::Capacity { short: self.short(&needs, &all) });
        };
        self.takes(&server.id, first, &needs);
        Ok(Open { places: open, doubts })
    }

    /// The first `most` of them, and how many more there are.
    pub(super) fn named(&self, open: &Open, most: usize) -> (Vec<HostName>, usize) {
        let named = open.places.iter().take(most).filter_map(|at| self.host(*at).cloned());
        (named.collect(), open.places.len().saturating_sub(most))
    }

    fn host(&self, at: usize) -> Option<&HostName> {
        self.places.get(at).map(|place| &place.free.host)
    }

    /// What is not limited is as good as without end.
    fn left(&self, at: usize, resource: Resource) -> u64 {
        let left = self.places.get(at).and_then(|place| place.free.left.get(&resource));
        left.copied().unwrap_or(u64::MAX)
    }

    /// Keeps those places that its group allows.
    fn in_its_group(&self, server: &ServerId, open: &mut Vec<usize>) -> Result<(), Obstacle> {
        for group in self.groups.iter().filter(|group| group.members.contains_key(server)) {
            let there = |at: usize| {
                let others = group.members.iter().filter(|(id, _)| *id != server);
                others.filter(|(_, host)| self.host(at) == Some(*host)).count()
            };
            let name = || group.name.clone();
            match group.policy {
                Policy::Apart { most } => {
                    open.retain(|at| there(*at) < most);
                    if open.is_empty() {
                        return Err(Obstacle::AntiAffinity { group: name() });
                    }
                }
                // Nova counts the dead host as one on which the group is, and no other.
                Policy::Together => {
                    open.retain(|at| there(*at) > 0);
                    if open.is_empty() {
                        return Err(Obstacle::Affinity { group: name() });
                    }
                }
            }
        }
        Ok(())
    }

    fn takes(&mut self, server: &ServerId, at: usize, needs: &Needs) {
        let Some(place) = self.places.get_mut(at) else { return };
        place.free.give(needs);
        let host = place.free.host.clone();
        for group in &mut self.groups {
            if let Some(on) = group.members.get_mut(server) {
                *on = host.clone();
            }
        }
    }

    /// Of what even the best of these places has too little; all that is asked for, where each lacks another thing.
    fn short(&self, needs: &Needs, of: &[usize]) -> Vec<String> {
        let lacks = |r: &Resource| of.iter().all(|at| self.left(*at, *r) < r.of(needs));
        let mut short: Vec<Resource> = Resource::ALL.into_iter().filter(lacks).collect();
        if short.is_empty() {
            short = Resource::ALL.into_iter().filter(|r| r.of(needs) > 0).collect();
        }
        short.into_iter().map(|r| r.asked(needs)).map(|s| s.to_string()).collect()
    }
}
