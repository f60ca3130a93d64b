//! What the storm guard must know.

use super::data::Data;
use crate::{StoreError, rules};
use recovery::{
    HostName, Millis, NotificationId,
    guard::{Loss, Record, Size, Switch},
    nouns::{Notification, NotificationType, Segment},
    stops::Stop,
};
use std::collections::BTreeMap;

/// The rows that are the guard's own.
#[derive(Default, Debug)]
pub(super) struct Guard {
    beat: u64,
    storm_at: Option<Millis>,
    /// The newest last.
    switches: Vec<Switch>,
    passed: BTreeMap<NotificationId, Millis>,
    /// Planned stops that nobody has ended.
    stops: Vec<Stop>,
}

impl Guard {
    pub(super) fn turn(&mut self, to: &Switch) {
        self.beat += 1;
        self.switches.push(to.clone());
    }

    pub(super) fn plan_stop(&mut self, stop: &Stop) {
        self.beat += 1;
        self.stops.retain(|there| there.host != stop.host);
        self.stops.push(stop.clone());
    }

    pub(super) fn end_stop(&mut self, host: &HostName, at: Millis) -> Option<Stop> {
        self.beat += 1;
        let mut ended = self.stops.extract_if(.., |stop| stop.host == *host);
        ended.find(|stop| stop.stands(at))
    }

    pub(super) fn stops(&self, now: Millis, limit: u32) -> Vec<Stop> {
        let mut stops: Vec<Stop> =
            self.stops.iter().filter(|stop| stop.stands(now)).cloned().collect();
        stops.sort_by(|a, b| a.host.cmp(&b.host));
        stops.truncate(limit as usize);
        stops
    }

    pub(super) fn pass(
        &mut self,
        beat: Option<u64>,
        recovery: &NotificationId,
        at: Millis,
    ) -> Result<(), StoreError> {
        if let Some(beat) = beat.filter(|beat| *beat != self.beat) {
            return Err(rules::guard_moved(beat));
        }
        self.beat += 1;
        self.passed.insert(recovery.clone(), at);
        Ok(())
    }

    pub(super) fn storm(&mut self, at: Millis) {
        if self.storm_at < Some(at) {
            self.storm_at = Some(at);
            // Who has read the guard before that does not begin by it.
            self.beat += 1;
        }
    }

    pub(super) fn reopened(&mut self, recovery: &NotificationId) {
        self.passed.remove(recovery);
    }
}

impl Data {
    pub(super) fn switches(&self, limit: u32) -> Vec<Switch> {
        self.guard.switches.iter().rev().take(limit as usize).cloned().collect()
    }

    pub(super) fn guard(&self, since: Millis) -> Record {
        let mut losses: Vec<Loss> =
            self.notifications.values().filter_map(|n| self.loss(n, since)).collect();
        losses.sort_by(|a, b| (a.reported, &a.notification).cmp(&(b.reported, &b.notification)));
        losses.truncate(rules::LOSSES_MOST);
        Record {
            beat: self.guard.beat,
            switch: self.guard.switches.last().cloned(),
            storm_at: self.guard.storm_at,
            losses,
            segments: self.sizes(),
            stops: self.guard.stops(since, rules::STOPS_MOST),
        }
    }

    fn loss(&self, n: &Notification, since: Millis) -> Option<Loss> {
        let recovery = self.recoveries.get(&n.uuid)?;
        let passed = self.guard.passed.get(&n.uuid).copied();
        let open = !recovery.closed;
        let matters = open || recovery.created_at >= since || passed >= Some(since);
        if n.kind != NotificationType::ComputeHost
            || !matters
            || !rules::tells_of_a_death(&n.payload)
        {
            return None;
        }
        let host = self.host(&n.source_host)?;
        Some(Loss {
            notification: n.uuid.clone(),
            host: host.name,
            segment: n.segment.clone(),
            reported: recovery.created_at,
            passed,
            open,
        })
    }

    fn sizes(&self) -> Vec<Size> {
        let of = |s: &Segment| self.hosts.values().filter(|h| h.segment == s.uuid).count();
        let size = |s: &Segment| Size {
            segment: s.uuid.clone(),
            name: s.name.clone(),
            hosts: u32::try_from(of(s)).unwrap_or(u32::MAX),
        };
        self.segments.values().map(size).collect()
    }
}
