//! What became of each request to evacuate a server, by Nova's instance actions.
//!
//! Nova's conductor notes what it does for an evacuation as the event `rebuild_server`; the host that it then tells (it *casts* to it, last
//! of all) notes `compute_rebuild_instance` under the same action. So an action whose only event ended in error at the
//! conductor never reached a host, if the error is one that comes before that cast. Two are known to: no host was found, and the
//! call to the scheduler, the only one that the conductor waits for, was not answered (`MessagingTimeout`). A cast is not
//! waited for; when it fails (`MessageDeliveryFailure`) it may have arrived all the same.

use super::{Microversion, Nova};
use crate::{AskError, moment};
use recovery::{
    HostName, Millis, ServerId,
    requests::{Fate, Requested},
};
use serde::Deserialize;

/// More requests for one server than this are not looked into: the oldest of them count as open.
const REQUESTS_MOST: usize = 8;
/// How the events of hosts begin.
pub(super) const AT_HOST: &str = "compute_";
/// What the conductor notes when nobody answered its call.
const NO_ANSWER: &str = "MessagingTimeout";
/// The call to the scheduler, as a traceback names it.
const SCHEDULER_CALL: &str = "select_destinations";
/// What the conductor notes when the scheduler found nothing; its record says `error` then.
const NO_VALID_HOST: &str = "No valid host was found";

#[derive(Deserialize)]
pub(super) struct Action {
    action: String,
    request_id: String,
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) event: String,
    pub(super) result: Option<String>,
    finish_time: Option<String>,
    /// From 2.84 on.
    pub(super) details: Option<String>,
    pub(super) host: Option<String>,
    /// Where the policy shows it.
    traceback: Option<String>,
}

impl Event {
    fn is_at_host(&self) -> bool {
        self.event.starts_with(AT_HOST)
    }

    fn finished(&self) -> Option<Millis> {
        let at = self.finish_time.as_deref().and_then(moment::read)?;
        self.result.as_ref().map(|_| at)
    }

    fn failed_with(&self, what: &str) -> bool {
        self.result.as_deref() == Some("Error")
            && self.details.as_deref().is_some_and(|details| details.trim().starts_with(what))
    }

    /// Whether a host had built the server when somebody else had taken its task away: it could not write that down, and
    /// leaves the server running. Before that it expects other tasks.
    fn is_built_in_vain(&self) -> bool {
        let details = self.details.as_deref().unwrap_or_default();
        let expected = details.split("Actual:").next().unwrap_or_default();
        self.failed_with("Conflict updating instance") && expected.contains("rebuild_spawning")
    }

    /// Whether the scheduler did not answer.
    fn is_unanswered(&self) -> bool {
        let elsewhere = |trace: &str| !trace.is_empty() && !trace.contains(SCHEDULER_CALL);
        self.failed_with(NO_ANSWER) && !self.traceback.as_deref().is_some_and(elsewhere)
    }
}

/// How errors begin after which it is not known how far a host had come: nobody answered it, or it could not
/// write down what it had done. They come by the names of their classes.
const OUT_OF_TOUCH: [&str; 6] = [
    NO_ANSWER,
    "MessageDeliveryFailure",
    "MessageUndeliverable",
    "RemoteError",
    // All that oslo.db has.
    "DB",
    "OperationalError",
];

/// A host that may run a server of which Nova says that its evacuation failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MayRun {
    pub host: HostName,
    /// What Nova noted.
    pub why: String,
}

/// What a request tells of the host that worked on it.
enum AtHost {
    Brought,
    MayRun(MayRun),
    Nothing,
}

fn at_host(events: Vec<Event>) -> AtHost {
    let mut told = AtHost::Nothing;
    for event in events.into_iter().filter(Event::is_at_host) {
        if event.result.as_deref() == Some("Success") {
            return AtHost::Brought;
        }
        let is_out_of_touch = OUT_OF_TOUCH.iter().any(|error| event.failed_with(error));
        if is_out_of_touch || event.is_built_in_vain() {
            let why = event.details.unwrap_or_default().trim().to_owned();
            let host = HostName::new(event.host.unwrap_or_else(|| "a host".into()));
            told = AtHost::MayRun(MayRun { host, why });
        }
    }
    told
}

