//! The loop of a recovery that is only judged: the same looks and the same judgement, and then the end. No step is
//! started here, and no permit goes further than the line that tells of it.

use super::{OUTAGE_WAIT, Opened, Turns, chain};
use crate::{Engine, claim::Claimed, error::Stop, look::LookFailed, subject::Task};
use futures::future::{Either, select};
use recovery::{
    idle,
    log::Entry,
    nouns::NotificationStatus,
    shadow::{self, ShadowEntry},
    state::State,
};
use std::{pin::pin, time::Duration};

/// How often it is looked whether there is a verdict.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Engine {
    /// Judges what was just taken, to its verdict or until the lease is lost.
    pub(crate) async fn judge_claimed(&self, claimed: Claimed, stopping: impl Future<Output = ()>) {
        let result = self.judge(&claimed, stopping).await;
        self.leave(claimed, result).await;
    }

    async fn judge(
        &self,
        claimed: &Claimed,
        stopping: impl Future<Output = ()>,
    ) -> Result<(), Stop> {
        let id = &claimed.notification;
        let Opened { lease, lines, claim, task } = self.open(claimed).await?;
        let mission = match task {
            Task::RecoverHost(mission) => mission,
            Task::Restart { .. } | Task::Process { .. } => {
                let end = (NotificationStatus::Ignored, Some(shadow::SMALL.to_owned()));
                return self.close(lease, id, &lines, claim, end).await;
            }
            Task::Nothing { status, message } => {
                return self.close(lease, id, &lines, claim, (status, message)).await;
            }
        };
        let mut turns = Turns::new(self, lease.clone(), mission, State::fold(&lines)?);
        turns.record(vec![claim]).await?;
        // Nothing is under way that would have to come to its end.
        match select(pin!(turns.judge()), pin!(stopping)).await {
            Either::Left((judged, _)) => judged,
            Either::Right(((), _)) => Err(Stop::Shutdown),
        }
    }
}

impl Turns<'_> {
    async fn judge(&mut self) -> Result<(), Stop> {
        while self.state.ended.is_none() {
            if self.engine.tenures.is_over(&self.lease, self.boot()) {
                return Err(Stop::LeaseLost { key: self.lease.key.clone() });
            }
            if let Err(failed) = self.look_and_judge().await? {
                let why = chain(&failed);
                if self.state.waiting.as_ref() != Some(&why) {
                    self.record(vec![Entry::Waiting { why }]).await?;
                }
                self.engine.ports.clock.sleep(OUTAGE_WAIT.0).await;
            }
            let host = &self.mission.subject.host;
            match shadow::end(&self.state, host, self.engine.now()) {
                Some(end) if self.state.ended.is_none() => self.record(vec![end]).await?,
                Some(_) => {}
                None => self.engine.ports.clock.sleep(LOOK_EVERY).await,
            }
        }
        Ok(())
    }

    /// What would be done, and then again and again whether the host is dead. A look that fails is no verdict.
    async fn look_and_judge(&mut self) -> Result<Result<(), LookFailed>, Stop> {
        let (engine, host) = (self.engine, self.mission.subject.host.clone());
        if self.state.shadow.is_none() {
            let entry = match engine.foresee(&host).await {
                Ok(Some(forecast)) => {
                    Entry::Shadow(ShadowEntry::Would { forecast: Box::new(forecast) })
                }
                Ok(None) => Entry::Ended {
                    status: NotificationStatus::Failed,
                    message: Some(idle::HOST_DELETED.into()),
                },
                Err(failed) => return Ok(Err(failed)),
            };
            return Ok(Ok(self.record(vec![entry]).await?));
        }
        let looked = futures::join!(engine.look_at_host(&host), engine.look_at_guard());
        let (view, guard) = match looked {
            (Ok(view), Ok(guard)) => (view, guard),
            (Err(failed), _) | (_, Err(failed)) => return Ok(Err(failed)),
        };
        // Whoever recovers it for real disables its service, and Nova shows that as its last heartbeat.
        let disabled = view.service.as_ref().filter(|service| !service.enabled);
        if let Some(service) = disabled.filter(|_| self.own_write.is_none()) {
            self.own_write = service.heartbeat_at;
        }
        (self.view, self.guard) = (Some(view), Some(guard));
        let judged =
            self.fresh_view().map(|view| view.permit(engine, &host, self.own_write, self.loss));
        self.note_judgement(judged.as_ref()).await?;
        Ok(Ok(()))
    }
}
