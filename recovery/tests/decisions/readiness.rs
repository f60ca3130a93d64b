//! Whose fence devices are looked at next, and what of that is told.

use recovery::{
    HostId, HostName, Millis, SegmentId,
    nouns::Host,
    readiness::{Check, Readiness, Rung, due},
};
use std::collections::BTreeMap;

const NOW: Millis = Millis(10_000_000_000);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn host(n: usize) -> Host {
    Host {
        id: 1,
        uuid: HostId::new(format!("h{n}")),
        name: HostName::new(format!("compute{n}")),
        segment: SegmentId::new("s"),
        kind: "COMPUTE".into(),
        control_attributes: "ladder:default".into(),
        reserved: false,
        on_maintenance: false,
        created_at: None,
        updated_at: None,
    }
}

fn rung(could_prove: bool, is_fault: bool) -> Rung {
    let said = if is_fault { "no answer" } else { "on" };
    Rung { device: "bmc (redfish)".into(), could_prove, is_fault, said: said.into() }
}

fn well() -> Rung {
    rung(true, false)
}

fn broken() -> Rung {
    rung(false, true)
}

fn person() -> Rung {
    rung(false, false)
}

fn check(n: usize, rungs: &[Rung], at: Millis) -> Check {
    Check::of(host(n).uuid, Ok(rungs.to_vec()), None, at)
}

fn named(due: &[&Host]) -> Vec<String> {
    due.iter().map(|host| host.uuid.to_string()).collect()
}

#[test]
fn one_device_that_could_prove_is_enough_and_one_that_is_broken_is_told() {
    for (rungs, readiness) in [
        (vec![well(), person()], Readiness::Ready),
        (vec![broken(), well()], Readiness::Impaired),
        (vec![broken(), person()], Readiness::Unready),
        (vec![person()], Readiness::Unready),
        (vec![], Readiness::Unready),
    ] {
        assert_eq!(check(1, &rungs, NOW).readiness, readiness, "{rungs:?}");
    }
    let none = Check::of(host(1).uuid, Err("it has no ladder".into()), None, NOW);
    assert_eq!((none.readiness, none.why()), (Readiness::Unready, "it has no ladder".into()));
    let why = |rungs: &[Rung]| check(1, rungs, NOW).why();
    assert_eq!(
        why(&[broken(), well(), person()]),
        "bmc (redfish): no answer",
        "a person is no fault"
    );
    assert_eq!(why(&[well(), person()]), "");
    let none = why(&[broken(), person()]);
    assert_eq!(none, format!("bmc (redfish): no answer; {}: {}", person().device, person().said));
}

#[test]
fn only_a_change_is_news_and_since_when_it_is_so_is_kept() {
    let well = check(1, &[well()], NOW);
    assert!(!well.is_news(None), "all is well");
    let later = |rungs: &[Rung], before: &Check, at| {
        Check::of(host(1).uuid, Ok(rungs.to_vec()), Some(before), at)
    };
    let lost = later(&[broken()], &well, NOW.plus(1));
    assert!(lost.is_news(Some(&well)) && lost.is_news(None));
    let still = later(&[broken()], &lost, NOW.plus(2));
    assert!(!still.is_news(Some(&lost)));
    assert_eq!((still.at, still.since), (NOW.plus(2), NOW.plus(1)));
    let repaired = later(&[rung(true, false)], &still, NOW.plus(3));
    assert!(repaired.is_news(Some(&still)));
    assert_eq!(repaired.since, NOW.plus(3));
}

#[test]
fn all_hosts_are_spread_over_the_interval_the_oldest_look_first() {
    let hosts: Vec<Host> = (0..600).map(host).collect();
    let checks = |age: i64| -> BTreeMap<HostId, Check> {
        let check = |n: usize| check(n, &[well()], NOW.plus(-age - i64::try_from(n).unwrap()));
        (0..600).map(|n| (host(n).uuid, check(n))).collect()
    };
    let old = checks(2 * HOUR);
    let first = due(&hosts, &old, HOUR, MINUTE, NOW);
    assert_eq!(first.len(), 10, "a sixtieth each minute");
    assert_eq!(named(&first)[0], "h599", "the oldest");
    assert_eq!(due(&hosts, &checks(HOUR - 600), HOUR, MINUTE, NOW).len(), 0);
}

#[test]
fn what_is_not_known_or_is_to_be_repaired_is_looked_at_sooner() {
    let hosts: Vec<Host> = (0..10).map(host).collect();
    let none = BTreeMap::new();
    assert_eq!(due(&hosts, &none, HOUR, MINUTE, NOW).len(), 2, "all within five minutes");
    let at = |age_ms: i64, rungs: &[Rung]| -> BTreeMap<HostId, Check> {
        let check = check(3, rungs, NOW.plus(-age_ms));
        BTreeMap::from([(check.host.clone(), check)])
    };
    let alone = [host(3)];
    for (rungs, age_ms, is_due) in [
        (vec![broken()], 5 * MINUTE, true),
        (vec![broken()], 5 * MINUTE - 1, false),
        (vec![well()], 5 * MINUTE, false),
        (vec![well()], HOUR, true),
        // The clock was set back.
        (vec![well()], -1, true),
    ] {
        let found = due(&alone, &at(age_ms, &rungs), HOUR, MINUTE, NOW);
        assert_eq!(found.len(), usize::from(is_due), "{rungs:?} {age_ms}");
    }
    let often = due(&alone, &at(MINUTE, &[broken()]), MINUTE, 1_000, NOW);
    assert_eq!(often.len(), 1, "never less often than asked for");
}
