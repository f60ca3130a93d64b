//! The only place that writes to the terminal: data to standard output, all else to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the place")]

use std::process::ExitCode;

/// A line of data.
pub(crate) fn say(line: &str) {
    println!("{line}");
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
