//! Databases that Python Masakari left: read as they are, brought up to date, recoveries taken over.

use crate::{
    doors::{Doors, connect},
    fixtures::*,
};
use ports::{Clock, SystemClock};
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    lease::LeaseKey,
    log::Summary,
    nouns::{NotificationStatus, NotificationType, VMoveStatus, VMoveType},
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use std::time::Duration;
use store::{Accepted, NewNotification, NotificationFilter, Page, Store, StoreError, VMoveFilter};

pub(crate) async fn raw(doors: &Doors) -> DatabaseConnection {
    raw_at(doors.url.as_deref().unwrap()).await
}

pub(crate) async fn raw_at(url: &str) -> DatabaseConnection {
    Database::connect(url).await.unwrap()
}

pub(crate) async fn run(db: &DatabaseConnection, statements: &[String]) {
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
}

/// A moment some seconds ago, as SQLAlchemy writes it.
pub(crate) fn ago(seconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(now().0 - seconds * 1000).unwrap();
    at.format("'%Y-%m-%d %H:%M:%S.000000'").to_string()
}

pub(crate) fn now() -> Millis {
    SystemClock.wall()
}

/// Segment 1 with host 2, once deleted and made anew as host 3.
pub(crate) fn segment_and_hosts() -> Vec<String> {
    let (segment, gone, host, at) = (uuid(1), uuid(2), uuid(3), ago(5000));
    vec![
        format!(
            "INSERT INTO failover_segments (created_at, deleted, uuid, name, service_type, \
             recovery_method, enabled) VALUES ({at}, 0, '{segment}', 'seg', 'compute', 'auto', TRUE)"
        ),
        format!(
            "INSERT INTO hosts (created_at, deleted_at, deleted, id, uuid, name, reserved, type, \
             control_attributes, failover_segment_id, on_maintenance) \
             VALUES ({at}, {at}, 7, 7, '{gone}', 'compute01', FALSE, 'COMPUTE', 'SSH', '{segment}', FALSE)"
        ),
        format!(
            "INSERT INTO hosts (created_at, deleted, uuid, name, reserved, type, \
             control_attributes, failover_segment_id, on_maintenance) \
             VALUES ({at}, 0, '{host}', 'compute01', FALSE, 'COMPUTE', 'SSH', '{segment}', FALSE)"
        ),
    ]
}

pub(crate) fn notification(n: u32, status: &str, seconds_ago: i64) -> String {
    let (uuid, host, at) = (uuid(n), uuid(3), ago(seconds_ago));
    let payload = r#"{"host_status": "NORMAL", "cluster_status": "OFFLINE", "event": "STOPPED"}"#;
    format!(
        "INSERT INTO notifications (created_at, deleted, notification_uuid, generated_time, \
         source_host_uuid, type, payload, status) \
         VALUES ({at}, 0, '{uuid}', {at}, '{host}', 'COMPUTE_HOST', '{payload}', '{status}')"
    )
}

pub(crate) async fn what_python_wrote_is_read(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let vmove = format!(
        "INSERT INTO vmoves (created_at, deleted, uuid, notification_uuid, instance_uuid, \
         instance_name) VALUES ({}, 0, '{}', '{}', '{}', 'vm')",
        ago(5),
        uuid(20),
        uuid(10),
        uuid(30),
    );
    run(&db, &[notification(10, "finished", 5), vmove]).await;

    let segment = doors.a.segment(&SegmentId::new(uuid(1))).await.unwrap().unwrap();
    assert_eq!((segment.name.as_str(), segment.enabled), ("seg", true));
    let host = doors.a.host_named(&HostName::new("compute01")).await.unwrap().unwrap();
    assert_eq!(host.uuid, HostId::new(uuid(3)), "the one that is not deleted");
    assert_eq!(doors.a.host(&HostId::new(uuid(2))).await.unwrap(), None);

    let found = doors.a.notifications(&NotificationFilter::default(), &Page::default()).await;
    let found = found.unwrap().nouns().remove(0);
    assert_eq!(found.kind, NotificationType::ComputeHost);
    assert_eq!(found.status, NotificationStatus::Finished);
    assert_eq!(found.segment, segment.uuid, "that of its host, when none was noted");
    assert!(now().since(found.generated_time) < 60_000);

    let moves = doors.a.vmoves(&found.uuid, &VMoveFilter::default(), &Page::default()).await;
    let found = moves.unwrap().remove(0);
    assert_eq!((found.kind, found.status), (VMoveType::Evacuation, VMoveStatus::Pending));
    assert_eq!((found.dest_host, found.started_at), (None, None));
    assert!(doors.a.vmove(&VMoveId::new(uuid(20))).await.unwrap().is_some());
}

