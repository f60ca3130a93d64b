//! Tells: what happens to a cloud and to those who recover it, from a seed, and what must be true of it.
//!
//! One [`scene::Scene`] is everything that is decided before a history begins: the cloud, who dies when, what fails,
//! what persons do meanwhile. [`tale::tell`] lets it happen in virtual time: the engine, the ladder and the verdicts are
//! the shipped ones; only their ports are not. [`checks`] says at every step and at the end what is broken.
//!
//! ```text
//!  seed ──► scene ──► tale ──► Told: the stage as it was left, and what was broken
//!                      │ ▲
//!     engines, through │ │ checks: at every step, at the end
//!     gates, in a world▼ │
//!              one module for each trouble: fences, guard, returns, soak, …
//! ```
//!
//! The tests of this crate and the program (`masakari simulate`) tell the same histories: a seed means the same to both.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything is in memory: what fails here is a fault of the history itself, and whoever tells it hears of it"
)]

pub mod by_hand;
pub mod checks;
pub mod coverage;
pub mod drill;
pub mod dumps;
pub mod fences;
pub mod gates;
pub mod guard;
pub mod many;
pub mod own_steps;
pub mod person;
pub mod reports;
pub mod reserves;
pub mod returns;
pub mod scene;
pub mod shadow;
pub mod shrink;
pub mod sightings;
pub mod small;
pub mod soak;
pub mod stops;
pub mod story;
pub mod tale;
pub mod tiers;
pub mod twice;
pub mod whole;
