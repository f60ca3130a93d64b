//! Whose recovery it is.

use crate::{HostId, HostName, NotificationId};

/// Whose recovery it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    pub notification: NotificationId,
    pub host_id: HostId,
    pub host: HostName,
}

impl Subject {
    /// A report whose host nobody knows any more.
    #[must_use]
    pub fn unknown(notification: &NotificationId) -> Self {
        Self {
            notification: notification.clone(),
            host_id: HostId::new(""),
            host: HostName::new(""),
        }
    }
}
