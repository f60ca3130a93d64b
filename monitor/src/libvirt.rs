//! libvirt, opened at run time: hosts without it need no library, and only the role that watches VMs loads it.
//!
//! ```text
//!  Libvirt (Hypervisor) ──► Connection ──► Library: libvirt.so, the one place with `unsafe`
//!                             ▲
//!  one thread of libvirt's event loop, for all events of all connections
//! ```
//!
//! Calls block, so each is made off the runtime's thread, one at a time: a libvirtd that hangs holds one thread, and
//! whoever waits for it is told so after a while.

mod library;

use crate::instances::{Connected, Domain, Heard, Hypervisor, HypervisorError, Link, Off};
use async_trait::async_trait;
use library::{Connection, Failure, Library, Listed, NO_DOMAIN};
use ports::{Clock, within};
use recovery::ServerId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, mpsc};

/// Events that may wait for us; what comes beyond is found by listing.
const HEARD_MOST: usize = 1024;
/// For one call.
const DEADLINE: Duration = Duration::from_secs(20);
/// `VIR_ERR_AUTH_FAILED`, `VIR_ERR_AUTH_CANCELLED`
const AUTH: [i32; 2] = [45, 79];
/// `VIR_DOMAIN_PAUSED`, `VIR_DOMAIN_SHUTOFF`
const PAUSED: i32 = 3;
const SHUTOFF: i32 = 5;

/// The libvirt of this host.
#[derive(Clone, Debug)]
pub struct Libvirt {
    uri: String,
    clock: Arc<dyn Clock>,
    /// One call at a time.
    turn: Arc<Mutex<()>>,
}

impl Libvirt {
    /// libvirt at `uri`, as `[libvirt] connection_uri` has it. Nothing is opened yet.
    #[must_use]
    pub fn new(uri: String, clock: Arc<dyn Clock>) -> Self {
        Self { uri, clock, turn: Arc::default() }
    }
}

#[async_trait]
impl Hypervisor for Libvirt {
    async fn connect(&self) -> Result<Connected, HypervisorError> {
        let uri = self.uri.clone();
        let (heard, hearing) = mpsc::channel(HEARD_MOST);
        let missed = Arc::new(AtomicBool::new(false));
        let overflowed = Arc::clone(&missed);
        let open = move || {
            let library = Library::loaded().map_err(HypervisorError::NoLibrary)?;
            let tell = move |said: Heard| {
                // The end of the connection is heard by the channel's, if it has no room.
                if heard.try_send(said).is_err() {
                    overflowed.store(true, Ordering::SeqCst);
                }
            };
            Connection::open(library, &uri, Box::new(tell))
                .map_err(|failure| no_connection(uri, failure))
        };
        let connection = Some(Arc::new(call(&*self.clock, &self.turn, open).await?));
        let (clock, turn) = (Arc::clone(&self.clock), Arc::clone(&self.turn));
        let link = Arc::new(LibvirtLink { connection, clock, turn, missed });
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
    turn: Arc<Mutex<()>>,
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
        call(&*self.clock, &self.turn, list).await
    }

    async fn domain(&self, server: &ServerId) -> Result<Option<Domain>, HypervisorError> {
        let (connection, server) = (self.connection()?, server.clone());
        let look = move || match connection.look_up(server.as_str()) {
            Ok(listed) => Ok(Some(domain(listed))),
            Err(failure) if failure.code == NO_DOMAIN => Ok(None),
            Err(failure) => Err(failed(failure)),
        };
        call(&*self.clock, &self.turn, look).await
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

/// Makes a call that blocks, when its turn comes.
async fn call<T: Send + 'static>(
    clock: &dyn Clock,
    turn: &Arc<Mutex<()>>,
    work: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
) -> Result<T, HypervisorError> {
    let turn = Arc::clone(turn);
    let call = async move {
        let held = turn.lock_owned().await;
        // The turn ends with the call, even if nobody waits for it any more.
        let work = move || {
            let done = work();
            drop(held);
            done
        };
        let broke =
            |error: tokio::task::JoinError| Err(HypervisorError::Failed(format!("{error}")));
        tokio::task::spawn_blocking(work).await.unwrap_or_else(broke)
    };
    let hangs = Err(HypervisorError::Hangs(DEADLINE.as_secs()));
    within(clock, DEADLINE, call).await.unwrap_or(hangs)
}
