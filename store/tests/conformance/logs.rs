//! Logs, and the summaries that Masakari's tables show of them.

use crate::{doors::Doors, fixtures::*};
use recovery::{
    HostName,
    lease::{Lease, LeaseKey},
    log::{Line, Summary},
    nouns::{Host, Notification, NotificationStatus, VMove, VMoveStatus, VMoveType},
};
use store::{HostUpdate, Order, StoreError, VMoveFilter};

/// A recovery that engine `one` has taken by door `a`.
async fn taken(doors: &Doors) -> (Host, Notification, Lease) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let notification = accepted(&*doors.a, report(10, &host)).await;
    let key = LeaseKey::recovery(&notification.uuid);
    let lease = take(&*doors.a, key, &owner("one")).await;
    (host, notification, lease)
}

pub(crate) async fn a_log_is_read_as_it_was_written(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    assert_eq!(doors.a.log(&notification.uuid).await.unwrap(), []);
    let first = [claimed(1, &lease), held(2)];
    doors.a.append(&lease, &notification.uuid, &first, &[]).await.unwrap();
    let second = [proven(3)];
    doors.a.append(&lease, &notification.uuid, &second, &[]).await.unwrap();
    let log = doors.b.log(&notification.uuid).await.unwrap();
    assert_eq!(log, [&first[..], &second[..]].concat());
}

pub(crate) async fn hundreds_of_lines_at_once_are_kept_in_order(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let lines: Vec<Line> = (1..=700).map(held).collect();
    doors.a.append(&lease, &notification.uuid, &lines, &[]).await.unwrap();
    assert_eq!(doors.b.log(&notification.uuid).await.unwrap(), lines);
}

pub(crate) async fn the_same_lines_twice_are_written_once(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let lines = [claimed(1, &lease), proven(2)];
    let running = [status(NotificationStatus::Running)];
    doors.a.append(&lease, &notification.uuid, &lines, &running).await.unwrap();
    doors.a.append(&lease, &notification.uuid, &lines, &running).await.unwrap();
    assert_eq!(doors.b.log(&notification.uuid).await.unwrap(), lines);
}

pub(crate) async fn lines_that_leave_a_gap_or_rewrite_are_refused(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let first = [claimed(1, &lease), held(2)];
    doors.a.append(&lease, &notification.uuid, &first, &[]).await.unwrap();
    let running = [status(NotificationStatus::Running)];
    let gap = vec![proven(4)];
    let gap_within = vec![proven(3), proven(5)];
    let rewritten = vec![proven(2)];
    let overlapping = vec![held(2), proven(3)];
    let shortened = vec![claimed(1, &lease)];
    for lines in [gap, gap_within, rewritten, overlapping, shortened] {
        let refused = doors.a.append(&lease, &notification.uuid, &lines, &running).await;
        assert!(matches!(refused, Err(StoreError::Unreadable { .. })), "{lines:?}");
    }
    assert_eq!(doors.b.log(&notification.uuid).await.unwrap(), first);
    let shown = doors.b.notification(&notification.uuid).await.unwrap().unwrap();
    assert_eq!(shown.status, NotificationStatus::New, "no summary without its lines");
}

pub(crate) async fn a_former_owner_writes_nothing(doors: &Doors) {
    let (host, notification, lost) = taken(doors).await;
    let key = LeaseKey::recovery(&notification.uuid);
    let won = take(&*doors.b, key.clone(), &owner("two")).await;
    let summaries = [
        status(NotificationStatus::Finished),
        Summary::VMove(Box::new(vmove(20, &notification))),
        Summary::OnMaintenance(host.uuid.clone()),
    ];
    let refused = doors.a.append(&lost, &notification.uuid, &[ended(1)], &summaries).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { key: lost }) if lost == key));
    assert_eq!(doors.a.log(&notification.uuid).await.unwrap(), []);
    assert_eq!(doors.a.notification(&notification.uuid).await.unwrap().unwrap(), notification);
    assert_eq!(doors.a.host(&host.uuid).await.unwrap().unwrap(), host);
    assert_eq!(doors.a.open_recoveries(10).await.unwrap().len(), 1);
    doors.b.append(&won, &notification.uuid, &[claimed(1, &won)], &[]).await.unwrap();
}

