//! Ordered restart: the servers that ran arrive stopped and start tier by tier, through any crash, and
//! every one of them runs at the end, once.

pub(crate) use histories::tiers::*;

use crate::{
    crash_points::{Which, Word, dies_everywhere, pauses_everywhere, scene, told_well},
    fences::{Fence, logs},
    scene::{EngineScript, Scene, undisturbed},
    setting,
    sightings::Said,
    tale::{self, Stage, Told},
};
use recovery::{
    HostName, Millis, ServerId,
    evidence::Sign,
    log::{Entry, Line},
    nouns::NotificationStatus,
    seen::{Server, VmState},
    tiers::TierEntry,
};
use std::collections::BTreeMap;

/// Three of two tiers, one of none, one that was stopped; two of the first four are checked.
pub(crate) fn ordered(word: Word, engines: Vec<EngineScript>) -> Scene {
    let mut scene = Scene { tiers: true, ..scene(word, engines) };
    let shape = &mut scene.shape;
    (shape.vms_per_host, shape.stopped_every, shape.tiers, shape.checked_every) = (5, 5, 3, 2);
    (shape.paused_every, shape.error_every) = (0, 0);
    scene
}

fn by_a_monitor(engines: Vec<EngineScript>) -> Scene {
    ordered(Word::Monitor, engines)
}

fn by_a_person(engines: Vec<EngineScript>) -> Scene {
    ordered(Word::Person, engines)
}

/// The same, by the word of their guest agents.
fn by_their_agents(engines: Vec<EngineScript>) -> Scene {
    let mut scene = by_a_person(engines);
    scene.shape.check = "guest";
    scene
}

/// What was before is in the crash points of all recoveries.
const STARTS: Which = Which { since: "writing a log", every: 3 };

#[test]
fn an_engine_that_dies_at_any_point_of_an_ordered_restart_is_made_up_for() {
    dies_everywhere(by_a_person, STARTS, 25);
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_an_ordered_restart_is_made_up_for() {
    pauses_everywhere(by_a_monitor, STARTS, 25);
}

/// When each server began to run last, in truth.
fn began_to_run(stage: &Stage) -> BTreeMap<ServerId, Millis> {
    let mut began = BTreeMap::new();
    for line in stage.world.story() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [at, server, "starts", "to", "run", "on", _] = words.as_slice() {
            began.insert(ServerId::new(*server), Millis(at.parse().unwrap()));
        }
    }
    began
}

fn tier_of(server: &Server) -> i64 {
    server.metadata.get("HA_Tier").map_or(i64::MAX, |text| text.parse().unwrap())
}

/// The servers that ran on the host that died, the first tier first, and when each runs again.
pub(crate) fn restarted(stage: &Stage) -> Vec<(i64, Server, Millis)> {
    let began = began_to_run(stage);
    let dead: HostName = stage.host(0);
    let ran = |s: &&Server| s.host.as_ref() == Some(&dead) && s.vm_state == VmState::Active;
    let ran = stage.at_first.iter().filter(ran);
    let mut all: Vec<_> = ran.map(|s| (tier_of(s), s.clone(), began[&s.id])).collect();
    all.sort_by_key(|(tier, _, _)| *tier);
    all
}

pub(crate) fn well(told: Told) -> Stage {
    let stage = told.stage.clone();
    told_well(told).unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    stage
}

#[test]
fn each_tier_starts_when_the_one_before_it_is_up() {
    let stage = well(tale::tell(by_a_person(vec![undisturbed()])));
    let all = restarted(&stage);
    assert_eq!(all.iter().map(|(tier, ..)| *tier).collect::<Vec<_>>(), [1, 2, 2, i64::MAX]);
    let boot_ms = i64::try_from(stage.scene.shape.pace.boot_ms).unwrap();
    for (tier, server, at) in &all {
        for (later, other, started) in all.iter().filter(|(later, ..)| later > tier) {
            let waits = if server.metadata.contains_key("HA_Check") { boot_ms } else { 0 };
            let waited = started.since(*at);
            assert!(
                waited > waits,
                "{} of tier {later}, {waited} ms after tier {tier}",
                other.name
            );
        }
    }
    // One start each, and the one that was stopped has none.
    for server in stage.at_first.iter().filter(|s| s.host == Some(stage.host(0))) {
        let starts = stage.world.actions(&server.id).iter().filter(|a| **a == "start").count();
        assert_eq!(starts, usize::from(server.vm_state == VmState::Active), "{}", server.name);
    }
}

