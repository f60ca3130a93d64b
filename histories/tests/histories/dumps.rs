//! A host whose kernel has crashed says that it writes a dump: it is left its power until that is over, for a while, and what
//! it says proves nothing.

pub(crate) use histories::dumps::*;

use crate::{
    crash_points::{Word, scene},
    fences::Fence,
    scene::{Scene, undisturbed},
    tale::{self, Stage, Told},
};
use recovery::{Millis, fencing::FenceEntry, log::Entry, nouns::NotificationStatus};
use sim::Bmc;

fn told(bmc: Bmc, dumps: Dumps) -> Stage {
    let fence = Fence { bmc, dumps: Some(dumps), ..Fence::default() };
    let scene = Scene { fence: Some(fence), ..scene(Word::Monitor, vec![undisturbed()]) };
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

fn entries(stage: &Stage) -> Vec<(Millis, Entry)> {
    let report = &stage.memory.all_notifications()[0];
    stage.memory.lines(&report.uuid).into_iter().map(|line| (line.at, line.entry)).collect()
}

fn is_told_to_write(entry: &Entry) -> bool {
    matches!(entry, Entry::Held { why, .. } if why.contains("says that it writes a crash dump"))
}

#[test]
fn it_is_switched_off_when_its_dump_is_over_and_recovered_then() {
    let stage = told(Bmc::Honest, Dumps { after_ms: 5_000, for_ms: 120_000, wait_s: 600 });
    let last_said = stage.began.plus(stage.scene.dies_at_ms.cast_signed() + 125_000);
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    let after = orders[0].at.since(last_said);
    assert!((30_000..35_000).contains(&after), "{after} ms\n{}", stage.story());
    assert_eq!(entries(&stage).iter().filter(|(_, entry)| is_told_to_write(entry)).count(), 1);
    let calls = stage.world.evacuate_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at > orders[0].at));
}

#[test]
fn one_that_never_ends_is_switched_off_when_its_time_is_over() {
    let stage = told(Bmc::Honest, Dumps { after_ms: 5_000, for_ms: 3_600_000, wait_s: 120 });
    let claimed = |(_, entry): &&(Millis, Entry)| matches!(entry, Entry::Claimed { .. });
    let began = entries(&stage).iter().find(claimed).unwrap().0;
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    let after = orders[0].at.since(began);
    assert!((120_000..125_000).contains(&after), "{after} ms\n{}", stage.story());
}

#[test]
fn what_it_says_proves_nothing() {
    let stage = told(Bmc::Dead, Dumps { after_ms: 5_000, for_ms: 3_600_000, wait_s: 120 });
    assert!(stage.world.evacuate_calls().is_empty() && stage.world.forced_downs().is_empty());
    let report = &stage.memory.all_notifications()[0];
    assert_eq!(report.status, NotificationStatus::Failed);
    let climbed = |(_, e): &(Millis, Entry)| matches!(e, Entry::Fence(FenceEntry::Failed { .. }));
    assert!(entries(&stage).iter().any(climbed), "{}", stage.story());
}

/// The first message comes while the device is asked which machine it controls.
#[test]
fn one_that_says_so_while_its_ladder_is_climbed_is_not_switched_off_before_it_has_ended() {
    let slow = Bmc::Slow { ms: 12_000 };
    let begun = |(_, e): &(Millis, Entry)| matches!(e, Entry::Fence(FenceEntry::Begun { .. }));
    let undisturbed = told(slow, Dumps { after_ms: 3_600_000, for_ms: 0, wait_s: 600 });
    let first = entries(&undisturbed).into_iter().find(begun).unwrap().0;
    let after_ms = first.since(undisturbed.began).unsigned_abs() + 5_000;
    let after_ms = after_ms - undisturbed.scene.dies_at_ms;
    let stage = told(slow, Dumps { after_ms, for_ms: 60_000, wait_s: 600 });
    let last_said = stage.scene.dies_at_ms + after_ms + 60_000;
    let last_said = stage.began.plus(last_said.cast_signed());
    let orders = stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", stage.story());
    assert!(orders[0].at.since(last_said) >= 30_000, "{}", stage.story());
}
