//! Why a question was not answered as hoped, what may have happened all the same, and what to do.

use http::Method;
use ports::TransportError;
use std::{fmt, time::Duration};

/// What was asked, for the sentence of an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    pub method: Method,
    /// Host and path; never the query, never a header.
    pub to: String,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The request id that the service gave, or ours: what to look for in its log.
    pub request_id: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (", self.method, self.to)?;
        if let Some(status) = self.status {
            write!(f, "HTTP {status}, ")?;
        }
        write!(f, "{})", self.request_id)
    }
}

/// Whether to come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It may work later: the service is away, slow, overloaded or broken, or an operator has to repair
    /// something (credentials, roles, the catalogue) without anything being asked anew.
    Transient,
    /// The service understood and said no: the same question gets the same answer.
    Refused,
}

/// Why there is no good answer.
#[derive(Clone, thiserror::Error, Debug)]
pub enum AskError {
    /// No connection: nothing was sent.
    #[error("{asked}: nobody listens there, so nothing was sent. Is the service up?")]
    Unreachable { asked: Box<Asked>, source: TransportError },
    /// The service took the request and did not answer, or not to the end.
    #[error("{asked}: no whole answer came; it may have been done all the same")]
    NoAnswer { asked: Box<Asked>, source: TransportError },
    /// An answer that is not what the API promises, a proxy's page for example.
    #[error("{asked}: expected {expected}, got {excerpt:?}. Is a proxy in between?")]
    Rubbish { asked: Box<Asked>, expected: &'static str, excerpt: String },
    /// The log-in was refused, or a fresh token was.
    #[error(
        "{asked}: our credentials are refused: {message}. \
         Check the user, the password and the domain that are configured"
    )]
    Unauthorized { asked: Box<Asked>, message: String },
    /// The log-in did not come about, so that the request was not sent.
    #[error("{asked}: not sent, because there is no token from Keystone")]
    NoLogin { asked: Box<Asked>, source: Box<AskError> },
    /// It had to be done at once or not at all, and was not done.
    #[error(
        "{asked}: not done, because that was not possible at once: {why}. It is judged anew before it is asked for again"
    )]
    NotAtOnce { asked: Box<Asked>, why: String },
    #[error("{asked}: forbidden: {message}. Does our user have the role that the policy asks for?")]
    Forbidden { asked: Box<Asked>, message: String },
    #[error("{asked}: not found: {message}")]
    NotFound { asked: Box<Asked>, message: String },
    #[error("{asked}: refused in the present state: {message}")]
    Conflict { asked: Box<Asked>, message: String },
    /// 400, and any other 4xx that has no variant of its own.
    #[error("{asked}: refused: {message}")]
    BadRequest { asked: Box<Asked>, message: String },
    #[error("{asked}: the request is too large: {message}")]
    TooLarge { asked: Box<Asked>, message: String },
    /// Too many requests; the service may say when to come back.
    #[error("{asked}: too many requests: {message}")]
    OverLimit { asked: Box<Asked>, message: String, retry_after: Option<Duration> },
    /// 5xx: the service failed. `retry_after` means that it did not begin.
    #[error("{asked}: the service failed: {message}. Its log has more under this request id")]
    ServerFault { asked: Box<Asked>, message: String, retry_after: Option<Duration> },
    #[error(
        "Keystone's catalogue has no {interface} endpoint of type {service} in {region}; it has {known}. \
         Check the region and the interface that are configured, and the catalogue"
    )]
    NoEndpoint { service: String, region: String, interface: String, known: String },
    /// The service answered without everything: a cell of Nova is down, or the policy hides fields.
    #[error("{asked}: the answer is not complete: {why}")]
    PartialAnswer { asked: Box<Asked>, why: String },
    #[error("{service} speaks microversions up to {newest}, and {needed} is needed")]
    TooOld { service: &'static str, newest: String, needed: String },
    #[error("{option} is not usable: {why}")]
    Misconfigured { option: &'static str, why: String },
}

impl AskError {
    /// Whether to come back.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Rubbish { .. }
            | Self::Unauthorized { .. }
            | Self::NoLogin { .. }
            | Self::NotAtOnce { .. }
            | Self::Forbidden { .. }
            | Self::OverLimit { .. }
            | Self::ServerFault { .. }
            | Self::NoEndpoint { .. }
            | Self::PartialAnswer { .. }
            | Self::TooOld { .. }
            | Self::Misconfigured { .. } => Disposition::Transient,
            Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::BadRequest { .. }
            | Self::TooLarge { .. } => Disposition::Refused,
        }
    }

    /// Whether the service may have done what was asked, this error notwithstanding.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Rubbish { .. } => true,
            Self::ServerFault { retry_after, .. } => retry_after.is_none(),
            Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::NoLogin { .. }
            | Self::NotAtOnce { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::OverLimit { .. }
            | Self::NoEndpoint { .. }
            | Self::PartialAnswer { .. }
            | Self::TooOld { .. }
            | Self::Misconfigured { .. } => false,
        }
    }

    /// Whether Nova cannot leave an evacuated server stopped (2.95): it, or one nova-compute, is older.
    /// Nova 34 answers with the two versions and no words, as its sentence for it cannot be put together.
    #[must_use]
    pub fn cannot_stop_evacuated(&self) -> bool {
        match self {
            Self::BadRequest { message, .. } => {
                let versions = message.contains("'currently'") && message.contains("'expected'");
                versions || message.contains("microversion 2.95")
            }
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Rubbish { .. }
            | Self::Unauthorized { .. }
            | Self::NoLogin { .. }
            | Self::NotAtOnce { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::TooLarge { .. }
            | Self::OverLimit { .. }
            | Self::ServerFault { .. }
            | Self::NoEndpoint { .. }
            | Self::PartialAnswer { .. }
            | Self::Misconfigured { .. } => false,
            Self::TooOld { needed, .. } => needed == "2.95",
        }
    }

    /// When the service asked us to come back.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::OverLimit { retry_after, .. } | Self::ServerFault { retry_after, .. } => {
                *retry_after
            }
            Self::NoLogin { source, .. } => source.retry_after(),
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Rubbish { .. }
            | Self::Unauthorized { .. }
            | Self::NotAtOnce { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::NoEndpoint { .. }
            | Self::PartialAnswer { .. }
            | Self::TooOld { .. }
            | Self::Misconfigured { .. } => None,
        }
    }
}
