//! A process that can be cut off at any of its ports: the gate through which everything it does to the
//! world must pass.
//!
//! A crash has no destructors. So a dead process's calls never return: its driver waits for
//! [`Process::died`] and drops the process's future, and nothing that runs while it is dropped has any
//! effect any more. What was on the wire already still arrives.

use async_trait::async_trait;
use futures::future::{Either, select};
use ports::{Answer, Ask, Clock, Transport, TransportError};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One simulated process; clones are the same one.
#[derive(Clone, Debug)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    clock: Arc<dyn Clock>,
    life: watch::Sender<Life>,
    script: Mutex<Script>,
}

/// How a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    Running,
    /// Does nothing, and does not know it: a stopped process, a suspended machine.
    Paused,
    Dead,
}

/// On which side of an effect a process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The world sees nothing of it.
    Before,
    /// It is done, and the process does not learn that.
    After,
}

#[derive(Debug)]
enum Fate {
    Die(When),
    Pause(Duration),
}

#[derive(Default, Debug)]
struct Script {
    fates: BTreeMap<usize, Fate>,
    /// How long it pauses at its first crossing of a place.
    pauses: BTreeMap<&'static str, Duration>,
    /// What becomes of it at its n-th crossing of a place.
    nth: Vec<(&'static str, usize, When)>,
    /// Where it died by its script.
    died_at: Option<(&'static str, When)>,
    /// When a pause that was scripted ends.
    paused_until: Option<ports::Boot>,
    /// Where the process crossed so far.
    places: Vec<&'static str>,
}

impl Script {
    /// What becomes of it now that it crosses this place.
    fn nth_of(&self, place: &'static str) -> Option<When> {
        if self.nth.is_empty() {
            return None;
        }
        let times = self.places.iter().filter(|crossed| **crossed == place).count();
        let now = self.nth.iter().find(|(at, nth, _)| (*at, *nth) == (place, times));
        now.map(|(.., when)| *when)
    }
}

impl Process {
    /// A running process; `clock` times its pauses.
    #[must_use]
    pub fn new(id: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let life = watch::Sender::new(Life::Running);
        Self(Arc::new(Inner { id: id.into(), clock, life, script: Mutex::default() }))
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    #[must_use]
    pub fn life(&self) -> Life {
        *self.0.life.borrow()
    }

    /// How often it has crossed; the next crossing has this number plus one.
    #[must_use]
    pub fn crossings(&self) -> usize {
        self.script().places.len()
    }

    /// Where it crossed, in order.
    #[must_use]
    pub fn places(&self) -> Vec<&'static str> {
        self.script().places.clone()
    }

    /// Dies at its n-th crossing, counted from 1.
    pub fn die_at(&self, crossing: usize, when: When) {
        self.script().fates.insert(crossing, Fate::Die(when));
    }

    /// Dies at its n-th crossing of that place, counted from 1.
    pub fn die_at_nth(&self, place: &'static str, nth: usize, when: When) {
        self.script().nth.push((place, nth, when));
    }

    /// Where it died, if that was scripted.
    #[must_use]
    pub fn died_at(&self) -> Option<(&'static str, When)> {
        self.script().died_at
    }

    /// Pauses before the effect of its n-th crossing, counted from 1, for `wait`.
    pub fn pause_at(&self, crossing: usize, wait: Duration) {
        self.script().fates.insert(crossing, Fate::Pause(wait));
    }

    /// Pauses before the effect of its first crossing of that place, for `wait`.
    pub fn pause_at_first(&self, place: &'static str, wait: Duration) {
        self.script().pauses.insert(place, wait);
    }

    /// Dies now, wherever it is.
    pub fn kill(&self) {
        self.0.life.send_replace(Life::Dead);
    }

    /// Stands still at its next crossing until [`Self::resume`]. The dead stay dead.
    pub fn pause(&self) {
        self.become_unless_dead(Life::Paused);
    }

    pub fn resume(&self) {
        self.become_unless_dead(Life::Running);
    }

    fn become_unless_dead(&self, new: Life) {
        self.0.life.send_if_modified(|life| match *life {
            Life::Dead => false,
            Life::Running | Life::Paused => {
                let changed = *life != new;
                *life = new;
                changed
            }
        });
    }

    /// Returns when the process has died.
    pub async fn died(&self) {
        self.until(|life| life == Life::Dead).await;
    }

    /// Does `effect` through the gate. Never returns once the process is dead.
    pub async fn cross<T>(&self, place: &'static str, effect: impl Future<Output = T>) -> T {
        let fate = self.enter(place);
        match &fate {
            Some(Fate::Die(When::Before)) => self.die(place, When::Before),
            Some(Fate::Pause(wait)) => {
                self.script().paused_until = Some(self.0.clock.boot().plus(*wait));
                self.pause();
            }
            Some(Fate::Die(When::After)) | None => {}
        }
        self.not_paused().await;
        if self.life() == Life::Dead {
            return pending().await;
        }
        match select(pin!(self.died()), pin!(effect)).await {
            Either::Left(((), _)) => pending().await,
            Either::Right((output, _)) => {
                if let Some(Fate::Die(When::After)) = fate {
                    self.die(place, When::After);
                }
                self.not_paused().await;
                self.until(|life| life == Life::Running).await;
                output
            }
        }
    }

    /// `inner`, through the gate.
    #[must_use]
    pub fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Gate { process: self.clone(), inner })
    }

