//! Planned stops: a person, or the host itself, says that it will be away for a while, and that this is no failure.
//!
//! While such a stop stands, a report that the host died is accepted, and its recovery held before it begins anything.
//! It is not ended there, so nothing that was accepted can be lost: it is the same recovery, from the same log, that
//! ends when the host is back, and that goes on when the host is still away at the stop's end. Each stop has an end.
//!
//! A stop only ever says "not yet". It proves nothing, it starts nothing, and what has begun goes on: `cancel` is the
//! word for that.

use crate::guard::{Cause, Hold};
use crate::permit::SKEW_MS;
use crate::seen::ComputeService;
use crate::state::State;
use crate::{HostName, Millis};
use alloc::{format, string::String};

/// The longest stop: who needs more says it again.
pub const LONGEST_MS: i64 = 7 * 86_400_000;
/// A host that is heard again so long after the report has not just been about to die: Nova's word for it, and what a
/// monitor would say once more, are older than that.
const BACK_MS: i64 = 300_000;

/// What is planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A person works on the host.
    Maintenance,
    /// The host is being shut down or rebooted.
    StopAnnounced,
    /// Its servers are moved away first ([`crate::drain`]): the stop begins when none is left.
    Drain { cold: bool },
}

impl Kind {
    pub const ALL: [Self; 4] = [
        Self::Maintenance,
        Self::StopAnnounced,
        Self::Drain { cold: false },
        Self::Drain { cold: true },
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::StopAnnounced => "stop-announced",
            Self::Drain { cold: false } => "drain",
            Self::Drain { cold: true } => "drain-cold",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it is no failure that the host is away. It is one while servers are still on it.
    #[must_use]
    pub fn mutes(self) -> bool {
        match self {
            Self::Maintenance | Self::StopAnnounced => true,
            Self::Drain { .. } => false,
        }
    }

    /// How long it is, when nobody says.
    #[must_use]
    pub fn usual_ms(self) -> i64 {
        match self {
            Self::Maintenance | Self::Drain { .. } => 2 * 3_600_000,
            Self::StopAnnounced => 30 * 60_000,
        }
    }
}

/// A planned stop of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// A UUID.
    pub id: String,
    pub host: HostName,
    pub kind: Kind,
    pub by: String,
    pub why: Option<String>,
    pub at: Millis,
    pub until: Millis,
}

impl Stop {
    /// Whether it stands. One that a person has ended is not told any more.
    #[must_use]
    pub fn stands(&self, now: Millis) -> bool {
        now < self.until
    }

    /// Why a recovery of its host is not begun.
    #[must_use]
    pub fn hold(&self) -> Hold {
        let Self { host, kind, by, why, until, .. } = self;
        let reason = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let why = format!(
            "a planned stop of host {host}, {} by {by}{reason}; if it is still away at {} it is recovered, or now by \
             `masakari recover {host}`",
            kind.as_str(),
            until.utc()
        );
        Hold { cause: Cause::PlannedStop, why, until: Some(*until) }
    }
}

/// The one that stands of this host, and makes it no failure that it is away.
#[must_use]
pub fn of<'s>(stops: &'s [Stop], host: &HostName, now: Millis) -> Option<&'s Stop> {
    stops.iter().find(|stop| stop.host == *host && stop.kind.mutes() && stop.stands(now))
}

/// What a planned stop means for a recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing: there is none, or it has begun, or a person has approved it.
    Nothing,
    Held(Hold),
    /// The host was away as planned, and is back: there is nothing to recover. The sentence to end with.
    Back(String),
}

/// Judges it. `reported`: when the host was reported; `service`: as Nova shows it now.
#[must_use]
pub fn judge(
    state: &State,
    stop: Option<&Stop>,
    service: Option<&ComputeService>,
    reported: Millis,
    now: Millis,
) -> Verdict {
    if state.has_passed() || state.hand.approved {
        return Verdict::Nothing;
    }
    let was_held = state.guard.stop_ends.is_some();
    match stop {
        // Nobody ends what nobody was told of.
        _ if was_held && is_back(service, reported, now) => Verdict::Back(BACK.into()),
        Some(stop) => Verdict::Held(stop.hold()),
        None => Verdict::Nothing,
    }
}

/// Nova hears it, by more than what it heard before the report.
fn is_back(service: Option<&ComputeService>, reported: Millis, now: Millis) -> bool {
    let up = service.filter(|service| service.up && !service.forced_down);
    let heard = up.and_then(|service| service.heartbeat_at);
    heard.is_some_and(|at| at.since(reported) > SKEW_MS) && now.since(reported) >= BACK_MS
}

/// How such a recovery ends.
pub(crate) const BACK: &str =
    "the host was away as planned, and is back: nothing is to be recovered";

/// Reads `90s`, `30m`, `2h`, `1d`.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn span_ms(text: &str) -> Result<i64, &'static str> {
    const WRONG: &str = "it is a number and a unit, as in 90s, 30m, 2h or 1d";
    let text = text.trim();
    let unit = text.chars().last().ok_or(WRONG)?;
    let factor = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(WRONG),
    };
    let digits = text.strip_suffix(unit).ok_or(WRONG)?;
    // A sign parses, too.
    let number: u32 = digits.parse().ok().filter(|_| !digits.starts_with('+')).ok_or(WRONG)?;
    match i64::from(number).checked_mul(factor) {
        Some(0) | None => Err("it is longer than nothing"),
        Some(ms) if ms > LONGEST_MS => Err("a planned stop lasts seven days at most"),
        Some(ms) => Ok(ms),
    }
}
