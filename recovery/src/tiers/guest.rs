//! What the monitors said of guest agents, and whether it means that a server which was started is up.
//!
//! A monitor says once in each run of a VM that its agent answers. What was said of an earlier run, or of a copy elsewhere, is
//! told apart by its host and its moment.

use super::Starting;
use crate::{HostName, Millis};
use alloc::{format, string::String};

/// The moment is of the API's clock, the start of the engine's.
const CLOCKS_DIFFER_MS: i64 = 5_000;

/// The last time that a guest agent was said to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestHeard {
    /// Where its VM ran, as Nova calls it.
    pub host: HostName,
    pub at: Millis,
}

/// Whether the server is up by what was `heard` of its agent; `began`: its recovery.
///
/// # Errors
/// Why not, as far as is known.
pub fn is_up(
    server: &Starting,
    heard: Option<&GuestHeard>,
    began: Option<Millis>,
) -> Result<(), String> {
    let Some(host) = &server.host else { return Err("it has no host".into()) };
    // Who was not started by us arrived running.
    let since = server.started.or(began).unwrap_or_default().plus(-CLOCKS_DIFFER_MS);
    match heard {
        Some(heard) if heard.host == *host && heard.at >= since => Ok(()),
        Some(_) | None => Err(format!(
            "its guest agent has not answered: no introspectiveinstancemonitor of host '{host}' has said so"
        )),
    }
}
