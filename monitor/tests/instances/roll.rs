//! What a fresh list shows of what was not heard.

use monitor::instances::{
    Domain, Off,
    roll::{Away, End, Missing, Roll},
};
use recovery::ServerId;
use std::collections::BTreeSet;

fn domain(name: &str, run: Option<u32>, off: Option<Off>, is_persistent: bool) -> Domain {
    let server = ServerId::new(format!("uuid-{name}"));
    Domain { server, name: name.into(), run, is_paused: false, off, is_persistent }
}

fn on(name: &str, is_persistent: bool) -> Domain {
    domain(name, Some(1), None, is_persistent)
}

/// Of a list beside which nothing is heard.
fn compare(roll: &mut Roll, domains: &[Domain], away: Away) -> Vec<Missing> {
    roll.compare(domains, &BTreeSet::new(), away)
}

/// How `before` ended when `now` is found.
fn end(before: Domain, now: Option<Domain>, away: Away) -> Option<End> {
    let mut roll = Roll::default();
    assert!(compare(&mut roll, &[before, on("other", true)], Away::Ourselves).is_empty());
    let now: Vec<_> = now.into_iter().chain([on("other", true)]).collect();
    let missing = compare(&mut roll, &now, away);
    assert_eq!(roll.len(), now.iter().filter(|domain| domain.run.is_some()).count());
    assert!(missing.len() <= 1, "{missing:?}");
    assert!(compare(&mut roll, &now, away).is_empty(), "it is told once");
    missing.into_iter().next().map(|missing| missing.end)
}

#[test]
fn a_vm_that_ended_unheard_died_or_was_stopped_by_what_libvirt_says() {
    let off = |off| Some(domain("vm", None, Some(off), true));
    let died = |off| Some(End::Died(Some(off)));
    let stopped = |off| Some(End::Stopped(off));
    for away in [Away::Nobody, Away::Libvirtd, Away::Ourselves] {
        for how in [Off::Crashed, Off::Failed, Off::Daemon] {
            assert_eq!(end(on("vm", true), off(how), away), died(how), "{how:?} {away:?}");
        }
        for how in [Off::Shutdown, Off::Destroyed, Off::Migrated, Off::Saved, Off::FromSnapshot] {
            assert_eq!(end(on("vm", true), off(how), away), stopped(how), "{how:?} {away:?}");
        }
        assert_eq!(end(on("vm", true), Some(on("vm", true)), away), None);
        assert_eq!(end(on("vm", true), None, away), Some(End::Left), "{away:?}");
    }
}

#[test]
fn where_libvirt_does_not_know_it_died_only_if_libvirt_alone_was_away() {
    let unknown = || Some(domain("vm", None, Some(Off::Unknown), true));
    let died = End::Died(Some(Off::Unknown));
    assert_eq!(end(on("vm", true), unknown(), Away::Libvirtd), Some(died));
    // It may have been stopped on purpose before libvirtd was restarted and forgot why.
    let stopped = End::Stopped(Off::Unknown);
    assert_eq!(end(on("vm", true), unknown(), Away::Ourselves), Some(stopped));
}

#[test]
fn a_vm_without_a_definition_is_gone_when_it_died_while_libvirtd_was_away() {
    assert_eq!(end(on("vm", false), None, Away::Libvirtd), Some(End::Died(None)));
    // While we were away it may have been moved or deleted.
    assert_eq!(end(on("vm", false), None, Away::Ourselves), Some(End::Left));
}

#[test]
fn who_did_not_run_when_we_first_looked_is_nobodys_failure() {
    let mut roll = Roll::default();
    let dead = domain("vm", None, Some(Off::Failed), true);
    assert!(compare(&mut roll, &[dead], Away::Ourselves).is_empty());
    assert!(roll.is_empty());
}

#[test]
fn whose_end_was_heard_is_not_missed() {
    let mut roll = Roll::default();
    compare(&mut roll, &[on("vm", true)], Away::Ourselves);
    roll.stopped(&ServerId::new("uuid-vm"));
    let dead = domain("vm", None, Some(Off::Failed), true);
    assert!(compare(&mut roll, &[dead], Away::Libvirtd).is_empty());
}
