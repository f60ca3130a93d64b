//! The certificates of a recovery, as its log tells them.

use crate::words::{Log, host};
use recovery::{
    Millis, NotificationId,
    certificate::{Certificates, Of, Standing},
    details,
    evidence::{Evidence, Kind, Sighting, Sign},
    fencing::FenceEntry,
    hand::HandEntry,
    log::Entry,
    nouns::{NotificationStatus, NotificationType},
};

const AT: i64 = 1_795_240_800_000;

fn of<'a>(
    id: &'a NotificationId,
    host: &'a recovery::HostName,
    status: NotificationStatus,
) -> Of<'a> {
    Of { notification: id, kind: NotificationType::ComputeHost, status, host }
}

fn read(log: &Log, status: NotificationStatus) -> Certificates {
    Certificates::read(of(&NotificationId::new("n1"), &host("dead"), status), &log.lines)
}

fn claimed(owner: &str, generation: u64) -> Entry {
    Entry::Claimed { owner: owner.into(), generation }
}

fn evidence(kind: Kind, at: i64, source: &str, raw: &str) -> Evidence {
    let (source, raw) = (source.into(), raw.into());
    Evidence { host: host("dead"), kind, at: Millis(at), source, raw }
}

fn report() -> Evidence {
    evidence(Kind::MonitorSaid, AT - 2_000, "monitor report r1", "{\"event\":\"STOPPED\"}")
}

fn off() -> Evidence {
    let raw = "1. bmc (redfish): no answer: timed out\n2. pdu (agent): off, asked again after it was ordered";
    evidence(Kind::PoweredOff, AT + 900, "fence device pdu (agent)", raw)
}

fn by(kind: Kind, at: i64, evidence: Vec<Evidence>) -> Entry {
    Entry::Proven { kind, at: Millis(at), evidence }
}

fn fenced() -> Log {
    let rungs = vec!["bmc (redfish)".into(), "pdu (agent)".into()];
    Log::default()
        .says(AT, claimed("node1:00c0ffee", 7))
        .says(AT + 500, Entry::Fence(FenceEntry::Begun { attempt: 1, rungs }))
        .says(AT + 1_000, Entry::Fence(FenceEntry::Proven { evidence: off() }))
        .says(AT + 1_250, by(Kind::PoweredOff, AT + 900, vec![report(), off()]))
}

fn held(why: &str, sighting: Option<Sighting>) -> Entry {
    Entry::Held { why: why.into(), sighting, lack: None }
}

