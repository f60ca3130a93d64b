//! Time. Two kinds, which are never mixed: the wall clock (for records and people; it jumps) and
//! the boot clock (for waiting and for leases; it only goes forward, also while suspended).

use async_trait::async_trait;
use recovery::Millis;
use std::{fmt::Debug, future::Future, time::Duration};

/// An instant of this machine's boot clock, in milliseconds. Means nothing on another machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Boot(pub u64);

impl Boot {
    /// How long ago `earlier` was; zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The instant `wait` later.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync + Debug {
    /// The wall clock: milliseconds since 1970 in UTC.
    fn wall(&self) -> Millis;
    /// `CLOCK_BOOTTIME`: goes on during suspend, which a lease must notice.
    fn boot(&self) -> Boot;
    /// Returns after `wait`, not before.
    async fn sleep(&self, wait: Duration);
}

/// `work`'s output, or `None` when it took longer than `limit`. The work is dropped then.
pub async fn within<F: Future>(clock: &dyn Clock, limit: Duration, work: F) -> Option<F::Output> {
    use futures::future::{Either, select};
    let sleep = clock.sleep(limit);
    match select(std::pin::pin!(work), sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
    fn wall(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Millis(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    fn boot(&self) -> Boot {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let ms = t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000);
        Boot(u64::try_from(ms).unwrap_or(0))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port that the others must use")]
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_is_too_slow_is_given_up() {
        let slow = std::future::pending::<()>();
        assert_eq!(within(&SystemClock, Duration::from_secs(5), slow).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_in_time_keeps_its_output() {
        let quick = std::future::ready(7);
        assert_eq!(within(&SystemClock, Duration::from_secs(5), quick).await, Some(7));
    }

    #[test]
    fn the_boot_clock_does_not_go_back() {
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first);
    }
}
