//! Sending, for every monitor: what was seen is sent until the API has answered it, as long as it still holds.
//!
//! ```text
//!  a monitor ──► Reporter ──► Sender ──┬── queue   decides: what is due, in which order, when again. Pure
//!                                      ├── spool   keeps on disk what is not answered
//!                                      ├── Source  is asked whether a late report still holds
//!                                      └── POST /v1/notifications, by the one session of the process
//! ```
//!
//! Final are 2xx, 409 (the API has it already) and 400 (it never will take it), as for Python's monitors. Anything
//! else is an outage of the API, which is told once, however many reports wait for its end.
//!
//! A report is sent beside being written, because the answer of a disk may take longer than the API's: what was
//! killed between the two was either sent, or had been seen for some milliseconds by nobody else.

mod folder;
mod queue;
mod sender;
mod sources;
mod spool;

pub use folder::{Folder, SystemFolder};
pub use queue::{Accepted, Answer, Answered, Limits, Number, Queue, Step};
pub use sender::{Kept, Reporter, Sender, SendingConfig};
pub use sources::Sources;
pub use spool::Spool;

use crate::Report;
use async_trait::async_trait;
use std::fmt::Debug;

/// Who can look again at what was reported.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// Whether what `report` claims is still so.
    async fn look(&self, report: &Report) -> Look;
}

/// What a second look showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// It still holds.
    Holds,
    /// It does not: why, for people.
    Gone(String),
    /// It cannot be known now: why. The report waits.
    Unknown(String),
}
