//! oslo.log's options, and what the log is made of by them.

use super::Configuration;
use crate::logging::{
    BadTemplate, Config, Facility, Journal, Levels, Limit, LogFile, Look, Place, Rotation, Socket,
    Stream, Syslog, Template, Unit, level_named,
};
use anyhow::Context;
use std::path::PathBuf;

const SYSLOG: &str = "/dev/log";
const JOURNAL: &str = "/run/systemd/journal/socket";

impl Configuration {
    fn flag(&self, name: &str) -> bool {
        self.values.get("DEFAULT", name)
    }

    /// The log of a daemon called `program`. Opens the file, so it fails where that cannot be.
    pub(crate) fn log(&self, program: &str, host: &str, now_ms: i64) -> anyhow::Result<Config> {
        let mut places = Vec::new();
        if let Some(path) = self.log_path(program) {
            let keep = self.values.get("DEFAULT", "max_logfile_count");
            let file = LogFile::open(path.clone(), self.rotation()?, keep, now_ms);
            places.push(Place::File(file.with_context(|| {
                let path = path.display();
                format!(
                    "[DEFAULT] log_file: {path} cannot be written; make its folder, for this user"
                )
            })?));
        }
        let color = self.flag("log_color");
        if self.flag("use_stderr") {
            places.push(Place::Stream(Stream { error: true, color }));
        }
        if self.flag("use_journal") {
            let (facility, socket) = (self.facility()?, Socket::new(JOURNAL));
            places.push(Place::Journal(Journal { facility, socket }));
        }
        if places.is_empty() {
            places.push(Place::Stream(Stream { error: false, color }));
        }
        if self.flag("use_syslog") {
            let (facility, socket) = (self.facility()?, Socket::new(SYSLOG));
            places.push(Place::Syslog(Syslog { facility, socket }));
        }
        self.log_at(places, program, host)
    }

    /// The log of a command: its output is for whoever typed it.
    pub(crate) fn log_of_a_command(&self, program: &str, host: &str) -> anyhow::Result<Config> {
        let stream = Stream { error: true, color: false };
        self.log_at(vec![Place::Stream(stream)], program, host)
    }

    /// What is wrong with the options of the log, without opening anything.
    pub(super) fn log_mistakes(&self) -> Vec<anyhow::Error> {
        let checks = [
            self.log_look("", "").map(drop),
            self.levels().map(drop),
            self.facility().map(drop),
            self.rotation().map(drop),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    fn log_at(&self, places: Vec<Place>, program: &str, host: &str) -> anyhow::Result<Config> {
        let look = self.log_look(program, host)?;
        Ok(Config { places, look, levels: self.levels()?, limit: self.limit() })
    }

    fn log_path(&self, program: &str) -> Option<PathBuf> {
        let dir = self.default_text("log_dir").map(PathBuf::from);
        match (self.default_text("log_file"), dir) {
            (Some(file), Some(dir)) => Some(dir.join(file)),
            (Some(file), None) => Some(file.into()),
            (None, Some(dir)) => Some(dir.join(format!("{program}.log"))),
            (None, None) => None,
        }
    }

    fn rotation(&self) -> anyhow::Result<Rotation> {
        let word = |name| self.default_text(name).unwrap_or_default().to_lowercase();
        let every: i64 = self.values.get("DEFAULT", "log_rotate_interval");
        Ok(match word("log_rotation_type").as_str() {
            "size" => {
                let mib: u64 = self.values.get("DEFAULT", "max_logfile_size_mb");
                Rotation::Size { bytes_max: mib.saturating_mul(1 << 20) }
            }
            "interval" => {
                let unit = match word("log_rotate_interval_type").as_str() {
                    "seconds" => Unit::Seconds,
                    "minutes" => Unit::Minutes,
                    "hours" => Unit::Hours,
                    "weekday" if !(0..=6).contains(&every) => {
                        let what = "must be 0 (Monday) to 6 (Sunday) for log_rotate_interval_type = \
                                    weekday";
                        return Err(self.wrong("DEFAULT", "log_rotate_interval", what));
                    }
                    "weekday" => Unit::Weekday,
                    "midnight" => Unit::Midnight,
                    _ => Unit::Days,
                };
                Rotation::Time { every, unit }
            }
            _ => Rotation::ByOthers,
        })
    }

    fn facility(&self) -> anyhow::Result<Facility> {
        let name = "syslog_log_facility";
        let word = self.default_text(name).unwrap_or_default();
        Facility::named(&word).ok_or_else(|| {
            let what =
                format!("= {word:?} is no facility, such as LOG_USER, LOG_DAEMON, LOG_LOCAL0");
            self.wrong("DEFAULT", name, what)
        })
    }

    pub(crate) fn levels(&self) -> anyhow::Result<Levels> {
        let name = "default_log_levels";
        let items: Vec<String> = self.values.get("DEFAULT", name);
        let part = |item: &String| {
            let (part, level) = item.split_once('=')?;
            Some((part.trim().to_owned(), level_named(level)?))
        };
        let parts = items.iter().map(|item| {
            part(item).ok_or_else(|| {
                let what = format!("holds {item:?}, which is not part=LEVEL, such as amqp=WARN");
                self.wrong("DEFAULT", name, what)
            })
        });
        Ok(Levels { debug: self.flag("debug"), parts: parts.collect::<Result<_, _>>()? })
    }

    fn limit(&self) -> Option<Limit> {
        let number = |name| self.values.get::<u64>("DEFAULT", name);
        let (burst, seconds) = (number("rate_limit_burst"), number("rate_limit_interval"));
        // There is no level CRITICAL here: above ERROR is nothing.
        let except = self.default_text("rate_limit_except_level").filter(|word| word != "CRITICAL");
        let except = except.and_then(|word| level_named(&word));
        let limited = burst > 0 && seconds > 0;
        limited.then(|| Limit::new(burst, seconds.saturating_mul(1000), except))
    }

    fn log_look(&self, program: &str, host: &str) -> anyhow::Result<Look> {
        let template = |name: &str| {
            let text: String = self.values.get("DEFAULT", name);
            Template::parse(&text).map_err(|BadTemplate(why)| {
                self.wrong("DEFAULT", name, format!("cannot be used: {why}"))
            })
        };
        let date = self.default_text("log_date_format").unwrap_or_default();
        let unknown = chrono::format::StrftimeItems::new(&date)
            .any(|item| matches!(item, chrono::format::Item::Error));
        if unknown {
            let what = format!("= {date:?} holds what strftime does not know");
            return Err(self.wrong("DEFAULT", "log_date_format", what));
        }
        let suffix = "logging_debug_format_suffix";
        let debug_suffix = self.default_text(suffix).map(|_| template(suffix)).transpose()?;
        Ok(Look {
            of_request: template("logging_context_format_string")?,
            default: template("logging_default_format_string")?,
            debug_suffix,
            user_identity: template("logging_user_identity_format")?,
            date,
            json: self.flag("use_json"),
            program: program.to_owned(),
            host: host.to_owned(),
        })
    }
}
