//! The ladder: decides what is asked next and what is proven, from what the devices answered. It asks nobody
//! itself and has no clock, so that every path through it can be tried in a test.
//!
//! One rung that has power or storage to take away:
//!
//! ```text
//!            another machine            no power, twice
//!  Examine ──────────────────► next     ┌───────────────────────────┐
//!     │ power                           │                           ▼
//!     ├──────────────────► Off ──► Look ┴─ still power: look again  SecondLook ──► proven
//!     └─ no power ─► Look ─┘                (and ask again)         │ a sign of life
//!                                                                   ▼
//!                       no answer, no entry, out of time ─────────► next rung
//! ```
//!
//! The rules that it holds, whatever the devices say:
//!
//! * Nothing is proven by an acknowledgement. A host is off when the device says so twice in a row, asked
//!   anew each time: one that answers by turns never proves anything.
//! * Off is all that is ever ordered, never a reboot: what comes back by itself may start its VMs again.
//! * Nothing is ordered of a device that controls another machine than the recorded one.
//! * What a device says is not believed when the host showed a sign of life after it was said.
//! * A request to the host itself (`ssh`) proves nothing: a host that obeys may still be writing, one that
//!   does not answer may be alive. It may make the next rung find the host off already.
//! * Before each order whoever climbs is asked whether it may still be given: the host may be back, or another
//!   engine may fence it. If not, the climb ends there.
//! * An answer that does not belong to the question ends the rung. It never proves anything.

use crate::device::{Failure, Found, Power};
use crate::machine::{Compared, Machine};
use crate::verdict::{Ended, RungEnd, Verdict};
use recovery::evidence::{Kind, Sighting};
use recovery::permit::SKEW_MS;
use recovery::{HostName, Millis};

/// So many looks in a row must say off.
const OFFS_IN_A_ROW: u8 = 2;
/// So many answers in a row may be missing before the rung is given up.
const LOST_IN_A_ROW_MAX: u8 = 3;
/// The pause before a look that follows an answer that was not enough: short, because it is what we add to the
/// device's own time.
const PAUSE_MS: u64 = 250;
/// After so many looks that found power (ten seconds), the order is given again: a BMC may forget it.
const LOOKS_PER_ORDER: u8 = 40;
/// The order is not given more often than this on one rung.
const ORDERS_MAX: u8 = 3;

/// What a rung takes away from the host, and with it how much it can prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Means {
    /// Its power.
    Power,
    /// Its way to the storage.
    Storage,
    /// Nothing: the host is asked to stop by itself.
    Request,
    /// Nothing: a person is told what to do.
    Person { what: String },
}

impl Means {
    /// The evidence that it can bring at best.
    #[must_use]
    pub fn proves(&self) -> Option<Kind> {
        match self {
            Self::Power => Some(Kind::PoweredOff),
            Self::Storage => Some(Kind::StorageFenced),
            Self::Request | Self::Person { .. } => None,
        }
    }
}

/// One rung.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rung {
    pub device: String,
    pub means: Means,
}

/// What is to be asked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Ask the device which machine it controls and whether that has power, after a pause.
    Examine { after_ms: u64 },
    /// Order it off.
    Off,
    /// Ask whether it has power, after a pause.
    Look { after_ms: u64 },
    /// Ask others than the device for the host's newest sign of life.
    SecondLook,
}

/// What is next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    Do { rung: usize, step: Step },
    End(Verdict),
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// To [`Step::Examine`]; `at` is when the question was sent.
    Found { found: Found, at: Millis },
    /// To [`Step::Look`]; `at` is when the question was sent.
    Power { power: Power, at: Millis },
    /// To [`Step::Off`].
    Acknowledged,
    /// To [`Step::SecondLook`]: the newest sign of life; an error when nobody could be asked.
    Life(Result<Option<Sighting>, String>),
    /// The device did not.
    Failed(Failure),
    /// The rung's time is over.
    OutOfTime,
    /// To [`Step::Off`]: whoever climbs may not, or not any more; nothing was ordered.
    MayNot(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Examine,
    /// It said off before anything was ordered.
    OffAlready {
        since: Millis,
    },
    Order,
    Watch(Watch),
    SecondLook {
        since: Millis,
        already: bool,
    },
    Ended(Verdict),
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Watch {
    looks: u8,
    /// How many looks in a row said off, and when the first of them was sent.
    off: Option<(u8, Millis)>,
    /// What it said when it refused the order: the host may be off all the same.
    refused: Option<Failure>,
    /// Nothing came back to the order, so it may not have arrived.
    unheard: bool,
}

/// One climb for one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Climb {
    host: HostName,
    machine: Machine,
    rungs: Vec<Rung>,
    at: usize,
    state: State,
    orders: u8,
    lost_in_a_row: u8,
    answered: bool,
    machine_compared: Option<bool>,
    path: Vec<Ended>,
}

