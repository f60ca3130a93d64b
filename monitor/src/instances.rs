//! Watches the VMs of this host by libvirt: what Python's instancemonitor reports is reported, under the same names,
//! and what it cannot see besides: a VM that died while nobody listened.
//!
//! ```text
//!  Hypervisor ── connect ──► Link (lists, looks)          event ── filter, pure ──► report
//!  (libvirt)                 Heard (events, its end) ──►  roll ─── compare, pure ─► report
//! ```
//!
//! * [`mod@event`]: the events, and Python's table of those that are reported.
//! * [`mod@roll`]: who ran when we last looked. When a connection is made anew, and once a minute, it is held against
//!   what runs; it is on disk, so that it outlives us.
//! * [`mod@hypervisor`]: what a hypervisor is asked. [`crate::libvirt`] is the real one, the tests have one in memory.
//! * [`mod@watch`]: does it, for ever.

pub mod event;
pub mod hypervisor;
pub mod roll;
pub mod watch;

pub use event::Event;
pub use hypervisor::{
    AgentSaid, Channel, Connected, Domain, Guest, Heard, Hypervisor, HypervisorError, Link, Off,
};
pub use watch::{InstancesConfig, TURN_MOST, Watch, Watcher};
