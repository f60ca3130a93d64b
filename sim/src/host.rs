//! The truth: which host has power, whom its heartbeats reach, and which copies of servers run on it.
//! Nova's database ([`crate::nova`]) may say otherwise; that is what the histories are about.

use crate::life::Event;
use crate::nova::{PowerAction, PowerState, TaskState, VmState};
use crate::state::State;
use recovery::{HostName, Millis, ServerId, ServiceId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many sentences about the world are kept.
const STORY_LINES_MAX: usize = 10_000;
/// nova-compute waits so long before its first report (`INITIAL_REPORTING_DELAY`).
const FIRST_REPORT_MS: i64 = 5_000;
/// `sync_power_state_interval` of nova.conf.
const SYNC_POWER_MS: u64 = 600_000;

/// What is true of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It works.
    Alive,
    /// It works, its servers run, but Nova does not hear from it nor it from Nova.
    Cut,
    /// It has no power.
    Dead,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) name: HostName,
    pub(crate) service: ServiceId,
    pub(crate) condition: Condition,
    /// While it is alive, it reports at this moment and at each report interval after it.
    beats_from: Millis,
    /// The last report before that.
    last_before: Millis,
    /// When it last booted.
    pub(crate) booted_at: Option<Millis>,
    /// When somebody last changed the service by the API, which moves `updated_at` too.
    pub(crate) changed_at: Option<Millis>,
    /// How many servers fit on it, if not as many as on others.
    pub(crate) fits: Option<usize>,
    pub(crate) disabled: bool,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) forced_down: bool,
    /// The copies that run.
    pub(crate) guests: BTreeSet<ServerId>,
    /// Evacuations to this host that wait for their turn.
    pub(crate) waiting: VecDeque<u64>,
    pub(crate) building: BTreeSet<u64>,
    /// What Nova took for it while it had no power: it does that when it has booted, wherever the
    /// servers are by then.
    pub(crate) queue: Vec<(ServerId, PowerAction)>,
    /// Builds that cannot go on before Nova hears the host again.
    pub(crate) parked: Vec<u64>,
}

impl Host {
    pub(crate) fn new(number: usize, service: String, now: Millis, phase_ms: i64) -> Self {
        Self {
            number,
            name: HostName::new(format!("compute-{number:02}")),
            service: ServiceId::new(service),
            condition: Condition::Alive,
            beats_from: now.plus(-phase_ms),
            last_before: now.plus(-phase_ms),
            booted_at: None,
            changed_at: None,
            fits: None,
            disabled: false,
            disabled_reason: None,
            forced_down: false,
            guests: BTreeSet::new(),
            waiting: VecDeque::new(),
            building: BTreeSet::new(),
            queue: Vec::new(),
            parked: Vec::new(),
        }
    }

    /// Out of service until somebody needs it.
    pub(crate) fn reserved(self, fits: usize) -> Self {
        Self { fits: Some(fits), disabled: true, disabled_reason: Some("reserved".into()), ..self }
    }

    /// The last heartbeat that reached Nova.
    pub(crate) fn last_beat(&self, now: Millis, interval_ms: i64) -> Millis {
        let since = now.since(self.beats_from);
        if self.condition != Condition::Alive || since < 0 {
            return self.last_before;
        }
        self.beats_from.plus(since - since % interval_ms.max(1))
    }

    fn fall_silent(&mut self, condition: Condition, now: Millis, interval_ms: i64) {
        self.last_before = self.last_beat(now, interval_ms);
        self.condition = condition;
    }

    /// Reports again in the rhythm that it has kept all the while.
    fn is_heard_again(&mut self, now: Millis, interval_ms: i64) {
        let since = now.since(self.beats_from).max(0);
        let next = (since + interval_ms - 1) / interval_ms.max(1) * interval_ms;
        self.beats_from = self.beats_from.plus(next);
        self.condition = Condition::Alive;
    }
}

/// One accepted or refused request to evacuate, with the truth at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvacuateCall {
    pub server: ServerId,
    pub from: HostName,
    /// The host that was asked for.
    pub target: Option<HostName>,
    pub at: Millis,
    pub verdict: Verdict,
    /// What was true of the host that Nova was told to evacuate.
    pub host_was: Condition,
}

