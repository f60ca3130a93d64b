//! The fencing of a recovery's host: what is known for the judge of it, and the climb that is under way.

use super::{Came, Single, Turns};
use crate::{
    Engine,
    fencing::{Brake, Ended, Ladder, Place},
    look::HostView,
};
use futures::{FutureExt, future::LocalBoxFuture};
use ports::Boot;
use recovery::{
    HostName, Millis, Missing, Permit,
    due::Step,
    fencing::{Dump, FenceEntry, Limits, Next, Unproven},
    log::Entry,
    permit::Loss,
};

const DUMPS: &str = "says that it writes a crash dump (fence_kdump)";

/// What a climb is given, and shares with its recovery.
#[derive(Default, Debug)]
pub(super) struct Desk {
    brake: Brake,
    /// For the climb that is about to begin.
    place: Option<Place>,
    /// A look at the host is under way that began before the last climb had ended.
    outdated_look: bool,
}

impl Desk {
    /// Whether the look that has just come in began before the last climb had ended: it has not the evidence,
    /// and would hold the host for want of it.
    pub(super) fn is_outdated(&mut self) -> bool {
        std::mem::take(&mut self.outdated_look)
    }

    /// A host that is plainly alive is not switched off any more.
    pub(super) fn looked(
        &self,
        engine: &Engine,
        host: &HostName,
        view: &HostView,
        (own_write, loss): (Option<Millis>, Loss),
        dump: Option<Dump>,
    ) {
        let judged = view.permit(engine, host, own_write, loss);
        let alive = judged.err().filter(|missing| {
            let host = Unproven { missing, service: view.service.as_ref(), dump };
            host.is_plainly_alive(engine.now())
        });
        let dumps = || dump.filter(|dump| dump.goes_on(engine.now())).map(|_| DUMPS.to_owned());
        self.brake
            .looked(view.answered_at, alive.map(|missing| missing.to_string()).or_else(dumps));
    }
}

impl<'e> Turns<'e> {
    /// For a host that has a ladder: why there is no permit.
    pub(super) fn unproven<'a>(
        &'a self,
        judged: Option<&'a Result<Permit, Missing>>,
    ) -> Option<Unproven<'a>> {
        let missing = judged?.as_ref().err()?;
        let view = self.view.as_ref()?;
        let has_ladder = matches!(view.ladder, Ladder::Of { .. });
        let (service, dump) = (view.service.as_ref(), self.dump());
        has_ladder.then_some(Unproven { missing, service, dump })
    }

    /// Whether the host is being fenced, or will be in a moment.
    pub(super) fn is_to_be_fenced(&self, missing: &Missing) -> bool {
        let Some(view) = &self.view else { return false };
        let host = Unproven { missing, service: view.service.as_ref(), dump: self.dump() };
        let next = self.state.fencing.next(&self.fence_limits(), &host, self.engine.now());
        matches!(view.ladder, Ladder::Of { .. }) && next != Next::Nothing
    }

    /// What the host has said of a crash dump.
    pub(super) fn dump(&self) -> Option<Dump> {
        self.engine.dump_of(&self.mission.subject.host, self.state.since()?)
    }

    /// The line that says why it is left its power, once.
    pub(super) fn left_to_dump(&self, missing: &Missing) -> Option<Entry> {
        let dump = self.dump().filter(|dump| dump.goes_on(self.engine.now()))?;
        let (host, until) = (&self.mission.subject.host, dump.until.utc());
        let why = format!(
            "host '{host}' {DUMPS}; it is fenced when it has not said so for 30 s, and at {until} at the latest"
        );
        let lack = Some(self.lack(missing));
        let news = self.state.held.as_ref() != Some(&why);
        news.then(|| {
            tracing::warn!("held: {why}");
            Entry::Held { why, sighting: None, lack }
        })
    }

    fn fence_limits(&self) -> Limits {
        self.engine.config().limits.fencing
    }

    /// A climb waits until fewer hosts are fenced than may be side by side.
    pub(super) fn with_a_place(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        if let Some(why) = &self.state.hand.cancelled {
            self.fence.brake.pull(why.clone());
        }
        let climbs = |step: &Step| matches!(step, Step::Fence { .. });
        if steps.iter().any(climbs) {
            self.fence.place = self.engine.place_to_climb();
            if self.fence.place.is_none() {
                steps.retain(|step| !climbs(step));
            }
        }
        steps
    }

    /// The line before the climb.
    pub(super) fn climb_intended(&self, steps: &[Step]) -> Option<Entry> {
        let attempt = steps.iter().find_map(|step| {
            let Step::Fence { attempt } = step else { return None };
            Some(*attempt)
        })?;
        let rungs = match self.view.as_ref().map(|view| &view.ladder) {
            Some(Ladder::Of { rungs, .. }) => rungs.clone(),
            Some(Ladder::None(_) | Ladder::NoFile) | None => Vec::new(),
        };
        Some(Entry::Fence(FenceEntry::Begun { attempt, rungs }))
    }

    pub(super) fn climb(&mut self) -> LocalBoxFuture<'e, Came<'e>> {
        let (engine, lease) = (self.engine, self.lease.clone());
        let host = self.mission.subject.host.clone();
        let (brake, own_write) = (self.fence.brake.clone(), self.own_write);
        let attributes = match self.view.as_ref().map(|view| &view.ladder) {
            Some(Ladder::Of { control_attributes, .. }) => control_attributes.clone(),
            Some(Ladder::None(_) | Ladder::NoFile) | None => String::new(),
        };
        let place = self.fence.place.take();
        async move {
            Came::Fenced(engine.fence(&lease, &host, &attributes, own_write, brake, place).await)
        }
        .boxed_local()
    }

    /// What a climb came to.
    pub(super) fn fenced(&mut self, ended: Ended) -> Vec<Entry> {
        self.singles.remove(&Single::Fence);
        self.fence.outdated_look = self.singles.contains(&Single::Host);
        // What was seen of the host before does not have the evidence.
        if let Some(view) = &mut self.view {
            view.answered_at = Boot(0);
        }
        let (limits, now) = (self.fence_limits(), self.engine.now());
        vec![Entry::Fence(ended.entry(&self.state.fencing, &limits, now))]
    }
}
