//! The processes of this machine, as `ps -ef` shows them, and the end of one by its pidfd.
//!
//! Something is here when its name stands anywhere in the command line of a process. Not counted are the dead whom nobody
//! has waited for yet, and the commands that we run (`systemctl restart NAME` has the name in it): what descends from us.
//!
//! Of each name one process is waited for, however many bear it: when that ends it is looked who is left.

use super::{Seen, Sight};
use async_trait::async_trait;
use futures::{FutureExt, future::select_all};
use ports::{Clock, within};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Of a command line; the kernel itself has no such limit.
const LINE_BYTES_MAX: u64 = 128 << 10;
/// A look takes milliseconds, but reading of a process that is stuck in the kernel may hang.
const DEADLINE: Duration = Duration::from_secs(5);
/// More forefathers has nobody.
const FOREFATHERS_MOST: usize = 64;

/// The processes of this machine.
#[derive(Debug)]
pub struct Processes {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    /// Of each name the process whose end is waited for.
    awaited: BTreeMap<String, Awaited>,
    /// A look that hangs; another one would hang, too.
    is_stuck: bool,
}

#[derive(Clone, Debug)]
struct Awaited {
    id: i32,
    pidfd: Arc<AsyncFd<OwnedFd>>,
}

/// What a look found of one name.
enum Found {
    Nobody,
    /// Nobody but ourselves.
    Us,
    /// This process, and whatever tells its end, if the kernel has such a thing.
    Process(i32, Option<OwnedFd>),
}

impl Processes {
    /// Those that run now and later.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what was found, and waits for the end of each.
    fn seen(&self, name: &str, found: Found) -> Seen {
        match found {
            Found::Nobody => {
                self.state().awaited.remove(name);
                Seen::Gone
            }
            Found::Us => Seen::Here,
            Found::Process(id, pidfd) => {
                // Without it the next look tells.
                if let Some(Ok(pidfd)) = pidfd.map(awaitable) {
                    let awaited = Awaited { id, pidfd: Arc::new(pidfd) };
                    self.state().awaited.insert(name.to_owned(), awaited);
                }
                Seen::Here
            }
        }
    }
}

#[async_trait]
impl Sight for Processes {
    async fn look(&self, names: &[String]) -> Vec<Seen> {
        let unknown = |why: &str| vec![Seen::Unknown(why.to_owned()); names.len()];
        const STUCK: &str =
            "reading /proc hangs; `ps -ef` would, too: look for processes in state D";
        let known: Vec<_> = {
            let mut state = self.state();
            if state.is_stuck {
                return unknown(STUCK);
            }
            state.awaited.retain(|name, _| names.contains(name));
            // Until the look has come back.
            state.is_stuck = true;
            names.iter().map(|name| state.awaited.get(name).map(|awaited| awaited.id)).collect()
        };
        let asked = names.to_vec();
        let look = tokio::task::spawn_blocking(move || find(&asked, &known));
        match within(&*self.clock, DEADLINE, look).await {
            None => unknown(STUCK),
            Some(found) => {
                self.state().is_stuck = false;
                match found {
                    Ok(Ok(found)) => names
                        .iter()
                        .zip(found)
                        .map(|(name, found)| self.seen(name, found))
                        .collect(),
                    Ok(Err(error)) => unknown(&format!("/proc cannot be read: {error}")),
                    Err(error) => unknown(&format!("a look broke off: {error}")),
                }
            }
        }
    }

    async fn changed(&self) {
        let awaited = self.state().awaited.clone();
        let ends = awaited.into_iter().map(|(name, awaited)| {
            async move {
                // An error is a reason to look, too.
                drop(awaited.pidfd.readable().await);
                name
            }
            .boxed()
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        let (ended, ..) = select_all(ends).await;
        self.state().awaited.remove(&ended);
    }
}

#[expect(
    deprecated,
    reason = "it is sound for a descriptor that is owned; what takes its place wants that promised in an unsafe block"
)]
fn awaitable(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// Who bears these names; `known` are those whose end is waited for already, and who are not opened again.
fn find(names: &[String], known: &[Option<i32>]) -> io::Result<Vec<Found>> {
    let us = i32::try_from(std::process::id()).unwrap_or(0);
    let mut bearers: Vec<Vec<i32>> = vec![Vec::new(); names.len()];
    for entry in std::fs::read_dir("/proc")? {
        let file = entry?.file_name();
        let Some(id) = file.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(line) = command_line(id) else { continue };
        for (name, bearers) in names.iter().zip(&mut bearers) {
            if line.contains(name.as_str()) {
                bearers.push(id);
            }
        }
    }
    let find = |((name, bearers), known): ((&String, Vec<i32>), &Option<i32>)| {
        let others = bearers.iter().copied().filter(|id| !descends_from(*id, us));
        let mut others = others.collect::<Vec<_>>();
        if let Some(known) = known.filter(|id| others.contains(id)) {
            return Found::Process(known, None);
        }
        others.sort_unstable();
        let opened = others.into_iter().find_map(|id| opened(id, name));
        match opened {
            Some((id, pidfd)) => Found::Process(id, pidfd),
            None if bearers.contains(&us) => Found::Us,
            None => Found::Nobody,
        }
    };
    Ok(names.iter().zip(bearers).zip(known).map(find).collect())
}

/// The process's pidfd, if it is still the one that bears the name.
fn opened(id: i32, name: &str) -> Option<(i32, Option<OwnedFd>)> {
    // Kernels before 5.3 have none.
    let pidfd = pidfd_open(Pid::from_raw(id)?, PidfdFlags::NONBLOCK).ok();
    let is_it = command_line(id).is_some_and(|line| line.contains(name));
    is_it.then_some((id, pidfd))
}

/// What `ps -ef` shows as CMD; none of what is gone, or dead and not waited for.
#[must_use]
pub fn command_line(id: i32) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{id}/cmdline")).ok()?;
    file.take(LINE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    if bytes.is_empty() {
        let (name, state, _) = stat(id)?;
        return (state != 'Z' && state != 'X').then(|| format!("[{name}]"));
    }
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let shown = bytes[..end].iter().map(|byte| match byte {
        0 => b' ',
        1..32 | 127 => b'?',
        other => *other,
    });
    Some(String::from_utf8_lossy(&shown.collect::<Vec<_>>()).into_owned())
}

/// A process's name, state and parent.
fn stat(id: i32) -> Option<(String, char, i32)> {
    let bytes = std::fs::read(format!("/proc/{id}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The name may hold anything, brackets too.
    let (start, end) = (text.find('(')?, text.rfind(')')?);
    let name = text.get(start + 1..end)?.to_owned();
    let mut rest = text.get(end + 1..)?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    Some((name, state, rest.next()?.parse().ok()?))
}

/// Whether `id` is `us`, or a command of ours, or was started by one that has not ended.
fn descends_from(id: i32, us: i32) -> bool {
    if id == us {
        return true;
    }
    // In a container everybody who is left alone becomes the first one's child.
    if us == 1 {
        return false;
    }
    let parent = |id: &i32| stat(*id).map(|(_, _, parent)| parent).filter(|parent| *parent > 1);
    std::iter::successors(Some(id), parent).take(FOREFATHERS_MOST).any(|id| id == us)
}
