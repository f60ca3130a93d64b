//! What persons ask for: what is tried again, and what stops.

use crate::words::{
    At, Log, Seen, arrived, host, id, not_moved, permitted_by, planned, planned_stopped, proven,
    shown, still_there, words,
};
use recovery::{
    HostId, Millis, NotificationId, details,
    evidence::Kind,
    fold::Fold,
    hand::{HandEntry, Unfit, end_of_process, end_of_restart, may_cancel, may_retry, written},
    log::{Act, Entry, Line, Summary},
    nouns::{NotificationStatus, NotificationType, VMoveStatus},
    process, restart,
    seen::{EvacuationStatus, Task, VmState},
    state::{Outcome, Stage, State, Subject},
};

const DAY_MS: i64 = 86_400_000;

fn retried() -> HandEntry {
    HandEntry::Retried { request: "r1".into(), by: "ann (a1)".into(), why: Some("room".into()) }
}

fn cancelled() -> HandEntry {
    HandEntry::Cancelled {
        request: "r2".into(),
        by: "bob (b1)".into(),
        why: Some("a drill".into()),
    }
}

const SENTENCE: &str = "cancelled by bob (b1): a drill";

fn ended(status: NotificationStatus) -> Entry {
    Entry::Ended { status, message: Some("1 of 2 servers were not recovered".into()) }
}

/// `a` was moved, Nova found no host for `b`.
fn half_failed() -> Log {
    Log::planned(&[planned("a"), planned("b")])
        .moves(1, "a")
        .intends(2, Act::Evacuate, "b")
        .did(3, Act::Evacuate, "b")
        .says(4, not_moved("b", None))
        .did(5, Act::Settle, "b")
        .says(6, Entry::Confirmed { on_host: 1 })
        .says(7, ended(NotificationStatus::Failed))
}

fn again() -> Log {
    half_failed().says(10, Entry::Hand(retried()))
}

fn subject() -> Subject {
    Subject {
        notification: NotificationId::new("n1"),
        host_id: HostId::new("h1"),
        host: host("dead"),
    }
}

fn vmoves(summaries: &[Summary]) -> Vec<(&str, VMoveStatus)> {
    let mut rows = Vec::new();
    for summary in summaries {
        if let Summary::VMove(row) = summary {
            rows.push((row.server.as_str(), row.status));
        }
    }
    rows
}

#[test]
fn a_retry_touches_what_failed_and_nothing_else() {
    let (before, after) = (half_failed(), again());
    assert_eq!(after.state.status(), NotificationStatus::New);
    assert_eq!(after.state.moves[&id("a")], before.state.moves[&id("a")]);
    let b = &after.state.moves[&id("b")];
    assert_eq!(b.stage, Stage::Asking { since: Millis(10), refused: true });
    assert_eq!((b.attempts, b.ended_at), (0, None));
    let last = &after.lines[after.lines.len() - 1..];
    let summaries = after.state.summaries(&before.state, last, &subject());
    assert_eq!(vmoves(&summaries), [("b", VMoveStatus::Ongoing)]);
    assert!(summaries.contains(&Summary::Reopened));
    let new = Summary::Status { status: NotificationStatus::New, message: None };
    assert!(summaries.contains(&new), "{summaries:?}");
    let answered = |s: &&Summary| matches!(s, Summary::Answered { request, .. } if request == "r1");
    assert_eq!(summaries.iter().filter(answered).count(), 1);
}

#[test]
fn a_retry_is_no_permit() {
    assert_eq!(again().due(&At::without_permit(11)), ["look at the servers", "look at the host"]);
    let permit = permitted_by(Kind::MonitorSaid);
    let due = again().due(&At::with(&permit, 11));
    assert_eq!(due, ["look at the servers", "disable", "plan"], "nothing is asked for unseen");
    let judged = again().says(12, proven());
    assert_eq!(judged.state.status(), NotificationStatus::Running);
}

