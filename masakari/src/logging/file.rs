//! The file of the log: made anew when another program has moved it, or rotated here.

use chrono::{Datelike, Days, Local, NaiveTime, TimeZone};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// When a file is put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// By logrotate and its like.
    ByOthers,
    Size {
        bytes_max: u64,
    },
    Time {
        every: i64,
        unit: Unit,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
    /// At the end of the day `every`, 0 for Monday.
    Weekday,
    /// At the end of each day.
    Midnight,
}

#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// How many old files are kept.
    keep: usize,
    open: Option<Open>,
    /// By time: when next.
    due_ms: i64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode: another one at the path is another file.
    identity: (u64, u64),
}

impl LogFile {
    /// Opens it, so that a file that cannot be written is told at the start.
    pub(crate) fn open(
        path: PathBuf,
        rotation: Rotation,
        keep: usize,
        now_ms: i64,
    ) -> io::Result<Self> {
        let written_ms = fs::metadata(&path)
            .ok()
            .filter(|about| about.len() > 0)
            .map_or(now_ms, |about| about.mtime().saturating_mul(1000));
        let due_ms = match rotation {
            Rotation::Time { every, unit } => unit.after(written_ms, every),
            Rotation::ByOthers | Rotation::Size { .. } => i64::MAX,
        };
        let open = Some(Open::new(&path)?);
        Ok(Self { path, rotation, keep, open, due_ms })
    }

    pub(super) fn write(&mut self, text: &str, now_ms: i64) -> io::Result<()> {
        let line = format!("{text}\n");
        match self.rotation {
            Rotation::ByOthers => {
                let is_mine = |open: &Open| Some(open.identity) == identity(&self.path);
                self.open = self.open.take().filter(is_mine);
            }
            Rotation::Size { bytes_max } => {
                let bytes = fs::metadata(&self.path).map_or(0, |about| about.len());
                if self.keep > 0 && bytes_max > 0 && bytes + line.len() as u64 >= bytes_max {
                    self.open = None;
                    self.number_up();
                }
            }
            Rotation::Time { every, unit } => {
                if now_ms >= self.due_ms {
                    self.open = None;
                    self.date(unit, every, now_ms);
                }
            }
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.path)?,
        };
        self.open.insert(open).file.write_all(line.as_bytes())
    }

    #[cfg(test)]
    pub(super) fn due_ms(&self) -> i64 {
        self.due_ms
    }

    /// `log` is `log.1`, `log.1` is `log.2`, …. One that is not there is no fault.
    fn number_up(&self) {
        for number in (1..self.keep).rev() {
            let _ = fs::rename(
                self.beside(&number.to_string()),
                self.beside(&(number + 1).to_string()),
            );
        }
        let _ = fs::rename(&self.path, self.beside("1"));
    }

    fn date(&mut self, unit: Unit, every: i64, now_ms: i64) {
        let begun_ms = self.due_ms.saturating_sub(unit.length_ms(every));
        let dated = self.beside(&super::format::date(begun_ms, unit.suffix()));
        let _ = fs::rename(&self.path, dated);
        if self.keep > 0 {
            let old = self.dated();
            for path in old.iter().take(old.len().saturating_sub(self.keep)) {
                let _ = fs::remove_file(path);
            }
        }
        self.due_ms = unit.after(now_ms, every);
    }

    /// Old files with a date, the oldest first.
    fn dated(&self) -> Vec<PathBuf> {
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let (Some(folder), Some(mine)) = (self.path.parent(), name(&self.path)) else {
            return Vec::new();
        };
        let is_date = |path: &PathBuf| {
            let suffix = name(path)
                .and_then(|name| name.strip_prefix(&mine)?.strip_prefix('.').map(str::to_owned));
            suffix.is_some_and(|suffix| {
                suffix.len() >= 10 && suffix.chars().all(|c| c.is_ascii_digit() || "-_".contains(c))
            })
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_date).collect();
        found.sort();
        found
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{suffix}"));
        path.into()
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let about = file.metadata()?;
        Ok(Self { file, identity: (about.dev(), about.ino()) })
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Unit {
    fn length_ms(self, every: i64) -> i64 {
        match self {
            Self::Seconds => every.saturating_mul(1000),
            Self::Minutes => every.saturating_mul(60_000),
            Self::Hours => every.saturating_mul(3_600_000),
            Self::Days => every.saturating_mul(DAY_MS),
            Self::Midnight => DAY_MS,
            Self::Weekday => 7 * DAY_MS,
        }
    }

    /// The first due time after a time.
    fn after(self, ms: i64, every: i64) -> i64 {
        match self {
            Self::Seconds | Self::Minutes | Self::Hours | Self::Days => {
                ms.saturating_add(self.length_ms(every.max(1)))
            }
            Self::Midnight => midnight_after(ms, None),
            Self::Weekday => midnight_after(ms, Some(every)),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Seconds => "%Y-%m-%d_%H-%M-%S",
            Self::Minutes => "%Y-%m-%d_%H-%M",
            Self::Hours => "%Y-%m-%d_%H",
            Self::Days | Self::Weekday | Self::Midnight => "%Y-%m-%d",
        }
    }
}

/// The midnight that ends the day, or the next such day of the week.
fn midnight_after(ms: i64, weekday: Option<i64>) -> i64 {
    let fallback = ms.saturating_add(DAY_MS);
    let Some(now) = Local.timestamp_millis_opt(ms).earliest() else { return fallback };
    let today = i64::from(now.weekday().num_days_from_monday());
    let wait = weekday.map_or(0, |wanted| (wanted - today).rem_euclid(7)).unsigned_abs();
    let day = now.date_naive().checked_add_days(Days::new(wait + 1));
    let midnight =
        day.and_then(|day| Local.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest());
    midnight.map_or(fallback, |midnight| midnight.timestamp_millis())
}