/// What became of a request with these events; times by Nova's clock.
fn fate(events: &[Event]) -> Fate {
    let mut last = None;
    for event in events {
        let Some(at) = event.finished() else { return Fate::Open };
        last = last.max(Some(at));
    }
    let Some(last) = last else { return Fate::Open };
    if events.iter().any(Event::is_at_host) || events.iter().all(|e| e.failed_with(NO_VALID_HOST)) {
        return Fate::Over;
    }
    if events.iter().all(Event::is_unanswered) { Fate::GivenUp { at: last } } else { Fate::Open }
}

impl Nova {
    /// What became of each request to evacuate the server that Nova took at `since` or later, by our clock; the
    /// newest first. Every time is by our clock.
    pub async fn evacuation_requests(
        &self,
        id: &ServerId,
        since: Millis,
    ) -> Result<Vec<Requested>, AskError> {
        let mut requests = Vec::new();
        for action in self.evacuate_actions(id).await? {
            let at = action.start_time.as_deref().and_then(moment::read);
            let at = at.map(|at| self.by_our_clock(at));
            if at.is_some_and(|at| at < since) {
                continue;
            }
            let fate = if requests.len() < REQUESTS_MOST && at.is_some() {
                match fate(&self.events(id, &action).await?) {
                    Fate::GivenUp { at } => Fate::GivenUp { at: self.by_our_clock(at) },
                    known @ (Fate::Open | Fate::Over) => known,
                }
            } else {
                Fate::Open
            };
            requests.push(Requested { at: at.unwrap_or(since), fate });
        }
        Ok(requests)
    }

    /// The host that may run the server although its evacuation to it failed, as far as the newest requests tell: it may have
    /// lost touch with Nova when it had started it already. An evacuation that went well since settles that.
    pub async fn may_run(&self, id: &ServerId) -> Result<Option<MayRun>, AskError> {
        for action in self.evacuate_actions(id).await?.iter().take(REQUESTS_MOST) {
            match at_host(self.events(id, action).await?) {
                AtHost::Brought => return Ok(None),
                AtHost::MayRun(there) => return Ok(Some(there)),
                AtHost::Nothing => {}
            }
        }
        Ok(None)
    }

    /// The evacuations of this server that Nova took, the newest first.
    pub(super) async fn evacuate_actions(&self, id: &ServerId) -> Result<Vec<Action>, AskError> {
        self.actions(id, |name| name == "evacuate").await
    }

    /// Those of these names, the newest first.
    pub(super) async fn actions(
        &self,
        id: &ServerId,
        named: impl Fn(&str) -> bool,
    ) -> Result<Vec<Action>, AskError> {
        let path = ["servers", id.as_str(), "os-instance-actions"];
        let reply = self.get_at(&path, &[], Microversion::ACTION_DETAILS).await?;
        let actions: Vec<Action> = reply.read_under("instanceActions")?;
        Ok(actions.into_iter().filter(|action| named(&action.action)).collect())
    }

