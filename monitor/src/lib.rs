//! Watches the node: what fails on it becomes a report that Masakari accepts, ours or Python's.
//!
//! This is a room of its own because it runs on every compute host, where nobody's secrets lie but its own: it
//! cannot reach the database, a fence device or Nova. It decides nothing about recoveries; it says what it saw, as
//! long as that holds.
//!
//! ```text
//!  libvirt ──► instances, guests ──► report ──► sending: queue (decides), spool (keeps), sender (does) ──► POST /v1/notifications
//!                     ▲                                                            │
//!                     └───────────────── does it still hold? ──────────────────────┘
//! ```
//!
//! * [`mod@sending`]: what every monitor shares. A report is kept on disk until the API has answered it, and is looked
//!   at again before it is delivered late.
//! * [`mod@instances`]: libvirt's events as Python's instancemonitor names them, and what they cannot tell: a VM that
//!   died while libvirtd was away.
//! * [`mod@guests`]: the agents within the VMs, pinged by libvirt, as Python's introspectiveinstancemonitor does.
//! * [`mod@processes`]: processes and systemd's units, which are restarted, and reported when that fails.
//! * [`mod@hosts`]: which other hosts are dead, by Pacemaker and its like.
//! * [`mod@libvirt`]: libvirt.so, opened at run time.
//! * [`mod@lease`]: the lease of this host in etcd, and the watchdog that bites when it is lost.
//! * [`mod@agent`]: the host's own word: that it is being shut down, and whether its nova-compute may start.
//! * [`mod@standing`]: how all of them do, for whoever asks.
//! * [`mod@resident`]: what only the start needed is given back.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod agent;
pub mod guests;
pub mod hosts;
pub mod instances;
pub mod lease;
pub mod libvirt;
pub mod processes;
pub mod report;
pub mod resident;
pub mod sending;
pub mod standing;

pub use report::{Care, Claim, Report, Watched};
pub use sending::{Reporter, Sender, SendingConfig};
pub use standing::{Board, Mark};
