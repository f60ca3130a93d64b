//! The schema: Masakari's tables as its own migrations make them, and ours beside them.
//!
//! A database of Python Masakari is taken as it is, brought to Masakari's newest revision if it is
//! older, and stamped so that Python's `db sync` has nothing to do. Each step may have been done
//! before: MySQL commits every change of schema by itself, so an interrupted run is simply repeated.

mod tables;

use super::{Sql, guard, history, recoveries, taskflow, trouble::Trouble};
use crate::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tables::{TABLES_OF_OURS, TABLES_OF_THEIRS, create};

/// The version of our tables.
const OURS: i32 = 11;

/// Masakari's revisions (`masakari/db/sqlalchemy/migrations/versions`), oldest first.
const INITIAL: &str = "8f848eb45d03";
const WITH_VMOVES: &str = "8bdf5929c5a6";
const NEWEST: &str = "13adff5efb9a";

impl Sql {
    /// Makes the schema or brings it up to date: `masakari-manage db sync`.
    ///
    /// # Errors
    /// When the database is newer than this program or cannot be changed.
    pub async fn sync(&self) -> Result<(), StoreError> {
        self.repeat("making the schema", |_| sync(self)).await?;
        self.repeat("making taskflow's tables", |_| taskflow::make(self.progress())).await?;
        while self.repeat("indexing the history", |_| history::step(self)).await? > 0 {}
        self.repeat("adopting open recoveries", |_| recoveries::adopt(self)).await
    }

    /// Masakari's revision of the database, as Python's `db version` prints it; `None` when there is
    /// none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revision(&self) -> Result<Option<String>, StoreError> {
        self.repeat("reading the database's revision", |_| stamped_revision(&self.db)).await
    }
}

async fn sync(sql: &Sql) -> Result<(), Trouble> {
    if sql.db.get_database_backend() == DbBackend::MySql {
        return upgrade(&sql.db).await;
    }
    let open = sql.begin().await?;
    upgrade(&*open).await?;
    open.commit().await
}

async fn upgrade(db: &impl ConnectionTrait) -> Result<(), Trouble> {
    let version = our_version(db).await?.unwrap_or(OURS);
    if version > OURS {
        return Err(newer(format!("the version of its ha_ tables is {version}, not {OURS}")));
    }
    upgrade_theirs(db).await?;
    for table in TABLES_OF_OURS {
        create(db, table).await?;
    }
    guard::make(db).await?;
    match our_version(db).await? {
        Some(OURS) => Ok(()),
        Some(_) => run(db, &format!("UPDATE ha_schema SET version = {OURS}")).await,
        None => run(db, &format!("INSERT INTO ha_schema (version) VALUES ({OURS})")).await,
    }
}

async fn upgrade_theirs(db: &impl ConnectionTrait) -> Result<(), Trouble> {
    let revision = their_revision(db).await?;
    match revision.as_deref() {
        None | Some(INITIAL | WITH_VMOVES) => {}
        Some(NEWEST) => return Ok(()),
        Some(other) => {
            return Err(newer(format!("nothing is known of Masakari's revision {other}")));
        }
    }
    for table in TABLES_OF_THEIRS {
        create(db, table).await?;
    }
    let there = columns(db, "notifications").await?;
    for (name, kind) in [("failover_segment_uuid", "VARCHAR(36)"), ("message", "TEXT")] {
        if !there.iter().any(|column| column == name) {
            run(db, &format!("ALTER TABLE notifications ADD COLUMN {name} {kind}")).await?;
        }
    }
    run(
        db,
        "CREATE TABLE IF NOT EXISTS masakari_alembic_version (version_num VARCHAR(32) NOT NULL, \
         CONSTRAINT masakari_alembic_version_pkc PRIMARY KEY (version_num))",
    )
    .await?;
    run(db, "DELETE FROM masakari_alembic_version").await?;
    run(db, &format!("INSERT INTO masakari_alembic_version (version_num) VALUES ('{NEWEST}')"))
        .await
}

async fn stamped_revision(db: &impl ConnectionTrait) -> Result<Option<String>, Trouble> {
    if columns(db, "masakari_alembic_version").await?.is_empty() {
        return Ok(None);
    }
    let row = one(db, "SELECT version_num FROM masakari_alembic_version").await?;
    Ok(row.map(|row| row.try_get("", "version_num")).transpose()?)
}

/// Masakari's revision; what its migrations before Alembic called 7 and 8 are the first two.
async fn their_revision(db: &impl ConnectionTrait) -> Result<Option<String>, Trouble> {
    if let Some(revision) = stamped_revision(db).await? {
        return Ok(Some(revision));
    }
    if columns(db, "migrate_version").await?.is_empty() {
        return Ok(None);
    }
    let row = one(db, "SELECT version FROM migrate_version").await?;
    match row.map(|row| row.try_get::<i32>("", "version")).transpose()? {
        None | Some(0) => Ok(None),
        Some(7) => Ok(Some(INITIAL.into())),
        Some(8) => Ok(Some(WITH_VMOVES.into())),
        Some(other) => Err(StoreError::Schema {
            what: format!(
                "Masakari's tables are at version {other} of sqlalchemy-migrate; only 7 and 8 can \
                 be upgraded"
            ),
        }
        .into()),
    }
}

async fn our_version(db: &impl ConnectionTrait) -> Result<Option<i32>, Trouble> {
    if columns(db, "ha_schema").await?.is_empty() {
        return Ok(None);
    }
    let row = one(db, "SELECT version FROM ha_schema").await?;
    Ok(row.map(|row| row.try_get("", "version")).transpose()?)
}

/// Whether the schema is the one that this program needs.
pub(super) async fn check(db: &DatabaseConnection) -> Result<(), Trouble> {
    let differs = |what: String| Trouble::from(StoreError::Schema { what });
    match our_version(db).await? {
        None => return Err(differs("it has not been made yet".into())),
        Some(OURS) => {}
        Some(other) => {
            return Err(differs(format!("the version of its ha_ tables is {other}, not {OURS}")));
        }
    }
    match their_revision(db).await?.as_deref() {
        Some(NEWEST) => Ok(()),
        Some(other) => {
            Err(differs(format!("Masakari's tables are at revision {other}, not {NEWEST}")))
        }
        None => Err(differs("Masakari's tables are missing".into())),
    }
}

fn newer(what: String) -> Trouble {
    StoreError::Schema { what: format!("{what}: a newer program made it") }.into()
}

pub(super) async fn run(db: &impl ConnectionTrait, sql: &str) -> Result<(), Trouble> {
    db.execute_unprepared(sql).await?;
    Ok(())
}

pub(super) async fn one(
    db: &impl ConnectionTrait,
    sql: &str,
) -> Result<Option<sea_orm::QueryResult>, Trouble> {
    Ok(db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?)
}

/// The names of a table's columns; none when there is no such table.
pub(super) async fn columns(
    db: &impl ConnectionTrait,
    table: &str,
) -> Result<Vec<String>, Trouble> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
        DbBackend::MySql => format!(
            "SELECT CAST(column_name AS CHAR) AS name FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = '{table}'"
        ),
        _ => format!(
            "SELECT column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await?;
    rows.iter().map(|row| Ok(row.try_get("", "name")?)).collect()
}
