//! libvirt, opened at run time: hosts without it need no library, and only the role that watches VMs loads it.
//!
//! ```text
//!  Libvirt (Hypervisor) ──► Connection ──► Library: libvirt.so and libvirt-qemu.so, the place with `unsafe`
//!                             ▲
//!  one thread of libvirt's event loop, for all events of all connections
//! ```
//!
//! Calls block, so each is made off the runtime's thread: lists one at a time, and what is asked of one VM beside that, a few
//! at once: a libvirtd that hangs holds few threads, and whoever waits for it is told so after a while.

mod channels;
mod library;

use crate::instances::{
    AgentSaid, Connected, Domain, Guest, Heard, Hypervisor, HypervisorError, Link, Off,
};
use async_trait::async_trait;
use library::{Access, AgentLibrary, Connection, Failure, Library, Listed, NO_DOMAIN, Seen};
use ports::{Clock, within};
use recovery::ServerId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc};

/// Events that may wait for us; what comes beyond is found by listing.
const HEARD_MOST: usize = 1024;
/// For one call.
const DEADLINE: Duration = Duration::from_secs(20);
/// For a look at one VM.
const GUEST_DEADLINE: Duration = Duration::from_secs(5);
/// Agents that are asked at once. libvirtd takes five calls of a client (`max_client_requests`), and one must be left to
/// list.
const AGENTS_AT_ONCE: usize = 4;
/// `VIR_ERR_AUTH_FAILED`, `VIR_ERR_AUTH_CANCELLED`
const AUTH: [i32; 2] = [45, 79];
/// `VIR_DOMAIN_RUNNING`, `VIR_DOMAIN_PAUSED`, `VIR_DOMAIN_SHUTOFF`
const RUNNING: i32 = 1;
const PAUSED: i32 = 3;
const SHUTOFF: i32 = 5;

/// The libvirt of this host.
#[derive(Clone, Debug)]
pub struct Libvirt {
    uri: String,
    access: Access,
    clock: Arc<dyn Clock>,
    /// One call at a time.
    turn: Arc<Semaphore>,
}

impl Libvirt {
    /// libvirt at `uri`, as `[libvirt] connection_uri` has it. Nothing is opened yet.
    #[must_use]
    pub fn new(uri: String, clock: Arc<dyn Clock>) -> Self {
        Self { uri, access: Access::Look, clock, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The same for who asks agents, too, which takes the right to change VMs.
    #[must_use]
    pub fn for_guests(uri: String, clock: Arc<dyn Clock>) -> Self {
        Self { access: Access::Ask, ..Self::new(uri, clock) }
    }
}

#[async_trait]
impl Hypervisor for Libvirt {
    async fn connect(&self) -> Result<Connected, HypervisorError> {
        let uri = self.uri.clone();
        let (heard, hearing) = mpsc::channel(HEARD_MOST);
        let missed = Arc::new(AtomicBool::new(false));
        let overflowed = Arc::clone(&missed);
        let access = self.access;
        let open = move || {
            let library = Library::loaded().map_err(HypervisorError::NoLibrary)?;
            if access == Access::Ask {
                // Said now, and not at the first agent.
                AgentLibrary::loaded().map_err(HypervisorError::NoLibrary)?;
            }
            let tell = move |said: Heard| {
                // The end of the connection is heard by the channel's, if it has no room.
                if heard.try_send(said).is_err() {
                    overflowed.store(true, Ordering::SeqCst);
                }
            };
            Connection::open(library, &uri, access, Box::new(tell))
                .map_err(|failure| no_connection(uri, failure))
        };
        let connection = Some(Arc::new(call(&*self.clock, &self.turn, DEADLINE, open).await?));
        let (clock, turn) = (Arc::clone(&self.clock), Arc::clone(&self.turn));
        let agents = Arc::new(Semaphore::new(AGENTS_AT_ONCE));
        let link = Arc::new(LibvirtLink { connection, clock, turn, agents, missed });
        Ok(Connected { link, heard: hearing })
    }
}

fn no_connection(uri: String, failure: Failure) -> HypervisorError {
    let why = failure.message;
    match AUTH.contains(&failure.code) {
        true => HypervisorError::AsksForPassword { uri, why },
        false => HypervisorError::NoConnection { uri, why },
    }
}

#[derive(Debug)]
struct LibvirtLink {
    /// Always there, but for the moment of its end.
    connection: Option<Arc<Connection>>,
    clock: Arc<dyn Clock>,
    turn: Arc<Semaphore>,
    /// For what is asked of one VM: one that hangs is in nobody else's way.
    agents: Arc<Semaphore>,
    missed: Arc<AtomicBool>,
}

#[async_trait]
impl Link for LibvirtLink {
    async fn domains(&self) -> Result<Vec<Domain>, HypervisorError> {
        let connection = self.connection()?;
        let list = move || {
            let listed = connection.list().map_err(failed)?;
            Ok(listed.into_iter().map(domain).collect())
        };
        call(&*self.clock, &self.turn, DEADLINE, list).await
    }

    async fn domain(&self, server: &ServerId) -> Result<Option<Domain>, HypervisorError> {
        let (connection, server) = (self.connection()?, server.clone());
        let look = move || match connection.look_up(server.as_str()) {
            Ok(listed) => Ok(Some(domain(listed))),
            Err(failure) if failure.code == NO_DOMAIN => Ok(None),
            Err(failure) => Err(failed(failure)),
        };
        // Whoever wants to know of one does not wait for a list of all.
        call(&*self.clock, &self.agents, DEADLINE, look).await
    }

    async fn guest(&self, server: &ServerId) -> Result<Option<Guest>, HypervisorError> {
        let (connection, server) = (self.connection()?, server.clone());
        let look = move || match connection.see(server.as_str()) {
            Ok(seen) => Ok(Some(guest(seen))),
            Err(failure) if failure.code == NO_DOMAIN => Ok(None),
            Err(failure) => Err(failed(failure)),
        };
        call(&*self.clock, &self.agents, GUEST_DEADLINE, look).await
    }

    async fn ask_agent(
        &self,
        server: &ServerId,
        command: &str,
        patience: Duration,
    ) -> Result<AgentSaid, HypervisorError> {
        let (connection, server) = (self.connection()?, server.clone());
        let command = serde_json::json!({ "execute": command }).to_string();
        let ask = move || Ok(said(connection.ask_agent(server.as_str(), &command, patience)));
        // libvirt speaks with the agent before it passes the command on, and has a patience of its own for that: 10 s for
        // one that hangs, and 5 s later on.
        call(&*self.clock, &self.agents, patience + DEADLINE, ask).await
    }

    fn missed_something(&self) -> bool {
        self.missed.swap(false, Ordering::SeqCst)
    }
}

impl LibvirtLink {
    fn connection(&self) -> Result<Arc<Connection>, HypervisorError> {
        self.connection.clone().ok_or_else(|| HypervisorError::Failed("it is closed".into()))
    }
}

impl Drop for LibvirtLink {
    /// Giving a connection back asks a libvirtd that may hang, and so happens off the runtime's thread.
    fn drop(&mut self) {
        let connection = self.connection.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(connection)));
        }
    }
}

