//! Whose failure it is: the report, its host and its segment, and whether there is anything to do.

use crate::{Engine, error::Stop};
use recovery::{
    NotificationId, SegmentId,
    nouns::{Host, HostReport, Notification, NotificationStatus, NotificationType, RecoveryMethod},
    state::Subject,
};

/// What a report asks for.
#[derive(Debug)]
pub(crate) enum Task {
    /// Its host's VMs shall be brought back.
    RecoverHost(Mission),
    /// There is nothing to do, and why.
    Nothing { status: NotificationStatus, message: Option<String> },
}

/// Whose VMs shall be brought back, and how.
#[derive(Clone, Debug)]
pub(crate) struct Mission {
    pub(crate) subject: Subject,
    pub(crate) segment: SegmentId,
    /// As it is now; the log has the one that counts.
    pub(crate) method: RecoveryMethod,
}

impl Mission {
    /// That of a report whose host or segment nobody knows any more.
    pub(crate) fn none(notification: &NotificationId) -> Self {
        Self {
            subject: Subject::unknown(notification),
            segment: SegmentId::new(""),
            method: RecoveryMethod::Auto,
        }
    }
}

/// Whether two reports of this kind about one host must wait for each other.
pub(crate) fn needs_host(kind: NotificationType) -> bool {
    match kind {
        NotificationType::ComputeHost => true,
        NotificationType::Process | NotificationType::Vm => false,
    }
}

impl Engine {
    /// Reads what the report is about. What has `begun` is brought to its end even if it would not
    /// be begun any more.
    pub(crate) async fn task(&self, id: &NotificationId, begun: bool) -> Result<Task, Stop> {
        let Some(notification) = self.ports.store.notification(id).await? else {
            return Ok(nothing(NotificationStatus::Ignored, "the notification is gone"));
        };
        let Some(host) = self.ports.store.host(&notification.source_host).await? else {
            return Ok(nothing(
                NotificationStatus::Failed,
                "the host was deleted from its segment",
            ));
        };
        match self.ports.store.segment(&notification.segment).await? {
            Some(segment) if !segment.enabled && !begun => {
                Ok(nothing(NotificationStatus::Ignored, "the segment is disabled"))
            }
            Some(segment) => Ok(read(&notification, &host, segment.recovery_method)),
            None => Ok(nothing(NotificationStatus::Failed, "the segment was deleted")),
        }
    }
}

fn read(notification: &Notification, host: &Host, method: RecoveryMethod) -> Task {
    match notification.kind {
        NotificationType::ComputeHost => {}
        NotificationType::Process | NotificationType::Vm => {
            return nothing(
                NotificationStatus::Ignored,
                "this version recovers from host failures only",
            );
        }
    }
    let payload: serde_json::Value =
        serde_json::from_str(&notification.payload).unwrap_or(serde_json::Value::Null);
    let word = |key: &str| payload.get(key).and_then(|v| v.as_str());
    match HostReport::read(word("event").unwrap_or_default(), word("host_status")) {
        Some(HostReport::Died) => Task::RecoverHost(Mission {
            subject: Subject {
                notification: notification.uuid.clone(),
                host_id: host.uuid.clone(),
                host: host.name.clone(),
            },
            segment: notification.segment.clone(),
            method,
        }),
        Some(HostReport::Started) => {
            Task::Nothing { status: NotificationStatus::Finished, message: None }
        }
        Some(HostReport::Uncertain) => nothing(
            NotificationStatus::Ignored,
            "the monitor is not certain that the host is down (host_status is not NORMAL)",
        ),
        None => nothing(NotificationStatus::Ignored, "the event is neither STOPPED nor STARTED"),
    }
}

fn nothing(status: NotificationStatus, message: &str) -> Task {
    Task::Nothing { status, message: Some(message.into()) }
}
