//! Persons who cancel recoveries and have them tried again, at any moment, one or two at once: each word
//! counts once, a cancelled recovery begins nothing more, and what is tried again ends like any other.

pub(crate) use histories::by_hand::*;

use crate::{
    all_end_well,
    crash_points::{Which, Word, dies_everywhere, pauses_everywhere, scene, told_well},
    scene::{EngineScript, OldWord, Scene, undisturbed},
    setting,
    tale::{self, Stage},
    told,
};
use recovery::{
    HostName,
    evidence::Kind,
    hand::HandEntry,
    log::Entry,
    nouns::{NotificationStatus, RecoveryMethod},
};
use sim::Shape;
use std::sync::atomic::{AtomicU64, Ordering};
use store::Store;

/// Of seeds: a host that fails, and a VM or a process.
const PAIRS: u64 = 40;
const DEATHS: Which = Which { since: "taking leases", every: 4 };
const PAUSES: Which = Which { since: "taking leases", every: 1 };

/// Cancelled amidst its evacuations, and tried again until it is finished.
fn cancelled(at_ms: u64, engines: Vec<EngineScript>) -> Scene {
    let words = vec![Ask { at_ms, what: What::Cancel, twice: true }];
    Scene { by_hand: ByHand { words, insists: true }, ..scene(Word::Person, engines) }
}

/// A Nova that answers slowly: the servers go one rank after the other.
fn slow(engines: Vec<EngineScript>) -> Scene {
    let mut scene = scene(Word::Person, engines);
    scene.shape.pace.latency_ms = 400..=500;
    scene
}

fn cancelled_early(engines: Vec<EngineScript>) -> Scene {
    cancelled(6_100, engines)
}

fn cancelled_amidst(engines: Vec<EngineScript>) -> Scene {
    let by_hand = cancelled(9_000, Vec::new()).by_hand;
    Scene { by_hand, ..slow(engines) }
}

