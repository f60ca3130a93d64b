//! The schema: Masakari's tables as its own migrations make them, and ours beside them.
//!
//! A database of Python Masakari is taken as it is, brought to Masakari's newest revision if it is
//! older, and stamped so that Python's `db sync` has nothing to do. Each step may have been done
//! before: MySQL commits every change of schema by itself, so an interrupted run is simply repeated.

use super::{Sql, recoveries, trouble::Trouble};
use crate::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// The version of our tables.
const OURS: i32 = 1;

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
        self.repeat("adopting open recoveries", |_| recoveries::adopt(self)).await
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
    if our_version(db).await?.is_none() {
        run(db, &format!("INSERT INTO ha_schema (version) VALUES ({OURS})")).await?;
    }
    Ok(())
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

/// Masakari's revision; what its migrations before Alembic called 7 and 8 are the first two.
async fn their_revision(db: &impl ConnectionTrait) -> Result<Option<String>, Trouble> {
    if !columns(db, "masakari_alembic_version").await?.is_empty() {
        let row = one(db, "SELECT version_num FROM masakari_alembic_version").await?;
        if let Some(row) = row {
            return Ok(Some(row.try_get("", "version_num")?));
        }
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

async fn run(db: &impl ConnectionTrait, sql: &str) -> Result<(), Trouble> {
    db.execute_unprepared(sql).await?;
    Ok(())
}

async fn one(
    db: &impl ConnectionTrait,
    sql: &str,
) -> Result<Option<sea_orm::QueryResult>, Trouble> {
    Ok(db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?)
}

/// The names of a table's columns; none when there is no such table.
async fn columns(db: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, Trouble> {
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

/// A table in the words that the databases share; `{…}` stands for what they say differently.
struct Table {
    name: &'static str,
    columns: &'static str,
    /// Names and columns.
    indexes: &'static [(&'static str, &'static str)],
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Masakaris,
    Ours,
}

/// Makes the table, if there is none, with its indexes.
async fn create(db: &impl ConnectionTrait, table: &Table) -> Result<(), Trouble> {
    if !columns(db, table.name).await?.is_empty() {
        return Ok(());
    }
    let backend = db.get_database_backend();
    let Table { name, indexes, .. } = table;
    let columns = spelled(backend, table.columns);
    if backend == DbBackend::MySql {
        // In one statement, so that no interruption leaves a table without its indexes.
        let keys = indexes.iter().map(|(index, on)| format!(", INDEX {index} ({on})"));
        let keys: String = keys.collect();
        // Masakari's take the database's character set, as Python's do. Ours must hold whatever a
        // log may say, and tell keys apart that differ in case.
        let options = match table.whose {
            Whose::Masakaris => "",
            Whose::Ours => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        };
        return run(db, &format!("CREATE TABLE {name} ({columns}{keys}){options}")).await;
    }
    if backend == DbBackend::Postgres {
        for (word, words) in WORDS.iter().filter(|(word, _)| columns.contains(word)) {
            make_type(db, word, words).await?;
        }
    }
    run(db, &format!("CREATE TABLE {name} ({columns})")).await?;
    for (index, on) in *indexes {
        run(db, &format!("CREATE INDEX {index} ON {name} ({on})")).await?;
    }
    Ok(())
}

/// PostgreSQL's types for columns that hold one of a few words, as SQLAlchemy names them.
const WORDS: &[(&str, &str)] = &[
    ("recovery_methods", "'auto', 'reserved_host', 'auto_priority', 'rh_priority'"),
    ("notification_status", "'new', 'running', 'error', 'failed', 'ignored', 'finished'"),
];

async fn make_type(db: &impl ConnectionTrait, name: &str, words: &str) -> Result<(), Trouble> {
    let there = format!("SELECT 1 AS there FROM pg_type WHERE typname = '{name}'");
    if one(db, &there).await?.is_none() {
        run(db, &format!("CREATE TYPE {name} AS ENUM ({words})")).await?;
    }
    Ok(())
}

fn spelled(backend: DbBackend, columns: &str) -> String {
    let (id, counter, long_text, method, status) = match backend {
        DbBackend::MySql => (
            "INTEGER NOT NULL AUTO_INCREMENT",
            "BIGINT NOT NULL AUTO_INCREMENT",
            "LONGTEXT",
            "ENUM('auto','reserved_host','auto_priority','rh_priority')",
            "ENUM('new','running','error','failed','ignored','finished')",
        ),
        DbBackend::Postgres => (
            "SERIAL NOT NULL",
            "BIGSERIAL NOT NULL",
            "TEXT",
            "recovery_methods",
            "notification_status",
        ),
        _ => ("INTEGER NOT NULL", "INTEGER NOT NULL", "TEXT", "VARCHAR(13)", "VARCHAR(8)"),
    };
    let moment = match backend {
        DbBackend::Postgres => "TIMESTAMP WITHOUT TIME ZONE",
        _ => "DATETIME",
    };
    columns
        .replace("DATETIME", moment)
        .replace("{id}", id)
        .replace("{counter}", counter)
        .replace("{long_text}", long_text)
        .replace("{recovery_method}", method)
        .replace("{notification_status}", status)
}

const TABLES_OF_THEIRS: &[Table] = &[
    Table {
        name: "failover_segments",
        columns: "created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, deleted INTEGER, \
            id {id}, uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, \
            service_type VARCHAR(255) NOT NULL, description TEXT, \
            recovery_method {recovery_method} NOT NULL, enabled BOOLEAN, PRIMARY KEY (id), \
            CONSTRAINT uniq_segment0name0deleted UNIQUE (name, deleted), \
            CONSTRAINT uniq_segments0uuid UNIQUE (uuid)",
        indexes: &[("segments_service_type_idx", "service_type")],
        whose: Whose::Masakaris,
    },
    Table {
        name: "notifications",
        columns: "created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, deleted INTEGER, \
            id {id}, notification_uuid VARCHAR(36) NOT NULL, generated_time DATETIME NOT NULL, \
            source_host_uuid VARCHAR(36) NOT NULL, type VARCHAR(36) NOT NULL, payload TEXT, \
            status {notification_status} NOT NULL, PRIMARY KEY (id), \
            CONSTRAINT uniq_notification0uuid UNIQUE (notification_uuid)",
        indexes: &[],
        whose: Whose::Masakaris,
    },
    Table {
        name: "hosts",
        columns: "created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, deleted INTEGER, \
            id {id}, uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, reserved BOOLEAN, \
            type VARCHAR(255) NOT NULL, control_attributes TEXT NOT NULL, \
            failover_segment_id VARCHAR(36) NOT NULL, on_maintenance BOOLEAN, PRIMARY KEY (id), \
            FOREIGN KEY(failover_segment_id) REFERENCES failover_segments (uuid), \
            CONSTRAINT uniq_host0name0deleted UNIQUE (name, deleted), \
            CONSTRAINT uniq_host0uuid UNIQUE (uuid)",
        indexes: &[("hosts_type_idx", "type")],
        whose: Whose::Masakaris,
    },
    Table {
        name: "vmoves",
        columns: "created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, deleted INTEGER, \
            id {id}, uuid VARCHAR(36) NOT NULL, notification_uuid VARCHAR(36) NOT NULL, \
            instance_uuid VARCHAR(36) NOT NULL, instance_name VARCHAR(255) NOT NULL, \
            source_host VARCHAR(255), dest_host VARCHAR(255), start_time DATETIME, \
            end_time DATETIME, type VARCHAR(36), status VARCHAR(255), message TEXT, \
            PRIMARY KEY (id), CONSTRAINT uniq_vmove0uuid UNIQUE (uuid)",
        indexes: &[],
        whose: Whose::Masakaris,
    },
];

const TABLES_OF_OURS: &[Table] = &[
    Table {
        name: "ha_recoveries",
        columns: "notification VARCHAR(36) NOT NULL, source_host VARCHAR(36) NOT NULL, \
            segment VARCHAR(36) NOT NULL, kind VARCHAR(36) NOT NULL, created_ms BIGINT NOT NULL, \
            closed_ms BIGINT, held BOOLEAN NOT NULL, PRIMARY KEY (notification)",
        indexes: &[("ha_recoveries_open", "closed_ms, created_ms, notification")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_leases",
        columns: "lease_key VARCHAR(300) NOT NULL, owner VARCHAR(300), \
            generation BIGINT NOT NULL, beat BIGINT NOT NULL, PRIMARY KEY (lease_key)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_log",
        columns: "recovery VARCHAR(36) NOT NULL, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL, \
            generation BIGINT NOT NULL, entry {long_text} NOT NULL, PRIMARY KEY (recovery, seq)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_evidence",
        columns: "id {counter}, host VARCHAR(255) NOT NULL, kind VARCHAR(32) NOT NULL, \
            at_ms BIGINT NOT NULL, source TEXT NOT NULL, raw {long_text} NOT NULL, \
            PRIMARY KEY (id)",
        indexes: &[("ha_evidence_host", "host, at_ms, id")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_requests",
        columns: "id VARCHAR(36) NOT NULL, asked VARCHAR(32) NOT NULL, \
            host VARCHAR(255) NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL, \
            created_ms BIGINT NOT NULL, deadline_ms BIGINT NOT NULL, state VARCHAR(16) NOT NULL, \
            answer TEXT, PRIMARY KEY (id)",
        indexes: &[("ha_requests_state", "state, created_ms, id")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_fingerprints",
        columns: "fingerprint CHAR(64) NOT NULL, accepted_ms BIGINT NOT NULL, \
            notification VARCHAR(36) NOT NULL, PRIMARY KEY (fingerprint)",
        indexes: &[("ha_fingerprints_notification", "notification")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_schema",
        columns: "version INTEGER NOT NULL, PRIMARY KEY (version)",
        indexes: &[],
        whose: Whose::Ours,
    },
];
