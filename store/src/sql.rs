//! The real database: SQLite for small clouds, MariaDB or MySQL (Galera too) or PostgreSQL for others.
//!
//! A transaction is tried as a whole. When it meets another writer it is tried again, a bounded
//! number of times; when the answer to its COMMIT is lost, the next try looks first whether it took
//! effect. Nothing relies on row locks, which Galera does not have across nodes: what must not
//! happen twice is decided by a unique key or by the WHERE of an UPDATE.

mod deaths;
mod door;
mod guard;
mod guests;
mod history;
mod identities;
mod leases;
mod listed;
mod log;
mod nouns;
mod ours;
mod paged;
mod pool;
mod purge;
mod pythons;
mod readiness;
mod recoveries;
mod reports;
mod requests;
mod returns;
mod rows;
mod schema;
mod shadow;
mod sightings;
mod small;
mod stops;
mod taskflow;
mod theirs;
mod trouble;

use crate::StoreError;
use pool::Breaks;
pub use pool::SqlOptions;
use ports::{Boot, Clock, Entropy, within};
pub use purge::Purged;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
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
///
/// Those who wait for one slow writer meet it again and again: [`LIMIT`] ends that, as a rule.
const TRIES_MAX: u32 = 64;
/// How many of these tries may find the connection broken.
const BREAKS_MAX: u32 = 3;
/// The first wait between two tries; it doubles up to 32 times this.
const PAUSE_MS: u64 = 5;
/// How long all tries together may take.
const LIMIT: Duration = Duration::from_secs(15);

/// A database that speaks SQL.
pub struct Sql {
    db: DatabaseConnection,
    /// Where taskflow's tables are, when they are not in the same database.
    progress: Option<DatabaseConnection>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    breaks: Arc<Breaks>,
    /// SQLite has one writer: ours queue here, fairly, and not at its file lock.
    turn: Option<Arc<tokio::sync::Mutex<()>>>,
    /// When this process looks next for recoveries that Python left.
    adopt_at: Mutex<Boot>,
    adopt_every: Option<Duration>,
    adopt_new_after: Duration,
    seen: pythons::Seen,
    /// When this process last moved the watermark of the history.
    followed_at: Mutex<Option<Boot>>,
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
        let breaks = Arc::default();
        let db = pool::open(url, &options, &breaks).await?;
        let turn = (db.get_database_backend() == DbBackend::Sqlite).then(Arc::default);
        let SqlOptions { clock, entropy, adopt_every, adopt_new_after, .. } = options;
        Ok(Self {
            db,
            progress: None,
            clock,
            entropy,
            breaks,
            turn,
            adopt_at: Mutex::new(Boot(0)),
            adopt_every,
            adopt_new_after,
            seen: pythons::Seen::default(),
            followed_at: Mutex::default(),
        })
    }

    /// The same with what Python noted of its recoveries in the database at `url`: `[taskflow]
    /// connection`.
    ///
    /// # Errors
    /// As [`Sql::connect`].
    pub async fn with_progress_at(self, url: &str, pool: SqlOptions) -> Result<Self, StoreError> {
        let progress = pool::open(url, &pool, &self.breaks).await?;
        Ok(Self { progress: Some(progress), ..self })
    }

    fn progress(&self) -> &DatabaseConnection {
        self.progress.as_ref().unwrap_or(&self.db)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        // It is going away: an error would help nobody.
        drop(self.db.clone().close().await);
        if let Some(progress) = &self.progress {
            drop(progress.clone().close().await);
        }
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
            // The next try gets a connection that was tested just now.
            self.breaks.note(self.clock.boot());
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
