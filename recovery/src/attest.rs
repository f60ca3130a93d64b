//! What a reporter outside of the engine may say of a host's death, and of when.
//!
//! Whoever may attest a death can have a live host's VMs started a second time, so only that counts which somebody
//! can know for certain who is not the engine. What voids it is judged by [`crate::permit()`], like any evidence.

use crate::Millis;
use crate::evidence::Kind;
use crate::permit::SKEW_MS;

/// Evidence of the future would outlive the signs of life that come before it.
pub const AHEAD_MOST_MS: i64 = SKEW_MS;
/// What is older may not be true any more.
///
/// Somebody may have switched the host on again since, and its VMs may run although Nova has not heard it: that takes a
/// server about so long. Whoever comes later looks again, and attests what is true then.
pub const AGE_MOST_MS: i64 = 300_000;

/// Why it is not taken.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unfit {
    #[error("{kind} cannot be attested: {instead}")]
    Kind { kind: Kind, instead: &'static str },
    #[error(
        "it is {ms} ms in the future by the clock of Masakari's API; at most {AHEAD_MOST_MS} ms are forgiven"
    )]
    Ahead { ms: i64 },
    #[error("it is {} s old; at most {} s are believed", .ms / 1000, AGE_MOST_MS / 1000)]
    Old { ms: i64 },
}

/// Whether somebody outside can bring evidence of that kind.
///
/// # Errors
/// Why not, and what is to be done instead.
pub fn kind(kind: Kind) -> Result<(), Unfit> {
    let instead = match kind {
        // Each names an event, or a state that somebody has looked at twice.
        Kind::ClusterFenced | Kind::LeaseExpired | Kind::PoweredOff => return Ok(()),
        Kind::MonitorSaid => "send a notification to /v1/notifications",
        Kind::OperatorConfirmed => {
            "a person says so by name: `masakari confirm-dead HOST --reason ...`"
        }
        Kind::StorageFenced => {
            "whether the block outlives the recovery is seen only by who lists it: make the storage a device of \
             fencing.yaml"
        }
    };
    Err(Unfit::Kind { kind, instead })
}

/// Whether what was true at `at` is taken now.
///
/// # Errors
/// By how much it is too early or too late.
pub fn moment(at: Millis, now: Millis) -> Result<(), Unfit> {
    let age_ms = now.since(at);
    if age_ms < -AHEAD_MOST_MS {
        Err(Unfit::Ahead { ms: age_ms.saturating_neg() })
    } else if age_ms > AGE_MOST_MS {
        Err(Unfit::Old { ms: age_ms })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_known_for_certain_outside_is_attested() {
        for fit in [Kind::ClusterFenced, Kind::LeaseExpired, Kind::PoweredOff] {
            assert_eq!(kind(fit), Ok(()));
        }
        for unfit in [Kind::MonitorSaid, Kind::OperatorConfirmed, Kind::StorageFenced] {
            assert!(matches!(kind(unfit), Err(Unfit::Kind { kind, .. }) if kind == unfit));
        }
    }

    #[test]
    fn neither_the_future_nor_what_is_long_past_is_attested() {
        let now = Millis(1_795_240_800_000);
        for age_ms in [0, -2_000, 300_000] {
            assert_eq!(moment(now.plus(-age_ms), now), Ok(()));
        }
        assert_eq!(moment(now.plus(2_001), now), Err(Unfit::Ahead { ms: 2_001 }));
        assert_eq!(moment(now.plus(-300_001), now), Err(Unfit::Old { ms: 300_001 }));
        assert!(moment(Millis(i64::MAX), now).is_err() && moment(Millis(i64::MIN), now).is_err());
    }
}
