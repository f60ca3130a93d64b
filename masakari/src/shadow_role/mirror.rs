//! The mirror: files what Python's API was told in the shadow's own database, under the same ids.
//!
//! What was filed is known by its id, and the database is asked for it: so a mirror that is started again files nothing
//! twice, and goes on where it was. Python's segments and hosts are copied before each report that is filed. A report
//! that is older than [`FRESH_MS`] is left out, and said: Python has moved by then what it moves, and a plan made now
//! would not be the one to compare with.

use anyhow::Context;
use openstack::instance_ha::{Client, Host, Notification, Segment};
use ports::Clock;
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId,
    evidence::{Evidence, Kind},
    nouns::{HostReport, NotificationType, RecoveryMethod},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    sync::Arc,
    time::Duration,
};
use store::{
    HostFilter, HostUpdate, NewHost, NewNotification, NewSegment, NotificationFilter, Page,
    SegmentFilter, SegmentUpdate, Store, StoreError,
};

/// How often Python's API is asked.
const EVERY: Duration = Duration::from_secs(5);
/// What was reported longer ago is not judged.
const FRESH_MS: i64 = 600_000;
/// So many reports are read at once, and so many times in one pass.
const PAGE: u32 = 100;
const PAGES_MOST: usize = 20;

pub(super) struct Mirror {
    python: Client,
    ours: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// All that was reported before was seen. None: not read yet.
    since: Cell<Option<Millis>>,
    /// Python does not answer, and that was said.
    away: Cell<bool>,
    /// Reports that cannot be filed, and were told.
    left_out: RefCell<BTreeSet<String>>,
}

/// What is new there.
#[derive(Default)]
struct New {
    /// Newest first.
    reports: Vec<Notification>,
    too_old: usize,
}

/// What one pass did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Passed {
    pub(super) filed: usize,
    pub(super) too_old: usize,
}

