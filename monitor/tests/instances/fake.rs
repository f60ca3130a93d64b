//! A hypervisor in memory, with a daemon that can be stopped.

use crate::suite::{self, World};
use async_trait::async_trait;
use monitor::instances::{
    Connected, Domain, Event, Heard, Hypervisor, HypervisorError, Link, Off, event::What,
};
use ports::Clock;
use recovery::ServerId;
use sim::SimClock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

#[derive(Debug, Default)]
struct State {
    domains: BTreeMap<String, Domain>,
    runs: u32,
    is_down: bool,
    hearing: Vec<mpsc::Sender<Heard>>,
    /// How often the daemon was begun: a connection is of one of its lives.
    life: u32,
    missed: bool,
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

    fn ends(&self, vm: &str, off: Off, detail: i32) {
        {
            let mut state = self.state.lock().unwrap();
            let domain = state.domains.get_mut(vm).unwrap();
            (domain.run, domain.off, domain.is_paused) = (None, Some(off), false);
            if !domain.is_persistent {
                state.domains.remove(vm);
            }
        }
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
        self.with(|state| state.domains.values().cloned().collect())
    }

    async fn domain(&self, server: &ServerId) -> Result<Option<Domain>, HypervisorError> {
        self.with(|state| state.domains.get(server.as_str()).cloned())
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

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock)
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
