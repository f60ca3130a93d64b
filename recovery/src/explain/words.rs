//! What is only text: Nova's own words, and our sentences around them, by the constants with which they are written.
//!
//! Nova's messages are of `nova/exception.py` and the places that raise them; what none of them fits is told as it is.

use super::{Cause, Over};
use crate::capacity;
use crate::look;
use crate::shortage::{self, Tie};
use alloc::string::String;

/// Nova's words, by what they contain; the first that fits counts.
const NOVA: &[(&str, Cause)] = &[
    ("pci device request", Cause::Tied { by: Tie::Device }),
    ("pci devices", Cause::Tied { by: Tie::Device }),
    ("claim pci failed", Cause::Tied { by: Tie::Device }),
    ("accelerator", Cause::Tied { by: Tie::Device }),
    ("numa topology", Cause::Tied { by: Tie::Numa }),
    ("cpu set to pin", Cause::Tied { by: Tie::Numa }),
    ("page size", Cause::Tied { by: Tie::Numa }),
    ("instance group policy was violated", Cause::Tied { by: Tie::Group }),
    ("servergroup policy", Cause::Tied { by: Tie::Group }),
    ("availability zone", Cause::Tied { by: Tie::Zone }),
    ("free memory", Cause::Capacity { of: Some(shortage::Resource::Ram) }),
    ("free vcpu", Cause::Capacity { of: Some(shortage::Resource::Vcpus) }),
    ("free disk", Cause::Capacity { of: Some(shortage::Resource::Disk) }),
    ("insufficient compute resources", Cause::Capacity { of: None }),
    ("no valid host was found", Cause::Capacity { of: None }),
    ("is locked", Cause::Locked),
    ("messagingtimeout", Cause::BusAway),
    ("timed out waiting for a reply", Cause::BusAway),
    ("db error", Cause::BusAway),
    ("dberror", Cause::BusAway),
    ("dbconnectionerror", Cause::BusAway),
    ("amqp", Cause::BusAway),
    ("image", Cause::NovaFault { over: Over::Image }),
    ("glance", Cause::NovaFault { over: Over::Image }),
    ("volume", Cause::NovaFault { over: Over::Volume }),
    ("cinder", Cause::NovaFault { over: Over::Volume }),
    ("port ", Cause::NovaFault { over: Over::Port }),
    ("neutron", Cause::NovaFault { over: Over::Port }),
    ("network", Cause::NovaFault { over: Over::Port }),
    ("vif", Cause::NovaFault { over: Over::Port }),
];

/// Why a server did not move, by what was noted of that.
#[must_use]
pub fn not_moved(why: &str) -> Cause {
    let ours = [
        (MAY_RUN, Cause::MayRunThere),
        (look::GIVEN_UP, Cause::BusAway),
        (look::NOT_FINISHED, Cause::NotFinishedInTime),
        (NOT_STOPPED, Cause::NotRestored),
    ];
    if let Some((_, cause)) = ours.iter().find(|(begin, _)| why.starts_with(begin)) {
        return *cause;
    }
    if why.starts_with(NO_RESERVED) {
        return Cause::NoReservedHost;
    }
    if why.starts_with(RESERVED_BUSY) {
        return Cause::ReservedBusy;
    }
    // A host that has room and may not be used says more than others that have none.
    if shortage::are_excluded(why) {
        return shortage::tie_of(why).map_or(Cause::SchedulerRules, |by| Cause::Tied { by });
    }
    if let Some(of) = shortage::short_of(why) {
        return Cause::Capacity { of: Some(of) };
    }
    let by_nova = nova(why);
    match by_nova {
        Some(cause) => cause,
        None if [look::MOVED_AND_FAILED, look::REBUILD_FAILED]
            .iter()
            .any(|p| why.starts_with(p)) =>
        {
            Cause::InErrorThere
        }
        None if why.starts_with(look::REFUSED) => Cause::Refused,
        None if capacity::is_short(why) => Cause::Capacity { of: None },
        None => Cause::NovaFault { over: Over::Other },
    }
}

/// The cause that Nova's own words name; nothing when they name none.
#[must_use]
pub fn nova(why: &str) -> Option<Cause> {
    let lower: String = why.to_lowercase();
    NOVA.iter().find(|(part, _)| lower.contains(part)).map(|(_, cause)| *cause)
}

/// What is waited for.
pub(super) fn waiting(why: &str) -> Cause {
    if why.starts_with(BUS_SILENT) {
        Cause::BusAway
    } else if why.starts_with(RESERVED_BUSY) {
        Cause::ReservedBusy
    } else {
        Cause::NovaAway
    }
}

/// How it begins to be said that a server may run at the destination of an evacuation that failed, or of a live migration
/// that was under way.
pub const MAY_RUN: &str = "it may run on ";
/// Why a recovery waits while Nova's bus is away.
pub const BUS_SILENT: &str = "Nova's conductor has given evacuations up, and no nova-compute was heard since; they are asked for again when one is";
/// Every reserved host that is left is in another recovery's hands.
pub const RESERVED_BUSY: &str = "every reserved host that is left is used by another recovery";
/// Python's words.
pub const NO_RESERVED: &str = "No reserved_hosts available for evacuation.";
/// How it begins that a server did not stop where it arrived.
pub(crate) const NOT_STOPPED: &str = "it did not stop within ";
