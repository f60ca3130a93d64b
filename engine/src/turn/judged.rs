//! What is known of the host at this moment, and what that means for the log.

use super::{Turns, VIEW_FRESH};
use crate::{error::Stop, fencing::Ladder, look::HostView};
use recovery::{
    Millis, Missing,
    evidence::Sign,
    log::Entry,
    permit::{Lack, LadderIs},
    state::Once,
};

impl Turns<'_> {
    pub(super) fn seen(&mut self, view: HostView) {
        if self.fence.is_outdated() {
            return;
        }
        if self.view.is_none() && self.state.forced_down == Once::Intended {
            self.own_write = self.own_write.max(self.may_be_forced_at(&view));
        }
        self.sight.judge_by(self.own_write, self.loss);
        self.sight.looked(self.engine, &view);
        let (host, dump) = (&self.mission.subject.host, self.dump());
        self.fence.looked(self.engine, host, &view, (self.own_write, self.loss), dump);
        self.view = Some(view);
    }

    /// After a crash between forcing down and writing that it was done, the service's time of change may be that write
    /// of ours: where Nova shows it forced down, and changed soon after that was meant. A host that lives moves it again
    /// within its report interval.
    fn may_be_forced_at(&self, view: &HostView) -> Option<Millis> {
        let service = view.service.as_ref().filter(|service| service.forced_down)?;
        service.heartbeat_at.filter(|at| self.state.may_have_forced_down_at(*at))
    }

    /// The heartbeat that speaks for the host's life is kept: a later write to its service, of whomever, hides it.
    pub(super) async fn keep_sign(
        &mut self,
        judged: Option<&Result<recovery::Permit, Missing>>,
    ) -> Result<(), Stop> {
        let Some(Err(Missing::SignOfLife { sighting, .. })) = judged else { return Ok(()) };
        if sighting.what == Sign::Heartbeat && self.kept < Some(sighting.at) {
            self.engine.ports.store.keep_sighting(sighting).await?;
            self.kept = Some(sighting.at);
        }
        Ok(())
    }

    pub(super) fn fresh_view(&self) -> Option<&HostView> {
        let now = self.boot();
        self.view.as_ref().filter(|view| now.since(view.answered_at) <= VIEW_FRESH)
    }

    /// The line for the log when the judgement of the host changed.
    pub(super) fn judgement(&self, judged: &Result<recovery::Permit, Missing>) -> Option<Entry> {
        match judged {
            Ok(permit) if self.state.proven < Some(permit.kind()) || self.state.held.is_some() => {
                let evidence = self.view.as_ref().map(|v| v.evidence.clone()).unwrap_or_default();
                Some(Entry::Proven { kind: permit.kind(), at: permit.at(), evidence })
            }
            Ok(_) => None,
            // It is not asked of a person what a device can do.
            Err(missing) if self.is_to_be_fenced(missing) && !self.was_permitted() => {
                self.left_to_dump(missing)
            }
            Err(missing) => {
                let why = self.advice(missing);
                let sighting = match missing {
                    Missing::SignOfLife { sighting, .. } => Some(sighting.clone()),
                    Missing::NoEvidence | Missing::TooWeak { .. } | Missing::NovaStillUp => None,
                };
                (self.state.held.as_ref() != Some(&why)).then(|| {
                    tracing::warn!("held: {why}");
                    Entry::Held { why, sighting, lack: Some(self.lack(missing)) }
                })
            }
        }
    }

    /// It was, and is not held yet.
    fn was_permitted(&self) -> bool {
        self.state.proven.is_some() && self.state.held.is_none()
    }

    /// The same as a type.
    pub(super) fn lack(&self, missing: &Missing) -> Lack {
        let ladder = match self.view.as_ref().map(|view| &view.ladder) {
            Some(Ladder::None(_)) => LadderIs::None,
            Some(Ladder::Of { .. }) => LadderIs::There,
            Some(Ladder::NoFile) | None => LadderIs::NoFile,
        };
        Lack { what: missing.lacks(), ladder }
    }

    /// What is missing, and what the operator can do about it.
    fn advice(&self, missing: &Missing) -> String {
        let host = &self.mission.subject.host;
        let next = match missing {
            Missing::NovaStillUp => "it goes on when Nova says down, or at once after",
            Missing::NoEvidence | Missing::TooWeak { .. } | Missing::SignOfLife { .. } => {
                "nothing is moved; if it is dead for certain:"
            }
        };
        let fenced = match self.view.as_ref().map(|view| &view.ladder) {
            Some(Ladder::None(why)) => Some(format!("it cannot be fenced: {why}")),
            Some(Ladder::Of { .. }) => self.state.fencing.told(),
            Some(Ladder::NoFile) | None => None,
        };
        let fenced = fenced.map(|text| format!("; {text}")).unwrap_or_default();
        format!(
            "host '{host}': {missing}{fenced}; {next} `masakari confirm-dead {host} --reason ...`"
        )
    }
}
