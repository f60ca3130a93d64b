//! The lease of a host: the agent and an observer as they are, in virtual time, against an etcd and a watchdog that do what
//! real ones do. Real ones: monitor/tests/lease/run.
#![cfg(test)]

mod answers;
mod etcd;
mod source;
mod world;

use etcd::{Fault, Member};
use monitor::lease::holder::Fault as HolderFault;
use monitor::lease::watchdog::Released;
use recovery::deadman::Standing;
use std::time::Duration;
use world::{Host, PROOF, World};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_renews_is_fed_and_lives() {
    let world = World::new();
    let host = world.boots("b1");
    world.passes(s(3_600)).await;
    assert_eq!(world.standing().await, Some(Standing::Lives));
    assert!(host.is_up() && !host.has_ended());
    assert_eq!(host.armed_with(), Some(s(10)));
}

/// The answer to the first renewal stands between a watchdog that runs and one that nobody counts on.
#[tokio::test(start_paused = true)]
async fn without_etcd_the_watchdog_is_not_opened() {
    let world = World::new();
    world.etcd.fails(Fault::Away);
    let host = world.boots("b1");
    world.passes(s(600)).await;
    assert_eq!(host.armed_with(), None);
    assert!(host.is_up());
    world.etcd.works();
    world.passes(s(5)).await;
    assert_eq!(host.armed_with(), Some(s(10)));
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

/// Stopped between the answer and the watchdog, for longer than the term: the renewal is nobody's word any more.
#[tokio::test(start_paused = true)]
async fn an_agent_that_was_stopped_while_it_took_the_lease_does_not_open_the_watchdog_without_one()
{
    let world = World::new();
    let host = world.boots("b1");
    host.etcd().fails(Fault::AskerIsStopped);
    world.passes(s(1)).await;
    assert_eq!(world.etcd.written_at(), s(0), "it has its lease, and does not know yet");
    host.etcd().fails(Fault::Away);
    world.passes(s(600)).await;
    assert_eq!(host.armed_with(), None);
    host.etcd().works();
    world.passes(s(5)).await;
    assert_eq!(host.armed_with(), Some(s(10)));
    assert!(host.is_up());
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_cut_off_is_reset_before_it_is_proven_dead() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::Away);
    let proven = world.watched_until_dead(s(120)).await;
    let (reset, cut) = (host.reset_at().expect("its watchdog bites"), s(60));
    assert!(proven.asked > reset, "{proven:?}, reset at {reset:?}");
    // The last renewal was up to 2 s before the cut; the observer's last look at it 1 s later.
    assert!(reset >= cut + s(18) && reset <= cut + s(31), "{reset:?}");
    assert!(proven.asked <= cut + PROOF + s(3), "{proven:?}");
    // Newer than any heartbeat of this run, and older than the first of a run that takes 15 s to boot.
    let at = world.since_the_start(proven.at.expect("and when it was"));
    assert!(at > cut && at <= reset + s(15), "{at:?}, reset at {reset:?}");
}

/// Each death has its own proof.
#[tokio::test(start_paused = true)]
async fn a_host_that_dies_again_is_proven_dead_again() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.loses_power();
    let first = world.watched_until_dead(s(120)).await;
    let again = world.boots("b2");
    world.watched_for(s(120)).await;
    assert_eq!(world.standing().await, Some(Standing::Lives));
    again.loses_power();
    let lost = again.reset_at().unwrap();
    let second = world.watched_until_dead(s(120)).await;
    let at = |proven: world::Proven| world.since_the_start(proven.at.unwrap());
    let (first, second) = (at(first), at(second));
    assert!(second > lost && first < lost, "{first:?}, {second:?}, lost at {lost:?}");
}

/// It may take up to fifteen seconds to give the lease back.
#[tokio::test(start_paused = true)]
async fn while_it_is_given_back_the_watchdog_is_fed() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::Away);
    let back = async {
        world.passes(s(12)).await;
        host.etcd().works();
    };
    tokio::join!(host.agent_ends(), back);
    assert!(host.is_up());
    assert_eq!(host.released(), Some(Released::Off));
}

