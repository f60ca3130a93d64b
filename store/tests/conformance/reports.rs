//! Reports: accepted once, listed, and what they prove.

use crate::{doors::Doors, fixtures::*};
use futures::future::join_all;
use recovery::{
    HostId, HostName, NotificationId,
    evidence::Kind,
    nouns::{NotificationStatus, NotificationType},
};
use store::{Accepted, NotificationFilter, Order, Page};

pub(crate) async fn a_report_becomes_a_notification_a_recovery_and_evidence(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let new = report(10, &host);
    let notification = accepted(&*doors.a, new.clone()).await;
    assert!(notification.id > 0);
    assert_eq!(notification.uuid, new.uuid);
    assert_eq!(notification.kind, NotificationType::ComputeHost);
    assert_eq!(notification.generated_time, NOW_KEPT);
    assert_eq!(notification.payload, new.payload);
    assert_eq!(notification.status, NotificationStatus::New);
    assert_eq!(notification.segment, segment.uuid);
    assert_eq!(notification.created_at, Some(NOW_KEPT));
    assert_eq!((notification.message.as_ref(), notification.updated_at), (None, None));
    assert_eq!(doors.b.notification(&new.uuid).await.unwrap(), Some(notification));

    // Before anybody lists the open ones: that would open one for a report that has none.
    assert_eq!(doors.b.open_host_recovery(&host.name).await.unwrap(), Some(new.uuid.clone()));
    let open = doors.b.open_recoveries(10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].notification, new.uuid);
    assert_eq!(open[0].source_host, host.uuid);
    assert_eq!(open[0].host_name.as_ref(), Some(&host.name));
    assert_eq!(open[0].kind, NotificationType::ComputeHost);
    assert_eq!(open[0].lease, None);
    assert_eq!(doors.b.evidence(&host.name).await.unwrap(), [said(&host, NOW)]);
}

pub(crate) async fn of_fifty_identical_reports_at_once_one_is_accepted(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    exactly_one_of_fifty(doors, 100, |n| report(n, &host)).await;
    // Across the end of the window: the slot is there and is claimed anew.
    exactly_one_of_fifty(doors, 200, |n| {
        let mut later = report(n, &host);
        later.now = NOW.plus(later.window_ms);
        later
    })
    .await;
    assert_eq!(doors.a.open_recoveries(100).await.unwrap().len(), 2);
    let filter = NotificationFilter::default();
    assert_eq!(doors.a.notifications(&filter, &Page::default()).await.unwrap().len(), 2);
    assert_eq!(doors.a.evidence(&host.name).await.unwrap().len(), 2);
}

pub(crate) async fn what_is_said_again_is_kept_where_it_is_news(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, report(10, &host)).await;
    let again = async |s| doors.a.say_again(&said(&host, seconds_later(s)), 10_000).await.unwrap();
    assert!(!again(9).await, "it is one word");
    assert!(again(10).await);
    assert!(!again(19).await, "of the last time");
    let mut other = said(&host, seconds_later(12));
    other.host = HostName::new("compute02");
    assert!(doors.b.say_again(&other, 10_000).await.unwrap(), "of another host");
    let mut fenced = said(&host, seconds_later(12));
    fenced.kind = Kind::ClusterFenced;
    assert!(doors.b.say_again(&fenced, 10_000).await.unwrap(), "of another kind");
    let kept = [said(&host, NOW), said(&host, seconds_later(10)), fenced];
    assert_eq!(doors.b.evidence(&host.name).await.unwrap(), kept);
}

async fn exactly_one_of_fifty(
    doors: &Doors,
    from: u32,
    report: impl Fn(u32) -> store::NewNotification,
) {
    let reports = (from..from + 50).map(|n| {
        let door = if n % 2 == 0 { &doors.a } else { &doors.b };
        door.accept(report(n))
    });
    let mut new = Vec::new();
    let mut duplicates = Vec::new();
    for outcome in join_all(reports).await {
        match outcome.unwrap() {
            Accepted::New(notification) => new.push(notification.uuid),
            Accepted::Duplicate(first) => duplicates.push(first),
        }
    }
    assert_eq!((new.len(), duplicates.len()), (1, 49));
    assert!(duplicates.iter().all(|first| *first == new[0]), "each names the accepted one");
}