#[test]
fn each_tier_starts_when_the_guest_agents_of_the_one_before_it_answer() {
    let stage = well(tale::tell(by_their_agents(vec![undisturbed()])));
    let boot_ms = i64::try_from(stage.scene.shape.pace.boot_ms).unwrap();
    let all = restarted(&stage);
    let checked = |server: &Server| server.metadata.get("HA_Check").is_some_and(|c| c == "guest");
    assert_eq!(all.iter().filter(|(_, server, _)| checked(server)).count(), 2);
    for (tier, server, at) in all.iter().filter(|(_, server, _)| checked(server)) {
        for (later, other, started) in all.iter().filter(|(later, ..)| later > tier) {
            let waited = started.since(*at);
            // Not for long after it, either: an agent's word is asked for every five seconds.
            let is_next = *later == tier + 1;
            assert!(waited > boot_ms, "{} {waited} ms after {}", other.name, server.name);
            assert!(!is_next || waited < boot_ms + 30_000, "{} waited {waited} ms", other.name);
        }
    }
}

/// Their monitors are away, or too old: nobody waits longer than a tier's time.
#[test]
fn agents_that_nobody_speaks_for_keep_the_next_tier_only_so_long() {
    let mut scene = by_their_agents(vec![undisturbed()]);
    scene.shape.pace.boot_ms = 10_000_000;
    let stage = well(tale::tell(scene));
    let why = entries(&stage).into_iter().find_map(|entry| match entry {
        TierEntry::NoAnswer { why, .. } => Some(why),
        _ => None,
    });
    assert!(why.unwrap().starts_with("its guest agent has not answered: no introspective"));
    assert!(entries(&stage).iter().any(|entry| matches!(entry, TierEntry::Unanswered { .. })));
}

/// All of them are on their way at once: nobody waits with its evacuation for its tier.
#[test]
fn only_the_starts_are_in_order() {
    let stage = well(tale::tell(by_a_person(vec![undisturbed()])));
    let last = stage.world.evacuate_calls().into_iter().map(|call| call.at).max().unwrap();
    let first = restarted(&stage).into_iter().map(|(_, _, at)| at).min().unwrap();
    assert!(last < first, "the last was asked for at {last:?}, the first started at {first:?}");
}

/// Nobody answers within a minute: each tier waits for its time, and then the next one starts.
#[test]
fn a_check_that_is_never_answered_keeps_the_next_tier_only_so_long() {
    let mut scene = by_a_person(vec![undisturbed()]);
    scene.shape.pace.boot_ms = 10_000_000;
    let stage = well(tale::tell(scene));
    let all = restarted(&stage);
    let waited = all[1].2.since(all[0].2);
    // The minute counts from the start that Nova took; the server runs a moment later.
    assert!((57_000..75_000).contains(&waited), "{waited} ms");
}

#[test]
fn a_nova_that_cannot_leave_them_stopped_starts_them_as_they_arrive() {
    let mut old = by_a_person(vec![undisturbed()]);
    old.shape.newest = 94;
    let mut old_computes = by_a_person(vec![undisturbed()]);
    old_computes.shape.old_computes = true;
    for scene in [old, old_computes] {
        let old_computes = scene.shape.old_computes;
        let told = tale::tell(scene);
        let stage = told.stage.clone();
        if old_computes {
            // Nova refuses the first round.
            told.outcome.unwrap();
            let all = stage.memory.all_notifications();
            assert_eq!(all[0].status, NotificationStatus::Finished);
        } else {
            well(told);
        }
        let why = entries(&stage).into_iter().find_map(|entry| match entry {
            TierEntry::Impossible { why } => Some(why),
            _ => None,
        });
        assert!(why.unwrap().contains("2.95") || old_computes);
        let acted = |s: &Server| stage.world.actions(&s.id).contains(&"start");
        assert!(!stage.at_first.iter().any(acted), "Nova starts them");
        assert_eq!(restarted(&stage).len(), 4);
    }
}

