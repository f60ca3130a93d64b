//! The fence devices of all hosts are looked at from time to time, whatever dies, and none is ordered anything.

use crate::{
    crash_points::{Word, scene},
    fences::Fence,
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use recovery::readiness::{Check, Readiness};
use sim::{Bmc, Shape, When};
use std::collections::BTreeSet;

/// One host is reported that lives; all are looked at each minute, for ten and more.
fn looked_at(bmc: Bmc, engines: Vec<EngineScript>) -> Scene {
    let fence = Fence { bmc, hangs: false, check_every_s: Some(60), ..Fence::default() };
    let shape = Shape { hosts: 8, vms_per_host: 1, ..Shape::default() };
    let plain = scene(Word::Monitor, engines);
    Scene { shape, fence: Some(fence), false_alarm: true, watched_on_ms: 600_000, ..plain }
}

fn told(scene: Scene) -> Stage {
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

/// Of all hosts but the one whose recovery is open.
fn all_are(stage: &Stage, readiness: Readiness) {
    let checks: Vec<Check> = stage.memory.all_fence_checks();
    let hosts: BTreeSet<_> = checks.iter().map(|check| check.host.clone()).collect();
    assert!(hosts.len() >= 7, "{checks:?}\n{}", stage.story());
    let wrong = checks.iter().find(|check| check.readiness != readiness);
    assert_eq!(wrong, None, "{}", stage.story());
    assert_eq!(stage.bmcs.orders(), [], "a look orders nothing");
}

#[test]
fn what_could_be_fenced_and_what_could_not_is_remembered() {
    for (bmc, readiness) in [
        (Bmc::Honest, Readiness::Ready),
        (Bmc::Dead, Readiness::Unready),
        (Bmc::WrongPassword, Readiness::Unready),
    ] {
        all_are(&told(looked_at(bmc, vec![undisturbed(), undisturbed()])), readiness);
    }
}

#[test]
fn several_engines_look_no_more_often_than_one() {
    let one = told(looked_at(Bmc::Honest, vec![undisturbed()])).bmcs.asked();
    let three = vec![undisturbed(), undisturbed(), undisturbed()];
    let three = told(looked_at(Bmc::Honest, three)).bmcs.asked();
    assert!(one >= 80 && three <= one + one / 10, "{one} by one, {three} by three");
}

#[test]
fn an_engine_that_dies_while_it_looks_goes_on_where_it_was() {
    for crossing in (40..600).step_by(37) {
        for when in [When::Before, When::After] {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            all_are(&told(looked_at(Bmc::Honest, vec![script])), Readiness::Ready);
        }
    }
}
