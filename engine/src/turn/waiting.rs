//! What a recovery does between two turns: it waits, for an answer, for news, or until something else is due.

use super::{Came, NAP_HUNGRY, NAP_MOST, Turns, WIND_UP, patience};
use crate::error::Stop;
use futures::{FutureExt, StreamExt};
use ports::Boot;
use recovery::due;
use std::time::Duration;

impl<'e> Turns<'e> {
    /// Waits for answers; more than one may be ready. None: the time came for something else.
    pub(super) async fn wait(&mut self, stopping: impl Future<Output = ()>) -> Vec<Came<'e>> {
        let engine = self.engine;
        let nap = self.nap();
        let nothing_in_flight = self.in_flight.is_empty();
        let answer = async {
            if nothing_in_flight {
                futures::future::pending::<()>().await;
            }
            self.in_flight.next().await
        };
        let first = tokio::select! {
            biased;
            came = answer => came,
            () = stopping => None,
            nudged = engine.wake.wait(&*engine.ports.clock, nap) => {
                if nudged {
                    // Somebody has news: what we know of the host may be old.
                    self.view = None;
                    self.lookout.soon(self.boot());
                }
                None
            }
        };
        let mut came: Vec<Came<'e>> = first.into_iter().collect();
        while let Some(Some(more)) = self.in_flight.next().now_or_never() {
            came.push(more);
        }
        came
    }

    fn nap(&self) -> Duration {
        let now = self.boot();
        let until = |at: Boot| Duration::from_millis(at.0.saturating_sub(now.0).max(5));
        let by_state = due::wake_at(&self.state, &self.engine.config().limits)
            .map(|at| at.since(self.engine.now()))
            .filter(|ms| *ms > 0)
            .map_or(NAP_MOST, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(1)));
        let timers = [self.look_after, self.after_outage, self.lookout.next()];
        let timers = timers.into_iter().filter(|at| *at > now);
        let most = match (self.hungry, self.state.guard.held) {
            (true, _) => NAP_HUNGRY,
            (false, Some(_)) => patience::NAP,
            (false, None) => NAP_MOST,
        };
        timers.map(until).chain([by_state, most]).min().unwrap_or(most)
    }

    /// Lets the acts in flight end, writes what became of them, starts nothing.
    pub(super) async fn wind_up(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let all = async {
            let mut came = Vec::new();
            while let Some(one) = self.in_flight.next().await {
                came.push(one);
            }
            came
        };
        let came = ports::within(&*engine.ports.clock, WIND_UP, all).await.unwrap_or_default();
        let entries = came.into_iter().flat_map(|c| self.digest(c)).collect();
        self.record(entries).await?;
        Err(Stop::Shutdown)
    }
}