#[test]
fn a_look_tells_what_a_retry_has_to_do() {
    let there = Seen::whole(11, vec![still_there("b")]);
    let again_at = ["not moved b, at 5012"];
    assert_eq!(words(&again().looks(12, &there)), again_at, "it was not moved: asked for again");
    let failed = there.clone().record(3, "b", EvacuationStatus::Failed);
    assert_eq!(words(&again().looks(12, &failed)), again_at, "nor by an evacuation of before");
    let at_work = there.record(4, "b", EvacuationStatus::Running);
    assert_eq!(words(&again().looks(12, &at_work)), ["Nova has begun [b]"]);
    let elsewhere = Seen::whole(11, vec![shown("b", "new", VmState::Active, Task::None)]);
    assert_eq!(words(&again().looks(12, &elsewhere)), ["arrived b"]);
    let broken = Seen::whole(11, vec![shown("b", "new", VmState::Error, Task::None)]);
    assert_eq!(
        words(&again().looks(12, &broken)),
        ["not moved b, no more"],
        "not from a live host"
    );
    assert_eq!(words(&again().looks(12, &Seen::whole(11, vec![]))), ["gone b"]);
}

#[test]
fn what_failed_is_evacuated_once_more_and_the_recovery_ends_finished() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = again().says(12, proven()).says(12, Entry::Disabled).plans(12, &[]);
    let log = log.says(13, not_moved("b", Some(20)));
    assert_eq!(log.due(&At::with(&permit, 20)), ["evacuate b, lock, reset"]);
    let log = log.moves(21, "b");
    assert_eq!(log.due(&At::without_permit(30)), ["confirm"], "what is new there is moved too");
    let log = log.says(31, Entry::Confirmed { on_host: 0 });
    assert_eq!(log.due(&At::without_permit(32)), ["note ended finished"]);
}

#[test]
fn what_failed_on_its_new_host_is_made_up_for_there() {
    let failed = |server: recovery::log::Planned, state| {
        Log::planned(&[server])
            .intends(1, Act::Evacuate, "a")
            .did(2, Act::Evacuate, "a")
            .says(3, arrived("a", state))
            .says(4, Entry::NotRestored { server: id("a"), why: "it did not".into() })
    };
    let stopped = failed(planned_stopped("a"), VmState::Active)
        .did(5, Act::Settle, "a")
        .says(6, ended(NotificationStatus::Failed))
        .says(10, Entry::Hand(retried()));
    assert_eq!(stopped.due(&At::without_permit(11)), ["stop a", "look at the host"]);
    let unlocked = failed(planned("a"), VmState::Active)
        .says(6, ended(NotificationStatus::Failed))
        .says(10, Entry::Hand(retried()));
    let Stage::Settling { outcome, .. } = &unlocked.state.moves[&id("a")].stage else { panic!() };
    assert_eq!(*outcome, Outcome::Succeeded { host: host("new") });
}

#[test]
fn the_time_of_a_recovery_that_is_tried_again_begins_anew() {
    let at = |now| again().due(&At::without_permit(now));
    assert!(!at(DAY_MS + 9).iter().any(|step| step.starts_with("note")), "{:?}", at(DAY_MS + 9));
    let log = again().says(12, not_moved("b", Some(20)));
    assert_eq!(log.due(&At::without_permit(DAY_MS + 10)), ["note not moved b, no more"]);
}

#[test]
fn only_what_has_ended_is_tried_again_and_nothing_else_follows_an_end() {
    let mut running = Log::planned(&[planned("a")]);
    assert!(running.try_to_say(1, Entry::Hand(retried())).is_err());
    let mut over = half_failed();
    assert!(over.try_to_say(8, Entry::Hand(cancelled())).is_err());
    assert!(again().try_to_say(11, Entry::Hand(retried())).is_err(), "once");
    assert!(again().try_to_say(11, Entry::Hand(cancelled())).is_ok());
}

