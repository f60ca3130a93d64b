//! Our own two APIs, from the outside: Masakari's `/v1` (the bodies as its API reference has them) and
//! `/ha/v1` beside it. For monitors, the command line and handlers; the server has its own bodies.

mod bodies;

pub use bodies::{
    Details, Fencing, Guard, Host, Lost, MayStart, NewEvidence, NewHost, NewNotification,
    NewSegment, Notification, PlannedStop, Progress, Recovered, Reported, RequestAnswer,
    RequestState, Return, Segment, Told, Turn, VMove,
};

use crate::{AskError, Interface, Repeat, Request, Service, Session, Under};
use http::Method;
use recovery::{HostName, Millis, NotificationId, SegmentId, ServerId, identity::Identity};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// For one question. The API answers a request to an engine within 10 s.
const DEADLINE: Duration = Duration::from_secs(30);
/// `recovery_workflow_details` in a notification.
const DETAILS: &str = "1.1";
const VMOVES: &str = "1.3";
/// Nobody looks at more in one go.
const PAGE: &str = "1000";
const PAGES_MAX: usize = 1000;

/// A client of a Masakari, ours or Python's; `/ha/v1` is only ours.
#[derive(Clone, Debug)]
pub struct Client {
    session: Session,
    service: Service,
}

impl Client {
    /// The Masakari of the session's catalogue.
    #[must_use]
    pub fn new(session: Session) -> Self {
        // `ha` and `masakari` are what older deployments registered.
        let types = ["instance-ha", "ha", "masakari"].map(ToOwned::to_owned).to_vec();
        let service = Service { types, version: "v1", api: "instance-ha", ..Service::default() };
        Self { session, service }
    }

    /// The same on another interface than the session's.
    #[must_use]
    pub fn on(mut self, interface: Interface) -> Self {
        self.service.interface = Some(interface);
        self
    }

    pub async fn segments(&self) -> Result<Vec<Segment>, AskError> {
        self.list(&["segments"], &[], "segments", "1.0", |segment: &Segment| segment.id).await
    }

    pub async fn create_segment(&self, segment: &NewSegment) -> Result<Segment, AskError> {
        self.create(&["segments"], json!({ "segment": segment }), "segment").await
    }

    pub async fn hosts(&self, segment: &SegmentId) -> Result<Vec<Host>, AskError> {
        let path = ["segments", segment.as_str(), "hosts"];
        self.list(&path, &[], "hosts", "1.0", |host: &Host| host.id).await
    }

    pub async fn create_host(&self, segment: &SegmentId, host: &NewHost) -> Result<Host, AskError> {
        let path = ["segments", segment.as_str(), "hosts"];
        self.create(&path, json!({ "host": host }), "host").await
    }

    /// Reports a failure, and does not ask twice: who reports looks again whether it is still so. A [`AskError::Conflict`] means
    /// that it is known already.
    pub async fn notify(&self, report: &NewNotification) -> Result<Notification, AskError> {
        let (path, body) = (["notifications"], json!({ "notification": report }));
        let change = Request::change(Method::POST, &self.service, &path, body, DEADLINE);
        let request = Request { repeat: Repeat::Never, ..change };
        self.session.ask(request).await?.read_under("notification")
    }

    /// Notifications that match `filter`, by the API's own names (`status`, `type`, `source_host_uuid`, …).
    pub async fn notifications(
        &self,
        filter: &[(&str, &str)],
    ) -> Result<Vec<Notification>, AskError> {
        let path = ["notifications"];
        self.list(&path, filter, "notifications", "1.0", |notification: &Notification| {
            notification.id
        })
        .await
    }

