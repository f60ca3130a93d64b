//! How both ways of watching do, as one: the monitor turns when both have looked, and is well when both could.

use crate::Mark;
use std::sync::{Mutex, PoisonError};

/// In which way something is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Processes,
    Units,
}

#[derive(Clone, Default, Debug)]
struct Looked {
    /// Each: it has looked, and perhaps why it could not see.
    processes: Option<Option<String>>,
    units: Option<Option<String>>,
}

/// What both write on one mark.
#[derive(Debug)]
pub(super) struct Pulse {
    mark: Mark,
    looked: Mutex<Looked>,
}

impl Pulse {
    pub(super) fn new(mark: Mark) -> Self {
        Self { mark, looked: Mutex::default() }
    }

    /// One has looked, and could not see everything: why.
    pub(super) fn looked(&self, way: Way, trouble: Option<String>) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match way {
            Way::Processes => looked.processes = Some(trouble),
            Way::Units => looked.units = Some(trouble),
        }
        let Looked { processes: Some(processes), units: Some(units) } = &*looked else { return };
        match processes.as_ref().or(units.as_ref()) {
            Some(why) => self.mark.troubled(why.clone()),
            None => self.mark.well(),
        }
        *looked = Looked::default();
    }

    /// Something happened to one of them.
    pub(super) fn saw(&self, what: String) {
        self.mark.saw(what);
    }
}