#[test]
fn a_cancelled_recovery_begins_nothing_and_follows_what_was_sent() {
    let permit = permitted_by(Kind::PoweredOff);
    let log = Log::planned(&[planned("a"), planned("b"), planned_stopped("c")])
        .intends(1, Act::Evacuate, "a")
        .did(2, Act::Evacuate, "a")
        .says(3, Entry::Hand(cancelled()));
    let due = log.due(&At::with(&permit, 4));
    assert_eq!(
        due,
        ["look at the servers", "note not moved b, no more", "note not moved c, no more"]
    );
    let log = log.says(4, not_moved("b", None)).says(4, not_moved("c", None));
    let log = log.did(5, Act::Settle, "b").did(5, Act::Settle, "c");
    assert_eq!(log.due(&At::with(&permit, 6)), ["look at the servers"]);
    let log = log.arrives(7, "a").did(8, Act::Settle, "a");
    assert_eq!(log.due(&At::with(&permit, 9)), ["note ended failed"], "no list is asked for");
    let busy = At { busy: &["a"], ..At::with(&permit, 9) };
    assert_eq!(log.due(&busy), Vec::<String>::new(), "a call is in flight");
}

#[test]
fn what_was_locked_is_unlocked_when_its_recovery_is_cancelled() {
    let log = Log::planned(&[planned_stopped("a")])
        .intends(1, Act::Evacuate, "a")
        .says(2, not_moved("a", Some(50)))
        .says(3, Entry::Hand(cancelled()));
    assert_eq!(log.due(&At::without_permit(4)), ["note not moved a, no more"]);
    let log = log.says(4, not_moved("a", None));
    assert_eq!(log.due(&At::without_permit(5)), ["settle a, unlock"]);
}

