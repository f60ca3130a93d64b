//! Fences a host: climbs its ladder of fence devices, under the lease of its recovery.
//!
//! That it is due is said by `recovery::fencing`, what the devices answer means by the room `fence`. Here is what
//! lies between: which ladder the host has, who else may have seen it alive (Nova and the monitors, which are asked after
//! a device has said "off" and before that counts), and the brake: before each order to switch off it is looked whether the
//! lease still holds, whether the host has shown a sign of life meanwhile, and whether a person has disarmed.

use crate::{Engine, turn::chain};
use async_trait::async_trait;
use fence::{Climber, FencingFile, Life, Tools, Verdict, Witness, build::rung, climb::Climbed};
use openstack::Nova;
use ports::{Boot, Clock};
use recovery::{
    HostName, Millis,
    evidence::Evidence,
    fencing::{FenceEntry, Fencing as Stand, Hurdle, Limits},
    identity::Identity,
    lease::Lease,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use store::{Store, StoreError};

/// What Nova may be late with a heartbeat, and what its whole seconds and two machines' clocks take away.
const MARGIN: Duration = Duration::from_secs(5);
/// How long Nova may take to answer the second look, after the wait for a heartbeat.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// An order is not given on a look at the host that is older.
const LOOK_AGE_MAX: Duration = Duration::from_secs(15);

/// `[fencing] devices_file`, and what its devices are reached with.
#[derive(Clone, Debug)]
pub struct Fencing {
    pub file: Arc<FencingFile>,
    pub tools: Tools,
    /// `[fencing] report_interval`: how often a host that lives reports to Nova. Zero: nobody waits for it.
    pub report_interval: Duration,
    /// `[fencing] check_interval`: how often the devices of each host are looked at; none: never.
    pub check_every: Option<Duration>,
}

impl Fencing {
    /// A host that Nova has heard within this time may live.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        if self.report_interval.is_zero() { Duration::ZERO } else { self.report_interval + MARGIN }
    }
}

/// The ladder of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ladder {
    /// There is no file of fence devices.
    NoFile,
    /// Why the host has none.
    None(String),
    Of {
        rungs: Vec<String>,
        /// As Masakari has them.
        control_attributes: String,
    },
}

/// How a climb ended.
#[derive(Debug)]
pub(crate) struct Ended {
    result: Result<Evidence, Failed>,
    /// Whether another climb could come to something else.
    hope: bool,
}

#[derive(Debug)]
struct Failed {
    path: Vec<String>,
    why: Option<String>,
    hurdles: Vec<Hurdle>,
}

impl Ended {
    fn hopeless(why: String) -> Self {
        let (path, hurdles) = (Vec::new(), Vec::new());
        Self { result: Err(Failed { path, why: Some(why), hurdles }), hope: false }
    }

    fn hopeful(why: String) -> Self {
        Self { hope: true, ..Self::hopeless(why) }
    }

    fn of(climbed: &Climbed, hope: bool) -> Self {
        let path = || climbed.path.iter().map(|rung| format!("{}: {}", rung.device, rung.end));
        let hurdles = || climbed.path.iter().filter_map(|rung| rung.end.hurdle()).collect();
        let failed = |why| Err(Failed { path: path().collect(), why, hurdles: hurdles() });
        let result = match (&climbed.verdict, climbed.evidence()) {
            // Where Nova cannot be asked nothing can be evacuated either: no reason to believe a device alone.
            (Verdict::Proven { unseen: Some(why), .. }, _) => {
                failed(Some(format!("nobody else could be asked whether it lives: {why}")))
            }
            (Verdict::Proven { unseen: None, .. }, Some(evidence)) => Ok(evidence),
            (Verdict::Proven { unseen: None, .. }, None) | (Verdict::NotFenced, _) => failed(None),
        };
        Self { result, hope }
    }

    /// The line for the log.
    pub(crate) fn entry(self, stand: &Stand, limits: &Limits, now: Millis) -> FenceEntry {
        match self.result {
            Ok(evidence) => FenceEntry::Proven { evidence },
            Err(Failed { path, why, hurdles }) => {
                let again_at = stand.again_at(limits, now).filter(|_| self.hope);
                FenceEntry::Failed { path, why, again_at, hurdles }
            }
        }
    }
}

