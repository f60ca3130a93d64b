//! The port: what can be asked of the database.

use crate::{NotificationList, StoreError};
use async_trait::async_trait;
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Sighting},
    guard::{Record, Switch},
    identity::{Identified, Identity},
    lease::{Lease, LeaseKey, LeaseRow, Owner},
    log::{Line, Summary},
    nouns::{
        Host, Notification, NotificationStatus, NotificationType, RecoveryMethod, Segment, VMove,
        VMoveStatus, VMoveType,
    },
    quarantine::Death,
    readiness::Check,
    request::{Request, RequestState},
    returns::Word,
    stops::Stop,
    tiers::GuestHeard,
};
use std::fmt::Debug;

/// The database, real or simulated.
///
/// Every method is one transaction, which is repeated as a whole, a bounded number of times, when
/// it meets another writer. A commit whose answer is lost is looked up before it is repeated.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    // === segments
    async fn segments(
        &self,
        filter: &SegmentFilter,
        page: &Page,
    ) -> Result<Vec<Segment>, StoreError>;
    async fn segment(&self, uuid: &SegmentId) -> Result<Option<Segment>, StoreError>;
    /// Fails with `Exists` when a segment (not deleted) has that name.
    async fn create_segment(&self, new: NewSegment) -> Result<Segment, StoreError>;
    /// `InUse` while a recovery of the segment is under way (a held one does not count).
    async fn update_segment(
        &self,
        uuid: &SegmentId,
        change: SegmentUpdate,
    ) -> Result<Segment, StoreError>;
    /// Deletes the segment and its hosts. `InUse` as above.
    async fn delete_segment(&self, uuid: &SegmentId) -> Result<(), StoreError>;

    // === hosts
    async fn hosts(
        &self,
        segment: &SegmentId,
        filter: &HostFilter,
        page: &Page,
    ) -> Result<Vec<Host>, StoreError>;
    async fn host(&self, uuid: &HostId) -> Result<Option<Host>, StoreError>;
    async fn host_named(&self, name: &HostName) -> Result<Option<Host>, StoreError>;
    async fn create_host(&self, new: NewHost) -> Result<Host, StoreError>;
    async fn update_host(&self, uuid: &HostId, change: HostUpdate) -> Result<Host, StoreError>;
    async fn delete_host(&self, uuid: &HostId) -> Result<(), StoreError>;

    // === notifications and vmoves
    /// Accepts a report, or finds the one that it repeats: exactly one of any number of identical
    /// concurrent reports is accepted. One transaction: the fingerprint's slot, the
    /// notification, its open recovery, and the evidence that the report itself is.
    async fn accept(&self, new: NewNotification) -> Result<Accepted, StoreError>;
    async fn notifications(
        &self,
        filter: &NotificationFilter,
        page: &Page,
    ) -> Result<NotificationList, StoreError>;
    async fn notification(&self, uuid: &NotificationId)
    -> Result<Option<Notification>, StoreError>;
    /// What Python's engine noted of a recovery, before this program took the database over; nothing
    /// of a recovery of ours, whose log tells more.
    async fn old_tasks(&self, of: &NotificationId) -> Result<Vec<OldTask>, StoreError>;
    async fn vmoves(
        &self,
        notification: &NotificationId,
        filter: &VMoveFilter,
        page: &Page,
    ) -> Result<Vec<VMove>, StoreError>;
    async fn vmove(&self, uuid: &VMoveId) -> Result<Option<VMove>, StoreError>;

    // === recoveries: leases and logs
    /// Recoveries that have not ended, those of hosts before those of processes before those of VMs (a VM
    /// may wait for its host), oldest first, at most `limit`; those of an adopted database
    /// included.
    async fn open_recoveries(&self, limit: u32) -> Result<Vec<OpenRecovery>, StoreError>;
    /// The oldest open recovery of the failure of this host itself, held or not.
    async fn open_host_recovery(
        &self,
        host: &HostName,
    ) -> Result<Option<NotificationId>, StoreError>;
    /// How often the server was restarted since then, by other recoveries than `but`.
    async fn restarts(
        &self,
        server: &ServerId,
        since: Millis,
        but: &NotificationId,
    ) -> Result<u32, StoreError>;
    /// Which hosts died since then with one of these servers on them, in other recoveries than `but`, oldest
    /// first, by the VM moves that were planned. The oldest are left out where there are thousands.
    async fn deaths(
        &self,
        servers: &[ServerId],
        since: Millis,
        but: &NotificationId,
    ) -> Result<Vec<Death>, StoreError>;
    /// Whether the host is on maintenance only because a process of it failed. What a person says of its
    /// maintenance, and its own failure, end that.
    async fn on_maintenance_for_process(&self, host: &HostId) -> Result<bool, StoreError>;
    /// Hosts that recoveries have left out of service and that are not back, oldest first, at most `limit`;
    /// one host may be there after several.
    async fn away(&self, limit: u32) -> Result<Vec<Away>, StoreError>;
    /// What the last look at the fence devices of each host came to, of hosts that are deleted, too.
    async fn fence_checks(&self) -> Result<Vec<Check>, StoreError>;
    /// Keeps it instead of the host's last one.
    async fn keep_fence_check(&self, check: &Check) -> Result<(), StoreError>;
    /// The rows of these leases; a key that was never taken has none.
    async fn leases(&self, keys: &[LeaseKey]) -> Result<Vec<LeaseRow>, StoreError>;
    /// Takes all of `claims`, or none (`None`): each row must still be what was seen.
    async fn take(&self, claims: &[Claim], owner: &Owner)
    -> Result<Option<Vec<Lease>>, StoreError>;
    /// Bumps the beat of each; answers those that are still ours.
    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError>;
    /// Gives them back; those that are not ours any more are left alone.
    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError>;
    /// The whole log of one recovery, in order.
    async fn log(&self, recovery: &NotificationId) -> Result<Vec<Line>, StoreError>;
    /// Appends `lines` and writes the summaries that follow from them, all or nothing, if `lease`
    /// (of this recovery) is still ours; else `LeaseLost`. A `Summary::Status` that is terminal closes
    /// the recovery, until a `Summary::Reopened`. A `Summary::Taken` of a host that is not reserved any more, a
    /// `Summary::Answered` of a request that is not open, and a `Summary::Passed` that has not read the guard as it is
    /// now, refuse all (`InUse`).
    /// Without lines it only renews the lease. The same lines again are written once;
    /// lines that are not the next ones are refused (`Unreadable`: the caller's copy of the log is
    /// not the log).
    async fn append(
        &self,
        lease: &Lease,
        recovery: &NotificationId,
        lines: &[Line],
        summaries: &[Summary],
    ) -> Result<(), StoreError>;

    // === evidence and requests
    /// Everything known about the host, oldest first, at most the newest 100.
    async fn evidence(&self, host: &HostName) -> Result<Vec<Evidence>, StoreError>;
    /// What was said of the host is said again: it is added where no evidence of its kind and host is younger than
    /// `after_ms` before it. Whether it was.
    async fn say_again(&self, evidence: &Evidence, after_ms: i64) -> Result<bool, StoreError>;
    /// Somebody saw that the host lives. Of each host and each kind of sign the newest one is kept,
    /// in whatever order they are told.
    async fn keep_sighting(&self, sighting: &Sighting) -> Result<(), StoreError>;
    /// The signs of life that were told of the host.
    async fn sightings(&self, host: &HostName) -> Result<Vec<Sighting>, StoreError>;
    async fn file_request(&self, request: &Request) -> Result<(), StoreError>;
    async fn request(&self, id: &str) -> Result<Option<Request>, StoreError>;
    /// Open requests, oldest first, at most `limit`.
    async fn open_requests(&self, limit: u32) -> Result<Vec<Request>, StoreError>;
    /// What persons have said, as an engine asks it all the time. `now`: which planned stops stand.
    async fn words(&self, limit: u32, now: Millis) -> Result<Words, StoreError>;
    /// Answers an open request and adds the evidence that it brought, in one transaction. `false`:
    /// somebody else has answered it.
    async fn answer_request(
        &self,
        id: &str,
        state: RequestState,
        answer: &str,
        evidence: Option<&Evidence>,
    ) -> Result<bool, StoreError>;

    // === guests
    /// The guest agents of these servers answer on `host`. Of each server the last such word is kept; if there is one, it
    /// is a sign of life of `host`, too.
    async fn guests_answer(
        &self,
        host: &HostName,
        servers: &[ServerId],
        at: Millis,
    ) -> Result<(), StoreError>;
    /// Where and when the server's guest agent was said to answer last.
    async fn guest(&self, server: &ServerId) -> Result<Option<GuestHeard>, StoreError>;

    // === identities
    /// The agent of `host` says which machine it is and in which boot. The last such word is kept.
    async fn identify(
        &self,
        host: &HostName,
        identity: &Identity,
        at: Millis,
    ) -> Result<(), StoreError>;
    async fn identified(&self, host: &HostName) -> Result<Option<Identified>, StoreError>;

    // === the guard
    /// What the guard must know: all reports of a host's death since then, and those whose recovery is open or began
    /// since then. At most 10,000, the oldest first. The beat is read first.
    async fn guard(&self, since: Millis) -> Result<Record, StoreError>;
    /// How the guard's switch was turned, the newest first, at most `limit`; never: it is on.
    async fn switches(&self, limit: u32) -> Result<Vec<Switch>, StoreError>;
    /// Turns it. Whatever read the guard before that begins nothing by what it read.
    async fn turn_switch(&self, to: &Switch) -> Result<(), StoreError>;

    // === planned stops
    /// A host will be away; what was planned of it before ends. Whatever read the guard before that begins nothing by
    /// what it read.
    async fn plan_stop(&self, stop: &Stop) -> Result<(), StoreError>;
    /// Ends the planned stop of the host that stands at `at`, if one does.
    async fn end_stop(
        &self,
        host: &HostName,
        by: &str,
        at: Millis,
    ) -> Result<Option<Stop>, StoreError>;
    /// Those that stand, by their hosts' names, at most `limit`.
    async fn stops(&self, now: Millis, limit: u32) -> Result<Vec<Stop>, StoreError>;

    /// Whether the database answers and has the schema that this program needs.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Which part of a list, in which order (api-ref: `sort_key`, `sort_dir`, `limit`, `marker`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Sort keys, first the most important, by the names of Masakari's columns; the time of creation
    /// and the id break ties. Empty: newest first. A key that is no column: `NotFound`, "sort key".
    pub sort: Vec<Sort>,
    /// The integer id of the last row of the page before. There is no such row: `NotFound`, "marker".
    pub marker: Option<i64>,
    /// At most so many rows; the caller has bounded it.
    pub limit: Option<u64>,
}

