//! Planned stops: what they hold, until when, and what is no loss meanwhile.

use crate::words::{Log, host};
use recovery::{
    Millis, NotificationId, SegmentId, ServiceId,
    details::details,
    due::{Limits, Scene, Step, due},
    explain::{Case, Cause as Explained, NotBegun, explain},
    guard::{self, Cause, GuardEntry, Loss, Of, Record, Rules, Size},
    hand::HandEntry,
    log::{Entry, Summary},
    nouns::{NotificationStatus, NotificationType},
    permit::SKEW_MS,
    seen::ComputeService,
    stops::{Kind, LONGEST_MS, Stop, Verdict, judge, of, span_ms},
};
use std::collections::BTreeSet;

const REPORTED: Millis = Millis(1_000_000);
const HOUR: i64 = 3_600_000;

fn stop(name: &str) -> Stop {
    Stop {
        id: "s1".into(),
        host: host(name),
        kind: Kind::Maintenance,
        by: "ann (a1)".into(),
        why: Some("new RAM".into()),
        at: REPORTED.plus(-60_000),
        until: REPORTED.plus(HOUR),
    }
}

fn service(name: &str, up: bool, heartbeat_at: Millis) -> ComputeService {
    ComputeService {
        id: ServiceId::new("1"),
        host: host(name),
        enabled: true,
        disabled_reason: None,
        up,
        forced_down: false,
        heartbeat_at: Some(heartbeat_at),
    }
}

fn dead() -> ComputeService {
    service("one", false, REPORTED.plus(-20_000))
}

/// A recovery that a planned stop holds.
fn held() -> Log {
    let hold = stop("one").hold();
    let entry = Log::default().state.held_by(&hold, Millis(0)).unwrap();
    Log::default().says(0, claimed()).says(1, entry)
}

fn claimed() -> Entry {
    Entry::Claimed { owner: "engine".into(), generation: 1 }
}

fn passed() -> Entry {
    Entry::Guard(GuardEntry::Passed { beat: Some(3) })
}

#[test]
fn while_it_stands_nothing_begins_and_it_says_how_long() {
    let (stop, state) = (stop("one"), Log::default().state);
    let now = REPORTED.plus(5_000);
    let Verdict::Held(hold) = judge(&state, Some(&stop), Some(&dead()), REPORTED, now) else {
        panic!()
    };
    assert_eq!((hold.cause, hold.until), (Cause::PlannedStop, Some(stop.until)));
    assert_eq!(
        hold.why,
        "a planned stop of host one, maintenance by ann (a1): new RAM; if it is still away at 1970-01-01T01:16:40Z it is \
         recovered, or now by `masakari recover one`"
    );
}

#[test]
fn when_it_is_over_the_host_that_is_still_away_is_a_failure_again() {
    let late = REPORTED.plus(2 * HOUR);
    assert_eq!(judge(&held().state, None, Some(&dead()), REPORTED, late), Verdict::Nothing);
    assert!(!stop("one").stands(stop("one").until), "it ends to the millisecond");
    assert!(stop("one").stands(stop("one").until.plus(-1)));
}

#[test]
fn a_host_that_is_back_needs_nothing_whether_the_stop_stands_or_not() {
    let now = REPORTED.plus(400_000);
    let back = service("one", true, now.plus(-5_000));
    for stop in [Some(stop("one")), None] {
        let verdict = judge(&held().state, stop.as_ref(), Some(&back), REPORTED, now);
        assert!(matches!(verdict, Verdict::Back(_)), "{verdict:?}");
    }
}

#[test]
fn a_host_is_not_back_for_a_heartbeat_of_before_or_just_now_or_a_write_of_ours() {
    let now = REPORTED.plus(400_000);
    let stands = |service: &ComputeService, now| {
        let verdict = judge(&held().state, Some(&stop("one")), Some(service), REPORTED, now);
        matches!(verdict, Verdict::Held(_))
    };
    assert!(stands(&service("one", true, REPORTED), now), "nothing newer than the report");
    assert!(stands(&service("one", false, now), now), "Nova calls it down");
    let clocks = REPORTED.plus(SKEW_MS);
    assert!(stands(&service("one", true, clocks), now), "two clocks do not agree to the second");
    let soon = REPORTED.plus(200_000);
    assert!(stands(&service("one", true, soon), soon), "a monitor may say it once more");
    let forced = ComputeService { forced_down: true, ..service("one", true, now) };
    assert!(stands(&forced, now));
}

