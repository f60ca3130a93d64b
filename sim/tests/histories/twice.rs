//! Monitors that say the same: each node of a cluster sees a host die, and each reports it. One report is accepted, and each VM
//! moves once.

use crate::{
    all_end_well,
    crash_points::{Word, scene, told_well},
    scene::{Dice, Scene, undisturbed},
    tale::{self, Stage},
};

/// In the id of a report that is not the first of its host's death.
const BY: &str = "-by-";

/// The others report within the window of the first.
pub(crate) async fn happens(stage: &Stage) {
    let first_ms = stage.scene.dies_at_ms + stage.scene.reported_after_ms;
    for (n, after_ms) in stage.scene.said_again_ms.iter().enumerate() {
        stage.at(first_ms + after_ms).await;
        let host = stage.host(0);
        stage.report_as(&host, format!("report-{host}{BY}{n}"), format!("report-{host}")).await;
    }
}

/// No report is accepted twice.
pub(crate) fn at_every_step(stage: &Stage) -> Result<(), String> {
    let all = stage.memory.all_notifications();
    match all.iter().find(|n| n.uuid.as_str().contains(BY)) {
        Some(again) => Err(format!("{} was accepted, and its host's death was before", again.uuid)),
        None => Ok(()),
    }
}

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
