//! The real database: SQLite for small clouds, MariaDB or MySQL (Galera too) or PostgreSQL for others.
//!
//! A transaction is tried as a whole. When it meets another writer it is tried again, a bounded
//! number of times; when the answer to its COMMIT is lost, the next try looks first whether it took
//! effect. Nothing relies on row locks, which Galera does not have across nodes: what must not
//! happen twice is decided by a unique key or by the WHERE of an UPDATE.

mod door;
mod leases;
mod log;
mod nouns;
mod ours;
mod paged;
mod pythons;
mod recoveries;
mod reports;
mod requests;
mod rows;
mod schema;
mod theirs;
mod trouble;

use crate::StoreError;
use ports::{Boot, Clock, Entropy, within};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use std::{
    fmt,
    future::Future,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::OwnedMutexGuard;
use trouble::{Past, Trouble};

/// How often a transaction that meets other writers is tried.
const TRIES_MAX: u32 = 12;
/// How many of these tries may find the connection broken.
const BREAKS_MAX: u32 = 3;
/// The first wait between two tries; it doubles up to 32 times this.
const PAUSE_MS: u64 = 5;
/// How long all tries together may take.
const LIMIT: Duration = Duration::from_secs(15);

/// A connection that came back was tested then; one that has rested for longer is tested again.
#[cfg(any(feature = "mysql", feature = "postgresql"))]
const TESTED_FOR: Duration = Duration::from_millis(100);

/// How to open the database.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// At most so many connections at once.
    pub max_connections: u32,
    /// How long to wait for a connection before the database is called away.
    pub acquire_timeout: Duration,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A database that speaks SQL.
pub struct Sql {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// SQLite has one writer: ours queue here, fairly, and not at its file lock.
    turn: Option<Arc<tokio::sync::Mutex<()>>>,
    /// When this process last looked for recoveries that Python left.
    adopted_at: Mutex<Option<Boot>>,
    seen: Mutex<pythons::Seen>,
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.db.get_database_backend();
        f.debug_struct("Sql").field("backend", &backend).finish_non_exhaustive()
    }
}

impl Sql {
    /// Opens the database at `url`: `sqlite:///path?mode=rwc`, `mysql://user:password@host/name` or
    /// `postgres://user:password@host/name`.
    ///
    /// A database that is away is no error: it is reached when it comes.
    ///
    /// # Errors
    /// When the URL makes no sense, or the directory of an SQLite file cannot be made.
    pub async fn connect(url: &str, options: SqlOptions) -> Result<Self, StoreError> {
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
        let connecting = Database::connect(connect_options(url, &options));
        let db = connecting.await.map_err(|error| opening(error.into()))?;
        let turn = (db.get_database_backend() == DbBackend::Sqlite).then(Arc::default);
        let SqlOptions { clock, entropy, .. } = options;
        Ok(Self { db, clock, entropy, turn, adopted_at: Mutex::default(), seen: Mutex::default() })
    }

    /// Closes the connections.
    pub async fn close(&self) {
        // It is going away: an error would help nobody.
        drop(self.db.clone().close().await);
    }

    async fn begin(&self) -> Result<Transaction, Trouble> {
        let turn = match &self.turn {
            Some(turn) => Some(Arc::clone(turn).lock_owned().await),
            None => None,
        };
        let options = TransactionOptions {
            // Deferred ones fail with SQLITE_BUSY when they turn from reading to writing.
            sqlite_transaction_mode: turn.is_some().then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Transaction { open: self.db.begin_with_options(options).await?, _turn: turn })
    }

    /// Tries `work` until it succeeds, fails for good, or has been tried often enough.
    async fn repeat<T, W>(
        &self,
        doing: &'static str,
        work: impl Fn(Past) -> W + Send + Sync,
    ) -> Result<T, StoreError>
    where
        T: Send,
        W: Future<Output = Result<T, Trouble>> + Send,
    {
        let done = within(&*self.clock, LIMIT, self.try_often(doing, work)).await;
        done.unwrap_or_else(|| {
            let source = format!("no answer within {} s", LIMIT.as_secs());
            Err(StoreError::Away { doing, source: source.into() })
        })
    }

    async fn try_often<T, W>(
        &self,
        doing: &'static str,
        work: impl Fn(Past) -> W + Send + Sync,
    ) -> Result<T, StoreError>
    where
        T: Send,
        W: Future<Output = Result<T, Trouble>> + Send,
    {
        let away = |error: DbErr| StoreError::Away { doing, source: error.into() };
        let mut past = Past::Clean;
        let mut breaks = 0;
        for tries in 0..TRIES_MAX {
            if tries > 0 {
                let pause = Duration::from_millis(PAUSE_MS << tries.min(5));
                self.clock.sleep(self.entropy.jitter(pause)).await;
            }
            let broken = match work(past).await {
                Ok(done) => return Ok(done),
                Err(Trouble::Stop(error)) => return Err(error),
                Err(Trouble::Away(error)) => return Err(away(error)),
                Err(Trouble::Conflict) => continue,
                Err(Trouble::Broken(error)) => error,
                Err(Trouble::Unsure(error)) => {
                    past = Past::Unsure;
                    error
                }
            };
            breaks += 1;
            if breaks == BREAKS_MAX {
                return Err(away(broken));
            }
        }
        Err(StoreError::Busy { doing, tries: TRIES_MAX })
    }
}

/// An open transaction. Dropped without COMMIT it is rolled back.
struct Transaction {
    open: DatabaseTransaction,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Transaction {
    async fn commit(self) -> Result<(), Trouble> {
        self.open.commit().await.map_err(|error| Trouble::from(error).while_committing())
    }
}

impl Deref for Transaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.open
    }
}

fn connect_options(url: &str, options: &SqlOptions) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .connect_lazy(true)
        .test_before_acquire(url.starts_with("sqlite"))
        .sqlx_logging(false);
    #[cfg(feature = "sqlite")]
    connect.map_sqlx_sqlite_opts(|sqlite| {
        use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        sqlite
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An accepted report survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
    });
    #[cfg(feature = "mysql")]
    connect.map_sqlx_mysql_pool_opts(|pool| {
        use sea_orm::sqlx::{Connection, Executor};
        let pool = pool.before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > TESTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                // What a transaction reads after it has waited is what the other has written, and
                // keys that are not there lock no gaps.
                let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(isolation).await?;
                connection.execute("SET SESSION innodb_lock_wait_timeout = 5").await?;
                // A Galera node may be behind another one. What is read must hold what was written
                // anywhere, or an engine would go on with a log that lacks its last lines. Servers
                // without Galera do not know the variable.
                match connection.execute("SET SESSION wsrep_sync_wait = 1").await {
                    Err(sea_orm::sqlx::Error::Database(_)) | Ok(_) => Ok(()),
                    Err(broken) => Err(broken),
                }
            })
        })
    });
    #[cfg(feature = "postgresql")]
    connect.map_sqlx_postgres_pool_opts(|pool| {
        use sea_orm::sqlx::{Connection, Executor};
        let pool = pool.before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > TESTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
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
    connect
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

/// A number of ours as the database keeps it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of the database as we keep it; none of them is ever negative.
fn read(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn unreadable(what: impl Into<String>) -> Trouble {
    Trouble::Stop(StoreError::Unreadable { what: what.into() })
}
