//! Looks from time to time whether the hosts of the segments could be fenced.
//!
//! At each device of each host's ladder, by one engine, few at a time. Nothing is ordered of a device, and nothing follows but a word to the operator.
//!
//! Whose turn it is, and what is news, is said by `recovery::readiness`, from what the database remembers: so another
//! engine goes on where one has stopped, and none begins anew.

use crate::{Engine, fencing::Fencing, tell, turn::chain};
use fence::survey::survey;
use futures::StreamExt;
use recovery::{
    HostId,
    lease::LeaseKey,
    nouns::Host,
    readiness::{Check, Rung, due},
};
use std::{collections::BTreeMap, time::Duration};
use store::{HostFilter, Page, SegmentFilter, StoreError};

/// Nothing is to be looked at: how soon that is looked up again.
const NOT_CONFIGURED: Duration = Duration::from_secs(60);
/// How often it is asked whose turn it is, by the interval.
const TICK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const TICKS: u32 = 60;

impl Engine {
    /// Looks at the fence devices of all hosts, for ever.
    pub(crate) async fn look_at_fences(&self) {
        loop {
            let fencing = self.config().fencing.clone();
            let Some((fencing, every)) = fencing.and_then(|f| f.check_every.map(|e| (f, e))) else {
                self.ports.clock.sleep(NOT_CONFIGURED).await;
                continue;
            };
            let tick = (every / TICKS).clamp(TICK.0, TICK.1);
            self.ports.clock.sleep(tick).await;
            if let Err(error) = self.look_at_some(&fencing, every, tick).await {
                tracing::debug!(error = chain(&error), "fence devices are not looked at");
            }
        }
    }

    async fn look_at_some(
        &self,
        fencing: &Fencing,
        every: Duration,
        tick: Duration,
    ) -> Result<(), StoreError> {
        let Some((_taking, lease)) = self.take_free(LeaseKey::fence_checks()).await? else {
            return Ok(());
        };
        let done = self.look_at_due(fencing, every, tick).await;
        let leases = [lease];
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        done
    }

    async fn look_at_due(
        &self,
        fencing: &Fencing,
        every: Duration,
        tick: Duration,
    ) -> Result<(), StoreError> {
        let store = &self.ports.store;
        let hosts = self.all_hosts().await?;
        let known: BTreeMap<HostId, Check> =
            store.fence_checks().await?.into_iter().map(|c| (c.host.clone(), c)).collect();
        let ms = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let due = due(&hosts, &known, ms(every), ms(tick), self.ports.clock.wall());
        let looks = due.into_iter().map(|host| self.look_at_fence(fencing, host, &known));
        let mut looks = futures::stream::iter(looks).buffer_unordered(fencing.file.side_by_side);
        while let Some(check) = looks.next().await {
            if let Some(check) = check? {
                store.keep_fence_check(&check).await?;
            }
        }
        Ok(())
    }

    /// One host; a host that is just recovered, or tested, has its devices for itself.
    async fn look_at_fence(
        &self,
        fencing: &Fencing,
        host: &Host,
        known: &BTreeMap<HostId, Check>,
    ) -> Result<Option<Check>, StoreError> {
        let is_tested = self.tested.borrow().contains(&host.name);
        if is_tested || self.ports.store.open_host_recovery(&host.name).await?.is_some() {
            return Ok(None);
        }
        let found = match fencing.file.ladder_of(host.name.as_str(), Some(&host.control_attributes))
        {
            Err(none) => Err(none.to_string()),
            Ok(mut ladder) => {
                ladder.machine = self.machine_of(&host.name, ladder.machine).await?;
                let looked = survey(&fencing.tools, &ladder).await;
                Ok(looked
                    .into_iter()
                    .map(|(device, surveyed)| Rung {
                        device,
                        could_prove: surveyed.could_prove(),
                        is_fault: surveyed.is_fault(),
                        said: surveyed.to_string(),
                    })
                    .collect())
            }
        };
        let before = known.get(&host.uuid);
        let check = Check::of(host.uuid.clone(), found, before, self.ports.clock.wall());
        if check.is_news(before) {
            tell::readiness(&host.name, &check);
        }
        Ok(Some(check))
    }

    async fn all_hosts(&self) -> Result<Vec<Host>, StoreError> {
        let (store, all) = (&self.ports.store, Page::default());
        let mut hosts = Vec::new();
        for segment in store.segments(&SegmentFilter::default(), &all).await? {
            hosts.extend(store.hosts(&segment.uuid, &HostFilter::default(), &all).await?);
        }
        Ok(hosts)
    }
}
