//! How fast, and whose turn: many servers, and hosts that die together.

use crate::{
    crash_points::{Word, scene},
    scene::{Faults, Scene, undisturbed},
    tale::{self, Told},
};
use recovery::{
    log::{Entry, Line},
    nouns::NotificationStatus,
};
use sim::{Fault, Kind, Service};
use std::{collections::BTreeMap, ops::RangeInclusive};

const EACH: usize = 90;

/// Two hosts with more servers each than a page of a list has.
fn two_hosts(seed: u64, latency_ms: RangeInclusive<u64>) -> Scene {
    let mut scene = Scene { seed, ..scene(Word::Person, vec![undisturbed()]) };
    scene.second_after_ms = Some(0);
    scene.shape.vms_per_host = EACH;
    scene.shape.vms_per_host_max = 10 * EACH;
    scene.shape.page_max = 40;
    scene.shape.hosts = 4;
    scene.shape.pace.latency_ms = latency_ms;
    // All alike, and each holds one of the calls for two seconds: it is locked first.
    let shape = &mut scene.shape;
    (shape.ha_enabled_every, shape.paused_every, shape.stopped_every) = (0, 0, 1);
    (shape.error_every, shape.locked_every) = (0, 0);
    scene.slow_locks_ms = 2_000;
    scene
}

/// How many of each host Nova was asked for: from when both are being asked for until one has nothing more
/// to ask for. The lesser first.
fn asked_while_both(told: &Told) -> [usize; 2] {
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let all = told.stage.memory.all_notifications();
    assert!(all.iter().all(|n| n.status == NotificationStatus::Finished), "{all:?}");
    let calls = told.stage.world.evacuate_calls();
    assert_eq!(calls.len(), 2 * EACH);
    let both = calls.iter().position(|call| call.from != calls[0].from).unwrap();
    let mut asked: BTreeMap<_, usize> = BTreeMap::new();
    for call in &calls[both..] {
        let more = calls.iter().filter(|c| c.from == call.from).any(|c| c.at > call.at);
        *asked.entry(call.from.clone()).or_default() += 1;
        if !more {
            break;
        }
    }
    let mut counts: Vec<usize> = asked.values().copied().collect();
    counts.sort_unstable();
    counts.try_into().unwrap_or_else(|counts| panic!("not both were asked for: {counts:?}"))
}

#[test]
fn two_hosts_that_die_together_are_recovered_at_one_pace() {
    let [least, most] = asked_while_both(&tale::tell(two_hosts(11, 1..=20)));
    assert!(least * 5 >= most * 3, "{least} and {most}");
}

/// A permit is renewed every second, and here that takes most of one: whoever looks keeps its turn.
#[test]
fn two_hosts_that_die_together_with_a_slow_nova_are_recovered_at_one_pace() {
    // By chance one may be fair to the other; not each time.
    for seed in [12, 13, 21] {
        let [least, most] = asked_while_both(&tale::tell(two_hosts(seed, 200..=500)));
        assert!(least * 4 >= most * 3, "seed {seed}: {least} and {most}");
    }
}

/// A list costs Nova by the server, and all of them change all the time: its records say when one is worth it.
#[test]
fn servers_on_their_way_are_listed_when_the_records_say_that_it_is_worth_it() {
    let mut scene = scene(Word::Person, vec![undisturbed()]);
    scene.shape.vms_per_host = EACH;
    scene.shape.vms_per_host_max = 10 * EACH;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let shown = told.stage.world.servers_shown();
    assert!(shown <= 8 * EACH as u64, "{shown} lines for {EACH} servers");
}

/// A permit is a matter of seconds; a busy Nova answers in seconds too.
#[test]
fn a_nova_that_takes_seconds_for_each_answer_is_waited_for() {
    let mut scene = scene(Word::Person, vec![undisturbed()]);
    scene.shape.pace.latency_ms = 1_000..=1_500;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let all = told.stage.memory.all_notifications();
    assert!(all.iter().all(|n| n.status == NotificationStatus::Finished), "{all:?}");
    assert!(!told.stage.world.evacuate_calls().is_empty());
}