/// One sort key, by the name that the API gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sort {
    pub key: String,
    pub order: Order,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentFilter {
    pub recovery_method: Option<RecoveryMethod>,
    pub service_type: Option<String>,
    pub enabled: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostFilter {
    pub name: Option<String>,
    pub kind: Option<String>,
    pub control_attributes: Option<String>,
    pub on_maintenance: Option<bool>,
    pub reserved: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotificationFilter {
    pub source_host: Option<HostId>,
    pub kind: Option<NotificationType>,
    pub status: Option<NotificationStatus>,
    /// `generated-since`: its generated time is at or after this.
    pub generated_since: Option<Millis>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VMoveFilter {
    pub kind: Option<VMoveType>,
    pub status: Option<VMoveStatus>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSegment {
    pub uuid: SegmentId,
    pub name: String,
    pub service_type: String,
    pub description: Option<String>,
    pub recovery_method: RecoveryMethod,
    pub enabled: bool,
    pub now: Millis,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentUpdate {
    pub name: Option<String>,
    pub service_type: Option<String>,
    /// `Some(None)` clears it.
    pub description: Option<Option<String>>,
    pub recovery_method: Option<RecoveryMethod>,
    pub enabled: Option<bool>,
    pub now: Millis,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewHost {
    pub uuid: HostId,
    pub name: HostName,
    pub segment: SegmentId,
    pub kind: String,
    pub control_attributes: String,
    pub reserved: bool,
    pub on_maintenance: bool,
    pub now: Millis,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostUpdate {
    pub name: Option<HostName>,
    pub kind: Option<String>,
    pub control_attributes: Option<String>,
    pub reserved: Option<bool>,
    pub on_maintenance: Option<bool>,
    pub now: Millis,
}

/// A report as it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNotification {
    pub uuid: NotificationId,
    pub kind: NotificationType,
    pub generated_time: Millis,
    /// JSON text of an object, keys in the order in which they came.
    pub payload: String,
    pub source_host: HostId,
    pub segment: SegmentId,
    /// Equal for reports that say the same of the same host: source host, type and payload, in a
    /// form in which the order of the payload's keys does not matter.
    pub fingerprint: String,
    /// A report that repeats one accepted less than this ago is a duplicate:
    /// `duplicate_notification_detection_interval`.
    pub window_ms: i64,
    /// What the report proves by itself.
    pub evidence: Option<Evidence>,
    pub now: Millis,
}

/// What became of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    New(Notification),
    /// It repeats this one.
    Duplicate(NotificationId),
}

/// A task of a recovery that Python's engine ran, as it noted it.
#[derive(Clone, PartialEq, Debug)]
pub struct OldTask {
    pub name: String,
    pub state: String,
    /// 0 to 1.
    pub progress: f64,
    pub messages: Vec<OldMessage>,
}

/// A line of such a task's progress, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldMessage {
    /// UTC, as Python prints a `datetime`.
    pub at: String,
    pub progress: String,
    pub text: String,
}

/// A recovery that has not ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenRecovery {
    pub notification: NotificationId,
    pub source_host: HostId,
    /// The host's name; `None` when it was deleted meanwhile.
    pub host_name: Option<HostName>,
    pub kind: NotificationType,
    /// The server that a report of the type `VM` is about.
    pub server: Option<ServerId>,
    /// The lease `recovery:…`; `None` when it was never taken.
    pub lease: Option<LeaseRow>,
}

/// What persons have said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// How the guard's switch stands; `None`: nobody has ever touched it.
    pub switch: Option<Switch>,
    /// Open ones, oldest first.
    pub requests: Vec<Request>,
    /// Those that stand.
    pub stops: Vec<Stop>,
}

/// A host that a recovery has left out of service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Away {
    pub host: Host,
    pub recovery: NotificationId,
    /// When that ended.
    pub since: Millis,
    /// What a client has said of its maintenance since.
    pub word: Option<Word>,
}

/// A lease that shall be taken, as it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    pub key: LeaseKey,
    /// `(generation, beat)`; `None` when there was no row.
    pub seen: Option<(u64, u64)>,
}
