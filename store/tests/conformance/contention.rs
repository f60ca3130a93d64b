//! Transactions that meet others on a real server: the database ends ours, and it is repeated as a whole.

use crate::{
    doors::{self, connect},
    fixtures::*,
};
use ports::{Clock, SystemClock};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Sql, Store, StoreError};
use tokio::task::JoinHandle;

/// One connection, which can hold locks.
async fn one(url: &str) -> DatabaseConnection {
    Database::connect(ConnectOptions::new(url).max_connections(1).to_owned()).await.unwrap()
}

async fn say(db: &DatabaseConnection, statement: &str) {
    db.execute_unprepared(statement).await.unwrap();
}

async fn number(db: &DatabaseConnection, query: &str) -> i64 {
    let query = Statement::from_string(db.get_database_backend(), query);
    db.query_one_raw(query).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

async fn status(db: &DatabaseConnection, name: &str) -> i64 {
    let from = "FROM information_schema.global_status WHERE variable_name";
    number(db, &format!("SELECT CAST(variable_value AS SIGNED) {from} = '{name}'")).await
}

const SEGMENT: &str = "UPDATE failover_segments SET description = 'other' WHERE name = 'seg'";
const HOST: &str = "UPDATE hosts SET control_attributes = 'other' WHERE name = 'compute01'";

/// Ours has changed the segment and waits for its host, which `other` has changed.
#[expect(clippy::disallowed_methods, reason = "it waits while the test goes on")]
async fn ours_waits(
    sql: &Arc<Sql>,
    other: &DatabaseConnection,
) -> JoinHandle<Result<(), StoreError>> {
    let (segment, _) = segment_and_host(&**sql).await;
    say(other, "BEGIN").await;
    if other.get_database_backend() == DbBackend::MySql {
        // MariaDB ends the one that has changed less.
        let more = "INSERT INTO vmoves (uuid, notification_uuid, instance_uuid, instance_name) \
                    SELECT seq, 'n', 'i', 'vm' FROM seq_1_to_100";
        say(other, more).await;
    }
    say(other, HOST).await;
    let ours = Arc::clone(sql);
    let deletes = tokio::spawn(async move { ours.delete_segment(&segment.uuid).await });
    let waiting = match other.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock'"
        }
        _ => {
            "SELECT COUNT(*) FROM information_schema.innodb_trx t \
             JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
             WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'"
        }
    };
    for _ in 0..50 {
        if number(other, waiting).await > 0 {
            return deletes;
        }
        // MariaDB shows the same as before to whoever looks more often than every 100 ms.
        SystemClock.sleep(Duration::from_millis(150)).await;
    }
    panic!("ours does not wait: {:?}", deletes.await);
}

async fn is_gone(sql: &Sql) {
    assert_eq!(sql.segments(&Default::default(), &Default::default()).await.unwrap(), []);
}

/// SQLite itself waits for five seconds, and then says that the file is busy.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a real lock is waited for, in real time")]
async fn what_another_process_writes_for_long_is_waited_for_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let url = doors::sqlite_url(&directory);
    let sql = Arc::new(connect(&url).await);
    sql.sync().await.unwrap();
    let other = one(&url).await;
    say(&other, "BEGIN IMMEDIATE").await;
    let ours = Arc::clone(&sql);
    let makes = tokio::spawn(async move { ours.create_segment(new_segment(1, "seg")).await });
    SystemClock.sleep(Duration::from_millis(5_500)).await;
    assert!(!makes.is_finished(), "it did not wait");
    say(&other, "COMMIT").await;
    makes.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_transaction_that_mariadb_ends_in_a_deadlock_is_repeated() {
    let Some(url) = doors::mariadb_url().await else { return };
    let sql = Arc::new(connect(&url).await);
    sql.sync().await.unwrap();
    let other = one(&url).await;
    let before = status(&other, "INNODB_DEADLOCKS").await;
    let deletes = ours_waits(&sql, &other).await;
    say(&other, SEGMENT).await;
    assert!(status(&other, "INNODB_DEADLOCKS").await > before, "ours was ended");
    say(&other, "COMMIT").await;
    deletes.await.unwrap().unwrap();
    is_gone(&sql).await;
}

#[tokio::test]
async fn a_transaction_that_postgresql_ends_in_a_deadlock_is_repeated() {
    let Some(url) = doors::postgresql_url().await else { return };
    let sql = Arc::new(connect(&url).await);
    sql.sync().await.unwrap();
    let other = one(&url).await;
    // The one whose patience ends first finds the deadlock, and is ended.
    say(&other, "SET deadlock_timeout = '10s'").await;
    let deletes = ours_waits(&sql, &other).await;
    say(&other, SEGMENT).await;
    say(&other, "COMMIT").await;
    deletes.await.unwrap().unwrap();
    is_gone(&sql).await;
    let found = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    for _ in 0..200 {
        if number(&other, found).await > 0 {
            return;
        }
        SystemClock.sleep(Duration::from_millis(50)).await;
    }
    panic!("there was no deadlock");
}

/// What another node has committed wins: ours cannot be certified any more.
#[tokio::test]
async fn a_transaction_that_galera_does_not_certify_is_repeated() {
    let Some(urls) = doors::galera_urls().await else { return };
    let sql = Arc::new(connect(&urls[0]).await);
    sql.sync().await.unwrap();
    let other = one(&urls[0]).await;
    let elsewhere = one(&urls[1]).await;
    let before = status(&other, "WSREP_LOCAL_BF_ABORTS").await;
    let deletes = ours_waits(&sql, &other).await;
    say(&elsewhere, "SET SESSION wsrep_sync_wait = 7").await;
    say(&elsewhere, SEGMENT).await;
    for _ in 0..200 {
        if status(&other, "WSREP_LOCAL_BF_ABORTS").await > before {
            break;
        }
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
    assert!(status(&other, "WSREP_LOCAL_BF_ABORTS").await > before, "ours was ended");
    say(&other, "ROLLBACK").await;
    deletes.await.unwrap().unwrap();
    is_gone(&sql).await;
    is_gone(&connect(&urls[1]).await).await;
}

/// It is tried within bounds; nothing of it stays.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a real lock is waited for, in real time")]
async fn a_row_that_somebody_holds_for_too_long_makes_the_database_away() {
    let Some(url) = doors::mariadb_url().await else { return };
    let sql = Arc::new(connect(&url).await);
    sql.sync().await.unwrap();
    let other = one(&url).await;
    let began = Instant::now();
    let deletes = ours_waits(&sql, &other).await;
    let refused = deletes.await.unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::Away { .. }), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    say(&other, "ROLLBACK").await;
    let all = sql.segments(&Default::default(), &Default::default()).await.unwrap();
    assert_eq!(all.len(), 1);
}
