//! What the watchers of hosts saw, and what that comes to: which host is dead, which is there, and of which nobody knows.
//!
//! ```text
//!  a source: Round (quorum, hosts) ──► Watch: runs of equal samples, of each host by each source
//!                                        │ standing(now): combined by the rule
//!                                        ▼
//!                                      Standing of each host ──► Ledger (`ledger`): what is new, and is to be said
//! ```
//!
//! It never guesses. A source that has no quorum, is cut off, or has been silent for too long says nothing of any host, and what it had
//! said before is forgotten: after that it counts from the beginning. Times come in as milliseconds of a clock that only goes forward.

pub mod ledger;
pub mod names;

use self::names::{Keys, same_host};
use crate::evidence::Kind;
use crate::{HostName, Millis};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// More hosts than that of one source are not taken in.
pub const HOSTS_MOST: usize = 10_000;

/// How a source sees a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    Online,
    Offline,
    /// It is between the two, or the source cannot tell.
    Uncertain,
}

/// That a host is dead for certain, as the source can prove it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    pub kind: Kind,
    /// When it was so.
    pub at: Millis,
    /// What was said, as it was said.
    pub detail: String,
}

/// One host in a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub host: HostName,
    pub sight: Sight,
    /// Counts only with [`Sight::Offline`].
    pub proof: Option<Proof>,
}

/// Whether a source may speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Quorum {
    Quorate,
    /// It sees the smaller part of its cluster.
    NotQuorate {
        why: String,
    },
    /// It is the one that is alone, or its own cluster is away.
    CutOff {
        why: String,
    },
}

/// All that a source sees at one time. A host that is not in it is not known to it any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    pub quorum: Quorum,
    pub hosts: Vec<Seen>,
}

/// What is known of a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    Online,
    Offline,
    /// Sources differ, or have not said the same for long enough.
    Uncertain,
    /// Nobody who may speak knows it.
    Unknown,
}

/// How many sources must hold a host for dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    Any,
    All,
    /// So many of all that there are.
    Of(usize),
}

/// What makes a sight a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `monitoring_interval`: from one sample to the next.
    pub interval_ms: u64,
    /// `monitoring_samples`: so many in a row must be equal.
    pub samples: u32,
    /// A source that has told nothing for so long does not know.
    pub silence_ms: u64,
}

/// What stands of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// As it is reported.
    pub host: HostName,
    pub verdict: Verdict,
    /// The strongest, and of those the newest, if it is dead.
    pub proof: Option<Proof>,
}

/// Equal samples of one host in a row.
#[derive(Clone, Debug)]
struct Run {
    sight: Sight,
    samples: u32,
    /// When the last of them was counted.
    counted_ms: u64,
    proof: Option<Proof>,
}

#[derive(Clone, Default, Debug)]
struct Source {
    heard_ms: Option<u64>,
    hosts: BTreeMap<HostName, Run>,
}

/// What all sources have seen.
#[derive(Clone, Debug)]
pub struct Watch {
    limits: Limits,
    rule: Rule,
    /// Nobody says of himself that he is dead.
    own: HostName,
    sources: Vec<Source>,
}

impl Verdict {
    /// As Python's monitor says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Uncertain => "_uncertain",
            Self::Unknown => "_unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Seen {
    /// Without a proof.
    #[must_use]
    pub fn new(host: HostName, sight: Sight) -> Self {
        Self { host, sight, proof: None }
    }
}

impl Round {
    /// Of a source that may speak.
    #[must_use]
    pub fn quorate(hosts: Vec<Seen>) -> Self {
        Self { quorum: Quorum::Quorate, hosts }
    }

    /// Of one that may not.
    #[must_use]
    pub fn silent(quorum: Quorum) -> Self {
        Self { quorum, hosts: Vec::new() }
    }
}

impl Rule {
    /// How many of `sources` must agree; at least one.
    #[must_use]
    pub fn needed(self, sources: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => sources.max(1),
            Self::Of(needed) => needed.max(1),
        }
    }
}

impl Limits {
    /// Nobody times a sample to the millisecond, and an event may come just before one: what is nearer to the last sample is the same.
    fn is_another_sample(&self, since_ms: u64) -> bool {
        since_ms >= self.interval_ms / 4 * 3
    }
}

impl Run {
    fn first(seen: &Seen, now_ms: u64) -> Self {
        Self { sight: seen.sight, samples: 1, counted_ms: now_ms, proof: seen.proof.clone() }
    }

    fn goes_on(mut self, seen: &Seen, now_ms: u64, limits: &Limits) -> Self {
        if limits.is_another_sample(now_ms.saturating_sub(self.counted_ms)) {
            self.samples = self.samples.saturating_add(1);
            self.counted_ms = now_ms;
        }
        self.proof.clone_from(&seen.proof);
        self
    }

