//! The death certificates of a recovery: each judgement that its host was dead, what it rested on, and what voided it.
//!
//! They are read from the log, where `Proven` is the record of a [`crate::Permit`] that was made. They tell what was
//! known and give no right to anything: a permit is computed anew before every batch of acts. Only the last one can
//! be in force; a sign of life, a stronger proof and a retry end those before it.

mod text;

use crate::evidence::{Evidence, Kind, Sighting};
use crate::fencing::FenceEntry;
use crate::guard::GuardEntry;
use crate::log::{Entry, Line};
use crate::nouns::{NotificationStatus, NotificationType};
use crate::time::{iso, iso_if};
use crate::{HostName, Millis, NotificationId};
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use serde::Serialize;

/// One judgement that the host was dead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Certificate {
    /// The line of the recovery's log.
    pub seq: u64,
    #[serde(serialize_with = "iso")]
    pub judged_at: Millis,
    /// The engine that judged, as it is called in leases, and the generation of its lease.
    pub engine: String,
    pub generation: u64,
    /// The kind of the proof, and when it was true.
    pub kind: Kind,
    #[serde(serialize_with = "iso")]
    pub true_at: Millis,
    /// All that was known of the host, oldest first.
    pub evidence: Vec<Piece>,
    /// How its ladder of fence devices was climbed before.
    pub climbs: Vec<Climb>,
    pub standing: Standing,
}

/// One piece of evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Piece {
    pub kind: Kind,
    #[serde(serialize_with = "iso")]
    pub at: Millis,
    /// Who vouches for it.
    pub source: String,
    /// What was said, as it was said.
    pub raw: String,
    /// The judgement rests on it.
    pub decides: bool,
}

/// One climb of the ladder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Climb {
    pub attempt: u32,
    #[serde(serialize_with = "iso")]
    pub began_at: Millis,
    /// The devices in their order.
    pub rungs: Vec<String>,
    /// Nothing while it is under way, or when the engine died over it.
    #[serde(serialize_with = "iso_if")]
    pub ended_at: Option<Millis>,
    /// What every rung came to.
    pub path: Vec<String>,
    pub proved: bool,
}

/// Whether a certificate counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It counts, or did so when the recovery ended.
    InForce,
    /// There was no permit any more.
    Voided {
        #[serde(serialize_with = "iso")]
        at: Millis,
        why: String,
        sighting: Option<Sign>,
    },
    /// A later judgement stands in its place.
    Replaced {
        #[serde(serialize_with = "iso")]
        at: Millis,
    },
    /// The recovery was tried again, for which the host is judged anew.
    TriedAgain {
        #[serde(serialize_with = "iso")]
        at: Millis,
    },
}

/// The sign of life that voided it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sign {
    #[serde(serialize_with = "iso")]
    pub at: Millis,
    pub what: String,
}

/// All of one recovery, oldest first, and why none is in force if that is so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Certificates {
    pub notification: NotificationId,
    pub host: HostName,
    pub status: NotificationStatus,
    pub certificates: Vec<Certificate>,
    /// Climbs since the last certificate.
    pub climbs_since: Vec<Climb>,
    pub missing: Option<String>,
}

/// Whose certificates are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub notification: &'a NotificationId,
    pub kind: NotificationType,
    pub status: NotificationStatus,
    pub host: &'a HostName,
}

impl Certificates {
    /// Reads them from the whole log of the recovery.
    #[must_use]
    pub fn read(of: Of<'_>, lines: &[Line]) -> Self {
        let mut reader = Reader::default();
        lines.iter().for_each(|line| reader.read(line));
        let mut all = Self {
            notification: of.notification.clone(),
            host: of.host.clone(),
            status: of.status,
            certificates: reader.certificates,
            climbs_since: reader.climbs,
            missing: None,
        };
        if all.in_force().is_none() {
            all.missing = Some(missing(of, lines, reader.open.as_deref()));
        }
        all
    }

    /// The one that counts.
    #[must_use]
    pub fn in_force(&self) -> Option<&Certificate> {
        self.certificates.last().filter(|c| c.standing == Standing::InForce)
    }
}

#[derive(Default)]
struct Reader {
    engine: (String, u64),
    certificates: Vec<Certificate>,
    climbs: Vec<Climb>,
    /// What the log said last of why there is none.
    open: Option<String>,
}

