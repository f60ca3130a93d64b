//! The rows of Masakari's four nouns, and what is done to them.

use super::order::paged;
use super::recoveries::{Logged, Recovery};
use super::returns::Left;
use crate::{
    Accepted, HostFilter, HostUpdate, NewHost, NewNotification, NewSegment, NotificationFilter,
    Page, SegmentFilter, SegmentUpdate, StoreError, VMoveFilter, rules,
};
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Sighting},
    identity::Identified,
    lease::{LeaseKey, LeaseRow},
    nouns::{Host, Notification, NotificationStatus, Segment, VMove},
    quarantine::Death,
    readiness::Check,
    request::Request,
    tiers::GuestHeard,
};
use std::collections::{BTreeMap, BTreeSet};

/// All tables. What is deleted is gone: nobody can ask for it.
#[derive(Default, Debug)]
pub(super) struct Data {
    /// The last id that was given out, to any row.
    last_id: i64,
    pub(super) segments: BTreeMap<i64, Segment>,
    pub(super) hosts: BTreeMap<i64, Host>,
    pub(super) notifications: BTreeMap<i64, Notification>,
    pub(super) vmoves: BTreeMap<i64, VMove>,
    /// When a report of this fingerprint was last accepted, and as what.
    fingerprints: BTreeMap<String, (Millis, NotificationId)>,
    pub(super) recoveries: BTreeMap<NotificationId, Recovery>,
    pub(super) leases: BTreeMap<LeaseKey, LeaseRow>,
    pub(super) logs: BTreeMap<NotificationId, Vec<Logged>>,
    pub(super) evidence: Vec<Evidence>,
    /// Which recovery restarted which server, and when.
    pub(super) restarts: BTreeMap<NotificationId, (ServerId, Millis)>,
    /// Hosts that died, by the servers on them, with the VM move that tells it.
    pub(super) deaths: BTreeMap<ServerId, Vec<(VMoveId, NotificationId, Death)>>,
    /// The hosts that are on maintenance only because a process of them failed.
    pub(super) for_process: BTreeSet<HostId>,
    /// The recoveries that have left their hosts out of service.
    pub(super) returns: BTreeMap<NotificationId, Left>,
    pub(super) fence_checks: BTreeMap<HostId, Check>,
    pub(super) guests: BTreeMap<ServerId, GuestHeard>,
    /// By host, and by the kind of sign.
    pub(super) sightings: BTreeMap<(HostName, &'static str), Sighting>,
    pub(super) identities: BTreeMap<HostName, Identified>,
    pub(super) requests: BTreeMap<String, Request>,
    pub(super) guard: super::guard::Guard,
}

impl Data {
    pub(super) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn segments(
        &self,
        of: &SegmentFilter,
        page: &Page,
    ) -> Result<Vec<Segment>, StoreError> {
        let wanted = |s: &&Segment| {
            of.recovery_method.is_none_or(|m| m == s.recovery_method)
                && of.service_type.as_ref().is_none_or(|t| *t == s.service_type)
                && of.enabled.is_none_or(|e| e == s.enabled)
        };
        paged(&self.segments, wanted, page)
    }

    pub(super) fn segment(&self, uuid: &SegmentId) -> Option<Segment> {
        self.segments.values().find(|s| s.uuid == *uuid).cloned()
    }

    pub(super) fn create_segment(&mut self, new: NewSegment) -> Result<Segment, StoreError> {
        if let Some(there) = self.segment(&new.uuid) {
            return Ok(there);
        }
        self.no_segment_named(&new.name)?;
        let id = self.next_id();
        let segment = Segment {
            id,
            uuid: new.uuid,
            name: new.name,
            service_type: new.service_type,
            description: new.description,
            recovery_method: new.recovery_method,
            enabled: new.enabled,
            created_at: Some(rules::whole_second(new.now)),
            updated_at: None,
        };
        self.segments.insert(id, segment.clone());
        Ok(segment)
    }

    fn no_segment_named(&self, name: &str) -> Result<(), StoreError> {
        match self.segments.values().any(|s| s.name == name) {
            true => Err(StoreError::Exists { noun: rules::SEGMENT, name: name.into() }),
            false => Ok(()),
        }
    }

