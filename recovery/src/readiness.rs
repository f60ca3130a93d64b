//! Whether the hosts of the segments could be fenced now: whose turn it is, and what is news.
//!
//! It is asked while a host lives, so that a device that is broken is repaired before it is needed.
//!
//! It proves nothing of a host, and nothing follows from it but a word to the operator.

use crate::nouns::Host;
use crate::{HostId, Millis};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What is to be repaired is looked at again so soon: that it is repaired is told soon.
const AGAIN_MS: i64 = 300_000;

/// Whether a host could be fenced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// By each of its devices that can prove something.
    Ready,
    /// By one at least, and another is to be repaired.
    Impaired,
    /// By none.
    Unready,
}

impl Readiness {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Impaired => "impaired",
            Self::Unready => "not_ready",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ready, Self::Impaired, Self::Unready].into_iter().find(|r| r.as_str() == word)
    }
}

/// What a look at one device of the ladder found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rung {
    pub device: String,
    /// By it the host could be proven dead now.
    pub could_prove: bool,
    /// It is to be repaired.
    pub is_fault: bool,
    pub said: String,
}

/// What a look at all devices of a host came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub host: HostId,
    pub at: Millis,
    pub readiness: Readiness,
    /// Since when it is so, by the looks.
    pub since: Millis,
    /// Why it has no ladder; or what each of its rungs said.
    pub found: Result<Vec<Rung>, String>,
}

impl Check {
    /// `before`: the last one of the same host.
    #[must_use]
    pub fn of(
        host: HostId,
        found: Result<Vec<Rung>, String>,
        before: Option<&Self>,
        at: Millis,
    ) -> Self {
        let readiness = readiness(found.as_deref().unwrap_or_default());
        let same = before.filter(|before| before.readiness == readiness);
        Self { host, at, readiness, since: same.map_or(at, |before| before.since), found }
    }

    /// Whether a person is to be told. That all is well at the first look is no news.
    #[must_use]
    pub fn is_news(&self, before: Option<&Self>) -> bool {
        self.readiness != before.map_or(Readiness::Ready, |before| before.readiness)
    }

    /// In one line: what is to be repaired; where nothing could prove anything, what all say.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.found {
            Err(why) => why.clone(),
            Ok(rungs) => {
                let tells = |rung: &&Rung| match self.readiness {
                    Readiness::Ready | Readiness::Impaired => rung.is_fault,
                    Readiness::Unready => !rung.could_prove,
                };
                let lines = rungs
                    .iter()
                    .filter(tells)
                    .map(|rung| format!("{}: {}", rung.device, rung.said));
                lines.collect::<Vec<_>>().join("; ")
            }
        }
    }
}

fn readiness(rungs: &[Rung]) -> Readiness {
    match (rungs.iter().any(|r| r.could_prove), rungs.iter().any(|r| r.is_fault)) {
        (true, false) => Readiness::Ready,
        (true, true) => Readiness::Impaired,
        (false, _) => Readiness::Unready,
    }
}

/// Whose devices are looked at now, of those who were not for the longest time first.
///
/// So few that all hosts are spread over the interval. One of which nothing is known, or where something is to be repaired, need not wait for that.
/// `tick_ms`: this is asked so often.
#[must_use]
pub fn due<'h>(
    hosts: &'h [Host],
    known: &BTreeMap<HostId, Check>,
    every_ms: i64,
    tick_ms: i64,
    now: Millis,
) -> Vec<&'h Host> {
    let soon_ms = every_ms.min(AGAIN_MS);
    let checked = |host: &Host| known.get(&host.uuid).map(|check| (check.at, check.readiness));
    // A clock that was set back puts nothing off.
    let is_old = |at: Millis, after_ms: i64| !(0..after_ms).contains(&now.since(at));
    let (mut ready, mut others) = (Vec::new(), Vec::new());
    for host in hosts {
        match checked(host) {
            Some((at, Readiness::Ready)) if is_old(at, every_ms) => ready.push(host),
            Some((at, Readiness::Impaired | Readiness::Unready)) if is_old(at, soon_ms) => {
                others.push(host)
            }
            Some(_) => {}
            None => others.push(host),
        }
    }
    for (due, within_ms) in [(&mut ready, every_ms), (&mut others, soon_ms)] {
        due.sort_by_key(|host| checked(host).map(|(at, _)| at));
        due.truncate(share(hosts.len(), within_ms, tick_ms));
    }
    others.into_iter().chain(ready).collect()
}

/// So many of `hosts` at a time that all of them have their turn within that time.
fn share(hosts: usize, within_ms: i64, tick_ms: i64) -> usize {
    let ticks = within_ms.checked_div(tick_ms).and_then(|ticks| usize::try_from(ticks).ok());
    hosts.div_ceil(ticks.unwrap_or(1).max(1))
}
