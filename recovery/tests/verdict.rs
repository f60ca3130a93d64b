//! What watchers saw, and what is said of it.
#![cfg(test)]

use proptest::prelude::*;
use recovery::{
    HostName, Millis,
    evidence::Kind,
    verdict::{
        HOSTS_MOST, Limits, Proof, Quorum, Round, Rule, Seen, Sight, Verdict, Watch,
        ledger::{BLIND_MOST_MS, Ledger, Say},
        names::{Keys, same_host},
    },
};
use std::collections::BTreeMap;

const MINUTE: u64 = 60_000;
const LIMITS: Limits = Limits { interval_ms: MINUTE, samples: 1, silence_ms: 150_000 };

fn name(text: &str) -> HostName {
    HostName::new(text)
}

fn seen(host: &str, sight: Sight) -> Seen {
    Seen::new(name(host), sight)
}

fn fenced(host: &str, at: i64) -> Seen {
    let proof = Proof { kind: Kind::ClusterFenced, at: Millis(at), detail: "off".into() };
    Seen { proof: Some(proof), ..seen(host, Sight::Offline) }
}

fn cut_off() -> Round {
    Round::silent(Quorum::CutOff { why: "alone".into() })
}

/// Sources, and what is said of what they see.
struct World {
    watch: Watch,
    ledger: Ledger,
    now: u64,
}

impl World {
    fn new(samples: u32, rule: Rule, sources: usize) -> Self {
        let watch = Watch::new(Limits { samples, ..LIMITS }, rule, name("me"), sources);
        Self { watch, ledger: Ledger::default(), now: 0 }
    }

    fn of(samples: u32) -> Self {
        Self::new(samples, Rule::All, 1)
    }

    fn tell(&mut self) -> Vec<Say> {
        self.ledger.tell(&self.watch.standing(self.now), self.now)
    }

    fn hears(&mut self, source: usize, after_ms: u64, hosts: &[Seen]) -> Vec<Say> {
        self.now += after_ms;
        self.watch.take(source, &Round::quorate(hosts.to_vec()), self.now);
        self.tell()
    }

    fn verdict(&self, host: &str) -> Verdict {
        let standing = self.watch.standing(self.now);
        standing.get(&name(host)).map_or(Verdict::Unknown, |standing| standing.verdict)
    }
}

fn reports(said: &[Say]) -> Vec<String> {
    let word = |say: &Say| match say {
        Say::Recognized { .. } | Say::Unsettled { .. } => None,
        Say::Stopped { host, proof } => {
            Some(format!("{host} stopped{}", if proof.is_some() { ", proven" } else { "" }))
        }
        Say::Proven { host, .. } => Some(format!("{host} proven")),
        Say::Started { host } => Some(format!("{host} started")),
    };
    said.iter().filter_map(word).collect()
}

#[test]
fn a_death_and_a_return_are_said_once_each() {
    let mut world = World::of(1);
    let on = [seen("cmp1", Sight::Online)];
    let off = [seen("cmp1", Sight::Offline)];
    assert_eq!(
        world.hears(0, 0, &on),
        [Say::Recognized { host: name("cmp1"), verdict: Verdict::Online }]
    );
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), ["cmp1 stopped"]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), ["cmp1 started"]);
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), [""; 0]);
    assert_eq!(reports(&world.hears(0, 500, &off)), ["cmp1 stopped"]);
}

#[test]
fn who_is_dead_when_we_come_is_reported_and_who_is_there_is_not() {
    let mut world = World::of(1);
    let all = [seen("cmp1", Sight::Offline), seen("cmp2", Sight::Online)];
    assert_eq!(reports(&world.hears(0, 0, &all)), ["cmp1 stopped"]);
}

/// As with Python's `monitoring_samples`.
#[test]
fn so_many_samples_in_a_row_must_be_equal_and_an_event_between_two_is_none() {
    let mut world = World::of(3);
    let (on, off) = ([seen("cmp1", Sight::Online)], [seen("cmp1", Sight::Offline)]);
    for _ in 0..3 {
        world.hears(0, MINUTE, &on);
    }
    assert_eq!(world.verdict("cmp1"), Verdict::Online);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), [""; 0]);
    assert_eq!(world.verdict("cmp1"), Verdict::Uncertain);
    // Many events of one second are one sample.
    for _ in 0..10 {
        assert_eq!(reports(&world.hears(0, 100, &off)), [""; 0]);
    }
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), ["cmp1 stopped"]);
    // Its return takes as many.
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), ["cmp1 started"]);
}

