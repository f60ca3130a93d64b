//! Every call that changes a cloud, and why it is harmless when it arrives twice or late.
//!
//! Nova knows no fencing token: a call that a paused engine has already sent may land after another
//! engine took the recovery over. So each act is one of these:
//!
//! | act | twice | late |
//! |---|---|---|
//! | `lock` | stays locked | a VM that was already settled is locked again, by the one call that was in flight when the engine stopped; its reason names the recovery, and `locks` finds and undoes it |
//! | `reset to error` | stays in error | an evacuation that runs meanwhile loses its task state; the same chain sends nothing more because its lease is over, and nobody else resets what Nova is at work on |
//! | `evacuate` | **not harmless**: Nova 34 accepts it for a VM that it is evacuating, and two hosts build it | refused once the VM is on its new host, which is up (400); before that as twice |
//! | `stop` | refused or without effect | the VM is on its new host and was to be stopped anyway |
//! | `stop` of a failed VM | refused or without effect | a VM that was started again stops: so another is asked for only `restart::Limits::linger_ms` after its intent, and it is sent within [`SEND_WITHIN`] |
//! | `start` of a failed VM, or of one that arrived stopped | refused | refused, or the VM of a host that was up when it was sent runs; sent within [`START_WITHIN`] of the look |
//! | `unlock` | stays unlocked | its owner's own lock of the last seconds is undone |
//! | `force down` | stays down | the permit was good when it was sent; the way back unsets it |
//! | `disable` | stays disabled | the host stays out of service until it is brought back |
//! | a drained host's `live migrate`, `migrate` | refused while it moves (409); else the server moves once more, and none runs twice | refused, or the server moves away after all: its host lives |
//! | `confirm` of a migration | refused | it stays where it is |
//! | a host that is back: `force up`, `enable` | stays so | it is back; or it was lost again meanwhile, by other signs than these: Nova finds by itself that it is down, and places nothing on it |
//! | a host that is tested, or away: power on | stays on | sent under the host's own lease. A recovery that has begun since finds it off, and it boots: its heartbeats void the permit |
//! | a reserved host: `add to aggregate`, `enable` | stays so | it was taken, and is made ready again; after it was handed back it serves although it is reserved, until a person disables it |
//! | a reserved host: `disable`, `remove from aggregate` | stays so | nothing was sent to it |
//!
//! Before each call of a chain the lease, the switch, and for what a host's death allows the newest look at that host
//! are asked again (`sight`); nothing here is retried: the log says what was meant, and the next look says what became
//! of it. What is dangerous late is not repeated by the session to Nova either, nor sent after a log-in (`Repeat::AtOnce`):
//! whatever takes time comes before the last question ([`Nova::ready`](openstack::Nova::ready)).
//!
//! Because of `evacuate` a second one is never sent while a first may still land: it is sent within
//! [`SEND_WITHIN`] of its intent or not at all, and whoever does not know what became of an intent asks
//! again only after `recovery::due::Limits::linger_ms`. What is left: a process that stands still, between
//! its last look at the lease and the writing of the request, for longer than that.
//!
//! A server that was evacuated before may run where that failed: Nova calls an evacuation failed also when its
//! destination had started the server and then lost RabbitMQ or the database. So Nova's events are asked before it is
//! evacuated again, and such a one is left to a person.

use crate::{Engine, error::ActFailed, look::Hides, sight::Sight};
use openstack::AskError;
use ports::Boot;
use recovery::{
    Evacuate, ForceDown, NotificationId, ServerId, ServiceId, drain, evidence::Kind, lease::Lease,
    log::Reset, pace::Answered, returns, seen::Task,
};
use std::time::Duration;

/// An evacuation is sent so soon after its intent was written, or not at all.
const SEND_WITHIN: Duration = Duration::from_secs(20);

/// How the reason of each of our locks begins; the notification follows.
pub(crate) const LOCK_REASON: &str = "masakari recovery:";

