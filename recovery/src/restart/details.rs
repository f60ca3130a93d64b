//! The log of a restart as Masakari's API shows it: the tasks, states and sentences that clients of
//! Python Masakari know, and what it waits for besides.

use super::Event;
use crate::ServerId;
use crate::details::{Task, tell_every};
use crate::fold::{Every, Of};
use crate::log::Line;
use crate::steps::{Failure, shown};
use alloc::{format, string::String, vec::Vec};

const STOP: &str = "StopInstanceTask";
const START: &str = "StartInstanceTask";
const CONFIRM: &str = "ConfirmInstanceActiveTask";

/// The tasks that have begun, in their order.
#[must_use]
pub fn details(lines: &[Line], server: &ServerId) -> Vec<Task> {
    let mut tasks = Vec::new();
    for line in lines {
        tell(&mut tasks, line, server);
    }
    shown(tasks, lines, Failure::Server)
}

/// The task of that name, which begins if it has not.
fn task<'t>(tasks: &'t mut Vec<Task>, name: &'static str) -> &'t mut Task {
    let at = tasks.iter().position(|t| t.name == name).unwrap_or_else(|| {
        tasks.push(Task::begin(name));
        tasks.len() - 1
    });
    &mut tasks[at]
}

/// The name of the task that began last; of the first when none has.
fn last_of(tasks: &[Task]) -> &'static str {
    let is = |name: &&&str| tasks.last().is_some_and(|task| task.name == **name);
    [START, CONFIRM].iter().find(is).copied().unwrap_or(STOP)
}

fn tell(tasks: &mut Vec<Task>, line: &Line, server: &ServerId) {
    match line.entry.of() {
        Of::Restart(event) => {
            let last = last_of(tasks);
            happened(tasks, last, line.at, event, server);
        }
        Of::Every(entry) => {
            let says = matches!(
                entry,
                Every::Waiting { .. } | Every::Hand(_) | Every::Ended { message: Some(_), .. }
            );
            if says && tasks.is_empty() {
                tasks.push(Task::begin(STOP));
            }
            tell_every(tasks, line.at, &entry);
        }
        Of::Host | Of::Process(_) | Of::Return(_) | Of::Drill(_) | Of::Drain(_) => {}
    }
}

fn happened(
    tasks: &mut Vec<Task>,
    last: &'static str,
    at: crate::Millis,
    event: &Event,
    server: &ServerId,
) {
    match event {
        Event::Chosen { vm_state: crate::seen::VmState::Stopped, .. } => {
            let stop = task(tasks, STOP);
            stop.say(at, 1.0, format!("Stopped instance: '{server}'"));
            stop.succeed();
        }
        Event::Chosen { .. } => {
            task(tasks, STOP);
        }
        Event::Blocked { why } => {
            let task = task(tasks, last);
            task.say(at, task.progress, format!("Waiting: {why}"));
        }
        Event::StopIntended { .. } => {
            once(task(tasks, STOP), at, format!("Stopping instance: {server}"));
        }
        Event::StopRefused { why, .. } => {
            let text = format!("Conflict when stopping instance: {server}");
            task(tasks, STOP).say(at, 0.0, format!("{text}: {why}"));
        }
        Event::Stopped => {
            let stop = task(tasks, STOP);
            stop.say(at, 1.0, format!("Stopped instance: '{server}'"));
            stop.succeed();
        }
        Event::StartIntended => {
            once(task(tasks, START), at, format!("Starting instance: '{server}'"));
        }
        Event::StartRefused { why, .. } => {
            let text = format!("Instance '{server}' was not started: {why}");
            task(tasks, last).say(at, 0.0, text);
        }
        Event::StartTaken => is_starting(tasks, at, server),
        Event::Active => {
            is_starting(tasks, at, server);
            let confirm = task(tasks, CONFIRM);
            confirm.say(at, 1.0, format!("Confirmed instance '{server}' vm_state is ACTIVE"));
            confirm.succeed();
        }
        Event::Freed | Event::StopTaken | Event::NotAsked { .. } => {}
    }
}

/// Nova took the start; whether its answer was heard does not matter.
fn is_starting(tasks: &mut Vec<Task>, at: crate::Millis, server: &ServerId) {
    let start = task(tasks, START);
    if start.state != "SUCCESS" {
        start.say(at, 1.0, format!("Instance started: '{server}'"));
        start.succeed();
    }
    let text = format!("Confirming instance '{server}' vm_state is ACTIVE");
    once(task(tasks, CONFIRM), at, text);
}

fn once(task: &mut Task, at: crate::Millis, text: String) {
    if !task.messages.iter().any(|m| m.text == text) {
        task.say(at, 0.0, text);
    }
}
