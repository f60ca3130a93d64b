//! A forecast as a person reads it at night.

use super::{Doubt, Fate, Forecast, Foreseen, Obstacle};
use alloc::{format, string::String, vec::Vec};
use core::fmt;

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, method, moves, stays, .. } = self;
        writeln!(f, "if host {host} died now ({method}): {moves} would move, {stays} would stay")?;
        let moves = self.servers.iter().filter(|s| !matches!(s.fate, Fate::Stays { .. }));
        for (place, server) in (1..).zip(moves) {
            writeln!(f, "{place:>4}  {}{}: {}", named(server), rank(server), server.fate)?;
        }
        let stays = || self.servers.iter().filter(|s| matches!(s.fate, Fate::Stays { .. }));
        if stays().next().is_some() {
            writeln!(f, "stay:")?;
        }
        for server in stays() {
            writeln!(f, "      {}: {}", named(server), server.fate)?;
        }
        if self.left_off > 0 {
            writeln!(f, "{} more are counted and not listed", self.left_off)?;
        }
        for unknown in &self.unknown {
            writeln!(f, "not known: {}", printable(unknown))?;
        }
        Ok(())
    }
}

fn named(server: &Foreseen) -> String {
    format!("{} ({})", printable(&server.name), server.id)
}

fn rank(server: &Foreseen) -> String {
    match (server.ha_enabled, server.priority) {
        (false, 0) => String::new(),
        (true, 0) => ", HA_Enabled".into(),
        (false, number) => format!(", priority {number}"),
        (true, number) => format!(", HA_Enabled, priority {number}"),
    }
}

/// Names are their owners' to choose: nothing of them shall move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderWay => f.write_str("Nova is evacuating it already"),
            Self::Stays { why } => write!(f, "{why}"),
            Self::Moves { to, more, doubts } => {
                let to: Vec<&str> = to.iter().map(|host| host.as_str()).collect();
                write!(f, "{}", to.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                for doubt in doubts {
                    write!(f, "; {doubt}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passthrough => "if the host has its PCI device free",
            Self::Pinning => "if the host has CPUs and memory for its NUMA layout",
            Self::Accelerator => "if the host has its accelerator free",
            Self::Traits => "if the host has the traits and resources of its flavor",
            Self::Size => "Nova did not say how large it is",
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { why, .. } | Self::State { why } => f.write_str(&printable(why)),
            Self::Quarantine { why } => f.write_str(&printable(why)),
            Self::Vtpm => f.write_str("it has an emulated TPM, and Nova evacuates none of these"),
            Self::Share => f.write_str("it has a share, and Nova evacuates none of these"),
            Self::PinnedZone { zone } => {
                write!(
                    f,
                    "it is pinned to zone {}, where no other host is in service",
                    printable(zone)
                )
            }
            Self::AntiAffinity { group } => {
                let group = printable(group);
                write!(
                    f,
                    "its server group {group} (anti-affinity) has members on every other host"
                )
            }
            Self::Affinity { group } => {
                let group = printable(group);
                write!(
                    f,
                    "its server group {group} (affinity) is on the dead host, and Nova leaves it there"
                )
            }
            Self::Capacity { short } => {
                write!(f, "no host has room for it: {} needed", short.join(", "))
            }
            Self::NoHost => f.write_str("no other host is in service"),
        }
    }
}