#[tokio::test(start_paused = true)]
async fn a_killed_agent_has_until_the_watchdog_bites_to_come_back() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.agent_is_killed();
    // It was fed up to 2.5 s before.
    world.watched_for(s(7)).await;
    let host = host.agent_starts();
    world.watched_for(s(600)).await;
    assert!(host.is_up());
    assert_eq!(world.standing().await, Some(Standing::Lives));
    host.agent_is_killed();
    let proven = world.watched_until_dead(s(120)).await;
    assert!(host.reset_at().is_some_and(|reset| reset < proven.asked));
}

/// Begun again and again without etcd: to open the watchdog would be to feed it.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_begun_again_and_again_does_not_keep_a_lost_host_alive() {
    let world = World::new();
    let mut host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::Away);
    for _ in 0..12 {
        host.agent_is_killed();
        world.watched_for(s(1)).await;
        host = host.agent_starts();
    }
    assert!(host.reset_at().is_some_and(|reset| reset <= s(71)), "{:?}", host.reset_at());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stands_still_is_bitten_and_one_whose_answers_are_late_is_not() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    // Renewals that take 1.5 s each way.
    world.etcd.takes(Duration::from_millis(1_400));
    world.watched_for(s(600)).await;
    assert!(host.is_up());
    host.agent_is_stopped();
    let proven = world.watched_until_dead(s(120)).await;
    assert!(host.reset_at().is_some_and(|reset| reset < proven.asked));
}

