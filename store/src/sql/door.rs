//! What is asked of the store, each as a transaction that is repeated as a whole.

use super::{
    Sql, deaths, guard, guests, identities, leases, log, nouns, readiness, recoveries, reports,
    requests, returns, rows, schema, sightings, small, stops, taskflow,
};
use crate::{
    Accepted, Away, Claim, HostFilter, HostUpdate, NewHost, NewNotification, NewSegment,
    NotificationFilter, NotificationList, OldTask, OpenRecovery, Page, SegmentFilter,
    SegmentUpdate, Store, StoreError, VMoveFilter, Words, rules,
};
use async_trait::async_trait;
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Sighting},
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

#[async_trait]
impl Store for Sql {
    async fn segments(&self, of: &SegmentFilter, page: &Page) -> Result<Vec<Segment>, StoreError> {
        self.repeat("listing segments", |_| nouns::segments(self, of, page)).await
    }

    async fn segment(&self, uuid: &SegmentId) -> Result<Option<Segment>, StoreError> {
        let row = self.repeat("reading a segment", |_| nouns::segment_row(&self.db, uuid)).await?;
        Ok(row.map(rows::segment))
    }

    async fn create_segment(&self, new: NewSegment) -> Result<Segment, StoreError> {
        self.repeat("creating a segment", |_| nouns::create_segment(self, &new)).await
    }

    async fn update_segment(
        &self,
        uuid: &SegmentId,
        change: SegmentUpdate,
    ) -> Result<Segment, StoreError> {
        self.repeat("changing a segment", |_| nouns::update_segment(self, uuid, &change)).await
    }

    async fn delete_segment(&self, uuid: &SegmentId) -> Result<(), StoreError> {
        self.repeat("deleting a segment", |past| nouns::delete_segment(self, uuid, past)).await
    }

    async fn hosts(
        &self,
        segment: &SegmentId,
        filter: &HostFilter,
        page: &Page,
    ) -> Result<Vec<Host>, StoreError> {
        self.repeat("listing hosts", |_| nouns::hosts(self, segment, filter, page)).await
    }

    async fn host(&self, uuid: &HostId) -> Result<Option<Host>, StoreError> {
        let row = self.repeat("reading a host", |_| nouns::host_row(&self.db, uuid)).await?;
        Ok(row.map(rows::host))
    }

    async fn host_named(&self, name: &HostName) -> Result<Option<Host>, StoreError> {
        let row = self.repeat("reading a host", |_| nouns::host_named_row(&self.db, name)).await?;
        Ok(row.map(rows::host))
    }

    async fn create_host(&self, new: NewHost) -> Result<Host, StoreError> {
        self.repeat("creating a host", |_| nouns::create_host(self, &new)).await
    }

    async fn update_host(&self, uuid: &HostId, change: HostUpdate) -> Result<Host, StoreError> {
        self.repeat("changing a host", |_| nouns::update_host(self, uuid, &change)).await
    }

    async fn delete_host(&self, uuid: &HostId) -> Result<(), StoreError> {
        self.repeat("deleting a host", |past| nouns::delete_host(self, uuid, past)).await
    }

    async fn accept(&self, new: NewNotification) -> Result<Accepted, StoreError> {
        self.repeat("accepting a report", |_| reports::accept(self, &new)).await
    }

    async fn notifications(
        &self,
        filter: &NotificationFilter,
        page: &Page,
    ) -> Result<NotificationList, StoreError> {
        self.repeat("listing notifications", |_| reports::notifications(self, filter, page)).await
    }

    async fn notification(
        &self,
        uuid: &NotificationId,
    ) -> Result<Option<Notification>, StoreError> {
        self.repeat("reading a notification", |_| reports::notification(self, uuid)).await
    }

    async fn old_tasks(&self, of: &NotificationId) -> Result<Vec<OldTask>, StoreError> {
        let read = |_| taskflow::old_tasks(self, of);
        self.repeat("reading Python's progress details", read).await
    }

    async fn vmoves(
        &self,
        notification: &NotificationId,
        filter: &VMoveFilter,
        page: &Page,
    ) -> Result<Vec<VMove>, StoreError> {
        let list = |_| reports::vmoves(self, notification, filter, page);
        self.repeat("listing VM moves", list).await
    }

    async fn vmove(&self, uuid: &VMoveId) -> Result<Option<VMove>, StoreError> {
        self.repeat("reading a VM move", |_| reports::vmove(self, uuid)).await
    }

    async fn open_recoveries(&self, limit: u32) -> Result<Vec<OpenRecovery>, StoreError> {
        self.repeat("listing open recoveries", |_| recoveries::open(self, limit)).await
    }

    async fn open_host_recovery(
        &self,
        host: &HostName,
    ) -> Result<Option<NotificationId>, StoreError> {
        self.repeat("looking for a host's recovery", |_| recoveries::open_of_host(self, host)).await
    }

    async fn restarts(
        &self,
        server: &ServerId,
        since: Millis,
        but: &NotificationId,
    ) -> Result<u32, StoreError> {
        self.repeat("counting restarts", |_| small::restarts(self, server, since, but)).await
    }

    async fn deaths(
        &self,
        servers: &[ServerId],
        since: Millis,
        but: &NotificationId,
    ) -> Result<Vec<Death>, StoreError> {
        self.repeat("looking for hosts that died", |_| deaths::of(self, servers, since, but)).await
    }

    async fn on_maintenance_for_process(&self, host: &HostId) -> Result<bool, StoreError> {
        self.repeat("reading a maintenance", |_| small::is_for_process(&self.db, host)).await
    }

