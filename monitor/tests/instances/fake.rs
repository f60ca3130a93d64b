//! A hypervisor in memory, with a daemon that can be stopped.

use crate::suite::{self, World};
use async_trait::async_trait;
use monitor::instances::{
    AgentSaid, Channel, Connected, Domain, Event, Guest, Heard, Hypervisor, HypervisorError, Link,
    Off, event::What,
};
use ports::Clock;
use recovery::ServerId;
use sim::SimClock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

/// What agents have.
const ABLE: [&str; 3] = ["guest-get-fsinfo", "guest-get-time", "guest-ping"];
/// How long an agent thinks.
const THINKS: Duration = Duration::from_millis(5);
/// How long libvirt bears one that hangs, whatever it is told.
const BEARS: Duration = Duration::from_secs(5);

/// How a guest's agent is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Agent {
    Lives,
    /// It has its channel open, and says nothing.
    Hangs,
    /// Nobody has the channel open.
    Closed,
    /// libvirt cannot ask it: something else holds the VM.
    Held,
}

#[derive(Debug, Default)]
struct State {
    domains: BTreeMap<String, Domain>,
    agents: BTreeMap<String, Agent>,
    /// Those that are moved or saved.
    busy: BTreeSet<String>,
    /// What no agent can any more.
    unable: BTreeSet<String>,
    asked: Vec<(u64, String, String)>,
    looks: usize,
    under_way: usize,
    under_way_most: usize,
    runs: u32,
    is_down: bool,
    hearing: Vec<mpsc::Sender<Heard>>,
    /// How often the daemon was begun: a connection is of one of its lives.
    life: u32,
    missed: bool,
    /// Events for which there will be no room.
    lost_next: usize,
    /// How long a list is on its way.
    list_takes: Duration,
}

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    clock: SimClock,
}

#[derive(Debug)]
struct FakeLink {
    fake: Fake,
    life: u32,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), clock: SimClock::new() }
    }

    pub(crate) fn sim_clock(&self) -> SimClock {
        self.clock
    }

    /// libvirt says something of `vm`.
    pub(crate) fn says(&self, vm: &str, what: What) {
        let mut state = self.state.lock().unwrap();
        if state.lost_next > 0 {
            state.lost_next -= 1;
            state.missed = true;
            return;
        }
        let run = state.domains.get(vm).and_then(|domain| domain.run);
        let heard = Heard::Event(Event { server: ServerId::new(vm), run, what });
        if !state.is_down {
            state.hearing.retain(|hearing| hearing.try_send(heard.clone()).is_ok());
        }
    }

    /// The next events are lost for want of room.
    pub(crate) fn loses_what_it_says(&self) {
        let mut state = self.state.lock().unwrap();
        state.hearing.clear();
        state.missed = true;
    }

    /// There is no room for the next event, and the connection stands.
    pub(crate) fn has_no_room_for_one(&self) {
        self.state.lock().unwrap().lost_next = 1;
    }

    /// Lists are as of their beginning, and come so much later.
    pub(crate) fn lists_take(&self, list_takes: Duration) {
        self.state.lock().unwrap().list_takes = list_takes;
    }

    /// A VM has an agent from now on, and it is so.
    pub(crate) fn agent(&self, vm: &str, agent: Agent) {
        self.state.lock().unwrap().agents.insert(vm.to_owned(), agent);
    }

    /// It is moved or saved, or not any more.
    pub(crate) fn busy(&self, vm: &str, is_busy: bool) {
        let mut state = self.state.lock().unwrap();
        if is_busy {
            state.busy.insert(vm.to_owned())
        } else {
            state.busy.remove(vm)
        };
    }

    /// No agent can do it any more.
    pub(crate) fn unable(&self, command: &str) {
        self.state.lock().unwrap().unable.insert(command.to_owned());
    }

    /// When agents were asked and what, in milliseconds of the clock.
    pub(crate) fn asked(&self, vm: &str, command: &str) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter().filter(|(_, who, what)| who == vm && what == command);
        asked.map(|(at, ..)| *at).collect()
    }

    /// How often guests were looked at.
    pub(crate) fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// How many were asked at once at most.
    pub(crate) fn asked_at_once(&self) -> usize {
        self.state.lock().unwrap().under_way_most
    }

    /// A VM dies before a daemon that has just come back has found it: it is off, and nothing is said of it.
    pub(crate) fn dies_unsaid(&self, vm: &str) {
        self.is_off(vm, Off::Failed);
    }

    fn is_off(&self, vm: &str, off: Off) {
        let mut state = self.state.lock().unwrap();
        let domain = state.domains.get_mut(vm).unwrap();
        (domain.run, domain.off, domain.is_paused) = (None, Some(off), false);
        if !domain.is_persistent {
            state.domains.remove(vm);
        }
    }

    fn ends(&self, vm: &str, off: Off, detail: i32) {
        self.is_off(vm, off);
        self.says(vm, What::Lifecycle { kind: 5, detail });
    }

    fn change(&self, vm: &str, change: impl FnOnce(&mut Domain)) {
        change(self.state.lock().unwrap().domains.get_mut(vm).unwrap());
    }
}

#[async_trait]
impl Hypervisor for Fake {
    async fn connect(&self) -> Result<Connected, HypervisorError> {
        self.clock.sleep(Duration::from_millis(1)).await;
        let mut state = self.state.lock().unwrap();
        if state.is_down {
            let why = "Connection refused".into();
            return Err(HypervisorError::NoConnection { uri: "fake".into(), why });
        }
        let (hearing, heard) = mpsc::channel(1024);
        state.hearing.push(hearing);
        let link = FakeLink { fake: self.clone(), life: state.life };
        Ok(Connected { link: Arc::new(link), heard })
    }
}