impl Mirror {
    pub(super) fn new(python: Client, ours: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            python,
            ours,
            clock,
            since: Cell::default(),
            away: Cell::default(),
            left_out: RefCell::default(),
        }
    }

    /// Mirrors for ever; `filed` after something was.
    pub(super) async fn run(&self, filed: impl Fn()) {
        loop {
            match self.pass().await {
                Ok(passed) => {
                    if self.away.replace(false) {
                        tracing::info!("Python's API is mirrored again");
                    }
                    if passed.filed > 0 {
                        filed();
                    }
                }
                Err(error) if !self.away.replace(true) => {
                    tracing::error!(
                        "nothing is mirrored, trying again every {} s: {error:#}",
                        EVERY.as_secs()
                    );
                }
                Err(error) => tracing::debug!("still not mirrored: {error:#}"),
            }
            self.clock.sleep(EVERY).await;
        }
    }

    /// Files what is new, oldest first: whatever is filed has all before it filed.
    pub(super) async fn pass(&self) -> anyhow::Result<Passed> {
        let began = self.clock.wall();
        let new = self.new_reports(began).await?;
        if new.too_old > 0 {
            tracing::warn!(
                reports = new.too_old,
                "left out: reported more than {} s ago, while nothing was mirrored",
                FRESH_MS / 1000
            );
        }
        let mut filed = 0;
        if !new.reports.is_empty() {
            let reported: BTreeSet<&str> =
                new.reports.iter().map(|report| report.source_host_uuid.as_str()).collect();
            self.mirror_hosts(&reported).await.context("Python's segments and hosts")?;
        }
        for report in new.reports.iter().rev() {
            filed += usize::from(self.file(report).await?);
        }
        self.since.set(Some(began.plus(-FRESH_MS)));
        Ok(Passed { filed, too_old: new.too_old })
    }

    /// From when on reports are new: since the newest that is filed, or for a while.
    async fn since(&self, now: Millis) -> Result<Millis, StoreError> {
        if let Some(since) = self.since.get() {
            return Ok(since);
        }
        let page = Page { limit: Some(1), ..Page::default() };
        let newest = self.ours.notifications(&NotificationFilter::default(), &page).await?;
        let newest = newest.iter().next().and_then(|filed| filed.created_at);
        let fresh = now.plus(-FRESH_MS);
        Ok(newest.map_or(fresh, |newest| newest.min(fresh)))
    }

    /// Page by page from the newest on, to the first that was reported before.
    async fn new_reports(&self, now: Millis) -> anyhow::Result<New> {
        let since = self.since(now).await?;
        let (mut new, mut marker) = (New::default(), None);
        for _ in 0..PAGES_MOST {
            let page = self.python.newest_notifications(marker, PAGE).await;
            let page = page.context("Python's notifications")?;
            marker = page.last().map(|report| report.id);
            let reached =
                page.iter().any(|report| report.reported_at().is_none_or(|at| at < since));
            let last = reached || page.is_empty();
            for report in page {
                let id = NotificationId::new(&report.notification_uuid);
                let Some(at) = report.reported_at().filter(|at| *at >= since) else { continue };
                let told = self.left_out.borrow().contains(id.as_str());
                if told || self.ours.notification(&id).await?.is_some() {
                    continue;
                }
                match now.since(at) > FRESH_MS {
                    true => new.too_old += 1,
                    false => new.reports.push(report),
                }
            }
            if last {
                return Ok(new);
            }
        }
        tracing::warn!(
            "more than {} reports are new; older ones are left out",
            PAGES_MOST * PAGE as usize
        );
        Ok(new)
    }

    /// `true`: it is filed now.
    async fn file(&self, report: &Notification) -> anyhow::Result<bool> {
        let host = self.ours.host(&HostId::new(&report.source_host_uuid)).await?;
        let filed = host.ok_or("its host is in no segment").and_then(|host| {
            let name = host.name.clone();
            Ok((new_report(report, host.segment, &host.name)?, name))
        });
        match filed {
            Ok((new, host)) => {
                let (notification, kind) = (new.uuid.clone(), new.kind);
                self.ours.accept(new).await?;
                tracing::info!(%notification, %host, %kind, "mirrored");
                Ok(true)
            }
            Err(why) => {
                let id = &report.notification_uuid;
                tracing::warn!(notification = %id, why, "left out");
                self.left_out.borrow_mut().insert(id.clone());
                Ok(false)
            }
        }
    }

    /// Python's segments and hosts as they are now, under their own ids. `reported`: Python puts these on maintenance
    /// when it takes their failure up, and they were not when they failed.
    async fn mirror_hosts(&self, reported: &BTreeSet<&str>) -> anyhow::Result<()> {
        let segments = self.python.segments().await?;
        let mut hosts: Vec<(SegmentId, Host)> = Vec::new();
        for segment in &segments {
            let id = SegmentId::new(&segment.uuid);
            let theirs = self.python.hosts(&id).await?;
            hosts.extend(theirs.into_iter().map(|host| (id.clone(), host)));
        }
        self.forget_deleted(&segments, &hosts).await?;
        for segment in &segments {
            self.copy_segment(segment).await?;
        }
        for (segment, host) in hosts {
            let on_maintenance = host.on_maintenance && !reported.contains(host.uuid.as_str());
            self.copy_host(segment, Host { on_maintenance, ..host }).await?;
        }
        Ok(())
    }

    /// First, because their names may be others' now.
    async fn forget_deleted(
        &self,
        segments: &[Segment],
        hosts: &[(SegmentId, Host)],
    ) -> anyhow::Result<()> {
        let ours = self.ours.segments(&SegmentFilter::default(), &Page::default()).await?;
        for segment in ours {
            let (all, page) = (HostFilter::default(), Page::default());
            for host in self.ours.hosts(&segment.uuid, &all, &page).await? {
                let there = |(of, theirs): &(SegmentId, Host)| {
                    *of == segment.uuid && theirs.uuid == host.uuid.as_str()
                };
                if !hosts.iter().any(there) {
                    later(self.ours.delete_host(&host.uuid).await)?;
                }
            }
            if !segments.iter().any(|theirs| theirs.uuid == segment.uuid.as_str()) {
                later(self.ours.delete_segment(&segment.uuid).await)?;
            }
        }
        Ok(())
    }

    async fn copy_segment(&self, theirs: &Segment) -> anyhow::Result<()> {
        let uuid = SegmentId::new(&theirs.uuid);
        let recovery_method = RecoveryMethod::from_word(&theirs.recovery_method)
            .with_context(|| format!("segment {}: no known recovery method", theirs.name))?;
        let (name, service_type) = (theirs.name.clone(), theirs.service_type.clone());
        let (enabled, now) = (theirs.enabled.unwrap_or(true), self.clock.wall());
        let Some(ours) = self.ours.segment(&uuid).await? else {
            let description = None;
            let new =
                NewSegment { uuid, name, service_type, description, recovery_method, enabled, now };
            return later(self.ours.create_segment(new).await.map(drop));
        };
        if (&ours.name, ours.recovery_method, ours.enabled) == (&name, recovery_method, enabled) {
            return Ok(());
        }
        let change = SegmentUpdate {
            name: (ours.name != name).then_some(name),
            service_type: None,
            description: None,
            recovery_method: Some(recovery_method),
            enabled: Some(enabled),
            now,
        };
        later(self.ours.update_segment(&uuid, change).await.map(drop))
    }

    async fn copy_host(&self, segment: SegmentId, theirs: Host) -> anyhow::Result<()> {
        let Host { kind, control_attributes, reserved, on_maintenance, .. } = theirs;
        let (uuid, name) = (HostId::new(theirs.uuid), HostName::new(theirs.name));
        let now = self.clock.wall();
        let Some(ours) = self.ours.host(&uuid).await? else {
            let new = NewHost {
                uuid,
                name,
                segment,
                kind,
                control_attributes,
                reserved,
                on_maintenance,
                now,
            };
            return later(self.ours.create_host(new).await.map(drop));
        };
        let same = ours.name == name && ours.control_attributes == control_attributes;
        if same && (ours.reserved, ours.on_maintenance) == (reserved, on_maintenance) {
            return Ok(());
        }
        let change = HostUpdate {
            name: (ours.name != name).then_some(name),
            kind: None,
            control_attributes: Some(control_attributes),
            reserved: Some(reserved),
            on_maintenance: Some(on_maintenance),
            now,
        };
        later(self.ours.update_host(&uuid, change).await.map(drop))
    }
}