#[test]
fn a_certificate_is_read_at_night() {
    let seen = Sighting { host: host("dead"), at: Millis(AT + 60_000), what: Sign::Heartbeat };
    let log = fenced()
        .says(AT + 61_000, held("host 'dead': it shows a sign of life", Some(seen)))
        .says(AT + 62_000, claimed("node2:0badcafe", 8))
        .says(
            AT + 90_000,
            by(
                Kind::OperatorConfirmed,
                AT + 89_000,
                vec![
                    report(),
                    off(),
                    evidence(
                        Kind::OperatorConfirmed,
                        AT + 89_000,
                        "ann (u1)",
                        "plug\x1b[2J pulled",
                    ),
                ],
            ),
        );
    let text = "\
host dead, notification n1 (running)

certificate 1 of 2: VOID since 2026-11-21T06:01:01.000Z
  sign of life: its nova-compute reported to Nova, at 2026-11-21T06:01:00.000Z
  void because: host 'dead': it shows a sign of life
  judged dead: 2026-11-21T06:00:01.250Z, by engine node1:00c0ffee (lease generation 7, log line 4)
  proof: powered_off, true at 2026-11-21T06:00:00.900Z
  evidence (* decides):
     monitor_said at 2026-11-21T05:59:58.000Z, by monitor report r1
        {\"event\":\"STOPPED\"}
   * powered_off at 2026-11-21T06:00:00.900Z, by fence device pdu (agent)
        1. bmc (redfish): no answer: timed out
        2. pdu (agent): off, asked again after it was ordered
  climbs of the ladder before:
    attempt 1, 2026-11-21T06:00:00.500Z to 2026-11-21T06:00:01.000Z: proved it
        1. bmc (redfish): no answer: timed out
        2. pdu (agent): off, asked again after it was ordered

certificate 2 of 2: IN FORCE
  judged dead: 2026-11-21T06:01:30.000Z, by engine node2:0badcafe (lease generation 8, log line 7)
  proof: operator_confirmed, true at 2026-11-21T06:01:29.000Z
  evidence (* decides):
     monitor_said at 2026-11-21T05:59:58.000Z, by monitor report r1
        {\"event\":\"STOPPED\"}
     powered_off at 2026-11-21T06:00:00.900Z, by fence device pdu (agent)
        1. bmc (redfish): no answer: timed out
        2. pdu (agent): off, asked again after it was ordered
   * operator_confirmed at 2026-11-21T06:01:29.000Z, by ann (u1)
        plug\u{fffd}[2J pulled
";
    assert_eq!(read(&log, NotificationStatus::Running).to_string(), text);
}

#[test]
fn only_the_last_can_be_in_force() {
    let standings = |log: &Log| {
        let all = read(log, NotificationStatus::Running).certificates;
        all.into_iter().map(|c| c.standing).collect::<Vec<_>>()
    };
    let word = by(Kind::MonitorSaid, AT - 2_000, vec![report()]);
    let stronger = fenced().says(AT + 5_000, word.clone());
    assert_eq!(
        standings(&stronger),
        [Standing::Replaced { at: Millis(AT + 5_000) }, Standing::InForce]
    );
    let retried = HandEntry::Retried { request: "q".into(), by: "ann".into(), why: None };
    let again = fenced()
        .says(AT + 6_000, Entry::Ended { status: NotificationStatus::Failed, message: None })
        .says(AT + 7_000, Entry::Hand(retried));
    assert_eq!(standings(&again), [Standing::TriedAgain { at: Millis(AT + 7_000) }]);
    assert!(read(&again, NotificationStatus::New).in_force().is_none());
    // One that is void stays as it was voided.
    let void = fenced().says(AT + 8_000, held("it lives", None)).says(AT + 9_000, word);
    let first = Standing::Voided { at: Millis(AT + 8_000), why: "it lives".into(), sighting: None };
    assert_eq!(standings(&void), [first, Standing::InForce]);
}

#[test]
fn a_recovery_that_ended_keeps_its_certificate() {
    let ended = Entry::Ended { status: NotificationStatus::Finished, message: None };
    let all = read(&fenced().says(AT + 9_000, ended), NotificationStatus::Finished);
    assert!(all.in_force().is_some() && all.missing.is_none());
    assert!(all.to_string().contains("certificate 1 of 1: in force when the recovery ended\n"));
}

#[test]
fn where_there_is_none_it_is_said_what_is_missing() {
    use NotificationStatus::{Failed, Ignored, New};
    let said = |log: &Log, status| read(log, status).missing.unwrap();
    assert_eq!(said(&Log::default(), New), "no engine has taken the report up yet");
    assert_eq!(said(&Log::default(), Failed), "there is no log of this recovery: it was not ours");
    let begun = Log::default().says(AT, claimed("e", 1));
    assert_eq!(said(&begun, New), "the host is not judged yet; its details tell how far it is");
    let why = "host 'dead': nothing says that it is dead";
    let log = Log::default().says(AT, claimed("e", 1)).says(AT, held(why, None));
    assert_eq!(said(&log, New), why);
    let message = Some("the segment 's' is disabled".to_owned());
    let log = begun.says(AT, Entry::Ended { status: Ignored, message });
    assert_eq!(said(&log, Ignored), "the recovery ended without one: the segment 's' is disabled");
    let (id, host) = (NotificationId::new("n1"), host("dead"));
    let of = Of { kind: NotificationType::Vm, ..of(&id, &host, New) };
    let vm = Certificates::read(of, &[]).missing.unwrap();
    assert_eq!(vm, "no host is judged dead for a report of the type VM");
}

#[test]
fn a_climb_that_proved_nothing_is_shown_where_there_is_no_certificate() {
    let path = vec!["bmc (redfish): it does not take our credentials: 401".into()];
    let failed = FenceEntry::Failed { path, why: None, again_at: None, hurdles: vec![] };
    let rungs = vec!["bmc (redfish)".into()];
    let log = Log::default()
        .says(AT, claimed("e", 1))
        .says(AT, Entry::Fence(FenceEntry::Begun { attempt: 1, rungs }))
        .says(AT + 3_000, Entry::Fence(failed))
        .says(AT + 3_000, held("it could not be fenced", None));
    let text = read(&log, NotificationStatus::New).to_string();
    assert_eq!(
        text,
        "host dead, notification n1 (new)\n\nno certificate is in force: it could not be fenced\n\
         climbs of the ladder since:\n    attempt 1, 2026-11-21T06:00:00.000Z to 2026-11-21T06:00:03.000Z: \
         proved nothing\n        bmc (redfish): it does not take our credentials: 401\n"
    );
}

#[test]
fn machines_get_the_same_with_moments_as_text() {
    let json = serde_json::to_value(read(&fenced(), NotificationStatus::Running)).unwrap();
    let first = &json["certificates"][0];
    assert_eq!(first["judged_at"], "2026-11-21T06:00:01.250Z");
    assert_eq!(first["standing"], serde_json::json!({"state": "in_force"}));
    assert_eq!(first["evidence"][1]["decides"], true);
    assert_eq!(first["evidence"][0]["decides"], false);
    assert_eq!(json["missing"], serde_json::Value::Null);
}

/// Not the newest thing that was said: a monitor may say it again after the device.
#[test]
fn the_details_name_who_decided() {
    let later = evidence(Kind::MonitorSaid, AT + 1_100, "monitor report r2", "");
    let log = Log::default()
        .says(AT, claimed("e", 1))
        .says(AT + 1_250, by(Kind::PoweredOff, AT + 900, vec![report(), off(), later]));
    let tasks = details::details(&log.lines, &host("dead"));
    let said = "Host 'dead' is proven dead: powered_off, fence device pdu (agent)";
    assert_eq!(tasks[0].messages[1].text, said);
}