/// A start is sent so soon after the look that showed its host up, or not at all.
const START_WITHIN: Duration = Duration::from_secs(5);

/// How one server is evacuated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) lock: bool,
    pub(crate) reset: Reset,
    pub(crate) arrives: Arrives,
    /// It was evacuated before.
    pub(crate) again: bool,
}

/// In which state Nova leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrives {
    /// Running if it ran, or was in error.
    AsItWas,
    Stopped,
}

impl Engine {
    fn in_time(&self, intended: Boot, within: Duration) -> Result<(), ActFailed> {
        let waited = self.ports.clock.boot().since(intended);
        if waited > within {
            let ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            return Err(ActFailed::Late { ms });
        }
        Ok(())
    }

    /// Stops a server that failed, after resetting a state in which Nova would refuse it.
    pub(crate) async fn stop_failed(
        &self,
        lease: &Lease,
        server: &ServerId,
        intended: Boot,
        reset: bool,
    ) -> Result<(), ActFailed> {
        if reset {
            self.may_begin(lease)?;
            self.ports.nova.reset_to_active(server).await.map_err(ActFailed::Before)?;
        }
        self.nova_ready().await?;
        self.may_begin(lease)?;
        self.in_time(intended, SEND_WITHIN)?;
        tracing::info!(%server, notification = lease.key.notification(), "stop");
        self.ports.nova.stop(server).await.map_err(ActFailed::Itself)
    }

    /// Starts a server where it is: one that failed, or one that arrived stopped. `sight`: of the old host that has to be
    /// dead for that.
    pub(crate) async fn start_here(
        &self,
        lease: &Lease,
        server: &ServerId,
        sight: Option<&Sight>,
        looked_at: Boot,
    ) -> Result<(), ActFailed> {
        self.nova_ready().await?;
        match sight {
            Some(sight) => self.may_go_on(lease, sight).await?,
            None => self.may_begin(lease)?,
        }
        self.in_time(looked_at, START_WITHIN)?;
        tracing::info!(%server, notification = lease.key.notification(), "start");
        self.ports.nova.start(server).await.map_err(ActFailed::Itself)
    }

    /// What takes time before something can be done at once.
    async fn nova_ready(&self) -> Result<(), ActFailed> {
        self.ports.nova.ready().await.map_err(ActFailed::Before)
    }

    pub(crate) fn allowed(&self, lease: &Lease) -> Result<(), ActFailed> {
        if self.tenures.allows(lease, self.ports.clock.boot()) {
            Ok(())
        } else {
            Err(ActFailed::NoTenure { key: lease.key.clone() })
        }
    }

    /// Whether something new may be done: we hold the lease, and nobody has disarmed.
    pub(crate) fn may_begin(&self, lease: &Lease) -> Result<(), ActFailed> {
        self.allowed(lease)?;
        self.disarmed().map_or(Ok(()), |why| Err(ActFailed::Withheld { why }))
    }

    /// Locks the server (unless its owner has), resets its state where Nova would refuse it, and
    /// asks Nova to rebuild it elsewhere.
    pub(crate) async fn evacuate(
        &self,
        lease: &Lease,
        order: &Evacuate,
        sight: &Sight,
        intended: Boot,
        manner: Manner,
    ) -> Result<(), ActFailed> {
        let server = order.server();
        if manner.again
            && let Some(there) = self.ports.nova.may_run(server).await.map_err(ActFailed::Before)?
        {
            return Err(ActFailed::MayRun { host: there.host, why: there.why });
        }
        if manner.lock {
            self.may_go_on(lease, sight).await?;
            // The key of a recovery's own lease is `recovery:` and the notification.
            let reason = format!("masakari {}", lease.key);
            self.ports.nova.lock(server, &reason).await.map_err(ActFailed::Before)?;
        }
        match manner.reset {
            Reset::ToError => {
                self.may_go_on(lease, sight).await?;
                self.ports.nova.reset_to_error(server).await.map_err(ActFailed::Before)?;
            }
            Reset::ToActive => {
                self.may_go_on(lease, sight).await?;
                self.ports.nova.reset_to_active(server).await.map_err(ActFailed::Before)?;
            }
            Reset::NotNeeded => {}
        }
        self.nova_ready().await?;
        self.may_go_on(lease, sight).await?;
        self.in_time(intended, SEND_WITHIN)?;
        let (from, notification) = (order.from(), lease.key.notification());
        tracing::info!(%server, %from, notification, "evacuate");
        let asked = match manner.arrives {
            Arrives::AsItWas => self.ports.nova.evacuate(order).await,
            Arrives::Stopped => self.ports.nova.evacuate_stopped(order).await,
        };
        asked.map_err(ActFailed::Itself)
    }

