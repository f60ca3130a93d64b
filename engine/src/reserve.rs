//! Reserved hosts: finds one and takes it, makes it ready, hands it back.
//!
//! A reserved host belongs to one recovery at a time. While it is looked at, a lease says so; from the
//! line `taken` on, the host's own row does, which the same transaction changes and which refuses a
//! second taker. The lease is kept to the recovery's end, so that a host that an operator
//! marks as reserved again meanwhile is not taken by another recovery.

use crate::{Engine, error::ActFailed, look::LookFailed, subject::Mission};
use openstack::AskError;
use recovery::{
    HostName,
    lease::{Lease, LeaseKey, Standing},
    nouns::Host,
    way::{Aggregate, Reserve, Ways},
};
use store::{Claim, HostFilter, Page, StoreError};

/// What the search for a reserved host found.
#[derive(Debug)]
pub(crate) enum Found<'e> {
    /// It is ours as soon as the log says so.
    Free(Reserve, Hold<'e>),
    /// It cannot be used.
    Unfit {
        host: HostName,
        why: &'static str,
    },
    /// All that are left belong to other recoveries at this moment.
    Busy,
    Nothing,
}

/// The right to a reserved host, as long as this lives.
#[derive(Debug)]
pub(crate) struct Hold<'e> {
    engine: &'e Engine,
    host: HostName,
    lease: Option<Lease>,
}

impl Hold<'_> {
    /// What is to be given back to the database.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.lease.clone()
    }
}

impl Drop for Hold<'_> {
    /// Nobody renews it any more.
    fn drop(&mut self) {
        self.engine.tenures.forget(self.lease.as_slice());
        self.engine.reserving.borrow_mut().remove(&self.host);
    }
}

impl Engine {
    /// The reserved hosts of the segment that this recovery has not tried, in Python's order.
    pub(crate) async fn reserved_hosts(
        &self,
        mission: &Mission,
        ways: &Ways,
    ) -> Result<Vec<Host>, StoreError> {
        let filter = HostFilter {
            reserved: Some(true),
            on_maintenance: Some(false),
            ..HostFilter::default()
        };
        let hosts = match self.ports.store.hosts(&mission.segment, &filter, &Page::default()).await
        {
            // Deleted meanwhile.
            Err(StoreError::NotFound { .. }) => Vec::new(),
            found => found?,
        };
        let untried = |h: &Host| h.name != mission.subject.host && !ways.knows(&h.name);
        Ok(hosts.into_iter().filter(untried).collect())
    }