    pub(super) fn update_segment(
        &mut self,
        uuid: &SegmentId,
        change: SegmentUpdate,
    ) -> Result<Segment, StoreError> {
        let segment = self.segment(uuid).ok_or_else(|| rules::no_segment(uuid))?;
        if self.in_use(uuid) {
            return Err(rules::segment_in_use(uuid));
        }
        if let Some(name) = change.name.as_ref().filter(|name| **name != segment.name) {
            self.no_segment_named(name)?;
        }
        let before = segment.clone();
        let mut segment = Segment {
            name: change.name.unwrap_or(segment.name),
            service_type: change.service_type.unwrap_or(segment.service_type),
            description: change.description.unwrap_or(segment.description),
            recovery_method: change.recovery_method.unwrap_or(segment.recovery_method),
            enabled: change.enabled.unwrap_or(segment.enabled),
            ..segment
        };
        if segment != before {
            segment.updated_at = Some(rules::whole_second(change.now));
        }
        self.segments.insert(segment.id, segment.clone());
        Ok(segment)
    }

    pub(super) fn delete_segment(&mut self, uuid: &SegmentId) -> Result<(), StoreError> {
        let segment = self.segment(uuid).ok_or_else(|| rules::no_segment(uuid))?;
        if self.in_use(uuid) {
            return Err(rules::segment_in_use(uuid));
        }
        self.segments.remove(&segment.id);
        self.hosts.retain(|_, host| host.segment != *uuid);
        Ok(())
    }

    pub(super) fn hosts(
        &self,
        segment: &SegmentId,
        of: &HostFilter,
        page: &Page,
    ) -> Result<Vec<Host>, StoreError> {
        let wanted = |h: &&Host| {
            h.segment == *segment
                && of.name.as_ref().is_none_or(|n| n == h.name.as_str())
                && of.kind.as_ref().is_none_or(|k| *k == h.kind)
                && of.control_attributes.as_ref().is_none_or(|c| *c == h.control_attributes)
                && of.on_maintenance.is_none_or(|m| m == h.on_maintenance)
                && of.reserved.is_none_or(|r| r == h.reserved)
        };
        paged(&self.hosts, wanted, page)
    }

    pub(super) fn host(&self, uuid: &HostId) -> Option<Host> {
        self.hosts.values().find(|h| h.uuid == *uuid).cloned()
    }

    pub(super) fn host_named(&self, name: &HostName) -> Option<Host> {
        self.hosts.values().find(|h| h.name == *name).cloned()
    }

    pub(super) fn create_host(&mut self, new: NewHost) -> Result<Host, StoreError> {
        if let Some(there) = self.host(&new.uuid) {
            return Ok(there);
        }
        if self.segment(&new.segment).is_none() {
            return Err(rules::no_segment(&new.segment));
        }
        self.no_host_named(&new.name)?;
        let id = self.next_id();
        let host = Host {
            id,
            uuid: new.uuid,
            name: new.name,
            segment: new.segment,
            kind: new.kind,
            control_attributes: new.control_attributes,
            reserved: new.reserved,
            on_maintenance: new.on_maintenance,
            created_at: Some(rules::whole_second(new.now)),
            updated_at: None,
        };
        self.hosts.insert(id, host.clone());
        Ok(host)
    }

    fn no_host_named(&self, name: &HostName) -> Result<(), StoreError> {
        match self.host_named(name) {
            Some(_) => Err(StoreError::Exists { noun: rules::HOST, name: name.as_str().into() }),
            None => Ok(()),
        }
    }

    pub(super) fn update_host(
        &mut self,
        uuid: &HostId,
        change: HostUpdate,
    ) -> Result<Host, StoreError> {
        let host = self.host(uuid).ok_or_else(|| rules::no_host(uuid))?;
        if self.in_use(&host.segment) {
            return Err(rules::host_in_use(uuid));
        }
        if let Some(name) = change.name.as_ref().filter(|name| **name != host.name) {
            self.no_host_named(name)?;
        }
        let before = host.clone();
        let mut host = Host {
            name: change.name.unwrap_or(host.name),
            kind: change.kind.unwrap_or(host.kind),
            control_attributes: change.control_attributes.unwrap_or(host.control_attributes),
            reserved: change.reserved.unwrap_or(host.reserved),
            on_maintenance: change.on_maintenance.unwrap_or(host.on_maintenance),
            ..host
        };
        if host != before {
            host.updated_at = Some(rules::whole_second(change.now));
        }
        self.hosts.insert(host.id, host.clone());
        if let Some(on_maintenance) = change.on_maintenance {
            self.for_process.remove(uuid);
            self.said_of_maintenance(uuid, on_maintenance);
        }
        Ok(host)
    }

