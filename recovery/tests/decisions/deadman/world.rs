//! A small world with true time: a host with its agent and watchdog, an etcd, an observer.
//!
//! Each has a clock of its own, up to one part in a hundred fast or slow. Messages take any time, in both directions; a
//! write may land after it was given up. The agent is stopped, killed and begun again between any two of its steps, and
//! above all between its look at the clock and its feeding.

use proptest::prelude::TestCaseError;
use recovery::{
    deadman::{Beat, Observed, Read, Stage, Standing, Times},
    lease::Tenure,
    permit::SKEW_MS,
};

const STEP_MS: u64 = 50;
const BOOTS_IN_MS: u64 = 15_000;
const NEVER: u64 = u64::MAX;

/// A generator that a seed repeats (splitmix64).
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A clock that has its own idea of a second.
#[derive(Clone, Copy)]
struct Clock {
    /// Of its milliseconds in 1 000 true ones.
    rate: u64,
    offset_ms: u64,
}

impl Clock {
    fn of(chance: &mut Chance) -> Self {
        Self { rate: 990 + chance.below(21), offset_ms: chance.below(1_000_000) }
    }

    fn at(self, now: u64) -> u64 {
        self.offset_ms + now * self.rate / 1_000
    }
}

/// Something on its way to etcd and back.
struct Message {
    lands: u64,
    answered: u64,
    /// By the sender's clock.
    sent_ms: u64,
    /// A write: which revision it follows, and of which process it is. None: a read.
    write: Option<(u64, Beat, u64)>,
    /// What it found.
    found: Option<(bool, Option<Beat>)>,
}

/// The next step of an agent's process.
#[derive(Clone, Copy, PartialEq)]
enum Feeding {
    Looks,
    Feeds,
}

struct Agent {
    /// Which process; 0: there is none.
    pid: u64,
    stage: Stage,
    /// The revision that it will follow.
    known: u64,
    tenure: Option<Tenure>,
    waits_until_ms: u64,
    in_flight: bool,
    is_armed: bool,
    leaves: bool,
    feeding: Feeding,
}