impl FakeLink {
    fn with<T>(&self, ask: impl FnOnce(&mut State) -> T) -> Result<T, HypervisorError> {
        let mut state = self.fake.state.lock().unwrap();
        match state.is_down || state.life != self.life {
            true => Err(HypervisorError::Failed("the connection is over".into())),
            false => Ok(ask(&mut state)),
        }
    }
}

#[async_trait]
impl Link for FakeLink {
    async fn domains(&self) -> Result<Vec<Domain>, HypervisorError> {
        let (listed, takes) =
            self.with(|state| (state.domains.values().cloned().collect(), state.list_takes))?;
        if takes > Duration::ZERO {
            self.fake.clock.sleep(takes).await;
        }
        self.with(|_| listed)
    }

    async fn domain(&self, server: &ServerId) -> Result<Option<Domain>, HypervisorError> {
        self.with(|state| state.domains.get(server.as_str()).cloned())
    }

    async fn guest(&self, server: &ServerId) -> Result<Option<Guest>, HypervisorError> {
        self.with(|state| {
            state.looks += 1;
            let domain = state.domains.get(server.as_str())?;
            let channel = |agent: &Agent| {
                let socket = format!("/agents/{}.sock", domain.name);
                Channel { socket, is_open: Some(*agent != Agent::Closed) }
            };
            Some(Guest {
                run: domain.run,
                is_running: domain.run.is_some() && !domain.is_paused,
                is_busy: state.busy.contains(server.as_str()),
                channels: state.agents.get(server.as_str()).map(channel).into_iter().collect(),
            })
        })
    }

    async fn ask_agent(
        &self,
        server: &ServerId,
        command: &str,
        patience: Duration,
    ) -> Result<AgentSaid, HypervisorError> {
        let at = self.fake.clock.boot().0;
        let agent = self.with(|state| {
            state.asked.push((at, server.to_string(), command.to_owned()));
            state.under_way += 1;
            state.under_way_most = state.under_way_most.max(state.under_way);
            state.agents.get(server.as_str()).copied()
        })?;
        let hangs = agent == Some(Agent::Hangs);
        self.fake.clock.sleep(if hangs { patience.max(BEARS) } else { THINKS }).await;
        self.with(|state| {
            state.under_way -= 1;
            let is_paused = state.domains.get(server.as_str()).is_none_or(|vm| vm.is_paused);
            match agent {
                None | Some(Agent::Held) => AgentSaid::Unknown("nobody knows".into()),
                Some(_) if is_paused => AgentSaid::Unknown("the VM does not run".into()),
                Some(Agent::Hangs | Agent::Closed) => AgentSaid::Silent("nothing".into()),
                Some(Agent::Lives) if state.unable.contains(command) => {
                    AgentSaid::Refused("it cannot".into())
                }
                Some(Agent::Lives) if ABLE.contains(&command) => AgentSaid::Answered,
                Some(Agent::Lives) => AgentSaid::Refused("no such command".into()),
            }
        })
    }

    fn missed_something(&self) -> bool {
        std::mem::take(&mut self.fake.state.lock().unwrap().missed)
    }
}

#[async_trait]
impl World for Fake {
    fn hypervisor(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.clone())
    }

    fn hypervisor_for_guests(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock)
    }

    async fn start_guest(&self, vm: &str) {
        self.start(vm, true).await;
        self.agent(vm, Agent::Lives);
    }

    async fn hang_agent(&self, vm: &str) {
        self.agent(vm, Agent::Hangs);
    }

    async fn start(&self, vm: &str, is_persistent: bool) {
        {
            let mut state = self.state.lock().unwrap();
            state.runs += 1;
            let (server, run) = (ServerId::new(vm), Some(state.runs));
            let name = format!("instance-{}", &vm[vm.len() - 8..]);
            let domain = Domain { server, name, run, is_paused: false, off: None, is_persistent };
            state.domains.insert(vm.to_owned(), domain);
        }
        self.says(vm, What::Lifecycle { kind: 2, detail: 0 });
    }

    async fn kill(&self, vm: &str) {
        if self.state.lock().unwrap().is_down {
            // Nobody sees it; the daemon finds out when it is back.
            return self.change(vm, |domain| domain.off = Some(Off::Crashed));
        }
        self.ends(vm, Off::Crashed, 5);
    }

    async fn destroy(&self, vm: &str) {
        self.ends(vm, Off::Destroyed, 1);
    }

    async fn pause(&self, vm: &str) {
        self.change(vm, |domain| domain.is_paused = true);
        self.says(vm, What::Lifecycle { kind: 3, detail: 0 });
    }

    async fn resume(&self, vm: &str) {
        self.change(vm, |domain| domain.is_paused = false);
        self.says(vm, What::Lifecycle { kind: 4, detail: 0 });
    }

    async fn reset(&self, vm: &str) {
        // As recorded: more than once for one.
        for _ in 0..2 {
            self.says(vm, What::Reboot);
        }
    }

    async fn undefine(&self, vm: &str) {
        self.state.lock().unwrap().domains.remove(vm);
    }

    async fn daemon_stops(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_down = true;
        state.life += 1;
        for domain in state.domains.values_mut().filter(|domain| domain.off.is_some()) {
            domain.off = Some(Off::Unknown);
        }
        for hearing in std::mem::take(&mut state.hearing) {
            drop(hearing.try_send(Heard::Closed("libvirtd closed it".into())));
        }
    }

    async fn daemon_starts(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_down = false;
        // The dead without a definition are forgotten.
        state.domains.retain(|_, domain| domain.off.is_none() || domain.is_persistent);
        for domain in state.domains.values_mut().filter(|domain| domain.off.is_some()) {
            domain.run = None;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_hypervisor_in_memory_is_one() {
    suite::all(async || Fake::new()).await;
}