/// What another recovery is judged by at this moment is copied with the next report.
fn later(done: Result<(), StoreError>) -> anyhow::Result<()> {
    match done {
        Err(error @ (StoreError::InUse { .. } | StoreError::Exists { .. })) => {
            tracing::warn!("not copied yet: {error}");
            Ok(())
        }
        done => Ok(done?),
    }
}

/// A report of `host` as it is filed.
fn new_report(
    report: &Notification,
    segment: SegmentId,
    host: &HostName,
) -> Result<NewNotification, &'static str> {
    let kind = NotificationType::from_word(&report.kind).ok_or("its type is not known")?;
    let at = report.reported_at().ok_or("nobody says when it was reported")?;
    let uuid = NotificationId::new(&report.notification_uuid);
    let payload = serde_json::Value::Object(report.payload.clone()).to_string();
    let word = |key: &str| report.payload.get(key).and_then(|value| value.as_str());
    let died = HostReport::read(word("event").unwrap_or_default(), word("host_status"))
        == Some(HostReport::Died);
    let evidence = (kind == NotificationType::ComputeHost && died).then(|| Evidence {
        host: host.clone(),
        kind: Kind::MonitorSaid,
        at,
        source: format!("monitor report {uuid}"),
        raw: payload.clone(),
    });
    Ok(NewNotification {
        // Of its own: what Python has taken twice is two reports.
        fingerprint: format!("mirrored {uuid}"),
        uuid,
        kind,
        generated_time: at,
        payload,
        source_host: HostId::new(&report.source_host_uuid),
        segment,
        window_ms: 0,
        evidence,
        now: at,
    })
}

#[cfg(test)]
mod tests;