/// What a look tells that took longer than ten seconds is not of now.
#[test]
fn a_nova_that_takes_too_long_to_be_believed_moves_nothing_until_it_is_quicker() {
    let until_ms = 400_000;
    let mut scene = scene(Word::Person, vec![undisturbed()]);
    let slow = (Service::Compute, Kind::Reads, Fault::Slow { ms: 10_500 }, 1_000);
    let (store_permille, build_fails_permille, loses_touch_permille) = (0, 0, 0);
    let rules = vec![slow];
    let faults = Faults {
        rules,
        from_ms: 0,
        until_ms,
        store_permille,
        build_fails_permille,
        loses_touch_permille,
    };
    scene.faults = Some(faults);
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let quicker = told.stage.began.plus(until_ms.try_into().unwrap());
    let calls = told.stage.world.evacuate_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at >= quicker), "{calls:?}");
    let all = told.stage.memory.all_notifications();
    let lines = told.stage.memory.lines(&all[0].uuid);
    let said = |line: &Line| match &line.entry {
        Entry::Waiting { why } => why.contains("too long to be believed"),
        _ => false,
    };
    assert!(lines.iter().any(said), "the details say why: {lines:?}");
}

/// Each call takes nine seconds, so that there are eight at once. Nova takes all of them, and no host begins for minutes:
/// after one of them it is asked for no more than one at a time.
#[test]
fn a_nova_whose_queue_is_long_is_not_sent_more_than_one_at_a_time() {
    let mut scene = two_hosts(31, 1..=20);
    (scene.second_after_ms, scene.slow_locks_ms) = (None, 9_000);
    scene.shape.pace.schedule_ms = 150_000..=150_000;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let calls = told.stage.world.evacuate_calls();
    assert_eq!(calls.len(), EACH, "each of them once, in the end");
    // Eight at a time would be sixteen.
    let later = calls.iter().filter(|c| (75_000..95_000).contains(&c.at.since(calls[0].at)));
    assert!((1..=4).contains(&later.count()));
}

/// Forty servers that are locked first, eight at a time, so that most wait long for their turn.
fn locked_one_after_the_other(seed: u64) -> Scene {
    let mut scene = Scene { seed, ..scene(Word::Person, vec![undisturbed()]) };
    scene.slow_locks_ms = 10_000;
    let shape = &mut scene.shape;
    (shape.vms_per_host, shape.vms_per_host_max) = (40, 400);
    (shape.ha_enabled_every, shape.paused_every, shape.stopped_every) = (0, 0, 1);
    (shape.error_every, shape.locked_every) = (0, 0);
    scene
}

#[test]
fn what_a_person_evacuates_before_its_turn_is_followed_and_not_asked_for_a_second_time() {
    let mut followed = 0;
    for seed in 0..6 {
        let undisturbed = tale::tell(locked_one_after_the_other(seed)).stage;
        let its = undisturbed.killer().id;
        let calls = undisturbed.world.evacuate_calls();
        let first = calls.iter().map(|call| call.at).min().unwrap();
        let turn = calls.iter().find(|call| call.server == its).unwrap().at;
        if turn.since(first) < 15_000 {
            continue;
        }
        let mut scene = locked_one_after_the_other(seed);
        let asked_ms = first.since(undisturbed.began).unsigned_abs() - 3_000;
        scene.moved_after_ms = Some(asked_ms - scene.dies_at_ms);
        scene.shape.pace.build_ms = 20_000..=20_000;
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
        let calls = told.stage.world.evacuate_calls();
        let asked = calls.iter().filter(|call| call.server == its).count();
        assert_eq!(asked, 1, "{seed}: {}", told.stage.story());
        assert_eq!(calls.len(), 40, "{seed}: {}", told.stage.story());
        followed += 1;
    }
    assert!(followed > 1, "only {followed} waited long enough");
}
