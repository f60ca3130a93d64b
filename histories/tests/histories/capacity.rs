//! Clouds without room, and servers that kill their hosts.

use crate::{
    by_hand::{Ask, ByHand, What},
    crash_points::{Which, Word, dies_everywhere, pauses_everywhere, scene, told_well},
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Told},
    tiers,
};
use futures::FutureExt;
use recovery::{
    Millis,
    capacity::CapacityEntry,
    log::{Act, Entry, Line},
    nouns::{NotificationStatus, RecoveryMethod, VMove, VMoveStatus},
    request::RequestState,
};
use sim::{Shape, Verdict, When};
use std::pin::pin;
use store::Store;

/// When room appears, after the host's death.
const ROOM_AT_MS: u64 = 80_000;

/// The others are full, each with four servers.
fn full(engines: Vec<EngineScript>) -> Scene {
    let mut scene = scene(Word::Person, engines);
    scene.shape.vms_per_host_max = 4;
    scene
}

/// For a while.
fn full_for_a_while(engines: Vec<EngineScript>) -> Scene {
    Scene { room_after_ms: Some(ROOM_AT_MS), ..full(engines) }
}

/// The only reserved host takes nothing, and then Nova has no room either, for a while.
fn no_way_for_a_while(engines: Vec<EngineScript>) -> Scene {
    let mut scene = full_for_a_while(engines);
    scene.method = RecoveryMethod::RhPriority;
    scene.shape.hosts += 1;
    (scene.shape.reserved, scene.shape.reserved_max) = (1, 0);
    scene
}

fn told(scene: Scene) -> Told {
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    told
}

fn log_of(told: &Told, n: usize) -> Vec<Line> {
    told.stage.memory.lines(&told.stage.memory.all_notifications()[n].uuid)
}

fn waits(lines: &[Line]) -> Vec<(Millis, Millis)> {
    let waits = |line: &Line| match &line.entry {
        Entry::Capacity(CapacityEntry::Waits { since, until, .. }) => Some((*since, *until)),
        _ => None,
    };
    lines.iter().filter_map(waits).collect()
}

#[test]
fn servers_without_room_wait_and_move_when_there_is_some() {
    for plot in [full_for_a_while, no_way_for_a_while] {
        let told = tale::tell(plot(vec![undisturbed()]));
        let lines = log_of(&told, 0);
        assert!(waits(&lines).len() >= 4, "{}", told.stage.story());
        let room = told.stage.began.plus(i64::try_from(ROOM_AT_MS + 1_000).unwrap());
        let ended = lines.last().unwrap().at;
        assert!(ended.since(room) < 120_000, "it was not seen in time: {}", told.stage.story());
        told_well(told).unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
    }
}

#[test]
fn without_room_the_wait_ends_and_the_reason_is_told() {
    let told = tale::tell(full(vec![undisturbed()]));
    let all = told.stage.memory.all_vmoves();
    let row = |v: &VMove| (v.status, v.message.clone().unwrap_or_default());
    let wanted = "No valid host was found: not enough RAM on compute-02, compute-03 \
                  (512 MB RAM needed); it waited 600 s for capacity";
    assert_eq!(all.len(), 4);
    for vmove in &all {
        assert_eq!(row(vmove), (VMoveStatus::Failed, wanted.into()));
    }
    let lines = log_of(&told, 0);
    let (since, until) = waits(&lines)[0];
    assert_eq!(until.since(since), 600_000);
    // Four times at first, and later twice at most, although nobody had room.
    let calls = told.stage.world.evacuate_calls();
    assert!(calls.len() <= 4 * (4 + 2), "{} evacuations were asked for", calls.len());
    assert!(told.stage.world.locked().iter().all(|(_, why)| why.is_none()));
    // One question to Placement for all of them, at a growing distance.
    let asked = told.stage.asked.lock().unwrap();
    let looks = asked.iter().filter(|p| p.ends_with("/allocation_candidates")).count();
    assert!((8..=16).contains(&looks), "{looks} looks for room");
}

