//! Leases of hosts in etcd, and the watchdog that bites when one is lost: what [`recovery::deadman`] says is proof, done.
//!
//! ```text
//!  holder: take ──► arm the watchdog ──► hold: renews ──► etcd (a transaction that a quorum has written)
//!             │                                feeds ──► watchdog (while the term of the last answered renewal lasts)
//!             └───────────── give back ◄── this process is stopped             │
//!  observer, on other hosts: looks at all ◄─────────────────────────────────────┘ (a list that shows every write before it)
//! ```
//!
//! * [`mod@holder`]: who takes, renews, feeds and gives back.
//! * [`mod@watchdog`]: the device, and which ones are of use.
//! * [`mod@etcd`]: the two calls of etcd that it takes, by its JSON gateway.
//! * [`mod@key`]: a lease as it stands in etcd.
//! * [`mod@observer`]: who looks at the leases of all hosts.

pub mod etcd;
pub mod holder;
pub mod key;
pub mod observer;
pub mod watchdog;

pub use etcd::{Etcd, EtcdError};
pub use holder::{Holder, HolderConfig, Stop};
pub use key::Lease;
pub use observer::{Observer, Sighted};
pub use watchdog::{Device, Watchdog};
