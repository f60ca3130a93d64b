//! Watches the other hosts: which is dead is reported, with the proof where there is one.
//!
//! ```text
//!  Source (a driver: pacemaker, …) ──► Round ──► recovery::verdict: Watch, Ledger ──► what is to be said
//!     each in a loop of its own                   decide, pure                          │
//!                                                                                       ▼
//!   POST /v1/notifications ◄── Reporter ◄──────────────────────────────────────────── watch
//!   POST /ha/v1/hosts/HOST/evidence ◄── evidence, only what was proven ◄────────────────┘
//! ```
//!
//! * [`mod@watch`]: the loop, and what of a verdict is reported.
//! * [`mod@pacemaker`]: the driver `default`.
//! * [`mod@evidence`]: what was proven goes to our own API; Python's takes none.
//! * [`mod@standing`]: what stands of every host, for the second look at a late report.
//!
//! Many monitors watch one host. Each reports its death; the API takes one of the reports and answers 409 to the others, which is
//! as good.

pub mod consul;
pub mod evidence;
pub mod kubernetes;
pub mod lease;
pub mod pacemaker;
pub mod standing;
pub mod watch;

pub use evidence::Attests;
pub use standing::Hosts;
pub use watch::{Driven, HostsConfig, TURN_MOST, WatchHosts};

use async_trait::async_trait;
use recovery::{HostName, verdict::Round};
use std::fmt::Debug;

/// One who knows about hosts.
///
/// It asks for as long as it is given, and is begun again with the next call: what it must remember it keeps in itself.
#[async_trait]
pub trait Source: Send + Debug {
    /// As `monitoring_driver` names it, and as people know it.
    fn name(&self) -> &'static str;

    /// All that it sees: at once at the first call, and then when something changed or the interval is over. May be dropped
    /// at any time, as it is when it takes longer than the interval and twice `monitoring_timeout`.
    ///
    /// # Errors
    /// It cannot see: why, and what to do. It is asked again, and after some time without an answer it knows nothing.
    async fn next(&mut self) -> Result<Round, SourceFault>;
}

/// Why a source saw nothing.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error("{0}")]
pub struct SourceFault(pub String);

/// Who can look whether a host has power, where no source has proven its death: for `host_status`, as in Python's.
#[async_trait]
pub trait Power: Send + Sync + Debug {
    /// Whether it is off.
    ///
    /// # Errors
    /// Why that is not known; then the host's status is `UNKNOWN`.
    async fn is_off(&self, host: &HostName) -> Result<(), String>;
}
