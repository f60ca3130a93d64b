//! One HTTP question and its whole answer; or, of a watch, its answer piece by piece.

use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt::Debug, time::Duration};

/// A request with its body.
pub type Ask = http::Request<Bytes>;
/// An answer with its body, read to the end.
pub type Answer = http::Response<Bytes>;

/// Carries a question to a server: the network, or the simulated world.
#[async_trait]
pub trait Transport: Send + Sync + Debug {
    /// Sends `ask` and reads the whole answer, within `deadline` in all.
    ///
    /// Every HTTP status is an `Ok`: what it means is for the caller to judge. Redirects are not
    /// followed and nothing is retried here.
    ///
    /// # Errors
    /// When there is no whole answer; [`TransportError::may_have_arrived`] tells whether the server
    /// may have acted all the same.
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError>;
}

/// Carries a question whose answer goes on for as long as there is something to tell: a watch.
#[async_trait]
pub trait Streams: Transport {
    /// Sends `ask` and returns when the answer begins, within `deadline`. Its body is without an end; who reads it waits
    /// by a clock of his own, and drops it when he has waited for long enough.
    ///
    /// # Errors
    /// As for [`Transport::send`].
    async fn open(&self, ask: Ask, deadline: Duration) -> Result<Opened, TransportError>;
}

/// An answer that has begun.
pub type Opened = http::Response<Box<dyn Pieces>>;

/// A body as it arrives.
#[async_trait]
pub trait Pieces: Send {
    /// The next piece, of any size; none: the body has ended.
    ///
    /// # Errors
    /// When the connection breaks.
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError>;
}

/// Why there is no answer.
#[derive(Clone, thiserror::Error, Debug)]
pub enum TransportError {
    /// No connection came about: nothing was sent.
    #[error("cannot connect to {to}: {why}")]
    Unreachable { to: String, why: String },
    /// Nobody answered in time. The server may have done it.
    #[error("no answer from {from} within {deadline_ms} ms")]
    TimedOut { from: String, deadline_ms: u64 },
    /// The connection broke on the way, or the answer was cut. The server may have done it.
    #[error("the answer from {from} broke off: {why}")]
    BrokeOff { from: String, why: String },
}

impl TransportError {
    /// Whether the server may have received the request, and done what it asks.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Unreachable { .. } => false,
            Self::TimedOut { .. } | Self::BrokeOff { .. } => true,
        }
    }
}
