//! Live migration: a server goes from one host that lives to another, and runs on one of them at every moment.

use super::events::{AT_CONDUCTOR, Request};
use super::instance::Action;
use super::{Call, TaskState, VmState};
use crate::host::Condition;
use crate::http::{Answered, Reply};
use crate::life::Event;
use crate::state::State;
use recovery::{HostName, ServerId};

/// What Nova notes when its scheduler found nothing.
const NO_VALID_HOST: &str = "No valid host was found. There are not enough hosts available.";

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

    /// The source hands it over, if both are still there and nobody has taken it from them.
    pub(crate) fn live_migrated(&mut self, request: &Request, dest: &HostName) {
        let id = &request.server;
        let Some(server) = self.servers.get(id) else { return };
        let (source, ours) = (server.host.clone(), server.task == Some(TaskState::Migrating));
        if !ours || self.condition(&source) != Condition::Alive {
            return;
        }
        if self.condition(dest) != Condition::Alive {
            self.ends(request, AT_CONDUCTOR, Some("Migration error: the destination is away"));
            return self.stays(id);
        }
        let runs = self.running(id).contains(&source);
        self.stop_guest(&source, id);
        if runs {
            self.start_guest(dest, id);
        }
        self.move_server(id, dest);
        self.ends(request, AT_CONDUCTOR, None);
        self.stays(id);
        self.tell(format!("{id} has moved alive to {dest}"));
    }

    /// How many are on their way to the host.
    pub(super) fn moving_to(&self, name: &HostName) -> usize {
        let comes =
            |event: &&Event| matches!(event, Event::LiveMigrated { dest, .. } if dest == name);
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