pub(crate) async fn what_python_did_not_finish_is_taken_over(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let left = [
        notification(10, "running", 30),
        notification(11, "new", 70),
        notification(12, "error", 40),
        notification(13, "finished", 20),
        notification(14, "failed", 20),
        notification(15, "running", 2 * 86_400),
        // The Python engine that was told of it may still take it.
        notification(16, "new", 20),
    ];
    run(&db, &left).await;
    let open = doors.a.open_recoveries(10).await.unwrap();
    let uuids: Vec<&str> = open.iter().map(|open| open.notification.as_str()).collect();
    assert_eq!(uuids, [uuid(15), uuid(11), uuid(12), uuid(10)], "oldest first");
    assert!(open.iter().all(|open| open.source_host == HostId::new(uuid(3))));
    assert!(open.iter().all(|open| open.host_name == Some(HostName::new("compute01"))));
    let segment = SegmentId::new(uuid(1));
    let changed = doors.b.update_segment(&segment, unchanged_segment()).await;
    assert!(matches!(changed, Err(StoreError::InUse { .. })));
    let again = doors.b.open_recoveries(10).await.unwrap();
    assert_eq!(again, open, "by every engine, once");
}

pub(crate) fn reported_now(n: u32, seconds_ago: i64) -> NewNotification {
    NewNotification {
        uuid: NotificationId::new(uuid(n)),
        kind: NotificationType::ComputeHost,
        generated_time: now(),
        payload: r#"{"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}"#
            .into(),
        source_host: HostId::new(uuid(3)),
        segment: SegmentId::new(uuid(1)),
        fingerprint: "compute01 STOPPED".into(),
        window_ms: 180_000,
        evidence: None,
        now: now().plus(-seconds_ago * 1000),
    }
}

pub(crate) async fn a_report_that_python_accepted_is_not_accepted_again(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    run(&db, &[notification(10, "running", 100)]).await;
    let first = NotificationId::new(uuid(10));
    let repeated = doors.a.accept(reported_now(50, 0)).await.unwrap();
    assert_eq!(repeated, Accepted::Duplicate(first), "the order of the keys does not matter");
    // Nothing of the refused one is left that would refuse others.
    let mut after = reported_now(51, 0);
    after.now = after.now.plus(81_000);
    accepted(&*doors.b, after).await;
}

/// Among those that `ha_history` has already, it is found by a process that has just started.
pub(crate) async fn a_report_among_old_ones_is_not_accepted_again(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    let mut left: Vec<String> = (11..40).map(|n| notification(n, "finished", 5000)).collect();
    left.insert(20, notification(10, "finished", 100));
    run(&db, &left).await;
    let sql = connect(doors.url.as_deref().unwrap()).await;
    sql.sync().await.unwrap();
    sql.close().await;
    let first = Accepted::Duplicate(NotificationId::new(uuid(10)));
    assert_eq!(doors.a.accept(reported_now(50, 0)).await.unwrap(), first);
}

pub(crate) async fn something_else_than_python_accepted_is_accepted(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    run(&db, &[notification(10, "running", 100)]).await;
    let mut other = reported_now(50, 0);
    other.payload = r#"{"event": "STARTED"}"#.into();
    accepted(&*doors.a, other).await;
}

