//! Servers that may be what kills their hosts.

use crate::words::{At, Log, Seen, host, id, permitted_by, planned, shown, words};
use recovery::{
    HostId, Millis, NotificationId,
    details::details,
    evidence::Kind,
    hand::HandEntry,
    log::{Entry, Planned, Summary},
    nouns::{NotificationStatus, VMoveStatus},
    quarantine::{Death, Rule},
    seen::{Task, VmState},
    state::{State, Subject},
};

fn death(server: &str, on: &str, at: i64, moved: bool) -> Death {
    Death { server: id(server), host: host(on), at: Millis(at), moved }
}

fn judged(rule: Rule, earlier: &[Death]) -> Option<String> {
    rule.judge(&id("a"), earlier, &host("h3"), &NotificationId::new("report"))
}

#[test]
fn a_server_under_which_several_hosts_died_is_quarantined_and_they_are_named() {
    let earlier = [death("a", "h2", 20, true), death("a", "h1", 10, true)];
    assert_eq!(
        judged(Rule::default(), &earlier).unwrap(),
        "was on 3 hosts that died within 60 min: h1, h2, h3; quarantined; \
         `masakari retry report` moves it"
    );
    let rule = Rule { deaths: 3, window_ms: 90_000 };
    assert!(judged(rule, &earlier).unwrap().contains("within 90 s"));
    assert_eq!(judged(Rule { deaths: 4, ..rule }, &earlier), None);
    assert_eq!(judged(Rule { deaths: 0, ..rule }, &earlier), None, "0 is any number");
    assert!(judged(Rule { deaths: 1, ..rule }, &[]).unwrap().starts_with("was on 1 host that"));
}

#[test]
fn only_its_own_deaths_count_and_each_once() {
    let others = [death("b", "h1", 10, true), death("b", "h2", 20, true)];
    assert_eq!(judged(Rule::default(), &others), None);
    // Reported twice, and never moved from there in between.
    let twice = [death("a", "h1", 10, false), death("a", "h1", 20, true)];
    assert_eq!(judged(Rule::default(), &twice), None);
    let again = [death("a", "h2", 10, true), death("a", "h3", 20, false)];
    assert_eq!(judged(Rule::default(), &again), None, "it was on h3 all the while");
    // Moved away and back again.
    let back = [death("a", "h3", 10, true), death("a", "h2", 20, true)];
    assert!(judged(Rule::default(), &back).unwrap().contains("h3, h2, h3"));
}

#[test]
fn the_window_begins_so_long_before_now() {
    assert_eq!(Rule::default().since(Millis(5_000_000)), Millis(1_400_000));
}

const WHY: &str = "was on 3 hosts that died within 60 min: h1, h2, dead";

fn with_a_quarantined_one() -> Log {
    let bad = Planned { quarantine: Some(WHY.into()), ..planned("a") };
    Log::planned(&[bad, planned("b")])
}

#[test]
fn a_quarantined_server_fails_at_once_and_the_others_move() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = with_a_quarantined_one();
    assert_eq!(log.due(&At::with(&permit, 1)), ["evacuate b"]);
    let (before, last) = log.lines.split_at(log.lines.len() - 1);
    let subject = Subject {
        notification: NotificationId::new("report"),
        host_id: HostId::new("id-dead"),
        host: host("dead"),
    };
    let rows = log.state.summaries(&State::fold(before).unwrap(), last, &subject);
    let row = rows.into_iter().find_map(|s| match s {
        Summary::VMove(row) if row.server == id("a") => Some(row),
        _ => None,
    });
    let row = row.unwrap();
    assert_eq!((row.status, row.message.as_deref()), (VMoveStatus::Failed, Some(WHY)));
    assert_eq!((row.started_at, row.ended_at), (None, Some(Millis(0))));
}

#[test]
fn a_persons_retry_moves_it_all_the_same() {
    let permit = permitted_by(Kind::MonitorSaid);
    let status = NotificationStatus::Failed;
    let word = HandEntry::Retried { request: "r".into(), by: "eva".into(), why: None };
    let log = with_a_quarantined_one()
        .moves(1, "b")
        .says(2, Entry::Confirmed { on_host: 1 })
        .says(3, Entry::Ended { status, message: None })
        .says(4, Entry::Hand(word))
        .says(5, Entry::Disabled)
        .plans(6, &[]);
    let seen = Seen::whole(7, vec![shown("a", "dead", VmState::Active, Task::None)]);
    let entries = log.looks(8, &seen);
    assert_eq!(words(&entries), ["not moved a, at 5008"]);
    let log = log.all(entries, 8);
    assert_eq!(log.due(&At::with(&permit, 5_008)), ["evacuate a"]);
    assert_eq!(log.state.moves[&id("a")].planned.quarantine, None);
}

#[test]
fn the_recovery_fails_and_the_details_name_the_server() {
    let log = with_a_quarantined_one().moves(1, "b").says(2, Entry::Confirmed { on_host: 1 });
    let verdict = log.due(&At::without_permit(3));
    assert_eq!(verdict, ["note ended failed"]);
    let ended = Entry::Ended {
        status: NotificationStatus::Failed,
        message: Some("1 of 2 servers were not recovered".into()),
    };
    let tasks = details(&log.says(3, ended).lines, &host("dead"));
    let messages: Vec<&str> =
        tasks.iter().flat_map(|task| &task.messages).map(|m| m.text.as_str()).collect();
    let named = format!("Instance 'a' is not evacuated: {WHY}");
    assert!(messages.contains(&named.as_str()), "{messages:?}");
    assert!(messages.contains(&"Instances to be evacuated are: 'b'"), "{messages:?}");
}
