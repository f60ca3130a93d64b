//! oslo.policy: rules in its language, their defaults and overrides, and the decision.
//!
//! [`Enforcer::new`] parses everything once and says what is wrong with it; [`Enforcer::enforce`]
//! then only looks. It has no I/O: the `http:` checks of the original, which ask another server,
//! are refused.
//!
//! One deliberate difference. The original turns what it cannot understand into "no", so that `not
//! <a typo>` lets everybody in. Here such a check is *undecided*, `not` leaves it undecided, and an
//! undecided rule denies.

mod enforcer;
mod file;
mod rule;
mod sample;
#[cfg(test)]
mod tests;

pub use enforcer::{
    Creds, Decision, Denial, Enforcer, Finding, Manner, OldRule, RuleDefault, Scope, redundant,
};
pub use file::{FileError, Stamp, parse_overrides, read_overrides, stamp};
pub use rule::{Check, RuleError, RuleText, Unreadable};
pub use sample::sample;
