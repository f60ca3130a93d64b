//! A server in Nova's database.

use crate::shape::{Shape, Want};
use crate::state::State;
use recovery::seen::{Power, Server, Task};
use recovery::{HostName, Millis, ServerId};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VmState {
    Active,
    Stopped,
    Paused,
    Error,
    /// Shown to nobody but who asks what changed.
    Deleted,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TaskState {
    Rebuilding,
    RebuildBlockDeviceMapping,
    RebuildSpawning,
    PoweringOff,
    PoweringOn,
    Rebooting,
    RebootingHard,
    Migrating,
}

impl VmState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Error => "error",
            Self::Deleted => "deleted",
        }
    }
}

impl TaskState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rebuilding => "rebuilding",
            Self::RebuildBlockDeviceMapping => "rebuild_block_device_mapping",
            Self::RebuildSpawning => "rebuild_spawning",
            Self::PoweringOff => "powering-off",
            Self::PoweringOn => "powering-on",
            Self::Rebooting => "rebooting",
            Self::RebootingHard => "rebooting_hard",
            Self::Migrating => "migrating",
        }
    }

    pub(crate) fn is_rebuilding(self) -> bool {
        match self {
            Self::Rebuilding | Self::RebuildBlockDeviceMapping | Self::RebuildSpawning => true,
            Self::PoweringOff
            | Self::PoweringOn
            | Self::Rebooting
            | Self::RebootingHard
            | Self::Migrating => false,
        }
    }
}

/// `power_state` in the database: what nova-compute saw last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PowerState {
    Running,
    Paused,
    Shutdown,
}

impl PowerState {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Running => 1,
            Self::Paused => 3,
            Self::Shutdown => 4,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) request_id: String,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) start: Millis,
    /// Of an evacuation.
    pub(crate) events: Vec<super::events::Event>,
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) number: usize,
    pub(crate) id: ServerId,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) user: String,
    pub(crate) host: HostName,
    pub(crate) vm_state: VmState,
    pub(crate) task: Option<TaskState>,
    pub(crate) power: PowerState,
    pub(crate) locked: bool,
    pub(crate) locked_reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) wants: Option<Want>,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    pub(crate) fault: Option<(Millis, String)>,
    /// Oldest first.
    pub(crate) actions: Vec<Action>,
}

/// What its owner says of it.
fn metadata(shape: &Shape, number: usize, ha: bool, checked: bool) -> BTreeMap<String, String> {
    let tier = number.checked_rem(shape.tiers).map(|left| shape.tiers - left);
    let tier = tier.filter(|tier| *tier < shape.tiers).map(|tier| ("HA_Tier", tier.to_string()));
    let ha = ha.then(|| ("HA_Enabled", "True".to_owned()));
    let check = checked.then(|| ("HA_Check", shape.check.to_owned()));
    [ha, tier, check].into_iter().flatten().map(|(key, value)| (key.into(), value)).collect()
}

impl Instance {
    /// The `number`-th server of the cloud, from 1.
    pub(crate) fn new(number: usize, state: &State, host: &HostName) -> Self {
        let shape = &state.shape;
        let every = |n: usize| n != 0 && number.is_multiple_of(n);
        let (vm_state, power) = if every(shape.error_every) {
            (VmState::Error, PowerState::Shutdown)
        } else if every(shape.stopped_every) {
            (VmState::Stopped, PowerState::Shutdown)
        } else if every(shape.paused_every) {
            (VmState::Paused, PowerState::Paused)
        } else {
            (VmState::Active, PowerState::Running)
        };
        let ha = every(shape.ha_enabled_every);
        let metadata = metadata(shape, number, ha, every(shape.checked_every));
        let (project, user) = state.keystone.owner(number);
        let age_ms = 86_400_000 - i64::try_from(number).unwrap_or_default() * 1000;
        let created = state.now.plus(-age_ms);
        Self {
            number,
            id: ServerId::new(state.uuid()),
            name: format!("vm-{number:04}"),
            project,
            user,
            host: host.clone(),
            vm_state,
            task: None,
            power,
            locked: every(shape.locked_every),
            locked_reason: None,
            metadata,
            wants: shape.wants.get(number - 1).copied(),
            created,
            updated: created,
            fault: None,
            actions: Vec::new(),
        }
    }

    /// Its fixed address.
    pub(crate) fn address(&self) -> String {
        format!("10.0.{}.{}", self.number / 250 % 250, self.number % 250 + 1)
    }

    /// Whether a copy of it uses its disk, as far as the database knows.
    pub(crate) fn runs(&self) -> bool {
        match self.power {
            PowerState::Running | PowerState::Paused => true,
            PowerState::Shutdown => false,
        }
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.vm_state == VmState::Deleted
    }

    /// Writes down that it does not run any more.
    pub(crate) fn stopped(&mut self) {
        self.vm_state = VmState::Stopped;
        self.power = PowerState::Shutdown;
        self.task = None;
    }

    /// Writes down that it runs.
    pub(crate) fn started(&mut self) {
        self.vm_state = VmState::Active;
        self.power = PowerState::Running;
        self.task = None;
    }

    /// The `status` that Nova makes of the two states.
    pub(crate) fn status(&self) -> &'static str {
        match (self.vm_state, self.task) {
            (VmState::Active | VmState::Stopped | VmState::Error, Some(task))
                if task.is_rebuilding() =>
            {
                "REBUILD"
            }
            (VmState::Active, Some(TaskState::Rebooting)) => "REBOOT",
            (VmState::Active, Some(TaskState::RebootingHard)) => "HARD_REBOOT",
            (VmState::Active, _) => "ACTIVE",
            (VmState::Stopped, _) => "SHUTOFF",
            (VmState::Paused, _) => "PAUSED",
            (VmState::Error, _) => "ERROR",
            (VmState::Deleted, _) => "DELETED",
        }
    }

    /// The database's view, for those who judge.
    pub(crate) fn seen(&self) -> Server {
        Server {
            id: self.id.clone(),
            name: self.name.clone(),
            host: Some(self.host.clone()),
            vm_state: recovery::seen::VmState::from_word(self.vm_state.as_str()),
            task: Task::from_word(self.task.map(TaskState::as_str)),
            power: if self.power.number() == 4 { Power::Shutdown } else { Power::Other },
            locked: self.locked,
            metadata: self.metadata.clone(),
            hints: recovery::seen::Hints::default(),
        }
    }

    pub(crate) fn metadata_json(&self) -> Value {
        let pairs = self.metadata.iter().map(|(key, value)| (key.clone(), json!(value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    }
}
