//! Hosts that recoveries have left out of service: who is away, what is said meanwhile, and the return.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    NotificationId,
    lease::LeaseKey,
    log::{Line, Summary},
    nouns::{Host, NotificationStatus},
    request::{Asked, Request, RequestState},
    returns::{Word, log_of},
};
use store::{HostUpdate, Store};

/// A recovery of the host that has ended and left it out of service.
async fn left(store: &dyn Store, n: u32, host: &Host, seconds: i64) -> NotificationId {
    let mut new = report(n, host);
    new.fingerprint = format!("{n}");
    let id = accepted(store, new).await.uuid;
    let lease = take(store, LeaseKey::recovery(&id), &owner("one")).await;
    let line = Line { at: seconds_later(seconds), ..ended(1) };
    let summaries = [
        Summary::OnMaintenance(host.uuid.clone()),
        Summary::Away(host.uuid.clone()),
        status(NotificationStatus::Finished),
    ];
    store.append(&lease, &id, &[line], &summaries).await.unwrap();
    id
}

/// The host returns after these recoveries.
async fn back(store: &dyn Store, host: &Host, seq: u64, reserved: bool, by: &[&NotificationId]) {
    let log = log_of(&host.uuid);
    let lease = take(store, LeaseKey::recovery(&log), &owner("two")).await;
    let recoveries = by.iter().map(|id| (*id).clone()).collect();
    let returned = Summary::Returned { host: host.uuid.clone(), reserved, recoveries };
    store.append(&lease, &log, &[held(seq)], &[returned]).await.unwrap();
}

async fn away(store: &dyn Store) -> Vec<(NotificationId, Option<Word>)> {
    let away = store.away(10).await.unwrap();
    away.into_iter().map(|away| (away.recovery, away.word)).collect()
}

pub(crate) async fn a_host_is_away_from_the_end_of_its_recovery_until_it_is_back(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    assert_eq!(doors.b.away(10).await.unwrap(), []);
    let first = left(&*doors.a, 10, &host, 5).await;
    let second = left(&*doors.a, 11, &host, 900).await;
    let there = doors.b.away(10).await.unwrap();
    assert_eq!(
        there.iter().map(|a| a.since).collect::<Vec<_>>(),
        [seconds_later(5), seconds_later(900)]
    );
    assert!(there.iter().all(|a| a.host.name == host.name && a.host.on_maintenance));
    assert_eq!(doors.b.away(1).await.unwrap().len(), 1, "the oldest");
    back(&*doors.b, &host, 1, false, &[&first]).await;
    assert_eq!(away(&*doors.a).await, [(second.clone(), None)]);
    back(&*doors.b, &host, 2, false, &[&first, &second]).await;
    assert_eq!(away(&*doors.a).await, []);
    let now = doors.a.host(&host.uuid).await.unwrap().unwrap();
    assert_eq!((now.on_maintenance, now.reserved), (false, false));
}

pub(crate) async fn a_host_that_returns_may_take_a_reserved_ones_place(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = left(&*doors.a, 10, &host, 5).await;
    back(&*doors.a, &host, 1, true, &[&id]).await;
    let now = doors.b.host(&host.uuid).await.unwrap().unwrap();
    assert_eq!((now.on_maintenance, now.reserved), (false, true));
}

pub(crate) async fn a_recovery_that_is_tried_again_leaves_its_host_once_more(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = left(&*doors.a, 10, &host, 5).await;
    back(&*doors.a, &host, 1, false, &[&id]).await;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("three")).await;
    let again = [Summary::Away(host.uuid.clone())];
    doors.a.append(&lease, &id, &[held(2)], &again).await.unwrap();
    assert_eq!(away(&*doors.b).await, [(id, None)]);
}

pub(crate) async fn what_a_client_says_of_its_maintenance_is_kept_with_it(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = left(&*doors.a, 10, &host, 5).await;
    let renamed = HostUpdate { kind: Some("X".into()), ..unchanged_host() };
    doors.a.update_host(&host.uuid, renamed).await.unwrap();
    assert_eq!(away(&*doors.b).await, [(id.clone(), None)], "nothing was said of it");
    for (on_maintenance, word) in [(true, Word::Stay), (false, Word::Return)] {
        let said = HostUpdate { on_maintenance: Some(on_maintenance), ..unchanged_host() };
        doors.a.update_host(&host.uuid, said).await.unwrap();
        assert_eq!(away(&*doors.b).await, [(id.clone(), Some(word))]);
    }
}

pub(crate) async fn a_host_that_was_deleted_does_not_come_back(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let other = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    left(&*doors.a, 10, &host, 5).await;
    let id = left(&*doors.a, 11, &other, 6).await;
    doors.a.delete_host(&host.uuid).await.unwrap();
    assert_eq!(away(&*doors.b).await, [(id, None)]);
    doors.a.delete_segment(&segment.uuid).await.unwrap();
    assert_eq!(away(&*doors.b).await, []);
}

pub(crate) async fn a_persons_wish_for_a_return_reads_back(doors: &Doors) {
    let said = Some("new memory – ☠".to_owned());
    for (n, reason, power_on) in [(1, None, false), (2, said.clone(), false), (3, said, true)] {
        let host = recovery::HostName::new("compute01");
        let request = Request {
            id: uuid(n),
            asked: Asked::Return { host, reason, power_on },
            who: "ann (a1)".into(),
            created_at: NOW,
            deadline: seconds_later(60),
            state: RequestState::Open,
            answer: None,
        };
        doors.a.file_request(&request).await.unwrap();
        assert_eq!(doors.b.request(&request.id).await.unwrap(), Some(request));
    }
}