/// How Nova answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Accepted,
    Refused { status: u16 },
}

/// One accepted change of `forced_down`, with the truth at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForcedDown {
    pub host: HostName,
    pub to: bool,
    pub at: Millis,
    pub host_was: Condition,
}

/// The end of the product.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Broken {
    #[error("{server} runs on {} hosts at once, since {}: {hosts:?}\n{}", .hosts.len(), .at.0, .story.join("\n"))]
    RunsTwice { server: ServerId, hosts: Vec<HostName>, at: Millis, story: Vec<String> },
}

/// What happened, for those who judge.
#[derive(Default, Debug)]
pub(crate) struct Records {
    pub(crate) evacuate_calls: Vec<EvacuateCall>,
    pub(crate) forced_downs: Vec<ForcedDown>,
    /// Questions for the service of one host.
    pub(crate) host_looks: u64,
    /// Lines of all lists of servers.
    pub(crate) servers_shown: u64,
    pub(crate) story: VecDeque<(Millis, String)>,
    /// The most servers that migrated alive at one moment.
    pub(crate) most_moving: usize,
    /// How many requests met each fault.
    pub(crate) hits: BTreeMap<String, u64>,
    /// The first time that a server ran twice.
    pub(crate) broken: Option<Broken>,
}

impl State {
    pub(crate) fn tell(&mut self, sentence: String) {
        if self.records.story.len() == STORY_LINES_MAX {
            self.records.story.pop_front();
        }
        self.records.story.push_back((self.now, sentence));
    }

    pub(crate) fn running(&self, server: &ServerId) -> Vec<HostName> {
        let runs = |host: &&Host| host.guests.contains(server);
        self.hosts.values().filter(runs).map(|host| host.name.clone()).collect()
    }

    pub(crate) fn condition(&self, host: &HostName) -> Condition {
        self.hosts.get(host).map_or(Condition::Dead, |host| host.condition)
    }

