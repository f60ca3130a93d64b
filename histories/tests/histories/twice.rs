//! Monitors that say the same: each node of a cluster sees a host die, and each reports it. One report is accepted, and each VM
//! moves once.

use crate::{
    all_end_well,
    crash_points::{Word, scene, told_well},
    scene::{Dice, Scene, undisturbed},
    tale,
};

#[test]
fn a_death_that_several_monitors_report_is_recovered_once() {
    let scene = Scene {
        said_again_ms: vec![1, 400, 3_000, 20_000, 150_000],
        ..scene(Word::Monitor, vec![undisturbed(), undisturbed()])
    };
    told_well(tale::tell(scene)).unwrap_or_else(|(broken, story)| panic!("{broken}\n{story}"));
}

#[test]
fn every_history_of_a_death_that_several_monitors_report_ends_well() {
    let scene = |seed: u64| {
        let dice = Dice::new(seed.wrapping_mul(0xA24B_AED4_963E_E407));
        let mut said_again_ms: Vec<u64> = (0..3).map(|_| dice.between(1, 179_000)).collect();
        said_again_ms.sort_unstable();
        Scene { said_again_ms, ..Scene::from_seed(seed) }
    };
    all_end_well(60, scene, |_| Ok(()));
}
