//! Persons who cancel recoveries and have them tried again, at any moment, one or two at once: each word
//! counts once, a cancelled recovery begins nothing more, and what is tried again ends like any other.

use crate::{
    all_end_well,
    crash_points::{Which, Word, dies_everywhere, pauses_everywhere, scene, told_well},
    scene::{EngineScript, OldWord, Scene, undisturbed},
    setting,
    tale::{self, Stage},
    told,
};
use recovery::{
    HostName, NotificationId,
    evidence::Kind,
    hand::HandEntry,
    log::{Act, Entry},
    nouns::{NotificationStatus, RecoveryMethod},
    request::{Asked, Request, RequestState},
    restart,
};
use sim::Shape;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use store::Store;

/// What persons ask of the first host's recovery, or of the first small failure.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByHand {
    pub(crate) words: Vec<Ask>,
    /// Somebody has it tried again until it is finished.
    pub(crate) insists: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) at_ms: u64,
    pub(crate) what: What,
    /// Two persons at once.
    pub(crate) twice: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Cancel,
    Retry,
    Approve,
    Reject,
}

/// How often the one who insists looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);

fn subject(stage: &Stage) -> NotificationId {
    match stage.scene.small {
        Some(_) => NotificationId::new("small-0"),
        None => NotificationId::new(format!("report-{}", stage.host(0))),
    }
}

async fn file(stage: &Stage, id: String, what: What) {
    let now = stage.clock.wall();
    let (notification, reason) = (subject(stage), Some("it is my job".to_owned()));
    let request = Request {
        id,
        asked: match what {
            What::Cancel => Asked::Cancel { notification, reason },
            What::Retry => Asked::Retry { notification, reason },
            What::Approve => Asked::Approve { notification, reason },
            What::Reject => Asked::Reject { notification, reason },
        },
        who: "operator".into(),
        created_at: now,
        deadline: now.plus(60_000),
        state: RequestState::Open,
        answer: None,
    };
    stage.memory.file_request(&request).await.unwrap();
}

/// What they ask, each at its time.
pub(crate) async fn happens(stage: &Stage) {
    for (n, ask) in stage.scene.by_hand.words.iter().enumerate() {
        stage.at(ask.at_ms).await;
        file(stage, format!("word-{n}"), ask.what).await;
        if ask.twice {
            file(stage, format!("word-{n}-again"), ask.what).await;
        }
    }
    if !stage.scene.by_hand.insists {
        return;
    }
    for tries in 0.. {
        stage.clock.sleep(LOOK_EVERY).await;
        let all = stage.memory.all_notifications();
        let ours = all.iter().find(|n| n.uuid == subject(stage));
        let failed = |s: NotificationStatus| s.is_terminal() && s != NotificationStatus::Finished;
        if ours.is_some_and(|n| failed(n.status)) && unanswered(stage).await == 0 {
            file(stage, format!("insists-{tries}"), What::Retry).await;
        }
    }
}

async fn unanswered(stage: &Stage) -> usize {
    stage.memory.open_requests(1_000).await.unwrap().len()
}

/// Whether nobody waits for anything any more.
pub(crate) async fn all_said(stage: &Stage) -> bool {
    let finished = |n: &recovery::nouns::Notification| n.status == NotificationStatus::Finished;
    let content =
        !stage.scene.by_hand.insists || stage.memory.all_notifications().iter().all(finished);
    content && unanswered(stage).await == 0
}

/// Nothing is begun between the line that cancels and the one that tries again.
pub(crate) fn at_every_step(stage: &Stage) -> Result<(), String> {
    for notification in stage.memory.all_notifications() {
        let mut cancelled = false;
        for line in stage.memory.lines(&notification.uuid) {
            match &line.entry {
                Entry::Hand(HandEntry::Cancelled { .. } | HandEntry::Rejected { .. }) => {
                    cancelled = true;
                }
                Entry::Hand(HandEntry::Retried { .. }) => cancelled = false,
                Entry::Intended { act: Act::Evacuate, .. }
                | Entry::ForceDownIntended
                | Entry::DisableIntended
                | Entry::Planned { .. }
                | Entry::Restart(
                    restart::Event::StopIntended { .. } | restart::Event::StartIntended,
                )
                | Entry::Process(recovery::process::Event::DisableIntended)
                    if cancelled =>
                {
                    return Err(format!("#{} begins what was cancelled", line.seq));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Each word that was granted stands in the log once, no other does.
pub(crate) async fn at_the_end(stage: &Stage) -> Result<(), String> {
    let lines = stage.memory.lines(&subject(stage));
    let words = lines.iter().filter_map(|line| match &line.entry {
        Entry::Hand(
            HandEntry::Retried { request, .. }
            | HandEntry::Cancelled { request, .. }
            | HandEntry::Approved { request, .. }
            | HandEntry::Rejected { request, .. },
        ) => Some(request.as_str()),
        _ => None,
    });
    let written: Vec<&str> = words.collect();
    for id in &written {
        let request = stage.memory.request(id).await.unwrap();
        if request.is_none_or(|r| r.state != RequestState::Done) {
            return Err(format!("{id} was done and not granted"));
        }
    }
    for n in 0..stage.scene.by_hand.words.len() {
        for id in [format!("word-{n}"), format!("word-{n}-again")] {
            let Some(request) = stage.memory.request(&id).await.unwrap() else { continue };
            let times = written.iter().filter(|there| **there == id).count();
            if times != usize::from(request.state == RequestState::Done) {
                return Err(format!("{id} is {:?} and was done {times} times", request.state));
            }
        }
    }
    Ok(())
}

/// Whether what persons asked for may have left something undone.
pub(crate) fn may_be_undone(stage: &Stage) -> bool {
    let all = stage.memory.all_notifications();
    let ours = all.iter().find(|n| n.uuid == subject(stage));
    let finished = ours.is_some_and(|n| n.status == NotificationStatus::Finished);
    !stage.scene.by_hand.words.is_empty() && !finished
}

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
