//! Watches for ever: connects, lists, listens, and begins anew.

use super::{
    Connected, Domain, Event, Heard, Hypervisor, HypervisorError, Link,
    event::{Turn, subject},
    hypervisor::connected,
    roll::{Away, End, Missing, Roll},
};
use crate::{
    Claim, Mark, Report, Reporter, Watched,
    sending::{Folder, Kept as ReportKept, Look, Source},
};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use ports::{Clock, Entropy};
use recovery::ServerId;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often what runs is listed, though events tell it.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The same while a libvirtd that was just begun finds its VMs again, one beside the other: one that dies before it is found is off, and no
/// event says so (`qemuProcessReconnect` ends by `qemuProcessStop`, which makes none); one without a definition is not even that.
const LIST_SOON: Duration = Duration::from_secs(5);
const FINDS_FOR: Duration = Duration::from_secs(60);
/// The longest that the loop needs to turn: a list, and calls to libvirt that end by their deadlines.
pub const TURN_MOST: Duration = Duration::from_secs(180);
/// The roll on disk.
const ROLL: &str = "running.json";
const ROLL_UNFINISHED: &str = "running.json.new";

/// What watching takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstancesConfig {
    /// This host, as Nova calls it.
    pub hostname: String,
    /// This run of this host's kernel.
    pub boot_id: String,
}

/// The roll on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    boot_id: String,
    roll: Roll,
}

/// Who runs, as it is and as it is written. Nobody is struck off on disk before the report of him is there: a process
/// that is killed in between must find him missing.
#[derive(Default)]
struct Books {
    roll: Roll,
    /// Reports that are on their way to the disk.
    reports: FuturesUnordered<ReportKept>,
    is_behind: bool,
    /// The roll on its way to the disk.
    write: Option<BoxFuture<'static, ()>>,
}

/// A list that is made beside what is heard: events wait for none.
#[derive(Default)]
struct Listing {
    under_way: Option<BoxFuture<'static, Result<Vec<Domain>, HypervisorError>>>,
    /// Who began or ended meanwhile: events tell of them, and the list may be older.
    turned: BTreeSet<ServerId>,
}

/// The way to ask again what was reported: the connection that stands, if one does.
#[derive(Clone, Default, Debug)]
pub struct Watcher(Arc<Mutex<Option<Arc<dyn Link>>>>);

