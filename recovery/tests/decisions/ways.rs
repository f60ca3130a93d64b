//! Recovery methods: who is sent where, and what becomes of reserved hosts.

use crate::words::{At, Log, host, id, not_moved, permitted_by, planned, proven, service};
use recovery::{
    HostId, HostName, Millis,
    evidence::Kind,
    log::{Aftermath, Entry, Summary},
    nouns::RecoveryMethod,
    plan,
    seen::{Evacuation, EvacuationStatus, Power, Server, Task, VmState},
    state::{State, Subject},
    way::{Reserve, Way, WayEntry, Ways},
};
use std::collections::BTreeMap;

fn by(method: RecoveryMethod) -> Log {
    Log::default()
        .says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
        .turns(0, WayEntry::Method { method })
        .says(0, proven())
        .says(0, Entry::Disabled)
        .plans(0, &[planned("a"), planned("b")])
}

fn reserve(name: &str) -> Reserve {
    Reserve {
        host: host(name),
        host_id: HostId::new(format!("id-{name}")),
        service: service().id,
        enable: true,
        disabled_reason: None,
        aggregates: Vec::new(),
    }
}

impl Log {
    fn turns(self, at: i64, entry: WayEntry) -> Self {
        self.says(at, Entry::Way(entry))
    }

    fn takes(self, at: i64, name: &str) -> Self {
        self.turns(at, WayEntry::Taken { reserve: reserve(name) })
    }

    fn readies(self, at: i64, name: &str) -> Self {
        self.takes(at, name).turns(at, WayEntry::Ready { host: host(name) })
    }

    fn leaves(self, at: i64, name: &str, used: bool) -> Self {
        self.turns(at, WayEntry::Left { host: host(name), used })
    }

    fn over(self, at: i64) -> Self {
        self.turns(at, WayEntry::Over { why: "none is left".into() })
    }

    fn refuses(&self, entry: WayEntry) -> bool {
        self.clone().try_to_say(99, Entry::Way(entry)).is_err()
    }
}

#[test]
fn a_reserved_host_is_taken_and_made_ready_before_anything_is_sent_to_it() {
    let permit = permitted_by(Kind::MonitorSaid);
    for method in [RecoveryMethod::ReservedHost, RecoveryMethod::RhPriority] {
        let log = by(method);
        assert_eq!(log.due(&At::with(&permit, 1)), ["take a reserved host"]);
        let taken = log.takes(1, "spare");
        assert_eq!(taken.due(&At::with(&permit, 1)), ["make spare ready"]);
        let ready = taken.turns(2, WayEntry::Ready { host: host("spare") });
        let wanted = ["evacuate a to spare", "evacuate b to spare"];
        assert_eq!(ready.due(&At::with(&permit, 2)), wanted);
    }
}

#[test]
fn nothing_is_done_to_a_reserved_host_without_a_permit() {
    let log = by(RecoveryMethod::ReservedHost);
    assert_eq!(log.due(&At::without_permit(1)), ["look at the host"]);
    assert_eq!(log.takes(1, "spare").due(&At::without_permit(1)), ["look at the host"]);
}

#[test]
fn what_was_not_used_is_handed_back_whether_there_is_a_permit_or_not() {
    let log = by(RecoveryMethod::RhPriority).takes(1, "spare").leaves(2, "spare", false);
    assert_eq!(log.due(&At::without_permit(2)), ["hand spare back", "look at the host"]);
    let back = log.turns(3, WayEntry::HandedBack { host: host("spare") });
    assert_eq!(back.due(&At::without_permit(3)), ["look at the host"]);
}

#[test]
fn without_a_reserved_host_the_servers_go_by_the_next_way_or_are_told_why_not() {
    let permit = permitted_by(Kind::MonitorSaid);
    let next = by(RecoveryMethod::RhPriority).over(1);
    assert_eq!(next.due(&At::with(&permit, 1)), ["evacuate a", "evacuate b"]);
    let none = by(RecoveryMethod::ReservedHost).over(1);
    let wanted = ["note not moved a, no more", "note not moved b, no more"];
    assert_eq!(none.due(&At::with(&permit, 1)), wanted);
}

#[test]
fn a_recovery_does_not_end_before_its_reserved_host_is_kept_or_handed_back() {
    let moved = by(RecoveryMethod::ReservedHost).readies(1, "spare").moves(2, "a").moves(2, "b");
    let confirmed = moved.says(3, Entry::Confirmed { on_host: 0 });
    assert_eq!(confirmed.due(&At::without_permit(3)), ["note way"]);
    let left = confirmed.clone().leaves(3, "spare", false);
    assert_eq!(left.due(&At::without_permit(3)), ["hand spare back"]);
    let kept = confirmed.leaves(3, "spare", true);
    assert_eq!(kept.due(&At::without_permit(3)), ["note ended finished"]);
}

