//! Who goes first: Nova is asked for the servers of one rank, and has answered for all of them, before it is asked for those of the next.

use crate::{
    crash_points::{Word, scene, told_well},
    scene::{Scene, undisturbed},
    tale,
};

/// Calls that are in flight together arrive in any order, and those with the key need more calls than the others here.
#[test]
fn servers_with_the_key_are_asked_for_before_all_others() {
    for seed in 0..12 {
        let mut scene = Scene { seed, ..scene(Word::Person, vec![undisturbed()]) };
        let shape = &mut scene.shape;
        (shape.vms_per_host, shape.ha_enabled_every, shape.paused_every) = (9, 2, 2);
        shape.pace.latency_ms = 1..=400;
        let told = tale::tell(scene);
        let has_key = |id| {
            let server = told.stage.at_first.iter().find(|server| server.id == id).unwrap();
            server.metadata.contains_key("HA_Enabled")
        };
        let calls = told.stage.world.evacuate_calls();
        let asked: Vec<bool> = calls.into_iter().map(|call| has_key(call.server)).collect();
        let first = asked.iter().filter(|has_key| **has_key).count();
        assert!(first > 0 && first < asked.len(), "{seed}: {asked:?}");
        assert!(asked[..first].iter().all(|has_key| *has_key), "{seed}: {asked:?}");
        told_well(told).unwrap_or_else(|(broken, story)| panic!("{seed}: {broken}\n{story}"));
    }
}