#[test]
fn what_becomes_free_goes_to_the_one_that_goes_first() {
    let mut scene = full(vec![undisturbed()]);
    // All alike but for the key.
    let shape = &mut scene.shape;
    (shape.paused_every, shape.stopped_every, shape.error_every, shape.locked_every) = (0, 0, 0, 0);
    shape.ha_enabled_every = 4;
    (scene.room_after_ms, scene.room_for) = (Some(ROOM_AT_MS), Some(5));
    scene.shape.hosts = 2;
    let told = tale::tell(scene);
    let moved: Vec<VMove> = told.stage.memory.all_vmoves();
    let moved: Vec<&VMove> = moved.iter().filter(|v| v.status == VMoveStatus::Succeeded).collect();
    assert_eq!(moved.len(), 1, "{}", told.stage.story());
    let first = told.stage.at_first.iter().find(|s| s.id == moved[0].server).unwrap();
    assert!(first.metadata.contains_key("HA_Enabled"), "{}", told.stage.story());
}

#[test]
fn a_recovery_that_waits_is_gone_on_with_by_another_engine_until_the_same_end() {
    let clean = told(full(vec![undisturbed()]));
    let life = clean.stage.lives.lock().unwrap()[0].clone();
    let last_write = life.places().iter().rposition(|p| *p == "http read").unwrap();
    let script = EngineScript { deaths: vec![(last_write / 2, When::Before)], ..undisturbed() };
    let told = tale::tell(full(vec![script]));
    let lines = log_of(&told, 0);
    let claims = |l: &&Line| matches!(l.entry, Entry::Claimed { .. });
    let taken_over = lines.iter().filter(claims).nth(1).unwrap();
    let (since, until) = waits(&lines)[0];
    assert!(since < taken_over.at && taken_over.at < until, "it died before or after the wait");
    let given_up =
        lines.iter().find(|l| matches!(&l.entry, Entry::NotMoved { again_at: None, .. }));
    let late = given_up.unwrap().at.since(until);
    assert!((0..2_000).contains(&late), "{late} ms after its time: {}", told.stage.story());
}

#[test]
fn what_its_owner_deletes_while_it_waits_is_not_failed() {
    let mut scene = full(vec![undisturbed()]);
    scene.deleted_after_ms = Some(ROOM_AT_MS);
    let told = tale::tell(scene);
    let killer = told.stage.at_first.iter().find(|s| s.host.as_ref() == Some(&told.stage.host(0)));
    let rows = told.stage.memory.all_vmoves();
    let row = rows.iter().find(|v| v.server == killer.unwrap().id).unwrap();
    assert_eq!(row.status, VMoveStatus::Ignored, "{}", told.stage.story());
    assert_eq!(row.message.as_deref(), Some("it was deleted meanwhile"));
}

#[test]
fn what_a_person_evacuates_while_it_waits_is_not_evacuated_a_second_time() {
    let mut scene = full_for_a_while(vec![undisturbed()]);
    scene.moved_after_ms = Some(ROOM_AT_MS);
    scene.shape.pace.build_ms = 70_000..=70_000;
    let told = told(scene);
    let killer = told.stage.killer();
    let asked_at = told.stage.began.plus(i64::try_from(1_000 + ROOM_AT_MS).unwrap());
    let calls = told.stage.world.evacuate_calls();
    let since = calls.iter().filter(|c| c.server == killer.id && c.at >= asked_at).count();
    assert_eq!(since, 1, "{}", told.stage.story());
    let rows = told.stage.memory.all_vmoves();
    let row = rows.iter().find(|v| v.server == killer.id).unwrap();
    let brought = format!("somebody brought it to {} meanwhile", killer.host.unwrap());
    assert_eq!((row.status, row.message.as_deref()), (VMoveStatus::Ignored, Some(&*brought)));
    let others = rows.iter().filter(|v| v.server != killer.id);
    assert!(others.clone().all(|v| v.status == VMoveStatus::Succeeded), "{}", told.stage.story());
}

