//! What can be asked about the things that are watched.

use async_trait::async_trait;
use std::fmt::Debug;

/// Sees things of one kind: processes by a part of their command line, units by their name.
#[async_trait]
pub trait Sight: Send + Sync + Debug {
    /// How each of `names` is now, in their order. Those are watched from then on.
    async fn look(&self, names: &[String]) -> Vec<Seen>;
    /// Returns when something may have changed of what was looked at last. May be dropped at any time.
    async fn changed(&self);
}

/// How something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Here,
    /// It ended, and nobody wanted it to.
    Gone,
    /// systemd is at it: it starts, stops, or waits to restart it by itself.
    Busy,
    /// It is stopped, as somebody wanted, or ended in peace.
    Stopped,
    /// It ended, and systemd has started it too often to start it again.
    Refused,
    /// It cannot be known: why, and what to do.
    Unknown(String),
}