#[test]
fn what_is_proven_needs_no_second_sample_and_a_proof_that_comes_later_is_said() {
    let mut world = World::of(3);
    assert_eq!(reports(&world.hears(0, 0, &[fenced("cmp1", 5)])), ["cmp1 stopped, proven"]);
    let mut world = World::of(1);
    assert_eq!(reports(&world.hears(0, 0, &[seen("cmp1", Sight::Offline)])), ["cmp1 stopped"]);
    assert_eq!(reports(&world.hears(0, 9_000, &[fenced("cmp1", 5)])), ["cmp1 proven"]);
    assert_eq!(reports(&world.hears(0, 9_000, &[fenced("cmp1", 9)])), [""; 0]);
    assert_eq!(reports(&world.hears(0, 9_000, &[fenced("cmp1", 90_000)])), ["cmp1 proven"]);
}

/// A proof of a host that is seen is none: it was of an earlier death.
#[test]
fn a_proof_without_a_death_proves_nothing() {
    let mut world = World::of(1);
    let back = Seen { sight: Sight::Online, ..fenced("cmp1", 5) };
    assert_eq!(reports(&world.hears(0, 0, std::slice::from_ref(&back))), [""; 0]);
    assert_eq!(world.watch.standing(0)[&name("cmp1")].proof, None);
    let between = Seen { sight: Sight::Uncertain, ..back };
    assert_eq!(reports(&world.hears(0, 0, &[between])), [""; 0]);
}

#[test]
fn who_has_no_quorum_or_is_silent_says_nothing_and_begins_anew_after_that() {
    let mut world = World::of(2);
    let (on, off) = ([seen("cmp1", Sight::Online)], [seen("cmp1", Sight::Offline)]);
    world.hears(0, 0, &on);
    world.hears(0, MINUTE, &on);
    world.hears(0, MINUTE, &off);
    world.watch.take(0, &cut_off(), world.now);
    assert_eq!(world.verdict("cmp1"), Verdict::Unknown);
    assert_eq!(reports(&world.tell()), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), [""; 0]);
    assert_eq!(reports(&world.hears(0, MINUTE, &off)), ["cmp1 stopped"]);
    // The source hangs.
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), [""; 0]);
    world.now += LIMITS.silence_ms + 1;
    assert_eq!(world.verdict("cmp1"), Verdict::Unknown);
    assert_eq!(reports(&world.hears(0, 0, &on)), [""; 0], "and is heard again, once");
    assert_eq!(reports(&world.hears(0, MINUTE, &on)), ["cmp1 started"]);
}

#[test]
fn who_was_blind_for_long_tells_a_death_again_and_a_return_once() {
    let mut world = World::of(1);
    let (on, off) = ([seen("cmp1", Sight::Online)], [seen("cmp1", Sight::Offline)]);
    world.hears(0, 0, &off);
    world.watch.take(0, &cut_off(), world.now);
    world.tell();
    assert_eq!(reports(&world.hears(0, BLIND_MOST_MS, &off)), [""; 0]);
    world.watch.take(0, &cut_off(), world.now);
    world.tell();
    // Asked in between, it knows as little.
    world.now += BLIND_MOST_MS;
    world.tell();
    assert_eq!(reports(&world.hears(0, 1, &off)), ["cmp1 stopped"]);
    // It is taken out of its cluster, and put in again after a day.
    assert_eq!(reports(&world.hears(0, MINUTE, &[])), [""; 0]);
    world.now += 720 * MINUTE;
    assert_eq!(reports(&world.tell()), [""; 0]);
    assert_eq!(reports(&world.hears(0, 720 * MINUTE, &on)), ["cmp1 started"]);
}

#[test]
fn nobody_says_of_himself_that_he_is_dead() {
    let mut world = World::of(1);
    let all = [seen("ME.example.org", Sight::Offline), seen("me", Sight::Offline)];
    assert_eq!(world.hears(0, 0, &all), []);
}

