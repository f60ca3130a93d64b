//! Fresh stores, each with two doors: two processes on one database.

use ports::{SystemClock, SystemEntropy};
use sea_orm::{ConnectionTrait, Database};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
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
    let options = SqlOptions::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new().unwrap()));
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

/// A server that `tests/on-databases.sh` started, by the variable that tells its URL
/// (`mysql://user:password@host:port`); nothing when it is not set.
fn server(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tells the suite which server it may use")]
    std::env::var(variable).ok()
}

/// The name of a database that no other test has.
fn fresh_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let n = LAST.fetch_add(1, Ordering::Relaxed);
    format!("conformance_{}_{n}", std::process::id())
}

async fn make(at: &str, statement: &str) {
    let root = Database::connect(at).await.expect("the named server answers");
    root.execute_unprepared(statement).await.unwrap();
    root.close().await.unwrap();
}

/// A fresh database on the server at `STORE_MYSQL_URL`.
pub(crate) async fn mariadb_url() -> Option<String> {
    let server = server("STORE_MYSQL_URL")?;
    let name = fresh_name();
    // The character set of most clouds' databases.
    make(&server, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb3")).await;
    Some(format!("{server}/{name}"))
}

pub(crate) async fn mariadb() -> Option<Doors> {
    synced(mariadb_url().await?, None).await
}

/// A fresh database on the server at `STORE_POSTGRESQL_URL`.
pub(crate) async fn postgresql_url() -> Option<String> {
    let server = server("STORE_POSTGRESQL_URL")?;
    let name = fresh_name();
    make(&format!("{server}/postgres"), &format!("CREATE DATABASE {name}")).await;
    Some(format!("{server}/{name}"))
}

pub(crate) async fn postgresql() -> Option<Doors> {
    synced(postgresql_url().await?, None).await
}

/// A fresh database on the nodes at `STORE_GALERA_URLS`, by the URL of each.
pub(crate) async fn galera_urls() -> Option<Vec<String>> {
    let nodes = server("STORE_GALERA_URLS")?;
    let nodes: Vec<&str> = nodes.split_whitespace().collect();
    assert_eq!(nodes.len(), 3);
    let name = fresh_name();
    make(nodes[0], &format!("CREATE DATABASE {name} CHARACTER SET utf8mb3")).await;
    Some(nodes.iter().map(|node| format!("{node}/{name}")).collect())
}

/// Two doors, each at a node of its own.
pub(crate) async fn galera() -> Option<Doors> {
    let urls = galera_urls().await?;
    let a = connect(&urls[0]).await;
    a.sync().await.unwrap();
    let b = connect(&urls[1]).await;
    Some(Doors { a: Arc::new(a), b: Arc::new(b), url: urls.into_iter().next(), _directory: None })
}