    /// The same host twice in one round: a proof of the one is no proof of both.
    fn and(&mut self, seen: &Seen) {
        if self.sight != seen.sight {
            (self.sight, self.samples, self.proof) = (Sight::Uncertain, 1, None);
        } else if seen.proof.is_none() {
            self.proof = None;
        }
    }

    /// What is proven needs no second sample.
    fn verdict(&self, limits: &Limits) -> Verdict {
        let is_settled = self.samples >= limits.samples;
        match self.sight {
            Sight::Offline if is_settled || self.proof.is_some() => Verdict::Offline,
            Sight::Online if is_settled => Verdict::Online,
            Sight::Online | Sight::Offline | Sight::Uncertain => Verdict::Uncertain,
        }
    }
}

impl Watch {
    /// Of `sources` sources, none of which has said anything.
    #[must_use]
    pub fn new(limits: Limits, rule: Rule, own: HostName, sources: usize) -> Self {
        let sources = (0..sources).map(|_| Source::default()).collect();
        Self { limits, rule, own, sources }
    }

    /// Takes in what the source of that number saw.
    pub fn take(&mut self, source: usize, round: &Round, now_ms: u64) {
        let (limits, own) = (self.limits, &self.own);
        let Some(of) = self.sources.get_mut(source) else { return };
        let mut before = core::mem::take(&mut of.hosts);
        of.heard_ms = match round.quorum {
            Quorum::Quorate => {
                if of.heard_ms.is_none_or(|at| now_ms.saturating_sub(at) > limits.silence_ms) {
                    before.clear();
                }
                Some(now_ms)
            }
            Quorum::NotQuorate { .. } | Quorum::CutOff { .. } => return of.heard_ms = None,
        };
        let others = round.hosts.iter().filter(|seen| !same_host(&seen.host, own));
        for seen in others.take(HOSTS_MOST) {
            if let Some(twice) = of.hosts.get_mut(&seen.host) {
                twice.and(seen);
                continue;
            }
            let run = match before.remove(&seen.host) {
                Some(run) if run.sight == seen.sight => run.goes_on(seen, now_ms, &limits),
                Some(_) | None => Run::first(seen, now_ms),
            };
            of.hosts.insert(seen.host.clone(), run);
        }
    }

    /// What stands of every host that somebody who may speak knows, by its key.
    #[must_use]
    pub fn standing(&self, now_ms: u64) -> BTreeMap<HostName, Standing> {
        let speaking = |source: &&Source| {
            source.heard_ms.is_some_and(|at| now_ms.saturating_sub(at) <= self.limits.silence_ms)
        };
        let sources: Vec<&Source> = self.sources.iter().filter(speaking).collect();
        let keys = Keys::of(sources.iter().flat_map(|source| source.hosts.keys()));
        let mut runs: BTreeMap<HostName, Vec<(&HostName, &Run)>> = BTreeMap::new();
        for source in &sources {
            for (host, run) in self.once(source, &keys) {
                runs.entry(keys.key(host)).or_default().push((host, run));
            }
        }
        runs.into_iter().map(|(key, runs)| (key, self.combined(&runs))).collect()
    }

    /// A host that one source names in two ways counts once: as the worse known of the two.
    fn once<'s>(&self, source: &'s Source, keys: &Keys) -> Vec<(&'s HostName, &'s Run)> {
        let mut once: BTreeMap<HostName, (&HostName, &Run)> = BTreeMap::new();
        for (host, run) in &source.hosts {
            let chosen = once.entry(keys.key(host)).or_insert((host, run));
            let rank = |run: &Run| match run.verdict(&self.limits) {
                Verdict::Uncertain | Verdict::Unknown => 2,
                Verdict::Online => 1,
                Verdict::Offline => 0,
            };
            if rank(run) > rank(chosen.1) {
                *chosen = (host, run);
            }
        }
        once.into_values().collect()
    }

    fn combined(&self, runs: &[(&HostName, &Run)]) -> Standing {
        let count = |wanted: Verdict| {
            runs.iter().filter(|(_, run)| run.verdict(&self.limits) == wanted).count()
        };
        let (online, offline) = (count(Verdict::Online), count(Verdict::Offline));
        let verdict = if offline >= self.rule.needed(self.sources.len()) {
            Verdict::Offline
        } else if online > 0 && online == runs.len() {
            Verdict::Online
        } else if runs.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Uncertain
        };
        let dead = runs.iter().filter(|(_, run)| run.sight == Sight::Offline);
        let proofs = dead.filter_map(|(_, run)| run.proof.as_ref());
        let proof = proofs.max_by_key(|proof| (proof.kind, proof.at)).cloned();
        // The first source's name.
        let host = runs.first().map_or_else(|| HostName::new(""), |(host, _)| (*host).clone());
        Standing { host, verdict, proof: proof.filter(|_| verdict == Verdict::Offline) }
    }
}
