//! Watching other hosts: what is reported of them, and what Pacemaker's answers mean.
#![cfg(test)]

mod pacemaker;
mod watch;
