//! libvirt's events in its own numbers, and Python's table of those that become reports
//! (`masakarimonitors/instancemonitor/libvirt_handler/eventfilter_table.py`).

use crate::{Care, Claim, Report};
use recovery::{Millis, ServerId, nouns::NotificationType, restart};
use serde_json::{Map, Value};

/// What libvirt says of one domain, with the numbers of its `virDomainEvent…` enumerations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub server: ServerId,
    /// libvirt's number of the domain's run; none when it does not run.
    pub run: Option<u32>,
    pub what: What,
}

/// The kinds of events that are listened to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// `VIR_DOMAIN_EVENT_ID_LIFECYCLE`
    Lifecycle {
        kind: i32,
        detail: i32,
    },
    Reboot,
    Watchdog {
        action: i32,
    },
    IoError {
        action: i32,
    },
    IoErrorReason,
    ControlError,
}

/// `VIR_DOMAIN_EVENT_STARTED`
const STARTED: i32 = 2;
/// `VIR_DOMAIN_EVENT_SUSPENDED`
const SUSPENDED: i32 = 3;
/// `VIR_DOMAIN_EVENT_STOPPED`
const STOPPED: i32 = 5;
/// `VIR_DOMAIN_EVENT_SHUTDOWN`
const SHUTDOWN: i32 = 6;

/// What an event means for who runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Started,
    Stopped,
    None,
}

impl What {
    /// `event` and `vir_domain_event` of the report; none where Python sends none.
    #[must_use]
    pub fn names(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Lifecycle { kind, detail } => Some(("LIFECYCLE", lifecycle(kind, detail)?)),
            Self::Reboot => Some(("REBOOT", "UNKNOWN")),
            Self::Watchdog { action } => Some(("WATCHDOG", watchdog(action)?)),
            Self::IoError { action } => Some(("IO_ERROR", io_error(action)?)),
            Self::IoErrorReason => Some(("IO_ERROR_REASON", "UNKNOWN")),
            Self::ControlError => Some(("CONTROL_ERROR", "UNKNOWN")),
        }
    }

    /// Whether somebody runs now who did not, or the other way about.
    #[must_use]
    pub fn turn(self) -> Turn {
        match self {
            Self::Lifecycle { kind: STARTED, .. } => Turn::Started,
            Self::Lifecycle { kind: STOPPED, .. } => Turn::Stopped,
            Self::Lifecycle { .. }
            | Self::Reboot
            | Self::Watchdog { .. }
            | Self::IoError { .. }
            | Self::IoErrorReason
            | Self::ControlError => Turn::None,
        }
    }

    fn claim(self, run: Option<u32>, is_persistent: bool) -> Claim {
        match self {
            Self::Lifecycle { kind: STOPPED | SHUTDOWN, .. } => {
                Claim::InstanceStopped { is_persistent }
            }
            Self::Lifecycle { kind: SUSPENDED, .. } => Claim::InstancePaused,
            Self::Lifecycle { .. }
            | Self::Reboot
            | Self::Watchdog { .. }
            | Self::IoError { .. }
            | Self::IoErrorReason
            | Self::ControlError => Claim::InstanceRan { run },
        }
    }
}

/// `virDomainEventSuspendedDetailType`, `…StoppedDetailType`, `…ShutdownDetailType`.
fn lifecycle(kind: i32, detail: i32) -> Option<&'static str> {
    match (kind, detail) {
        (SUSPENDED, 2) => Some("SUSPENDED_IOERROR"),
        (SUSPENDED, 3) => Some("SUSPENDED_WATCHDOG"),
        (SUSPENDED, 6) => Some("SUSPENDED_API_ERROR"),
        (STOPPED, 0) => Some("STOPPED_SHUTDOWN"),
        (STOPPED, 1) => Some("STOPPED_DESTROYED"),
        (STOPPED, 5) => Some("STOPPED_FAILED"),
        (SHUTDOWN, 0) => Some("SHUTDOWN_FINISHED"),
        _ => None,
    }
}

/// `virDomainEventWatchdogAction`; Python's table ends before `INJECTNMI`.
fn watchdog(action: i32) -> Option<&'static str> {
    match action {
        0 => Some("WATCHDOG_NONE"),
        1 => Some("WATCHDOG_PAUSE"),
        2 => Some("WATCHDOG_RESET"),
        3 => Some("WATCHDOG_POWEROFF"),
        4 => Some("WATCHDOG_SHUTDOWN"),
        5 => Some("WATCHDOG_DEBUG"),
        _ => None,
    }
}

/// `virDomainEventIOErrorAction`.
fn io_error(action: i32) -> Option<&'static str> {
    match action {
        0 => Some("IO_ERROR_NONE"),
        1 => Some("IO_ERROR_PAUSE"),
        2 => Some("IO_ERROR_REPORT"),
        _ => None,
    }
}

impl Event {
    /// A domain that was found to have died, as libvirt would have said it.
    #[must_use]
    pub fn died(server: ServerId) -> Self {
        let what = What::Lifecycle { kind: STOPPED, detail: 5 };
        Self { server, run: None, what }
    }

    /// The report of it, if Python's monitor sends one. `is_persistent`: whether the domain is defined when it does
    /// not run.
    #[must_use]
    pub fn report(&self, hostname: &str, at: Millis, is_persistent: bool) -> Option<Report> {
        let (event, detail) = self.what.names()?;
        let care = match restart::is_failure(event, detail) {
            true => Care::UntilAnswered,
            false => Care::AsPython,
        };
        let mut payload = Map::new();
        for (name, value) in [
            ("event", event),
            ("instance_uuid", self.server.as_str()),
            ("vir_domain_event", detail),
        ] {
            payload.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        Some(Report {
            kind: NotificationType::Vm,
            subject: subject(&self.server),
            hostname: hostname.to_owned(),
            generated_at: at,
            payload,
            claim: self.what.claim(self.run, is_persistent),
            care,
        })
    }
}

/// Of whom a report about this VM is.
#[must_use]
pub fn subject(server: &ServerId) -> String {
    format!("VM {server}")
}
