//! A host in memory: processes, units and commands.

use crate::suite::{self, AGAIN, BoxStory, PLAIN, ProcessWorld, STUBBORN, TWICE, UnitWorld, World};
use async_trait::async_trait;
use monitor::processes::{Seen, Sight};
use ports::{Clock, Exec, ExecError, Finished, Program};
use sim::SimClock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// What can be seen; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    process_changed: Arc<Notify>,
    unit_changed: Arc<Notify>,
    clock: SimClock,
}

#[derive(Debug, Default)]
struct State {
    processes: BTreeMap<String, u32>,
    units: BTreeMap<String, Unit>,
    /// It cannot be looked.
    is_blind: bool,
    /// Ends are not told.
    is_deaf: bool,
    looks: usize,
    /// From when until when each was not there though nobody wanted that; the last may last.
    failures: BTreeMap<String, Vec<(u64, u64)>>,
}

#[derive(Clone, Debug)]
struct Unit {
    seen: Seen,
    starts: u32,
    back_at: Option<ports::Boot>,
}

impl State {
    fn turned(&mut self, name: &str, has_failed: bool, now: u64) {
        let spans = self.failures.entry(name.into()).or_default();
        match spans.last_mut() {
            Some((_, to)) if *to == u64::MAX && !has_failed => *to = now,
            Some((_, u64::MAX)) => {}
            _ if has_failed => spans.push((now, u64::MAX)),
            _ => {}
        }
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        let (process_changed, unit_changed) = Default::default();
        Self { state: Arc::default(), process_changed, unit_changed, clock: SimClock::new() }
    }

    pub(crate) fn sim_clock(&self) -> SimClock {
        self.clock
    }

    pub(crate) fn processes(&self) -> FakeProcesses {
        FakeProcesses(self.clone())
    }

    pub(crate) fn units(&self) -> FakeUnits {
        FakeUnits(self.clone())
    }

    pub(crate) fn is_blind(&self, blind: bool) {
        self.state.lock().unwrap().is_blind = blind;
    }

    pub(crate) fn is_deaf(&self) {
        self.state.lock().unwrap().is_deaf = true;
    }

    pub(crate) fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// When it had failed, by the clock's milliseconds.
    pub(crate) fn failures(&self, name: &str) -> Vec<(u64, u64)> {
        self.state.lock().unwrap().failures.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn has_failed(&self, name: &str, now: u64) -> bool {
        self.failures(name).last().is_some_and(|(_, to)| *to > now)
    }

    fn tell(&self, changed: &Notify) {
        if !self.state.lock().unwrap().is_deaf {
            changed.notify_one();
        }
    }

    fn look(&self, names: &[String], seen: impl Fn(&mut State, &str) -> Seen) -> Vec<Seen> {
        let mut state = self.state.lock().unwrap();
        state.looks += 1;
        if state.is_blind {
            return vec![Seen::Unknown("it is dark".into()); names.len()];
        }
        names.iter().map(|name| seen(&mut state, name)).collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct FakeProcesses(pub(crate) Fake);

#[derive(Clone, Debug)]
pub(crate) struct FakeUnits(pub(crate) Fake);

#[async_trait]
impl Sight for FakeProcesses {
    async fn look(&self, names: &[String]) -> Vec<Seen> {
        self.0.look(names, |state, name| match state.processes.get(name) {
            Some(1..) => Seen::Here,
            Some(0) | None => Seen::Gone,
        })
    }

    async fn changed(&self) {
        self.0.process_changed.notified().await;
    }
}

impl FakeProcesses {
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.0.state.lock().unwrap().processes.get(name).is_some_and(|many| *many > 0)
    }
}

#[async_trait]
impl World for FakeProcesses {
    fn sight(&self) -> Arc<dyn Sight> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clock)
    }

    async fn start(&self, name: &str) {
        let mut state = self.0.state.lock().unwrap();
        *state.processes.entry(name.into()).or_default() += 1;
        state.turned(name, false, self.0.clock.boot().0);
    }

    async fn kill(&self, name: &str) {
        {
            let mut state = self.0.state.lock().unwrap();
            let left = state.processes.get_mut(name).unwrap();
            *left -= 1;
            let is_gone = *left == 0;
            state.turned(name, is_gone, self.0.clock.boot().0);
        }
        self.0.tell(&self.0.process_changed);
    }
}

#[async_trait]
impl ProcessWorld for FakeProcesses {
    async fn while_we_run(&self, _: &str, story: BoxStory<'_>) {
        story.await;
    }

    async fn dies_unasked_for(&self, _: &str) {}
}

const KNOWN: [&str; 4] = [PLAIN, AGAIN, STUBBORN, TWICE];
const RESTART_AFTER: Duration = Duration::from_secs(2);

#[async_trait]
impl Sight for FakeUnits {
    async fn look(&self, names: &[String]) -> Vec<Seen> {
        let now = self.0.clock.boot();
        self.0.look(names, |state, name| match state.units.get_mut(name) {
            Some(unit) if unit.back_at.is_some_and(|at| at <= now) => {
                (unit.seen, unit.back_at) = (Seen::Here, None);
                Seen::Here
            }
            Some(unit) => unit.seen.clone(),
            None if KNOWN.contains(&name) => Seen::Stopped,
            None => Seen::Unknown(format!("no unit {name}")),
        })
    }