    /// A copy of `server` starts to run on `name`, whatever Nova believes.
    pub(crate) fn start_guest(&mut self, name: &HostName, server: &ServerId) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        if !host.guests.insert(server.clone()) {
            return;
        }
        self.runs_since.insert(server.clone(), self.now);
        self.tell(format!("{server} starts to run on {name}"));
        let hosts = self.running(server);
        if hosts.len() > 1 && self.records.broken.is_none() {
            let about = |(at, line): &(Millis, String)| {
                let ours = line.contains(server.as_str())
                    || hosts.iter().any(|host| line.starts_with(host.as_str()));
                ours.then(|| format!("{} {line}", at.0))
            };
            let story = self.records.story.iter().filter_map(about).collect();
            let server = server.clone();
            self.records.broken = Some(Broken::RunsTwice { server, hosts, at: self.now, story });
        }
    }

    pub(crate) fn stop_guest(&mut self, name: &HostName, server: &ServerId) {
        if self.hosts.get_mut(name).is_some_and(|host| host.guests.remove(server)) {
            self.tell(format!("{server} stops running on {name}"));
        }
    }

    /// The host loses its power, and with it every copy that ran there.
    pub(crate) fn kill(&mut self, name: &HostName) {
        let (now, interval_ms) = (self.now, self.shape.report_interval_ms);
        self.events.retain(|_, event| !matches!(event, Event::Boot(of) if of == name));
        let Some(host) = self.hosts.get_mut(name) else { return };
        host.fall_silent(Condition::Dead, now, interval_ms);
        host.guests.clear();
        let lost = host.building.iter().chain(&host.waiting).copied().collect::<Vec<_>>();
        host.building.clear();
        host.waiting.clear();
        host.parked.clear();
        for job in lost {
            self.jobs.remove(&job);
        }
        self.tell(format!("{name} loses its power"));
    }

    /// Nova and the host do not reach each other; its servers run on.
    pub(crate) fn cut(&mut self, name: &HostName) {
        let (now, interval_ms) = (self.now, self.shape.report_interval_ms);
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.condition == Condition::Alive {
            host.fall_silent(Condition::Cut, now, interval_ms);
            self.tell(format!("{name} is cut off"));
        }
    }

    /// The end of [`Self::cut`]. nova-compute was not restarted and cleans nothing up.
    pub(crate) fn heal(&mut self, name: &HostName) {
        let (now, interval_ms) = (self.now, self.shape.report_interval_ms);
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.condition != Condition::Cut {
            return;
        }
        host.is_heard_again(now, interval_ms);
        let parked = std::mem::take(&mut host.parked);
        self.tell(format!("{name} is reached again"));
        for job in parked {
            self.after(0, Event::Build(job));
        }
        self.build_next(name);
    }

    /// The host has power again and boots: nova-compute first destroys the copies of servers that were
    /// evacuated, then looks after the others (`init_host` of nova-compute). Before that it waits for its conductor
    /// (`wait_until_ready` of `nova.conductor.api`), and so for the bus: until then it is as if it had no power.
    pub(crate) fn revive(&mut self, name: &HostName) {
        let back_in_ms = self.bus_is_back_in_ms();
        if back_in_ms > 0 {
            return self.after(back_in_ms, Event::Boot(name.clone()));
        }
        let now = self.now;
        let Some(host) = self.hosts.get_mut(name) else { return };
        if host.condition != Condition::Dead {
            return;
        }
        host.condition = Condition::Alive;
        host.beats_from = now.plus(FIRST_REPORT_MS);
        host.booted_at = Some(now);
        self.tell(format!("{name} boots"));
        let evacuated = match self.shape.destroys_after_ms {
            0 => self.complete_evacuations_from(name),
            after_ms => {
                self.after(after_ms, Event::Destroy(name.clone()));
                BTreeSet::new()
            }
        };
        let own: Vec<ServerId> =
            self.servers_on(name).filter(|id| !evacuated.contains(id)).collect();
        for id in own {
            self.init_instance(name, &id);
        }
        self.work_off_queue(name);
        self.after(SYNC_POWER_MS, Event::SyncPower(name.clone()));
    }

    /// nova-compute does not look where the server is: what is in its queue is for it.
    fn work_off_queue(&mut self, name: &HostName) {
        let queue = self.hosts.get_mut(name).map(|host| std::mem::take(&mut host.queue));
        for (id, action) in queue.unwrap_or_default() {
            match action {
                PowerAction::Stop => self.stop_guest(name, &id),
                PowerAction::Start | PowerAction::Reboot => self.start_guest(name, &id),
            }
        }
    }

    fn servers_on(&self, name: &HostName) -> impl Iterator<Item = ServerId> {
        self.rows_on(name).filter(|s| !s.is_deleted()).map(|s| s.id.clone())
    }

    fn init_instance(&mut self, name: &HostName, id: &ServerId) {
        let resume = self.shape.resume_guests;
        let Some(server) = self.servers.get_mut(id) else { return };
        match (server.vm_state, server.task) {
            (VmState::Error | VmState::Deleted, _) => {}
            (VmState::Active | VmState::Stopped, Some(task)) if task.is_rebuilding() => {
                server.vm_state = VmState::Error;
                server.task = None;
            }
            (VmState::Active | VmState::Stopped | VmState::Paused, task) => {
                if task == Some(TaskState::PoweringOff) {
                    server.stopped();
                } else if server.power == PowerState::Running && resume {
                    self.start_guest(name, id);
                }
            }
        }
    }

    /// nova-compute's periodic look at what really runs: what does not is stopped in the database.
    pub(crate) fn sync_power(&mut self, name: &HostName) {
        if self.condition(name) != Condition::Alive {
            return;
        }
        let ids: BTreeMap<ServerId, bool> = self
            .servers_on(name)
            .map(|id| (id.clone(), self.running(&id).contains(name)))
            .collect();
        let now = self.now;
        for (id, runs) in ids {
            let Some(server) = self.servers.get_mut(&id) else { continue };
            if server.vm_state == VmState::Active && server.task.is_none() && !runs {
                server.stopped();
                server.updated = now;
            }
        }
    }
}
