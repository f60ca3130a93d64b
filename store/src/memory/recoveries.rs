//! Leases, logs, evidence and requests, and what is done to them.

use super::data::Data;
use crate::{Claim, OpenRecovery, StoreError, rules};
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId,
    evidence::Evidence,
    lease::{Lease, LeaseKey, LeaseRow, Owner},
    log::{Line, Summary},
    nouns::{Notification, NotificationStatus, NotificationType, VMove, VMoveStatus, VMoveType},
    quarantine::Death,
    request::{Request, RequestState},
};

/// The row of a recovery.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) created_at: Millis,
    pub(super) closed: bool,
    /// The last that its log says of permits is that there is none.
    held: bool,
}

impl Recovery {
    pub(super) fn opened(created_at: Millis) -> Self {
        Self { created_at, closed: false, held: false }
    }
}

/// A line, and in which generation of the lease it was written.
#[derive(Debug)]
pub(super) struct Logged {
    generation: u64,
    line: Line,
}

impl Data {
    /// Whether a recovery of the segment is under way.
    pub(super) fn in_use(&self, segment: &SegmentId) -> bool {
        self.notifications.values().filter(|n| n.segment == *segment).any(|n| {
            self.recoveries.get(&n.uuid).is_some_and(|recovery| {
                let waits = recovery.held && n.status == NotificationStatus::New;
                !(recovery.closed || waits)
            })
        })
    }

    pub(super) fn open_recoveries(&self, limit: u32) -> Vec<OpenRecovery> {
        let is_open = |n: &&Notification| {
            self.recoveries.get(&n.uuid).is_some_and(|recovery| !recovery.closed)
        };
        let mut open: Vec<&Notification> = self.notifications.values().filter(is_open).collect();
        open.sort_by_key(|n| (n.kind, self.recoveries.get(&n.uuid).map(|r| r.created_at), &n.uuid));
        let shown = |n: &Notification| OpenRecovery {
            notification: n.uuid.clone(),
            source_host: n.source_host.clone(),
            host_name: self.host(&n.source_host).map(|host| host.name),
            kind: n.kind,
            server: rules::server_of(n.kind, &n.payload),
            lease: self.leases.get(&LeaseKey::recovery(&n.uuid)).cloned(),
        };
        open.into_iter().take(limit as usize).map(shown).collect()
    }

    pub(super) fn leases_of(&self, keys: &[LeaseKey]) -> Vec<LeaseRow> {
        keys.iter().filter_map(|key| self.leases.get(key).cloned()).collect()
    }

    pub(super) fn take(&mut self, claims: &[Claim], owner: &Owner) -> Option<Vec<Lease>> {
        let leases = rules::leases_for(claims, owner);
        let ours_already = leases.iter().all(|lease| self.holds(lease));
        if ours_already {
            return Some(leases);
        }
        let as_seen = claims.iter().all(|claim| {
            self.leases.get(&claim.key).map(|row| (row.generation, row.beat)) == claim.seen
        });
        if !as_seen {
            return None;
        }
        for (claim, lease) in claims.iter().zip(&leases) {
            let row = LeaseRow {
                key: lease.key.clone(),
                owner: Some(owner.clone()),
                generation: lease.generation,
                beat: claim.seen.map_or(0, |(_, beat)| beat + 1),
            };
            self.leases.insert(lease.key.clone(), row);
        }
        Some(leases)
    }

    fn holds(&self, lease: &Lease) -> bool {
        self.leases.get(&lease.key).is_some_and(|row| rules::holds(row, lease))
    }

    /// Renews `lease` if it is still ours.
    fn touch(&mut self, lease: &Lease) -> bool {
        let ours = self.holds(lease);
        if let Some(row) = self.leases.get_mut(&lease.key).filter(|_| ours) {
            row.beat += 1;
        }
        ours
    }

    pub(super) fn renew(&mut self, leases: &[Lease]) -> Vec<Lease> {
        leases.iter().filter(|lease| self.touch(lease)).cloned().collect()
    }

    pub(super) fn release(&mut self, leases: &[Lease]) {
        for lease in leases {
            if self.holds(lease)
                && let Some(row) = self.leases.get_mut(&lease.key)
            {
                row.owner = None;
            }
        }
    }

    pub(super) fn log(&self, recovery: &NotificationId) -> Vec<Line> {
        self.logs.get(recovery).into_iter().flatten().map(|logged| logged.line.clone()).collect()
    }