pub(crate) async fn the_lease_of_another_recovery_is_no_right_to_write(doors: &Doors) {
    let (host, notification, _) = taken(doors).await;
    let wrong = take(&*doors.a, LeaseKey::host(&host.name), &owner("one")).await;
    let lines = [claimed(1, &wrong)];
    let refused = doors.a.append(&wrong, &notification.uuid, &lines, &[]).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })));
    assert_eq!(doors.a.log(&notification.uuid).await.unwrap(), []);
}

pub(crate) async fn writing_renews_the_lease(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let key = [lease.key.clone()];
    let before = doors.b.leases(&key).await.unwrap().remove(0);
    doors.a.append(&lease, &notification.uuid, &[claimed(1, &lease)], &[]).await.unwrap();
    let written = doors.b.leases(&key).await.unwrap().remove(0);
    assert!(written.beat > before.beat);
    doors.a.append(&lease, &notification.uuid, &[], &[]).await.unwrap();
    assert!(doors.b.leases(&key).await.unwrap()[0].beat > written.beat);
}

pub(crate) async fn the_status_and_the_host_show_what_the_log_says(doors: &Doors) {
    let (host, notification, lease) = taken(doors).await;
    let summaries = [
        Summary::Status {
            status: NotificationStatus::Error,
            message: Some("Nova refused – ☠".into()),
        },
        Summary::OnMaintenance(host.uuid.clone()),
    ];
    let lines = [claimed(1, &lease), proven(2)];
    doors.a.append(&lease, &notification.uuid, &lines, &summaries).await.unwrap();
    let shown = doors.b.notification(&notification.uuid).await.unwrap().unwrap();
    assert_eq!(shown.status, NotificationStatus::Error);
    assert_eq!(shown.message.as_deref(), Some("Nova refused – ☠"));
    assert_eq!(shown.updated_at, Some(NOW_KEPT.plus(2_000)), "the time of the last line");
    let host = doors.b.host(&host.uuid).await.unwrap().unwrap();
    assert!(host.on_maintenance && !host.reserved);
    assert_eq!(host.updated_at, Some(NOW_KEPT.plus(2_000)));
}

/// Exactly one of two recoveries takes a reserved host; the other's lines are not written.
pub(crate) async fn a_reserved_host_is_taken_once(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    let reserved = HostUpdate { reserved: Some(true), ..unchanged_host() };
    doors.a.update_host(&host.uuid, reserved).await.unwrap();
    let notification = accepted(&*doors.a, report(10, &host)).await;
    let key = LeaseKey::recovery(&notification.uuid);
    let lease = take(&*doors.a, key, &owner("one")).await;
    let take = [Summary::Taken(host.uuid.clone())];
    let first = [claimed(1, &lease)];
    doors.a.append(&lease, &notification.uuid, &first, &take).await.unwrap();
    assert!(!doors.b.host(&host.uuid).await.unwrap().unwrap().reserved);
    // The same again, whose answer was lost.
    doors.a.append(&lease, &notification.uuid, &first, &take).await.unwrap();
    let refused = doors.b.append(&lease, &notification.uuid, &[proven(2)], &take).await;
    assert!(matches!(refused, Err(StoreError::InUse { .. })), "{refused:?}");
    assert_eq!(doors.a.log(&notification.uuid).await.unwrap(), first);
    let back = [Summary::HandedBack(host.uuid.clone())];
    doors.a.append(&lease, &notification.uuid, &[proven(2)], &back).await.unwrap();
    assert!(doors.b.host(&host.uuid).await.unwrap().unwrap().reserved);
}

async fn moves(doors: &Doors, of: &Notification, filter: VMoveFilter) -> Vec<VMove> {
    let by_id = sorted_by("id", Order::Ascending);
    doors.b.vmoves(&of.uuid, &filter, &by_id).await.unwrap()
}

