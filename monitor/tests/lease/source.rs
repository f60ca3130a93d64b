//! The driver `lease`: what the observer's word comes to for whoever watches hosts.

use crate::{
    etcd::Fault,
    s,
    world::{PREFIX, PROOF, World},
};
use monitor::{
    hosts::{Source, lease::Leases},
    lease::Observer,
};
use ports::{Boot, Clock, within};
use recovery::verdict::{Quorum, Round, Sight};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(60);

fn source(world: &World) -> Leases {
    let etcd = world.observers_etcd().client();
    let observer = Observer::new(etcd, PREFIX.into(), s(15), world.clock.clone());
    Leases::new(observer, INTERVAL, world.clock.clone())
}

fn word(round: &Round) -> String {
    let one = match (&round.quorum, round.hosts.as_slice()) {
        (Quorum::NotQuorate { .. } | Quorum::CutOff { .. }, _) => return "silent".into(),
        (Quorum::Quorate, []) => return "nobody".into(),
        (Quorum::Quorate, [one, ..]) => one,
    };
    let sight = match one.sight {
        Sight::Online => "online",
        Sight::Offline => "offline",
        Sight::Uncertain => "uncertain",
    };
    let proof = one.proof.as_ref().map(|proof| format!(", {}", proof.kind));
    format!("{sight}{}", proof.unwrap_or_default())
}

/// All that it says in that time, and when.
async fn said(world: &World, source: &mut Leases, time: Duration) -> Vec<(Duration, String)> {
    let (clock, mut said) = (world.clock.clone(), Vec::new());
    let until = clock.boot().plus(time);
    while clock.boot() < until {
        let left = until.since(clock.boot());
        if let Some(round) = within(&*clock, left, source.next()).await {
            said.push((clock.boot().since(Boot(0)), word(&round.unwrap())));
        }
    }
    said
}

fn words(said: &[(Duration, String)]) -> Vec<&str> {
    let mut words: Vec<&str> = said.iter().map(|(_, word)| word.as_str()).collect();
    words.dedup();
    words
}

#[tokio::test(start_paused = true)]
async fn an_overdue_lease_is_uncertain_and_its_host_is_dead_as_soon_as_that_is_proven() {
    let world = World::new();
    let host = world.boots("b1");
    let mut source = source(&world);
    assert_eq!(words(&said(&world, &mut source, s(60)).await), ["nobody", "online"]);
    host.agent_is_killed();
    let after = said(&world, &mut source, s(120)).await;
    assert_eq!(words(&after), ["online", "uncertain", "offline, lease_expired"]);
    let (proven, _) = after.iter().find(|(_, word)| word.starts_with("offline")).unwrap();
    assert!(*proven <= s(60) + PROOF + s(3), "{proven:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_host_that_was_dead_before_nobody_says_that_it_is_there() {
    let world = World::new();
    let host = world.boots("b1");
    world.passes(s(60)).await;
    host.agent_is_killed();
    world.passes(s(3_600)).await;
    let mut source = source(&world);
    let said = said(&world, &mut source, s(120)).await;
    assert_eq!(words(&said), ["nobody", "uncertain", "offline"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_host_whose_lease_was_given_back_nothing_is_known() {
    let world = World::new();
    let host = world.boots("b1");
    let mut source = source(&world);
    said(&world, &mut source, s(60)).await;
    host.agent_ends().await;
    assert_eq!(words(&said(&world, &mut source, s(600)).await), ["nobody"]);
}

#[tokio::test(start_paused = true)]
async fn an_etcd_that_is_away_for_long_is_said_and_one_that_elects_a_leader_is_not() {
    let world = World::new();
    let _host = world.boots("b1");
    let mut source = source(&world);
    said(&world, &mut source, s(60)).await;
    for _ in 0..3 {
        world.observers_etcd().fails(Fault::Away);
        assert_eq!(words(&said(&world, &mut source, s(6)).await), [""; 0]);
        world.observers_etcd().works();
        said(&world, &mut source, s(6)).await;
    }
    world.observers_etcd().fails(Fault::Away);
    assert_eq!(words(&said(&world, &mut source, s(30)).await), ["silent"]);
    world.observers_etcd().works();
    assert_eq!(words(&said(&world, &mut source, s(30)).await), ["online"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_new_is_said_once_in_an_interval() {
    let world = World::new();
    let _host = world.boots("b1");
    let mut source = source(&world);
    said(&world, &mut source, s(60)).await;
    let ten = said(&world, &mut source, 10 * INTERVAL).await.len();
    assert!((9..=10).contains(&ten), "{ten}");
    // Of one that is dead, too, whose time goes on.
    world.etcd.fails(Fault::Away);
    said(&world, &mut source, s(60)).await;
    world.etcd.works();
    said(&world, &mut source, s(120)).await;
    let dead = said(&world, &mut source, 10 * INTERVAL).await;
    assert_eq!(words(&dead), ["offline, lease_expired"]);
    assert!((9..=11).contains(&dead.len()), "{}", dead.len());
}
