//! `/notifications`: reports of failures, and how far their recoveries are.

use crate::{
    ask::{Ask, Reply, given},
    fault::Fault,
    json::Json,
    microversion::Version,
    query::Query,
    route::Action,
    schema::{Brackets, Need, Rule, Schema, is_uuid},
    stops,
    timestamp::{self, Iso, iso},
};
use http::StatusCode;
use recovery::{
    HostId, HostName, Millis, NotificationId, ServerId,
    details::{Task, details},
    evidence::{Evidence, Kind, Sighting, Sign},
    nouns::{Host, HostReport, Notification, NotificationStatus, NotificationType},
    process, restart,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, fmt::Write};
use store::{
    Accepted, Listed, NewNotification, NotificationFilter, NotificationList, OldMessage, OldTask,
};

const CREATE: Schema = Schema {
    key: Some("notification"),
    fields: &[
        ("type", Rule::Word(&["COMPUTE_HOST", "VM", "PROCESS"], Brackets::Round)),
        ("hostname", Rule::Hostname),
        ("generated_time", Rule::Time),
        ("payload", Rule::Payload),
    ],
    need: Need::AllFirst(&["type", "hostname", "generated_time", "payload"]),
};
/// Many monitors report one death: what they say within this time is one word.
const SAID_AGAIN_AFTER_MS: i64 = 10_000;
/// A report that is older, by its monitor's clock, says nothing new.
const SAID_AGAIN_LATE_MS: i64 = 30_000;
const EVENT: Rule = Rule::Word(&["STARTED", "STOPPED"], Brackets::Round);
const HOST_PAYLOAD: Schema = Schema {
    key: None,
    fields: &[
        ("host_status", Rule::Word(&["NORMAL", "UNKNOWN"], Brackets::Round)),
        ("cluster_status", Rule::Word(&["ONLINE", "OFFLINE"], Brackets::Round)),
        ("event", EVENT),
    ],
    need: Need::AllFirst(&["event"]),
};
const PROCESS_PAYLOAD: Schema = Schema {
    key: None,
    fields: &[("process_name", Rule::Text(4096)), ("event", EVENT)],
    need: Need::AllFirst(&["process_name", "event"]),
};
const VM_PAYLOAD: Schema = Schema {
    key: None,
    fields: &[
        ("instance_uuid", Rule::Uuid),
        ("vir_domain_event", Rule::Text(255)),
        ("event", Rule::Text(255)),
    ],
    need: Need::AllFirst(&["instance_uuid", "vir_domain_event", "event"]),
};

pub(crate) async fn answer(ask: &Ask, action: Action) -> Result<Reply, Fault> {
    match action {
        Action::Index => index(ask).await,
        Action::Create => create(ask).await,
        Action::Show(id) => show(ask, &NotificationId::new(id)).await,
        Action::New | Action::Update(_) | Action::Delete(_) | Action::Edit | Action::Act => {
            Err(Fault::not_allowed(&ask.method, &action))
        }
    }
}

async fn index(ask: &Ask) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:notifications:index")?;
    let (query, page) = ask.list()?;
    let _turn = ask.api.long_lists.turn(&*ask.api.clock, &page).await?;
    let found = match filter(&query)? {
        Some(filter) => ask.api.store.notifications(&filter, &page).await?,
        None => NotificationList::default(),
    };
    Reply::list(&Many { notifications: &found }, found.text_bytes() + ROW_BYTES * found.len())
}

/// Nothing if no notification can be like that.
fn filter(query: &Query) -> Result<Option<NotificationFilter>, Fault> {
    let since = query.get("generated-since").map(|text| {
        timestamp::parse(text).ok_or_else(|| Fault::bad("Invalid generated-since value"))
    });
    let generated_since = since.transpose()?;
    let kind = query.word("type", NotificationType::ALL, NotificationType::as_str);
    let status = query.word("status", NotificationStatus::ALL, NotificationStatus::as_str);
    let source_host = query.text("source_host_uuid");
    let (Ok(kind), Ok(status), Ok(source_host)) = (kind, status, source_host) else {
        return Ok(None);
    };
    let source_host = source_host.map(HostId::new);
    Ok(Some(NotificationFilter { source_host, kind, status, generated_since }))
}

async fn show(ask: &Ask, id: &NotificationId) -> Result<Reply, Fault> {
    ask.can("os_masakari_api:notifications:detail")?;
    let notification = find(ask, id).await?;
    let details = match ask.version {
        Version::Initial => None,
        Version::ProgressDetails | Version::SegmentEnabled | Version::VMoves => {
            Some(progress(ask, &notification).await?)
        }
    };
    let notification = View::of(&Listed::of(&notification), details);
    Reply::ok(&One { notification, ended_stop: None })
}