impl Reader {
    fn read(&mut self, line: &Line) {
        match &line.entry {
            Entry::Claimed { owner, generation } => self.engine = (owner.clone(), *generation),
            Entry::Proven { kind, at, evidence } => self.judged(line, *kind, *at, evidence),
            Entry::Held { why, sighting, .. } => {
                let (at, sighting) = (line.at, sighting.as_ref().map(Sign::of));
                self.ends(Standing::Voided { at, why: why.clone(), sighting });
                self.open = Some(why.clone());
            }
            // The proof holds; it is only not acted upon.
            Entry::Waiting { why }
            | Entry::Guard(GuardEntry::Held { why, .. } | GuardEntry::Stopped { why, .. }) => {
                self.open = Some(why.clone());
            }
            Entry::Guard(GuardEntry::Passed { .. }) => self.open = None,
            Entry::Fence(entry) => self.climbed(entry, line.at),
            Entry::Hand(_) if line.entry.is_retry() => {
                self.ends(Standing::TriedAgain { at: line.at });
                self.open = None;
            }
            Entry::Hand(_)
            | Entry::ForceDownIntended
            | Entry::ForcedDown
            | Entry::DisableIntended
            | Entry::Disabled
            | Entry::Planned { .. }
            | Entry::Intended { .. }
            | Entry::Did { .. }
            | Entry::Refused { .. }
            | Entry::Postponed { .. }
            | Entry::Arrived { .. }
            | Entry::NotMoved { .. }
            | Entry::Stopped { .. }
            | Entry::NotRestored { .. }
            | Entry::Gone { .. }
            | Entry::Way(_)
            | Entry::Capacity(_)
            | Entry::Shadow(_)
            | Entry::Confirmed { .. }
            | Entry::Step(_)
            | Entry::Restart(_)
            | Entry::Process(_)
            | Entry::Return(_)
            | Entry::Drill(_)
            | Entry::Drain(_)
            | Entry::Tier(_)
            | Entry::Ended { .. } => {}
        }
    }

    fn judged(&mut self, line: &Line, kind: Kind, true_at: Millis, evidence: &[Evidence]) {
        self.ends(Standing::Replaced { at: line.at });
        let piece = |e: &Evidence| Piece {
            kind: e.kind,
            at: e.at,
            source: e.source.clone(),
            raw: e.raw.clone(),
            decides: decides(e, kind, true_at),
        };
        let (engine, generation) = self.engine.clone();
        self.certificates.push(Certificate {
            seq: line.seq,
            judged_at: line.at,
            engine,
            generation,
            kind,
            true_at,
            evidence: evidence.iter().map(piece).collect(),
            climbs: core::mem::take(&mut self.climbs),
            standing: Standing::InForce,
        });
        self.open = None;
    }

    fn ends(&mut self, by: Standing) {
        if let Some(last) = self.certificates.last_mut()
            && last.standing == Standing::InForce
        {
            last.standing = by;
        }
    }

    fn climbed(&mut self, entry: &FenceEntry, at: Millis) {
        if let FenceEntry::Begun { attempt, rungs } = entry {
            let (attempt, rungs) = (*attempt, rungs.clone());
            let path = Vec::new();
            let climb = Climb { attempt, began_at: at, rungs, ended_at: None, path, proved: false };
            return self.climbs.push(climb);
        }
        let Some(climb) = self.climbs.last_mut() else { return };
        climb.ended_at = Some(at);
        match entry {
            FenceEntry::Begun { .. } => {}
            FenceEntry::Proven { evidence } => {
                climb.proved = true;
                climb.path = evidence.raw.lines().map(ToOwned::to_owned).collect();
            }
            FenceEntry::Failed { path, why, .. } => {
                climb.path = path.clone();
                climb.path.extend(why.clone());
            }
        }
    }
}

impl Sign {
    fn of(seen: &Sighting) -> Self {
        Self { at: seen.at, what: format!("{}", seen.what) }
    }
}

/// Whether a judgement of that kind and moment rests on this evidence.
#[must_use]
pub fn decides(evidence: &Evidence, kind: Kind, true_at: Millis) -> bool {
    evidence.kind == kind && evidence.at == true_at
}

/// Why there is none that counts, for a person.
fn missing(of: Of<'_>, lines: &[Line], open: Option<&str>) -> String {
    match of.kind {
        NotificationType::ComputeHost => {}
        NotificationType::Vm | NotificationType::Process => {
            return format!("no host is judged dead for a report of the type {}", of.kind);
        }
    }
    if lines.is_empty() {
        return match of.status.is_terminal() {
            true => "there is no log of this recovery: it was not ours".into(),
            false => "no engine has taken the report up yet".into(),
        };
    }
    let ended = lines.iter().rev().find_map(|line| {
        let Entry::Ended { message, .. } = &line.entry else { return None };
        Some(message.as_deref())
    });
    match (of.status.is_terminal(), ended.flatten(), open) {
        (true, Some(message), _) => format!("the recovery ended without one: {message}"),
        (true, None, _) => "the recovery ended without one".into(),
        (false, _, Some(open)) => open.into(),
        (false, _, None) => "the host is not judged yet; its details tell how far it is".into(),
    }
}
