//! What is to be said of hosts: each change once, and nothing that is only a gap in what we know.

use super::{HOSTS_MOST, Proof, Standing, Verdict};
use crate::HostName;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Who could not see a host for so long does not know whether it was back in between, so its death is told again.
///
/// A server takes longer than that to boot and to take up VMs.
pub const BLIND_MOST_MS: u64 = 120_000;
/// A proof of the same kind says something new if it is so much younger.
const NEWER_BY_MS: i64 = 10_000;

/// Something to say of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Say {
    /// It is watched from now on.
    Recognized { host: HostName, verdict: Verdict },
    /// It is dead. That is said of one that was dead when we came, too.
    Stopped { host: HostName, proof: Option<Proof> },
    /// It was said to be dead, and now there is a proof, or a better one.
    Proven { host: HostName, proof: Proof },
    /// It was said to be dead, and is there.
    Started { host: HostName },
    /// Its verdict changed, and nothing is to be reported of that.
    Unsettled { host: HostName, verdict: Verdict },
}

#[derive(Clone, Debug)]
struct Known {
    host: HostName,
    last: Verdict,
    /// It was said to be dead, and not since that it is there.
    is_dead: bool,
    proof: Option<Proof>,
    unknown_since_ms: Option<u64>,
}

/// What was said.
#[derive(Clone, Default, Debug)]
pub struct Ledger {
    hosts: BTreeMap<HostName, Known>,
}

impl Ledger {
    /// What is to be said now that so much stands.
    pub fn tell(&mut self, standing: &BTreeMap<HostName, Standing>, now_ms: u64) -> Vec<Say> {
        let mut said = Vec::new();
        for (key, stands) in standing {
            if let Some(known) = self.hosts.get_mut(key) {
                said.extend(known.hears(stands, now_ms));
            } else if self.hosts.len() < HOSTS_MOST && stands.verdict != Verdict::Unknown {
                let (known, first) = Known::new(stands);
                self.hosts.insert(key.clone(), known);
                said.extend(first);
            }
        }
        let gone = self.hosts.iter_mut().filter(|(key, _)| !standing.contains_key(*key));
        for (_, known) in gone {
            said.extend(known.is_unknown(now_ms));
        }
        // Who was dead and is only forgotten may be there again one day.
        self.hosts.retain(|_, known| known.is_dead || !known.is_blind(now_ms));
        said
    }
}

impl Known {
    fn new(stands: &Standing) -> (Self, Vec<Say>) {
        let Standing { host, verdict, proof } = stands.clone();
        let mut said = alloc::vec![Say::Recognized { host: host.clone(), verdict }];
        let is_dead = verdict == Verdict::Offline;
        if is_dead {
            said.push(Say::Stopped { host: host.clone(), proof: proof.clone() });
        }
        (Self { host, last: verdict, is_dead, proof, unknown_since_ms: None }, said)
    }

    fn is_blind(&self, now_ms: u64) -> bool {
        self.unknown_since_ms.is_some_and(|since| now_ms.saturating_sub(since) > BLIND_MOST_MS)
    }

    fn is_unknown(&mut self, now_ms: u64) -> Option<Say> {
        self.unknown_since_ms.get_or_insert(now_ms);
        let changed = core::mem::replace(&mut self.last, Verdict::Unknown) != Verdict::Unknown;
        changed.then(|| Say::Unsettled { host: self.host.clone(), verdict: Verdict::Unknown })
    }

    fn hears(&mut self, stands: &Standing, now_ms: u64) -> Option<Say> {
        let verdict = stands.verdict;
        if verdict == Verdict::Unknown {
            return self.is_unknown(now_ms);
        }
        let was_blind = self.is_blind(now_ms);
        let changed = core::mem::replace(&mut self.last, verdict) != verdict;
        self.unknown_since_ms = None;
        // What it was reported as, it is reported as until it is there again.
        let host = if self.is_dead { self.host.clone() } else { stands.host.clone() };
        match verdict {
            Verdict::Offline if !self.is_dead || was_blind => {
                self.host.clone_from(&stands.host);
                self.is_dead = true;
                self.proof.clone_from(&stands.proof);
                Some(Say::Stopped { host: stands.host.clone(), proof: stands.proof.clone() })
            }
            Verdict::Offline => {
                let proof = stands.proof.as_ref().filter(|proof| self.is_better(proof))?;
                self.proof = Some(proof.clone());
                Some(Say::Proven { host, proof: proof.clone() })
            }
            Verdict::Online if self.is_dead => {
                (self.is_dead, self.proof) = (false, None);
                Some(Say::Started { host })
            }
            Verdict::Online | Verdict::Uncertain | Verdict::Unknown => {
                self.host.clone_from(&host);
                changed.then_some(Say::Unsettled { host, verdict })
            }
        }
    }

    fn is_better(&self, proof: &Proof) -> bool {
        self.proof.as_ref().is_none_or(|known| {
            proof.kind > known.kind
                || (proof.kind == known.kind && proof.at.since(known.at) >= NEWER_BY_MS)
        })
    }
}