/// Keeps a climb from ordering what may not be ordered any more; shared with it.
#[derive(Clone, Debug)]
pub(crate) struct Brake(Rc<RefCell<Held>>);

#[derive(Debug)]
struct Held {
    looked_at: Boot,
    /// By what the newest look saw.
    why: Option<String>,
    /// For good: no look lets go of it.
    pulled: Option<String>,
}

impl Default for Brake {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Held { looked_at: Boot(0), why: None, pulled: None })))
    }
}

impl Brake {
    /// What a look at the host came to: why it is not to be switched off, if so.
    pub(crate) fn looked(&self, at: Boot, why: Option<String>) {
        let mut held = self.0.borrow_mut();
        (held.looked_at, held.why) = (at, why);
    }

    pub(crate) fn pull(&self, why: String) {
        self.0.borrow_mut().pulled = Some(why);
    }

    pub(crate) fn may(&self, now: Boot) -> Result<(), String> {
        let held = self.0.borrow();
        let old = now.since(held.looked_at);
        match held.pulled.as_ref().or(held.why.as_ref()) {
            Some(why) => Err(why.clone()),
            None if old > LOOK_AGE_MAX => {
                let s = old.as_secs();
                Err(format!("Nova has not said for {s} s whether it lives"))
            }
            None => Ok(()),
        }
    }
}

/// One of the places in which hosts are fenced side by side.
#[derive(Debug)]
pub(crate) struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Engine {
    /// The ladder that the file of fence devices has for the host.
    pub(crate) async fn ladder_of(&self, host: &HostName) -> Result<Ladder, StoreError> {
        let config = self.config();
        let Some(fencing) = &config.fencing else { return Ok(Ladder::NoFile) };
        let row = self.ports.store.host_named(host).await?;
        let control_attributes = row.map(|row| row.control_attributes).unwrap_or_default();
        Ok(match fencing.file.ladder_of(host.as_str(), Some(&control_attributes)) {
            Ok(ladder) => {
                let rungs = ladder.entries.iter().map(|entry| rung(entry, &ladder.values).device);
                Ladder::Of { rungs: rungs.collect(), control_attributes }
            }
            Err(none) => Ladder::None(none.to_string()),
        })
    }

    /// Which machine the host is: what an operator has recorded, or else what its agent said.
    pub(crate) async fn machine_of(
        &self,
        host: &HostName,
        recorded: fence::Machine,
    ) -> Result<fence::Machine, StoreError> {
        if recorded.is_recorded() {
            return Ok(recorded);
        }
        let said = self.ports.store.identified(host).await?.map(|known| known.identity);
        Ok(match said {
            Some(Identity { boot: _, uuid, serial }) => recorded.or_told_by_host(uuid, serial),
            None => recorded,
        })
    }

    /// A place among the hosts that are fenced side by side, if one is free.
    pub(crate) fn place_to_climb(&self) -> Option<Place> {
        let most = self.config().fencing.as_ref().map_or(0, |fencing| fencing.file.side_by_side);
        let climbing = self.climbing.get();
        (climbing < most).then(|| {
            self.climbing.set(climbing + 1);
            Place(Rc::clone(&self.climbing))
        })
    }

    /// Climbs the host's ladder; `_place` is free again when that has ended, however.
    pub(crate) async fn fence(
        &self,
        lease: &Lease,
        host: &HostName,
        control_attributes: &str,
        own_write: Option<Millis>,
        brake: Brake,
        _place: Option<Place>,
    ) -> Ended {
        let config = self.config();
        let Some(fencing) = &config.fencing else {
            return Ended::hopeless("no file of fence devices is configured any more".into());
        };
        let mut ladder = match fencing.file.ladder_of(host.as_str(), Some(control_attributes)) {
            Ok(ladder) => ladder,
            Err(none) => return Ended::hopeless(none.to_string()),
        };
        // Without knowing which machine it is nothing is switched off; the database answers again.
        ladder.machine = match self.machine_of(host, ladder.machine).await {
            Ok(machine) => machine,
            Err(error) => return Ended::hopeful(chain(&error)),
        };
        let mut rungs = ladder.entries.iter().map(|entry| rung(entry, &ladder.values));
        let hope = rungs.any(|rung| rung.means.proves().is_some());
        let witness = self.witness(fencing, own_write);
        let may = || {
            let lost = |_| "the lease on this recovery ran out".to_owned();
            self.allowed(lease).map_err(lost)?;
            // Said while devices were asked.
            self.disarmed().map_or(Ok(()), Err)?;
            brake.may(self.ports.clock.boot())
        };
        let climber = Climber { tools: fencing.tools.clone(), witness: Arc::new(witness) };
        Ended::of(&climber.climb_while(host, &ladder, may).await, hope)
    }
}

