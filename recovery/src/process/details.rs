//! The log of a process failure as Masakari's API shows it: the tasks, states and sentences that
//! clients of Python Masakari know.

use super::{Event, NOVA_COMPUTE};
use crate::details::{Task, tell_every};
use crate::fold::Of;
use crate::log::Line;
use crate::steps::{Failure, shown};
use crate::{HostName, Millis};
use alloc::{format, vec::Vec};

/// The tasks that have begun, in their order; none for a process that takes nothing out of service.
#[must_use]
pub fn details(lines: &[Line], host: &HostName) -> Vec<Task> {
    let mut tasks = Vec::new();
    for line in lines {
        tell(&mut tasks, line, host);
    }
    shown(tasks, lines, Failure::Process)
}

fn tell(tasks: &mut Vec<Task>, line: &Line, host: &HostName) {
    match line.entry.of() {
        Of::Process(event) => happened(tasks, line.at, event, host),
        Of::Every(entry) => tell_every(tasks, line.at, &entry),
        Of::Host | Of::Restart(_) | Of::Return(_) | Of::Drill(_) | Of::Drain(_) => {}
    }
}

fn happened(tasks: &mut Vec<Task>, at: Millis, event: &Event, host: &HostName) {
    if let Event::Stopped { process } = event {
        if process == NOVA_COMPUTE && tasks.is_empty() {
            let mut disable = Task::begin("DisableComputeNodeTask");
            disable.say(at, 0.0, format!("Disabling compute service on host: '{host}'"));
            tasks.push(disable);
        }
        return;
    }
    let Some(disable) = tasks.first_mut() else { return };
    match event {
        Event::AlreadyDisabled => {
            let text =
                format!("Skipping recovery for process {NOVA_COMPUTE} as it is already disabled");
            disable.say(at, 1.0, text);
            is_disabled(tasks, at, host);
        }
        Event::DisableTaken => {
            disable.say(at, 1.0, format!("Disabled compute service on host: '{host}'"));
            is_disabled(tasks, at, host);
        }
        Event::DisableRefused { why, .. } => {
            disable.say(at, 0.0, format!("The service was not disabled: {why}"));
        }
        Event::Confirmed => {
            if disable.state != "SUCCESS" {
                disable.say(at, 1.0, format!("Disabled compute service on host: '{host}'"));
                is_disabled(tasks, at, host);
            }
            if let Some(confirm) = tasks.last_mut() {
                let text = format!("Confirmed compute service is disabled on host: '{host}'");
                confirm.say(at, 1.0, text);
                confirm.succeed();
            }
        }
        Event::Stopped { .. } | Event::DisableIntended | Event::NotAsked { .. } => {}
    }
}

/// Nova took it: from here on it is confirmed.
fn is_disabled(tasks: &mut Vec<Task>, at: Millis, host: &HostName) {
    tasks.iter_mut().for_each(Task::succeed);
    let mut confirm = Task::begin("ConfirmComputeNodeDisabledTask");
    let text = format!("Confirming compute service is disabled on host: '{host}'");
    confirm.say(at, 0.0, text);
    tasks.push(confirm);
}
