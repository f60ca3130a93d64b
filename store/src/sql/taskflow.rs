//! What Python Masakari's engine noted of its recoveries: taskflow's tables.
//!
//! We write nothing there. They are made so that Python can be started on the database again, and
//! read so that the progress of old recoveries stays visible. Tables that are there belong to
//! Python's taskflow at whatever revision they are, and its own `db sync` brings them up to date.

use super::{
    Sql,
    schema::{columns, one, run},
    trouble::Trouble,
    unreadable,
};
use crate::{OldMessage, OldTask, StoreError};
use recovery::NotificationId;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use serde_json::Value;

/// taskflow's newest revision (`taskflow/persistence/backends/sqlalchemy/alembic/versions`).
const NEWEST: &str = "00af93df9d77";

/// Makes the tables where they are missing. On SQLite taskflow keeps no revision.
pub(super) async fn make(db: &DatabaseConnection) -> Result<(), Trouble> {
    let backend = db.get_database_backend();
    let stamps = backend != DbBackend::Sqlite;
    if stamps && revision(db).await?.is_some() {
        return Ok(());
    }
    let (types, tables) = match backend {
        DbBackend::MySql => (NO_TYPES, MYSQL),
        DbBackend::Postgres => (POSTGRESQL_TYPES, POSTGRESQL),
        _ => (NO_TYPES, SQLITE),
    };
    for (name, make) in types {
        let there = format!("SELECT 1 AS there FROM pg_type WHERE typname = '{name}'");
        if one(db, &there).await?.is_none() {
            run(db, make).await?;
        }
    }
    for (name, make) in tables {
        if columns(db, name).await?.is_empty() {
            for statement in *make {
                run(db, statement).await?;
            }
        }
    }
    if stamps {
        run(
            db,
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL, \
             CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        )
        .await?;
        run(db, &format!("INSERT INTO alembic_version (version_num) VALUES ('{NEWEST}')")).await?;
    }
    Ok(())
}

async fn revision(db: &DatabaseConnection) -> Result<Option<String>, Trouble> {
    if columns(db, "alembic_version").await?.is_empty() {
        return Ok(None);
    }
    let row = one(db, "SELECT version_num FROM alembic_version").await?;
    Ok(row.map(|row| row.try_get("", "version_num")).transpose()?)
}

/// The tasks of a recovery that Python's engine ran, in the order in which they began.
pub(super) async fn old_tasks(sql: &Sql, of: &NotificationId) -> Result<Vec<OldTask>, Trouble> {
    let db = sql.progress();
    let backend = db.get_database_backend();
    let (meta, given) = match backend {
        DbBackend::Postgres => ("CAST(a.meta AS text)", "$1"),
        _ => ("a.meta", "?"),
    };
    // The logbook of a recovery has the notification's UUID.
    let query = format!(
        "SELECT f.uuid AS flow, a.name AS name, a.state AS state, {meta} AS meta \
         FROM flowdetails f JOIN atomdetails a ON a.parent_uuid = f.uuid \
         WHERE f.parent_uuid = {given} AND a.meta IS NOT NULL ORDER BY f.created_at, f.uuid"
    );
    let query = Statement::from_sql_and_values(backend, query, [of.as_str().into()]);
    let rows = match db.query_all_raw(query).await.map_err(Trouble::from) {
        // A database that never had them.
        Err(Trouble::Stop(StoreError::Schema { .. })) => return Ok(Vec::new()),
        rows => rows?,
    };
    let mut tasks: Vec<(usize, OldTask)> = Vec::new();
    let mut flows: Vec<String> = Vec::new();
    for row in rows {
        let flow: String = row.try_get("", "flow")?;
        let nth = flows.iter().position(|there| *there == flow).unwrap_or_else(|| {
            flows.push(flow);
            flows.len() - 1
        });
        tasks.extend(task(&row)?.map(|task| (nth, task)));
    }
    tasks.sort_by(|(f, a), (g, b)| (f, began(a)).cmp(&(g, began(b))));
    Ok(tasks.into_iter().map(|(_, task)| task).collect())
}

fn began(task: &OldTask) -> &str {
    task.messages.first().map_or("", |message| &message.at)
}

/// A task that has told of its progress; the others are not shown.
fn task(row: &QueryResult) -> Result<Option<OldTask>, Trouble> {
    let name: Option<String> = row.try_get("", "name")?;
    let name = name.unwrap_or_default();
    let meta: String = row.try_get("", "meta")?;
    let meta: Value = serde_json::from_str(&meta)
        .map_err(|error| unreadable(format!("the progress of {name}: {error}")))?;
    let Some(said) = meta["progress_details"]["details"]["progress_details"].as_array() else {
        return Ok(None);
    };
    let state: Option<String> = row.try_get("", "state")?;
    Ok(Some(OldTask {
        name,
        state: state.unwrap_or_default(),
        progress: meta["progress"].as_f64().unwrap_or(0.0),
        messages: said.iter().map(message).collect(),
    }))
}

fn message(said: &Value) -> OldMessage {
    // Python's API shows all three as text.
    let text = |key: &str| match &said[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    OldMessage { at: text("timestamp"), progress: text("progress"), text: text("message") }
}

/// The name of a type or table, and what makes it.
type Made<T> = &'static [(&'static str, T)];

const NO_TYPES: Made<&str> = &[];

