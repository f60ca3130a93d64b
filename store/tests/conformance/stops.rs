//! Planned stops: one stands of a host, to its end, and whoever read the guard before it begins nothing.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostName,
    guard::GuardEntry,
    lease::LeaseKey,
    log::{Entry, Summary},
    stops::{Kind, Stop},
};
use store::StoreError;

pub(crate) fn stop(n: u32, host: &str, for_s: i64) -> Stop {
    Stop {
        id: uuid(n),
        host: HostName::new(host),
        kind: Kind::Maintenance,
        by: "ann (a1)".into(),
        why: Some("new RAM – ☠".into()),
        at: NOW,
        until: seconds_later(for_s),
    }
}

pub(crate) async fn a_stop_reads_back_and_stands_to_its_end(doors: &Doors) {
    let later = Stop { why: None, kind: Kind::StopAnnounced, ..stop(2, "b", 20) };
    doors.a.plan_stop(&later).await.unwrap();
    doors.a.plan_stop(&stop(1, "a", 10)).await.unwrap();
    doors.a.plan_stop(&stop(1, "a", 10)).await.unwrap();
    let stops = async |s| doors.b.stops(seconds_later(s), 9).await.unwrap();
    assert_eq!(stops(9).await, [stop(1, "a", 10), later.clone()], "by their hosts' names");
    assert_eq!(doors.b.stops(NOW, 1).await.unwrap(), [stop(1, "a", 10)]);
    assert_eq!(stops(10).await, std::slice::from_ref(&later), "to its millisecond");
    assert_eq!(stops(20).await, []);
    let words = async |s| doors.b.words(9, seconds_later(s)).await.unwrap().stops;
    assert_eq!(words(10).await, std::slice::from_ref(&later));
    assert_eq!(words(20).await, []);
    assert_eq!(doors.b.guard(seconds_later(10)).await.unwrap().stops, [later]);
}

pub(crate) async fn what_is_planned_anew_takes_the_place_of_what_was(doors: &Doors) {
    doors.a.plan_stop(&stop(1, "a", 10)).await.unwrap();
    let longer = Stop { at: seconds_later(5), ..stop(2, "a", 600) };
    doors.b.plan_stop(&longer).await.unwrap();
    assert_eq!(doors.a.stops(seconds_later(6), 9).await.unwrap(), [longer]);
}

pub(crate) async fn a_stop_is_ended_once(doors: &Doors) {
    doors.a.plan_stop(&stop(1, "a", 10)).await.unwrap();
    doors.a.plan_stop(&stop(2, "b", 10)).await.unwrap();
    let end = async |host: &str, s| {
        doors.b.end_stop(&HostName::new(host), "bob (b1)", seconds_later(s)).await.unwrap()
    };
    assert_eq!(end("c", 1).await, None);
    assert_eq!(end("a", 1).await, Some(stop(1, "a", 10)));
    assert_eq!(end("a", 2).await, None);
    assert_eq!(end("b", 10).await, None, "it was over before");
    assert_eq!(doors.a.stops(NOW, 9).await.unwrap(), []);
}

pub(crate) async fn what_read_the_guard_before_a_stop_was_planned_begins_nothing(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let before = doors.a.guard(NOW).await.unwrap().beat;
    doors.b.plan_stop(&stop(1, "compute01", 60)).await.unwrap();
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let pass = async |beat: u64| {
        let passed = Entry::Guard(GuardEntry::Passed { beat: Some(beat) });
        doors
            .a
            .append(&lease, &id, &[line(1, passed)], &[Summary::Passed { beat: Some(beat) }])
            .await
    };
    let late = pass(before).await;
    assert!(matches!(late, Err(StoreError::InUse { noun: store::GUARD, .. })), "{late:?}");
    pass(doors.a.guard(NOW).await.unwrap().beat).await.unwrap();
}

pub(crate) async fn what_a_planned_stop_holds_does_not_make_its_segment_in_use(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let held = GuardEntry::Stopped { why: "planned".into(), until: seconds_later(60) };
    doors.a.append(&lease, &id, &[line(1, Entry::Guard(held))], &[]).await.unwrap();
    doors.b.update_segment(&segment.uuid, unchanged_segment()).await.unwrap();
}
