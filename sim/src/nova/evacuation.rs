//! Evacuation: what the API accepts, where the scheduler sends it, and how a destination does it.
//!
//! Four things are as in Nova although one may not expect them. The API looks at the `vm_state` but
//! not at the `task_state`: a second request for a server whose evacuation is on its way is accepted.
//! The server keeps its old host in the database until the destination has finished. And a destination
//! that finds that somebody else has changed the task state under it gives up *after* it
//! has started the server, if that was as far as it had come. And the conductor works on the first record of the server that says
//! `accepted`, whichever request that was of.

use super::events::{AT_CONDUCTOR, AT_HOST, Request};
use super::instance::Action;
use super::migrations::MigrationStatus;
use super::{Call, Migration, TaskState, VmState, refuse};
use crate::host::{Condition, EvacuateCall, Host, Verdict};
use crate::http::{Answered, Reply};
use crate::life::Event;
use crate::shape::Want;
use crate::state::State;
use recovery::{HostName, ServerId};
use serde_json::{Value, json};

/// What Nova notes when its scheduler found nothing.
const NO_VALID_HOST: &str = "No valid host was found. There are not enough hosts available.";
/// How much of the building time each of the three parts takes, in percent.
const PARTS_PERCENT: [u64; 3] = [10, 20, 70];

/// An evacuation in the hands of a destination.
#[derive(Debug)]
pub(crate) struct Job {
    request: Request,
    dest: HostName,
    migration: Option<usize>,
    stage: Stage,
    build_ms: u64,
}

/// What the destination does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Claim,
    MapVolumes,
    Spawn,
    Finish,
    Stop,
}

/// Why the destination gave up.
enum GaveUp {
    /// Not enough resources: the server keeps its state.
    Claim,
    /// The hypervisor failed.
    Build,
    /// The conductor does not answer it, and the server runs already.
    LostTouch,
    /// It has a copy already, which an evacuation left there that was preempted.
    Exists,
    /// Its owner has deleted the server meanwhile.
    Deleted,
    /// Somebody else has changed the task state.
    Preempted { expected: TaskState },
}

impl State {
    pub(super) fn evacuate(&mut self, call: &Call<'_>, id: &ServerId, body: &Value) -> Answered {
        let from = self.servers.get(id).map(|server| server.host.clone());
        let from = from.ok_or_else(super::no_such_resource)?;
        let target = body["host"].as_str().map(HostName::new);
        let judged = self.judge_evacuation(call, id, body, target.as_ref());
        let verdict = match &judged {
            Ok(()) => Verdict::Accepted,
            Err(refusal) => Verdict::Refused { status: refusal.status },
        };
        let host_was = self.condition(&from);
        self.tell(format!("{id}: evacuate from {from} ({host_was:?}): {verdict:?}"));
        self.records.evacuate_calls.push(EvacuateCall {
            server: id.clone(),
            from: from.clone(),
            target: target.clone(),
            at: self.now,
            verdict,
            host_was,
        });
        judged?;
        self.accept_evacuation(call, id, from, target);
        let reply = match call.version.0 {
            ..14 => Reply::json(200, json!({ "adminPass": "MySecretPass" })),
            _ => Reply::empty(200),
        };
        // It is in the database, and nova-api waits until it can tell the conductor.
        Ok(Reply { hold_ms: self.bus_is_back_in_ms(), ..reply })
    }

