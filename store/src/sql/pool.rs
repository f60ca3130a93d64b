//! Connections: how they are opened, what is set on each, and when one is tested before its use.

use super::Sql;
use crate::StoreError;
use ports::{Boot, Clock, Entropy};
use sea_orm::{
    ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, SqlxError,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A connection that came back was tested then; one that has rested for longer is tested again.
#[cfg(any(feature = "mysql", feature = "postgresql"))]
const TESTED_FOR: Duration = Duration::from_millis(100);
/// When one broke, the others have as a rule: for so long all are tested, or each try of a
/// transaction would meet the next broken one. No less than [`TESTED_FOR`].
#[cfg(any(feature = "mysql", feature = "postgresql"))]
const SUSPECTED_FOR: Duration = Duration::from_secs(1);

/// How to open the database.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// At most so many connections at once.
    pub max_connections: u32,
    /// How long to wait for a connection before the database is called away.
    pub acquire_timeout: Duration,
    /// Older connections are replaced when nobody uses them.
    pub connection_lifetime: Option<Duration>,
    /// What else must be current on a node of Galera, by the bits of its `wsrep_sync_wait`; what is
    /// read always must.
    pub wsrep_sync_wait: u32,
    /// How often notifications are looked for that Python accepted and did not finish; `None`: never.
    pub adopt_every: Option<Duration>,
    /// A `new` one may still be taken by a Python engine until it is so old.
    pub adopt_new_after: Duration,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl SqlOptions {
    /// Few connections, for which nobody waits for long.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            max_connections: 5,
            acquire_timeout: Duration::from_secs(5),
            connection_lifetime: None,
            wsrep_sync_wait: 0,
            adopt_every: Some(Duration::from_secs(120)),
            adopt_new_after: Duration::from_secs(60),
            clock,
            entropy,
        }
    }
}

impl Sql {
    /// Whether there is a server, whatever it answers.
    pub async fn answers(&self) -> bool {
        match self.db.ping().await {
            Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) => false,
            Err(DbErr::Conn(RuntimeErr::SqlxError(cause))) => {
                !matches!(*cause, SqlxError::Io(_) | SqlxError::PoolTimedOut)
            }
            Err(_) | Ok(()) => true,
        }
    }
}

/// When a connection was last found broken.
#[derive(Debug, Default)]
pub(super) struct Breaks(Mutex<Option<Boot>>);

impl Breaks {
    pub(super) fn note(&self, now: Boot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether a connection that has rested for so long is to be tested first.
    #[cfg(any(feature = "mysql", feature = "postgresql"))]
    fn ask_for_a_test(&self, now: Boot, rested: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rested > TESTED_FOR || last.is_some_and(|last| now.since(last) <= SUSPECTED_FOR)
    }
}

/// Opens the database at `url` when it is first asked.
pub(super) async fn open(
    url: &str,
    options: &SqlOptions,
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgresql")),
        expect(unused_variables, reason = "SQLite is a file: nothing breaks on the way to it")
    )]
    breaks: &Arc<Breaks>,
) -> Result<DatabaseConnection, StoreError> {
    let opening = |source| StoreError::Away { doing: "opening the database", source };
    // The library would print the whole URL, password included.
    let scheme = url.split(':').next().unwrap_or_default();
    let known = (cfg!(feature = "sqlite") && scheme == "sqlite")
        || (cfg!(feature = "mysql") && matches!(scheme, "mysql" | "mariadb"))
        || (cfg!(feature = "postgresql") && matches!(scheme, "postgres" | "postgresql"));
    if !known {
        let source = format!("this program was built without databases of the kind {scheme}");
        return Err(opening(source.into()));
    }
    #[cfg(feature = "sqlite")]
    if scheme == "sqlite" {
        make_directory(url).map_err(opening)?;
    }
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .max_lifetime(options.connection_lifetime)
        .connect_lazy(true)
        .test_before_acquire(scheme == "sqlite")
        .sqlx_logging(false);
    #[cfg(feature = "sqlite")]
    sqlite(&mut connect);
    #[cfg(feature = "mysql")]
    mysql(&mut connect, options, breaks);
    #[cfg(feature = "postgresql")]
    postgresql(&mut connect, options, breaks);
    Database::connect(connect).await.map_err(|error| opening(error.into()))
}

#[cfg(feature = "sqlite")]
fn sqlite(connect: &mut ConnectOptions) {
    use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    connect.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An accepted report survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
    });
}

/// Makes the directory of an SQLite file.
#[cfg(feature = "sqlite")]
fn make_directory(url: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let options: sea_orm::sqlx::sqlite::SqliteConnectOptions = url.parse()?;
    match options.get_filename().parent() {
        Some(directory) => Ok(std::fs::create_dir_all(directory)?),
        None => Ok(()),
    }
}

/// A connection that may have broken is tested before it is used.
#[cfg(any(feature = "mysql", feature = "postgresql"))]
fn tested<D: sea_orm::sqlx::Database>(
    pool: sea_orm::sqlx::pool::PoolOptions<D>,
    clock: &Arc<dyn Clock>,
    breaks: &Arc<Breaks>,
) -> sea_orm::sqlx::pool::PoolOptions<D> {
    let (clock, breaks) = (Arc::clone(clock), Arc::clone(breaks));
    pool.before_acquire(move |connection, about| {
        let test = breaks.ask_for_a_test(clock.boot(), about.idle_for);
        Box::pin(async move {
            if test {
                sea_orm::sqlx::Connection::ping(connection).await?;
            }
            Ok(true)
        })
    })
}

#[cfg(feature = "mysql")]
fn mysql(connect: &mut ConnectOptions, options: &SqlOptions, breaks: &Arc<Breaks>) {
    use sea_orm::sqlx::Executor;
    let (clock, breaks) = (Arc::clone(&options.clock), Arc::clone(breaks));
    // A Galera node may be behind another one. What is read must hold what was written anywhere, or an
    // engine would go on with a log that lacks its last lines.
    let current = format!("SET SESSION wsrep_sync_wait = {}", options.wsrep_sync_wait | 1);
    connect.map_sqlx_mysql_pool_opts(move |pool| {
        let pool = tested(pool, &clock, &breaks);
        let current = current.clone();
        pool.after_connect(move |connection, _| {
            let current = current.clone();
            Box::pin(async move {
                // What a transaction reads after it has waited is what the other has written, and
                // keys that are not there lock no gaps.
                let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(isolation).await?;
                connection.execute("SET SESSION innodb_lock_wait_timeout = 5").await?;
                // Servers without Galera do not know the variable.
                match connection.execute(sea_orm::sqlx::AssertSqlSafe(current)).await {
                    Err(sea_orm::sqlx::Error::Database(_)) | Ok(_) => Ok(()),
                    Err(broken) => Err(broken),
                }
            })
        })
    });
}

#[cfg(feature = "postgresql")]
fn postgresql(connect: &mut ConnectOptions, options: &SqlOptions, breaks: &Arc<Breaks>) {
    use sea_orm::sqlx::Executor;
    let (clock, breaks) = (Arc::clone(&options.clock), Arc::clone(breaks));
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        let pool = tested(pool, &clock, &breaks);
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                let isolation =
                    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(isolation).await?;
                connection.execute("SET lock_timeout = '5s'").await?;
                // Masakari's columns are in UTC and do not say so.
                connection.execute("SET TIME ZONE 'UTC'").await?;
                Ok(())
            })
        })
    });
}
