//! The newest look at a host that is proven dead, for the acts that its permit has begun.
//!
//! A permit is judged by a look that is a second old at most. But between it and the call that matters lie the commit
//! of the intent and, where a server is locked or reset first, Nova's answers to that: seconds, where either is slow.
//! So each look at the host says here what it came to, and the last thing before each call is to ask here. When the host
//! has shown a sign of life meanwhile the call is not sent. When the newest look is old, one looks again for all who
//! are about to send.
//!
//! It is no permit: what is begun is decided by the recovery's own look, which also writes why it is held.

use crate::{
    Engine,
    error::ActFailed,
    look::{Hides, HostView},
    turn::chain,
};
use futures::lock::Mutex;
use ports::Boot;
use recovery::{HostName, Millis, evidence::Kind, permit::Loss, seen::ComputeService};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// A call is sent on a look at the host that is no older. A permit is younger; where Nova and the database answer in
/// their usual time nobody looks because of this.
const LASTS: Duration = Duration::from_secs(3);

/// What the newest look at one recovery's host came to; shared by its acts.
#[derive(Clone, Debug)]
pub(crate) struct Sight(Rc<Newest>);

#[derive(Debug)]
struct Newest {
    host: HostName,
    /// Which heartbeats may be our own writes, and which evidence is of this loss.
    judged_by: Cell<(Option<Millis>, Loss)>,
    looked_at: Cell<Boot>,
    /// Its service, as that look showed it.
    service: RefCell<Option<ComputeService>>,
    /// By what the host is proven dead, or why it is not.
    judged: RefCell<Result<Kind, String>>,
    /// Whose turn it is to look.
    turn: Mutex<()>,
}

impl Sight {
    pub(crate) fn new(host: HostName, own_write: Option<Millis>, loss: Loss) -> Self {
        Self(Rc::new(Newest {
            host,
            judged_by: Cell::new((own_write, loss)),
            looked_at: Cell::new(Boot(0)),
            service: RefCell::new(None),
            judged: RefCell::new(Err("nobody has looked at it".into())),
            turn: Mutex::new(()),
        }))
    }

    /// What is ours, and of this loss, from now on.
    pub(crate) fn judge_by(&self, own_write: Option<Millis>, loss: Loss) {
        self.0.judged_by.set((own_write, loss));
    }

    /// A look at the host. An older one than is known already says nothing.
    pub(crate) fn looked(&self, engine: &Engine, view: &HostView) {
        if view.answered_at < self.0.looked_at.get() {
            return;
        }
        let (own_write, loss) = self.0.judged_by.get();
        let judged = view.permit(engine, &self.0.host, own_write, loss);
        let judged = judged.map(|permit| permit.kind()).map_err(|missing| missing.to_string());
        self.note(view.answered_at, judged);
        self.0.service.borrow_mut().clone_from(&view.service);
    }

    /// What a write to its service hides.
    pub(crate) fn hidden_by_a_write(&self) -> Hides {
        let (own_write, _) = self.0.judged_by.get();
        Hides { service: self.0.service.borrow().clone(), own_write }
    }

    fn note(&self, at: Boot, judged: Result<Kind, String>) {
        self.0.looked_at.set(at);
        *self.0.judged.borrow_mut() = judged;
    }

    fn is_old(&self, now: Boot) -> bool {
        now.since(self.0.looked_at.get()) > LASTS
    }

    fn says(&self) -> Result<Kind, ActFailed> {
        let host = &self.0.host;
        let alive = |why| ActFailed::Withheld { why: format!("host '{host}': {why}") };
        self.0.judged.borrow().clone().map_err(alive)
    }
}

impl Engine {
    /// By what the host is proven dead still, as its permit said.
    ///
    /// # Errors
    /// When it is not, and when nobody can tell.
    pub(crate) async fn still_dead(&self, sight: &Sight) -> Result<Kind, ActFailed> {
        if sight.is_old(self.ports.clock.boot()) {
            let _turn = sight.0.turn.lock().await;
            // Somebody may have looked while we waited.
            if sight.is_old(self.ports.clock.boot()) {
                let looked = self.look_at_host(&sight.0.host).await;
                let unseen = |failed| ActFailed::Withheld { why: chain(&failed) };
                sight.looked(self, &looked.map_err(unseen)?);
            }
        }
        sight.says()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_look_counts_and_lasts_three_seconds() {
        let loss = Loss { reported: Millis(0), retried: None, returned: None };
        let sight = Sight::new(HostName::new("a"), None, loss);
        assert!(sight.is_old(Boot(60_000)), "nobody has looked");
        assert!(sight.says().is_err());
        sight.note(Boot(60_000), Ok(Kind::PoweredOff));
        assert!(!sight.is_old(Boot(63_000)) && sight.is_old(Boot(63_001)));
        assert_eq!(sight.says().ok(), Some(Kind::PoweredOff));
        sight.note(Boot(61_000), Err("it is heard".into()));
        assert_eq!(
            sight.says().unwrap_err().to_string(),
            "it was not asked for: host 'a': it is heard"
        );
        sight.note(Boot(62_000), Ok(Kind::MonitorSaid));
        assert_eq!(sight.says().ok(), Some(Kind::MonitorSaid));
    }
}
