//! Fresh stores, each with two doors: two processes on one database.

use ports::{SystemClock, SystemEntropy};
use sea_orm::{ConnectionTrait, Database};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use store::{Memory, Sql, SqlOptions, Store};

pub(crate) struct Doors {
    pub(crate) a: Arc<dyn Store>,
    pub(crate) b: Arc<dyn Store>,
    /// Where the data is, if it is in a database.
    pub(crate) url: Option<String>,
    /// Goes with the test.
    _directory: Option<tempfile::TempDir>,
}

pub(crate) async fn memory() -> Option<Doors> {
    let memory = Memory::new();
    let (a, b) = (Arc::new(memory.clone()), Arc::new(memory));
    Some(Doors { a, b, url: None, _directory: None })
}

pub(crate) async fn connect(url: &str) -> Sql {
    let options = SqlOptions {
        max_connections: 5,
        acquire_timeout: Duration::from_secs(5),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::new().unwrap()),
    };
    Sql::connect(url, options).await.unwrap()
}

async fn synced(url: String, directory: Option<tempfile::TempDir>) -> Option<Doors> {
    let (a, b) = (connect(&url).await, connect(&url).await);
    a.sync().await.unwrap();
    Some(Doors { a: Arc::new(a), b: Arc::new(b), url: Some(url), _directory: directory })
}

/// A URL of an SQLite file that does not exist yet, nor does its directory.
pub(crate) fn sqlite_url(directory: &tempfile::TempDir) -> String {
    format!("sqlite://{}/not/there/yet/ha.sqlite?mode=rwc", directory.path().display())
}

pub(crate) async fn sqlite() -> Option<Doors> {
    let directory = tempfile::tempdir().unwrap();
    synced(sqlite_url(&directory), Some(directory)).await
}

/// A fresh database on the server at `STORE_MYSQL_URL` (`mysql://user:password@host:port`), which
/// `tests/mariadb.sh` starts; `None` when the variable is not set.
pub(crate) async fn mariadb_url() -> Option<String> {
    static LAST: AtomicU32 = AtomicU32::new(0);
    #[expect(clippy::disallowed_methods, reason = "tells the suite which server it may use")]
    let server = std::env::var("STORE_MYSQL_URL").ok()?;
    let server = server.trim_end_matches('/');
    let n = LAST.fetch_add(1, Ordering::Relaxed);
    let name = format!("conformance_{}_{n}", std::process::id());
    let root = Database::connect(server).await.expect("the server at STORE_MYSQL_URL answers");
    // The character set of most clouds' databases.
    let make = format!("CREATE DATABASE {name} CHARACTER SET utf8mb3");
    root.execute_unprepared(&make).await.unwrap();
    root.close().await.unwrap();
    Some(format!("{server}/{name}"))
}

pub(crate) async fn mariadb() -> Option<Doors> {
    synced(mariadb_url().await?, None).await
}
