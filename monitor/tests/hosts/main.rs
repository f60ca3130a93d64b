//! Watching other hosts: what is reported of them, what Pacemaker's answers mean, and how long those about 500 hosts take.
#![cfg(test)]

mod digest;
mod driver;
mod ipmi;
mod large;
mod pacemaker;
mod watch;
