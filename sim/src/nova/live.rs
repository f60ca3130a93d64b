//! Live migration: a server goes from one host that lives to another, and runs on one of them at every moment. Nova counts it
//! to the old one until that has told it otherwise, which a host that dies in between never does.

use super::events::{AT_CONDUCTOR, Request};
use super::instance::Action;
use super::{Call, TaskState, VmState};
use crate::host::Condition;
use crate::http::{Answered, Reply};
use crate::life::Event;
use crate::state::State;
use recovery::{HostName, ServerId};
use serde_json::{Value, json};

/// What Nova notes when its scheduler found nothing.
const NO_VALID_HOST: &str = "No valid host was found. There are not enough hosts available.";

/// As `os-migrations` calls them.
pub(super) const LIVE: &str = "live-migration";

/// A record of `os-migrations`.
#[derive(Debug)]
pub(crate) struct Departure {
    server: ServerId,
    source: HostName,
    dest: HostName,
    /// `running`, `completed` or `error`.
    status: &'static str,
}

impl State {
    /// Answered before it has begun, as since 2.34.
    pub(super) fn live_migrate(&mut self, call: &Call<'_>, id: &ServerId) -> Answered {
        call.admin_only("os_compute_api:os-migrate-server:migrate_live")?;
        let now = self.now;
        let server = self.servers.get_mut(id).ok_or_else(super::no_such_resource)?;
        match server.vm_state {
            VmState::Active | VmState::Paused => {}
            VmState::Stopped | VmState::Error | VmState::Deleted => {
                return Err(super::actions::conflict(server, "os-migrateLive", "vm_state"));
            }
        }
        if server.task.is_some() {
            return Err(super::actions::conflict(server, "os-migrateLive", "task_state"));
        }
        server.task = Some(TaskState::Migrating);
        server.updated = now;
        server.actions.push(Action::new("live-migration", call, now));
        let moving = |s: &&super::Instance| s.task == Some(TaskState::Migrating);
        let moving = self.servers.values().filter(moving).count();
        self.records.most_moving = self.records.most_moving.max(moving);
        self.tell(format!("{id} is asked to leave its host alive"));
        let request = Request {
            server: id.clone(),
            target: None,
            end_stopped: false,
            id: call.request_id.clone(),
        };
        self.begins(&request, AT_CONDUCTOR, &HostName::new("controller"));
        match self.choose(id, None) {
            Some(dest) => {
                if let Some(source) = self.servers.get(id).map(|server| server.host.clone()) {
                    let (server, dest) = (id.clone(), dest.clone());
                    self.departures.push(Departure { server, source, dest, status: "running" });
                }
                let wait_ms = self.between(&self.shape.pace.build_ms);
                self.after(wait_ms, Event::LiveMigrated { request, dest });
            }
            None => {
                self.ends(&request, AT_CONDUCTOR, Some(NO_VALID_HOST));
                self.stays(id);
            }
        }
        Ok(Reply::empty(202))
    }

    /// Its old host, if that is there and nobody has taken the server from it.
    fn leaves(&self, id: &ServerId) -> Option<HostName> {
        let server = self.servers.get(id)?;
        let ours = server.task == Some(TaskState::Migrating);
        (ours && self.condition(&server.host) == Condition::Alive).then(|| server.host.clone())
    }

    /// It starts on its new host, if that is still there.
    pub(crate) fn live_migrated(&mut self, request: Request, dest: HostName) {
        let id = &request.server;
        let Some(source) = self.leaves(id) else { return };
        if self.condition(&dest) != Condition::Alive {
            self.ends(&request, AT_CONDUCTOR, Some("Migration error: the destination is away"));
            self.departed(id, "error");
            return self.stays(id);
        }
        let runs = self.running(id).contains(&source);
        self.stop_guest(&source, id);
        if runs {
            self.start_guest(&dest, id);
        }
        match self.shape.pace.handover_ms {
            0 => self.handed_over(&request, &dest),
            wait_ms => self.after(wait_ms, Event::HandedOver { request, dest }),
        }
    }

    /// The source says where it is, if it is there to say so.
    pub(crate) fn handed_over(&mut self, request: &Request, dest: &HostName) {
        let id = &request.server;
        if self.leaves(id).is_none() {
            return;
        }
        self.move_server(id, dest);
        self.departed(id, "completed");
        self.ends(request, AT_CONDUCTOR, None);
        self.stays(id);
        self.tell(format!("{id} has moved alive to {dest}"));
    }

    /// Writes how the newest live migration of the server has ended.
    fn departed(&mut self, id: &ServerId, status: &'static str) {
        if let Some(departure) = self.departures.iter_mut().rfind(|d| d.server == *id) {
            departure.status = status;
        }
    }

    /// The rows of live migrations away from `source`, newest first.
    pub(super) fn list_departures(&self, source: &str) -> Answered {
        let away = self.departures.iter().enumerate().filter(|(_, d)| d.source.as_str() == source);
        let row = |(n, d): (usize, &Departure)| {
            json!({
                "id": n + 1, "uuid": format!("live-{n}"), "instance_uuid": d.server.as_str(),
                "status": d.status, "migration_type": LIVE,
                "source_compute": d.source.as_str(), "dest_compute": d.dest.as_str(),
            })
        };
        let rows: Vec<Value> = away.rev().map(row).collect();
        Ok(Reply::json(200, json!({ "migrations": rows })))
    }

    /// How many are on their way to the host.
    pub(super) fn moving_to(&self, name: &HostName) -> usize {
        let comes = |event: &&Event| matches!(event, Event::LiveMigrated { dest, .. } | Event::HandedOver { dest, .. } if dest == name);
        self.events.values().filter(comes).count()
    }

    /// Nothing is under way any more.
    fn stays(&mut self, id: &ServerId) {
        let now = self.now;
        if let Some(server) = self.servers.get_mut(id) {
            (server.task, server.updated) = (None, now);
        }
    }
}
