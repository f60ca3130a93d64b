//! Virtual time: tokio's, which stands still while anybody has work to do and then jumps to the next
//! timer. Without a paused runtime it simply runs.

use async_trait::async_trait;
use ports::{Boot, Clock};
use recovery::Millis;
use std::time::Duration;

/// Where virtual time begins: 2025-11-21 08:00:00 UTC.
pub const EPOCH: Millis = Millis(1_763_712_000_000);

/// A clock over tokio's time. Clones share the beginning, and so tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    began: tokio::time::Instant,
    skew_ms: i64,
}

impl SimClock {
    /// A clock that shows [`EPOCH`] now. Must be made inside the runtime whose time it tells.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the others must use")]
    #[must_use]
    pub fn new() -> Self {
        Self { began: tokio::time::Instant::now(), skew_ms: 0 }
    }

    /// The same time, by a machine whose wall clock is wrong by `skew_ms`.
    #[must_use]
    pub fn skewed(self, skew_ms: i64) -> Self {
        Self { skew_ms: self.skew_ms + skew_ms, ..self }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SimClock {
    fn wall(&self) -> Millis {
        EPOCH.plus(i64::try_from(self.elapsed_ms()).unwrap_or(i64::MAX)).plus(self.skew_ms)
    }

    fn boot(&self) -> Boot {
        Boot(self.elapsed_ms())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the others must use")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_passes_at_once_on_both_clocks() {
        let clock = SimClock::new();
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.wall(), EPOCH.plus(3_600_000));
        assert_eq!(clock.boot(), Boot(3_600_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_skewed_clock_is_wrong_on_the_wall_only() {
        let clock = SimClock::new();
        assert_eq!(clock.skewed(-5000).wall(), EPOCH.plus(-5000));
        assert_eq!(clock.skewed(-5000).boot(), clock.boot());
    }
}
