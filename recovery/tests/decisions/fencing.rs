//! When a host is fenced, and what the log makes of it.

use crate::words::{At, Log, host, permitted_by, planned, sentence, service};
use recovery::{
    Millis, Missing, details,
    due::{Limits, Scene, due, wake_at},
    evidence::{Evidence, Kind, Sighting, Sign},
    fencing::{Dump, FenceEntry, Limits as FenceLimits, Unproven},
    hand::HandEntry,
    log::{Entry, Summary},
    nouns::NotificationStatus,
    seen::ComputeService,
    state::State,
};
use std::collections::BTreeSet;

const LIMITS: FenceLimits =
    FenceLimits { attempts: 3, retry_ms: 100, retry_most_ms: 150, quiet_ms: 15_000 };

fn claimed() -> Log {
    Log::default().says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
}

fn begun(attempt: u32) -> Entry {
    Entry::Fence(FenceEntry::Begun { attempt, rungs: vec!["bmc (redfish)".into(), "pdu".into()] })
}

fn failed(again_at: Option<i64>) -> Entry {
    let path = vec!["bmc (redfish): no answer".into(), "pdu: it refuses".into()];
    Entry::Fence(FenceEntry::Failed {
        path,
        why: None,
        again_at: again_at.map(Millis),
        hurdles: vec![],
    })
}

fn evidence() -> Evidence {
    Evidence {
        host: host("compute01"),
        kind: Kind::PoweredOff,
        at: Millis(40),
        source: "fence device pdu".into(),
        raw: "1. bmc: no answer\n2. pdu: was off already, asked twice".into(),
    }
}

fn proven() -> Entry {
    Entry::Fence(FenceEntry::Proven { evidence: evidence() })
}

fn alive() -> Missing {
    let sighting = Sighting { host: host("compute01"), at: Millis(9_000), what: Sign::Heartbeat };
    Missing::SignOfLife { evidence: Kind::MonitorSaid, sighting }
}

const TOO_WEAK: Missing = Missing::TooWeak { have: Kind::MonitorSaid };

/// Nova takes it for up, and heard it at that moment.
fn heard(at: i64) -> ComputeService {
    let heartbeat_at = Some(Millis(at));
    ComputeService { up: true, forced_down: false, heartbeat_at, ..service() }
}

/// What is due of a host that has a ladder.
fn due_now(log: &Log, now: i64, missing: &Missing, service: &ComputeService) -> Vec<String> {
    due_of(log, now, Unproven { missing, service: Some(service), dump: None }, service)
}

fn due_of(log: &Log, now: i64, host: Unproven<'_>, service: &ComputeService) -> Vec<String> {
    let scene = Scene {
        now: Millis(now),
        permit: None,
        unproven: Some(host),
        service: Some(service),
        busy: &BTreeSet::new(),
        room: 1,
        look: false,
    };
    let limits = Limits { fencing: LIMITS, ..Limits::default() };
    due(&log.state, &limits, &scene).iter().map(sentence).collect()
}

fn is_fenced(log: &Log, now: i64, missing: &Missing, service: &ComputeService) -> bool {
    due_now(log, now, missing, service).iter().any(|step| step.starts_with("fence"))
}

#[test]
fn a_reported_host_whose_proof_is_too_weak_is_fenced_once_nova_has_missed_a_heartbeat() {
    let log = claimed();
    let due = |now| due_now(&log, now, &TOO_WEAK, &heard(1_000));
    assert_eq!(due(15_999), ["look at the host"], "it may live, and be heard again");
    assert_eq!(due(16_000), ["look at the host", "fence, 1"]);
    assert!(is_fenced(&log, 16_000, &Missing::NovaStillUp, &heard(1_000)));
    let unheard = ComputeService { heartbeat_at: None, ..heard(0) };
    assert!(is_fenced(&log, 0, &TOO_WEAK, &unheard));
}

#[test]
fn a_host_without_a_ladder_is_only_looked_at() {
    assert_eq!(claimed().due(&At::without_permit(0)), ["look at the host"]);
}

#[test]
fn nobody_is_fenced_of_whom_nobody_said_that_it_is_dead() {
    assert!(!is_fenced(&claimed(), 60_000, &Missing::NoEvidence, &heard(0)));
}

