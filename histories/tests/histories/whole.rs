//! Everything at once: see `histories::whole`.

use crate::{scene::Scene, setting, tale};
use histories::{
    coverage::{self, Group},
    fences::Fence,
    many, shrink,
};
use sim::Bmc;

/// In `cargo test`; `masakari simulate` tells more.
const SEEDS: u64 = 40;

/// What goes wrong besides that a host is lost.
fn faults(scene: &Scene) -> usize {
    let whole = scene.whole.as_ref().map_or(0, |w| w.troubles.len() + w.api_deaths.len());
    let deaths: usize = scene.engines.iter().map(|e| e.deaths.len() + e.dies_at.len()).sum();
    whole + deaths + usize::from(scene.faults.is_some())
}

#[test]
fn every_history_of_everything_ends_well_and_is_long() {
    let from = setting("SIM_FROM", 0);
    let until = from + setting("SIM_SEEDS", SEEDS);
    for scene in (from..until).map(Scene::whole_from_seed) {
        assert!(faults(&scene) >= 3, "{scene:?}");
    }
    let sum = many::tell_all((from, until), Scene::whole_from_seed, |_, _| {});
    println!("{} passed, {} failed; {} events", sum.told, sum.failed.len(), sum.median_events());
    assert!(sum.failed.is_empty(), "repeat one: SIM_FROM=… SIM_SEEDS=1; {:?}", sum.failed);
    let met =
        |group| sum.coverage.rows().filter(|(of, _, times)| *of == group && *times > 0).count();
    let kinds = [Group::Fault, Group::Transition, Group::Refusal, Group::Crash].map(met);
    println!("kinds of faults, transitions, refusals, crash edges: {kinds:?}");
    assert!(until - from < SEEDS || kinds.iter().all(|kinds| *kinds >= 10), "{kinds:?}");
    assert!(until - from < SEEDS || sum.median_events() >= 300, "{} events", sum.median_events());
}

#[test]
fn a_seed_of_everything_tells_the_same_again() {
    let told = |seed| {
        let stage = tale::tell(Scene::whole_from_seed(seed)).stage;
        (stage.for_people(), coverage::events(&stage))
    };
    assert_eq!(told(3), told(3));
    assert_ne!(told(3), told(4));
}

/// The fault that is planted: a device that says "off" of a host that runs on.
#[test]
fn what_breaks_is_made_smaller_and_still_breaks() {
    let mut scene = Scene::whole_from_seed(3);
    let lying = Fence { bmc: Bmc::Lying { ms: 20 }, hangs: true, ..Fence::default() };
    (scene.fence, scene.revived_after_ms) = (Some(lying), None);
    let breaks = |scene: &Scene| match tale::told(scene.clone()) {
        Ok(told) => told.outcome.err(),
        Err(broken) => Some(broken),
    };
    let broken = breaks(&scene).unwrap();
    let (smallest, _) = shrink::smallest(scene.clone(), &broken, 60, breaks);
    let again = breaks(&smallest).unwrap();
    assert_eq!(shrink::kind_of(&again), shrink::kind_of(&broken));
    assert!(smallest.fence.is_some(), "without the fault nothing breaks");
    assert!(faults(&smallest) < faults(&scene), "{smallest:?}");
    assert!(smallest.shape.vms_per_host < scene.shape.vms_per_host, "{smallest:?}");
}

/// A server that was in error arrives, its new host dies, and another recovery evacuates it; then an engine that has taken
/// over the first one comes to leave it in error again. That took its task from the destination, which let it run.
#[test]
fn who_is_left_in_error_is_not_reset_while_another_recovery_moves_it() {
    let told = tale::tell(Scene::whole_from_seed(456));
    told.outcome.unwrap();
    let in_vain = |line: &String| line.contains("Conflict updating instance");
    assert_eq!(told.stage.world.story().into_iter().find(in_vain), None);
}