#[test]
fn a_host_in_two_sources_is_one_host_and_the_rule_says_how_many_must_agree() {
    let short = |sight| vec![seen("cmp1", sight)];
    let full = |sight| vec![seen("Cmp1.example.org", sight)];
    let (on, off, unsure) = (Sight::Online, Sight::Offline, Sight::Uncertain);
    for (rule, first, second, expected) in [
        (Rule::Any, off, on, Verdict::Offline),
        (Rule::All, off, on, Verdict::Uncertain),
        (Rule::Of(2), off, on, Verdict::Uncertain),
        (Rule::All, off, off, Verdict::Offline),
        (Rule::Of(2), off, off, Verdict::Offline),
        (Rule::Any, on, unsure, Verdict::Uncertain),
        (Rule::Any, on, on, Verdict::Online),
    ] {
        let mut world = World::new(1, rule, 2);
        world.hears(0, 0, &short(first));
        world.hears(1, 0, &full(second));
        assert_eq!(world.watch.standing(0).len(), 1);
        assert_eq!(world.verdict("cmp1"), expected, "{rule:?} {first:?} {second:?}");
    }
    // One that does not know the host has not said that it is dead.
    let mut world = World::new(1, Rule::All, 2);
    assert_eq!(reports(&world.hears(0, 0, &short(off))), [""; 0]);
    assert_eq!(reports(&world.hears(1, 0, &full(off))), ["cmp1 stopped"]);
}

/// Two machines of one name, or one that is listed twice: nobody knows which of the two was fenced.
#[test]
fn the_proof_of_one_of_two_that_bear_one_name_is_no_proof() {
    let (unproven, proven) = (seen("cmp1", Sight::Offline), fenced("cmp1", 7));
    for twice in [[unproven.clone(), proven.clone()], [proven.clone(), unproven]] {
        assert_eq!(reports(&World::of(1).hears(0, 0, &twice)), ["cmp1 stopped"]);
    }
    let both = [proven.clone(), proven];
    assert_eq!(reports(&World::of(1).hears(0, 0, &both)), ["cmp1 stopped, proven"]);
}

#[test]
fn one_source_that_names_a_host_twice_is_no_second_witness() {
    let mut world = World::new(1, Rule::Of(2), 2);
    let twice = [seen("cmp1", Sight::Offline), seen("cmp1.a", Sight::Offline)];
    assert_eq!(reports(&world.hears(0, 0, &twice)), [""; 0]);
    let differ = [fenced("cmp2", 1), seen("cmp2", Sight::Online)];
    for twice in [differ.clone(), [differ[1].clone(), differ[0].clone()]] {
        let mut world = World::of(1);
        assert_eq!(reports(&world.hears(0, 0, &twice)), [""; 0]);
        assert_eq!(world.verdict("cmp2"), Verdict::Uncertain);
    }
    // By two names, it is what is the less dead of both.
    let names = [fenced("cmp3", 1), seen("cmp3.a", Sight::Online)];
    assert_eq!(reports(&World::of(1).hears(0, 0, &names)), [""; 0]);
}

#[test]
fn of_several_proofs_the_strongest_counts_and_one_of_who_is_not_held_for_dead_does_not() {
    let kind = |kind, at| {
        let proof = Proof { kind, at: Millis(at), detail: String::new() };
        Seen { proof: Some(proof), ..seen("cmp1", Sight::Offline) }
    };
    let (lease, cluster) = (kind(Kind::LeaseExpired, 90), kind(Kind::ClusterFenced, 5));
    for (first, second) in [(lease.clone(), cluster.clone()), (cluster, lease.clone())] {
        let mut world = World::new(1, Rule::All, 2);
        world.hears(0, 0, &[first]);
        assert_eq!(world.watch.standing(0)[&name("cmp1")].proof, None, "one of two holds it so");
        world.hears(1, 0, &[second]);
        let proof = world.watch.standing(0)[&name("cmp1")].proof.clone().unwrap();
        assert_eq!((proof.kind, proof.at), (Kind::ClusterFenced, Millis(5)));
    }
    // Who sees the host has no proof of its death, whatever he brings.
    let mut world = World::new(1, Rule::Any, 2);
    let back = Seen { sight: Sight::Online, ..lease.clone() };
    world.hears(0, 0, &[seen("cmp1", Sight::Offline)]);
    assert_eq!(reports(&world.hears(1, 0, &[back])), [""; 0]);
    // A stronger one is news, however near in time.
    let mut world = World::of(1);
    assert_eq!(reports(&world.hears(0, 0, &[lease])), ["cmp1 stopped, proven"]);
    let stronger = kind(Kind::ClusterFenced, 91);
    assert_eq!(reports(&world.hears(0, 0, &[stronger])), ["cmp1 proven"]);
}

