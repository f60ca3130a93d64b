//! Who goes first, and how many at once.

use crate::words::{At, Log, id, permitted_by, planned, still_there};
use recovery::{
    due::Limits,
    evidence::Kind,
    log::{Act, Planned},
    plan,
    priority::{Keys, Properties},
    seen::Server,
};

fn with(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn keys() -> Keys {
    Keys {
        flavor: "ha:flavor".into(),
        image: "ha_image".into(),
        aggregate: "ha_aggregate".into(),
        ..Keys::default()
    }
}

/// One that says its priority everywhere but in its metadata.
fn server(metadata: &[(&str, &str)]) -> Server {
    let mut server = still_there("a");
    server.metadata = with(metadata);
    server.hints.flavor = with(&[("ha:flavor", "20")]);
    server
}

#[test]
fn the_nearest_place_that_says_a_number_counts() {
    let image = with(&[("ha_image", "30")]);
    let aggregates = [with(&[("ha_aggregate", "7")]), with(&[("ha_aggregate", "40")]), with(&[])];
    let of = |server: &Server, keys: &Keys| keys.of(server, Some(&image), &aggregates);
    assert_eq!(of(&server(&[("HA_Priority", " -10 ")]), &keys()), -10);
    assert_eq!(of(&server(&[]), &keys()), 20);
    assert_eq!(of(&server(&[("HA_Priority", "high")]), &keys()), 20, "that is no number");
    let no_flavor = Keys { flavor: String::new(), ..keys() };
    assert_eq!(of(&server(&[]), &no_flavor), 30);
    let no_image = Keys { image: String::new(), ..no_flavor };
    assert_eq!(of(&server(&[]), &no_image), 40, "the highest of its host's aggregates");
    assert_eq!(Keys::default().of(&server(&[]), Some(&image), &aggregates), 0);
    let renamed = Keys { metadata: "tier".into(), ..Keys::default() };
    assert_eq!(of(&server(&[("HA_Priority", "1"), ("tier", "2")]), &renamed), 2);
}

fn ranked(server: &str, ha_enabled: bool, priority: i64) -> Planned {
    Planned { ha_enabled, priority, ..planned(server) }
}

#[test]
fn those_with_the_key_go_before_any_number_and_equals_keep_novas_order() {
    let mut moves = [
        ranked("a", false, 0),
        ranked("b", true, -5),
        ranked("c", false, 99),
        ranked("d", true, 3),
        ranked("e", false, 0),
        ranked("f", false, -1),
    ];
    plan::in_order(&mut moves);
    let order: Vec<&str> = moves.iter().map(|m| m.server.as_str()).collect();
    assert_eq!(order, ["d", "b", "c", "a", "e", "f"]);
}

#[test]
fn nobody_is_asked_for_while_the_call_for_one_of_a_higher_rank_is_in_flight() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = Log::planned(&[ranked("a", false, 2), ranked("b", false, 2), ranked("c", false, 1)]);
    assert_eq!(log.due(&At::with(&permit, 0)), ["evacuate a", "evacuate b"]);
    let asking = log.intends(1, Act::Evacuate, "a").intends(1, Act::Evacuate, "b");
    let at = At { look: false, ..At::with(&permit, 2) };
    assert!(asking.due(&At { busy: &["a", "b"], ..at }).is_empty());
    let one_answered = asking.did(2, Act::Evacuate, "a");
    assert!(one_answered.due(&At { busy: &["b"], ..at }).is_empty());
    let answered = one_answered.did(2, Act::Evacuate, "b");
    assert_eq!(answered.due(&at), ["evacuate c"], "they need not have arrived");
}

#[test]
fn with_a_limit_only_so_many_servers_of_a_host_are_on_their_way() {
    let permit = permitted_by(Kind::MonitorSaid);
    let limits = Limits { on_their_way: Some(2), ..Limits::default() };
    let log = Log::planned(&[planned("a"), planned("b"), planned("c")]);
    let at = At { look: false, ..At::with(&permit, 1) };
    assert_eq!(log.due_within(&limits, &at), ["evacuate a", "evacuate b"]);
    let two = log.intends(1, Act::Evacuate, "a").did(2, Act::Evacuate, "a");
    let two = two.intends(2, Act::Evacuate, "b").did(2, Act::Evacuate, "b");
    assert!(two.due_within(&limits, &at).is_empty());
    assert_eq!(two.due(&at), ["evacuate c"], "without it");
    let arrived = two.arrives(3, "a");
    let steps = arrived.due_within(&limits, &at);
    assert!(steps.contains(&"evacuate c".to_string()), "{steps:?}");
    assert!(arrived.state.moves[&id("b")].is_on_its_way());
}
