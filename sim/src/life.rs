//! What happens by itself. Every event has its moment and happens in that order, whoever looks first:
//! a look at the world first lets everything happen that is due ([`State::live`]), so the order in
//! which tasks are polled changes nothing.

use crate::fault::{Fault, Kind, Rule, Service};
use crate::http::Question;
use crate::nova::{PowerAction, Request};
use crate::state::State;
use ports::Ask;
use recovery::{HostName, Millis, ServerId};

#[derive(Debug)]
pub(crate) enum Event {
    /// A request reaches its server.
    Arrive {
        number: u64,
        ask: Box<Ask>,
    },
    /// The conductor takes an accepted evacuation up, and asks the scheduler.
    TakeUp(Request),
    Schedule(Request),
    /// The scheduler has not answered the conductor.
    GiveUp(Request),
    /// The destination goes on with an evacuation.
    Build(u64),
    /// nova-compute has done what a user asked.
    Power {
        server: ServerId,
        action: PowerAction,
    },
    SyncPower(HostName),
    /// A host that has power again finds Nova's bus.
    Boot(HostName),
    Destroy(HostName),
    /// A server's live migration has come to where it runs on its new host.
    LiveMigrated {
        request: Request,
        dest: HostName,
    },
    /// Its old host tells Nova so.
    HandedOver {
        request: Request,
        dest: HostName,
    },
}

/// What will become of a request.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) number: u64,
    pub(crate) there_ms: u64,
    pub(crate) back_ms: u64,
    pub(crate) fault: Option<Fault>,
}

impl State {
    /// Lets everything happen that is due at `until`.
    pub(crate) fn live(&mut self, until: Millis) {
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    /// The moment of the next event.
    pub(crate) fn next_event(&self) -> Option<Millis> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn after(&mut self, wait_ms: u64, event: Event) {
        let at = self.now.plus(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        let number = self.number();
        self.events.insert((at, number), event);
    }

    fn happen(&mut self, event: Event) {
        // What one service of Nova tells another waits in the bus, in its order.
        let by_bus = matches!(event, Event::TakeUp(_) | Event::Build(_) | Event::Power { .. });
        let back_in_ms = self.bus_is_back_in_ms();
        if by_bus && back_in_ms > 0 {
            return self.after(back_in_ms, event);
        }
        match event {
            Event::Arrive { number, ask } => {
                let reply = self.reply(&ask);
                let hold_ms = reply.hold_ms;
                let answer = reply.answer(self.now);
                // Whoever gave up meanwhile has taken the slot away; what was asked is done.
                if let Some(slot) = self.inbox.get_mut(&number) {
                    *slot = Some((answer, hold_ms));
                }
            }
            Event::TakeUp(request) => self.take_up_late(request),
            Event::Schedule(request) if back_in_ms > 0 => self.call_in_vain(request, back_in_ms),
            Event::Schedule(request) => self.schedule(request),
            Event::GiveUp(request) => self.conductor_gives_up(request),
            Event::Build(job) => self.build(job),
            Event::Power { server, action } => self.finish_power(&server, action),
            Event::SyncPower(host) => self.sync_power(&host),
            Event::Boot(host) => self.revive(&host),
            Event::Destroy(host) => {
                self.complete_evacuations_from(&host);
            }
            Event::LiveMigrated { request, dest } => self.live_migrated(request, dest),
            Event::HandedOver { request, dest } => self.handed_over(&request, &dest),
        }
    }

    /// Sends a request on its way; the seed decides what becomes of it.
    pub(crate) fn depart(&mut self, ask: Ask) -> Journey {
        let fault = self.draw_fault(&ask);
        if let Some(fault) = &fault {
            *self.records.hits.entry(fault.name()).or_default() += 1;
        }
        let latency = self.shape.pace.latency_ms.clone();
        let (mut there_ms, mut back_ms) = (self.between(&latency), self.between(&latency));
        let number = self.number();
        let arrives = match &fault {
            None | Some(Fault::Rubbish | Fault::HalfBody) => true,
            Some(Fault::Slow { ms }) => {
                let slow = if self.happens(500) { &mut there_ms } else { &mut back_ms };
                *slow += ms;
                true
            }
            Some(Fault::Away | Fault::Status(_) | Fault::TooMany { .. } | Fault::Lost) => false,
        };
        if arrives {
            self.inbox.insert(number, None);
            self.after(there_ms, Event::Arrive { number, ask: Box::new(ask) });
        }
        Journey { number, there_ms, back_ms, fault }
    }

    /// How long Nova's message bus stays stopped; 0 if it runs.
    pub(crate) fn bus_is_back_in_ms(&self) -> u64 {
        let stopped = self.plan.bus_stopped.as_ref().filter(|stopped| stopped.contains(&self.now));
        stopped.map_or(0, |stopped| stopped.end.since(self.now).unsigned_abs())
    }

    fn draw_fault(&self, ask: &Ask) -> Option<Fault> {
        let question = Question::new(ask);
        let service = match question.path.first().map(String::as_str) {
            Some("identity") => Service::Identity,
            Some(_) | None => Service::Compute,
        };
        let kind = match question.path.last().map(String::as_str) {
            _ if question.method.is_safe() => Kind::Reads,
            Some("action") => Kind::Actions,
            Some(_) | None => Kind::Writes,
        };
        let hits =
            |rule: &&Rule| rule.is_about(service, kind, self.now) && self.happens(rule.permille);
        self.plan.rules.iter().find(hits).map(|rule| rule.fault.clone())
    }
}
