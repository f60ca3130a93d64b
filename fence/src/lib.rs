//! Makes safe: turns the power of a lost host off, or shuts its storage, and brings the evidence.
//!
//! This is a room of its own because it is the one that an auditor asks for: everything that can switch a
//! machine off is here, nothing else is, and nothing here knows of OpenStack or of SQL. It does not decide
//! *whether* a host is to be fenced (`recovery` and the engine do), and what it brings is evidence, never a
//! permit: `recovery::permit` weighs it like any other, against what Nova shows at that moment.
//!
//! ```text
//!  fencing.yaml ──► file ──► ladder of a host ──► climb ──► evidence, and the path that led to it
//!                   names    rungs in order,      asks the devices what the ladder says
//!                   secrets  pure, total
//! ```
//!
//! * [`mod@file`]: the devices, ladders and hosts that operators write down; refuses what it does not know.
//! * [`ladder`]: decides, from what the devices answered, what is asked next and what is proven. Pure.
//! * [`mod@climb`]: does what the ladder says, within its deadlines, for one host or many side by side.
//! * [`mod@power_on`]: gives a host its power back, when a person asks for that.
//! * [`mod@let_in`]: lets a host in again that a storage has shut out, once it was started anew.
//! * [`mod@survey`]: looks at all devices of a host and orders nothing: could it be fenced now?
//! * [`device`]: what every device can be asked. [`redfish`], [`ipmi`], [`agent`], [`ssh`] and [`storage`] are
//!   the devices; a person is one too, and is only ever told what to do.
//! * [`kdump`]: who says that it writes a crash dump, and is left its power for that long.
//! * [`secret`]: passwords, which are named in the file and never written in it, shown or passed as arguments.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod agent;
pub mod build;
pub mod climb;
pub mod device;
pub mod file;
pub mod ipmi;
pub mod kdump;
pub mod ladder;
pub mod let_in;
pub mod machine;
pub mod power_on;
pub mod redfish;
pub mod secret;
pub mod ssh;
pub mod storage;
pub mod survey;
pub mod verdict;

pub use build::Tools;
pub use climb::{Climber, Life, Witness};
pub use file::{FencingFile, FileFaults};
pub use kdump::Kdump;
pub use machine::Machine;
pub use verdict::{Ended, RungEnd, Verdict};
