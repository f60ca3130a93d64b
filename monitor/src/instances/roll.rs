//! Who runs, as far as we know, and what a fresh list shows of what we did not hear. Pure.

use super::{Domain, Off};
use recovery::ServerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whom we missed when we do not hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Away {
    /// Nobody: it is looked once more, while events come in.
    Nobody,
    /// Nobody; but libvirtd was just begun, and says nothing of who dies before it has found him.
    JustBack,
    /// The connection was lost, as when libvirtd stops. Nobody stops a domain on purpose without it.
    Libvirtd,
    /// We did not run: anything may have happened.
    Ourselves,
}

/// The domains that run.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Roll {
    running: BTreeMap<ServerId, Member>,
    /// Who was not in the last list, without a definition, and may still be told of by an event.
    #[serde(skip)]
    doubtful: BTreeSet<ServerId>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Member {
    name: String,
    is_persistent: bool,
}

/// A domain that ran and does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    pub server: ServerId,
    pub name: String,
    pub is_persistent: bool,
    pub end: End,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nobody wanted it to.
    Died(Option<Off>),
    /// Somebody did.
    Stopped(Off),
    /// It is not there any more, and that may well be what somebody wanted: it was moved, or deleted.
    Left,
}

impl Roll {
    /// `domain` runs.
    pub fn started(&mut self, domain: &Domain) {
        self.doubtful.remove(&domain.server);
        let (name, is_persistent) = (domain.name.clone(), domain.is_persistent);
        self.running.insert(domain.server.clone(), Member { name, is_persistent });
    }

    /// It does not, and that was heard.
    pub fn stopped(&mut self, server: &ServerId) {
        self.doubtful.remove(server);
        self.running.remove(server);
    }

    /// Whether somebody is missed whom the next list decides upon.
    #[must_use]
    pub fn has_doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Whether its definition outlives its run, as Nova's do.
    #[must_use]
    pub fn is_persistent(&self, server: &ServerId) -> bool {
        self.running.get(server).is_none_or(|member| member.is_persistent)
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes over what a list shows, and tells who ran and does not; but nothing of those who `turned` while it was made.
    pub fn compare(
        &mut self,
        domains: &[Domain],
        turned: &BTreeSet<ServerId>,
        away: Away,
    ) -> Vec<Missing> {
        let (kept, before): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|(server, _)| turned.contains(server));
        self.running = kept;
        let told = |domain: &&Domain| domain.run.is_some() && !turned.contains(&domain.server);
        for domain in domains.iter().filter(told) {
            self.started(domain);
        }
        let mut missing = Vec::new();
        for (server, member) in before {
            if self.running.contains_key(&server) {
                continue;
            }
            let found = domains.iter().find(|domain| domain.server == server);
            let end = match found {
                Some(domain) => stopped(domain.off.unwrap_or(Off::Unknown), away),
                // Without a definition nothing is left of it, however it ended.
                None if !member.is_persistent && away == Away::Libvirtd => End::Died(None),
                None if !member.is_persistent && away == Away::JustBack => {
                    if self.doubtful.insert(server.clone()) {
                        self.running.insert(server, member);
                        continue;
                    }
                    self.doubtful.remove(&server);
                    End::Died(None)
                }
                None => End::Left,
            };
            let Member { name, is_persistent } = member;
            missing.push(Missing { server, name, is_persistent, end });
        }
        missing
    }
}

fn stopped(off: Off, away: Away) -> End {
    match off {
        Off::Crashed | Off::Failed | Off::Daemon => End::Died(Some(off)),
        // libvirtd forgets why a domain stopped when it is restarted itself. What ran when it went away and does not
        // when it is back died meanwhile; but if we were away too, somebody may have stopped it before.
        Off::Unknown if away == Away::Libvirtd => End::Died(Some(off)),
        Off::Unknown
        | Off::Shutdown
        | Off::Destroyed
        | Off::Migrated
        | Off::Saved
        | Off::FromSnapshot => End::Stopped(off),
    }
}
