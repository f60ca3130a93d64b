//! The lengths of time: which are taken, and how long is waited for.

use serde::{Deserialize, Serialize};

/// What a watchdog may be late by for counting in seconds or ticks, and what a reset takes.
pub const GRAIN_MS: u64 = 2_000;
/// A term must survive the loss of so many renewals in a row: a leader of etcd is elected in about one.
const RENEWALS_LEAST: u64 = 4;
const RENEW_LEAST_MS: u64 = 500;
/// Evidence older than that is not taken (`attest`), and it is dated before the wait.
const TERM_MOST_MS: u64 = 120_000;
/// One that counts in seconds, and is fed four times within them.
const WATCHDOG_LEAST_MS: u64 = 2_000;
const WATCHDOG_MOST_MS: u64 = 60_000;

/// The times of one host, in its agent's own milliseconds. The agent writes them into its lease, so that an observer counts by
/// what the host does, whatever its own file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Times {
    renew_ms: u64,
    term_ms: u64,
    watchdog_ms: u64,
}

#[derive(Deserialize)]
struct Raw {
    renew_ms: u64,
    term_ms: u64,
    watchdog_ms: u64,
}

impl TryFrom<Raw> for Times {
    type Error = Unfit;

    fn try_from(raw: Raw) -> Result<Self, Unfit> {
        Self::new(raw.renew_ms, raw.term_ms, raw.watchdog_ms)
    }
}

/// Why times are not taken.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unfit {
    #[error("a renewal every {renew_ms} ms is too often; every {RENEW_LEAST_MS} ms is the most")]
    Renew { renew_ms: u64 },
    #[error(
        "a term of {term_ms} ms has no room for {RENEWALS_LEAST} renewals, one every {renew_ms} ms: one that is lost \
         would reset the host; make the term longer, or renew more often"
    )]
    Room { term_ms: u64, renew_ms: u64 },
    #[error("a term of {term_ms} ms is too long; {TERM_MOST_MS} ms is the most")]
    Term { term_ms: u64 },
    #[error(
        "a watchdog of {watchdog_ms} ms is not used: it must be from {WATCHDOG_LEAST_MS} to {WATCHDOG_MOST_MS} ms"
    )]
    Watchdog { watchdog_ms: u64 },
}

impl Times {
    /// # Errors
    /// Which of them cannot be, and why.
    pub fn new(renew_ms: u64, term_ms: u64, watchdog_ms: u64) -> Result<Self, Unfit> {
        if renew_ms < RENEW_LEAST_MS {
            return Err(Unfit::Renew { renew_ms });
        }
        if term_ms > TERM_MOST_MS {
            return Err(Unfit::Term { term_ms });
        }
        if term_ms / RENEWALS_LEAST < renew_ms {
            return Err(Unfit::Room { term_ms, renew_ms });
        }
        if !(WATCHDOG_LEAST_MS..=WATCHDOG_MOST_MS).contains(&watchdog_ms) {
            return Err(Unfit::Watchdog { watchdog_ms });
        }
        Ok(Self { renew_ms, term_ms, watchdog_ms })
    }

    /// From one renewal to the next.
    #[must_use]
    pub fn renew_ms(self) -> u64 {
        self.renew_ms
    }

    /// For how long after a renewal was sent the agent feeds.
    #[must_use]
    pub fn term_ms(self) -> u64 {
        self.term_ms
    }

    /// After how long without being fed the watchdog resets the host.
    #[must_use]
    pub fn watchdog_ms(self) -> u64 {
        self.watchdog_ms
    }

    /// How often the watchdog is fed: so that a late turn or two bite nobody.
    #[must_use]
    pub fn feed_every_ms(self) -> u64 {
        self.watchdog_ms / 4
    }

    /// For how long an observer must have seen one and the same renewal, by its own boot clock, until a read that it sends
    /// then is proof. The module's door says why.
    #[must_use]
    pub fn proof_ms(self) -> u64 {
        let worst_ms = self.term_ms + 2 * self.watchdog_ms + GRAIN_MS;
        worst_ms + worst_ms.div_ceil(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_longer_than_the_worst_that_three_clocks_can_make_of_it() {
        // 20 s + 2 x 10 s + 2 s = 42 s, and a thirty-second part: 43 312.5 ms.
        assert_eq!(Times::new(2_000, 20_000, 10_000).unwrap().proof_ms(), 43_313);
        for (term_ms, watchdog_ms) in [(2_000, 2_000), (20_000, 10_000), (120_000, 60_000)] {
            let times = Times::new(500, term_ms, watchdog_ms).unwrap();
            // The observer's clock is fast, the others slow; in hundredths.
            let waited = times.proof_ms() * 100 * 99;
            let worst = (term_ms + 2 * watchdog_ms) * 100 * 101;
            assert!(waited > worst, "{times:?}");
        }
    }

    #[test]
    fn times_by_which_a_host_would_be_reset_for_nothing_or_never_are_refused() {
        assert_eq!(Times::new(499, 20_000, 10_000), Err(Unfit::Renew { renew_ms: 499 }));
        let room = Unfit::Room { term_ms: 7_999, renew_ms: 2_000 };
        assert_eq!(Times::new(2_000, 7_999, 10_000), Err(room));
        assert!(Times::new(2_000, 8_000, 10_000).is_ok());
        assert_eq!(Times::new(2_000, 120_001, 10_000), Err(Unfit::Term { term_ms: 120_001 }));
        for watchdog_ms in [1_999, 60_001] {
            assert_eq!(
                Times::new(2_000, 20_000, watchdog_ms),
                Err(Unfit::Watchdog { watchdog_ms })
            );
        }
        assert!(Times::new(u64::MAX, u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn what_a_lease_says_of_its_times_is_checked_like_a_file() {
        let well = r#"{"renew_ms":2000,"term_ms":20000,"watchdog_ms":10000}"#;
        let times: Times = serde_json::from_str(well).unwrap();
        assert_eq!(serde_json::to_string(&times).unwrap(), well);
        let short = well.replace("10000", "1");
        assert!(serde_json::from_str::<Times>(&short).is_err());
    }
}
