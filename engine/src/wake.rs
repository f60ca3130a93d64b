//! A nudge: something changed in the database, look now and not at the next poll.

use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Shared by whoever writes to the database in this process and whoever waits for it. A nudge is
/// only ever a hint: everybody who waits for it also looks by himself from time to time.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes everybody who waits.
    pub fn nudge(&self) {
        self.0.notify_waiters();
    }

    /// Returns at the next nudge (`true`), or after `at_most` (`false`).
    pub async fn wait(&self, clock: &dyn ports::Clock, at_most: Duration) -> bool {
        ports::within(clock, at_most, self.0.notified()).await.is_some()
    }
}
