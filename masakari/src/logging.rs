//! The log: one line an event on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Begins to log. `debug` tells what is asked of whom; `RUST_LOG` overrides both.
pub(crate) fn begin(debug: bool) {
    let level = if debug {
        "debug,hyper=info,sqlx=info,sea_orm=info,reqwest=info"
    } else {
        "info,sqlx=warn"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Whoever began before us (a test) has its way.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
