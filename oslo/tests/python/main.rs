//! The same files and rules, made by chance, to ours and to Python's oslo.config and oslo.policy.
//!
//! `cargo xtask test oslo` runs these, because they need Python. A failure names its seed:
//! `OSLO_SEED=N OSLO_CASES=1` repeats it. Where ours differs on purpose is spelt out at the
//! comparison, and nowhere else.
#![cfg(test)]

mod config;
mod oracle;
mod policy;
mod search;
