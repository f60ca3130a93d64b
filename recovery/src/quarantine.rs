//! A server that was on several hosts which died one after the other may be what kills them: it is not
//! evacuated again before a person says so.
//!
//! What counts is where it *was* when a host died: the hosts from which it was evacuated, or was to be. A
//! host that dies while the server is still being built there leaves Nova's record running, and what Nova is
//! evacuating already is followed and never sent on, so such a server goes no further by itself.

use crate::{HostName, Millis, NotificationId, ServerId};
use alloc::{format, string::String, vec::Vec};

/// `[recovery] quarantine_deaths` and `quarantine_window`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// How many hosts may die with one server on them before it is quarantined; 0: any number.
    pub deaths: u32,
    pub window_ms: i64,
}

impl Default for Rule {
    fn default() -> Self {
        Self { deaths: 3, window_ms: 3_600_000 }
    }
}

/// A host that died, in another recovery, with the server on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    pub server: ServerId,
    pub host: HostName,
    /// When the server was planned there.
    pub at: Millis,
    /// It was evacuated from there.
    pub moved: bool,
}

impl Rule {
    /// Since when deaths count.
    #[must_use]
    pub fn since(&self, now: Millis) -> Millis {
        now.plus(-self.window_ms)
    }

    /// Why the server is not evacuated from `host`, which is dead now; nothing if it is. `earlier`: what is
    /// known of any server within the window.
    #[must_use]
    pub fn judge(
        &self,
        server: &ServerId,
        earlier: &[Death],
        host: &HostName,
        by: &NotificationId,
    ) -> Option<String> {
        if self.deaths == 0 {
            return None;
        }
        let hosts = hosts_of(server, earlier, host);
        let enough = u32::try_from(hosts.len()).unwrap_or(u32::MAX) >= self.deaths;
        enough.then(|| self.sentence(&hosts, by))
    }

    fn sentence(&self, hosts: &[&HostName], by: &NotificationId) -> String {
        let window = match self.window_ms / 1000 {
            s if s % 60 == 0 => format!("{} min", s / 60),
            s => format!("{s} s"),
        };
        let names = hosts.iter().map(|h| h.as_str()).collect::<Vec<_>>().join(", ");
        let count = hosts.len();
        let hosts = if count == 1 { "host" } else { "hosts" };
        format!(
            "was on {count} {hosts} that died within {window}: {names}; quarantined; \
             `masakari retry {by}` moves it"
        )
    }
}

/// Each death once, oldest first. A host from which the server was not moved and that is reported again
/// has died once.
fn hosts_of<'h>(server: &ServerId, earlier: &'h [Death], last: &'h HostName) -> Vec<&'h HostName> {
    let mut of: Vec<&Death> = earlier.iter().filter(|death| death.server == *server).collect();
    of.sort_by_key(|death| death.at);
    let mut hosts: Vec<&HostName> = Vec::new();
    let mut left = true;
    for (host, moved) in of.iter().map(|d| (&d.host, d.moved)).chain([(last, true)]) {
        if left || hosts.last() != Some(&host) {
            hosts.push(host);
        }
        left = moved;
    }
    hosts
}
