//! What the storm guard is asked with: the switch, what the database knows of lost hosts, and Nova's services.
//!
//! It decides nothing (`recovery::guard` does) and looks for every recovery of this engine: Nova's list of services, which
//! is long in a large cloud, is asked for once and serves all of them for a moment. One recovery begins at a time, so
//! that those of one engine do not refuse each other; what refuses those of two is a number in the database.

use crate::{Engine, look::LOOK_WITHIN, look::LookFailed, turn::chain};
use ports::Boot;
use recovery::{
    HostName, Millis,
    guard::{Hold, Record, Switch},
    seen::ComputeService,
    stops::{self, Kind, Stop},
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use store::StoreError;

/// What the guard was told may be so old when something begins by it.
pub(crate) const GUARD_FRESH: Duration = Duration::from_secs(2);

/// Nova's compute services, and how many are in cells that do not answer; or why nothing can be told.
pub(crate) type Services = Rc<Result<(Vec<ComputeService>, u32), String>>;

/// What this engine knows for the guard.
#[derive(Default, Debug)]
pub(crate) struct Guard {
    /// As it was read last; nothing: it was not read yet.
    switch: RefCell<Option<Option<Switch>>>,
    /// The planned stops that stood then.
    stops: RefCell<Vec<Stop>>,
    /// Whoever finds them old asks; the others wait for that answer.
    services: futures::lock::Mutex<Option<(Boot, Services)>>,
    /// Who has it may begin.
    pub(crate) turn: futures::lock::Mutex<()>,
    /// The number after the last that began here, as it was read.
    pub(crate) beat: Cell<u64>,
    /// The last storm of the cloud, as it was read last.
    storm: Cell<Option<Storm>>,
}

/// When the cloud was in a storm, and how long ago that is.
///
/// The database has the moment by the clock of whoever wrote it, and a clock that is set forward would end a cool-down
/// early. So the wall clock is believed only for the time in which this engine has not looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Storm {
    at: Option<Millis>,
    read: Boot,
    ago_ms: i64,
}

impl Storm {
    fn read(before: Option<Self>, at: Option<Millis>, wall: Millis, boot: Boot) -> Self {
        let by_the_wall = at.map_or(0, |at| wall.since(at).max(0));
        let ago_ms = match before {
            None => by_the_wall,
            Some(before) => {
                let since = boot.since(before.read).as_millis();
                let since_ms = i64::try_from(since).unwrap_or(i64::MAX);
                match before.at == at {
                    true => before.ago_ms.saturating_add(since_ms),
                    false => by_the_wall.min(since_ms),
                }
            }
        };
        Self { at, read: boot, ago_ms }
    }
}

/// What is known for one verdict.
#[derive(Debug)]
pub(crate) struct GuardView {
    pub(crate) answered_at: Boot,
    pub(crate) record: Record,
    pub(crate) services: Services,
}

/// How the switch stands.
pub(crate) enum Armed {
    Yes,
    No(Hold),
    /// It was not read yet.
    Unknown,
}

impl Engine {
    /// Asks the database, and beside it Nova.
    pub(crate) async fn look_at_guard(&self) -> Result<GuardView, LookFailed> {
        let (record, services) = futures::join!(self.guard_record(), self.services());
        let answered_at = self.ports.clock.boot();
        Ok(GuardView { answered_at, record: record?, services })
    }

    pub(crate) async fn guard_record(&self) -> Result<Record, StoreError> {
        // Reports bear the time of the wall clock.
        let since = self.config().guard.since(self.ports.clock.wall());
        let record = self.ports.store.guard(since).await?;
        let (wall, boot) = (self.ports.clock.wall(), self.ports.clock.boot());
        let storm = &self.guard.storm;
        storm.set(Some(Storm::read(storm.get(), record.storm_at, wall, boot)));
        Ok(record)
    }

    /// How long ago the last storm of the cloud was.
    pub(crate) fn storm_ago_ms(&self) -> Option<i64> {
        let storm = self.guard.storm.get().filter(|storm| storm.at.is_some())?;
        let since = self.ports.clock.boot().since(storm.read).as_millis();
        Some(storm.ago_ms.saturating_add(i64::try_from(since).unwrap_or(i64::MAX)))
    }

    async fn services(&self) -> Services {
        let clock = &*self.ports.clock;
        let mut last = self.guard.services.lock().await;
        if let Some((at, services)) = &*last
            && clock.boot().since(*at) <= GUARD_FRESH
        {
            return Rc::clone(services);
        }
        let asked = self.ports.nova.compute_services_told();
        let services = match ports::within(clock, LOOK_WITHIN, asked).await {
            Some(Ok(services)) => Ok(services),
            Some(Err(error)) => Err(chain(&error)),
            None => Err(format!("Nova took longer than {} s", LOOK_WITHIN.as_secs())),
        };
        let services = Rc::new(services);
        *last = Some((clock.boot(), Rc::clone(&services)));
        services
    }

