//! Which host may be switched off for a test: one on which nothing runs, nothing is to be started, and nobody counts.

use crate::seen::ComputeService;
use crate::stops::Stop;
use crate::{HostName, Millis, NotificationId};
use alloc::{
    format,
    string::{String, ToString},
};

/// Masakari's row of a host, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub reserved: bool,
    pub on_maintenance: bool,
}

/// How far a recovery of the host is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rescue {
    /// Nothing was done yet.
    Waits,
    /// The host is taken for dead.
    Begun,
}

/// The host as it was a moment ago.
#[derive(Debug)]
pub struct Look<'a> {
    pub host: &'a HostName,
    /// None: it was deleted from its segment.
    pub row: Option<Row>,
    /// A recovery of it that has not ended.
    pub recovery: Option<(&'a NotificationId, Rescue)>,
    /// A planned stop of it that stands, besides the test's own.
    pub stop: Option<&'a Stop>,
    pub service: Option<&'a ComputeService>,
    pub servers: usize,
    /// Servers that Nova is moving to it, and shows elsewhere until they are there.
    pub coming: usize,
    /// A person has stopped everything: why.
    pub disarmed: Option<&'a str>,
    /// Why no device of its ladder can take its power and give it back.
    pub no_ladder: Option<&'a str>,
    pub now: Millis,
}

/// Why a test of it is not begun, or ends before anything was switched off.
#[must_use]
pub fn unfit(look: &Look<'_>) -> Option<String> {
    let silent = look.service.is_some_and(|service| !service.up || service.forced_down);
    withheld(look).or_else(|| {
        let why =
            "Nova does not hear it, so its power tells nothing: only a host that runs is tested";
        silent.then(|| not(why))
    })
}

/// Why it is not ordered off; who is being switched off is silent by then.
#[must_use]
pub fn withheld(look: &Look<'_>) -> Option<String> {
    let host = look.host;
    let service = look.service;
    let why = match look {
        Look { row: None, .. } => "it was deleted from its segment".to_string(),
        Look { row: Some(Row { reserved: false, on_maintenance: false }), .. } => format!(
            "it is neither reserved nor on maintenance: `openstack segment host update SEGMENT {host} \
             --on_maintenance True`"
        ),
        Look { recovery: Some((recovery, _)), .. } => {
            format!("its recovery {recovery} has not ended")
        }
        Look { stop: Some(stop), .. } => format!(
            "a planned stop of it stands until {} ({} by {}): `masakari host resume {host}` ends it",
            stop.until.utc(),
            stop.kind.as_str(),
            stop.by
        ),
        Look { disarmed: Some(why), .. } | Look { no_ladder: Some(why), .. } => (*why).to_string(),
        Look { servers: 1.., .. } => format!("servers that Nova shows on it: {}", look.servers),
        Look { coming: 1.., .. } => format!(
            "servers that Nova is moving to it: {} (`openstack server migration list --host {host}`)",
            look.coming
        ),
        Look { .. } => match service {
            None => "Nova has no compute service of it".to_string(),
            Some(service) if service.enabled => format!(
                "its compute service is enabled, so Nova may place a server on it at any moment: `openstack compute \
                 service set --disable {host} nova-compute`"
            ),
            Some(_) => return None,
        },
    };
    Some(not(&why))
}

/// Of which host is said by who asks.
fn not(why: &str) -> String {
    format!("it is not switched off: {why}")
}
