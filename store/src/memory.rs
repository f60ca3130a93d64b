//! A database that is gone when the process is: for the simulator and for tests.
//!
//! It keeps the rules of the real one, whole seconds included, and can do what a real one does only
//! on a bad day: every transaction passes a [`Gate`], before its effect and after it.

mod data;
mod guard;
mod order;
mod recoveries;
mod returns;

use crate::{
    Accepted, Away, Claim, HostFilter, HostUpdate, NewHost, NewNotification, NewSegment,
    NotificationFilter, NotificationList, OldTask, OpenRecovery, Page, SegmentFilter,
    SegmentUpdate, Store, StoreError, VMoveFilter, Words, rules,
};
use async_trait::async_trait;
use data::Data;
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Sighting, Sign},
    guard::{Record, Switch},
    identity::{Identified, Identity},
    lease::{Lease, LeaseKey, LeaseRow, Owner},
    log::{Line, Summary},
    nouns::{Host, Notification, Segment, VMove},
    quarantine::Death,
    readiness::Check,
    request::{Request, RequestState},
    stops::Stop,
    tiers::GuestHeard,
};
use std::{
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What stands between an engine and its database: faults come in here.
#[async_trait]
pub trait Gate: Send + Sync + Debug {
    /// An error means: the database was not reached, nothing has happened.
    async fn before(&self, doing: &'static str) -> Result<(), StoreError>;
    /// An error means: it has happened, and the answer is lost. Never to return means: the caller
    /// died.
    async fn after(&self, doing: &'static str) -> Result<(), StoreError>;
}

/// The database in memory. A clone is another door to the same data.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    data: Arc<Mutex<Data>>,
    gate: Option<Arc<dyn Gate>>,
}

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A door to the same data whose transactions pass `gate`.
    #[must_use]
    pub fn handle(&self, gate: Arc<dyn Gate>) -> Self {
        Self { data: Arc::clone(&self.data), gate: Some(gate) }
    }

    /// The log of a recovery, past any gate.
    #[must_use]
    pub fn lines(&self, recovery: &NotificationId) -> Vec<Line> {
        self.lock().log(recovery)
    }

    /// Every notification, oldest first, past any gate.
    #[must_use]
    pub fn all_notifications(&self) -> Vec<Notification> {
        self.lock().notifications.values().cloned().collect()
    }

    /// What the last look at each host's fence devices came to, past any gate.
    #[must_use]
    pub fn all_fence_checks(&self) -> Vec<Check> {
        self.lock().fence_checks.values().cloned().collect()
    }

    /// Every VM move, oldest first, past any gate.
    #[must_use]
    pub fn all_vmoves(&self) -> Vec<VMove> {
        self.lock().vmoves.values().cloned().collect()
    }

    /// Every lease that was ever taken, by its key, past any gate.
    #[must_use]
    pub fn all_leases(&self) -> Vec<LeaseRow> {
        self.lock().leases.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction.
    async fn run<T: Send>(
        &self,
        doing: &'static str,
        effect: impl FnOnce(&mut Data) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        if let Some(gate) = &self.gate {
            gate.before(doing).await?;
        }
        let done = effect(&mut self.lock());
        if let Some(gate) = &self.gate {
            gate.after(doing).await?;
        }
        done
    }
}

#[async_trait]
impl Store for Memory {
    async fn segments(&self, of: &SegmentFilter, page: &Page) -> Result<Vec<Segment>, StoreError> {
        self.run("listing segments", |data| data.segments(of, page)).await
    }

    async fn segment(&self, uuid: &SegmentId) -> Result<Option<Segment>, StoreError> {
        self.run("reading a segment", |data| Ok(data.segment(uuid))).await
    }

    async fn create_segment(&self, new: NewSegment) -> Result<Segment, StoreError> {
        self.run("creating a segment", |data| data.create_segment(new)).await
    }

    async fn update_segment(
        &self,
        uuid: &SegmentId,
        change: SegmentUpdate,
    ) -> Result<Segment, StoreError> {
        self.run("changing a segment", |data| data.update_segment(uuid, change)).await
    }

    async fn delete_segment(&self, uuid: &SegmentId) -> Result<(), StoreError> {
        self.run("deleting a segment", |data| data.delete_segment(uuid)).await
    }

    async fn hosts(
        &self,
        segment: &SegmentId,
        filter: &HostFilter,
        page: &Page,
    ) -> Result<Vec<Host>, StoreError> {
        self.run("listing hosts", |data| data.hosts(segment, filter, page)).await
    }

    async fn host(&self, uuid: &HostId) -> Result<Option<Host>, StoreError> {
        self.run("reading a host", |data| Ok(data.host(uuid))).await
    }

    async fn host_named(&self, name: &HostName) -> Result<Option<Host>, StoreError> {
        self.run("reading a host", |data| Ok(data.host_named(name))).await
    }

    async fn create_host(&self, new: NewHost) -> Result<Host, StoreError> {
        self.run("creating a host", |data| data.create_host(new)).await
    }

    async fn update_host(&self, uuid: &HostId, change: HostUpdate) -> Result<Host, StoreError> {
        self.run("changing a host", |data| data.update_host(uuid, change)).await
    }

    async fn delete_host(&self, uuid: &HostId) -> Result<(), StoreError> {
        self.run("deleting a host", |data| data.delete_host(uuid)).await
    }

    async fn accept(&self, new: NewNotification) -> Result<Accepted, StoreError> {
        self.run("accepting a report", |data| Ok(data.accept(new))).await
    }

    async fn notifications(
        &self,
        filter: &NotificationFilter,
        page: &Page,
    ) -> Result<NotificationList, StoreError> {
        let list = |data: &mut Data| Ok(data.notifications(filter, page)?.iter().collect());
        self.run("listing notifications", list).await
    }

    async fn notification(
        &self,
        uuid: &NotificationId,
    ) -> Result<Option<Notification>, StoreError> {
        self.run("reading a notification", |data| Ok(data.notification(uuid))).await
    }

    async fn old_tasks(&self, _: &NotificationId) -> Result<Vec<OldTask>, StoreError> {
        self.run("reading Python's progress details", |_| Ok(Vec::new())).await
    }

    async fn vmoves(
        &self,
        notification: &NotificationId,
        filter: &VMoveFilter,
        page: &Page,
    ) -> Result<Vec<VMove>, StoreError> {
        self.run("listing VM moves", |data| data.vmoves(notification, filter, page)).await
    }

    async fn vmove(&self, uuid: &VMoveId) -> Result<Option<VMove>, StoreError> {
        self.run("reading a VM move", |data| Ok(data.vmove(uuid))).await
    }

    async fn open_recoveries(&self, limit: u32) -> Result<Vec<OpenRecovery>, StoreError> {
        self.run("listing open recoveries", |data| Ok(data.open_recoveries(limit))).await
    }

    async fn open_host_recovery(
        &self,
        host: &HostName,
    ) -> Result<Option<NotificationId>, StoreError> {
        let doing = "looking for a host's recovery";
        self.run(doing, |data| Ok(data.open_host_recovery(host))).await
    }

    async fn restarts(
        &self,
        server: &ServerId,
        since: Millis,
        but: &NotificationId,
    ) -> Result<u32, StoreError> {
        self.run("counting restarts", |data| Ok(data.restarts_of(server, since, but))).await
    }

    async fn deaths(
        &self,
        servers: &[ServerId],
        since: Millis,
        but: &NotificationId,
    ) -> Result<Vec<Death>, StoreError> {
        let doing = "looking for hosts that died";
        self.run(doing, |data| Ok(data.deaths_of(servers, since, but))).await
    }

    async fn on_maintenance_for_process(&self, host: &HostId) -> Result<bool, StoreError> {
        self.run("reading a maintenance", |data| Ok(data.for_process.contains(host))).await
    }

    async fn away(&self, limit: u32) -> Result<Vec<Away>, StoreError> {
        self.run("listing hosts that are away", |data| Ok(data.away(limit))).await
    }

    async fn fence_checks(&self) -> Result<Vec<Check>, StoreError> {
        self.run("listing fence checks", |data| Ok(data.fence_checks.values().cloned().collect()))
            .await
    }

    async fn keep_fence_check(&self, check: &Check) -> Result<(), StoreError> {
        self.run("keeping a fence check", |data| {
            data.fence_checks.insert(check.host.clone(), check.clone());
            Ok(())
        })
        .await
    }

    async fn guests_answer(
        &self,
        host: &HostName,
        servers: &[ServerId],
        at: Millis,
    ) -> Result<(), StoreError> {
        self.run("keeping that guests answer", |data| {
            let heard = GuestHeard { host: host.clone(), at };
            data.guests.extend(servers.iter().map(|server| (server.clone(), heard.clone())));
            if !servers.is_empty() {
                let what = Sign::GuestAnswers;
                data.keep_sighting(&Sighting { host: host.clone(), at, what });
            }
            Ok(())
        })
        .await
    }

    async fn guest(&self, server: &ServerId) -> Result<Option<GuestHeard>, StoreError> {
        self.run("reading whether a guest answers", |data| Ok(data.guests.get(server).cloned()))
            .await
    }

    async fn identify(
        &self,
        host: &HostName,
        identity: &Identity,
        at: Millis,
    ) -> Result<(), StoreError> {
        self.run("keeping which machine a host is", |data| {
            let known = Identified::told(data.identities.get(host), identity.clone(), at);
            data.identities.insert(host.clone(), known);
            Ok(())
        })
        .await
    }

    async fn identified(&self, host: &HostName) -> Result<Option<Identified>, StoreError> {
        self.run("reading which machine a host is", |data| Ok(data.identities.get(host).cloned()))
            .await
    }

    async fn leases(&self, keys: &[LeaseKey]) -> Result<Vec<LeaseRow>, StoreError> {
        self.run("reading leases", |data| Ok(data.leases_of(keys))).await
    }

    async fn take(
        &self,
        claims: &[Claim],
        owner: &Owner,
    ) -> Result<Option<Vec<Lease>>, StoreError> {
        self.run("taking leases", |data| Ok(data.take(claims, owner))).await
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError> {
        self.run("renewing leases", |data| Ok(data.renew(leases))).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.run("giving leases back", |data| {
            data.release(leases);
            Ok(())
        })
        .await
    }

    async fn log(&self, recovery: &NotificationId) -> Result<Vec<Line>, StoreError> {
        self.run("reading a log", |data| Ok(data.log(recovery))).await
    }

    async fn append(
        &self,
        lease: &Lease,
        recovery: &NotificationId,
        lines: &[Line],
        summaries: &[Summary],
    ) -> Result<(), StoreError> {
        self.run("writing a log", |data| data.append(lease, recovery, lines, summaries)).await
    }

    async fn say_again(&self, evidence: &Evidence, after_ms: i64) -> Result<bool, StoreError> {
        self.run("keeping what is said again", |data| Ok(data.say_again(evidence, after_ms))).await
    }

    async fn keep_sighting(&self, sighting: &Sighting) -> Result<(), StoreError> {
        self.run("keeping a sign of life", |data| {
            data.keep_sighting(sighting);
            Ok(())
        })
        .await
    }

    async fn sightings(&self, host: &HostName) -> Result<Vec<Sighting>, StoreError> {
        self.run("reading signs of life", |data| Ok(data.sightings_of(host))).await
    }

    async fn evidence(&self, host: &HostName) -> Result<Vec<Evidence>, StoreError> {
        self.run("reading evidence", |data| Ok(data.evidence_of(host))).await
    }

    async fn file_request(&self, request: &Request) -> Result<(), StoreError> {
        self.run("filing a request", |data| data.file_request(request)).await
    }

    async fn request(&self, id: &str) -> Result<Option<Request>, StoreError> {
        self.run("reading a request", |data| Ok(data.requests.get(id).cloned())).await
    }

    async fn open_requests(&self, limit: u32) -> Result<Vec<Request>, StoreError> {
        self.run("listing requests", |data| Ok(data.open_requests(limit))).await
    }

    async fn words(&self, limit: u32, now: Millis) -> Result<Words, StoreError> {
        let words = |data: &mut Data| Words {
            switch: data.switches(1).pop(),
            requests: data.open_requests(limit),
            stops: data.guard.stops(now, rules::STOPS_MOST),
        };
        self.run("listing requests", |data| Ok(words(data))).await
    }

    async fn answer_request(
        &self,
        id: &str,
        state: RequestState,
        answer: &str,
        evidence: Option<&Evidence>,
    ) -> Result<bool, StoreError> {
        self.run("answering a request", |data| Ok(data.answer(id, state, answer, evidence))).await
    }

    async fn guard(&self, since: Millis) -> Result<Record, StoreError> {
        self.run("reading the guard", |data| Ok(data.guard(since))).await
    }

    async fn switches(&self, limit: u32) -> Result<Vec<Switch>, StoreError> {
        self.run("reading the guard's switch", |data| Ok(data.switches(limit))).await
    }

    async fn turn_switch(&self, to: &Switch) -> Result<(), StoreError> {
        self.run("turning the guard's switch", |data| {
            data.guard.turn(to);
            Ok(())
        })
        .await
    }

    async fn plan_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        self.run("planning a stop", |data| {
            data.guard.plan_stop(stop);
            Ok(())
        })
        .await
    }

    async fn end_stop(
        &self,
        host: &HostName,
        _by: &str,
        at: Millis,
    ) -> Result<Option<Stop>, StoreError> {
        self.run("ending a planned stop", |data| Ok(data.guard.end_stop(host, at))).await
    }

    async fn stops(&self, now: Millis, limit: u32) -> Result<Vec<Stop>, StoreError> {
        self.run("listing planned stops", |data| Ok(data.guard.stops(now, limit))).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.run("looking at the database", |_| Ok(())).await
    }
}
