//! What persons ask of a recovery: written with the line that grants it, or not at all.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    NotificationId, ServerId,
    hand::HandEntry,
    lease::LeaseKey,
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    request::{Asked, Request, RequestState},
};
use store::{Store, StoreError};

fn retried(seq: u64, request: u32) -> Line {
    let (request, by, why) = (uuid(request), "ann (a1)".into(), Some("there is room – ☠".into()));
    line(seq, Entry::Hand(HandEntry::Retried { request, by, why }))
}

fn asked(n: u32, asked: Asked) -> Request {
    Request {
        id: uuid(n),
        asked,
        who: "ann (a1)".into(),
        created_at: NOW,
        deadline: seconds_later(60),
        state: RequestState::Open,
        answer: None,
    }
}

fn retry(n: u32, notification: &NotificationId) -> Request {
    let reason = Some("there is room".into());
    asked(n, Asked::Retry { notification: notification.clone(), reason })
}

fn granted(n: u32) -> [Summary; 3] {
    [
        Summary::Answered { request: uuid(n), answer: "it is tried again".into() },
        Summary::Reopened,
        status(NotificationStatus::New),
    ]
}

async fn state(store: &dyn Store, n: u32) -> RequestState {
    store.request(&uuid(n)).await.unwrap().unwrap().state
}

pub(crate) async fn what_is_asked_of_a_recovery_reads_back(doors: &Doors) {
    let notification = NotificationId::new(uuid(10));
    let cancel = Asked::Cancel { notification: notification.clone(), reason: None };
    let reason = Some("I was there – ☠".to_owned());
    let approve = Asked::Approve { notification: notification.clone(), reason: reason.clone() };
    let reject = Asked::Reject { notification: notification.clone(), reason };
    let requests = [cancel, approve, reject].into_iter().zip(2..).map(|(what, n)| asked(n, what));
    for request in [retry(1, &notification)].into_iter().chain(requests) {
        doors.a.file_request(&request).await.unwrap();
        assert_eq!(doors.b.request(&request.id).await.unwrap(), Some(request));
    }
}

pub(crate) async fn a_recovery_that_ended_is_opened_with_the_answer_and_the_line(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let failed = [status(NotificationStatus::Failed)];
    doors.a.append(&lease, &id, &[claimed(1, &lease), held(2), ended(3)], &failed).await.unwrap();
    assert_eq!(doors.b.open_recoveries(10).await.unwrap(), []);
    doors.a.file_request(&retry(1, &id)).await.unwrap();

    let lines = [retried(4, 1)];
    doors.a.append(&lease, &id, &lines, &granted(1)).await.unwrap();
    let open = doors.b.open_recoveries(10).await.unwrap();
    assert_eq!(open.iter().map(|o| &o.notification).collect::<Vec<_>>(), [&id]);
    assert_eq!(doors.b.open_host_recovery(&host.name).await.unwrap(), Some(id.clone()));
    let shown = doors.b.notification(&id).await.unwrap().unwrap();
    assert_eq!((shown.status, shown.message), (NotificationStatus::New, None));
    let request = doors.b.request(&uuid(1)).await.unwrap().unwrap();
    assert_eq!(request.state, RequestState::Done);
    assert_eq!(request.answer.as_deref(), Some("it is tried again"));
    // It was held before; now nothing holds it.
    let renamed = doors.b.update_segment(&segment.uuid, unchanged_segment()).await;
    assert!(matches!(renamed, Err(StoreError::InUse { .. })), "{renamed:?}");
    // The same again, whose answer was lost.
    doors.b.append(&lease, &id, &lines, &granted(1)).await.unwrap();
    assert_eq!(doors.a.log(&id).await.unwrap().len(), 4);
    let finished = [status(NotificationStatus::Finished)];
    doors.a.append(&lease, &id, &[ended(5)], &finished).await.unwrap();
    assert_eq!(doors.b.open_recoveries(10).await.unwrap(), [], "and is closed again");
}

pub(crate) async fn a_request_that_was_answered_lets_no_line_in(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let failed = [status(NotificationStatus::Failed)];
    doors.a.append(&lease, &id, &[ended(1)], &failed).await.unwrap();
    doors.a.file_request(&retry(1, &id)).await.unwrap();
    let refused = RequestState::Refused;
    assert!(doors.b.answer_request(&uuid(1), refused, "too late", None).await.unwrap());
    for request in [1, 9] {
        let late = doors.a.append(&lease, &id, &[retried(2, request)], &granted(request)).await;
        assert!(matches!(late, Err(StoreError::InUse { noun: "request", .. })), "{late:?}");
    }
    assert_eq!(doors.b.log(&id).await.unwrap().len(), 1);
    assert_eq!(doors.b.open_recoveries(10).await.unwrap(), []);
    let shown = doors.b.notification(&id).await.unwrap().unwrap();
    assert_eq!(shown.status, NotificationStatus::Failed);
    assert_eq!(state(&*doors.b, 1).await, RequestState::Refused);
}

pub(crate) async fn a_restart_that_is_tried_again_counts_once(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let id = accepted(&*doors.a, report(10, &host)).await.uuid;
    let lease = take(&*doors.a, LeaseKey::recovery(&id), &owner("one")).await;
    let server = ServerId::new(uuid(7));
    let restarted = [Summary::Restarted { server: server.clone() }];
    for seq in [1, 2] {
        doors.a.append(&lease, &id, &[held(seq)], &restarted).await.unwrap();
    }
    let other = NotificationId::new(uuid(99));
    assert_eq!(doors.b.restarts(&server, NOW, &other).await.unwrap(), 1);
    assert_eq!(doors.b.restarts(&server, seconds_later(2), &other).await.unwrap(), 1, "its last");
    assert_eq!(doors.b.restarts(&server, seconds_later(3), &other).await.unwrap(), 0);
}