async fn create(ask: &Ask) -> Result<Reply, Fault> {
    let body = ask.body(&CREATE)?;
    ask.can("os_masakari_api:notifications:create")?;
    let report = given(body.get("notification"), "notification")?;
    let kind = given(report.text("type").and_then(NotificationType::from_word), "type")?;
    let payload = given(report.get("payload"), "payload")?;
    payload_schema(kind).check(payload).map_err(Fault::bad)?;
    let name = HostName::new(given(report.text("hostname"), "hostname")?);
    let host = ask.api.store.host_named(&name).await?;
    let host =
        host.ok_or_else(|| Fault::bad(format!("Host with name {name} could not be found.")))?;
    if says_it_lives(kind, payload) {
        let (host, at) = (host.name.clone(), ask.now());
        ask.api.store.keep_sighting(&Sighting { host, at, what: Sign::MonitorSaw }).await?;
    }
    let generated = report.text("generated_time").and_then(timestamp::parse);
    let generated_time = given(generated, "generated_time")?;
    let uuid = NotificationId::new(ask.api.entropy.uuid().to_string());
    let evidence = evidence(ask, &uuid, kind, &host, payload);
    if host.on_maintenance && !is_still_heard(ask, kind, &host).await? {
        say_again(ask, evidence.as_ref(), generated_time).await?;
        return Err(Fault::conflict(format!(
            "Notification received from host {name} of type '{kind}' is ignored as the host is already \
             under maintenance."
        )));
    }
    if let Some(refusal) = stops::refusal(ask, kind, &name).await? {
        return Err(refusal);
    }
    let new = NewNotification {
        evidence: evidence.clone(),
        uuid,
        kind,
        generated_time,
        payload: payload.as_python_dumps(),
        fingerprint: fingerprint(&host.uuid, kind, payload),
        source_host: host.uuid,
        segment: host.segment,
        window_ms: i64::from(ask.api.config.duplicate_notification_detection_interval_s) * 1000,
        now: ask.now(),
    };
    match ask.api.store.accept(new).await? {
        Accepted::New(notification) => {
            (ask.api.wake)();
            accepted(&notification, None)
        }
        Accepted::Duplicate(first) => {
            say_again(ask, evidence.as_ref(), generated_time).await?;
            let message =
                format!("Notification received from host {name} of type {kind} is duplicate.");
            Err(Fault::conflict(message).because(format!("it repeats {first}")))
        }
    }
}

/// The answer to a report that was accepted. `ended`: the planned stop of its host that has ended with it.
pub(crate) fn accepted(notification: &Notification, ended: Option<&Value>) -> Result<Reply, Fault> {
    let notification = View::of(&Listed::of(notification), None);
    Reply::with(StatusCode::ACCEPTED, &One { notification, ended_stop: ended })
}

/// Whether a report is accepted of a host on maintenance: that of its own death, when it is there only
/// because a process of it failed and nobody has said more.
async fn is_still_heard(ask: &Ask, kind: NotificationType, host: &Host) -> Result<bool, Fault> {
    match kind {
        NotificationType::ComputeHost => {
            Ok(ask.api.store.on_maintenance_for_process(&host.uuid).await?)
        }
        NotificationType::Process | NotificationType::Vm => Ok(false),
    }
}

/// The notification, or 404.
pub(crate) async fn find(ask: &Ask, id: &NotificationId) -> Result<Notification, Fault> {
    let missing = || Fault::no_notification(id.as_str());
    if !is_uuid(id.as_str()) {
        return Err(missing());
    }
    ask.api.store.notification(id).await?.ok_or_else(missing)
}

fn payload_schema(kind: NotificationType) -> &'static Schema {
    match kind {
        NotificationType::ComputeHost => &HOST_PAYLOAD,
        NotificationType::Process => &PROCESS_PAYLOAD,
        NotificationType::Vm => &VM_PAYLOAD,
    }
}

