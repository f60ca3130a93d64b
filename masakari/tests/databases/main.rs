//! The program on real databases: it is started as an operator starts it, and asked over HTTP.
//!
//! `store/tests/on-databases.sh` starts the servers and names them in the environment; what needs one
//! that is not named has nothing to do. SQLite is always there.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested are programs, in real time")]

mod absent;
mod adoption;
mod commands;
mod exactly_once;
mod stage;
