//! The driver `lease`: hosts hold leases in etcd and feed their watchdogs while they do; one that stands still for long enough is
//! proof ([`recovery::deadman`]).
//!
//! An overdue lease is uncertain, and not offline: its host may live yet, and the proof is some seconds away. One that was given back says
//! nothing of its host, and neither does one that has not been seen to move yet. What the source itself cannot see, because no member of etcd answers that has a quorum, it does not say.

use super::{Source, SourceFault};
use crate::lease::{Observer, Sighted, observer::LOOK_EVERY};
use async_trait::async_trait;
use ports::{Boot, Clock};
use recovery::{
    deadman::Standing,
    evidence::Kind,
    verdict::{Proof, Quorum, Round, Seen, Sight},
};
use std::{sync::Arc, time::Duration};

/// A leader is elected in less.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Watches leases.
#[derive(Debug)]
pub struct Leases {
    observer: Observer,
    /// `monitoring_interval`
    interval: Duration,
    clock: Arc<dyn Clock>,
    looked: Option<Boot>,
    failing_since: Option<Boot>,
    /// What was said last, and when.
    said: Option<(Round, Boot)>,
}

impl Leases {
    #[must_use]
    pub fn new(observer: Observer, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { observer, interval, clock, looked: None, failing_since: None, said: None }
    }

    async fn look(&mut self) -> Option<Round> {
        if let Some(looked) = self.looked {
            self.clock.sleep(looked.plus(LOOK_EVERY).since(self.clock.boot())).await;
        }
        let now = self.clock.boot();
        self.looked = Some(now);
        match self.observer.look().await {
            Ok(all) => {
                self.failing_since = None;
                Some(Round::quorate(all.iter().filter_map(seen).collect()))
            }
            Err(error) => {
                let since = *self.failing_since.get_or_insert(now);
                let silent = self.clock.boot().since(since) >= SILENT_AFTER;
                silent.then(|| Round::silent(Quorum::CutOff { why: error.to_string() }))
            }
        }
    }
}

#[async_trait]
impl Source for Leases {
    fn name(&self) -> &'static str {
        "lease"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        loop {
            let Some(round) = self.look().await else { continue };
            let now = self.clock.boot();
            let is_news = self
                .said
                .as_ref()
                .is_none_or(|(said, at)| *said != round || now.since(*at) >= self.interval);
            if is_news {
                self.said = Some((round.clone(), now));
                return Ok(round);
            }
        }
    }
}

fn seen(one: &Sighted) -> Option<Seen> {
    let of = |sight| Some(Seen::new(one.host.clone(), sight));
    match one.standing {
        Standing::Lives => of(Sight::Online),
        Standing::Overdue { .. } | Standing::Silent { .. } => of(Sight::Uncertain),
        // One that nobody renews any more looks like that, too.
        Standing::Unmoved { .. } | Standing::Left => None,
        Standing::Dead(_) => {
            let proof =
                one.at.map(|at| Proof { kind: Kind::LeaseExpired, at, detail: one.detail.clone() });
            Some(Seen { host: one.host.clone(), sight: Sight::Offline, proof })
        }
    }
}