/// The end of `log`, which was cancelled.
fn end_of(log: &Log) -> (NotificationStatus, String) {
    let (lines, _) =
        written(NotificationType::ComputeHost, &log.lines, cancelled(), Millis(50), &subject())
            .unwrap();
    match &lines[1].entry {
        Entry::Ended { status, message: Some(message) } => (*status, message.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancelled_recovery_is_ignored_when_nothing_was_moved_and_failed_when_something_was() {
    let untouched = (NotificationStatus::Ignored, SENTENCE.to_owned());
    assert_eq!(end_of(&Log::default()), untouched, "nobody had taken it");
    let held = Entry::Held { why: "it lives".into(), sighting: None, lack: None };
    assert_eq!(end_of(&Log::default().says(1, held)), untouched);
    let moved = Log::planned(&[planned("a")]).moves(1, "a");
    let sentence = format!("{SENTENCE}; 1 of 1 servers are on new hosts");
    assert_eq!(end_of(&moved), (NotificationStatus::Failed, sentence));
    let tried = Log::planned(&[planned("a")])
        .intends(1, Act::Evacuate, "a")
        .says(2, not_moved("a", None))
        .did(3, Act::Settle, "a");
    assert_eq!(end_of(&tried).0, NotificationStatus::Failed, "it failed before");
}

#[test]
fn one_that_has_something_to_follow_is_not_ended_at_once() {
    let log = Log::asked(1);
    let kind = NotificationType::ComputeHost;
    let (lines, summaries) =
        written(kind, &log.lines, cancelled(), Millis(50), &subject()).unwrap();
    assert_eq!(lines.len(), 1);
    let [Summary::Answered { request, .. }] = summaries.as_slice() else { panic!("{summaries:?}") };
    assert_eq!(request, "r2");
}

#[test]
fn the_vmoves_of_a_cancelled_recovery_tell_who_cancelled_it_and_why() {
    let before = Log::planned(&[planned("a")]).says(3, Entry::Hand(cancelled()));
    let why = SENTENCE.to_owned();
    let (again_at, reset) = (None, recovery::log::Reset::NotNeeded);
    let entry = Entry::NotMoved { server: id("a"), why, again_at, reset };
    let after = before.clone().says(4, entry).did(5, Act::Settle, "a");
    let new = &after.lines[before.lines.len()..];
    let summaries = after.state.summaries(&before.state, new, &subject());
    let [Summary::VMove(row)] = summaries.as_slice() else { panic!("{summaries:?}") };
    assert_eq!((row.status, row.message.as_deref()), (VMoveStatus::Failed, Some(SENTENCE)));
    assert_eq!(after.due(&At::without_permit(6)), ["note ended ignored"]);
}

fn texts(lines: &[Line]) -> Vec<(String, &'static str)> {
    let tasks = details::details(lines, &host("dead"));
    let messages = tasks.iter().flat_map(|t| t.messages.iter().map(|m| (m.text.clone(), t.state)));
    messages.collect()
}

#[test]
fn the_details_tell_who_asked_and_why() {
    let asked = HandEntry::Asked { by: "ann (a1)".into(), why: Some("I see smoke".into()) };
    let log = Log::default().says(0, Entry::Hand(asked));
    let text = "Recovery was asked for by ann (a1): I see smoke";
    assert_eq!(texts(&log.lines)[1], (text.to_owned(), "RUNNING"));
    let text = "What failed is tried again; asked for by ann (a1): room";
    assert_eq!(texts(&again().lines).last().unwrap(), &(text.to_owned(), "RUNNING"));
    let cancelled = Log::asked(1).says(3, Entry::Hand(cancelled()));
    let text = "Cancelled; nothing more is begun; asked for by bob (b1): a drill";
    assert_eq!(texts(&cancelled.lines).last().unwrap().0, text);
    let (status, message) = (NotificationStatus::Ignored, Some(SENTENCE.to_owned()));
    let over = cancelled.says(9, Entry::Ended { status, message });
    let last = texts(&over.lines).pop().unwrap();
    assert_eq!(last, (SENTENCE.to_owned(), "FAILURE"), "what was cancelled is no success");
}

#[test]
fn what_cannot_be_tried_again_or_cancelled_is_told() {
    use NotificationStatus::{Failed, Finished, Ignored, New, Running};
    let failed = half_failed().lines;
    assert_eq!(may_retry(Failed, &failed), Ok(()));
    assert_eq!(may_retry(Running, &failed), Err(Unfit::NotEnded(Running)));
    assert_eq!(may_retry(Finished, &failed), Err(Unfit::NothingFailed(Finished)));
    assert_eq!(may_retry(Failed, &[]), Err(Unfit::NoLog), "Python's");
    let cancelled = Log::asked(1).says(3, Entry::Hand(cancelled())).lines;
    assert_eq!(may_retry(Ignored, &cancelled), Ok(()), "whoever cancelled it may think again");
    assert_eq!(may_cancel(New, &[]), Ok(()));
    assert_eq!(may_cancel(Running, &cancelled), Err(Unfit::Cancelled));
    assert_eq!(may_cancel(Running, &again().lines), Ok(()));
    assert_eq!(may_cancel(Failed, &failed), Err(Unfit::Ended(Failed)));
}

#[test]
fn a_log_with_persons_words_reads_back() {
    let log = again().says(11, Entry::Hand(cancelled()));
    assert_eq!(State::fold(&log.lines), Ok(log.state.clone()));
    for line in &log.lines {
        let text = serde_json::to_string(&line.entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), line.entry);
    }
}

fn small<S: Fold>(entries: Vec<Entry>) -> S {
    let lines: Vec<Line> =
        (1..).zip(entries).map(|(seq, entry)| Line { seq, at: Millis(7), entry }).collect();
    S::fold(&lines).unwrap()
}

fn restart_of(vm_state: VmState, events: Vec<restart::Event>, word: Entry) -> restart::State {
    let chosen =
        restart::Event::Chosen { server: id("a"), name: "vm-a".into(), host: host("h"), vm_state };
    let events = [chosen].into_iter().chain(events).map(Entry::Restart);
    small(events.chain([word]).collect())
}

#[test]
fn a_restart_that_is_cancelled_ends_when_nova_has_nothing_to_do_for_it() {
    use restart::Event::{Active, StartIntended, StartTaken, StopIntended, StopTaken, Stopped};
    let stop = || StopIntended { reset: false };
    let end = |vm_state, events| {
        let state = restart_of(vm_state, events, Entry::Hand(cancelled()));
        end_of_restart(&state).map(|entry| match entry {
            Entry::Ended { status, message } => (status, message.unwrap()),
            other => panic!("{other:?}"),
        })
    };
    use NotificationStatus::{Failed, Finished, Ignored};
    use VmState::{Active as Up, Stopped as Down};
    assert_eq!(end(Up, vec![]), Some((Ignored, SENTENCE.to_owned())));
    assert_eq!(end(Down, vec![]).unwrap().0, Ignored);
    assert_eq!(end(Up, vec![stop()]), None);
    assert_eq!(end(Up, vec![stop(), StopTaken]), None);
    let stopped = end(Up, vec![stop(), StopTaken, Stopped]).unwrap();
    let sentence = format!("{SENTENCE}; instance 'a' was stopped and is not started");
    assert_eq!(stopped, (Failed, sentence));
    assert_eq!(end(Down, vec![StartIntended]), None);
    assert_eq!(end(Down, vec![StartIntended, StartTaken, Active]).unwrap().0, Finished);
    let running = restart_of(Up, vec![stop()], Entry::Waiting { why: "Nova".into() });
    assert_eq!(end_of_restart(&running), None, "nobody cancelled it");
}

#[test]
fn a_process_failure_that_is_cancelled_leaves_the_service_as_it_is() {
    use process::Event::{DisableIntended, DisableTaken, Stopped};
    let end = |events: Vec<process::Event>| {
        let word = [Entry::Hand(cancelled())];
        let state = small(events.into_iter().map(Entry::Process).chain(word).collect());
        end_of_process(&state)
    };
    let stopped = || Stopped { process: "nova-compute".into() };
    let ignored = |message: &str| {
        let status = NotificationStatus::Ignored;
        Some(Entry::Ended { status, message: Some(message.into()) })
    };
    assert_eq!(end(vec![]), ignored(SENTENCE));
    let sentence = format!("{SENTENCE}; the host stays on maintenance");
    assert_eq!(end(vec![stopped()]), ignored(&sentence));
    assert_eq!(end(vec![stopped(), DisableIntended]), None);
    assert_eq!(end(vec![stopped(), DisableIntended, DisableTaken]), None);
}

#[test]
fn a_restart_and_a_process_failure_are_tried_again_from_the_beginning() {
    let failed = Entry::Ended { status: NotificationStatus::Failed, message: None };
    let chosen = restart_of(VmState::Active, vec![], failed.clone());
    let chosen_again = restart::Event::Chosen {
        server: id("a"),
        name: "vm-a".into(),
        host: host("h"),
        vm_state: VmState::Active,
    };
    let again: restart::State =
        small(vec![Entry::Restart(chosen_again), failed.clone(), Entry::Hand(retried())]);
    assert_eq!(
        (chosen.stage, again.stage),
        (restart::Stage::ToStop { not_before: Millis(7) }, restart::Stage::Choosing)
    );
    assert_eq!(again.common.ended, None);
    assert_eq!(again.common.hand.retried_at, Some(Millis(7)));
    let stopped = process::Event::Stopped { process: "nova-compute".into() };
    let process: process::State =
        small(vec![Entry::Process(stopped), failed, Entry::Hand(retried())]);
    assert_eq!(process.stage, process::Stage::Reported);
}
