//! Rows and reports, as verbs.

use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Kind},
    lease::{Lease, LeaseKey, Owner},
    log::{Entry, Line, Summary},
    nouns::{
        Host, Notification, NotificationStatus, NotificationType, RecoveryMethod, Segment, VMove,
        VMoveStatus, VMoveType,
    },
};
use store::{Accepted, Claim, HostUpdate, NewHost, NewNotification, NewSegment, Page};
use store::{Order, SegmentUpdate, Sort, Store};

/// A moment with a fraction of a second, which Masakari's columns do not keep.
pub(crate) const NOW: Millis = Millis(1_790_000_000_123);
/// What they keep of it.
pub(crate) const NOW_KEPT: Millis = Millis(1_790_000_000_000);

/// A UUID that ends in `n`.
pub(crate) fn uuid(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

pub(crate) fn seconds_later(seconds: i64) -> Millis {
    NOW.plus(seconds * 1000)
}

pub(crate) fn new_segment(n: u32, name: &str) -> NewSegment {
    NewSegment {
        uuid: SegmentId::new(uuid(n)),
        name: name.into(),
        service_type: "compute".into(),
        description: None,
        recovery_method: RecoveryMethod::Auto,
        enabled: true,
        now: NOW,
    }
}

pub(crate) fn unchanged_segment() -> SegmentUpdate {
    SegmentUpdate {
        name: None,
        service_type: None,
        description: None,
        recovery_method: None,
        enabled: None,
        now: seconds_later(60),
    }
}

pub(crate) fn new_host(n: u32, name: &str, segment: &Segment) -> NewHost {
    NewHost {
        uuid: HostId::new(uuid(n)),
        name: HostName::new(name),
        segment: segment.uuid.clone(),
        kind: "COMPUTE".into(),
        control_attributes: "SSH".into(),
        reserved: false,
        on_maintenance: false,
        now: NOW,
    }
}

pub(crate) fn unchanged_host() -> HostUpdate {
    HostUpdate {
        name: None,
        kind: None,
        control_attributes: None,
        reserved: None,
        on_maintenance: None,
        now: seconds_later(60),
    }
}

/// Segment `seg` with host `compute01`.
pub(crate) async fn segment_and_host(store: &dyn Store) -> (Segment, Host) {
    let segment = store.create_segment(new_segment(1, "seg")).await.unwrap();
    let host = store.create_host(new_host(2, "compute01", &segment)).await.unwrap();
    (segment, host)
}

/// The report `n` that `host` died; reports of one host are identical but for their UUID.
pub(crate) fn report(n: u32, host: &Host) -> NewNotification {
    NewNotification {
        uuid: NotificationId::new(uuid(n)),
        kind: NotificationType::ComputeHost,
        generated_time: NOW,
        payload: r#"{"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}"#
            .into(),
        source_host: host.uuid.clone(),
        segment: host.segment.clone(),
        fingerprint: format!("{} STOPPED OFFLINE NORMAL", host.uuid),
        window_ms: 180_000,
        evidence: Some(said(host, NOW)),
        now: NOW,
    }
}

pub(crate) fn said(host: &Host, at: Millis) -> Evidence {
    Evidence {
        host: host.name.clone(),
        kind: Kind::MonitorSaid,
        at,
        source: "hostmonitor".into(),
        raw: "STOPPED, NORMAL – ☠".into(),
    }
}

pub(crate) async fn accepted(store: &dyn Store, new: NewNotification) -> Notification {
    match store.accept(new).await.unwrap() {
        Accepted::New(notification) => notification,
        Accepted::Duplicate(first) => panic!("taken for a repetition of {first}"),
    }
}

pub(crate) fn owner(name: &str) -> Owner {
    Owner(format!("{name}:1:abc"))
}

pub(crate) fn claim_unseen(key: LeaseKey) -> Claim {
    Claim { key, seen: None }
}

/// Takes a lease that nobody else wants.
pub(crate) async fn take(store: &dyn Store, key: LeaseKey, by: &Owner) -> Lease {
    let rows = store.leases(std::slice::from_ref(&key)).await.unwrap();
    let seen = rows.first().map(|row| (row.generation, row.beat));
    let taken = store.take(&[Claim { key, seen }], by).await.unwrap();
    taken.expect("nobody else wants it").remove(0)
}

pub(crate) fn line(seq: u64, entry: Entry) -> Line {
    Line { seq, at: seconds_later(i64::try_from(seq).unwrap()), entry }
}

pub(crate) fn claimed(seq: u64, by: &Lease) -> Line {
    line(seq, Entry::Claimed { owner: by.owner.0.clone(), generation: by.generation })
}

pub(crate) fn held(seq: u64) -> Line {
    line(
        seq,
        Entry::Held { why: "nothing says that it is dead".into(), sighting: None, lack: None },
    )
}

pub(crate) fn proven(seq: u64) -> Line {
    line(seq, Entry::Proven { kind: Kind::PoweredOff, at: NOW, evidence: Vec::new() })
}

pub(crate) fn ended(seq: u64) -> Line {
    line(seq, Entry::Ended { status: NotificationStatus::Finished, message: None })
}

pub(crate) fn status(status: NotificationStatus) -> Summary {
    Summary::Status { status, message: None }
}

pub(crate) fn vmove(n: u32, of: &Notification) -> VMove {
    VMove {
        id: 0,
        uuid: VMoveId::new(uuid(n)),
        notification: of.uuid.clone(),
        server: ServerId::new(uuid(n + 500_000)),
        server_name: format!("vm{n}"),
        source_host: HostName::new("compute01"),
        dest_host: None,
        started_at: None,
        ended_at: None,
        kind: VMoveType::Evacuation,
        status: VMoveStatus::Pending,
        message: None,
        created_at: None,
        updated_at: None,
    }
}

pub(crate) fn sorted_by(key: &str, order: Order) -> Page {
    Page { sort: vec![Sort { key: key.into(), order }], marker: None, limit: None }
}
