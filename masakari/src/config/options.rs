//! The table of every option: it drives the reading of files, `masakari config sample` and `check`,
//! and the reference in `docs/options.md`.
//!
//! One file for each library that Python Masakari takes options from, and one for what it does not
//! have. `python.tsv` and `python-monitors.tsv` list what Python has, made by `cloud/list_options.py`; a
//! test compares.

mod database;
mod keystone;
mod log;
mod masakari;
mod messaging;
mod middleware;
mod monitors;
mod ours;
mod recovery;
#[cfg(test)]
mod tests;
mod why;

use oslo::config::Opt;

/// All tables.
pub(crate) const TABLES: &[&[Opt]] = &[
    masakari::OPTIONS,
    log::OPTIONS,
    recovery::OPTIONS,
    keystone::OPTIONS,
    database::OPTIONS,
    messaging::OPTIONS,
    middleware::OPTIONS,
    ours::OPTIONS,
    monitors::OPTIONS,
];
