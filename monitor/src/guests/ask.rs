//! Asks one guest: whether its VM runs, where its agent is, and whether that answers.

use super::Found;
use crate::{
    Claim, Report,
    instances::{AgentSaid, Guest, HypervisorError, Link},
    sending::{Look, Source},
};
use async_trait::async_trait;
use recovery::ServerId;
use regex::Regex;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const PING: &str = "guest-ping";

/// What an agent may be asked beyond a ping: what only tells, and takes no arguments.
pub const COMMANDS: &[&str] = &[
    "guest-get-cpustats",
    "guest-get-disks",
    "guest-get-diskstats",
    "guest-get-fsinfo",
    "guest-get-host-name",
    "guest-get-load",
    "guest-get-memory-blocks",
    "guest-get-osinfo",
    "guest-get-time",
    "guest-get-timezone",
    "guest-get-users",
    "guest-get-vcpus",
    "guest-info",
    "guest-network-get-interfaces",
];
/// Each may take its time in each round.
const COMMANDS_MOST: usize = 4;

/// The commands that are asked beyond a ping.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Commands(Vec<&'static str>);

/// Why a command is not asked.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum CommandRefused {
    #[error("{0:?} is not asked: name some of {all}", all = COMMANDS.join(", "))]
    NotAllowed(String),
    #[error(
        "has {0} commands: name {COMMANDS_MOST} at most, for each may take its time in each round"
    )]
    TooMany(usize),
}

impl Commands {
    /// Those called `names`.
    pub fn named(names: &[String]) -> Result<Self, CommandRefused> {
        if names.len() > COMMANDS_MOST {
            return Err(CommandRefused::TooMany(names.len()));
        }
        let allowed = |name: &String| {
            let found = COMMANDS.iter().find(|allowed| *allowed == name);
            found.copied().ok_or_else(|| CommandRefused::NotAllowed(name.clone()))
        };
        names.iter().map(allowed).collect::<Result<_, _>>().map(Self)
    }
}

/// How guests are asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Which sockets are agents': matched at their beginning, as Python's `re.match` does.
    pub socket: Regex,
    /// For each answer, in whole seconds.
    pub patience: Duration,
    pub commands: Commands,
}

/// What a guest said, in a run of its VM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Heard {
    pub(super) found: Found,
    /// The commands that it answered.
    pub(super) able: Vec<&'static str>,
    /// It has an agent's channel, as far as that was seen.
    pub(super) has_channel: bool,
    /// For people: why it is not alive.
    pub(super) why: String,
}

impl Heard {
    fn new(found: Found, why: impl Into<String>) -> Self {
        Self { found, able: Vec::new(), has_channel: true, why: why.into() }
    }

    fn unknown(error: &HypervisorError) -> Self {
        Self::new(Found::Unknown, error.to_string())
    }
}

impl Asking {
    /// Asks `server` in its `run`; of `expected` it has answered each before.
    pub(super) async fn ask(
        &self,
        link: &dyn Link,
        server: &ServerId,
        run: u32,
        expected: impl Fn(&str) -> bool + Send + Sync,
    ) -> Heard {
        if let Err(heard) = self.look(link, server, run).await {
            return heard;
        }
        let why = match link.ask_agent(server, PING, self.patience).await {
            Ok(AgentSaid::Answered) => return self.beyond(link, server, run, expected).await,
            Ok(AgentSaid::Refused(why) | AgentSaid::Unknown(why)) => {
                return Heard::new(Found::Unknown, why);
            }
            Ok(AgentSaid::Silent(why)) => why,
            Err(error) => return Heard::unknown(&error),
        };
        self.silent(link, server, run, why).await
    }

    /// The commands beyond the ping.
    async fn beyond(
        &self,
        link: &dyn Link,
        server: &ServerId,
        run: u32,
        expected: impl Fn(&str) -> bool + Send + Sync,
    ) -> Heard {
        let mut able = Vec::new();
        for command in self.commands.0.iter().copied() {
            match link.ask_agent(server, command, self.patience).await {
                Ok(AgentSaid::Answered) => able.push(command),
                Ok(AgentSaid::Silent(why) | AgentSaid::Refused(why)) if expected(command) => {
                    let why = format!("{command}: {why}");
                    return Heard { able, ..self.silent(link, server, run, why).await };
                }
                // What it never could is not missed; nor is what nobody knows of.
                Ok(AgentSaid::Silent(_) | AgentSaid::Refused(_) | AgentSaid::Unknown(_)) => {}
                Err(error) => return Heard::unknown(&error),
            }
        }
        Heard { able, ..Heard::new(Found::Alive, "") }
    }

