//! A disk in memory whose power can be cut after any operation, and within one; and whose user can be killed at any.
#![allow(dead_code, reason = "each suite wants a part of it")]

use monitor::sending::Folder;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

type Files = BTreeMap<String, Vec<u8>>;

/// What a name was made to mean.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Vec<u8>),
    Rename(String, String),
    Remove(String),
}

/// Whether the operation at which the process is killed is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Killed {
    Before,
    After,
}

#[derive(Clone, Default, Debug)]
struct State {
    /// What lasts.
    lasting: Files,
    /// What was done since, in its order.
    pending: Vec<Change>,
    done: usize,
    cut_after: Option<usize>,
    /// After so many more operations its user is killed.
    kills: Option<(usize, Killed)>,
    /// Its user is no more.
    is_dead: bool,
    /// How many users it has had; what those before the last had begun ends with them.
    users: usize,
}

/// Clones share it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>, Arc<Notify>, usize);

impl Disk {
    /// A disk that does `operations` more; the one after is left half done, and then nothing answers.
    pub(crate) fn cut_after(&self, operations: usize) {
        let mut state = self.0.lock().unwrap();
        state.cut_after = Some(state.done + operations);
    }

    /// How much was done.
    pub(crate) fn done(&self) -> usize {
        self.0.lock().unwrap().done
    }

    /// Every disk that may be found afterwards: names that were not settled last up to any of them.
    pub(crate) fn afterwards(&self) -> Vec<Self> {
        let state = self.0.lock().unwrap();
        (0..=state.pending.len()).map(|lasting| Self::of(state.after(lasting))).collect()
    }

    /// The disk that is found when only the process was killed.
    pub(crate) fn after_a_kill(&self) -> Self {
        let state = self.0.lock().unwrap();
        Self::of(state.after(state.pending.len()))
    }

    fn of(lasting: Files) -> Self {
        Self(Arc::new(Mutex::new(State { lasting, ..State::default() })), Arc::default(), 0)
    }

    /// Its user is killed before the operation that comes after `operations` more, or right after it.
    pub(crate) fn kills_before(&self, operations: usize) {
        self.0.lock().unwrap().kills = Some((operations, Killed::Before));
    }

    pub(crate) fn kills_after(&self, operations: usize) {
        self.0.lock().unwrap().kills = Some((operations, Killed::After));
    }

    /// Its user was killed.
    pub(crate) async fn killed(&self) {
        self.1.notified().await;
    }

    /// The same disk for the user that it has now.
    pub(crate) fn in_use(&self) -> Self {
        let users = self.0.lock().unwrap().users;
        Self(Arc::clone(&self.0), Arc::clone(&self.1), users)
    }

    /// It has another user, whom it does not kill. Whether it had killed the one before.
    pub(crate) fn begins_anew(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        state.kills = None;
        state.users += 1;
        std::mem::take(&mut state.is_dead)
    }

    /// Whom it kills does nothing more.
    fn operation(&self, does: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let dead = || io::Error::other("killed");
        let mut state = self.0.lock().unwrap();
        match state.kills {
            _ if state.is_dead || self.2 < state.users => return Err(dead()),
            Some((0, when)) => {
                state.is_dead = true;
                self.1.notify_one();
                if when == Killed::After {
                    does(&mut state)?;
                }
                return Err(dead());
            }
            Some((more, when)) => state.kills = Some((more - 1, when)),
            None => {}
        }
        does(&mut state)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        self.operation(|state| state.change(change))
    }

    fn now(&self) -> Files {
        let state = self.0.lock().unwrap();
        state.after(state.pending.len())
    }
}

impl State {
    fn change(&mut self, change: Change) -> io::Result<()> {
        let state = self;
        match state.cut_after {
            Some(most) if state.done > most => return Err(io::Error::other("no power")),
            Some(most) if state.done == most => {
                state.done += 1;
                if let Change::Write(name, mut bytes) = change {
                    bytes.truncate(bytes.len() / 2);
                    state.pending.push(Change::Write(name, bytes));
                }
                return Err(io::Error::other("no power"));
            }
            Some(_) | None => {}
        }
        state.done += 1;
        state.pending.push(change);
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        self.done += 1;
        if self.cut_after.is_some_and(|most| self.done > most) {
            return Err(io::Error::other("no power"));
        }
        self.lasting = self.after(self.pending.len());
        self.pending.clear();
        Ok(())
    }

    fn after(&self, changes: usize) -> Files {
        let mut files = self.lasting.clone();
        for change in &self.pending[..changes] {
            match change.clone() {
                Change::Write(name, bytes) => drop(files.insert(name, bytes)),
                Change::Remove(name) => drop(files.remove(&name)),
                Change::Rename(from, to) => {
                    let bytes = files.remove(&from).unwrap();
                    files.insert(to, bytes);
                }
            }
        }
        files
    }
}

impl Folder for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.now().into_keys().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.now().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(Change::Write(name.into(), bytes.into()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Change::Rename(from.into(), to.into()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(Change::Remove(name.into()))
    }

    fn settle(&self) -> io::Result<()> {
        self.operation(State::settle)
    }
}
