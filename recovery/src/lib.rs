//! Decides: what is proven, what may be done, what is due. Does nothing itself.
//!
//! This is its own crate so that the compiler proves it pure: `no_std`, no clock (time is an
//! argument), no chance, no I/O, no hash order. The same inputs give the same decision, in
//! production, after a crash and in the simulator.
//!
//! The way through it, in the order things happen:
//!
//! ```text
//!  report ──► evidence ──► permit ──► plan ──► due ──► (the engine acts) ──► log ──► fold ─┐
//!             what is      may we     which    what                          the truth      │
//!             known        act now?   VMs      may start   ◄────────────────────────────────┘
//! ```
//!
//! * [`evidence`]: why we believe that a host is dead, and signs that it is not.
//! * [`permit`](mod@permit): the only maker of a [`Permit`], without which no evacuation can be expressed.
//! * [`certificate`]: the record of such a decision, as the log has it.
#![no_std]
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

extern crate alloc;

pub mod approval;
pub mod attest;
pub mod capacity;
pub mod certificate;
pub mod deadman;
pub mod details;
pub mod drain;
pub mod drill;
pub mod due;
pub mod evidence;
pub mod explain;
pub mod fencing;
pub mod fold;
pub mod forecast;
pub mod guard;
pub mod hand;
pub mod identity;
pub mod idle;
pub mod lease;
pub mod log;
mod look;
pub mod names;
pub mod nouns;
pub mod pace;
pub mod permit;
pub mod plan;
pub mod priority;
pub mod process;
pub mod quarantine;
pub mod readiness;
pub mod report;
pub mod request;
pub mod requests;
pub mod restart;
pub mod returns;
pub mod rules;
pub mod seen;
pub mod shadow;
pub mod shortage;
pub mod state;
pub mod steps;
pub mod stops;
pub mod tiers;
mod time;
pub mod verdict;
pub mod way;

pub use names::{HostId, HostName, NotificationId, SegmentId, ServerId, ServiceId, VMoveId};
pub use permit::{Evacuate, ForceDown, Missing, Permit, permit};
pub use time::Millis;
