//! `db purge`.

use crate::{
    adopted::{ago, notification, raw, run, segment_and_hosts},
    doors::{Doors, connect},
    fixtures::*,
};
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    evidence::{Sighting, Sign},
    identity::Identity,
    lease::LeaseKey,
    log::Summary,
    nouns::{Notification, NotificationStatus},
    request::RequestState,
    returns::log_of,
    stops::{Kind, Stop},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use store::{NewNotification, NotificationFilter, Page, Purged, SegmentFilter, Sql, Store};

async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS many FROM {table}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), count)).await;
    row.unwrap().unwrap().try_get("", "many").unwrap()
}

async fn door(doors: &Doors) -> Sql {
    connect(doors.url.as_deref().unwrap()).await
}

/// A day ago.
fn yesterday() -> Millis {
    crate::adopted::now().plus(-86_400_000)
}

fn aged(days: i64) -> String {
    format!("UPDATE notifications SET updated_at = {}", ago(days * 86_400))
}

fn moved(n: u32, of: &Notification) -> Summary {
    Summary::VMove(Box::new(vmove(n, of)))
}

pub(crate) async fn what_is_old_goes_and_what_has_not_ended_stays(doors: &Doors) {
    let sql = door(doors).await;
    let (_, host) = segment_and_host(&sql).await;
    let ended_one = accepted(&sql, report(10, &host)).await;
    let lease = take(&sql, LeaseKey::recovery(&ended_one.uuid), &owner("one")).await;
    let restarted = || Summary::Restarted { server: ServerId::new(uuid(77)) };
    let finished = [restarted(), moved(30, &ended_one), status(NotificationStatus::Finished)];
    sql.append(&lease, &ended_one.uuid, &[claimed(1, &lease), ended(2)], &finished).await.unwrap();
    let again = NewNotification { fingerprint: "again".into(), ..report(11, &host) };
    let open_one = accepted(&sql, again).await;
    let other = take(&sql, LeaseKey::recovery(&open_one.uuid), &owner("one")).await;
    sql.append(&other, &open_one.uuid, &[claimed(1, &other)], &[restarted(), moved(31, &open_one)])
        .await
        .unwrap();
    let db = raw(doors).await;
    // Whatever the row says: its log has not ended.
    let said = format!(
        "UPDATE notifications SET status = 'finished' WHERE notification_uuid = '{}'",
        open_one.uuid.as_str()
    );
    run(&db, &[said, aged(3)]).await;

    let purged = sql.purge(yesterday(), None).await.unwrap();
    assert_eq!(purged, Purged { notifications: 1, ..Purged::default() });
    let left =
        sql.notifications(&NotificationFilter::default(), &Page::default()).await.unwrap().nouns();
    assert_eq!(left.iter().map(|n| &n.uuid).collect::<Vec<_>>(), [&open_one.uuid]);
    assert_eq!(sql.log(&ended_one.uuid).await.unwrap(), []);
    assert_eq!(sql.log(&open_one.uuid).await.unwrap().len(), 1);
    let ours =
        ["ha_recoveries", "ha_log", "ha_leases", "ha_fingerprints", "ha_restarts", "ha_deaths"];
    for (table, left) in ours.map(|table| (table, 1)) {
        assert_eq!(count(&db, table).await, left, "{table}");
    }
    assert_eq!(sql.evidence(&host.name).await.unwrap().len(), 2, "of a host that is worked on");
    assert_eq!(sql.purge(yesterday(), None).await.unwrap(), Purged::default());
}

pub(crate) async fn looks_at_the_devices_of_hosts_that_are_gone_go(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let [old, young] = [1, 2].map(|n| crate::readiness::check(n, Ok(Vec::new())));
    let young = recovery::readiness::Check { at: before, ..young };
    for check in [&old, &young] {
        sql.keep_fence_check(check).await.unwrap();
    }
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.fence_checks().await.unwrap(), [young]);
}

