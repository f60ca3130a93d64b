//! The spool, on a disk whose power is cut at each of its writes, and on the real one.

use crate::{disk::Disk, failed, noted};
use monitor::{
    Report,
    sending::{Folder, Number, Spool, SystemFolder},
};
use std::sync::Arc;

fn spool(disk: &Disk) -> Spool {
    Spool::new(Arc::new(disk.clone()), "boot-1".into())
}

/// What was promised when the power went: kept for certain, and forgotten for all we know.
#[derive(Default)]
struct Promised {
    kept: Vec<(Number, Report)>,
    forgotten: Vec<Number>,
}

/// Keeps five reports and forgets two, as far as the disk does it.
fn work(disk: &Disk) -> Promised {
    let (spool, mut promised) = (spool(disk), Promised::default());
    for number in 1..=5 {
        let (number, report) = (Number(number), failed(&format!("vm{number}")));
        if spool.keep(number, &report).is_ok() {
            promised.kept.push((number, report));
        }
        if number.0.is_multiple_of(2) {
            promised.forgotten.push(number);
            drop(spool.forget(number));
        }
    }
    promised
}

#[test]
fn whenever_the_power_is_cut_what_was_kept_is_there_whole_and_in_its_order() {
    let whole = Disk::default();
    work(&whole);
    assert!(whole.done() >= 5 * 3 + 2, "{}", whole.done());
    for operations in 0..=whole.done() {
        let disk = Disk::default();
        disk.cut_after(operations);
        let promised = work(&disk);
        for found in disk.afterwards() {
            let kept = spool(&found).kept().unwrap();
            let names = found.names().unwrap();
            assert!(names.iter().all(|name| name.ends_with(".report")), "{names:?}");
            assert!(kept.is_sorted_by_key(|(number, _)| *number));
            for (number, report) in &kept {
                assert_eq!(*report, failed(&format!("vm{}", number.0)), "cut after {operations}");
            }
            for (number, _) in &promised.kept {
                let is_there = kept.iter().any(|(there, _)| there == number);
                assert!(
                    is_there || promised.forgotten.contains(number),
                    "{number:?} was promised and is lost when the power is cut after {operations}"
                );
            }
        }
    }
}

#[test]
fn what_nobody_can_read_is_set_aside_for_people_and_is_in_nobodys_way() {
    let disk = Disk::default();
    disk.write("00000000000000000001.report", b"{").unwrap();
    spool(&disk).keep(Number(2), &failed("vm2")).unwrap();
    let kept = spool(&disk).kept().unwrap();
    assert_eq!(kept, [(Number(2), failed("vm2"))]);
    assert!(disk.names().unwrap().contains(&"00000000000000000001.unreadable".to_owned()));
}

#[test]
fn what_was_kept_before_the_host_was_booted_is_withdrawn() {
    let disk = Disk::default();
    spool(&disk).keep(Number(1), &failed("vm1")).unwrap();
    let after = Spool::new(Arc::new(disk.clone()), "boot-2".into());
    assert_eq!(after.kept().unwrap(), []);
    assert_eq!(disk.names().unwrap(), Vec::<String>::new());
}

#[test]
fn a_real_folder_keeps_reports_and_belongs_to_one_monitor() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a/b");
    let folder = Arc::new(SystemFolder::open(&path).unwrap());
    assert!(SystemFolder::open(&path).is_err(), "two monitors have one folder");
    let spool = Spool::new(folder, "boot-1".into());
    spool.keep(Number(1), &failed("vm1")).unwrap();
    spool.keep(Number(2), &noted("vm2")).unwrap();
    spool.forget(Number(1)).unwrap();
    drop(spool);
    let again = Spool::new(Arc::new(SystemFolder::open(&path).unwrap()), "boot-1".into());
    assert_eq!(again.kept().unwrap(), [(Number(2), noted("vm2"))]);
}
