//! An explanation as a person reads it, and each cause as a sentence.

use super::{Case, Cause, Explanation, FenceFault, Finding, Found, NotBegun, Over, SERVERS_NAMED};
use crate::ServerId;
use crate::guard;
use crate::shortage::{Resource, Tie};
use alloc::{format, string::String, vec::Vec};
use core::fmt;

impl Found {
    pub(super) fn told(self, case: &Case<'_>) -> Finding {
        let sentence = self.sentence(case);
        let next = self.next(case);
        let named = self.servers.iter().take(SERVERS_NAMED).cloned().collect();
        Finding { cause: self.cause, sentence, servers: self.servers.len(), named, next }
    }

    fn sentence(&self, case: &Case<'_>) -> String {
        let what = what(self.cause).replace("HOST", case.host.as_str());
        let why = plain(&self.why);
        let for_room = matches!(
            self.cause,
            Cause::Capacity { .. } | Cause::Tied { .. } | Cause::SchedulerRules
        );
        match (why.is_empty(), self.open && for_room) {
            (true, _) => what,
            (false, true) => format!("{what}; it waits for room: {why}"),
            (false, false) => format!("{what}: {why}"),
        }
    }
}

/// The cause itself; HOST stands for the host.
fn what(cause: Cause) -> &'static str {
    match cause {
        Cause::NotBegun { why } => not_begun(why),
        Cause::Guard { by } => guarded(by),
        Cause::Fence { by } => fence(by),
        Cause::Capacity { of } => capacity(of),
        Cause::Tied { by } => tied(by),
        Cause::NovaFault { over } => fault(over),
        Cause::Cancelled => "a person cancelled it",
        Cause::OwnStep => "a step of the operator's own failed, and nothing after it was done",
        Cause::Expired => "it was older than notifications_expired_interval allows",
        Cause::SignOfLife => "HOST shows a sign of life newer than the proof of its death",
        Cause::WeakProof => {
            "only a monitor says that HOST is dead, and [fencing] require = proven asks for proof"
        }
        Cause::NovaTakesItForUp => "Nova still takes HOST for up, and would refuse to evacuate it",
        Cause::NoEvidence => "nothing says that HOST is dead",
        Cause::Held => "it is held",
        Cause::BusAway => "Nova lost its message bus, its scheduler or its database",
        Cause::NovaAway => {
            "Nova, Keystone or the way to them does not answer; it goes on by itself when they do"
        }
        Cause::ReservedBusy => "the reserved hosts that are left are used by other recoveries",
        Cause::NoReservedHost => "no reserved host of the segment is left",
        Cause::MayRunThere => {
            "the host to which it was on its way before may run it: make sure there that it does not"
        }
        Cause::SchedulerRules => "hosts have room, and rules of Nova's scheduler exclude them",
        Cause::NotFinishedInTime => {
            "Nova did not finish the evacuation within wait_period_after_evacuation"
        }
        Cause::InErrorThere => "it is in error on its new host",
        Cause::Locked => "its owner has locked it",
        Cause::Refused => "Nova refused",
        Cause::NotRestored => "it was moved, and not brought to the state it was in",
        Cause::NotStarted => "it was moved and not started",
        Cause::Quarantined => "it may be what kills its hosts, and is quarantined",
        Cause::Skipped => "not to be moved",
        Cause::OnMaintenance => "HOST is on maintenance: monitors' reports of it are refused",
        Cause::Waits => "it waits",
        Cause::NotRestarted => "it failed",
        Cause::Other => "it ended",
        Cause::Unreadable => "the log of the recovery cannot be read by this program",
        Cause::UnderWay => "nothing is wrong so far: the recovery goes on",
        Cause::NothingToDo => "there was nothing to do",
        Cause::AllMoved => "nothing is wrong: every server was recovered",
    }
}

