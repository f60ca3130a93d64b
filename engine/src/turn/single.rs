//! Steps of which one recovery does at most one at a time.

use recovery::due::Step;

/// Steps of which at most one runs at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Single {
    Host,
    Guard,
    Fence,
    List,
    Servers,
    Switch,
    Reserve,
    Room,
    Starts,
    Step,
}

pub(super) fn single(step: &Step) -> Option<Single> {
    match step {
        Step::LookAtHost => Some(Single::Host),
        Step::Fence { .. } => Some(Single::Fence),
        Step::Plan | Step::Confirm => Some(Single::List),
        Step::LookAtServers => Some(Single::Servers),
        Step::LookAtStarts => Some(Single::Starts),
        Step::LookForRoom(_) => Some(Single::Room),
        Step::TakeReserve => Some(Single::Reserve),
        Step::ForceDown(_) | Step::Disable(_) => Some(Single::Switch),
        Step::ReadyReserve(_) | Step::HandBack(_) => Some(Single::Reserve),
        Step::RunStep(_) => Some(Single::Step),
        Step::Evacuate { .. }
        | Step::Stop(_)
        | Step::Settle { .. }
        | Step::Start(_)
        | Step::Check(..)
        | Step::Note(_) => None,
    }
}
