//! What a person asks of the engine by way of our own API: the API writes a row, an engine answers.

use crate::evidence::Evidence;
use crate::{HostName, Millis, NotificationId, SegmentId};
use alloc::string::String;

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// "This host is dead": becomes evidence of the kind `OperatorConfirmed`. `at`: when that was said, where somebody passes
    /// it on; else it is said by asking.
    ConfirmDead { host: HostName, reason: String, at: Option<Millis> },
    /// A reporter outside of the engine knows it: becomes evidence of its kind.
    Attest { evidence: Evidence },
    /// What failed in this recovery is tried again.
    Retry { notification: NotificationId, reason: Option<String> },
    /// This host returns to service, if a recovery took it out; `power_on`: its fence device switches it on before.
    Return { host: HostName, reason: Option<String>, power_on: bool },
    /// This host, on which nothing runs, is switched off and on again by its fence devices.
    FenceTest { host: HostName, reason: Option<String> },
    /// What would become of this host's servers if it died now?
    Plan { host: HostName },
    /// The same of every host: of this segment, or of the segments after the one of this number.
    Report { segment: Option<SegmentId>, after: Option<i64> },
    /// This recovery begins nothing more.
    Cancel { notification: NotificationId, reason: Option<String> },
    /// This recovery may begin, as far as the guard and `[approval]` go.
    Approve { notification: NotificationId, reason: Option<String> },
    /// This recovery is not to begin: it ends.
    Reject { notification: NotificationId, reason: Option<String> },
}

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestState {
    Open,
    Done,
    Refused,
}

/// One request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// A UUID.
    pub id: String,
    pub asked: Asked,
    /// Who asks: name and id of the Keystone user.
    pub who: String,
    pub created_at: Millis,
    /// After this moment nobody answers it any more.
    pub deadline: Millis,
    pub state: RequestState,
    /// What the engine said.
    pub answer: Option<String>,
}
