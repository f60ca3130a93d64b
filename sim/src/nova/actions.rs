//! `POST servers/{id}/action`, and the records of what was asked for.

use super::instance::Action;
use super::{Call, Instance, TaskState, VmState, refuse};
use crate::host::Condition;
use crate::http::{Answered, Reply, naive};
use crate::keystone::Standing;
use crate::life::Event;
use crate::state::State;
use recovery::{Millis, ServerId};
use serde_json::{Value, json};

/// What a compute host does to a server at a user's wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PowerAction {
    Stop,
    Start,
    Reboot,
}

impl Action {
    pub(super) fn new(name: &'static str, call: &Call<'_>, start: Millis) -> Self {
        Self {
            name,
            request_id: call.request_id.clone(),
            user: call.caller.user.clone(),
            project: call.caller.project.clone(),
            start,
            events: Vec::new(),
        }
    }
}

/// What Nova says when a server is in the wrong state for an action.
pub(super) fn conflict(server: &Instance, action: &str, attribute: &str) -> Reply {
    let state = match attribute {
        "task_state" => server.task.map_or("None", TaskState::as_str),
        _ => server.vm_state.as_str(),
    };
    let id = &server.id;
    refuse(409, &format!("Cannot '{action}' instance {id} while it is in {attribute} {state}"))
}

impl State {
    pub(super) fn act(&mut self, call: &Call<'_>, id: &str) -> Answered {
        let id = self.find_server(call, id)?.id.clone();
        let body = call.q.json();
        let action = body.as_object().and_then(|object| object.iter().next());
        let Some((name, value)) = action else {
            return Err(refuse(400, "There is no such action: None. Malformed request body"));
        };
        match name.as_str() {
            "evacuate" => self.evacuate(call, &id, value),
            "lock" => {
                let reason = value["locked_reason"].as_str().filter(|_| call.version.0 >= 73);
                self.lock(call, &id, "lock", Some(reason))
            }
            "unlock" => self.lock(call, &id, "unlock", None),
            "os-migrateLive" => self.live_migrate(call, &id),
            "os-resetState" => self.reset_state(call, &id, value),
            "os-stop" => self.power(call, &id, PowerAction::Stop, TaskState::PoweringOff),
            "os-start" => self.power(call, &id, PowerAction::Start, TaskState::PoweringOn),
            "reboot" => {
                let task = match value["type"].as_str() {
                    Some("HARD") => TaskState::RebootingHard,
                    Some(_) | None => TaskState::Rebooting,
                };
                self.power(call, &id, PowerAction::Reboot, task)
            }
            other => Err(refuse(400, &format!("There is no such action: {other}"))),
        }
    }

    /// `lock`: `Some(reason)` locks, `None` unlocks.
    fn lock(
        &mut self,
        call: &Call<'_>,
        id: &ServerId,
        name: &'static str,
        lock: Option<Option<&str>>,
    ) -> Answered {
        let now = self.now;
        let server = self.servers.get_mut(id).ok_or_else(super::no_such_resource)?;
        server.locked = lock.is_some();
        server.locked_reason = lock.flatten().map(Into::into);
        server.updated = now;
        server.actions.push(Action::new(name, call, now));
        Ok(Reply::empty(202))
    }

    fn reset_state(&mut self, call: &Call<'_>, id: &ServerId, value: &Value) -> Answered {
        call.admin_only("os_compute_api:os-admin-actions:reset_state")?;
        let vm_state = match value["state"].as_str() {
            Some("active") => VmState::Active,
            Some("error") => VmState::Error,
            Some(_) | None => {
                return Err(refuse(400, "Invalid input for field/attribute state."));
            }
        };
        let now = self.now;
        let server = self.servers.get_mut(id).ok_or_else(super::no_such_resource)?;
        server.vm_state = vm_state;
        server.task = None;
        server.updated = now;
        server.actions.push(Action::new("reset_state", call, now));
        Ok(Reply::empty(202))
    }

