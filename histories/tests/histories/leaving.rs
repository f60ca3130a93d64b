//! A host dies while one of its servers leaves it by a live migration: before its guest was at the destination, while it
//! runs there and Nova does not know it yet, and after that. It runs once, and is moved or left to a person.

use crate::{
    by_hand::{Ask, ByHand, What},
    scene::Scene,
    tale::{self, Told},
};
use recovery::{nouns::VMoveStatus, seen::VmState};
use sim::{Pace, Shape};

/// The guest starts on its new host so long after a person has asked for that.
const COPIES_MS: u64 = 4_000;
/// And Nova knows it so much later.
const HANDOVER_MS: u64 = 6_000;
const ASKED_AT_MS: u64 = 20_000;

/// The host dies so long after a person has asked that its first server leave.
fn dies_after(ms: u64, words: Vec<Ask>) -> Told {
    let pace =
        Pace { build_ms: COPIES_MS..=COPIES_MS, handover_ms: HANDOVER_MS, ..Pace::default() };
    let shape = Shape { hosts: 4, vms_per_host: 4, ha_enabled_every: 1, pace, ..Shape::default() };
    let told = tale::tell(Scene {
        shape,
        leaves_ms: Some(ASKED_AT_MS),
        dies_at_ms: ASKED_AT_MS + ms,
        reported_after_ms: 1_000,
        by_hand: ByHand { words, ..ByHand::default() },
        ..Scene::plain()
    });
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    told
}

/// How many evacuations of it were asked for, and what its row says.
fn of_it(told: &Told) -> (usize, Option<(VMoveStatus, String)>) {
    let leaving = told.stage.at_first.iter().find(|s| s.host.as_ref() == Some(&told.stage.host(0)));
    let leaving = leaving.unwrap();
    assert_eq!(leaving.vm_state, VmState::Active);
    let calls = told.stage.world.evacuate_calls();
    let asked = calls.iter().filter(|call| call.server == leaving.id).count();
    let rows = told.stage.memory.all_vmoves();
    let row = rows.iter().find(|v| v.server == leaving.id);
    let said = row.map(|row| (row.status, row.message.clone().unwrap_or_default()));
    (asked, said)
}

#[test]
fn what_runs_on_its_new_host_and_is_counted_to_the_dead_one_is_not_evacuated() {
    for after_ms in [COPIES_MS + 500, COPIES_MS + 3_000, COPIES_MS + HANDOVER_MS - 500] {
        let told = dies_after(after_ms, Vec::new());
        let (asked, said) = of_it(&told);
        assert_eq!(asked, 0, "{}", told.stage.story());
        let (status, why) = said.unwrap();
        assert_eq!(status, VMoveStatus::Failed, "{why}");
        assert!(why.starts_with("it may run on compute"), "{why}");
        let others = told.stage.memory.all_vmoves();
        let moved = others.iter().filter(|v| v.status == VMoveStatus::Succeeded).count();
        assert_eq!(moved, 3, "{}", told.stage.story());
    }
}

/// Nova's record says `running` before the guest has moved, too: nobody can tell.
#[test]
fn what_had_begun_to_leave_is_left_to_a_person_who_has_it_moved() {
    let told = dies_after(COPIES_MS - 1_000, Vec::new());
    let (asked, said) = of_it(&told);
    assert_eq!((asked, said.unwrap().0), (0, VMoveStatus::Failed), "{}", told.stage.story());
    let retry = Ask { at_ms: 200_000, what: What::Retry, twice: false };
    let told = dies_after(COPIES_MS - 1_000, vec![retry]);
    let stays = told.stage.world.servers().into_iter().any(|s| s.host == Some(told.stage.host(0)));
    assert_eq!((of_it(&told).0, stays), (1, false), "{}", told.stage.story());
}

#[test]
fn what_has_left_is_no_matter_of_the_dead_hosts_recovery() {
    let told = dies_after(COPIES_MS + HANDOVER_MS + 1_000, Vec::new());
    assert_eq!(of_it(&told), (0, None), "{}", told.stage.story());
}
