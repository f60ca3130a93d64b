//! Templates in Python's `%(name)s`, filled from a line.

use super::line::Line;
use chrono::{Local, TimeZone};
use serde_json::json;
use std::fmt::Write;

/// What a template may hold: of Python's logging, of oslo.log, of oslo.context.
const NAMES: &[&str] = &[
    "asctime",
    "msecs",
    "created",
    "relativeCreated",
    "isotime",
    "process",
    "processName",
    "thread",
    "threadName",
    "taskName",
    "levelname",
    "levelno",
    "name",
    "message",
    "funcName",
    "pathname",
    "filename",
    "module",
    "lineno",
    "instance",
    "color",
    "reset_color",
    "resource",
    "user_identity",
    "error_summary",
    "exc_text",
    "project",
    "version",
    "request_id",
    "global_request_id",
    "resource_uuid",
    "user",
    "user_id",
    "user_name",
    "tenant",
    "project_id",
    "project_name",
    "domain",
    "domain_id",
    "domain_name",
    "user_domain",
    "user_domain_id",
    "user_domain_name",
    "project_domain",
    "project_domain_id",
    "project_domain_name",
    "system_scope",
    "is_admin",
    "read_only",
    "show_deleted",
    "auth_token",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadTemplate(pub(crate) String);

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Value {
        name: String,
        left: bool,
        zeros: bool,
        width: usize,
        precision: Option<usize>,
        kind: char,
    },
}

/// How lines look.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) of_request: Template,
    pub(crate) default: Template,
    /// Behind lines of level DEBUG.
    pub(crate) debug_suffix: Option<Template>,
    pub(crate) user_identity: Template,
    /// In the words of strftime.
    pub(crate) date: String,
    pub(crate) json: bool,
    pub(crate) program: String,
    pub(crate) host: String,
}

enum Datum {
    Text(String),
    Int(i64),
    Float(f64),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(before.to_owned()));
            if let Some(after) = after.strip_prefix('%') {
                pieces.push(Piece::Text("%".to_owned()));
                rest = after;
                continue;
            }
            let wrong =
                || BadTemplate("after a percent sign must follow (name)s, or another %".into());
            let (name, after) =
                after.strip_prefix('(').and_then(|a| a.split_once(')')).ok_or_else(wrong)?;
            if !NAMES.contains(&name) {
                return Err(BadTemplate(format!("no line has %({name})s")));
            }
            let flags = after.trim_start_matches(['-', '0', ' ', '+', '#']);
            let flag = after.strip_suffix(flags).unwrap_or_default();
            let (width, after) = digits(flags);
            let (precision, after) = match after.strip_prefix('.') {
                Some(after) => {
                    let (precision, after) = digits(after);
                    (Some(precision), after)
                }
                None => (None, after),
            };
            let kind =
                after.chars().next().filter(|c| "sdifr".contains(*c)).ok_or_else(|| {
                    BadTemplate(format!("%({name}) must end with s, d, i, f or r"))
                })?;
            let (left, zeros) = (flag.contains('-'), flag.contains('0'));
            pieces.push(Piece::Value {
                name: name.to_owned(),
                left,
                zeros,
                width,
                precision,
                kind,
            });
            rest = after.get(1..).unwrap_or_default();
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn fill(&self, value: impl Fn(&str) -> Datum) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value { name, left, zeros, width, precision, kind } => {
                    let shown = shown(value(name), *kind, *precision);
                    let missing = width.saturating_sub(shown.chars().count());
                    let zeros = *zeros && "dif".contains(*kind);
                    match (left, zeros) {
                        (true, _) => text.extend([shown.as_str(), &" ".repeat(missing)]),
                        (false, true) => text.extend([&"0".repeat(missing), shown.as_str()]),
                        (false, false) => text.extend([&" ".repeat(missing), shown.as_str()]),
                    }
                }
            }
        }
        text
    }
}

fn digits(text: &str) -> (usize, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(rest).unwrap_or_default();
    // A width beyond a line's is a mistake; it costs memory.
    (number.parse().unwrap_or(0).min(1000), rest)
}

fn shown(datum: Datum, kind: char, precision: Option<usize>) -> String {
    match (datum, kind) {
        (Datum::Text(text), _) => match precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        },
        (Datum::Int(number), 'f') => format!("{number}.{}", "0".repeat(precision.unwrap_or(6))),
        (Datum::Int(number), _) => number.to_string(),
        (Datum::Float(number), 'd' | 'i') => format!("{:.0}", number.trunc()),
        (Datum::Float(number), 'f') => format!("{number:.*}", precision.unwrap_or(6)),
        (Datum::Float(number), _) => format!("{number:?}"),
    }
}

