//! The recoveries of one server and of one process.

use super::{Case, Cause, Found, of_idle};
use crate::fold::{Common, Fold};
use crate::idle;
use crate::nouns::NotificationStatus;
use crate::{process, restart};
use alloc::{string::ToString, vec::Vec};

pub(super) fn of_server(case: &Case<'_>) -> Vec<Found> {
    match restart::State::fold(case.lines) {
        Ok(state) => {
            let waits = state.blocked.as_ref().map(|(_, why)| why.as_str());
            let mut found = of_any(state.common(), waits);
            if let Some((server, _)) = &state.chosen {
                found.servers.push(server.clone());
            }
            Vec::from([found])
        }
        Err(illegal) => Vec::from([Found::of(Cause::Unreadable, illegal.to_string())]),
    }
}

pub(super) fn of_process(case: &Case<'_>) -> Vec<Found> {
    match process::State::fold(case.lines) {
        Ok(state) => Vec::from([of_any(state.common(), None)]),
        Err(illegal) => Vec::from([Found::of(Cause::Unreadable, illegal.to_string())]),
    }
}

fn of_any(common: &Common, waits: Option<&str>) -> Found {
    if let Some(why) = &common.hand.cancelled {
        return Found::of(Cause::Cancelled, why.clone());
    }
    if let Some(why) = common.steps.failed() {
        return Found::of(Cause::OwnStep, why);
    }
    let Some((status, message)) = &common.ended else {
        let open = |cause, why: &str| Found { open: true, ..Found::of(cause, why) };
        return match (waits, common.waiting.as_deref()) {
            (Some(why), _) => open(Cause::Waits, why),
            (None, Some(why)) => open(super::words::waiting(why), why),
            (None, None) => open(Cause::UnderWay, ""),
        };
    };
    let message = message.as_deref().unwrap_or_default();
    if let Some(idle) = idle::read(message) {
        return Found::of(of_idle(idle), message);
    }
    if idle::is_given_up(message) {
        return Found::of(Cause::Expired, message);
    }
    match status {
        NotificationStatus::Finished | NotificationStatus::Ignored => {
            Found::of(Cause::NothingToDo, message)
        }
        NotificationStatus::Failed
        | NotificationStatus::Error
        | NotificationStatus::New
        | NotificationStatus::Running => Found::of(Cause::NotRestarted, message),
    }
}
