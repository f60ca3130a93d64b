//! Hosts with their watchdogs and agents, an etcd, and an observer whose every word is held against the truth.
#![expect(clippy::disallowed_methods, reason = "an agent is a process of its own, which is killed")]

use crate::etcd::{Cluster, Way};
use async_trait::async_trait;
use monitor::{
    Board,
    lease::{
        Holder, HolderConfig, Observer, Stop, Watchdog,
        holder::{Fault, TURN_MOST},
        watchdog::{Released, Unfit},
    },
};
use ports::{Boot, Clock};
use recovery::{
    HostName, Millis,
    deadman::{Standing, Times},
};
use sim::SimClock;
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::AbortHandle;

/// By a term of 20 s and a watchdog of 10 s.
pub(crate) const PROOF: Duration = Duration::from_millis(43_313);
pub(crate) const PREFIX: &str = "/masakari/lease/";
const NAME: &str = "cmp1";

pub(crate) struct World {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) etcd: Cluster,
    observers: Way,
    observer: tokio::sync::Mutex<Observer>,
    hosts: Mutex<Vec<Host>>,
}

/// The proof of a death.
#[derive(Debug)]
pub(crate) struct Proven {
    /// When the look began that proved it.
    pub(crate) asked: Duration,
    pub(crate) at: Option<Millis>,
}

/// One machine in one run.
#[derive(Clone)]
pub(crate) struct Host(Arc<Machine>);

struct Machine {
    boot: &'static str,
    clock: Arc<SimClock>,
    way: Way,
    /// What the watchdog takes for its timeout, whatever it is told.
    takes: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    armed_with: Option<Duration>,
    fed: Option<Boot>,
    is_open: bool,
    released: Option<Released>,
    reset_at: Option<Boot>,
    agents: u32,
    is_stopped: bool,
    agent: Option<(AbortHandle, Stop)>,
    fault: Option<Fault>,
    has_ended: bool,
}

/// The watchdog, as one process has it.
#[derive(Debug)]
struct Bites(Host, bool);

