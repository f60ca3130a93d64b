//! The tables, in the words that the databases share.

use super::{columns, one, run};
use crate::sql::trouble::Trouble;
use sea_orm::{ConnectionTrait, DbBackend};

/// A table in the words that the databases share; `{…}` stands for what they say differently.
pub(super) struct Table {
    name: &'static str,
    columns: &'static str,
    /// Names and columns.
    indexes: &'static [(&'static str, &'static str)],
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Masakaris,
    Ours,
}

/// Makes the table, if there is none, with its indexes.
pub(super) async fn create(db: &impl ConnectionTrait, table: &Table) -> Result<(), Trouble> {
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

pub(super) const TABLES_OF_THEIRS: &[Table] = &[
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

pub(super) const TABLES_OF_OURS: &[Table] = &[
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
        name: "ha_history",
        columns: "id INTEGER NOT NULL, created_at DATETIME, generated_time DATETIME NOT NULL, \
            source_host VARCHAR(36) NOT NULL, kind VARCHAR(36) NOT NULL, status VARCHAR(16), \
            PRIMARY KEY (id)",
        indexes: &[
            ("ha_history_created", "created_at, id"),
            ("ha_history_time", "generated_time"),
            ("ha_history_host", "source_host, created_at, id"),
            ("ha_history_kind", "kind, created_at, id"),
            ("ha_history_status", "status, created_at, id"),
        ],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_restarts",
        columns: "notification VARCHAR(36) NOT NULL, server VARCHAR(36) NOT NULL, \
            at_ms BIGINT NOT NULL, PRIMARY KEY (notification)",
        indexes: &[("ha_restarts_server", "server, at_ms")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_deaths",
        columns: "vmove VARCHAR(36) NOT NULL, notification VARCHAR(36) NOT NULL, \
            server VARCHAR(36) NOT NULL, host VARCHAR(255) NOT NULL, at_ms BIGINT NOT NULL, \
            moved BOOLEAN NOT NULL, PRIMARY KEY (vmove)",
        indexes: &[
            ("ha_deaths_server", "server, at_ms"),
            ("ha_deaths_notification", "notification"),
        ],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_maintenance",
        columns: "host VARCHAR(36) NOT NULL, notification VARCHAR(36) NOT NULL, \
            since_ms BIGINT NOT NULL, PRIMARY KEY (host)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_guard",
        columns: "id INTEGER NOT NULL, beat BIGINT NOT NULL, storm_ms BIGINT, PRIMARY KEY (id)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_switches",
        columns: "id {counter}, at_ms BIGINT NOT NULL, armed BOOLEAN NOT NULL, who TEXT NOT NULL, \
            reason TEXT, PRIMARY KEY (id)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_passed",
        columns: "notification VARCHAR(36) NOT NULL, at_ms BIGINT NOT NULL, \
            PRIMARY KEY (notification)",
        indexes: &[("ha_passed_at", "at_ms")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_returns",
        columns: "recovery VARCHAR(36) NOT NULL, host VARCHAR(36) NOT NULL, \
            since_ms BIGINT NOT NULL, closed_ms BIGINT, word VARCHAR(16), PRIMARY KEY (recovery)",
        indexes: &[
            ("ha_returns_open", "closed_ms, since_ms, recovery"),
            ("ha_returns_host", "host, closed_ms"),
        ],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_stops",
        columns: "id VARCHAR(36) NOT NULL, host VARCHAR(255) NOT NULL, kind VARCHAR(32) NOT NULL, \
            who TEXT NOT NULL, reason TEXT, at_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL, \
            ended_ms BIGINT, ended_by TEXT, PRIMARY KEY (id)",
        indexes: &[("ha_stops_standing", "ended_ms, until_ms")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_fence_checks",
        columns: "host VARCHAR(36) NOT NULL, at_ms BIGINT NOT NULL, since_ms BIGINT NOT NULL, \
            readiness VARCHAR(16) NOT NULL, found {long_text} NOT NULL, PRIMARY KEY (host)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_guests",
        columns: "server VARCHAR(36) NOT NULL, host VARCHAR(255) NOT NULL, at_ms BIGINT NOT NULL, \
            PRIMARY KEY (server)",
        indexes: &[("ha_guests_at", "at_ms")],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_sightings",
        columns: "host VARCHAR(255) NOT NULL, sign VARCHAR(32) NOT NULL, at_ms BIGINT NOT NULL, \
            PRIMARY KEY (host, sign)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_identities",
        columns: "host VARCHAR(255) NOT NULL, boot VARCHAR(64) NOT NULL, uuid VARCHAR(64), \
            serial VARCHAR(255), booted_ms BIGINT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (host)",
        indexes: &[],
        whose: Whose::Ours,
    },
    Table {
        name: "ha_schema",
        columns: "version INTEGER NOT NULL, PRIMARY KEY (version)",
        indexes: &[],
        whose: Whose::Ours,
    },
];
