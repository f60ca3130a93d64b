//! What an answer means for the log: of a look, of an act, and of none at all.

use super::{Came, LOOK_COST, LOOK_EVERY, OUTAGE_WAIT, Single, Turns, chain};
use crate::{
    error::ActFailed,
    look::{HostList, LookFailed, ServersView},
};
use openstack::Disposition;
use ports::Boot;
use recovery::{
    ServerId, VMoveId,
    due::{self, Look},
    log::{Act, Entry},
    plan,
};
use std::time::Duration;

impl Turns<'_> {
    /// What an answer means for the log.
    pub(super) fn digest(&mut self, came: Came) -> Vec<Entry> {
        match came {
            Came::Host(result) => {
                self.singles.remove(&Single::Host);
                match self.heard(result) {
                    Ok(view) => {
                        self.seen(view);
                        Vec::new()
                    }
                    Err(waiting) => waiting,
                }
            }
            Came::Listed(result) => {
                self.singles.remove(&Single::List);
                match self.heard(result) {
                    Ok(list) => vec![self.plan(&list)],
                    Err(waiting) => waiting,
                }
            }
            Came::Looked(result) => {
                self.singles.remove(&Single::Servers);
                match self.heard(result) {
                    Ok(view) => self.looked(view),
                    Err(waiting) => waiting,
                }
            }
            Came::Switched(done, result) => {
                self.singles.remove(&Single::Switch);
                match result {
                    Ok(()) => vec![done],
                    Err(ActFailed::NoTenure { .. } | ActFailed::Late { .. }) => Vec::new(),
                    Err(ActFailed::Before(e) | ActFailed::Itself(e)) => self.outage(&e),
                }
            }
            Came::Acted { act, server, result } => {
                self.busy.remove(&server);
                self.acted(act, server, result)
            }
        }
    }

    fn acted(&mut self, act: Act, server: ServerId, result: Result<(), ActFailed>) -> Vec<Entry> {
        let servers = vec![server.clone()];
        let (error, sent) = match result {
            Ok(()) => return vec![Entry::Did { act, servers }],
            // The next look tells; nothing more is written under a lease that is over.
            Err(ActFailed::NoTenure { .. }) => return Vec::new(),
            Err(ActFailed::Late { ms }) => {
                tracing::warn!(%server, ms, "not asked for: the calls before it took too long");
                return vec![Entry::Postponed { act, servers, until: self.later() }];
            }
            Err(ActFailed::Before(error)) => (error, false),
            Err(ActFailed::Itself(error)) => {
                let sent = error.may_have_arrived();
                (error, sent)
            }
        };
        let why = chain(&error);
        tracing::warn!(%server, ?act, why, "Nova did not do it");
        let mut entries = Vec::new();
        match (act, error.disposition()) {
            (Act::Evacuate, Disposition::Transient) if !sent => {
                entries.extend(self.waiting(&why));
                entries.push(Entry::Postponed { act, servers, until: self.later() });
            }
            (Act::Evacuate, Disposition::Transient) => {
                entries.extend(self.waiting(&why));
                self.look_after = Boot(0);
            }
            (Act::Evacuate, Disposition::Refused) => {
                entries.push(Entry::Refused { act, server, why });
                self.look_after = Boot(0);
            }
            (Act::Stop | Act::Settle, Disposition::Refused)
                if matches!(error, openstack::AskError::NotFound { .. }) =>
            {
                // Something between us and Nova may have said that: a list tells.
                entries.push(Entry::Refused { act, server, why });
                entries.push(Entry::Postponed { act, servers, until: self.later() });
                self.look_after = Boot(0);
            }
            // Refused because Nova is just stopping it, or for a passing reason: stop_ms bounds it.
            (Act::Stop, Disposition::Refused) => {}
            (Act::Stop | Act::Settle, Disposition::Transient | Disposition::Refused) => {
                entries.extend(self.waiting(&why));
                entries.push(Entry::Postponed { act, servers, until: self.later() });
            }
        }
        entries
    }

    fn plan(&mut self, list: &HostList) -> Entry {
        let engine = self.engine;
        let HostList { servers, evacuations, cursor } = list;
        // Nothing was asked of Nova before this list: what it does not show has yet to change.
        if self.state.plans == 0 {
            self.cursor = Some(*cursor);
        }
        let fresh_id = || VMoveId::new(engine.ports.entropy.uuid().to_string());
        let (moves, skipped) =
            plan::select(servers, evacuations, &engine.config.selection, fresh_id);
        let on_host = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let first = self.state.plans == 0;
        let fresh: Vec<_> =
            moves.into_iter().filter(|m| !self.state.moves.contains_key(&m.server)).collect();
        if !first && fresh.is_empty() {
            return Entry::Confirmed { on_host };
        }
        tracing::info!(host = %self.subject.host, on_host, moves = fresh.len(), "planned");
        Entry::Planned { on_host, moves: fresh, skipped }
    }

    fn looked(&mut self, view: ServersView) -> Vec<Entry> {
        let engine = self.engine;
        let look = Look {
            source: &self.subject.host,
            began: view.began,
            servers: &view.servers,
            evacuations: &view.evacuations,
            whole: view.whole,
            busy: &view.busy,
        };
        let entries = due::judge(&self.state, &engine.config.limits, &look, engine.now());
        let took = engine.now().since(view.began).unsigned_abs();
        let wait = Duration::from_millis(took).saturating_mul(LOOK_COST);
        self.look_after = self.boot().plus(wait.clamp(LOOK_EVERY.0, LOOK_EVERY.1));
        self.cursor = Some(view.cursor);
        entries
    }

    /// An answer, or the line that says that there was none.
    fn heard<T>(&mut self, result: Result<T, LookFailed>) -> Result<T, Vec<Entry>> {
        match result {
            Ok(answer) => {
                self.outages = 0;
                Ok(answer)
            }
            Err(failed) => Err(self.outage(&failed)),
        }
    }

    fn outage(&mut self, failed: &(dyn std::error::Error + 'static)) -> Vec<Entry> {
        self.after_outage = self.boot().plus(self.outage_wait());
        self.outages = self.outages.saturating_add(1);
        let why = chain(failed);
        tracing::warn!(notification = %self.subject.notification, why, "no answer; trying again");
        self.waiting(&why).into_iter().collect()
    }

    /// One line an outage: it is written once until something comes further.
    fn waiting(&self, why: &str) -> Option<Entry> {
        self.state.waiting.is_none().then(|| Entry::Waiting { why: why.to_owned() })
    }

    fn outage_wait(&self) -> Duration {
        let wait = OUTAGE_WAIT.0.saturating_mul(1 << self.outages.min(6));
        self.engine.ports.entropy.jitter(wait.min(OUTAGE_WAIT.1))
    }

    fn later(&mut self) -> recovery::Millis {
        let wait = self.outage_wait();
        self.outages = self.outages.saturating_add(1).min(6);
        self.engine.now().plus(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}
