//! Databases that are away, come back, or go in the middle of a COMMIT.

use crate::{
    doors::{self, connect},
    fixtures::*,
};
use ports::{SystemClock, SystemEntropy};
use recovery::{
    evidence::{Evidence, Kind},
    lease::LeaseKey,
    nouns::NotificationStatus,
    request::{Asked, Request, RequestState},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, Statement};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Page, SegmentFilter, Sql, SqlOptions, Store, StoreError};

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a real connection is refused in real time")]
async fn a_server_that_is_not_there_is_said_to_be_away_soon_and_without_its_password() {
    let options = SqlOptions {
        acquire_timeout: Duration::from_millis(300),
        ..SqlOptions::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new().unwrap()))
    };
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("mysql://masakari:geheim@127.0.0.1:{port}/masakari");
    let sql = Sql::connect(&url, options.clone()).await.expect("it may come later");
    let began = Instant::now();
    let error = sql.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(!format!("{error:?} {sql:?}").contains("geheim"));

    let unknown = Sql::connect("oracle://masakari:geheim@host/masakari", options).await;
    let error = unknown.unwrap_err();
    assert!(format!("{error:?}").contains("oracle"));
    assert!(!format!("{error:?}").contains("geheim"));
}

#[tokio::test]
async fn an_sqlite_file_that_cannot_be_made_is_away() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("directory");
    std::fs::create_dir(&at).unwrap();
    let sql = connect(&format!("sqlite://{}?mode=rwc", at.display())).await;
    let error = sql.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
}

#[tokio::test]
async fn broken_connections_are_replaced_on_mariadb() {
    let others = "SELECT CAST(id AS SIGNED) AS id FROM information_schema.processlist \
                  WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    broken_connections_are_replaced(doors::mariadb_url().await, others, "KILL $").await;
}

#[tokio::test]
async fn broken_connections_are_replaced_on_postgresql() {
    let others = "SELECT CAST(pid AS bigint) AS id FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let kill = "SELECT pg_terminate_backend($, 5000)";
    broken_connections_are_replaced(doors::postgresql_url().await, others, kill).await;
}

/// All of them at once, as when the server is restarted: more than a transaction has tries for.
async fn broken_connections_are_replaced(url: Option<String>, others: &str, kill: &str) {
    let Some(url) = url else { return };
    let sql = connect(&url).await;
    sql.sync().await.unwrap();
    let root = Database::connect(ConnectOptions::new(&url).max_connections(1).to_owned());
    let root = root.await.unwrap();
    for n in 1..5 {
        let (of, page) = (SegmentFilter::default(), Page::default());
        let at_once = (0..8).map(|_| sql.segments(&of, &page));
        for read in futures::future::join_all(at_once).await {
            read.unwrap();
        }
        let others = Statement::from_string(root.get_database_backend(), others);
        let others = root.query_all_raw(others).await.unwrap();
        assert_eq!(others.len(), 5, "every connection that it may have");
        for row in others {
            let id: i64 = row.try_get("", "id").unwrap();
            root.execute_unprepared(&kill.replace('$', &id.to_string())).await.unwrap();
        }
        sql.create_segment(new_segment(n, &format!("seg{n}"))).await.unwrap();
    }
    let all = sql.segments(&SegmentFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(all.len(), 4);
}

/// Stands between a store and its server, and can cut the connection when COMMIT has been passed
/// on and before its answer comes back.
struct Cutter {
    address: SocketAddr,
    armed: Arc<AtomicBool>,
    cuts: Arc<AtomicU32>,
}

impl Cutter {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let cuts = Arc::new(AtomicU32::new(0));
        let cutter = Self { address, armed: Arc::clone(&armed), cuts: Arc::clone(&cuts) };
        // These threads end with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let server = TcpStream::connect(server).unwrap();
                let (answers, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || copy(answers, to_client));
                let (armed, cuts) = (Arc::clone(&armed), Arc::clone(&cuts));
                std::thread::spawn(move || copy_and_cut(client, server, &armed, &cuts));
            }
        });
        cutter
    }

    /// Cuts the next COMMIT.
    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
}

fn copy_and_cut(
    mut client: TcpStream,
    mut server: TcpStream,
    armed: &AtomicBool,
    cuts: &AtomicU32,
) {
    let mut buffer = [0; 65_536];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        let said = &buffer[..n];
        let commits = said.windows(6).any(|word| word == b"COMMIT");
        if commits && armed.swap(false, Ordering::SeqCst) {
            cuts.fetch_add(1, Ordering::SeqCst);
            drop(client.shutdown(Shutdown::Both));
            drop(server.write_all(said));
            // Long enough for the server to commit before it sees that nobody is there.
            std::thread::sleep(Duration::from_millis(200));
            break;
        }
        if server.write_all(said).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}

/// The address in a URL.
fn address(url: &str) -> SocketAddr {
    url.split(['@', '/']).find_map(|part| part.parse::<SocketAddr>().ok()).unwrap()
}

#[tokio::test]
async fn a_lost_commit_is_looked_up_and_not_done_twice_on_mariadb() {
    lost_commits_are_looked_up(doors::mariadb_url().await).await;
}

#[tokio::test]
async fn a_lost_commit_is_looked_up_and_not_done_twice_on_postgresql() {
    lost_commits_are_looked_up(doors::postgresql_url().await).await;
}