    /// Waits for the end of a pause. Whoever waits ends a pause whose time is over: the one that began
    /// it may have been given up meanwhile.
    async fn not_paused(&self) {
        while self.life() == Life::Paused {
            let end = self.script().paused_until;
            let Some(end) = end else {
                return self.until(|life| life != Life::Paused).await;
            };
            let left = end.since(self.0.clock.boot());
            if left.is_zero() {
                self.script().paused_until = None;
                self.resume();
                return;
            }
            let changed = pin!(self.until(|life| life != Life::Paused));
            select(changed, self.0.clock.sleep(left)).await;
        }
    }

    /// Waits for a life that is `wanted`; forever for one that will not come.
    async fn until(&self, wanted: impl Fn(Life) -> bool) {
        let mut life = self.0.life.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = life.wait_for(|life| wanted(*life)).await;
    }

    fn die(&self, place: &'static str, when: When) {
        self.script().died_at = Some((place, when));
        self.kill();
    }

    fn enter(&self, place: &'static str) -> Option<Fate> {
        let mut script = self.script();
        if self.life() != Life::Dead {
            script.places.push(place);
        }
        let crossing = script.places.len();
        let paused = script.pauses.remove(place).map(Fate::Pause);
        let dies = script.nth_of(place).map(Fate::Die);
        script.fates.remove(&crossing).or(paused).or(dies)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Gate {
    process: Process,
    inner: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Gate {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let place = match ask.method().is_safe() {
            true => "http read",
            false => "http write",
        };
        self.process.cross(place, self.inner.send(ask, deadline)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn process() -> (Process, Arc<AtomicU32>) {
        (Process::new("engine-1", Arc::new(SimClock::new())), Arc::default())
    }

    /// Three crossings, each of which counts; ends early when the process dies.
    async fn three(process: &Process, count: &AtomicU32) -> Life {
        let work = async {
            for _ in 0..3 {
                process.cross("count", async { count.fetch_add(1, Ordering::SeqCst) }).await;
            }
        };
        match select(pin!(work), pin!(process.died())).await {
            Either::Left(_) => Life::Running,
            Either::Right(_) => Life::Dead,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_nothing_happens_to_does_all_its_work() {
        let (process, count) = process();
        assert_eq!(three(&process, &count).await, Life::Running);
        assert_eq!(count.load(Ordering::SeqCst), 3);
        assert_eq!(process.places(), ["count"; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_death_before_the_effect_leaves_no_trace_of_it() {
        let (process, count) = process();
        process.die_at(2, When::Before);
        assert_eq!(three(&process, &count).await, Life::Dead);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_death_after_the_effect_leaves_it_done() {
        let (process, count) = process();
        process.die_at(2, When::After);
        assert_eq!(three(&process, &count).await, Life::Dead);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_process_does_nothing_more_however_often_it_tries() {
        let (process, count) = process();
        process.kill();
        process.resume();
        assert_eq!(three(&process, &count).await, Life::Dead);
        assert_eq!((count.load(Ordering::SeqCst), process.crossings()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_delays_the_effect_and_loses_nothing() {
        let (process, count) = process();
        let clock = SimClock::new();
        process.pause_at(2, Duration::from_secs(30));
        assert_eq!(three(&process, &count).await, Life::Running);
        assert_eq!(count.load(Ordering::SeqCst), 3);
        assert_eq!(clock.boot(), ports::Boot(30_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_killed_in_the_middle_of_an_effect_does_not_finish_it() {
        let (process, count) = process();
        let clock = SimClock::new();
        let effect = async {
            clock.sleep(Duration::from_secs(10)).await;
            count.fetch_add(1, Ordering::SeqCst)
        };
        let killer = async {
            clock.sleep(Duration::from_secs(5)).await;
            process.kill();
        };
        let work = process.cross("slow", effect);
        let both = async { futures::join!(work, killer) };
        assert!(ports::within(&clock, Duration::from_secs(60), both).await.is_none());
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
