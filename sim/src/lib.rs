//! Pretends: a cloud that fails by seed.
//!
//! One [`World`] is a whole cloud: its hosts and the copies of servers that run on them (the truth),
//! and a Keystone and a Nova that answer HTTP about what they have heard (their database). The same
//! world serves two masters: the histories, where an engine runs against it in virtual time and the
//! seed decides what fails, and the demo, where [`serve()`] puts it on a real port for real clients.
//!
//! ```text
//!  engine ── Process ── Network ──┐                        ┌── host: who runs where (truth)
//!            (crash,    (latency,  ├── World::handle ─ State ┤── nova, keystone: what they believe
//!             pause)     faults)  │                        └── life: what is still to happen
//!  openstack CLI ── serve ────────┘
//! ```
//!
//! Nova's rules are those of Nova 34, read from its source; where it does something that looks wrong
//! (it accepts a second evacuation of a server that is being evacuated; a change of a service by the
//! API moves `updated_at`, which looks like a heartbeat), so does this one. That is its purpose.
//!
//! What this crate is not: it knows neither Masakari's API nor its database nor the engine.

mod bmc;
mod clock;
mod fault;
mod host;
mod http;
mod keys;
mod keystone;
mod life;
mod nova;
mod placement;
mod probe;
mod process;
mod serve;
mod shape;
mod state;
mod transport;
mod world;

pub use bmc::{Bmc, Bmcs, Ordered};
pub use clock::{EPOCH, SimClock};
pub use fault::{Fault, Kind, Plan, Rule, Service};
pub use host::{Broken, Condition, EvacuateCall, ForcedDown, Verdict};
pub use keystone::{PASSWORD, PROJECT, USER};
pub use process::{Life, Process, When};
pub use serve::serve;
pub use shape::{Endpoints, Pace, Shape, Want};
pub use world::World;