    /// The same of what the host's death allows: it is looked whether it still holds. The lease last.
    pub(crate) async fn may_go_on(&self, lease: &Lease, sight: &Sight) -> Result<(), ActFailed> {
        self.still_dead(sight).await?;
        self.may_begin(lease)
    }

    /// Stops the server on its new host.
    pub(crate) async fn stop(&self, lease: &Lease, server: &ServerId) -> Result<(), ActFailed> {
        self.nova_ready().await?;
        self.allowed(lease)?;
        self.ports.nova.stop(server).await.map_err(ActFailed::Itself)
    }

    /// Leaves the server as it was: in error if it was, unlocked if it was.
    pub(crate) async fn settle(
        &self,
        lease: &Lease,
        server: &ServerId,
        to_error: bool,
        unlock: bool,
    ) -> Result<(), ActFailed> {
        if to_error && self.is_at_rest(server).await? {
            self.allowed(lease)?;
            self.ports.nova.reset_to_error(server).await.map_err(ActFailed::Before)?;
        }
        if unlock {
            self.allowed(lease)?;
            self.ports.nova.unlock(server).await.map_err(ActFailed::Itself)?;
        }
        Ok(())
    }

    /// Where it has arrived a host may have died since: then it may be on its way from there, and to reset it would have
    /// that fail when it runs already.
    async fn is_at_rest(&self, server: &ServerId) -> Result<bool, ActFailed> {
        let Some(shown) = self.ports.nova.server(server).await.map_err(ActFailed::Before)? else {
            // Resetting it says so.
            return Ok(true);
        };
        let Some(host) = shown.host.filter(|_| shown.task == Task::None) else { return Ok(false) };
        // Not known is no leave: what is not reset is shown as it runs, and that is all.
        let recovery = self.ports.store.open_host_recovery(&host).await;
        Ok(recovery.is_ok_and(|open| open.is_none()))
    }

    /// Tells Nova that the host is down whatever its heartbeat says.
    pub(crate) async fn force_down(
        &self,
        lease: &Lease,
        order: &ForceDown,
        sight: &Sight,
    ) -> Result<(), ActFailed> {
        self.nova_ready().await?;
        if self.still_dead(sight).await? == Kind::MonitorSaid {
            // What was stronger is void meanwhile.
            return Err(ActFailed::Withheld {
                why: "only a monitor's word is left of its proof".into(),
            });
        }
        self.keep_what_is_hidden(&sight.hidden_by_a_write()).await?;
        self.may_begin(lease)?;
        let why = "it is proven dead, and Nova does not call it down";
        tracing::warn!(host = %order.host(), why, "force down");
        self.ports.nova.force_down(order).await.map_err(ActFailed::Itself)
    }

    /// Takes the host out of service, so that nothing new is placed on it when it returns. `hides`: as it was seen.
    pub(crate) async fn disable(
        &self,
        lease: &Lease,
        service: &ServiceId,
        hides: &Hides,
        reason: &str,
    ) -> Result<(), ActFailed> {
        self.keep_what_is_hidden(hides).await?;
        self.may_begin(lease)?;
        tracing::info!(%service, reason, "disable the compute service");
        self.ports.nova.disable_service(service, reason).await.map_err(ActFailed::Itself)
    }