#[test]
fn a_host_that_was_heard_after_the_report_is_fenced_only_when_nova_itself_takes_it_for_down() {
    let log = claimed();
    let down = ComputeService { up: false, ..heard(9_000) };
    assert!(!is_fenced(&log, 60_000, &alive(), &heard(9_000)), "it is plainly alive");
    assert!(is_fenced(&log, 80_000, &alive(), &down));
    // Down by our own order: it may have booted since.
    let forced = ComputeService { forced_down: true, ..down.clone() };
    assert!(!is_fenced(&log, 80_000, &alive(), &forced));
    assert!(is_fenced(&log, 80_000, &TOO_WEAK, &forced));
}

#[test]
fn a_host_that_others_saw_alive_is_left_its_power_whatever_nova_says() {
    let saw = |what| {
        let sighting = Sighting { host: host("compute01"), at: Millis(9_000), what };
        Missing::SignOfLife { evidence: Kind::MonitorSaid, sighting }
    };
    let (log, down) = (claimed(), ComputeService { up: false, ..heard(1_000) });
    let is_fenced = |now, what| is_fenced(&log, now, &saw(what), &down);
    // Who watches the host would say if it were gone.
    assert!(!is_fenced(80_000, Sign::MonitorSaw) && !is_fenced(8_000_000, Sign::MonitorSaw));
    // That a VM answered is soon long ago.
    assert!(!is_fenced(68_999, Sign::GuestAnswers));
    assert!(is_fenced(69_000, Sign::GuestAnswers));
    assert!(is_fenced(30_000, Sign::Heartbeat), "Nova's own is in its word");
}

/// `fence_kdump_send` says it every ten seconds.
#[test]
fn a_host_that_writes_a_crash_dump_is_left_its_power_until_it_is_silent_or_its_time_is_over() {
    let service = ComputeService { heartbeat_at: None, ..heard(0) };
    let due = |now, until| {
        let dump = Some(Dump { heard: Millis(60_000), until: Millis(until) });
        let host = Unproven { missing: &TOO_WEAK, service: Some(&service), dump };
        due_of(&claimed(), now, host, &service)
    };
    assert_eq!(due(60_000, 600_000), ["look at the host"]);
    assert_eq!(due(89_999, 600_000), ["look at the host"]);
    assert_eq!(due(90_000, 600_000), ["look at the host", "fence, 1"], "silent for 30 s");
    assert_eq!(due(69_999, 70_000), ["look at the host"]);
    assert_eq!(due(70_000, 70_000), ["look at the host", "fence, 1"], "its time is over");
}

#[test]
fn a_climb_that_failed_is_tried_again_later_each_time_and_not_for_ever() {
    let mut log = claimed();
    let mut waits = Vec::new();
    for attempt in 1..=3_u32 {
        let now = i64::from(attempt) * 1_000;
        let again = log.state.fencing.again_at(&LIMITS, Millis(now)).map(|at| at.0);
        waits.push(again.map(|at| at - now));
        assert_eq!(log.state.fencing.next_attempt(), attempt);
        log = log.says(now, begun(attempt)).says(now, failed(again));
    }
    assert_eq!(waits, [Some(100), Some(150), None]);
    assert!(!is_fenced(&log, 900_000, &TOO_WEAK, &heard(0)));
    let told = log.state.fencing.told().unwrap();
    let path = "1. bmc (redfish): no answer; 2. pdu: it refuses";
    assert_eq!(told, format!("it could not be fenced: {path}; it is not tried again"));
}

#[test]
fn the_next_climb_waits_for_its_time_and_wakes_the_recovery() {
    let log = claimed().says(20_000, begun(1)).says(20_010, failed(Some(20_110)));
    assert!(!is_fenced(&log, 20_109, &TOO_WEAK, &heard(0)));
    assert_eq!(due_now(&log, 20_110, &TOO_WEAK, &heard(0)), ["look at the host", "fence, 2"]);
    assert_eq!(wake_at(&log.state, &Limits::default()), Some(Millis(20_110)));
}

#[test]
fn a_climb_of_which_nobody_knows_the_end_is_done_anew_under_its_own_number() {
    let log = claimed().says(20_000, begun(1));
    assert_eq!(due_now(&log, 20_001, &TOO_WEAK, &heard(0)), ["look at the host", "fence, 1"]);
    assert!(log.says(20_002, begun(1)).says(20_003, proven()).state.fencing.told().is_none());
}

