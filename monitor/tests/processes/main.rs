//! Supervising: what is due, whole lives of a host in memory, and the suite that what sees things passes: the ones in
//! memory here, this machine's processes here, and a real systemd by `processes/run`.
#![cfg(test)]

#[path = "../sending/disk.rs"]
mod disk;
mod fake;
#[path = "../masakari/false_api.rs"]
mod false_api;
mod histories;
mod lines;
mod machine;
mod reload;
mod suite;
mod supervise;
mod watch;