impl Watcher {
    fn set(&self, link: Option<Arc<dyn Link>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Source for Watcher {
    async fn look(&self, report: &Report) -> Look {
        let Some(server) = report.payload.get("instance_uuid").and_then(|id| id.as_str()) else {
            return Look::Gone("it names no VM".into());
        };
        let Some(link) = self.link() else { return Look::Unknown("libvirt is away".into()) };
        match link.domain(&ServerId::new(server)).await {
            Ok(domain) => holds(report.claim, domain.as_ref()),
            Err(error) => Look::Unknown(error.to_string()),
        }
    }
}

/// Whether `claim` is still so of `domain`.
fn holds(claim: Claim, domain: Option<&Domain>) -> Look {
    let run = domain.and_then(|domain| domain.run);
    let is_paused = domain.is_some_and(|domain| domain.is_paused);
    match claim {
        Claim::InstanceStopped { .. } if run.is_some() => Look::Gone("the VM runs".into()),
        // Moved away, or deleted.
        Claim::InstanceStopped { is_persistent: true } if domain.is_none() => {
            Look::Gone("the VM is not on this host any more".into())
        }
        Claim::InstanceStopped { .. } => Look::Holds,
        Claim::InstancePaused if run.is_some() && is_paused => Look::Holds,
        Claim::InstancePaused => Look::Gone("the VM is not paused".into()),
        Claim::InstanceRan { run: then } if run.is_some() && (then.is_none() || run == then) => {
            Look::Holds
        }
        Claim::InstanceRan { .. } => Look::Gone("that run of the VM has ended".into()),
        Claim::GuestSilent { .. } | Claim::ProcessMissing | Claim::HostDead | Claim::HostBack => {
            Look::Gone("it is not about whether the VM runs".into())
        }
    }
}

/// Watches the VMs of this host.
#[derive(Debug)]
pub struct Watch {
    pub config: InstancesConfig,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub watcher: Watcher,
    pub reporter: Reporter,
    pub mark: Mark,
    /// Where the roll is kept; none: a restart of ours forgets who ran.
    pub folder: Option<Arc<dyn Folder>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Watch {
    /// Watches for ever.
    pub async fn run(self) {
        let mut away = Away::Ourselves;
        let mut books = Books { roll: self.restored().await, ..Books::default() };
        loop {
            let connected =
                connected(&*self.hypervisor, &self.mark, &*self.clock, &*self.entropy).await;
            let link = Arc::clone(&connected.link);
            self.watcher.set(Some(Arc::clone(&link)));
            let why = self.listen(connected, &mut books, away).await;
            self.watcher.set(None);
            while books.reports.next().await.is_some() {}
            over(&mut books.write).await;
            self.write(&mut books);
            over(&mut books.write).await;
            self.mark.troubled(&why);
            tracing::warn!("Libvirt Connection Closed Unexpectedly. ({why})");
            away = Away::Libvirtd;
        }
    }

    /// Listens until the connection is over, and tells why.
    async fn listen(&self, mut connected: Connected, books: &mut Books, away: Away) -> String {
        let link = Arc::clone(&connected.link);
        // Before anything that is heard: it is of somebody who ran.
        match link.domains().await {
            Ok(domains) => self.listed(&domains, &BTreeSet::new(), books, away).await,
            Err(error) => return error.to_string(),
        }
        self.mark.well();
        let found_at = self.clock.boot().plus(FINDS_FOR);
        let mut list_at = self.clock.boot().plus(LIST_SOON);
        let mut listing = Listing::default();
        loop {
            self.write(books);
            tokio::select! {
                biased;
                heard = connected.heard.recv() => match heard {
                    Some(Heard::Event(event)) => {
                        self.event(&*link, &event, books, &mut listing.turned).await;
                    }
                    Some(Heard::Closed(why)) => return why,
                    None => return "nobody listens to it any more".into(),
                },
                Some(_) = books.reports.next() => {}
                Some(()) = over(&mut books.write) => {}
                Some(listed) = over(&mut listing.under_way) => {
                    let is_soon = self.clock.boot() < found_at;
                    let is_back = away == Away::Libvirtd && is_soon || books.roll.has_doubts();
                    let since = if is_back { Away::JustBack } else { Away::Nobody };
                    match listed {
                        Ok(all) => self.listed(&all, &listing.turned, books, since).await,
                        Err(error) => return error.to_string(),
                    }
                    let pause = if is_soon || books.roll.has_doubts() { LIST_SOON } else { LIST_EVERY };
                    list_at = self.clock.boot().plus(pause);
                }
                () = self.clock.sleep(list_at.since(self.clock.boot())), if listing.under_way.is_none() => {}
            }
            self.mark.turned();
            let is_idle = listing.under_way.is_none();
            if is_idle && (list_at <= self.clock.boot() || link.missed_something()) {
                listing.begin(&link);
            }
        }
    }

    async fn event(
        &self,
        link: &dyn Link,
        event: &Event,
        books: &mut Books,
        turned: &mut BTreeSet<ServerId>,
    ) {
        tracing::debug!(?event, "libvirt Event Received.");
        match event.what.turn() {
            Turn::Started => {
                turned.insert(event.server.clone());
                self.reporter.begins_anew(Watched::Instances, &subject(&event.server)).await;
                match link.domain(&event.server).await {
                    Ok(Some(domain)) if domain.run.is_some() => books.roll.started(&domain),
                    // Gone already, which the next event tells; or the connection is, which the next list does.
                    Ok(_) | Err(_) => {}
                }
                books.is_behind = true;
            }
            Turn::Stopped | Turn::None => {}
        }
        self.report(event, books.roll.is_persistent(&event.server), books).await;
        if event.what.turn() == Turn::Stopped {
            turned.insert(event.server.clone());
            books.roll.stopped(&event.server);
            books.is_behind = true;
        }
    }

    async fn report(&self, event: &Event, is_persistent: bool, books: &mut Books) {
        let (hostname, at) = (&self.config.hostname, self.clock.wall());
        let Some(report) = event.report(hostname, at, is_persistent) else {
            tracing::debug!("Event Filter Unmatched.");
            return;
        };
        if let Some((name, detail)) = event.what.names() {
            self.mark.saw(format!("{name} {detail} {}", event.server));
            let (uuid, time) = (&event.server, report.generated_time().replace('T', " "));
            // Python's own sentence, its bracket included.
            tracing::info!(
                "Libvirt Event: type=VM, hostname={hostname}, uuid={uuid}, time={time}, event_id={name}, detail={detail})"
            );
        }
        books.reports.push(self.reporter.report_kept(report).await);
    }

    /// Holds what runs against what ran, but for those of whom events have told since the list began.
    async fn listed(
        &self,
        domains: &[Domain],
        turned: &BTreeSet<ServerId>,
        books: &mut Books,
        away: Away,
    ) {
        let before = books.roll.clone();
        for missing in books.roll.compare(domains, turned, away) {
            self.missing(missing, away, books).await;
        }
        books.is_behind |= books.roll != before;
    }

    async fn missing(&self, missing: Missing, away: Away, books: &mut Books) {
        let Missing { server, name, is_persistent, end } = missing;
        match (end, away) {
            (End::Died(off), _) => {
                let told =
                    off.map_or_else(|| "it is gone".into(), |off| format!("libvirt says {off:?}"));
                tracing::warn!("VM {server} ({name}) died unheard ({told})");
                self.report(&Event::died(server), is_persistent, books).await;
            }
            // Its event is on the way.
            (End::Stopped(_) | End::Left, Away::Nobody | Away::JustBack) => {}
            (End::Stopped(off), Away::Libvirtd | Away::Ourselves) => {
                tracing::info!("VM {server} ({name}) was stopped while nobody listened ({off:?})");
            }
            (End::Left, Away::Libvirtd | Away::Ourselves) => {
                tracing::info!("VM {server} ({name}) left this host while nobody listened");
            }
        }
    }

    /// Who ran when this process began, as the one before it knew; nobody, if the machine was booted since.
    async fn restored(&self) -> Roll {
        let Some(folder) = self.folder.clone() else { return Roll::default() };
        let read = tokio::task::spawn_blocking(move || folder.read(ROLL)).await;
        let Ok(Ok(bytes)) = read else { return Roll::default() };
        match serde_json::from_slice::<Kept>(&bytes) {
            Ok(kept) if kept.boot_id == self.config.boot_id => kept.roll,
            Ok(_) => Roll::default(),
            Err(error) => {
                tracing::warn!(%error, "who ran before cannot be read; a VM that died meanwhile is not known");
                Roll::default()
            }
        }
    }

    /// Begins to write the roll, if there is something to write and the reports are. It need not outlive the machine, with which
    /// all domains end.
    fn write(&self, books: &mut Books) {
        if !books.is_behind || !books.reports.is_empty() || books.write.is_some() {
            return;
        }
        books.is_behind = false;
        let kept = Kept { boot_id: self.config.boot_id.clone(), roll: books.roll.clone() };
        let (Some(folder), Ok(bytes)) = (self.folder.clone(), serde_json::to_vec(&kept)) else {
            return;
        };
        let write = tokio::task::spawn_blocking(move || {
            folder.write(ROLL_UNFINISHED, &bytes)?;
            folder.rename(ROLL_UNFINISHED, ROLL)
        });
        let told = async {
            match write.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "who runs cannot be kept on disk"),
                Err(error) => tracing::debug!(%error, "who runs cannot be kept on disk"),
            }
        };
        books.write = Some(told.boxed());
    }
}

impl Listing {
    fn begin(&mut self, link: &Arc<dyn Link>) {
        self.turned.clear();
        let link = Arc::clone(link);
        self.under_way = Some(async move { link.domains().await }.boxed());
    }
}

/// What is under way is waited for; none, if nothing is.
async fn over<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> Option<T> {
    let ended = under_way.as_mut()?.await;
    *under_way = None;
    Some(ended)
}
