//! Where lines go.

use super::{file::LogFile, format::Look, format::date, line::Line};
use std::{
    io::{self, Write},
    os::unix::net::UnixDatagram,
    path::PathBuf,
};
use tracing::Level;

pub(super) const RESET: &str = "\x1b[00m";
/// The journal takes no larger datagram; a line is cut there.
const DATAGRAM_BYTES_MAX: usize = 100_000;

#[derive(Debug)]
pub(crate) enum Place {
    File(LogFile),
    Stream(Stream),
    Syslog(Syslog),
    Journal(Journal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Standard error, else standard output.
    pub(crate) error: bool,
    pub(crate) color: bool,
}

/// What syslog sorts by: the number of `LOG_USER` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facility(u8);

#[derive(Debug)]
pub(crate) struct Syslog {
    pub(crate) facility: Facility,
    pub(crate) socket: Socket,
}

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) facility: Facility,
    pub(crate) socket: Socket,
}

/// A socket of the system's that is connected again if its other end was away.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    open: Option<UnixDatagram>,
}

impl Place {
    /// A line that cannot be written is lost.
    pub(super) fn write(&mut self, line: &Line, look: &Look) {
        let _ = match self {
            Self::File(file) => file.write(&look.of(line, ""), line.wall_ms),
            Self::Stream(stream) => stream.write(line, look),
            Self::Syslog(syslog) => syslog.write(line, look),
            Self::Journal(journal) => journal.write(line, look),
        };
    }
}

impl Stream {
    fn write(self, line: &Line, look: &Look) -> io::Result<()> {
        let mut text = look.of(line, if self.color { color(line.level) } else { "" });
        if self.color {
            text.push_str(RESET);
        }
        text.push('\n');
        if self.error {
            io::stderr().lock().write_all(text.as_bytes())
        } else {
            io::stdout().lock().write_all(text.as_bytes())
        }
    }
}

fn color(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[01;31m",
        Level::WARN => "\x1b[01;33m",
        Level::INFO => "\x1b[00;36m",
        Level::DEBUG => "\x1b[00;32m",
        Level::TRACE => "\x1b[00;35m",
    }
}

const FACILITIES: [(&str, u8); 20] = [
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

impl Facility {
    /// `LOG_USER`, `user`, ….
    pub(crate) fn named(word: &str) -> Option<Self> {
        let word = word.to_uppercase();
        let short = word.strip_prefix("LOG_").unwrap_or(&word);
        FACILITIES.iter().find(|(name, _)| *name == short).map(|(_, number)| Self(*number))
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl Syslog {
    fn write(&mut self, line: &Line, look: &Look) -> io::Result<()> {
        let number = self.facility.0 * 8 + priority(line.level);
        let time = date(line.wall_ms, "%b %e %H:%M:%S");
        let text = format!("<{number}>{time} {}: {}", look.program, look.of(line, ""));
        self.socket.send(text.as_bytes())
    }
}

impl Journal {
    fn write(&mut self, line: &Line, look: &Look) -> io::Result<()> {
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            // A line's end would begin the next field; there is none in a line.
            text.push_str(&format!("{name}={}\n", value.replace('\n', " ")));
        };
        field("MESSAGE", cut(&look.of(line, ""), DATAGRAM_BYTES_MAX));
        field("PRIORITY", &priority(line.level).to_string());
        field("SYSLOG_FACILITY", &self.facility.0.to_string());
        field("SYSLOG_IDENTIFIER", &look.program);
        field("CODE_FILE", line.file);
        field("CODE_LINE", &line.line.to_string());
        field("THREAD_NAME", &line.thread);
        field("PROCESS_NAME", "MainProcess");
        field("LOGGER_NAME", &line.logger);
        field("LOGGER_LEVEL", line.level_name());
        for name in ["project_name", "project_id", "user_name", "user_id", "request_id"] {
            if let Some(value) = line.of_context(name) {
                field(&name.to_uppercase(), value);
            }
        }
        self.socket.send(text.as_bytes())
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl Socket {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None }
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        if let Some(open) = &self.open
            && open.send(datagram).is_ok()
        {
            return Ok(());
        }
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        // A full socket must not hold up whoever logs.
        socket.set_nonblocking(true)?;
        self.open.insert(socket).send(datagram).map(drop)
    }
}
