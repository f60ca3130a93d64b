//! Monitors contradict each other: a host is reported dead, and then another one says that it is there, or a VM on it
//! answers. It is not switched off, and what was begun does not go on.

pub(crate) use histories::sightings::*;

use crate::{
    by_hand::{Ask, ByHand, What},
    fences::{Fence, hanging, logs},
    scene::{Dice, Scene, undisturbed},
    tale::{self, Told},
};
use recovery::{
    approval::Policy,
    evidence::{Kind, Sign},
    guard::{Cause, GuardEntry},
    log::{Act, Entry},
    nouns::NotificationStatus,
};

/// More than are asked for at once.
const MANY: usize = 24;

/// A host hangs and is reported at once: it is fenced 5 to 15 s after that.
fn scene(seed: u64, fence: Fence) -> Scene {
    let plain = hanging(fence, vec![undisturbed()]);
    Scene { seed, dies_at_ms: 30_000, reported_after_ms: 500, ..plain }
}

fn story(seed: u64, said: Vec<(u64, Said)>) -> Told {
    let fence = Fence { said, ..Fence::default() };
    let scene = scene(seed, fence);
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{seed}: {e}\n{}", told.stage.story()));
    told
}

fn message(told: &Told) -> String {
    told.stage.memory.all_notifications()[0].message.clone().unwrap_or_default()
}

/// It would be switched off some 15 s after its last heartbeat.
#[test]
fn a_host_that_another_monitor_reports_to_be_there_is_not_switched_off_and_that_is_told() {
    for seed in 0..12 {
        let at_ms = Dice::new(seed).between(32_600, 33_500);
        let told = story(seed, vec![(at_ms, Said::Lives(Sign::MonitorSaw))]);
        assert_eq!(told.stage.bmcs.orders().len(), 0, "{seed}: {}", told.stage.story());
        assert_eq!(told.stage.world.evacuate_calls().len(), 0, "{seed}");
        let message = message(&told);
        let contradiction =
            "it shows a sign of life, newer than the monitor_said: a monitor says that it is there";
        assert!(message.contains(contradiction), "{seed}: {message}");
        assert!(message.contains("`masakari confirm-dead"), "{seed}: {message}");
    }
}

#[test]
fn a_host_that_is_reported_dead_once_more_is_recovered() {
    for seed in 0..6 {
        let dice = Dice::new(seed);
        let (lives, dead) = (dice.between(32_600, 33_500), dice.between(60_000, 120_000));
        let said = vec![(lives, Said::Lives(Sign::MonitorSaw)), (dead, Said::Dead)];
        let told = story(seed, said);
        let orders = told.stage.bmcs.orders();
        assert_eq!(orders.len(), 1, "{seed}: {}", told.stage.story());
        assert!(orders[0].at >= told.stage.began.plus(dead.cast_signed()), "{seed}");
        let report = &told.stage.memory.all_notifications()[0];
        assert_eq!(report.status, NotificationStatus::Finished, "{seed}: {:?}", report.message);
    }
}

#[test]
fn a_host_on_which_a_vm_answers_is_switched_off_when_none_has_answered_for_a_minute() {
    for seed in 0..6 {
        let at_ms = Dice::new(seed).between(32_600, 33_500);
        let told = story(seed, vec![(at_ms, Said::Lives(Sign::GuestAnswers))]);
        let orders = told.stage.bmcs.orders();
        assert_eq!(orders.len(), 1, "{seed}: {}", told.stage.story());
        let silent = orders[0].at.since(told.stage.began.plus(at_ms.cast_signed()));
        assert!(silent >= 60_000, "{seed}: {silent}");
        let held = |entry: &Entry| matches!(entry, Entry::Held { sighting: Some(seen), .. } if seen.what == Sign::GuestAnswers);
        assert!(logs(&told.stage).concat().iter().any(|line| held(&line.entry)), "{seed}");
        assert_eq!(told.stage.world.evacuate_calls().len(), 4, "{seed}");
    }
}

/// The device lies: a VM answers after it has said "off" twice.
#[test]
fn off_is_not_believed_of_a_host_on_which_a_vm_answers_after_it() {
    let mut caught = 0;
    for seed in 0..8 {
        let at_ms = Dice::new(seed).between(40_000, 52_000);
        let said = vec![(at_ms, Said::Lives(Sign::GuestAnswers))];
        let lying = sim::Bmc::Lying { ms: 4_000 };
        let fence = Fence { said, bmc: lying, ..Fence::default() };
        let stage = tale::tell_for(scene(seed, fence), 70_000);
        let lines = logs(&stage).concat();
        let told = lines.iter().filter_map(|line| match &line.entry {
            Entry::Fence(entry) => Some(format!("{entry:?}")),
            _ => None,
        });
        let is_caught = told.collect::<String>().contains("the guest agent of a VM on it answers");
        caught += usize::from(is_caught);
    }
    assert!(caught > 0, "no word came between \"off\" and the second look");
}