    /// The newest notifications, newest first, at most `limit`: those before the one with the number `marker`.
    pub async fn newest_notifications(
        &self,
        marker: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Notification>, AskError> {
        let (limit, marker) = (limit.to_string(), marker.map(|marker| marker.to_string()));
        let mut query = vec![("sort_key", "id"), ("sort_dir", "desc"), ("limit", limit.as_str())];
        query.extend(marker.as_deref().map(|marker| ("marker", marker)));
        self.get(&["notifications"], &query, "notifications", "1.0").await
    }

    /// One notification, with the progress of its recovery.
    pub async fn notification(&self, id: &NotificationId) -> Result<Notification, AskError> {
        self.get(&["notifications", id.as_str()], &[], "notification", DETAILS).await
    }

    pub async fn vmoves(&self, id: &NotificationId) -> Result<Vec<VMove>, AskError> {
        let path = ["notifications", id.as_str(), "vmoves"];
        self.list(&path, &[], "vmoves", VMOVES, |vmove: &VMove| vmove.id).await
    }

    /// Says, as a person who knows, that `host` is dead; or that one said so at `at`. The answer is not there yet when the state
    /// is [`RequestState::Pending`].
    pub async fn confirm_dead(
        &self,
        host: &HostName,
        reason: &str,
        at: Option<Millis>,
    ) -> Result<RequestAnswer, AskError> {
        let mut body = json!({ "reason": reason });
        if let Some(at) = at {
            body["at"] = json!(at.iso());
        }
        self.post_ours(["hosts", host.as_str(), "confirm-dead"], body, "request").await
    }

    /// Says, as a reporter that knows, of what kind the proof of the death of `host` is.
    pub async fn attest(
        &self,
        host: &HostName,
        evidence: &NewEvidence,
    ) -> Result<RequestAnswer, AskError> {
        let body = json!(evidence);
        self.post_ours(["hosts", host.as_str(), "evidence"], body, "request").await
    }

    /// Reports, as a person, that `host` failed.
    pub async fn recover(
        &self,
        host: &HostName,
        reason: Option<&str>,
    ) -> Result<Recovered, AskError> {
        let path = ["ha", "v1", "hosts", host.as_str(), "recover"];
        let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let request = Request::change(Method::POST, &self.service, &path, body, DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read("a report that was accepted")
    }

    /// Wants `host` back in service. A [`AskError::Conflict`] says why that cannot be.
    pub async fn bring_back(
        &self,
        host: &HostName,
        reason: Option<&str>,
        power_on: bool,
    ) -> Result<RequestAnswer, AskError> {
        let mut body = json!({});
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        // An older server knows no such word.
        if power_on {
            body["power_on"] = json!(true);
        }
        self.post_ours(["hosts", host.as_str(), "return"], body, "request").await
    }

    /// The hosts that recoveries left out of service, and where each stands.
    pub async fn returns(&self) -> Result<Vec<Return>, AskError> {
        let request = Request::get(&self.service, &["ha", "v1", "returns"], DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("returns")
    }

    /// Whether the nova-compute of `host` may start.
    pub async fn may_start(&self, host: &HostName) -> Result<MayStart, AskError> {
        let path = ["ha", "v1", "hosts", host.as_str(), "may-start"];
        let request = Request::get(&self.service, &path, DEADLINE);
        self.session.ask(Request { under: Under::Root, ..request }).await?.read("an answer")
    }

    /// Says, as the monitor of `host`, that the agents of these guests answer there.
    pub async fn guests_answer(
        &self,
        host: &HostName,
        servers: &[ServerId],
    ) -> Result<(), AskError> {
        let path = ["ha", "v1", "hosts", host.as_str(), "guests"];
        let body = json!({ "answer": servers });
        let request = Request::change(Method::POST, &self.service, &path, body, DEADLINE);
        self.session.ask(Request { under: Under::Root, ..request }).await.map(drop)
    }

    /// Says, as the agent of `host`, which machine it is and in which boot.
    pub async fn identify(&self, host: &HostName, identity: &Identity) -> Result<(), AskError> {
        let path = ["ha", "v1", "hosts", host.as_str(), "identity"];
        let Identity { boot, uuid, serial } = identity;
        let mut body = json!({ "boot": boot });
        for (name, value) in [("uuid", uuid), ("serial", serial)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let request = Request::change(Method::POST, &self.service, &path, body, DEADLINE);
        self.session.ask(Request { under: Under::Root, ..request }).await.map(drop)
    }

    /// For a while it is no failure that `host` is away. `span`: as in `2h`.
    pub async fn plan_stop(
        &self,
        host: &HostName,
        kind: &str,
        span: Option<&str>,
        reason: Option<&str>,
    ) -> Result<PlannedStop, AskError> {
        self.post_stop(host, json!({ "kind": kind }), span, reason).await
    }

    async fn post_stop(
        &self,
        host: &HostName,
        mut body: Value,
        span: Option<&str>,
        reason: Option<&str>,
    ) -> Result<PlannedStop, AskError> {
        for (name, value) in [("for", span), ("reason", reason)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        self.post_ours(["hosts", host.as_str(), "stop"], body, "stop").await
    }

    /// Has the servers of `host` moved away; a planned stop begins when none is left. `cold`: those that are off, too.
    pub async fn drain(
        &self,
        host: &HostName,
        cold: bool,
        span: Option<&str>,
        reason: Option<&str>,
    ) -> Result<PlannedStop, AskError> {
        let body = json!({ "kind": "drain", "cold": cold });
        self.post_stop(host, body, span, reason).await
    }

    /// How far it is.
    pub async fn drained(&self, id: &str) -> Result<Told, AskError> {
        let path = ["ha", "v1", "drains", id];
        let request = Request::get(&self.service, &path, DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("drain")
    }

    /// Ends what is planned of `host`. A [`AskError::Conflict`]: nothing is.
    pub async fn resume(&self, host: &HostName) -> Result<PlannedStop, AskError> {
        self.ask_ours(["hosts", host.as_str(), "resume"], None, "stop").await
    }

    /// The planned stops that stand.
    pub async fn planned_stops(&self) -> Result<Vec<PlannedStop>, AskError> {
        let request = Request::get(&self.service, &["ha", "v1", "stops"], DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("stops")
    }

    /// Whether each host could be fenced, as the engines looked last.
    pub async fn fencing(&self) -> Result<Vec<Fencing>, AskError> {
        let request = Request::get(&self.service, &["ha", "v1", "fencing"], DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("fencing")
    }

    /// Has a host on which nothing runs switched off and on again. A [`AskError::Conflict`] says why it cannot be.
    pub async fn fence_test(
        &self,
        host: &HostName,
        reason: Option<&str>,
    ) -> Result<RequestAnswer, AskError> {
        self.ask_ours(["hosts", host.as_str(), "fence-test"], reason, "request").await
    }

    /// How far a request is.
    pub async fn request(&self, id: &str) -> Result<RequestAnswer, AskError> {
        let path = ["ha", "v1", "requests", id];
        let request = Request::get(&self.service, &path, DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("request")
    }

    /// Has what failed in a recovery tried again. A [`AskError::Conflict`] says why it cannot be.
    pub async fn retry(
        &self,
        id: &NotificationId,
        reason: Option<&str>,
    ) -> Result<RequestAnswer, AskError> {
        self.ask_ours(["notifications", id.as_str(), "retry"], reason, "request").await
    }

    /// Has a recovery begin nothing more. A [`AskError::Conflict`] says why it cannot be.
    pub async fn cancel(
        &self,
        id: &NotificationId,
        reason: Option<&str>,
    ) -> Result<RequestAnswer, AskError> {
        self.ask_ours(["notifications", id.as_str(), "cancel"], reason, "request").await
    }

    /// Why the host of a recovery was held for dead.
    pub async fn certificate(&self, id: &NotificationId) -> Result<Told, AskError> {
        self.told(["notifications", id.as_str(), "certificate"], "certificate").await
    }

    /// Why a recovery stands where it stands, or ended as it did.
    pub async fn explain(&self, id: &NotificationId) -> Result<Told, AskError> {
        self.told(["notifications", id.as_str(), "explain"], "explanation").await
    }

    /// What would become of the host's servers if it died now.
    pub async fn plan(&self, host: &HostName) -> Result<Told, AskError> {
        self.told(["hosts", host.as_str(), "plan"], "plan").await
    }

    /// Has a report made, of one segment or of those after the one of this number; it may not be there yet.
    pub async fn report(
        &self,
        segment: Option<&SegmentId>,
        after: Option<i64>,
    ) -> Result<Reported, AskError> {
        let after = after.map(|number| number.to_string());
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(segment.map(|id| ("segment", id.as_str())));
        query.extend(after.as_deref().map(|number| ("after", number)));
        let path = ["ha", "v1", "reports"];
        let request = Request::change(Method::POST, &self.service, &path, json!({}), DEADLINE);
        let request = Request { under: Under::Root, query: &query, ..request };
        self.session.ask(request).await?.read("a report")
    }

    /// The same report once more; the answer comes when it is there, or after 10 s.
    pub async fn report_again(&self, id: &str) -> Result<Reported, AskError> {
        let path = ["ha", "v1", "reports", id];
        let request = Request::get(&self.service, &path, DEADLINE);
        self.session.ask(Request { under: Under::Root, ..request }).await?.read("a report")
    }

    /// What `/ha/v1` tells.
    async fn told(
        &self,
        [nouns, of, what]: [&str; 3],
        name: &'static str,
    ) -> Result<Told, AskError> {
        let path = ["ha", "v1", nouns, of, what];
        let request = Request::get(&self.service, &path, DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under(name)
    }

    /// Lets a recovery begin that is held. A [`AskError::Conflict`] says why it cannot be.
    pub async fn approve(
        &self,
        id: &NotificationId,
        reason: &str,
    ) -> Result<RequestAnswer, AskError> {
        self.ask_ours(["notifications", id.as_str(), "approve"], Some(reason), "request").await
    }

    /// Ends a recovery before it has begun. A [`AskError::Conflict`] says why it cannot be.
    pub async fn reject(
        &self,
        id: &NotificationId,
        reason: &str,
    ) -> Result<RequestAnswer, AskError> {
        self.ask_ours(["notifications", id.as_str(), "reject"], Some(reason), "request").await
    }

    /// The guard's switch, and the hosts that are lost.
    pub async fn guard(&self) -> Result<Guard, AskError> {
        let request = Request::get(&self.service, &["ha", "v1", "guard"], DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under("guard")
    }

    /// Has nothing begun any more.
    pub async fn disarm(&self, reason: Option<&str>) -> Result<Guard, AskError> {
        self.ask_ours(["guard", "disarm"], reason, "guard").await
    }

    /// Has what is held by that go on.
    pub async fn arm(&self, reason: Option<&str>) -> Result<Guard, AskError> {
        self.ask_ours(["guard", "arm"], reason, "guard").await
    }

    /// A question under `/ha/v1`.
    async fn ask_ours<T: DeserializeOwned, const N: usize>(
        &self,
        what: [&str; N],
        reason: Option<&str>,
        name: &'static str,
    ) -> Result<T, AskError> {
        let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        self.post_ours(what, body, name).await
    }

    async fn post_ours<T: DeserializeOwned, const N: usize>(
        &self,
        what: [&str; N],
        body: Value,
        name: &'static str,
    ) -> Result<T, AskError> {
        let path = [&["ha", "v1"], what.as_slice()].concat();
        let request = Request::change(Method::POST, &self.service, &path, body, DEADLINE);
        let reply = self.session.ask(Request { under: Under::Root, ..request }).await?;
        reply.read_under(name)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        name: &'static str,
        microversion: &str,
    ) -> Result<T, AskError> {
        let request = Request::get(&self.service, path, DEADLINE);
        let request = Request { query, microversion: Some(microversion), ..request };
        self.session.ask(request).await?.read_under(name)
    }

    /// Masakari gives no `next` link, so the end is an empty page.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filter: &[(&str, &str)],
        name: &'static str,
        microversion: &str,
        number_of: impl Fn(&T) -> i64,
    ) -> Result<Vec<T>, AskError> {
        let mut items: Vec<T> = Vec::new();
        for _ in 0..PAGES_MAX {
            let marker = items.last().map(|item| number_of(item).to_string());
            let order = [("sort_key", "id"), ("sort_dir", "asc"), ("limit", PAGE)];
            let mut query = [filter, &order].concat();
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let page: Vec<T> = self.get(path, &query, name, microversion).await?;
            if page.is_empty() {
                break;
            }
            items.extend(page);
        }
        Ok(items)
    }

    async fn create<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
        name: &'static str,
    ) -> Result<T, AskError> {
        let request = Request::change(Method::POST, &self.service, path, body, DEADLINE);
        self.session.ask(request).await?.read_under(name)
    }
}
