//! An event as a line of the log knows it.

use std::fmt::{self, Write};
use tracing::{
    Event, Level,
    field::{Field, Visit},
    span::Attributes,
};

/// Fields that say whose request it is: they belong to the context, not behind the message.
const CONTEXT: [&str; 8] = [
    "request_id",
    "global_request_id",
    "user_id",
    "user_name",
    "project_id",
    "project_name",
    "domain_id",
    "system_scope",
];
/// Our crates: the loggers of Python Masakari are called `masakari.…` too.
const ROOMS: [&str; 8] =
    ["api", "engine", "masakari", "openstack", "oslo", "ports", "recovery", "store"];

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(super) wall_ms: i64,
    pub(super) level: Level,
    /// `masakari.engine.claim`.
    pub(super) logger: String,
    pub(super) message: String,
    /// Behind the message, as `name=value`.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) context: Vec<(&'static str, String)>,
    pub(super) file: &'static str,
    pub(super) line: u32,
    pub(super) thread: String,
}

/// The fields of a span.
#[derive(Debug, Default)]
pub(super) struct Around(Vec<(&'static str, String)>);

impl Around {
    pub(super) fn new(about: &Attributes<'_>) -> Self {
        let mut around = Self::default();
        about.record(&mut around);
        around
    }
}

impl Visit for Around {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Line {
    pub(super) fn new(event: &Event<'_>, wall_ms: i64) -> Self {
        let about = event.metadata();
        let mut line = Self {
            wall_ms,
            level: *about.level(),
            logger: logger(about.target()),
            message: String::new(),
            fields: Vec::new(),
            context: Vec::new(),
            file: about.file().unwrap_or_default(),
            line: about.line().unwrap_or_default(),
            thread: std::thread::current().name().unwrap_or_default().to_owned(),
        };
        event.record(&mut line);
        line
    }

    /// What is said around it, unless it says that itself.
    pub(super) fn stands_in(&mut self, around: &Around) {
        for (name, value) in &around.0 {
            if !self.fields.iter().any(|(known, _)| known == name) {
                self.fields.push((name, value.clone()));
            }
        }
    }

    /// The same moment, another text.
    pub(super) fn instead(&self, message: String) -> Self {
        let (fields, context) = (Vec::new(), Vec::new());
        Self { level: Level::ERROR, message, fields, context, ..self.clone() }
    }

    pub(super) fn of_context(&self, name: &str) -> Option<&str> {
        self.context.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The message and the fields behind it, on one line: whoever is asked must not be able to write
    /// lines of their own.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            let _ = write!(text, " {name}={value}");
        }
        text.replace('\n', "\\n").replace('\r', "\\r")
    }

    /// In Python's words.
    pub(super) fn level_name(&self) -> &'static str {
        match self.level {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        }
    }

    pub(super) fn level_number(&self) -> i64 {
        match self.level {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            Level::DEBUG => 10,
            Level::TRACE => 5,
        }
    }

    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name if CONTEXT.contains(&name) => self.context.push((name, value)),
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

/// Whether one of our crates says it.
pub(super) fn is_ours(target: &str) -> bool {
    target.split("::").next().is_some_and(|room| ROOMS.contains(&room))
}

fn logger(target: &str) -> String {
    let dotted = target.replace("::", ".");
    match dotted.split('.').next() {
        Some("masakari") | None => dotted,
        Some(room) if ROOMS.contains(&room) => format!("masakari.{dotted}"),
        Some(_) => dotted,
    }
}
