//! Watches processes and systemd's units: what ends is restarted by its own command, and what cannot be restarted is
//! reported.
//!
//! ```text
//!  process_list.yaml ── list ──► entries ──┐
//!                                          ▼
//!  Sight: processes (/proc, pidfd) ──► supervise ──► Exec: the commands
//!         units     (D-Bus)            decides, pure └► report
//! ```
//!
//! * [`mod@list`]: the file, as Python's processmonitor reads it, and `unit:` besides.
//! * [`mod@supervise`]: what is due for one entry, given what was seen and how its commands ended. Pure.
//! * [`mod@sight`]: what the watched things are asked. [`mod@proc`] and [`mod@systemd`] are real, the tests have one in
//!   memory.
//! * [`mod@watch`]: does it, for ever; processes and units beside one another, so that neither waits for the other.
//!
//! An end is seen by event, and looked for every `check_interval` besides.

pub mod list;
pub mod proc;
mod pulse;
pub mod sight;
pub mod supervise;
pub mod systemd;
pub mod watch;

pub use list::{Commands, Entry, ListError, ProcessList, Watched};
pub use proc::Processes;
pub use sight::{Seen, Sight};
pub use supervise::{Limits, Supervised};
pub use systemd::{Bus, Units};
pub use watch::{ProcessesConfig, Standing, TURN_MOST, WatchProcesses};
