//! Watches the guests of this host by QEMU's guest agent: a VM whose agent answered and does not any more is reported,
//! as Python's introspectiveinstancemonitor reports it.
//!
//! ```text
//!  Hypervisor ──► rounds ── quick lane ──► ask (look, ping, commands, look again) ──► Found
//!  (libvirt)        │    └─ slow lane ───►  the same, of those that hung before          │
//!                   └── an event: it begins anew ──► machine, four states, pure ◄────────┘ ──► report
//! ```
//!
//! * [`mod@machine`]: what becomes of a guest by what was found. An agent that never answered is never missed.
//! * [`mod@ask`]: one guest is asked, and looked at again before its silence counts: a VM that is paused, moved or gone
//!   by then has not failed.
//! * [`mod@rounds`]: does it, for ever. A guest is asked once at a time, so that one that hangs is asked less often, and
//!   keeps nobody else waiting.
//! * [`mod@tell`]: an agent that answers for the first time in a run of its VM is told to our own API.
//!
//! It does not keep on disk who answered: after a restart each agent must answer once before it can be missed, as in
//! Python's monitor.

pub mod ask;
pub mod machine;
pub mod rounds;
pub mod tell;

pub use ask::{Asker, Asking, COMMANDS, CommandRefused, Commands};
pub use machine::{Found, Machine, Patience, State};
pub use rounds::{GuestsConfig, Rounds, TURN_MOST};
pub use tell::{Tell, Waiting};
