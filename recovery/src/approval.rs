//! Whether a person must say yes before a recovery of a host may act: by segment, always, never, or where
//! the proof of the host's death is weaker than a kind.
//!
//! An approval is no permit: the host must be proven dead as ever. It lets a recovery begin that a person
//! is asked about, here or by the storm guard, and no other.

use crate::NotificationId;
use crate::evidence::Kind;
use crate::guard::{Cause, Hold};
use alloc::{collections::BTreeMap, format, string::String};

/// When a person is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    #[default]
    Never,
    Always,
    /// When nothing of that kind, or a stronger one, proves the death.
    WeakerThan(Kind),
}

impl Policy {
    /// `never`, `always`, `weaker_than=KIND`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "never" => Some(Self::Never),
            "always" => Some(Self::Always),
            other => {
                let kind = other.strip_prefix("weaker_than")?.trim_start().strip_prefix('=')?;
                Kind::from_word(kind.trim()).map(Self::WeakerThan)
            }
        }
    }
}

/// `[approval]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    pub default: Policy,
    /// By the segments' names.
    pub segments: BTreeMap<String, Policy>,
}

impl Rules {
    #[must_use]
    pub fn of(&self, segment: &str) -> Policy {
        self.segments.get(segment).copied().unwrap_or(self.default)
    }
}

/// Why a person must approve it first. `proof`: by what the host is proven dead; `None`: it is not yet, and
/// is to be fenced.
#[must_use]
pub fn hold(policy: Policy, proof: Option<Kind>, of: &NotificationId) -> Option<Hold> {
    let asks = match (policy, proof) {
        (Policy::Never, _) => return None,
        (Policy::Always, _) => "[approval] asks for a person's word".into(),
        (Policy::WeakerThan(least), Some(have)) if have < least => {
            format!(
                "[approval] asks for a person's word where the proof is weaker than {least}, and this is {have}"
            )
        }
        // What the fencing will prove is not known yet.
        (Policy::WeakerThan(_), _) => return None,
    };
    let why = format!("{asks}: {}", by_hand(of));
    Some(Hold { cause: Cause::Approval, why, until: None })
}

/// Why a person must say yes to what has begun by a proof that was strong enough for it, and is to go on by one that is
/// not: the host has shown a sign of life since, or the proof is void.
#[must_use]
pub fn hold_again(
    policy: Policy,
    began_by: Kind,
    now: Option<Kind>,
    of: &NotificationId,
) -> Option<Hold> {
    let least = match policy {
        // What a person has been asked about is not asked about twice.
        Policy::Never | Policy::Always => return None,
        Policy::WeakerThan(least) => least,
    };
    let have = now.filter(|have| *have < least && began_by >= least)?;
    let why = format!(
        "[approval] asks for a person's word where the proof is weaker than {least}; it began by {began_by}, and what is \
         left is {have}: `masakari approve {of} --reason ...`, or `masakari cancel {of} --reason ...`"
    );
    Some(Hold { cause: Cause::Approval, why, until: None })
}

/// What a person types.
pub(crate) fn by_hand(of: &NotificationId) -> String {
    format!("`masakari approve {of} --reason ...`, or `masakari reject {of} --reason ...`")
}
