//! The host's own word: which machine it is, that it is being shut down, and whether its nova-compute may start.
//!
//! ```text
//!  systemd stops the host ──► announce ──► POST /ha/v1/hosts/HOST/stop ─┐
//!                                                                       │ kept: which stop, in which boot
//!  the host is back, and has been for a while ──► end what we announced ┘
//!
//!  it runs ──► identify ──► POST /ha/v1/hosts/HOST/identity: which machine, which boot
//!
//!  nova-compute is about to start ──► may_start ──► GET /ha/v1/hosts/HOST/may-start, until it may
//! ```
//!
//! It never speaks over a person: where a stop of this host is planned already, nothing is announced, and only the
//! stop that we announced ourselves is ended. To end one is to say that the host's silence is a failure again, so it waits
//! until Nova has had time to hear it, and as long as a report of the host's death waits for that end, the
//! engine is left to see that the host is back.

mod identify;
mod may_start;

pub use identify::Identify;
pub use may_start::{Patience, Started, may_start};

use crate::{Mark, sending::Folder};
use openstack::{AskError, instance_ha::Client};
use ports::{Boot, Clock, Exec, Program, within};
use recovery::HostName;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// How often it is looked whether a stop is to be ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A look is two questions, which end by their deadlines.
pub const TURN_MOST: Duration = Duration::from_secs(180);
/// systemd answers at once, or it is not asked any more.
const SYSTEMD_DEADLINE: Duration = Duration::from_secs(5);
/// The unit must have ended before systemd kills it (`TimeoutStopSec=`).
const ANNOUNCE_DEADLINE: Duration = Duration::from_secs(25);
/// What we announced, on disk.
const ANNOUNCED: &str = "announced.json";
const ANNOUNCED_UNFINISHED: &str = "announced.json.new";

/// What the agent takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentConfig {
    /// This host, as Nova calls it.
    pub host: HostName,
    /// How long an announced stop is no failure.
    pub announce_for: Duration,
    /// How long we must have run before what was announced is ended.
    pub back_after: Duration,
}

/// A host's agent.
#[derive(Clone, Debug)]
pub struct Agent {
    pub config: AgentConfig,
    pub client: Client,
    pub exec: Arc<dyn Exec>,
    pub folder: Option<Arc<dyn Folder>>,
    pub mark: Mark,
    pub clock: Arc<dyn Clock>,
}

/// The stop that we announced.
#[derive(Serialize, Deserialize)]
struct Announced {
    stop: String,
}

/// What became of an announcement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Announcement {
    /// This unit is stopped, and not the host.
    NotStopping,
    /// It is no failure that the host is away, until then.
    Until(String),
    /// A person has planned a stop already, until then.
    Planned { by: String, until: String },
    /// It will be taken for a failure: why.
    Failed(String),
}

impl Agent {
    /// Ends what was announced before the host was booted, and has nothing else to do. For ever.
    pub async fn run(&self) {
        let began = self.clock.boot();
        self.mark.well();
        loop {
            self.mark.turned();
            let lasted = self.clock.boot().since(began);
            if lasted >= self.config.back_after
                && let Some(announced) = self.announced().await
            {
                match self.end(&announced).await {
                    Ok(()) => self.mark.well(),
                    Err(why) => {
                        tracing::debug!("the announced stop of this host stands: {why}");
                        self.mark.troubled(why);
                    }
                }
            }
            self.clock.sleep(self.pause(began)).await;
        }
    }

    fn pause(&self, began: Boot) -> Duration {
        let left = began.plus(self.config.back_after).since(self.clock.boot());
        if left.is_zero() { LOOK_EVERY } else { left.min(LOOK_EVERY) }
    }

    /// This process is stopped: if that is because the host is, it is announced.
    pub async fn announce(&self) -> Announcement {
        if !self.host_stops().await {
            return Announcement::NotStopping;
        }
        let late = || {
            let s = ANNOUNCE_DEADLINE.as_secs();
            Announcement::Failed(format!("Masakari has not answered within {s} s"))
        };
        let announced = within(&*self.clock, ANNOUNCE_DEADLINE, self.announced_now()).await;
        let announcement = announced.unwrap_or_else(late);
        let host = &self.config.host;
        match &announcement {
            Announcement::NotStopping => {}
            Announcement::Until(until) => {
                tracing::info!("announced: until {until} it is no failure that {host} is away");
            }
            Announcement::Planned { by, until } => {
                tracing::info!("not announced: a stop of {host} is planned by {by} until {until}");
            }
            Announcement::Failed(why) => tracing::error!(
                "this host is being shut down, and Masakari was not told: {why}. If its monitors report it, it is \
                 recovered; `masakari host stop-announced {host}` tells it by hand"
            ),
        }
        announcement
    }

