//! Watches for ever: connects, lists, listens, and begins anew.

use super::{
    Connected, Domain, Event, Heard, Hypervisor, HypervisorError, Link,
    event::{Turn, subject},
    hypervisor::connected,
    roll::{Away, End, Missing, Roll},
};
use crate::{
    Claim, Mark, Report, Reporter,
    sending::{Folder, Look, Source},
};
use async_trait::async_trait;
use ports::{Clock, Entropy};
use recovery::ServerId;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often what runs is listed, though events tell it.
const LIST_EVERY: Duration = Duration::from_secs(60);
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
        Claim::GuestSilent { .. } | Claim::ProcessMissing => {
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
        let mut roll = self.restored().await;
        loop {
            let connected =
                connected(&*self.hypervisor, &self.mark, &*self.clock, &*self.entropy).await;
            let link = Arc::clone(&connected.link);
            self.watcher.set(Some(Arc::clone(&link)));
            let why = self.listen(connected, &mut roll, away).await;
            self.watcher.set(None);
            self.mark.troubled(&why);
            tracing::warn!("Libvirt Connection Closed Unexpectedly. ({why})");
            away = Away::Libvirtd;
        }
    }

    /// Listens until the connection is over, and tells why.
    async fn listen(&self, mut connected: Connected, roll: &mut Roll, away: Away) -> String {
        let link = Arc::clone(&connected.link);
        if let Err(error) = self.list(&*link, roll, away).await {
            return error.to_string();
        }
        self.mark.well();
        let mut list_at = self.clock.boot().plus(LIST_EVERY);
        loop {
            let left = list_at.since(self.clock.boot());
            let heard = tokio::select! {
                biased;
                heard = connected.heard.recv() => Some(heard),
                () = self.clock.sleep(left) => None,
            };
            self.mark.turned();
            match heard {
                Some(Some(Heard::Event(event))) => self.event(&*link, &event, roll).await,
                Some(Some(Heard::Closed(why))) => return why,
                Some(None) => return "nobody listens to it any more".into(),
                None => list_at = self.clock.boot(),
            }
            if list_at <= self.clock.boot() || link.missed_something() {
                if let Err(error) = self.list(&*link, roll, Away::Nobody).await {
                    return error.to_string();
                }
                list_at = self.clock.boot().plus(LIST_EVERY);
            }
        }
    }

    async fn event(&self, link: &dyn Link, event: &Event, roll: &mut Roll) {
        tracing::debug!(?event, "libvirt Event Received.");
        match event.what.turn() {
            Turn::Started => {
                self.reporter.begins_anew(&subject(&event.server)).await;
                match link.domain(&event.server).await {
                    Ok(Some(domain)) if domain.run.is_some() => roll.started(&domain),
                    // Gone already, which the next event tells; or the connection is, which the next list does.
                    Ok(_) | Err(_) => {}
                }
                self.keep(roll).await;
            }
            Turn::Stopped => {
                self.report(event, roll.is_persistent(&event.server)).await;
                roll.stopped(&event.server);
                return self.keep(roll).await;
            }
            Turn::None => {}
        }
        self.report(event, roll.is_persistent(&event.server)).await;
    }

    async fn report(&self, event: &Event, is_persistent: bool) {
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
        self.reporter.report(report).await;
    }

    /// Holds what runs against what ran.
    async fn list(
        &self,
        link: &dyn Link,
        roll: &mut Roll,
        away: Away,
    ) -> Result<(), HypervisorError> {
        let domains = link.domains().await?;
        let before = roll.clone();
        for missing in roll.compare(&domains, away) {
            self.missing(missing, away).await;
        }
        if *roll != before {
            self.keep(roll).await;
        }
        Ok(())
    }

    async fn missing(&self, Missing { server, name, is_persistent, end }: Missing, away: Away) {
        match (end, away) {
            (End::Died(off), _) => {
                let told =
                    off.map_or_else(|| "it is gone".into(), |off| format!("libvirt says {off:?}"));
                tracing::warn!("VM {server} ({name}) died unheard ({told})");
                self.report(&Event::died(server), is_persistent).await;
            }
            // Its event is on the way.
            (End::Stopped(_) | End::Left, Away::Nobody) => {}
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

    /// Keeps the roll. It need not outlive the machine, with which all domains end: nothing is waited for.
    async fn keep(&self, roll: &Roll) {
        let kept = Kept { boot_id: self.config.boot_id.clone(), roll: roll.clone() };
        let (Some(folder), Ok(bytes)) = (self.folder.clone(), serde_json::to_vec(&kept)) else {
            return;
        };
        let write = move || {
            folder.write(ROLL_UNFINISHED, &bytes)?;
            folder.rename(ROLL_UNFINISHED, ROLL)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "who runs cannot be kept on disk"),
            Err(error) => tracing::debug!(%error, "who runs cannot be kept on disk"),
        }
    }
}