    pub(super) fn append(
        &mut self,
        lease: &Lease,
        recovery: &NotificationId,
        lines: &[Line],
        summaries: &[Summary],
    ) -> Result<(), StoreError> {
        if lease.key != LeaseKey::recovery(recovery) || !self.touch(lease) {
            return Err(StoreError::LeaseLost { key: lease.key.clone() });
        }
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return Ok(());
        };
        let log = self.logs.entry(recovery.clone()).or_default();
        let there = log.iter().filter(|logged| logged.line.seq >= first.seq);
        let again = there.map(|logged| (logged.generation, &logged.line));
        if again.eq(lines.iter().map(|line| (lease.generation, line))) {
            return Ok(());
        }
        let ends_at = log.last().map_or(0, |logged| logged.line.seq);
        rules::follows(recovery, ends_at, lines)?;
        for taken in summaries.iter().filter_map(rules::taken_by) {
            if !self.hosts.values().any(|h| h.uuid == *taken && h.reserved) {
                return Err(rules::not_reserved(taken));
            }
        }
        for request in summaries.iter().filter_map(rules::answered_by) {
            if self.requests.get(request).is_none_or(|r| r.state != RequestState::Open) {
                return Err(rules::not_open(request));
            }
        }
        if let Some(beat) = summaries.iter().find_map(rules::passed_by) {
            self.guard.pass(beat, recovery, last.at)?;
        }
        let log = self.logs.entry(recovery.clone()).or_default();
        let generation = lease.generation;
        log.extend(lines.iter().map(|line| Logged { generation, line: line.clone() }));
        if let Some(held) = rules::held_after(lines)
            && let Some(recovery) = self.recoveries.get_mut(recovery)
        {
            recovery.held = held;
        }
        for summary in summaries {
            self.summarize(recovery, summary, last.at);
        }
        Ok(())
    }

    fn summarize(&mut self, recovery: &NotificationId, summary: &Summary, at: Millis) {
        match summary {
            Summary::Status { status, message } => {
                self.set_status(recovery, *status, message.clone(), at);
            }
            Summary::VMove(vmove) => self.put_vmove(vmove, at),
            Summary::Taken(host) => self.put_reserved(host, false, at),
            Summary::HandedBack(host) => self.put_reserved(host, true, at),
            Summary::OnMaintenance(host) => {
                self.put_on_maintenance(host, at);
                self.for_process.remove(host);
            }
            Summary::OnMaintenanceForProcess(host) => self.put_on_maintenance_for_process(host, at),
            // Asked before anything was written.
            Summary::Passed { .. } => {}
            Summary::Storm => self.guard.storm(at),
            Summary::Away(host) => self.leave(recovery, host, at),
            Summary::Returned { host, reserved, recoveries } => {
                self.bring_back(host, *reserved, recoveries, at);
            }
            Summary::Reopened => {
                self.guard.reopened(recovery);
                if let Some(recovery) = self.recoveries.get_mut(recovery) {
                    (recovery.closed, recovery.held) = (false, false);
                }
            }
            Summary::Answered { request, answer } => {
                self.answer(request, RequestState::Done, answer, None);
            }
            Summary::Evidence(brought) => self.evidence.push((**brought).clone()),
            Summary::Restarted { server } => {
                self.restarts.insert(recovery.clone(), (server.clone(), at));
                self.restarts.retain(|_, (_, then)| at.since(*then) < rules::RESTARTS_KEPT_MS);
            }
        }
    }

    fn set_status(
        &mut self,
        of: &NotificationId,
        status: NotificationStatus,
        message: Option<String>,
        at: Millis,
    ) {
        if let Some(row) = self.notifications.values_mut().find(|n| n.uuid == *of) {
            row.status = status;
            row.message = message;
            row.updated_at = Some(rules::whole_second(at));
        }
        if let Some(recovery) = self.recoveries.get_mut(of).filter(|_| status.is_terminal()) {
            recovery.closed = true;
        }
    }

    fn put_vmove(&mut self, new: &VMove, at: Millis) {
        let there = self.vmoves.values().find(|v| v.uuid == new.uuid);
        let now = Some(rules::whole_second(at));
        let (id, created_at, updated_at) = match there {
            Some(row) => (row.id, row.created_at, now),
            None => (self.next_id(), now, None),
        };
        let row = VMove {
            id,
            started_at: new.started_at.map(rules::whole_second),
            ended_at: new.ended_at.map(rules::whole_second),
            created_at,
            updated_at,
            ..new.clone()
        };
        self.note_death(&row, at);
        self.vmoves.insert(id, row);
    }

    fn note_death(&mut self, vmove: &VMove, at: Millis) {
        if vmove.kind != VMoveType::Evacuation {
            return;
        }
        let of = self.deaths.entry(vmove.server.clone()).or_default();
        let moved = vmove.status == VMoveStatus::Succeeded;
        match of.iter_mut().find(|(uuid, _, _)| *uuid == vmove.uuid) {
            Some((_, _, death)) => death.moved = moved,
            None => {
                let (server, host) = (vmove.server.clone(), vmove.source_host.clone());
                let death = Death { server, host, at, moved };
                of.push((vmove.uuid.clone(), vmove.notification.clone(), death));
            }
        }
    }

    pub(super) fn deaths_of(
        &self,
        servers: &[ServerId],
        since: Millis,
        but: &NotificationId,
    ) -> Vec<Death> {
        let of = servers.iter().filter_map(|server| self.deaths.get(server)).flatten();
        let wanted = of.filter(|(_, by, death)| death.at >= since && by != but);
        let mut deaths: Vec<Death> = wanted.map(|(_, _, death)| death.clone()).collect();
        rules::in_order_of_death(&mut deaths);
        deaths
    }

    fn put_on_maintenance(&mut self, host: &HostId, at: Millis) {
        if let Some(row) = self.hosts.values_mut().find(|h| h.uuid == *host) {
            row.on_maintenance = true;
            row.reserved = false;
            row.updated_at = Some(rules::whole_second(at));
        }
    }

    fn put_reserved(&mut self, host: &HostId, reserved: bool, at: Millis) {
        if let Some(row) = self.hosts.values_mut().find(|h| h.uuid == *host) {
            row.reserved = reserved;
            row.updated_at = Some(rules::whole_second(at));
        }
    }

    fn put_on_maintenance_for_process(&mut self, host: &HostId, at: Millis) {
        if let Some(row) = self.hosts.values_mut().find(|h| h.uuid == *host && !h.on_maintenance) {
            row.on_maintenance = true;
            row.updated_at = Some(rules::whole_second(at));
            self.for_process.insert(host.clone());
        }
    }

    pub(super) fn open_host_recovery(&self, name: &HostName) -> Option<NotificationId> {
        let host = self.host_named(name)?.uuid;
        let open = |id: &NotificationId| {
            self.recoveries.get(id).filter(|r| !r.closed).map(|r| r.created_at)
        };
        let of_host = |n: &&Notification| {
            n.kind == NotificationType::ComputeHost
                && n.source_host == host
                && open(&n.uuid).is_some()
        };
        let oldest = self.notifications.values().filter(of_host).min_by_key(|n| open(&n.uuid));
        oldest.map(|n| n.uuid.clone())
    }

    pub(super) fn restarts_of(
        &self,
        server: &ServerId,
        since: Millis,
        but: &NotificationId,
    ) -> u32 {
        let wanted = |(by, (of, at)): &(&NotificationId, &(ServerId, Millis))| {
            of == server && *at >= since && *by != but
        };
        u32::try_from(self.restarts.iter().filter(wanted).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn evidence_of(&self, host: &HostName) -> Vec<Evidence> {
        let mut found: Vec<Evidence> =
            self.evidence.iter().filter(|e| e.host == *host).cloned().collect();
        found.sort_by_key(|e| e.at);
        found.split_off(found.len().saturating_sub(rules::EVIDENCE_SHOWN))
    }

    pub(super) fn file_request(&mut self, request: &Request) -> Result<(), StoreError> {
        if let Some(there) = self.requests.get(&request.id) {
            return rules::filed_again(there, request);
        }
        self.requests.insert(request.id.clone(), request.clone());
        Ok(())
    }

    pub(super) fn open_requests(&self, limit: u32) -> Vec<Request> {
        let is_open = |r: &&Request| r.state == RequestState::Open;
        let mut open: Vec<Request> = self.requests.values().filter(is_open).cloned().collect();
        open.sort_by_key(|r| r.created_at);
        open.truncate(limit as usize);
        open
    }

    pub(super) fn answer(
        &mut self,
        id: &str,
        state: RequestState,
        answer: &str,
        evidence: Option<&Evidence>,
    ) -> bool {
        let open = self.requests.get_mut(id).filter(|r| r.state == RequestState::Open);
        let Some(request) = open else {
            return false;
        };
        request.state = state;
        request.answer = Some(answer.into());
        self.evidence.extend(evidence.cloned());
        true
    }
}