pub(crate) async fn what_was_said_of_guests_and_of_hosts_goes(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let host = HostName::new("compute01");
    let [old, young] = [40, 41].map(|n| ServerId::new(uuid(n)));
    sql.guests_answer(&host, std::slice::from_ref(&old), before.plus(-1)).await.unwrap();
    sql.guests_answer(&host, std::slice::from_ref(&young), before).await.unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.guest(&old).await.unwrap(), None);
    assert!(sql.guest(&young).await.unwrap().is_some());
    let seen = |what, at| Sighting { host: host.clone(), at, what };
    let kept = sql.sightings(&host).await.unwrap();
    assert_eq!(kept, [seen(Sign::GuestAnswers, before)]);
    let old = seen(Sign::MonitorSaw, before.plus(-1));
    sql.keep_sighting(&old).await.unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.sightings(&host).await.unwrap(), kept);
}

pub(crate) async fn which_machines_hosts_were_goes(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let [old, young] = ["compute01", "compute02"].map(HostName::new);
    let identity = Identity { boot: "b".into(), uuid: None, serial: None };
    sql.identify(&old, &identity, before.plus(-1)).await.unwrap();
    sql.identify(&young, &identity, before).await.unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.identified(&old).await.unwrap(), None);
    assert!(sql.identified(&young).await.unwrap().is_some());
}

/// The losses and returns of hosts are logs under the hosts' own ids.
pub(crate) async fn the_log_of_a_host_goes_when_nothing_is_left_of_its_losses(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let db = raw(doors).await;
    let (segment, host) = segment_and_host(&sql).await;
    let other = sql.create_host(new_host(3, "compute02", &segment)).await.unwrap();
    let lost = accepted(&sql, report(10, &other)).await;
    let lease = take(&sql, LeaseKey::recovery(&lost.uuid), &owner("one")).await;
    let away = [Summary::Away(other.uuid.clone()), status(NotificationStatus::Finished)];
    sql.append(&lease, &lost.uuid, &[ended(1)], &away).await.unwrap();
    let open = NewNotification { fingerprint: "again".into(), ..report(11, &host) };
    let open = accepted(&sql, open).await;
    let lease = take(&sql, LeaseKey::recovery(&open.uuid), &owner("one")).await;
    sql.append(&lease, &open.uuid, &[claimed(1, &lease)], &[]).await.unwrap();
    let logs = [&host, &other].map(|host| log_of(&host.uuid));
    for log in &logs {
        let lease = take(&sql, LeaseKey::recovery(log), &owner("one")).await;
        sql.append(&lease, log, &[held(1), held(2)], &[]).await.unwrap();
        sql.release(&[lease]).await.unwrap();
    }
    let left = async || {
        let mut left = Vec::new();
        for log in &logs {
            left.push(sql.log(log).await.unwrap().len());
        }
        left
    };
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [0, 2], "one is still away");
    let key = LeaseKey::recovery(&logs[0]);
    assert_eq!(sql.leases(&[key]).await.unwrap(), []);
    let back = format!("UPDATE ha_returns SET closed_ms = {}", before.0 - 1);
    run(&db, &[back, format!("UPDATE ha_log SET at_ms = {} WHERE seq = 2", before.0)]).await;
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [0, 2], "its last line is young");
    run(&db, &[format!("UPDATE ha_log SET at_ms = {}", before.0 - 1)]).await;
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [0, 0]);
    assert_eq!(sql.log(&open.uuid).await.unwrap().len(), 1, "of a recovery");
}

/// Drains and fence tests have logs of their own, under the ids of the stop and of the request.
pub(crate) async fn the_log_of_a_drain_or_a_fence_test_goes_when_that_is_over(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let db = raw(doors).await;
    let until = before.plus(3_600_000);
    let drain = crate::stops::stop(1, "compute01", 0);
    let drain = Stop { kind: Kind::Drain { cold: false }, until, ..drain };
    sql.plan_stop(&drain).await.unwrap();
    let test = crate::requests::request(2);
    sql.file_request(&test).await.unwrap();
    let logs = [&drain.id, &test.id].map(NotificationId::new);
    for log in &logs {
        let lease = take(&sql, LeaseKey::recovery(log), &owner("one")).await;
        sql.append(&lease, log, &[claimed(1, &lease)], &[]).await.unwrap();
    }
    let left = async || {
        let [drain, test] = &logs;
        [sql.log(drain).await.unwrap().len(), sql.log(test).await.unwrap().len()]
    };
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [1, 1], "both go on");
    run(&db, &[format!("UPDATE ha_stops SET until_ms = {}", before.0 - 1)]).await;
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [0, 1], "its time is over");
    sql.answer_request(&test.id, RequestState::Done, "passed", None).await.unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(left().await, [0, 0]);
    assert_eq!(sql.leases(&logs.map(|log| LeaseKey::recovery(&log))).await.unwrap(), []);
}

