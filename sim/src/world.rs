//! The handle of the simulated cloud.

use crate::fault::Plan;
use crate::host::{Broken, Condition, EvacuateCall, ForcedDown};
use crate::life::Journey;
use crate::nova::Instance;
use crate::probe::Guests;
use crate::shape::{Endpoints, Shape};
use crate::state::State;
use crate::transport::Network;
use futures::future::{Either, select};
use ports::{Answer, Ask, Boot, Clock, Probe, Transport};
use recovery::seen::{ComputeService, Server};
use recovery::{HostName, Millis, ServerId};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the world sleeps at most when nothing is to happen.
const NAP: Duration = Duration::from_secs(60);

/// One simulated cloud; clones are the same one.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    began: (Millis, Boot),
    woken: Arc<Notify>,
    seed: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl World {
    /// A healthy cloud.
    #[must_use]
    pub fn new(seed: u64, clock: Arc<dyn Clock>, shape: Shape) -> Self {
        let began = (clock.wall(), clock.boot());
        let state = Arc::new(Mutex::new(State::new(seed, began.0, shape)));
        Self { state, clock, began, woken: Arc::new(Notify::new()), seed }
    }

    /// A client's way to it, with latency and the faults of the plan.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Network(self.clone()))
    }

    /// The way to its servers.
    #[must_use]
    pub fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(Guests(self.clone()))
    }

    /// Answers at once, without the network and its faults.
    #[must_use]
    pub fn handle(&self, ask: &Ask) -> Answer {
        let mut state = self.state();
        let now = state.now;
        state.reply(ask).answer(now)
    }

    /// The world's own life; never ends. It makes things happen while nobody looks, which only a
    /// spectator needs: whoever looks lets everything happen first that is due.
    pub async fn run(&self) {
        loop {
            let next = {
                let state = self.state();
                state.next_event().map(|at| at.since(state.now).unsigned_abs())
            };
            let nap = next.map_or(NAP, |ms| Duration::from_millis(ms).min(NAP));
            match select(pin!(self.woken.notified()), self.clock.sleep(nap)).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }

    /// Replaces the plan of what goes wrong.
    pub fn faults(&self, plan: Plan) {
        self.change(|state| state.plan = plan);
    }

    /// The host loses its power.
    pub fn kill_host(&self, host: &HostName) {
        self.change(|state| state.kill(host));
    }

    /// A dead host has power again and boots.
    pub fn revive_host(&self, host: &HostName) {
        self.change(|state| state.revive(host));
    }

    /// When the host last booted: later than it was given power where Nova's bus was stopped.
    #[must_use]
    pub fn host_booted_at(&self, host: &HostName) -> Option<Millis> {
        self.state().hosts.get(host)?.booted_at
    }

    /// nova-compute is started anew on a host that lives: it destroys what was evacuated. Whether there was any.
    #[must_use]
    pub fn restart_compute(&self, host: &HostName) -> bool {
        let mut state = self.state();
        let alive = state.hosts.get(host).is_some_and(|h| h.condition == Condition::Alive);
        alive && !state.complete_evacuations_from(host).is_empty()
    }

    /// The host runs on, but Nova and it do not reach each other.
    pub fn cut_host(&self, host: &HostName) {
        self.change(|state| state.cut(host));
    }

    /// Nova and a host that was cut reach each other again.
    pub fn heal_host(&self, host: &HostName) {
        self.change(|state| state.heal(host));
    }

    /// Every token that Keystone gave so far is worth nothing any more.
    pub fn revoke_tokens(&self) {
        self.change(|state| state.keystone.revoke_all());
    }

    /// Replaces what the catalogue and the links in answers say of where the services are.
    pub fn endpoints(&self, endpoints: Endpoints) {
        self.change(|state| state.shape.endpoints = endpoints);
    }

    /// From now on so many servers fit on the host.
    pub fn make_room(&self, host: &HostName, fits: usize) {
        self.change(|state| {
            if let Some(host) = state.hosts.get_mut(host) {
                host.fits = Some(fits);
            }
            state.tell(format!("{host} has room for {fits} servers"));
        });
    }

    /// The time in this world.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.state().now
    }

    /// The hosts, in order.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostName> {
        self.state().hosts.keys().cloned().collect()
    }

    /// What is true of a host; a host that does not exist is dead.
    #[must_use]
    pub fn condition(&self, host: &HostName) -> Condition {
        self.state().condition(host)
    }

    /// Where copies of the server run in truth.
    #[must_use]
    pub fn running(&self, server: &ServerId) -> Vec<HostName> {
        self.state().running(server)
    }

    /// The servers whose system is up in truth: where, and since when it runs.
    #[must_use]
    pub fn booted(&self) -> BTreeMap<ServerId, (HostName, Millis)> {
        let state = self.state();
        let up = state.runs_since.iter().filter(|(server, _)| state.is_booted(server));
        let there = |server| state.running(server).into_iter().next();
        up.filter_map(|(server, since)| Some((server.clone(), (there(server)?, *since)))).collect()
    }

    /// The servers in Nova's database, in the order of their ids.
    #[must_use]
    pub fn servers(&self) -> Vec<Server> {
        let state = self.state();
        state.servers.values().filter(|s| !s.is_deleted()).map(Instance::seen).collect()
    }

    /// The servers that are locked, and why.
    #[must_use]
    pub fn locked(&self) -> Vec<(ServerId, Option<String>)> {
        let state = self.state();
        let locked = state.servers.values().filter(|s| s.locked && !s.is_deleted());
        locked.map(|s| (s.id.clone(), s.locked_reason.clone())).collect()
    }

    /// A lock that was on its way arrives.
    pub fn lock(&self, server: &ServerId, reason: &str) {
        let mut state = self.state();
        if let Some(server) = state.servers.get_mut(server) {
            server.locked = true;
            server.locked_reason = Some(reason.into());
        }
    }

    /// What Nova took for the server, oldest first.
    #[must_use]
    pub fn actions(&self, server: &ServerId) -> Vec<&'static str> {
        let state = self.state();
        let actions = state.servers.get(server).map(|s| s.actions.iter().map(|a| a.name).collect());
        actions.unwrap_or_default()
    }

    /// The most servers that were on their way alive at one moment.
    #[must_use]
    pub fn most_moving(&self) -> usize {
        self.state().records.most_moving
    }

    /// A person, or another program, takes the host out of service.
    pub fn disable_service(&self, host: &HostName, reason: &str) {
        self.change(|state| drop(state.change_service(host, Some(Some(Some(reason))), None)));
    }

    /// The server's owner deletes it.
    pub fn delete(&self, server: &ServerId) {
        self.change(|state| state.delete(server));
    }

    /// The host's compute service in Nova's database, with its true last heartbeat.
    #[must_use]
    pub fn service(&self, host: &HostName) -> Option<ComputeService> {
        self.state().seen_service(host)
    }

    /// Whether servers were evacuated from the host whose copies it has not destroyed since.
    #[must_use]
    pub fn has_stale_copies(&self, host: &HostName) -> bool {
        self.state().has_done_evacuations_from(host)
    }

    /// The names of the aggregates in which the host is.
    #[must_use]
    pub fn aggregates_of(&self, host: &HostName) -> Vec<String> {
        let state = self.state();
        let with_it = state.aggregates.iter().filter(|a| a.hosts.contains(host));
        with_it.map(|a| a.name.clone()).collect()
    }

    /// Every request to evacuate that reached Nova, with the truth at that moment.
    #[must_use]
    pub fn evacuate_calls(&self) -> Vec<EvacuateCall> {
        self.state().records.evacuate_calls.clone()
    }

    /// How often Nova was asked for the service of one host.
    #[must_use]
    pub fn host_looks(&self) -> u64 {
        self.state().records.host_looks
    }

    /// How many servers all of Nova's lists have shown: what lists cost it.
    #[must_use]
    pub fn servers_shown(&self) -> u64 {
        self.state().records.servers_shown
    }

    /// How many requests met each fault.
    #[must_use]
    pub fn hits(&self) -> BTreeMap<String, u64> {
        self.state().records.hits.clone()
    }

    /// Every change of `forced_down`, with the truth at that moment.
    #[must_use]
    pub fn forced_downs(&self) -> Vec<ForcedDown> {
        self.state().records.forced_downs.clone()
    }

    /// What happened so far, a line each, oldest first; only the newest ten thousand are kept.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let state = self.state();
        state.records.story.iter().map(|(at, line)| format!("{} {line}", at.0)).collect()
    }

    /// # Errors
    /// When a server ran twice at any moment so far.
    pub fn check(&self) -> Result<(), Broken> {
        self.state().records.broken.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The state, after everything has happened that is due.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let since = self.clock.boot().since(self.began.1).as_millis();
        let now = self.began.0.plus(i64::try_from(since).unwrap_or(i64::MAX));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.live(now);
        state
    }

    pub(crate) fn depart(&self, ask: Ask) -> Journey {
        let journey = self.state().depart(ask);
        self.woken.notify_one();
        journey
    }

    /// The answer to a request that has arrived, and how long the server keeps it back.
    pub(crate) fn fetch(&self, number: u64) -> Option<(Answer, u64)> {
        self.state().inbox.get_mut(&number).and_then(Option::take)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.woken.notify_one();
    }
}