    async fn away(&self, limit: u32) -> Result<Vec<Away>, StoreError> {
        self.repeat("listing hosts that are away", |_| returns::away(self, limit)).await
    }

    async fn fence_checks(&self) -> Result<Vec<Check>, StoreError> {
        self.repeat("listing fence checks", |_| readiness::all(self)).await
    }

    async fn keep_fence_check(&self, check: &Check) -> Result<(), StoreError> {
        self.repeat("keeping a fence check", |_| readiness::keep(self, check)).await
    }

    async fn guests_answer(
        &self,
        host: &HostName,
        servers: &[ServerId],
        at: Millis,
    ) -> Result<(), StoreError> {
        self.repeat("keeping that guests answer", |_| guests::answer(self, host, servers, at)).await
    }

    async fn guest(&self, server: &ServerId) -> Result<Option<GuestHeard>, StoreError> {
        self.repeat("reading whether a guest answers", |_| guests::one(self, server)).await
    }

    async fn identify(
        &self,
        host: &HostName,
        identity: &Identity,
        at: Millis,
    ) -> Result<(), StoreError> {
        let keep = |_| identities::keep(self, host, identity, at);
        self.repeat("keeping which machine a host is", keep).await
    }

    async fn identified(&self, host: &HostName) -> Result<Option<Identified>, StoreError> {
        self.repeat("reading which machine a host is", |_| identities::one(self, host)).await
    }

    async fn leases(&self, keys: &[LeaseKey]) -> Result<Vec<LeaseRow>, StoreError> {
        self.repeat("reading leases", |_| leases::rows(&self.db, keys)).await
    }

    async fn take(
        &self,
        claims: &[Claim],
        owner: &Owner,
    ) -> Result<Option<Vec<Lease>>, StoreError> {
        self.repeat("taking leases", |_| leases::take(self, claims, owner)).await
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError> {
        self.repeat("renewing leases", |_| leases::renew(self, leases)).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.repeat("giving leases back", |_| leases::release(self, leases)).await
    }

    async fn log(&self, recovery: &NotificationId) -> Result<Vec<Line>, StoreError> {
        self.repeat("reading a log", |_| log::lines(self, recovery)).await
    }

    async fn append(
        &self,
        lease: &Lease,
        recovery: &NotificationId,
        lines: &[Line],
        summaries: &[Summary],
    ) -> Result<(), StoreError> {
        let append = |_| log::append(self, lease, recovery, lines, summaries);
        self.repeat("writing a log", append).await
    }

    async fn say_again(&self, evidence: &Evidence, after_ms: i64) -> Result<bool, StoreError> {
        let work = |_| requests::say_again(self, evidence, after_ms);
        self.repeat("keeping what is said again", work).await
    }

    async fn keep_sighting(&self, sighting: &Sighting) -> Result<(), StoreError> {
        self.repeat("keeping a sign of life", |_| sightings::keep(&self.db, sighting)).await
    }

    async fn sightings(&self, host: &HostName) -> Result<Vec<Sighting>, StoreError> {
        self.repeat("reading signs of life", |_| sightings::of(self, host)).await
    }

    async fn evidence(&self, host: &HostName) -> Result<Vec<Evidence>, StoreError> {
        self.repeat("reading evidence", |_| requests::evidence_of(self, host)).await
    }

    async fn file_request(&self, request: &Request) -> Result<(), StoreError> {
        self.repeat("filing a request", |_| requests::file(self, request)).await
    }

    async fn request(&self, id: &str) -> Result<Option<Request>, StoreError> {
        self.repeat("reading a request", |_| requests::request(self, id)).await
    }

    async fn open_requests(&self, limit: u32) -> Result<Vec<Request>, StoreError> {
        self.repeat("listing requests", |_| requests::open_requests(self, limit)).await
    }

    async fn words(&self, limit: u32, now: Millis) -> Result<Words, StoreError> {
        let words = async |_| {
            let switch = guard::switches(&self.db, 1).await?.pop();
            let requests = requests::open_requests(self, limit).await?;
            let stops = stops::standing(&self.db, now, rules::STOPS_MOST).await?;
            Ok(Words { switch, requests, stops })
        };
        self.repeat("listing requests", words).await
    }

    async fn answer_request(
        &self,
        id: &str,
        state: RequestState,
        answer: &str,
        evidence: Option<&Evidence>,
    ) -> Result<bool, StoreError> {
        let work = |past| requests::answer(self, id, state, answer, evidence, past);
        self.repeat("answering a request", work).await
    }

    async fn guard(&self, since: Millis) -> Result<Record, StoreError> {
        self.repeat("reading the guard", |_| guard::record(self, since)).await
    }

    async fn switches(&self, limit: u32) -> Result<Vec<Switch>, StoreError> {
        self.repeat("reading the guard's switch", |_| guard::switches(&self.db, limit)).await
    }

    async fn turn_switch(&self, to: &Switch) -> Result<(), StoreError> {
        self.repeat("turning the guard's switch", |_| guard::turn(self, to)).await
    }

    async fn plan_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        self.repeat("planning a stop", |_| stops::plan(self, stop)).await
    }

    async fn end_stop(
        &self,
        host: &HostName,
        by: &str,
        at: Millis,
    ) -> Result<Option<Stop>, StoreError> {
        self.repeat("ending a planned stop", |_| stops::end(self, host, by, at)).await
    }

    async fn stops(&self, now: Millis, limit: u32) -> Result<Vec<Stop>, StoreError> {
        self.repeat("listing planned stops", |_| stops::standing(&self.db, now, limit)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.repeat("looking at the database", |_| schema::check(&self.db)).await
    }
}