const MYSQL: Made<&[&str]> = &[
    (
        "logbooks",
        &["CREATE TABLE logbooks (created_at DATETIME, updated_at DATETIME, meta TEXT, \
           name VARCHAR(255), uuid VARCHAR(64) NOT NULL, PRIMARY KEY (uuid), \
           UNIQUE KEY logbook_uuid_idx (uuid)) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
    ),
    (
        "flowdetails",
        &["CREATE TABLE flowdetails (created_at DATETIME, updated_at DATETIME, \
           parent_uuid VARCHAR(64), meta LONGTEXT, state VARCHAR(255), name VARCHAR(255), \
           uuid VARCHAR(64) NOT NULL, PRIMARY KEY (uuid), \
           UNIQUE KEY flowdetails_uuid_idx (uuid), KEY flowdetails_ibfk_1 (parent_uuid), \
           CONSTRAINT flowdetails_ibfk_1 FOREIGN KEY (parent_uuid) REFERENCES logbooks (uuid) \
           ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
    ),
    (
        "atomdetails",
        &["CREATE TABLE atomdetails (created_at DATETIME, updated_at DATETIME, \
           parent_uuid VARCHAR(64), meta TEXT, name VARCHAR(255), results LONGTEXT, \
           version VARCHAR(64), state VARCHAR(255), uuid VARCHAR(64) NOT NULL, failure LONGTEXT, \
           atom_type ENUM('RETRY_DETAIL','TASK_DETAIL'), \
           intention ENUM('EXECUTE','IGNORE','REVERT','RETRY') DEFAULT 'EXECUTE', \
           revert_results TEXT, revert_failure LONGTEXT, PRIMARY KEY (uuid), \
           UNIQUE KEY taskdetails_uuid_idx (uuid), KEY taskdetails_ibfk_1 (parent_uuid), \
           CONSTRAINT atomdetails_ibfk_1 FOREIGN KEY (parent_uuid) REFERENCES flowdetails (uuid) \
           ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
    ),
];

const POSTGRESQL_TYPES: Made<&str> = &[
    ("atom_types", "CREATE TYPE atom_types AS ENUM ('RETRY_DETAIL', 'TASK_DETAIL')"),
    (
        "intention_type",
        "CREATE TYPE intention_type AS ENUM ('EXECUTE', 'IGNORE', 'REVERT', 'RETRY')",
    ),
];

const POSTGRESQL: Made<&[&str]> = &[
    (
        "logbooks",
        &[
            "CREATE TABLE logbooks (created_at TIMESTAMP, updated_at TIMESTAMP, meta JSON, \
             name VARCHAR(255), uuid VARCHAR(64) NOT NULL PRIMARY KEY)",
            "CREATE INDEX logbook_uuid_idx ON logbooks (uuid)",
        ],
    ),
    (
        "flowdetails",
        &[
            "CREATE TABLE flowdetails (created_at TIMESTAMP, updated_at TIMESTAMP, \
             parent_uuid VARCHAR(64) CONSTRAINT flowdetails_ibfk_1 REFERENCES logbooks (uuid) \
             ON DELETE CASCADE, meta JSON, state VARCHAR(255), name VARCHAR(255), \
             uuid VARCHAR(64) NOT NULL PRIMARY KEY)",
            "CREATE INDEX flowdetails_uuid_idx ON flowdetails (uuid)",
        ],
    ),
    (
        "atomdetails",
        &[
            "CREATE TABLE atomdetails (created_at TIMESTAMP, updated_at TIMESTAMP, \
             parent_uuid VARCHAR(64) CONSTRAINT taskdetails_ibfk_1 REFERENCES flowdetails (uuid) \
             ON DELETE CASCADE, meta JSON, name VARCHAR(255), results JSON, version VARCHAR(64), \
             state VARCHAR(255), uuid VARCHAR(64) NOT NULL, failure JSON, atom_type atom_types, \
             intention intention_type DEFAULT 'EXECUTE', revert_results JSON, \
             revert_failure JSON, CONSTRAINT taskdetails_pkey PRIMARY KEY (uuid))",
            "CREATE INDEX taskdetails_uuid_idx ON atomdetails (uuid)",
        ],
    ),
];

const SQLITE: Made<&[&str]> = &[
    (
        "logbooks",
        &["CREATE TABLE logbooks (created_at DATETIME, updated_at DATETIME, meta TEXT, \
           name VARCHAR(255), uuid VARCHAR(64) NOT NULL, PRIMARY KEY (uuid), UNIQUE (uuid))"],
    ),
    (
        "flowdetails",
        &["CREATE TABLE flowdetails (created_at DATETIME, updated_at DATETIME, \
           parent_uuid VARCHAR(64), meta TEXT, name VARCHAR(255), state VARCHAR(255), \
           uuid VARCHAR(64) NOT NULL, PRIMARY KEY (uuid), \
           FOREIGN KEY(parent_uuid) REFERENCES logbooks (uuid) ON DELETE CASCADE, UNIQUE (uuid))"],
    ),
    (
        "atomdetails",
        &["CREATE TABLE atomdetails (created_at DATETIME, updated_at DATETIME, meta TEXT, \
           parent_uuid VARCHAR(64), name VARCHAR(255), version VARCHAR(64), state VARCHAR(255), \
           uuid VARCHAR(64) NOT NULL, failure TEXT, results TEXT, revert_results TEXT, \
           revert_failure TEXT, atom_type VARCHAR(12), intention VARCHAR(7), PRIMARY KEY (uuid), \
           FOREIGN KEY(parent_uuid) REFERENCES flowdetails (uuid) ON DELETE CASCADE, \
           UNIQUE (uuid))"],
    ),
];