/// Its servers are still on it.
#[test]
fn a_host_that_is_drained_is_a_failure_like_any_other_while_servers_are_on_it() {
    for cold in [false, true] {
        let drain = Stop { kind: Kind::Drain { cold }, ..stop("one") };
        assert_eq!(of(&[drain], &host("one"), REPORTED), None);
    }
    let stops = [stop("one")];
    assert_eq!(of(&stops, &host("one"), REPORTED), stops.first());
}

#[test]
fn what_no_stop_has_held_is_not_ended_by_a_heartbeat() {
    let now = REPORTED.plus(400_000);
    let state = Log::default().says(0, claimed()).state;
    let back = service("one", true, now);
    assert_eq!(judge(&state, None, Some(&back), REPORTED, now), Verdict::Nothing);
}

#[test]
fn what_has_begun_or_is_approved_goes_on() {
    let begun = Log::default().says(0, claimed()).says(1, passed()).state;
    let word = HandEntry::Approved { request: "r".into(), by: "bob".into(), why: None };
    let approved = held().says(2, Entry::Hand(word)).state;
    for state in [begun, approved] {
        let verdict = judge(&state, Some(&stop("one")), Some(&dead()), REPORTED, REPORTED);
        assert_eq!(verdict, Verdict::Nothing);
    }
}

#[test]
fn the_line_reads_back_and_holds_without_making_its_segment_in_use() {
    let log = held();
    let line = serde_json::to_string(&log.lines[1].entry).unwrap();
    assert!(line.contains(r#""what":"stopped""#) && line.contains(r#""until":4600000"#), "{line}");
    assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), log.lines[1].entry);
    assert_eq!(log.state.status(), NotificationStatus::New);
    assert!(!log.state.has_passed());
    assert!(log.state.held_by(&stop("one").hold(), Millis(2)).is_none(), "it is told once");
    let passed = log.says(3, passed());
    assert!(passed.state.has_passed() && passed.state.guard.held.is_none());
}

#[test]
fn what_it_holds_is_not_too_old_before_its_end() {
    let limits = Limits { expiry_ms: 900_000, ..Limits::default() };
    let ends = |now: Millis| {
        let busy = BTreeSet::new();
        let scene = Scene {
            now,
            permit: None,
            unproven: None,
            service: None,
            busy: &busy,
            room: 0,
            look: false,
        };
        let steps = due(&held().state, &limits, &scene);
        steps.iter().any(|step| matches!(step, Step::Note(Entry::Ended { .. })))
    };
    assert!(!ends(stop("one").until.plus(899_999)));
    assert!(ends(stop("one").until.plus(900_000)), "it does not wait for ever");
}