fn failed(failure: Failure) -> HypervisorError {
    HypervisorError::Failed(failure.message)
}

fn domain(listed: Listed) -> Domain {
    // One that crashed and is kept (`on_crash` = preserve) has a QEMU still, and is a person's to look at.
    let is_off = listed.state == SHUTOFF;
    Domain {
        server: ServerId::new(listed.uuid),
        name: listed.name,
        run: listed.run.filter(|_| !is_off),
        is_paused: listed.state == PAUSED,
        off: is_off.then(|| off(listed.reason)),
        is_persistent: listed.is_persistent,
    }
}

fn guest(seen: Seen) -> Guest {
    Guest {
        run: seen.listed.run,
        is_running: seen.listed.state == RUNNING,
        is_busy: seen.has_job,
        channels: channels::channels(&seen.xml),
    }
}

/// libvirt's numbers for an agent that does not answer: `VIR_ERR_AGENT_UNRESPONSIVE`, `…_UNSYNCED`,
/// `…_COMMAND_TIMEOUT` (since 11.2); for one that answers that it cannot: `VIR_ERR_INTERNAL_ERROR`,
/// `VIR_ERR_AGENT_COMMAND_FAILED` (since 11.2). Anything else, as a VM that another call of libvirt's holds, tells nothing
/// of the agent.
fn said(outcome: Result<(), Failure>) -> AgentSaid {
    match outcome {
        Ok(()) => AgentSaid::Answered,
        Err(Failure { code: 86 | 97 | 112, message }) => AgentSaid::Silent(message),
        Err(Failure { code: 1 | 113, message }) => AgentSaid::Refused(message),
        Err(Failure { message, .. }) => AgentSaid::Unknown(message),
    }
}

/// `virDomainShutoffReason`
fn off(reason: i32) -> Off {
    match reason {
        1 => Off::Shutdown,
        2 => Off::Destroyed,
        3 => Off::Crashed,
        4 => Off::Migrated,
        5 => Off::Saved,
        6 => Off::Failed,
        7 => Off::FromSnapshot,
        8 => Off::Daemon,
        _ => Off::Unknown,
    }
}

/// Makes a call that blocks, when there is a place for it.
async fn call<T: Send + 'static>(
    clock: &dyn Clock,
    places: &Arc<Semaphore>,
    deadline: Duration,
    work: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
) -> Result<T, HypervisorError> {
    let places = Arc::clone(places);
    let call = async move {
        let held = places.acquire_owned().await;
        // The place is free when the call ends, even if nobody waits for it any more.
        let work = move || {
            let done = work();
            drop(held);
            done
        };
        let broke =
            |error: tokio::task::JoinError| Err(HypervisorError::Failed(format!("{error}")));
        tokio::task::spawn_blocking(work).await.unwrap_or_else(broke)
    };
    let hangs = Err(HypervisorError::Hangs(deadline.as_secs()));
    within(clock, deadline, call).await.unwrap_or(hangs)
}