/// The clock of a process that may be stopped.
#[derive(Debug)]
struct Stoppable(Host);

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.boot)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(SimClock::new());
        let etcd = Cluster::new(clock.clone());
        let observers = etcd.way();
        let boots_in = Duration::from_secs(15);
        let observer = Observer::new(observers.client(), PREFIX.into(), boots_in, clock.clone());
        let observer = tokio::sync::Mutex::new(observer);
        Self { clock, etcd, observers, observer, hosts: Mutex::default() }
    }

    pub(crate) fn observers_etcd(&self) -> &Way {
        &self.observers
    }

    pub(crate) fn boots(&self, boot: &'static str) -> Host {
        self.begins(boot, None)
    }

    pub(crate) fn boots_with(&self, boot: &'static str, takes: Duration) -> Host {
        self.begins(boot, Some(takes))
    }

    fn begins(&self, boot: &'static str, takes: Option<Duration>) -> Host {
        let (clock, way) = (self.clock.clone(), self.etcd.way());
        let host = Host(Arc::new(Machine { boot, clock, way, takes, state: Mutex::default() }));
        self.hosts.lock().unwrap().push(host.clone());
        tokio::spawn(host.clone().bites_in_time());
        host.agent_starts()
    }

    /// A moment of the wall clock, as all others are told here.
    pub(crate) fn since_the_start(&self, at: Millis) -> Duration {
        let ago = u64::try_from(self.clock.wall().since(at)).unwrap();
        self.clock.boot().since(Boot(ago))
    }

    pub(crate) async fn passes(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    async fn look(&self) -> Option<(Standing, Proven)> {
        let asked = self.clock.boot().since(Boot(0));
        let mut observer = self.observer.lock().await;
        let seen =
            observer.look().await.ok()?.into_iter().find(|seen| seen.host.as_str() == NAME)?;
        if let Standing::Dead(_) = seen.standing {
            let all = self.hosts.lock().unwrap().clone();
            let of = all.iter().find(|host| seen.detail.contains(host.0.boot)).unwrap();
            let ended = of.reset_at();
            assert!(ended.is_some_and(|ended| ended < asked), "{of:?} lives: {}", seen.detail);
        }
        Some((seen.standing, Proven { asked, at: seen.at }))
    }

    /// What the observer said, look by look.
    pub(crate) async fn watched_for(&self, time: Duration) -> Vec<Option<Standing>> {
        let until = self.clock.boot().plus(time);
        let mut said = Vec::new();
        while self.clock.boot() < until {
            said.push(self.look().await.map(|(standing, _)| standing));
            let left = until.since(self.clock.boot());
            self.clock.sleep(left.min(Duration::from_secs(1))).await;
        }
        said
    }

    /// After half a minute more, so that it is no first sight.
    pub(crate) async fn standing(&self) -> Option<Standing> {
        self.watched_for(Duration::from_secs(30)).await.pop().flatten()
    }

    pub(crate) async fn watched_until_dead(&self, most: Duration) -> Proven {
        let until = self.clock.boot().plus(most);
        while self.clock.boot() < until {
            if let Some((Standing::Dead(_), proven)) = self.look().await {
                return proven;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        panic!("it is not proven within {most:?}");
    }
}

impl Host {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub(crate) fn etcd(&self) -> &Way {
        &self.0.way
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state().reset_at.is_none()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    pub(crate) fn armed_with(&self) -> Option<Duration> {
        self.state().armed_with
    }

    pub(crate) fn released(&self) -> Option<Released> {
        self.state().released
    }

    pub(crate) fn reset_at(&self) -> Option<Duration> {
        self.state().reset_at.map(|at| at.since(Boot(0)))
    }

    /// When its watchdog was fed last.
    pub(crate) fn fed_at(&self) -> Duration {
        self.state().fed.unwrap().since(Boot(0))
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.state().fault.take()
    }

    pub(crate) fn agent_starts(&self) -> Self {
        let host = self.clone();
        if !host.is_up() {
            return host;
        }
        let clock: Arc<dyn Clock> = Arc::new(Stoppable(host.clone()));
        let number = {
            let mut state = host.state();
            state.agents += 1;
            state.agents
        };
        let config = HolderConfig {
            host: HostName::new(NAME),
            prefix: PREFIX.into(),
            times: Times::new(2_000, 20_000, 10_000).unwrap(),
            boot: host.0.boot.into(),
            agent: format!("{}/{number}", host.0.boot),
        };
        let holder = Holder {
            config,
            etcd: host.0.way.client(),
            watchdog: Box::new(Bites(host.clone(), false)),
            mark: Board::new(clock.clone()).mark("lease", None, TURN_MOST),
            clock,
        };
        let (stop, of) = (Stop::default(), host.clone());
        let asked = stop.clone();
        let task = tokio::spawn(async move {
            let outcome = holder.run(&asked).await;
            let mut state = of.state();
            state.has_ended = true;
            state.fault = outcome.err();
        });
        host.state().agent = Some((task.abort_handle(), stop));
        host
    }

    pub(crate) fn agent_is_killed(&self) {
        if let Some((task, _)) = self.state().agent.take() {
            task.abort();
        }
    }

    pub(crate) fn agent_is_stopped(&self) {
        self.state().is_stopped = true;
    }

    pub(crate) async fn agent_ends(&self) {
        let stop = self.state().agent.as_ref().map(|(_, stop)| stop.clone());
        stop.unwrap().ask().await;
        // Its process ends.
        tokio::task::yield_now().await;
    }

    pub(crate) fn loses_power(&self) {
        self.state().reset_at = Some(self.0.clock.boot());
        self.agent_is_killed();
    }

    async fn bites_in_time(self) {
        loop {
            self.0.clock.sleep(Duration::from_millis(50)).await;
            let now = self.0.clock.boot();
            let due = {
                let state = self.state();
                let armed = state.armed_with.zip(state.fed);
                state.reset_at.is_none() && armed.is_some_and(|(with, fed)| now.since(fed) >= with)
            };
            if due {
                self.loses_power();
            }
        }
    }
}

#[async_trait]
impl Watchdog for Bites {
    async fn check(&mut self, _: Duration) -> Result<(), Unfit> {
        Ok(())
    }

    async fn arm(&mut self, timeout: Duration) -> Result<Duration, Unfit> {
        let now = self.0.0.clock.boot();
        let takes = self.0.0.takes.unwrap_or(timeout);
        let mut state = self.0.state();
        if state.is_open {
            return Err(Unfit { device: "/dev/watchdog0".into(), why: "busy".into() });
        }
        (state.is_open, self.1) = (true, true);
        (state.armed_with, state.fed, state.released) = (Some(takes), Some(now), None);
        if takes > timeout {
            let why = format!("it takes {} s", takes.as_secs());
            return Err(Unfit { device: "/dev/watchdog0".into(), why });
        }
        Ok(takes)
    }

    async fn feed(&mut self) -> io::Result<()> {
        self.0.state().fed = Some(self.0.0.clock.boot());
        Ok(())
    }

    async fn release(&mut self) -> Released {
        let mut state = self.0.state();
        (state.armed_with, state.fed) = (None, None);
        state.released = Some(Released::Off);
        Released::Off
    }
}

/// The kernel closes what a process had open; the watchdog runs on.
impl Drop for Bites {
    fn drop(&mut self) {
        if self.1 {
            self.0.state().is_open = false;
        }
    }
}

#[async_trait]
impl Clock for Stoppable {
    fn wall(&self) -> Millis {
        self.0.0.clock.wall()
    }

    fn boot(&self) -> Boot {
        self.0.0.clock.boot()
    }

    async fn sleep(&self, wait: Duration) {
        self.0.0.clock.sleep(wait).await;
        let is_stopped = self.0.state().is_stopped;
        if is_stopped {
            std::future::pending::<()>().await;
        }
    }
}
