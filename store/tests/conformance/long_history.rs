//! A page of a list takes as long with a million old notifications as with ten thousand.
//!
//! `cargo xtask bench history` runs these; they take minutes and a server of their own.

use crate::{
    adopted::{raw_at, reported_now, run, segment_and_hosts},
    doors::{self, connect},
    fixtures::*,
};
use recovery::{
    HostId,
    nouns::{NotificationStatus, NotificationType},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use std::time::{Duration, Instant};
use store::{NewNotification, NotificationFilter, Page, Sql, Store};

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
const PAGE: u64 = 1000;
/// Each page is read so often; the median counts.
const READINGS: usize = 25;
const RATIO_MOST: f64 = 1.5;
/// Reports are accepted by so many processes, one after the other.
const PROCESSES: u32 = 5;
/// A few milliseconds, of which the disk has the most: a look through the table would be a hundredfold.
const REPORT_RATIO_MOST: f64 = 3.0;

/// Notifications `from` to `to`, a second apart: of every eight one failed, one is of host 9 and one of
/// a process; the last twenty of the few are ignored ones.
async fn fill(db: &DatabaseConnection, from: u32, to: u32) {
    let backend = db.get_database_backend();
    let (numbers, at, text) = match backend {
        DbBackend::Postgres => (
            format!("generate_series({from}, {to}) AS s(n)"),
            "TIMESTAMP '2026-01-01' + n * INTERVAL '1 second'",
            "CAST(n AS text)",
        ),
        _ => (
            format!("(SELECT seq AS n FROM seq_{from}_to_{to}) AS s"),
            "TIMESTAMP('2026-01-01') + INTERVAL n SECOND",
            "CAST(n AS CHAR)",
        ),
    };
    let status = format!(
        "CASE WHEN n > {FEW} - 20 AND n <= {FEW} THEN 'ignored' WHEN n % 8 = 0 THEN 'failed' ELSE 'finished' END"
    );
    let status = match backend {
        DbBackend::Postgres => format!("CAST({status} AS notification_status)"),
        _ => status,
    };
    let insert = format!(
        "INSERT INTO notifications (created_at, updated_at, deleted, notification_uuid, \
         generated_time, source_host_uuid, type, payload, status, failover_segment_uuid, message) \
         SELECT {at}, {at}, 0, CONCAT('00000000-0000-4000-9000-', LPAD({text}, 12, '0')), {at}, \
         CASE WHEN n % 8 = 1 THEN '{}' ELSE '{}' END, \
         CASE WHEN n % 8 = 2 THEN 'PROCESS' ELSE 'COMPUTE_HOST' END, \
         '{{\"event\": \"STOPPED\", \"cluster_status\": \"OFFLINE\", \"host_status\": \"NORMAL\"}}', \
         {status}, '{}', 'done' FROM {numbers}",
        uuid(9),
        uuid(3),
        uuid(1),
    );
    run(db, &[insert]).await;
}

/// The reports that were measured go again: the lists are to be the same.
async fn drop_reports(db: &DatabaseConnection) {
    for table in ["notifications WHERE status = 'new'", "ha_recoveries", "ha_fingerprints"] {
        run(db, &[format!("DELETE FROM {table}")]).await;
    }
}

/// What clients ask for, each with the page that begins after `middle` too.
fn cases(newest: u32, middle: i64) -> Vec<(&'static str, NotificationFilter, Page)> {
    let all = NotificationFilter::default;
    let first = || Page { limit: Some(PAGE), ..Page::default() };
    let at = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
    let since = at.and_utc().timestamp_millis() + i64::from(newest - 500) * 1000;
    vec![
        ("first page", all(), first()),
        ("page after a marker", all(), Page { marker: Some(middle), ..first() }),
        (
            "status=failed",
            NotificationFilter { status: Some(NotificationStatus::Failed), ..all() },
            first(),
        ),
        (
            "status=running (none)",
            NotificationFilter { status: Some(NotificationStatus::Running), ..all() },
            first(),
        ),
        (
            "status=ignored (twenty)",
            NotificationFilter { status: Some(NotificationStatus::Ignored), ..all() },
            first(),
        ),
        (
            "source_host_uuid",
            NotificationFilter { source_host: Some(HostId::new(uuid(9))), ..all() },
            first(),
        ),
        (
            "type=PROCESS",
            NotificationFilter { kind: Some(NotificationType::Process), ..all() },
            first(),
        ),
        (
            "generated-since (500)",
            NotificationFilter { generated_since: Some(recovery::Millis(since)), ..all() },
            first(),
        ),
    ]
}

/// Rows and milliseconds of each case.
#[expect(clippy::disallowed_methods, reason = "it measures a real database")]
async fn measure(sql: &Sql, newest: u32, middle: i64) -> Vec<(&'static str, usize, f64)> {
    let mut measured = Vec::new();
    for (name, of, page) in cases(newest, middle) {
        let mut took: Vec<Duration> = Vec::new();
        let mut rows = 0;
        for _ in 0..READINGS {
            let began = Instant::now();
            rows = sql.notifications(&of, &page).await.unwrap().len();
            took.push(began.elapsed());
        }
        took.sort();
        measured.push((name, rows, took[READINGS / 2].as_secs_f64() * 1000.0));
    }
    measured
}

/// Milliseconds that a process takes to accept its first report, and each of those after it.
#[expect(clippy::disallowed_methods, reason = "it measures a real database")]
async fn measure_reports(url: &str, from: u32) -> (f64, f64) {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for process in 0..PROCESSES {
        let sql = connect(url).await;
        sql.check().await.unwrap();
        for n in 0..READINGS {
            let n = from + process * 100 + u32::try_from(n).unwrap();
            let report = NewNotification {
                payload: format!(r#"{{"event": "STARTED", "number": {n}}}"#),
                fingerprint: n.to_string(),
                ..reported_now(n, 0)
            };
            let began = Instant::now();
            accepted(&sql, report).await;
            let took = began.elapsed().as_secs_f64() * 1000.0;
            if n.is_multiple_of(100) { first.push(took) } else { others.push(took) }
        }
        sql.close().await;
    }
    first.sort_by(f64::total_cmp);
    others.sort_by(f64::total_cmp);
    (first[first.len() / 2], others[others.len() / 2])
}

async fn analyzed(db: &DatabaseConnection) {
    let analyze = match db.get_database_backend() {
        DbBackend::Postgres => "ANALYZE",
        _ => "ANALYZE TABLE notifications, ha_history",
    };
    db.execute_unprepared(analyze).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "it measures a real database")]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn as_quick_with_a_million(name: &str, url: String) {
    let sql = connect(&url).await;
    sql.sync().await.unwrap();
    let db = raw_at(&url).await;
    run(&db, &segment_and_hosts()).await;
    fill(&db, 1, FEW).await;
    sql.sync().await.unwrap();
    analyzed(&db).await;
    let few = measure(&sql, FEW, i64::from(FEW / 2)).await;
    let (first_of_few, report_of_few) = measure_reports(&url, 2_000_000).await;
    drop_reports(&db).await;
    fill(&db, FEW + 1, MANY).await;
    let began = Instant::now();
    sql.sync().await.unwrap();
    let indexing_s = began.elapsed().as_secs_f64();
    analyzed(&db).await;
    let many = measure(&sql, MANY, i64::from(MANY / 2)).await;
    let (first, report) = measure_reports(&url, 2_000_000).await;
    drop_reports(&db).await;
    let mut worst: f64 = 0.0;
    let mut lines = Vec::new();
    for ((case, rows, few_ms), (_, many_rows, many_ms)) in few.iter().zip(&many) {
        assert_eq!(rows, many_rows, "{case}: the same work");
        let ratio = many_ms / few_ms;
        worst = worst.max(ratio);
        println!(
            "{name} {case}: {rows} rows, {few_ms:.2} ms of {FEW}, {many_ms:.2} ms of {MANY}, ratio {ratio:.2}"
        );
        lines.push(format!(
            r#"{{"case": "{case}", "rows": {rows}, "ms_of_10000": {few_ms:.3}, "ms_of_1000000": {many_ms:.3}, "ratio": {ratio:.3}}}"#
        ));
    }
    let reports = [("first report", first_of_few, first), ("report", report_of_few, report)];
    for (case, few_ms, many_ms) in reports {
        let ratio = many_ms / few_ms;
        println!(
            "{name} {case}: {few_ms:.2} ms of {FEW}, {many_ms:.2} ms of {MANY}, ratio {ratio:.2}"
        );
        lines.push(format!(
            r#"{{"case": "{case}", "ms_of_10000": {few_ms:.3}, "ms_of_1000000": {many_ms:.3}, "ratio": {ratio:.3}}}"#
        ));
    }
    let began = Instant::now();
    let purged = sql.purge(crate::adopted::now(), Some(100_000)).await.unwrap();
    let purge_s = began.elapsed().as_secs_f64();
    assert_eq!(purged.total(), 100_000);
    println!(
        "{name}: indexing {indexing_s:.1} s, purge of 100000 {purge_s:.1} s, worst ratio {worst:.2}"
    );
    println!(
        r#"RESULT {{"database": "{name}", "worst_ratio": {worst:.3}, "most": {RATIO_MOST}, "indexing_s": {indexing_s:.1}, "purge_100000_s": {purge_s:.1}, "cases": [{}]}}"#,
        lines.join(", ")
    );
    assert!(worst <= RATIO_MOST, "{name}: {worst:.2}");
    for (case, few_ms, many_ms) in reports {
        assert!(many_ms <= REPORT_RATIO_MOST * few_ms, "{name} {case}: {many_ms:.2} ms");
    }
}

#[tokio::test]
#[ignore = "a million rows: cargo xtask bench history"]
async fn a_million_old_notifications_on_mariadb() {
    as_quick_with_a_million("MariaDB", doors::mariadb_url().await.expect("a server")).await;
}

#[tokio::test]
#[ignore = "a million rows: cargo xtask bench history"]
async fn a_million_old_notifications_on_postgresql() {
    as_quick_with_a_million("PostgreSQL", doors::postgresql_url().await.expect("a server")).await;
}
