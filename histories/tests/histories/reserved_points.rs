//! Crash points of recoveries that use reserved hosts: whatever an engine was doing to one, the next
//! engine brings it to its end, or undoes it.

use crate::{
    crash_points::{Which, Word, dies_everywhere, pauses_everywhere, scene, told_well},
    scene::{EngineScript, Scene, undisturbed},
    tale,
};
use recovery::nouns::{NotificationStatus, RecoveryMethod};
use sim::Shape;

/// What was before is in the crash points of all recoveries.
const RESERVES: Which = Which { since: "listing hosts", every: 7 };

/// Two hosts are reserved, on each of which so many servers fit; four servers are to be moved.
fn with_reserved(method: RecoveryMethod, fit: usize, engines: Vec<EngineScript>) -> Scene {
    let plain = scene(Word::Person, engines);
    let shape = Shape {
        hosts: plain.shape.hosts + 2,
        reserved: 2,
        reserved_max: fit,
        aggregates: 2,
        ..plain.shape.clone()
    };
    Scene { method, shape, ..plain }
}

/// All of them fit on the first.
fn reserved_host(engines: Vec<EngineScript>) -> Scene {
    with_reserved(RecoveryMethod::ReservedHost, 100, engines)
}

/// Two on each.
fn two_reserved_hosts(engines: Vec<EngineScript>) -> Scene {
    with_reserved(RecoveryMethod::ReservedHost, 2, engines)
}

/// None: both are handed back, and Nova chooses.
fn rh_priority(engines: Vec<EngineScript>) -> Scene {
    with_reserved(RecoveryMethod::RhPriority, 0, engines)
}

/// The other hosts are full: Nova finds none.
fn auto_priority(engines: Vec<EngineScript>) -> Scene {
    let mut scene = with_reserved(RecoveryMethod::AutoPriority, 100, engines);
    scene.shape.vms_per_host_max = 4;
    scene
}

#[test]
fn an_engine_that_dies_at_any_point_of_using_a_reserved_host_is_made_up_for() {
    dies_everywhere(reserved_host, RESERVES, 18);
}

#[test]
fn an_engine_that_dies_between_two_reserved_hosts_is_made_up_for() {
    dies_everywhere(two_reserved_hosts, RESERVES, 18);
}

#[test]
fn an_engine_that_dies_while_it_hands_reserved_hosts_back_is_made_up_for() {
    dies_everywhere(rh_priority, RESERVES, 18);
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_using_a_reserved_host_is_made_up_for() {
    pauses_everywhere(reserved_host, RESERVES, 18);
}

#[test]
fn an_engine_that_stands_still_while_it_hands_reserved_hosts_back_is_made_up_for() {
    pauses_everywhere(rh_priority, RESERVES, 18);
}

/// Where each server is, which hosts are reserved still, and how it ended.
fn ends(scene: Scene) -> (Vec<usize>, Vec<bool>, NotificationStatus) {
    let reserved = scene.shape.reserved;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|broken| panic!("{broken}\n{}", told.stage.story()));
    let hosts = told.stage.world.hosts();
    let servers = told.stage.world.servers();
    let on = |h| servers.iter().filter(|s| s.host.as_ref() == Some(h)).count();
    let enabled = hosts.iter().rev().take(reserved).rev();
    let enabled = enabled.map(|h| !told.stage.world.service(h).unwrap().enabled).collect();
    let status = told.stage.memory.all_notifications()[0].status;
    (hosts.iter().map(on).collect(), enabled, status)
}

#[test]
fn every_method_sends_the_servers_where_it_says() {
    use NotificationStatus::{Failed, Finished};
    let method = |m, fit| with_reserved(m, fit, vec![undisturbed()]);
    use RecoveryMethod as M;
    // The newest reserved host comes first, as for Python Masakari.
    assert_eq!(
        ends(method(M::ReservedHost, 100)),
        (vec![0, 4, 4, 0, 4], vec![true, false], Finished)
    );
    assert_eq!(ends(method(M::ReservedHost, 2)), (vec![0, 4, 4, 2, 2], vec![false; 2], Finished));
    assert_eq!(ends(method(M::RhPriority, 100)).0, [0, 4, 4, 0, 4]);
    assert_eq!(ends(method(M::RhPriority, 0)), (vec![0, 6, 6, 0, 0], vec![true; 2], Finished));
    assert_eq!(ends(method(M::AutoPriority, 100)).0, [0, 6, 6, 0, 0]);
    let full = auto_priority(vec![undisturbed()]);
    assert_eq!(ends(full), (vec![0, 4, 4, 0, 4], vec![true, false], Finished));
    let mut none = method(M::ReservedHost, 100);
    (none.shape.reserved, none.shape.hosts) = (0, 3);
    assert_eq!(ends(none), (vec![4, 4, 4], vec![], Failed));
}

#[test]
fn after_a_fall_back_every_server_is_as_it_was_before_the_host_died() {
    for plot in [rh_priority, auto_priority, two_reserved_hosts] {
        told_well(tale::tell(plot(vec![undisturbed()]))).unwrap_or_else(|(broken, story)| {
            panic!("{broken}\n{story}");
        });
    }
}

#[test]
fn two_dead_hosts_share_no_reserved_host() {
    let mut scene = with_reserved(RecoveryMethod::ReservedHost, 100, vec![undisturbed(); 2]);
    scene.second_after_ms = Some(0);
    let (servers, disabled, _) = ends(scene);
    assert_eq!((servers, disabled), (vec![0, 0, 4, 4, 4], vec![false; 2]));
}

#[test]
fn auto_within_the_segment_keeps_to_its_hosts() {
    let mut scene = with_reserved(RecoveryMethod::Auto, 100, vec![undisturbed()]);
    scene.within_segment = true;
    assert_eq!(ends(scene).0, [0, 6, 6, 0, 0]);
}
