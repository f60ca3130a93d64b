//! What a hypervisor is asked.

use super::Event;
use async_trait::async_trait;
use recovery::ServerId;
use std::{fmt::Debug, sync::Arc};
use tokio::sync::mpsc;

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
    #[error("cannot connect to {uri}: {why}")]
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
