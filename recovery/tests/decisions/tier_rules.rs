//! Ordered restart: who is of which tier, and which check of a server is made at which address.

use crate::words::shown;
use recovery::{
    priority::Keys,
    seen::{Server, Task, VmState},
    tiers::{self, Check, Door, Inside, Network, Rules, Tier},
};

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| Network::read(text).unwrap()).collect()
}

pub(crate) fn rules() -> Rules {
    Rules { on: true, networks: networks(&["192.0.2.0/24", "2001:db8::/32"]), ..Rules::default() }
}

pub(crate) fn says(pairs: &[(&str, &str)], addresses: &[&str]) -> Server {
    let mut server = shown("a", "dead", VmState::Active, Task::None);
    server.metadata = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    server.hints.addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    server
}

#[test]
fn the_tier_is_the_nearest_number_and_without_one_it_is_the_last() {
    let mut server = says(&[("HA_Tier", "2")], &[]);
    assert_eq!(rules().of(&server, None).tier, Tier::Number(2));
    server.metadata.clear();
    server.hints.flavor.insert("ha:tier".into(), "-1".into());
    assert_eq!(rules().of(&server, None).tier, Tier::Last);
    let keys = Keys { flavor: "ha:tier".into(), ..rules().keys };
    assert_eq!(Rules { keys, ..rules() }.of(&server, None).tier, Tier::Number(-1));
    assert!(Tier::Number(-1) < Tier::Number(0) && Tier::Number(i64::MAX) < Tier::Last);
}

fn check(text: &str, addresses: &[&str]) -> Result<String, String> {
    let ordered = rules().of(&says(&[("HA_Check", text)], addresses), None);
    match (ordered.check, ordered.not_checked) {
        (Some(Check::At(door)), None) => Ok(format!("{} {door}", door.address)),
        (Some(check @ Check::Of(Inside::GuestAgent)), None) => Ok(check.to_string()),
        (None, Some(why)) => Err(why.to_string()),
        neither => panic!("{neither:?}"),
    }
}

#[test]
fn a_check_is_read_and_goes_to_the_first_address_that_may_be_asked() {
    let addresses = ["10.1.2.3", "192.0.2.7", "192.0.2.8"];
    assert_eq!(check(" tcp:5432 ", &addresses).unwrap(), "192.0.2.7 port 5432");
    let http = check("http:8080/health?deep=1", &addresses).unwrap();
    assert_eq!(http, "192.0.2.7 http port 8080, /health?deep=1");
    assert_eq!(check("http:80", &["2001:db8::7"]).unwrap(), "2001:db8::7 http port 80, /");
    for text in [
        "tcp:0",
        "tcp:65536",
        "tcp:80/x",
        "tcp",
        "udp:53",
        "http:x/",
        "http:80/a b",
        "http:80/#a",
        "",
    ] {
        let why = check(text, &addresses).unwrap_err();
        assert!(why.contains("it is no guest, tcp:PORT or http:PORT/PATH"), "{text}: {why}");
    }
    let long = format!("http:80/{}", "a".repeat(255));
    assert!(check(&long, &addresses).is_err());
    assert_eq!(rules().of(&says(&[], &addresses), None).check, None);
}

/// No address is asked, so none need be allowed.
#[test]
fn a_guest_agent_is_asked_wherever_the_server_is() {
    let none = Rules { networks: Vec::new(), ..rules() };
    let ordered = none.of(&says(&[("HA_Check", " guest ")], &[]), None);
    assert_eq!((ordered.check, ordered.not_checked), (Some(Check::Of(Inside::GuestAgent)), None));
}

#[test]
fn the_log_of_an_older_version_reads_as_it_was_meant() {
    let read = |text: &str| serde_json::from_str::<Check>(text).unwrap();
    let door = Door { address: "192.0.2.7".into(), port: 80, path: Some("/up".into()) };
    assert_eq!(read(r#"{"address":"192.0.2.7","port":80,"path":"/up"}"#), Check::At(door.clone()));
    let bare = Door { path: None, ..door };
    for check in [Check::At(bare), Check::Of(Inside::GuestAgent)] {
        assert_eq!(read(&serde_json::to_string(&check).unwrap()), check);
    }
}

/// The owner of a server may have made its network: its addresses may be anybody's.
#[test]
fn no_address_is_asked_that_the_operator_has_not_named() {
    let why = check("tcp:22", &["10.1.2.3"]).unwrap_err();
    assert_eq!(why, "'tcp:22' is not asked: it has no fixed address in [recovery] check_networks");
    let none = Rules { networks: Vec::new(), ..rules() };
    let ordered = none.of(&says(&[("HA_Check", "tcp:22")], &["192.0.2.7"]), None);
    let why = ordered.not_checked.unwrap().to_string();
    assert_eq!(why, "'tcp:22' is not asked: [recovery] check_networks allows no address");
    // Not even where the operator has named everything.
    let all = networks(&["0.0.0.0/0", "::/0"]);
    let asks = |address: &str| all.iter().any(|n| n.contains(address.parse().unwrap()));
    for address in [
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "ff02::1",
        "::",
    ] {
        assert!(!asks(address), "{address}");
    }
    assert!(asks("8.8.8.8") && asks("2001:db8::1"));
}

#[test]
fn networks_are_read_and_what_is_none_is_named() {
    let contains = |network: &str, address: &str| {
        Network::read(network).unwrap().contains(address.parse().unwrap())
    };
    assert!(contains("192.0.2.128/25", "192.0.2.200") && !contains("192.0.2.128/25", "192.0.2.1"));
    assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
    assert!(
        contains("2001:db8::/33", "2001:db8::1") && !contains("2001:db8::/33", "2001:db8:8000::1")
    );
    assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    for text in ["192.0.2.0/33", "::/129", "net", "", "192.0.2.0/", "192.0.2.0/-1"] {
        assert_eq!(Network::read(text), None, "{text}");
    }
    let texts = ["10.0.0.0/8".to_owned(), "intern".to_owned()];
    assert_eq!(tiers::networks(&texts), Err("intern".into()));
}