#[test]
fn a_host_that_shows_life_is_not_evacuated_when_there_is_room() {
    let mut scene = full_for_a_while(vec![undisturbed()]);
    (scene.revived_after_ms, scene.room_after_ms) = (Some(60_000), Some(120_000));
    let told = told(scene);
    let heard = told.stage.began.plus(80_000);
    let calls = told.stage.world.evacuate_calls();
    let late = calls.iter().filter(|c| c.verdict == Verdict::Accepted && c.at > heard).count();
    assert_eq!(late, 0, "{}", told.stage.story());
}

/// It is forced down still, so Nova calls it down whatever it hears; and its monitor errs between two heartbeats.
#[test]
fn a_monitors_word_is_no_proof_against_a_host_that_is_forced_down_and_heard() {
    for second in 0..10 {
        let mut scene = full_for_a_while(vec![undisturbed()]);
        (scene.revived_after_ms, scene.room_after_ms) = (Some(60_000), Some(120_000));
        // They are let go at 168 s.
        scene.storm.again_ms = Some(169_000 + 1_000 * second);
        let told = told(scene);
        let heard = told.stage.began.plus(80_000);
        let calls = told.stage.world.evacuate_calls();
        assert!(!calls.iter().any(|c| c.at > heard), "{second}: {}", told.stage.story());
        assert!(told.stage.world.forced_downs().iter().any(|f| f.to && f.at < heard));
    }
}

#[test]
fn recoveries_that_wait_keep_no_other_from_being_taken() {
    let mut scene = full(vec![undisturbed()]);
    scene.recoveries_most = Some(1);
    scene.shape.hosts = 4;
    // The second host dies when the first has waited for a while.
    scene.second_after_ms = Some(ROOM_AT_MS);
    let told = tale::tell(scene);
    let began = log_of(&told, 1)[0].at;
    let (_, until) = waits(&log_of(&told, 0))[0];
    assert!(began < until, "{}", told.stage.story());
}

/// One host dies, and there is room for one of its servers, which is of the last tier.
fn tiers_without_room(engines: Vec<EngineScript>) -> Scene {
    let mut scene = tiers::ordered(Word::Person, engines);
    let shape = &mut scene.shape;
    (shape.hosts, shape.ha_enabled_every) = (2, 3);
    shape.vms_per_host_max = shape.vms_per_host + 1;
    scene.room_after_ms = Some(300_000);
    scene
}

#[test]
fn a_tier_without_room_keeps_the_next_ones_waiting_only_for_their_time() {
    // Chance decides whom Nova gives the one place that is left: here it is to be one of the last tier.
    let told = (11..40).map(|seed| {
        let scene = Scene { seed, ..tiers_without_room(vec![undisturbed()]) };
        let stage = tiers::well(tale::tell(scene));
        (tiers::restarted(&stage), stage)
    });
    let room = |stage: &tale::Stage| stage.began.plus(301_000);
    let (all, stage) = told
        .into_iter()
        .find(|(all, stage)| all.get(3).is_some_and(|last| last.2 < room(stage)))
        .unwrap();
    assert_eq!(all.iter().map(|(tier, ..)| *tier).collect::<Vec<_>>(), [1, 2, 2, i64::MAX]);
    let (died, room) = (stage.began.plus(1_000), room(&stage));
    let (_, _, last) = all[3];
    // The two tiers before its own have a minute each.
    assert!(died.plus(120_000) < last && last < died.plus(180_000), "{}", stage.story());
    for (tier, _, at) in &all[..3] {
        assert!(*at > room, "tier {tier}: {}", stage.story());
    }
}