fn not_begun(why: NotBegun) -> &'static str {
    match why {
        NotBegun::SegmentDisabled => "the segment of HOST is disabled, so nothing is done for it",
        NotBegun::HostDeleted => "HOST is in no segment any more",
        NotBegun::Uncertain => "the monitor is not certain that HOST is down, so nothing is done",
        NotBegun::NotTakenUp => "no engine has taken the report up: is one running?",
        NotBegun::NotTakenUpInTime => "no engine took the report up in time",
        NotBegun::AsPlanned => "HOST was away as planned, and came back",
        NotBegun::NotOurs => "there is no log of it: another program recovered it",
    }
}

fn fence(by: FenceFault) -> &'static str {
    match by {
        FenceFault::Lies => {
            "a fence device says that HOST is off, and HOST was heard after that: do not trust it"
        }
        FenceFault::WrongMachine => "a fence device of HOST controls another machine than recorded",
        FenceFault::Credentials => "a fence device of HOST does not take our credentials",
        FenceFault::NoAnswer => "a fence device of HOST does not answer",
        FenceFault::Unusable => "a fence device of HOST cannot be asked from the engine's machine",
        FenceFault::Failed => "a fence device of HOST did not switch it off",
        FenceFault::NeedsPerson => "no fence device of HOST can prove anything: a person has to",
        FenceFault::NoDevice => "HOST has no fence device",
    }
}

fn guarded(by: guard::Cause) -> &'static str {
    match by {
        guard::Cause::Disarmed => "a person has disarmed: nothing is begun",
        guard::Cause::Unknown => "the guard cannot tell how many hosts are lost",
        guard::Cause::Silence => "most hosts went silent at once, which is rarely their death",
        guard::Cause::Cloud => "too many hosts of the cloud are lost at once",
        guard::Cause::Segment => "too many hosts of the segment are lost at once",
        guard::Cause::CoolDown => "many hosts were lost at once a moment ago",
        guard::Cause::Rate => "too many recoveries began within a minute",
        guard::Cause::Approval => "a person is asked before it begins",
        guard::Cause::PlannedStop => {
            "HOST is away as planned: that is no failure before it is over"
        }
    }
}

fn capacity(of: Option<Resource>) -> &'static str {
    match of {
        Some(Resource::Ram) => "no host has enough RAM",
        Some(Resource::Vcpus) => "no host has enough vCPUs",
        Some(Resource::Disk) => "no host has enough disk",
        None => "no host has room",
    }
}

fn tied(by: Tie) -> &'static str {
    match by {
        Tie::Zone => "no host of the availability zone to which it is pinned can take it",
        Tie::Trait => "no other host has the trait that its flavor requires",
        Tie::Device => "no other host has the device (PCI passthrough, accelerator) that it needs",
        Tie::Numa => "no other host can place its NUMA topology, pinned CPUs or pages",
        Tie::Group => "the (anti-)affinity of its server group excludes the hosts that have room",
    }
}

fn fault(over: Over) -> &'static str {
    match over {
        Over::Image => "Nova failed over its image",
        Over::Volume => "Nova failed over a volume of it",
        Over::Port => "Nova failed over a port or network of it",
        Over::Other => "Nova failed",
    }
}

/// What was said, in one line that no terminal obeys.
fn plain(why: &str) -> String {
    let words: Vec<&str> = why.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { notification, host, status, findings } = self;
        writeln!(f, "host {host}, notification {notification} ({status})")?;
        for Finding { sentence, servers, named, next, .. } in findings {
            writeln!(f, "\n{sentence}")?;
            if *servers > 0 {
                let names: Vec<&str> = named.iter().map(ServerId::as_str).collect();
                let more = if *servers > names.len() { ", ..." } else { "" };
                let noun = if *servers == 1 { "server" } else { "servers" };
                writeln!(f, "  {servers} {noun}: {}{more}", names.join(", "))?;
            }
            for command in next {
                writeln!(f, "  $ {command}")?;
            }
        }
        Ok(())
    }
}
