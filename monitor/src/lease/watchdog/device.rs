//! A device of Linux: `/dev/watchdogN`, as `Documentation/watchdog/watchdog-api.rst` has it.
//!
//! It is fed by a write. Its three questions are ioctls, which is the `unsafe` of this file: each is given the number
//! and the type that `linux/watchdog.h` has for it, and the kernel writes no more than that.
#![expect(unsafe_code, reason = "a device is asked by ioctls")]

use super::{Allowed, Released, SETS_TIMEOUT, Unfit, Watchdog, look};
use async_trait::async_trait;
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};
use std::{
    ffi::c_int,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

const SYSFS: &str = "/sys/class/watchdog";
/// What it is told before nobody feeds it any more, where it cannot be switched off; the first that it takes.
const LONG_S: [c_int; 4] = [600, 240, 120, 60];
/// `WDIOC_GETSUPPORT`, `WDIOC_SETTIMEOUT`, `WDIOC_GETTIMEOUT`
const GET_SUPPORT: Opcode = opcode::read::<Info>(b'W', 0);
const SET_TIMEOUT: Opcode = opcode::read_write::<c_int>(b'W', 6);
const GET_TIMEOUT: Opcode = opcode::read::<c_int>(b'W', 7);

/// `struct watchdog_info`
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

/// A device of this host.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    allowed: Allowed,
    open: Option<File>,
}

impl Device {
    /// The device at `path`, which is not touched yet.
    #[must_use]
    pub fn new(path: PathBuf, allowed: Allowed) -> Self {
        Self { path, allowed, open: None }
    }

    fn folder(&self) -> PathBuf {
        Path::new(SYSFS).join(self.path.file_name().unwrap_or_default())
    }

    fn unfit(&self, why: impl Into<String>) -> Unfit {
        Unfit { device: self.path.display().to_string(), why: why.into() }
    }

    fn has_no_way_out(&self) -> bool {
        std::fs::read_to_string(self.folder().join("nowayout")).is_ok_and(|text| text.trim() == "1")
    }
}

#[async_trait]
impl Watchdog for Device {
    async fn check(&mut self, timeout: Duration) -> Result<(), Unfit> {
        look(&self.folder(), self.allowed, timeout).map_err(|why| self.unfit(why))
    }

    async fn arm(&mut self, timeout: Duration) -> Result<Duration, Unfit> {
        let open = OpenOptions::new().write(true).open(&self.path);
        let file = open.map_err(|error| self.unfit(cannot_open(&error)))?;
        let asked = c_int::try_from(timeout.as_secs()).unwrap_or(c_int::MAX);
        let told = set_timeout(&file, asked);
        self.open = Some(file);
        let got = told.map_err(|why| self.unfit(why))?;
        if got > asked {
            let why = format!("it takes {got} s for its timeout, and {asked} s were asked for");
            return Err(self.unfit(why));
        }
        self.feed().await.map_err(|error| self.unfit(format!("it cannot be fed: {error}")))?;
        Ok(Duration::from_secs(u64::try_from(got).unwrap_or(0)))
    }

    async fn feed(&mut self) -> io::Result<()> {
        let file = self.open.as_mut().ok_or_else(|| io::Error::other("it is not open"))?;
        file.write_all(b"\n")
    }

    async fn release(&mut self) -> Released {
        let no_way_out = self.has_no_way_out();
        let Some(mut file) = self.open.take() else { return Released::Off };
        let within = LONG_S.into_iter().find_map(|long| set_timeout(&file, long).ok());
        // The letter by which it may be switched off when it is closed, where there is a way out.
        match file.write_all(b"V") {
            Ok(()) if !no_way_out => Released::Off,
            Ok(()) | Err(_) => {
                let seconds = within.and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
                Released::Bites { within: Duration::from_secs(seconds) }
            }
        }
    }
}

fn cannot_open(error: &io::Error) -> String {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::BUSY) => {
            "another process has it open: systemd (RuntimeWatchdogSec= of system.conf), sbd, a watchdog daemon, or another \
             agent; it can have only one"
                .to_owned()
        }
        Some(_) | None => format!("it cannot be opened: {error}"),
    }
}

/// Tells it, and asks what came of it: drivers round.
fn set_timeout(file: &File, seconds: c_int) -> Result<c_int, String> {
    // SAFETY: WDIOC_GETSUPPORT writes one `struct watchdog_info`, which `Info` is.
    let info = unsafe { ioctl(file, Getter::<GET_SUPPORT, Info>::new()) };
    let info = info.map_err(|error| format!("it does not say what it can: {error}"))?;
    if info.options & SETS_TIMEOUT == 0 {
        return Err("it cannot be told a timeout".to_owned());
    }
    let mut told = seconds;
    // SAFETY: WDIOC_SETTIMEOUT reads and writes one int.
    let set = unsafe { ioctl(file, Updater::<SET_TIMEOUT, c_int>::new(&mut told)) };
    set.map_err(|error| format!("it refuses a timeout of {seconds} s: {error}"))?;
    // SAFETY: WDIOC_GETTIMEOUT writes one int.
    let got = unsafe { ioctl(file, Getter::<GET_TIMEOUT, c_int>::new()) };
    got.map_err(|error| format!("it does not tell its timeout: {error}"))
}
