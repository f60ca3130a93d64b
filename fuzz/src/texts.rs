//! Texts of operators and of VMs' owners.

use oslo::{
    config::{Kind, Opt, Source, Values},
    database_url::DatabaseUrl,
    policy::{Check, RuleText},
};
use recovery::{rules, tiers};
use std::path::PathBuf;

pub(crate) const READERS: &[fn(&[u8])] = &[ini, policy, database_url, owners_rule, check, networks];

/// Of each kind one.
const TABLE: &[Opt] = &[
    Opt::new("DEFAULT", "debug", Kind::Bool).default("false"),
    Opt::new("DEFAULT", "host", Kind::Str),
    Opt::new("api", "workers", Kind::Int { min: 1, max: 100 }).default("1"),
    Opt::new("api", "words", Kind::List).default(""),
    Opt::new("api", "rule", Kind::MultiStr),
];

fn ini(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let source = Source::File { path: PathBuf::from("masakari.conf"), text };
    let (values, findings) = Values::load(&[source], &[TABLE]);
    let workers = values.get::<i64>("api", "workers");
    assert!((1..=100).contains(&workers), "{workers} is beyond its bounds");
    for finding in findings {
        assert!(!finding.to_string().is_empty());
    }
}

/// What was read is written so that it reads the same.
fn policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(check) = Check::parse(&RuleText::Text(text.into_owned())) {
        let again = Check::parse(&RuleText::Text(check.to_string()));
        assert!(again.is_ok_and(|again| again == check), "{check} does not read as itself");
    }
}

/// What is said of it shows no password of more than a few letters.
fn database_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((url, findings)) = DatabaseUrl::parse(&text) {
        drop(url.to_sqlx());
        let said: String = findings.iter().map(ToString::to_string).collect();
        let password = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let password = password.and_then(|(user, _)| user.split_once(':')).map(|(_, word)| word);
        let is_shown = |word: &str| word.len() > 8 && said.contains(word);
        assert!(!password.is_some_and(is_shown), "a password is shown in {said}");
    }
}

fn owners_rule(bytes: &[u8]) {
    drop(rules::read(&String::from_utf8_lossy(bytes)));
}

fn check(bytes: &[u8]) {
    let addresses = ["192.0.2.7".parse(), "2001:db8::7".parse()];
    let addresses: Vec<std::net::IpAddr> = addresses.into_iter().flatten().collect();
    let all: Vec<tiers::Network> = tiers::Network::read("0.0.0.0/0").into_iter().collect();
    drop(tiers::Check::read(&String::from_utf8_lossy(bytes), &addresses, &all));
}

/// No text names a network in which we are ourselves.
fn networks(bytes: &[u8]) {
    if let Some(network) = tiers::Network::read(&String::from_utf8_lossy(bytes)) {
        for own in ["127.0.0.1", "::1", "169.254.169.254", "224.0.0.1"] {
            assert!(own.parse().is_ok_and(|own| !network.contains(own)), "{own} may be asked");
        }
    }
}
