//! What nodes come to. Times are seconds, of both clocks.

use monitor::hosts::kubernetes::{
    node::{Event, NODES_MOST, Node, Ready, Taint},
    nodes::{Change, Nodes, NotReady, Now, SETTLES_AFTER},
};
use ports::Boot;
use recovery::{
    Millis,
    evidence::Kind,
    verdict::{Quorum, Round, Sight},
};

fn at(seconds: u64) -> Now {
    Now { wall: time(seconds), boot: Boot(seconds * 1000) }
}

fn time(seconds: u64) -> Millis {
    Millis(i64::try_from(seconds).unwrap() * 1000)
}

/// A node whose condition changed at that time, when its kubelet was heard last if it is heard.
fn node(name: &str, ready: Ready, since: u64) -> Node {
    let is_heard = matches!(ready, Ready::Yes | Ready::No);
    Node {
        name: name.into(),
        ready,
        changed_at: Some(time(since)),
        heard_at: is_heard.then(|| time(since)),
        taint: None,
    }
}

fn tainted(mut node: Node, added_at: Option<u64>) -> Node {
    node.taint = Some(Taint { words: "out-of-service".into(), added_at: added_at.map(time) });
    node
}

fn is(node: Node) -> Event {
    Event::Is { node, version: "2".into() }
}

/// Three that are ready, since 10.
fn three() -> Nodes {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    let ready = ["n1", "n2", "n3"].map(|name| node(name, Ready::Yes, 10));
    nodes.list(ready.to_vec(), "1".into(), at(20));
    nodes
}