/// Who looks on may have seen a renewal as soon as it was sent, however late its answer comes.
#[tokio::test(start_paused = true)]
async fn the_term_counts_from_when_the_renewal_was_sent() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(10)).await;
    let each_way = Duration::from_millis(1_400);
    world.etcd.takes(each_way);
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::Away);
    world.watched_until_dead(s(120)).await;
    let sent = world.etcd.written_at() - each_way;
    let fed = host.fed_at();
    assert!(fed <= sent + s(20) && fed > sent + s(17), "sent at {sent:?}, fed at {fed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_found_again() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(10)).await;
    for _ in 0..5 {
        host.etcd().fails(Fault::AnswersAreLost);
        world.watched_for(s(12)).await;
        host.etcd().works();
        world.watched_for(s(12)).await;
    }
    assert!(host.is_up());
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_is_left_for_another() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(10)).await;
    for member in [Member(0), Member(1), Member(2)] {
        world.etcd.member_fails(member);
        world.watched_for(s(60)).await;
        assert!(host.is_up(), "{member:?}");
        assert_eq!(world.standing().await, Some(Standing::Lives), "{member:?}");
        world.etcd.works();
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ends_in_peace_gives_the_lease_back_before_it_lets_go() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.agent_ends().await;
    assert_eq!(host.released(), Some(Released::Off));
    assert_eq!(world.watched_for(s(600)).await.last(), Some(&Some(Standing::Left)));
    let host = host.agent_starts();
    world.watched_for(s(600)).await;
    assert!(host.is_up());
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_given_back_keeps_its_watchdog() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::Away);
    host.agent_ends().await;
    assert_eq!(host.released(), None);
    let proven = world.watched_until_dead(s(120)).await;
    assert!(host.reset_at().is_some_and(|reset| reset < proven.asked));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_comes_back_waits_until_its_former_run_is_over_and_is_under_its_watchdog_again()
{
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.loses_power();
    world.watched_for(s(5)).await;
    let again = world.boots("b2");
    world.watched_for(s(30)).await;
    assert_eq!(again.armed_with(), None);
    world.watched_for(s(60)).await;
    assert_eq!(again.armed_with(), Some(s(10)));
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

#[tokio::test(start_paused = true)]
async fn a_second_machine_with_the_same_name_gets_no_lease_and_harms_nobody() {
    let world = World::new();
    let first = world.boots("b1");
    world.watched_for(s(10)).await;
    let second = world.boots("b2");
    world.watched_for(s(10)).await;
    assert!(matches!(second.fault(), Some(HolderFault::Taken { .. })));
    world.watched_for(s(600)).await;
    assert!(first.is_up() && second.armed_with().is_none());
    assert_eq!(world.standing().await, Some(Standing::Lives));
}

/// A person deletes the key, and the other machine is there before the next renewal.
async fn the_other_machine_has_the_lease(world: &World) -> (Host, Host) {
    let first = world.boots("b1");
    world.watched_for(s(60)).await;
    world.etcd.forgets("/masakari/lease/cmp1");
    let second = world.boots("b2");
    world.watched_for(s(5)).await;
    assert_eq!(second.armed_with(), Some(s(10)));
    (first, second)
}

/// Of two machines that take it from each other in turn both are fed, and nobody sees which one dies.
#[tokio::test(start_paused = true)]
async fn a_machine_does_not_take_its_lease_back_from_another_of_the_same_name() {
    let world = World::new();
    let (first, second) = the_other_machine_has_the_lease(&world).await;
    let seen = world.watched_for(s(600)).await;
    assert!(seen.iter().all(|seen| *seen == Some(Standing::Lives)), "the second one renews");
    assert!(first.reset_at().is_some_and(|reset| reset <= s(91)), "{:?}", first.reset_at());
    assert!(second.is_up() && second.fault().is_none());
}

/// What it would give back is not its own: its watchdog is not to be let go on that.
#[tokio::test(start_paused = true)]
async fn a_machine_does_not_give_back_the_lease_of_another_of_the_same_name() {
    let world = World::new();
    let (first, second) = the_other_machine_has_the_lease(&world).await;
    first.agent_ends().await;
    assert_eq!(first.released(), None);
    let seen = world.watched_for(s(60)).await;
    assert!(seen.iter().all(|seen| *seen == Some(Standing::Lives)), "{seen:?}");
    assert!(!first.is_up() && second.is_up());
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_that_does_not_do_as_it_is_told_is_refused_and_nobody_counts_on_it() {
    for (takes, said) in [(s(60), "60 s"), (s(1), "1000 ms")] {
        let world = World::new();
        let host = world.boots_with("b1", takes);
        world.watched_for(s(30)).await;
        let fault = host.fault().expect("it is refused").to_string();
        assert!(fault.contains(said), "{fault}");
        assert_eq!(world.standing().await, Some(Standing::Left));
    }
    // A shorter one is counted by.
    let world = World::new();
    let host = world.boots_with("b1", s(6));
    world.watched_for(s(30)).await;
    host.agent_is_killed();
    let proven = world.watched_until_dead(s(120)).await;
    assert!(proven.asked < s(30) + s(38), "{proven:?}");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_is_cut_off_says_nothing_and_counts_from_its_next_look() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    world.observers_etcd().fails(Fault::Away);
    host.agent_is_killed();
    assert!(world.watched_for(s(300)).await.iter().all(Option::is_none));
    world.observers_etcd().works();
    // What it sees was written since its last look: it may be new.
    let proven = world.watched_until_dead(s(120)).await;
    assert!(proven.asked >= s(360), "{proven:?}");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_has_just_begun_knows_that_a_host_is_dead_and_not_since_when() {
    let world = World::new();
    let host = world.boots("b1");
    world.passes(s(60)).await;
    host.agent_is_killed();
    world.passes(s(3_600)).await;
    let proven = world.watched_until_dead(s(120)).await;
    assert_eq!(proven.at, None);
}

#[tokio::test(start_paused = true)]
async fn another_cluster_is_no_etcd_of_ours() {
    let world = World::new();
    let host = world.boots("b1");
    world.watched_for(s(60)).await;
    host.etcd().fails(Fault::OtherCluster);
    let proven = world.watched_until_dead(s(120)).await;
    assert!(host.reset_at().is_some_and(|reset| reset < proven.asked), "it was not renewed there");
}
