//! What the database's errors mean for the transaction that met them.

use crate::StoreError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, SqlxError, sqlx::error::DatabaseError};

/// Why a try of a transaction failed, by what follows from it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Others wrote the same rows. Nothing of ours is written; a new try sees what they wrote.
    Conflict,
    /// The connection broke before COMMIT was sent. Nothing of ours is written.
    Broken(DbErr),
    /// COMMIT was sent and no answer came: a new try must look whether it took effect.
    Unsure(DbErr),
    /// The database cannot be reached.
    Away(DbErr),
    /// That is the outcome.
    Stop(StoreError),
}

/// What is known of the tries before this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Past {
    /// Nothing is written yet.
    Clean,
    /// One of them may have been written.
    Unsure,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Stop(error)
    }
}

impl From<DbErr> for Trouble {
    fn from(error: DbErr) -> Self {
        // A row appeared between our look and our INSERT: the new look sees it.
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Conflict;
        }
        match &error {
            DbErr::ConnectionAcquire(
                ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed,
            ) => Self::Away(error),
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => match &**cause {
                SqlxError::Database(said) => Self::of_code(&**said, &error),
                SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::Tls(_) => {
                    Self::Away(error)
                }
                SqlxError::Io(_) | SqlxError::Protocol(_) | SqlxError::WorkerCrashed => {
                    Self::Broken(error)
                }
                other => Self::Stop(StoreError::Unreadable { what: other.to_string() }),
            },
            other => Self::Stop(StoreError::Unreadable { what: other.to_string() }),
        }
    }
}

impl Trouble {
    fn of_code(said: &dyn DatabaseError, error: &DbErr) -> Self {
        match meaning(said) {
            Meaning::Conflict => Self::Conflict,
            Meaning::Broken => Self::Broken(error.clone()),
            Meaning::Away => Self::Away(error.clone()),
            Meaning::NoSchema => Self::Stop(StoreError::Schema { what: said.message().to_owned() }),
            Meaning::Other => {
                Self::Stop(StoreError::Unreadable { what: said.message().to_owned() })
            }
        }
    }

    /// The same, met while committing.
    pub(super) fn while_committing(self) -> Self {
        match self {
            Self::Broken(error) | Self::Away(error) => Self::Unsure(error),
            Self::Conflict | Self::Unsure(_) | Self::Stop(_) => self,
        }
    }
}

enum Meaning {
    Conflict,
    Broken,
    Away,
    NoSchema,
    Other,
}

fn meaning(said: &dyn DatabaseError) -> Meaning {
    #[cfg(feature = "mysql")]
    if let Some(said) = said.try_downcast_ref::<sea_orm::SqlxMySqlError>() {
        return match said.number() {
            // Deadlock (also a lost certification in Galera), lock wait timeout, record has
            // changed since last read.
            1213 | 1205 | 1020 => Meaning::Conflict,
            // The server goes down, the connection or the query was killed, an error while it
            // committed.
            1053 | 1152 | 1180 | 1317 | 1927 | 3169 => Meaning::Broken,
            // Too many connections, access denied, Galera node not ready, disk full, read-only.
            1040 | 1044 | 1045 | 1047 | 1021 | 1041 | 1290 | 1792 | 1836 => Meaning::Away,
            // Unknown database, unknown column, no such table.
            1049 | 1054 | 1146 => Meaning::NoSchema,
            _ => Meaning::Other,
        };
    }
    #[cfg(feature = "sqlite")]
    if said.try_downcast_ref::<sea_orm::SqlxSqliteError>().is_some() {
        let code = said.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
        // The low byte is the primary result code (sqlite.org/rescode.html).
        return match code & 0xff {
            // SQLITE_BUSY, SQLITE_LOCKED
            5 | 6 => Meaning::Conflict,
            // SQLITE_PERM, READONLY, IOERR, FULL, CANTOPEN
            3 | 8 | 10 | 13 | 14 => Meaning::Away,
            1 if said.message().starts_with("no such") => Meaning::NoSchema,
            _ => Meaning::Other,
        };
    }
    match said.code().as_deref() {
        // Serialization failure, deadlock, a lock that was not given in time.
        Some("40001" | "40P01" | "55P03") => Meaning::Conflict,
        // The server goes down, or the connection or the statement was ended.
        Some("57P01" | "57P02" | "57P05" | "57014" | "25P02") => Meaning::Broken,
        // Starting up, too many connections, read-only, disk full, no such user.
        Some("57P03" | "53300" | "25006" | "53100" | "28000" | "28P01") => Meaning::Away,
        // Unknown database, unknown table, unknown column.
        Some("3D000" | "42P01" | "42703") => Meaning::NoSchema,
        // Connection exceptions.
        Some(code) if code.starts_with("08") => Meaning::Broken,
        _ => Meaning::Other,
    }
}