    /// The switch as it was just read; whoever is held by it, or runs, is told.
    pub(crate) fn note_switch(&self, now: Option<Switch>) {
        let armed = |switch: &Option<Switch>| switch.as_ref().is_none_or(|switch| switch.armed);
        let before = self.guard.switch.replace(Some(now.clone()));
        if before.as_ref().is_some_and(|before| armed(before) == armed(&now)) {
            return;
        }
        if let Some(switch) = now.filter(|switch| before.is_some() || !switch.armed) {
            let (by, why) = (&switch.by, switch.why.as_deref().unwrap_or_default());
            match switch.armed {
                true => tracing::warn!(by, why, "armed: recoveries begin and go on"),
                false => tracing::warn!(by, why, "disarmed: nothing is begun"),
            }
        }
        self.wake.nudge();
    }

    /// The planned stops as they were just read; whoever is held by one, or not any more, is told.
    pub(crate) fn note_stops(&self, now: Vec<Stop>) {
        let before = self.guard.stops.replace(now);
        if before != *self.guard.stops.borrow() {
            self.wake.nudge();
        }
    }

    /// The planned stop of this host that stands now.
    pub(crate) fn planned_stop(&self, host: &HostName) -> Option<Stop> {
        stops::of(&self.guard.stops.borrow(), host, self.ports.clock.wall()).cloned()
    }

    /// The drains that stand, and whether servers that are off are moved, too.
    pub(crate) fn drains(&self) -> Vec<(Stop, bool)> {
        let now = self.ports.clock.wall();
        let stops = self.guard.stops.borrow();
        let drain = |stop: &Stop| match stop.kind {
            Kind::Drain { cold } if stop.stands(now) => Some((stop.clone(), cold)),
            Kind::Drain { .. } | Kind::Maintenance | Kind::StopAnnounced => None,
        };
        stops.iter().filter_map(drain).collect()
    }

    pub(crate) fn armed(&self) -> Armed {
        self.guard.armed()
    }

    /// Why nothing may be begun now.
    pub(crate) fn disarmed(&self) -> Option<String> {
        match self.armed() {
            Armed::Yes => None,
            Armed::No(hold) => Some(hold.why),
            Armed::Unknown => Some("it is not known yet whether anything may be begun".into()),
        }
    }
}

impl Guard {
    fn armed(&self) -> Armed {
        match &*self.switch.borrow() {
            None => Armed::Unknown,
            Some(switch) => switch.as_ref().and_then(Switch::hold).map_or(Armed::Yes, Armed::No),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_as_long_ago_as_this_engine_has_known_of_it_however_its_clock_is_set() {
        let (minute, hour) = (60_000, 3_600_000);
        let at = Some(Millis(hour));
        let read =
            |before, at, wall_ms, boot_ms| Storm::read(before, at, Millis(wall_ms), Boot(boot_ms));
        // Who has just started has the wall clock alone; one that is behind makes nothing older than now.
        let started = read(None, at, hour + 7_000, 500);
        assert_eq!(started.ago_ms, 7_000);
        assert_eq!(read(None, at, 0, 500).ago_ms, 0);
        // Set forward by a day.
        let later = read(Some(started), at, 25 * hour, 60_500);
        assert_eq!(later.ago_ms, 7_000 + minute);
        // Another one, written by an engine whose clock was an hour behind: after the last look.
        let next = read(Some(later), Some(Millis(hour + 1)), 25 * hour, 62_500);
        assert_eq!(next.ago_ms, 2_000);
        // Nobody has looked for an hour.
        let idle = read(Some(next), Some(Millis(25 * hour)), 26 * hour, 90 * 60_000);
        assert_eq!(idle.ago_ms, hour);
    }

    #[test]
    fn a_switch_that_was_not_read_yet_is_not_armed_and_one_that_nobody_turned_is() {
        let guard = Guard::default();
        assert!(matches!(guard.armed(), Armed::Unknown));
        guard.switch.replace(Some(None));
        assert!(matches!(guard.armed(), Armed::Yes));
        for armed in [false, true] {
            let switch = Switch { armed, at: Millis(0), by: "ann".into(), why: None };
            guard.switch.replace(Some(Some(switch)));
            assert_eq!(matches!(guard.armed(), Armed::Yes), armed);
            assert_eq!(matches!(guard.armed(), Armed::No(_)), !armed);
        }
    }
}
