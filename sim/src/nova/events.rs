//! What Nova notes of each request to evacuate: the events of its instance action.
//!
//! As in Nova, a second row of the same name is begun when a message is taken up a second time, and what is finished then is the first row of
//! that name.

use super::Call;
use super::instance::Action;
use crate::http::naive;
use crate::life::Event as Life;
use crate::state::State;
use recovery::{HostName, Millis, ServerId};
use serde_json::{Value, json};

/// The conductor's.
pub(super) const AT_CONDUCTOR: &str = "rebuild_server";
/// The destination's.
pub(super) const AT_HOST: &str = "compute_rebuild_instance";

/// Of 1000 calls to the scheduler that the bus does not carry, how many are never answered.
const UNANSWERED_PERMILLE: u64 = 750;
/// Of 1000 requests that were given up, how many the bus gives out a second time when it is back: it has not
/// kept that the conductor had taken them.
const AGAIN_PERMILLE: u64 = 100;

/// One request on its way through Nova.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) server: ServerId,
    pub(crate) target: Option<HostName>,
    /// Whether the server is stopped again at the end.
    pub(crate) end_stopped: bool,
    /// That of its action.
    pub(crate) id: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    name: &'static str,
    host: HostName,
    start: Millis,
    /// When it ended, and why it failed.
    end: Option<(Millis, Option<String>)>,
}

impl State {
    fn action_of(&mut self, request: &Request) -> Option<&mut Action> {
        let server = self.servers.get_mut(&request.server)?;
        server.actions.iter_mut().find(|action| action.request_id == request.id)
    }

    pub(super) fn begins(&mut self, request: &Request, name: &'static str, host: &HostName) {
        let (start, host) = (self.now, host.clone());
        if let Some(action) = self.action_of(request) {
            action.events.push(Event { name, host, start, end: None });
        }
    }

    pub(super) fn ends(&mut self, request: &Request, name: &str, failed: Option<&str>) {
        let now = self.now;
        let Some(action) = self.action_of(request) else { return };
        if let Some(event) = action.events.iter_mut().find(|event| event.name == name) {
            event.end = Some((now, failed.map(Into::into)));
        }
    }

    /// The conductor takes a request up.
    pub(crate) fn take_up(&mut self, request: Request) {
        self.begins(&request, AT_CONDUCTOR, &HostName::new("controller"));
        let wait_ms = self.between(&self.shape.pace.schedule_ms);
        self.after(wait_ms, Life::Schedule(request));
    }

    /// What waited in the bus is first in the queue when that is back.
    pub(crate) fn take_up_late(&mut self, request: Request) {
        self.begins(&request, AT_CONDUCTOR, &HostName::new("controller"));
        self.schedule(request);
    }

    /// The conductor's call to the scheduler does not get through: it comes late, or nobody ever answers it.
    pub(crate) fn call_in_vain(&mut self, request: Request, back_in_ms: u64) {
        if self.happens(UNANSWERED_PERMILLE) {
            self.after(self.shape.rpc_response_timeout_ms, Life::GiveUp(request));
        } else {
            self.after(back_in_ms, Life::Schedule(request));
        }
    }

    /// Nobody answered: Nova notes that and no more. The record stays `accepted` and the task `rebuilding`.
    pub(crate) fn conductor_gives_up(&mut self, request: Request) {
        self.ends(&request, AT_CONDUCTOR, Some("MessagingTimeout"));
        self.tell(format!("{} is given up by the conductor", request.server));
        if self.happens(AGAIN_PERMILLE) {
            self.after(self.bus_is_back_in_ms(), Life::TakeUp(request));
        }
    }
}

/// The newest first, as Nova lists them.
pub(super) fn events_json(call: &Call<'_>, action: &Action) -> Vec<Value> {
    let shown = |event: &Event| {
        let (end, failed) = match &event.end {
            Some((at, failed)) => (Some(naive(*at)), Some(failed.as_deref())),
            None => (None, None),
        };
        let result = failed.map(|failed| if failed.is_some() { "Error" } else { "Success" });
        let mut shown = json!({
            "event": event.name, "start_time": naive(event.start), "finish_time": end, "result": result,
            "traceback": null,
        });
        if call.version.0 >= 62 {
            shown["host"] = json!(event.host.as_str());
        }
        if call.version.0 >= 84 {
            shown["details"] = json!(failed.flatten());
        }
        shown
    };
    action.events.iter().rev().map(shown).collect()
}