    pub(super) fn delete_host(&mut self, uuid: &HostId) -> Result<(), StoreError> {
        let host = self.host(uuid).ok_or_else(|| rules::no_host(uuid))?;
        if self.in_use(&host.segment) {
            return Err(rules::host_in_use(uuid));
        }
        self.hosts.remove(&host.id);
        Ok(())
    }

    pub(super) fn accept(&mut self, new: NewNotification) -> Accepted {
        // The same report by the same caller, who did not hear our answer.
        if let Some(there) = self.notification(&new.uuid) {
            return Accepted::New(there);
        }
        if let Some((accepted_at, first)) = self.fingerprints.get(&new.fingerprint)
            && new.now.since(*accepted_at) < new.window_ms
        {
            return Accepted::Duplicate(first.clone());
        }
        self.fingerprints.insert(new.fingerprint, (new.now, new.uuid.clone()));
        self.recoveries.insert(new.uuid.clone(), Recovery::opened(new.now));
        self.evidence.extend(new.evidence);
        let id = self.next_id();
        let notification = Notification {
            id,
            uuid: new.uuid,
            kind: new.kind,
            generated_time: rules::whole_second(new.generated_time),
            payload: new.payload,
            status: NotificationStatus::New,
            source_host: new.source_host,
            segment: new.segment,
            message: None,
            created_at: Some(rules::whole_second(new.now)),
            updated_at: None,
        };
        self.notifications.insert(id, notification.clone());
        Accepted::New(notification)
    }

    pub(super) fn say_again(&mut self, said: &Evidence, after_ms: i64) -> bool {
        let is_young = |e: &Evidence| {
            e.host == said.host && e.kind == said.kind && e.at > said.at.plus(-after_ms)
        };
        let is_news = !self.evidence.iter().any(is_young);
        self.evidence.extend(is_news.then(|| said.clone()));
        is_news
    }

    pub(super) fn keep_sighting(&mut self, sighting: &Sighting) {
        let key = (sighting.host.clone(), sighting.what.as_str());
        let kept = self.sightings.entry(key).or_insert_with(|| sighting.clone());
        kept.at = kept.at.max(sighting.at);
    }

    pub(super) fn sightings_of(&self, host: &HostName) -> Vec<Sighting> {
        self.sightings.values().filter(|sighting| sighting.host == *host).cloned().collect()
    }

    pub(super) fn notifications(
        &self,
        of: &NotificationFilter,
        page: &Page,
    ) -> Result<Vec<Notification>, StoreError> {
        let wanted = |n: &&Notification| {
            of.source_host.as_ref().is_none_or(|h| *h == n.source_host)
                && of.kind.is_none_or(|k| k == n.kind)
                && of.status.is_none_or(|s| s == n.status)
                && of.generated_since.is_none_or(|since| n.generated_time >= since)
        };
        paged(&self.notifications, wanted, page)
    }

    pub(super) fn notification(&self, uuid: &NotificationId) -> Option<Notification> {
        self.notifications.values().find(|n| n.uuid == *uuid).cloned()
    }

    pub(super) fn vmoves(
        &self,
        notification: &NotificationId,
        of: &VMoveFilter,
        page: &Page,
    ) -> Result<Vec<VMove>, StoreError> {
        let wanted = |v: &&VMove| {
            v.notification == *notification
                && of.kind.is_none_or(|k| k == v.kind)
                && of.status.is_none_or(|s| s == v.status)
        };
        paged(&self.vmoves, wanted, page)
    }

    pub(super) fn vmove(&self, uuid: &VMoveId) -> Option<VMove> {
        self.vmoves.values().find(|v| v.uuid == *uuid).cloned()
    }
}