#[test]
fn who_is_away_as_planned_is_no_loss_and_not_silent() {
    let hosts: Vec<String> = (0..20).map(|n| format!("host{n:02}")).collect();
    let loss = |name: &String| Loss {
        notification: NotificationId::new(format!("report-{name}")),
        host: host(name),
        segment: SegmentId::new("s"),
        reported: REPORTED,
        passed: None,
        open: true,
    };
    let now = REPORTED.plus(60_000);
    let services: Vec<ComputeService> = hosts
        .iter()
        .enumerate()
        .map(|(n, name)| match n < 12 {
            true => service(name, false, REPORTED.plus(-20_000)),
            false => service(name, true, now),
        })
        .collect();
    let size = Size { segment: SegmentId::new("s"), name: "rack1".into(), hosts: 20 };
    let mut record = Record {
        losses: hosts[..12].iter().map(loss).collect(),
        segments: vec![size],
        stops: hosts[1..12].iter().map(|name| stop(name)).collect(),
        ..Record::default()
    };
    let verdict = |record: &Record, n: usize, now| {
        let (id, of) = (NotificationId::new(format!("report-{}", hosts[n])), host(&hosts[n]));
        let (notification, host, segment) = (&id, &of, &SegmentId::new("s"));
        let (held, storm_ago_ms) = (None, None);
        let of = Of { notification, host, segment, held, storm_ago_ms, untold: 0, now };
        guard::judge(&Rules::default(), record, Ok(&services), of).map_err(|hold| hold.cause)
    };
    assert_eq!(verdict(&record, 0, now), Ok(()), "eleven others are away as planned");
    assert_eq!(verdict(&record, 1, now), Err(Cause::PlannedStop), "one of these");
    assert_eq!(
        guard::judge(
            &Rules::OFF,
            &record,
            Err("not asked"),
            Of {
                notification: &NotificationId::new("n"),
                host: &host(&hosts[1]),
                segment: &SegmentId::new("s"),
                held: None,
                storm_ago_ms: None,
                untold: 0,
                now,
            },
        )
        .map_err(|hold| hold.cause),
        Err(Cause::PlannedStop),
        "without a guard, too"
    );
    record.stops.clear();
    assert_eq!(verdict(&record, 0, now), Err(Cause::Silence), "without the plan it is a storm");
}

#[test]
fn the_details_and_the_explanation_say_it() {
    let log = held();
    let tasks = details(&log.lines, &host("one"));
    let told = tasks.last().unwrap().messages.last().unwrap();
    assert!(
        told.text.starts_with("Held: a planned stop of host one, maintenance by ann"),
        "{told:?}"
    );
    let id = NotificationId::new("n1");
    let mut case = Case {
        notification: &id,
        kind: NotificationType::ComputeHost,
        status: NotificationStatus::New,
        message: None,
        host: &host("one"),
        on_maintenance: false,
        lines: &log.lines,
    };
    let finding = explain(&case).findings.remove(0);
    assert_eq!(finding.cause, Explained::Guard { by: Cause::PlannedStop });
    assert_eq!(finding.next, ["masakari host status one", "masakari recover one"]);
    let now = REPORTED.plus(400_000);
    let back = service("one", true, now);
    let Verdict::Back(message) = judge(&log.state, None, Some(&back), REPORTED, now) else {
        panic!()
    };
    let status = NotificationStatus::Ignored;
    let over = held().says(2, Entry::Ended { status, message: Some(message.clone()) });
    (case.lines, case.status, case.message) = (&over.lines, status, Some(message.as_str()));
    let finding = explain(&case).findings.remove(0);
    assert_eq!(finding.cause, Explained::NotBegun { why: NotBegun::AsPlanned });
    assert_eq!(finding.next, [""; 0]);
}

/// A storm that was seen before it is one that is over for this recovery.
#[test]
fn a_storm_before_the_stop_is_told_on() {
    let storm = GuardEntry::Held { cause: Cause::Cloud, why: "many".into() };
    let before = Log::default().says(0, claimed()).says(1, Entry::Guard(storm)).state;
    let entry = before.held_by(&stop("one").hold(), Millis(2)).unwrap();
    let log = Log { lines: Vec::new(), state: before.clone() }.says(2, entry);
    let subject = recovery::state::Subject {
        notification: NotificationId::new("n1"),
        host_id: recovery::HostId::new("h1"),
        host: host("one"),
    };
    let told = log.state.summaries(&before, &log.lines, &subject);
    assert!(told.contains(&Summary::Storm), "{told:?}");
}

#[test]
fn a_time_is_a_number_and_a_unit_and_bounded() {
    assert_eq!(span_ms("90s"), Ok(90_000));
    assert_eq!(span_ms(" 30m "), Ok(1_800_000));
    assert_eq!(span_ms("2h"), Ok(7_200_000));
    assert_eq!(span_ms("7d"), Ok(LONGEST_MS));
    for wrong in
        ["", "2", "h", "-2h", "+2h ", "2 h", "1.5h", "2w", "2é", "99999999999h", "8d", "0s"]
    {
        assert!(span_ms(wrong).is_err(), "{wrong}");
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
        assert!(kind.usual_ms() <= LONGEST_MS);
    }
    assert_eq!(Kind::from_word("flood"), None);
}