    pub(super) async fn events(
        &self,
        id: &ServerId,
        action: &Action,
    ) -> Result<Vec<Event>, AskError> {
        let path = ["servers", id.as_str(), "os-instance-actions", &action.request_id];
        let reply = self.get_at(&path, &[], Microversion::ACTION_DETAILS).await?;
        let detail: Detail = reply.read_under("instanceAction")?;
        Ok(detail.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const END: &str = "2026-11-22T03:12:05.000000";

    fn event(name: &str, result: &Value, details: &Value, traceback: &Value) -> Value {
        let finish_time = if result.is_null() { Value::Null } else { END.into() };
        json!({ "event": name, "start_time": "2026-11-22T03:11:05.000000", "finish_time": finish_time,
                "result": result, "details": details, "traceback": traceback, "host": "h" })
    }

    fn failed(name: &str, details: &str) -> Value {
        event(name, &"Error".into(), &details.into(), &Value::Null)
    }

    fn went_well(name: &str) -> Value {
        event(name, &"Success".into(), &Value::Null, &Value::Null)
    }

    fn begun(name: &str) -> Value {
        event(name, &Value::Null, &Value::Null, &Value::Null)
    }

    fn fate_of(events: &[Value]) -> Fate {
        fate(&serde_json::from_value::<Vec<Event>>(events.into()).unwrap())
    }

    #[test]
    fn what_became_of_a_request_is_told_by_its_events() {
        let (conductor, host) = ("rebuild_server", "compute_rebuild_instance");
        let given_up = Fate::GivenUp { at: moment::read(END).unwrap() };
        let table: [(&[Value], Fate); 14] = [
            (&[], Fate::Open),
            (&[begun(conductor)], Fate::Open),
            // The host was told, and has not begun, or not ended.
            (&[went_well(conductor)], Fate::Open),
            (&[begun(host), went_well(conductor)], Fate::Open),
            (&[went_well(host), begun(conductor)], Fate::Open),
            (&[went_well(host), went_well(conductor)], Fate::Over),
            (&[failed(host, "Build of instance x aborted"), went_well(conductor)], Fate::Over),
            (&[failed(conductor, "No valid host was found. There are not enough")], Fate::Over),
            (&[failed(conductor, "MessagingTimeout")], given_up),
            (
                &[failed(conductor, "MessagingTimeout"), failed(conductor, "MessagingTimeout")],
                given_up,
            ),
            // Taken up once more.
            (&[begun(conductor), failed(conductor, "MessagingTimeout")], Fate::Open),
            (&[begun(host), failed(conductor, "MessagingTimeout")], Fate::Open),
            // The cast itself may have failed, and have arrived.
            (&[failed(conductor, "MessageDeliveryFailure")], Fate::Open),
            (&[failed(conductor, "DBConnectionError")], Fate::Open),
        ];
        for (events, fate) in table {
            assert_eq!(fate_of(events), fate, "{events:?}");
        }
    }

    #[test]
    fn a_traceback_that_is_shown_must_name_the_call_to_the_scheduler() {
        let with = |traceback: &str| {
            fate_of(&[event(
                "rebuild_server",
                &"Error".into(),
                &"MessagingTimeout".into(),
                &traceback.into(),
            )])
        };
        assert!(matches!(with(""), Fate::GivenUp { .. }));
        assert!(matches!(with("in select_destinations\n    call"), Fate::GivenUp { .. }));
        assert_eq!(with("in rebuild_instance\n    self.compute_rpcapi.prep"), Fate::Open);
    }

    #[test]
    fn a_host_that_lost_touch_may_run_what_it_built() {
        let told = |events: &[Value]| match at_host(serde_json::from_value(events.into()).unwrap())
        {
            AtHost::Brought => "brought".to_owned(),
            AtHost::MayRun(there) => format!("may run on {}: {}", there.host, there.why),
            AtHost::Nothing => "nothing".to_owned(),
        };
        let host = "compute_rebuild_instance";
        assert_eq!(told(&[failed(host, " MessagingTimeout\n")]), "may run on h: MessagingTimeout");
        assert_eq!(told(&[failed(host, "DBConnectionError")]), "may run on h: DBConnectionError");
        assert_eq!(told(&[failed(host, "Instance x already exists.")]), "nothing");
        assert_eq!(told(&[failed(host, "Build of instance x aborted")]), "nothing");
        let conflict = |expected: &str, actual: &str| {
            let task = |word: &str| format!("{{'task_state': {word}}}");
            let (expected, actual) = (task(&format!("['{expected}']")), task(actual));
            format!("Conflict updating instance x. Expected: {expected}. Actual: {actual}")
        };
        let built = conflict("rebuild_spawning", "None");
        assert_eq!(told(&[failed(host, &built)]), format!("may run on h: {built}"));
        let not_begun = conflict("rebuilding", "'rebuild_spawning'");
        assert_eq!(told(&[failed(host, &not_begun)]), "nothing");
        assert_eq!(told(&[failed("rebuild_server", "MessagingTimeout")]), "nothing");
        assert_eq!(told(&[went_well(host), went_well("rebuild_server")]), "brought");
        assert_eq!(told(&[begun(host)]), "nothing");
    }

    #[test]
    fn an_error_without_details_proves_nothing() {
        let event = event("rebuild_server", &"Error".into(), &Value::Null, &Value::Null);
        assert_eq!(fate_of(&[event]), Fate::Open);
    }
}
