//! Whose failure it is: the report, its host and its segment, and whether there is anything to do.

use crate::{Engine, error::Stop};
use recovery::{
    Millis, NotificationId, SegmentId, ServerId,
    hand::{self, HandEntry},
    idle,
    lease::Lease,
    log::{Entry, Line, Summary},
    nouns::{
        Host, HostReport, Notification, NotificationStatus, NotificationType, RecoveryMethod,
        Segment,
    },
    process, restart,
    state::Subject,
};

/// What a report asks for.
#[derive(Debug)]
pub(crate) enum Task {
    /// Its host's VMs shall be brought back.
    RecoverHost(Mission),
    /// A server failed on a host that lives.
    Restart { subject: Subject, server: ServerId },
    /// A process of the host has stopped.
    Process { subject: Subject, process: String },
    /// There is nothing to do, and why.
    Nothing { status: NotificationStatus, message: Option<String> },
}

/// Whose VMs shall be brought back, and how.
#[derive(Clone, Debug)]
pub(crate) struct Mission {
    pub(crate) subject: Subject,
    pub(crate) segment: SegmentId,
    pub(crate) segment_name: String,
    /// Who reported it, when that was a person.
    pub(crate) asked: Option<HandEntry>,
    /// As it is now; the log has the one that counts.
    pub(crate) method: RecoveryMethod,
    pub(crate) reported: Millis,
}

impl Engine {
    /// Reads what the report is about. What has begun by its log is brought to its end even if it would
    /// not be begun any more.
    pub(crate) async fn task(&self, id: &NotificationId, log: &[Line]) -> Result<Task, Stop> {
        let begun = log.iter().any(|line| line.entry.has_begun());
        let Some(notification) = self.ports.store.notification(id).await? else {
            return Ok(nothing(NotificationStatus::Ignored, "the notification is gone"));
        };
        if let Some(why) = self.expired(&notification, log) {
            return Ok(nothing(NotificationStatus::Failed, &why));
        }
        let Some(host) = self.ports.store.host(&notification.source_host).await? else {
            return Ok(nothing(NotificationStatus::Failed, idle::HOST_DELETED));
        };
        match self.ports.store.segment(&notification.segment).await? {
            Some(segment) if !segment.enabled && !begun => {
                Ok(nothing(NotificationStatus::Ignored, &idle::disabled(&segment.name)))
            }
            Some(segment) => Ok(read(&notification, &host, &segment)),
            None => Ok(nothing(NotificationStatus::Failed, idle::SEGMENT_DELETED)),
        }
    }

    /// Why a report that nobody has taken up is too old for that; a recovery that was taken up counts its
    /// own time.
    fn expired(&self, notification: &Notification, log: &[Line]) -> Option<String> {
        let reported = notification.created_at.unwrap_or(notification.generated_time);
        let (age_ms, most_ms) = (self.now().since(reported), self.config().limits.expiry_ms);
        let too_old = || idle::too_old(age_ms / 1000, most_ms / 1000);
        (log.is_empty() && age_ms >= most_ms).then(too_old)
    }
}

fn read(notification: &Notification, host: &Host, of: &Segment) -> Task {
    let subject = Subject {
        notification: notification.uuid.clone(),
        host_id: host.uuid.clone(),
        host: host.name.clone(),
    };
    let payload: serde_json::Value =
        serde_json::from_str(&notification.payload).unwrap_or(serde_json::Value::Null);
    let word = |key: &str| payload.get(key).and_then(|v| v.as_str());
    let event = word("event").unwrap_or_default();
    match notification.kind {
        NotificationType::ComputeHost => {
            let segment = notification.segment.clone();
            let asked = word(hand::ASKED_BY).map(|by| HandEntry::Asked {
                by: by.to_owned(),
                why: word(hand::REASON).map(ToOwned::to_owned),
            });
            let (segment_name, method) = (of.name.clone(), of.recovery_method);
            let reported = notification.created_at.unwrap_or(notification.generated_time);
            let mission = Mission { subject, segment, segment_name, asked, method, reported };
            of_host(mission, event, word("host_status"))
        }
        NotificationType::Process => of_process(subject, event, word("process_name")),
        NotificationType::Vm => of_server(subject, event, &payload),
    }
}

fn of_host(mission: Mission, event: &str, host_status: Option<&str>) -> Task {
    match HostReport::read(event, host_status) {
        Some(HostReport::Died) => Task::RecoverHost(mission),
        Some(HostReport::Started) => {
            Task::Nothing { status: NotificationStatus::Finished, message: None }
        }
        Some(HostReport::Uncertain) => nothing(NotificationStatus::Ignored, idle::UNCERTAIN),
        None => nothing(NotificationStatus::Ignored, idle::NEITHER),
    }
}

fn of_process(subject: Subject, event: &str, process: Option<&str>) -> Task {
    match process::Report::read(event, process.unwrap_or_default()) {
        Some(process::Report::Stopped { process }) => Task::Process { subject, process },
        Some(process::Report::Started) => {
            Task::Nothing { status: NotificationStatus::Finished, message: None }
        }
        None => nothing(NotificationStatus::Ignored, idle::NEITHER),
    }
}

fn of_server(subject: Subject, event: &str, payload: &serde_json::Value) -> Task {
    let word = |key: &str| payload.get(key).and_then(|v| v.as_str());
    if !restart::is_failure(event, word("vir_domain_event").unwrap_or_default()) {
        return nothing(NotificationStatus::Ignored, idle::NO_FAILURE);
    }
    match word("instance_uuid") {
        Some(server) => Task::Restart { subject, server: ServerId::new(server) },
        None => nothing(NotificationStatus::Ignored, idle::NO_INSTANCE),
    }
}

fn nothing(status: NotificationStatus, message: &str) -> Task {
    Task::Nothing { status, message: Some(message.into()) }
}

impl Engine {
    /// Ends a recovery that has nothing to do.
    pub(crate) async fn close(
        &self,
        lease: &Lease,
        id: &NotificationId,
        log: &[Line],
        claim: Entry,
        (status, message): (NotificationStatus, Option<String>),
    ) -> Result<(), Stop> {
        let last = log.last().map_or(0, |line| line.seq);
        let ended = Entry::Ended { status, message: message.clone() };
        let at = self.now();
        let lines: Vec<Line> =
            (last + 1..).zip([claim, ended]).map(|(seq, entry)| Line { seq, at, entry }).collect();
        let summary = Summary::Status { status, message: message.clone() };
        self.write(lease, id, &lines, &[summary]).await?;
        crate::tell::ended("recovery", status, message.as_deref());
        Ok(())
    }
}