#[test]
fn a_reserved_host_is_taken_once_and_one_at_a_time() {
    let log = by(RecoveryMethod::ReservedHost).takes(1, "spare");
    assert!(log.refuses(WayEntry::Taken { reserve: reserve("other") }), "beside another");
    assert!(log.refuses(WayEntry::HandedBack { host: host("spare") }), "it is still ours");
    let left = log.leaves(2, "spare", true);
    assert!(left.refuses(WayEntry::Taken { reserve: reserve("spare") }), "a second time");
    assert!(left.refuses(WayEntry::HandedBack { host: host("spare") }), "it was used");
    assert!(!left.refuses(WayEntry::Taken { reserve: reserve("other") }));
}

#[test]
fn masakaris_hosts_show_who_is_reserved() {
    let before = by(RecoveryMethod::RhPriority);
    let after = before.clone().takes(1, "spare").leaves(2, "spare", false);
    let after = after.turns(3, WayEntry::HandedBack { host: host("spare") });
    let lines = &after.lines[before.lines.len()..];
    let summaries = after.state.summaries(&before.state, lines, &subject());
    let spare = HostId::new("id-spare");
    assert_eq!(summaries, [Summary::Taken(spare.clone()), Summary::HandedBack(spare)]);
}

fn subject() -> Subject {
    Subject::unknown(&recovery::NotificationId::new("report"))
}

#[test]
fn a_host_is_used_when_something_of_ours_landed_on_it_or_still_may() {
    let log = by(RecoveryMethod::ReservedHost);
    let record = |server: &str, dest: &str, status| Evacuation {
        id: 7,
        server: id(server),
        source: host("dead"),
        dest: Some(host(dest)),
        status,
        created: None,
    };
    let used = |state: &State, e| Ways::used(&host("spare"), &state.moves, &[e]);
    assert!(used(&log.state, record("a", "spare", EvacuationStatus::Done)));
    assert!(used(&log.state, record("a", "spare", EvacuationStatus::Running)));
    assert!(!used(&log.state, record("a", "spare", EvacuationStatus::Failed)));
    assert!(!used(&log.state, record("a", "other", EvacuationStatus::Done)));
    assert!(!used(&log.state, record("stranger", "spare", EvacuationStatus::Done)));
}

#[test]
fn what_was_left_behind_is_planned_again_as_it_was_found_first() {
    let in_nova = Server {
        id: id("a"),
        name: "vm-a".into(),
        host: Some(host("dead")),
        vm_state: VmState::Error,
        task: Task::None,
        power: Power::Other,
        locked: false,
        metadata: BTreeMap::new(),
        hints: recovery::seen::Hints::default(),
    };
    let first = planned("a");
    let again = plan::again(&[(&in_nova, &first)], &[], || recovery::VMoveId::new("second"));
    let [again] = again.as_slice() else { panic!("{again:?}") };
    assert_eq!((again.vm_state, again.aftermath), (VmState::Active, Aftermath::Running));
    assert_eq!(again.vmove.as_str(), "second");
    let log = by(RecoveryMethod::AutoPriority).says(1, not_moved("a", None));
    let mut waiting = log.clone();
    let plan = |m| Entry::Planned { on_host: 1, moves: vec![m], skipped: vec![] };
    assert!(waiting.try_to_say(2, plan(again.clone())).is_err(), "its first move is not over");
    let settled = log.did(2, recovery::log::Act::Settle, "a").over(2).says(2, plan(again.clone()));
    assert_eq!(settled.state.ways.now(), Ok(Way::Reserved));
    assert_eq!(settled.state.order.len(), 2);
}

#[test]
fn within_the_segment_each_server_has_its_own_host_and_then_the_next() {
    let permit = permitted_by(Kind::MonitorSaid);
    let hosts: Vec<HostName> = ["x", "y", "z"].map(host).to_vec();
    let log = by(RecoveryMethod::Auto).turns(1, WayEntry::Within { hosts });
    assert_eq!(log.due(&At::with(&permit, 1)), ["evacuate a to x", "evacuate b to y"]);
    let asked = log.intends(1, recovery::log::Act::Evacuate, "a");
    let again = Entry::NotMoved {
        server: id("a"),
        why: "no room".into(),
        again_at: Some(Millis(2)),
        reset: recovery::log::Reset::NotNeeded,
    };
    let again = asked.says(1, again);
    assert_eq!(again.due(&At::with(&permit, 2)), ["evacuate a to y", "evacuate b to y"]);
}
