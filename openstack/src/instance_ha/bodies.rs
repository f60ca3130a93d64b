//! Bodies of `/v1` and `/ha/v1`. Times are text as the server wrote it; words that a newer server may
//! add to are text too.

use crate::moment;
use recovery::{Millis, report::Report};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A failover segment.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Segment {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub service_type: String,
    /// Since 1.2.
    #[serde(default)]
    pub enabled: Option<bool>,
    pub description: Option<String>,
    pub recovery_method: String,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
}

/// A segment to create.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NewSegment {
    pub name: String,
    pub recovery_method: String,
    pub service_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A host of a segment.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Host {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub failover_segment_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub control_attributes: String,
    pub reserved: bool,
    pub on_maintenance: bool,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
}

/// A host to put into a segment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NewHost {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub control_attributes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_maintenance: Option<bool>,
}

/// A report of a failure.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Notification {
    pub id: i64,
    pub notification_uuid: String,
    pub generated_time: String,
    pub source_host_uuid: String,
    #[serde(default)]
    pub failover_segment_uuid: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub payload: Map<String, Value>,
    pub status: String,
    #[serde(default)]
    pub message: Option<String>,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    /// The recovery's steps; only where one notification is shown, since 1.1.
    #[serde(default)]
    pub recovery_workflow_details: Vec<Details>,
}

impl Notification {
    /// When the API took it.
    #[must_use]
    pub fn reported_at(&self) -> Option<Millis> {
        moment::read(self.created_at.as_deref().unwrap_or(&self.generated_time))
    }
}

/// One step of a recovery.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Details {
    pub name: String,
    pub state: String,
    pub progress: f64,
    #[serde(default)]
    pub progress_details: Vec<Progress>,
}

/// One line of a step.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Progress {
    pub timestamp: String,
    pub message: String,
    /// A number from 0 to 1, as text.
    pub progress: String,
}

/// Whether a host's nova-compute may start.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct MayStart {
    pub may_start: bool,
    pub why: String,
}

/// A host that recoveries left out of service.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Return {
    pub host: String,
    /// `away`, or `heard`.
    pub state: String,
    /// What it waits for.
    pub why: String,
    pub since: String,
    pub lost_at: String,
    pub notifications: Vec<String>,
    pub asked_by: Option<String>,
}

/// A report to send.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NewNotification {
    /// `COMPUTE_HOST`, `PROCESS` or `VM`.
    #[serde(rename = "type")]
    pub kind: String,
    pub hostname: String,
    pub generated_time: String,
    pub payload: Map<String, Value>,
}

/// The move of one server.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct VMove {
    pub id: i64,
    pub uuid: String,
    pub notification_uuid: String,
    pub instance_uuid: String,
    pub instance_name: String,
    pub source_host: String,
    pub dest_host: Option<String>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub message: Option<String>,
}

/// `/ha/v1`: a request that an engine answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RequestAnswer {
    pub id: String,
    pub state: RequestState,
    /// What the engine said.
    #[serde(default)]
    pub answer: Option<String>,
}

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// No engine has answered yet.
    Pending,
    Done,
    /// An engine looked and said no.
    Refused,
}

/// `/ha/v1`: a report, or the request that is not answered yet.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Reported {
    pub report: Option<Report>,
    #[serde(default)]
    pub request: Option<RequestAnswer>,
}

/// `/ha/v1`: what is told of something, for people and for machines.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Told {
    pub text: String,
    /// The same as the server has it.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// `/ha/v1/guard`. Times are text, in UTC.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Guard {
    pub armed: bool,
    /// When the cloud was last seen in a storm.
    #[serde(default)]
    pub storm_at: Option<String>,
    #[serde(default)]
    pub lost: Vec<Lost>,
    /// The newest first.
    #[serde(default)]
    pub history: Vec<Turn>,
}

/// A host that was reported dead.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Lost {
    pub host: String,
    pub segment: Option<String>,
    pub notification: String,
    pub reported_at: String,
    /// When its recovery began to act.
    pub begun_at: Option<String>,
    pub open: bool,
}

/// `/ha/v1`: a host that is away as planned.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct PlannedStop {
    #[serde(default)]
    pub id: String,
    pub host: String,
    pub kind: String,
    pub by: String,
    pub reason: Option<String>,
    pub at: String,
    pub until: String,
    /// The report of its death that waits for the end, or whose recovery had begun before.
    pub notification: Option<String>,
    pub notification_status: Option<String>,
}

/// `/ha/v1`: what became of a person's report of a host.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Recovered {
    pub notification: Notification,
    /// The planned stop that has ended with it.
    #[serde(default)]
    pub ended_stop: Option<PlannedStop>,
}

/// A turn of the guard's switch.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Turn {
    pub armed: bool,
    pub at: String,
    pub by: String,
    pub reason: Option<String>,
}

/// `/ha/v1`: whether a host could be fenced. Times are text, in UTC.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Fencing {
    pub host: String,
    pub segment: String,
    /// `ready`, `impaired`, `not_ready` or `unknown`.
    pub state: String,
    /// What the devices say that could not prove anything now.
    #[serde(default)]
    pub why: Option<String>,
    #[serde(default)]
    pub since: Option<String>,
    #[serde(default)]
    pub checked_at: Option<String>,
}

/// `/ha/v1`: what a reporter attests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NewEvidence {
    /// `cluster_fenced`, `lease_expired` or `powered_off`.
    pub kind: String,
    /// When it was true, in ISO 8601.
    pub at: String,
    pub source: String,
    /// What was said, as it was said.
    pub raw: String,
}