pub(super) struct World {
    chance: Chance,
    now: u64,
    times: Times,
    of_agent: Clock,
    of_observer: Clock,
    of_watchdog: Clock,
    boot: u64,
    is_up: bool,
    boots_at: u64,
    agent: Agent,
    pids: u64,
    starts_at: u64,
    stopped_until: u64,
    /// When it was last fed; none: it does not run.
    fed: Option<u64>,
    key: Option<Beat>,
    revision: u64,
    etcd_stands_until: u64,
    agent_cut_until: u64,
    agent_mute_until: u64,
    observer_cut_until: u64,
    messages: Vec<Message>,
    observed: Option<Observed>,
    reads_again: u64,
    /// When each run of the kernel ended.
    ends: Vec<Option<u64>>,
    /// Heartbeats: of which run, and when by the observer's clock.
    heartbeats: Vec<(u64, u64)>,
    pub(super) proofs: u32,
    pub(super) dated: u32,
    pub(super) resets: u32,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let watchdog_ms = 2_000 + chance.below(10) * 1_000;
        let renew_ms = 500 + chance.below(2_000);
        let term_ms = renew_ms * (4 + chance.below(8));
        let (of_agent, of_observer) = (Clock::of(&mut chance), Clock::of(&mut chance));
        let of_watchdog = Clock::of(&mut chance);
        Self {
            times: Times::new(renew_ms, term_ms, watchdog_ms).unwrap(),
            chance,
            now: 0,
            of_agent,
            of_observer,
            of_watchdog,
            boot: 0,
            is_up: true,
            boots_at: 0,
            agent: Agent::none(),
            pids: 0,
            starts_at: 0,
            stopped_until: 0,
            fed: None,
            key: None,
            revision: 0,
            etcd_stands_until: 0,
            agent_cut_until: 0,
            agent_mute_until: 0,
            observer_cut_until: 0,
            messages: Vec::new(),
            observed: None,
            reads_again: 0,
            ends: vec![None],
            heartbeats: Vec::new(),
            proofs: 0,
            dated: 0,
            resets: 0,
        }
    }

    pub(super) fn run(&mut self, for_ms: u64) -> Result<(), TestCaseError> {
        while self.now < for_ms {
            self.now += STEP_MS;
            self.misfortune();
            self.watchdog_bites();
            self.host();
            self.etcd();
            self.agent_turns();
            self.observer()?;
        }
        Ok(())
    }

    /// About one thing every ten seconds.
    fn misfortune(&mut self) {
        if !self.chance.one_in(200) {
            return;
        }
        let worst_ms = self.times.proof_ms() * 2;
        let until = self.now + self.chance.below(worst_ms);
        // Many things last about as long as the watchdog needs.
        let short = self.now + self.chance.below(self.times.watchdog_ms() * 3 / 2);
        let soon = self.now + self.chance.below(5_000);
        match self.chance.below(10) {
            0 => self.agent_cut_until = until,
            // Answers come, and nothing gets there any more.
            8 => self.agent_mute_until = until,
            1 => self.observer_cut_until = short,
            2 => self.etcd_stands_until = short,
            3 | 4 => self.stopped_until = short,
            5 => self.agent_ends(soon),
            6 => self.agent_ends(until),
            7 => self.agent.leaves = true,
            _ => self.host_ends(),
        }
    }

    fn agent_ends(&mut self, again: u64) {
        self.agent = Agent::none();
        self.starts_at = again;
    }

    fn host_ends(&mut self) {
        if !self.is_up {
            return;
        }
        self.is_up = false;
        self.fed = None;
        let run = usize::try_from(self.boot).unwrap();
        self.ends[run] = Some(self.now);
        // A clock that counts 1 % wrong must not make a boot quicker than it is.
        self.boots_at = self.now + BOOTS_IN_MS * 103 / 100 + self.chance.below(60_000);
        self.agent_ends(NEVER);
    }

    fn watchdog_bites(&mut self) {
        let Some(fed) = self.fed else { return };
        let fed_for = self.of_watchdog.at(self.now) - self.of_watchdog.at(fed);
        // It counts in ticks: up to a second late.
        if fed_for >= self.times.watchdog_ms() + self.chance.below(1_000) {
            self.resets += 1;
            self.host_ends();
        }
    }

    fn host(&mut self) {
        if !self.is_up && self.now >= self.boots_at {
            self.is_up = true;
            self.boot += 1;
            self.ends.push(None);
            self.stopped_until = 0;
            // On some boots nobody begins the agent.
            self.starts_at = if self.chance.one_in(3) { NEVER } else { self.now };
            let heard = self.of_observer.at(self.now);
            self.heartbeats.push((self.boot, heard));
        }
        if self.is_up && self.agent.pid == 0 && self.now >= self.starts_at {
            self.pids += 1;
            self.agent = Agent { pid: self.pids, ..Agent::none() };
        }
    }

    /// Whatever the messages find, in the order in which they land.
    fn etcd(&mut self) {
        if self.now < self.etcd_stands_until {
            return;
        }
        let Self { messages, key, revision, now, .. } = self;
        for message in messages.iter_mut().filter(|m| m.found.is_none() && m.lands <= *now) {
            let current = key.as_ref().map_or(0, |beat| beat.revision);
            let written = match &message.write {
                Some((follows, beat, _)) if *follows == current => {
                    *revision += 1;
                    *key = Some(Beat { revision: *revision, ..beat.clone() });
                    true
                }
                Some(_) | None => false,
            };
            message.found = Some((written, key.clone()));
        }
    }

    fn send(&mut self, sent_ms: u64, cut_until: u64, write: Option<(u64, Beat, u64)>) {
        let delay = |chance: &mut Chance| match chance.below(8) {
            0 => chance.below(20_000),
            _ => chance.below(200),
        };
        let (there, back) = (delay(&mut self.chance), delay(&mut self.chance));
        // What is sent into a cut lands when it is over, or never.
        let cut = self.now < cut_until;
        let lost = cut && self.chance.one_in(2);
        let lands = if lost { NEVER } else { self.now.max(cut_until * u64::from(cut)) + there };
        let answered = lands.saturating_add(back);
        self.messages.push(Message { lands, answered, sent_ms, write, found: None });
    }

    /// The agent's process takes one step, if it is not stopped.
    fn agent_turns(&mut self) {
        if self.agent.pid == 0 || !self.is_up || self.now < self.stopped_until {
            return;
        }
        let now_ms = self.of_agent.at(self.now);
        self.agent_hears(now_ms);
        self.agent_feeds(now_ms);
        if self.agent.pid != 0 && !self.agent.in_flight && now_ms >= self.agent.waits_until_ms {
            self.agent_renews(now_ms);
        }
    }

    fn agent_renews(&mut self, now_ms: u64) {
        let leaves = self.agent.leaves && self.agent.stage == Stage::Held;
        let stage = match (leaves, self.agent.is_armed) {
            (true, _) => Stage::Left,
            (false, true) => Stage::Held,
            (false, false) => Stage::Taking,
        };
        let boot = format!("b{}", self.boot);
        let beat = Beat { revision: 0, stage, boot, times: self.times };
        let write = (self.agent.known, beat, self.agent.pid);
        self.agent.in_flight = true;
        // It is given up after a while.
        self.agent.waits_until_ms = now_ms + self.times.renew_ms();
        let cut_until = self.agent_cut_until.max(self.agent_mute_until);
        self.send(now_ms, cut_until, Some(write));
    }

    fn agent_hears(&mut self, now_ms: u64) {
        let (now, pid, cut) = (self.now, self.agent.pid, self.now < self.agent_cut_until);
        let is_mine = |m: &Message| m.write.as_ref().is_some_and(|(_, _, of)| *of == pid);
        let arrived = |m: &Message| is_mine(m) && m.answered <= now && m.found.is_some() && !cut;
        let Some(place) = self.messages.iter().position(arrived) else {
            if self.agent.in_flight && now_ms >= self.agent.waits_until_ms {
                self.agent.in_flight = false;
            }
            return;
        };
        let message = self.messages.remove(place);
        let (Some((written, found)), Some((_, beat, _))) = (message.found, message.write) else {
            return;
        };
        self.agent.in_flight = false;
        let known = found.map_or(0, |beat| beat.revision);
        if !written {
            self.agent.known = known;
            return;
        }
        self.agent.known = self.agent.known.max(known);
        let sent = Tenure::from_sending(message.sent_ms, self.times.term_ms());
        if self.agent.tenure.is_none_or(|t| t.left_ms(now_ms) < sent.left_ms(now_ms)) {
            self.agent.tenure = Some(sent);
        }
        self.agent.stage = beat.stage;
        if beat.stage == Stage::Left {
            self.fed = None;
            self.agent_ends(now + 5_000);
        }
    }

    /// Two steps: between them it may be stopped.
    fn agent_feeds(&mut self, now_ms: u64) {
        match self.agent.feeding {
            Feeding::Looks if self.agent.tenure.is_some_and(|t| t.left_ms(now_ms) > 0) => {
                self.agent.feeding = Feeding::Feeds;
                // Now is when a stop hurts most.
                if self.chance.one_in(100) {
                    self.stopped_until = self.now + self.chance.below(self.times.watchdog_ms());
                }
            }
            Feeding::Looks => {}
            Feeding::Feeds => {
                self.fed = Some(self.now);
                self.agent.is_armed = true;
                self.agent.feeding = Feeding::Looks;
            }
        }
    }

    fn observer(&mut self) -> Result<(), TestCaseError> {
        let now_ms = self.of_observer.at(self.now);
        if now_ms >= self.reads_again {
            self.reads_again = now_ms + 1_000;
            self.messages.retain(|m| m.write.is_some());
            self.send(now_ms, self.observer_cut_until, None);
        }
        let now = self.now;
        let answered = |m: &Message| m.write.is_none() && m.answered <= now && m.found.is_some();
        let Some(place) = self.messages.iter().position(answered) else { return Ok(()) };
        let message = self.messages.remove(place);
        let Some((_, Some(beat))) = message.found else { return Ok(()) };
        let read = Read { sent_ms: message.sent_ms, answered_ms: now_ms };
        match &mut self.observed {
            Some(observed) => observed.read(beat, read),
            none => *none = Some(Observed::first(beat, read)),
        }
        self.judge(read)
    }

    fn judge(&mut self, read: Read) -> Result<(), TestCaseError> {
        let Some(observed) = &self.observed else { return Ok(()) };
        let Standing::Dead(dead) = observed.standing() else { return Ok(()) };
        let run: usize = observed.beat().boot[1..].parse().unwrap();
        let ended = self.ends[run].map(|ended| self.of_observer.at(ended));
        self.proofs += 1;
        if ended.is_none_or(|ended| ended > read.sent_ms) {
            let said = format!("run {run} at {}: {dead:?}, ended {ended:?}", read.sent_ms);
            return Err(TestCaseError::fail(said));
        }
        let Some(at_ms) = dead.at_ms(BOOTS_IN_MS) else { return Ok(()) };
        self.dated += 1;
        let voids_ms = at_ms + SKEW_MS.unsigned_abs();
        let later = self.heartbeats.iter().find(|(of, _)| *of > u64::try_from(run).unwrap());
        match later {
            Some((of, heard)) if *heard <= voids_ms => Err(TestCaseError::fail(format!(
                "run {of} was heard at {heard}, and does not void run {run}'s end of {at_ms}"
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

impl Agent {
    fn none() -> Self {
        Self {
            pid: 0,
            stage: Stage::Taking,
            known: 0,
            tenure: None,
            waits_until_ms: 0,
            in_flight: false,
            is_armed: false,
            leaves: false,
            feeding: Feeding::Looks,
        }
    }
}