    fn judge_evacuation(
        &self,
        call: &Call<'_>,
        id: &ServerId,
        body: &Value,
        target: Option<&HostName>,
    ) -> Result<(), Reply> {
        call.admin_only("os_compute_api:os-evacuate")?;
        let known = |key: &str| match key {
            "host" | "adminPass" => true,
            "onSharedStorage" => call.version.0 < 14,
            "force" => (29..68).contains(&call.version.0),
            _ => false,
        };
        let keys = body.as_object().into_iter().flat_map(|object| object.keys());
        if let Some(key) = keys.into_iter().find(|key| !known(key)) {
            return Err(refuse(
                400,
                &format!(
                    "Invalid input for field/attribute evacuate. Value: {body}. Additional properties \
                 are not allowed ('{key}' was unexpected)"
                ),
            ));
        }
        if call.version.0 >= 95 && self.shape.old_computes {
            // All that is left of a sentence that Nova cannot put together.
            return Err(refuse(400, "{'currently': 61, 'expected': 62}"));
        }
        let server = self.servers.get(id).ok_or_else(super::no_such_resource)?;
        if let Some((status, why)) = server.wants.and_then(Want::refusal) {
            return Err(refuse(status, why));
        }
        if let Some(target) = target {
            if !self.hosts.contains_key(target) {
                return Err(refuse(404, &format!("Compute host {target} not found.")));
            }
            if *target == server.host {
                return Err(refuse(400, "The target host can't be the same one."));
            }
        }
        match server.vm_state {
            VmState::Active | VmState::Stopped | VmState::Error => {}
            VmState::Paused | VmState::Deleted => {
                return Err(super::actions::conflict(server, "evacuate", "vm_state"));
            }
        }
        if self.hosts.get(&server.host).is_some_and(|host| self.is_up(host)) {
            let host = &server.host;
            return Err(refuse(400, &format!("Compute service of {host} is still in use.")));
        }
        Ok(())
    }

