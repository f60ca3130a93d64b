//! What the soak on the real cloud does, in the simulated world: a host with thirty servers dies, and at a
//! random moment of its recovery one thing fails, hard and for long.
//!
//! The end is always the same: the report is finished, each server was moved once and is as it was, none is
//! locked, each row tells it; and whoever takes over does so soon.

use crate::{
    scene::{Dice, EngineScript, Scene, undisturbed},
    tale::Stage,
};
use recovery::{NotificationId, lease::LeaseKey};
use sim::{Fault, Pace, Plan, Process, Rule, Service, Shape};
use std::time::Duration;

/// How long who stands still or is away is away.
pub const AWAY_MS: u64 = 60_000;
/// On the host that dies.
pub const SERVERS: usize = 30;

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Blow {
    /// The engine at work dies; there is another.
    Killed,
    /// It dies, is alone, and is started again.
    Restarted,
    /// It stands still; there is another.
    Asleep,
    /// The database is away for a while, and answers that were on their way are lost.
    DatabaseRestarted,
    /// Nova's message bus.
    BusStopped,
    /// Nova's API answers 503.
    NovaUnavailable,
}

/// Each of them.
pub const BLOWS: [Blow; 6] = [
    Blow::Killed,
    Blow::Restarted,
    Blow::Asleep,
    Blow::DatabaseRestarted,
    Blow::BusStopped,
    Blow::NovaUnavailable,
];

#[derive(Clone, Debug)]
pub struct Hit {
    pub blow: Blow,
    pub at_ms: u64,
    /// How long a database needs to restart.
    pub database_ms: u64,
    /// How long who stands still or is away is away.
    pub away_ms: u64,
}

/// Nova's message bus stops at that moment.
pub fn bus_stops_at(at_ms: u64) -> Hit {
    bus_is_away(at_ms, AWAY_MS)
}

pub fn bus_is_away(at_ms: u64, away_ms: u64) -> Hit {
    Hit { blow: Blow::BusStopped, at_ms, database_ms: 0, away_ms }
}

/// The engine at work dies at that moment, and is started again.
pub fn engine_dies_at(at_ms: u64) -> Hit {
    Hit { blow: Blow::Restarted, at_ms, database_ms: 0, away_ms: 0 }
}

pub fn database_is_away(at_ms: u64, database_ms: u64) -> Hit {
    Hit { blow: Blow::DatabaseRestarted, at_ms, database_ms, away_ms: 0 }
}

impl Hit {
    pub fn takes_the_database_at(&self, now_ms: u64) -> bool {
        let away = self.at_ms..self.at_ms + self.database_ms;
        self.blow == Blow::DatabaseRestarted && away.contains(&now_ms)
    }
}

/// The history of one blow.
#[must_use]
pub fn scene(seed: u64) -> Scene {
    let dice = Dice::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let blow = BLOWS[usize::try_from(seed).unwrap() % BLOWS.len()];
    let confirmed = dice.percent(50);
    let plain = Scene::plain();
    // A person's word does not wait for Nova; a monitor's may be held for a moment.
    let reported_after_ms = if confirmed { 5_000 } else { plain.reported_after_ms };
    let reported_ms = plain.dies_at_ms + reported_after_ms;
    let engines = if blow == Blow::Restarted { 1 } else { 2 };
    // The one that dies beside another is not started again soon.
    let rest_ms = if blow == Blow::Killed { 300_000 } else { 3_000 };
    Scene {
        seed,
        shape: shape(&dice),
        reported_after_ms,
        confirmed,
        engines: vec![EngineScript { rest_ms, ..undisturbed() }; engines],
        hit: Some(Hit {
            blow,
            at_ms: reported_ms + dice.between(0, 25_000),
            database_ms: dice.between(2_000, 20_000),
            away_ms: AWAY_MS,
        }),
        watched_on_ms: 5_000,
        ..plain
    }
}

pub fn thirty_servers(seed: u64) -> Shape {
    shape(&Dice::new(seed))
}

fn shape(dice: &Dice) -> Shape {
    let between = |low, high| usize::try_from(dice.between(low, high)).unwrap();
    Shape {
        hosts: between(3, 5),
        populated: Some(1),
        vms_per_host: SERVERS,
        ha_enabled_every: between(0, 3),
        stopped_every: between(0, 5),
        error_every: between(0, 8),
        paused_every: between(0, 8),
        locked_every: between(0, 8),
        // Shorter than Nova's own 60 s: nothing is learnt while everybody waits.
        service_down_time_ms: 20_000,
        pace: Pace { latency_ms: 1..=dice.between(5, 100), ..Pace::default() },
        ..Shape::default()
    }
}

/// The blow, at its time.
pub async fn happens(stage: &Stage) {
    let Some(hit) = &stage.scene.hit else { return };
    stage.at(hit.at_ms).await;
    let now = stage.clock.wall();
    let away = now..now.plus(hit.away_ms.cast_signed());
    match hit.blow {
        Blow::Killed | Blow::Restarted => at_work(stage).kill(),
        Blow::Asleep => {
            let engine = at_work(stage);
            engine.pause();
            stage.clock.sleep(Duration::from_millis(hit.away_ms)).await;
            engine.resume();
        }
        // Whoever asks it finds out.
        Blow::DatabaseRestarted => {}
        Blow::BusStopped => {
            stage.world.faults(Plan { bus_stopped: Some(away), ..Plan::default() });
        }
        Blow::NovaUnavailable => {
            let rule = Rule::always(Service::Compute, Fault::Status(503));
            let rules = vec![rule.between(away.start, away.end)];
            stage.world.faults(Plan { rules, ..Plan::default() });
        }
    }
}

/// The report of the host that dies.
pub fn report(stage: &Stage) -> NotificationId {
    NotificationId::new(format!("report-{}", stage.host(0)))
}

/// The engine that has the recovery's lease; the first one while none has.
fn at_work(stage: &Stage) -> Process {
    let key = LeaseKey::recovery(&report(stage));
    let row = stage.memory.all_leases().into_iter().find(|row| row.key == key);
    let owner = row.and_then(|row| row.owner).map_or_else(String::new, |owner| owner.0);
    let lives = stage.lives.lock().unwrap();
    let has_it = |life: &&Process| owner.starts_with(&format!("{}:", life.id()));
    lives.iter().find(has_it).unwrap_or(&lives[0]).clone()
}

/// While its bus is away, Nova's conductor waits for the scheduler in vain; when it is back, the scheduler finds no host up for a
/// moment. What it fails at then is done by another evacuation.
pub fn nova_fails_at_some(stage: &Stage) -> bool {
    stage.scene.hit.as_ref().is_some_and(|hit| hit.blow == Blow::BusStopped)
}