    /// Takes back, in Nova, one thing that a recovery of the host did. `leases`: of its log, and the host's own.
    pub(crate) async fn undo(
        &self,
        leases: &[Lease],
        act: returns::Act,
        service: &ServiceId,
        reason: &str,
    ) -> Result<(), ActFailed> {
        leases.iter().try_for_each(|lease| self.allowed(lease))?;
        let nova = &self.ports.nova;
        let done = match act {
            returns::Act::ForceUp => nova.unforce_down(service).await,
            returns::Act::Enable => nova.enable_service(service).await,
            returns::Act::Reserve => nova.disable_service(service, reason).await,
        };
        done.map_err(ActFailed::Itself)
    }

    /// Has Nova move a server away from a host that lives.
    pub(crate) async fn send_away(
        &self,
        lease: &Lease,
        server: &ServerId,
        way: drain::Way,
    ) -> Result<(), ActFailed> {
        self.nova_ready().await?;
        self.may_begin(lease)?;
        tracing::info!(%server, ?way, drain = lease.key.notification(), "migrate");
        let nova = &self.ports.nova;
        let asked = match way {
            drain::Way::Live => nova.live_migrate(server).await,
            drain::Way::Cold => nova.migrate(server).await,
        };
        asked.map_err(ActFailed::Itself)
    }

    pub(crate) async fn confirm_move(
        &self,
        lease: &Lease,
        server: &ServerId,
    ) -> Result<(), ActFailed> {
        self.allowed(lease)?;
        self.ports.nova.confirm_move(server).await.map_err(ActFailed::Itself)
    }

    /// Runs one act on a server and teaches the pace by how long Nova took.
    pub(crate) async fn paced(
        &self,
        act: impl Future<Output = Result<(), ActFailed>>,
    ) -> Result<(), ActFailed> {
        self.acting.set(self.acting.get() + 1);
        let _one_less = scopeguard(|| self.acting.set(self.acting.get() - 1));
        let began = self.ports.clock.boot();
        let result = act.await;
        let ms = self.ports.clock.boot().since(began).as_millis();
        let answered = match &result {
            // It was about our token, not about Nova's work.
            Err(ActFailed::Itself(AskError::NotAtOnce { .. })) => return result,
            Err(ActFailed::Before(e) | ActFailed::Itself(e)) if is_overload(e) => {
                Answered::Overloaded
            }
            Ok(()) | Err(ActFailed::Before(_) | ActFailed::Itself(_) | ActFailed::Late { .. }) => {
                Answered::After { ms: u64::try_from(ms).unwrap_or(u64::MAX) }
            }
            Err(
                ActFailed::NoTenure { .. } | ActFailed::Withheld { .. } | ActFailed::MayRun { .. },
            ) => return result,
        };
        // Our own is still counted.
        self.pace.borrow_mut().learn(answered, self.acting.get().saturating_sub(1));
        result
    }

    /// How many of the `wanted` servers a recovery may ask Nova to move now.
    pub(crate) fn share(&self, recovery: &NotificationId, wanted: usize) -> usize {
        let limit = self.queue.borrow().limit(self.pace.borrow().limit(), self.now());
        let room = limit.saturating_sub(self.acting.get());
        let mut fair = self.fair.borrow_mut();
        let calls = fair.allowed(recovery, limit, room).min(wanted);
        fair.gets(recovery, calls, wanted > calls);
        calls
    }
}

/// Whether Nova, or the way to it, had too much to do.
fn is_overload(error: &AskError) -> bool {
    match error.disposition() {
        openstack::Disposition::Transient => true,
        openstack::Disposition::Refused => false,
    }
}

struct Guard<F: FnMut()>(F);

impl<F: FnMut()> Drop for Guard<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Counts back even when the act is dropped half-way.
fn scopeguard<F: FnMut()>(f: F) -> Guard<F> {
    Guard(f)
}
