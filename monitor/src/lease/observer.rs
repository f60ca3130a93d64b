//! Looks at all leases, one after the other in one list, and says of each host what [`recovery::deadman`] makes of it.
//!
//! It asks every second and waits for no event: that a lease is *not* renewed is what counts, and of that there is none. A list
//! that nobody answered, or only a member without a quorum, is no look: what was seen stays, and nothing is counted
//! that was not asked for.

use super::{
    etcd::{Etcd, EtcdError, Stored},
    key::{Lease, host_of},
};
use ports::{Boot, Clock};
use recovery::{
    HostName, Millis,
    deadman::{Dead, Observed, Read, Standing},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// From one look to the next.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_MOST: Duration = Duration::from_secs(3);

/// Who looks.
#[derive(Debug)]
pub struct Observer {
    etcd: Etcd,
    prefix: String,
    /// What a host takes to boot, at the least, until its nova-compute reports to Nova.
    boots_in: Duration,
    clock: Arc<dyn Clock>,
    hosts: BTreeMap<HostName, Host>,
    /// Of whom it was said that the lease cannot be read.
    unreadable: BTreeMap<HostName, String>,
}

#[derive(Debug)]
struct Host {
    observed: Observed,
    /// Of which write it was proven, and as it was said then: it is said the same each time.
    proven: Option<(u64, Sighted)>,
}

/// One host, as it is seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighted {
    pub host: HostName,
    pub standing: Standing,
    /// When the evidence of its death was true; none: there is none.
    pub at: Option<Millis>,
    /// What was seen, with its numbers.
    pub detail: String,
}

impl Observer {
    #[must_use]
    pub fn new(etcd: Etcd, prefix: String, boots_in: Duration, clock: Arc<dyn Clock>) -> Self {
        let (hosts, unreadable) = (BTreeMap::new(), BTreeMap::new());
        Self { etcd, prefix, boots_in, clock, hosts, unreadable }
    }

    /// All hosts that have a lease now.
    ///
    /// # Errors
    /// Nobody answers who has a quorum.
    pub async fn look(&mut self) -> Result<Vec<Sighted>, EtcdError> {
        let sent = self.clock.boot();
        let stored = self.etcd.list(&self.prefix, ANSWER_MOST).await?;
        let read = Read { sent_ms: sent.0, answered_ms: self.clock.boot().0 };
        let leases = self.read(&stored);
        self.hosts.retain(|host, _| leases.contains_key(host));
        for (host, (lease, revision)) in leases {
            let beat = lease.beat(revision);
            match self.hosts.get_mut(&host) {
                Some(known) => known.observed.read(beat, read),
                None => {
                    let observed = Observed::first(beat, read);
                    self.hosts.insert(host, Host { observed, proven: None });
                }
            }
        }
        let now = (self.clock.boot(), self.clock.wall());
        let boots_in_ms = u64::try_from(self.boots_in.as_millis()).unwrap_or(u64::MAX);
        let sighted = |(host, known): (&HostName, &mut Host)| known.sighted(host, boots_in_ms, now);
        Ok(self.hosts.iter_mut().map(sighted).collect())
    }

    /// Each that cannot be read is said once.
    fn read(&mut self, stored: &[Stored]) -> BTreeMap<HostName, (Lease, u64)> {
        let mut leases = BTreeMap::new();
        let mut unreadable = BTreeMap::new();
        for one in stored {
            let Some(host) = host_of(&self.prefix, &one.key) else { continue };
            match Lease::read(one) {
                Ok(lease) => {
                    leases.insert(host, (lease, one.revision));
                }
                Err(error) => {
                    let why = error.to_string();
                    if self.unreadable.get(&host) != Some(&why) {
                        tracing::warn!("{why}; nothing is known of {host}");
                    }
                    unreadable.insert(host, why);
                }
            }
        }
        self.unreadable = unreadable;
        leases
    }
}

impl Host {
    fn sighted(&mut self, host: &HostName, boots_in_ms: u64, now: (Boot, Millis)) -> Sighted {
        let standing = self.observed.standing();
        let revision = self.observed.beat().revision;
        let said = |at| Sighted { host: host.clone(), standing, at, detail: self.detail(standing) };
        match (standing, &self.proven) {
            (Standing::Dead(_), Some((of, proven))) if *of == revision => proven.clone(),
            (Standing::Dead(dead), _) => {
                let proven = said(dated(dead, boots_in_ms, now));
                self.proven = Some((revision, proven.clone()));
                proven
            }
            (
                Standing::Unmoved { .. }
                | Standing::Lives
                | Standing::Overdue { .. }
                | Standing::Silent { .. }
                | Standing::Left,
                _,
            ) => said(None),
        }
    }

    fn detail(&self, standing: Standing) -> String {
        let beat = self.observed.beat();
        let (revision, boot, times) = (beat.revision, &beat.boot, beat.times);
        let of = format!("its lease (revision {revision}, boot {boot})");
        let s = |ms: u64| format!("{}.{:03} s", ms / 1_000, ms % 1_000);
        match standing {
            Standing::Unmoved { for_ms } => format!(
                "{of} has been looked at for {}, and not been renewed; that says nothing before {}",
                s(for_ms),
                s(times.term_ms())
            ),
            Standing::Lives => format!("{of} is renewed"),
            Standing::Left => format!("{of} was given back"),
            Standing::Silent { for_ms } => {
                format!("{of} has not been renewed for {}, without a watchdog", s(for_ms))
            }
            Standing::Overdue { for_ms } => format!(
                "{of} has not been renewed for {}; its watchdog has bitten after {}",
                s(for_ms),
                s(times.proof_ms())
            ),
            Standing::Dead(Dead { for_ms, proof_ms, .. }) => format!(
                "{of} has not been renewed for {}: with a term of {}, a watchdog of {} and clocks that differ by 1 % its \
                 watchdog has reset the host within {}",
                s(for_ms),
                s(times.term_ms()),
                s(times.watchdog_ms()),
                s(proof_ms)
            ),
        }
    }
}

/// By the wall clock when the evidence was true, which says when by the boot clock.
fn dated(dead: Dead, boots_in_ms: u64, (boot, wall): (Boot, Millis)) -> Option<Millis> {
    let ago_ms = i128::from(boot.0) - i128::from(dead.at_ms(boots_in_ms)?);
    Some(wall.plus(-i64::try_from(ago_ms).ok()?))
}
