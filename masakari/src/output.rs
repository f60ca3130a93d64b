//! The only place that writes to the terminal: data to standard output, all else to standard error.
#![expect(clippy::print_stderr, reason = "this is the place")]

use std::{io::Write, process::ExitCode};

/// A line of data. Whoever reads it may have seen enough (`| head`): that is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// How far it is, for a person who waits.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// The error and its causes, each once, on a line of its own.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// What clap has to say: help is data, a mistake is not.
pub(crate) fn usage(asked: &clap::Error) -> ExitCode {
    let _ = asked.print();
    if asked.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