    /// Whether the machine is on its way down, as its systemd knows.
    async fn host_stops(&self) -> bool {
        let program = Program {
            path: "systemctl".into(),
            arguments: vec!["is-system-running".into()],
            ..Program::default()
        };
        match self.exec.run(program, SYSTEMD_DEADLINE).await {
            Ok(finished) => finished.stdout.trim_ascii() == b"stopping",
            Err(error) => {
                tracing::warn!("it is not known whether this host is being shut down: {error}");
                false
            }
        }
    }

    /// Who does not know what is planned of the host announces nothing: a new stop takes the place of the old one, which may
    /// be a person's, and longer.
    async fn announced_now(&self) -> Announcement {
        let host = &self.config.host;
        match self.standing().await {
            Ok(None) => {}
            Ok(Some(stop)) => return Announcement::Planned { by: stop.by, until: stop.until },
            Err(error) => return self.failed(&error),
        }
        let span = format!("{}s", self.config.announce_for.as_secs());
        let why = "its systemd is shutting it down";
        match self.client.plan_stop(host, "stop-announced", Some(&span), Some(why)).await {
            Ok(stop) => {
                self.keep(Announced { stop: stop.id }).await;
                Announcement::Until(stop.until)
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &AskError) -> Announcement {
        let host = &self.config.host;
        Announcement::Failed(match matches!(error, AskError::NotFound { .. }) {
            true => format!(
                "it does not know host {host}, or is Python's Masakari, which takes no announcements"
            ),
            false => error.to_string(),
        })
    }

    async fn standing(&self) -> Result<Option<openstack::instance_ha::PlannedStop>, AskError> {
        let host = self.config.host.as_str();
        let stops = self.client.planned_stops().await?;
        Ok(stops.into_iter().find(|stop| stop.host == host))
    }

    /// Ends the stop that we announced, if it still stands and nothing waits for its end.
    async fn end(&self, announced: &Announced) -> Result<(), String> {
        let standing = match self.standing().await {
            Err(AskError::NotFound { .. }) => None,
            standing => standing.map_err(|error| error.to_string())?,
        };
        let host = &self.config.host;
        match standing.filter(|stop| stop.id == announced.stop) {
            // It is over, or a person has planned another since.
            None => {}
            Some(stop) if stop.notification_status.as_deref() == Some("new") => {
                return Err(format!(
                    "a report of the death of {host} waits for its end; an engine ends it when Nova hears the host"
                ));
            }
            Some(_) => match self.client.resume(host).await {
                Ok(_) => tracing::info!("{host} is back: its announced stop is ended"),
                Err(AskError::Conflict { .. } | AskError::NotFound { .. }) => {}
                Err(error) => return Err(error.to_string()),
            },
        }
        self.forget().await;
        Ok(())
    }

    async fn announced(&self) -> Option<Announced> {
        let folder = self.folder.clone()?;
        let read = tokio::task::spawn_blocking(move || folder.read(ANNOUNCED)).await;
        serde_json::from_slice(&read.ok()?.ok()?).ok()
    }

    async fn keep(&self, announced: Announced) {
        let (Some(folder), Ok(bytes)) = (self.folder.clone(), serde_json::to_vec(&announced))
        else {
            return;
        };
        let write = move || {
            folder.write(ANNOUNCED_UNFINISHED, &bytes)?;
            folder.rename(ANNOUNCED_UNFINISHED, ANNOUNCED)?;
            folder.settle()
        };
        if !matches!(tokio::task::spawn_blocking(write).await, Ok(Ok(()))) {
            tracing::warn!(
                "which stop was announced is not kept: it stands until its time is over"
            );
        }
    }

    async fn forget(&self) {
        let Some(folder) = self.folder.clone() else { return };
        // What is left is looked at again, and found to be over.
        drop(tokio::task::spawn_blocking(move || folder.remove(ANNOUNCED)).await);
    }
}