/// One that an evacuation failed for is in error, and Nova starts what it evacuates in error: it is reset.
#[test]
fn who_was_left_behind_once_arrives_stopped_too() {
    use recovery::nouns::RecoveryMethod;
    let mut scene = by_a_person(vec![undisturbed()]);
    (scene.method, scene.shape.reserved, scene.shape.hosts) = (RecoveryMethod::RhPriority, 1, 4);
    // The reserved host has room for none.
    scene.shape.reserved_max = 0;
    let stage = well(tale::tell(scene));
    let first = |s: &Server| stage.world.actions(&s.id).first().copied();
    let (_, server, _) = &restarted(&stage)[0];
    assert_eq!(first(server), Some("evacuate"));
    let actions = stage.world.actions(&server.id);
    assert!(actions.contains(&"reset_state") && actions.contains(&"start"), "{actions:?}");
}

/// What the first recovery left stopped, the recovery of the second host takes for stopped.
#[test]
fn servers_whose_new_host_dies_before_their_turn_are_started_where_they_come_to() {
    let mut moved_on = 0;
    for after in [30_000, 35_000, 40_000, 45_000, 50_000] {
        let mut scene = by_a_person(vec![undisturbed(); 2]);
        scene.shape.hosts = 4;
        scene.shape.pace.boot_ms = 40_000;
        scene.second_after_ms = Some(after);
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
        let stage = told.stage;
        for before in stage.at_first.iter().filter(|s| s.vm_state == VmState::Active) {
            let runs = stage.world.running(&before.id);
            assert_eq!(runs.len(), 1, "{}\n{}", before.id, stage.story());
        }
        let is_moved_on = |entry: &TierEntry| matches!(entry, TierEntry::Elsewhere { .. });
        moved_on += entries(&stage).iter().filter(|entry| is_moved_on(entry)).count();
    }
    assert!(moved_on > 0, "nobody's host died before its turn");
}

/// The database takes four seconds to say that the starts are meant, and a monitor says meanwhile that the old host is there.
#[test]
fn a_start_that_was_meant_is_not_sent_when_the_old_host_shows_life() {
    let scene = |said| {
        let mut scene = ordered(Word::Monitor, vec![undisturbed()]);
        scene.own.slow_commit_ms = 4_000;
        scene.fence = Some(Fence { said, hangs: false, ..Fence::default() });
        scene
    };
    let starts = |stage: &Stage| {
        let of = |server: &Server| stage.world.actions(&server.id);
        let all = stage.at_first.iter().flat_map(of);
        all.filter(|action| *action == "start").count()
    };
    let meant = |line: &Line| matches!(line.entry, Entry::Tier(TierEntry::StartIntended { .. }));
    let stage = tale::tell_for(scene(Vec::new()), 200_000);
    let first = logs(&stage).concat().into_iter().find(meant).unwrap().at.since(stage.began);
    assert!(starts(&stage) > 0);
    let said = vec![(first.unsigned_abs() + 2_500, Said::Lives(Sign::MonitorSaw))];
    let stage = tale::tell_for(scene(said), 200_000);
    assert!(logs(&stage).concat().iter().any(meant), "{}", stage.story());
    assert_eq!(starts(&stage), 0, "{}", stage.story());
}

#[test]
fn every_history_of_ordered_restarts_ends_well() {
    let (from, count) = (setting("SIM_FROM", 0), setting("SIM_SEEDS", 200) / 4);
    let ends_well = |seed: &u64| {
        let mut scene = Scene { tiers: true, ..Scene::from_seed(*seed) };
        (scene.shape.tiers, scene.shape.checked_every) = (4, 3);
        let told = tale::tell(scene);
        if let Err(broken) = &told.outcome {
            println!("seed {seed}: {broken}\n{}", told.stage.story());
        }
        told.outcome.is_ok()
    };
    let failed: Vec<u64> = (from..from + count).filter(|seed| !ends_well(seed)).collect();
    println!("{count} histories from seed {from}, {} failed", failed.len());
    assert!(failed.is_empty(), "failed: {failed:?}");
}
