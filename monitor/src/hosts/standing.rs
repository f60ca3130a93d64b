//! What stands of every host, for whoever looks again at a report that is late.

use crate::{
    Claim, Report,
    sending::{self, Look},
};
use async_trait::async_trait;
use recovery::{
    HostName,
    verdict::{Standing, Verdict, names::same_host},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// All hosts, as they stand. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct Hosts(Arc<Mutex<Option<BTreeMap<HostName, Standing>>>>);

impl Hosts {
    /// So they stand from now on.
    pub fn set(&self, standing: BTreeMap<HostName, Standing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing);
    }

    /// How `host` stands.
    #[must_use]
    pub fn of(&self, host: &HostName) -> Option<Standing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.as_ref()?;
        let exact = all.values().find(|standing| standing.host == *host);
        exact.or_else(|| all.values().find(|standing| same_host(&standing.host, host))).cloned()
    }
}

#[async_trait]
impl sending::Source for Hosts {
    async fn look(&self, report: &Report) -> Look {
        let host = HostName::new(&report.hostname);
        let verdict = self.of(&host).map_or(Verdict::Unknown, |standing| standing.verdict);
        let wanted = match report.claim {
            Claim::HostDead => Verdict::Offline,
            Claim::HostBack => Verdict::Online,
            Claim::InstanceStopped { .. }
            | Claim::InstancePaused
            | Claim::InstanceRan { .. }
            | Claim::GuestSilent { .. }
            | Claim::ProcessMissing => return Look::Gone("it is not about a host".into()),
        };
        match verdict {
            verdict if verdict == wanted => Look::Holds,
            Verdict::Online => Look::Gone("the host is there".into()),
            Verdict::Offline => Look::Gone("the host is dead".into()),
            Verdict::Uncertain | Verdict::Unknown => {
                Look::Unknown(format!("nobody knows how {host} is"))
            }
        }
    }
}
