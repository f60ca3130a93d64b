//! `masakari simulate`: a cloud that fails by seed, and the engine of this very program that has to recover it, in virtual time.
//!
//! One seed is told as a story; many are counted. A seed that breaks a promise is made smaller, and what is left is told.

use crate::output;
use clap::{ArgGroup, Args, ValueEnum};
use histories::{
    coverage::Group,
    many::{self, Sum},
    scene::Scene,
    shrink, soak, tale,
};
use ports::{Boot, Clock, SystemClock};
use std::{process::ExitCode, sync::Mutex};

/// How often it is told how far it is.
const PROGRESS_MS: u128 = 5_000;
/// How many histories are told to find a smaller one.
const TRIES_MOST: usize = 120;
/// What was met less often is marked.
const SELDOM: u64 = 100;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").required(true).args(["seed", "seeds"])))]
pub(crate) struct Simulate {
    /// Tell the history of this seed; exit code 1: it broke a promise
    #[arg(long)]
    seed: Option<u64>,
    /// Tell so many histories, and sum up; exit code 1: some broke a promise
    #[arg(long, value_name = "COUNT")]
    seeds: Option<u64>,
    /// The first seed of many
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// What happens in the histories
    #[arg(long, value_enum, default_value_t = Kind::Whole)]
    kind: Kind,
}

/// What happens in a history.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Kind {
    /// Whatever can, at once
    Whole,
    /// A host dies; engines, Nova, Keystone and the database fail
    Host,
    /// The same with fence devices
    Fenced,
    /// The same, and persons cancel and retry
    ByHand,
    /// A VM or a process fails
    Small,
    /// A recovery of thirty VMs, and one thing fails hard
    Soak,
}

impl Kind {
    fn scene(self, seed: u64) -> Scene {
        match self {
            Self::Whole => Scene::whole_from_seed(seed),
            Self::Host => Scene::from_seed(seed),
            Self::Fenced => Scene::fenced_from_seed(seed),
            Self::ByHand => Scene::by_hand_from_seed(seed),
            Self::Small => Scene::small_from_seed(seed),
            Self::Soak => soak::scene(seed),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Simulate {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let well = match (self.seed, self.seeds) {
            (Some(seed), _) => self.one(seed),
            (None, seeds) => self.many(seeds.unwrap_or_default()),
        };
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn one(&self, seed: u64) -> bool {
        match tale::told(self.kind.scene(seed)) {
            Ok(told) => {
                output::say(&told.stage.for_people());
                match &told.outcome {
                    Ok(()) => output::say("It ended well: no promise was broken."),
                    Err(broken) => {
                        output::say(&format!("BROKEN: {broken}"));
                        self.smallest(seed, broken);
                    }
                }
                told.outcome.is_ok()
            }
            Err(broken) => {
                output::say(&format!("BROKEN: {broken}"));
                self.smallest(seed, &broken);
                false
            }
        }
    }

    fn smallest(&self, seed: u64, broken: &str) {
        output::note("Looking for a smaller history in which the same breaks ...");
        let breaks = |scene: &Scene| match tale::told(scene.clone()) {
            Ok(told) => told.outcome.err(),
            Err(broken) => Some(broken),
        };
        let scene = self.kind.scene(seed);
        let (scene, tries) = shrink::smallest(scene, broken, TRIES_MOST, breaks);
        output::say(&format!("The smallest of {tries} histories in which the same breaks:"));
        match tale::told(scene) {
            Ok(told) => {
                output::say(&told.stage.for_people());
                output::say(&format!("BROKEN: {}", told.outcome.err().unwrap_or_default()));
            }
            Err(broken) => output::say(&format!("BROKEN: {broken}")),
        }
    }

    fn many(&self, count: u64) -> bool {
        let clock = SystemClock;
        let began = clock.boot();
        let said = Mutex::new(began);
        let progress = |told, failed| tell_progress(&clock, &said, (told, count), failed);
        let until = self.from.saturating_add(count);
        let sum = many::tell_all((self.from, until), |seed| self.kind.scene(seed), progress);
        let took_s = clock.boot().since(began).as_secs_f64().max(0.001);
        for line in summary(&sum, took_s) {
            output::say(&line);
        }
        for (seed, broken) in &sum.failed {
            let broken = broken.lines().next().unwrap_or_default();
            output::say(&format!("seed {seed} BROKEN: {broken}"));
        }
        if let Some((seed, broken)) = sum.failed.first() {
            let kind = self.kind.name();
            output::say(&format!("Tell one: masakari simulate --kind {kind} --seed {seed}"));
            self.smallest(*seed, broken);
        }
        sum.failed.is_empty()
    }
}

fn tell_progress(clock: &SystemClock, said: &Mutex<Boot>, (told, of): (u64, u64), failed: usize) {
    let Ok(mut said) = said.lock() else { return };
    let now = clock.boot();
    if now.since(*said).as_millis() >= PROGRESS_MS {
        *said = now;
        output::note(&format!("{told} of {of} told, {failed} failed"));
    }
}

/// What many came to, for people.
fn summary(sum: &Sum, took_s: f64) -> Vec<String> {
    let events: usize = sum.events.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let (histories_s, events_s) = (sum.told as f64 / took_s, events as f64 / took_s);
    let mut lines = vec![format!("{:<11} {:<58} {:>9}", "what", "which", "times")];
    let mut seldom = 0;
    for (group, what, times) in sum.coverage.rows() {
        let mark = if times < SELDOM { " seldom" } else { "" };
        seldom += usize::from(times < SELDOM);
        lines.push(format!("{:<11} {what:<58} {times:>9}{mark}", group.to_string()));
    }
    for group in [Group::Fault, Group::Transition, Group::Refusal, Group::Crash] {
        let kinds = sum.coverage.rows().filter(|(of, ..)| *of == group).count();
        lines.push(format!("{kinds} kinds of {group}"));
    }
    lines.push(format!("{seldom} were met less than {SELDOM} times"));
    lines.push(format!("median length: {} events", sum.median_events()));
    lines.push(format!("throughput: {histories_s:.1} histories/s, {events_s:.0} events/s"));
    lines.push(format!("{} histories, {} failed", sum.told, sum.failed.len()));
    lines
}