/// What was proven by the device is void when a monitor says that the host is there: whoever switched it on was not us.
#[test]
fn a_recovery_that_has_begun_stops_when_a_monitor_says_that_its_host_is_there() {
    let mut stopped = 0;
    for seed in 0..12 {
        let at_ms = Dice::new(seed).between(40_000, 55_000);
        let said = vec![(at_ms, Said::Lives(Sign::MonitorSaw))];
        let mut scene = scene(seed, Fence { said, ..Fence::default() });
        // What is said while the first are locked stops those, too.
        (scene.shape.vms_per_host, scene.slow_locks_ms) = (MANY, 12_000);
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{seed}: {e}\n{}", told.stage.story()));
        let lines = logs(&told.stage).concat();
        let proven = lines.iter().any(|line| matches!(line.entry, Entry::Proven { .. }));
        let held = lines.iter().position(|line| matches!(&line.entry, Entry::Held { sighting: Some(seen), .. } if seen.what == Sign::MonitorSaw));
        let Some(held) = held.filter(|_| proven) else { continue };
        let evacuates = |line: &recovery::log::Line| {
            matches!(line.entry, Entry::Intended { act: Act::Evacuate, .. })
        };
        assert!(!lines[held..].iter().any(evacuates), "{seed}: {}", told.stage.story());
        stopped += usize::from(told.stage.world.evacuate_calls().len() < MANY);
    }
    assert!(stopped > 0, "none was stopped in its middle");
}

/// When a permit is made first, after the beginning.
fn proven_ms(scene: Scene) -> u64 {
    let stage = tale::tell(scene).stage;
    let lines = logs(&stage).concat();
    let proven = lines.iter().find(|line| matches!(line.entry, Entry::Proven { .. })).unwrap();
    proven.at.since(stage.began).unsigned_abs()
}

/// It was powered off, a monitor says that it is there, and then that it is dead: its word is all that is left.
#[test]
fn a_person_is_asked_when_only_a_monitors_word_is_left_of_a_proof() {
    for seed in 0..4 {
        let of = |said| {
            let fence = Fence { said, hangs: false, monitor_is_enough: true, ..Fence::default() };
            let mut scene = scene(seed, fence);
            (scene.shape.vms_per_host, scene.slow_locks_ms) = (MANY, 6_000);
            scene.storm.approval = Policy::WeakerThan(Kind::PoweredOff);
            scene
        };
        // While it waits for the locks of the first, and later than the clocks may differ.
        let lives_ms = proven_ms(of(Vec::new())) + 3_000;
        let said = vec![(lives_ms, Said::Lives(Sign::MonitorSaw)), (80_000, Said::Dead)];
        let mut scene = of(said);
        let words = vec![Ask { at_ms: 160_000, what: What::Approve, twice: false }];
        scene.by_hand = ByHand { words, insists: false };
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{seed}: {e}\n{}", told.stage.story()));
        let lines = logs(&told.stage).concat();
        let asked = lines.iter().position(|line| {
            matches!(&line.entry, Entry::Guard(GuardEntry::Held { cause: Cause::Approval, .. }))
        });
        let asked = asked.unwrap_or_else(|| panic!("{seed}: {}", told.stage.story()));
        let approved = told.stage.began.plus(160_000);
        let evacuates = |line: &&recovery::log::Line| {
            matches!(line.entry, Entry::Intended { act: Act::Evacuate, .. })
        };
        let after: Vec<_> = lines[asked..].iter().filter(evacuates).collect();
        assert!(!after.is_empty(), "{seed}: {}", told.stage.story());
        assert!(after.iter().all(|line| line.at >= approved), "{seed}: {}", told.stage.story());
    }
}

/// Whoever writes to a service hides its heartbeat, which Nova keeps in the same place.
#[test]
fn what_was_heard_of_a_host_speaks_for_it_after_its_service_was_disabled_for_another_reason() {
    for seed in 0..6 {
        let at_ms = Dice::new(seed).between(44_000, 46_000);
        let said = vec![(at_ms, Said::ComputeStopped)];
        let control_attributes = "none";
        let fence = Fence { said, control_attributes, monitor_is_enough: true, ..Fence::default() };
        let stage = tale::tell_for(Scene { false_alarm: true, ..scene(seed, fence) }, 200_000);
        assert_eq!(stage.world.evacuate_calls().len(), 0, "{seed}: {}", stage.story());
        assert_eq!(stage.world.forced_downs().len(), 0, "{seed}");
        let service = stage.world.service(&stage.host(0)).unwrap();
        assert!(!service.enabled && !service.up, "{seed}: it was hidden");
    }
}