fn something_else(n: u32) -> NewNotification {
    NewNotification {
        payload: format!(r#"{{"event": "STARTED", "number": {n}}}"#),
        fingerprint: format!("{n}"),
        ..reported_now(n, 0)
    }
}

/// While a cloud changes over, Python's API runs beside ours: its reports are found in what is new, and
/// later, when nobody looks at those rows any more, remembered.
pub(crate) async fn what_python_accepts_beside_us_is_found_and_remembered(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    accepted(&*doors.a, something_else(50)).await;
    run(&db, &[notification(10, "running", 1)]).await;
    let first = Accepted::Duplicate(NotificationId::new(uuid(10)));
    assert_eq!(doors.a.accept(reported_now(60, 0)).await.unwrap(), first);
    for n in [51, 52, 53] {
        SystemClock.sleep(Duration::from_millis(300)).await;
        accepted(&*doors.a, something_else(n)).await;
    }
    assert_eq!(doors.a.accept(reported_now(61, 0)).await.unwrap(), first);
}

/// A process that nobody reported to for a while goes over what others wrote meanwhile, as far as it is old.
pub(crate) async fn what_python_accepted_while_nobody_reported_to_us_is_remembered(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    accepted(&*doors.a, something_else(50)).await;
    run(&db, &[notification(10, "running", 100)]).await;
    accepted(&*doors.b, something_else(51)).await;
    SystemClock.sleep(Duration::from_millis(1100)).await;
    accepted(&*doors.a, something_else(52)).await;
    let first = Accepted::Duplicate(NotificationId::new(uuid(10)));
    assert_eq!(doors.a.accept(reported_now(60, 0)).await.unwrap(), first);
}

/// The database as an older Masakari left it: what came later is taken away again.
async fn set_back(db: &DatabaseConnection, to: &[&str]) {
    let tables = [
        "recoveries",
        "leases",
        "log",
        "evidence",
        "requests",
        "fingerprints",
        "history",
        "schema",
    ];
    for table in tables {
        run(db, &[format!("DROP TABLE ha_{table}")]).await;
    }
    let columns = ["failover_segment_uuid", "message"];
    for column in columns {
        run(db, &[format!("ALTER TABLE notifications DROP COLUMN {column}")]).await;
    }
    let statements: Vec<String> = to.iter().map(|statement| (*statement).into()).collect();
    run(db, &statements).await;
}

pub(crate) async fn older_databases_are_brought_up_to_date(doors: &Doors) {
    let db = raw(doors).await;
    run(&db, &segment_and_hosts()).await;
    run(&db, &[notification(10, "running", 30)]).await;
    let revision = "UPDATE masakari_alembic_version SET version_num =";
    let (initial, with_vmoves) =
        (format!("{revision} '8f848eb45d03'"), format!("{revision} '8bdf5929c5a6'"));
    let by_migrate = |version: u32| {
        vec![
            "DROP TABLE masakari_alembic_version".into(),
            "DROP TABLE IF EXISTS migrate_version".into(),
            "CREATE TABLE migrate_version (repository_id VARCHAR(250), version INTEGER)".into(),
            format!("INSERT INTO migrate_version (repository_id, version) VALUES ('m', {version})"),
        ]
    };
    for (vmoves, statements) in [
        (false, vec![initial]),
        (true, vec![with_vmoves]),
        (false, by_migrate(7)),
        (true, by_migrate(8)),
    ] {
        let mut statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        if !vmoves {
            statements.push("DROP TABLE vmoves");
        }
        set_back(&db, &statements).await;
        let sql = connect(doors.url.as_deref().unwrap()).await;
        assert!(matches!(sql.check().await, Err(StoreError::Schema { .. })));
        sql.sync().await.unwrap();
        sql.check().await.unwrap();
        let open = sql.open_recoveries(10).await.unwrap();
        assert_eq!(open.len(), 1, "after {statements:?}");
        let read = sql.notification(&NotificationId::new(uuid(10))).await.unwrap().unwrap();
        assert_eq!((read.message, read.segment), (None, SegmentId::new(uuid(1))));
        sql.sync().await.unwrap();
        sql.close().await;
    }
}

/// Version 10 had no `ha_identities`, version 9 no `ha_sightings`, version 8 no `ha_guests`, version 7 no `ha_fence_checks`, version 6 no `ha_stops` either, version 5 no `ha_returns`, version 4 nothing of the guard, version 3 no `ha_deaths`.
pub(crate) async fn a_database_of_our_version_before_is_brought_up_to_date(doors: &Doors) {
    let db = raw(doors).await;
    let (_, host) = segment_and_host(&*doors.a).await;
    let open = accepted(&*doors.a, report(10, &host)).await;
    let sql = connect(doors.url.as_deref().unwrap()).await;
    let newer = [
        "ha_identities",
        "ha_sightings",
        "ha_guests",
        "ha_fence_checks",
        "ha_stops",
        "ha_returns",
        "ha_guard",
        "ha_switches",
        "ha_passed",
        "ha_deaths",
    ];
    for (version, tables) in [(10, 1), (9, 2), (8, 3), (7, 4), (6, 5), (5, 6), (4, 9), (3, 10)] {
        let mut before: Vec<String> =
            newer.iter().take(tables).map(|table| format!("DROP TABLE {table}")).collect();
        before.push(format!("UPDATE ha_schema SET version = {version}"));
        run(&db, &before).await;
        assert!(matches!(sql.check().await, Err(StoreError::Schema { .. })));
        sql.sync().await.unwrap();
        sql.check().await.unwrap();
        assert_eq!(sql.away(10).await.unwrap(), []);
        assert_eq!(sql.stops(NOW, 10).await.unwrap(), []);
        assert_eq!(sql.fence_checks().await.unwrap(), []);
        assert_eq!(sql.guest(&ServerId::new(uuid(40))).await.unwrap(), None);
    }
    let lease = take(&sql, LeaseKey::recovery(&open.uuid), &owner("one")).await;
    let row = vmove(30, &open);
    let server = row.server.clone();
    let moved = [Summary::VMove(Box::new(row))];
    sql.append(&lease, &open.uuid, &[claimed(1, &lease)], &moved).await.unwrap();
    let of_another = NotificationId::new(uuid(99));
    assert_eq!(sql.deaths(&[server], Millis(0), &of_another).await.unwrap().len(), 1);
    let beat = sql.guard(NOW).await.unwrap().beat;
    let passed = [Summary::Passed { beat: Some(beat) }];
    sql.append(&lease, &open.uuid, &[held(2)], &passed).await.unwrap();
    assert!(sql.guard(NOW).await.unwrap().losses[0].passed.is_some());
    sql.close().await;
}

pub(crate) async fn a_schema_that_does_not_fit_is_named_and_left_alone(doors: &Doors) {
    let db = raw(doors).await;
    doors.a.check().await.unwrap();
    for (spoil, mend) in [
        (
            "UPDATE masakari_alembic_version SET version_num = 'fedcba987654'",
            "UPDATE masakari_alembic_version SET version_num = '13adff5efb9a'",
        ),
        (
            "UPDATE ha_schema SET version = version + 99",
            "UPDATE ha_schema SET version = version - 99",
        ),
    ] {
        run(&db, &[spoil.into()]).await;
        let sql = connect(doors.url.as_deref().unwrap()).await;
        assert!(matches!(sql.check().await, Err(StoreError::Schema { .. })), "{spoil}");
        assert!(matches!(sql.sync().await, Err(StoreError::Schema { .. })), "{spoil}");
        sql.close().await;
        run(&db, &[mend.into()]).await;
        doors.a.check().await.unwrap();
    }
}

pub(crate) async fn a_database_without_tables_is_named_as_such(doors: &Doors) {
    let db = raw(doors).await;
    for table in ["hosts", "failover_segments", "ha_schema", "ha_recoveries", "ha_log"] {
        run(&db, &[format!("DROP TABLE {table}")]).await;
    }
    assert!(matches!(doors.a.check().await, Err(StoreError::Schema { .. })));
    let listed = doors.a.segments(&Default::default(), &Page::default()).await;
    assert!(matches!(listed, Err(StoreError::Schema { .. })));
}

pub(crate) async fn what_python_noted_of_a_recovery_is_read(doors: &Doors) {
    let db = raw(doors).await;
    let (recovery, flow) = (uuid(10), uuid(60));
    let meta = |at: &str, text: &str| {
        format!(
            r#"{{"progress": 1.0, "progress_details": {{"at_progress": 1.0, "details":
            {{"progress": 1.0, "progress_details": [{{"timestamp": "{at}", "progress": 0.0,
            "message": "{text}"}}]}}}}}}"#
        )
    };
    let atom = |n: u32, name: &str, meta: &str| {
        format!(
            "INSERT INTO atomdetails (parent_uuid, uuid, name, state, meta, atom_type, intention) \
             VALUES ('{flow}', '{}', '{name}', 'SUCCESS', '{meta}', 'TASK_DETAIL', 'EXECUTE')",
            uuid(n)
        )
    };
    let statements = [
        format!("INSERT INTO logbooks (uuid, name, meta) VALUES ('{recovery}', 'auto', '{{}}')"),
        format!(
            "INSERT INTO flowdetails (uuid, parent_uuid, meta) VALUES ('{flow}', '{recovery}', '{{}}')"
        ),
        atom(61, "EvacuateInstancesTask", &meta("2026-01-02 03:04:06.500000", "Evacuating")),
        atom(62, "DisableComputeServiceTask", &meta("2026-01-02 03:04:05", "Disabling")),
        atom(63, "masakari-retry", "{}"),
    ];
    run(&db, &statements).await;
    let tasks = doors.a.old_tasks(&NotificationId::new(&recovery)).await.unwrap();
    let told: Vec<_> = tasks.iter().map(|t| (t.name.as_str(), t.messages[0].at.as_str())).collect();
    let expected = [
        ("DisableComputeServiceTask", "2026-01-02 03:04:05"),
        ("EvacuateInstancesTask", "2026-01-02 03:04:06.500000"),
    ];
    assert_eq!(told, expected, "in the order in which they began");
    assert_eq!((tasks[0].progress, tasks[0].state.as_str()), (1.0, "SUCCESS"));
    assert_eq!(tasks[0].messages[0].progress, "0.0");
    assert_eq!(tasks[0].messages[0].text, "Disabling");
    assert_eq!(doors.a.old_tasks(&NotificationId::new(uuid(11))).await.unwrap(), []);
    run(&db, &["DROP TABLE atomdetails".into()]).await;
    assert_eq!(doors.a.old_tasks(&NotificationId::new(&recovery)).await.unwrap(), []);
}
