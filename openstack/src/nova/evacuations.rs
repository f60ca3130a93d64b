//! Evacuations, as Nova's migrations show them, and who is on the way to a host by any migration.

use super::{Cursor, List, Microversion, Nova};
use crate::{AskError, moment};
use recovery::{
    HostName, Millis, ServerId,
    seen::{Departure, Evacuation, EvacuationStatus},
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const EVACUATION: &str = "evacuation";
const LIVE: &str = "live-migration";
/// What Nova writes to a live migration before its host begins with it (`nova/compute/manager.py`, `live_migration`).
const NOT_BEGUN: [&str; 2] = ["accepted", "queued"];
/// What Nova calls a migration that is over (`nova/compute/manager.py`); of one that is `finished` the server is on its
/// new host, and one that is `done` was evacuated.
const OVER: [&str; 8] =
    ["completed", "confirmed", "reverted", "finished", "done", "failed", "error", "cancelled"];

#[derive(Deserialize)]
struct Row {
    id: i64,
    /// What pages are marked by.
    #[serde(default)]
    uuid: String,
    instance_uuid: String,
    source_compute: Option<String>,
    dest_compute: Option<String>,
    status: String,
    migration_type: Option<String>,
    created_at: Option<String>,
}

impl Nova {
    /// Every evacuation from `host` that Nova remembers, of any age.
    pub async fn evacuations_from(&self, host: &HostName) -> Result<Vec<Evacuation>, AskError> {
        let rows = self.migrations_from(host, EVACUATION).await?;
        Ok(rows.into_iter().map(|row| self.read_record(row, host)).collect())
    }

    /// The newest live migration from `host` of each server that Nova remembers one of.
    pub async fn departures_from(
        &self,
        host: &HostName,
    ) -> Result<BTreeMap<ServerId, Departure>, AskError> {
        let mut rows = self.migrations_from(host, LIVE).await?;
        rows.sort_by_key(|row| row.id);
        let read = |row: Row| {
            let begun = !NOT_BEGUN.contains(&row.status.as_str());
            let dest = row.dest_compute.filter(|dest| !dest.is_empty()).map(HostName::new);
            (ServerId::new(row.instance_uuid), Departure { dest, begun })
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn migrations_from(&self, host: &HostName, kind: &str) -> Result<Vec<Row>, AskError> {
        let path = ["os-migrations"];
        let query = [("source_compute", host.as_str()), ("migration_type", kind)];
        let paged = Microversion::PAGED_MIGRATIONS;
        let mut rows: Vec<Row> = if self.versions().await?.at_most(paged) == paged {
            self.list(List::of(&path, &query, "migrations"), |row: &Row| &row.uuid).await?.items
        } else {
            self.get(&path, &query).await?.read_under("migrations")?
        };
        rows.retain(|row| {
            row.source_compute.as_deref() == Some(host.as_str())
                && row.migration_type.as_deref() == Some(kind)
        });
        Ok(rows)
    }

    /// Servers that Nova is moving to `host`, of whatever kind the migration is, by the records that it has written to
    /// since then. A Nova before 2.59 tells of all.
    pub async fn on_their_way_to(
        &self,
        host: &HostName,
        since: Millis,
    ) -> Result<BTreeSet<ServerId>, AskError> {
        let path = ["os-migrations"];
        let paged = Microversion::PAGED_MIGRATIONS;
        let rows: Vec<Row> = if self.versions().await?.at_most(paged) == paged {
            let since = moment::write(self.by_novas_clock(since));
            let query = [("host", host.as_str()), ("changes-since", since.as_str())];
            self.list(List::of(&path, &query, "migrations"), |row: &Row| &row.uuid).await?.items
        } else {
            self.get(&path, &[("host", host.as_str())]).await?.read_under("migrations")?
        };
        let comes = |row: &Row| {
            let to =
                if row.status == "reverting" { &row.source_compute } else { &row.dest_compute };
            to.as_deref() == Some(host.as_str()) && !OVER.contains(&row.status.as_str())
        };
        let coming = rows.into_iter().filter(comes);
        Ok(coming.map(|row| ServerId::new(row.instance_uuid)).collect())
    }

    /// The evacuations of all hosts that Nova has written to since then. A Nova before 2.59 cannot tell.
    pub async fn evacuations_since(&self, since: Millis) -> Result<Vec<Evacuation>, AskError> {
        self.evacuations_written(self.by_novas_clock(since)).await
    }

    /// The same since `cursor`, and the cursor to go on from. A record may come twice.
    pub async fn evacuations_changed_since(
        &self,
        cursor: &Cursor,
    ) -> Result<(Vec<Evacuation>, Cursor), AskError> {
        let started = self.0.session.clock().wall();
        let records = self.evacuations_written(cursor.0).await?;
        Ok((records, self.cursor_at(started)))
    }

    /// Since then by Nova's own clock.
    async fn evacuations_written(&self, since: Millis) -> Result<Vec<Evacuation>, AskError> {
        let paged = Microversion::PAGED_MIGRATIONS;
        if let Some(newest) = self.older_than(paged).await? {
            return Err(AskError::TooOld { service: "Nova", newest, needed: paged.to_string() });
        }
        let since = moment::write(since);
        let query = [("migration_type", EVACUATION), ("changes-since", since.as_str())];
        let rows =
            self.list(List::of(&["os-migrations"], &query, "migrations"), |row: &Row| &row.uuid);
        let read = |row: Row| {
            let source = row.source_compute.as_deref().map(HostName::new)?;
            let is_ours = row.migration_type.as_deref() == Some(EVACUATION);
            is_ours.then(|| self.read_record(row, &source))
        };
        Ok(rows.await?.items.into_iter().filter_map(read).collect())
    }

    fn read_record(&self, row: Row, source: &HostName) -> Evacuation {
        let created = row.created_at.as_deref().and_then(moment::read);
        Evacuation {
            id: row.id,
            server: ServerId::new(row.instance_uuid),
            source: source.clone(),
            dest: row.dest_compute.map(HostName::new),
            status: match row.status.as_str() {
                "accepted" => EvacuationStatus::Accepted,
                "done" => EvacuationStatus::Done,
                "completed" => EvacuationStatus::Completed,
                "failed" | "error" | "cancelled" => EvacuationStatus::Failed,
                _ => EvacuationStatus::Running,
            },
            created: created.map(|at: Millis| self.by_our_clock(at)),
        }
    }
}
