//! Stands in for the engine: writes the log of a recovery that goes well.

use recovery::{
    HostName, Millis, NotificationId, ServerId, VMoveId,
    evidence::Kind,
    lease::{Lease, LeaseKey, Owner},
    log::{Act, Aftermath, Arrival, Entry, Line, Planned, Reset, Summary},
    nouns::NotificationStatus,
    seen::{Power, VmState},
    state::{State, Subject},
};
use store::{Claim, Store};

/// Ends a recovery that has nothing to do.
pub(crate) async fn end(store: &dyn Store, id: &NotificationId, status: NotificationStatus) {
    let ended = Entry::Ended { status, message: None };
    write(store, id, vec![claimed(), ended]).await;
}

/// Judges the host dead and begins.
pub(crate) async fn begin(store: &dyn Store, id: &NotificationId) {
    let proven = Entry::Proven { kind: Kind::MonitorSaid, at: Millis(0), evidence: Vec::new() };
    write(store, id, vec![claimed(), proven, Entry::DisableIntended, Entry::Disabled]).await;
}

/// Moves two servers, and ends.
pub(crate) async fn finish(store: &dyn Store, id: &NotificationId) {
    let servers: Vec<ServerId> = [2, 1].map(server).to_vec();
    let arrival = |server: &ServerId| Arrival {
        server: server.clone(),
        host: HostName::new("compute03"),
        vm_state: VmState::Active,
    };
    let arrivals = servers.iter().map(arrival).collect();
    let started = vec![
        Entry::Planned { on_host: 2, moves: [2, 1].map(planned).to_vec(), skipped: Vec::new() },
        Entry::Intended { act: Act::Evacuate, servers: servers.clone() },
        Entry::Did { act: Act::Evacuate, servers: servers.clone() },
    ];
    write(store, id, started).await;
    let ended = vec![
        Entry::Arrived { servers: arrivals },
        Entry::Intended { act: Act::Settle, servers: servers.clone() },
        Entry::Did { act: Act::Settle, servers },
        Entry::Confirmed { on_host: 0 },
        Entry::Ended { status: NotificationStatus::Finished, message: None },
    ];
    write(store, id, ended).await;
}

/// Puts the host of a report on maintenance, as the end of a process failure does.
pub(crate) async fn retire_host(store: &dyn Store, id: &NotificationId) {
    let host = store.notification(id).await.unwrap().unwrap().source_host;
    let ended = Entry::Ended { status: NotificationStatus::Finished, message: None };
    let lines = lines(0, vec![claimed(), ended]);
    let status = Summary::Status { status: NotificationStatus::Finished, message: None };
    let lease = take(store, id).await;
    store
        .append(&lease, id, &lines, &[Summary::OnMaintenanceForProcess(host), status])
        .await
        .unwrap();
}

pub(crate) async fn write(store: &dyn Store, id: &NotificationId, entries: Vec<Entry>) {
    let lease = take(store, id).await;
    let before_lines = store.log(id).await.unwrap();
    let before = State::fold(&before_lines).unwrap();
    let lines = lines(before.last_seq, entries);
    let after = State::fold(&[before_lines, lines.clone()].concat()).unwrap();
    let notification = store.notification(id).await.unwrap().unwrap();
    let host = store.host(&notification.source_host).await.unwrap().unwrap();
    let subject = Subject { notification: id.clone(), host_id: host.uuid, host: host.name };
    let summaries = after.summaries(&before, &lines, &subject);
    store.append(&lease, id, &lines, &summaries).await.unwrap();
}

async fn take(store: &dyn Store, id: &NotificationId) -> Lease {
    let key = LeaseKey::recovery(id);
    let seen = store.leases(std::slice::from_ref(&key)).await.unwrap();
    let seen = seen.first().map(|row| (row.generation, row.beat));
    let owner = Owner("test".into());
    let taken = store.take(&[Claim { key, seen }], &owner).await.unwrap().unwrap();
    taken.into_iter().next().unwrap()
}

fn lines(after: u64, entries: Vec<Entry>) -> Vec<Line> {
    let at = Millis(1_795_240_000_000);
    (after + 1..).zip(entries).map(|(seq, entry)| Line { seq, at, entry }).collect()
}

pub(crate) fn claimed() -> Entry {
    Entry::Claimed { owner: "test".into(), generation: 1 }
}

fn server(number: u32) -> ServerId {
    ServerId::new(format!("11111111-0000-4000-8000-00000000000{number}"))
}

fn planned(number: u32) -> Planned {
    Planned {
        server: server(number),
        vmove: VMoveId::new(format!("22222222-0000-4000-8000-00000000000{number}")),
        name: format!("vm-{}", 3 - number),
        vm_state: VmState::Active,
        power: Power::Other,
        reset: Reset::NotNeeded,
        aftermath: Aftermath::Running,
        locked: false,
        ha_enabled: false,
        priority: 0,
        under_way: false,
        last_evacuation: 0,
        quarantine: None,
    }
}

/// Writes what the API shows of a recovery, whatever its log says.
pub(crate) async fn show(
    store: &dyn Store,
    id: &NotificationId,
    summaries: &[Summary],
    at: Millis,
) {
    let lease = take(store, id).await;
    let seq = store.log(id).await.unwrap().len() as u64 + 1;
    let line = Line { seq, at, entry: claimed() };
    store.append(&lease, id, &[line], summaries).await.unwrap();
}
