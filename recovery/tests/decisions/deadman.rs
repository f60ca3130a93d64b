//! The dead man's switch: what an observer says of a lease, and that it never says dead of a host that lives, in a world of
//! lost answers, stopped processes, drifting clocks and an etcd that stands still.

mod world;

use proptest::prelude::*;
use recovery::deadman::{Beat, Dead, Observed, Read, Stage, Standing, Times};
use world::World;

/// 20 s, 10 s: proof after 43 313 ms.
fn times() -> Times {
    Times::new(2_000, 20_000, 10_000).unwrap()
}

fn beat(revision: u64, stage: Stage, boot: &str) -> Beat {
    Beat { revision, stage, boot: boot.into(), times: times() }
}

fn held(revision: u64) -> Beat {
    beat(revision, Stage::Held, "b1")
}

/// Sent then, and answered 100 ms later.
fn at(sent_ms: u64) -> Read {
    Read { sent_ms, answered_ms: sent_ms + 100 }
}

/// Seen to move at 2 000 and at 4 000.
fn moved() -> Observed {
    let mut seen = Observed::first(held(1), at(0));
    seen.read(held(2), at(2_000));
    seen.read(held(3), at(4_000));
    seen
}

fn after(mut seen: Observed, beat: &Beat, sent_ms: u64) -> Standing {
    seen.read(beat.clone(), at(sent_ms));
    seen.standing()
}

#[test]
fn a_lease_that_stands_still_is_overdue_after_its_term_and_proof_after_all_three_times() {
    assert_eq!(moved().standing(), Standing::Lives);
    assert_eq!(after(moved(), &held(3), 24_099), Standing::Lives);
    assert_eq!(after(moved(), &held(3), 24_100), Standing::Overdue { for_ms: 20_000 });
    assert_eq!(after(moved(), &held(3), 47_412), Standing::Overdue { for_ms: 43_312 });
    // 2 was not there yet when the read of 0 was sent, and 3 was sent after it was.
    let dead = Dead { for_ms: 43_313, proof_ms: 43_313, alive_ms: Some(0) };
    assert_eq!(after(moved(), &held(3), 47_413), Standing::Dead(dead));
    assert_eq!(after(moved(), &held(4), 47_413), Standing::Lives);
}

#[test]
fn the_time_between_two_reads_that_nobody_answered_counts_from_the_answer() {
    let mut seen = moved();
    seen.read(held(9), Read { sent_ms: 60_000, answered_ms: 100_000 });
    assert_eq!(after(seen.clone(), &held(9), 143_312), Standing::Overdue { for_ms: 43_312 });
    assert!(matches!(after(seen, &held(9), 143_313), Standing::Dead(_)));
}

#[test]
fn without_a_watchdog_that_is_known_to_run_nobody_is_dead() {
    let mut taking = Observed::first(beat(1, Stage::Taking, "b1"), at(0));
    assert_eq!(taking.standing(), Standing::Unmoved { for_ms: 0 });
    taking.read(beat(1, Stage::Taking, "b1"), at(1_000_000));
    assert_eq!(taking.standing(), Standing::Silent { for_ms: 999_900 });
    assert_eq!(after(moved(), &beat(4, Stage::Left, "b1"), 1_000_000), Standing::Left);
}

#[test]
fn who_has_not_seen_it_move_does_not_know_that_it_is_renewed() {
    let first = || Observed::first(held(1), at(0));
    assert_eq!(after(first(), &held(1), 20_099), Standing::Unmoved { for_ms: 19_999 });
    assert_eq!(after(first(), &held(1), 20_100), Standing::Overdue { for_ms: 20_000 });
    assert_eq!(after(first(), &held(2), 20_099), Standing::Lives);
}

#[test]
fn who_never_saw_it_move_cannot_say_when_and_has_no_evidence() {
    let Standing::Dead(dead) = after(Observed::first(held(1), at(0)), &held(1), 100_000) else {
        panic!("it is dead");
    };
    assert_eq!((dead.alive_ms, dead.at_ms(15_000)), (None, None));
    // Seen once to move, it is not known for how long the first had been there.
    let mut once = Observed::first(held(1), at(0));
    once.read(held(2), at(2_000));
    let Standing::Dead(dead) = after(once, &held(2), 100_000) else { panic!("it is dead") };
    assert_eq!(dead.at_ms(15_000), None);
}

#[test]
fn the_evidence_is_older_than_any_heartbeat_of_a_later_run() {
    let Standing::Dead(dead) = after(moved(), &held(3), 100_000) else { panic!("it is dead") };
    // It lived at 0; a heartbeat counts as newer when it is 2 s newer.
    assert_eq!(dead.at_ms(15_000), Some(13_000));
    // A run that began since has not been seen to move.
    let mut again = moved();
    again.read(beat(4, Stage::Taking, "b2"), at(90_000));
    again.read(beat(5, Stage::Held, "b2"), at(91_000));
    let Standing::Dead(dead) = after(again, &beat(5, Stage::Held, "b2"), 200_000) else {
        panic!("it is dead");
    };
    assert_eq!(dead.alive_ms, Some(4_000), "when the read was sent that did not show 4");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Twenty minutes of one host, its etcd and an observer each.
    #[test]
    fn no_proof_ever_comes_before_the_host_is_reset(seed in any::<u64>()) {
        World::new(seed).run(20 * 60_000)?;
    }
}

/// The world is no fairy tale: proofs come in it, and hosts that are reset and come back.
#[test]
fn in_this_world_hosts_die_and_are_proven_dead() {
    let (mut proofs, mut dated, mut resets) = (0, 0, 0);
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.run(20 * 60_000).unwrap();
        proofs += world.proofs;
        dated += world.dated;
        resets += world.resets;
    }
    assert!(resets > 40 && proofs > 20 && dated > 10, "{resets} {proofs} {dated}");
}