pub(crate) async fn the_log_of_a_drain_goes_when_a_person_has_ended_it(doors: &Doors) {
    let (sql, before) = (door(doors).await, yesterday());
    let drain = Stop {
        kind: Kind::Drain { cold: false },
        until: before.plus(3_600_000),
        ..crate::stops::stop(1, "compute01", 0)
    };
    sql.plan_stop(&drain).await.unwrap();
    let log = NotificationId::new(&drain.id);
    let lease = take(&sql, LeaseKey::recovery(&log), &owner("one")).await;
    sql.append(&lease, &log, &[claimed(1, &lease)], &[]).await.unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.log(&log).await.unwrap().len(), 1, "it goes on");
    sql.end_stop(&drain.host, "bob (b1)", before.plus(-1)).await.unwrap().unwrap();
    sql.purge(before, None).await.unwrap();
    assert_eq!(sql.log(&log).await.unwrap(), [], "long before its time is over");
}

pub(crate) async fn leases_of_servers_go_once_nobody_holds_them(doors: &Doors) {
    let sql = door(doors).await;
    let [held, free] = [77, 78].map(|n| LeaseKey::server(&ServerId::new(uuid(n))));
    let host = LeaseKey::host(&recovery::HostName::new("compute01"));
    take(&sql, held.clone(), &owner("one")).await;
    for key in [free.clone(), host.clone()] {
        let lease = take(&sql, key, &owner("one")).await;
        sql.release(&[lease]).await.unwrap();
    }
    sql.purge(yesterday(), None).await.unwrap();
    let left = sql.leases(&[held.clone(), free.clone(), host.clone()]).await.unwrap();
    assert_eq!(left.into_iter().map(|row| row.key).collect::<Vec<_>>(), [held, host]);
    // And it can be had again.
    take(&sql, free, &owner("two")).await;
}

pub(crate) async fn no_more_rows_go_than_were_allowed(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let reports: Vec<String> = (0..1203).map(|n| notification(100 + n, "finished", 9)).collect();
    run(&db, &reports).await;
    let young = format!(
        "UPDATE notifications SET updated_at = NULL WHERE notification_uuid >= '{}'",
        uuid(1300)
    );
    run(&db, &[aged(3), young]).await;
    let sql = door(doors).await;
    sql.sync().await.unwrap();
    assert_eq!(sql.purge(yesterday(), Some(601)).await.unwrap().notifications, 601);
    assert_eq!(count(&db, "notifications").await, 602);
    assert_eq!(sql.purge(yesterday(), None).await.unwrap().notifications, 599);
    let left =
        sql.notifications(&NotificationFilter::default(), &Page::default()).await.unwrap().nouns();
    assert_eq!(left.last().unwrap().uuid, NotificationId::new(uuid(1300)));
}

pub(crate) async fn a_segment_stays_while_a_host_of_it_does(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let gone = format!("UPDATE failover_segments SET deleted = id, deleted_at = {}", ago(99_999));
    let one_host = format!("UPDATE hosts SET deleted_at = {} WHERE deleted <> 0", ago(99_999));
    run(&db, &[gone, one_host]).await;
    let sql = door(doors).await;
    let purged = sql.purge(yesterday(), None).await.unwrap();
    assert_eq!(purged, Purged { hosts: 1, ..Purged::default() });
    run(&db, &[format!("UPDATE hosts SET deleted = id, deleted_at = {}", ago(99_999))]).await;
    let purged = sql.purge(yesterday(), None).await.unwrap();
    assert_eq!(purged, Purged { hosts: 1, segments: 1, ..Purged::default() });
    let left = sql.segments(&SegmentFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(left, []);
}