async fn lost_commits_are_looked_up(url: Option<String>) {
    let Some(url) = url else { return };
    let server = address(&url).to_string();
    let cutter = Cutter::before(address(&url));
    let sql = connect(&url.replace(&server, &cutter.address.to_string())).await;
    sql.sync().await.unwrap();

    cutter.arm();
    let (segment, host) = segment_and_host(&sql).await;
    cutter.arm();
    let notification = accepted(&sql, report(10, &host)).await;
    assert_eq!(sql.evidence(&host.name).await.unwrap().len(), 1);
    cutter.arm();
    let lease = take(&sql, LeaseKey::recovery(&notification.uuid), &owner("one")).await;
    assert_eq!(lease.generation, 1);

    cutter.arm();
    let lines = [claimed(1, &lease), ended(2)];
    let finished = [status(NotificationStatus::Finished)];
    sql.append(&lease, &notification.uuid, &lines, &finished).await.unwrap();
    assert_eq!(sql.log(&notification.uuid).await.unwrap(), lines);

    let (name, reason) = (host.name.clone(), "unplugged".into());
    let asked = Asked::ConfirmDead { host: name, reason, at: None };
    let request = Request {
        id: uuid(40),
        asked,
        who: "admin".into(),
        created_at: NOW,
        deadline: seconds_later(10),
        state: RequestState::Open,
        answer: None,
    };
    cutter.arm();
    sql.file_request(&request).await.unwrap();
    let confirmed = Evidence { kind: Kind::OperatorConfirmed, ..said(&host, seconds_later(1)) };
    cutter.arm();
    let done = RequestState::Done;
    assert!(sql.answer_request(&request.id, done, "noted", Some(&confirmed)).await.unwrap());
    assert_eq!(sql.evidence(&host.name).await.unwrap().len(), 2);

    cutter.arm();
    sql.delete_host(&host.uuid).await.unwrap();
    cutter.arm();
    sql.delete_segment(&segment.uuid).await.unwrap();
    assert_eq!(cutter.cuts.load(Ordering::SeqCst), 8, "each of them was cut once");
}

/// What is written when the database may only be read: said to be away, and nothing is there.
async fn only_read(sql: &Sql) {
    let refused = sql.create_segment(new_segment(1, "seg")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Away { .. }), "{refused:?}");
    let listed = sql.segments(&SegmentFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(listed, [], "and what is there is shown");
}

#[tokio::test]
async fn a_read_only_mariadb_is_away_for_writers() {
    let Some(url) = doors::mariadb_url().await else { return };
    connect(&url).await.sync().await.unwrap();
    let root = Database::connect(&url).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    // The suite's own user may write to a read-only server, as root may.
    for statement in [
        format!("CREATE USER u_{name}@'127.0.0.1' IDENTIFIED BY 'suite'"),
        format!("GRANT ALL ON {name}.* TO u_{name}@'127.0.0.1'"),
        "SET GLOBAL read_only = 1".into(),
    ] {
        root.execute_unprepared(&statement).await.unwrap();
    }
    let sql = connect(&url.replace("suite:", &format!("u_{name}:"))).await;
    only_read(&sql).await;
    root.execute_unprepared("SET GLOBAL read_only = 0").await.unwrap();
    sql.create_segment(new_segment(1, "seg")).await.unwrap();
}

#[tokio::test]
async fn a_read_only_postgresql_is_away_for_writers() {
    let Some(url) = doors::postgresql_url().await else { return };
    connect(&url).await.sync().await.unwrap();
    let root = ConnectOptions::new(&url).max_connections(1).to_owned();
    let root = Database::connect(root).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let only_read_is =
        |on: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
    root.execute_unprepared(&only_read_is("on")).await.unwrap();
    only_read(&connect(&url).await).await;
    root.execute_unprepared("SET default_transaction_read_only = off").await.unwrap();
    root.execute_unprepared(&only_read_is("off")).await.unwrap();
    connect(&url).await.create_segment(new_segment(1, "seg")).await.unwrap();
}

/// The third node falls behind, and then it dies. It does not come back: each run has its own nodes.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a real node is killed, in real time")]
async fn a_node_that_is_behind_is_waited_for_and_one_that_dies_does_not_stop_the_others() {
    let Some(urls) = doors::galera_urls().await else { return };
    let first = connect(&urls[0]).await;
    first.sync().await.unwrap();
    let third = Arc::new(connect(&urls[2]).await);
    third.check().await.unwrap();
    let one = ConnectOptions::new(&urls[2]).max_connections(1).to_owned();
    let root = Database::connect(one).await.unwrap();
    root.execute_unprepared("SET GLOBAL wsrep_desync = ON").await.unwrap();
    root.execute_unprepared("FLUSH TABLES WITH READ LOCK").await.unwrap();
    let (segment, host) = segment_and_host(&first).await;
    let reading = {
        let (third, uuid) = (Arc::clone(&third), segment.uuid.clone());
        tokio::spawn(async move { third.segment(&uuid).await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waits = !reading.is_finished();
    root.execute_unprepared("UNLOCK TABLES").await.unwrap();
    root.execute_unprepared("SET GLOBAL wsrep_desync = OFF").await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), Some(segment), "what was written elsewhere");
    assert!(waits, "until it was there");

    let directory = std::env::var("STORE_GALERA_DIR").unwrap();
    let pid = std::fs::read_to_string(format!("{directory}/node2/pid")).unwrap();
    let killed = std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
    assert!(killed.success(), "the third node runs");
    accepted(&first, report(10, &host)).await;
    let error = third.segments(&SegmentFilter::default(), &Page::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
}