/// Equal for reports that say the same of the same host, in whichever order they say it.
fn fingerprint(host: &HostId, kind: NotificationType, payload: &Json) -> String {
    let digest = Sha256::digest(format!("{host}\n{kind}\n{}", payload.canonical()));
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to memory does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What the report proves: that a monitor said for certain that the host is down.
fn evidence(
    ask: &Ask,
    report: &NotificationId,
    kind: NotificationType,
    host: &Host,
    payload: &Json,
) -> Option<Evidence> {
    match kind {
        NotificationType::ComputeHost => {}
        NotificationType::Process | NotificationType::Vm => return None,
    }
    match HostReport::read(payload.text("event")?, payload.text("host_status"))? {
        HostReport::Died => Some(Evidence {
            host: host.name.clone(),
            kind: Kind::MonitorSaid,
            at: ask.now(),
            source: format!("monitor report {report}"),
            raw: payload.compact(),
        }),
        HostReport::Uncertain | HostReport::Started => None,
    }
}

/// Whether a monitor says by it that the host is there: it, or a process on it, was started.
fn says_it_lives(kind: NotificationType, payload: &Json) -> bool {
    let event = payload.text("event").unwrap_or_default();
    match kind {
        NotificationType::ComputeHost => {
            HostReport::read(event, payload.text("host_status")) == Some(HostReport::Started)
        }
        NotificationType::Process => event == "STARTED",
        NotificationType::Vm => false,
    }
}

/// A report that is refused since its host is being recovered already says all the same that the host is dead: where the host has
/// shown a sign of life since the first report, that is news.
async fn say_again(ask: &Ask, said: Option<&Evidence>, generated: Millis) -> Result<(), Fault> {
    let Some(said) = said else { return Ok(()) };
    // What was under way for long is no news.
    let is_late = said.at.since(generated) > SAID_AGAIN_LATE_MS;
    if is_late || ask.api.store.open_host_recovery(&said.host).await?.is_none() {
        return Ok(());
    }
    if ask.api.store.say_again(said, SAID_AGAIN_AFTER_MS).await? {
        (ask.api.wake)();
    }
    Ok(())
}

/// The tasks of the recovery: what Python's engine noted before the database became ours, and ours.
async fn progress(ask: &Ask, notification: &Notification) -> Result<Vec<TaskView>, Fault> {
    let old = ask.api.store.old_tasks(&notification.uuid).await?;
    let old = old.into_iter().map(TaskView::of_python);
    let lines = ask.api.store.log(&notification.uuid).await?;
    let host = ask.api.store.host(&notification.source_host).await?;
    // The host may have been deleted since; its id is then all that is left of it.
    let name =
        host.map_or_else(|| HostName::new(notification.source_host.as_str()), |host| host.name);
    let tasks = match notification.kind {
        NotificationType::ComputeHost => details(&lines, &name),
        NotificationType::Process => process::details(&lines, &name),
        NotificationType::Vm => {
            let payload: Option<Json> = serde_json::from_str(&notification.payload).ok();
            let server = payload.as_ref().and_then(|p| p.text("instance_uuid")).unwrap_or_default();
            restart::details(&lines, &ServerId::new(server))
        }
    };
    Ok(old.chain(tasks.iter().map(TaskView::of)).collect())
}

#[derive(Serialize)]
struct One<'a> {
    notification: View<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_stop: Option<&'a Value>,
}

#[derive(Serialize)]
struct Many<'a> {
    #[serde(serialize_with = "views")]
    notifications: &'a NotificationList,
}

/// What is written of one beside its texts, when they need no escapes: about.
const ROW_BYTES: usize = 330;

fn views<S: Serializer>(list: &NotificationList, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|listed| View::of(&listed, None)))
}

/// A notification as clients see it.
#[derive(Serialize)]
struct View<'a> {
    id: i64,
    notification_uuid: &'a str,
    generated_time: Iso,
    source_host_uuid: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(serialize_with = "object")]
    payload: Option<&'a RawValue>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_workflow_details: Option<Vec<TaskView>>,
    failover_segment_uuid: &'a str,
    message: Option<&'a str>,
    created_at: Option<Iso>,
    updated_at: Option<Iso>,
    deleted_at: (),
    deleted: bool,
}

/// Dashboards take the payload for an object, whatever a former program wrote.
fn object<S: Serializer>(payload: &Option<&RawValue>, to: S) -> Result<S::Ok, S::Error> {
    match payload {
        Some(payload) => payload.serialize(to),
        None => to.serialize_map(Some(0))?.end(),
    }
}

impl<'a> View<'a> {
    fn of(n: &Listed<'a>, details: Option<Vec<TaskView>>) -> Self {
        let payload = serde_json::from_str::<&RawValue>(n.payload).ok();
        Self {
            id: n.id,
            notification_uuid: n.uuid,
            generated_time: iso(n.generated_time),
            source_host_uuid: n.source_host,
            kind: n.kind.as_str(),
            payload: payload.filter(|payload| payload.get().starts_with('{')),
            status: n.status.as_str(),
            recovery_workflow_details: details,
            failover_segment_uuid: n.segment.unwrap_or_default(),
            message: n.message,
            created_at: n.created_at.map(iso),
            updated_at: n.updated_at.map(iso),
            deleted_at: (),
            deleted: false,
        }
    }
}

#[derive(Serialize)]
struct TaskView {
    name: Cow<'static, str>,
    progress: f64,
    progress_details: Vec<MessageView>,
    state: Cow<'static, str>,
}

#[derive(Serialize)]
struct MessageView {
    timestamp: String,
    /// Text, as in Python: `"0.5"`.
    progress: String,
    message: String,
}

impl TaskView {
    fn of(task: &Task) -> Self {
        let messages = task.messages.iter().map(|message| MessageView {
            timestamp: timestamp::progress(message.at),
            progress: format!("{:?}", message.progress),
            message: message.text.clone(),
        });
        Self {
            name: task.name.clone(),
            progress: task.progress,
            progress_details: messages.collect(),
            state: task.state.into(),
        }
    }

    fn of_python(task: OldTask) -> Self {
        let messages = task.messages.into_iter().map(|OldMessage { at, progress, text }| {
            MessageView { timestamp: at, progress, message: text }
        });
        Self {
            name: task.name.into(),
            progress: task.progress,
            progress_details: messages.collect(),
            state: task.state.into(),
        }
    }
}
