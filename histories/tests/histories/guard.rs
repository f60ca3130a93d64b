//! Many hosts are lost at once, or seem to be: what the storm guard holds, what it lets pass, and what that costs.

pub(crate) use histories::guard::*;

use crate::{
    by_hand::{Ask, ByHand, What},
    crash_points::{Which, Word, dies_everywhere, scene},
    scene::{Of, Scene, Small, undisturbed},
    soak,
    tale::{self, Stage, Told},
};
use recovery::{
    Millis,
    approval::Policy,
    fencing::FenceEntry,
    guard::{Cause, GuardEntry, Rules},
    log::{Act, Entry, Line},
    nouns::NotificationStatus,
    restart,
    seen::VmState,
};
use sim::{Pace, Shape, Verdict};

fn told(scene: Scene) -> Stage {
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

/// A hundred hosts, of which so many are lost at once and reported by a monitor.
fn of_a_hundred(seed: u64, lost: usize, guard: Rules) -> Scene {
    let shape = Shape {
        hosts: 100,
        vms_per_host: 1,
        stopped_every: 0,
        populated: Some(lost),
        ..Shape::default()
    };
    let storm = Storm { guard, others: lost - 1, ..Storm::default() };
    Scene { seed, shape, storm, ..Scene::plain() }
}

fn entries(stage: &Stage) -> Vec<Line> {
    let reports = stage.memory.all_notifications();
    reports.iter().flat_map(|report| stage.memory.lines(&report.uuid)).collect()
}

fn was_held(stage: &Stage, by: Cause) -> bool {
    entries(stage).iter().any(
        |line| matches!(&line.entry, Entry::Guard(GuardEntry::Held { cause, .. }) if *cause == by),
    )
}

fn is_untouched(stage: &Stage) {
    assert!(stage.world.evacuate_calls().is_empty(), "{}", stage.story());
    assert!(stage.world.forced_downs().is_empty(), "{}", stage.story());
    for line in entries(stage) {
        let fences = matches!(line.entry, Entry::Fence(FenceEntry::Begun { .. }));
        let acts = matches!(line.entry, Entry::DisableIntended | Entry::Intended { .. });
        assert!(!fences && !acts, "{line:?}\n{}", stage.story());
    }
}

#[test]
fn thirty_of_a_hundred_hosts_lost_at_once_are_held_until_they_are_too_old() {
    let stage = told(of_a_hundred(1, 30, Rules::default()));
    is_untouched(&stage);
    let reports = stage.memory.all_notifications();
    assert_eq!(reports.len(), 30);
    for report in reports {
        assert_eq!(report.status, NotificationStatus::Failed);
        let message = report.message.unwrap();
        // Towards the end the first ones have ended.
        assert!(message.starts_with("given up after 900 s: "), "{message}");
        let why = " of 100 hosts are lost at once, and [guard] allows 10";
        assert!(message.contains(why), "{message}");
    }
}

/// Each is held for a quarter of an hour; what would let it go is looked up more often, and not in Nova.
#[test]
fn what_is_held_asks_nova_seldom() {
    let scene = Scene { reported_after_ms: 70_000, ..of_a_hundred(1, 30, Rules::default()) };
    let stage = told(scene);
    is_untouched(&stage);
    let of_each = stage.world.host_looks() / 30;
    assert!((15..=40).contains(&of_each), "{of_each} times for each host");
}

/// From the report of each host to the first evacuation from it.
fn waits_ms(stage: &Stage) -> Vec<i64> {
    let reported = stage.scene.dies_at_ms + stage.scene.reported_after_ms;
    let reported = stage.began.plus(reported.cast_signed());
    let calls = stage.world.evacuate_calls();
    let first = |n: usize| {
        let theirs = calls.iter().filter(|call| call.from == stage.host(n));
        theirs.map(|call| call.at.since(reported)).min().unwrap()
    };
    (0..=stage.scene.storm.others).map(first).collect()
}

fn median_ms(guard: Rules, reported_after_ms: u64) -> i64 {
    let histories =
        (0..15).map(|seed| told(Scene { reported_after_ms, ..of_a_hundred(seed, 2, guard) }));
    let mut waits: Vec<i64> = histories.flat_map(|stage| waits_ms(&stage)).collect();
    waits.sort_unstable();
    waits[waits.len() / 2]
}

#[test]
fn two_of_a_hundred_are_evacuated_as_soon_as_without_the_guard() {
    // Nova says down a minute after the death: it is waited for, or it has said so before the report.
    for reported_after_ms in [14_000, 70_000] {
        let with = median_ms(Rules::default(), reported_after_ms);
        let without = median_ms(Rules::OFF, reported_after_ms);
        println!("reported after {reported_after_ms} ms: {with} ms with, {without} ms without");
        assert!(with * 100 <= without * 105, "{with} ms, and {without} ms without the guard");
    }
}

#[test]
fn while_novas_bus_is_away_nothing_is_fenced_or_evacuated_and_afterwards_nothing_is_to_do() {
    for fence in [None, Some(crate::fences::Fence::default())] {
        let shape = Shape { hosts: 20, vms_per_host: 1, stopped_every: 0, ..Shape::default() };
        let plain = Scene::plain();
        // Two hosts, as many as may be lost: the others are only not heard.
        let storm = Storm { others: 1, alive: true, ..Storm::default() };
        let stage = told(Scene {
            shape,
            storm,
            fence,
            false_alarm: true,
            reported_after_ms: 80_000,
            hit: Some(soak::bus_is_away(plain.dies_at_ms, 180_000)),
            ..plain
        });
        is_untouched(&stage);
        assert!(was_held(&stage, Cause::Silence), "{}", stage.story());
        for report in stage.memory.all_notifications() {
            assert_eq!(report.status, NotificationStatus::Failed);
            let message = report.message.unwrap();
            assert!(message.contains("it shows a sign of life"), "{message}");
        }
    }
}

/// The bus is away for longer than one cools down, and Nova hears the hosts again one after the other: when it hears half
/// of them the silence is over, and the others have never been dead.
#[test]
fn who_is_heard_again_last_after_a_long_silence_is_not_recovered_for_that() {
    let cooled_down = |away_ms| {
        let shape = Shape { hosts: 6, vms_per_host: 1, stopped_every: 0, ..Shape::default() };
        let plain = Scene::plain();
        let storm = Storm { others: 1, alive: true, ..Storm::default() };
        let hit = Some(soak::bus_is_away(plain.dies_at_ms, away_ms));
        let reported_after_ms = 80_000;
        let stage =
            told(Scene { shape, storm, false_alarm: true, reported_after_ms, hit, ..plain });
        is_untouched(&stage);
        assert!(was_held(&stage, Cause::Silence), "{}", stage.story());
        was_held(&stage, Cause::CoolDown)
    };
    // The one is heard before half of the cloud is, the other after it.
    let all = (400_000..410_000).step_by(500).map(cooled_down);
    let last = all.filter(|cooled_down| *cooled_down).count();
    assert!((2..20).contains(&last), "{last}");
}

/// Of a host that a person has disarmed before its death, and armed after it.
fn disarmed_for_a_while(engines: Vec<crate::scene::EngineScript>) -> Scene {
    let plain = scene(Word::Monitor, engines);
    let reported_ms = plain.dies_at_ms + plain.reported_after_ms;
    let switch = vec![(500, false), (reported_ms + 90_000, true)];
    Scene { storm: Storm { switch, ..Storm::default() }, ..plain }
}

#[test]
fn an_engine_that_dies_while_it_is_held_goes_on_when_it_is_let() {
    let stage = told(disarmed_for_a_while(vec![undisturbed(), undisturbed()]));
    assert!(was_held(&stage, Cause::Disarmed), "{}", stage.story());
    dies_everywhere(disarmed_for_a_while, Which { since: "reading the guard", every: 5 }, 30);
}

#[test]
fn two_engines_let_no_more_begin_in_a_minute_than_one_may() {
    for seed in 0..6 {
        let guard = Rules { per_minute: 2, cloud: Rules::OFF.cloud, ..Rules::default() };
        let mut scene = of_a_hundred(seed, 7, guard);
        scene.reported_after_ms = 70_000;
        scene.engines = vec![undisturbed(), undisturbed(), undisturbed()];
        let stage = told(scene);
        let passed = |line: &Line| matches!(line.entry, Entry::Guard(GuardEntry::Passed { .. }));
        let lines = entries(&stage);
        let mut begun: Vec<Millis> = lines.iter().filter(|l| passed(l)).map(|l| l.at).collect();
        begun.sort();
        assert_eq!(begun.len(), 7, "{}", stage.story());
        // Their clocks are one; the line's time is taken a moment before it is written.
        let soon = begun.windows(3).find(|three| three[2].since(three[0]) < 59_000);
        assert_eq!(soon, None, "{}", stage.story());
        let finished = |n: &recovery::nouns::Notification| n.status == NotificationStatus::Finished;
        assert!(stage.memory.all_notifications().iter().all(finished), "{}", stage.story());
    }
}

#[test]
fn who_disarms_stops_what_runs_and_who_arms_lets_it_go_on() {
    let pace = Pace { latency_ms: 400..=400, ..Pace::default() };
    let shape = Shape { populated: Some(1), vms_per_host: 60, pace, ..Shape::default() };
    let plain = Scene::plain();
    let reported_ms = plain.dies_at_ms + 70_000;
    let off_ms = reported_ms + 4_500;
    let storm =
        Storm { switch: vec![(off_ms, false), (off_ms + 60_000, true)], ..Storm::default() };
    let stage = told(Scene { shape, storm, reported_after_ms: 70_000, ..plain });
    let at = |ms: u64| stage.began.plus(ms.cast_signed());
    let calls = stage.world.evacuate_calls();
    let taken = calls.iter().filter(|call| call.verdict == Verdict::Accepted);
    let sent: Vec<Millis> = taken.map(|call| call.at).collect();
    let before = sent.iter().filter(|t| **t < at(off_ms)).count();
    assert!(before > 0 && before < 60, "{before} of 60\n{}", stage.story());
    // What had its intent by then was sent.
    let between = at(off_ms + 2_000)..at(off_ms + 60_000);
    assert!(!sent.iter().any(|t| between.contains(t)), "{}", stage.story());
    assert!(was_held(&stage, Cause::Disarmed), "{}", stage.story());
    let intended = |l: &&Line| matches!(&l.entry, Entry::Intended { act: Act::Evacuate, .. });
    assert!(entries(&stage).iter().filter(intended).any(|l| l.at > at(off_ms + 60_000)));
}

/// A device is slow, and a person disarms after it was asked first and before it is told to switch the host off.
#[test]
fn who_disarms_stops_a_climb_before_its_order() {
    let fence = crate::fences::Fence { bmc: sim::Bmc::Slow { ms: 8_000 }, ..Default::default() };
    let scene = |switch| Scene {
        fence: Some(fence.clone()),
        storm: Storm { switch, ..Storm::default() },
        ..scene(Word::Monitor, vec![undisturbed()])
    };
    let begun = |line: &Line| matches!(line.entry, Entry::Fence(FenceEntry::Begun { .. }));
    let undisturbed = told(scene(Vec::new()));
    let first = entries(&undisturbed).into_iter().find(begun).unwrap();
    let off_ms = first.at.since(undisturbed.began).unsigned_abs() + 1_000;
    let stage = told(scene(vec![(off_ms, false), (off_ms + 60_000, true)]));
    let armed = stage.began.plus((off_ms + 60_000).cast_signed());
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    assert!(orders[0].at >= armed, "{}", stage.story());
    assert!(!stage.world.evacuate_calls().is_empty(), "{}", stage.story());
}

/// What is stopped is locked before it is asked for, and Nova takes five seconds for that.
#[test]
fn who_disarms_stops_what_was_meant_and_not_yet_sent() {
    let scene = |switch| Scene {
        shape: Shape { populated: Some(1), stopped_every: 1, ..Shape::default() },
        slow_locks_ms: 5_000,
        reported_after_ms: 70_000,
        storm: Storm { switch, ..Storm::default() },
        ..Scene::plain()
    };
    let meant = |line: &Line| matches!(line.entry, Entry::Intended { act: Act::Evacuate, .. });
    let undisturbed = told(scene(Vec::new()));
    let first = entries(&undisturbed).into_iter().find(meant).unwrap();
    let off_ms = first.at.since(undisturbed.began).unsigned_abs() + 1_000;
    let stage = told(scene(vec![(off_ms, false), (off_ms + 60_000, true)]));
    let armed = stage.began.plus((off_ms + 60_000).cast_signed());
    assert!(entries(&stage).iter().any(|line| meant(line) && line.at < armed));
    let calls = stage.world.evacuate_calls();
    assert!(!calls.is_empty(), "{}", stage.story());
    assert!(calls.iter().all(|call| call.at >= armed), "{}", stage.story());
}

/// Each service can be told, and their list not.
#[test]
fn while_novas_services_cannot_be_listed_nothing_begins() {
    let storm = Storm { unlisted: true, ..Storm::default() };
    let stage = told(Scene { storm, reported_after_ms: 70_000, ..Scene::plain() });
    is_untouched(&stage);
    assert!(was_held(&stage, Cause::Unknown), "{}", stage.story());
}

#[test]
fn a_cell_that_is_down_keeps_no_host_of_another_one_from_being_recovered() {
    let storm = Storm { cells_down: vec![2], ..Storm::default() };
    let shape = Shape { hosts: 6, ..Shape::default() };
    let stage = told(Scene { storm, shape, reported_after_ms: 70_000, ..Scene::plain() });
    assert!(!stage.world.evacuate_calls().is_empty(), "{}", stage.story());
    // Its own hosts are not known to be dead.
    let storm = Storm { cells_down: vec![0], ..Storm::default() };
    let shape = Shape { hosts: 6, ..Shape::default() };
    is_untouched(&told(Scene { storm, shape, reported_after_ms: 70_000, ..Scene::plain() }));
}

#[test]
fn while_disarmed_no_server_is_restarted() {
    let plain = Scene::plain();
    let reported_ms = plain.dies_at_ms + plain.reported_after_ms;
    let small = Small {
        of: Of::Vm(VmState::Active),
        reports: 1,
        host_dies_ms: None,
        deleted_ms: None,
        waited_ms: 0,
        locked_ms: None,
    };
    let shape = Shape { ha_enabled_every: 1, ..Shape::default() };
    let switch = vec![(500, false), (reported_ms + 60_000, true)];
    let storm = Storm { switch, ..Storm::default() };
    let stage = told(Scene { shape, small: Some(small), storm, ..plain });
    let armed = stage.began.plus((reported_ms + 60_000).cast_signed());
    let acts: Vec<Line> = entries(&stage)
        .into_iter()
        .filter(|line| {
            use restart::Event::{StartIntended, StopIntended};
            matches!(line.entry, Entry::Restart(StopIntended { .. } | StartIntended))
        })
        .collect();
    assert_eq!(acts.len(), 2, "{}", stage.story());
    assert!(acts.iter().all(|line| line.at >= armed), "{}", stage.story());
}

/// A person is asked before a host is recovered, and says that so long after the report.
fn asked(what: What, after_ms: u64, engines: Vec<crate::scene::EngineScript>) -> Scene {
    let plain = scene(Word::Monitor, engines);
    let at_ms = plain.dies_at_ms + plain.reported_after_ms + after_ms;
    let words = vec![Ask { at_ms, what, twice: true }];
    let by_hand = ByHand { words, insists: false };
    let storm = Storm { approval: Policy::Always, ..Storm::default() };
    Scene { by_hand, storm, ..plain }
}

fn approved(engines: Vec<crate::scene::EngineScript>) -> Scene {
    asked(What::Approve, 90_000, engines)
}

#[test]
fn what_a_person_approves_begins_then_and_once_whatever_dies() {
    let stage = told(approved(vec![undisturbed(), undisturbed()]));
    assert!(was_held(&stage, Cause::Approval), "{}", stage.story());
    let said = stage.scene.by_hand.words[0].at_ms;
    let said = stage.began.plus(said.cast_signed());
    let calls = stage.world.evacuate_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at >= said), "{}", stage.story());
    dies_everywhere(approved, Which { since: "reading the guard", every: 5 }, 30);
}

/// Before the host is proven dead: the word waits for the proof, and is none.
#[test]
fn an_early_approval_is_no_permit() {
    let scene = Scene { false_alarm: true, ..asked(What::Approve, 1_000, vec![undisturbed()]) };
    is_untouched(&told(scene));
}

#[test]
fn what_a_person_rejects_ends_untouched() {
    let stage = told(asked(What::Reject, 90_000, vec![undisturbed()]));
    is_untouched(&stage);
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!(only.status, NotificationStatus::Ignored);
    assert_eq!(only.message.as_deref(), Some("rejected by operator: it is my job"));
}

/// Of thirty that are held the one that a person vouches for is evacuated, and no other.
#[test]
fn in_a_storm_what_a_person_approves_passes() {
    let mut scene = of_a_hundred(3, 30, Rules::default());
    let words = vec![Ask { at_ms: 120_000, what: What::Approve, twice: false }];
    scene.by_hand = ByHand { words, insists: false };
    let stage = told(scene);
    let calls = stage.world.evacuate_calls();
    assert!(!calls.is_empty(), "{}", stage.story());
    assert!(calls.iter().all(|call| call.from == stage.host(0)), "{}", stage.story());
}
