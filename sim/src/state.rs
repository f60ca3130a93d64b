//! The whole cloud behind one lock: what is true ([`crate::host`]), what Nova and Keystone have
//! written down, and what is still to happen ([`crate::life`]).

use crate::fault::Plan;
use crate::host::{Host, Records};
use crate::keys::Keys;
use crate::keystone::Keystone;
use crate::life::Event;
use crate::nova::{Aggregate, Departure, Instance, Job, Migration};
use crate::shape::Shape;
use ports::{Answer, Entropy, SeededEntropy};
use recovery::{HostName, Millis, ServerId};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    pub(crate) plan: Plan,
    /// How far the world has lived.
    pub(crate) now: Millis,
    chance: SeededEntropy,
    pub(crate) hosts: BTreeMap<HostName, Host>,
    pub(crate) servers: BTreeMap<ServerId, Instance>,
    /// In the order of their ids, which begin at 1.
    pub(crate) migrations: Vec<Migration>,
    /// The records of live migrations.
    pub(crate) departures: Vec<Departure>,
    /// Evacuations that a destination has still to do.
    pub(crate) jobs: BTreeMap<u64, Job>,
    /// In the order of their ids, which begin at 1.
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) keys: Keys,
    pub(crate) keystone: Keystone,
    pub(crate) records: Records,
    /// What is to happen, in order; the number keeps two events of one moment in theirs.
    pub(crate) events: BTreeMap<(Millis, u64), Event>,
    /// Requests on their way, and the answers that nobody has fetched yet.
    pub(crate) inbox: BTreeMap<u64, Option<(Answer, u64)>>,
    /// Since when the copies run, by the server.
    pub(crate) runs_since: BTreeMap<ServerId, Millis>,
    numbers: u64,
}

impl State {
    pub(crate) fn new(seed: u64, now: Millis, shape: Shape) -> Self {
        let chance = SeededEntropy::new(seed);
        let mut state = Self {
            keystone: Keystone::new(&chance),
            plan: Plan::default(),
            now,
            chance,
            hosts: BTreeMap::new(),
            servers: BTreeMap::new(),
            migrations: Vec::new(),
            departures: Vec::new(),
            jobs: BTreeMap::new(),
            keys: Keys::default(),
            aggregates: Vec::new(),
            records: Records::default(),
            events: BTreeMap::new(),
            inbox: BTreeMap::new(),
            runs_since: BTreeMap::new(),
            numbers: 0,
            shape,
        };
        state.populate();
        state
    }

    fn populate(&mut self) {
        let mut count = 0;
        for number in 1..=self.shape.hosts {
            let phase = self.between(&(0..=self.shape.report_interval_ms.unsigned_abs()));
            let host = Host::new(number, self.uuid(), self.now, phase.cast_signed());
            let name = host.name.clone();
            let reserved = number > self.shape.hosts.saturating_sub(self.shape.reserved);
            let host = if reserved { host.reserved(self.shape.reserved_max) } else { host };
            self.hosts.insert(name.clone(), host);
            if reserved || self.shape.populated.is_some_and(|populated| number > populated) {
                continue;
            }
            for _ in 0..self.shape.vms_per_host {
                count += 1;
                let instance = Instance::new(count, self, &name);
                if instance.runs() {
                    self.start_guest(&name, &instance.id);
                }
                self.insert_server(instance);
            }
        }
        self.aggregates = Aggregate::of_all(self.shape.aggregates, &self.hosts);
    }

    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn uuid(&self) -> String {
        self.chance.uuid().to_string()
    }

    pub(crate) fn between(&self, range: &RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()) + 1;
        range.start() + self.chance.bits() % width
    }

    /// True for so many of 1000 calls.
    pub(crate) fn happens(&self, permille: u64) -> bool {
        self.chance.bits() % 1000 < permille
    }
}
