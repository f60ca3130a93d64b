//! What to type next.

use super::{Case, Cause, FenceFault, Found, NotBegun};
use crate::ServerId;
use crate::guard;
use crate::nouns::NotificationStatus;
use crate::shortage::Tie;
use alloc::{format, string::String, vec::Vec};

/// Whose names stand in the commands.
struct Names<'a> {
    id: &'a str,
    host: &'a str,
    /// The first server.
    server: &'a str,
}

impl Found {
    pub(super) fn next(&self, case: &Case<'_>) -> Vec<String> {
        let names = Names {
            id: case.notification.as_str(),
            host: case.host.as_str(),
            server: self.servers.first().map_or("SERVER", ServerId::as_str),
        };
        let mut next = names.next(self.cause, self.servers.is_empty());
        if case.status == NotificationStatus::Failed && !self.open && is_to_be_retried(self.cause) {
            next.push(names.retry());
        }
        next
    }
}

impl Names<'_> {
    fn guard(&self, by: guard::Cause) -> Vec<String> {
        let approve = format!("masakari approve {} --reason \"...\"", self.id);
        match by {
            guard::Cause::Disarmed => {
                Vec::from(["masakari guard".into(), "masakari arm --reason \"...\"".into()])
            }
            guard::Cause::Approval => {
                Vec::from([approve, format!("masakari reject {} --reason \"...\"", self.id)])
            }
            guard::Cause::PlannedStop => {
                Vec::from([format!("masakari host status {}", self.host), self.recover()])
            }
            guard::Cause::Unknown
            | guard::Cause::Silence
            | guard::Cause::Cloud
            | guard::Cause::Segment
            | guard::Cause::CoolDown
            | guard::Cause::Rate => Vec::from([services(), "masakari guard".into(), approve]),
        }
    }

    fn next(&self, cause: Cause, of_recovery: bool) -> Vec<String> {
        match cause {
            Cause::Cancelled | Cause::OwnStep | Cause::Expired | Cause::Quarantined => {
                Vec::from([self.retry()])
            }
            Cause::NotBegun { why } => self.not_begun(why),
            Cause::Guard { by } => self.guard(by),
            Cause::Fence { by } => self.fence(by),
            Cause::WeakProof | Cause::NoEvidence => Vec::from([self.confirm()]),
            Cause::SignOfLife => {
                let cancel = format!("masakari cancel {} --reason \"...\"", self.id);
                Vec::from([self.service(), cancel, self.confirm()])
            }
            Cause::NovaTakesItForUp | Cause::Held => Vec::from([self.service(), self.confirm()]),
            Cause::NovaAway => Vec::from(["openstack token issue".into(), services()]),
            Cause::BusAway if of_recovery => Vec::from([services()]),
            Cause::BusAway => Vec::from([services(), self.events()]),
            Cause::ReservedBusy | Cause::NoReservedHost => Vec::from([
                "openstack segment host list SEGMENT --reserved True".into(),
                "openstack segment host update --reserved True SEGMENT HOST".into(),
            ]),
            // Not yet how it is evacuated: whether it runs there is to be seen first.
            Cause::MayRunThere => Vec::from([self.events(), "virsh list --all  # there".into()]),
            Cause::Capacity { .. } => Vec::from(["openstack hypervisor list --long".into()]),
            Cause::Tied { by } => self.tied(by),
            Cause::NovaFault { .. } => Vec::from([self.events(), self.show()]),
            Cause::NotFinishedInTime => Vec::from([self.of_server("migration list --server")]),
            Cause::InErrorThere => Vec::from([self.events(), self.of_server("reboot --hard")]),
            Cause::Locked => Vec::from([self.of_server("unlock")]),
            Cause::SchedulerRules | Cause::Refused | Cause::NotRestored | Cause::Skipped => {
                Vec::from([self.show()])
            }
            Cause::NotStarted => Vec::from([self.show(), self.of_server("start")]),
            Cause::OnMaintenance => Vec::from([
                self.recover(),
                format!(
                    "openstack segment host update --on_maintenance False SEGMENT {}",
                    self.host
                ),
            ]),
            Cause::Waits => Vec::from([self.service()]),
            Cause::NotRestarted if of_recovery => Vec::from([self.service()]),
            Cause::NotRestarted => Vec::from([self.events()]),
            Cause::Unreadable | Cause::Other | Cause::UnderWay => {
                Vec::from([format!("openstack notification show {}", self.id)])
            }
            Cause::NothingToDo | Cause::AllMoved => Vec::new(),
        }
    }

    fn not_begun(&self, why: NotBegun) -> Vec<String> {
        let segments = || "openstack segment list".into();
        match why {
            NotBegun::SegmentDisabled => Vec::from([
                segments(),
                "openstack segment update SEGMENT --is_enabled True".into(),
                self.recover(),
            ]),
            NotBegun::HostDeleted => Vec::from([segments()]),
            NotBegun::AsPlanned => Vec::new(),
            NotBegun::NotTakenUp => Vec::from(["pgrep -af masakari".into()]),
            NotBegun::Uncertain | NotBegun::NotTakenUpInTime | NotBegun::NotOurs => {
                Vec::from([self.service(), self.recover()])
            }
        }
    }

    fn fence(&self, by: FenceFault) -> Vec<String> {
        match by {
            FenceFault::Lies
            | FenceFault::WrongMachine
            | FenceFault::Credentials
            | FenceFault::NoAnswer
            | FenceFault::Unusable
            | FenceFault::Failed
            | FenceFault::NoDevice => {
                Vec::from([format!("masakari fence check {}", self.host), self.confirm()])
            }
            FenceFault::NeedsPerson => Vec::from([self.confirm()]),
        }
    }

    fn tied(&self, by: Tie) -> Vec<String> {
        let more = match by {
            Tie::Zone => Some("openstack availability zone list --compute --long"),
            Tie::Group => Some("openstack server group list --all-projects"),
            Tie::Trait | Tie::Device | Tie::Numa => None,
        };
        [self.show()].into_iter().chain(more.map(Into::into)).collect()
    }

    fn retry(&self) -> String {
        format!("masakari retry {}", self.id)
    }

    fn recover(&self) -> String {
        format!("masakari recover {}", self.host)
    }

    fn confirm(&self) -> String {
        format!("masakari confirm-dead {} --reason \"...\"", self.host)
    }

    fn service(&self) -> String {
        format!("openstack compute service list --host {}", self.host)
    }

    fn events(&self) -> String {
        self.of_server("event list")
    }

    fn show(&self) -> String {
        self.of_server("show")
    }

    fn of_server(&self, what: &str) -> String {
        format!("openstack server {what} {}", self.server)
    }
}

fn services() -> String {
    "openstack compute service list".into()
}

/// Whether it is to be tried again when its cause is removed.
fn is_to_be_retried(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Capacity { .. }
            | Cause::Tied { .. }
            | Cause::NovaFault { .. }
            | Cause::SchedulerRules
            | Cause::BusAway
            | Cause::Locked
            | Cause::Refused
            | Cause::NotRestored
            | Cause::NoReservedHost
            | Cause::ReservedBusy
            | Cause::NotRestarted
    )
}