    fn power(
        &mut self,
        call: &Call<'_>,
        id: &ServerId,
        action: PowerAction,
        task: TaskState,
    ) -> Answered {
        let now = self.now;
        let wait_ms = self.between(&self.shape.pace.power_ms);
        let server = self.servers.get_mut(id).ok_or_else(super::no_such_resource)?;
        if server.locked && call.caller.standing == Standing::Member {
            return Err(refuse(409, &format!("Instance {id} is locked")));
        }
        let (name, fits) = match (action, server.vm_state) {
            (PowerAction::Stop, VmState::Active | VmState::Error) => ("stop", true),
            (PowerAction::Stop, VmState::Stopped | VmState::Paused | VmState::Deleted) => {
                ("stop", false)
            }
            (PowerAction::Start, VmState::Stopped) => ("start", true),
            (
                PowerAction::Start,
                VmState::Active | VmState::Error | VmState::Paused | VmState::Deleted,
            ) => ("start", false),
            (PowerAction::Reboot, VmState::Active) => ("reboot", true),
            (PowerAction::Reboot, VmState::Deleted) => ("reboot", false),
            (PowerAction::Reboot, VmState::Stopped | VmState::Error | VmState::Paused) => {
                ("reboot", task == TaskState::RebootingHard)
            }
        };
        if !fits {
            return Err(conflict(server, name, "vm_state"));
        }
        if server.task.is_some() {
            return Err(conflict(server, name, "task_state"));
        }
        server.task = Some(task);
        server.updated = now;
        server.actions.push(Action::new(name, call, now));
        let host = server.host.clone();
        // As in Nova 34, the API does not look whether the host is up.
        match self.hosts.get_mut(&host).filter(|host| host.condition == Condition::Dead) {
            Some(dead) => dead.queue.push((id.clone(), action)),
            None => self.after(wait_ms, Event::Power { server: id.clone(), action }),
        }
        Ok(Reply { hold_ms: self.bus_is_back_in_ms(), ..Reply::empty(202) })
    }

    /// The compute host's part; a host that does not hear leaves the task state as it is.
    pub(crate) fn finish_power(&mut self, id: &ServerId, action: PowerAction) {
        let now = self.now;
        let Some(host) = self.servers.get(id).map(|server| server.host.clone()) else { return };
        if self.condition(&host) != Condition::Alive {
            return;
        }
        let Some(server) = self.servers.get_mut(id) else { return };
        let ours = server.task.is_some_and(|task| !task.is_rebuilding());
        if !ours {
            return;
        }
        server.updated = now;
        match action {
            PowerAction::Stop => {
                server.stopped();
                self.stop_guest(&host, id);
            }
            PowerAction::Start | PowerAction::Reboot => {
                server.started();
                self.start_guest(&host, id);
            }
        }
    }

    /// Newest first.
    pub(super) fn list_actions(&self, call: &Call<'_>, id: &str) -> Answered {
        let server = self.find_server(call, id)?;
        let newest_first = server.actions.iter().rev();
        let actions: Vec<Value> = newest_first.map(|a| action_json(call, server, a)).collect();
        Ok(Reply::json(200, json!({ "instanceActions": actions })))
    }

    pub(super) fn show_action(&self, call: &Call<'_>, id: &str, request: &str) -> Answered {
        let server = self.find_server(call, id)?;
        let found = server.actions.iter().find(|action| action.request_id == request);
        let action = found.ok_or_else(|| refuse(404, &format!("Action {request} not found")))?;
        let mut shown = action_json(call, server, action);
        shown["events"] = super::events::events_json(call, action).into();
        Ok(Reply::json(200, json!({ "instanceAction": shown })))
    }
}

fn action_json(call: &Call<'_>, server: &Instance, action: &Action) -> Value {
    let mut shown = json!({
        "action": action.name, "instance_uuid": server.id.as_str(),
        "request_id": action.request_id, "user_id": action.user, "project_id": action.project,
        "start_time": naive(action.start), "message": null,
    });
    if call.version.0 >= 58 {
        shown["updated_at"] = json!(naive(action.start));
    }
    shown
}