    fn accept_evacuation(
        &mut self,
        call: &Call<'_>,
        id: &ServerId,
        source: HostName,
        target: Option<HostName>,
    ) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(id) else { return };
        server.task = Some(TaskState::Rebuilding);
        server.updated = now;
        server.actions.push(Action::new("evacuate", call, now));
        let stopped = server.vm_state == VmState::Stopped;
        let end_stopped = stopped || (call.version.0 >= 95 && server.vm_state != VmState::Error);
        let migration = Migration {
            id: self.migrations.len() + 1,
            uuid: self.uuid(),
            server: id.clone(),
            source,
            dest: target.clone(),
            status: MigrationStatus::Accepted,
            created: now,
            updated: None,
            user: call.caller.user.clone(),
            project: call.caller.project.clone(),
        };
        self.insert_migration(migration);
        let (server, request) = (id.clone(), call.request_id.clone());
        let request = Request { server, target, end_stopped, id: request };
        match self.bus_is_back_in_ms() {
            0 => self.take_up(request),
            wait_ms => self.after(wait_ms, Event::TakeUp(request)),
        }
    }

    /// The conductor's part: a destination, or the server ends in `error`.
    pub(crate) fn schedule(&mut self, request: Request) {
        let id = &request.server;
        let accepted = |m: &&Migration| m.status == MigrationStatus::Accepted;
        let migration = self.migrations_of(id).find(accepted).map(|m| m.id);
        let Some(dest) = self.choose(id, request.target.as_ref()) else {
            self.set_status(migration, MigrationStatus::Error);
            self.error_out(id, NO_VALID_HOST);
            self.ends(&request, AT_CONDUCTOR, Some(NO_VALID_HOST));
            if let Some(server) = self.servers.get_mut(id) {
                server.task = None;
            }
            return;
        };
        self.ends(&request, AT_CONDUCTOR, None);
        let number = self.number();
        let build_ms = self.between(&self.shape.pace.build_ms);
        let stage = Stage::Claim;
        let job = Job { request, dest: dest.clone(), migration, stage, build_ms };
        self.jobs.insert(number, job);
        if let Some(host) = self.hosts.get_mut(&dest) {
            host.waiting.push_back(number);
        }
        self.build_next(&dest);
    }

    /// The scheduler: enabled, up, with room, not the old host; the emptiest of those.
    pub(super) fn choose(&self, id: &ServerId, target: Option<&HostName>) -> Option<HostName> {
        let server = self.servers.get(id).filter(|server| !server.is_deleted())?;
        if !self.shape.devices && server.wants.is_some() {
            return None;
        }
        let old = server.host.clone();
        let fitting = self.hosts.iter().filter_map(|(name, host)| {
            let load = self.load(host);
            let fits = !host.disabled
                && self.is_up(host)
                && *name != old
                && target.is_none_or(|target| target == name)
                && load < self.fits(host);
            fits.then_some((load, name))
        });
        fitting.min_by_key(|(load, _)| *load).map(|(_, name)| name.clone())
    }

    /// How many servers are on the host, or on their way to it.
    pub(crate) fn load(&self, host: &Host) -> usize {
        self.count_on(&host.name)
            + host.waiting.len()
            + host.building.len()
            + self.moving_to(&host.name)
    }

    /// How many servers fit on the host.
    pub(crate) fn fits(&self, host: &Host) -> usize {
        host.fits.unwrap_or(self.shape.vms_per_host_max)
    }

    /// Lets a destination begin as many builds as it may do at once.
    pub(crate) fn build_next(&mut self, dest: &HostName) {
        while let Some(host) = self.hosts.get_mut(dest)
            && host.condition == Condition::Alive
            && host.building.len() < self.shape.pace.builds_per_host
            && let Some(job) = host.waiting.pop_front()
        {
            host.building.insert(job);
            self.after(0, Event::Build(job));
        }
    }

    /// One step of a destination.
    pub(crate) fn build(&mut self, number: u64) {
        let Some(mut job) = self.jobs.remove(&number) else { return };
        let dest = job.dest.clone();
        if self.condition(&dest) != Condition::Alive {
            // Cut off: its calls to the conductor hang. (The jobs of a dead host are gone.)
            self.jobs.insert(number, job);
            if let Some(host) = self.hosts.get_mut(&dest) {
                host.parked.push(number);
            }
            return;
        }
        match self.step(&mut job) {
            Ok(Some(wait_ms)) => {
                self.jobs.insert(number, job);
                self.after(wait_ms, Event::Build(number));
                return;
            }
            Ok(None) => {}
            Err(why) => self.give_up(&job, &why),
        }
        if let Some(host) = self.hosts.get_mut(&dest) {
            host.building.remove(&number);
        }
        self.build_next(&dest);
    }

    /// Does what is next and says when to come again; `None` when all is done.
    fn step(&mut self, job: &mut Job) -> Result<Option<u64>, GaveUp> {
        if self.servers.get(&job.request.server).is_none_or(super::Instance::is_deleted) {
            return Err(GaveUp::Deleted);
        }
        let [claim, map, spawn] = PARTS_PERCENT.map(|percent| job.build_ms * percent / 100);
        let (next, wait_ms) = match job.stage {
            Stage::Claim => {
                self.begins(&job.request, AT_HOST, &job.dest);
                if self.happens(self.plan.claim_fails_permille) {
                    return Err(GaveUp::Claim);
                }
                if let Some(migration) = job.migration.and_then(|id| self.migration_mut(id)) {
                    migration.dest = Some(job.dest.clone());
                    migration.status = MigrationStatus::PreMigrating;
                }
                if self.running(&job.request.server).contains(&job.dest) {
                    return Err(GaveUp::Exists);
                }
                self.task_from(job, TaskState::Rebuilding, TaskState::Rebuilding)?;
                (Stage::MapVolumes, claim)
            }
            Stage::MapVolumes => {
                let to = TaskState::RebuildBlockDeviceMapping;
                self.task_from(job, TaskState::Rebuilding, to)?;
                (Stage::Spawn, map)
            }
            Stage::Spawn => {
                let from = TaskState::RebuildBlockDeviceMapping;
                self.task_from(job, from, TaskState::RebuildSpawning)?;
                (Stage::Finish, spawn)
            }
            Stage::Finish => {
                if self.happens(self.plan.build_fails_permille) {
                    return Err(GaveUp::Build);
                }
                // A server that is to be stopped runs for a moment too.
                self.start_guest(&job.dest, &job.request.server);
                // Chance is asked only where it matters: other histories stay as they were.
                let may = self.plan.loses_touch_permille > 0;
                if may && self.happens(self.plan.loses_touch_permille) {
                    return Err(GaveUp::LostTouch);
                }
                self.task_from(job, TaskState::RebuildSpawning, TaskState::RebuildSpawning)?;
                if !job.request.end_stopped {
                    self.finish(job);
                    return Ok(None);
                }
                if let Some(server) = self.servers.get_mut(&job.request.server) {
                    server.started();
                    server.task = Some(TaskState::PoweringOff);
                }
                (Stage::Stop, self.between(&self.shape.pace.power_ms))
            }
            Stage::Stop => {
                self.stop_guest(&job.dest, &job.request.server);
                self.finish(job);
                return Ok(None);
            }
        };
        job.stage = next;
        Ok(Some(wait_ms))
    }

    /// Writes a task state if the one before is what this destination expects.
    fn task_from(&mut self, job: &Job, from: TaskState, to: TaskState) -> Result<(), GaveUp> {
        let now = self.now;
        match self.servers.get_mut(&job.request.server) {
            Some(server) if server.task == Some(from) => {
                server.task = Some(to);
                server.updated = now;
                Ok(())
            }
            Some(_) | None => Err(GaveUp::Preempted { expected: from }),
        }
    }

    fn finish(&mut self, job: &Job) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(&job.request.server) else { return };
        if job.request.end_stopped {
            server.stopped();
        } else {
            server.started();
        }
        server.updated = now;
        server.fault = None;
        self.move_server(&job.request.server, &job.dest);
        self.set_status(job.migration, MigrationStatus::Done);
        self.ends(&job.request, AT_HOST, None);
        self.tell(format!("{} is evacuated to {}", job.request.server, job.dest));
    }

    fn give_up(&mut self, job: &Job, why: &GaveUp) {
        self.set_status(job.migration, MigrationStatus::Failed);
        let id = &job.request.server;
        let noted = match why {
            GaveUp::Claim => "Insufficient compute resources: Free memory.".into(),
            GaveUp::Deleted => format!("Instance {id} could not be found."),
            GaveUp::Exists => format!("Instance {id} already exists."),
            GaveUp::Build => "Build of instance aborted.".into(),
            GaveUp::LostTouch => "MessagingTimeout".into(),
            GaveUp::Preempted { expected } => {
                format!("Conflict updating instance. Expected: {}.", expected.as_str())
            }
        };
        self.ends(&job.request, AT_HOST, Some(&noted));
        match why {
            GaveUp::Claim => {}
            GaveUp::Deleted => {
                // A host reaps what runs there of a deleted server (`running_deleted_instance_action`), if not at once.
                self.stop_guest(&job.dest, id);
                return;
            }
            GaveUp::Exists | GaveUp::Build | GaveUp::LostTouch => self.error_out(id, &noted),
            GaveUp::Preempted { .. } => {
                self.error_out(id, &noted);
                return;
            }
        }
        if let Some(server) = self.servers.get_mut(&job.request.server) {
            server.task = None;
        }
    }

    fn set_status(&mut self, migration: Option<usize>, status: MigrationStatus) {
        if let Some(migration) = migration.and_then(|id| self.migration_mut(id)) {
            migration.status = status;
        }
    }

    fn error_out(&mut self, id: &ServerId, fault: &str) {
        let now = self.now;
        if let Some(server) = self.servers.get_mut(id).filter(|server| !server.is_deleted()) {
            server.vm_state = VmState::Error;
            server.updated = now;
            server.fault = Some((now, fault.into()));
        }
        self.tell(format!("{id} ends in error: {fault}"));
    }
}
