//! The watchdog of this host: what bites when the agent does not feed it, whatever else the host does.
//!
//! A device is of use when it can be told a timeout, keeps it, cannot be switched off by anybody (`nowayout`), and is no program
//! within the kernel that it has to reset. What can be known before it is opened is looked at before, because to open it
//! is to arm it. Only one process can have it open: not we beside systemd (`RuntimeWatchdogSec=`), sbd or a watchdog daemon.

mod device;

pub use device::Device;

use async_trait::async_trait;
use std::{fmt::Debug, path::Path, time::Duration};

/// A watchdog. What it does is done at once.
#[async_trait]
pub trait Watchdog: Send + Debug {
    /// Whether it can be used with that timeout, without touching it.
    ///
    /// # Errors
    /// Why not, and what is to be done.
    async fn check(&mut self, timeout: Duration) -> Result<(), Unfit>;

    /// Opens it, which arms and feeds it, and tells it `timeout`. Returns what it takes for its timeout.
    ///
    /// # Errors
    /// It does not run as we want it to. If it runs at all, it is left to bite.
    async fn arm(&mut self, timeout: Duration) -> Result<Duration, Unfit>;

    /// # Errors
    /// It was not fed, as far as we know.
    async fn feed(&mut self) -> std::io::Result<()>;

    /// Lets go of it, when nobody counts on it any more.
    async fn release(&mut self) -> Released;
}

/// What becomes of a watchdog that was let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Released {
    Off,
    /// It cannot be switched off: somebody must feed it within that time.
    Bites {
        within: Duration,
    },
}

/// Which devices are taken although they prove less.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Allowed {
    /// One within the kernel: a kernel that hangs hard does not reset itself.
    pub software: bool,
    /// One that may be switched off by whoever is root.
    pub way_out: bool,
}

/// Why a device is of no use.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error("the watchdog {device} is not used: {why}")]
pub struct Unfit {
    pub device: String,
    pub why: String,
}

const SETS_TIMEOUT: u32 = 0x80;

/// What the kernel shows of a device in its folder below `/sys/class/watchdog`.
fn look(folder: &Path, allowed: Allowed, timeout: Duration) -> Result<(), String> {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned())
    };
    let Some(identity) = read("identity") else {
        return Err(format!(
            "the kernel shows nothing of it in {}: load its driver, and name the device itself, /dev/watchdog0 and not \
             /dev/watchdog",
            folder.display()
        ));
    };
    if identity == "Software Watchdog" && !allowed.software {
        return Err(
            "softdog is a timer of the kernel that it should reset: a kernel that hangs hard is not reset. Load the \
             driver of a real one (iTCO_wdt, ipmi_watchdog, i6300esb), or set [lease] software_watchdog = true"
                .to_owned(),
        );
    }
    match read("nowayout").as_deref() {
        Some("1") => {}
        Some(_) if allowed.way_out => {}
        Some(_) => {
            return Err(
                "nowayout is off: whoever opens it after the agent has ended switches it off again. Load its driver with \
                 nowayout=1, or set [lease] way_out = true"
                    .to_owned(),
            );
        }
        None => return Err("the kernel does not tell its nowayout".to_owned()),
    }
    let bound = |name: &str| read(name)?.parse::<u64>().ok().filter(|seconds| *seconds > 0);
    let asked = timeout.as_secs();
    if bound("max_timeout").is_some_and(|most| asked > most)
        || bound("min_timeout").is_some_and(|least| asked < least)
    {
        return Err(format!("it takes no timeout of {asked} s"));
    }
    // Older kernels do not show it; then the device is asked when it is open.
    let options = read("options").and_then(|text| options_of(&text));
    match options {
        Some(options) if options & SETS_TIMEOUT == 0 => {
            Err("it cannot be told a timeout".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

fn options_of(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), format!("{text}\n")).unwrap();
        }
        folder
    }

    fn said(files: &[(&str, &str)], allowed: Allowed) -> Result<(), String> {
        look(folder(files).path(), allowed, Duration::from_secs(10))
    }

    // As a guest of QEMU 7.2 with Linux 6.1 shows it, and behind it what newer kernels show.
    const WELL: &[(&str, &str)] = &[
        ("identity", "i6300ESB timer"),
        ("nowayout", "1"),
        ("min_timeout", "1"),
        ("max_timeout", "2046"),
        ("options", "0x8180"),
    ];

    fn with(name: &'static str, text: &'static str) -> Vec<(&'static str, &'static str)> {
        WELL.iter().map(|pair| if pair.0 == name { (name, text) } else { *pair }).collect()
    }

    #[test]
    fn a_real_device_that_nobody_can_switch_off_is_used() {
        assert_eq!(said(WELL, Allowed::default()), Ok(()));
        assert_eq!(said(&WELL[..4], Allowed::default()), Ok(()), "an older kernel");
    }

    #[test]
    fn what_proves_less_is_refused_unless_it_is_allowed() {
        let all = Allowed { software: true, way_out: true };
        let cases = [
            (with("identity", "Software Watchdog"), "softdog", true),
            (with("nowayout", "0"), "nowayout is off", true),
            (with("options", "0x8100"), "cannot be told a timeout", false),
            (with("max_timeout", "9"), "no timeout of 10 s", false),
            (with("min_timeout", "11"), "no timeout of 10 s", false),
            (vec![("identity", "i6300ESB timer")], "does not tell", false),
            (vec![], "load its driver", false),
        ];
        for (files, expected, may_be_allowed) in cases {
            let why = said(&files, Allowed::default()).unwrap_err();
            assert!(why.contains(expected), "{why}");
            assert_eq!(said(&files, all).is_ok(), may_be_allowed, "{files:?}");
        }
    }
}