/// The store does not show it, say, or the host was heard once more.
#[test]
fn a_proof_that_no_permit_follows_is_asked_for_again_later_and_not_for_ever() {
    let mut log = claimed();
    for (begins, waits) in [(20_000, 100), (20_100, 150)] {
        log = log.says(begins, begun(1)).says(begins, proven());
        assert!(!is_fenced(&log, begins + waits - 1, &TOO_WEAK, &heard(0)), "after {begins}");
        assert!(is_fenced(&log, begins + waits, &TOO_WEAK, &heard(0)), "after {begins}");
    }
    let log = log.says(20_250, begun(3)).says(20_250, proven());
    assert!(!is_fenced(&log, 900_000, &TOO_WEAK, &heard(0)));
    let certificate = Entry::Proven { kind: Kind::PoweredOff, at: Millis(1), evidence: vec![] };
    let log = log.says(900_001, certificate);
    assert!(is_fenced(&log, 900_002, &TOO_WEAK, &heard(0)), "it came back, and died again");
}

#[test]
fn a_climb_that_was_not_begun_does_not_end() {
    assert!(claimed().try_to_say(1, proven()).is_err());
    assert!(claimed().try_to_say(1, failed(None)).is_err());
    let ended = claimed().says(1, begun(1)).says(2, failed(Some(3)));
    assert!(ended.clone().try_to_say(3, proven()).is_err());
}

#[test]
fn a_recovery_that_is_cancelled_fences_nobody() {
    let word = HandEntry::Cancelled { request: "r".into(), by: "operator".into(), why: None };
    let log = claimed().says(1, Entry::Hand(word));
    assert!(!is_fenced(&log, 60_000, &TOO_WEAK, &heard(0)));
}

#[test]
fn a_retry_fences_from_the_beginning() {
    let word = HandEntry::Retried { request: "r".into(), by: "operator".into(), why: None };
    let end = Entry::Ended { status: NotificationStatus::Failed, message: None };
    let log = claimed().says(1, begun(1)).says(2, failed(None)).says(3, end);
    let again = log.says(4, Entry::Hand(word));
    assert_eq!(due_now(&again, 60_000, &TOO_WEAK, &heard(0)), ["look at the host", "fence, 1"]);
}

#[test]
fn what_needs_no_permit_needs_no_fencing() {
    let permit = permitted_by(Kind::PoweredOff);
    let moving = Log::asked(0);
    assert!(!is_fenced(&moving, 60_000, &TOO_WEAK, &heard(0)));
    let waits = Log::planned(&[planned("a")]);
    assert!(is_fenced(&waits, 60_000, &TOO_WEAK, &heard(0)));
    assert_eq!(waits.due(&At::with(&permit, 60_000)), ["force down"]);
}

#[test]
fn the_proof_becomes_evidence_in_the_transaction_of_its_line() {
    let before = claimed().says(1, begun(1));
    let after = before.clone().says(2, proven());
    let new = &after.lines[before.lines.len()..];
    let of = recovery::state::Subject::unknown(&recovery::NotificationId::new("n"));
    let summaries = after.state.summaries(&before.state, new, &of);
    assert_eq!(summaries, [Summary::Evidence(Box::new(evidence()))]);
    assert_eq!(State::fold(&after.lines).unwrap(), after.state);
}

#[test]
fn the_details_tell_the_climb_what_it_came_to_and_who_proved_it() {
    let log = claimed().says(1_000, begun(1)).says(2_000, failed(Some(17_000)));
    let log = log.says(17_000, begun(2)).says(18_000, proven());
    let shown = details::details(&log.lines, &host("compute01"));
    let texts: Vec<&str> = shown[0].messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(
        texts[1..],
        [
            "Fencing host 'compute01' (attempt 1): bmc (redfish), pdu",
            "Host 'compute01' could not be fenced; tried again in 15 s",
            "Fencing host 'compute01' (attempt 2): bmc (redfish), pdu",
            "Fenced host 'compute01': powered_off, fence device pdu: 1. bmc: no answer; 2. pdu: was off \
             already, asked twice",
        ]
    );
}

#[test]
fn a_log_with_fencing_reads_back_as_it_was_written() {
    for entry in [begun(1), failed(Some(3)), failed(None), proven()] {
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
    }
}