    /// The first reserved host that is free.
    pub(crate) async fn find_reserve(
        &self,
        mission: &Mission,
        ways: &Ways,
    ) -> Result<Found<'_>, LookFailed> {
        let mut others = false;
        for host in self.reserved_hosts(mission, ways).await? {
            let Some(hold) = self.hold(&host.name).await? else {
                others = true;
                continue;
            };
            // Under the lease nobody else changes it.
            let still = self.ports.store.host(&host.uuid).await?;
            if still.is_none_or(|h| !h.reserved || h.on_maintenance) {
                self.give_back(vec![hold]).await;
                continue;
            }
            return self.inspect(mission, host, hold).await;
        }
        Ok(if others { Found::Busy } else { Found::Nothing })
    }

    async fn inspect<'e>(
        &'e self,
        mission: &Mission,
        host: Host,
        hold: Hold<'e>,
    ) -> Result<Found<'e>, LookFailed> {
        let service = self.ports.nova.compute_service(&host.name).await?;
        let unfit = match &service {
            None => Some("Nova knows no compute service of it"),
            Some(service) if !service.up || service.forced_down => Some("its nova-compute is down"),
            Some(_) => None,
        };
        let (None, Some(service)) = (unfit, service) else {
            self.give_back(vec![hold]).await;
            return Ok(Found::Unfit { host: host.name, why: unfit.unwrap_or_default() });
        };
        let reserve = Reserve {
            aggregates: self.aggregates_for(&mission.subject.host, &host.name).await?,
            host: host.name,
            host_id: host.uuid,
            service: service.id,
            enable: !service.enabled,
            disabled_reason: service.disabled_reason,
        };
        Ok(Found::Free(reserve, hold))
    }

    /// The dead host's aggregates in which the reserved one is not.
    async fn aggregates_for(
        &self,
        dead: &HostName,
        reserved: &HostName,
    ) -> Result<Vec<Aggregate>, AskError> {
        if !self.config().reserved_into_aggregates {
            return Ok(Vec::new());
        }
        let all = self.ports.nova.aggregates().await?;
        let wanted = all.into_iter().filter(|a| a.hosts.contains(dead));
        Ok(wanted.filter(|a| !a.hosts.contains(reserved)).map(|a| a.aggregate).collect())
    }

    /// The lease of a reserved host, if no other recovery has it.
    async fn hold(&self, host: &HostName) -> Result<Option<Hold<'_>>, StoreError> {
        if !self.reserving.borrow_mut().insert(host.clone()) {
            return Ok(None);
        }
        let mut hold = Hold { engine: self, host: host.clone(), lease: None };
        let key = LeaseKey::reserved(host);
        let row = self.ports.store.leases(std::slice::from_ref(&key)).await?.pop();
        if let Some(row) = &row {
            let now_ms = self.ports.clock.boot().0;
            let standing =
                self.reserves_seen.borrow_mut().observe(row, now_ms, self.tenures.term_ms());
            if standing == Standing::Held {
                return Ok(None);
            }
        }
        hold.lease = self.take_reserved(key, row.map(|r| (r.generation, r.beat))).await?;
        Ok(hold.lease.is_some().then_some(hold))
    }

    /// The lease of a reserved host that the log of a recovery of ours says it has: whoever holds it
    /// held that recovery before us, or only looks.
    pub(crate) async fn hold_again(&self, host: &HostName) -> Result<Option<Hold<'_>>, StoreError> {
        if !self.reserving.borrow_mut().insert(host.clone()) {
            return Ok(None);
        }
        let mut hold = Hold { engine: self, host: host.clone(), lease: None };
        let key = LeaseKey::reserved(host);
        let row = self.ports.store.leases(std::slice::from_ref(&key)).await?.pop();
        hold.lease = self.take_reserved(key, row.map(|r| (r.generation, r.beat))).await?;
        Ok(hold.lease.is_some().then_some(hold))
    }

    async fn take_reserved(
        &self,
        key: LeaseKey,
        seen: Option<(u64, u64)>,
    ) -> Result<Option<Lease>, StoreError> {
        let sent = self.ports.clock.boot();
        let taken = self.ports.store.take(&[Claim { key, seen }], &self.owner).await?;
        let lease = taken.and_then(|mut leases| leases.pop());
        self.tenures.extend(lease.iter().cloned().collect(), sent);
        Ok(lease)
    }

    pub(crate) async fn give_back(&self, holds: Vec<Hold<'_>>) {
        let leases: Vec<Lease> = holds.iter().filter_map(Hold::lease).collect();
        if !leases.is_empty()
            && let Err(e) = self.ports.store.release(&leases).await
        {
            tracing::debug!(error = %e, "leases were not given back; they end by themselves");
        }
        drop(holds);
    }

    /// Puts the reserved host where the dead one was, and into service. All of it may be done twice.
    pub(crate) async fn ready(&self, lease: &Lease, reserve: &Reserve) -> Result<(), ActFailed> {
        let host = &reserve.host;
        for aggregate in &reserve.aggregates {
            self.allowed(lease)?;
            tracing::info!(%host, aggregate = aggregate.name, "reserved host: add to aggregate");
            let added = self.ports.nova.add_to_aggregate(host, aggregate.id).await;
            added.map_err(ActFailed::Before)?;
        }
        if reserve.enable {
            self.allowed(lease)?;
            tracing::info!(%host, "reserved host: enable");
            let enabled = self.ports.nova.enable_service(&reserve.service).await;
            enabled.map_err(ActFailed::Itself)?;
        }
        Ok(())
    }

    /// Leaves the reserved host as it was found. All of it may be done twice.
    pub(crate) async fn hand_back(
        &self,
        lease: &Lease,
        reserve: &Reserve,
    ) -> Result<(), ActFailed> {
        let host = &reserve.host;
        if reserve.enable {
            self.allowed(lease)?;
            tracing::info!(%host, "reserved host: disable again");
            let reason = reserve.disabled_reason.as_deref().unwrap_or(RESERVED);
            let disabled = self.ports.nova.disable_service(&reserve.service, reason).await;
            disabled.map_err(ActFailed::Itself)?;
        }
        for aggregate in &reserve.aggregates {
            self.allowed(lease)?;
            tracing::info!(%host, aggregate = aggregate.name, "reserved host: out of aggregate");
            let removed = self.ports.nova.remove_from_aggregate(host, aggregate.id).await;
            removed.map_err(ActFailed::Itself)?;
        }
        Ok(())
    }
}

/// Why a reserved host is out of service, where nobody had said it.
const RESERVED: &str = "reserved for Masakari";
