//! A disk in memory whose power can be cut after any operation, and within one.

use monitor::sending::Folder;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

type Files = BTreeMap<String, Vec<u8>>;

/// What a name was made to mean.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Vec<u8>),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default, Debug)]
struct State {
    /// What lasts.
    lasting: Files,
    /// What was done since, in its order.
    pending: Vec<Change>,
    done: usize,
    cut_after: Option<usize>,
}

/// Clones share it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

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
        Self(Arc::new(Mutex::new(State { lasting, ..State::default() })))
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
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

    fn now(&self) -> Files {
        let state = self.0.lock().unwrap();
        state.after(state.pending.len())
    }
}

impl State {
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
        let mut state = self.0.lock().unwrap();
        if state.cut_after.is_some_and(|most| state.done >= most) {
            state.done += 1;
            return Err(io::Error::other("no power"));
        }
        state.done += 1;
        state.lasting = state.after(state.pending.len());
        state.pending.clear();
        Ok(())
    }
}
