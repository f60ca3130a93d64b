//! Gives a host its power back, by the first device of its ladder that can.
//!
//! After a test, or before a return that a person asks for. Whether that may be is for whoever asks; here nothing is proven and nothing is taken away.
//!
//! Only what controls power can: a device of the kinds `redfish`, `ipmi` and `agent`. The machine is compared as before
//! an order to switch off, for who wakes the neighbour has not woken this host. That the order was taken says nothing:
//! the host has power when the device says so, asked anew.

use crate::build::{Tools, rung};
use crate::device::{Device, Failure, Found, Power};
use crate::file::{Entry, LadderOf};
use crate::ladder::Means;
use crate::machine::{Compared, Machine};
use ports::within;
use std::fmt;
use std::time::Duration;

/// One call to a device may take so long.
const CALL_MAX: Duration = Duration::from_secs(15);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// So many answers in a row may be missing.
const LOST_IN_A_ROW_MAX: u8 = 3;

/// What it came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchedOn {
    /// The device that says that the host has power; none: nobody does.
    pub by: Option<String>,
    /// What every device that was asked came to, with its name.
    pub path: Vec<String>,
}

impl SwitchedOn {
    /// The path that led to it, or that did not.
    pub fn done(self) -> Result<Vec<String>, Vec<String>> {
        if self.by.is_some() { Ok(self.path) } else { Err(self.path) }
    }
}

/// As people read it.
#[must_use]
pub fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// Why a device did not give it power.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
enum NotOn {
    #[error("a device of this kind cannot give a host power")]
    Cannot,
    #[error("it controls another machine: {told}, recorded is {recorded}; it was not asked")]
    WrongMachine { recorded: String, told: String },
    #[error("it does not say which machine it controls; it was not asked")]
    MachineNotTold,
    #[error("it was not asked: {0}")]
    MayNot(String),
    #[error("its time was over before it said that the host has power")]
    OutOfTime,
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// How it came to its power.
#[derive(Clone, Copy)]
enum On {
    Already,
    Ordered,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Already => "on already",
            Self::Ordered => "on, asked again after it was ordered",
        })
    }
}

/// Switches the host on, device after device until one has. `may` is asked before each order.
pub async fn switch_on(
    tools: &Tools,
    ladder: &LadderOf<'_>,
    may: impl Fn() -> Result<(), String>,
) -> SwitchedOn {
    let mut path = Vec::new();
    for entry in &ladder.entries {
        let rung = rung(entry, &ladder.values);
        let since = tools.clock.boot();
        let came = match rung.means {
            Means::Power => by_one(tools, entry, ladder, &may).await,
            Means::Storage | Means::Request | Means::Person { .. } => Err(NotOn::Cannot),
        };
        let (device, took) = (rung.device, seconds(tools.clock.boot().since(since)));
        match came {
            Ok(on) => {
                path.push(format!("{device}: {on} ({took})"));
                return SwitchedOn { by: Some(device), path };
            }
            Err(why) => path.push(format!("{device}: {why} ({took})")),
        }
    }
    SwitchedOn { by: None, path }
}

async fn by_one(
    tools: &Tools,
    entry: &Entry,
    ladder: &LadderOf<'_>,
    may: &impl Fn() -> Result<(), String>,
) -> Result<On, NotOn> {
    let mut device = tools.device(entry, ladder)?.ok_or(NotOn::Cannot)?;
    let on = switched(tools, device.as_mut(), &ladder.machine, may);
    // Whoever did not say that it is on within its time has not switched it on.
    within(tools.clock.as_ref(), entry.deadline, on).await.unwrap_or(Err(NotOn::OutOfTime))
}

async fn switched(
    tools: &Tools,
    device: &mut dyn Device,
    machine: &Machine,
    may: &impl Fn() -> Result<(), String>,
) -> Result<On, NotOn> {
    let found = patiently(tools, async || device.examine(CALL_MAX).await).await?;
    is_this(machine, &found)?;
    if found.power == Power::On {
        return Ok(On::Already);
    }
    may().map_err(NotOn::MayNot)?;
    match device.on(CALL_MAX).await {
        Ok(()) => {}
        // It may have been heard.
        Err(failure) if failure.may_pass() => {}
        Err(failure) => return Err(failure.into()),
    }
    loop {
        let power = patiently(tools, async || device.look(CALL_MAX).await).await?;
        if power == Power::On {
            return Ok(On::Ordered);
        }
        tools.clock.sleep(PAUSE).await;
    }
}

fn is_this(machine: &Machine, found: &Found) -> Result<(), NotOn> {
    match found.machine.as_ref().map(|told| machine.compare(told)) {
        None | Some(Compared::Same | Compared::NothingRecorded) => Ok(()),
        Some(Compared::NotTold) => Err(NotOn::MachineNotTold),
        Some(Compared::Other { recorded, told }) => Err(NotOn::WrongMachine { recorded, told }),
    }
}

/// The same question again, where an answer may come a moment later.
async fn patiently<T>(
    tools: &Tools,
    mut ask: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut lost = 0;
    loop {
        let asked = within(tools.clock.as_ref(), CALL_MAX, ask()).await;
        let silent = || Failure::NoAnswer(format!("within {} s", CALL_MAX.as_secs()));
        match asked.unwrap_or_else(|| Err(silent())) {
            Ok(answer) => return Ok(answer),
            Err(failure) if failure.may_pass() && lost + 1 < LOST_IN_A_ROW_MAX => lost += 1,
            Err(failure) => return Err(failure),
        }
        tools.clock.sleep(PAUSE).await;
    }
}