/// Masakari knows the host by the name of the report of its death.
#[test]
fn who_is_back_is_reported_by_the_name_by_which_he_was_reported_dead() {
    let mut world = World::new(1, Rule::Any, 2);
    assert_eq!(reports(&world.hears(0, 0, &[seen("cmp1", Sight::Offline)])), ["cmp1 stopped"]);
    world.watch.take(0, &cut_off(), world.now);
    let back = [seen("cmp1.example.org", Sight::Online)];
    assert_eq!(reports(&world.hears(1, 1_000, &back)), ["cmp1 started"]);
}

#[test]
fn more_hosts_than_that_are_not_taken_in() {
    let mut world = World::of(1);
    let many: Vec<Seen> = (0..=HOSTS_MOST).map(|n| seen(&format!("c{n}"), Sight::Online)).collect();
    world.hears(0, 0, &many);
    assert_eq!(world.watch.standing(0).len(), HOSTS_MOST);
}

#[test]
fn at_least_one_source_must_hold_a_host_for_dead() {
    assert_eq!(Rule::Of(0).needed(3), 1);
    assert_eq!(Rule::All.needed(0), 1);
}

#[test]
fn names_are_one_hosts_when_they_differ_by_case_or_by_the_domain() {
    for (a, b, same) in [
        ("cmp1", "CMP1", true),
        ("cmp1", "cmp1.example.org", true),
        ("cmp1.a", "cmp1.b", false),
        ("cmp1", "cmp10", false),
        ("10.0.0.1", "10.0.0.2", false),
    ] {
        assert_eq!(same_host(&name(a), &name(b)), same, "{a} {b}");
    }
    let all = ["cmp1", "cmp1.a", "cmp1.b", "cmp2.a", "cmp2"].map(name);
    let keys = Keys::of(all.iter());
    let told: Vec<String> = all.iter().map(|host| keys.key(host).to_string()).collect();
    assert_eq!(told, ["cmp1", "cmp1.a", "cmp1.b", "cmp2", "cmp2"]);
}

fn any_sight() -> impl Strategy<Value = Sight> {
    prop_oneof![Just(Sight::Online), Just(Sight::Offline), Just(Sight::Uncertain)]
}

/// A source, how long after the last one, whether it may speak, and what it sees of two hosts.
fn any_step() -> impl Strategy<Value = (usize, u64, bool, Vec<Option<Sight>>)> {
    let sights = prop::collection::vec(prop::option::of(any_sight()), 2);
    (0..3usize, 0..200_000u64, prop::bool::weighted(0.8), sights)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![Just(Rule::Any), Just(Rule::All), (1..=3usize).prop_map(Rule::Of)]
}

proptest! {
    /// Of each host deaths and returns take turns, unless we were blind; a death is said only where so many sources that may
    /// speak see it now; a return never where one of them does not.
    #[test]
    fn nothing_is_said_that_was_not_seen(
        rule in any_rule(),
        samples in 1..4u32,
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = World::new(samples, rule, 3);
        let mut now_seen: Vec<BTreeMap<String, Sight>> = vec![BTreeMap::new(); 3];
        let mut heard = [0u64; 3];
        let mut dead: BTreeMap<String, bool> = BTreeMap::new();
        for (source, after, speaks, sights) in steps {
            world.now += after;
            heard[source] = world.now;
            let hosts: Vec<Seen> = sights.iter().enumerate()
                .filter_map(|(n, sight)| Some(seen(&format!("cmp{n}"), (*sight)?))).collect();
            let round = if speaks { Round::quorate(hosts.clone()) } else { cut_off() };
            world.watch.take(source, &round, world.now);
            now_seen[source] = BTreeMap::new();
            if speaks {
                now_seen[source].extend(hosts.iter().map(|seen| (seen.host.to_string(), seen.sight)));
            }
            let count = |host: &HostName, sight: Sight| now_seen.iter().zip(heard)
                .filter(|(of, at)| world.now - at <= LIMITS.silence_ms && of.get(host.as_str()) == Some(&sight)).count();
            let said = world.ledger.tell(&world.watch.standing(world.now), world.now);
            for say in said {
                match say {
                    Say::Stopped { host, .. } => {
                        prop_assert!(count(&host, Sight::Offline) >= rule.needed(3));
                        dead.insert(host.to_string(), true);
                    }
                    Say::Started { host } => {
                        prop_assert!(count(&host, Sight::Offline) == 0 && count(&host, Sight::Online) > 0);
                        prop_assert_eq!(dead.insert(host.to_string(), false), Some(true));
                    }
                    Say::Proven { .. } => prop_assert!(false, "nobody proved anything"),
                    Say::Recognized { .. } | Say::Unsettled { .. } => {}
                }
            }
        }
    }
}
