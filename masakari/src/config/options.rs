//! The table of every option: it drives the reading of files, `masakari config sample` and `check`,
//! and the reference in `docs/options.md`.
//!
//! One file for each library that Python Masakari takes options from, and one for what it does not
//! have. `python.tsv` and `python-monitors.tsv` list what Python has, made by `cloud/list_options.py`; a
//! test compares.

mod database;
mod keystone;
mod lease;
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
    lease::OPTIONS,
];

/// Whether a monitor reads it.
pub(crate) fn is_of_monitors(opt: &Opt) -> bool {
    let both = [("DEFAULT", "state_path"), ("DEFAULT", "host")];
    // What we add to a monitor is a group of Python's monitors.
    let of_a_monitor = |of: &Opt| of.group != "DEFAULT" && of.group == opt.group;
    both.contains(&(opt.group, opt.name))
        || [log::OPTIONS, monitors::OPTIONS, lease::OPTIONS]
            .iter()
            .any(|table| table.iter().any(|of| of == opt))
        || monitors::OPTIONS.iter().any(of_a_monitor)
}