impl Climb {
    /// Begins at the first rung. `machine` is what is recorded of the host's machine.
    #[must_use]
    pub fn new(host: HostName, machine: Machine, rungs: Vec<Rung>) -> Self {
        let mut climb = Self {
            host,
            machine,
            rungs,
            at: 0,
            state: State::Examine,
            orders: 0,
            lost_in_a_row: 0,
            answered: false,
            machine_compared: None,
            path: Vec::new(),
        };
        climb.begin_rung();
        climb
    }

    /// What every rung came to so far.
    #[must_use]
    pub fn path(&self) -> &[Ended] {
        &self.path
    }

    /// What is to be asked now.
    #[must_use]
    pub fn next(&self) -> Next {
        let lost_pause = if self.lost_in_a_row == 0 { 0 } else { PAUSE_MS };
        let step = match &self.state {
            State::Examine => Step::Examine { after_ms: lost_pause },
            State::OffAlready { .. } => Step::Look { after_ms: lost_pause },
            State::Order => Step::Off,
            // Straight after the order, and straight after the first "off".
            State::Watch(Watch { looks: 0, .. } | Watch { off: Some(_), .. }) => {
                Step::Look { after_ms: lost_pause }
            }
            State::Watch(_) => Step::Look { after_ms: PAUSE_MS },
            State::SecondLook { .. } => Step::SecondLook,
            State::Ended(verdict) => return Next::End(verdict.clone()),
        };
        Next::Do { rung: self.at, step }
    }

