//! `os-migrations`: the records of evacuations; those of live migrations only where they alone are asked for.

use super::{Call, live, refuse};
use crate::http::{Answered, Reply, naive, parse_time};
use crate::state::State;
use recovery::{HostName, Millis, ServerId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MigrationStatus {
    Accepted,
    PreMigrating,
    Done,
    /// The source host came back and has cleaned up.
    Completed,
    /// The destination gave up.
    Failed,
    /// No destination was found.
    Error,
}

impl MigrationStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::PreMigrating => "pre-migrating",
            Self::Done => "done",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) id: usize,
    pub(crate) uuid: String,
    pub(crate) server: ServerId,
    pub(crate) source: HostName,
    pub(crate) dest: Option<HostName>,
    pub(crate) status: MigrationStatus,
    pub(crate) created: Millis,
    pub(crate) updated: Option<Millis>,
    pub(crate) user: String,
    pub(crate) project: String,
}

impl State {
    /// The record of migration `id`, about to be written.
    pub(super) fn migration_mut(&mut self, id: usize) -> Option<&mut Migration> {
        let now = self.now;
        let migration = id.checked_sub(1).and_then(|at| self.migrations.get_mut(at))?;
        migration.updated = Some(now);
        Some(migration)
    }

    pub(crate) fn has_done_evacuations_from(&self, host: &HostName) -> bool {
        self.migrations_from(host).any(|m| m.status == MigrationStatus::Done)
    }

    /// What a compute service does when it starts: whatever was evacuated from it, or is being, is
    /// destroyed and its record completed; of several records of a server the last one only. Returns those servers.
    pub(crate) fn complete_evacuations_from(&mut self, host: &HostName) -> BTreeSet<ServerId> {
        let mut last = BTreeMap::new();
        for migration in self.migrations_from(host) {
            match migration.status {
                MigrationStatus::Accepted
                | MigrationStatus::PreMigrating
                | MigrationStatus::Done => {
                    last.insert(migration.server.clone(), migration.id);
                }
                MigrationStatus::Completed | MigrationStatus::Failed | MigrationStatus::Error => {}
            }
        }
        for id in last.values() {
            if let Some(migration) = self.migration_mut(*id) {
                migration.status = MigrationStatus::Completed;
            }
        }
        let evacuated: BTreeSet<ServerId> = last.into_keys().collect();
        for server in &evacuated {
            self.stop_guest(host, server);
        }
        evacuated
    }

    pub(super) fn list_migrations(&self, call: &Call<'_>) -> Answered {
        call.admin_only("os_compute_api:os-migrations:index:all_projects")?;
        if call.q.query("migration_type") == Some(live::LIVE) {
            return self.list_departures(call.q.query("source_compute").unwrap_or_default());
        }
        let wanted = |m: &&Migration| {
            let is = |key, value: &str| call.q.query(key).is_none_or(|wanted| wanted == value);
            let dest = m.dest.as_ref().map_or("", HostName::as_str);
            let host = call.q.query("host");
            let since = call.q.query("changes-since").filter(|_| call.version.0 >= 59);
            is("migration_type", "evacuation")
                && is("source_compute", m.source.as_str())
                && is("instance_uuid", m.server.as_str())
                && is("status", m.status.as_str())
                && host.is_none_or(|host| host == m.source.as_str() || host == dest)
                && since.and_then(parse_time).is_none_or(|at| m.updated.unwrap_or(m.created) >= at)
        };
        let mut found: Vec<&Migration> = match call.q.query("source_compute") {
            Some(host) => self.migrations_from(&HostName::new(host)).filter(wanted).collect(),
            None => self.migrations.iter().filter(wanted).collect(),
        };
        if call.version.0 < 59 {
            let all: Vec<Value> = found.iter().map(|m| migration_json(call, m)).collect();
            return Ok(Reply::json(200, json!({ "migrations": all })));
        }
        found.reverse();
        let limit = call.q.query("limit").and_then(|limit| limit.parse().ok());
        let limit = limit.unwrap_or(self.shape.page_max).min(self.shape.page_max);
        let start = match call.q.query("marker") {
            None => 0,
            Some(marker) => match found.iter().position(|m| m.uuid == marker) {
                Some(at) => at + 1,
                None => {
                    return Err(refuse(400, &format!("Marker {marker} could not be found.")));
                }
            },
        };
        let page: Vec<&Migration> = found.into_iter().skip(start).take(limit).collect();
        let all: Vec<Value> = page.iter().map(|m| migration_json(call, m)).collect();
        let mut body = json!({ "migrations": all });
        if let Some(last) = page.last().filter(|_| page.len() == limit) {
            let query = call.q.query_with_marker(&last.uuid);
            let base = &self.shape.endpoints.base;
            let href = format!("{base}/compute/v2.1/os-migrations?{query}");
            body["migrations_links"] = json!([{ "rel": "next", "href": href }]);
        }
        Ok(Reply::json(200, body))
    }
}

fn migration_json(call: &Call<'_>, m: &Migration) -> Value {
    let dest = m.dest.as_ref().map(HostName::as_str);
    let mut migration = json!({
        "id": m.id, "instance_uuid": m.server.as_str(), "status": m.status.as_str(),
        "source_compute": m.source.as_str(), "source_node": m.source.as_str(),
        "dest_compute": dest, "dest_node": dest, "dest_host": dest.map(|_| "192.0.2.1"),
        "old_instance_type_id": null, "new_instance_type_id": null,
        "created_at": naive(m.created), "updated_at": m.updated.map(naive),
    });
    if call.version.0 >= 23 {
        migration["migration_type"] = json!("evacuation");
    }
    if call.version.0 >= 59 {
        migration["uuid"] = json!(m.uuid);
    }
    if call.version.0 >= 80 {
        migration["user_id"] = json!(m.user);
        migration["project_id"] = json!(m.project);
    }
    migration
}
