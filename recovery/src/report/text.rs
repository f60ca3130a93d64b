//! A report as a person reads it at night.

use super::{HostReport, Report, SegmentReport, Short, Spare};
use crate::forecast::printable;
use alloc::{format, string::String, vec::Vec};
use core::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "{segment}")?;
        }
        for unknown in &self.unknown {
            writeln!(f, "not known: {}", printable(unknown))?;
        }
        let all = self.segments.len();
        let not: Vec<String> =
            self.segments.iter().filter(|s| !s.is_spare()).map(|s| printable(&s.name)).collect();
        match (all, not.len()) {
            (0, _) => writeln!(f, "there is no segment"),
            (1, 0) => writeln!(f, "the segment is N+1 or better"),
            (_, 0) => writeln!(f, "all {all} segments are N+1 or better"),
            (_, few) => {
                let of = counted(all, "segment");
                writeln!(f, "NOT N+1: {} ({few} of {of})", not.join(", "))
            }
        }
    }
}

impl fmt::Display for SegmentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, method) = (printable(&self.name), self.recovery_method);
        let off = if self.enabled { "" } else { ", disabled: nothing of it is recovered" };
        let count = format!("{}, {}", counted(self.hosts, "host"), counted(self.servers, "VM"));
        match &self.spare {
            None => {
                let hosts = counted(self.hosts, "host");
                writeln!(f, "segment {name} ({method}{off}): not looked at: too large, {hosts}")?;
            }
            Some(_) if self.hosts == 0 => writeln!(f, "segment {name} ({method}{off}): no hosts")?,
            Some(spare) => {
                writeln!(f, "segment {name} ({method}{off}): {}; {count}", figure(spare))?;
                match &spare.short {
                    Some(short) => writeln!(f, "  {}{short}", may_be_lost(spare.k))?,
                    None if spare.or_more => {}
                    None => writeln!(f, "  all of its hosts may be lost")?,
                }
            }
        }
        let width = self.each.iter().map(|host| host.host.as_str().len()).max().unwrap_or(0);
        for host in &self.each {
            writeln!(f, "    {:width$}  {}", host.host.as_str(), sum(host))?;
        }
        if self.left_off > 0 {
            writeln!(f, "    {} more are counted and not listed", counted(self.left_off, "host"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost: Vec<&str> = self.lost.iter().map(|host| host.as_str()).collect();
        let verb = if self.servers == 1 { "finds" } else { "find" };
        write!(f, "without {}, {} {verb} no room", lost.join(" and "), counted(self.servers, "VM"))
    }
}

/// Of the hosts that are named next, so many may be lost and one not.
fn may_be_lost(k: usize) -> String {
    match k {
        0 => String::new(),
        1 => "any one host may be lost; ".into(),
        _ => format!("{k} hosts may be lost; "),
    }
}

fn figure(spare: &Spare) -> String {
    format!("N+{}{}", spare.k, if spare.or_more { " or more" } else { "" })
}

fn sum(host: &HostReport) -> String {
    let mut parts = Vec::from([format!("{} would move", host.moves)]);
    if host.doubtful > 0 {
        parts.push(format!("{} in doubt", host.doubtful));
    }
    if host.no_room > 0 {
        parts.push(format!("NO ROOM for {}", host.no_room));
    }
    let stay: usize = host.stays.values().sum();
    if stay > 0 {
        let why: Vec<String> =
            host.stays.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.push(format!("{stay} would stay ({})", why.join(", ")));
    }
    parts.extend(host.reserved.then(|| "reserved".into()));
    parts.extend(host.on_maintenance.then(|| "on maintenance".into()));
    parts.join("; ")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