fn sights(round: &Round) -> String {
    if round.quorum != Quorum::Quorate {
        return "silent".into();
    }
    let words = round.hosts.iter().map(|seen| {
        let proof =
            seen.proof.as_ref().map_or_else(String::new, |proof| format!("+{}", proof.at.0 / 1000));
        let sight = match seen.sight {
            Sight::Online => "on",
            Sight::Offline => "off",
            Sight::Uncertain => "?",
        };
        format!("{} {sight}{proof}", seen.host)
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_node_whose_kubelet_fell_silent_is_offline_and_one_that_speaks_is_not() {
    let mut nodes = three();
    assert_eq!(sights(&nodes.round(at(20))), "n1 on, n2 on, n3 on");
    assert_eq!(nodes.event(is(node("n2", Ready::Silent, 60)), at(60)), Change::Seen);
    // It says itself that it is not ready: it lives.
    assert_eq!(nodes.event(is(node("n3", Ready::No, 61)), at(61)), Change::Seen);
    assert_eq!(sights(&nodes.round(at(61))), "n1 on, n2 off, n3 ?");
    assert_eq!(nodes.event(is(node("n2", Ready::Yes, 70)), at(70)), Change::Seen);
    assert_eq!(sights(&nodes.round(at(70))), "n1 on, n2 on, n3 ?");
}

#[test]
fn who_wants_pythons_meaning_of_not_ready_has_it() {
    let mut nodes = Nodes::new(NotReady::Offline);
    let list = vec![node("n1", Ready::Yes, 10), node("n2", Ready::No, 10)];
    nodes.list(list, "1".into(), at(20));
    assert_eq!(sights(&nodes.round(at(20))), "n1 on, n2 off");
}

#[test]
fn a_heartbeat_that_changes_nothing_is_no_news() {
    let mut nodes = three();
    let mut again = node("n1", Ready::Yes, 10);
    again.heard_at = Some(time(300));
    assert_eq!(nodes.event(is(again), at(300)), Change::None);
    assert_eq!(nodes.event(Event::Bookmark { version: "9".into() }, at(301)), Change::None);
    assert_eq!(nodes.version(), "9");
}

#[test]
fn a_node_that_is_deleted_is_not_known_any_more_and_not_dead() {
    let mut nodes = three();
    let left = Event::Left { name: "n2".into(), version: "3".into() };
    assert_eq!(nodes.event(left, at(30)), Change::Seen);
    assert_eq!(sights(&nodes.round(at(30))), "n1 on, n3 on");
    // Nor is one that a list does not have.
    nodes.list(vec![node("n1", Ready::Yes, 10)], "4".into(), at(40));
    assert_eq!(sights(&nodes.round(at(40))), "n1 on");
}

#[test]
fn who_is_dead_at_the_start_is_offline_and_who_never_came_is_not() {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    let list =
        vec![node("n1", Ready::Yes, 1), node("n2", Ready::Silent, 1), node("n3", Ready::Never, 1)];
    nodes.list(list, "1".into(), at(20));
    assert_eq!(sights(&nodes.round(at(20))), "n1 on, n2 off, n3 ?");
}

#[test]
fn when_nobody_is_heard_nothing_is_said() {
    let mut nodes = three();
    for name in ["n1", "n2"] {
        nodes.event(is(node(name, Ready::Silent, 60)), at(60));
    }
    assert_eq!(sights(&nodes.round(at(60))), "n1 off, n2 off, n3 on");
    nodes.event(is(node("n3", Ready::Silent, 61)), at(61));
    let round = nodes.round(at(61));
    let Quorum::NotQuorate { why } = round.quorum else { panic!("{round:?}") };
    assert!(why.starts_with("of 3 nodes none is heard"), "{why}");
    // The first that is heard again is not the only one that lives.
    nodes.event(is(node("n1", Ready::Yes, 70)), at(70));
    assert_eq!(sights(&nodes.round(at(70))), "n1 on, n2 ?, n3 ?");
    nodes.event(is(node("n2", Ready::Yes, 75)), at(75));
    assert_eq!(sights(&nodes.round(at(75))), "n1 on, n2 on, n3 ?");
    assert_eq!(sights(&nodes.round(at(100))), "n1 on, n2 on, n3 off");
    // Of one alone nothing of the kind can be known.
    let mut one = Nodes::new(NotReady::Uncertain);
    one.list(vec![node("n1", Ready::Silent, 1)], "1".into(), at(20));
    assert_eq!(sights(&one.round(at(20))), "n1 off");
}

#[test]
fn who_fell_silent_while_the_api_server_was_away_is_uncertain_until_the_living_have_reported() {
    let settles = 100 + SETTLES_AFTER.as_secs();
    let mut nodes = three();
    nodes.event(is(node("n1", Ready::Silent, 30)), at(30));
    nodes.lost(at(40));
    nodes.lost(at(70));
    let list = vec![
        node("n1", Ready::Silent, 30),
        node("n2", Ready::Silent, 99),
        node("n3", Ready::Yes, 10),
    ];
    nodes.list(list, "5".into(), at(100));
    assert_eq!(sights(&nodes.round(at(100))), "n1 off, n2 ?, n3 on");
    assert_eq!(nodes.settles_at(), Some(at(settles).boot));
    // Just after its return is as bad, and who reports is there at once.
    nodes.event(is(node("n3", Ready::Silent, 101)), at(101));
    nodes.event(is(node("n2", Ready::Yes, 110)), at(110));
    assert_eq!(sights(&nodes.round(at(110))), "n1 off, n2 on, n3 ?");
    assert_eq!(sights(&nodes.round(at(settles))), "n1 off, n2 on, n3 off");
    assert_eq!(nodes.settles_at(), None);
    nodes.event(is(node("n3", Ready::Yes, settles)), at(settles));
    nodes.event(is(node("n2", Ready::Silent, settles + 5)), at(settles + 5));
    assert_eq!(sights(&nodes.round(at(settles + 5))), "n1 off, n2 off, n3 on");
}

/// Its heartbeat, or another label, is an event of its own.
#[test]
fn who_is_doubted_stays_so_over_further_events_until_all_is_settled() {
    let mut nodes = three();
    nodes.lost(at(40));
    nodes.list(
        vec![node("n1", Ready::Yes, 10), node("n2", Ready::Silent, 99)],
        "5".into(),
        at(100),
    );
    nodes.event(is(tainted(node("n2", Ready::Silent, 99), Some(1))), at(105));
    assert_eq!(sights(&nodes.round(at(105))), "n1 on, n2 ?");
    assert_eq!(sights(&nodes.round(at(130))), "n1 on, n2 off");
}

#[test]
fn a_watch_that_only_broke_makes_nobody_uncertain() {
    let mut nodes = three();
    nodes.lost(at(40));
    let list = vec![node("n1", Ready::Silent, 41), node("n2", Ready::Yes, 10)];
    nodes.list(list, "5".into(), at(42));
    assert_eq!(sights(&nodes.round(at(42))), "n1 off, n2 on");
}

#[test]
fn a_persons_taint_is_his_word_from_when_it_was_seen_to_appear() {
    let mut nodes = three();
    nodes.event(is(node("n2", Ready::Silent, 60)), at(60));
    let tainted_now = tainted(node("n2", Ready::Silent, 60), None);
    assert_eq!(nodes.event(is(tainted_now.clone()), at(75)), Change::Seen);
    let round = nodes.round(at(75));
    assert_eq!(sights(&round), "n1 on, n2 off+75, n3 on");
    let proof = round.hosts[1].proof.clone().unwrap();
    assert_eq!(proof.kind, Kind::OperatorConfirmed);
    assert!(proof.detail.contains("out-of-service"), "{}", proof.detail);
    // It stays as old as it is, over events and lists.
    assert_eq!(nodes.event(is(tainted_now.clone()), at(90)), Change::None);
    nodes.list(vec![node("n1", Ready::Yes, 10), tainted_now], "7".into(), at(99));
    assert_eq!(sights(&nodes.round(at(99))), "n1 on, n2 off+75");
}

#[test]
fn a_taint_that_was_left_behind_says_nothing_of_the_next_death() {
    let mut nodes = three();
    nodes.event(is(node("n2", Ready::Silent, 60)), at(60));
    nodes.event(is(tainted(node("n2", Ready::Silent, 60), None)), at(75));
    nodes.event(is(tainted(node("n2", Ready::Yes, 200), None)), at(200));
    assert_eq!(sights(&nodes.round(at(200))), "n1 on, n2 on, n3 on");
    nodes.event(is(tainted(node("n2", Ready::Silent, 900), None)), at(900));
    assert_eq!(sights(&nodes.round(at(900))), "n1 on, n2 off, n3 on");
    // Until it is taken away and added anew.
    nodes.event(is(node("n2", Ready::Silent, 900)), at(950));
    nodes.event(is(tainted(node("n2", Ready::Silent, 900), None)), at(960));
    assert_eq!(sights(&nodes.round(at(960))), "n1 on, n2 off+960, n3 on");
}

#[test]
fn a_taint_that_was_found_proves_nothing_unless_its_author_dated_it() {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    let list = vec![
        node("n0", Ready::Yes, 10),
        tainted(node("n1", Ready::Silent, 60), None),
        tainted(node("n2", Ready::Silent, 60), Some(80)),
        tainted(node("n3", Ready::Silent, 60), Some(50)),
    ];
    nodes.list(list, "1".into(), at(100));
    // Of n3 its kubelet was heard after the taint, for as long as the controller waits.
    assert_eq!(sights(&nodes.round(at(100))), "n0 on, n1 off, n2 off+80, n3 off");
}

/// Who edits it does not say that he has looked at the host again.
#[test]
fn a_taint_that_is_only_reworded_is_no_new_word() {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    let found = tainted(node("n2", Ready::Silent, 60), None);
    nodes.list(vec![node("n1", Ready::Yes, 10), found.clone()], "1".into(), at(100));
    let mut reworded = found;
    reworded.taint.as_mut().unwrap().words = "out-of-service=again".into();
    nodes.event(is(reworded), at(150));
    assert_eq!(sights(&nodes.round(at(150))), "n1 on, n2 off");
}

/// By its own clock, which may be ahead.
#[test]
fn a_taint_proves_nothing_if_the_kubelet_was_heard_after_it() {
    for (heard, expected) in [(71, "n1 on, n2 off, n3 on"), (70, "n1 on, n2 off+70, n3 on")] {
        let mut nodes = three();
        let mut silent = tainted(node("n2", Ready::Silent, 60), Some(70));
        silent.heard_at = Some(time(heard));
        nodes.event(is(silent), at(75));
        assert_eq!(sights(&nodes.round(at(75))), expected);
    }
}

#[test]
fn no_more_nodes_are_kept_than_a_list_may_have() {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    let many = (0..NODES_MOST).map(|n| node(&format!("n{n}"), Ready::Yes, 10));
    nodes.list(many.collect(), "1".into(), at(20));
    assert_eq!(nodes.event(is(node("n0", Ready::Silent, 30)), at(30)), Change::Seen);
    assert_eq!(nodes.event(is(node("one more", Ready::Yes, 30)), at(30)), Change::Gone);
    assert_eq!(nodes.count(), NODES_MOST);
}

#[test]
fn a_taint_that_is_dated_in_the_future_is_as_old_as_it_was_seen() {
    let mut nodes = three();
    nodes.event(is(node("n2", Ready::Silent, 60)), at(60));
    nodes.event(is(tainted(node("n2", Ready::Silent, 60), Some(80))), at(75));
    assert_eq!(sights(&nodes.round(at(75))), "n1 on, n2 off+75, n3 on");
}

#[test]
fn a_taint_that_came_while_nobody_looked_is_as_old_as_the_last_look() {
    let mut nodes = three();
    nodes.event(is(node("n2", Ready::Silent, 60)), at(60));
    nodes.lost(at(61));
    let list = vec![node("n1", Ready::Yes, 10), tainted(node("n2", Ready::Silent, 60), None)];
    nodes.list(list, "7".into(), at(64));
    assert_eq!(sights(&nodes.round(at(64))), "n1 on, n2 off+60");
}

#[test]
fn at_the_start_too_the_living_are_waited_for_when_the_api_server_was_away() {
    let mut nodes = Nodes::new(NotReady::Uncertain);
    nodes.lost(at(10));
    let list = vec![node("n1", Ready::Yes, 10), node("n2", Ready::Silent, 12)];
    nodes.list(list, "1".into(), at(20));
    assert_eq!(sights(&nodes.round(at(20))), "n1 on, n2 ?");
    assert_eq!(sights(&nodes.round(at(50))), "n1 on, n2 off");
}
