//! What goes wrong between a client and the cloud, and inside its Nova: a plan of rules, and the seed
//! decides which request each of them hits.

use recovery::Millis;
use std::ops::Range;

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    Identity,
    Compute,
}

/// What happens to one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No connection comes about.
    Away,
    /// The request or its answer (chance decides) takes so much longer. A client that gives up
    /// meanwhile does not keep the request from landing late.
    Slow { ms: u64 },
    /// Refused at the door with this status; not done.
    Status(u16),
    /// Refused with 429 or 413 and `Retry-After`; not done.
    TooMany { status: u16, retry_after_s: u64 },
    /// Done, but the answer is no JSON.
    Rubbish,
    /// Done, but the connection breaks in the middle of the answer.
    HalfBody,
    /// The connection breaks before the server has read the request; not done.
    Lost,
}

impl Fault {
    /// What it is called in tables.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Away => "no connection".into(),
            Self::Slow { .. } => "slow".into(),
            Self::Status(status) => format!("HTTP {status}"),
            Self::TooMany { status, .. } => format!("HTTP {status}, later"),
            Self::Rubbish => "answer that is no JSON".into(),
            Self::HalfBody => "half an answer".into(),
            Self::Lost => "request lost".into(),
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Any,
    /// GET and HEAD.
    Reads,
    /// All others, except Keystone's.
    Writes,
    /// Of the writes those to a server: evacuate, lock, stop and the like.
    Actions,
}

/// When a fault happens. The first rule that hits decides.
#[derive(Clone, Debug)]
pub struct Rule {
    pub service: Service,
    pub kind: Kind,
    pub from: Millis,
    /// Not at this moment or later.
    pub until: Millis,
    /// Of 1000 requests, how many.
    pub permille: u64,
    pub fault: Fault,
}

impl Rule {
    /// `fault` for each request to `service`, always.
    #[must_use]
    pub fn always(service: Service, fault: Fault) -> Self {
        let (from, until) = (Millis(i64::MIN), Millis(i64::MAX));
        Self { service, kind: Kind::Any, from, until, permille: 1000, fault }
    }

    /// The same for so many of 1000 requests only.
    #[must_use]
    pub fn permille(self, permille: u64) -> Self {
        Self { permille, ..self }
    }

    /// The same from `from` until `until` only.
    #[must_use]
    pub fn between(self, from: Millis, until: Millis) -> Self {
        Self { from, until, ..self }
    }

    /// The same for one kind of requests only.
    #[must_use]
    pub fn only(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn is_about(&self, service: Service, kind: Kind, now: Millis) -> bool {
        let kinds = match self.kind {
            Kind::Any => true,
            Kind::Writes => kind == Kind::Writes || kind == Kind::Actions,
            Kind::Reads | Kind::Actions => self.kind == kind,
        };
        self.service == service && kinds && self.from <= now && now < self.until
    }
}

/// Everything that goes wrong.
#[derive(Clone, Default, Debug)]
pub struct Plan {
    pub rules: Vec<Rule>,
    /// Of 1000 evacuations, how many fail while the destination builds: the server ends in `error`.
    pub build_fails_permille: u64,
    /// Of 1000 evacuations, how many end in error although the destination has started the server: nobody answers it just then.
    pub loses_touch_permille: u64,
    /// Of 1000 evacuations, how many the destination refuses for want of resources: the server keeps
    /// its state.
    pub claim_fails_permille: u64,
    /// While Nova's message bus (RabbitMQ) is stopped, from one moment until before the other.
    pub bus_stopped: Option<Range<Millis>>,
}
