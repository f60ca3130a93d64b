//! What the storm guard must know, and the number that lets one begin at a time.

use crate::{doors::Doors, fixtures::*};
use futures::future::join_all;
use recovery::{
    HostName, Millis, NotificationId,
    guard::{Cause, GuardEntry, Loss, Size, Switch},
    hand::HandEntry,
    lease::LeaseKey,
    log::{Entry, Summary},
    nouns::{Host, NotificationStatus, NotificationType, Segment},
    request::{Asked, Request, RequestState},
};
use store::{NewNotification, Store, StoreError};

fn loss(n: u32, host: &Host, segment: &Segment, open: bool) -> Loss {
    Loss {
        notification: NotificationId::new(uuid(n)),
        host: host.name.clone(),
        segment: segment.uuid.clone(),
        reported: NOW,
        passed: None,
        open,
    }
}

/// Writes one line, under a lease that it takes for that.
async fn write(
    store: &dyn Store,
    n: u32,
    seq: u64,
    entry: Entry,
    summaries: &[Summary],
) -> Result<(), StoreError> {
    let id = NotificationId::new(uuid(n));
    let lease = take(store, LeaseKey::recovery(&id), &owner("one")).await;
    store.append(&lease, &id, &[line(seq, entry)], summaries).await
}

fn passed(beat: u64) -> (Entry, [Summary; 1]) {
    (Entry::Guard(GuardEntry::Passed { beat: Some(beat) }), [Summary::Passed { beat: Some(beat) }])
}

async fn pass(store: &dyn Store, n: u32, seq: u64, beat: u64) -> Result<(), StoreError> {
    let (entry, summaries) = passed(beat);
    write(store, n, seq, entry, &summaries).await
}

fn disarmed(armed: bool, seconds: i64) -> Switch {
    let why = (!armed).then(|| "the network is rebuilt – ☠".into());
    Switch { armed, at: seconds_later(seconds), by: "ann (a1)".into(), why }
}

pub(crate) async fn lost_hosts_are_told_with_the_sizes_of_their_segments(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    accepted(&*doors.a, report(10, &host)).await;
    let started = r#"{"event": "STARTED", "cluster_status": "ONLINE", "host_status": "NORMAL"}"#;
    let unsure = r#"{"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "UNKNOWN"}"#;
    for (n, payload) in [(11, started), (12, unsure)] {
        let (payload, fingerprint) = (payload.into(), format!("{n}"));
        accepted(&*doors.a, NewNotification { payload, fingerprint, ..report(n, &other) }).await;
    }
    let kind = NotificationType::Process;
    let fingerprint = "process".into();
    accepted(&*doors.a, NewNotification { kind, fingerprint, ..report(13, &other) }).await;

    let record = doors.b.guard(NOW).await.unwrap();
    assert_eq!(record.losses, [loss(10, &host, &segment, true)]);
    let size = Size { segment: segment.uuid.clone(), name: "seg".into(), hosts: 2 };
    assert_eq!(record.segments, [size]);
    assert_eq!((record.switch, record.storm_at), (None, None));
}

pub(crate) async fn a_host_that_was_deleted_is_no_part_of_its_segments_size(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    let sizes = async || {
        let told = doors.b.guard(NOW).await.unwrap().segments;
        told.into_iter().map(|size| size.hosts).collect::<Vec<_>>()
    };
    assert_eq!(sizes().await, [2]);
    doors.a.delete_host(&host.uuid).await.unwrap();
    assert_eq!(sizes().await, [1]);
    doors.a.delete_host(&other.uuid).await.unwrap();
    assert_eq!(sizes().await, [0], "the segment is still there");
    doors.a.delete_segment(&segment.uuid).await.unwrap();
    assert!(sizes().await.is_empty());
}

pub(crate) async fn a_loss_is_told_while_it_is_open_or_young(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, report(10, &host)).await;
    let told = async |since: i64| doors.b.guard(seconds_later(since)).await.unwrap().losses;
    assert_eq!(told(3_600).await, [loss(10, &host, &segment, true)], "open, however old");
    let finished = [status(NotificationStatus::Finished)];
    write(&*doors.a, 10, 1, ended(1).entry, &finished).await.unwrap();
    assert_eq!(told(0).await, [loss(10, &host, &segment, false)]);
    assert_eq!(told(1).await, []);
}

pub(crate) async fn of_two_that_read_the_same_one_begins(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    accepted(&*doors.a, report(10, &host)).await;
    accepted(&*doors.a, report(11, &other)).await;
    let beat = doors.a.guard(NOW).await.unwrap().beat;
    pass(&*doors.a, 10, 1, beat).await.unwrap();
    let late = pass(&*doors.b, 11, 1, beat).await;
    assert!(matches!(late, Err(StoreError::InUse { noun: store::GUARD, .. })), "{late:?}");
    let id = NotificationId::new(uuid(11));
    assert_eq!(doors.a.log(&id).await.unwrap(), [], "nor is its line written");

    let record = doors.b.guard(NOW).await.unwrap();
    let began: Vec<_> = record.losses.iter().map(|loss| loss.passed).collect();
    assert_eq!(began, [Some(seconds_later(1)), None]);
    pass(&*doors.b, 11, 1, record.beat).await.unwrap();
    // Whom a person approved has not read it, and counts.
    let (entry, summaries) = (passed(0).0, [Summary::Passed { beat: None }]);
    write(&*doors.a, 11, 2, entry, &summaries).await.unwrap();
    let record_now = doors.b.guard(NOW).await.unwrap();
    assert_eq!(record_now.beat, record.beat + 2);
    let began: Vec<_> = record_now.losses.iter().map(|loss| loss.passed).collect();
    assert_eq!(began, [1, 2].map(|s| Some(seconds_later(s))), "who begins again, begins then");
}