    /// Silence counts if the VM runs still as it did.
    async fn silent(&self, link: &dyn Link, server: &ServerId, run: u32, why: String) -> Heard {
        match self.look(link, server, run).await {
            Ok(()) => Heard::new(Found::Silent, why),
            Err(heard) => heard,
        }
    }

    /// `Err`: there is no agent to ask now.
    async fn look(&self, link: &dyn Link, server: &ServerId, run: u32) -> Result<(), Heard> {
        let guest = match link.guest(server).await {
            Ok(guest) => guest,
            Err(error) => return Err(Heard::unknown(&error)),
        };
        let excuse = |why: &str| Err(Heard::new(Found::Excused, why));
        let Some(guest) = guest.filter(|guest| guest.run == Some(run)) else {
            return excuse("that run of the VM has ended");
        };
        if !guest.is_running {
            return excuse("the VM is paused or on its way down");
        }
        if guest.is_busy {
            return excuse("the VM is moved, saved or dumped");
        }
        match self.is_open(&guest) {
            None => {
                let heard = Heard::new(Found::Excused, "the VM has no agent's channel");
                Err(Heard { has_channel: false, ..heard })
            }
            Some(false) => {
                Err(Heard::new(Found::Closed, "nobody in the guest has its channel open"))
            }
            Some(true) => Ok(()),
        }
    }

    /// Whether the agent's channel is open, as far as libvirt says; none if there is no such channel.
    fn is_open(&self, guest: &Guest) -> Option<bool> {
        let at_begin =
            |socket: &str| self.socket.find(socket).is_some_and(|found| found.start() == 0);
        let channel = guest.channels.iter().find(|channel| at_begin(&channel.socket))?;
        Some(channel.is_open.unwrap_or(true))
    }
}

/// The way to ask again what was reported: the connection that stands, if one does.
#[derive(Clone, Debug)]
pub struct Asker {
    asking: Asking,
    link: Arc<Mutex<Option<Arc<dyn Link>>>>,
}

impl Asker {
    /// One without a connection yet.
    #[must_use]
    pub fn new(asking: Asking) -> Self {
        Self { asking, link: Arc::default() }
    }

    pub(super) fn asking(&self) -> &Asking {
        &self.asking
    }

    pub(super) fn set(&self, link: Option<Arc<dyn Link>>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    fn link(&self) -> Option<Arc<dyn Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Source for Asker {
    async fn look(&self, report: &Report) -> Look {
        let Some(server) = report.payload.get("instance_uuid").and_then(|id| id.as_str()) else {
            return Look::Gone("it names no VM".into());
        };
        let server = ServerId::new(server);
        let run = match report.claim {
            Claim::GuestSilent { run } => run,
            Claim::InstanceStopped { .. }
            | Claim::InstancePaused
            | Claim::InstanceRan { .. }
            | Claim::ProcessMissing
            | Claim::HostDead
            | Claim::HostBack => {
                return Look::Gone("it is not of a guest's agent".into());
            }
        };
        let Some(link) = self.link() else { return Look::Unknown("libvirt is away".into()) };
        match link.domain(&server).await {
            Ok(Some(domain)) if domain.run == Some(run) => {}
            Ok(Some(_) | None) => return Look::Gone("that run of the VM has ended".into()),
            Err(error) => return Look::Unknown(error.to_string()),
        }
        // What was missing of the commands is looked at by the rounds; here a sign of life is enough.
        let ping = Asking { commands: Commands::default(), ..self.asking.clone() };
        let Heard { found, why, .. } = ping.ask(&*link, &server, run, |_| false).await;
        match found {
            Found::Alive => Look::Gone("the guest's agent answers".into()),
            Found::Silent | Found::Closed => Look::Holds,
            Found::Excused | Found::Unknown => Look::Unknown(why),
        }
    }
}
