//! An owner deletes a server of the dead host, at every moment of its recovery: nobody else's is worse off, and what is told of it
//! is what became of it.

use crate::{
    crash_points::{Word, scene},
    scene::undisturbed,
    tale,
};
use recovery::{
    nouns::{NotificationStatus, VMoveStatus},
    seen::VmState,
};
use std::collections::BTreeMap;

/// From before the report until all is nearly over.
const UNTIL_MS: u64 = 21_000;
const EVERY_MS: usize = 250;

/// What its vmove says when it was deleted after so long.
fn told_of_it(after_ms: u64) -> String {
    let mut scene = scene(Word::Person, vec![undisturbed()]);
    scene.deleted_after_ms = Some(after_ms);
    let told = tale::tell(scene);
    let stage = &told.stage;
    told.outcome
        .as_ref()
        .unwrap_or_else(|broken| panic!("{after_ms}: {broken}\n{}", stage.story()));
    let all = stage.memory.all_notifications();
    assert_eq!(all[0].status, NotificationStatus::Finished, "{after_ms}\n{}", stage.story());
    let there = || stage.at_first.iter().filter(|s| s.host.as_ref() == Some(&stage.host(0)));
    let deleted = &there().next().unwrap().id;
    for other in there().filter(|s| s.id != *deleted && s.vm_state == VmState::Active) {
        let runs = stage.world.running(&other.id);
        assert!(runs.len() == 1 && runs[0] != stage.host(0), "{after_ms}: {}", other.name);
    }
    assert_eq!(stage.world.running(deleted), [], "{after_ms}\n{}", stage.story());
    let rows = stage.memory.all_vmoves();
    match rows.iter().find(|row| row.server == *deleted) {
        None => "none".into(),
        Some(row) => match (row.status, row.message.as_deref()) {
            (VMoveStatus::Ignored, Some(why)) => why.into(),
            (VMoveStatus::Succeeded, None) => "moved".into(),
            other => panic!("{after_ms}: {other:?}\n{}", stage.story()),
        },
    }
}

#[test]
fn a_server_that_its_owner_deletes_at_any_moment_is_no_failure_of_anybodys() {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for after_ms in (0..UNTIL_MS).step_by(EVERY_MS) {
        *told.entry(told_of_it(after_ms)).or_default() += 1;
    }
    let times = |word: &str| told.get(word).copied().unwrap_or(0);
    assert!(times("none") >= 5, "before the plan: {told:?}");
    assert!(times("it was deleted meanwhile") >= 5, "on its way: {told:?}");
    assert!(times("moved") >= 5, "after its arrival: {told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}