pub(crate) async fn of_many_that_begin_at_once_one_does(doors: &Doors) {
    let (segment, _) = segment_and_host(&*doors.a).await;
    for n in 0..8 {
        let host = new_host(20 + n, &format!("host{n}"), &segment);
        let host = doors.a.create_host(host).await.unwrap();
        accepted(&*doors.a, report(40 + n, &host)).await;
    }
    let beat = doors.a.guard(NOW).await.unwrap().beat;
    let doors: Vec<_> = (0..8_u32).map(|n| if n % 2 == 0 { &doors.a } else { &doors.b }).collect();
    let tries = doors.iter().zip(0..).map(|(door, n)| pass(&***door, 40 + n, 1, beat));
    let began = join_all(tries).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(began, 1);
}

pub(crate) async fn what_read_the_guard_before_the_switch_was_turned_begins_nothing(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, report(10, &host)).await;
    let before = doors.a.guard(NOW).await.unwrap().beat;
    doors.b.turn_switch(&disarmed(false, 1)).await.unwrap();
    let late = pass(&*doors.a, 10, 1, before).await;
    assert!(matches!(late, Err(StoreError::InUse { noun: store::GUARD, .. })), "{late:?}");
}

pub(crate) async fn the_switch_is_as_it_was_turned_last(doors: &Doors) {
    assert_eq!(doors.a.switches(10).await.unwrap(), []);
    let turns = [disarmed(false, 1), disarmed(true, 2), disarmed(false, 3)];
    for turn in &turns {
        doors.a.turn_switch(turn).await.unwrap();
    }
    let newest_first: Vec<Switch> = turns.iter().rev().cloned().collect();
    assert_eq!(doors.b.switches(10).await.unwrap(), newest_first);
    assert_eq!(doors.b.switches(1).await.unwrap(), newest_first[..1]);
    assert_eq!(doors.b.guard(NOW).await.unwrap().switch.as_ref(), newest_first.first());
    assert_eq!(doors.b.words(1, NOW).await.unwrap().switch.as_ref(), newest_first.first());
}

pub(crate) async fn a_storm_is_remembered_at_its_latest(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    accepted(&*doors.a, report(10, &host)).await;
    accepted(&*doors.a, report(11, &other)).await;
    let held = || Entry::Guard(GuardEntry::Held { cause: Cause::Cloud, why: "many".into() });
    let beat = doors.b.guard(NOW).await.unwrap().beat;
    write(&*doors.a, 10, 1, held(), &[Summary::Storm]).await.unwrap();
    write(&*doors.a, 10, 2, held(), &[Summary::Storm]).await.unwrap();
    let record = doors.b.guard(NOW).await.unwrap();
    assert_eq!(record.storm_at, Some(seconds_later(2)));
    // Another engine, whose clock is behind, has nothing new.
    write(&*doors.b, 11, 1, held(), &[Summary::Storm]).await.unwrap();
    let again = doors.a.guard(NOW).await.unwrap();
    assert_eq!((again.storm_at, again.beat), (record.storm_at, record.beat));
    // Who has read the guard before the storm does not begin by it.
    let late = pass(&*doors.b, 11, 2, beat).await;
    assert!(matches!(late, Err(StoreError::InUse { .. })), "{late:?}");
    pass(&*doors.b, 11, 2, record.beat).await.unwrap();
}

pub(crate) async fn what_the_guard_holds_does_not_make_its_segment_in_use(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, report(10, &host)).await;
    let rename = async || doors.b.update_segment(&segment.uuid, unchanged_segment()).await;
    assert!(matches!(rename().await, Err(StoreError::InUse { .. })));
    let held = Entry::Guard(GuardEntry::Held { cause: Cause::Cloud, why: "many".into() });
    write(&*doors.a, 10, 1, held, &[]).await.unwrap();
    rename().await.unwrap();
    let beat = doors.a.guard(NOW).await.unwrap().beat;
    pass(&*doors.a, 10, 2, beat).await.unwrap();
    assert!(matches!(rename().await, Err(StoreError::InUse { .. })));
}

pub(crate) async fn what_is_tried_again_has_not_begun(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let beat = doors.a.guard(NOW).await.unwrap().beat;
    pass(&*doors.a, 10, 1, beat).await.unwrap();
    let failed = [status(NotificationStatus::Failed)];
    write(&*doors.a, 10, 2, ended(2).entry, &failed).await.unwrap();
    let request = Request {
        id: uuid(1),
        asked: Asked::Retry { notification: id, reason: None },
        who: "ann (a1)".into(),
        created_at: NOW,
        deadline: seconds_later(60),
        state: RequestState::Open,
        answer: None,
    };
    doors.a.file_request(&request).await.unwrap();
    let retried = HandEntry::Retried { request: uuid(1), by: "ann (a1)".into(), why: None };
    let answered = Summary::Answered { request: uuid(1), answer: "again".into() };
    let again = [answered, Summary::Reopened, status(NotificationStatus::New)];
    write(&*doors.a, 10, 3, Entry::Hand(retried), &again).await.unwrap();
    let losses = doors.b.guard(NOW).await.unwrap().losses;
    assert_eq!(
        losses.iter().map(|loss| (loss.passed, loss.open)).collect::<Vec<_>>(),
        [(None, true)]
    );
    assert_eq!(losses[0].host, HostName::new("compute01"));
    assert!(losses[0].reported <= Millis(NOW.0));
}