    async fn changed(&self) {
        let back = self.0.state.lock().unwrap().units.values().find_map(|unit| unit.back_at);
        let back = back.map(|at| at.since(self.0.clock.boot()));
        tokio::select! {
            () = self.0.unit_changed.notified() => {}
            () = self.0.clock.sleep(back.unwrap_or(Duration::MAX)), if back.is_some() => {}
        }
    }
}

impl FakeUnits {
    fn turns(&self, name: &str, seen: Seen) {
        {
            let mut state = self.0.state.lock().unwrap();
            let new = Unit { seen: Seen::Stopped, starts: 0, back_at: None };
            let unit = state.units.entry(name.into()).or_insert(new);
            unit.starts += u32::from(seen == Seen::Here);
            let is_killed = seen == Seen::Gone;
            let again = is_killed && (name == AGAIN || name == TWICE && unit.starts < 2);
            unit.starts += u32::from(again);
            unit.back_at = again.then(|| self.0.clock.boot().plus(RESTART_AFTER));
            unit.seen = match again {
                true => Seen::Busy,
                false if is_killed && name == TWICE => Seen::Refused,
                false => seen,
            };
            let has_failed = matches!(unit.seen, Seen::Gone | Seen::Refused);
            state.turned(name, has_failed, self.0.clock.boot().0);
        }
        self.0.tell(&self.0.unit_changed);
    }
}

#[async_trait]
impl World for FakeUnits {
    fn sight(&self) -> Arc<dyn Sight> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clock)
    }

    async fn start(&self, name: &str) {
        self.turns(name, Seen::Here);
    }

    async fn kill(&self, name: &str) {
        self.turns(name, Seen::Gone);
    }
}

#[async_trait]
impl UnitWorld for FakeUnits {
    async fn stop(&self, name: &str) {
        self.turns(name, Seen::Stopped);
    }

    async fn reexecute(&self) {
        self.0.tell(&self.0.unit_changed);
    }
}

/// What a command does.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// A process, or a unit, is there after it.
    Starts(&'static str),
    Nothing,
    /// It writes a warning, and starts it.
    Warns(&'static str),
    /// It says that it did, and starts it.
    Says(&'static str),
    Fails,
    Hangs,
}

/// Commands that do what they are told, and are remembered with the second in which they began.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    fake: Fake,
    does: Arc<Mutex<BTreeMap<String, Vec<Does>>>>,
    begun: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Commands {
    pub(crate) fn new(fake: &Fake) -> Self {
        Self { fake: fake.clone(), does: Arc::default(), begun: Arc::default() }
    }

    /// One after the other, the last again and again.
    pub(crate) fn does(&self, command: &str, does: &[Does]) {
        let reversed = does.iter().rev().cloned().collect();
        self.does.lock().unwrap().insert(command.into(), reversed);
    }

    pub(crate) fn begun(&self) -> Vec<(u64, String)> {
        self.begun.lock().unwrap().clone()
    }

    fn next(&self, command: &str) -> Does {
        let mut all = self.does.lock().unwrap();
        let Some(does) = all.get_mut(command) else { return Does::Nothing };
        if does.len() > 1 { does.pop().unwrap() } else { does[0].clone() }
    }

    async fn starts(&self, name: &str) {
        match name.ends_with(".service") {
            true => self.fake.units().start(name).await,
            false => self.fake.processes().start(name).await,
        }
    }
}

#[async_trait]
impl Exec for Commands {
    async fn run(&self, program: Program, deadline: Duration) -> Result<Finished, ExecError> {
        let words = std::iter::once(&program.path).chain(&program.arguments);
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let command = words.join(" ");
        let at = self.fake.clock.boot().0 / 1000;
        self.begun.lock().unwrap().push((at, command.clone()));
        self.fake.clock.sleep(Duration::from_millis(100)).await;
        let (code, stdout, stderr) = match self.next(&command) {
            Does::Nothing => (0, "", ""),
            Does::Fails => (1, "", "no"),
            Does::Starts(name) => {
                self.starts(name).await;
                (0, "", "")
            }
            Does::Warns(name) => {
                self.starts(name).await;
                (0, "", "careful")
            }
            Does::Says(name) => {
                self.starts(name).await;
                (0, "done", "")
            }
            Does::Hangs => {
                self.fake.clock.sleep(deadline).await;
                let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
                return Err(ExecError::TimedOut { program: command, deadline_ms });
            }
        };
        Ok(Finished { code: Some(code), stdout: stdout.into(), stderr: stderr.into() })
    }
}

#[tokio::test(start_paused = true)]
async fn the_processes_in_memory_are_processes() {
    suite::all_of_processes(async || Fake::new().processes()).await;
}

#[tokio::test(start_paused = true)]
async fn the_units_in_memory_are_units() {
    suite::all_of_units(async || Fake::new().units()).await;
}