pub(crate) async fn the_window_ends_when_it_ends(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let first = accepted(&*doors.a, report(10, &host)).await;
    let mut within = report(11, &host);
    within.now = NOW.plus(within.window_ms - 1);
    assert_eq!(doors.b.accept(within).await.unwrap(), Accepted::Duplicate(first.uuid));
    let mut after = report(12, &host);
    after.now = NOW.plus(after.window_ms);
    let after = accepted(&*doors.b, after).await;
    let mut again = report(13, &host);
    again.now = NOW.plus(again.window_ms + 1);
    assert_eq!(doors.b.accept(again).await.unwrap(), Accepted::Duplicate(after.uuid));
}

pub(crate) async fn reports_that_say_something_else_are_no_repetition(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    accepted(&*doors.a, report(10, &host)).await;
    let mut other = report(11, &host);
    other.fingerprint = "another event".into();
    other.payload = r#"{"event": "STARTED"}"#.into();
    accepted(&*doors.a, other).await;
}

pub(crate) async fn a_report_whose_answer_was_lost_is_accepted_once(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let first = accepted(&*doors.a, report(10, &host)).await;
    let second = accepted(&*doors.b, report(10, &host)).await;
    assert_eq!(first, second);
    assert_eq!(doors.a.evidence(&host.name).await.unwrap().len(), 1);
}

pub(crate) async fn notifications_are_filtered_and_sorted(doors: &Doors) {
    let (segment, host) = segment_and_host(&*doors.a).await;
    let second = doors.a.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    accepted(&*doors.a, report(10, &host)).await;
    let mut other = report(11, &second);
    other.kind = NotificationType::Vm;
    other.generated_time = seconds_later(10);
    accepted(&*doors.a, other).await;
    let all = NotificationFilter::default();
    let find = async |filter: NotificationFilter, page: &Page| {
        let found = doors.b.notifications(&filter, page).await.unwrap();
        found.nouns().into_iter().map(|n| n.uuid).collect::<Vec<_>>()
    };
    let id = |n| NotificationId::new(uuid(n));
    let newest_first = Page::default();
    for filter in [
        NotificationFilter { source_host: Some(second.uuid.clone()), ..all.clone() },
        NotificationFilter { kind: Some(NotificationType::Vm), ..all.clone() },
        NotificationFilter { generated_since: Some(seconds_later(9)), ..all.clone() },
        NotificationFilter { generated_since: Some(NOW_KEPT.plus(10_000)), ..all.clone() },
    ] {
        assert_eq!(find(filter.clone(), &newest_first).await, [id(11)], "{filter:?}");
    }
    for filter in [
        NotificationFilter { status: Some(NotificationStatus::Failed), ..all.clone() },
        NotificationFilter { source_host: Some(HostId::new(uuid(99))), ..all.clone() },
        NotificationFilter { generated_since: Some(seconds_later(11)), ..all.clone() },
    ] {
        assert_eq!(find(filter.clone(), &newest_first).await, [], "{filter:?}");
    }
    let new = NotificationFilter { status: Some(NotificationStatus::New), ..all };
    assert_eq!(find(new.clone(), &newest_first).await, [id(11), id(10)]);
    let by_time = sorted_by("generated_time", Order::Ascending);
    assert_eq!(find(new, &by_time).await, [id(10), id(11)]);
}

pub(crate) async fn evidence_is_shown_oldest_first_and_bounded(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    for n in 0..120_u32 {
        let mut new = report(1000 + n, &host);
        new.fingerprint = format!("report {n}");
        // They come in an order of their own.
        let at = seconds_later(i64::from((n * 7) % 120));
        new.evidence = Some(said(&host, at));
        accepted(&*doors.a, new).await;
    }
    let shown = doors.b.evidence(&host.name).await.unwrap();
    let times: Vec<_> = shown.iter().map(|evidence| evidence.at).collect();
    let newest_100: Vec<_> = (20..120).map(seconds_later).collect();
    assert_eq!(times, newest_100);
    assert!(shown.iter().all(|evidence| evidence.kind == Kind::MonitorSaid));
    let stranger = recovery::HostName::new("compute99");
    assert_eq!(doors.b.evidence(&stranger).await.unwrap(), []);
}