pub(crate) async fn vm_moves_are_shown_and_changed(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let planned: Vec<VMove> = (100..400).map(|n| vmove(n, &notification)).collect();
    let boxed = |v: &VMove| Summary::VMove(Box::new(v.clone()));
    let summaries: Vec<Summary> = planned.iter().map(boxed).collect();
    doors.a.append(&lease, &notification.uuid, &[claimed(1, &lease)], &summaries).await.unwrap();
    let shown = moves(doors, &notification, VMoveFilter::default()).await;
    assert_eq!(shown.len(), 300);
    for (shown, planned) in shown.iter().zip(&planned) {
        let created_at = Some(NOW_KEPT.plus(1_000));
        assert_eq!(*shown, VMove { id: shown.id, created_at, ..planned.clone() });
    }

    let arrived: Vec<VMove> = planned
        .iter()
        .take(200)
        .map(|v| VMove {
            status: VMoveStatus::Succeeded,
            dest_host: Some(HostName::new("compute02")),
            started_at: Some(NOW),
            ended_at: Some(seconds_later(2)),
            message: Some("there – ☁".into()),
            ..v.clone()
        })
        .collect();
    let mut summaries: Vec<Summary> = arrived.iter().map(boxed).collect();
    summaries.push(boxed(&vmove(900, &notification)));
    doors.a.append(&lease, &notification.uuid, &[proven(2)], &summaries).await.unwrap();
    let filter = VMoveFilter { status: Some(VMoveStatus::Succeeded), kind: None };
    let changed = moves(doors, &notification, filter).await;
    assert_eq!(changed.len(), 200);
    for ((changed, before), arrived) in changed.iter().zip(&shown).zip(&arrived) {
        let expected = VMove {
            id: before.id,
            created_at: before.created_at,
            updated_at: Some(NOW_KEPT.plus(2_000)),
            started_at: Some(NOW_KEPT),
            ended_at: Some(NOW_KEPT.plus(2_000)),
            ..arrived.clone()
        };
        assert_eq!(*changed, expected);
    }
    assert_eq!(moves(doors, &notification, VMoveFilter::default()).await.len(), 301);
    assert_eq!(doors.a.vmove(&changed[0].uuid).await.unwrap().as_ref(), Some(&changed[0]));
    let other_kind = VMoveFilter { kind: Some(VMoveType::LiveMigration), status: None };
    assert_eq!(moves(doors, &notification, other_kind).await, []);
}

pub(crate) async fn the_last_of_two_summaries_of_one_vm_move_counts(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let pending = vmove(100, &notification);
    let ongoing = VMove { status: VMoveStatus::Ongoing, ..pending.clone() };
    let summaries = [pending, ongoing].map(|v| Summary::VMove(Box::new(v)));
    doors.a.append(&lease, &notification.uuid, &[claimed(1, &lease)], &summaries).await.unwrap();
    let shown = moves(doors, &notification, VMoveFilter::default()).await;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].status, VMoveStatus::Ongoing);
}

pub(crate) async fn a_terminal_status_closes_the_recovery_for_good(doors: &Doors) {
    let (_, notification, lease) = taken(doors).await;
    let running = [status(NotificationStatus::Running)];
    let first = [claimed(1, &lease)];
    doors.a.append(&lease, &notification.uuid, &first, &running).await.unwrap();
    assert_eq!(doors.b.open_recoveries(10).await.unwrap().len(), 1);
    let finished = [status(NotificationStatus::Finished)];
    doors.a.append(&lease, &notification.uuid, &[ended(2)], &finished).await.unwrap();
    assert_eq!(doors.b.open_recoveries(10).await.unwrap(), []);
    doors.a.append(&lease, &notification.uuid, &[held(3)], &running).await.unwrap();
    assert_eq!(doors.b.open_recoveries(10).await.unwrap(), []);
}

pub(crate) async fn open_recoveries_are_listed_oldest_first(doors: &Doors) {
    let (_, host) = segment_and_host(&*doors.a).await;
    for (n, after_seconds) in [(10, 30), (11, 10), (12, 20)] {
        let mut new = report(n, &host);
        new.fingerprint = format!("report {n}");
        new.now = seconds_later(after_seconds);
        accepted(&*doors.a, new).await;
    }
    let open = doors.b.open_recoveries(2).await.unwrap();
    let open: Vec<_> = open.iter().map(|open| open.notification.as_str()).collect();
    assert_eq!(open, [uuid(11), uuid(12)]);

    let all = doors.b.open_recoveries(10).await.unwrap();
    let key = LeaseKey::recovery(&all[1].notification);
    take(&*doors.a, key.clone(), &owner("one")).await;
    let all = doors.b.open_recoveries(10).await.unwrap();
    assert_eq!(all.iter().filter(|open| open.lease.is_some()).count(), 1);
    let lease = all[1].lease.as_ref().unwrap();
    assert_eq!((&lease.key, lease.owner.as_ref()), (&key, Some(&owner("one"))));
}