    /// Takes in what was answered to the step of [`Climb::next`]. Total: whatever is heard, in whatever state,
    /// leads somewhere, and only two looks that say off lead to a proof.
    pub fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Found { found, at } => self.hear_found(&found, at),
            Heard::Power { power, at } => self.hear_power(power, at),
            Heard::Acknowledged => self.hear_acknowledged(),
            Heard::Life(life) => self.hear_life(life),
            Heard::Failed(failure) => self.hear_failure(failure),
            Heard::OutOfTime => self.hear_out_of_time(),
            Heard::MayNot(why) => self.hear_may_not(why),
        }
    }

    fn hear_found(&mut self, found: &Found, at: Millis) {
        if self.state != State::Examine {
            return self.out_of_turn();
        }
        self.has_answered();
        if let Some(told) = &found.machine {
            match self.machine.compare(told) {
                Compared::Same => self.machine_compared = Some(true),
                Compared::NothingRecorded => self.machine_compared = Some(false),
                Compared::NotTold => return self.end_rung(RungEnd::MachineNotTold),
                Compared::Other { recorded, told } => {
                    return self.end_rung(RungEnd::WrongMachine { recorded, told });
                }
            }
        } else {
            self.machine_compared = Some(false);
        }
        self.state = match found.power {
            Power::Off => State::OffAlready { since: at },
            Power::On | Power::Between => State::Order,
        };
    }

    fn hear_power(&mut self, power: Power, at: Millis) {
        match std::mem::replace(&mut self.state, State::Order) {
            State::OffAlready { since } => {
                self.has_answered();
                self.state = match power {
                    Power::Off => State::SecondLook { since, already: true },
                    Power::On | Power::Between => State::Order,
                };
            }
            State::Watch(watch) => {
                self.has_answered();
                self.watched(watch, power, at);
            }
            state
            @ (State::Examine | State::Order | State::SecondLook { .. } | State::Ended(_)) => {
                self.state = state;
                self.out_of_turn();
            }
        }
    }

    fn watched(&mut self, mut watch: Watch, power: Power, at: Millis) {
        watch.looks = watch.looks.saturating_add(1);
        match power {
            Power::Off => {
                let (count, since) = watch.off.unwrap_or((0, at));
                if count + 1 >= OFFS_IN_A_ROW {
                    self.state = State::SecondLook { since, already: watch.refused.is_some() };
                    return;
                }
                watch.off = Some((count + 1, since));
            }
            Power::On | Power::Between => {
                if let Some(refused) = watch.refused {
                    return self.end_rung(RungEnd::Failed(refused));
                }
                watch.off = None;
                let again = watch.unheard || watch.looks >= LOOKS_PER_ORDER;
                if again && self.orders < ORDERS_MAX {
                    self.state = State::Order;
                    return;
                }
                if watch.unheard {
                    let why = "it answers questions, and nothing comes back to the order to go off";
                    let failure = Failure::NoAnswer(why.to_owned());
                    return self.end_rung(RungEnd::Failed(failure));
                }
            }
        }
        self.state = State::Watch(watch);
    }

    fn hear_acknowledged(&mut self) {
        if self.state != State::Order {
            return self.out_of_turn();
        }
        self.has_answered();
        self.orders += 1;
        match self.means() {
            Means::Power | Means::Storage => self.state = State::Watch(Watch::default()),
            Means::Request | Means::Person { .. } => self.end_rung(RungEnd::ProvesNothing),
        }
    }

    fn hear_life(&mut self, life: Result<Option<Sighting>, String>) {
        let State::SecondLook { since, already } = self.state else {
            return self.out_of_turn();
        };
        let unseen = match life {
            Ok(Some(seen)) if seen.host == self.host && seen.at.since(since) > SKEW_MS => {
                return self.end_rung(RungEnd::SeenAlive { what: seen.what.to_string() });
            }
            Ok(_) => None,
            Err(why) => Some(why),
        };
        self.prove(since, already, unseen);
    }

    fn prove(&mut self, at: Millis, already: bool, unseen: Option<String>) {
        let Some(kind) = self.means().proves() else {
            return self.end_rung(RungEnd::ProvesNothing);
        };
        let device = self.device();
        self.note(RungEnd::Proven { already });
        self.state = State::Ended(Verdict::Proven { device, kind, at, unseen });
    }

    fn hear_failure(&mut self, failure: Failure) {
        match &self.state {
            State::Order if self.means().proves().is_some() => {
                // It may have been heard, or the host may have gone off meanwhile: look.
                self.orders += 1;
                let unheard = failure.may_pass();
                let refused = (!unheard).then(|| failure.clone());
                if matches!(failure, Failure::WrongCredentials(_) | Failure::Unusable(_)) {
                    return self.end_rung(RungEnd::Failed(failure));
                }
                if self.loses_one() {
                    return self.end_rung(RungEnd::Failed(failure));
                }
                self.state = State::Watch(Watch { refused, unheard, ..Watch::default() });
            }
            State::Examine | State::OffAlready { .. } | State::Watch(_) => {
                if !failure.may_pass() || self.loses_one() {
                    return self.end_rung(RungEnd::Failed(failure));
                }
                // What was said before the silence does not count towards "in a row".
                match &mut self.state {
                    State::Watch(watch) => watch.off = None,
                    State::OffAlready { .. } => self.state = State::Examine,
                    State::Examine | State::Order | State::SecondLook { .. } | State::Ended(_) => {}
                }
            }
            State::Order => self.end_rung(RungEnd::Failed(failure)),
            State::SecondLook { .. } | State::Ended(_) => self.out_of_turn(),
        }
    }

    fn hear_out_of_time(&mut self) {
        let end = match &self.state {
            State::Ended(_) => return,
            State::SecondLook { since, already } => {
                let why = Some("nobody answered in time".to_owned());
                return self.prove(*since, *already, why);
            }
            State::Watch(Watch { refused: Some(refused), .. }) => RungEnd::Failed(refused.clone()),
            State::Watch(Watch { off: None, looks: 1.., .. }) if self.lost_in_a_row == 0 => {
                RungEnd::StayedOn
            }
            State::Examine | State::OffAlready { .. } | State::Order | State::Watch(_) => {
                if self.answered {
                    RungEnd::OutOfTime
                } else {
                    RungEnd::Failed(Failure::NoAnswer("its time is over".to_owned()))
                }
            }
        };
        self.end_rung(end);
    }

    /// What may not be ordered of this device may not be of the next one either.
    fn hear_may_not(&mut self, why: String) {
        if self.state != State::Order {
            return self.out_of_turn();
        }
        self.note(RungEnd::MayNot { why });
        self.state = State::Ended(Verdict::NotFenced);
    }

    fn has_answered(&mut self) {
        self.answered = true;
        self.lost_in_a_row = 0;
    }

    /// Counts one missing answer; whether that was the last one allowed.
    fn loses_one(&mut self) -> bool {
        self.lost_in_a_row = self.lost_in_a_row.saturating_add(1);
        self.lost_in_a_row >= LOST_IN_A_ROW_MAX
    }

    fn means(&self) -> Means {
        let person = || Means::Person { what: "there is no such rung".to_owned() };
        self.rungs.get(self.at).map_or_else(person, |rung| rung.means.clone())
    }

    fn device(&self) -> String {
        self.rungs.get(self.at).map(|rung| rung.device.clone()).unwrap_or_default()
    }

    fn out_of_turn(&mut self) {
        if !matches!(self.state, State::Ended(_)) {
            self.end_rung(RungEnd::OutOfTurn);
        }
    }

    fn note(&mut self, end: RungEnd) {
        let machine_compared = self.machine_compared;
        self.path.push(Ended { device: self.device(), end, machine_compared });
    }

    fn end_rung(&mut self, end: RungEnd) {
        self.note(end);
        self.at += 1;
        self.begin_rung();
    }

    /// Stands on the rung at `self.at`; a person's rung is over as soon as it is reached.
    fn begin_rung(&mut self) {
        (self.orders, self.lost_in_a_row) = (0, 0);
        (self.answered, self.machine_compared) = (false, None);
        while self.at < self.rungs.len() {
            match self.means() {
                Means::Power | Means::Storage => return self.state = State::Examine,
                Means::Request => return self.state = State::Order,
                Means::Person { what } => {
                    self.note(RungEnd::NeedsPerson { what });
                    self.at += 1;
                }
            }
        }
        self.state = State::Ended(Verdict::NotFenced);
    }
}

#[cfg(test)]
mod tests;
