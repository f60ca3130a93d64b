//! The dead man's switch of a host: when a lease that nobody renews is proof that a watchdog has reset the host.
//!
//! ```text
//!  agent:     ─renew─ack──renew─ack──renew─✗ ✗ ✗ ✗ ✗ ✗
//!                            │← term ────────→│← watchdog →│← watchdog →│ reset by now
//!  observer:       read─────read───read─new─read──read──read──────────────────────read: no newer one
//!                                       │← proof, on its own clock ────────────────→│
//! ```
//!
//! The agent of a host renews its lease, a key of etcd, by a transaction that a quorum has written when it is answered. It feeds
//! the host's watchdog only while less than the *term* has passed, on its own boot clock, since it *sent* the last
//! renewal that was answered ([`crate::lease::Tenure`]). An observer reads all leases, and each read shows every write
//! that was answered before it was sent (etcd's linearizable read). Nothing depends on how etcd counts the time of *its* leases: those are
//! lengthened by a new leader and may be renewed by an old one that does not know yet that it is none, so none is used.
//!
//! # Why it is proof
//!
//! An observer first saw the host's last renewal L at `o`, and a read that it sent at `r` shows L still, and `r - o` is at
//! least [`Times::proof_ms`]. Then the host has been reset before `r`. For assume that it has not:
//!
//! 1. A watchdog that was armed and has not bitten was fed less than its timeout W before `r`, at some `f <= r`. It was armed:
//!    a lease says [`Stage::Held`] only after that, and [`Stage::Left`] before it is disarmed.
//! 2. Before it fed, the agent looked at its clock, at `c`. It may have been stopped between (SIGSTOP, a host that swaps), but
//!    not for longer than W, or the watchdog had bitten: it is fed in turn by one process, so the feeding before was
//!    before `c`. So `c > r - 2 W`.
//! 3. At `c` it knew of a renewal A that was sent at `s >= c - term`, and was answered before `c`, which is before `r`. So the read that was
//!    sent at `r` shows A, or a later one; it shows L. So L was sent at `s` or later: `sent(L) >= r - 2 W - term`.
//! 4. Nobody sees a renewal before it was sent: `o >= sent(L)`. So `r - o <= term + 2 W`, which is less than was waited. ∎
//!
//! No delay of a network, no pause of a process, no change of a leader stands in it; a renewal that was given up and
//! lands late is just a new L, and is waited for anew. What stands in it are three lengths of time on three clocks: the term on
//! the agent's, W on the watchdog's, the wait on the observer's. Each may go wrong by one part in a hundred:
//! 1.01 / 0.99 < 33/32, and a watchdog that counts in whole seconds or ticks has [`GRAIN_MS`] more. Wall clocks are
//! not asked. A machine that is suspended stops its watchdog: hosts that sleep, or are VMs that somebody pauses, cannot be proven
//! dead this way.
//!
//! # When it was true
//!
//! The host was reset, and may have booted since: the proof is of one run of its kernel, and a sign of life of the next
//! must void it. L's predecessor was written after an observer sent a read that did not show it yet, and L was sent by who had seen
//! that predecessor. So L's run had not ended then ([`Dead::alive_ms`]), and no heartbeat of a later run comes sooner than a
//! boot takes after that. Evidence is dated so ([`Dead::at_ms`]): a heartbeat of the dying run is older, and any of a later run
//! newer. An observer that has never seen a lease move knows nothing of when, and proves nothing.

mod observed;
mod times;

pub use observed::{Beat, Dead, Observed, Read, Stage, Standing};
pub use times::{GRAIN_MS, Times, Unfit};