#[test]
fn an_engine_that_dies_while_tiers_wait_for_room_is_made_up_for() {
    dies_everywhere(tiers_without_room, SINCE_THE_PLAN, 16);
}

fn said(at_ms: u64, what: What, scene: Scene) -> Scene {
    let words = vec![Ask { at_ms, what, twice: true }];
    Scene { by_hand: ByHand { words, insists: false }, ..scene }
}

#[test]
fn a_recovery_that_is_cancelled_while_servers_wait_for_room_asks_no_more_and_unlocks() {
    // Between two looks for room, and when there is some.
    for at_ms in [ROOM_AT_MS, ROOM_AT_MS + 1_100] {
        let room_after_ms = Some(at_ms);
        let told =
            told(Scene { room_after_ms, ..said(at_ms, What::Cancel, full(vec![undisturbed()])) });
        let [only] = told.stage.memory.all_notifications().try_into().unwrap();
        let why = "cancelled by operator: it is my job";
        assert_eq!(
            (only.status, only.message.as_deref()),
            (NotificationStatus::Ignored, Some(why)),
            "{}",
            told.stage.story()
        );
        for vmove in told.stage.memory.all_vmoves() {
            assert_eq!((vmove.status, vmove.message.as_deref()), (VMoveStatus::Failed, Some(why)));
        }
    }
}

#[test]
fn what_waits_for_room_is_not_tried_again_by_hand_and_what_has_waited_in_vain_is() {
    let words = vec![
        Ask { at_ms: 120_000, what: What::Retry, twice: false },
        Ask { at_ms: 720_000, what: What::Retry, twice: true },
    ];
    let scene = full(vec![undisturbed()]);
    let by_hand = ByHand { words, insists: false };
    let told = told(Scene { room_after_ms: Some(700_000), by_hand, ..scene });
    let asked = pin!(told.stage.memory.request("word-0")).now_or_never().unwrap();
    let asked = asked.unwrap().unwrap();
    let answer =
        "its recovery has not ended: it is running; only what has failed can be tried again";
    assert_eq!((asked.state, asked.answer.as_deref()), (RequestState::Refused, Some(answer)));
    let lines = log_of(&told, 0);
    assert_eq!(lines.iter().filter(|l| l.entry.is_retry()).count(), 1);
    let ends = lines.iter().filter_map(|line| match &line.entry {
        Entry::Ended { status, .. } => Some(*status),
        _ => None,
    });
    let wanted = [NotificationStatus::Failed, NotificationStatus::Finished];
    assert_eq!(ends.collect::<Vec<_>>(), wanted, "{}", told.stage.story());
    told_well(told).unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
}

/// SIGHUP: who was told until when it waits waits so long.
#[test]
fn another_capacity_wait_holds_for_who_begins_to_wait_later() {
    let mut scene = full(vec![undisturbed()]);
    (scene.shape.hosts, scene.other_wait) = (4, Some((ROOM_AT_MS, 60_000)));
    scene.second_after_ms = Some(ROOM_AT_MS + 60_000);
    let told = told(scene);
    let waited = |n| {
        let (since, until) = waits(&log_of(&told, n))[0];
        let lines = log_of(&told, n);
        let given_up = |l: &&Line| matches!(&l.entry, Entry::NotMoved { again_at: None, .. });
        let late = lines.iter().find(given_up).unwrap().at.since(until);
        assert!((0..2_000).contains(&late), "{late} ms: {}", told.stage.story());
        until.since(since)
    };
    assert_eq!((waited(0), waited(1)), (600_000, 60_000));
}

const SINCE_THE_PLAN: Which = Which { since: "looking for hosts that died", every: 25 };

#[test]
fn an_engine_that_dies_while_servers_wait_for_room_is_made_up_for() {
    dies_everywhere(full_for_a_while, SINCE_THE_PLAN, 16);
}

