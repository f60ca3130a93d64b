//! What a hypervisor is asked.

use super::Event;
use crate::Mark;
use async_trait::async_trait;
use ports::{Clock, Entropy};
use recovery::ServerId;
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The first wait before a hypervisor is asked again; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Who died meanwhile is found no later; and to try costs next to nothing.
const PAUSE_MOST: Duration = Duration::from_secs(2);

/// The hypervisor of this host.
#[async_trait]
pub trait Hypervisor: Send + Sync + Debug {
    /// Connects. Everything that happens from then on is heard.
    async fn connect(&self) -> Result<Connected, HypervisorError>;
}

/// A connection, and what comes over it.
#[derive(Debug)]
pub struct Connected {
    pub link: Arc<dyn Link>,
    pub heard: mpsc::Receiver<Heard>,
}

/// A connection that can be asked.
#[async_trait]
pub trait Link: Send + Sync + Debug {
    /// All domains that there are, running or not.
    async fn domains(&self) -> Result<Vec<Domain>, HypervisorError>;
    /// One of them; none if there is no such domain.
    async fn domain(&self, server: &ServerId) -> Result<Option<Domain>, HypervisorError>;
    /// One of them and the way to its agent; none if there is no such domain.
    async fn guest(&self, server: &ServerId) -> Result<Option<Guest>, HypervisorError>;
    /// Has the agent of a domain do `command`, one of QEMU's that takes no arguments. It has `patience`, in whole
    /// seconds, to answer.
    async fn ask_agent(
        &self,
        server: &ServerId,
        command: &str,
        patience: Duration,
    ) -> Result<AgentSaid, HypervisorError>;
    /// Whether something was said that there was no room for; asked once, it is forgotten.
    fn missed_something(&self) -> bool;
}

/// What comes over a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    Event(Event),
    /// The connection is over: why.
    Closed(String),
}

/// A domain as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domain {
    pub server: ServerId,
    pub name: String,
    /// libvirt's number of this run; none when it does not run.
    pub run: Option<u32>,
    /// Its processors stand still.
    pub is_paused: bool,
    /// Why it does not run.
    pub off: Option<Off>,
    /// Whether its definition outlives its run.
    pub is_persistent: bool,
}

/// A domain, as far as its agent can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guest {
    /// libvirt's number of this run; none when it does not run.
    pub run: Option<u32>,
    /// Its processors run: it is not paused, nor on its way down.
    pub is_running: bool,
    /// It is moved, saved or dumped.
    pub is_busy: bool,
    pub channels: Vec<Channel>,
}

/// A socket of the host's that is a port of the guest's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    pub socket: String,
    /// Whether somebody in the guest has it open; none where libvirt does not say.
    pub is_open: Option<bool>,
}

/// What came of asking an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentSaid {
    Answered,
    /// It answered that it cannot; or libvirt's way to it broke, which sounds the same.
    Refused(String),
    /// Nothing.
    Silent(String),
    /// It was not asked, or nobody knows whether it was.
    Unknown(String),
}

/// Connects, however long that takes; one line says that it does not work, and each line more another reason.
pub(crate) async fn connected(
    hypervisor: &dyn Hypervisor,
    mark: &Mark,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Connected {
    let began = clock.boot();
    let (mut pause, mut told): (Duration, Option<HypervisorError>) = (PAUSE, None);
    loop {
        let error = match hypervisor.connect().await {
            Ok(connected) => {
                let s = clock.boot().since(began).as_secs();
                let after = told.map_or(String::new(), |_| format!(" after {s} s"));
                tracing::info!("libvirt is connected{after}");
                return connected;
            }
            Err(error) => error,
        };
        if told.as_ref() != Some(&error) {
            let what = mark.name();
            tracing::warn!("Error from libvirt : {error}; no {what} are watched until it works");
        }
        mark.troubled(error.to_string());
        told = Some(error);
        clock.sleep(entropy.jitter(pause)).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// Why a domain does not run (`virDomainShutoffReason`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    /// libvirt does not know.
    Unknown,
    Shutdown,
    Destroyed,
    Crashed,
    Migrated,
    Saved,
    Failed,
    FromSnapshot,
    /// It was gone when libvirtd came back.
    Daemon,
}

/// Why a hypervisor cannot be asked.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum HypervisorError {
    /// What is needed to ask is not on this host.
    #[error("{0}")]
    NoLibrary(String),
    #[error(
        "cannot connect to {uri}: {why}: start libvirtd (or virtqemud) on this host, let this user into its socket's \
         group, or set [libvirt] connection_uri to where it listens"
    )]
    NoConnection { uri: String, why: String },
    #[error(
        "{uri} asks for a password, and nobody is here to type it: set [libvirt] connection_uri to a socket on \
         this host that this user may use, such as qemu:///system, or let libvirtd take us without one ({why})"
    )]
    AsksForPassword { uri: String, why: String },
    /// It was connected and does not answer as it should.
    #[error("libvirt does not tell: {0}")]
    Failed(String),
    #[error("libvirt has not answered for {0} s")]
    Hangs(u64),
}
