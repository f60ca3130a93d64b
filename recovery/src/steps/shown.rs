//! Steps as Masakari's API shows them: tasks of `recovery_workflow_details`, at their places among those
//! that clients of Python Masakari know.

use super::{Failure, Flow, Place, StepEntry, Then};
use crate::Millis;
use crate::details::Task;
use crate::log::{Entry, Line};
use alloc::{format, string::String, vec::Vec};

/// `tasks` with the steps of the log among them, and without the built-in tasks that are left out.
pub(crate) fn shown(mut tasks: Vec<Task>, lines: &[Line], failure: Failure) -> Vec<Task> {
    let mut flow = Flow::default();
    let mut steps: Vec<Task> = Vec::new();
    // The one for which everything else waits.
    let mut front: Option<&str> = None;
    for line in lines {
        let Entry::Step(entry) = &line.entry else { continue };
        match entry {
            StepEntry::Flow { flow: listed } => flow = listed.clone(),
            StepEntry::Begun { step, attempt } => {
                began(&mut steps, line.at, step, *attempt);
                front = Some(step);
            }
            StepEntry::Succeeded { step, said } => {
                ended(&mut steps, line.at, step, said, None);
                front = None;
            }
            StepEntry::Failed { step, why, then } => {
                ended(&mut steps, line.at, step, why, Some(*then));
                front = front.filter(|_| *then != Then::GoesOn);
            }
        }
    }
    leave_out(&mut tasks, &flow, failure);
    for mut step in steps {
        let listed = flow.steps.iter().find(|listed| listed.step == step.name);
        let place = listed.map_or(Place::End, |listed| listed.place);
        let built_in = failure.built_in();
        let later = built_in.get(place.after(built_in.len())..).unwrap_or_default();
        let is_later = |t: &Task| later.iter().any(|b| b.task == t.name);
        let at = tasks.iter().position(is_later).unwrap_or(tasks.len());
        if front.is_some_and(|front| step.name == front) {
            not_begun(&mut step, tasks.split_off(at));
            before(&step, &mut tasks);
        }
        tasks.insert(at, step);
    }
    tasks
}

/// The tasks behind a step have not begun; what else was said of them is said of the step.
fn not_begun(step: &mut Task, later: Vec<Task>) {
    let said = later.into_iter().flat_map(|task| task.messages);
    step.messages.extend(said.filter(|m| !is_own(&m.text)));
    step.messages.sort_by_key(|m| m.at);
}

/// That a step failed is no failure of the task in front of it, which tells the end where there are no steps.
fn before(step: &Task, tasks: &mut [Task]) {
    if let Some(last) = tasks.last_mut().filter(|last| last.state == "FAILURE")
        && step.state == "FAILURE"
    {
        last.messages.pop();
        last.succeed();
    }
}

fn began(steps: &mut Vec<Task>, at: Millis, name: &str, attempt: u32) {
    if !steps.iter().any(|s| s.name == name) {
        steps.push(Task::begin(String::from(name)));
    }
    if let Some(step) = steps.iter_mut().find(|s| s.name == name) {
        step.say(at, 0.0, format!("Step '{name}' begins, attempt {attempt}"));
    }
}

/// `then`: it failed.
fn ended(steps: &mut [Task], at: Millis, name: &str, said: &str, then: Option<Then>) {
    let Some(step) = steps.iter_mut().find(|s| s.name == name) else { return };
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    match then {
        None => {
            step.say(at, 1.0, format!("Step '{name}' succeeded{said}"));
            step.succeed();
        }
        Some(Then::Again { .. }) => {
            step.say(at, 0.0, format!("Step '{name}' failed{said}; it will be tried again"));
        }
        Some(Then::GoesOn) => {
            let on = "the recovery goes on without it";
            step.say(at, 0.0, format!("Step '{name}' failed{said}; {on}"));
            step.state = "FAILURE";
        }
        Some(Then::Ends) => {
            step.say(at, 0.0, format!("Step '{name}' failed{said}"));
            step.state = "FAILURE";
        }
    }
}

/// How the sentences begin that tell what a built-in task did.
const OWN: [&str; 8] =
    ["Disabl", "Prepar", "Total", "Stop", "Start", "Instance started", "Confirm", "Evacuat"];

fn is_own(text: &str) -> bool {
    OWN.iter().any(|own| text.starts_with(own))
}

/// A task that is left out is not shown; what was said of it besides (that the recovery is held, say)
/// is said of the one beside it.
fn leave_out(tasks: &mut Vec<Task>, flow: &Flow, failure: Failure) {
    let built_in = failure.built_in();
    for (n, left) in built_in.iter().enumerate().filter(|(_, b)| flow.leaves_out(b.name)) {
        let Some(at) = tasks.iter().position(|t| t.name == left.task) else { continue };
        let mut gone = tasks.remove(at);
        gone.messages.retain(|m| !is_own(&m.text));
        if gone.messages.is_empty() {
            continue;
        }
        if let Some(next) = tasks.get_mut(at) {
            gone.messages.append(&mut next.messages);
            next.messages = gone.messages;
        } else if let Some(next) = built_in.get(n + 1) {
            tasks.push(Task { name: next.task.into(), ..gone });
        } else if let Some(before) = tasks.last_mut() {
            before.messages.append(&mut gone.messages);
            before.state = gone.state;
        } else {
            tasks.push(gone);
        }
    }
}