impl Look {
    /// Without an end of line. `color` is the beginning of a colour, for a terminal.
    pub(super) fn of(&self, line: &Line, color: &str) -> String {
        if self.json {
            return self.json(line);
        }
        let template = match line.of_context("request_id") {
            Some(_) => &self.of_request,
            None => &self.default,
        };
        let value = |name: &str| self.value(line, name, color);
        let mut text = template.fill(value);
        if let Some(suffix) = self.debug_suffix.as_ref().filter(|_| line.level_name() == "DEBUG") {
            text.push(' ');
            text.push_str(&suffix.fill(value));
        }
        text
    }

    fn value(&self, line: &Line, name: &str, color: &str) -> Datum {
        let text = |text: &str| Datum::Text(text.to_owned());
        let ms = line.wall_ms.rem_euclid(1000);
        match name {
            "asctime" => Datum::Text(date(line.wall_ms, &self.date)),
            "isotime" => Datum::Text(date(line.wall_ms, "%Y-%m-%dT%H:%M:%S%.6f%:z")),
            "msecs" => Datum::Int(ms),
            "created" => Datum::Float(seconds(line.wall_ms)),
            "process" => Datum::Int(std::process::id().into()),
            "processName" => text("MainProcess"),
            "threadName" => text(&line.thread),
            "levelname" => text(line.level_name()),
            "levelno" => Datum::Int(line.level_number()),
            "name" => text(&line.logger),
            "message" => Datum::Text(line.text()),
            "funcName" | "module" => text(stem(line.file)),
            "pathname" => text(line.file),
            "filename" => text(line.file.rsplit('/').next().unwrap_or_default()),
            "lineno" => Datum::Int(line.line.into()),
            "thread" | "relativeCreated" => Datum::Int(0),
            "color" => text(color),
            "reset_color" => text(if color.is_empty() { "" } else { super::places::RESET }),
            "project" => text("masakari"),
            "version" => text(env!("CARGO_PKG_VERSION")),
            "error_summary" => text("-"),
            "user_identity" if line.context.is_empty() => text(""),
            "user_identity" => Datum::Text(self.user_identity.fill(|name| identity(line, name))),
            // As Python prints what a request has not.
            "global_request_id" if !line.context.is_empty() => {
                text(line.of_context(name).unwrap_or("None"))
            }
            name => text(line.of_context(name).unwrap_or_default()),
        }
    }

    fn json(&self, line: &Line) -> String {
        let context: serde_json::Map<String, serde_json::Value> =
            line.context.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let extra: serde_json::Map<String, serde_json::Value> =
            line.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "message": line.text(), "asctime": date(line.wall_ms, &self.date), "name": line.logger,
            "msg": line.message, "args": [], "levelname": line.level_name(),
            "levelno": line.level_number(), "pathname": line.file,
            "filename": line.file.rsplit('/').next(), "module": stem(line.file),
            "lineno": line.line, "funcname": stem(line.file), "created": seconds(line.wall_ms),
            "msecs": line.wall_ms.rem_euclid(1000), "relative_created": 0, "thread": null,
            "thread_name": line.thread, "process_name": "MainProcess",
            "process": std::process::id(), "traceback": null, "hostname": self.host,
            "error_summary": "", "context": context, "extra": extra,
        })
        .to_string()
    }
}

/// What is not known of a caller is a hyphen, as oslo.log has it.
fn identity(line: &Line, name: &str) -> Datum {
    let name = match name {
        "user" => "user_id",
        "project" | "tenant" => "project_id",
        "domain" => "domain_id",
        other => other,
    };
    let known = line.of_context(name).filter(|value| !value.is_empty());
    Datum::Text(known.unwrap_or("-").to_owned())
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".rs").unwrap_or(name)
}

#[expect(clippy::cast_precision_loss, reason = "a time in ms is far below 2^53")]
fn seconds(wall_ms: i64) -> f64 {
    wall_ms as f64 / 1000.0
}

/// In this machine's time zone.
pub(super) fn date(wall_ms: i64, format: &str) -> String {
    let mut text = String::new();
    if let Some(time) = Local.timestamp_millis_opt(wall_ms).earliest() {
        // It was looked at when the configuration was read; what is left of a fault is an empty date.
        let _ = write!(text, "{}", time.format(format));
    }
    text
}