#[test]
fn an_engine_that_dies_after_all_ways_were_tried_is_made_up_for() {
    dies_everywhere(no_way_for_a_while, SINCE_THE_PLAN, 16);
}

#[test]
fn an_engine_that_stands_still_while_servers_wait_for_room_is_made_up_for() {
    pauses_everywhere(full_for_a_while, SINCE_THE_PLAN, 16);
}

/// One server, and each host that it comes to dies.
fn killer(engines: Vec<EngineScript>) -> Scene {
    let plain = scene(Word::Person, engines);
    Scene {
        shape: Shape { hosts: 4, vms_per_host: 1, ..everybody_runs(plain.shape.clone()) },
        killed_after_ms: vec![200_000, 400_000],
        ..plain
    }
}

fn everybody_runs(shape: Shape) -> Shape {
    Shape { paused_every: 0, stopped_every: 0, error_every: 0, locked_every: 0, ..shape }
}

/// The end of the third recovery: the killer's row and the report.
fn third(told: &Told) -> (VMove, NotificationStatus) {
    let last = told.stage.memory.all_notifications().into_iter().max_by_key(|n| n.id).unwrap();
    let killer = told.stage.killer().id;
    let rows = told.stage.memory.all_vmoves();
    let of = |v: &&VMove| v.notification == last.uuid && v.server == killer;
    (rows.iter().find(of).unwrap().clone(), last.status)
}

fn is_quarantined(told: &Told) -> Result<(), String> {
    let (row, status) = third(told);
    let hosts = told.stage.memory.all_notifications().len();
    let message = row.message.clone().unwrap_or_default();
    let calls = told.stage.world.evacuate_calls();
    let killer = calls.iter().filter(|c| c.server == row.server).count();
    let good = row.status == VMoveStatus::Failed
        && status == NotificationStatus::Failed
        && hosts == 3
        && killer == 2
        && message.starts_with("was on 3 hosts that died within 60 min: compute-01, ")
        && message.ends_with(&format!("`masakari retry {}` moves it", row.notification));
    if good { Ok(()) } else { Err(format!("{row:?}, {status}, evacuated {killer} times")) }
}

#[test]
fn a_server_on_which_the_third_host_died_is_quarantined_and_the_others_move() {
    let told = tale::tell(killer(vec![undisturbed()]));
    is_quarantined(&told).unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    let (row, _) = third(&told);
    let others = told.stage.memory.all_vmoves();
    let others = others.iter().filter(|v| v.server != row.server);
    assert!(others.clone().count() > 0, "nobody else was there");
    assert!(others.clone().all(|v| v.status == VMoveStatus::Succeeded), "{}", told.stage.story());
}

#[test]
fn a_quarantine_is_found_by_whoever_makes_the_plan() {
    let clean = tale::tell(killer(vec![undisturbed()]));
    let life = clean.stage.lives.lock().unwrap()[0].clone();
    let looked = |p: &&str| *p == "looking for hosts that died";
    let third = life.places().iter().enumerate().filter(|(_, p)| looked(p)).nth(4).unwrap().0;
    for crossing in third - 2..third + 6 {
        let script = EngineScript { deaths: vec![(crossing, When::Before)], ..undisturbed() };
        let told = tale::tell(killer(vec![script]));
        is_quarantined(&told).unwrap_or_else(|e| panic!("{crossing}: {e}\n{}", told.stage.story()));
    }
}

#[test]
fn a_server_whose_hosts_died_long_ago_is_evacuated() {
    let mut scene = killer(vec![undisturbed()]);
    scene.killed_after_ms = vec![200_000, 3_900_000];
    let told = tale::tell(scene);
    let (row, _) = third(&told);
    assert_eq!(row.status, VMoveStatus::Succeeded, "{}", told.stage.story());
    let asked = |l: &Line| matches!(l.entry, Entry::Intended { act: Act::Evacuate, .. });
    assert!(log_of(&told, 2).iter().any(asked));
}
