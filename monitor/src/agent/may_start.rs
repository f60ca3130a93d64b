//! Whether nova-compute may start: not while a recovery of this host is under way, which ends the sooner the less the
//! host does meanwhile.
//!
//! What keeps VMs from running twice is not this, but Nova: nova-compute destroys at its start what was evacuated. This
//! keeps a host that was rebooted by its fencing from coming up in the middle: its heartbeat is a sign of life,
//! which stops the recovery, with half of the VMs moved and half of them off.
//!
//! It asks for as long as Masakari says no. When Masakari does not answer it waits for a stated time and no longer: a
//! host is not kept out of service by our own outage.

use openstack::{AskError, instance_ha::Client};
use ports::Clock;
use recovery::HostName;
use std::time::Duration;

/// How long is waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Between two questions.
    pub ask_every: Duration,
    /// For an answer, whatever it is.
    pub answer_most: Duration,
    /// While it is no; none: as long as it takes.
    pub no_most: Option<Duration>,
}

/// Why it may start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Started {
    /// Masakari says so.
    Allowed(String),
    /// It does not know this host, or has no such question.
    Unknown,
    /// It does not answer: the last error.
    Unanswered(String),
    /// It says no: why. Nobody wanted to wait any longer.
    Refused(String),
}

impl Started {
    /// Whether nova-compute is to start.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        match self {
            Self::Allowed(_) | Self::Unknown | Self::Unanswered(_) => true,
            Self::Refused(_) => false,
        }
    }
}

/// Asks until it may; `tell` hears each new reason why it may not yet.
pub async fn may_start(
    client: &Client,
    host: &HostName,
    patience: Patience,
    clock: &dyn Clock,
    mut tell: impl FnMut(&str),
) -> Started {
    let began = clock.boot();
    let mut answered = began;
    // Each outage is told once: its errors name their requests, and so differ.
    let (mut told, mut is_away) = (String::new(), false);
    loop {
        match client.may_start(host).await {
            Ok(answer) if answer.may_start => return Started::Allowed(answer.why),
            Ok(answer) => {
                (answered, is_away) = (clock.boot(), false);
                if patience.no_most.is_some_and(|most| answered.since(began) >= most) {
                    return Started::Refused(answer.why);
                }
                if answer.why != told {
                    tell(&answer.why);
                    told = answer.why;
                }
            }
            Err(AskError::NotFound { .. }) => return Started::Unknown,
            Err(error) => {
                if clock.boot().since(answered) >= patience.answer_most {
                    return Started::Unanswered(error.to_string());
                }
                if !std::mem::replace(&mut is_away, true) {
                    tell(&error.to_string());
                }
            }
        }
        clock.sleep(patience.ask_every).await;
    }
}
