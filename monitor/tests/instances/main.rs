//! Watching VMs and the guests in them: Python's own answers to recorded events of a real libvirt, the roll, and whole
//! lives of a hypervisor in memory, which passes the same suite as the real one (`libvirt/run`).
#![cfg(test)]

#[path = "../sending/disk.rs"]
mod disk;
mod fake;
#[path = "../masakari/false_api.rs"]
mod false_api;
#[path = "../guests/late.rs"]
mod guests_late;
#[path = "../guests/lines.rs"]
mod guests_lines;
#[path = "../guests/machine.rs"]
mod guests_machine;
#[path = "../guests/rounds.rs"]
mod guests_rounds;
mod histories;
mod late;
mod lines;
mod recorded;
mod roll;
mod suite;
mod watch;
