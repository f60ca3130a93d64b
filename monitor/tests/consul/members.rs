//! `/v1/agent/members`.

use monitor::hosts::consul::{
    matrix::Health,
    members::{BYTES_MOST, MEMBERS_MOST, Members, Unusable},
};
use serde_json::{Value, json};

/// As Consul's documentation shows one.
fn member(name: &str, status: i64) -> Value {
    json!({ "Name": name, "Addr": "10.1.10.12", "Port": 8301, "Tags": { "bootstrap": "1", "dc": "dc1", "port": "8300",
        "role": "consul", "vsn": "1" }, "Status": status, "ProtocolMin": 1, "ProtocolMax": 2, "ProtocolCur": 2,
        "DelegateMin": 1, "DelegateMax": 3, "DelegateCur": 3 })
}

fn read(members: &[Value]) -> Result<Members, Unusable> {
    Members::read(json!(members).to_string().as_bytes())
}

#[test]
fn only_a_member_that_failed_is_down() {
    // 0 none, 1 alive, 2 leaving, 3 left, 4 failed.
    let named: Vec<Value> = (0..=4)
        .map(|n| member(&format!("n{n}"), n))
        .chain([member("a", 1), member("b", 1)])
        .collect();
    let members = read(&named).unwrap();
    let health: Vec<Health> = (0..=4).map(|n| members.health(&format!("n{n}"))).collect();
    assert_eq!(
        health,
        [Health::Unknown, Health::Up, Health::Unknown, Health::Unknown, Health::Down]
    );
    assert_eq!(members.health("somebody else"), Health::Unknown);
    assert_eq!(members.names().count(), 7);
}

#[test]
fn one_who_is_there_twice_is_unknown_if_the_two_differ() {
    let of = |first, second| {
        let three = [member("n1", first), member("n1", second), member("a", 1), member("b", 1)];
        read(&three).unwrap().health("n1")
    };
    assert_eq!(of(4, 1), Health::Unknown);
    assert_eq!(of(1, 1), Health::Up);
}

#[test]
fn an_agent_that_sees_half_of_its_cluster_or_less_says_nothing() {
    let cluster = |alive: usize, failed: usize, left: usize| {
        let many = |name: &str, status, count| {
            (0..count).map(move |n| member(&format!("{name}{n}"), status)).collect::<Vec<_>>()
        };
        let name = |name: &str| name.to_owned();
        let all =
            [many(&name("a"), 1, alive), many(&name("f"), 4, failed), many(&name("l"), 3, left)]
                .concat();
        read(&all)
    };
    assert_eq!(cluster(1, 2, 0), Err(Unusable::SmallerPart { alive: 1, all: 3 }));
    assert_eq!(cluster(2, 2, 0), Err(Unusable::SmallerPart { alive: 2, all: 4 }));
    // Who has left does not count.
    assert!(cluster(2, 1, 9).is_ok());
    // Of two nobody is the smaller part.
    assert!(cluster(1, 1, 0).is_ok());
}

#[test]
fn what_is_malformed_or_huge_is_refused() {
    assert_eq!(read(&[]), Err(Unusable::Nobody));
    assert_eq!(read(&[member("", 1)]), Err(Unusable::Name));
    assert_eq!(read(&[member(&"n".repeat(256), 1)]), Err(Unusable::Name));
    let many: Vec<Value> = (0..=MEMBERS_MOST).map(|n| json!({ "Name": n.to_string() })).collect();
    assert_eq!(read(&many), Err(Unusable::TooMany));
    assert_eq!(Members::read(&vec![b' '; BYTES_MOST + 1]), Err(Unusable::Huge(BYTES_MOST + 1)));
    for rubbish in
        [&b"<html>"[..], b"", b"{}", b"null", b"[7]", b"[{\"Name\":7}]", b"[{\"Status\":\"up\"}]"]
    {
        assert!(matches!(Members::read(rubbish), Err(Unusable::Syntax(_))), "{rubbish:?}");
    }
}
