//! What only the start needed is given back, and nothing else.
#![cfg(test)]

use monitor::resident::{give_back, untouched};
use std::path::Path;

const SMAPS: &str = "\
5636a7abd000-5636a8289000 r--p 00000000 fe:00 6999332                    /usr/bin/masakari
Rss:                2384 kB
Anonymous:             0 kB
Locked:                0 kB
VmFlags: rd mr mw me sd
5636a8289000-5636a9fc0000 r-xp 007cb000 fe:00 6999332                    /usr/bin/masakari
Anonymous:             0 kB
Locked:                0 kB
VmFlags: rd ex mr mw me sd
5636a9fc0000-5636aa088000 r--p 02501000 fe:00 6999332                    /usr/bin/masakari
Anonymous:           800 kB
Locked:                0 kB
VmFlags: rd mr mw me ac sd
5636aa088000-5636aa091000 rw-p 025c8000 fe:00 6999332                    /usr/bin/masakari
Anonymous:             0 kB
Locked:                0 kB
VmFlags: rd wr mr mw me ac sd
5636ad000000-5636ad0ca000 rw-p 00000000 00:00 0                          [heap]
Anonymous:             0 kB
VmFlags: rd wr mr mw me ac sd
7f22c2a00000-7f22c2ca0000 r-xp 001ed000 fe:00 1447001                    /usr/lib/x86_64-linux-gnu/libvirt.so.0.9000.0
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
";
const PROGRAM: &str = "/usr/bin/masakari";

#[test]
fn what_was_written_or_may_be_is_no_part_and_neither_is_another_file() {
    let parts = untouched(SMAPS, Path::new(PROGRAM));
    assert_eq!(parts, [0x5636_a7ab_d000..0x5636_a828_9000, 0x5636_a828_9000..0x5636_a9fc_0000]);
    assert!(untouched(SMAPS, Path::new("/usr/bin/other")).is_empty());
}

#[test]
fn what_somebody_locked_is_no_part_and_a_program_that_was_replaced_is_one() {
    let locked = SMAPS.replace("Locked:                0 kB", "Locked:               40 kB");
    assert!(untouched(&locked, Path::new(PROGRAM)).is_empty());
    // The kernel says so of both, the mapping and the link.
    let replaced = SMAPS.replace(PROGRAM, "/usr/bin/masakari (deleted)");
    assert_eq!(untouched(&replaced, Path::new("/usr/bin/masakari (deleted)")).len(), 2);
}

/// KiB of this test's own program that can be run, and are in memory.
fn resident_kib() -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let program = std::fs::read_link("/proc/self/exe").unwrap();
    let is_of_it =
        |line: &&str| line.contains(" r-xp ") && line.ends_with(program.to_str().unwrap());
    let of_it = smaps.lines().skip_while(|line| !is_of_it(line));
    let rss = of_it.filter_map(|line| line.strip_prefix("Rss:")).next().unwrap();
    rss.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_is_given_back_is_not_resident_and_is_there_when_it_is_touched() {
    let before = resident_kib();
    give_back().unwrap();
    let after = resident_kib();
    assert!(after > 0 && after < before, "{before} KiB before, {after} KiB after");
}
