//! From the names in an operator's list to what runs where.

use super::{
    CONFIRM_ACTIVE, CONFIRM_DISABLED, DISABLE_NODE, DISABLE_SERVICE, EVACUATE, Flow, Listed,
    PREPARE, Place, START, STOP,
};
use alloc::{string::String, vec::Vec};

/// Which failure a list answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    Host,
    Server,
    Process,
}

/// A task that a recovery always has, by the name that operators write and by the one that clients read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    pub(crate) task: &'static str,
}

const fn built_in(name: &'static str, task: &'static str) -> BuiltIn {
    BuiltIn { name, task }
}

const HOST: &[BuiltIn] = &[
    built_in(DISABLE_SERVICE, "DisableComputeServiceTask"),
    built_in(PREPARE, "PrepareHAEnabledInstancesTask"),
    built_in(EVACUATE, "EvacuateInstancesTask"),
];
const SERVER: &[BuiltIn] = &[
    built_in(STOP, "StopInstanceTask"),
    built_in(START, "StartInstanceTask"),
    built_in(CONFIRM_ACTIVE, "ConfirmInstanceActiveTask"),
];
const PROCESS: &[BuiltIn] = &[
    built_in(DISABLE_NODE, "DisableComputeNodeTask"),
    built_in(CONFIRM_DISABLED, "ConfirmComputeNodeDisabledTask"),
];

/// Why a list cannot be done.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Mistake {
    #[error("names {name:?}, which is neither a task of this kind of recovery nor a declared step")]
    Unknown { name: String },
    #[error("names {name:?} twice; a step that shall run twice is declared under two names")]
    Twice { name: String },
    #[error("has {name:?} after {later:?}: the built-in tasks keep their order")]
    Order { name: String, later: String },
    #[error("has {name:?} without {needs:?}: nothing is evacuated that was not looked at before")]
    Needs { name: String, needs: &'static str },
}

impl Failure {
    pub(crate) fn built_in(self) -> &'static [BuiltIn] {
        match self {
            Self::Host => HOST,
            Self::Server => SERVER,
            Self::Process => PROCESS,
        }
    }

    /// The names of the tasks that such a recovery always has, in their order.
    pub fn tasks(self) -> impl Iterator<Item = &'static str> {
        self.built_in().iter().map(|b| b.name)
    }

    /// What `names` mean, in the order in which they stand; `declared` tells the steps that there are.
    ///
    /// A step stands after the built-in task that it follows in the list.
    ///
    /// # Errors
    /// When it cannot be done so.
    pub fn flow<'n>(
        self,
        names: impl IntoIterator<Item = &'n str>,
        declared: impl Fn(&str) -> bool,
    ) -> Result<Flow, Mistake> {
        let tasks = self.built_in();
        let mut flow = Flow::default();
        let mut done = 0;
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            if seen.contains(&name) {
                return Err(Mistake::Twice { name: name.into() });
            }
            seen.push(name);
            match tasks.iter().position(|task| task.name == name) {
                Some(at) if at < done => {
                    let later = tasks.get(done - 1).map_or("", |task| task.name);
                    return Err(Mistake::Order { name: name.into(), later: later.into() });
                }
                Some(at) => done = at + 1,
                None if declared(name) => {
                    flow.steps.push(Listed { step: name.into(), place: self.place(done) });
                }
                None => return Err(Mistake::Unknown { name: name.into() }),
            }
        }
        let left = tasks.iter().filter(|task| !seen.contains(&task.name));
        flow.left_out = left.map(|task| task.name.into()).collect();
        if flow.leaves_out(PREPARE) && !flow.leaves_out(EVACUATE) && self == Self::Host {
            return Err(Mistake::Needs { name: EVACUATE.into(), needs: PREPARE });
        }
        Ok(flow)
    }

    /// The place after so many built-in tasks.
    fn place(self, done: usize) -> Place {
        if done >= self.built_in().len() {
            return Place::End;
        }
        match done {
            0 => Place::First,
            1 => Place::Second,
            _ => Place::Third,
        }
    }
}

impl Place {
    /// How many built-in tasks stand before it, in a recovery that has so many.
    pub(crate) fn after(self, tasks: usize) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
            Self::Third => 2,
            Self::End => tasks,
        }
    }
}