#[test]
fn an_engine_that_dies_at_any_point_of_a_cancel_or_a_retry_is_made_up_for() {
    dies_everywhere(cancelled_early, DEATHS, 45);
    dies_everywhere(cancelled_amidst, DEATHS, 45);
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_a_cancel_or_a_retry_is_made_up_for() {
    pauses_everywhere(cancelled_amidst, PAUSES, 50);
}

#[test]
fn at_whatever_moment_a_recovery_is_cancelled_it_ends_and_can_be_tried_again() {
    for at_ms in (5_900..25_000).step_by(500) {
        let told = tale::tell(cancelled(at_ms, vec![undisturbed(), undisturbed()]));
        told_well(told).unwrap_or_else(|(broken, story)| panic!("{at_ms}: {broken}\n{story}"));
    }
}

/// Where each notification ended, without anybody who insists.
fn cancelled_once(
    word: Word,
    at_ms: u64,
    method: RecoveryMethod,
) -> (Stage, NotificationStatus, String) {
    let words = vec![Ask { at_ms, what: What::Cancel, twice: false }];
    let by_hand = ByHand { words, insists: false };
    let mut scene = Scene { by_hand, ..scene(word, vec![undisturbed()]) };
    scene.method = method;
    if method != RecoveryMethod::Auto {
        let hosts = scene.shape.hosts + 1;
        scene.shape = Shape { hosts, reserved: 1, aggregates: 1, ..scene.shape };
    }
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let ours = told.stage.memory.all_notifications().remove(0);
    (told.stage, ours.status, ours.message.unwrap_or_default())
}

/// To the database two of one engine that take a lease at once are one that asks twice.
#[test]
fn one_engine_does_not_take_a_recovery_up_and_write_a_persons_word_into_it_at_once() {
    for seed in 0..300 {
        // In the moment of the report: both look at the same lease, and see that nobody has it.
        let words = vec![Ask { at_ms: 6_000, what: What::Cancel, twice: false }];
        let by_hand = ByHand { words, insists: false };
        let scene = Scene { seed, by_hand, ..scene(Word::Person, vec![undisturbed()]) };
        let (told, log) = told::with_log(scene);
        let story = told.stage.story();
        told.outcome.unwrap_or_else(|broken| panic!("{seed}: {broken}\n{story}"));
        for sign in ["its log was written by somebody else", "recovery left", "not answered yet"] {
            assert!(!log.contains(sign), "{seed}: {log}\n{story}");
        }
    }
}

fn still_on(stage: &Stage, host: &HostName) -> usize {
    stage.world.servers().iter().filter(|s| s.host.as_ref() == Some(host)).count()
}

#[test]
fn a_recovery_that_is_cancelled_while_it_is_held_moves_nothing_and_is_ignored() {
    let (stage, status, message) = cancelled_once(Word::Monitor, 17_000, RecoveryMethod::Auto);
    assert_eq!(
        (status, &*message),
        (NotificationStatus::Ignored, "cancelled by operator: it is my job")
    );
    assert_eq!(still_on(&stage, &stage.host(0)), 4);
    assert_eq!(stage.world.evacuate_calls().len(), 0, "{}", stage.story());
}

#[test]
fn one_that_is_cancelled_amidst_says_how_many_are_on_new_hosts() {
    let mut partly = 0;
    for at_ms in (7_000..12_000).step_by(200) {
        let words = vec![Ask { at_ms, what: What::Cancel, twice: false }];
        let by_hand = ByHand { words, insists: false };
        let told = tale::tell(Scene { by_hand, ..slow(vec![undisturbed()]) });
        let story = told.stage.story();
        told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{story}"));
        let ours = told.stage.memory.all_notifications().remove(0);
        let moved = 4 - still_on(&told.stage, &told.stage.host(0));
        let cancelled = "cancelled by operator: it is my job".to_owned();
        let wanted = match moved {
            0 => (NotificationStatus::Ignored, cancelled),
            _ => {
                let message = format!("{cancelled}; {moved} of 4 servers are on new hosts");
                (NotificationStatus::Failed, message)
            }
        };
        assert_eq!((ours.status, ours.message.unwrap_or_default()), wanted, "{story}");
        partly += usize::from((1..4).contains(&moved));
    }
    assert!(partly > 0, "none was cancelled amidst");
}

/// The host is heard every 10 s, also since that was said.
#[test]
fn a_persons_word_is_of_when_it_was_said_however_late_an_engine_reads_it() {
    for old in [OldWord::Waited, OldWord::PassedOn] {
        let (confirmed, false_alarm, old_word) = (true, true, Some(old));
        let scene = Scene { confirmed, false_alarm, old_word, ..Scene::plain() };
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let host = told.stage.host(0);
        let known = runtime.block_on(told.stage.memory.evidence(&host)).unwrap();
        assert!(known.iter().any(|e| e.kind == Kind::OperatorConfirmed), "{old:?}: {known:?}");
        assert_eq!(told.stage.world.evacuate_calls().len(), 0, "{}", told.stage.story());
    }
}

#[test]
fn a_reserved_host_that_was_not_used_is_handed_back_when_its_recovery_is_cancelled() {
    for at_ms in (6_050..9_000).step_by(250) {
        let (stage, ..) = cancelled_once(Word::Person, at_ms, RecoveryMethod::ReservedHost);
        let reserved = stage.world.hosts().pop().unwrap();
        let used = still_on(&stage, &reserved) > 0;
        let enabled = stage.world.service(&reserved).unwrap().enabled;
        assert_eq!(enabled, used, "{at_ms}: {}", stage.story());
    }
}

#[test]
fn every_history_with_persons_in_it_ends_well() {
    let count = setting("SIM_SEEDS", PAIRS);
    let (cancels, retries) = (AtomicU64::new(0), AtomicU64::new(0));
    for scene in [Scene::by_hand_from_seed, Scene::small_by_hand_from_seed] {
        all_end_well(PAIRS, scene, |stage| {
            for line in stage.memory.lines(&subject(stage)) {
                let cancel = matches!(line.entry, Entry::Hand(HandEntry::Cancelled { .. }));
                cancels.fetch_add(u64::from(cancel), Ordering::Relaxed);
                retries.fetch_add(u64::from(line.entry.is_retry()), Ordering::Relaxed);
            }
            Ok(())
        });
    }
    let (cancels, retries) = (cancels.into_inner(), retries.into_inner());
    println!("{cancels} cancels, {retries} retries");
    assert!(count < PAIRS || cancels > count / 2 && retries > count / 4, "hardly a word counted");
}
