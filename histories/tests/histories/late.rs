//! Calls that arrive long after they were sent: whoever does not know what became of one waits until it cannot land any more, and
//! looks, before it asks a second time.

use crate::{
    crash_points::{self, Word},
    fences::logs,
    scene::{Faults, Of, Scene, undisturbed},
    small, soak, tale,
};
use recovery::{
    log::{Act, Entry},
    restart::Event,
    seen::VmState,
};
use sim::{Fault, Kind, Service};

/// What is sent within two seconds from then on takes so much longer, on its way there or back.
fn delayed(plain: Scene, from_ms: u64, ms: u64) -> Scene {
    let faults = Faults {
        rules: vec![(Service::Compute, Kind::Writes, Fault::Slow { ms }, 1_000)],
        from_ms,
        until_ms: from_ms + 2_000,
        store_permille: 0,
        build_fails_permille: 0,
        loses_touch_permille: 0,
    };
    Scene { faults: Some(faults), ..plain }
}

/// When such a line is written first, after the beginning.
fn written_ms(scene: Scene, wanted: fn(&Entry) -> bool) -> u64 {
    let stage = tale::tell(scene).stage;
    let lines = logs(&stage).concat();
    let line = lines.iter().find(|line| wanted(&line.entry)).unwrap();
    line.at.since(stage.began).unsigned_abs()
}

/// Longer than the engine waits for an answer; or it dies before that.
const LATE_MS: [(u64, bool); 2] = [(70_000, false), (40_000, true)];

#[test]
fn an_evacuation_that_may_still_land_is_not_asked_for_a_second_time() {
    let plain = |seed| {
        let mut scene = Scene { seed, ..crash_points::scene(Word::Person, vec![undisturbed()]) };
        let shape = &mut scene.shape;
        (shape.paused_every, shape.stopped_every) = (0, 0);
        (shape.error_every, shape.locked_every) = (0, 0);
        scene
    };
    let evacuates = |entry: &Entry| matches!(entry, Entry::Intended { act: Act::Evacuate, .. });
    let mut late = 0;
    for seed in 0..6 {
        let asked_ms = written_ms(plain(seed), evacuates);
        for (ms, dies) in LATE_MS {
            let mut scene = delayed(plain(seed), asked_ms - 20, ms);
            scene.hit = dies.then(|| soak::engine_dies_at(asked_ms + 3_000));
            let told = tale::tell(scene);
            let landed = told.stage.world.evacuate_calls().into_iter().map(|call| call.at);
            let soon = told.stage.began.plus((asked_ms + 30_000).cast_signed());
            late += landed.filter(|at| *at > soon).count();
            crash_points::told_well(told)
                .unwrap_or_else(|(broken, story)| panic!("{seed}, {ms} ms: {broken}\n{story}"));
        }
    }
    assert!(late > 6, "only {late} were late");
}

/// A stop that lands when the VM has been started again stops what runs.
#[test]
fn a_stop_that_may_still_land_is_not_asked_for_a_second_time() {
    let plain = |seed| {
        let scene = small::scene(Of::Vm(VmState::Active), vec![undisturbed()]);
        Scene { seed, watched_on_ms: 60_000, ..scene }
    };
    let stops = |entry: &Entry| matches!(entry, Entry::Restart(Event::StopIntended { .. }));
    for seed in 0..8 {
        let scene = delayed(plain(seed), written_ms(plain(seed), stops) - 20, LATE_MS[0].0);
        small::told_well(tale::tell(scene))
            .unwrap_or_else(|(broken, story)| panic!("{seed}: {broken}\n{story}"));
    }
}