impl Engine {
    /// Who is asked after a device. A heartbeat up to `own_write` may be a write of ours.
    pub(crate) fn witness(&self, fencing: &Fencing, own_write: Option<Millis>) -> SeenByOthers {
        SeenByOthers {
            nova: self.ports.nova.clone(),
            store: self.ports.store.clone(),
            clock: self.ports.clock.clone(),
            quiet: fencing.quiet(),
            own_write,
        }
    }
}

/// The second look: Nova's heartbeats, and what the monitors told.
#[derive(Debug)]
pub(crate) struct SeenByOthers {
    nova: Nova,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    quiet: Duration,
    own_write: Option<Millis>,
}

impl SeenByOthers {
    async fn ask(&self, host: &HostName) -> Life {
        let service = self.nova.compute_service(host).await.map_err(|e| chain(&e))?;
        let seen = service.and_then(|service| service.sighting());
        Ok(seen.filter(|seen| !crate::look::is_own_write(seen, self.own_write)))
    }

    /// A host that was heard a moment ago is given the time in which it would be heard again.
    async fn heard(&self, host: &HostName) -> Life {
        let first = self.ask(host).await?;
        let Some(seen) = &first else { return Ok(None) };
        let age_ms = u64::try_from(self.clock.wall().since(seen.at)).unwrap_or(0);
        let left = self.quiet.saturating_sub(Duration::from_millis(age_ms));
        if left.is_zero() {
            return Ok(first);
        }
        self.clock.sleep(left).await;
        self.ask(host).await
    }
}

#[async_trait]
impl Witness for SeenByOthers {
    async fn newest_sign_of_life(&self, host: &HostName) -> Life {
        let heard = self.heard(host).await?;
        let told = self.store.sightings(host).await.map_err(|e| chain(&e))?;
        Ok(told.into_iter().chain(heard).max_by_key(|seen| seen.at))
    }

    fn patience(&self) -> Duration {
        self.quiet + ANSWER_WITHIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recovery::evidence::Kind;

    #[test]
    fn off_is_not_believed_where_nobody_else_could_be_asked() {
        let (device, kind, at) = ("bmc (redfish)".to_owned(), Kind::PoweredOff, Millis(5));
        let climbed = |unseen: Option<&str>| Climbed {
            host: HostName::new("compute01"),
            verdict: Verdict::Proven {
                device: device.clone(),
                kind,
                at,
                unseen: unseen.map(ToOwned::to_owned),
            },
            path: Vec::new(),
            took: Vec::new(),
        };
        assert_eq!(Ended::of(&climbed(None), true).result.unwrap().kind, Kind::PoweredOff);
        let failed = Ended::of(&climbed(Some("Nova does not answer")), true).result.unwrap_err();
        let why = "nobody else could be asked whether it lives: Nova does not answer";
        assert_eq!(failed.why.as_deref(), Some(why));
    }

    #[test]
    fn a_look_lets_go_of_what_a_look_held_and_of_nothing_else() {
        let (brake, at) = (Brake::default(), |s: u64| Boot(s * 1000));
        assert!(brake.may(at(60)).is_err(), "nobody has looked");
        brake.looked(at(60), Some("it is heard".into()));
        assert_eq!(brake.may(at(61)), Err("it is heard".into()));
        brake.looked(at(62), None);
        assert_eq!(brake.may(at(63)), Ok(()));
        brake.pull("cancelled".into());
        brake.looked(at(64), None);
        assert_eq!(brake.may(at(65)), Err("cancelled".into()));
    }
}
