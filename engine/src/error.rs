//! Why the engine stops working on a recovery. The log keeps everything, so stopping is never a loss.

use openstack::AskError;
use recovery::{HostName, explain::words::MAY_RUN, lease::LeaseKey, state::Illegal};
use store::StoreError;

/// Why this engine lets go of a recovery; somebody, perhaps the same engine, takes it up again.
#[derive(thiserror::Error, Debug)]
pub(crate) enum Stop {
    #[error("the lease {key} is not ours any more")]
    LeaseLost { key: LeaseKey },
    #[error("the recovery's rows cannot be read")]
    Store(#[from] StoreError),
    #[error("the log cannot be folded")]
    Log(#[from] Illegal),
    /// Not damage: it is read anew.
    #[error("its log was written by somebody else; read anew")]
    Overtaken,
    /// It ended between the poll that found it and our taking it.
    #[error("it had ended when it was taken")]
    Ended,
    #[error("the engine shuts down")]
    Shutdown,
}

/// Why an act on a server did not happen, or is not known to have.
#[derive(thiserror::Error, Debug)]
pub(crate) enum ActFailed {
    /// Our tenure ended before the call was sent.
    #[error("the lease {key} ran out before it was sent")]
    NoTenure { key: LeaseKey },
    /// The calls before it took so long that it might land too late.
    #[error("it was not asked for: the calls before it took {ms} ms")]
    Late { ms: u64 },
    /// A person has disarmed meanwhile, or the host has shown a sign of life.
    #[error("it was not asked for: {why}")]
    Withheld { why: String },
    /// It was evacuated before, and may run there: a second copy would write the same volumes.
    #[error(
        "{}{host}, which lost touch with Nova while it built it ({why}): make sure that it does not run there, \
         then evacuate it with `openstack server evacuate`; it is not asked for again here",
        MAY_RUN
    )]
    MayRun { host: HostName, why: String },
    /// An earlier call of the chain failed: the dangerous one was never sent.
    #[error("it was not asked for")]
    Before(#[source] AskError),
    /// The dangerous call itself failed.
    #[error("Nova did not take it")]
    Itself(#[source] AskError),
}
