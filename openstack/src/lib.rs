//! Asks: Keystone for tokens and about tokens, Nova about servers and hosts, and both our own APIs.
//!
//! One [`Session`] serves the process: it holds one Keystone token, which however many tasks share and
//! which is renewed once, and it is the only place that retries. What is dangerous late it neither retries nor
//! sends after a log-in ([`Nova::ready`] comes before). Everything goes over the ports
//! (`Transport`, `Clock`, `Entropy`), so that the simulated world can stand in for the cloud.
//!
//! ```text
//!  nova ─────────┐                 ┌─ login   one token, one log-in in flight
//!  tokens ───────┼──► session ─────┼─ catalog where a service is
//!  instance_ha ──┘    tries, waits └─ answer  what a status means: AskError
//! ```
//!
//! This is its own crate because it wraps one outside thing. It decides nothing about recoveries:
//! what may be evacuated comes in as a permitted [`recovery::Evacuate`].
//!
//! # Errors
//! Every fallible call gives an [`AskError`], whose variants say when they happen and whose
//! [`AskError::disposition`] says whether to come back later.

pub mod instance_ha;
pub mod nova;
pub mod tokens;

mod answer;
mod auth;
mod catalog;
mod error;
mod flight;
mod login;
mod moment;
mod read_only;
mod session;
mod ticket;

pub use auth::{AuthConfig, Interface};
pub use catalog::{Service, Under};
pub use error::{AskError, Asked, Disposition};
pub use nova::{Cursor, Failure, HostAggregate, Inventory, MayRun, Nova, NovaConfig, ServerGroup};
pub use oslo::Secret;
pub use read_only::NovaToRead;
pub use session::{Repeat, Reply, Request, Session};
